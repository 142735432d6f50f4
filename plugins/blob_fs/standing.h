/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading manifests of published objects, and setting aside those that are damaged: they are moved
 * to aside/, never served, never removed. Their data stays where it is until they are taken away
 * there.
 */
#ifndef BLOB_FS_STANDING_H
#define BLOB_FS_STANDING_H

#include "blob_fs.h"

/* Reads the manifest of a name in the open `folder` (objects/XX). The caller frees *ret_manifest.
 * -ENOENT: there is none, or a damaged one was just set aside; -EIO: damaged, but it could not be
 * set aside; or what the disk says. */
int32_t standing_read(struct blob_fs *fs, int folder, const struct fs_name *name,
                      struct fs_manifest **ret_manifest, struct pk_error *err);

/* The same, and sees whether its data is there and whole in size. A manifest whose data is not is
 * damaged as well; but on shared storage it stays and the answer is -EIO: another machine's cache
 * may only not show it yet. */
int32_t standing_read_whole(struct blob_fs *fs, int folder, const struct fs_name *name,
                            struct fs_manifest **ret_manifest, struct pk_error *err);

#endif
