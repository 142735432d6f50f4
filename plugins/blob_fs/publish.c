/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Publishing an object, and taking its name away. The claim is the condition of both; a sync of
 * objects/XX, where manifest and data stand side by side, makes either last, once the bytes of all
 * of them do.
 */
#include "blob_fs.h"
#include "claim.h"
#include "disk.h"
#include "standing.h"
#include "token.h"

#include <errno.h>
#include <inttypes.h>
#include <packice/cleanup.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- publish ---- */

/* What the host says must be what was sealed. */
static int32_t
check_blobs(const struct pk_manifest *manifest, void *const *blobs, struct fs_sum *ret_sums,
            struct pk_error *err)
{
    for (uint32_t i = 0; i < manifest->blob_count; i++) {
        const struct fs_blob *blob = blobs[i];
        if (blob->sealed && blob->making == NULL)
            return pk_fail(err, -ESTALE, "it is published, or was");
        if (!blob->sealed || blob->size != manifest->sizes[i] || blob->data.index != i
            || blob->data.epoch != manifest->key.epoch)
            return pk_fail(err, -EINVAL, "blob %" PRIu32 " is not one of a sealed new object", i);
        if (making_is_over(&blob->fs->makings, blob->making))
            return pk_fail(err, -ESTALE, "the name was claimed for another epoch");
        if (making_is_broken(blob->making))
            return pk_fail(err, -EIO, "bytes were lost, as a sync failed before");
        ret_sums[i] = blob->sum;
    }
    return 0;
}

static int32_t
each_blob(const struct fs_root *root, const struct pk_manifest *manifest, void *const *blobs,
          int (*call)(const struct fs_root *root, int fd), struct pk_error *err)
{
    char path[BLOB_PATH_SIZE];
    for (uint32_t i = 0; i < manifest->blob_count; i++) {
        const struct fs_blob *blob = blobs[i];
        int error = call(root, blob->file);
        if (error == 0)
            continue;
        making_break(blob->making);
        fs_blob_path(blob, path);
        return disk_fail(err, error, "%s: its bytes cannot be made to last, it is not published",
                         path);
    }
    return 0;
}

/* All files are waited for before the first is synced: what that one has a journal write covers the
 * others then. The manifest comes first, since its bytes alone are not on their way yet. */
static int32_t
make_files_last(const struct fs_root *root, const struct pk_manifest *manifest, void *const *blobs,
                int file, struct pk_error *err)
{
    int32_t rc = 0;
    int error = root_settle(root, file);
    if (error == 0)
        rc = each_blob(root, manifest, blobs, root_settle, err);
    if (rc == 0 && error == 0)
        rc = each_blob(root, manifest, blobs, root_sync, err);
    if (rc == 0 && error == 0)
        error = root_sync(root, file);
    return error == 0 ? rc : disk_fail(err, error, "the manifest cannot be made to last");
}

/* Until it lasts it is not published: taken back, whatever the disk says to that. */
static int32_t
make_name_last(struct blob_fs *fs, struct fs_making *making, int folder, const char *file,
               struct pk_error *err)
{
    int32_t rc = 0;
    int error = root_sync(&fs->root, folder);
    if (error != 0) {
        making_break(making);
        rc = disk_fail(err, error, "the object cannot be made to last, it is not published");
    } else if (fs->root.options.shared) {
        rc = token_check(&fs->root, err);
    }
    if (rc != 0) {
        (void)unlinkat(folder, file, 0);
        (void)root_sync(&fs->root, folder);
    }
    return rc;
}

static int32_t
publish_text(struct blob_fs *fs, const struct pk_manifest *manifest, void *const *blobs,
             const char *text, size_t size, struct pk_error *err)
{
    struct fs_making *making = ((const struct fs_blob *)blobs[0])->making;
    const struct fs_name *name = making_name(making);
    uint64_t epoch = manifest->key.epoch;
    char file[NAME_FILE_SIZE];
    pk_autoclose int folder = -1;
    pk_autoclose int written = -1;
    name_manifest_file(name, file);
    int32_t rc = root_folder(&fs->root, name->hash, &folder, err);
    if (rc == 0)
        rc = claim_write(&fs->root, name, epoch, text, size, &written, err);
    if (rc == 0)
        rc = make_files_last(&fs->root, manifest, blobs, written, err);
    if (rc == 0)
        rc = claim_publish(&fs->root, name, epoch, folder, file, err);
    if (rc == 0)
        rc = make_name_last(fs, making, folder, file, err);
    if (rc == 0)
        watch_note(&fs->watch, name, manifest->key.id, folder);
    return rc;
}

int32_t
fs_publish(void *instance, const struct pk_manifest *manifest, void *const *blobs,
           struct pk_error *err)
{
    struct blob_fs *fs = instance;
    struct fs_sum sums[PK_BLOBS_MAX];
    pk_autofree char *text = NULL;
    size_t size = 0;
    int32_t rc = check_blobs(manifest, blobs, sums, err);
    if (rc == 0)
        rc = manifest_encode(manifest, fs->root.token, sums, &text, &size, err);
    if (rc == 0)
        rc = publish_text(fs, manifest, blobs, text, size, err);
    if (rc != 0)
        return rc;
    for (uint32_t i = 0; i < manifest->blob_count; i++) {
        struct fs_blob *blob = blobs[i];
        blob->count = manifest->blob_count;
        pk_cleanup_close(&blob->file);
        blob->file = -1;
        making_drop(&fs->makings, pk_steal(blob->making), true);
    }
    return 0;
}

/* ---- unpublish ---- */

/* One rename takes the name away, and leaves behind that this node still serves the data. */
static int32_t
move_away(struct blob_fs *fs, int folder, const struct fs_name *name,
          const struct fs_manifest *manifest, struct pk_error *err)
{
    char file[NAME_FILE_SIZE];
    char gone[NAME_FILE_SIZE];
    const struct fs_data data = {
        .hash = name->hash,
        .epoch = manifest->epoch,
        .token = manifest->token,
        .discarder = fs->root.token,
    };
    name_manifest_file(name, file);
    name_gone_file(&data, gone);
    if (renameat(folder, file, folder, gone) != 0)
        return disk_fail(err, errno, "%.100s: cannot be unpublished", file);
    int error = root_sync(&fs->root, folder);
    if (error == 0) {
        watch_note(&fs->watch, name, manifest->id, folder);
        return 0;
    }
    (void)linkat(folder, gone, folder, file, 0);
    (void)unlinkat(folder, gone, 0);
    return disk_fail(err, error, "%.100s: its end cannot be made to last, it stays", file);
}

static int32_t
unpublish_claimed(struct blob_fs *fs, const struct pk_key *key, const struct fs_name *name,
                  struct pk_error *err)
{
    struct fs_manifest *manifest = NULL;
    pk_autoclose int folder = -1;
    int32_t rc = root_folder(&fs->root, name->hash, &folder, err);
    if (rc == 0)
        rc = standing_read(fs, folder, name, &manifest, err);
    if (rc != 0)
        return rc;
    if (strcmp(manifest->id, key->id) != 0 || manifest->epoch != key->epoch)
        rc = pk_fail(err, -ENOENT, "another object is published under this name");
    else
        rc = move_away(fs, folder, name, manifest, err);
    manifest_free(manifest);
    return rc;
}

/* Where others publish too, the claim keeps them from doing so between the look and the rename. */
int32_t
fs_unpublish(void *instance, const struct pk_key *key, struct pk_error *err)
{
    struct blob_fs *fs = instance;
    struct fs_name name;
    if (name_from_id(key->id, &name) != 0)
        return pk_fail(err, -ENOENT, "no such object");
    if (!fs->root.options.shared)
        return unpublish_claimed(fs, key, &name, err);
    int32_t rc = claim_take(&fs->root, &name, key->epoch, err);
    if (rc == -EEXIST)
        return pk_fail(err, -EBUSY, "another node is at work under this name");
    if (rc != 0)
        return rc;
    rc = unpublish_claimed(fs, key, &name, err);
    claim_release(&fs->root, &name, key->epoch);
    return rc;
}
