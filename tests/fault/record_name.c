/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The calls that make, move and take away names: each is made, and written down if it worked. What
 * files hold is record_byte.c's.
 */
#include "record.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int dirfd, const char *path, int flags);
int __openat64_2(int dirfd, const char *path, int flags);

static uint64_t
inode_at(int dirfd, const char *path)
{
    struct stat status;
    return fstatat(dirfd, path, &status, AT_SYMLINK_NOFOLLOW) == 0 ? status.st_ino : 0;
}

/* ---- open ---- */

static void
record_opened(int fd, int flags, bool existed, const struct record_place *place)
{
    struct stat status;

    if (fstat(fd, &status) != 0)
        record_lost("open");
    else if (!existed)
        record_append((struct record){ .op = RECORD_CREATE,
                                       .ino = status.st_ino,
                                       .dir = place->dir,
                                       .mode = status.st_mode & 07777U },
                      place->name, "", NULL, 0);
    else if ((flags & O_TRUNC) != 0 && S_ISREG(status.st_mode))
        record_append((struct record){ .op = RECORD_TRUNCATE, .ino = status.st_ino }, "", "", NULL,
                      0);
}

static int
open_and_record(int dirfd, const char *path, int flags, mode_t mode)
{
    bool nameless = (flags & O_TMPFILE) == O_TMPFILE;
    struct record_place place = { .name = "" };
    struct stat status;

    if ((flags & (O_CREAT | O_TRUNC)) == 0 && !nameless)
        return RECORD_NEXT(openat)(dirfd, path, flags);
    if (!record_place(dirfd, path, &place))
        return RECORD_NEXT(openat)(dirfd, path, flags, mode);
    record_lock();
    bool existed = !nameless && fstatat(dirfd, path, &status, 0) == 0;
    if (nameless)
        place.name[0] = '\0';
    int fd = RECORD_NEXT(openat)(dirfd, path, flags, mode);
    if (fd >= 0)
        record_opened(fd, flags, existed, &place);
    record_unlock();
    return fd;
}

/* The mode is there only where a file may be made. */
static mode_t
mode_of(int flags, va_list args)
{
    bool makes = (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
    return makes ? va_arg(args, mode_t) : 0;
}

#define WRAP_OPEN(open, openat, creat) \
    RECORD_EXPORT int open(const char *path, int flags, ...) \
    { \
        va_list args; \
        va_start(args, flags); \
        mode_t mode = mode_of(flags, args); \
        va_end(args); \
        return open_and_record(AT_FDCWD, path, flags, mode); \
    } \
    RECORD_EXPORT int openat(int dirfd, const char *path, int flags, ...) \
    { \
        va_list args; \
        va_start(args, flags); \
        mode_t mode = mode_of(flags, args); \
        va_end(args); \
        return open_and_record(dirfd, path, flags, mode); \
    } \
    RECORD_EXPORT int creat(const char *path, mode_t mode) \
    { \
        return open_and_record(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, mode); \
    }

/* What _FORTIFY_SOURCE makes of calls without a mode. */
#define WRAP_OPEN_2(open_2, openat_2) \
    RECORD_EXPORT int open_2(const char *path, int flags) \
    { \
        return open_and_record(AT_FDCWD, path, flags, 0); \
    } \
    RECORD_EXPORT int openat_2(int dirfd, const char *path, int flags) \
    { \
        return open_and_record(dirfd, path, flags, 0); \
    }

WRAP_OPEN(open, openat, creat)
WRAP_OPEN(open64, openat64, creat64)
WRAP_OPEN_2(__open_2, __openat_2)
WRAP_OPEN_2(__open64_2, __openat64_2)

/* ---- names of what is there ---- */

RECORD_EXPORT int
linkat(int olddirfd, const char *oldpath, int newdirfd, const char *newpath, int flags)
{
    struct record_place place;

    if (!record_place(newdirfd, newpath, &place))
        return RECORD_NEXT(linkat)(olddirfd, oldpath, newdirfd, newpath, flags);
    record_lock();
    int rc = RECORD_NEXT(linkat)(olddirfd, oldpath, newdirfd, newpath, flags);
    if (rc == 0)
        record_append((struct record){ .op = RECORD_LINK,
                                       .ino = inode_at(newdirfd, newpath),
                                       .dir = place.dir },
                      place.name, "", NULL, 0);
    record_unlock();
    return rc;
}

RECORD_EXPORT int
link(const char *oldpath, const char *newpath)
{
    return linkat(AT_FDCWD, oldpath, AT_FDCWD, newpath, 0);
}

RECORD_EXPORT int
renameat2(int olddirfd, const char *oldpath, int newdirfd, const char *newpath, unsigned int flags)
{
    struct record_place from;
    struct record_place to;
    bool from_ours = record_place(olddirfd, oldpath, &from);
    bool to_ours = record_place(newdirfd, newpath, &to);

    if (!from_ours && !to_ours)
        return RECORD_NEXT(renameat2)(olddirfd, oldpath, newdirfd, newpath, flags);
    record_lock();
    int rc = RECORD_NEXT(renameat2)(olddirfd, oldpath, newdirfd, newpath, flags);
    if (rc == 0 && from_ours && to_ours)
        record_append(
            (struct record){ .op = (flags & RENAME_EXCHANGE) != 0 ? RECORD_EXCHANGE : RECORD_RENAME,
                             .dir = from.dir,
                             .dir2 = to.dir },
            from.name, to.name, NULL, 0);
    else if (rc == 0)
        record_lost("rename over the border");
    record_unlock();
    return rc;
}

RECORD_EXPORT int
renameat(int olddirfd, const char *oldpath, int newdirfd, const char *newpath)
{
    return renameat2(olddirfd, oldpath, newdirfd, newpath, 0);
}

RECORD_EXPORT int
rename(const char *oldpath, const char *newpath)
{
    return renameat2(AT_FDCWD, oldpath, AT_FDCWD, newpath, 0);
}

RECORD_EXPORT int
unlinkat(int dirfd, const char *path, int flags)
{
    struct record_place place;

    if (!record_place(dirfd, path, &place))
        return RECORD_NEXT(unlinkat)(dirfd, path, flags);
    record_lock();
    int rc = RECORD_NEXT(unlinkat)(dirfd, path, flags);
    if (rc == 0)
        record_append((struct record){ .op = RECORD_UNLINK, .dir = place.dir }, place.name, "",
                      NULL, 0);
    record_unlock();
    return rc;
}

RECORD_EXPORT int
unlink(const char *path)
{
    return unlinkat(AT_FDCWD, path, 0);
}

RECORD_EXPORT int
rmdir(const char *path)
{
    return unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}

RECORD_EXPORT int
mkdirat(int dirfd, const char *path, mode_t mode)
{
    struct record_place place;
    struct stat status = { .st_ino = 0 };

    if (!record_place(dirfd, path, &place))
        return RECORD_NEXT(mkdirat)(dirfd, path, mode);
    record_lock();
    int rc = RECORD_NEXT(mkdirat)(dirfd, path, mode);
    if (rc == 0 && fstatat(dirfd, path, &status, 0) == 0)
        record_append((struct record){ .op = RECORD_MKDIR,
                                       .ino = status.st_ino,
                                       .dir = place.dir,
                                       .mode = status.st_mode & 07777U },
                      place.name, "", NULL, 0);
    record_unlock();
    return rc;
}

RECORD_EXPORT int
mkdir(const char *path, mode_t mode)
{
    return mkdirat(AT_FDCWD, path, mode);
}

RECORD_EXPORT int
symlinkat(const char *target, int dirfd, const char *path)
{
    struct record_place place;

    if (!record_place(dirfd, path, &place))
        return RECORD_NEXT(symlinkat)(target, dirfd, path);
    record_lock();
    int rc = RECORD_NEXT(symlinkat)(target, dirfd, path);
    if (rc == 0)
        record_append(
            (struct record){ .op = RECORD_SYMLINK, .ino = inode_at(dirfd, path), .dir = place.dir },
            place.name, "", target, strlen(target));
    record_unlock();
    return rc;
}

RECORD_EXPORT int
symlink(const char *target, const char *path)
{
    return symlinkat(target, AT_FDCWD, path);
}
