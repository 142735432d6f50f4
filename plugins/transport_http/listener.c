/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client that can't be served is told so at once, without a word of what it wants being read.
 * When not even a descriptor is left for that, accepting pauses: the socket stays readable, and the
 * loop would spin.
 */
#include "listener.h"
#include "connection.h"
#include "transport_http.h"
#include <fcntl.h>
#include <packice/cleanup.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#define HTTP_ACCEPT_BUDGET 64 /* clients, before others get a turn */
#define HTTP_PAUSE_MS 100
#define HTTP_REFUSED_READS 64 /* of 256 bytes, from a client that is turned away */
#define HTTP_LAST_FDS 128U    /* kept for who is connected already */

/* Under TLS there is nothing that could be said before the handshake. */
static void
refuse(struct http_transport *transport, int fd, const char *why)
{
    char text[256];
    http_count(&transport->counters.refused, 1);
    int size = snprintf(text, sizeof(text),
                        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n"
                        "Retry-After: 1\r\nConnection: close\r\n\r\n"
                        "{\"status\":\"error\",\"error\":\"busy\",\"message\":\"%s\"}\n",
                        why);
    if (transport->options.files.cert == NULL) {
        ssize_t ignored = send(fd, text, (size_t)size, MSG_NOSIGNAL | MSG_DONTWAIT);
        (void)ignored;
        (void)shutdown(fd, SHUT_WR);
        /* What has come already would turn the close into a reset, and take the answer along: a
         * request is read, but whoever sends without end must not keep the loop from others. */
        for (int i = 0; i < HTTP_REFUSED_READS; i++)
            if (recv(fd, text, sizeof(text), MSG_DONTWAIT | MSG_TRUNC) <= 0)
                break;
    }
    (void)close(fd);
}

static void
complain(struct http_transport *transport, int error)
{
    if (!transport->listener.complained)
        pk_host_log(transport->host, PK_LOG_ERROR, "can't accept clients on %s: %s",
                    transport->address.text, strerror(error));
    transport->listener.complained = true;
}

static bool
is_scarce(int fd)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return false;
    rlim_t last = limit.rlim_cur / 16 < HTTP_LAST_FDS ? limit.rlim_cur / 16 : HTTP_LAST_FDS;
    return (rlim_t)fd >= limit.rlim_cur - last;
}

static void
welcome(struct http_transport *transport, int fd, const struct sockaddr *name)
{
    struct pk_error err = PK_ERROR_INIT;
    http_count(&transport->counters.accepted, 1);
    if (atomic_load(&transport->counters.clients) >= transport->options.max_clients) {
        refuse(transport, fd, "too many clients");
        return;
    }
    if (is_scarce(fd)) {
        complain(transport, EMFILE);
        refuse(transport, fd, "out of descriptors");
        return;
    }
    transport->listener.complained = false;
    if (http_connection_open(transport, fd, http_address_is_loopback(name), &err) < 0)
        refuse(transport, fd, "out of memory");
}

static void
pause_accept(struct http_listener *listener)
{
    struct timeval time = { .tv_usec = HTTP_PAUSE_MS * 1000 };
    if (evtimer_add(&listener->resume, &time) == 0)
        (void)event_del(&listener->event);
}

static int
open_spare(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* Turns one client away with the descriptor that is kept for it. */
static void
shed(struct http_transport *transport)
{
    struct http_listener *listener = &transport->listener;
    if (listener->spare < 0)
        return;
    (void)close(listener->spare);
    int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0)
        refuse(transport, fd, "out of descriptors");
    listener->spare = open_spare();
}

/* False: no more for now. */
static bool
accept_one(struct http_transport *transport)
{
    struct http_listener *listener = &transport->listener;
    struct sockaddr_storage name = { 0 };
    socklen_t size = sizeof(name);
    int fd = accept4(listener->fd, (struct sockaddr *)&name, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
        welcome(transport, fd, (struct sockaddr *)&name);
        return true;
    }
    if (errno == EAGAIN)
        return false;
    int error = errno;
    if (error != EMFILE && error != ENFILE && error != ENOMEM && error != ENOBUFS)
        return true; /* of the connection alone: accept(2) passes its errors on */
    complain(transport, error);
    if (error == EMFILE || error == ENFILE)
        shed(transport);
    pause_accept(listener);
    return false;
}

static void
on_client(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct http_transport *transport = arg;
    for (int i = 0; i < HTTP_ACCEPT_BUDGET; i++)
        if (!accept_one(transport))
            break;
    http_loop_settle(&transport->loop);
}

static void
on_resume(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct http_transport *transport = arg;
    struct http_listener *listener = &transport->listener;
    if (listener->spare < 0)
        listener->spare = open_spare();
    if (event_add(&listener->event, NULL) < 0)
        pause_accept(listener);
}

int32_t
http_listener_init(struct http_listener *listener, struct http_transport *transport, int fd,
                   struct pk_error *err)
{
    struct event_base *base = transport->loop.base;
    listener->fd = fd;
    listener->spare = open_spare();
    (void)event_assign(&listener->event, base, fd, EV_READ | EV_PERSIST, on_client, transport);
    (void)evtimer_assign(&listener->resume, base, on_resume, transport);
    if (listener->spare < 0)
        return pk_fail(err, -errno, "/dev/null: %s", strerror(errno));
    return 0;
}

int32_t
http_listener_start(struct http_listener *listener, struct pk_error *err)
{
    if (event_add(&listener->event, NULL) < 0)
        return pk_fail(err, -ENOMEM, "can't watch the socket");
    return 0;
}

void
http_listener_finish(struct http_listener *listener)
{
    if (listener->fd < 0)
        return;
    (void)event_del(&listener->event);
    (void)event_del(&listener->resume);
    (void)close(pk_steal_fd(listener->fd));
    if (listener->spare >= 0)
        (void)close(pk_steal_fd(listener->spare));
}
