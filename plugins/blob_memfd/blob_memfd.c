/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The blob factory `blob_memfd`: a blob is a memfd, and its handle a descriptor. It holds the table
 * of slots and what clients write themselves; what comes through the node is small.c's. Nothing it
 * keeps outlives the process.
 */
#include "blob.h"
#include "memfd.h"

#include <errno.h>
#include <inttypes.h>
#include <packice/cleanup.h>
#include <string.h>
#include <sys/mman.h>

/* From here on an operation is worth a worker: the kernel clears or frees so many pages for tenths
 * of a millisecond. */
#define BLOCKING_SIZE ((uint64_t)1 << 20)

/* Who takes a file over looks for holes in it, and that goes page by page too, but moves none. */
#define SEARCHING_SIZE ((uint64_t)32 << 20)

static int32_t
blob_memfd_open(const struct pk_host *host, const struct pk_conf *conf, void **ret_instance,
                struct pk_error *err)
{
    (void)conf;
    pk_autofree struct blob_memfd *factory = calloc(1, sizeof(*factory));
    if (factory == NULL)
        return pk_fail(err, -ENOMEM, "out of memory");
    factory->host = host;
    int32_t rc = memfd_probe(&factory->flags, err);
    if (rc < 0)
        return rc;
    pk_host_log(host, PK_LOG_DEBUG, "memfd_create flags 0x%x", (unsigned)factory->flags);
    *ret_instance = pk_steal(factory);
    return 0;
}

static void
blob_memfd_close(void *instance)
{
    free(instance);
}

/* Sealing always may: a client that pins a page (vmsplice, direct I/O) makes the kernel wait for a
 * sixth of a second, and one that wrote on another processor for that one. */
static uint32_t
blob_memfd_may_block(void *instance, uint32_t op, uint64_t bytes)
{
    (void)instance;
    switch (op) {
    case PK_BLOB_SEAL:
        return 1;
    case PK_BLOB_CREATE:
        return bytes >= BLOCKING_SIZE && bytes != PK_UNSIZED;
    case PK_BLOB_ADOPT:
        return bytes >= SEARCHING_SIZE;
    case PK_BLOB_PUT:
    case PK_BLOB_READ:
    case PK_BLOB_WRITE:
    case PK_BLOB_FREE:
    case PK_BLOB_REMOVE:
        return bytes >= BLOCKING_SIZE;
    default:
        return 0;
    }
}

/* A sized file is as large as it will ever be: its room is taken, and nobody can make it grow. */
static int32_t
set_size(int fd, uint64_t size, struct pk_error *err)
{
    int32_t rc = size == 0 ? 0 : memfd_reserve(fd, size, err);
    if (rc < 0)
        return rc;
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_GROW) != 0)
        return pk_fail(err, -EIO, "cannot add F_SEAL_GROW: %s", strerror(errno));
    return 0;
}

struct blob_memfd_blob *
blob_memfd_new(struct blob_memfd *factory, int fd, uint64_t size, uint64_t held)
{
    struct blob_memfd_blob *blob = malloc(sizeof(*blob) + held);
    if (blob == NULL)
        return NULL;
    *blob = (struct blob_memfd_blob){ .factory = factory, .fd = fd, .size = size };
    factory->blobs++;
    factory->files += fd >= 0;
    factory->bytes += size == PK_UNSIZED ? 0 : size;
    return blob;
}

static int32_t
blob_memfd_create(void *instance, const struct pk_key *key, uint32_t index, uint64_t size,
                  void **ret_blob, struct pk_error *err)
{
    struct blob_memfd *factory = instance;
    (void)key;
    (void)index;
    pk_autoclose int fd = -1;
    int32_t rc = memfd_make(factory->flags, &fd, err);
    if (rc == 0 && memfd_near_limit(fd))
        rc = pk_fail(err, -EBUSY, "out of file descriptors: the last ones are kept for readers");
    if (rc == 0 && size != PK_UNSIZED)
        rc = set_size(fd, size, err);
    if (rc < 0)
        return rc;
    struct blob_memfd_blob *blob = blob_memfd_new(factory, fd, size, 0);
    if (blob == NULL)
        return pk_fail(err, -ENOMEM, "out of memory");
    (void)pk_steal_fd(fd);
    *ret_blob = blob;
    return 0;
}

static int32_t
blob_memfd_read(void *opaque, uint64_t offset, void *data, uint64_t size, uint64_t *ret_size,
                struct pk_error *err)
{
    struct blob_memfd_blob *blob = opaque;
    uint64_t room = offset < PK_SIZE_MAX ? PK_SIZE_MAX - offset : 0; /* what off_t can tell */
    uint64_t done = 0;
    if (blob->holds) {
        blob_memfd_copy(blob, offset, data, size, ret_size);
        return 0;
    }
    size = size < room ? size : room;
    while (done < size) {
        ssize_t got = pread(blob->fd, (char *)data + done, size - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return pk_fail(err, -EIO, "pread: %s", strerror(errno));
        if (got == 0)
            break;
        done += (uint64_t)got;
    }
    *ret_size = done;
    return 0;
}

static int32_t
blob_memfd_write(void *opaque, uint64_t offset, const void *data, uint64_t size,
                 struct pk_error *err)
{
    struct blob_memfd_blob *blob = opaque;
    uint64_t end = blob->size == PK_UNSIZED ? PK_SIZE_MAX : blob->size;
    if (blob->sealed)
        return pk_fail(err, -EACCES, "the blob is sealed");
    if (offset > end || size > end - offset)
        return pk_fail(err, -EFBIG, "%" PRIu64 " bytes at %" PRIu64 " reach behind the end", size,
                       offset);
    return memfd_write(blob->fd, offset, data, size, err);
}

static int32_t
blob_memfd_size(void *opaque, uint64_t *ret_size, struct pk_error *err)
{
    struct blob_memfd_blob *blob = opaque;
    if (blob->size == PK_UNSIZED)
        return memfd_size(blob->fd, ret_size, err);
    *ret_size = blob->size;
    return 0;
}

static int32_t
check_size(const struct blob_memfd_blob *blob, uint64_t want, uint64_t *ret_size,
           struct pk_error *err)
{
    uint64_t size = blob->size;
    int32_t rc = blob->holds ? 0 : memfd_size(blob->fd, &size, err);
    if (rc < 0)
        return rc;
    if (want == PK_UNSIZED)
        want = blob->size == PK_UNSIZED ? size : blob->size;
    if (size != want || (blob->size != PK_UNSIZED && blob->size != want))
        return pk_fail(err, -EINVAL, "the blob holds %" PRIu64 " bytes, not %" PRIu64, size, want);
    *ret_size = size;
    return 0;
}

/* The size is looked at again behind the seals: until then a writer could change it. Likewise the
 * room: a sized blob had all of it, so that no reader meets a page that can't be had. */
static int32_t
blob_memfd_seal(void *opaque, uint64_t want, struct pk_error *err)
{
    struct blob_memfd_blob *blob = opaque;
    uint64_t size = 0;
    int32_t rc = check_size(blob, want, &size, err);
    if (rc < 0 || blob->sealed)
        return rc;
    rc = memfd_seal(blob->fd, err);
    if (rc == 0)
        rc = check_size(blob, want, &size, err);
    if (rc < 0)
        return rc;
    if (blob->size != PK_UNSIZED && memfd_fill(blob->fd, size, err) < 0)
        return pk_fail(err, -EINVAL, "its writer gave memory back, and there is none left");
    if (blob->size == PK_UNSIZED)
        blob->factory->bytes += size;
    blob->whole = blob->size != PK_UNSIZED;
    blob->size = size;
    blob->sealed = true;
    return 0;
}

static int32_t
blob_memfd_handle(void *opaque, uint32_t access, pk_handle_emit_fn *emit, void *arg,
                  struct pk_error *err)
{
    struct blob_memfd_blob *blob = opaque;
    if (access != PK_ACCESS_CREATE && access != PK_ACCESS_READ)
        return pk_fail(err, -EINVAL, "no such access: %" PRIu32, access);
    if ((access == PK_ACCESS_READ) != blob->sealed)
        return pk_fail(err, -EINVAL,
                       blob->sealed ? "the blob is sealed" : "the blob is not sealed");
    struct pk_handle handle = {
        .struct_size = sizeof(handle),
        .kind = PK_HANDLE_FD,
        .size = blob->size,
    };
    int32_t rc = access == PK_ACCESS_CREATE ? memfd_reopen(blob->fd, O_RDWR, &handle.fd, err)
                                            : blob_memfd_reader(blob, &handle.fd, err);
    if (rc == 0)
        emit(arg, &handle);
    return rc;
}

void
blob_memfd_free(void *opaque)
{
    struct blob_memfd_blob *blob = opaque;
    struct blob_memfd *factory = blob->factory;
    factory->blobs--;
    factory->bytes -= blob->size == PK_UNSIZED ? 0 : blob->size;
    if (blob->mapped != NULL) {
        (void)munmap(blob->mapped, blob->size); /* the range is the one that was mapped */
        factory->maps--;
    }
    if (blob->fd >= 0) {
        (void)close(blob->fd); /* its memory goes with the last who has it open */
        factory->files--;
    }
    free(blob);
}

/* The memory goes with the last descriptor and map, whoever has it. */
static int32_t
blob_memfd_remove(void *opaque, struct pk_error *err)
{
    (void)err;
    blob_memfd_free(opaque);
    return 0;
}

static void
blob_memfd_stats(void *instance, void (*emit)(void *arg, const struct pk_stat *stat), void *arg)
{
    struct blob_memfd *factory = instance;
    const struct pk_stat stats[] = {
        { sizeof(stats[0]), PK_STAT_GAUGE, "blobs", "Blobs held", factory->blobs },
        { sizeof(stats[0]), PK_STAT_GAUGE, "files", "Memory files held for them", factory->files },
        { sizeof(stats[0]), PK_STAT_GAUGE, "bytes", "Bytes of sized and of sealed blobs",
          factory->bytes },
    };
    for (size_t i = 0; i < sizeof(stats) / sizeof(stats[0]); i++)
        emit(arg, &stats[i]);
}

static const struct pk_blob_ops blob_memfd_ops = {
    .struct_size = sizeof(blob_memfd_ops),
    .open = blob_memfd_open,
    .close = blob_memfd_close,
    .may_block = blob_memfd_may_block,
    .create = blob_memfd_create,
    .read = blob_memfd_read,
    .write = blob_memfd_write,
    .size = blob_memfd_size,
    .seal = blob_memfd_seal,
    .handle = blob_memfd_handle,
    .free = blob_memfd_free,
    .remove = blob_memfd_remove,
    .stats = blob_memfd_stats,
    .adopt = blob_memfd_adopt,
    .put = blob_memfd_put,
    .bytes = blob_memfd_bytes,
    .share = blob_memfd_share,
};

static const struct pk_plugin blob_memfd_plugin = {
    .struct_size = sizeof(blob_memfd_plugin),
    .abi_major = PK_ABI_MAJOR,
    .abi_minor = PK_ABI_MINOR,
    .kind = PK_KIND_BLOB,
    .option_stride = sizeof(struct pk_option),
    .name = "blob_memfd",
    .version = PACKICE_VERSION,
    .summary = "Blobs in sealed memory (memfd), handed out as descriptors",
    .ops = &blob_memfd_ops,
};

const struct pk_plugin *
pk_plugin_entry(void)
{
    return &blob_memfd_plugin;
}
