/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What lies in one of the folders objects/XX, and a set of tokens. Removes and judges nothing.
 */
#ifndef BLOB_FS_LISTING_H
#define BLOB_FS_LISTING_H

#include "name.h"

#include <stddef.h>

struct fs_listed {
    enum fs_kind kind;
    struct fs_name name; /* MANIFEST */
    struct fs_data data; /* DATA, MAKING, GONE; MANIFEST: its hash alone, until it is read */
    uint64_t inode;
    char file[NAME_FILE_SIZE];
};

struct fs_listing {
    struct fs_listed *files; /* by data.hash */
    size_t count;
    size_t room;
};

/* Fills an empty listing, for listing_finish to free. */
int32_t listing_read(struct fs_listing *listing, int folder, struct pk_error *err);
/* The files from *ret_from to *ret_end - 1 are those of this hash. */
void listing_find(const struct fs_listing *listing, uint64_t hash, size_t *ret_from,
                  size_t *ret_end);
void listing_finish(struct fs_listing *listing);

/* Tokens, in order. */
struct fs_tokens {
    uint64_t *tokens;
    size_t count;
};

bool tokens_have(const struct fs_tokens *tokens, uint64_t token);
/* False: out of memory. */
bool tokens_add(struct fs_tokens *tokens, uint64_t token);
void tokens_finish(struct fs_tokens *tokens);

#endif
