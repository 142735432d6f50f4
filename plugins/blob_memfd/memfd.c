/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The system calls behind a blob, with their errors turned into those of the ABI. Keeps no state
 * and knows no blob.
 */
#include "memfd.h"

#include <errno.h>
#include <inttypes.h>
#include <packice/cleanup.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U /* Linux 6.3 */
#endif

/* Shown as "/memfd:packice" in /proc: the same for all, as names are the clients' own business. */
#define MEMFD_NAME "packice"

#define SPARE_FDS 512U
#define SEAL_TRIES 5
#define SEAL_PAUSE 100000L /* nanoseconds */
#define SEAL_BUDGET 1000000L

/* From here on a request is worth a look at what memory there is. */
#define ROOM_CHECKED ((uint64_t)1 << 20)
#define MEMORY_LINE "\nMemAvailable:"

static bool
no_descriptors(int error)
{
    return error == EMFILE || error == ENFILE;
}

bool
memfd_near_limit(int fd)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return false;
    rlim_t spare = limit.rlim_cur / 4 < SPARE_FDS ? limit.rlim_cur / 4 : SPARE_FDS;
    return (rlim_t)fd >= limit.rlim_cur - spare;
}

int32_t
memfd_make(uint32_t flags, int *ret_fd, struct pk_error *err)
{
    pk_autoclose int fd = memfd_create(MEMFD_NAME, flags);
    if (fd < 0 && no_descriptors(errno))
        return pk_fail(err, -EBUSY, "out of file descriptors");
    if (fd < 0 && errno == ENOMEM)
        return pk_fail(err, -ENOSPC, "no memory for a memfd");
    if (fd < 0)
        return pk_fail(err, -EIO, "memfd_create: %s", strerror(errno));
    *ret_fd = pk_steal_fd(fd);
    return 0;
}

/* Bytes that can be had without the kernel killing somebody for them; UINT64_MAX if unknown. */
static uint64_t
memory_available(void)
{
    char text[512]; /* MemAvailable is the third line */
    pk_autoclose int fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return UINT64_MAX;
    ssize_t size = read(fd, text, sizeof(text) - 1);
    if (size <= 0)
        return UINT64_MAX;
    text[size] = '\0';
    const char *line = strstr(text, MEMORY_LINE);
    char *end = NULL;
    uint64_t kib = line == NULL ? 0 : strtoull(line + strlen(MEMORY_LINE), &end, 10);
    if (end == NULL || strncmp(end, " kB\n", 4) != 0 || kib > UINT64_MAX >> 10)
        return UINT64_MAX;
    return kib << 10;
}

int32_t
memfd_room(uint64_t size, struct pk_error *err)
{
    if (size < ROOM_CHECKED)
        return 0;
    uint64_t available = memory_available();
    if (available != UINT64_MAX && size > available - available / 16)
        return pk_fail(err, -ENOSPC, "%" PRIu64 " bytes wanted, %" PRIu64 " bytes of memory left",
                       size, available);
    return 0;
}

int32_t
memfd_reserve(int fd, uint64_t size, struct pk_error *err)
{
    if (size > PK_SIZE_MAX)
        return pk_fail(err, -EFBIG, "%" PRIu64 " bytes are more than a memfd can hold", size);
    int32_t rc = memfd_room(size, err);
    if (rc < 0)
        return rc;
    int done;
    do
        done = fallocate(fd, 0, 0, (off_t)size);
    while (done != 0 && errno == EINTR);
    if (done == 0)
        return 0;
    if (errno == ENOSPC || errno == ENOMEM)
        return pk_fail(err, -ENOSPC, "no memory for %" PRIu64 " bytes", size);
    if (errno == EFBIG)
        return pk_fail(err, -EFBIG, "%" PRIu64 " bytes are over the limit for a file", size);
    return pk_fail(err, -EIO, "fallocate: %s", strerror(errno));
}

#define FD_PATH "/proc/self/fd/"
#define FD_DIGITS 10U

/* snprintf costs more than the rest of a reopen that is not the kernel's. Where the path begins in
 * the buffer. */
static const char *
fd_path(int fd, char buffer[static sizeof(FD_PATH) + FD_DIGITS])
{
    char *at = buffer + sizeof(FD_PATH) + FD_DIGITS - 1;
    unsigned rest = (unsigned)fd;
    *at = '\0';
    do
        *--at = (char)('0' + rest % 10);
    while ((rest /= 10) > 0);
    return memcpy(at - strlen(FD_PATH), FD_PATH, strlen(FD_PATH));
}

int32_t
memfd_reopen(int fd, int access, int *ret_fd, struct pk_error *err)
{
    char buffer[sizeof(FD_PATH) + FD_DIGITS];
    const char *path = fd_path(fd, buffer);
    pk_autoclose int opened = open(path, access | O_CLOEXEC | O_NONBLOCK);
    if (opened < 0 && no_descriptors(errno))
        return pk_fail(err, -EBUSY, "out of file descriptors");
    if (opened < 0 && errno == EAGAIN)
        return pk_fail(err, -EBUSY, "a lease on the file holds up whoever opens it");
    if (opened < 0)
        return pk_fail(err, -EIO, "cannot open %s: %s", path, strerror(errno));
    if (fcntl(opened, F_SETFL, 0) != 0)
        return pk_fail(err, -EIO, "F_SETFL: %s", strerror(errno));
    *ret_fd = pk_steal_fd(opened);
    return 0;
}

int32_t
memfd_duplicate(int fd, int *ret_fd, struct pk_error *err)
{
    int duplicate = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (duplicate < 0 && no_descriptors(errno))
        return pk_fail(err, -EBUSY, "out of file descriptors");
    if (duplicate < 0)
        return pk_fail(err, -EIO, "cannot duplicate a descriptor: %s", strerror(errno));
    *ret_fd = duplicate;
    return 0;
}

static int32_t
write_error(int error, struct pk_error *err)
{
    if (error == EPERM)
        return pk_fail(err, -EACCES, "the blob is sealed");
    if (error == ENOSPC || error == ENOMEM)
        return pk_fail(err, -ENOSPC, "no memory for what is written");
    if (error == EFBIG)
        return pk_fail(err, -EFBIG, "over the limit for a file");
    return pk_fail(err, -EIO, "pwrite: %s", strerror(error));
}

int32_t
memfd_write(int fd, uint64_t offset, const void *data, uint64_t size, struct pk_error *err)
{
    uint64_t done = 0;
    while (done < size) {
        ssize_t put = pwrite(fd, (const char *)data + done, size - done, (off_t)(offset + done));
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return write_error(put < 0 ? errno : EIO, err);
        done += (uint64_t)put;
    }
    return 0;
}

static int32_t
memfd_stat(int fd, struct stat *ret_stat, struct pk_error *err)
{
    if (fstat(fd, ret_stat) != 0)
        return pk_fail(err, -EIO, "fstat: %s", strerror(errno));
    return 0;
}

int32_t
memfd_size(int fd, uint64_t *ret_size, struct pk_error *err)
{
    struct stat st;
    int32_t rc = memfd_stat(fd, &st, err);
    if (rc == 0)
        *ret_size = (uint64_t)st.st_size;
    return rc;
}

int32_t
memfd_fill(int fd, uint64_t size, struct pk_error *err)
{
    struct stat st;
    int32_t rc = memfd_stat(fd, &st, err);
    if (rc < 0 || size == 0 || (uint64_t)st.st_blocks >= (size + 511) / 512)
        return rc;
    return memfd_reserve(fd, size, err);
}

bool
memfd_is_sealed(int fd)
{
    int seals = fcntl(fd, F_GET_SEALS);
    return seals >= 0 && (seals & MEMFD_SEALS) == MEMFD_SEALS;
}

static int64_t
clock_nanoseconds(void)
{
    struct timespec ts = { 0 };
    (void)clock_gettime(CLOCK_MONOTONIC, &ts); /* can't fail for this clock */
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* A map that is going away, or a page that the kernel holds for a moment, is worth a second look. A
 * try that took long has waited for pinned pages already. Real time: it is the kernel's patience
 * that is measured. */
static int
add_seals(int fd)
{
    const struct timespec pause = { 0, SEAL_PAUSE };
    int64_t start = clock_nanoseconds();
    for (int tries = 1;; tries++) {
        if (fcntl(fd, F_ADD_SEALS, MEMFD_SEALS) == 0)
            return 0;
        int error = errno;
        if (error != EBUSY || tries >= SEAL_TRIES || clock_nanoseconds() - start > SEAL_BUDGET)
            return error;
        (void)nanosleep(&pause, NULL);
    }
}

int32_t
memfd_seal(int fd, struct pk_error *err)
{
    if (memfd_is_sealed(fd))
        return 0;
    int error = add_seals(fd);
    if (error == EBUSY)
        return pk_fail(err, -EBUSY,
                       "a writable map is left, or the kernel still uses a page of it");
    if (error == EPERM && !memfd_is_sealed(fd))
        return pk_fail(err, -EINVAL, "the memfd was closed to further seals by its writer");
    if (error != 0 && error != EPERM)
        return pk_fail(err, -EIO, "cannot add seals: %s", strerror(error));
    if (!memfd_is_sealed(fd))
        return pk_fail(err, -EIO, "the kernel did not keep the seals");
    return 0;
}

/* A page written by a descriptor of its own, sealed, and refused to the next writer. */
static int32_t
probe_life(int fd, struct pk_error *err)
{
    pk_autoclose int writer = -1;
    pk_autoclose int reader = -1;
    int32_t rc = memfd_reserve(fd, 1, err);
    if (rc == 0)
        rc = memfd_reopen(fd, O_RDWR, &writer, err);
    if (rc == 0 && pwrite(writer, "x", 1, 0) != 1)
        rc = pk_fail(err, -EIO, "pwrite: %s", strerror(errno));
    if (rc == 0)
        rc = memfd_seal(fd, err);
    if (rc == 0)
        rc = memfd_reopen(fd, O_RDONLY, &reader, err);
    if (rc == 0 && pwrite(writer, "y", 1, 0) != -1)
        rc = pk_fail(err, -EIO, "a sealed memfd was written to");
    return rc;
}

static int32_t
unsupported(const char *what, struct pk_error *err)
{
    return pk_fail(
        err, -EOPNOTSUPP,
        "sealed memfds don't work here: %s (needed: the system call memfd_create, /proc, "
        "fallocate on tmpfs)",
        what);
}

int32_t
memfd_probe(uint32_t *ret_flags, struct pk_error *err)
{
    struct pk_error reason = PK_ERROR_INIT;
    uint32_t flags = MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL;
    pk_autoclose int fd = memfd_create(MEMFD_NAME, flags);
    if (fd < 0 && errno == EINVAL) {
        flags &= ~MFD_NOEXEC_SEAL;
        fd = memfd_create(MEMFD_NAME, flags);
    }
    if (fd < 0 && no_descriptors(errno))
        return pk_fail(err, -EBUSY, "out of file descriptors");
    if (fd < 0) {
        (void)pk_fail(&reason, -EIO, "memfd_create: %s", strerror(errno));
        return unsupported(reason.message, err);
    }
    int32_t rc = probe_life(fd, &reason);
    if (rc == -EBUSY)
        return pk_fail(err, rc, "%s", reason.message);
    if (rc < 0)
        return unsupported(reason.message, err);
    *ret_flags = flags;
    return 0;
}
