/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blobs behind descriptors: their life, their bytes and their maps.
 */
#include "sdk/blob.h"
#include "sdk/handle.h"
#include "sdk/held.h"
#include "sdk/spool.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <packice/cleanup.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

struct packice_map {
    struct packice_map *next;
    void *address; /* of the page it begins in; NULL for a blob of 0 bytes */
    size_t length;
    void *data;
    uint64_t size;
};

/* What a map of no bytes points to: there is nothing behind it to be read. */
static char nothing[1];

/* What is written is spooled; what is read has yet to come. */
static int32_t
begin_remote(const struct packice_answer *answer, uint32_t index, struct packice_blob *blob,
             struct pk_error *err)
{
    const struct pk_handle *handle = &answer->handles[index];
    if (blob->writable) {
        blob->offset = 0;
        return packice_spool_new(blob->size, &blob->fd, err);
    }
    if (blob->size == PK_UNSIZED)
        return pk_fail(err, -EPROTO, "the node gave a sealed blob without a size");
    if (handle->kind != PK_HANDLE_PATH)
        return 0;
    blob->path = strdup(handle->text);
    return blob->path != NULL ? 0 : pk_fail(err, -ENOMEM, "no memory for a blob");
}

/* Where the bytes of a new blob are. */
static int32_t
begin(struct packice_answer *answer, uint32_t index, struct packice_blob *blob,
      struct pk_error *err)
{
    const struct pk_handle *handle = &answer->handles[index];
    if (handle->kind == PK_HANDLE_DATA) {
        blob->came = true;
        blob->bytes = handle->data;
        return 0;
    }
    if (answer->remote)
        return begin_remote(answer, index, blob, err);
    return packice_handle_take(answer, index, blob->writable, &blob->fd, err);
}

int32_t
packice_blob_init(struct packice_blob *blob, struct packice_held *held, uint32_t index,
                  struct pk_error *err)
{
    struct packice_answer *answer = held->answer;
    *blob = (struct packice_blob){
        .held = held,
        /* one who waits to write is not kept waiting by ever new readers */
        .lock = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP,
        .fd = -1,
        .spool = -1,
        .offset = answer->handles[index].offset,
        .size = answer->handles[index].size,
        .writable = held->writable,
        .shared = (answer->handles[index].flags & PK_HANDLE_SHARED) != 0,
        .remote = answer->remote,
        .moving = PTHREAD_MUTEX_INITIALIZER,
    };
    int32_t rc = begin(answer, index, blob, err);
    if (rc != 0)
        packice_blob_finish(blob);
    return rc;
}

void
packice_blob_drop_maps(struct packice_blob *blob)
{
    while (blob->maps != NULL) {
        struct packice_map *map = blob->maps;
        blob->maps = map->next;
        if (map->address != NULL)
            (void)munmap(map->address, map->length); /* it is what mmap gave */
        free(map);
    }
}

void
packice_blob_finish(struct packice_blob *blob)
{
    packice_blob_drop_maps(blob);
    pk_cleanup_close(&blob->fd);
    pk_cleanup_close(&blob->spool);
    (void)pthread_rwlock_destroy(&blob->lock);
    (void)pthread_mutex_destroy(&blob->moving);
    free(blob->path);
}

void
packice_blob_shut(struct packice_blob *blob, bool *mapped)
{
    (void)pthread_rwlock_wrlock(&blob->lock);
    packice_blob_drop_maps(blob);
    *mapped = false;
    blob->mappers = 0; /* what is written has one lease */
    if (blob->remote && blob->spool < 0)
        blob->spool = pk_steal_fd(blob->fd);
    pk_cleanup_close(&blob->fd);
    blob->fd = -1;
    blob->shut = true;
    (void)pthread_rwlock_unlock(&blob->lock);
}

void
packice_blob_arrive(struct packice_blob *blob, int fd, uint64_t offset)
{
    (void)pthread_rwlock_wrlock(&blob->lock);
    assert(blob->remote && blob->fd < 0);
    blob->fd = fd;
    blob->offset = offset;
    (void)pthread_rwlock_unlock(&blob->lock);
}

bool
packice_blob_is_missing(struct packice_blob *blob)
{
    if (!blob->remote || blob->writable)
        return false;
    (void)pthread_rwlock_rdlock(&blob->lock);
    bool missing = blob->fd < 0;
    (void)pthread_rwlock_unlock(&blob->lock);
    return missing;
}

void
packice_blob_unmap(struct packice_blob *blob, bool *mapped)
{
    (void)pthread_rwlock_wrlock(&blob->lock);
    if (*mapped && --blob->mappers == 0)
        packice_blob_drop_maps(blob);
    *mapped = false;
    (void)pthread_rwlock_unlock(&blob->lock);
}

/* With the lock held: whether bytes can go through at all. */
static int32_t
usable(const struct packice_blob *blob, struct pk_error *err)
{
    if (blob->shut)
        return pk_fail(err, -EACCES, "the object is sealed, or about to be");
    if (blob->fd < 0 && !blob->came)
        return pk_fail(err, -EOPNOTSUPP, "the blob is not behind a descriptor");
    return 0;
}

int32_t
packice_blob_check(struct packice_blob *blob, struct pk_error *err)
{
    (void)pthread_rwlock_rdlock(&blob->lock);
    int32_t rc = usable(blob, err);
    (void)pthread_rwlock_unlock(&blob->lock);
    return rc;
}

/* With the lock held. */
static int32_t
size_now(const struct packice_blob *blob, uint64_t *ret_size, struct pk_error *err)
{
    if (blob->size != PK_UNSIZED) {
        *ret_size = blob->size;
        return 0;
    }
    int32_t rc = usable(blob, err);
    if (rc != 0)
        return rc;
    struct stat status;
    if (fstat(blob->fd, &status) != 0)
        return pk_fail(err, -errno, "can't look at a blob's size: %m");
    uint64_t end = (uint64_t)status.st_size;
    *ret_size = end > blob->offset ? end - blob->offset : 0;
    return 0;
}

int32_t
packice_blob_size(struct packice_blob *blob, uint64_t *ret_size, struct pk_error *err)
{
    (void)pthread_rwlock_rdlock(&blob->lock);
    int32_t rc = size_now(blob, ret_size, err);
    (void)pthread_rwlock_unlock(&blob->lock);
    return rc;
}

/* With the lock held for writing: a descriptor of bytes that came without one. */
static int32_t
spool_bytes(struct packice_blob *blob, struct pk_error *err)
{
    pk_autoclose int fd = -1;
    int32_t rc = packice_spool_bytes(blob->bytes, blob->size, &fd, err);
    if (rc == 0)
        rc = packice_spool_reopen(fd, &blob->fd, err);
    if (rc == 0)
        blob->offset = 0;
    return rc;
}

/* With the lock held: whoever reads gets a description of its own, that of a file which it may not
 * open excepted. */
static int32_t
give_descriptor(const struct packice_blob *blob, int *ret_fd, struct pk_error *err)
{
    if (!blob->writable) {
        int32_t rc = packice_spool_reopen(blob->fd, ret_fd, err);
        if (rc == 0 || blob->shared)
            return rc;
    }
    int fd = fcntl(blob->fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        return pk_fail(err, -errno, "can't duplicate a descriptor: %m");
    *ret_fd = fd;
    return 0;
}

int32_t
packice_blob_fd(struct packice_blob *blob, int *ret_fd, struct pk_error *err)
{
    (void)pthread_rwlock_wrlock(&blob->lock);
    int32_t rc = usable(blob, err);
    if (rc == 0 && blob->fd < 0)
        rc = spool_bytes(blob, err);
    if (rc == 0)
        rc = give_descriptor(blob, ret_fd, err);
    (void)pthread_rwlock_unlock(&blob->lock);
    return rc;
}

/* What the kernel says of a write that the blob's backend forbids by its seals. */
static int32_t
write_error(struct pk_error *err)
{
    switch (errno) {
    case EPERM:
        return pk_fail(err, -EACCES, "the blob is sealed");
    case EFBIG:
    case ENOSPC:
    case EDQUOT:
        return pk_fail(err, -ENOSPC, "no room to write: %m");
    default:
        return pk_fail(err, -errno, "can't write: %m");
    }
}

static int32_t
write_all(const struct packice_blob *blob, uint64_t offset, const char *data, uint64_t size,
          struct pk_error *err)
{
    while (size > 0) {
        size_t chunk = size < SSIZE_MAX ? (size_t)size : SSIZE_MAX;
        ssize_t count = pwrite(blob->fd, data, chunk, (off_t)(blob->offset + offset));
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return write_error(err);
        data += count;
        offset += (uint64_t)count;
        size -= (uint64_t)count;
    }
    return 0;
}

int32_t
packice_blob_write(struct packice_blob *blob, uint64_t offset, const void *data, uint64_t size,
                   struct pk_error *err)
{
    if (!blob->writable)
        return pk_fail(err, -EACCES, "the object is sealed");
    uint64_t limit = blob->size != PK_UNSIZED ? blob->size : PK_SIZE_MAX - blob->offset;
    if (offset > limit || size > limit - offset)
        return pk_fail(err, -EFBIG, "the blob ends at %llu bytes", (unsigned long long)limit);
    (void)pthread_rwlock_rdlock(&blob->lock);
    int32_t rc = usable(blob, err);
    if (rc == 0)
        rc = write_all(blob, offset, data, size, err);
    (void)pthread_rwlock_unlock(&blob->lock);
    return rc;
}

/* With the lock held. */
static int32_t
read_all(const struct packice_blob *blob, uint64_t offset, char *data, uint64_t size,
         uint64_t *ret_size, struct pk_error *err)
{
    uint64_t done = 0;
    if (blob->came) {
        memcpy(data, (const char *)blob->bytes + offset, size);
        done = size;
    }
    while (done < size) {
        size_t chunk = size - done < SSIZE_MAX ? (size_t)(size - done) : SSIZE_MAX;
        ssize_t count = pread(blob->fd, data + done, chunk, (off_t)(blob->offset + offset + done));
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return pk_fail(err, -errno, "can't read: %m");
        if (count == 0)
            break;
        done += (uint64_t)count;
    }
    *ret_size = done;
    return 0;
}

int32_t
packice_blob_read(struct packice_blob *blob, uint64_t offset, void *data, uint64_t size,
                  uint64_t *ret_size, struct pk_error *err)
{
    (void)pthread_rwlock_rdlock(&blob->lock);
    uint64_t whole = 0;
    int32_t rc = usable(blob, err);
    if (rc == 0)
        rc = size_now(blob, &whole, err);
    if (rc == 0) {
        uint64_t left = offset < whole ? whole - offset : 0;
        if (size > left)
            size = left;
        if (size == 0)
            *ret_size = 0;
        else
            rc = read_all(blob, offset, data, size, ret_size, err);
    }
    (void)pthread_rwlock_unlock(&blob->lock);
    return rc;
}

/* Maps what is behind the descriptor. */
static int32_t
map_file(const struct packice_blob *blob, struct packice_map *map, struct pk_error *err)
{
    uint64_t lead = blob->offset % (uint64_t)sysconf(_SC_PAGESIZE);
    if (map->size > SIZE_MAX - lead)
        return pk_fail(err, -ENOMEM, "the blob is larger than the address space");
    map->length = (size_t)(lead + map->size);
    map->address = mmap(NULL, map->length, blob->writable ? PROT_READ | PROT_WRITE : PROT_READ,
                        MAP_SHARED, blob->fd, (off_t)(blob->offset - lead));
    if (map->address == MAP_FAILED) /* -EAGAIN would say: not sealed */
        return pk_fail(err, errno == EAGAIN ? -ENOMEM : -errno, "can't map %zu bytes: %m",
                       map->length);
    map->data = (char *)map->address + lead;
    return 0;
}

/* A copy in pages of its own, which a store can change no more than those of a descriptor. */
static int32_t
map_bytes(const struct packice_blob *blob, struct packice_map *map, struct pk_error *err)
{
    map->length = (size_t)map->size;
    map->address =
        mmap(NULL, map->length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map->address == MAP_FAILED)
        return pk_fail(err, -ENOMEM, "can't map %zu bytes: %m", map->length);
    memcpy(map->address, blob->bytes, map->length);
    if (mprotect(map->address, map->length, PROT_READ) != 0) {
        int32_t rc = pk_fail(err, -ENOMEM, "can't map %zu bytes: %m", map->length);
        (void)munmap(map->address, map->length);
        return rc;
    }
    map->data = map->address;
    return 0;
}

/* With the lock held for writing. */
static int32_t
new_map(struct packice_blob *blob, uint64_t size, struct packice_map **ret_map,
        struct pk_error *err)
{
    pk_autofree struct packice_map *map = calloc(1, sizeof(*map));
    if (map == NULL)
        return pk_fail(err, -ENOMEM, "no memory for a map");
    map->data = nothing;
    map->size = size;
    int32_t rc = 0;
    if (size > 0)
        rc = blob->came ? map_bytes(blob, map, err) : map_file(blob, map, err);
    if (rc != 0)
        return rc;
    map->next = blob->maps;
    *ret_map = blob->maps = pk_steal(map);
    return 0;
}

/* With the lock held for writing: the last map if it is of the whole blob, or a new one. */
static int32_t
get_map(struct packice_blob *blob, struct packice_map **ret_map, struct pk_error *err)
{
    uint64_t size = 0;
    int32_t rc = usable(blob, err);
    if (rc == 0)
        rc = size_now(blob, &size, err);
    if (rc != 0)
        return rc;
    if (blob->maps == NULL || blob->maps->size != size)
        return new_map(blob, size, ret_map, err);
    *ret_map = blob->maps;
    return 0;
}

int32_t
packice_blob_map(struct packice_blob *blob, bool *mapped, void **ret_data, uint64_t *ret_size,
                 struct pk_error *err)
{
    struct packice_map *map = NULL;
    (void)pthread_rwlock_wrlock(&blob->lock);
    int32_t rc = get_map(blob, &map, err);
    if (rc == 0) {
        assert(map != NULL);
        blob->mappers += !*mapped;
        *mapped = true;
        *ret_data = map->data;
        if (ret_size != NULL)
            *ret_size = map->size;
    }
    (void)pthread_rwlock_unlock(&blob->lock);
    return rc;
}
