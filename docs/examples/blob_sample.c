/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A blob plugin to learn from: every blob is a memory file (memfd) of a size that is known when it
 * is made. It does the least that a blob factory must, and all of that.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <packice/blob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define ALL_SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

struct blob_sample {
    uint64_t max_blob;
};

struct blob_sample_blob {
    int fd;
    uint64_t size;
};

/* ---- the options, and the instance that they make ---- */

enum { OPTION_MAX_BLOB, OPTION_COUNT };

static const struct pk_option blob_sample_options[OPTION_COUNT] = {
    [OPTION_MAX_BLOB] = { .type = PK_OPTION_SIZE,
                          .name = "max_blob",
                          .value = "64MiB",
                          .help = "The largest blob that is taken" },
};

static int32_t
blob_sample_open(const struct pk_host *host, const struct pk_conf *conf, void **ret_instance,
                 struct pk_error *err)
{
    struct blob_sample *sample = calloc(1, sizeof(*sample));
    if (sample == NULL)
        return pk_fail(err, -ENOMEM, "out of memory");
    sample->max_blob = pk_conf_at(conf, OPTION_MAX_BLOB)->number;
    pk_host_log(host, PK_LOG_INFO, "blobs of up to %" PRIu64 " bytes", sample->max_blob);
    *ret_instance = sample;
    return 0;
}

static void
blob_sample_close(void *instance)
{
    free(instance);
}

/* ---- blobs come and go ---- */

static int32_t
errno_to_pk(struct pk_error *err, const char *what)
{
    if (errno == EMFILE || errno == ENFILE)
        return pk_fail(err, -EBUSY, "out of file descriptors");
    if (errno == ENOMEM || errno == ENOSPC)
        return pk_fail(err, -ENOSPC, "out of memory");
    return pk_fail(err, -EIO, "%s: %s", what, strerror(errno));
}

static int32_t
blob_sample_create(void *instance, const struct pk_key *key, uint32_t index, uint64_t size,
                   void **ret_blob, struct pk_error *err)
{
    const struct blob_sample *sample = instance;
    (void)key; /* a factory that stores files would name them by it: (id, epoch) */
    (void)index;
    if (size == PK_UNSIZED)
        return pk_fail(err, -EOPNOTSUPP, "blobs need a size here");
    if (size > sample->max_blob)
        return pk_fail(err, -EFBIG, "more than max_blob (%" PRIu64 " bytes)", sample->max_blob);
    struct blob_sample_blob *blob = calloc(1, sizeof(*blob));
    if (blob == NULL)
        return pk_fail(err, -ENOMEM, "out of memory");
    blob->size = size;
    blob->fd = memfd_create("blob_sample", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (blob->fd < 0 || (size > 0 && fallocate(blob->fd, 0, 0, (off_t)size) != 0)
        || fcntl(blob->fd, F_ADD_SEALS, F_SEAL_GROW) != 0) {
        int32_t rc = errno_to_pk(err, "cannot make a memory file");
        if (blob->fd >= 0)
            (void)close(blob->fd);
        free(blob);
        return rc;
    }
    *ret_blob = blob;
    return 0;
}

static void
blob_sample_free(void *opaque)
{
    struct blob_sample_blob *blob = opaque;
    (void)close(blob->fd);
    free(blob);
}

static int32_t
blob_sample_remove(void *opaque, struct pk_error *err)
{
    (void)err;
    blob_sample_free(opaque); /* the memory goes with the last descriptor, whoever has it */
    return 0;
}

/* ---- bytes, for callers that no handle can reach ---- */

static int32_t
blob_sample_read(void *opaque, uint64_t offset, void *data, uint64_t size, uint64_t *ret_size,
                 struct pk_error *err)
{
    const struct blob_sample_blob *blob = opaque;
    uint64_t end = offset < blob->size ? blob->size - offset : 0;
    uint64_t done = 0;
    size = size < end ? size : end;
    while (done < size) {
        ssize_t got = pread(blob->fd, (char *)data + done, size - done, (off_t)(offset + done));
        if (got < 0 && errno != EINTR)
            return errno_to_pk(err, "cannot read");
        if (got == 0) /* a writer has cut it short; seal will refuse it */
            break;
        done += got > 0 ? (uint64_t)got : 0;
    }
    *ret_size = done;
    return 0;
}

static int32_t
blob_sample_write(void *opaque, uint64_t offset, const void *data, uint64_t size,
                  struct pk_error *err)
{
    const struct blob_sample_blob *blob = opaque;
    uint64_t done = 0;
    if (offset > blob->size || size > blob->size - offset)
        return pk_fail(err, -EFBIG, "that reaches behind the blob's end");
    while (done < size) {
        ssize_t put =
            pwrite(blob->fd, (const char *)data + done, size - done, (off_t)(offset + done));
        if (put < 0 && errno == EPERM)
            return pk_fail(err, -EACCES, "the blob is sealed");
        if (put < 0 && errno != EINTR)
            return errno_to_pk(err, "cannot write");
        done += put > 0 ? (uint64_t)put : 0;
    }
    return 0;
}

static int32_t
blob_sample_size(void *opaque, uint64_t *ret_size, struct pk_error *err)
{
    const struct blob_sample_blob *blob = opaque;
    (void)err;
    *ret_size = blob->size;
    return 0;
}

/* ---- the seal, and handles ---- */

static int32_t
blob_sample_seal(void *opaque, uint64_t size, struct pk_error *err)
{
    const struct blob_sample_blob *blob = opaque;
    if (size != PK_UNSIZED && size != blob->size)
        return pk_fail(err, -EINVAL, "the blob was made with another size");
    int seals = fcntl(blob->fd, F_GET_SEALS);
    if (seals < 0)
        return errno_to_pk(err, "cannot look at the seals");
    if ((seals & ALL_SEALS) != ALL_SEALS && fcntl(blob->fd, F_ADD_SEALS, ALL_SEALS) != 0) {
        if (errno == EBUSY)
            return pk_fail(err, -EBUSY, "somebody still has it mapped for writing");
        if (errno == EPERM)
            return pk_fail(err, -EINVAL, "its writer set seals of its own");
        return errno_to_pk(err, "cannot seal");
    }
    /* Only now nobody can change it any more: a writer may have cut it short before. */
    if (lseek(blob->fd, 0, SEEK_END) != (off_t)blob->size)
        return pk_fail(err, -EINVAL, "its writer changed its size");
    return 0;
}

static int32_t
blob_sample_handle(void *opaque, uint32_t access, pk_handle_emit_fn *emit, void *arg,
                   struct pk_error *err)
{
    const struct blob_sample_blob *blob = opaque;
    char path[32];
    /* Opened anew, not duplicated: each receiver gets an offset of its own, and a reader a
     * descriptor that can't write. */
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", blob->fd);
    int fd = open(path, (access == PK_ACCESS_CREATE ? O_RDWR : O_RDONLY) | O_CLOEXEC);
    if (fd < 0)
        return errno_to_pk(err, path);
    const struct pk_handle handle = {
        .struct_size = sizeof(handle),
        .kind = PK_HANDLE_FD,
        .fd = fd,
        .size = blob->size,
    };
    emit(arg, &handle); /* from here on the descriptor is the host's */
    return 0;
}

/* ---- what the host sees ---- */

static const struct pk_blob_ops blob_sample_ops = {
    .struct_size = sizeof(blob_sample_ops),
    .open = blob_sample_open,
    .close = blob_sample_close,
    .create = blob_sample_create,
    .read = blob_sample_read,
    .write = blob_sample_write,
    .size = blob_sample_size,
    .seal = blob_sample_seal,
    .handle = blob_sample_handle,
    .free = blob_sample_free,
    .remove = blob_sample_remove,
};

static const struct pk_plugin blob_sample_plugin = {
    .struct_size = sizeof(blob_sample_plugin),
    .abi_major = PK_ABI_MAJOR,
    .abi_minor = PK_ABI_MINOR,
    .kind = PK_KIND_BLOB,
    .option_count = OPTION_COUNT,
    .option_stride = sizeof(struct pk_option),
    .name = "blob_sample",
    .version = "1.0",
    .summary = "A sample: sized blobs in memory",
    .options = blob_sample_options,
    .ops = &blob_sample_ops,
};

const struct pk_plugin *
pk_plugin_entry(void)
{
    return &blob_sample_plugin;
}
