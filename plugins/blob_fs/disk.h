/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The system calls on files that several parts of the plugin make alike, and their errors turned
 * into those of the ABI. Keeps no state, follows no symbolic link, and knows no object.
 */
#ifndef BLOB_FS_DISK_H
#define BLOB_FS_DISK_H

#include <dirent.h>
#include <packice/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Formats what failed, adds the text of `error` (an errno), and returns the code for it: -ENOSPC
 * (also for EDQUOT), -EBUSY (out of descriptors), -ENOMEM, -EFBIG, and -EIO for all else: what the
 * storage says of its own names, rights and handles must not be taken for a word about the caller's
 * object, name or lease. */
__attribute__((format(printf, 3, 4))) int32_t disk_fail(struct pk_error *err, int error,
                                                        const char *format, ...);

/* openat(2) with O_CLOEXEC and O_NOFOLLOW. -1 with errno. */
int disk_open(int folder, const char *name, int flags, mode_t mode);

/* The folder `name` beneath `folder`, never through a symbolic link. -1 with errno. */
int disk_open_folder(int folder, const char *name);

/* Is a file of this name there? Anything but a clear "no" is a yes. */
bool disk_exists(int folder, const char *name);

/* All of it, or an errno. */
int disk_write(int fd, const void *data, size_t size, off_t offset);

/* Up to size bytes from offset; *ret_size is less only where the file ends. 0 or an errno. */
int disk_read(int fd, void *data, size_t size, off_t offset, size_t *ret_size);

/* Starts writing out what the file holds, and, the other one, waits until that is done: both by
 * sync_file_range(2), which makes nothing last, but what it fails with a sync may not tell again. 0
 * or an errno. */
int disk_start(int fd);
int disk_settle(int fd);

/* fsync(2). 0 or an errno. */
int disk_sync(int fd);

/* Starts to list an open folder, whose own offset stays untouched. NULL with errno. */
DIR *disk_list(int folder);

/* The next entry but "." and "..", or NULL: errno is 0 at the end. */
struct dirent *disk_next(DIR *list);

#endif
