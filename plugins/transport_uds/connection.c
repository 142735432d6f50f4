/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening and closing, and what the kernel tells of the socket. Its events are edge-triggered:
 * a client that half closed, or that is not read for a while, would wake the loop for ever.
 */
#include "connection.h"
#include "transport_uds.h"
#include <packice/cleanup.h>
#include <sys/socket.h>

#define UDS_LINGER_MS 50 /* until it is looked at again whether descriptors are still in flight */
#define UDS_DEFER_MS 10  /* until it is tried again to receive */

static void
on_in(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    struct uds_connection *connection = arg;
    connection->readable = !connection->ended;
    connection->hung_up = connection->hung_up || (what & EV_CLOSED) != 0;
    uds_loop_enqueue(&connection->transport->loop, connection);
    uds_loop_settle(&connection->transport->loop);
}

static void
on_out(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct uds_connection *connection = arg;
    connection->blocked = false;
    uds_loop_enqueue(&connection->transport->loop, connection);
    uds_loop_settle(&connection->transport->loop);
}

void
uds_connection_defer(struct uds_connection *connection)
{
    struct timeval time = { .tv_usec = UDS_DEFER_MS * 1000 };
    connection->deferred = true;
    if (evtimer_add(&connection->later, &time) < 0)
        connection->gone = true;
}

static void
disconnect(struct uds_connection *connection, const char *why)
{
    struct uds_transport *transport = connection->transport;
    uds_count(&transport->counters.dropped, 1);
    pk_host_log(transport->host, PK_LOG_INFO, "disconnected a client that %s: %s", why,
                transport->options.path);
    uds_connection_close(connection);
    uds_loop_settle(&transport->loop);
}

static void
on_patience(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct uds_connection *connection = arg;
    uint64_t since;
    connection->impatient = false;
    if (!uds_input_waits(&connection->input, &since))
        return;
    if (since != connection->waits_since || connection->stalled)
        uds_connection_grow_impatient(connection, since);
    else
        disconnect(connection, "does not ask for what it passed");
}

void
uds_connection_grow_impatient(struct uds_connection *connection, uint64_t since)
{
    struct timeval time = uds_transport_patience(connection->transport);
    if (connection->patience == NULL)
        connection->patience =
            evtimer_new(connection->transport->loop.base, on_patience, connection);
    connection->waits_since = since;
    connection->impatient =
        connection->patience != NULL && evtimer_add(connection->patience, &time) == 0;
    connection->gone = connection->gone || !connection->impatient;
}

static void
on_timeout(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct uds_connection *connection = arg;
    struct uds_transport *transport = connection->transport;
    if (!uds_flight_unread(connection->fd)) {
        connection->blocked = false; /* it has read all: others have what it waits for */
        uds_loop_enqueue(&transport->loop, connection);
        uds_loop_settle(&transport->loop);
        return;
    }
    disconnect(connection, "does not read");
}

static int32_t
start_lingering(struct uds_connection *connection)
{
    struct timeval time = { .tv_usec = UDS_LINGER_MS * 1000 };
    return evtimer_add(&connection->later, &time);
}

/* Whether it leaves nothing behind that others would have to answer for. */
static bool
may_release(struct uds_connection *connection)
{
    struct uds_output *output = &connection->output;
    return uds_flight_is_over(output->flights, &output->flight)
           && uds_passer_is_idle(&connection->input.passer)
           && uds_closer_may_hang_up(connection->transport->passed.closer, connection->fd);
}

static void
linger_on(struct uds_connection *connection)
{
    if (may_release(connection) || start_lingering(connection) < 0)
        uds_connection_release(connection);
}

static void
on_later(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct uds_connection *connection = arg;
    struct uds_loop *loop = &connection->transport->loop;
    if (connection->dead) {
        linger_on(connection);
        return;
    }
    connection->deferred = false;
    uds_loop_enqueue(loop, connection);
    uds_loop_settle(loop);
}

static int32_t
open_session(struct uds_connection *connection, struct pk_error *err)
{
    struct ucred peer;
    socklen_t size = sizeof(peer);
    int yes = 1;
    /* Or the kernel would drop a byte that is out of band, and close what came with it. */
    if (setsockopt(connection->fd, SOL_SOCKET, SO_OOBINLINE, &yes, sizeof(yes)) < 0)
        return pk_fail(err, -errno, "can't have all bytes in their order");
    if (getsockopt(connection->fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
        return pk_fail(err, -errno, "can't tell who connects");
    struct pk_principal principal = {
        .struct_size = (uint32_t)sizeof(principal),
        .kind = PK_PRINCIPAL_UNIX,
        .uid = peer.uid,
        .gid = peer.gid,
        .pid = peer.pid > 0 ? (uint32_t)peer.pid : 0,
    };
    const struct pk_host *host = connection->transport->host;
    return host->session_open(host->ctx, &principal, &connection->session, err);
}

static void
assign_events(struct uds_connection *connection)
{
    struct event_base *base = connection->transport->loop.base;
    (void)event_assign(&connection->in, base, connection->fd,
                       EV_READ | EV_CLOSED | EV_ET | EV_PERSIST, on_in, connection);
    (void)event_assign(&connection->out, base, connection->fd, EV_WRITE | EV_ET | EV_PERSIST,
                       on_out, connection);
    (void)evtimer_assign(&connection->timeout, base, on_timeout, connection);
    (void)evtimer_assign(&connection->retry, base, on_out, connection);
    (void)evtimer_assign(&connection->later, base, on_later, connection);
}

int32_t
uds_connection_open(struct uds_transport *transport, int fd, struct pk_error *err)
{
    pk_autofree struct uds_connection *connection = calloc(1, sizeof(*connection));
    if (connection == NULL)
        return pk_fail(err, -ENOMEM, "out of memory");
    connection->transport = transport;
    connection->fd = fd;
    connection->refs = 1;
    STAILQ_INIT(&connection->held);
    uds_input_init(&connection->input, &transport->passed);
    uds_output_init(&connection->output, &transport->flights, fd);
    assign_events(connection);
    if (event_add(&connection->in, NULL) < 0)
        return pk_fail(err, -ENOMEM, "out of memory");
    int32_t r = open_session(connection, err);
    if (r < 0) {
        (void)event_del(&connection->in);
        return r;
    }
    uds_count(&transport->counters.clients, 1);
    TAILQ_INSERT_TAIL(&transport->connections, connection, link);
    (void)pk_steal(connection);
    return 0;
}

void
uds_connection_unref(struct uds_connection *connection)
{
    if (--connection->refs == 0)
        free(connection);
}

static void
drop_held(struct uds_connection *connection)
{
    while (!STAILQ_EMPTY(&connection->held)) {
        struct uds_call *call = STAILQ_FIRST(&connection->held);
        STAILQ_REMOVE_HEAD(&connection->held, next);
        uds_call_drop(call);
    }
}

/* Lets go of what it received and what it was to be sent, while its leases still hold the storage
 * of that; decides whether it lingers, now that nothing comes in any more. */
static void
finish_socket(struct uds_connection *connection)
{
    struct uds_transport *transport = connection->transport;
    uds_uncount(&transport->counters.queued, connection->output.bytes);
    drop_held(connection);
    if (connection->filling != NULL)
        uds_call_drop(pk_steal(connection->filling));
    uds_output_finish(&connection->output);
    uds_input_finish(&connection->input);
    (void)shutdown(connection->fd, SHUT_RD);
    connection->lingers = !may_release(connection);
    if (!connection->lingers)
        uds_uncount(&transport->counters.clients, 1);
}

/* Either way the client reads what was sent, and then the end. */
static void
linger(struct uds_connection *connection)
{
    TAILQ_INSERT_TAIL(&connection->transport->lingering, connection, link);
    if (!connection->lingers || start_lingering(connection) < 0)
        uds_connection_release(connection);
    else
        (void)shutdown(connection->fd, SHUT_RDWR);
}

void
uds_connection_release(struct uds_connection *connection)
{
    struct uds_transport *transport = connection->transport;
    TAILQ_REMOVE(&transport->lingering, connection, link);
    (void)event_del(&connection->later);
    uds_flight_forget(&transport->flights, &connection->output.flight);
    if (connection->lingers)
        uds_uncount(&transport->counters.clients, 1);
    uds_closer_hang_up(transport->passed.closer, pk_steal(connection->input.passer.closing),
                       pk_steal_fd(connection->fd));
    uds_connection_unref(connection);
}

void
uds_connection_close(struct uds_connection *connection)
{
    struct uds_transport *transport = connection->transport;
    const struct pk_host *host = transport->host;
    connection->dead = true;
    uds_loop_dequeue(&transport->loop, connection);
    TAILQ_REMOVE(&transport->connections, connection, link);
    (void)event_del(&connection->in);
    (void)event_del(&connection->out);
    (void)event_del(&connection->timeout);
    (void)event_del(&connection->retry);
    (void)event_del(&connection->later);
    if (connection->patience != NULL)
        event_free(pk_steal(connection->patience));
    finish_socket(connection);
    host->session_close(host->ctx, pk_steal(connection->session));
    linger(connection);
    if (transport->stopping && TAILQ_EMPTY(&transport->connections))
        (void)event_base_loopbreak(transport->loop.base);
}
