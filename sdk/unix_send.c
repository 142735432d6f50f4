/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sending side of a connection: one request after the other, each whole.
 */
#include "sdk/moment.h"
#include "sdk/unix_conn.h"
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

/* How long a sender looks away from a thread that reads, in case that one stops. */
#define GLANCE UINT64_C(100000000)

/* The node takes no more just now. Reads meanwhile if nobody does: it may itself wait for that. */
static void
await_room(struct packice_conn *conn, uint64_t deadline)
{
    uint64_t glance = packice_deadline(GLANCE, 0);
    (void)pthread_mutex_lock(&conn->lock);
    bool read = !conn->reading && conn->broken == 0;
    if (read)
        conn->reading = true;
    (void)pthread_mutex_unlock(&conn->lock);
    struct pollfd poll_fd = { .fd = conn->fd,
                              .events = (short)(read ? POLLIN | POLLOUT : POLLOUT) };
    uint64_t until = read || deadline < glance ? deadline : glance;
    int ready = poll(&poll_fd, 1, packice_poll_timeout(until));
    if (!read)
        return;
    if (ready > 0 && (poll_fd.revents & POLLIN) != 0)
        packice_conn_read(conn, 0);
    (void)pthread_mutex_lock(&conn->lock);
    packice_conn_hand_over(conn);
    (void)pthread_mutex_unlock(&conn->lock);
}

/* A node that turns somebody away says why before it hangs up: that is a better reason than that it
 * is gone, which is all that a sender sees. With the lock held, also afterwards. */
static void
hear_out(struct packice_conn *conn)
{
    if (conn->reading || conn->broken != 0)
        return; /* whoever reads hears it */
    conn->reading = true;
    (void)pthread_mutex_unlock(&conn->lock);
    packice_conn_read(conn, 0);
    (void)pthread_mutex_lock(&conn->lock);
    packice_conn_hand_over(conn);
}

/* The caller has the sending side. *ret_sent: bytes that went out, on failure too. */
static int32_t
send_all(struct packice_conn *conn, const char *text, size_t size, uint64_t deadline,
         size_t *ret_sent, struct pk_error *err)
{
    *ret_sent = 0;
    while (*ret_sent < size) {
        ssize_t count =
            send(conn->fd, text + *ret_sent, size - *ret_sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (count >= 0) {
            *ret_sent += (size_t)count;
            continue;
        }
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN)
            return pk_fail(err, -ECONNRESET, "the node was lost: %m");
        if (deadline != PK_FOREVER && packice_now() >= deadline)
            return pk_fail(err, -ETIMEDOUT, "the node did not take the request in time");
        await_room(conn, deadline);
    }
    return 0;
}

/* Gets the sending side. With the lock held. */
static int32_t
await_turn(struct packice_conn *conn, uint64_t deadline, struct pk_error *err)
{
    while (conn->sending && conn->broken == 0) {
        if (packice_cond_wait(&conn->sent, &conn->lock, deadline) != 0 && conn->sending)
            return pk_fail(err, -ETIMEDOUT, "the node did not take the request in time");
    }
    if (conn->broken != 0)
        return pk_fail(err, conn->broken, "%s", conn->why.message);
    conn->sending = true;
    return 0;
}

int32_t
packice_conn_send(struct packice_conn *conn, const char *text, size_t size, uint64_t deadline,
                  size_t *ret_sent, struct pk_error *err)
{
    *ret_sent = 0;
    int32_t rc = await_turn(conn, deadline, err);
    if (rc != 0)
        return rc;
    struct pk_error why = PK_ERROR_INIT;
    (void)pthread_mutex_unlock(&conn->lock);
    rc = send_all(conn, text, size, deadline, ret_sent, &why);
    (void)pthread_mutex_lock(&conn->lock);
    if (rc == -ECONNRESET)
        hear_out(conn);
    conn->sending = false;
    (void)pthread_cond_signal(&conn->sent);
    if (rc == -ECONNRESET || (rc != 0 && *ret_sent > 0))
        packice_conn_break_locked(conn, -ECONNRESET, why.message); /* it has no end any more */
    if (rc == -ECONNRESET)
        return pk_fail(err, conn->broken, "%s", conn->why.message);
    return rc == 0 ? 0 : pk_fail(err, rc, "%s", why.message);
}
