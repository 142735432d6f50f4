/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sending side of a connection: one request after the other, each whole.
 */
#include "sdk/moment.h"
#include "sdk/unix_conn.h"
#include <errno.h>
#include <packice/cleanup.h>
#include <poll.h>
#include <string.h>
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

#define NUMBER_MAX 24

/* A request as it goes out: its text, the bytes behind it, and descriptors with its first byte. */
struct letter {
    char *text;
    size_t size;
    const char *data;
    size_t data_size;
    int fds[PK_BLOBS_MAX];
    size_t fd_count;
};

/* A tag as text, written from its end. */
static const char *
number_text(uint64_t number, char text[NUMBER_MAX])
{
    char *at = text + NUMBER_MAX - 1;
    *at = '\0';
    do {
        *--at = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    return at;
}

/* Releases ride with it: with the turn, but without the lock. */
static int32_t
write_letter(struct packice_conn *conn, const struct pk_request *requests, size_t count,
             uint64_t tag, struct letter *letter, struct pk_error *err)
{
    const char *releases[PK_WIRE_RELEASES_MAX];
    char number[NUMBER_MAX];
    unsigned notation = atomic_load(&conn->notation);
    struct pk_wire_request_format format = {
        .releases = releases,
        .binary = notation == PACKICE_NOTATION_BINARY,
        .offer = notation == PACKICE_NOTATION_ASKS,
    };
    format.tag = number_text(tag, number);
    for (size_t i = 0; i < conn->riding.count && i < PK_WIRE_RELEASES_MAX; i++)
        releases[format.release_count++] = conn->riding.ids[i];
    letter->text = NULL;
    letter->data = requests != NULL && count == 1 ? requests->data : NULL;
    letter->data_size = letter->data != NULL ? (size_t)requests->data_size : 0;
    letter->fd_count = 0;
    for (uint32_t i = 0; requests != NULL && requests->handles != NULL && i < requests->blob_count;
         i++)
        letter->fds[letter->fd_count++] = requests->handles[i].fd;
    return packice_exchange_encode(requests, count, &format, &letter->text, &letter->size, err);
}

/* What is left to send behind the first `sent` bytes. */
static ssize_t
send_some(int fd, const struct letter *letter, size_t sent)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(PK_BLOBS_MAX * sizeof(int))];
    } control;
    size_t in_data = sent > letter->size ? sent - letter->size : 0;
    size_t in_text = sent - in_data;
    struct iovec parts[2] = {
        { letter->text + in_text, letter->size - in_text },
        { (void *)(uintptr_t)(letter->data + in_data), letter->data_size - in_data },
    };
    struct msghdr message = { .msg_iov = parts, .msg_iovlen = letter->data_size > 0 ? 2 : 1 };
    if (sent == 0 && letter->fd_count > 0) {
        size_t size = letter->fd_count * sizeof(int);
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(size);
        memset(control.bytes, 0, CMSG_SPACE(size));
        struct cmsghdr *head = CMSG_FIRSTHDR(&message);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(size);
        memcpy(CMSG_DATA(head), letter->fds, size);
    }
    return sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* The caller has the sending side. *ret_sent: bytes that went out, on failure too. */
static int32_t
send_all(struct packice_conn *conn, const struct letter *letter, uint64_t deadline,
         size_t *ret_sent, struct pk_error *err)
{
    while (*ret_sent < letter->size + letter->data_size) {
        ssize_t count = send_some(conn->fd, letter, *ret_sent);
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

int32_t
packice_conn_take_turn(struct packice_conn *conn, uint64_t deadline, struct pk_error *err)
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

void
packice_conn_end_turn(struct packice_conn *conn)
{
    conn->sending = false;
    (void)pthread_cond_signal(&conn->sent);
}

/* Those that did not get away before come first. */
static void
let_releases_ride(struct packice_conn *conn)
{
    if (conn->riding.count > 0)
        return;
    struct packice_releases empty = conn->riding;
    conn->riding = conn->releases;
    conn->releases = empty;
}

/* A request went out with them. */
static void
forget_riders(struct packice_releases *riding)
{
    size_t gone = riding->count < PK_WIRE_RELEASES_MAX ? riding->count : PK_WIRE_RELEASES_MAX;
    riding->count -= gone;
    if (riding->count > 0)
        memmove(riding->ids, riding->ids + gone, riding->count * sizeof(riding->ids[0]));
}

int32_t
packice_conn_send(struct packice_conn *conn, const struct pk_request *requests, size_t count,
                  uint64_t tag, uint64_t deadline, size_t *ret_sent, struct pk_error *err)
{
    struct letter letter;
    struct pk_error why;
    why.message[0] = '\0';
    *ret_sent = 0;
    let_releases_ride(conn);
    (void)pthread_mutex_unlock(&conn->lock);
    int32_t rc = write_letter(conn, requests, count, tag, &letter, &why);
    if (rc == 0)
        rc = send_all(conn, &letter, deadline, ret_sent, &why);
    free(letter.text);
    (void)pthread_mutex_lock(&conn->lock);
    if (rc == 0)
        forget_riders(&conn->riding);
    if (rc == -ECONNRESET)
        hear_out(conn);
    packice_conn_end_turn(conn);
    if (rc == -ECONNRESET || (rc != 0 && *ret_sent > 0))
        packice_conn_break_locked(conn, -ECONNRESET, why.message); /* it has no end any more */
    if (rc == -ECONNRESET)
        return pk_fail(err, conn->broken, "%s", conn->why.message);
    return rc == 0 ? 0 : pk_fail(err, rc, "%s", why.message);
}
