/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening and closing, the clock, and what the kernel tells of the socket. Its events are
 * edge-triggered and always there: a client that half closed would wake the loop for ever, and TLS
 * may want either direction.
 */
#include "connection.h"
#include "proof.h"
#include "transport_http.h"
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/x509.h>
#include <packice/cleanup.h>
#include <string.h>

static uint64_t
now(const struct http_connection *connection)
{
    const struct pk_host *host = connection->transport->host;
    return host->now(host->ctx);
}

/* ---- the clock ---- */

static void
arm(struct http_connection *connection, uint64_t left)
{
    struct timeval time = {
        .tv_sec = (time_t)(left / 1000000000U),
        .tv_usec = (suseconds_t)(left % 1000000000U / 1000U),
    };
    if (evtimer_add(&connection->timer, &time) < 0)
        connection->gone = true; /* rather than to wait for ever */
}

void
http_connection_wait(struct http_connection *connection, uint64_t patience)
{
    connection->patience = patience;
    connection->since = now(connection);
    if (patience == 0)
        (void)event_del(&connection->timer);
    else
        arm(connection, patience);
}

void
http_connection_moved(struct http_connection *connection)
{
    connection->since = now(connection);
}

/* The timer is not moved with each byte: what happened meanwhile is asked when it goes off. */
static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct http_connection *connection = arg;
    uint64_t passed = now(connection) - connection->since;
    if (connection->patience == 0)
        return;
    if (passed < connection->patience)
        arm(connection, connection->patience - passed);
    else
        http_connection_timeout(connection);
    http_loop_enqueue(&connection->transport->loop, connection);
    http_loop_settle(&connection->transport->loop);
}

/* ---- the socket ---- */

static void
on_in(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct http_connection *connection = arg;
    connection->readable = true;
    connection->writable = connection->writable || connection->socket.ssl != NULL;
    http_loop_enqueue(&connection->transport->loop, connection);
    http_loop_settle(&connection->transport->loop);
}

static void
on_out(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct http_connection *connection = arg;
    connection->writable = true;
    connection->readable = connection->readable || connection->socket.ssl != NULL;
    http_loop_enqueue(&connection->transport->loop, connection);
    http_loop_settle(&connection->transport->loop);
}

static int32_t
add_events(struct http_connection *connection)
{
    struct event_base *base = connection->transport->loop.base;
    int fd = connection->socket.fd;
    (void)event_assign(&connection->in, base, fd, EV_READ | EV_ET | EV_PERSIST, on_in, connection);
    (void)event_assign(&connection->out, base, fd, EV_WRITE | EV_ET | EV_PERSIST, on_out,
                       connection);
    (void)evtimer_assign(&connection->timer, base, on_timer, connection);
    if (event_add(&connection->in, NULL) < 0)
        return -ENOMEM;
    if (event_add(&connection->out, NULL) < 0) {
        (void)event_del(&connection->in);
        return -ENOMEM;
    }
    return 0;
}

/* ---- life ---- */

static int32_t
make_ssl(struct http_transport *transport, int fd, SSL **ret_ssl)
{
    struct http_secrets *secrets = http_transport_secrets(transport);
    int32_t r = 0;
    if (secrets->tls != NULL) {
        SSL *ssl = SSL_new(secrets->tls);
        if (ssl == NULL || SSL_set_fd(ssl, fd) != 1) {
            SSL_free(ssl);
            r = -ENOMEM;
        } else {
            SSL_set_accept_state(ssl);
            *ret_ssl = ssl;
        }
    }
    http_secrets_unref(secrets);
    return r;
}

int32_t
http_connection_open(struct http_transport *transport, int fd, bool local, struct pk_error *err)
{
    int one = 1;
    SSL *ssl = NULL;
    pk_autofree struct http_connection *connection = calloc(1, sizeof(*connection));
    if (connection == NULL || make_ssl(transport, fd, &ssl) < 0)
        return pk_fail(err, -ENOMEM, "out of memory");
    connection->transport = transport;
    connection->refs = 1;
    connection->local = local;
    connection->proof = -1;
    http_socket_init(&connection->socket, fd, ssl);
    http_parser_init(&connection->parser, transport->options.max_header, http_exchange_body,
                     connection);
    http_output_init(&connection->output);
    if (add_events(connection) < 0) {
        SSL_free(ssl);
        return pk_fail(err, -ENOMEM, "out of memory");
    }
    /* An answer is written as a whole; both are for better and not needed. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
    http_count(&transport->counters.clients, 1);
    TAILQ_INSERT_TAIL(&transport->connections, connection, link);
    http_connection_wait(connection, transport->options.header_timeout);
    (void)pk_steal(connection);
    return 0;
}

void
http_connection_unref(struct http_connection *connection)
{
    if (--connection->refs > 0)
        return;
    http_exchange_finish(&connection->exchange);
    free(connection);
}

/* What asks under way still need, the exchange's memory, goes with the last of them. */
void
http_connection_close(struct http_connection *connection)
{
    struct http_transport *transport = connection->transport;
    const struct pk_host *host = transport->host;
    http_exchange_abort(connection);
    http_proof_end(connection);
    connection->dead = true;
    http_uncount(&transport->counters.clients, 1);
    http_loop_dequeue(&transport->loop, connection);
    TAILQ_REMOVE(&transport->connections, connection, link);
    (void)event_del(&connection->in);
    (void)event_del(&connection->out);
    (void)event_del(&connection->timer);
    if (connection->session != NULL)
        host->session_close(host->ctx, pk_steal(connection->session));
    http_output_finish(&connection->output);
    http_parser_finish(&connection->parser);
    free(pk_steal(connection->input));
    http_socket_finish(&connection->socket);
    http_connection_unref(connection);
    if (transport->stopping && TAILQ_EMPTY(&transport->connections))
        (void)event_base_loopbreak(transport->loop.base);
}
