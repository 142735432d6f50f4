/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a head to who answers it. Whatever can be refused is refused here or by whom it goes to,
 * before the body is asked for.
 */
#include "exchange.h"
#include "access.h"
#include "answer.h"
#include "connection.h"
#include "proof.h"
#include "response.h"
#include "transport_http.h"
#include <errno.h>
#include <packice/cleanup.h>
#include <string.h>
#include <strings.h>

#define COLLECT_STEP 4096U /* bytes that the room for JSON begins with */

/* ---- which methods a route has ---- */

struct http_method {
    enum http_route route;
    uint8_t method;
    enum http_sink sink;
    void (*begin)(struct http_connection *connection); /* NULL = when the body is there */
    void (*whole)(struct http_connection *connection);
};

static const struct http_method methods[] = {
    { HTTP_ROUTE_VERB, HTTP_POST, HTTP_SINK_COLLECT, NULL, http_answer_verb },
    { HTTP_ROUTE_LIST, HTTP_GET, HTTP_SINK_NOTHING, NULL, http_answer_list },
    { HTTP_ROUTE_LIST, HTTP_HEAD, HTTP_SINK_NOTHING, NULL, http_answer_list },
    { HTTP_ROUTE_BLOB, HTTP_GET, HTTP_SINK_NOTHING, NULL, http_answer_get },
    { HTTP_ROUTE_BLOB, HTTP_HEAD, HTTP_SINK_NOTHING, NULL, http_answer_get },
    { HTTP_ROUTE_BLOB, HTTP_PUT, HTTP_SINK_UPLOAD, http_put_begin_blob, http_put_whole },
    { HTTP_ROUTE_OBJECT, HTTP_PUT, HTTP_SINK_UPLOAD, http_put_begin_object, http_put_whole },
    { HTTP_ROUTE_HEALTH, HTTP_GET, HTTP_SINK_NOTHING, NULL, http_answer_health },
    { HTTP_ROUTE_HEALTH, HTTP_HEAD, HTTP_SINK_NOTHING, NULL, http_answer_health },
    { HTTP_ROUTE_METRICS, HTTP_GET, HTTP_SINK_NOTHING, NULL, http_answer_metrics },
    { HTTP_ROUTE_METRICS, HTTP_HEAD, HTTP_SINK_NOTHING, NULL, http_answer_metrics },
    { HTTP_ROUTE_OPENAPI, HTTP_GET, HTTP_SINK_NOTHING, NULL, http_answer_openapi },
    { HTTP_ROUTE_OPENAPI, HTTP_HEAD, HTTP_SINK_NOTHING, NULL, http_answer_openapi },
};

static const struct http_method *
find_method(enum http_route route, uint8_t method)
{
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
        if (methods[i].route == route && methods[i].method == method)
            return &methods[i];
    return NULL;
}

static void
refuse_method(struct http_connection *connection, enum http_route route)
{
    char allow[64] = "Allow: ";
    size_t size = strlen(allow);
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
        if (methods[i].route == route)
            size += (size_t)snprintf(allow + size, sizeof(allow) - size, "%s%s",
                                     allow[size - 1] == ' ' ? "" : ", ",
                                     llhttp_method_name(methods[i].method));
    (void)snprintf(allow + size, sizeof(allow) - size, "\r\n");
    http_respond_status(connection, 405, -EOPNOTSUPP, allow, "not a method for this path");
}

/* ---- the head ---- */

static uint64_t
length_max(const struct http_connection *connection, enum http_sink sink)
{
    const struct http_options *options = &connection->transport->options;
    return sink == HTTP_SINK_UPLOAD    ? options->max_body
           : sink == HTTP_SINK_COLLECT ? options->max_request
                                       : UINT64_MAX;
}

static int32_t
check_body(const struct http_connection *connection, const struct http_method *method,
           struct pk_error *err)
{
    const struct http_parser *parser = &connection->parser;
    uint64_t max = length_max(connection, method->sink);
    if (parser->length > max)
        return pk_fail(err, -EFBIG, "the body has %llu bytes, and %llu may come",
                       (unsigned long long)parser->length, (unsigned long long)max);
    return 0;
}

/* Whether the caller may, but for pages that anybody may see. */
static int32_t
let_in(struct http_connection *connection, struct pk_error *err)
{
    int32_t r = http_access_check_page(connection, err);
    if (r < 0 || connection->exchange.target.route == HTTP_ROUTE_HEALTH)
        return r;
    return http_access_check(connection, err);
}

static void
begin_method(struct http_connection *connection, const struct http_method *method)
{
    const struct http_parser *parser = &connection->parser;
    struct pk_error err = PK_ERROR_INIT;
    if (method->sink == HTTP_SINK_UPLOAD && !parser->has_length && !parser->chunked) {
        http_respond_status(connection, 411, -EINVAL, "",
                            "a body needs a Content-Length, or comes in chunks");
        return;
    }
    int32_t r = check_body(connection, method, &err);
    if (r < 0) {
        http_respond_error(connection, r, err.message);
        return;
    }
    connection->exchange.sink = method->sink;
    if (method->begin != NULL)
        method->begin(connection);
    else
        http_respond_continue(connection);
}

void
http_exchange_begin(struct http_connection *connection)
{
    struct http_exchange *exchange = &connection->exchange;
    const char *expect = connection->parser.fields[HTTP_EXPECT];
    struct pk_error err = PK_ERROR_INIT;
    struct pk_error why = PK_ERROR_INIT;
    http_count(&connection->transport->counters.requests, 1);
    http_proof_end(connection);
    int32_t parsed = http_target_parse(connection->parser.target, &exchange->target, &why);
    int32_t r = let_in(connection, &err);
    if (r == 0 && parsed < 0) /* what there is under a path is for callers alone */
        r = pk_fail(&err, parsed, "%s", why.message);
    if (r < 0) {
        http_respond_error(connection, r, err.message);
        return;
    }
    if (expect != NULL && strcasecmp(expect, "100-continue") != 0) {
        http_respond_status(connection, 417, -EOPNOTSUPP, "",
                            "Expect: 100-continue alone is known");
        return;
    }
    const struct http_method *method =
        find_method(exchange->target.route, connection->parser.method);
    if (method == NULL)
        refuse_method(connection, exchange->target.route);
    else
        begin_method(connection, method);
}

/* ---- the body ---- */

static int32_t
grow(struct http_exchange *exchange, size_t size)
{
    size_t room = exchange->body_room == 0 ? COLLECT_STEP : exchange->body_room;
    while (room - exchange->body_size <= size) /* and room for a NUL */
        room *= 2;
    if (room == exchange->body_room)
        return 0;
    char *body = realloc(exchange->body, room);
    if (body == NULL)
        return -ENOMEM;
    exchange->body = body;
    exchange->body_room = room;
    return 0;
}

static void
fail_body(struct http_connection *connection, int32_t code, const char *message)
{
    http_exchange_abort(connection);
    http_respond_error(connection, code, message);
}

void
http_exchange_body(void *arg, const char *data, size_t size)
{
    struct http_connection *connection = arg;
    struct http_exchange *exchange = &connection->exchange;
    exchange->received += size;
    if (exchange->sink == HTTP_SINK_NOTHING)
        return;
    if (exchange->received > length_max(connection, exchange->sink))
        fail_body(connection, -EFBIG, "the body is larger than may be");
    else if (exchange->sink == HTTP_SINK_COLLECT && grow(exchange, size) < 0)
        fail_body(connection, -ENOMEM, "out of memory");
    if (exchange->sink == HTTP_SINK_NOTHING)
        return;
    memcpy(exchange->body + exchange->body_size, data, size);
    exchange->body_size += size;
    if (exchange->sink == HTTP_SINK_COLLECT)
        exchange->body[exchange->body_size] = '\0';
}

size_t
http_exchange_room(const struct http_connection *connection)
{
    const struct http_exchange *exchange = &connection->exchange;
    if (connection->phase == HTTP_PHASE_BODY && exchange->sink == HTTP_SINK_UPLOAD)
        return exchange->body_room - exchange->body_size;
    return SIZE_MAX;
}

void
http_exchange_whole(struct http_connection *connection)
{
    const struct http_method *method =
        find_method(connection->exchange.target.route, connection->parser.method);
    method->whole(connection);
}

void
http_exchange_more(struct http_connection *connection)
{
    http_get_more(connection);
}

/* ---- the end ---- */

void
http_exchange_abort(struct http_connection *connection)
{
    struct http_exchange *exchange = &connection->exchange;
    bool began = exchange->lease_id[0] != '\0';
    if (began && (exchange->own || (exchange->discard && !exchange->responded)))
        http_ask_release(connection, exchange->lease_id);
    exchange->lease_id[0] = '\0';
}

void
http_exchange_end(struct http_connection *connection)
{
    http_exchange_abort(connection);
    http_exchange_finish(&connection->exchange);
    http_output_finish(&connection->output);
}

void
http_exchange_finish(struct http_exchange *exchange)
{
    free(exchange->body);
    memset(exchange, 0, sizeof(*exchange));
}
