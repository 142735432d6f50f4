/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blobs that come and go through the node: put, and told where they lie. A small one is no more
 * than memory until somebody wants a descriptor: that saves its system calls, and the descriptor.
 * It never shares that memory, and never maps a file that somebody may still change.
 */
#include "blob.h"
#include "memfd.h"

#include <errno.h>
#include <packice/cleanup.h>
#include <string.h>
#include <sys/mman.h>

/* Up to here a copy costs less than a file, and a second one, for those who want a descriptor, is
 * no waste worth a word. */
#define HELD_MAX ((uint64_t)64 << 10)

/* Files that are told where they lie are mapped for it: not the large ones, which nobody sends
 * whole, and no more of them than a quarter of what the kernel lets a process have. */
#define MAPPED_MAX ((uint64_t)1 << 20)
#define MAPS_MAX 16384U

void
blob_memfd_copy(const struct blob_memfd_blob *blob, uint64_t offset, void *data, uint64_t size,
                uint64_t *ret_size)
{
    uint64_t left = offset < blob->size ? blob->size - offset : 0;

    *ret_size = size < left ? size : left;
    if (*ret_size > 0)
        memcpy(data, blob->held + offset, *ret_size);
}

int32_t
blob_memfd_file(const struct blob_memfd *factory, const void *data, uint64_t size, int *ret_fd,
                struct pk_error *err)
{
    pk_autoclose int fd = -1;
    int32_t rc = memfd_make(factory->flags, &fd, err);
    if (rc == 0)
        rc = memfd_write(fd, 0, data, size, err);
    if (rc == 0)
        rc = memfd_seal(fd, err);
    if (rc == 0)
        *ret_fd = pk_steal_fd(fd);
    return rc;
}

int32_t
blob_memfd_put(void *instance, const struct pk_key *key, uint32_t index, const void *data,
               uint64_t size, void **ret_blob, struct pk_error *err)
{
    struct blob_memfd *factory = instance;
    pk_autoclose int fd = -1;
    bool held = size <= HELD_MAX;
    (void)key;
    (void)index;
    int32_t rc = held ? 0 : memfd_room(size, err);
    if (rc == 0 && !held)
        rc = blob_memfd_file(factory, data, size, &fd, err);
    if (rc == 0 && !held && memfd_near_limit(fd))
        rc = pk_fail(err, -EBUSY, "out of file descriptors: the last ones are kept for readers");
    if (rc != 0)
        return rc;
    struct blob_memfd_blob *blob = blob_memfd_new(factory, fd, size, held ? size : 0);
    if (blob == NULL)
        return pk_fail(err, -ENOMEM, "out of memory");
    (void)pk_steal_fd(fd);
    blob->holds = held;
    if (held && size > 0)
        memcpy(blob->held, data, size);
    blob->sealed = true;
    blob->whole = true;
    *ret_blob = blob;
    return 0;
}

/* The first who asks maps it for all. */
static const void *
map(struct blob_memfd_blob *blob)
{
    void *none = NULL;
    if (atomic_fetch_add(&blob->factory->maps, 1) < MAPS_MAX) {
        void *mapped = mmap(NULL, blob->size, PROT_READ, MAP_SHARED | MAP_POPULATE, blob->fd, 0);
        if (mapped != MAP_FAILED && atomic_compare_exchange_strong(&blob->mapped, &none, mapped))
            return mapped;
        if (mapped != MAP_FAILED)
            (void)munmap(mapped, blob->size); /* the range is the one that was mapped just now */
    }
    blob->factory->maps--;
    return none;
}

const void *
blob_memfd_bytes(void *opaque)
{
    struct blob_memfd_blob *blob = opaque;
    const void *mapped = blob->mapped;
    if (mapped != NULL)
        return mapped;
    if (blob->holds)
        return blob->held;
    if (!blob->whole || blob->size == 0 || blob->size > MAPPED_MAX)
        return NULL;
    return map(blob);
}
