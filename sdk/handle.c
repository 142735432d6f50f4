/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handles to descriptors. The checks are what makes a map of sealed memory safe to read whatever
 * happens later: its size can't shrink under the reader.
 */
#include "sdk/handle.h"
#include "sdk/spool.h"
#include <errno.h>
#include <fcntl.h>
#include <packice/cleanup.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define FOUR_SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

/* Whether it is memory from memfd_create: it lives in the kernel's own file system, as does one of
 * ours. Files on a tmpfs have the same kind of seals but another device. */
static bool
is_memfd(const struct stat *status)
{
    static atomic_uint_fast64_t device; /* 0: not known yet; + 1, since 0 could be one */
    uint_fast64_t known = atomic_load(&device);
    if (known == 0) {
        pk_autoclose int fd = packice_spool_memfd("packice-probe");
        struct stat mine;
        if (fd < 0 || fstat(fd, &mine) != 0)
            return false;
        known = (uint_fast64_t)mine.st_dev + 1;
        atomic_store(&device, known);
    }
    return (uint_fast64_t)status->st_dev + 1 == known;
}

bool
packice_handle_can_reopen(void)
{
    static atomic_bool known; /* that it can */
    if (atomic_load(&known))
        return true;
    pk_autoclose int fd = packice_spool_memfd("packice-probe");
    pk_autoclose int again = -1;
    if (fd < 0 || packice_spool_reopen(fd, &again, NULL) != 0)
        return false;
    atomic_store(&known, true);
    return true;
}

static int32_t
check_sealed(int fd, uint64_t end, const struct stat *status, struct pk_error *err)
{
    if ((uint64_t)status->st_size != end)
        return pk_fail(err, -EPROTO, "the node gave a descriptor of %lld bytes for %llu",
                       (long long)status->st_size, (unsigned long long)end);
    if (!is_memfd(status))
        return 0;
    int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 || (seals & FOUR_SEALS) != FOUR_SEALS)
        return pk_fail(err, -EPROTO, "the node gave memory that is not sealed");
    return 0;
}

static int32_t
check(int fd, const struct pk_handle *handle, bool writable, struct pk_error *err)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return pk_fail(err, -errno, "can't look at the node's descriptor: %m");
    if (!S_ISREG(status.st_mode) || status.st_size < 0)
        return pk_fail(err, -EPROTO, "the node gave a descriptor that is no file");
    if (handle->size == PK_UNSIZED) {
        if (!writable)
            return pk_fail(err, -EPROTO, "the node gave a sealed blob without a size");
        return 0;
    }
    uint64_t end = handle->offset + handle->size; /* both were checked to be at most PK_SIZE_MAX */
    if (!writable)
        return check_sealed(fd, end, &status, err);
    if ((uint64_t)status.st_size < end)
        return pk_fail(err, -EPROTO, "the node gave a descriptor of %lld bytes for %llu",
                       (long long)status.st_size, (unsigned long long)end);
    return 0;
}

/* The descriptor of a handle: the one that came with it, or that of the path it names. */
static int32_t
open_handle(struct packice_answer *answer, uint32_t index, bool writable, int *ret_fd,
            struct pk_error *err)
{
    const struct pk_handle *handle = &answer->handles[index];
    int fd = packice_answer_take_fd(answer, index);
    if (fd < 0 && handle->kind == PK_HANDLE_PATH && handle->text != NULL) {
        fd = open(handle->text, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0)
            return pk_fail(err, -errno, "can't open '%s': %m", handle->text);
    }
    if (fd < 0 && handle->kind == PK_HANDLE_FD)
        return pk_fail(err, -EPROTO, "the node gave no descriptor for blob %u", index);
    *ret_fd = fd;
    return 0;
}

int32_t
packice_handle_take(struct packice_answer *answer, uint32_t index, bool writable, int *ret_fd,
                    struct pk_error *err)
{
    pk_autoclose int fd = -1;
    int32_t rc = open_handle(answer, index, writable, &fd, err);
    if (rc == 0 && fd >= 0)
        rc = check(fd, &answer->handles[index], writable, err);
    if (rc == 0)
        *ret_fd = pk_steal_fd(fd);
    return rc;
}
