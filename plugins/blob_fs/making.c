/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects in the making, counted by their blobs. No lock is held while the disk is asked.
 */
#define HASH_NONFATAL_OOM 1
#include "making.h"

#include "claim.h"
#include "disk.h"

#include <errno.h>
#include <packice/cleanup.h>
#include <string.h>
#include <uthash.h>

struct fs_making {
    struct fs_name name;
    uint64_t epoch;
    uint32_t blobs;
    bool broken;
    bool over; /* a later epoch has the name, and its place in the table */
    UT_hash_handle hh;
};

void
makings_init(struct fs_makings *makings, struct fs_root *root)
{
    makings->root = root;
    makings->table = NULL;
    (void)pthread_mutex_init(&makings->lock, NULL); /* the default kind can't fail */
}

void
makings_finish(struct fs_makings *makings)
{
    (void)pthread_mutex_destroy(&makings->lock);
}

/* With the lock held. */
static struct fs_making *
find(const struct fs_makings *makings, const struct fs_name *name)
{
    struct fs_making *found = NULL;
    HASH_FIND(hh, makings->table, name->text, strlen(name->text), found);
    return found;
}

static struct fs_making *
find_for_more(struct fs_makings *makings, const struct fs_name *name, uint64_t epoch)
{
    (void)pthread_mutex_lock(&makings->lock);
    struct fs_making *found = find(makings, name);
    if (found != NULL && found->epoch != epoch)
        found = NULL;
    if (found != NULL)
        found->blobs++;
    (void)pthread_mutex_unlock(&makings->lock);
    return found;
}

/* Between the host's lookup and the claim another node may have published. */
static int32_t
check_unpublished(struct fs_root *root, const struct fs_name *name, struct pk_error *err)
{
    char file[NAME_FILE_SIZE];
    pk_autoclose int folder = -1;
    int32_t rc = root_folder(root, name->hash, &folder, err);
    if (rc != 0)
        return rc;
    name_manifest_file(name, file);
    if (disk_exists(folder, file))
        return pk_fail(err, -EEXIST, "an object is published under this name");
    return 0;
}

static int32_t
claim(struct fs_root *root, const struct fs_name *name, uint64_t epoch, struct pk_error *err)
{
    int32_t rc = claim_take(root, name, epoch, err);
    if (rc != 0 || !root->options.shared)
        return rc;
    rc = check_unpublished(root, name, err);
    if (rc != 0)
        claim_release(root, name, epoch);
    return rc;
}

/* The host begins another epoch of a name when it is done with the one before. */
static bool
enter(struct fs_makings *makings, struct fs_making *making)
{
    (void)pthread_mutex_lock(&makings->lock);
    struct fs_making *before = find(makings, &making->name);
    if (before != NULL) {
        HASH_DEL(makings->table, before);
        before->over = true;
    }
    HASH_ADD_KEYPTR(hh, makings->table, making->name.text, strlen(making->name.text), making);
    bool entered = making->hh.tbl != NULL;
    (void)pthread_mutex_unlock(&makings->lock);
    return entered;
}

static int32_t
begin(struct fs_makings *makings, const struct fs_name *name, uint64_t epoch,
      struct fs_making **ret_making, struct pk_error *err)
{
    pk_autofree struct fs_making *making = calloc(1, sizeof(*making));
    if (making == NULL)
        return pk_fail(err, -ENOMEM, "out of memory");
    making->name = *name;
    making->epoch = epoch;
    making->blobs = 1;
    int32_t rc = claim(makings->root, name, epoch, err);
    if (rc != 0)
        return rc;
    if (!enter(makings, making)) {
        claim_release(makings->root, name, epoch);
        return pk_fail(err, -ENOMEM, "out of memory");
    }
    *ret_making = pk_steal(making);
    return 0;
}

int32_t
making_take(struct fs_makings *makings, const struct pk_key *key, uint32_t index,
            struct fs_making **ret_making, struct pk_error *err)
{
    struct fs_name name;
    if (name_from_id(key->id, &name) != 0)
        return pk_fail(err, -EINVAL, "object_id: 1 to %d bytes", PK_ID_MAX);
    struct fs_making *making = find_for_more(makings, &name, key->epoch);
    if (making == NULL && index != 0)
        return pk_fail(err, -EINVAL, "the blobs before this one are not there");
    if (making == NULL)
        return begin(makings, &name, key->epoch, ret_making, err);
    *ret_making = making;
    return 0;
}

void
making_drop(struct fs_makings *makings, struct fs_making *making, bool give_back)
{
    (void)pthread_mutex_lock(&makings->lock);
    bool last = --making->blobs == 0;
    if (last && !making->over)
        HASH_DEL(makings->table, making);
    (void)pthread_mutex_unlock(&makings->lock);
    if (!last)
        return;
    if (give_back)
        claim_release(makings->root, &making->name, making->epoch);
    free(making);
}

void
making_break(struct fs_making *making)
{
    making->broken = true;
}

bool
making_is_over(struct fs_makings *makings, const struct fs_making *making)
{
    (void)pthread_mutex_lock(&makings->lock);
    bool over = making->over;
    (void)pthread_mutex_unlock(&makings->lock);
    return over;
}

bool
making_is_broken(const struct fs_making *making)
{
    return making->broken;
}

const struct fs_name *
making_name(const struct fs_making *making)
{
    return &making->name;
}
