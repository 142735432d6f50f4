/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors for those who read: one of an open file description of their own, or a duplicate of
 * one that all share who can do with that. It never gives away a description that somebody could
 * once write through.
 */
#include "blob.h"
#include "memfd.h"

#include <errno.h>
#include <packice/cleanup.h>
#include <string.h>

/* The first of several readers gives its file to the others; each has the same bytes anyway. */
static void
keep(struct blob_memfd_blob *blob, int *made)
{
    int none = -1;
    if (memfd_near_limit(*made) || !atomic_compare_exchange_strong(&blob->fd, &none, *made))
        return;
    (void)pk_steal_fd(*made);
    blob->factory->files++;
}

int32_t
blob_memfd_reader(struct blob_memfd_blob *blob, int *ret_fd, struct pk_error *err)
{
    pk_autoclose int made = -1;
    if (blob->fd >= 0)
        return memfd_reopen(blob->fd, O_RDONLY, ret_fd, err);
    int32_t rc = blob_memfd_file(blob->factory, blob->held, blob->size, &made, err);
    if (rc == 0)
        rc = memfd_reopen(made, O_RDONLY, ret_fd, err);
    if (rc == 0)
        keep(blob, &made);
    return rc;
}

/* The first one's description becomes the blob's, under the number that the blob's had: who is
 * using that sees the one or the other. If two are the first, it happens twice. */
static int32_t
share_first(struct blob_memfd_blob *blob, struct pk_handle *handle, struct pk_error *err)
{
    pk_autoclose int reader = -1;
    int32_t rc = blob_memfd_reader(blob, &reader, err);
    if (rc != 0)
        return rc;
    if (blob->fd >= 0) {
        if (dup3(reader, blob->fd, O_CLOEXEC) < 0)
            return pk_fail(err, -EIO, "dup3: %s", strerror(errno));
        handle->flags = PK_HANDLE_SHARED;
        blob->shares = true;
    }
    handle->fd = pk_steal_fd(reader);
    return 0;
}

static int32_t
share_again(struct blob_memfd_blob *blob, struct pk_handle *handle, struct pk_error *err)
{
    handle->flags = PK_HANDLE_SHARED;
    return memfd_duplicate(blob->fd, &handle->fd, err);
}

int32_t
blob_memfd_share(void *opaque, pk_handle_emit_fn *emit, void *arg, struct pk_error *err)
{
    struct blob_memfd_blob *blob = opaque;
    struct pk_handle handle = {
        .struct_size = sizeof(handle),
        .kind = PK_HANDLE_FD,
        .size = blob->size,
    };
    if (!blob->sealed)
        return pk_fail(err, -EINVAL, "the blob is not sealed");
    int32_t rc = blob->shares ? share_again(blob, &handle, err) : share_first(blob, &handle, err);
    if (rc == 0)
        emit(arg, &handle);
    return rc;
}
