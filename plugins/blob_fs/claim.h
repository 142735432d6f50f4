/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claims: who may publish under a name, over all nodes that share the folder. A claim is a folder
 * claims/NAME with one file EPOCH.TOKEN in it, the manifest in the making; it appears with that
 * file, by one rename(2), which only an empty folder gives way to. A node that does not share needs
 * none: there the manifest in the making is a file beside the data.
 */
#ifndef BLOB_FS_CLAIM_H
#define BLOB_FS_CLAIM_H

#include "name.h"
#include "root.h"

/* Claims the name for this epoch. What a dead node, a stalled one, or an older epoch of this very
 * instance left is taken over. -EEXIST: a live node has it. */
int32_t claim_take(struct fs_root *root, const struct fs_name *name, uint64_t epoch,
                   struct pk_error *err);

/* Gives the claim back, if it still is this epoch's. What can't be removed now, recovery removes.
 */
void claim_release(struct fs_root *root, const struct fs_name *name, uint64_t epoch);

/* Writes the manifest in the making, which stays open: the caller makes it last. -ESTALE: the claim
 * was taken over. */
int32_t claim_write(struct fs_root *root, const struct fs_name *name, uint64_t epoch,
                    const char *text, size_t size, int *ret_fd, struct pk_error *err);

/* Gives it its second name, `file` in `folder` (shown as that): it is published. -ESTALE: the claim
 * was taken over, or such a file stands. */
int32_t claim_publish(struct fs_root *root, const struct fs_name *name, uint64_t epoch, int folder,
                      const char *file, struct pk_error *err);

/* Removes the claims and whatever else in claims/ that dead nodes left. What it can't remove or
 * does not know is logged and left alone. */
int32_t claim_recover(struct fs_root *root, struct pk_error *err);

#endif
