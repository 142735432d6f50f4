/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The proof that a file of this machine is the one that a node keeps a blob in: a path can lead to
 * another file in another container, or on another machine at the end of a tunnel.
 */
#ifndef PACKICE_SDK_HTTP_PROOF_H
#define PACKICE_SDK_HTTP_PROOF_H

#include "sdk/http.h"
#include "sdk/link.h"

/* Asks the node to lock a byte of its file, far behind any end and chosen at random, and looks
 * whether this kernel knows of a lock on just that byte of the file behind transfer->fd. Only who
 * has the same file open can have put it there. 0 also if there is none. Errors: of the request. */
int32_t packice_http_same_file(struct packice_http *http, const struct packice_transfer *transfer,
                               bool *ret_same, struct pk_error *err);

#endif
