/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The slots that are about one blob: each asks the plan, then the child. What a child made before
 * an error that comes after its work is undone here: the host can't.
 */
#include "blob_fault.h"

#include <errno.h>
#include <packice/cleanup.h>
#include <unistd.h>

struct blob_fault_blob *
blob_fault_wrap(struct blob_fault *fault, void *child)
{
    struct blob_fault_blob *blob = calloc(1, sizeof(*blob));
    if (blob == NULL)
        return NULL;
    blob->fault = fault;
    blob->child = child;
    return blob;
}

/* ---- made and taken over ---- */

/* With the wrapping there before the child's part, nothing is left to fail behind it but what is
 * due. */
static int32_t
finish_made(struct blob_fault *fault, const struct fault_verdict *verdict, void *child,
            struct blob_fault_blob *blob, struct pk_error *err)
{
    struct pk_error ignored = PK_ERROR_INIT; /* it is as gone as it can be */
    if (!fault_is_after(verdict)) {
        blob->child = child;
        return 0;
    }
    (void)fault->child.remove(child, &ignored);
    return fault_inject(verdict, err);
}

int32_t
blob_fault_create(void *instance, const struct pk_key *key, uint32_t index, uint64_t size,
                  void **ret_blob, struct pk_error *err)
{
    struct blob_fault *fault = instance;
    struct fault_verdict verdict;
    void *child = NULL;
    int32_t rc = fault_begin(&fault->plan, PK_BLOB_CREATE, &verdict, err);
    if (rc != 0)
        return rc;
    pk_autofree struct blob_fault_blob *blob = blob_fault_wrap(fault, NULL);
    if (blob == NULL)
        return pk_fail(err, -ENOMEM, "out of memory");
    rc = fault->child.create(fault->instance, key, index, size, &child, err);
    if (rc == 0)
        rc = finish_made(fault, &verdict, child, blob, err);
    if (rc == 0)
        *ret_blob = pk_steal(blob);
    return rc;
}

int32_t
blob_fault_adopt(void *instance, const struct pk_key *key, uint32_t index,
                 const struct pk_handle *handle, void **ret_blob, struct pk_error *err)
{
    struct blob_fault *fault = instance;
    struct fault_verdict verdict;
    pk_autoclose int fd = handle->fd; /* ours from here on, until it is the child's */
    void *child = NULL;
    int32_t rc = fault_begin(&fault->plan, PK_BLOB_ADOPT, &verdict, err);
    if (rc != 0)
        return rc;
    pk_autofree struct blob_fault_blob *blob = blob_fault_wrap(fault, NULL);
    if (blob == NULL)
        return pk_fail(err, -ENOMEM, "out of memory");
    (void)pk_steal_fd(fd);
    rc = fault->child.adopt(fault->instance, key, index, handle, &child, err);
    if (rc == 0)
        rc = finish_made(fault, &verdict, child, blob, err);
    if (rc == 0)
        *ret_blob = pk_steal(blob);
    return rc;
}

/* Which no rule is about. */
int32_t
blob_fault_put(void *instance, const struct pk_key *key, uint32_t index, const void *data,
               uint64_t size, void **ret_blob, struct pk_error *err)
{
    struct blob_fault *fault = instance;
    pk_autofree struct blob_fault_blob *blob = blob_fault_wrap(fault, NULL);
    if (blob == NULL)
        return pk_fail(err, -ENOMEM, "out of memory");
    int32_t rc = fault->child.put(fault->instance, key, index, data, size, &blob->child, err);
    if (rc == 0)
        *ret_blob = pk_steal(blob);
    return rc;
}

/* ---- bytes ---- */

/* Likewise. */
const void *
blob_fault_bytes(void *opaque)
{
    const struct blob_fault_blob *blob = opaque;
    return blob->fault->child.bytes(blob->child);
}

int32_t
blob_fault_read(void *opaque, uint64_t offset, void *data, uint64_t size, uint64_t *ret_size,
                struct pk_error *err)
{
    struct blob_fault_blob *blob = opaque;
    struct blob_fault *fault = blob->fault;
    struct fault_verdict verdict;
    uint64_t got = 0;
    int32_t rc = fault_begin(&fault->plan, PK_BLOB_READ, &verdict, err);
    if (rc == 0)
        rc =
            fault_end(&verdict, fault->child.read(blob->child, offset, data, size, &got, err), err);
    if (rc == 0)
        *ret_size = got;
    return rc;
}

int32_t
blob_fault_write(void *opaque, uint64_t offset, const void *data, uint64_t size,
                 struct pk_error *err)
{
    struct blob_fault_blob *blob = opaque;
    struct blob_fault *fault = blob->fault;
    struct fault_verdict verdict;
    int32_t rc = fault_begin(&fault->plan, PK_BLOB_WRITE, &verdict, err);
    if (rc != 0)
        return rc;
    rc = fault->child.write(blob->child, offset, data, verdict.part ? size / 2 : size, err);
    if (rc == 0 && verdict.part)
        return fault_inject(&verdict, err);
    return fault_end(&verdict, rc, err);
}

int32_t
blob_fault_size(void *opaque, uint64_t *ret_size, struct pk_error *err)
{
    struct blob_fault_blob *blob = opaque;
    struct blob_fault *fault = blob->fault;
    struct fault_verdict verdict;
    uint64_t size = 0;
    int32_t rc = fault_begin(&fault->plan, PK_BLOB_SIZE, &verdict, err);
    if (rc == 0)
        rc = fault_end(&verdict, fault->child.size(blob->child, &size, err), err);
    if (rc == 0)
        *ret_size = size;
    return rc;
}

int32_t
blob_fault_seal(void *opaque, uint64_t size, struct pk_error *err)
{
    struct blob_fault_blob *blob = opaque;
    struct blob_fault *fault = blob->fault;
    struct fault_verdict verdict;
    int32_t rc = fault_begin(&fault->plan, PK_BLOB_SEAL, &verdict, err);
    if (rc == 0)
        rc = fault_end(&verdict, fault->child.seal(blob->child, size, err), err);
    return rc;
}

int32_t
blob_fault_verify(void *opaque, struct pk_error *err)
{
    struct blob_fault_blob *blob = opaque;
    struct blob_fault *fault = blob->fault;
    struct fault_verdict verdict;
    int32_t rc = fault_begin(&fault->plan, PK_BLOB_VERIFY, &verdict, err);
    if (rc == 0)
        rc = fault_end(&verdict, fault->child.verify(blob->child, err), err);
    return rc;
}

/* ---- handles ---- */

/* Where a handle goes that the child emits: to the host, or, with an error due, nowhere. */
struct passing {
    bool drop;
    pk_handle_emit_fn *emit;
    void *arg;
};

static void
pass_handle(void *arg, const struct pk_handle *handle)
{
    const struct passing *passing = arg;
    if (!passing->drop)
        passing->emit(passing->arg, handle);
    else if (handle->fd >= 0)
        (void)close(handle->fd); /* nothing was written through it */
}

int32_t
blob_fault_handle(void *opaque, uint32_t access, pk_handle_emit_fn *emit, void *arg,
                  struct pk_error *err)
{
    struct blob_fault_blob *blob = opaque;
    struct blob_fault *fault = blob->fault;
    struct fault_verdict verdict;
    int32_t rc = fault_begin(&fault->plan, PK_BLOB_HANDLE, &verdict, err);
    if (rc != 0)
        return rc;
    struct passing passing = { fault_is_after(&verdict), emit, arg };
    return fault_end(&verdict, fault->child.handle(blob->child, access, pass_handle, &passing, err),
                     err);
}

/* Rules about `handle` are about this one too. */
int32_t
blob_fault_share(void *opaque, pk_handle_emit_fn *emit, void *arg, struct pk_error *err)
{
    struct blob_fault_blob *blob = opaque;
    struct blob_fault *fault = blob->fault;
    struct fault_verdict verdict;
    int32_t rc = fault_begin(&fault->plan, PK_BLOB_HANDLE, &verdict, err);
    if (rc != 0)
        return rc;
    struct passing passing = { fault_is_after(&verdict), emit, arg };
    return fault_end(&verdict, fault->child.share(blob->child, pass_handle, &passing, err), err);
}

int32_t
blob_fault_export(void *opaque, pk_handle_emit_fn *emit, void *arg, struct pk_error *err)
{
    struct blob_fault_blob *blob = opaque;
    struct blob_fault *fault = blob->fault;
    struct fault_verdict verdict;
    int32_t rc = fault_begin(&fault->plan, PK_BLOB_EXPORT, &verdict, err);
    if (rc != 0)
        return rc;
    struct passing passing = { fault_is_after(&verdict), emit, arg };
    return fault_end(&verdict, fault->child.export_blob(blob->child, pass_handle, &passing, err),
                     err);
}

/* ---- the end ---- */

void
blob_fault_free(void *opaque)
{
    pk_autofree struct blob_fault_blob *blob = opaque;
    struct blob_fault *fault = blob->fault;
    struct fault_verdict verdict;
    struct pk_error ignored = PK_ERROR_INIT;
    (void)fault_begin(&fault->plan, PK_BLOB_FREE, &verdict, &ignored); /* waits at most */
    fault->child.free(blob->child);
}

/* The blob is gone for the host whatever happens, so it has to go for the child: of what failed
 * before, the storage is left. */
int32_t
blob_fault_remove(void *opaque, struct pk_error *err)
{
    pk_autofree struct blob_fault_blob *blob = opaque;
    struct blob_fault *fault = blob->fault;
    struct fault_verdict verdict;
    int32_t rc = fault_begin(&fault->plan, PK_BLOB_REMOVE, &verdict, err);
    if (rc != 0) {
        fault->child.free(blob->child);
        return rc;
    }
    return fault_end(&verdict, fault->child.remove(blob->child, err), err);
}
