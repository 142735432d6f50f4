/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lock decides who owns the path: it is an flock(2) on a file that is never removed, so a dead
 * node's lock is free and no two nodes can hold two files of one name. Only its holder touches the
 * socket file, and replaces it by a rename, so that a client finds the old or the new one.
 */
#include "address.h"
#include <fcntl.h>
#include <inttypes.h>
#include <packice/cleanup.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>

#define UDS_BACKLOG 1024

static int32_t
address_fail(struct pk_error *err, int code, const char *path, const char *what)
{
    const char *slash = strrchr(path, '/');
    int folder = slash != NULL && slash != path ? (int)(slash - path) : 1;
    if (code == ENOENT || code == ENOTDIR)
        return pk_fail(err, -code, "folder '%.*s' of the socket does not exist", folder, path);
    return pk_fail(err, -code, "%s '%s': %s", what, path, strerror(code));
}

/* Somebody else's file under this name could make us write to it, or wait for it for ever. */
static bool
lock_file_is_ours(int fd)
{
    struct stat info;
    return fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_nlink == 1
           && info.st_uid == geteuid();
}

static long
lock_holder(int fd)
{
    char text[32];
    ssize_t size = pread(fd, text, sizeof(text) - 1, 0);
    if (size <= 0)
        return 0;
    text[size] = '\0';
    return strtol(text, NULL, 10);
}

static int32_t
write_holder(int fd, const char *path, struct pk_error *err)
{
    char text[32];
    int size = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) < 0 || pwrite(fd, text, (size_t)size, 0) != size)
        return pk_fail(err, -EIO, "lock '%s': %s", path, strerror(errno));
    return 0;
}

static int32_t
take_lock(const char *path, int *ret_fd, struct pk_error *err)
{
    char lock_path[UDS_PATH_MAX + sizeof(UDS_LOCK_SUFFIX)];
    (void)snprintf(lock_path, sizeof(lock_path), "%s%s", path, UDS_LOCK_SUFFIX);
    pk_autoclose int fd =
        open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    if (fd < 0)
        return address_fail(err, errno, lock_path, "lock");
    if (!lock_file_is_ours(fd))
        return pk_fail(err, -EACCES, "lock '%s' is not a plain file of this user", lock_path);
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK)
            return address_fail(err, errno, lock_path, "lock");
        long holder = lock_holder(fd);
        return holder > 0
                   ? pk_fail(err, -EADDRINUSE, "socket '%s' is in use by a running node (pid %ld)",
                             path, holder)
                   : pk_fail(err, -EADDRINUSE, "socket '%s' is in use by a running node", path);
    }
    int32_t r = write_holder(fd, lock_path, err);
    if (r < 0)
        return r;
    *ret_fd = pk_steal_fd(fd);
    return 0;
}

static void
fill_name(struct sockaddr_un *name, const char *path, const char *suffix)
{
    *name = (struct sockaddr_un){ .sun_family = AF_UNIX };
    (void)snprintf(name->sun_path, sizeof(name->sun_path), "%s%s", path, suffix);
}

/* The lock is ours, so what is there belongs to no node that lives; it may still be somebody's. */
static int32_t
check_leftover(const char *path, struct pk_error *err)
{
    struct stat info;
    if (lstat(path, &info) < 0)
        return errno == ENOENT ? 0 : address_fail(err, errno, path, "socket");
    if (!S_ISSOCK(info.st_mode))
        return pk_fail(err, -EEXIST, "'%s' exists and is not a socket", path);
    pk_autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return pk_fail(err, -errno, "socket '%s': %s", path, strerror(errno));
    struct sockaddr_un name;
    fill_name(&name, path, "");
    if (connect(fd, (const struct sockaddr *)&name, sizeof(name)) < 0
        && (errno == ECONNREFUSED || errno == ENOENT))
        return 0;
    return pk_fail(err, -EADDRINUSE, "socket '%s' is in use by a running process", path);
}

static int32_t
bind_new(const struct uds_address_wish *wish, const struct sockaddr_un *name, int fd,
         struct pk_error *err)
{
    if (unlink(name->sun_path) < 0 && errno != ENOENT)
        return address_fail(err, errno, name->sun_path, "socket");
    /* Linux gives the file the mode of the descriptor: closed to others until all is right. */
    if (fchmod(fd, 0600) < 0)
        return pk_fail(err, -errno, "socket '%s': %s", wish->path, strerror(errno));
    if (bind(fd, (const struct sockaddr *)name, sizeof(*name)) < 0)
        return address_fail(err, errno, wish->path, "socket");
    return 0;
}

static int32_t
dress_new(const struct uds_address_wish *wish, const char *new_path, int fd, struct pk_error *err)
{
    if (wish->group != (gid_t)-1 && lchown(new_path, (uid_t)-1, wish->group) < 0)
        return pk_fail(err, -errno, "socket '%s': can't give it to group %ld: %s", wish->path,
                       (long)wish->group, strerror(errno));
    if (chmod(new_path, wish->mode) < 0)
        return pk_fail(err, -errno, "socket '%s': mode %04o: %s", wish->path, (unsigned)wish->mode,
                       strerror(errno));
    if (listen(fd, UDS_BACKLOG) < 0)
        return pk_fail(err, -errno, "socket '%s': %s", wish->path, strerror(errno));
    return 0;
}

static int32_t
publish_new(const struct uds_address_wish *wish, const char *new_path, int fd,
            struct uds_address *address, struct pk_error *err)
{
    int32_t r = dress_new(wish, new_path, fd, err);
    if (r < 0)
        return r;
    struct stat info;
    if (lstat(new_path, &info) < 0 || rename(new_path, wish->path) < 0)
        return address_fail(err, errno, wish->path, "socket");
    address->dev = info.st_dev;
    address->ino = info.st_ino;
    return 0;
}

int32_t
uds_address_take(const struct uds_address_wish *wish, struct uds_address *ret_address,
                 struct pk_error *err)
{
    size_t size = strlen(wish->path);
    if (size == 0 || size > UDS_PATH_MAX)
        return pk_fail(err, -EINVAL, "path: a socket's path has 1 to %zu bytes, '%.100s' has %zu",
                       UDS_PATH_MAX, wish->path, size);
    pk_autoclose int lock_fd = -1;
    int32_t r = take_lock(wish->path, &lock_fd, err);
    if (r == 0)
        r = check_leftover(wish->path, err);
    if (r < 0)
        return r;
    pk_autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return pk_fail(err, -errno, "socket '%s': %s", wish->path, strerror(errno));
    struct sockaddr_un name;
    fill_name(&name, wish->path, UDS_NEW_SUFFIX);
    r = bind_new(wish, &name, fd, err);
    if (r < 0)
        return r;
    struct uds_address address = { 0 };
    r = publish_new(wish, name.sun_path, fd, &address, err);
    if (r < 0) {
        (void)unlink(name.sun_path);
        return r;
    }
    memcpy(address.path, wish->path, size + 1);
    address.lock_fd = pk_steal_fd(lock_fd);
    address.listen_fd = pk_steal_fd(fd);
    *ret_address = address;
    return 0;
}

void
uds_address_release(struct uds_address *address)
{
    struct stat info;
    if (lstat(address->path, &info) == 0 && info.st_dev == address->dev
        && info.st_ino == address->ino)
        (void)unlink(address->path);
    if (address->listen_fd >= 0)
        (void)close(address->listen_fd);
    (void)close(address->lock_fd);
    address->listen_fd = -1;
    address->lock_fd = -1;
}
