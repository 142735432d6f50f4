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

/* Requests that timed out and may still be answered. A node that owes so many is given up. */
#define ORPHANS_MAX 1024U

struct packice_late {
    struct packice_late *next;
    char lease_id[PK_LEASE_ID_LEN + 1];
};

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
    TAILQ_INIT(&conn->exchanges);
    conn->generation = generation;
    conn->fd = pk_steal_fd(fd);
    packice_stream_init(&conn->stream, conn->fd);
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
free_parts(struct packice_conn *conn)
{
    while (conn->late != NULL) {
        struct packice_late *late = conn->late;
        conn->late = late->next;
        free(late);
    }
    packice_stream_finish(&conn->stream);
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
    struct packice_exchange *exchange;
    struct packice_exchange *next;
    for (exchange = TAILQ_FIRST(&conn->exchanges); exchange != NULL; exchange = next) {
        next = TAILQ_NEXT(exchange, entry);
        if (exchange->orphan) /* the others are on the stacks of threads that are not here */
            packice_exchange_free(exchange);
    }
    free_parts(conn);
}

void
packice_conn_unlink(struct packice_conn *conn, struct packice_exchange *exchange)
{
    TAILQ_REMOVE(&conn->exchanges, exchange, entry);
    if (exchange->orphan)
        conn->orphans--;
}

static void
fail_exchange(struct packice_conn *conn, struct packice_exchange *exchange)
{
    packice_conn_unlink(conn, exchange);
    if (exchange->orphan) {
        packice_exchange_free(exchange);
        return;
    }
    exchange->failure = conn->broken;
    exchange->why = conn->why;
    exchange->done = true;
    (void)pthread_cond_signal(&exchange->changed);
}

void
packice_conn_break_locked(struct packice_conn *conn, int32_t code, const char *why)
{
    if (conn->broken != 0)
        return;
    conn->broken = code;
    conn->why = (struct pk_error)PK_ERROR_INIT;
    (void)pk_fail(&conn->why, code, "%s", why);
    (void)shutdown(conn->fd, SHUT_RDWR); /* wakes who reads or sends */
    struct packice_exchange *exchange;
    while ((exchange = TAILQ_FIRST(&conn->exchanges)) != NULL)
        fail_exchange(conn, exchange);
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
packice_conn_is_broken(struct packice_conn *conn)
{
    (void)pthread_mutex_lock(&conn->lock);
    bool broken = conn->broken != 0;
    (void)pthread_mutex_unlock(&conn->lock);
    return broken;
}

void
packice_conn_add_late(void *arg, const char *lease_id)
{
    struct packice_conn *conn = arg;
    struct packice_late *late = calloc(1, sizeof(*late));
    if (late == NULL) /* then it ends with the connection, or by its ttl */
        return;
    (void)strncpy(late->lease_id, lease_id, sizeof(late->lease_id) - 1);
    late->next = conn->late;
    conn->late = late;
}

/* ---- exchanges ---- */

/* Its reply may still come, but nobody waits for it. With the lock held. */
static void
abandon(struct packice_conn *conn, struct packice_exchange *exchange)
{
    exchange->orphan = true;
    if (++conn->orphans > ORPHANS_MAX)
        packice_conn_break_locked(conn, -ECONNRESET,
                                  "the node left too many requests without an answer");
}

/* An orphan that never went out. With the lock held. */
static void
drop_orphan(struct packice_conn *conn, uint64_t tag)
{
    struct packice_exchange *exchange;
    TAILQ_FOREACH (exchange, &conn->exchanges, entry) {
        if (exchange->tag == tag)
            break;
    }
    if (exchange == NULL) /* it went with the connection */
        return;
    packice_conn_unlink(conn, exchange);
    packice_exchange_free(exchange);
}

/* Sends a request whose answer nobody needs. With the lock held, also afterwards. */
static void
send_and_forget(struct packice_conn *conn, const struct pk_request *request, uint64_t deadline)
{
    struct packice_exchange *exchange = NULL;
    pk_autofree char *text = NULL;
    size_t size = 0;
    size_t sent = 0;
    if (packice_exchange_new(request, 1, &exchange, NULL) != 0)
        return;
    uint64_t tag = exchange->tag = ++conn->last_tag;
    int32_t rc = packice_exchange_encode(exchange, request, &text, &size, NULL);
    if (rc != 0) {
        packice_exchange_free(exchange);
        return;
    }
    TAILQ_INSERT_TAIL(&conn->exchanges, exchange, entry);
    abandon(conn, exchange); /* from here on it may be gone any time */
    rc = packice_conn_send(conn, text, size, deadline, &sent, NULL);
    if (rc != 0)
        drop_orphan(conn, tag);
}

/* Tells the node of leases that came too late for their callers. */
static void
release_late(struct packice_conn *conn, uint64_t deadline)
{
    (void)pthread_mutex_lock(&conn->lock);
    while (conn->late != NULL && conn->broken == 0) {
        struct packice_late *late = conn->late;
        conn->late = late->next;
        struct pk_request request = { .struct_size = (uint32_t)sizeof(request),
                                      .verb = PK_VERB_RELEASE,
                                      .lease_id = late->lease_id };
        send_and_forget(conn, &request, deadline);
        free(late);
    }
    (void)pthread_mutex_unlock(&conn->lock);
}

void
packice_conn_give_back(struct packice_conn *conn, const struct packice_exchange *exchange)
{
    (void)pthread_mutex_lock(&conn->lock);
    packice_exchange_each_lease(exchange, packice_conn_add_late, conn);
    (void)pthread_mutex_unlock(&conn->lock);
    release_late(conn, packice_deadline(UINT64_C(1000000000), 0));
}

/* Sends and waits. With the lock held, also afterwards. *exchange is NULL once it is abandoned. */
static int32_t
run(struct packice_conn *conn, struct packice_exchange **exchange, const char *text, size_t size,
    uint64_t deadline, bool *ret_unsent, struct pk_error *err)
{
    size_t sent = 0;
    int32_t rc = packice_conn_send(conn, text, size, deadline, &sent, err);
    if (rc != 0) {
        *ret_unsent = sent == 0 && conn->broken != 0;
        if (!(*exchange)->done) /* it did not end with the connection */
            packice_conn_unlink(conn, *exchange);
        return rc;
    }
    if (packice_conn_await(conn, *exchange, deadline) != 0) {
        abandon(conn, pk_steal(*exchange));
        return pk_fail(err, -ETIMEDOUT, "the node did not answer in time");
    }
    if ((*exchange)->failure != 0)
        return pk_fail(err, (*exchange)->failure, "%s", (*exchange)->why.message);
    return 0;
}

int32_t
packice_conn_exchange(struct packice_conn *conn, struct packice_exchange **exchange,
                      const struct pk_request *requests, uint64_t deadline, bool *ret_unsent,
                      struct pk_error *err)
{
    pk_autofree char *text = NULL;
    size_t size = 0;
    *ret_unsent = false;
    release_late(conn, deadline);
    (void)pthread_mutex_lock(&conn->lock);
    (*exchange)->tag = ++conn->last_tag;
    (void)pthread_mutex_unlock(&conn->lock);
    int32_t rc = packice_exchange_encode(*exchange, requests, &text, &size, err);
    if (rc != 0)
        return rc;
    (void)pthread_mutex_lock(&conn->lock);
    TAILQ_INSERT_TAIL(&conn->exchanges, *exchange, entry);
    rc = run(conn, exchange, text, size, deadline, ret_unsent, err);
    if (!conn->reading)
        packice_conn_hand_over(conn);
    (void)pthread_mutex_unlock(&conn->lock);
    if (rc != 0)
        return rc;
    struct pk_error why = PK_ERROR_INIT;
    rc = packice_exchange_decode(*exchange, &why);
    if (rc != 0)
        packice_conn_break(conn, rc, why.message); /* its leases, if any, end with it */
    return rc == 0 ? 0 : pk_fail(err, rc, "%s", why.message);
}
