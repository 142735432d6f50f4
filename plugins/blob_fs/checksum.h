/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The checksum of a blob's bytes: XXH3, 128 bits. It finds what disks do, not what an enemy does.
 */
#ifndef BLOB_FS_CHECKSUM_H
#define BLOB_FS_CHECKSUM_H

#include <packice/types.h>
#include <xxhash.h>

/* Reads the whole file, which has `size` bytes, and can't change meanwhile. `path` is for messages.
 * Blocks. Errors: -EIO: it can't be read, or holds another number of bytes; -ENOMEM. */
int32_t checksum_file(int fd, const char *path, uint64_t size, XXH128_canonical_t *ret_sum,
                      struct pk_error *err);

/* The same of bytes in memory. */
void checksum_bytes(const void *data, uint64_t size, XXH128_canonical_t *ret_sum);

#endif
