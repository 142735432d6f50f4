/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text of a manifest: one line of JSON, and one with a checksum of it. Whatever stands in a
 * file is hostile here. Pure text: touches no disk.
 */
#ifndef BLOB_FS_MANIFEST_H
#define BLOB_FS_MANIFEST_H

#include <packice/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <xxhash.h>

/* Bytes of the longest manifest: meta and id with every byte as a \uXXXX, and all the blobs. */
#define MANIFEST_SIZE_MAX ((size_t)512 << 10)

/* XXH3-128 of a blob, in its canonical (big-endian) form. */
struct fs_sum {
    uint32_t is_set;
    XXH128_canonical_t sum;
};

struct fs_manifest {
    char id[PK_ID_MAX + 1];
    uint64_t epoch;
    uint64_t token; /* of the instance that made the object: part of its data's names */
    char *meta;
    uint64_t created_at;
    uint64_t sealed_at;
    struct pk_principal owner;
    uint64_t inode; /* of the file it was read from; not in the text */
    uint32_t blob_count;
    uint64_t sizes[PK_BLOBS_MAX];
    struct fs_sum sums[PK_BLOBS_MAX];
};

/* The text of what is published; sums has manifest->blob_count entries. The caller frees *ret_text.
 * Errors: -EINVAL: meta or a name is no UTF-8; -ENOMEM. */
int32_t manifest_encode(const struct pk_manifest *manifest, uint64_t token,
                        const struct fs_sum *sums, char **ret_text, size_t *ret_size,
                        struct pk_error *err);

/* Reads a text of size bytes. The caller frees *ret_manifest by manifest_free. -EIO: it is damaged,
 * and err says how; -ENOMEM. */
int32_t manifest_decode(const char *text, size_t size, struct fs_manifest **ret_manifest,
                        struct pk_error *err);

void manifest_free(struct fs_manifest *manifest);

/* The manifest as the ABI has it: borrows all from `manifest`. */
struct pk_manifest manifest_view(const struct fs_manifest *manifest);

#endif
