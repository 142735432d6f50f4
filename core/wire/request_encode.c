/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encodes requests for a stream: what a client asks for, as far as the protocol can say it. It does
 * not repeat the checks of the decoder: a node makes them.
 */
#include "core/wire/binary.h"
#include "core/wire/frame.h"
#include "core/wire/member_out.h"
#include "core/wire/meta.h"
#include "core/wire/request.h"
#include "core/wire/text.h"

#include <errno.h>
#include <packice/cleanup.h>
#include <string.h>

/* ---- members ---- */

/* Text must be what the caller meant: it is not repaired here. */
static int32_t
put_text(struct pk_wire_out *out, enum pk_wire_name name, const char *text, struct pk_error *err)
{
    pk_wire_out_text(out, name, text);
    return out->repaired ? pk_fail(err, -EINVAL, "%s: not UTF-8", pk_wire_name_text(name)) : 0;
}

/* A ttl that is bound to its connection needs none to last as long as that. */
static int32_t
put_ttl(struct pk_wire_out *out, const struct pk_request *request, struct pk_error *err)
{
    if (request->ttl == PK_FOREVER && (request->flags & PK_REQUEST_BIND) == 0)
        return pk_fail(err, -EINVAL,
                       "ttl_seconds: only a lease bound to its connection has no end");
    if (request->ttl != 0 && request->ttl != PK_FOREVER)
        pk_wire_out_seconds(out, PK_NAME_TTL_SECONDS, request->ttl);
    return 0;
}

static int32_t
put_meta(struct pk_wire_out *out, const char *text, struct pk_error *err)
{
    return text == NULL || *text == '\0' ? 0 : pk_wire_meta_put(out, text, err);
}

static int32_t
put_create(struct pk_wire_out *out, const struct pk_request *request, struct pk_error *err)
{
    if (request->sizes != NULL)
        pk_wire_out_sizes(out, request->sizes, request->blob_count);
    else if (request->blob_count > 1)
        pk_wire_out_integer(out, PK_NAME_BLOBS, request->blob_count);
    if (request->object_ttl != 0 && request->object_ttl != PK_FOREVER)
        pk_wire_out_seconds(out, PK_NAME_OBJECT_TTL_SECONDS, request->object_ttl);
    return put_meta(out, request->meta, err);
}

static int32_t
put_acquire(struct pk_wire_out *out, const struct pk_request *request, struct pk_error *err)
{
    bool create = request->access == PK_ACCESS_CREATE;
    if (!create && request->access != PK_ACCESS_READ)
        return pk_fail(err, -EINVAL, "intent: neither create nor read");
    pk_wire_out_word(out, PK_NAME_INTENT, create ? "create" : "read");
    int32_t rc = put_text(out, PK_NAME_OBJECT_ID, request->object_id, err);
    if (rc == 0)
        rc = put_ttl(out, request, err);
    if (rc == 0)
        rc = put_text(out, PK_NAME_REQUEST_ID, request->request_id, err);
    if (rc != 0)
        return rc;
    if ((request->flags & PK_REQUEST_BIND) != 0)
        pk_wire_out_word(out, PK_NAME_BIND, "connection");
    if (create)
        return put_create(out, request, err);
    if (request->wait == PK_FOREVER) /* the longest that can be said is 292 years */
        pk_wire_out_integer(out, PK_NAME_WAIT_SECONDS, PK_WIRE_SECONDS_MAX);
    else if (request->wait != 0)
        pk_wire_out_seconds(out, PK_NAME_WAIT_SECONDS, request->wait);
    if (request->inline_max != 0)
        pk_wire_out_integer(out, PK_NAME_INLINE_MAX, request->inline_max);
    if ((request->flags & PK_REQUEST_SHARE) != 0)
        pk_wire_out_true(out, PK_NAME_SHARED);
    if (request->known_epoch != 0)
        pk_wire_out_integer(out, PK_NAME_KNOWN_EPOCH, request->known_epoch);
    return 0;
}

/* The sizes of a put's handles. */
static void
put_handle_sizes(struct pk_wire_out *out, const struct pk_request *request)
{
    const char *at = (const char *)request->handles;
    pk_wire_out_begin(out, PK_NAME_SIZES, '[');
    for (uint32_t i = 0; i < request->blob_count; i++, at += request->handle_stride)
        pk_wire_out_size(out, PK_NAME_NONE, ((const struct pk_handle *)(const void *)at)->size);
    pk_wire_out_end(out, ']');
}

static int32_t
put_put(struct pk_wire_out *out, const struct pk_request *request, struct pk_error *err)
{
    int32_t rc = put_text(out, PK_NAME_OBJECT_ID, request->object_id, err);
    if (rc != 0)
        return rc;
    if (request->object_ttl != 0 && request->object_ttl != PK_FOREVER)
        pk_wire_out_seconds(out, PK_NAME_OBJECT_TTL_SECONDS, request->object_ttl);
    if (request->handles != NULL)
        put_handle_sizes(out, request);
    else if (request->sizes != NULL)
        pk_wire_out_sizes(out, request->sizes, request->blob_count);
    if (request->handles != NULL)
        pk_wire_out_integer(out, PK_NAME_FDS, request->blob_count);
    else
        pk_wire_out_integer(out, PK_NAME_DATA, request->data_size);
    return put_meta(out, request->meta, err);
}

static int32_t
put_seal(struct pk_wire_out *out, const struct pk_request *request, struct pk_error *err)
{
    if (request->sizes != NULL)
        pk_wire_out_sizes(out, request->sizes, request->blob_count);
    return put_text(out, PK_NAME_LEASE_ID, request->lease_id, err);
}

static int32_t
put_renew(struct pk_wire_out *out, const struct pk_request *request, struct pk_error *err)
{
    int32_t rc = put_text(out, PK_NAME_LEASE_ID, request->lease_id, err);
    return rc != 0 ? rc : put_ttl(out, request, err);
}

static int32_t
put_lease(struct pk_wire_out *out, const struct pk_request *request, struct pk_error *err)
{
    return put_text(out, PK_NAME_LEASE_ID, request->lease_id, err);
}

static int32_t
put_object(struct pk_wire_out *out, const struct pk_request *request, struct pk_error *err)
{
    return put_text(out, PK_NAME_OBJECT_ID, request->object_id, err);
}

static int32_t
put_list(struct pk_wire_out *out, const struct pk_request *request, struct pk_error *err)
{
    if (request->limit != 0)
        pk_wire_out_integer(out, PK_NAME_LIMIT, request->limit);
    if (request->cursor != 0) {
        char cursor[24];
        (void)snprintf(cursor, sizeof(cursor), "%llu", (unsigned long long)request->cursor);
        pk_wire_out_text(out, PK_NAME_CURSOR, cursor);
    }
    return put_text(out, PK_NAME_PREFIX, request->prefix, err);
}

static int32_t
put_nothing(struct pk_wire_out *out, const struct pk_request *request, struct pk_error *err)
{
    (void)out;
    (void)request;
    (void)err;
    return 0;
}

/* ---- requests ---- */

static const struct {
    uint32_t number;
    const char *name;
    int32_t (*put)(struct pk_wire_out *out, const struct pk_request *request, struct pk_error *err);
} verbs[] = {
    { PK_VERB_ACQUIRE, "acquire", put_acquire },  { PK_VERB_SEAL, "seal", put_seal },
    { PK_VERB_RENEW, "renew", put_renew },        { PK_VERB_RELEASE, "release", put_lease },
    { PK_VERB_DISCARD, "discard", put_object },   { PK_VERB_STAT, "stat", put_object },
    { PK_VERB_VERIFY, "verify", put_object },     { PK_VERB_LIST, "list", put_list },
    { PK_WIRE_VERB_STATS, "stats", put_nothing }, { PK_VERB_PUT, "put", put_put },
};

static void
put_format(struct pk_wire_out *out, const struct pk_wire_request_format *format)
{
    pk_wire_out_tag(out, format->tag);
    if (format->offer)
        pk_wire_out_integer(out, PK_NAME_BINARY, PK_WIRE_BINARY_VERSION);
    if (format->release_count == 0)
        return;
    pk_wire_out_begin(out, PK_NAME_RELEASES, '[');
    for (size_t i = 0; i < format->release_count; i++)
        pk_wire_out_text(out, PK_NAME_NONE, format->releases[i]);
    pk_wire_out_end(out, ']');
}

static int32_t
put_request(struct pk_wire_out *out, const struct pk_request *request,
            const struct pk_wire_request_format *format, struct pk_error *err)
{
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        if (verbs[i].number != request->verb)
            continue;
        pk_wire_out_word(out, PK_NAME_COMMAND, verbs[i].name);
        put_format(out, format);
        return verbs[i].put(out, request, err);
    }
    return pk_fail(err, -EOPNOTSUPP, "command: the protocol has no verb %u", request->verb);
}

/* Ends it, JSON with a newline unless bytes come next, and hands its text over. */
static int32_t
finish(struct pk_wire_out *out, uint64_t data, char **ret_text, size_t *ret_size,
       struct pk_error *err)
{
    size_t size = 0;
    pk_autofree char *text = pk_wire_out_take(out, &size);
    if (text == NULL)
        return pk_fail(err, -ENOMEM, "out of memory");
    if (size > PK_WIRE_REQUEST_MAX)
        return pk_fail(err, -EFBIG, "request longer than %u bytes", PK_WIRE_REQUEST_MAX);
    if (data == 0 && !out->binary)
        text[size++] = '\n';
    text[size] = '\0';
    *ret_text = pk_steal(text);
    *ret_size = size;
    return 0;
}

static const struct pk_wire_request_format no_format = { .tag = NULL };

static int32_t
check_format(const struct pk_wire_request_format *format, struct pk_error *err)
{
    if (format->release_count > PK_WIRE_RELEASES_MAX)
        return pk_fail(err, -EINVAL, "releases: %zu, not at most %u", format->release_count,
                       PK_WIRE_RELEASES_MAX);
    return 0;
}

/* The bytes that come with a request. */
static uint64_t
data_of(const struct pk_request *request)
{
    return request->verb == PK_VERB_PUT && request->handles == NULL ? request->data_size : 0;
}

int32_t
pk_wire_request_encode(const struct pk_request *request,
                       const struct pk_wire_request_format *format, char **ret_text,
                       size_t *ret_size, struct pk_error *err)
{
    format = format != NULL ? format : &no_format;
    struct pk_wire_out out = pk_wire_out_new(format->binary, false, NULL);
    int32_t rc = check_format(format, err);
    if (rc == 0)
        rc = put_request(&out, request, format, err);
    if (rc == 0)
        return finish(&out, data_of(request), ret_text, ret_size, err);
    pk_wire_out_drop(&out);
    return rc;
}

/* ---- a batch ---- */

static int32_t
put_item(struct pk_wire_out *out, const struct pk_request *request, struct pk_error *err)
{
    if (request->verb == PK_WIRE_VERB_STATS)
        return pk_fail(err, -EINVAL, "command: stats can't be part of a batch");
    if (request->verb == PK_VERB_PUT && request->handles != NULL)
        return pk_fail(err, -EINVAL, "fds: descriptors can't be part of a batch");
    pk_wire_out_begin(out, PK_NAME_NONE, '{');
    int32_t rc = put_request(out, request, &no_format, err);
    pk_wire_out_end(out, '}');
    return rc;
}

static int32_t
put_items(struct pk_wire_out *out, const struct pk_request *requests, size_t count,
          struct pk_error *err)
{
    pk_wire_out_begin(out, PK_NAME_REQUESTS, '[');
    for (size_t i = 0; i < count; i++) {
        struct pk_error why = PK_ERROR_INIT;
        int32_t rc = put_item(out, &requests[i], &why);
        if (rc != 0)
            return pk_fail(err, rc, "requests[%zu]: %.200s", i, why.message);
    }
    pk_wire_out_end(out, ']');
    return 0;
}

static int32_t
add_data(const struct pk_request *requests, size_t count, uint64_t *ret_data, struct pk_error *err)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t data = data_of(&requests[i]);
        if (data > PK_SIZE_MAX - sum)
            return pk_fail(err, -EINVAL, "data: more than can be said");
        sum += data;
    }
    *ret_data = sum;
    return 0;
}

int32_t
pk_wire_batch_encode(const struct pk_request *requests, size_t count,
                     const struct pk_wire_request_format *format, char **ret_text, size_t *ret_size,
                     struct pk_error *err)
{
    uint64_t data = 0;
    format = format != NULL ? format : &no_format;
    if (count > PK_WIRE_BATCH_MAX)
        return pk_fail(err, -EINVAL, "requests: %zu, not at most %u", count, PK_WIRE_BATCH_MAX);
    int32_t rc = check_format(format, err);
    if (rc == 0)
        rc = add_data(requests, count, &data, err);
    if (rc != 0)
        return rc;
    struct pk_wire_out out = pk_wire_out_new(format->binary, false, NULL);
    pk_wire_out_word(&out, PK_NAME_COMMAND, "batch");
    put_format(&out, format);
    if (data > 0)
        pk_wire_out_integer(&out, PK_NAME_DATA, data);
    rc = put_items(&out, requests, count, err);
    if (rc == 0)
        return finish(&out, data, ret_text, ret_size, err);
    pk_wire_out_drop(&out);
    return rc;
}
