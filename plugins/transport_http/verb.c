/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verbs of the protocol: JSON in the body of a POST, JSON in its response. What they mean is
 * the wire's and the peer's.
 */
#include "answer.h"
#include "connection.h"
#include "response.h"
#include "transport_http.h"
#include <errno.h>
#include <packice/cleanup.h>
#include <stdlib.h>
#include <string.h>

/* ---- answers ---- */

static void
on_single(struct http_connection *connection, struct http_ask *ask)
{
    struct http_answer *answer = &ask->answers[0];
    http_respond_json(connection, http_status_of(answer->status), "", pk_steal(answer->text),
                      answer->text_size);
}

static void
on_batch(struct http_connection *connection, struct http_ask *ask)
{
    const struct pk_wire_reply_format format = { .http = true };
    struct pk_wire_item *items = calloc(ask->count + 1, sizeof(*items));
    char *text = NULL;
    size_t size = 0;
    bool whole = items != NULL;
    for (size_t i = 0; whole && i < ask->count; i++) {
        items[i] = (struct pk_wire_item){ ask->answers[i].text, ask->answers[i].text_size };
        whole = items[i].text != NULL;
    }
    if (whole && pk_wire_batch_reply_encode(items, ask->count, 0, 0, &format, &text, &size) < 0)
        text = NULL;
    free(items);
    http_respond_json(connection, 200, "", text, size);
}

/* ---- figures ---- */

static void
answer_stats(struct http_connection *connection)
{
    const struct pk_host *host = connection->transport->host;
    struct pk_wire_reply_format format = { .http = true };
    struct pk_wire_figures *figures = pk_wire_figures_new();
    char *text = NULL;
    size_t size = 0;
    if (figures != NULL)
        host->stats(host->ctx, pk_wire_figures_add, figures);
    if (pk_wire_figures_encode(figures, &format, &text, &size) < 0)
        text = NULL;
    pk_wire_figures_free(figures);
    http_respond_json(connection, 200, "", text, size);
}

/* ---- asking ---- */

/* Why the request isn't for the peer, if it isn't. */
static int32_t
check_item(const struct pk_wire_request *request, struct pk_error *err)
{
    if (request->error.code != 0)
        return pk_fail(err, request->error.code, "%s", request->error.message);
    if ((request->request.flags & PK_REQUEST_BIND) != 0)
        return pk_fail(err, -EOPNOTSUPP, "bind: over HTTP a lease lives by its ttl_seconds");
    if (request->request.verb == PK_VERB_PUT)
        return pk_fail(err, -EOPNOTSUPP, "command: over HTTP it is PUT /objects/ID");
    return 0;
}

static void
ask_item(struct http_ask *ask, size_t index, const struct pk_wire_request *request)
{
    struct pk_error err = PK_ERROR_INIT;
    int32_t r = check_item(request, &err);
    if (r < 0) {
        http_ask_fail(ask, index, r, err.message);
        return;
    }
    struct pk_request asked = request->request;
    asked.inline_max = 0; /* bytes are GET's */
    asked.known_epoch = 0;
    http_ask_peer(ask, index, &asked);
}

static void
ask(struct http_connection *connection, const struct pk_wire_request *request)
{
    bool batch = request->request.verb == PK_WIRE_VERB_BATCH;
    struct http_ask *ask =
        http_ask_new(connection, batch ? request->item_count : 1, batch ? on_batch : on_single);
    if (ask == NULL) {
        http_respond_error(connection, -ENOMEM, "out of memory");
        return;
    }
    ask->batch = batch;
    ask->text = true;
    ask->paths = connection->local || connection->transport->options.paths;
    for (size_t i = 0; i < ask->count; i++)
        ask_item(ask, i, batch ? request->items[i] : request);
    http_ask_end(ask);
}

void
http_answer_verb(struct http_connection *connection)
{
    const struct http_exchange *exchange = &connection->exchange;
    struct pk_wire_request *request = NULL;
    struct pk_error err = PK_ERROR_INIT;
    /* No body at all says as much as an empty object. */
    const char *body = exchange->body_size > 0 ? exchange->body : "{}";
    size_t size = exchange->body_size > 0 ? exchange->body_size : 2;
    int32_t r = pk_wire_request_decode(body, size, exchange->target.verb, &request, &err);
    if (r < 0) {
        http_respond_error(connection, r, err.message);
        return;
    }
    for (uint32_t i = 0; i < request->release_count; i++)
        http_ask_release(connection, request->releases[i]);
    if (request->error.code != 0)
        http_respond_error(connection, request->error.code, request->error.message);
    else if (request->request.verb == PK_WIRE_VERB_STATS)
        answer_stats(connection);
    else
        ask(connection, request);
    pk_wire_request_free(request);
}

/* ---- GET /objects ---- */

static int32_t
read_number(const char *query, const char *name, uint64_t max, uint64_t *ret_number,
            struct pk_error *err)
{
    char text[24];
    int32_t r = http_query_get(query, name, text, sizeof(text), err);
    if (r == -ENOENT)
        return 0;
    size_t size = strlen(text);
    if (r < 0 || size == 0 || size > 19 || strspn(text, "0123456789") != size
        || strtoull(text, NULL, 10) > max || strtoull(text, NULL, 10) == 0)
        return pk_fail(err, -EINVAL, "%s: not a number from 1 to %llu", name,
                       (unsigned long long)max);
    *ret_number = strtoull(text, NULL, 10); /* 19 digits fit */
    return 0;
}

static int32_t
read_query(const char *query, char *prefix, struct pk_request *request, struct pk_error *err)
{
    uint64_t limit = 0;
    int32_t r = http_query_get(query, "prefix", prefix, PK_ID_MAX + 1, err);
    if (r < 0 && r != -ENOENT)
        return r;
    request->prefix = r == 0 ? prefix : NULL;
    r = read_number(query, "limit", PK_LIST_MAX, &limit, err);
    if (r == 0)
        r = read_number(query, "cursor", INT64_MAX, &request->cursor, err);
    request->limit = (uint32_t)limit;
    return r;
}

void
http_answer_list(struct http_connection *connection)
{
    char prefix[PK_ID_MAX + 1];
    struct pk_error err = PK_ERROR_INIT;
    struct pk_wire_request request = {
        .request = { .struct_size = (uint32_t)sizeof(request.request), .verb = PK_VERB_LIST },
    };
    int32_t r = read_query(connection->exchange.target.query, prefix, &request.request, &err);
    if (r < 0)
        http_respond_error(connection, r, err.message);
    else
        ask(connection, &request);
}
