/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory files that others made and sealed: looked at closely, and taken over without a copy. It
 * believes nothing but the kernel, and asks it nothing that could make it wait for whoever made the
 * file.
 */
#include "blob.h"
#include "memfd.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <packice/cleanup.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#define LARGE_BLOCKS 2048 /* of 512 bytes: so much is worth a worker to free */

/* Of huge pages there are few, and who has some is not who wants them read. */
static int32_t
check_kind(int fd, struct pk_error *err)
{
    struct statfs fs;
    if (!memfd_is_sealed(fd))
        return pk_fail(err, -EINVAL,
                       "the descriptor is not of a memfd with F_SEAL_WRITE, F_SEAL_GROW, "
                       "F_SEAL_SHRINK and F_SEAL_SEAL");
    if (fstatfs(fd, &fs) != 0)
        return pk_fail(err, -EIO, "fstatfs: %s", strerror(errno));
    if (fs.f_type != TMPFS_MAGIC)
        return pk_fail(err, -EINVAL, "the memfd is made of huge pages");
    return 0;
}

static int32_t
check_size(int fd, uint64_t want, struct pk_error *err)
{
    uint64_t size = 0;
    int32_t rc = memfd_size(fd, &size, err);
    if (rc == 0 && size != want)
        return pk_fail(err, -EINVAL, "the memfd holds %" PRIu64 " bytes, not %" PRIu64, size, want);
    return rc;
}

/* A description of its own: the maker keeps the one it sent. */
static int32_t
open_own(int fd, int *ret_fd, struct pk_error *err)
{
    pk_autoclose int own = -1;
    int32_t rc = memfd_reopen(fd, O_RDONLY, &own, err);
    if (rc == -EBUSY)
        return rc;
    if (rc != 0)
        return pk_fail(err, -EINVAL, "the memfd can't be opened by the node");
    if (memfd_near_limit(own))
        return pk_fail(err, -EBUSY, "out of file descriptors: the last ones are kept for readers");
    *ret_fd = pk_steal_fd(own);
    return 0;
}

/* A page that is missing would be made for the first reader that meets it, and kill it if there is
 * no memory. Blocks behind the end may make up for those in the count: so each is looked for. */
static int32_t
fill_holes(int own, int given, uint64_t size, struct pk_error *err)
{
    if (size == 0 || lseek(own, 0, SEEK_HOLE) >= (off_t)size)
        return 0;
    if ((fcntl(given, F_GETFL) & O_ACCMODE) == O_RDONLY)
        return pk_fail(err, -EINVAL, "the memfd has holes: not all of it was written");
    return memfd_reserve(given, size, err);
}

static void
close_on_worker(void *arg)
{
    (void)close((int)(intptr_t)arg);
}

/* Whoever offers a large file that can't be taken over has nobody wait while its memory is freed.
 */
static int32_t
refuse(const struct blob_memfd *factory, int given, int32_t why)
{
    const struct pk_host *host = factory->host;
    struct stat status;
    bool large = given >= 0 && fstat(given, &status) == 0 && status.st_blocks > LARGE_BLOCKS;
    if (!large || host->submit(host->ctx, close_on_worker, (void *)(intptr_t)given) != 0)
        (void)close(given);
    return why;
}

static int32_t
take_over(int given, uint64_t size, int *ret_own, struct pk_error *err)
{
    int32_t rc = check_kind(given, err);
    if (rc == 0)
        rc = check_size(given, size, err);
    if (rc == 0)
        rc = open_own(given, ret_own, err);
    if (rc == 0)
        rc = fill_holes(*ret_own, given, size, err);
    return rc;
}

int32_t
blob_memfd_adopt(void *instance, const struct pk_key *key, uint32_t index,
                 const struct pk_handle *handle, void **ret_blob, struct pk_error *err)
{
    struct blob_memfd *factory = instance;
    pk_autoclose int given = handle->kind == PK_HANDLE_FD ? handle->fd : -1;
    pk_autoclose int own = -1;
    (void)key;
    (void)index;
    int32_t rc = take_over(given, handle->size, &own, err);
    if (rc != 0) {
        if (own >= 0)
            (void)close(pk_steal_fd(own)); /* not the last one */
        return refuse(factory, pk_steal_fd(given), rc);
    }
    struct blob_memfd_blob *blob = blob_memfd_new(factory, own, handle->size, 0);
    if (blob == NULL)
        return pk_fail(err, -ENOMEM, "out of memory");
    (void)pk_steal_fd(own);
    blob->sealed = true;
    blob->shares = true;
    blob->whole = true;
    *ret_blob = blob;
    return 0;
}
