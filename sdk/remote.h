/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leases on objects whose bytes no descriptor leads to: they come before they are read, and go
 * before they are sealed. All of this is nothing for leases whose blobs are not remote.
 */
#ifndef PACKICE_SDK_REMOTE_H
#define PACKICE_SDK_REMOTE_H

#include "sdk/lease.h"

/* What is left to do for a new lease before its owner gets it: all its bytes come, unless it is
 * lazy. On failure the lease is released, and *lease NULL. */
int32_t packice_remote_settle(packice_lease **lease, struct pk_error *err);

/* Sees to it that the bytes of one blob are here. It is the lease's blob number `index`. Waits. */
int32_t packice_remote_pull(const packice_lease *lease, uint32_t index, struct packice_blob *blob,
                            struct pk_error *err);

/* Sends what was written, all of it, to be sealed: the lease's writers were shut. -EBUSY: another
 * writer is left, and nothing was sent; -EINVAL: a blob has not the size it was made with, and the
 * object is discarded. What was sent is not sent again. Waits. */
int32_t packice_remote_push(packice_lease *lease, struct pk_error *err);

/* After a seal, what was written here is what is read here. -EPROTO: the peer sealed something
 * else. */
int32_t packice_remote_keep(const struct packice_held *written, struct packice_held *sealed,
                            struct pk_error *err);

#endif
