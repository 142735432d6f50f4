/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The root folder: made, checked, locked, opened. It never touches what lies in its parts.
 */
#include "root.h"

#include "disk.h"
#include "name.h"
#include "token.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <packice/cleanup.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#define FORMAT "packice blob_fs 1\n"
#define FORMAT_WORD "packice blob_fs "

static const char *const parts[] = { "objects", "claims", "nodes", "aside" };
#define PART_COUNT (sizeof(parts) / sizeof(parts[0]))

/* ---- whose folder it is ---- */

static int32_t
check_owner(int fd, const char *name, struct pk_error *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return disk_fail(err, errno, "%s: cannot be looked at", name);
    if (st.st_uid != geteuid() && st.st_uid != 0)
        return pk_fail(err, -EINVAL, "%s: belongs to uid %u, which is neither the node's nor root",
                       name, (unsigned)st.st_uid);
    if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        return pk_fail(err, -EINVAL, "%s: mode %04o: others than its owner may write to it", name,
                       (unsigned)st.st_mode & 07777U);
    return 0;
}

/* Others get through a folder to a path that they know, if they may read files at all; only its
 * owner may list it. */
static mode_t
folder_mode(const struct fs_root *root)
{
    mode_t mode = 0700;
    mode |= (root->options.mode & 0060) != 0 ? 0010 : 0;
    mode |= (root->options.mode & 0006) != 0 ? 0001 : 0;
    return mode;
}

/* A folder of ours, made if it isn't there. */
static int32_t
make_folder(int parent, const char *name, const char *shown, bool *ret_made, int *ret_fd,
            struct pk_error *err)
{
    bool made = mkdirat(parent, name, 0700) == 0;
    if (!made && errno != EEXIST)
        return disk_fail(err, errno, "%s: cannot be made", shown);
    int fd = disk_open_folder(parent, name);
    if (fd < 0)
        return disk_fail(err, errno, "%s: cannot be opened as a folder", shown);
    *ret_made = made;
    *ret_fd = fd;
    return 0;
}

/* ---- the format ---- */

static bool
is_ours(const char *name)
{
    for (size_t i = 0; i < PART_COUNT; i++)
        if (strcmp(name, parts[i]) == 0)
            return true;
    return strcmp(name, "lost+found") == 0 || strncmp(name, ".format.", 8) == 0;
}

/* A folder without a format becomes one of ours only if it holds nothing, but for what a start that
 * was cut off may have left. */
static int32_t
check_empty(const struct fs_root *root, struct pk_error *err)
{
    DIR *list = disk_list(root->fd);
    struct dirent *entry;
    int32_t rc = 0;
    if (list == NULL)
        return disk_fail(err, errno, "root '%s': cannot be listed", root->path);
    while ((entry = disk_next(list)) != NULL && rc == 0)
        if (!is_ours(entry->d_name) && strcmp(entry->d_name, "format") != 0)
            rc = pk_fail(err, -EINVAL,
                         "root '%s': holds other things, '%.64s' among them: give it a folder of "
                         "its own",
                         root->path, entry->d_name);
    if (rc == 0 && errno != 0)
        rc = disk_fail(err, errno, "root '%s': cannot be listed", root->path);
    (void)closedir(list);
    return rc;
}

/* Whole or not at all, also if two nodes do it at once. */
static int32_t
make_format(const struct fs_root *root, struct pk_error *err)
{
    char name[64];
    (void)snprintf(name, sizeof(name), ".format.%016" PRIx64, root->token);
    pk_autoclose int fd = disk_open(root->fd, name, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (fd < 0)
        return disk_fail(err, errno, "format: cannot be made");
    int error = disk_write(fd, FORMAT, strlen(FORMAT), 0);
    if (error == 0)
        error = disk_sync(fd);
    if (error == 0 && linkat(root->fd, name, root->fd, "format", 0) != 0 && errno != EEXIST)
        error = errno;
    (void)unlinkat(root->fd, name, 0);
    if (error == 0)
        error = disk_sync(root->fd);
    return error == 0 ? 0 : disk_fail(err, error, "format: cannot be made");
}

static int32_t
check_format(const struct fs_root *root, struct pk_error *err)
{
    char text[64];
    size_t size = 0;
    int error = disk_read(root->format, text, sizeof(text) - 1, 0, &size);
    if (error != 0)
        return disk_fail(err, error, "format: cannot be read");
    text[size] = '\0';
    if (strcmp(text, FORMAT) == 0)
        return 0;
    if (strncmp(text, FORMAT_WORD, strlen(FORMAT_WORD)) == 0)
        return pk_fail(err, -EINVAL, "format: this is another format than 1: '%.*s'",
                       (int)strcspn(text, "\n"), text);
    return pk_fail(err, -EINVAL, "format: is none of blob_fs");
}

static int32_t
lock_format(struct fs_root *root, struct pk_error *err)
{
    int locked;
    do
        locked = flock(root->format, (root->options.shared ? LOCK_SH : LOCK_EX) | LOCK_NB);
    while (locked != 0 && errno == EINTR);
    if (locked == 0)
        return 0;
    if (errno != EWOULDBLOCK)
        return disk_fail(err, errno, "format: cannot be locked");
    return pk_fail(err, -EBUSY,
                   root->options.shared
                       ? "root '%s': a node that does not share it (shared = no) has it"
                       : "root '%s': another node has it (it takes shared = yes on both to share)",
                   root->path);
}

static int32_t
open_format(struct fs_root *root, struct pk_error *err)
{
    if (!disk_exists(root->fd, "format")) {
        int32_t rc = check_empty(root, err);
        if (rc == 0)
            rc = make_format(root, err);
        if (rc != 0)
            return rc;
    }
    root->format = disk_open(root->fd, "format", O_RDWR, 0);
    if (root->format < 0)
        return disk_fail(err, errno, "format: cannot be opened");
    int32_t rc = check_format(root, err);
    return rc == 0 ? lock_format(root, err) : rc;
}

/* ---- the parts ---- */

static int32_t
open_parts(struct fs_root *root, struct pk_error *err)
{
    int *const fds[PART_COUNT] = { &root->objects, &root->claims, &root->nodes, &root->aside };
    for (size_t i = 0; i < PART_COUNT; i++) {
        bool made = false;
        int32_t rc = make_folder(root->fd, parts[i], parts[i], &made, fds[i], err);
        if (rc == 0)
            rc = check_owner(*fds[i], parts[i], err);
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* Has `objects` the mode and group that the options ask for? It gets them last. */
static bool
is_passable(const struct fs_root *root)
{
    struct stat st;
    return fstat(root->objects, &st) == 0 && (st.st_mode & 0777) == folder_mode(root)
           && (root->options.group == (gid_t)-1 || st.st_gid == root->options.group);
}

/* All at once, so that no seal has to see to it. */
static int32_t
make_object_folders(const struct fs_root *root, struct pk_error *err)
{
    bool passable = is_passable(root);
    bool any = false;
    int32_t rc = 0;
    for (uint32_t i = 0; i < NAME_FOLDERS && rc == 0; i++) {
        pk_autoclose int fd = -1;
        bool made = false;
        char shown[NAME_FOLDER_SIZE];
        name_folder((uint64_t)i << 56, shown);
        rc = make_folder(root->objects, strchr(shown, '/') + 1, shown, &made, &fd, err);
        if (rc == 0 && (made || !passable))
            rc = root_own(root, fd, folder_mode(root), err);
        any = any || made;
    }
    if (rc == 0 && !passable)
        rc = root_own(root, root->objects, folder_mode(root), err);
    if (rc != 0 || !any)
        return rc;
    int error = disk_sync(root->objects);
    if (error == 0)
        error = disk_sync(root->fd);
    return error == 0 ? 0 : disk_fail(err, error, "objects: cannot be made to last");
}

static int32_t
open_root(struct fs_root *root, struct pk_error *err)
{
    const char *path = root->options.root;
    bool made = mkdir(path, 0700) == 0;
    if (!made && errno != EEXIST)
        return disk_fail(err, errno, "root '%s': cannot be made", path);
    root->path = realpath(path, NULL);
    if (root->path == NULL)
        return disk_fail(err, errno, "root '%s'", path);
    root->fd = open(root->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root->fd < 0)
        return disk_fail(err, errno, "root '%s': cannot be opened as a folder", path);
    char name[128];
    (void)snprintf(name, sizeof(name), "root '%.100s'", path);
    if (made) {
        int32_t rc = root_own(root, root->fd, folder_mode(root), err);
        if (rc != 0)
            return rc;
    }
    return check_owner(root->fd, name, err);
}

int32_t
root_open(struct fs_root *root, const struct pk_host *host, const struct fs_options *options,
          struct pk_error *err)
{
    *root = (struct fs_root){
        .host = host,
        .options = *options,
        .fd = -1,
        .format = -1,
        .objects = -1,
        .claims = -1,
        .nodes = -1,
        .aside = -1,
        .token_file = -1,
    };
    if (host->random(host->ctx, &root->token, sizeof(root->token)) != 0)
        return pk_fail(err, -EIO, "no randomness for a token");
    int32_t rc = open_root(root, err);
    if (rc == 0)
        rc = open_format(root, err);
    if (rc == 0)
        rc = open_parts(root, err);
    if (rc == 0)
        rc = make_object_folders(root, err);
    if (rc == 0)
        rc = token_take(root, err);
    return rc;
}

void
root_close(struct fs_root *root)
{
    token_drop(root);
    pk_cleanup_close(&root->aside);
    pk_cleanup_close(&root->nodes);
    pk_cleanup_close(&root->claims);
    pk_cleanup_close(&root->objects);
    pk_cleanup_close(&root->format);
    pk_cleanup_close(&root->fd);
    free(root->path);
}

/* ---- what others of the plugin need of it ---- */

int32_t
root_folder(const struct fs_root *root, uint64_t hash, int *ret_fd, struct pk_error *err)
{
    char name[NAME_FOLDER_SIZE];
    name_folder(hash, name);
    int fd = disk_open_folder(root->objects, strchr(name, '/') + 1);
    if (fd < 0)
        return disk_fail(err, errno, "%s: cannot be opened as a folder", name);
    *ret_fd = fd;
    return 0;
}

int32_t
root_own(const struct fs_root *root, int fd, mode_t mode, struct pk_error *err)
{
    if (root->options.group != (gid_t)-1 && fchown(fd, (uid_t)-1, root->options.group) != 0)
        return disk_fail(err, errno, "group %u cannot be given to a file",
                         (unsigned)root->options.group);
    if (fchmod(fd, mode) != 0)
        return disk_fail(err, errno, "mode %04o cannot be given to a file", (unsigned)mode);
    return 0;
}

int
root_sync(const struct fs_root *root, int fd)
{
    return root->options.sync ? disk_sync(fd) : 0;
}

int
root_start(const struct fs_root *root, int fd)
{
    return root->options.sync ? disk_start(fd) : 0;
}

int
root_settle(const struct fs_root *root, int fd)
{
    return root->options.sync ? disk_settle(fd) : 0;
}

mode_t
root_sealed_mode(const struct fs_root *root)
{
    return (root->options.mode & 0444) | 0400;
}

void
root_own_name(struct fs_root *root, char *ret_name)
{
    (void)snprintf(ret_name, NAME_FILE_SIZE, ".%016" PRIx64 ".%" PRIu64, root->token,
                   root->serial++);
}
