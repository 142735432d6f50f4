/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET and HEAD of a blob, under the caller's lease or one of its own that ends with the response.
 * The bytes come from the blob's descriptor by sendfile(2); where there is none, or TLS wants to
 * see them, they are read through the peer.
 */
#include "answer.h"
#include "connection.h"
#include "proof.h"
#include "range.h"
#include "response.h"
#include "transport_http.h"
#include <errno.h>
#include <packice/cleanup.h>
#include <string.h>

static const char binary[] = "application/octet-stream";

/* ---- the response ---- */

/* An epoch is given once and for one object: it stands for the id as well. */
static void
make_etag(const struct http_connection *connection, const struct http_answer *answer,
          char *ret_etag, size_t room)
{
    (void)snprintf(ret_etag, room, "\"%llx-%u\"", (unsigned long long)answer->epoch,
                   connection->exchange.target.blob);
}

/* The range to be sent: 1 a part, 0 all of it, -ERANGE. */
static int32_t
find_range(const struct http_connection *connection, const char *etag, uint64_t size,
           struct http_range *ret_range)
{
    const struct http_parser *parser = &connection->parser;
    const char *range = parser->fields[HTTP_RANGE];
    const char *if_range = parser->fields[HTTP_IF_RANGE];
    ret_range->first = 0;
    ret_range->size = size;
    if (range == NULL || parser->method != HTTP_GET)
        return 0;
    if (if_range != NULL && strcmp(if_range, etag) != 0)
        return 0;
    return http_range_parse(range, size, ret_range);
}

static void
send_bytes(struct http_connection *connection, struct http_answer *answer,
           const struct http_range *range)
{
    struct http_exchange *exchange = &connection->exchange;
    if (connection->parser.method == HTTP_HEAD || range->size == 0 || connection->gone)
        return;
    exchange->offset = range->first;
    connection->output.left = range->size;
    if (answer->fd < 0 || connection->socket.ssl != NULL)
        return; /* http_get_more */
    connection->output.file = pk_steal_fd(answer->fd);
    connection->output.offset = answer->offset + range->first;
}

static void
respond(struct http_connection *connection, struct http_answer *answer)
{
    char etag[64];
    char headers[256];
    struct http_range range;
    make_etag(connection, answer, etag, sizeof(etag));
    int size = snprintf(headers, sizeof(headers), "ETag: %s\r\nAccept-Ranges: bytes\r\n", etag);
    const char *known = connection->parser.fields[HTTP_IF_NONE_MATCH];
    if (known != NULL && http_etag_listed(known, etag)) {
        http_respond_head(connection, 304, NULL, headers, 0);
        return;
    }
    int32_t part = find_range(connection, etag, answer->size, &range);
    char *end = headers + size;
    size_t room = sizeof(headers) - (size_t)size;
    if (part < 0) {
        (void)snprintf(end, room, "Content-Range: bytes */%llu\r\n",
                       (unsigned long long)answer->size);
        http_respond_status(connection, 416, -EINVAL, headers, "Range: not within the blob");
        return;
    }
    if (part > 0)
        (void)snprintf(
            end, room, "Content-Range: bytes %llu-%llu/%llu\r\n", (unsigned long long)range.first,
            (unsigned long long)(range.first + range.size - 1), (unsigned long long)answer->size);
    http_respond_head(connection, part > 0 ? 206 : 200, binary, headers, range.size);
    send_bytes(connection, answer, &range);
}

/* A blob that is somewhere else is fetched from there. */
static void
redirect(struct http_connection *connection, const char *url)
{
    size_t room = strlen(url) + 32;
    char *headers = malloc(room);
    if (headers == NULL || strpbrk(url, "\r\n") != NULL) {
        http_respond_error(connection, -EIO, "the blob's URL can't be told");
    } else {
        (void)snprintf(headers, room, "Location: %s\r\n", url);
        http_respond_head(connection, 307, NULL, headers, 0);
    }
    free(headers);
}

/* ---- from lease to response ---- */

static int32_t
check_lease(const struct http_connection *connection, const struct http_answer *answer,
            struct pk_error *err)
{
    const struct http_target *target = &connection->exchange.target;
    if (answer->status != 0)
        return pk_fail(err, answer->status, "%s", answer->message);
    if (strcmp(answer->object_id, target->id) != 0)
        return pk_fail(err, -EINVAL, "PackIce-Lease: for another object");
    if (target->blob >= answer->blob_count)
        return pk_fail(err, -ENOENT, "blob: the object has %u", answer->blob_count);
    if (answer->state != PK_STATE_SEALED)
        return pk_fail(err, -EAGAIN, "the object is not sealed yet");
    if (answer->size == PK_UNSIZED)
        return pk_fail(err, -EIO, "the blob's size is not known");
    return 0;
}

static void
on_lease(struct http_connection *connection, struct http_ask *ask)
{
    struct http_answer *answer = &ask->answers[0];
    struct http_exchange *exchange = &connection->exchange;
    struct pk_error err = PK_ERROR_INIT;
    if (answer->status == 0)
        memcpy(exchange->lease_id, answer->lease_id, sizeof(exchange->lease_id));
    int32_t r = check_lease(connection, answer, &err);
    if (r == 0)
        r = http_proof_begin(connection, answer, &err);
    if (r < 0)
        http_respond_error(connection, r, err.message);
    else if (answer->url != NULL)
        redirect(connection, answer->url);
    else
        respond(connection, answer);
}

void
http_answer_get(struct http_connection *connection)
{
    struct http_exchange *exchange = &connection->exchange;
    const char *lease_id = connection->parser.fields[HTTP_LEASE];
    /* Bytes are sent from offsets; but the locks of a proof must go with what they are on. */
    bool bytes = connection->parser.method == HTTP_GET;
    struct pk_request request = {
        .struct_size = (uint32_t)sizeof(request),
        .verb = lease_id != NULL ? PK_VERB_OPEN : PK_VERB_ACQUIRE,
        .access = PK_ACCESS_READ,
        .lease_id = lease_id,
        .object_id = exchange->target.id,
        .flags = PK_REQUEST_BIND | (bytes ? PK_REQUEST_SHARE : 0),
        .ttl = PK_FOREVER,
    };
    exchange->own = lease_id == NULL;
    if (http_ask_one(connection, &request, exchange->target.blob, on_lease) < 0)
        http_respond_error(connection, -ENOMEM, "out of memory");
}

/* ---- bytes through the peer ---- */

/* The head is out already: all that can be said of a failure is the end of the connection. */
static void
on_bytes(struct http_connection *connection, struct http_ask *ask)
{
    const struct http_answer *answer = &ask->answers[0];
    struct http_exchange *exchange = &connection->exchange;
    if (answer->status != 0 || answer->bytes == 0 || answer->bytes > exchange->body_room) {
        connection->gone = true;
        return;
    }
    char *text = pk_steal(exchange->body);
    exchange->offset += answer->bytes;
    connection->output.left -= answer->bytes;
    if (http_output_put(&connection->output, text, answer->bytes) < 0)
        connection->gone = true;
}

void
http_get_more(struct http_connection *connection)
{
    struct http_exchange *exchange = &connection->exchange;
    uint64_t left = connection->output.left;
    free(exchange->body);
    exchange->body_room = left < HTTP_UPLOAD_ROOM ? (size_t)left : HTTP_UPLOAD_ROOM;
    exchange->body = malloc(exchange->body_room);
    struct pk_request request = {
        .struct_size = (uint32_t)sizeof(request),
        .verb = PK_VERB_READ,
        .lease_id = exchange->lease_id,
        .blob = exchange->target.blob,
        .offset = exchange->offset,
        .data = exchange->body,
        .data_size = exchange->body_room,
    };
    if (exchange->body == NULL || http_ask_one(connection, &request, HTTP_NO_BLOB, on_bytes) < 0)
        connection->gone = true;
}
