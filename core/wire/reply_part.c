/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the parts of replies: keys, handles and objects. It knows no verb.
 */
#include "core/wire/reply_part.h"

#include <errno.h>
#include <packice/cleanup.h>
#include <string.h>

#define KIND_HTTP 4U /* in place of PK_HANDLE_DATA: a URL of the node that was asked */

/* ---- words and counts ---- */

int32_t
pk_wire_read_word(const struct pk_wire_in *in, enum pk_wire_name name, const char *const *words,
                  size_t count, uint32_t *ret_number)
{
    size_t index = 0;
    int32_t rc = pk_wire_in_need(in, name);
    if (rc == 0)
        rc = pk_wire_in_word(in, name, words, count, &index);
    if (rc == 0)
        *ret_number = (uint32_t)index + 1;
    return rc;
}

int32_t
pk_wire_read_state(const struct pk_wire_in *in, uint32_t *ret_state)
{
    static const char *const words[] = { "creating", "sealed" }; /* PK_STATE_* */
    return pk_wire_read_word(in, PK_NAME_STATE, words, 2, ret_state);
}

/* A count, size or epoch, which must be there. */
static int32_t
read_count(const struct pk_wire_in *in, enum pk_wire_name name, int64_t min, int64_t max,
           uint64_t *ret_count)
{
    int64_t count = 0;
    int32_t rc = pk_wire_in_need(in, name);
    if (rc == 0)
        rc = pk_wire_in_integer(in, name, min, max, &count);
    if (rc == 0)
        *ret_count = (uint64_t)count;
    return rc;
}

int32_t
pk_wire_read_key(const struct pk_wire_in *in, const char **ret_id, uint64_t *ret_epoch)
{
    int32_t rc = pk_wire_in_need(in, PK_NAME_OBJECT_ID);
    if (rc == 0)
        rc = pk_wire_in_object_id(in, ret_id);
    if (rc == 0)
        rc = read_count(in, PK_NAME_EPOCH, 1, INT64_MAX, ret_epoch);
    return rc;
}

/* ---- handles ---- */

/* The index of a blob's descriptor: among those of the whole reply, and of no other blob. */
static int32_t
read_fd(const struct pk_wire_in *in, struct pk_wire_reply *wire, int32_t *ret_fd)
{
    struct pk_wire_reply *whole = wire->batch != NULL ? wire->batch : wire;
    int64_t fd = -1;
    if (whole->fds == 0 && pk_wire_in_get(in, PK_NAME_FD) != NULL)
        return pk_wire_in_fail(in, PK_NAME_FD, "none came with the reply");
    int32_t rc = pk_wire_in_integer(in, PK_NAME_FD, 0, (int64_t)whole->fds - 1, &fd);
    if (rc != 0 || fd < 0)
        return rc;
    uint64_t bit = UINT64_C(1) << ((uint64_t)fd % 64);
    if ((whole->fds_seen[fd / 64] & bit) != 0)
        return pk_wire_in_fail(in, PK_NAME_FD, "another blob's descriptor");
    whole->fds_seen[fd / 64] |= bit;
    *ret_fd = (int32_t)fd;
    return 0;
}

/* The text of a path or URL. */
static int32_t
read_target(const struct pk_wire_in *in, struct pk_handle *handle)
{
    enum pk_wire_name name = handle->kind == PK_HANDLE_PATH ? PK_NAME_PATH : PK_NAME_URL;
    int32_t rc = pk_wire_in_need(in, name);
    if (rc == 0)
        rc = pk_wire_in_text(in, name, 1, PK_WIRE_TEXT_MAX, &handle->text);
    if (rc != 0)
        return rc;
    if (handle->kind == PK_HANDLE_PATH && handle->text[0] != '/')
        return pk_wire_in_fail(in, name, "not an absolute path");
    return 0;
}

static int32_t
read_handle(const struct pk_wire_in *in, struct pk_wire_reply *wire, struct pk_handle *handle)
{
    static const char *const words[] = { "fd", "path", "url", "http", "known" }; /* PK_HANDLE_* */
    int64_t size = -1;
    int64_t offset = 0;
    bool shared = false;
    int32_t rc = pk_wire_read_word(in, PK_NAME_KIND, words, 5, &handle->kind);
    bool http = rc == 0 && handle->kind == KIND_HTTP;
    if (http)
        handle->kind = PK_HANDLE_URL;
    if (rc == 0 && (handle->kind == PK_HANDLE_PATH || handle->kind == PK_HANDLE_URL))
        rc = read_target(in, handle);
    if (rc == 0 && http && handle->text[0] != '/')
        rc = pk_wire_in_fail(in, PK_NAME_URL, "not a path of the node");
    if (rc == 0 && handle->kind == PK_HANDLE_FD)
        rc = pk_wire_in_need(in, PK_NAME_FD);
    if (rc == 0 && (handle->kind == PK_HANDLE_FD || handle->kind == PK_HANDLE_PATH))
        rc = read_fd(in, wire, &handle->fd);
    if (rc == 0)
        rc = pk_wire_in_flag(in, PK_NAME_SHARED, &shared);
    if (rc == 0)
        rc = pk_wire_in_integer(in, PK_NAME_SIZE, 0, INT64_MAX, &size);
    if (rc == 0)
        rc = pk_wire_in_integer(in, PK_NAME_OFFSET, 0, INT64_MAX, &offset);
    if (rc == 0)
        rc = pk_wire_in_time(in, PK_NAME_EXPIRES_AT, &handle->expires_at);
    handle->flags = shared ? PK_HANDLE_SHARED : 0;
    handle->size = size < 0 ? PK_UNSIZED : (uint64_t)size;
    handle->offset = (uint64_t)offset;
    return rc;
}

/* Where a blob's bytes are: within those of the whole reply. In a batch they come in the order in
 * which its requests were answered; together they are no more than came. */
static int32_t
read_data(const struct pk_wire_in *in, struct pk_wire_reply *wire, struct pk_handle *handle)
{
    static const char *const words[] = { "data" };
    struct pk_wire_reply *whole = wire->batch != NULL ? wire->batch : wire;
    uint32_t word = 0;
    int32_t rc = pk_wire_read_word(in, PK_NAME_KIND, words, 1, &word);
    if (rc == 0)
        rc = read_count(in, PK_NAME_SIZE, 0, INT64_MAX, &handle->size);
    if (rc == 0)
        rc = read_count(in, PK_NAME_OFFSET, 0, INT64_MAX, &handle->offset);
    if (rc != 0)
        return rc;
    if (handle->offset > whole->data || handle->size > whole->data - handle->offset)
        return pk_wire_in_fail(in, PK_NAME_SIZE, "beyond the bytes of the reply");
    if (handle->size > whole->data - whole->data_seen)
        return pk_wire_in_fail(in, PK_NAME_SIZE, "another blob's bytes too");
    whole->data_seen += handle->size;
    handle->kind = PK_HANDLE_DATA;
    return 0;
}

static int32_t
new_handles(struct pk_wire_reply *wire, size_t count, struct pk_error *err)
{
    wire->handles = count == 1 ? &wire->one_handle : calloc(count, sizeof(*wire->handles));
    if (wire->handles == NULL)
        return pk_fail(err, -ENOMEM, "out of memory");
    for (size_t i = 0; i < count; i++) {
        wire->handles[i].struct_size = sizeof(wire->handles[i]);
        wire->handles[i].fd = -1;
    }
    wire->reply.handles = wire->handles;
    wire->reply.handle_stride = sizeof(*wire->handles);
    wire->reply.blob_count = (uint32_t)count;
    return 0;
}

static int32_t
read_blobs(const struct pk_wire_in *in, struct pk_wire_reply *wire,
           int32_t (*read)(const struct pk_wire_in *in, struct pk_wire_reply *wire,
                           struct pk_handle *handle))
{
    struct pk_wire_value *entry = NULL;
    size_t count = 0;
    int32_t rc = pk_wire_in_need(in, PK_NAME_BLOBS);
    if (rc == 0)
        rc = pk_wire_in_array(in, PK_NAME_BLOBS, 1, PK_BLOBS_MAX, &entry, &count);
    if (rc == 0)
        rc = new_handles(wire, count, in->err);
    for (size_t i = 0; i < count && rc == 0; i++, entry += entry->span) {
        struct pk_wire_in blob;
        pk_wire_in_open_entry(&blob, in, entry, "blobs", i);
        rc = read(&blob, wire, &wire->handles[i]);
    }
    return rc;
}

int32_t
pk_wire_read_handles(const struct pk_wire_in *in, struct pk_wire_reply *wire)
{
    return read_blobs(in, wire, read_handle);
}

int32_t
pk_wire_read_inline(const struct pk_wire_in *in, struct pk_wire_reply *wire)
{
    return read_blobs(in, wire, read_data);
}

/* ---- objects ---- */

static int32_t
read_owner(const struct pk_wire_in *in, struct pk_principal *owner)
{
    struct pk_wire_value *value = pk_wire_in_get(in, PK_NAME_OWNER);
    const char *name = NULL;
    int64_t uid = -1;
    owner->struct_size = sizeof(*owner);
    owner->uid = UINT32_MAX;
    owner->gid = UINT32_MAX;
    if (value == NULL)
        return 0;
    if (value->kind != PK_WIRE_OBJECT)
        return pk_wire_in_fail(in, PK_NAME_OWNER, "not an object");
    struct pk_wire_in inner;
    pk_wire_in_open(&inner, in->json, value, in->code, in->err);
    inner.prefix = "owner.";
    int32_t rc = pk_wire_in_integer(&inner, PK_NAME_UID, 0, UINT32_MAX, &uid);
    if (rc == 0)
        rc = pk_wire_in_text(&inner, PK_NAME_NAME, 1, sizeof(owner->name) - 1, &name);
    if (rc != 0)
        return rc;
    if (uid >= 0) {
        owner->kind = PK_PRINCIPAL_UNIX;
        owner->uid = (uint32_t)uid;
    } else if (name != NULL) {
        owner->kind = PK_PRINCIPAL_TOKEN;
        (void)stpcpy(owner->name, name);
    }
    return 0;
}

int32_t
pk_wire_read_verified(const struct pk_wire_in *in, struct pk_object_info *object)
{
    uint64_t blobs = 0;
    object->struct_size = sizeof(*object);
    object->state = PK_STATE_SEALED;
    object->meta = "";
    int32_t rc = pk_wire_read_key(in, &object->key.id, &object->key.epoch);
    if (rc == 0)
        rc = read_count(in, PK_NAME_BLOBS, 1, PK_BLOBS_MAX, &blobs);
    if (rc == 0)
        rc = read_count(in, PK_NAME_BYTES, 0, INT64_MAX, &object->size);
    object->blob_count = (uint32_t)blobs;
    return rc;
}

int32_t
pk_wire_read_object(const struct pk_wire_in *in, struct pk_object_info *object)
{
    uint64_t blobs = 0;
    object->struct_size = sizeof(*object);
    object->meta = "";
    int32_t rc = pk_wire_read_key(in, &object->key.id, &object->key.epoch);
    if (rc == 0)
        rc = pk_wire_read_state(in, &object->state);
    if (rc == 0)
        rc = read_count(in, PK_NAME_SIZE, 0, INT64_MAX, &object->size);
    if (rc == 0)
        rc = read_count(in, PK_NAME_BLOBS, 1, PK_BLOBS_MAX, &blobs);
    if (rc == 0)
        rc = pk_wire_in_time(in, PK_NAME_CREATED_AT, &object->created_at);
    if (rc == 0)
        rc = pk_wire_in_time(in, PK_NAME_SEALED_AT, &object->sealed_at);
    if (rc == 0)
        rc = read_owner(in, &object->owner);
    object->blob_count = (uint32_t)blobs;
    return rc;
}
