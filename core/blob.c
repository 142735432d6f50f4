/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The wrappers around the slots of a blob factory. They hold no state and take no lock.
 */
#include "core/blob.h"

#include "core/slot.h"

#include <errno.h>
#include <packice/cleanup.h>
#include <string.h>

bool
pk_blob_may_block(const struct pk_instance *blob, uint32_t op, uint64_t bytes)
{
    if (blob->ops.blob.may_block == NULL)
        return true;
    return blob->ops.blob.may_block(blob->opened, op, bytes) != 0;
}

void
pk_blob_traits(const struct pk_instance *blob, struct pk_blob_traits *ret_traits)
{
    *ret_traits = (struct pk_blob_traits){ .struct_size = sizeof(*ret_traits) };
    if (blob->ops.blob.traits != NULL)
        blob->ops.blob.traits(blob->opened, ret_traits);
    if (ret_traits->blobs_max == 0 || ret_traits->blobs_max > PK_BLOBS_MAX)
        ret_traits->blobs_max = PK_BLOBS_MAX;
}

bool
pk_blob_publishes(const struct pk_instance *blob)
{
    return blob->ops.blob.publish != NULL;
}

bool
pk_blob_recovers(const struct pk_instance *blob)
{
    return blob->ops.blob.recover != NULL;
}

int32_t
pk_blob_create(const struct pk_instance *blob, const struct pk_key *key, uint32_t index,
               uint64_t size, void **ret_blob, struct pk_error *err)
{
    void *made = NULL;
    int32_t rc = pk_slot_answer(
        blob, blob->ops.blob.create(blob->opened, key, index, size, &made, err), err);
    if (rc == 0 && made == NULL)
        return pk_fail(err, -EIO, "%s: create returned no blob", blob->module->plugin.name);
    if (rc == 0)
        *ret_blob = made;
    return rc;
}

int32_t
pk_blob_read(const struct pk_instance *blob, void *bytes, uint64_t offset, void *data,
             uint64_t size, uint64_t *ret_size, struct pk_error *err)
{
    uint64_t got = 0;
    int32_t rc =
        pk_slot_answer(blob, blob->ops.blob.read(bytes, offset, data, size, &got, err), err);
    if (rc == 0 && got > size)
        return pk_fail(err, -EIO, "%s: read more than it was asked for", blob->module->plugin.name);
    if (rc == 0)
        *ret_size = got;
    return rc;
}

bool
pk_blob_puts(const struct pk_instance *blob)
{
    return blob->ops.blob.put != NULL;
}

int32_t
pk_blob_put(const struct pk_instance *blob, const struct pk_key *key, uint32_t index,
            const void *data, uint64_t size, void **ret_blob, struct pk_error *err)
{
    void *made = NULL;
    int32_t rc = pk_slot_answer(
        blob, blob->ops.blob.put(blob->opened, key, index, data, size, &made, err), err);
    if (rc == 0 && made == NULL)
        return pk_fail(err, -EIO, "%s: put returned no blob", blob->module->plugin.name);
    if (rc == 0)
        *ret_blob = made;
    return rc;
}

bool
pk_blob_adopts(const struct pk_instance *blob)
{
    return blob->ops.blob.adopt != NULL;
}

int32_t
pk_blob_adopt(const struct pk_instance *blob, const struct pk_key *key, uint32_t index,
              const struct pk_handle *handle, void **ret_blob, struct pk_error *err)
{
    void *made = NULL;
    int32_t rc = pk_slot_answer(
        blob, blob->ops.blob.adopt(blob->opened, key, index, handle, &made, err), err);
    if (rc == 0 && made == NULL)
        return pk_fail(err, -EIO, "%s: adopt returned no blob", blob->module->plugin.name);
    if (rc == 0)
        *ret_blob = made;
    return rc;
}

const void *
pk_blob_bytes(const struct pk_instance *blob, void *bytes)
{
    return blob->ops.blob.bytes != NULL ? blob->ops.blob.bytes(bytes) : NULL;
}

int32_t
pk_blob_write(const struct pk_instance *blob, void *bytes, uint64_t offset, const void *data,
              uint64_t size, struct pk_error *err)
{
    return pk_slot_answer(blob, blob->ops.blob.write(bytes, offset, data, size, err), err);
}

int32_t
pk_blob_size(const struct pk_instance *blob, void *bytes, uint64_t *ret_size, struct pk_error *err)
{
    uint64_t size = 0;
    int32_t rc = pk_slot_answer(blob, blob->ops.blob.size(bytes, &size, err), err);
    if (rc == 0 && size > PK_SIZE_MAX)
        return pk_fail(err, -EIO, "%s: size out of range", blob->module->plugin.name);
    if (rc == 0)
        *ret_size = size;
    return rc;
}

int32_t
pk_blob_seal(const struct pk_instance *blob, void *bytes, uint64_t size, struct pk_error *err)
{
    return pk_slot_answer(blob, blob->ops.blob.seal(bytes, size, err), err);
}

struct emitted_handle {
    struct pk_handle handle;
    uint32_t count;
    int32_t status;
};

static bool
has_descriptor(const struct pk_handle *handle)
{
    return (handle->kind == PK_HANDLE_FD || handle->kind == PK_HANDLE_PATH) && handle->fd >= 0;
}

static void
take_handle(void *arg, const struct pk_handle *handle)
{
    struct emitted_handle *emitted = arg;

    emitted->count++;
    if (emitted->count > 1) {
        if (has_descriptor(handle))
            (void)close(handle->fd); /* ours by contract, and one too many */
        return;
    }
    emitted->handle = *handle;
    emitted->handle.text = NULL;
    if (!has_descriptor(handle))
        emitted->handle.fd = -1;
    if (handle->kind == PK_HANDLE_FD)
        return;
    char *text = handle->text != NULL ? strdup(handle->text) : NULL;
    if (text == NULL)
        emitted->status = handle->text != NULL ? -ENOMEM : -EIO;
    emitted->handle.text = text;
}

/* What a slot emitted, and returned. */
static int32_t
check_handle(const struct pk_instance *blob, int32_t rc, struct emitted_handle *emitted,
             struct pk_handle *ret_handle, struct pk_error *err)
{
    const struct pk_handle *handle = &emitted->handle;

    if (rc == 0 && emitted->status != 0)
        rc = pk_fail(err, emitted->status, "%s: handle without text", blob->module->plugin.name);
    else if (rc == 0
             && (emitted->count != 1 || handle->kind < PK_HANDLE_FD || handle->kind > PK_HANDLE_URL
                 || (handle->kind == PK_HANDLE_FD && handle->fd < 0)))
        rc = pk_fail(err, -EIO, "%s: no handle where one was due", blob->module->plugin.name);
    if (rc != 0) {
        pk_handle_finish(&emitted->handle);
        return rc;
    }
    *ret_handle = *handle;
    return 0;
}

int32_t
pk_blob_handle(const struct pk_instance *blob, void *bytes, uint32_t access,
               struct pk_handle *ret_handle, struct pk_error *err)
{
    struct emitted_handle emitted = { .handle = { .fd = -1 } };
    int32_t rc =
        pk_slot_answer(blob, blob->ops.blob.handle(bytes, access, take_handle, &emitted, err), err);

    emitted.handle.flags = 0;
    return check_handle(blob, rc, &emitted, ret_handle, err);
}

int32_t
pk_blob_share(const struct pk_instance *blob, void *bytes, struct pk_handle *ret_handle,
              struct pk_error *err)
{
    struct emitted_handle emitted = { .handle = { .fd = -1 } };

    if (blob->ops.blob.share == NULL)
        return pk_blob_handle(blob, bytes, PK_ACCESS_READ, ret_handle, err);
    int32_t rc = pk_slot_answer(blob, blob->ops.blob.share(bytes, take_handle, &emitted, err), err);
    emitted.handle.flags &= PK_HANDLE_SHARED;
    return check_handle(blob, rc, &emitted, ret_handle, err);
}

void
pk_blob_free(const struct pk_instance *blob, void *bytes)
{
    blob->ops.blob.free(bytes);
}

int32_t
pk_blob_remove(const struct pk_instance *blob, void *bytes, struct pk_error *err)
{
    return pk_slot_answer(blob, blob->ops.blob.remove(bytes, err), err);
}

int32_t
pk_blob_publish(const struct pk_instance *blob, const struct pk_manifest *manifest,
                void *const *blobs, struct pk_error *err)
{
    if (blob->ops.blob.publish == NULL)
        return 0;
    return pk_slot_answer(blob, blob->ops.blob.publish(blob->opened, manifest, blobs, err), err);
}

int32_t
pk_blob_unpublish(const struct pk_instance *blob, const struct pk_key *key, struct pk_error *err)
{
    if (blob->ops.blob.unpublish == NULL)
        return 0;
    return pk_slot_answer(blob, blob->ops.blob.unpublish(blob->opened, key, err), err);
}

int32_t
pk_blob_lookup(const struct pk_instance *blob, const char *object_id, pk_blob_emit_fn *emit,
               void *arg, struct pk_error *err)
{
    if (blob->ops.blob.lookup == NULL)
        return pk_fail(err, -ENOENT, "object '%s' not found", object_id);
    return pk_slot_answer(blob, blob->ops.blob.lookup(blob->opened, object_id, emit, arg, err),
                          err);
}

int32_t
pk_blob_recover(const struct pk_instance *blob, pk_blob_emit_fn *emit, void *arg,
                struct pk_error *err)
{
    return pk_slot_answer(blob, blob->ops.blob.recover(blob->opened, emit, arg, err), err);
}

bool
pk_blob_demotes(const struct pk_instance *blob)
{
    return blob->ops.blob.evict != NULL;
}

int32_t
pk_blob_evict(const struct pk_instance *blob, const struct pk_key *key, struct pk_error *err)
{
    return pk_slot_answer(blob, blob->ops.blob.evict(blob->opened, key, err), err);
}

int32_t
pk_blob_verify(const struct pk_instance *blob, void *bytes, struct pk_error *err)
{
    if (blob->ops.blob.verify == NULL)
        return pk_fail(err, -EOPNOTSUPP, "this storage keeps no checksums");
    return pk_slot_answer(blob, blob->ops.blob.verify(bytes, err), err);
}

void
pk_blob_stats(const struct pk_instance *blob, void (*emit)(void *arg, const struct pk_stat *stat),
              void *arg)
{
    if (blob->ops.blob.stats != NULL)
        blob->ops.blob.stats(blob->opened, emit, arg);
}

void
pk_handle_finish(struct pk_handle *handle)
{
    if (has_descriptor(handle))
        (void)close(handle->fd); /* it was only ever read through, or it is gone with the object */
    free((char *)(uintptr_t)handle->text);
    *handle = (struct pk_handle){ .fd = -1 };
}
