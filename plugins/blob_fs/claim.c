/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claims on names. Every step here is one system call that either happens or doesn't: there is no
 * state of a claim that a crash could leave behind and that others could not read.
 */
#include "claim.h"

#include "disk.h"
#include "token.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <packice/cleanup.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TRIES 8

/* "claims/NAME/EPOCH.TOKEN" */
#define PATH_SIZE (2 * NAME_FILE_SIZE + sizeof("claims/"))

/* Where the manifest in the making is, beneath the root. */
static void
making_path(const struct fs_root *root, const struct fs_name *name, uint64_t epoch, char *ret_path)
{
    const struct fs_data data = { .hash = name->hash, .epoch = epoch, .token = root->token };
    char folder[NAME_FOLDER_SIZE];
    char file[NAME_FILE_SIZE];
    if (root->options.shared) {
        name_claim_file(epoch, root->token, file);
        (void)snprintf(ret_path, PATH_SIZE, "claims/%s/%s", name->text, file);
        return;
    }
    name_folder(name->hash, folder);
    name_making_file(&data, file);
    (void)snprintf(ret_path, PATH_SIZE, "%s/%s", folder, file);
}

/* ---- taking ---- */

/* May this file of a claim be removed for another claim's sake? -EEXIST: no. */
static int32_t
check_claimant(struct fs_root *root, const char *name, const char *file, struct pk_error *err)
{
    uint64_t epoch = 0;
    uint64_t token = 0;
    enum token_state state = TOKEN_LIVE;
    if (!name_claim_parse(file, &epoch, &token))
        return pk_fail(err, -EIO, "claims/%.100s: holds a foreign file '%.64s'", name, file);
    if (token == root->token) /* the host keeps our own apart: this one is over */
        return 0;
    int32_t rc = token_look(root, token, &state, err);
    if (rc == 0 && state == TOKEN_LIVE)
        return pk_fail(err, -EEXIST, "another node is at work under this name");
    if (rc == 0)
        pk_host_log(root->host, PK_LOG_INFO, "claims/%.100s/%s: taken over, its node is %s", name,
                    file, state == TOKEN_DEAD ? "dead" : "stalled");
    return rc;
}

/* Empties a claim whose owners are gone. Whoever else does so removes the very same files. */
static int32_t
clear_claim(struct fs_root *root, const struct fs_name *name, struct pk_error *err)
{
    pk_autoclose int fd = disk_open_folder(root->claims, name->text);
    if (fd < 0 && errno == ENOENT)
        return 0;
    DIR *list = fd < 0 ? NULL : disk_list(fd);
    if (list == NULL)
        return disk_fail(err, errno, "claims/%.100s: cannot be listed", name->text);
    struct dirent *entry;
    int32_t rc = 0;
    while (rc == 0 && (entry = disk_next(list)) != NULL) {
        rc = check_claimant(root, name->text, entry->d_name, err);
        if (rc == 0 && unlinkat(fd, entry->d_name, 0) != 0 && errno != ENOENT)
            rc = disk_fail(err, errno, "claims/%.100s: cannot be taken over", name->text);
    }
    (void)closedir(list);
    return rc;
}

/* A claim of ours under a name that nobody else uses. */
static int32_t
prepare(struct fs_root *root, const char *hidden, const char *file, struct pk_error *err)
{
    if (mkdirat(root->claims, hidden, 0700) != 0)
        return disk_fail(err, errno, "claims: no claim can be made");
    pk_autoclose int folder = disk_open_folder(root->claims, hidden);
    pk_autoclose int fd =
        folder < 0 ? -1 : disk_open(folder, file, O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (fd >= 0)
        return 0;
    int error = errno;
    (void)unlinkat(root->claims, hidden, AT_REMOVEDIR);
    return disk_fail(err, error, "claims: no claim can be made");
}

static int32_t
give_name(struct fs_root *root, const char *hidden, const struct fs_name *name,
          struct pk_error *err)
{
    for (int i = 0; i < TRIES; i++) {
        if (renameat(root->claims, hidden, root->claims, name->text) == 0)
            return 0;
        if (errno != ENOTEMPTY && errno != EEXIST)
            return disk_fail(err, errno, "claims/%.100s: cannot be claimed", name->text);
        int32_t rc = clear_claim(root, name, err);
        if (rc != 0)
            return rc;
    }
    return pk_fail(err, -EEXIST, "other nodes are at work under this name");
}

int32_t
claim_take(struct fs_root *root, const struct fs_name *name, uint64_t epoch, struct pk_error *err)
{
    char hidden[NAME_FILE_SIZE];
    char file[NAME_FILE_SIZE];
    char path[PATH_SIZE];
    if (!root->options.shared)
        return 0;
    root_own_name(root, hidden);
    name_claim_file(epoch, root->token, file);
    int32_t rc = prepare(root, hidden, file, err);
    if (rc != 0)
        return rc;
    rc = give_name(root, hidden, name, err);
    if (rc == 0)
        return 0;
    (void)snprintf(path, sizeof(path), "%s/%s", hidden, file);
    (void)unlinkat(root->claims, path, 0);
    (void)unlinkat(root->claims, hidden, AT_REMOVEDIR);
    return rc;
}

void
claim_release(struct fs_root *root, const struct fs_name *name, uint64_t epoch)
{
    char path[PATH_SIZE];
    making_path(root, name, epoch, path);
    if (unlinkat(root->fd, path, 0) != 0) {
        if (errno != ENOENT)
            pk_host_log(root->host, PK_LOG_WARN, "%.120s: cannot be given back: %s", path,
                        strerror(errno));
        return;
    }
    if (!root->options.shared)
        return;
    /* It fails where the next claim has taken the empty folder's place, and that is right. */
    (void)unlinkat(root->claims, name->text, AT_REMOVEDIR);
}

/* ---- the manifest ---- */

static int32_t
lost(const struct fs_root *root, struct pk_error *err)
{
    if (!disk_exists(root->fd, "claims"))
        return disk_fail(err, ENOENT, "claims");
    return pk_fail(err, -ESTALE, "the claim on this name was taken over by another node");
}

int32_t
claim_write(struct fs_root *root, const struct fs_name *name, uint64_t epoch, const char *text,
            size_t size, int *ret_fd, struct pk_error *err)
{
    char path[PATH_SIZE];
    making_path(root, name, epoch, path);
    pk_autoclose int fd =
        disk_open(root->fd, path, O_WRONLY | O_TRUNC | (root->options.shared ? 0 : O_CREAT), 0600);
    if (fd < 0 && errno == ENOENT && root->options.shared)
        return lost(root, err);
    if (fd < 0)
        return disk_fail(err, errno, "%.120s: cannot be opened", path);
    int error = disk_write(fd, text, size, 0);
    if (error != 0)
        return disk_fail(err, error, "%.120s: the manifest cannot be written", path);
    int32_t rc = root_own(root, fd, root_sealed_mode(root) | 0200, err);
    if (rc == 0)
        *ret_fd = pk_steal_fd(fd);
    return rc;
}

int32_t
claim_publish(struct fs_root *root, const struct fs_name *name, uint64_t epoch, int folder,
              const char *file, struct pk_error *err)
{
    char path[PATH_SIZE];
    making_path(root, name, epoch, path);
    if (linkat(root->fd, path, folder, file, 0) == 0)
        return 0;
    int error = errno;
    if (error == EEXIST)
        return pk_fail(err, -ESTALE, "an object is published under this name");
    if (error == ENOENT && !disk_exists(root->fd, path))
        return lost(root, err);
    return disk_fail(err, error, "%.100s: cannot be published", file);
}

/* ---- what the dead left ---- */

/* Whose folder in claims/ it is: a hidden one is named by its owner. 0 = not to be known. */
static bool
hidden_owner(const char *name, uint64_t *ret_token)
{
    char text[NAME_TOKEN_SIZE];
    if (name[0] != '.' || strlen(name) <= NAME_TOKEN_SIZE || name[NAME_TOKEN_SIZE] != '.')
        return false;
    memcpy(text, name + 1, NAME_TOKEN_SIZE - 1);
    text[NAME_TOKEN_SIZE - 1] = '\0';
    return name_token_parse(text, ret_token);
}

static bool
is_dead(struct fs_root *root, uint64_t token)
{
    enum token_state state = TOKEN_LIVE;
    struct pk_error err = PK_ERROR_INIT;
    return token_look(root, token, &state, &err) == 0 && state == TOKEN_DEAD
           && token_bury(root, token, &err) == 0;
}

static void
report(const struct fs_root *root, const char *name, const char *file)
{
    pk_host_log(root->host, PK_LOG_WARN, "claims/%.100s%s%.100s: foreign, left alone", name,
                file[0] != '\0' ? "/" : "", file);
}

/* What stands in a claim: the files of the dead go. */
static void
recover_files(struct fs_root *root, const char *name, int folder, DIR *list)
{
    struct dirent *entry;
    while ((entry = disk_next(list)) != NULL) {
        uint64_t epoch = 0;
        uint64_t token = 0;
        if (!name_claim_parse(entry->d_name, &epoch, &token))
            report(root, name, entry->d_name);
        else if (is_dead(root, token))
            (void)unlinkat(folder, entry->d_name, 0);
    }
}

/* A claim goes with its last file. */
static void
recover_claim(struct fs_root *root, const char *name)
{
    pk_autoclose int folder = disk_open_folder(root->claims, name);
    DIR *list = folder < 0 ? NULL : disk_list(folder);
    if (list == NULL) {
        if (errno != ENOENT) /* else it was given back just now */
            report(root, name, "");
        return;
    }
    recover_files(root, name, folder, list);
    (void)closedir(list);
    (void)unlinkat(root->claims, name, AT_REMOVEDIR); /* fails for what still is claimed */
}

/* A hidden one is a claim in the making, or a file that was tried out at a start. */
static void
recover_hidden(struct fs_root *root, const char *name)
{
    uint64_t owner = 0;
    if (!hidden_owner(name, &owner))
        report(root, name, "");
    else if (is_dead(root, owner) && unlinkat(root->claims, name, 0) != 0)
        recover_claim(root, name);
}

int32_t
claim_recover(struct fs_root *root, struct pk_error *err)
{
    DIR *list = disk_list(root->claims);
    struct dirent *entry;
    if (list == NULL)
        return disk_fail(err, errno, "claims: cannot be listed");
    while ((entry = disk_next(list)) != NULL)
        (entry->d_name[0] == '.' ? recover_hidden : recover_claim)(root, entry->d_name);
    int error = errno;
    (void)closedir(list);
    return error == 0 ? 0 : disk_fail(err, error, "claims: cannot be listed");
}
