/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PUT: bytes into a blob under the caller's CREATE lease, or a whole object at once, created,
 * written and sealed. The body is gathered in one bounded piece and written through the peer, which
 * knows whether that may block; while a piece is written nothing is read.
 */
#include "answer.h"
#include "connection.h"
#include "response.h"
#include "transport_http.h"
#include <errno.h>
#include <jansson.h>
#include <packice/cleanup.h>
#include <string.h>

#define LOOSE_MIN ((uint64_t)4 << 20) /* bytes, above which storage is not set aside at once */

static uint64_t
now(const struct http_connection *connection)
{
    const struct pk_host *host = connection->transport->host;
    return host->now(host->ctx);
}

/* Says why not; what was created goes, unless it is the caller's to try again. */
static void
fail(struct http_connection *connection, int32_t code, const char *message)
{
    http_exchange_abort(connection);
    http_respond_error(connection, code, message);
}

/* ---- before the body ---- */

static void
start_upload(struct http_connection *connection, const struct http_answer *answer)
{
    struct http_exchange *exchange = &connection->exchange;
    uint64_t length = connection->parser.chunked ? UINT64_MAX : connection->parser.length;
    memcpy(exchange->lease_id, answer->lease_id, sizeof(exchange->lease_id));
    exchange->discard = true;
    exchange->epoch = answer->epoch;
    exchange->ttl = answer->ttl;
    exchange->size = answer->size;
    exchange->renewed = now(connection);
    exchange->body_room = length < HTTP_UPLOAD_ROOM ? (size_t)length + 1 : HTTP_UPLOAD_ROOM;
    exchange->body = malloc(exchange->body_room);
    if (exchange->body == NULL)
        fail(connection, -ENOMEM, "out of memory");
    else
        http_respond_continue(connection);
}

static int32_t
check_blob(const struct http_connection *connection, const struct http_answer *answer,
           struct pk_error *err)
{
    const struct http_parser *parser = &connection->parser;
    const struct http_target *target = &connection->exchange.target;
    if (answer->status != 0)
        return pk_fail(err, answer->status, "%s", answer->message);
    if (strcmp(answer->object_id, target->id) != 0)
        return pk_fail(err, -EINVAL, "PackIce-Lease: for another object");
    if (answer->state != PK_STATE_CREATING)
        return pk_fail(err, -EACCES, "PackIce-Lease: the object is sealed");
    if (target->blob >= answer->blob_count)
        return pk_fail(err, -ENOENT, "blob: the object has %u", answer->blob_count);
    if (parser->chunked || answer->size == PK_UNSIZED || parser->length == answer->size)
        return 0;
    return pk_fail(err, parser->length > answer->size ? -EFBIG : -EINVAL,
                   "Content-Length: %llu, but the blob was made with %llu bytes",
                   (unsigned long long)parser->length, (unsigned long long)answer->size);
}

static void
on_open(struct http_connection *connection, struct http_ask *ask)
{
    struct pk_error err = PK_ERROR_INIT;
    if (connection->exchange.responded)
        return;
    int32_t r = check_blob(connection, &ask->answers[0], &err);
    if (r < 0)
        http_respond_error(connection, r, err.message);
    else
        start_upload(connection, &ask->answers[0]);
}

void
http_put_begin_blob(struct http_connection *connection)
{
    const struct http_exchange *exchange = &connection->exchange;
    struct pk_request request = {
        .struct_size = (uint32_t)sizeof(request),
        .verb = PK_VERB_OPEN,
        .lease_id = connection->parser.fields[HTTP_LEASE],
    };
    if (request.lease_id == NULL)
        http_respond_error(connection, -EINVAL,
                           "PackIce-Lease: the id of a CREATE lease is needed");
    else if (http_ask_one(connection, &request, exchange->target.blob, on_open) < 0)
        http_respond_error(connection, -ENOMEM, "out of memory");
}

/* ---- a whole object ---- */

/* The answer to a PUT of an object, which is sealed. */
static void
respond_object(struct http_connection *connection, uint64_t size)
{
    const struct http_exchange *exchange = &connection->exchange;
    const char *id = exchange->target.id;
    pk_autofree char *url = pk_wire_url_blob(id, 0);
    pk_autofree char *location = pk_wire_url_object(id);
    pk_autofree char *headers = location == NULL ? NULL : malloc(strlen(location) + 32);
    if (url == NULL || headers == NULL) {
        http_respond_error(connection, -ENOMEM, "out of memory");
        return;
    }
    json_t *reply =
        json_pack("{s:s, s:s, s:I, s:I, s:s}", "status", "sealed", "object_id", id, "epoch",
                  (json_int_t)exchange->epoch, "size", (json_int_t)size, "url", url);
    if (exchange->keep && reply != NULL)
        (void)json_object_set_new(reply, "lease_id", json_string(exchange->lease_id));
    char *text = reply != NULL ? json_dumps(reply, JSON_COMPACT) : NULL;
    json_decref(reply);
    (void)sprintf(headers, "Location: %s\r\n", url);
    http_respond_json(connection, 201, headers, text, text != NULL ? strlen(text) : 0);
}

/* A repeat has the lease of the request before it. If that one is still at it here, its client has
 * given it up, and the newer one goes on. False: it is about to be sealed, with all its bytes. */
static bool
take_over(struct http_connection *connection, const char *lease_id)
{
    struct http_connection *other;
    TAILQ_FOREACH (other, &connection->transport->connections, link) {
        if (other == connection || other->exchange.responded
            || strcmp(other->exchange.lease_id, lease_id) != 0)
            continue;
        if (other->phase == HTTP_PHASE_ANSWER)
            return false;
        other->exchange.lease_id[0] = '\0';
        other->gone = true;
        http_loop_enqueue(&other->transport->loop, other);
    }
    return true;
}

static void ask_object(struct http_connection *connection);

static void
on_create(struct http_connection *connection, struct http_ask *ask)
{
    const struct http_answer *answer = &ask->answers[0];
    struct http_exchange *exchange = &connection->exchange;
    if (answer->status == -EOPNOTSUPP && exchange->loose) {
        exchange->loose = false; /* this node wants sizes */
        ask_object(connection);
        return;
    }
    if (answer->status != 0) {
        http_respond_error(connection, answer->status, answer->message);
        return;
    }
    if (exchange->keep && !take_over(connection, answer->lease_id)) {
        http_respond_error(connection, -EBUSY, "the same request is being completed: ask again");
        return;
    }
    if (answer->state != PK_STATE_SEALED) {
        start_upload(connection, answer);
        return;
    }
    memcpy(exchange->lease_id, answer->lease_id, sizeof(exchange->lease_id));
    exchange->epoch = answer->epoch;
    respond_object(connection, answer->size);
}

/* A number of seconds in a header. */
static int32_t
read_seconds(const struct http_connection *connection, enum http_field field, const char *name,
             uint64_t *ret_nanoseconds, struct pk_error *err)
{
    const char *text = connection->parser.fields[field];
    if (text == NULL)
        return 0;
    size_t size = strlen(text);
    if (size == 0 || size > 9 || strspn(text, "0123456789") != size
        || strtoull(text, NULL, 10) == 0)
        return pk_fail(err, -EINVAL, "%s: not a whole number of seconds above 0", name);
    *ret_nanoseconds = strtoull(text, NULL, 10) * 1000000000U;
    return 0;
}

static int32_t
read_headers(const struct http_connection *connection, struct pk_request *request, char **ret_meta,
             struct pk_error *err)
{
    const char *const *fields = connection->parser.fields;
    struct pk_error why = PK_ERROR_INIT;
    request->request_id = fields[HTTP_REQUEST_ID];
    if (request->request_id != NULL
        && (request->request_id[0] == '\0' || strlen(request->request_id) > PK_REQUEST_ID_MAX))
        return pk_fail(err, -EINVAL, "PackIce-Request-Id: not 1 to %d bytes", PK_REQUEST_ID_MAX);
    int32_t r = read_seconds(connection, HTTP_TTL, "PackIce-Ttl", &request->ttl, err);
    if (r == 0)
        r = read_seconds(connection, HTTP_OBJECT_TTL, "PackIce-Object-Ttl", &request->object_ttl,
                         err);
    if (r < 0)
        return r;
    r = pk_wire_meta_compact(fields[HTTP_META], ret_meta, &why);
    if (r < 0)
        return pk_fail(err, r, "PackIce-Meta: %s", why.message);
    request->meta = *ret_meta;
    return 0;
}

/* A large upload grows: storage that is set aside as a whole for what may never come would be taken
 * from others. It counts in the peer's capacity all the same. */
static void
set_size(struct http_connection *connection, struct pk_request *request, const uint64_t *size)
{
    struct http_exchange *exchange = &connection->exchange;
    request->blob_count = 1;
    if (exchange->loose && *size != PK_UNSIZED)
        request->expected = *size;
    if (!exchange->loose)
        request->sizes = size;
}

static void
ask_object(struct http_connection *connection)
{
    struct http_exchange *exchange = &connection->exchange;
    uint64_t size = connection->parser.chunked ? PK_UNSIZED : connection->parser.length;
    struct pk_error err = PK_ERROR_INIT;
    pk_autofree char *meta = NULL;
    struct pk_request request = {
        .struct_size = (uint32_t)sizeof(request),
        .verb = PK_VERB_ACQUIRE,
        .access = PK_ACCESS_CREATE,
        .object_id = exchange->target.id,
    };
    set_size(connection, &request, &size);
    int32_t r = read_headers(connection, &request, &meta, &err);
    if (r < 0) {
        http_respond_error(connection, r, err.message);
        return;
    }
    exchange->keep = request.request_id != NULL;
    if (!exchange->keep) { /* it lives as long as the upload, and ends with the client */
        request.flags = PK_REQUEST_BIND;
        request.ttl = PK_FOREVER;
    }
    if (http_ask_one(connection, &request, 0, on_create) < 0)
        http_respond_error(connection, -ENOMEM, "out of memory");
}

void
http_put_begin_object(struct http_connection *connection)
{
    struct http_exchange *exchange = &connection->exchange;
    exchange->one_shot = true;
    exchange->loose = !connection->parser.chunked && connection->parser.length > LOOSE_MIN;
    ask_object(connection);
}

/* ---- the end ---- */

static void
respond_blob(struct http_connection *connection)
{
    const struct http_exchange *exchange = &connection->exchange;
    json_t *reply = json_pack("{s:s, s:s, s:I, s:i, s:I}", "status", "ok", "object_id",
                              exchange->target.id, "epoch", (json_int_t)exchange->epoch, "blob",
                              (int)exchange->target.blob, "size", (json_int_t)exchange->offset);
    char *text = reply != NULL ? json_dumps(reply, JSON_COMPACT) : NULL;
    json_decref(reply);
    http_respond_json(connection, 200, "", text, text != NULL ? strlen(text) : 0);
}

static void
on_released(struct http_connection *connection, struct http_ask *ask)
{
    (void)ask; /* it ended in any case */
    connection->exchange.lease_id[0] = '\0';
    respond_object(connection, connection->exchange.offset);
}

static void
release(struct http_connection *connection)
{
    struct pk_request request = {
        .struct_size = (uint32_t)sizeof(request),
        .verb = PK_VERB_RELEASE,
        .lease_id = connection->exchange.lease_id,
    };
    if (http_ask_one(connection, &request, HTTP_NO_BLOB, on_released) < 0)
        fail(connection, -ENOMEM, "out of memory");
}

static void
on_sealed(struct http_connection *connection, struct http_ask *ask)
{
    const struct http_answer *answer = &ask->answers[0];
    if (connection->exchange.responded)
        return;
    if (answer->status != 0)
        fail(connection, answer->status, answer->message);
    else if (connection->exchange.keep)
        respond_object(connection, connection->exchange.offset);
    else
        release(connection);
}

static void
finish(struct http_connection *connection)
{
    struct http_exchange *exchange = &connection->exchange;
    struct pk_request request = {
        .struct_size = (uint32_t)sizeof(request),
        .verb = PK_VERB_SEAL,
        .lease_id = exchange->lease_id,
    };
    if (!exchange->one_shot && exchange->size != PK_UNSIZED && exchange->offset != exchange->size)
        http_respond_error(connection, -EINVAL, "the body is shorter than the blob");
    else if (!exchange->one_shot)
        respond_blob(connection);
    else if (http_ask_one(connection, &request, HTTP_NO_BLOB, on_sealed) < 0)
        fail(connection, -ENOMEM, "out of memory");
}

/* ---- the body ---- */

static void
on_written(struct http_connection *connection, struct http_ask *ask)
{
    const struct http_answer *answer = &ask->answers[0];
    struct http_exchange *exchange = &connection->exchange;
    if (exchange->responded)
        return;
    if (answer->status != 0) {
        fail(connection, answer->status, answer->message);
        return;
    }
    exchange->offset += exchange->body_size;
    exchange->body_size = 0;
    if (connection->phase == HTTP_PHASE_ANSWER)
        finish(connection);
}

static void
write_piece(struct http_connection *connection)
{
    struct http_exchange *exchange = &connection->exchange;
    struct pk_request request = {
        .struct_size = (uint32_t)sizeof(request),
        .verb = PK_VERB_WRITE,
        .flags = PK_REQUEST_COUNT,
        .lease_id = exchange->lease_id,
        .blob = exchange->target.blob,
        .offset = exchange->offset,
        .data = exchange->body,
        .data_size = exchange->body_size,
    };
    if (http_ask_one(connection, &request, HTTP_NO_BLOB, on_written) < 0)
        fail(connection, -ENOMEM, "out of memory");
}

/* A lease that can't be renewed shows with the next write. */
static void
on_renewed(struct http_connection *connection, struct http_ask *ask)
{
    (void)ask;
    connection->exchange.renewed = now(connection);
    if (!connection->exchange.responded)
        write_piece(connection);
}

/* An upload keeps its lease alive for as long as it moves. */
void
http_put_flush(struct http_connection *connection)
{
    const struct http_exchange *exchange = &connection->exchange;
    struct pk_request request = {
        .struct_size = (uint32_t)sizeof(request),
        .verb = PK_VERB_RENEW,
        .lease_id = exchange->lease_id,
        .ttl = exchange->ttl,
    };
    bool due =
        exchange->ttl != PK_FOREVER && now(connection) - exchange->renewed > exchange->ttl / 2;
    if (!due)
        write_piece(connection);
    else if (http_ask_one(connection, &request, HTTP_NO_BLOB, on_renewed) < 0)
        fail(connection, -ENOMEM, "out of memory");
}

void
http_put_whole(struct http_connection *connection)
{
    if (connection->exchange.body_size > 0)
        http_put_flush(connection);
    else
        finish(connection);
}
