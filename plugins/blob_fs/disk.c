/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The system calls that the plugin makes alike everywhere. Keeps no state and knows no object.
 */
#include "disk.h"

#include <errno.h>
#include <fcntl.h>
#include <packice/cleanup.h>
#include <string.h>

static int32_t
code_of(int error)
{
    switch (error) {
    case ENOSPC:
    case EDQUOT:
        return -ENOSPC;
    case EMFILE:
    case ENFILE:
        return -EBUSY;
    case ENOMEM:
        return -ENOMEM;
    case EFBIG:
        return -EFBIG;
    default:
        return -EIO;
    }
}

/* Of what and why, the latter must not be cut off. */
int32_t
disk_fail(struct pk_error *err, int error, const char *format, ...)
{
    const char *cause = strerror(error);
    struct pk_error what = PK_ERROR_INIT;
    size_t room = sizeof(what.message) - strlen(cause) - sizeof(": ");
    va_list args;

    va_start(args, format);
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it is, by the line above */
    (void)vsnprintf(what.message, room, format, args);
    va_end(args);
    return pk_fail(err, code_of(error), "%s: %s", what.message, cause);
}

int
disk_open(int folder, const char *name, int flags, mode_t mode)
{
    int fd;
    do
        fd = openat(folder, name, flags | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, mode);
    while (fd < 0 && errno == EINTR);
    return fd;
}

int
disk_open_folder(int folder, const char *name)
{
    return disk_open(folder, name, O_RDONLY | O_DIRECTORY, 0);
}

bool
disk_exists(int folder, const char *name)
{
    return faccessat(folder, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
}

int
disk_write(int fd, const void *data, size_t size, off_t offset)
{
    size_t done = 0;
    while (done < size) {
        ssize_t put = pwrite(fd, (const char *)data + done, size - done, offset + (off_t)done);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return put < 0 ? errno : EIO;
        done += (size_t)put;
    }
    return 0;
}

int
disk_read(int fd, void *data, size_t size, off_t offset, size_t *ret_size)
{
    size_t done = 0;
    while (done < size) {
        ssize_t got = pread(fd, (char *)data + done, size - done, offset + (off_t)done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return errno;
        if (got == 0)
            break;
        done += (size_t)got;
    }
    *ret_size = done;
    return 0;
}

int
disk_start(int fd)
{
    return sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE) == 0 ? 0 : errno;
}

int
disk_settle(int fd)
{
    unsigned how = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
    int done;
    do
        done = sync_file_range(fd, 0, 0, how);
    while (done != 0 && errno == EINTR);
    return done == 0 ? 0 : errno;
}

int
disk_sync(int fd)
{
    int done;
    do
        done = fsync(fd);
    while (done != 0 && errno == EINTR);
    return done == 0 ? 0 : errno;
}

DIR *
disk_list(int folder)
{
    int fd = disk_open_folder(folder, ".");
    DIR *list = fd < 0 ? NULL : fdopendir(fd);
    if (list == NULL)
        pk_cleanup_close(&fd); /* else it is the list's own now */
    return list;
}

struct dirent *
disk_next(DIR *list)
{
    struct dirent *entry;
    do {
        errno = 0;
        entry = readdir(list);
    } while (entry != NULL
             && (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0));
    return entry;
}
