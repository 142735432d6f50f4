/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encodes replies: what the peer answered, as one message. Strings come from plugins and from other
 * callers, so nothing about them is taken for granted. In binary, what is absent is what JSON says
 * with an empty object or array, null, or no descriptors.
 */
#include "core/wire/binary.h"
#include "core/wire/error_name.h"
#include "core/wire/member_out.h"
#include "core/wire/meta.h"
#include "core/wire/reply.h"
#include "core/wire/text.h"
#include "core/wire/tree.h"
#include "core/wire/url.h"

#include <errno.h>
#include <packice/cleanup.h>
#include <string.h>

#define END_SIZE 96U /* more than what is behind the replies of a batch, and before them */

/* ---- parts ---- */

static const struct pk_handle *
handle_at(const struct pk_reply *reply, uint32_t index)
{
    return (const struct pk_handle *)(const void *)((const char *)reply->handles
                                                    + (size_t)index * reply->handle_stride);
}

static const struct pk_object_info *
object_at(const struct pk_reply *reply, uint32_t index)
{
    return (const struct pk_object_info *)(const void *)((const char *)reply->objects
                                                         + (size_t)index * reply->object_stride);
}

/* Begins a reply: its status and its tag. */
static struct pk_wire_out
begin(const char *status, const struct pk_wire_reply_format *format)
{
    struct pk_wire_out out = pk_wire_out_new(format->binary, format->item, format->into);
    pk_wire_out_word(&out, PK_NAME_STATUS, status);
    if (!format->item)
        pk_wire_out_tag(&out, format->tag);
    if (format->takes_binary && !format->item)
        pk_wire_out_integer(&out, PK_NAME_BINARY, PK_WIRE_BINARY_VERSION);
    return out;
}

/* Ends a reply with the number of its descriptors and bytes. */
static int32_t
finish(struct pk_wire_out *out, const struct pk_wire_reply_format *format, uint32_t fds,
       uint64_t data, char **ret_text, size_t *ret_size)
{
    if (!format->item && !format->http && (fds > 0 || !out->binary))
        pk_wire_out_integer(out, PK_NAME_FDS, fds);
    if (!format->item && data > 0)
        pk_wire_out_integer(out, PK_NAME_DATA, data);
    char *text = pk_wire_out_take(out, ret_size);
    if (text == NULL)
        return -ENOMEM;
    *ret_text = text;
    return 0;
}

/* Meta is opaque to the peer: what no client can have put there through the wire comes out as an
 * empty object. */
static void
put_meta(struct pk_wire_out *out, const char *text)
{
    int32_t rc = *text != '\0' ? pk_wire_meta_put(out, text, NULL) : -EINVAL;
    if (rc == -ENOMEM)
        out->failed = true;
    else if (rc != 0 && !out->binary)
        pk_wire_out_json(out, PK_NAME_META, "{}");
}

static const char *
state_name(uint32_t state)
{
    return state == PK_STATE_SEALED ? "sealed" : "creating";
}

/* ---- handles ---- */

/* Whether a path can be said as text; a descriptor travels with it in any case. */
static bool
is_path(const struct pk_handle *handle)
{
    return handle->kind == PK_HANDLE_PATH && handle->text != NULL
           && pk_wire_utf8_valid(handle->text);
}

/* Whether a descriptor travels with the reply for it. */
static bool
has_fd(const struct pk_handle *handle)
{
    return handle->kind == PK_HANDLE_FD || handle->kind == PK_HANDLE_PATH;
}

static void
put_url(struct pk_wire_out *out, const struct pk_handle *handle)
{
    pk_wire_out_word(out, PK_NAME_KIND, "url");
    pk_wire_out_text(out, PK_NAME_URL, handle->text);
    if (handle->expires_at != 0)
        pk_wire_out_time(out, PK_NAME_EXPIRES_AT, handle->expires_at);
}

static void
put_local(struct pk_wire_out *out, const struct pk_handle *handle, uint32_t fd)
{
    pk_wire_out_word(out, PK_NAME_KIND, is_path(handle) ? "path" : "fd");
    if (is_path(handle))
        pk_wire_out_text(out, PK_NAME_PATH, handle->text);
    pk_wire_out_integer(out, PK_NAME_FD, fd);
    if ((handle->flags & PK_HANDLE_SHARED) != 0)
        pk_wire_out_true(out, PK_NAME_SHARED);
}

static void
put_http(struct pk_wire_out *out, const struct pk_handle *handle, bool path, const char *id,
         uint32_t blob)
{
    pk_autofree char *url = pk_wire_url_blob(id, blob);
    pk_wire_out_word(out, PK_NAME_KIND, path ? "path" : "http");
    if (path)
        pk_wire_out_text(out, PK_NAME_PATH, handle->text);
    if (url == NULL)
        out->failed = true;
    pk_wire_out_text(out, PK_NAME_URL, url);
}

/* Whether the caller is told a path; over a socket a descriptor comes with it in any case. */
static bool
tells_path(const struct pk_handle *handle, const struct pk_wire_reply_format *format)
{
    return is_path(handle) && (!format->http || format->paths);
}

/* What HTTP serves begins where the blob does. */
static uint64_t
told_offset(const struct pk_handle *handle, const struct pk_wire_reply_format *format)
{
    bool served = format->http && handle->kind != PK_HANDLE_URL && !tells_path(handle, format);
    return served ? 0 : handle->offset;
}

static void
put_handle(struct pk_wire_out *out, const struct pk_reply *reply, uint32_t blob,
           const struct pk_wire_reply_format *format, uint32_t fd)
{
    const struct pk_handle *handle = handle_at(reply, blob);
    pk_wire_out_begin(out, PK_NAME_NONE, '{');
    if (handle->kind == PK_HANDLE_KNOWN)
        pk_wire_out_word(out, PK_NAME_KIND, "known");
    else if (handle->kind == PK_HANDLE_URL)
        put_url(out, handle);
    else if (format->http)
        put_http(out, handle, tells_path(handle, format), reply->object_id, blob);
    else
        put_local(out, handle, fd);
    pk_wire_out_size(out, PK_NAME_SIZE, handle->size);
    pk_wire_out_integer(out, PK_NAME_OFFSET, told_offset(handle, format));
    pk_wire_out_end(out, '}');
}

/* The paths alone when all are paths; the blobs have them too. */
static void
put_paths(struct pk_wire_out *out, const struct pk_reply *reply,
          const struct pk_wire_reply_format *format)
{
    bool all = true;
    if (out->binary)
        return;
    for (uint32_t i = 0; i < reply->blob_count; i++)
        all = all && tells_path(handle_at(reply, i), format);
    pk_wire_out_begin(out, PK_NAME_HANDLES, '[');
    for (uint32_t i = 0; all && i < reply->blob_count; i++)
        pk_wire_out_text(out, PK_NAME_NONE, handle_at(reply, i)->text);
    pk_wire_out_end(out, ']');
}

static void
put_blobs(struct pk_wire_out *out, const struct pk_reply *reply,
          const struct pk_wire_reply_format *format)
{
    uint32_t fd = format->first_fd;
    pk_wire_out_begin(out, PK_NAME_BLOBS, '[');
    for (uint32_t i = 0; i < reply->blob_count; i++) {
        put_handle(out, reply, i, format, fd);
        if (has_fd(handle_at(reply, i)))
            fd++;
    }
    pk_wire_out_end(out, ']');
}

/* Blobs whose bytes come behind the text. */
static void
put_inline(struct pk_wire_out *out, const struct pk_reply *reply,
           const struct pk_wire_reply_format *format)
{
    uint64_t offset = format->first_data;
    pk_wire_out_begin(out, PK_NAME_BLOBS, '[');
    for (uint32_t i = 0; i < reply->blob_count; i++) {
        uint64_t size = handle_at(reply, i)->size;
        pk_wire_out_begin(out, PK_NAME_NONE, '{');
        pk_wire_out_word(out, PK_NAME_KIND, "data");
        pk_wire_out_integer(out, PK_NAME_SIZE, size);
        pk_wire_out_integer(out, PK_NAME_OFFSET, offset);
        pk_wire_out_end(out, '}');
        offset += size;
    }
    pk_wire_out_end(out, ']');
}

/* Whether bytes are all that was granted, instead of a lease. */
static bool
is_inline(const struct pk_reply *reply)
{
    return reply->status == 0 && reply->verb == PK_VERB_ACQUIRE && reply->lease_id == NULL;
}

uint64_t
pk_wire_reply_data(const struct pk_reply *reply)
{
    uint64_t data = 0;
    for (uint32_t i = 0; is_inline(reply) && i < reply->blob_count; i++)
        data += handle_at(reply, i)->size;
    return data;
}

uint32_t
pk_wire_reply_fds(const struct pk_reply *reply)
{
    uint32_t fds = 0;
    if (reply->status != 0 || (reply->verb != PK_VERB_ACQUIRE && reply->verb != PK_VERB_SEAL)
        || is_inline(reply))
        return 0;
    for (uint32_t i = 0; i < reply->blob_count; i++) {
        if (has_fd(handle_at(reply, i)))
            fds++;
    }
    return fds;
}

/* ---- what each verb answers ---- */

/* acquire and seal */
static void
put_lease(struct pk_wire_out *out, const struct pk_reply *reply,
          const struct pk_wire_reply_format *format)
{
    pk_wire_out_text(out, PK_NAME_LEASE_ID, reply->lease_id);
    pk_wire_out_text(out, PK_NAME_OBJECT_ID, reply->object_id);
    pk_wire_out_integer(out, PK_NAME_EPOCH, reply->epoch);
    pk_wire_out_word(out, PK_NAME_INTENT, reply->access == PK_ACCESS_CREATE ? "create" : "read");
    pk_wire_out_seconds(out, PK_NAME_TTL_SECONDS, reply->ttl);
    pk_wire_out_word(out, PK_NAME_STATE, state_name(reply->state));
    put_meta(out, reply->meta);
    put_paths(out, reply, format);
    put_blobs(out, reply, format);
}

/* acquire, when it granted no lease */
static void
put_bytes(struct pk_wire_out *out, const struct pk_reply *reply,
          const struct pk_wire_reply_format *format)
{
    pk_wire_out_null(out, PK_NAME_LEASE_ID);
    pk_wire_out_text(out, PK_NAME_OBJECT_ID, reply->object_id);
    pk_wire_out_integer(out, PK_NAME_EPOCH, reply->epoch);
    pk_wire_out_word(out, PK_NAME_STATE, state_name(reply->state));
    put_meta(out, reply->meta);
    put_inline(out, reply, format);
}

static void
put_owner(struct pk_wire_out *out, const struct pk_principal *owner)
{
    pk_wire_out_begin(out, PK_NAME_OWNER, '{');
    if (owner->kind == PK_PRINCIPAL_UNIX)
        pk_wire_out_integer(out, PK_NAME_UID, owner->uid);
    else if (owner->kind == PK_PRINCIPAL_TOKEN)
        pk_wire_out_text(out, PK_NAME_NAME, owner->name);
    pk_wire_out_end(out, '}');
}

/* One object; all of it for stat, without sizes and meta in a list. */
static void
put_object(struct pk_wire_out *out, const struct pk_object_info *object, bool all)
{
    pk_wire_out_text(out, PK_NAME_OBJECT_ID, object->key.id);
    pk_wire_out_integer(out, PK_NAME_EPOCH, object->key.epoch);
    pk_wire_out_word(out, PK_NAME_STATE, state_name(object->state));
    pk_wire_out_integer(out, PK_NAME_SIZE, object->size);
    pk_wire_out_integer(out, PK_NAME_BLOBS, object->blob_count);
    if (all) {
        pk_wire_out_sizes(out, object->sizes, object->sizes != NULL ? object->blob_count : 0);
        put_meta(out, object->meta);
    }
    pk_wire_out_time(out, PK_NAME_CREATED_AT, object->created_at);
    pk_wire_out_time(out, PK_NAME_SEALED_AT, object->sealed_at);
    put_owner(out, &object->owner);
}

static void
put_list(struct pk_wire_out *out, const struct pk_reply *reply)
{
    pk_wire_out_begin(out, PK_NAME_OBJECTS, '[');
    for (uint32_t i = 0; i < reply->object_count; i++) {
        pk_wire_out_begin(out, PK_NAME_NONE, '{');
        put_object(out, object_at(reply, i), false);
        pk_wire_out_end(out, '}');
    }
    pk_wire_out_end(out, ']');
    if (reply->cursor == 0) {
        pk_wire_out_null(out, PK_NAME_CURSOR);
        return;
    }
    char cursor[24];
    (void)snprintf(cursor, sizeof(cursor), "%llu", (unsigned long long)reply->cursor);
    pk_wire_out_text(out, PK_NAME_CURSOR, cursor);
}

static void
put_verify(struct pk_wire_out *out, const struct pk_reply *reply)
{
    pk_wire_out_text(out, PK_NAME_OBJECT_ID, reply->object_id);
    pk_wire_out_integer(out, PK_NAME_EPOCH, reply->epoch);
    pk_wire_out_integer(out, PK_NAME_BLOBS, object_at(reply, 0)->blob_count);
    pk_wire_out_integer(out, PK_NAME_BYTES, reply->bytes);
}

static void
put_put(struct pk_wire_out *out, const struct pk_reply *reply)
{
    pk_wire_out_text(out, PK_NAME_OBJECT_ID, reply->object_id);
    pk_wire_out_integer(out, PK_NAME_EPOCH, reply->epoch);
}

static void
put_renew(struct pk_wire_out *out, const struct pk_reply *reply)
{
    pk_wire_out_text(out, PK_NAME_LEASE_ID, reply->lease_id);
    pk_wire_out_seconds(out, PK_NAME_TTL_SECONDS, reply->ttl);
}

static const char *
status_name(uint32_t verb)
{
    switch (verb) {
    case PK_VERB_SEAL:
    case PK_VERB_PUT:
        return "sealed";
    case PK_VERB_RELEASE:
        return "released";
    case PK_VERB_DISCARD:
        return "discarded";
    default:
        return "ok";
    }
}

int32_t
pk_wire_reply_encode(const struct pk_reply *reply, const struct pk_wire_reply_format *format,
                     char **ret_text, size_t *ret_size)
{
    if (reply->status != 0)
        return pk_wire_error_encode(reply->status, reply->message, format, ret_text, ret_size);
    struct pk_wire_out out = begin(status_name(reply->verb), format);
    if (is_inline(reply))
        put_bytes(&out, reply, format);
    else if (reply->verb == PK_VERB_ACQUIRE || reply->verb == PK_VERB_SEAL)
        put_lease(&out, reply, format);
    else if (reply->verb == PK_VERB_RENEW)
        put_renew(&out, reply);
    else if (reply->verb == PK_VERB_STAT)
        put_object(&out, object_at(reply, 0), true);
    else if (reply->verb == PK_VERB_LIST)
        put_list(&out, reply);
    else if (reply->verb == PK_VERB_VERIFY)
        put_verify(&out, reply);
    else if (reply->verb == PK_VERB_PUT)
        put_put(&out, reply);
    return finish(&out, format, pk_wire_reply_fds(reply), pk_wire_reply_data(reply), ret_text,
                  ret_size);
}

int32_t
pk_wire_error_encode(int32_t code, const char *message, const struct pk_wire_reply_format *format,
                     char **ret_text, size_t *ret_size)
{
    struct pk_wire_out out = begin("error", format);
    pk_wire_out_word(&out, PK_NAME_ERROR, pk_wire_error_name(code));
    pk_wire_out_text(&out, PK_NAME_MESSAGE, message != NULL ? message : "");
    return finish(&out, format, 0, 0, ret_text, ret_size);
}

int32_t
pk_wire_stats_encode(const struct pk_stat *stats, size_t count,
                     const struct pk_wire_reply_format *format, char **ret_text, size_t *ret_size)
{
    struct pk_wire_out out = begin("ok", format);
    json_t *figures = json_object(); /* a tree, since a name can come twice */
    for (size_t i = 0; i < count; i++) {
        pk_autofree char *name = pk_wire_utf8_repair(stats[i].name);
        uint64_t value = stats[i].value > INT64_MAX ? INT64_MAX : stats[i].value;
        if (name == NULL
            || json_object_set_new(figures, name, json_integer((json_int_t)value)) != 0)
            out.failed = true;
    }
    pk_autofree char *text = pk_wire_tree_text(figures);
    out.failed = out.failed || text == NULL;
    pk_wire_out_json(&out, PK_NAME_STATS, text != NULL ? text : "");
    return finish(&out, format, 0, 0, ret_text, ret_size);
}

/* ---- a batch ---- */

/* The items are of this notation already, so they are copied instead of being read again. */
int32_t
pk_wire_batch_reply_encode(const struct pk_wire_item *items, size_t count, uint32_t fds,
                           uint64_t data, const struct pk_wire_reply_format *format,
                           char **ret_text, size_t *ret_size)
{
    struct pk_wire_out out = begin("ok", format);
    size_t size = END_SIZE;
    for (size_t i = 0; i < count; i++)
        size += items[i].size + 1;
    pk_wire_out_reserve(&out, size);
    pk_wire_out_begin(&out, PK_NAME_REPLIES, '[');
    for (size_t i = 0; i < count; i++)
        pk_wire_out_item(&out, items[i].text, items[i].size);
    pk_wire_out_end(&out, ']');
    return finish(&out, format, fds, data, ret_text, ret_size);
}
