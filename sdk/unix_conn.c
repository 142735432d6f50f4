/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a connection, and of the exchanges over it. There is one lock, and it is never held
 * over a system call that can wait.
 */
#include "sdk/unix_conn.h"
#include "sdk/moment.h"
#include <errno.h>
#include <packice/cleanup.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

/* ---- to connect ---- */

static int32_t
set_address(const char *path, struct sockaddr_un *address, struct pk_error *err)
{
    memset(address, 0, sizeof(*address));
    address->sun_family = AF_UNIX;
    if (strlen(path) >= sizeof(address->sun_path))
        return pk_fail(err, -ENAMETOOLONG,
                       "'%.40s...' is longer than the %zu bytes of a socket's path", path,
                       sizeof(address->sun_path) - 1);
    memcpy(address->sun_path, path, strlen(path));
    return 0;
}

/* How long a system call on the socket may wait. */
static int32_t
set_patience(int fd, int option, uint64_t nanoseconds, struct pk_error *err)
{
    struct timeval time = { .tv_sec = (time_t)(nanoseconds / 1000000000),
                            .tv_usec = (suseconds_t)(nanoseconds % 1000000000 / 1000) };
    if (time.tv_sec == 0 && time.tv_usec == 0)
        time.tv_usec = 1; /* 0 would be: for ever */
    if (setsockopt(fd, SOL_SOCKET, option, &time, sizeof(time)) != 0)
        return pk_fail(err, -errno, "can't set up a socket: %m");
    return 0;
}

static int32_t
connect_to(int fd, const struct sockaddr_un *address, struct pk_error *err)
{
    const struct sockaddr *any = (const struct sockaddr *)(const void *)address;
    int rc;
    do {
        rc = connect(fd, any, sizeof(*address));
    } while (rc != 0 && errno == EINTR);
    if (rc == 0)
        return 0;
    switch (errno) {
    case EAGAIN: /* its queue was full for all the time there was */
        return pk_fail(err, -ETIMEDOUT, "the node at '%s' takes no connection in time",
                       address->sun_path);
    case EACCES:
    case EPERM:
        return pk_fail(err, -EACCES, "no permission for the socket '%s'", address->sun_path);
    default:
        return pk_fail(err, -ECONNREFUSED, "no node at '%s': %m", address->sun_path);
    }
}

static int32_t
open_socket(const char *path, uint64_t deadline, int *ret_fd, struct pk_error *err)
{
    struct sockaddr_un address;
    int32_t rc = set_address(path, &address, err);
    if (rc != 0)
        return rc;
    pk_autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return pk_fail(err, -errno, "can't make a socket: %m");
    uint64_t now = packice_now();
    rc = set_patience(fd, SO_RCVTIMEO, PACKICE_STREAM_PATIENCE * UINT64_C(1000000000), err);
    if (rc == 0 && deadline != PK_FOREVER)
        rc = set_patience(fd, SO_SNDTIMEO, deadline > now ? deadline - now : 1, err);
    if (rc == 0)
        rc = connect_to(fd, &address, err);
    if (rc == 0)
        *ret_fd = pk_steal_fd(fd);
    return rc;
}

/* Binary, if the node takes it, but for people who want to read what goes over the socket. */
static unsigned
choose_notation(void)
{
    const char *wanted = getenv("PACKICE_NOTATION");
    bool json = wanted != NULL && strcmp(wanted, "json") == 0;
    return json ? PACKICE_NOTATION_JSON : PACKICE_NOTATION_ASKS;
}

int32_t
packice_conn_open(const char *path, uint64_t generation, uint64_t deadline,
                  struct packice_conn **ret_conn, struct pk_error *err)
{
    pk_autoclose int fd = -1;
    int32_t rc = open_socket(path, deadline, &fd, err);
    if (rc != 0)
        return rc;
    struct packice_conn *conn = calloc(1, sizeof(*conn));
    if (conn == NULL || packice_cond_init(&conn->sent) != 0) {
        free(conn);
        return pk_fail(err, -ENOMEM, "no memory for a connection");
    }
    (void)pthread_mutex_init(&conn->lock, NULL); /* can't fail with default attributes */
    atomic_init(&conn->refs, 1);
    atomic_init(&conn->notation, choose_notation());
    TAILQ_INIT(&conn->exchanges);
    TAILQ_INIT(&conn->orphans);
    conn->generation = generation;
    conn->fd = pk_steal_fd(fd);
    packice_stream_init(&conn->stream, conn->fd);
    conn->room = (struct pk_wire_room){ .memory = conn->memory, .size = sizeof(conn->memory) };
    *ret_conn = conn;
    return 0;
}

/* ---- to let go ---- */

struct packice_conn *
packice_conn_ref(struct packice_conn *conn)
{
    (void)atomic_fetch_add(&conn->refs, 1);
    return conn;
}

static void
drop_orphans(struct packice_conn *conn)
{
    struct packice_orphan *orphan;
    while ((orphan = TAILQ_FIRST(&conn->orphans)) != NULL) {
        packice_conn_take_orphan(conn, orphan);
        free(orphan);
    }
}

static void
free_parts(struct packice_conn *conn)
{
    packice_conn_forget_releases(conn);
    packice_stream_finish(&conn->stream);
    pk_wire_reply_free(conn->unfinished);
    pk_cleanup_close(&conn->fd);
    free(conn);
}

void
packice_conn_unref(struct packice_conn *conn)
{
    if (conn == NULL || atomic_fetch_sub(&conn->refs, 1) != 1)
        return;
    packice_conn_break(conn, -EPIPE, "the client was freed"); /* takes orphans with it */
    (void)pthread_cond_destroy(&conn->sent);
    (void)pthread_mutex_destroy(&conn->lock);
    free_parts(conn);
}

void
packice_conn_forget(struct packice_conn *conn)
{
    if (conn == NULL)
        return;
    drop_orphans(conn); /* exchanges are on the stacks of threads that are not here */
    free_parts(conn);
}

void
packice_conn_break_locked(struct packice_conn *conn, int32_t code, const char *why)
{
    if (conn->broken != 0)
        return;
    conn->why = (struct pk_error)PK_ERROR_INIT;
    (void)pk_fail(&conn->why, code, "%s", why);
    conn->broken = code;
    (void)shutdown(conn->fd, SHUT_RDWR); /* wakes who reads or sends */
    struct packice_exchange *exchange;
    while ((exchange = TAILQ_FIRST(&conn->exchanges)) != NULL) {
        TAILQ_REMOVE(&conn->exchanges, exchange, entry);
        exchange->failure = code;
        exchange->why = conn->why;
        exchange->done = true;
        if (exchange->waiting)
            (void)pthread_cond_signal(&exchange->changed);
    }
    drop_orphans(conn);
    (void)pthread_cond_broadcast(&conn->sent);
}

void
packice_conn_hand_over(struct packice_conn *conn)
{
    conn->reading = false;
    struct packice_exchange *exchange;
    TAILQ_FOREACH (exchange, &conn->exchanges, entry) {
        if (exchange->waiting) {
            (void)pthread_cond_signal(&exchange->changed);
            return;
        }
    }
}

void
packice_conn_break(struct packice_conn *conn, int32_t code, const char *why)
{
    (void)pthread_mutex_lock(&conn->lock);
    packice_conn_break_locked(conn, code, why);
    (void)pthread_mutex_unlock(&conn->lock);
}

bool
packice_conn_is_broken(const struct packice_conn *conn)
{
    return conn->broken != 0;
}

/* ---- exchanges ---- */

/* Sends and waits. With the lock held, also afterwards. */
static int32_t
run(struct packice_conn *conn, struct packice_exchange *exchange, uint64_t deadline,
    bool *ret_unsent, struct pk_error *err)
{
    size_t sent = 0;
    int32_t rc = packice_conn_take_turn(conn, deadline, err);
    if (rc != 0) {
        *ret_unsent = conn->broken != 0;
        return rc;
    }
    exchange->tag = ++conn->last_tag;
    TAILQ_INSERT_TAIL(&conn->exchanges, exchange, entry);
    rc = packice_conn_send(conn, exchange->requests, exchange->count, exchange->tag, deadline,
                           &sent, err);
    if (rc != 0) {
        *ret_unsent = sent == 0 && conn->broken != 0;
        if (!exchange->done) /* it did not end with the connection */
            TAILQ_REMOVE(&conn->exchanges, exchange, entry);
        return rc;
    }
    rc = packice_conn_await(conn, exchange, deadline);
    if (rc != 0) {
        TAILQ_REMOVE(&conn->exchanges, exchange, entry);
        packice_conn_abandon(conn, exchange->requests, exchange->count, exchange->tag);
        return pk_fail(err, rc, "the node did not answer in time");
    }
    return 0;
}

/* Reads the reply to stats, which was kept as text. */
static int32_t
read_stats(struct packice_conn *conn, struct packice_exchange *exchange, struct pk_error *err)
{
    int32_t rc = pk_wire_reply_parse(exchange->text, exchange->text_size, &exchange->reply, err);
    if (rc == 0)
        rc = packice_exchange_decode(exchange->reply, NULL, 1, err);
    if (rc == -EPROTO)
        packice_conn_break(conn, rc, "the node's figures are none");
    return rc;
}

int32_t
packice_conn_exchange(struct packice_conn *conn, struct packice_exchange *exchange,
                      uint64_t deadline, bool *ret_unsent, struct pk_error *err)
{
    *ret_unsent = false;
    (void)pthread_mutex_lock(&conn->lock);
    int32_t rc = run(conn, exchange, deadline, ret_unsent, err);
    if (!conn->reading)
        packice_conn_hand_over(conn);
    (void)pthread_mutex_unlock(&conn->lock);
    if (exchange->has_changed)
        (void)pthread_cond_destroy(&exchange->changed);
    if (rc == 0 && exchange->failure != 0)
        rc = pk_fail(err, exchange->failure, "%s", exchange->why.message);
    if (rc == 0 && exchange->requests == NULL)
        rc = read_stats(conn, exchange, err);
    free(pk_steal(exchange->text));
    return rc;
}
