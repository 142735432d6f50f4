/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a handle to a descriptor that is what the peer claims it to be.
 */
#ifndef PACKICE_SDK_HANDLE_H
#define PACKICE_SDK_HANDLE_H

#include "sdk/answer.h"

/* Takes the descriptor of one handle out of the answer, or opens the path it names; -1 if it is a
 * URL. writable: for a CREATE lease. -EPROTO: it is not what the peer claims: no regular file, of
 * another size, or, for READ, memory that is not sealed for good (reading a map of it could then
 * fail); what opening a path failed with. */
int32_t packice_handle_take(struct packice_answer *answer, uint32_t index, bool writable,
                            int *ret_fd, struct pk_error *err);

/* Whether this process can open anew what it has a descriptor of, as it must before it gives one
 * away that is PK_HANDLE_SHARED. */
bool packice_handle_can_reopen(void);

#endif
