/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The descriptors of one reply of the peer: those it carries, and those of paths, opened here. It
 * never sends any.
 */
#ifndef UDS_DESCRIPTORS_H
#define UDS_DESCRIPTORS_H

#include <packice/types.h>
#include <stdbool.h>

/* Moves the reply's descriptors to fds, which has room for pk_wire_reply_fds(reply), in the order
 * that the wire numbers them; opens the paths that came without one, for writing while the object
 * is being created.
 * On failure all are closed: -EBUSY: the process has no descriptors left, -EIO. Any thread. */
int32_t uds_descriptors_take(const struct pk_reply *reply, int *fds, struct pk_error *err);

/* Whether this descriptor is one of the last that the process may have, 128 or a sixteenth: these
 * are given lowest first. What is stored must stay readable, so they are for replies to clients
 * that take them. */
bool uds_descriptors_scarce(int fd);

/* Closes what the reply carries. */
void uds_descriptors_drop(const struct pk_reply *reply);

#endif
