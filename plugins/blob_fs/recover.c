/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recovery, folder by folder, while all else goes on: what is published is emitted, what dead nodes
 * left half-made is removed, what is none of ours is reported and left alone.
 */
#include "blob_fs.h"
#include "claim.h"
#include "disk.h"
#include "listing.h"
#include "standing.h"
#include "token.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <packice/cleanup.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct recovery {
    struct blob_fs *fs;
    pk_blob_emit_fn *emit;
    void *arg;
    struct fs_tokens dead; /* known to be, before what is listed next */
    uint64_t removed;
};

static void
report(struct blob_fs *fs, const char *folder, const char *file)
{
    fs->foreign++;
    pk_host_log(fs->host, PK_LOG_WARN, "%s%s%.200s: foreign, left alone", folder,
                folder[0] != '\0' ? "/" : "", file);
}

/* ---- who is dead ---- */

/* Adds the token to the dead if it is one that we did not know of. */
static int32_t
look_at(struct recovery *recovery, uint64_t token, bool *ret_new, struct pk_error *err)
{
    struct fs_root *root = &recovery->fs->root;
    enum token_state state = TOKEN_LIVE;
    if (token == root->token || tokens_have(&recovery->dead, token))
        return 0;
    int32_t rc = token_look(root, token, &state, err);
    if (rc == 0 && state == TOKEN_DEAD)
        rc = token_bury(root, token, err);
    if (rc == 0 && state == TOKEN_DEAD) {
        rc = tokens_add(&recovery->dead, token) ? 0 : pk_fail(err, -ENOMEM, "out of memory");
        *ret_new = true;
    }
    return rc;
}

static uint64_t
keeper(const struct fs_listed *listed)
{
    return listed->kind == FS_GONE ? listed->data.discarder : listed->data.token;
}

/* Lists a folder such that whoever is known to be dead was so before: such a one can't have
 * published what we did not see. */
static int32_t
list_after_deaths(struct recovery *recovery, int folder, struct fs_listing *listing,
                  struct pk_error *err)
{
    bool again = true;
    while (again) {
        again = false;
        listing_finish(listing);
        int32_t rc = listing_read(listing, folder, err);
        for (size_t i = 0; rc == 0 && i < listing->count; i++)
            if (listing->files[i].kind != FS_FOREIGN && listing->files[i].kind != FS_MANIFEST)
                rc = look_at(recovery, keeper(&listing->files[i]), &again, err);
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* ---- what accounts for data ---- */

static bool
same_object(const struct fs_data *one, const struct fs_data *other)
{
    return one->hash == other->hash && one->epoch == other->epoch && one->token == other->token;
}

/* Both are of one hash. A manifest that can't be read, or was taken away just now, may be that of
 * any data of its name. */
static bool
accounts_for(const struct fs_listed *listed, const struct fs_data *data,
             const struct fs_tokens *dead)
{
    switch (listed->kind) {
    case FS_MANIFEST:
        return listed->data.epoch == 0 || same_object(&listed->data, data);
    case FS_GONE:
        return same_object(&listed->data, data) && !tokens_have(dead, listed->data.discarder);
    default:
        return false;
    }
}

static bool
is_left_over(const struct recovery *recovery, const struct fs_listing *listing,
             const struct fs_listed *listed)
{
    if (listed->kind == FS_FOREIGN || listed->kind == FS_MANIFEST
        || !tokens_have(&recovery->dead, keeper(listed)))
        return false;
    if (listed->kind != FS_DATA)
        return true;
    size_t at = 0;
    size_t end = 0;
    listing_find(listing, listed->data.hash, &at, &end);
    for (; at < end; at++)
        if (accounts_for(&listing->files[at], &listed->data, &recovery->dead))
            return false;
    return true;
}

/* ---- one folder ---- */

/* Notes which object each manifest is of, and emits it, if wanted. */
static void
read_manifests(struct recovery *recovery, int folder, struct fs_listing *listing, bool emit)
{
    struct blob_fs *fs = recovery->fs;
    for (size_t i = 0; i < listing->count; i++) {
        struct fs_listed *listed = &listing->files[i];
        struct fs_manifest *manifest = NULL;
        struct pk_error err = PK_ERROR_INIT;
        if (listed->kind != FS_MANIFEST)
            continue;
        int32_t rc = standing_read_whole(fs, folder, &listed->name, &manifest, &err);
        if (rc != 0 && rc != -ENOENT)
            pk_host_log(fs->host, PK_LOG_ERROR, "recovery: %s", err.message);
        if (rc != 0)
            continue;
        listed->data.epoch = manifest->epoch;
        listed->data.token = manifest->token;
        if (emit) {
            const struct pk_manifest view = manifest_view(manifest);
            const struct pk_blob_found found = { .struct_size = sizeof(found), .manifest = &view };
            recovery->emit(recovery->arg, &found);
            watch_expect(&fs->watch, &listed->name, manifest);
        }
        manifest_free(manifest);
    }
}

/* What stands in the wrong folder nobody would find: as foreign as the rest. */
static void
report_foreign(struct recovery *recovery, const char *folder, struct fs_listing *listing,
               uint32_t number)
{
    for (size_t i = 0; i < listing->count; i++) {
        struct fs_listed *listed = &listing->files[i];
        if (name_folder_number(listed->data.hash) != number)
            listed->kind = FS_FOREIGN;
        if (listed->kind == FS_FOREIGN)
            report(recovery->fs, folder, listed->file);
    }
}

/* Set aside with its manifest, if that was of this name. */
static bool
is_aside(const struct fs_root *root, uint64_t hash)
{
    char prefix[NAME_TOKEN_SIZE];
    name_token_text(hash, prefix);
    DIR *list = disk_list(root->aside);
    struct dirent *entry = NULL;
    if (list == NULL)
        return true; /* better to keep too much */
    while ((entry = disk_next(list)) != NULL)
        if (strncmp(entry->d_name, prefix, NAME_TOKEN_SIZE - 1) == 0)
            break;
    bool aside = entry != NULL || errno != 0;
    (void)closedir(list);
    return aside;
}

/* What two listings, one after the other, find unaccounted for is removed: a rename may hide a file
 * from one that goes on at the same time. */
static void
remove_left_over(struct recovery *recovery, int folder, const struct fs_listing *first,
                 const struct fs_listing *second)
{
    struct blob_fs *fs = recovery->fs;
    for (size_t i = 0; i < first->count; i++) {
        const struct fs_listed *listed = &first->files[i];
        if (!is_left_over(recovery, first, listed) || !is_left_over(recovery, second, listed)
            || (listed->kind == FS_DATA && is_aside(&fs->root, listed->data.hash)))
            continue;
        if (unlinkat(folder, listed->file, 0) == 0)
            recovery->removed++;
        else if (errno != ENOENT)
            pk_host_log(fs->host, PK_LOG_WARN, "recovery: %s: cannot be removed: %s", listed->file,
                        strerror(errno));
    }
}

static bool
any_left_over(const struct recovery *recovery, const struct fs_listing *listing)
{
    for (size_t i = 0; i < listing->count; i++)
        if (is_left_over(recovery, listing, &listing->files[i]))
            return true;
    return false;
}

static int32_t
recover_folder(struct recovery *recovery, uint32_t number, struct pk_error *err)
{
    __attribute__((cleanup(listing_finish))) struct fs_listing first = { 0 };
    __attribute__((cleanup(listing_finish))) struct fs_listing second = { 0 };
    pk_autoclose int folder = -1;
    char name[NAME_FOLDER_SIZE];
    name_folder((uint64_t)number << 56, name);
    int32_t rc = root_folder(&recovery->fs->root, (uint64_t)number << 56, &folder, err);
    if (rc == 0)
        rc = list_after_deaths(recovery, folder, &first, err);
    if (rc != 0)
        return rc;
    report_foreign(recovery, name, &first, number);
    read_manifests(recovery, folder, &first, true);
    if (!any_left_over(recovery, &first))
        return 0;
    rc = listing_read(&second, folder, err);
    if (rc != 0)
        return rc;
    read_manifests(recovery, folder, &second, false);
    remove_left_over(recovery, folder, &first, &second);
    return 0;
}

/* ---- beside the objects ---- */

/* What a start that was cut off left: only when nobody can be at it any more. */
static void
remove_old(struct blob_fs *fs, int folder, const char *file)
{
    struct stat ours;
    struct stat theirs;
    uint64_t seconds = fs->root.options.claim_timeout / 1000000000U + 1;
    if (fstat(fs->root.token_file, &ours) == 0
        && fstatat(folder, file, &theirs, AT_SYMLINK_NOFOLLOW) == 0
        && ours.st_mtim.tv_sec > theirs.st_mtim.tv_sec
        && (uint64_t)(ours.st_mtim.tv_sec - theirs.st_mtim.tv_sec) > seconds)
        (void)unlinkat(folder, file, 0);
}

static int32_t
recover_nodes(struct recovery *recovery, struct pk_error *err)
{
    struct blob_fs *fs = recovery->fs;
    DIR *list = disk_list(fs->root.nodes);
    struct dirent *entry;
    int32_t rc = 0;
    if (list == NULL)
        return disk_fail(err, errno, "nodes: cannot be listed");
    while (rc == 0 && (entry = disk_next(list)) != NULL) {
        uint64_t token = 0;
        bool is_new = false;
        if (name_token_parse(entry->d_name, &token))
            rc = look_at(recovery, token, &is_new, err);
        else if (entry->d_name[0] == '.' && name_token_parse(entry->d_name + 1, &token))
            remove_old(fs, fs->root.nodes, entry->d_name);
        else
            report(fs, "nodes", entry->d_name);
    }
    (void)closedir(list);
    return rc;
}

static bool
is_object_folder(const char *name)
{
    return strlen(name) == 2 && strspn(name, "0123456789abcdef") == 2;
}

/* Tells of what lies beside the 256. */
static int32_t
recover_beside(struct recovery *recovery, struct pk_error *err)
{
    struct blob_fs *fs = recovery->fs;
    DIR *list = disk_list(fs->root.objects);
    struct dirent *entry;
    if (list == NULL)
        return disk_fail(err, errno, "objects: cannot be listed");
    while ((entry = disk_next(list)) != NULL)
        if (!is_object_folder(entry->d_name))
            report(fs, "objects", entry->d_name);
    (void)closedir(list);
    return 0;
}

static int32_t
recover_top(struct recovery *recovery, struct pk_error *err)
{
    static const char *const known[] = { "format", "objects", "claims",
                                         "nodes",  "aside",   "lost+found" };
    struct blob_fs *fs = recovery->fs;
    DIR *list = disk_list(fs->root.fd);
    struct dirent *entry;
    if (list == NULL)
        return disk_fail(err, errno, "the root cannot be listed");
    while ((entry = disk_next(list)) != NULL) {
        bool ours = false;
        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
            ours = ours || strcmp(entry->d_name, known[i]) == 0;
        if (strncmp(entry->d_name, ".format.", 8) == 0)
            remove_old(fs, fs->root.fd, entry->d_name);
        else if (!ours)
            report(fs, "", entry->d_name);
    }
    (void)closedir(list);
    return recover_beside(recovery, err);
}

static bool
is_stopping(const struct pk_host *host)
{
    return host->stopping != NULL && host->stopping(host->ctx) != 0;
}

/* A folder that can't be read must not hide the others. */
int32_t
fs_recover(void *instance, pk_blob_emit_fn *emit, void *arg, struct pk_error *err)
{
    struct recovery recovery = { .fs = instance, .emit = emit, .arg = arg };
    struct blob_fs *fs = instance;
    int32_t failed = token_touch(&fs->root, err);
    if (failed == 0)
        failed = recover_nodes(&recovery, err);
    if (failed == 0)
        failed = claim_recover(&fs->root, err);
    if (failed == 0)
        failed = recover_top(&recovery, err);
    for (uint32_t i = 0; i < NAME_FOLDERS && failed != -ECANCELED; i++) {
        struct pk_error own = PK_ERROR_INIT;
        int32_t rc = is_stopping(fs->host) ? pk_fail(&own, -ECANCELED, "the node is stopping")
                                           : recover_folder(&recovery, i, &own);
        if (rc != 0 && (failed == 0 || rc == -ECANCELED))
            failed = pk_fail(err, rc, "%s", own.message);
    }
    if (recovery.removed > 0)
        pk_host_log(fs->host, PK_LOG_INFO,
                    "recovery: %" PRIu64 " files of half-made objects removed", recovery.removed);
    tokens_finish(&recovery.dead);
    return failed;
}
