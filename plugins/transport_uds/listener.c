/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client that can't be served is told so in one line instead of being left to wait. When not even
 * a descriptor is left for that, accepting pauses: the socket stays readable, and the loop would
 * spin.
 */
#include "listener.h"
#include "connection.h"
#include "descriptors.h"
#include "transport_uds.h"
#include <errno.h>
#include <fcntl.h>
#include <packice/cleanup.h>
#include <string.h>
#include <sys/socket.h>

#define UDS_ACCEPT_BUDGET 64 /* clients, before others get a turn */
#define UDS_PAUSE_MS 100

static void
refuse(struct uds_transport *transport, int fd, int32_t code, const char *why)
{
    struct pk_wire_reply_format format = { 0 };
    pk_autofree char *text = NULL;
    size_t size;
    uds_count(&transport->counters.refused, 1);
    if (pk_wire_error_encode(code, why, &format, &text, &size) == 0) {
        text[size++] = '\n'; /* in place of the NUL */
        ssize_t ignored = send(fd, text, size, MSG_NOSIGNAL | MSG_DONTWAIT);
        (void)ignored;
    }
    (void)shutdown(fd, SHUT_RDWR);
    uds_closer_hang_up(transport->passed.closer, NULL, fd);
}

static void
complain(struct uds_transport *transport, int error)
{
    if (!transport->listener.complained)
        pk_host_log(transport->host, PK_LOG_ERROR, "can't accept clients on %s: %s",
                    transport->options.path, strerror(error));
    transport->listener.complained = true;
}

static void
welcome(struct uds_transport *transport, int fd)
{
    struct pk_error err = PK_ERROR_INIT;
    uds_count(&transport->counters.accepted, 1);
    if (atomic_load(&transport->counters.clients) >= transport->options.max_clients) {
        refuse(transport, fd, -EBUSY, "too many clients");
        return;
    }
    if (uds_descriptors_scarce(fd)) {
        complain(transport, EMFILE);
        refuse(transport, fd, -EBUSY, "out of descriptors");
        return;
    }
    transport->listener.complained = false;
    int32_t r = uds_connection_open(transport, fd, &err);
    if (r < 0)
        refuse(transport, fd, r, err.message);
}

static void
pause_accept(struct uds_listener *listener)
{
    struct timeval time = { .tv_usec = UDS_PAUSE_MS * 1000 };
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
shed(struct uds_transport *transport)
{
    struct uds_listener *listener = &transport->listener;
    if (listener->spare < 0)
        return;
    (void)close(listener->spare);
    int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0)
        refuse(transport, fd, -EBUSY, "out of descriptors");
    listener->spare = open_spare();
}

/* Whether the next one would be turned away, and it can't be closed now what that one may have
 * brought. */
static bool
must_wait(const struct uds_transport *transport)
{
    return atomic_load(&transport->counters.clients) >= transport->options.max_clients
           && !uds_closer_is_ready(transport->passed.closer);
}

/* False: no more for now. */
static bool
accept_one(struct uds_transport *transport)
{
    struct uds_listener *listener = &transport->listener;
    if (must_wait(transport)) {
        pause_accept(listener);
        return false;
    }
    int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
        welcome(transport, fd);
        return true;
    }
    if (errno == EINTR || errno == ECONNABORTED)
        return true;
    if (errno == EAGAIN)
        return false;
    int error = errno;
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
    struct uds_transport *transport = arg;
    for (int i = 0; i < UDS_ACCEPT_BUDGET; i++)
        if (!accept_one(transport))
            break;
    uds_loop_settle(&transport->loop);
}

static void
on_resume(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct uds_transport *transport = arg;
    struct uds_listener *listener = &transport->listener;
    if (listener->spare < 0)
        listener->spare = open_spare();
    if (event_add(&listener->event, NULL) < 0)
        pause_accept(listener);
}

int32_t
uds_listener_init(struct uds_listener *listener, struct uds_transport *transport, int fd,
                  struct pk_error *err)
{
    struct event_base *base = transport->loop.base;
    listener->fd = fd;
    listener->closer = transport->passed.closer;
    listener->spare = open_spare();
    (void)event_assign(&listener->event, base, fd, EV_READ | EV_PERSIST, on_client, transport);
    (void)evtimer_assign(&listener->resume, base, on_resume, transport);
    if (listener->spare < 0)
        return pk_fail(err, -errno, "/dev/null: %s", strerror(errno));
    return 0;
}

int32_t
uds_listener_start(struct uds_listener *listener, struct pk_error *err)
{
    if (event_add(&listener->event, NULL) < 0)
        return pk_fail(err, -ENOMEM, "can't watch the socket");
    return 0;
}

/* Clients that were never accepted, and what they sent, end with the socket. */
static void
close_socket(struct uds_listener *listener)
{
    int fd = pk_steal_fd(listener->fd);
    (void)shutdown(fd, SHUT_RDWR);
    int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (client >= 0)
        uds_closer_close(listener->closer, NULL, &client, 1);
    if (client < 0 && errno == EINVAL) /* there was none */
        (void)close(fd);
    else
        uds_closer_close(listener->closer, NULL, &fd, 1);
}

void
uds_listener_finish(struct uds_listener *listener)
{
    if (listener->fd < 0)
        return;
    (void)event_del(&listener->event);
    (void)event_del(&listener->resume);
    close_socket(listener);
    if (listener->spare >= 0)
        (void)close(pk_steal_fd(listener->spare));
}
