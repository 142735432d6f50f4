/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A blob factory that keeps nothing: every blob is the same sealed page. With it a node holds a
 * million objects without their descriptors and memory, and what grows with their number shows.
 */
#include <errno.h>
#include <fcntl.h>
#include <packice/blob.h>
#include <packice/cleanup.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE 4096U
#define ALL_SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

struct blob_null {
    int fd;
};

static int32_t
blob_null_open(const struct pk_host *host, const struct pk_conf *conf, void **ret_instance,
               struct pk_error *err)
{
    static const char page[PAGE];
    (void)host;
    (void)conf;
    pk_autoclose int fd = memfd_create("blob_null", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0 || write(fd, page, PAGE) != (ssize_t)PAGE || fcntl(fd, F_ADD_SEALS, ALL_SEALS) != 0)
        return pk_fail(err, -EIO, "cannot make a sealed page: %s", strerror(errno));
    struct blob_null *null = calloc(1, sizeof(*null));
    if (null == NULL)
        return pk_fail(err, -ENOMEM, "out of memory");
    null->fd = pk_steal_fd(fd);
    *ret_instance = null;
    return 0;
}

static void
blob_null_close(void *instance)
{
    struct blob_null *null = instance;
    pk_cleanup_close(&null->fd);
    free(null);
}

static uint32_t
blob_null_may_block(void *instance, uint32_t op, uint64_t bytes)
{
    (void)instance;
    (void)op;
    (void)bytes;
    return 0;
}

static int32_t
blob_null_create(void *instance, const struct pk_key *key, uint32_t index, uint64_t size,
                 void **ret_blob, struct pk_error *err)
{
    struct blob_null *null = instance;
    (void)key;
    (void)index;
    if (size != PAGE)
        return pk_fail(err, -EFBIG, "every blob has %u bytes here", PAGE);
    *ret_blob = null;
    return 0;
}

static int32_t
blob_null_read(void *blob, uint64_t offset, void *data, uint64_t size, uint64_t *ret_size,
               struct pk_error *err)
{
    (void)blob;
    (void)err;
    uint64_t left = offset < PAGE ? PAGE - offset : 0;
    *ret_size = size < left ? size : left;
    memset(data, 0, *ret_size);
    return 0;
}

static int32_t
blob_null_write(void *blob, uint64_t offset, const void *data, uint64_t size, struct pk_error *err)
{
    (void)blob;
    (void)offset;
    (void)data;
    (void)size;
    return pk_fail(err, -EACCES, "the blob is sealed");
}

static int32_t
blob_null_size(void *blob, uint64_t *ret_size, struct pk_error *err)
{
    (void)blob;
    (void)err;
    *ret_size = PAGE;
    return 0;
}

static int32_t
blob_null_seal(void *blob, uint64_t size, struct pk_error *err)
{
    (void)blob;
    if (size != PK_UNSIZED && size != PAGE)
        return pk_fail(err, -EINVAL, "every blob has %u bytes here", PAGE);
    return 0;
}

static int32_t
blob_null_handle(void *blob, uint32_t access, pk_handle_emit_fn *emit, void *arg,
                 struct pk_error *err)
{
    const struct blob_null *null = blob;
    char path[32];
    (void)access;
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", null->fd);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return pk_fail(err, errno == EMFILE ? -EBUSY : -EIO, "open: %s", strerror(errno));
    const struct pk_handle handle = {
        .struct_size = sizeof(handle),
        .kind = PK_HANDLE_FD,
        .fd = fd,
        .size = PAGE,
    };
    emit(arg, &handle);
    return 0;
}

static void
blob_null_free(void *blob)
{
    (void)blob;
}

static int32_t
blob_null_remove(void *blob, struct pk_error *err)
{
    (void)blob;
    (void)err;
    return 0;
}

static const struct pk_blob_ops blob_null_ops = {
    .struct_size = sizeof(blob_null_ops),
    .open = blob_null_open,
    .close = blob_null_close,
    .may_block = blob_null_may_block,
    .create = blob_null_create,
    .read = blob_null_read,
    .write = blob_null_write,
    .size = blob_null_size,
    .seal = blob_null_seal,
    .handle = blob_null_handle,
    .free = blob_null_free,
    .remove = blob_null_remove,
};

static const struct pk_plugin blob_null_plugin = {
    .struct_size = sizeof(blob_null_plugin),
    .abi_major = PK_ABI_MAJOR,
    .abi_minor = PK_ABI_MINOR,
    .kind = PK_KIND_BLOB,
    .option_stride = sizeof(struct pk_option),
    .name = "blob_null",
    .version = "1.0",
    .summary = "One sealed page for every blob: what a node does beside storage",
    .ops = &blob_null_ops,
};

const struct pk_plugin *
pk_plugin_entry(void)
{
    return &blob_null_plugin;
}
