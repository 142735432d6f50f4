/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The watch over a shared folder. It runs on one worker at a time; only what watch_note writes to
 * as well is locked.
 */
#define HASH_NONFATAL_OOM 1
#include "watch.h"

#include "blob_fs.h"
#include "disk.h"
#include "listing.h"
#include "standing.h"
#include "token.h"

#include <errno.h>
#include <fcntl.h>
#include <packice/cleanup.h>
#include <string.h>
#include <sys/stat.h>
#include <uthash.h>

/* The coarsest time of change that a file system keeps is 1 s (NFS on ext3), and 2 s (FAT) can't be
 * used at all. */
#define SETTLE ((uint64_t)2000000000)

struct watch_entry {
    UT_hash_handle hh;
    uint64_t inode; /* another one under the same name is another object */
    uint64_t round; /* in which it was seen last */
    char *id;       /* where the name does not tell it */
    char name[];
};

/* ---- entries; with the lock held ---- */

static void
entry_free(struct watch_folder *folder, struct watch_entry *entry)
{
    HASH_DEL(folder->entries, entry);
    free(entry->id);
    free(entry);
}

static struct watch_entry *
entry_find(struct watch_folder *folder, const char *name)
{
    struct watch_entry *entry = NULL;
    HASH_FIND_STR(folder->entries, name, entry);
    return entry;
}

/* NULL: out of memory; then it is news again next time. */
static struct watch_entry *
entry_get(struct watch_folder *folder, const char *name)
{
    struct watch_entry *entry = entry_find(folder, name);
    if (entry != NULL)
        return entry;
    size_t size = strlen(name) + 1;
    entry = calloc(1, sizeof(*entry) + size);
    if (entry == NULL)
        return NULL;
    memcpy(entry->name, name, size);
    HASH_ADD_STR(folder->entries, name, entry);
    if (entry->hh.tbl != NULL)
        return entry;
    free(entry);
    return NULL;
}

static void
entry_set(struct fs_watch *watch, struct watch_entry *entry, uint64_t inode)
{
    entry->inode = inode;
    entry->round = watch->round;
}

/* An id that the name does not tell. False: out of memory. */
static bool
entry_set_id(struct watch_entry *entry, const char *id)
{
    char told[PK_ID_MAX + 1];
    if (entry->id != NULL || name_to_id(entry->name, told))
        return true;
    entry->id = strdup(id);
    return entry->id != NULL;
}

/* ---- what this node itself knows of ---- */

void
watch_expect(struct fs_watch *watch, const struct fs_name *name, const struct fs_manifest *manifest)
{
    struct watch_folder *of = &watch->folders[name_folder_number(name->hash)];
    if (!watch->running)
        return;
    (void)pthread_mutex_lock(&watch->lock);
    struct watch_entry *entry = entry_get(of, name->text);
    if (entry != NULL && entry_set_id(entry, manifest->id))
        entry_set(watch, entry, manifest->inode);
    else if (entry != NULL)
        entry_free(of, entry);
    (void)pthread_mutex_unlock(&watch->lock);
}

void
watch_note(struct fs_watch *watch, const struct fs_name *name, const char *id, int folder)
{
    struct watch_folder *of = &watch->folders[name_folder_number(name->hash)];
    char file[NAME_FILE_SIZE];
    struct stat st;
    if (!watch->running)
        return;
    name_manifest_file(name, file);
    bool stands = fstatat(folder, file, &st, AT_SYMLINK_NOFOLLOW) == 0;
    (void)pthread_mutex_lock(&watch->lock);
    struct watch_entry *entry = stands ? entry_get(of, name->text) : entry_find(of, name->text);
    if (stands && entry != NULL && entry_set_id(entry, id))
        entry_set(watch, entry, st.st_ino);
    else if (entry != NULL)
        entry_free(of, entry);
    (void)pthread_mutex_unlock(&watch->lock);
}

/* ---- news ---- */

struct news {
    char **ids;
    size_t count;
};

static void
news_add(struct news *news, const char *id)
{
    char **ids = reallocarray(news->ids, news->count + 1, sizeof(*ids));
    char *copy = ids != NULL ? strdup(id) : NULL;
    if (ids != NULL)
        news->ids = ids;
    if (copy != NULL) /* else it shows when somebody asks for it */
        news->ids[news->count++] = copy;
}

static void
news_tell(struct news *news, const struct pk_host *host)
{
    for (size_t i = 0; i < news->count; i++) {
        host->changed(host->ctx, news->ids[i]);
        free(news->ids[i]);
    }
    free(news->ids);
}

/* The id of what stands under a name: it may take a look into the manifest. */
static char *
id_of(struct blob_fs *fs, int folder, const struct fs_name *name)
{
    struct fs_manifest *manifest = NULL;
    struct pk_error ignored = PK_ERROR_INIT;
    char id[PK_ID_MAX + 1];
    if (name_to_id(name->text, id))
        return strdup(id);
    if (standing_read(fs, folder, name, &manifest, &ignored) != 0)
        return NULL;
    char *copy = strdup(manifest->id);
    manifest_free(manifest);
    return copy;
}

/* The entry tells its id by its name, or has it. */
static void
tell_of(const struct watch_entry *entry, struct news *news)
{
    char told[PK_ID_MAX + 1];
    news_add(news, name_to_id(entry->name, told) ? told : entry->id);
}

static void
see(struct fs_watch *watch, struct watch_folder *of, int folder, const struct fs_listed *listed,
    struct news *news)
{
    (void)pthread_mutex_lock(&watch->lock);
    struct watch_entry *entry = entry_find(of, listed->name.text);
    bool is_new = entry == NULL || entry->inode != listed->inode;
    if (entry != NULL)
        entry->round = watch->round;
    (void)pthread_mutex_unlock(&watch->lock);
    if (!is_new)
        return;
    pk_autofree char *id = id_of(watch->fs, folder, &listed->name);
    (void)pthread_mutex_lock(&watch->lock);
    entry = id != NULL ? entry_get(of, listed->name.text) : NULL;
    if (entry != NULL && entry_set_id(entry, id)) {
        entry_set(watch, entry, listed->inode);
        tell_of(entry, news);
    } else if (entry != NULL) {
        entry_free(of, entry);
    }
    (void)pthread_mutex_unlock(&watch->lock);
}

static void
miss(struct fs_watch *watch, struct watch_folder *of, struct news *news)
{
    struct watch_entry *entry;
    struct watch_entry *next;
    (void)pthread_mutex_lock(&watch->lock);
    HASH_ITER (hh, of->entries, entry, next) {
        if (entry->round == watch->round)
            continue;
        tell_of(entry, news);
        entry_free(of, entry);
    }
    (void)pthread_mutex_unlock(&watch->lock);
}

static int32_t
list_folder(struct fs_watch *watch, uint32_t number, struct pk_error *err)
{
    __attribute__((cleanup(listing_finish))) struct fs_listing listing = { 0 };
    struct watch_folder *of = &watch->folders[number];
    struct news news = { 0 };
    pk_autoclose int folder = -1;
    int32_t rc = root_folder(&watch->fs->root, (uint64_t)number << 56, &folder, err);
    (void)pthread_mutex_lock(&watch->lock);
    watch->round++;
    (void)pthread_mutex_unlock(&watch->lock);
    if (rc == 0)
        rc = listing_read(&listing, folder, err);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < listing.count; i++)
        if (listing.files[i].kind == FS_MANIFEST
            && name_folder_number(listing.files[i].data.hash) == number)
            see(watch, of, folder, &listing.files[i], &news);
    miss(watch, of, &news);
    news_tell(&news, watch->fs->host);
    return 0;
}

/* ---- by the clock ---- */

/* A folder that changed just now may change again without another time of change: it is listed
 * again in the next round, and once more when that can't be any more. */
static bool
is_due(struct watch_folder *of, const struct timespec *changed_at, uint64_t now)
{
    if (changed_at->tv_sec != of->changed_at.tv_sec
        || changed_at->tv_nsec != of->changed_at.tv_nsec) {
        of->again_at = now + 1;
        of->settled_at = now + SETTLE;
        return true;
    }
    if (of->again_at == 0 || now < of->again_at)
        return false;
    of->again_at = of->again_at < of->settled_at ? of->settled_at : 0;
    return true;
}

static int32_t
look_at(struct fs_watch *watch, uint32_t number, uint64_t now, struct pk_error *err)
{
    struct watch_folder *of = &watch->folders[number];
    char name[NAME_FOLDER_SIZE];
    struct stat st;
    name_folder((uint64_t)number << 56, name);
    if (fstatat(watch->fs->root.fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return disk_fail(err, errno, "%s: cannot be looked at", name);
    if (!is_due(of, &st.st_mtim, now))
        return 0;
    int32_t rc = list_folder(watch, number, err);
    if (rc == 0)
        of->changed_at = st.st_mtim;
    return rc;
}

static int32_t
look_round(struct fs_watch *watch, struct pk_error *err)
{
    const struct pk_host *host = watch->fs->host;
    uint64_t now = host->now(host->ctx);
    int32_t failed = 0;
    if (now - watch->touched_at >= watch->fs->root.options.claim_timeout / 4) {
        failed = token_touch(&watch->fs->root, err);
        watch->touched_at = now;
    }
    for (uint32_t i = 0; i < NAME_FOLDERS && failed == 0; i++)
        failed = look_at(watch, i, now, err);
    return failed;
}

static int32_t
arm(struct fs_watch *watch, void (*work)(void *arg))
{
    const struct pk_host *host = watch->fs->host;
    uint64_t when = host->now(host->ctx) + watch->fs->root.options.poll;
    return host->timer(host->ctx, when, work, watch, &watch->timer);
}

static void
watch_due(void *arg)
{
    struct fs_watch *watch = arg;
    struct pk_error err = PK_ERROR_INIT;
    bool failing = look_round(watch, &err) != 0;
    if (failing && !watch->failing)
        pk_host_log(watch->fs->host, PK_LOG_ERROR, "what other nodes do can't be seen: %s",
                    err.message);
    watch->failing = failing;
    if (arm(watch, watch_due) == -ENOMEM) /* it fails otherwise when the instance ends */
        pk_host_log(watch->fs->host, PK_LOG_ERROR,
                    "no timer: what other nodes do is not seen any more");
}

int32_t
watch_start(struct fs_watch *watch, struct blob_fs *fs, struct pk_error *err)
{
    watch->fs = fs;
    if (!fs->root.options.shared)
        return 0;
    if (fs->host->timer == NULL || fs->host->changed == NULL)
        return pk_fail(err, -EOPNOTSUPP, "shared: this host has no timers");
    (void)pthread_mutex_init(&watch->lock, NULL); /* the default kind can't fail */
    watch->running = true;
    watch->touched_at = fs->host->now(fs->host->ctx);
    if (arm(watch, watch_due) != 0) {
        watch_stop(watch);
        return pk_fail(err, -ENOMEM, "no timer");
    }
    return 0;
}

void
watch_stop(struct fs_watch *watch)
{
    if (!watch->running)
        return;
    const struct pk_host *host = watch->fs->host;
    (void)host->timer_cancel(host->ctx, watch->timer);
    watch->running = false;
    for (uint32_t i = 0; i < NAME_FOLDERS; i++)
        while (watch->folders[i].entries != NULL)
            entry_free(&watch->folders[i], watch->folders[i].entries);
    (void)pthread_mutex_destroy(&watch->lock);
}
