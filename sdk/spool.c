/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spools: memfds, their seals, and the bytes that fill them at once.
 */
#include "sdk/spool.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <packice/cleanup.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U /* Linux 6.3 */
#endif

#define FOUR_SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

#define SEAL_TRIES 5
#define SEAL_PAUSE 100000L /* nanoseconds */

int
packice_spool_memfd(const char *name)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
    if (fd < 0 && errno == EINVAL)
        fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    return fd;
}

int32_t
packice_spool_new(uint64_t size, int *ret_fd, struct pk_error *err)
{
    pk_autoclose int fd = packice_spool_memfd("packice");
    if (fd < 0)
        return pk_fail(err, -errno, "no memory for a blob: %m");
    if (size != PK_UNSIZED
        && (ftruncate(fd, (off_t)size) != 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_GROW) != 0))
        return pk_fail(err, -ENOMEM, "no memory for %llu bytes: %m", (unsigned long long)size);
    *ret_fd = pk_steal_fd(fd);
    return 0;
}

/* A page that the kernel is at work with makes it busy for a moment. */
static int
add_seals(int fd)
{
    const struct timespec pause = { 0, SEAL_PAUSE };
    int rc = fcntl(fd, F_ADD_SEALS, FOUR_SEALS);
    for (int tries = 1; rc != 0 && errno == EBUSY && tries < SEAL_TRIES; tries++) {
        (void)nanosleep(&pause, NULL);
        rc = fcntl(fd, F_ADD_SEALS, FOUR_SEALS);
    }
    return rc;
}

static int32_t
write_all(int fd, const char *data, uint64_t size, struct pk_error *err)
{
    while (size > 0) {
        ssize_t count = write(fd, data, size < SSIZE_MAX ? (size_t)size : SSIZE_MAX);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return pk_fail(err, -ENOSPC, "no room for a blob: %m");
        data += count;
        size -= (uint64_t)count;
    }
    return 0;
}

int32_t
packice_spool_bytes(const void *data, uint64_t size, int *ret_fd, struct pk_error *err)
{
    pk_autoclose int fd = -1;
    int32_t rc = packice_spool_new(PK_UNSIZED, &fd, err);
    if (rc == 0)
        rc = write_all(fd, data, size, err);
    if (rc == 0 && add_seals(fd) != 0)
        rc = pk_fail(err, -errno, "can't seal a blob: %m");
    if (rc == 0)
        *ret_fd = pk_steal_fd(fd);
    return rc;
}

int32_t
packice_spool_seal(int fd, uint64_t *ret_size, struct pk_error *err)
{
    struct stat status;
    int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0)
        return pk_fail(err, -errno, "can't look at a blob's seals: %m");
    if ((seals & FOUR_SEALS) != FOUR_SEALS && add_seals(fd) != 0) {
        if (errno == EBUSY)
            return pk_fail(err, -EBUSY, "a writable map of the blob is left");
        return pk_fail(err, -EINVAL, "the blob was sealed by somebody else: %m");
    }
    if (fstat(fd, &status) != 0)
        return pk_fail(err, -errno, "can't look at a blob's size: %m");
    *ret_size = (uint64_t)status.st_size;
    return 0;
}

int32_t
packice_spool_reopen(int fd, int *ret_fd, struct pk_error *err)
{
    char path[40];
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    pk_autoclose int mine = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (mine < 0 && errno == EAGAIN) /* which would say: not sealed */
        return pk_fail(err, -EBUSY, "can't open a blob for reading: a lease is on its file");
    if (mine < 0 || fcntl(mine, F_SETFL, 0) != 0)
        return pk_fail(err, -errno, "can't open a blob for reading, by /proc/self/fd: %m");
    *ret_fd = pk_steal_fd(mine);
    return 0;
}
