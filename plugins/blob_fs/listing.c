/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listings of folders in objects/, and sets of tokens.
 */
#include "listing.h"

#include "disk.h"

#include <errno.h>
#include <packice/cleanup.h>
#include <string.h>

#define ROOM_FIRST 64U

static bool
make_room(struct fs_listing *listing)
{
    if (listing->count < listing->room)
        return true;
    size_t room = listing->room == 0 ? ROOM_FIRST : 2 * listing->room;
    struct fs_listed *files = reallocarray(listing->files, room, sizeof(*files));
    if (files == NULL)
        return false;
    listing->files = files;
    listing->room = room;
    return true;
}

static void
take(struct fs_listed *listed, const struct dirent *entry)
{
    memset(listed, 0, sizeof(*listed));
    listed->kind = name_parse(entry->d_name, &listed->name, &listed->data);
    listed->inode = entry->d_ino;
    if (listed->kind == FS_MANIFEST)
        listed->data.hash = listed->name.hash;
    (void)snprintf(listed->file, sizeof(listed->file), "%s", entry->d_name);
}

static int
compare(const void *one, const void *other)
{
    uint64_t a = ((const struct fs_listed *)one)->data.hash;
    uint64_t b = ((const struct fs_listed *)other)->data.hash;
    return (a > b) - (a < b);
}

int32_t
listing_read(struct fs_listing *listing, int folder, struct pk_error *err)
{
    DIR *list = disk_list(folder);
    struct dirent *entry;
    int32_t rc = 0;
    if (list == NULL)
        return disk_fail(err, errno, "objects: a folder cannot be listed");
    while (rc == 0 && (entry = disk_next(list)) != NULL) {
        if (make_room(listing))
            take(&listing->files[listing->count++], entry);
        else
            rc = pk_fail(err, -ENOMEM, "out of memory");
    }
    if (rc == 0 && errno != 0)
        rc = disk_fail(err, errno, "objects: a folder cannot be listed");
    (void)closedir(list);
    if (rc == 0 && listing->count > 1)
        qsort(listing->files, listing->count, sizeof(*listing->files), compare);
    return rc;
}

void
listing_find(const struct fs_listing *listing, uint64_t hash, size_t *ret_from, size_t *ret_end)
{
    size_t low = 0;
    size_t high = listing->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (listing->files[middle].data.hash < hash)
            low = middle + 1;
        else
            high = middle;
    }
    *ret_from = low;
    while (low < listing->count && listing->files[low].data.hash == hash)
        low++;
    *ret_end = low;
}

void
listing_finish(struct fs_listing *listing)
{
    free(listing->files);
    *listing = (struct fs_listing){ 0 };
}

/* ---- tokens ---- */

/* Where the token is, or would be. */
static size_t
place_of(const struct fs_tokens *tokens, uint64_t token)
{
    size_t low = 0;
    size_t high = tokens->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (tokens->tokens[middle] < token)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool
tokens_have(const struct fs_tokens *tokens, uint64_t token)
{
    size_t place = place_of(tokens, token);
    return place < tokens->count && tokens->tokens[place] == token;
}

bool
tokens_add(struct fs_tokens *tokens, uint64_t token)
{
    size_t place = place_of(tokens, token);
    uint64_t *more = reallocarray(tokens->tokens, tokens->count + 1, sizeof(*more));
    if (more == NULL)
        return false;
    memmove(more + place + 1, more + place, (tokens->count - place) * sizeof(*more));
    more[place] = token;
    tokens->tokens = more;
    tokens->count++;
    return true;
}

void
tokens_finish(struct fs_tokens *tokens)
{
    free(tokens->tokens);
    *tokens = (struct fs_tokens){ 0 };
}
