/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's word that nobody can write to a file any more: a read lease, fcntl(2) F_SETLEASE,
 * which it grants only while no descriptor and no map of the file is writable. Nothing here has to
 * do with the leases of objects.
 */
#ifndef BLOB_FS_FILE_LEASE_H
#define BLOB_FS_FILE_LEASE_H

#include "root.h"

/* Proves it for the file behind fd, which is open for reading alone. `path` is for messages. The
 * proof holds on for everybody whom the file's mode keeps from opening it anew. Errors: -EBUSY: a
 * writer is left; -EOPNOTSUPP: there are no leases on this file system. */
int32_t file_lease_prove(int fd, const char *path, struct pk_error *err);

/* Tries out at the start what later steps need of the file system: hard links, and, if the options
 * want strict seals, leases. -EOPNOTSUPP with what is missing. */
int32_t file_system_probe(struct fs_root *root, struct pk_error *err);

#endif
