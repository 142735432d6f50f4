/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The heads of responses. What goes into one comes from here and from other parts of this folder,
 * never from a client.
 */
#include "response.h"
#include "connection.h"
#include "transport_http.h"
#include <errno.h>
#include <packice/cleanup.h>
#include <string.h>
#include <time.h>

#define HTTP_SKIP_MAX 65536U /* bytes of an unwanted body that are read to keep the connection */
#define HTTP_HEAD_ROOM 1024U

static const struct {
    unsigned status;
    const char *reason;
} reasons[] = {
    { 200, "OK" },
    { 201, "Created" },
    { 206, "Partial Content" },
    { 304, "Not Modified" },
    { 307, "Temporary Redirect" },
    { 400, "Bad Request" },
    { 401, "Unauthorized" },
    { 403, "Forbidden" },
    { 404, "Not Found" },
    { 405, "Method Not Allowed" },
    { 408, "Request Timeout" },
    { 409, "Conflict" },
    { 411, "Length Required" },
    { 413, "Content Too Large" },
    { 416, "Range Not Satisfiable" },
    { 417, "Expectation Failed" },
    { 431, "Request Header Fields Too Large" },
    { 500, "Internal Server Error" },
    { 501, "Not Implemented" },
    { 503, "Service Unavailable" },
    { 505, "HTTP Version Not Supported" },
    { 507, "Insufficient Storage" },
};

static const char *
reason_of(unsigned status)
{
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "Error";
}

unsigned
http_status_of(int32_t code)
{
    switch (code) {
    case 0:
        return 200;
    case -EINVAL:
        return 400;
    case -EKEYREJECTED:
        return 401;
    case -EACCES:
        return 403;
    case -ENOENT:
    case -ESTALE:
        return 404;
    case -ETIMEDOUT:
        return 408;
    case -EEXIST:
    case -EAGAIN:
    case -EBUSY:
        return 409;
    case -EFBIG:
        return 413;
    case -EOPNOTSUPP:
        return 501;
    case -ENOSPC:
        return 507;
    default:
        return 500;
    }
}

/* ---- what comes before the body ---- */

/* Whether the rest of the body is too much to be read for nothing. */
static bool
must_close(const struct http_connection *connection)
{
    const struct http_parser *parser = &connection->parser;
    if (!parser->head_done || !parser->keep_alive || connection->transport->stopping)
        return true;
    if (parser->body_done)
        return false;
    return parser->chunked || parser->fields[HTTP_EXPECT] != NULL
           || parser->length - connection->exchange.received > HTTP_SKIP_MAX;
}

static size_t
format_date(char *text, size_t room)
{
    time_t seconds = time(NULL);
    struct tm utc;
    return strftime(text, room, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&seconds, &utc));
}

void
http_respond_head(struct http_connection *connection, unsigned status, const char *type,
                  const char *headers, uint64_t length)
{
    struct http_exchange *exchange = &connection->exchange;
    char date[40] = "";
    char size_text[48] = "";
    size_t room = HTTP_HEAD_ROOM + strlen(headers);
    char *text = malloc(room);
    exchange->responded = true;
    exchange->sink = HTTP_SINK_NOTHING;
    exchange->held = false;
    exchange->close = exchange->close || must_close(connection);
    if (text == NULL) {
        connection->gone = true;
        return;
    }
    if (status >= 400)
        http_count(&connection->transport->counters.failures, 1);
    (void)format_date(date, sizeof(date));
    if (status != 304)
        (void)snprintf(size_text, sizeof(size_text), "Content-Length: %llu\r\n",
                       (unsigned long long)length);
    int size = snprintf(text, room, "HTTP/1.1 %u %s\r\nDate: %s\r\n%s%s%s%s%s%s\r\n", status,
                        reason_of(status), date, type != NULL ? "Content-Type: " : "",
                        type != NULL ? type : "", type != NULL ? "\r\n" : "", size_text, headers,
                        exchange->close ? "Connection: close\r\n" : "Connection: keep-alive\r\n");
    if (http_output_put(&connection->output, text, (size_t)size) < 0)
        connection->gone = true;
    http_connection_wait(connection, connection->transport->options.write_timeout);
}

void
http_respond(struct http_connection *connection, unsigned status, const char *type,
             const char *headers, char *text, size_t size)
{
    if (text == NULL) {
        connection->gone = true; /* out of memory: not even an error can be told */
        return;
    }
    http_respond_head(connection, status, type, headers, size);
    if (connection->gone || connection->parser.method == HTTP_HEAD)
        free(text);
    else if (http_output_put(&connection->output, text, size) < 0)
        connection->gone = true;
}

void
http_respond_json(struct http_connection *connection, unsigned status, const char *headers,
                  char *text, size_t size)
{
    if (text != NULL)
        text[size++] = '\n';
    http_respond(connection, status, "application/json", headers, text, size);
}

void
http_respond_status(struct http_connection *connection, unsigned status, int32_t code,
                    const char *headers, const char *message)
{
    struct pk_wire_reply_format format = { .http = true };
    char *text = NULL;
    size_t size = 0;
    if (pk_wire_error_encode(code, message, &format, &text, &size) < 0)
        text = NULL;
    http_respond_json(connection, status, headers, text, size);
}

void
http_respond_error(struct http_connection *connection, int32_t code, const char *message)
{
    unsigned status = http_status_of(code);
    const char *headers = status == 401 ? "WWW-Authenticate: Bearer realm=\"packice\"\r\n" : "";
    http_respond_status(connection, status, code, headers, message);
}

/* HTTP/1.0 has no answers before the answer, and its clients would take this one for it. */
void
http_respond_continue(struct http_connection *connection)
{
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    if (connection->parser.fields[HTTP_EXPECT] == NULL || connection->parser.state.http_minor == 0
        || connection->exchange.received > 0 || connection->begin < connection->end)
        return;
    char *copy = strdup(text);
    if (copy == NULL || http_output_put(&connection->output, copy, sizeof(text) - 1) < 0)
        connection->gone = true;
}
