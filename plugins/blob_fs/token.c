/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens of instances, in nodes/. A token's lock is flock(2): the kernel lets it go with its owner.
 */
#include "token.h"

#include "disk.h"
#include "name.h"

#include <errno.h>
#include <fcntl.h>
#include <packice/cleanup.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static int
lock(int fd, int how)
{
    int locked;
    do
        locked = flock(fd, how | LOCK_NB);
    while (locked != 0 && errno == EINTR);
    return locked;
}

/* It gets its name when it is locked: nobody ever sees one that only looks dead. */
int32_t
token_take(struct fs_root *root, struct pk_error *err)
{
    char hidden[NAME_TOKEN_SIZE + 1] = ".";
    name_token_text(root->token, hidden + 1);
    pk_autoclose int fd = disk_open(root->nodes, hidden, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (fd < 0)
        return disk_fail(err, errno, "nodes/%s: cannot be made", hidden);
    if (lock(fd, LOCK_EX) != 0 || renameat(root->nodes, hidden, root->nodes, hidden + 1) != 0) {
        int error = errno;
        (void)unlinkat(root->nodes, hidden, 0);
        return disk_fail(err, error, "nodes/%s: cannot be locked", hidden);
    }
    root->token_file = pk_steal_fd(fd);
    return 0;
}

void
token_drop(struct fs_root *root)
{
    char name[NAME_TOKEN_SIZE];
    if (root->token_file < 0)
        return;
    name_token_text(root->token, name);
    (void)unlinkat(root->nodes, name, 0); /* else it is that of a dead node */
    pk_cleanup_close(&root->token_file);
    root->token_file = -1;
}

int32_t
token_touch(struct fs_root *root, struct pk_error *err)
{
    if (futimens(root->token_file, NULL) != 0)
        return disk_fail(err, errno, "nodes: our token cannot be touched");
    return 0;
}

int32_t
token_check(const struct fs_root *root, struct pk_error *err)
{
    struct stat st;
    if (fstat(root->token_file, &st) != 0)
        return disk_fail(err, errno, "nodes: our token cannot be looked at");
    if (st.st_nlink == 0)
        return pk_fail(err, -ESTALE, "another node took this one for dead");
    return 0;
}

static uint64_t
nanoseconds(const struct timespec *ts)
{
    return (uint64_t)ts->tv_sec * 1000000000U + (uint64_t)ts->tv_nsec;
}

/* Both times are the file system's own, whatever the clocks of its machines say. */
static int32_t
look_at_age(struct fs_root *root, int fd, const char *name, enum token_state *ret_state,
            struct pk_error *err)
{
    struct stat ours;
    struct stat theirs;
    int32_t rc = token_touch(root, err);
    if (rc != 0)
        return rc;
    if (fstat(root->token_file, &ours) != 0 || fstat(fd, &theirs) != 0)
        return disk_fail(err, errno, "nodes/%s: cannot be looked at", name);
    uint64_t now = nanoseconds(&ours.st_mtim);
    uint64_t then = nanoseconds(&theirs.st_mtim);
    bool stalled = now > then && now - then > root->options.claim_timeout;
    *ret_state = stalled ? TOKEN_STALLED : TOKEN_LIVE;
    return 0;
}

/* A look takes the lock shared, so that two who look don't take each other for the owner. */
int32_t
token_look(struct fs_root *root, uint64_t token, enum token_state *ret_state, struct pk_error *err)
{
    char name[NAME_TOKEN_SIZE];
    if (token == root->token) {
        *ret_state = TOKEN_LIVE;
        return 0;
    }
    name_token_text(token, name);
    pk_autoclose int fd = disk_open(root->nodes, name, O_RDWR, 0);
    if (fd < 0 && errno == ENOENT) {
        *ret_state = TOKEN_DEAD;
        return 0;
    }
    if (fd < 0)
        return disk_fail(err, errno, "nodes/%s: cannot be opened", name);
    if (lock(fd, LOCK_SH) == 0) {
        *ret_state = TOKEN_DEAD;
        return 0;
    }
    if (errno != EWOULDBLOCK)
        return disk_fail(err, errno, "nodes/%s: cannot be locked", name);
    return look_at_age(root, fd, name, ret_state, err);
}

int32_t
token_bury(struct fs_root *root, uint64_t token, struct pk_error *err)
{
    char name[NAME_TOKEN_SIZE];
    name_token_text(token, name);
    if (unlinkat(root->nodes, name, 0) != 0 && errno != ENOENT)
        return disk_fail(err, errno, "nodes/%s: cannot be removed", name);
    return 0;
}
