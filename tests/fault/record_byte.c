/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The calls that change what files hold, how large they are and their modes, and those that bring
 * it to disk: each is made, and written down if it worked. Names are record_name.c's, maps
 * record_map.c's.
 */
#include "record.h"

#include <errno.h>
#include <fcntl.h>
#include <packice/cleanup.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* ---- write ---- */

static void
record_written(uint64_t ino, off_t offset, const void *data, ssize_t size)
{
    record_append((struct record){ .op = RECORD_WRITE, .ino = ino, .offset = (uint64_t)offset }, "",
                  "", data, (size_t)size);
}

RECORD_EXPORT ssize_t
write(int fd, const void *data, size_t size)
{
    uint64_t ino = 0;

    if (!record_behind(fd, &ino))
        return RECORD_NEXT(write)(fd, data, size);
    record_lock();
    ssize_t written = RECORD_NEXT(write)(fd, data, size);
    if (written > 0) /* where it began is known only now, if it appends */
        record_written(ino, lseek(fd, 0, SEEK_CUR) - written, data, written);
    record_unlock();
    return written;
}

RECORD_EXPORT ssize_t
writev(int fd, const struct iovec *pieces, int count)
{
    uint64_t ino = 0;

    if (!record_behind(fd, &ino))
        return RECORD_NEXT(writev)(fd, pieces, count);
    record_lock();
    ssize_t written = RECORD_NEXT(writev)(fd, pieces, count);
    if (written > 0)
        record_range(fd, ino, (uint64_t)(lseek(fd, 0, SEEK_CUR) - written), (uint64_t)written);
    record_unlock();
    return written;
}

/* pwrite to a file that appends goes to its end, whatever the offset. */
static bool
appends(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && (flags & O_APPEND) != 0;
}

#define WRAP_PWRITE(pwrite, pwritev, pwritev2) \
    RECORD_EXPORT ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) \
    { \
        uint64_t ino = 0; \
        if (!record_behind(fd, &ino)) \
            return RECORD_NEXT(pwrite)(fd, data, size, offset); \
        record_lock(); \
        ssize_t written = RECORD_NEXT(pwrite)(fd, data, size, offset); \
        if (written > 0 && appends(fd)) \
            record_lost("pwrite that appends"); \
        else if (written > 0) \
            record_written(ino, offset, data, written); \
        record_unlock(); \
        return written; \
    } \
    RECORD_EXPORT ssize_t pwritev2(int fd, const struct iovec *pieces, int count, off_t offset, \
                                   int flags) \
    { \
        uint64_t ino = 0; \
        if (!record_behind(fd, &ino)) \
            return RECORD_NEXT(pwritev2)(fd, pieces, count, offset, flags); \
        record_lock(); \
        ssize_t written = RECORD_NEXT(pwritev2)(fd, pieces, count, offset, flags); \
        if (written > 0 && (appends(fd) || offset < 0)) \
            record_lost("pwritev that appends"); \
        else if (written > 0) \
            record_range(fd, ino, (uint64_t)offset, (uint64_t)written); \
        record_unlock(); \
        return written; \
    } \
    RECORD_EXPORT ssize_t pwritev(int fd, const struct iovec *pieces, int count, off_t offset) \
    { \
        return pwritev2(fd, pieces, count, offset, 0); \
    }

WRAP_PWRITE(pwrite, pwritev, pwritev2)
WRAP_PWRITE(pwrite64, pwritev64, pwritev64v2)

RECORD_EXPORT ssize_t
copy_file_range(int in, off64_t *in_offset, int out, off64_t *out_offset, size_t size,
                unsigned int flags)
{
    uint64_t ino = 0;

    if (!record_behind(out, &ino))
        return RECORD_NEXT(copy_file_range)(in, in_offset, out, out_offset, size, flags);
    record_lock();
    ssize_t copied = RECORD_NEXT(copy_file_range)(in, in_offset, out, out_offset, size, flags);
    if (copied > 0) {
        off_t end = out_offset != NULL ? *out_offset : lseek(out, 0, SEEK_CUR);
        record_range(out, ino, (uint64_t)(end - copied), (uint64_t)copied);
    }
    record_unlock();
    return copied;
}

/* ---- size ---- */

static void
record_size(uint32_t op, uint64_t ino, off_t size)
{
    record_append((struct record){ .op = op, .ino = ino, .offset = (uint64_t)size }, "", "", NULL,
                  0);
}

#define WRAP_TRUNCATE(ftruncate, truncate) \
    RECORD_EXPORT int ftruncate(int fd, off_t size) \
    { \
        uint64_t ino = 0; \
        if (!record_behind(fd, &ino)) \
            return RECORD_NEXT(ftruncate)(fd, size); \
        record_lock(); \
        int rc = RECORD_NEXT(ftruncate)(fd, size); \
        if (rc == 0) \
            record_size(RECORD_TRUNCATE, ino, size); \
        record_unlock(); \
        return rc; \
    } \
    RECORD_EXPORT int truncate(const char *path, off_t size) \
    { \
        uint64_t ino = 0; \
        pk_autoclose int fd = RECORD_NEXT(open)(path, O_PATH | O_CLOEXEC); \
        if (!record_behind(fd, &ino)) \
            return RECORD_NEXT(truncate)(path, size); \
        record_lock(); \
        int rc = RECORD_NEXT(truncate)(path, size); \
        if (rc == 0) \
            record_size(RECORD_TRUNCATE, ino, size); \
        record_unlock(); \
        return rc; \
    }

WRAP_TRUNCATE(ftruncate, truncate)
WRAP_TRUNCATE(ftruncate64, truncate64)

#define WRAP_ALLOCATE(fallocate, posix_fallocate) \
    RECORD_EXPORT int fallocate(int fd, int mode, off_t offset, off_t size) \
    { \
        uint64_t ino = 0; \
        if (!record_behind(fd, &ino)) \
            return RECORD_NEXT(fallocate)(fd, mode, offset, size); \
        record_lock(); \
        int rc = RECORD_NEXT(fallocate)(fd, mode, offset, size); \
        if (rc == 0 && mode == 0) \
            record_size(RECORD_ALLOCATE, ino, offset + size); \
        else if (rc == 0 && mode != FALLOC_FL_KEEP_SIZE) \
            record_lost("fallocate that takes away"); \
        record_unlock(); \
        return rc; \
    } \
    RECORD_EXPORT int posix_fallocate(int fd, off_t offset, off_t size) \
    { \
        uint64_t ino = 0; \
        if (!record_behind(fd, &ino)) \
            return RECORD_NEXT(posix_fallocate)(fd, offset, size); \
        record_lock(); \
        int rc = RECORD_NEXT(posix_fallocate)(fd, offset, size); \
        if (rc == 0) \
            record_size(RECORD_ALLOCATE, ino, offset + size); \
        record_unlock(); \
        return rc; \
    }

WRAP_ALLOCATE(fallocate, posix_fallocate)
WRAP_ALLOCATE(fallocate64, posix_fallocate64)

/* ---- mode ---- */

static void
record_mode(uint64_t ino, mode_t mode)
{
    record_append((struct record){ .op = RECORD_CHMOD, .ino = ino, .mode = mode & 07777U }, "", "",
                  NULL, 0);
}

RECORD_EXPORT int
fchmod(int fd, mode_t mode)
{
    uint64_t ino = 0;

    if (!record_behind(fd, &ino))
        return RECORD_NEXT(fchmod)(fd, mode);
    record_lock();
    int rc = RECORD_NEXT(fchmod)(fd, mode);
    if (rc == 0)
        record_mode(ino, mode);
    record_unlock();
    return rc;
}

RECORD_EXPORT int
fchmodat(int dirfd, const char *path, mode_t mode, int flags)
{
    uint64_t ino = 0;
    pk_autoclose int fd = RECORD_NEXT(openat)(dirfd, path, O_PATH | O_CLOEXEC);

    if (!record_behind(fd, &ino))
        return RECORD_NEXT(fchmodat)(dirfd, path, mode, flags);
    record_lock();
    int rc = RECORD_NEXT(fchmodat)(dirfd, path, mode, flags);
    if (rc == 0)
        record_mode(ino, mode);
    record_unlock();
    return rc;
}

RECORD_EXPORT int
chmod(const char *path, mode_t mode)
{
    return fchmodat(AT_FDCWD, path, mode, 0);
}

/* ---- to disk ---- */

#define WRAP_SYNC(fsync, recorded) \
    RECORD_EXPORT int fsync(int fd) \
    { \
        uint64_t ino = 0; \
        if (!record_behind(fd, &ino)) \
            return RECORD_NEXT(fsync)(fd); \
        record_lock(); \
        record_maps((recorded) == RECORD_SYNCFS ? 0 : ino); \
        int rc = RECORD_NEXT(fsync)(fd); \
        if (rc == 0) \
            record_append((struct record){ .op = (recorded), .ino = ino }, "", "", NULL, 0); \
        record_unlock(); \
        return rc; \
    }

WRAP_SYNC(fsync, RECORD_FSYNC)
WRAP_SYNC(fdatasync, RECORD_FDATASYNC)
WRAP_SYNC(syncfs, RECORD_SYNCFS)
