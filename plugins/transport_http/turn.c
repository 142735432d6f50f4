/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection's turn: what it may do next. Nothing is read that there is no room for: the socket
 * fills, the client waits, and no other connection notices.
 */
#include "answer.h"
#include "connection.h"
#include "response.h"
#include "transport_http.h"
#include <errno.h>
#include <packice/cleanup.h>
#include <poll.h>
#include <string.h>

#define HTTP_BUDGET 32               /* steps in one turn */
#define HTTP_PROGRESS 4096U          /* bytes of a body, for which the client gets its time anew */
#define HTTP_LINGER_TIME 2000000000U /* nanoseconds */

/* ---- the end of a connection ---- */

/* A close while bytes of the client are unread would reset the connection, and the client might
 * never see the response: so all that it sends is read, for a while. */
static void
linger(struct http_connection *connection)
{
    http_socket_end(&connection->socket);
    connection->phase = HTTP_PHASE_LINGER;
    connection->begin = connection->end;
    http_connection_wait(connection, HTTP_LINGER_TIME);
    if (connection->ended)
        connection->gone = true;
}

static void
end_exchange(struct http_connection *connection)
{
    bool close = connection->exchange.close || connection->transport->stopping;
    http_exchange_end(connection);
    if (close) {
        linger(connection);
        return;
    }
    http_parser_next(&connection->parser);
    connection->phase = HTTP_PHASE_HEAD;
    http_connection_wait(connection, connection->begin < connection->end
                                         ? connection->transport->options.header_timeout
                                         : connection->transport->options.idle_timeout);
}

/* Says what is wrong, if that can still be said, and ends the connection. */
static void
give_up(struct http_connection *connection, unsigned status, int32_t code, const char *why)
{
    if (connection->exchange.responded) {
        connection->gone = true;
        return;
    }
    http_exchange_abort(connection);
    connection->exchange.close = true;
    connection->phase = HTTP_PHASE_ANSWER;
    http_respond_status(connection, status, code, "", why);
}

void
http_connection_timeout(struct http_connection *connection)
{
    struct http_transport *transport = connection->transport;
    bool idle = connection->phase == HTTP_PHASE_HEAD && !http_parser_began(&connection->parser);
    bool waits = connection->phase == HTTP_PHASE_ANSWER && !connection->exchange.responded;
    if (connection->asked > 0 && !waits) {
        http_connection_wait(connection, connection->patience); /* it is not the client's fault */
        return;
    }
    if (!idle && connection->phase != HTTP_PHASE_LINGER)
        http_count(&transport->counters.dropped, 1);
    if (idle || connection->phase == HTTP_PHASE_LINGER || connection->phase == HTTP_PHASE_ANSWER)
        connection->gone = true;
    else
        give_up(connection, 408, -ETIMEDOUT, "the request took too long to arrive");
}

/* ---- input ---- */

static void
end_input(struct http_connection *connection)
{
    connection->ended = true;
    connection->readable = false;
    if (connection->phase == HTTP_PHASE_BODY)
        give_up(connection, 400, -EINVAL, "the body ended early");
    else if (connection->phase != HTTP_PHASE_ANSWER)
        connection->gone = true;
}

static bool
receive(struct http_connection *connection)
{
    if (!connection->readable || connection->ended)
        return false;
    if (connection->input == NULL) {
        connection->input = malloc(HTTP_INPUT_ROOM);
        connection->gone = connection->input == NULL;
        if (connection->gone)
            return false;
    }
    ssize_t got = http_socket_read(&connection->socket, connection->input, HTTP_INPUT_ROOM);
    connection->begin = 0;
    connection->end = got > 0 ? (size_t)got : 0;
    if (got > 0) {
        http_count(&connection->transport->counters.bytes_in, (uint64_t)got);
    } else if (got == 0) {
        end_input(connection);
    } else {
        connection->readable = false;
        connection->gone = connection->gone || got != -EAGAIN;
    }
    return got >= 0;
}

static void
took(struct http_connection *connection)
{
    struct http_exchange *exchange = &connection->exchange;
    if (connection->phase == HTTP_PHASE_HEAD && connection->parser.head_done) {
        connection->phase = HTTP_PHASE_BODY;
        http_connection_wait(connection, connection->transport->options.body_timeout);
        http_exchange_begin(connection);
    } else if (connection->phase == HTTP_PHASE_BODY
               && exchange->received - exchange->counted >= HTTP_PROGRESS) {
        exchange->counted = exchange->received;
        http_connection_moved(connection);
    }
    if (connection->phase == HTTP_PHASE_BODY && connection->parser.body_done) {
        connection->phase = HTTP_PHASE_ANSWER;
        if (!exchange->responded) {
            http_connection_wait(connection, 0);
            http_exchange_whole(connection);
        }
    }
}

/* Gives the parser what has come, as much as there is room for. */
static void
feed(struct http_connection *connection, size_t room)
{
    size_t size = connection->end - connection->begin;
    size_t used = 0;
    bool began = http_parser_began(&connection->parser);
    int32_t r = http_parser_feed(&connection->parser, connection->input + connection->begin,
                                 size < room ? size : room, &used);
    connection->begin += used;
    if (!began && connection->phase == HTTP_PHASE_HEAD)
        http_connection_wait(connection, connection->transport->options.header_timeout);
    if (r == -EPROTO)
        give_up(connection, connection->parser.status,
                connection->parser.status == 431   ? -EFBIG
                : connection->parser.status >= 500 ? -EOPNOTSUPP
                                                   : -EINVAL,
                connection->parser.why);
    else if (r < 0)
        connection->gone = true;
    else
        took(connection);
}

static bool
read_more(struct http_connection *connection)
{
    size_t room = http_exchange_room(connection);
    if (room == 0) {
        http_put_flush(connection);
        return true;
    }
    /* An empty body ends with its head, and a message that was paused goes on without a byte. */
    bool paused = connection->phase == HTTP_PHASE_BODY && !connection->parser.chunked
                  && connection->parser.length == 0;
    if (connection->begin == connection->end && !paused)
        return receive(connection);
    feed(connection, room);
    return true;
}

static bool
throw_away(struct http_connection *connection)
{
    if (!receive(connection))
        return false;
    connection->begin = connection->end;
    return true;
}

/* ---- output ---- */

static bool
send_more(struct http_connection *connection)
{
    if (!connection->writable)
        return false;
    ssize_t sent = http_output_send(&connection->output, &connection->socket);
    if (sent == -EAGAIN) {
        connection->writable = false;
        return false;
    }
    if (sent < 0) {
        connection->gone = true;
        return false;
    }
    http_count(&connection->transport->counters.bytes_out, (uint64_t)sent);
    http_connection_moved(connection);
    return true;
}

/* ---- the turn ---- */

/* One step; false: there is nothing more to do now. */
static bool
step(struct http_connection *connection)
{
    const struct http_exchange *exchange = &connection->exchange;
    if (connection->gone)
        return false;
    if (http_output_pending(&connection->output))
        return send_more(connection);
    if (connection->phase == HTTP_PHASE_LINGER)
        return throw_away(connection);
    if (connection->asked > 0)
        return false;
    if (exchange->responded && connection->output.left > 0) {
        http_exchange_more(connection);
        return true;
    }
    if (exchange->responded && (exchange->close || connection->phase == HTTP_PHASE_ANSWER)) {
        end_exchange(connection);
        return true;
    }
    if (connection->phase == HTTP_PHASE_ANSWER)
        return false;
    return read_more(connection);
}

/* Finds out whether the client has closed its socket while nobody reads up to where it did. One
 * that closed its own direction alone looks like one that is gone until it is written to: it may
 * wait on, but not for ever. */
static void
look(struct http_connection *connection)
{
    struct pollfd entry = { .fd = connection->socket.fd, .events = POLLRDHUP };
    if (poll(&entry, 1, 0) <= 0)
        return;
    if ((entry.revents & (POLLHUP | POLLERR)) != 0)
        connection->gone = true;
    else if (connection->phase == HTTP_PHASE_ANSWER && connection->patience == 0)
        http_connection_wait(connection, connection->transport->options.body_timeout);
}

static bool
may_end(const struct http_connection *connection)
{
    bool idle = connection->phase == HTTP_PHASE_HEAD && !http_parser_began(&connection->parser)
                && connection->begin == connection->end;
    return connection->transport->stopping && idle;
}

void
http_connection_turn(struct http_connection *connection)
{
    bool more = true;
    int budget = HTTP_BUDGET;
    for (; budget > 0 && more; budget--)
        more = step(connection);
    connection->transport->loop.spent += HTTP_BUDGET - budget;
    if (!more && !connection->gone && connection->asked > 0)
        look(connection);
    if (connection->gone || may_end(connection))
        http_connection_close(connection);
    else if (more)
        http_loop_enqueue(&connection->transport->loop, connection);
}
