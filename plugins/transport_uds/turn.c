/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection's turn: what it may do next. Limits stop the reading and nothing else: the socket
 * fills, the client waits, and no other connection notices.
 */
#include "connection.h"
#include "transport_uds.h"
#include <errno.h>
#include <packice/cleanup.h>
#include <poll.h>

#define UDS_BUDGET 64       /* steps in one turn, requests of a batch and replies among them */
#define UDS_STEP_SIZE 4096U /* bytes of a reply that count as a step */
#define UDS_FDS_SLOW 256U   /* descriptors waiting to be sent, above which no call starts */
#define UDS_RETRY_MS 10     /* until descriptors are tried again that may not fly yet */

/* ---- limits ---- */

static bool
may_start(struct uds_connection *connection)
{
    return connection->output.bytes < connection->transport->options.max_output
           && atomic_load(&connection->output.fds_held) < UDS_FDS_SLOW;
}

static bool
may_take(struct uds_connection *connection)
{
    const struct uds_options *options = &connection->transport->options;
    return may_start(connection) && !connection->deferred
           && connection->pending < options->max_pending && connection->cost < options->max_request
           && connection->passed < PK_WIRE_FDS_MAX;
}

static bool
has_held(const struct uds_connection *connection)
{
    return !connection->untagged && !STAILQ_EMPTY(&connection->held);
}

static bool
is_limited(struct uds_connection *connection)
{
    return has_held(connection) ? !may_start(connection) : !may_take(connection);
}

/* ---- output ---- */

static void
unblock(struct uds_connection *connection)
{
    connection->waits = false;
    (void)event_del(&connection->out);
    (void)event_del(&connection->retry);
    (void)event_del(&connection->timeout);
}

static void
block(struct uds_connection *connection, int32_t why, bool moved)
{
    struct timeval timeout = uds_transport_patience(connection->transport);
    struct timeval retry = { .tv_usec = UDS_RETRY_MS * 1000 };
    connection->blocked = true;
    connection->waits = true;
    int r = 0;
    if (moved || !evtimer_pending(&connection->timeout, NULL))
        r = evtimer_add(&connection->timeout, &timeout);
    if (r == 0)
        r = event_add(&connection->out, NULL);
    if (r == 0 && why == -EBUSY)
        r = evtimer_add(&connection->retry, &retry);
    if (r < 0)
        connection->gone = true;
}

static void
flush(struct uds_connection *connection)
{
    if (connection->blocked || STAILQ_EMPTY(&connection->output.replies))
        return;
    struct uds_counters *counters = &connection->transport->counters;
    struct uds_sent sent = { 0 };
    int32_t r = uds_output_send(&connection->output, &sent);
    uds_count(&counters->bytes_out, sent.bytes);
    uds_count(&counters->descriptors, sent.fds);
    uds_uncount(&counters->queued, sent.bytes);
    if (r == -EAGAIN || r == -EBUSY)
        block(connection, r, sent.bytes > 0);
    else if (r < 0)
        connection->gone = true;
    else if (connection->waits)
        unblock(connection);
}

/* Sends a reply whose bytes are there only now, unless more replies are sure to come with it. */
static void
send_borrowed(struct uds_connection *connection)
{
    if (connection->in_turn && uds_input_is_blank(&connection->input))
        flush(connection);
    if (uds_output_keep(&connection->output) == 0)
        return;
    connection->gone = true;
    connection->blocked = true; /* nothing is sent any more */
}

/* ---- calls ---- */

static void
start(struct uds_connection *connection, struct uds_call *call)
{
    connection->budget -= (int)(call->item_count + call->releases);
    if (call->tag == NULL)
        connection->untagged = true;
    uds_call_start(call);
}

/* An untagged call starts when the one before it was answered: so their answers are in order, and
 * each sees what those before it did. */
static void
submit(struct uds_connection *connection, struct uds_call *call, const char *text)
{
    connection->pending++;
    connection->cost += uds_call_cost(call);
    if (call->tag == NULL && (connection->untagged || !STAILQ_EMPTY(&connection->held))) {
        STAILQ_INSERT_TAIL(&connection->held, call, next);
        if (uds_call_fold(call, text) < 0)
            connection->gone = true;
        return;
    }
    start(connection, call);
}

static void
start_held(struct uds_connection *connection)
{
    struct uds_call *call = STAILQ_FIRST(&connection->held);
    STAILQ_REMOVE_HEAD(&connection->held, next);
    start(connection, call);
}

static void
queue_reply(struct uds_connection *connection, struct uds_reply *reply)
{
    struct uds_counters *counters = &connection->transport->counters;
    size_t size = uds_reply_size(reply);
    bool borrowed = reply->borrowed;
    uds_count(&counters->replies, 1);
    uds_count(&counters->queued, size);
    connection->budget -= (int)(size / UDS_STEP_SIZE);
    uds_output_append(&connection->output, reply);
    if (borrowed)
        send_borrowed(connection);
}

void
uds_connection_answer(struct uds_connection *connection, struct uds_call *call)
{
    connection->pending--;
    connection->cost -= uds_call_cost(call);
    if (call->tag == NULL)
        connection->untagged = false;
    if (connection->dead) {
        uds_call_drop(call); /* and with the last one the connection */
        return;
    }
    if (call->reply.text == NULL) {
        connection->gone = true; /* out of memory: not even an error can be told */
        uds_call_drop(call);
    } else {
        queue_reply(connection, uds_call_take_reply(call));
    }
    if (!connection->in_turn)
        uds_loop_enqueue(&connection->transport->loop, connection);
}

/* ---- input ---- */

void
uds_connection_end_input(struct uds_connection *connection)
{
    connection->ended = true;
    connection->readable = false;
}

/* What comes next can't be read. */
static void
close_input(struct uds_connection *connection)
{
    uds_connection_end_input(connection);
    uds_input_finish(&connection->input);
}

static void
break_input(struct uds_connection *connection, const struct pk_error *err)
{
    struct uds_call *call;
    bool binary = connection->input.frame.binary;
    close_input(connection);
    if (uds_call_new_error(connection, err, binary, &call) < 0)
        connection->gone = true;
    else
        submit(connection, call, NULL);
}

/* The bytes of the call that is filled have all come. `text` is what it was made of, if that is
 * still there. */
static void
submit_filled(struct uds_connection *connection, const char *text)
{
    struct uds_call *call = pk_steal(connection->filling);
    connection->filled = 0;
    submit(connection, call, text);
}

/* Takes the call's bytes as far as they are there. */
static void
fill(struct uds_connection *connection, const char *text)
{
    struct uds_call *call = connection->filling;
    connection->filled += uds_input_take(&connection->input, call->data + connection->filled,
                                         call->data_size - connection->filled);
    if (connection->filled == call->data_size)
        submit_filled(connection, text);
    else if (uds_call_fold(call, text) < 0)
        connection->gone = true;
}

static void
take(struct uds_connection *connection, const char *text, size_t size)
{
    struct uds_call *call;
    uds_count(&connection->transport->counters.requests, 1);
    if (uds_call_new(connection, text, size, &call) < 0) {
        connection->gone = true;
    } else if (call->data_size > 0) {
        connection->filling = call;
        fill(connection, text);
    } else {
        bool last = call->last;
        submit(connection, call, text);
        if (last)
            close_input(connection);
    }
}

static int32_t
receive_some(struct uds_connection *connection, struct uds_received *received)
{
    struct uds_call *call = connection->filling;
    if (call == NULL)
        return uds_input_receive(&connection->input, connection->transport->loop.received,
                                 connection->fd, received);
    return uds_input_receive_to(&connection->input, connection->fd, call->data + connection->filled,
                                call->data_size - connection->filled, received);
}

static void
receive(struct uds_connection *connection)
{
    struct uds_received received = { 0 };
    int32_t r = receive_some(connection, &received);
    if (r == -EBUSY) {
        uds_connection_defer(connection);
        return;
    }
    if (r < 0) {
        connection->readable = false;
        connection->gone = connection->gone || r != -EAGAIN;
        return;
    }
    uds_count(&connection->transport->counters.bytes_in, received.size);
    if (received.size == 0)
        uds_connection_end_input(connection);
    connection->unsure = received.size > 0 && received.drained && !connection->hung_up;
    if (connection->unsure)
        connection->readable = false;
    if (connection->filling == NULL)
        return;
    connection->filled += received.size;
    if (connection->filled == connection->filling->data_size)
        submit_filled(connection, NULL);
}

/* Takes the next request, if there is one. */
static bool
take_next(struct uds_connection *connection)
{
    const char *text;
    size_t size;
    struct pk_error err;
    pk_error_init(&err);
    int32_t r = uds_input_next(&connection->input, connection->transport->options.max_request,
                               &text, &size, &err);
    if (r > 0)
        take(connection, text, size);
    else if (r < 0)
        break_input(connection, &err);
    return r != 0;
}

/* A client that left replies unread hangs up with an error, which the loop tells as no more than
 * something to read (EPOLLERR, epoll_ctl(2)): so where nothing will be sent at once, which would
 * find it out, the socket is read until it is empty. */
static bool
may_have_hung_up(const struct uds_connection *connection)
{
    bool waits = connection->pending > 0 || connection->filling != NULL
                 || connection->input.begin != connection->input.end;
    return connection->unsure && waits && !connection->ended;
}

/* One step; false: there is nothing more to do now. */
static bool
step(struct uds_connection *connection)
{
    connection->stalled = is_limited(connection);
    if (connection->stalled)
        return false;
    if (has_held(connection)) {
        start_held(connection);
        return true;
    }
    bool any = connection->filling == NULL && !uds_input_is_empty(&connection->input);
    if (any && take_next(connection))
        return true;
    if (!connection->readable && !may_have_hung_up(connection))
        return false;
    connection->unsure = false;
    receive(connection);
    return true;
}

/* ---- the turn ---- */

/* Finds out whether the client has closed its socket, or both directions of it, when nobody reads
 * up to where it did. */
static void
look(struct uds_connection *connection)
{
    if (!connection->stalled && !connection->ended)
        return;
    struct pollfd entry = { .fd = connection->fd };
    if (poll(&entry, 1, 0) > 0 && (entry.revents & (POLLHUP | POLLERR)) != 0)
        connection->gone = true;
}

static void
watch_descriptors(struct uds_connection *connection)
{
    uint64_t since;
    if (uds_input_waits(&connection->input, &since) && !connection->impatient)
        uds_connection_grow_impatient(connection, since);
}

static bool
is_done(struct uds_connection *connection)
{
    return connection->gone
           || (connection->ended && !connection->stalled && connection->pending == 0
               && STAILQ_EMPTY(&connection->output.replies));
}

/* A client that takes no answers any more is gone, but what it had sent is done: whether there may
 * be more of that. */
static bool
reads_on(struct uds_connection *connection)
{
    if (!connection->gone || connection->hung_up || connection->ended)
        return false;
    connection->hung_up = true;
    connection->readable = true;
    return !connection->stalled;
}

void
uds_connection_turn(struct uds_connection *connection)
{
    bool more = true;
    uds_count(&connection->transport->counters.turns, 1);
    connection->in_turn = true;
    for (connection->budget = UDS_BUDGET; connection->budget > 0 && more; connection->budget--)
        more = step(connection);
    connection->in_turn = false;
    if (uds_input_keep(&connection->input) < 0) {
        close_input(connection);
        connection->gone = true;
    }
    connection->transport->loop.spent += UDS_BUDGET - connection->budget;
    look(connection);
    watch_descriptors(connection);
    flush(connection);
    if (more || reads_on(connection) || (connection->stalled && !is_limited(connection)))
        uds_loop_enqueue(&connection->transport->loop, connection);
    else if (is_done(connection))
        uds_connection_close(connection);
}
