/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The link to a node through its Unix socket: one connection at a time, made anew by the next call
 * when the last one was lost. Leases bound to a lost one are not looked for on the next.
 */
#include "sdk/moment.h"
#include "sdk/target.h"
#include "sdk/unix_conn.h"
#include <errno.h>
#include <packice/cleanup.h>
#include <string.h>

/* For the first connection; later ones go by the deadline of the call that makes them. */
#define CONNECT_TIMEOUT UINT64_C(120000000000)
/* For what releases leases and nothing else. */
#define FLUSH_TIMEOUT UINT64_C(1000000000)
/* Releases that wait for a request to ride with. */
#define RELEASES_MAX 64U
/* Bytes of an object that go behind its request; more are cheaper as a descriptor. */
#define PUT_MAX (UINT64_C(64) << 10)

struct unix_link {
    struct packice_link link;
    char *path;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t connected;
    struct packice_conn *conn; /* NULL: none was made */
    uint64_t generation;       /* of the last one */
    bool connecting;           /* some thread does */
    bool shut;
};

static struct unix_link *
to_unix(struct packice_link *base)
{
    return (struct unix_link *)(void *)base;
}

/* With the lock held: whether the connection can be used. */
static bool
works(const struct unix_link *link)
{
    return link->conn != NULL && !packice_conn_is_broken(link->conn);
}

/* Makes a connection. With the lock held, also afterwards, but not in between. */
static int32_t
reconnect(struct unix_link *link, uint64_t deadline, struct pk_error *err)
{
    struct packice_conn *conn = NULL;
    uint64_t generation = link->generation + 1;
    link->connecting = true;
    (void)pthread_mutex_unlock(&link->lock);
    int32_t rc = packice_conn_open(link->path, generation, deadline, &conn, err);
    (void)pthread_mutex_lock(&link->lock);
    link->connecting = false;
    (void)pthread_cond_broadcast(&link->connected);
    if (rc == 0 && link->shut)
        rc = pk_fail(err, -EPIPE, "the client was freed");
    if (rc != 0) {
        packice_conn_unref(conn);
        return rc;
    }
    packice_conn_unref(link->conn);
    link->conn = conn;
    link->generation = generation;
    return 0;
}

/* The connection, with a reference. */
static int32_t
get_conn(struct unix_link *link, uint64_t generation, uint64_t deadline,
         struct packice_conn **ret_conn, struct pk_error *err)
{
    int32_t rc = 0;
    (void)pthread_mutex_lock(&link->lock);
    while (rc == 0 && !link->shut && link->connecting) {
        if (packice_cond_wait(&link->connected, &link->lock, deadline) != 0 && link->connecting)
            rc = pk_fail(err, -ETIMEDOUT, "the node takes no connection in time");
    }
    if (rc == 0 && link->shut)
        rc = pk_fail(err, -EPIPE, "the client was freed");
    if (rc == 0 && generation != 0 && (generation != link->generation || !works(link)))
        rc = pk_fail(err, -ESTALE, "the lease ended with its connection to the node");
    if (rc == 0 && !works(link))
        rc = reconnect(link, deadline, err);
    if (rc == 0)
        *ret_conn = packice_conn_ref(link->conn);
    (void)pthread_mutex_unlock(&link->lock);
    return rc;
}

/* Sends and waits, once more if the connection turns out to be dead before anything was sent. */
static int32_t
exchange(struct unix_link *link, struct packice_exchange *wanted, uint64_t generation,
         uint64_t deadline, struct pk_error *err)
{
    const struct packice_exchange fresh = *wanted;
    int32_t rc = 0;
    bool unsent = true;
    for (int tries = 0; tries < 2 && unsent; tries++) {
        struct packice_conn *conn = NULL;
        *wanted = fresh;
        unsent = false;
        rc = get_conn(link, generation, deadline, &conn, err);
        if (rc == 0)
            rc = packice_conn_exchange(conn, wanted, deadline, &unsent, err);
        packice_conn_unref(conn);
    }
    return rc;
}

static int32_t
unix_call(struct packice_link *base, const struct packice_ask *ask,
          struct packice_answer **ret_answers, struct pk_error *err)
{
    struct packice_exchange wanted = { .requests = ask->requests,
                                       .count = ask->count,
                                       .answers = ret_answers };
    return exchange(to_unix(base), &wanted, ask->generation, ask->deadline, err);
}

static int32_t
unix_stats(struct packice_link *base, uint64_t deadline, packice_figure_fn *emit, void *arg,
           struct pk_error *err)
{
    struct packice_exchange wanted = { .count = 1 };
    int32_t rc = exchange(to_unix(base), &wanted, 0, deadline, err);
    if (rc == 0)
        rc = packice_exchange_figures(wanted.reply, emit, arg, err);
    pk_wire_reply_free(wanted.reply);
    return rc;
}

/* The connection of this generation, or any with 0, with a reference; NULL if it is no more. */
static struct packice_conn *
peek_conn(struct unix_link *link, uint64_t generation)
{
    struct packice_conn *conn = NULL;
    (void)pthread_mutex_lock(&link->lock);
    if (!link->shut && works(link) && (generation == 0 || generation == link->generation))
        conn = packice_conn_ref(link->conn);
    (void)pthread_mutex_unlock(&link->lock);
    return conn;
}

static bool
unix_release(struct packice_link *base, const char *lease_id, uint64_t generation)
{
    struct packice_conn *conn = peek_conn(to_unix(base), generation);
    size_t count = 0;
    if (conn == NULL)
        return false;
    int32_t rc = packice_conn_release(conn, lease_id, &count);
    if (count > 0 && count % RELEASES_MAX == 0) /* not again for each while the node takes none */
        packice_conn_flush(conn, packice_deadline(FLUSH_TIMEOUT, 0));
    packice_conn_unref(conn);
    return rc == 0;
}

static void
unix_flush(struct packice_link *base)
{
    struct packice_conn *conn = peek_conn(to_unix(base), 0);
    if (conn == NULL)
        return;
    packice_conn_flush(conn, packice_deadline(FLUSH_TIMEOUT, 0));
    packice_conn_unref(conn);
}

static bool
unix_alive(struct packice_link *base, uint64_t generation)
{
    struct unix_link *link = to_unix(base);
    (void)pthread_mutex_lock(&link->lock);
    bool alive = link->generation == generation && works(link);
    (void)pthread_mutex_unlock(&link->lock);
    return alive;
}

static void
unix_distrust(struct packice_link *base, uint64_t generation)
{
    struct unix_link *link = to_unix(base);
    (void)pthread_mutex_lock(&link->lock);
    if (link->generation == generation && link->conn != NULL)
        packice_conn_break(link->conn, -EPROTO, "the node sent what it must not");
    (void)pthread_mutex_unlock(&link->lock);
}

static void
unix_shut(struct packice_link *base)
{
    struct unix_link *link = to_unix(base);
    (void)pthread_mutex_lock(&link->lock);
    link->shut = true;
    (void)pthread_cond_broadcast(&link->connected);
    if (link->conn != NULL)
        packice_conn_break(link->conn, -EPIPE, "the client was freed");
    (void)pthread_mutex_unlock(&link->lock);
}

static void
unix_free(struct packice_link *base, bool forked)
{
    struct unix_link *link = to_unix(base);
    if (forked) { /* its lock may be held for ever */
        packice_conn_forget(link->conn);
    } else {
        packice_conn_unref(link->conn);
        (void)pthread_cond_destroy(&link->connected);
        (void)pthread_mutex_destroy(&link->lock);
    }
    free(link->path);
    free(link);
}

static const struct packice_link_ops unix_ops = {
    .put_max = PUT_MAX,
    .adopts = true,
    .call = unix_call,
    .stats = unix_stats,
    .release = unix_release,
    .flush = unix_flush,
    .alive = unix_alive,
    .distrust = unix_distrust,
    .shut = unix_shut,
    .free = unix_free,
};

int32_t
packice_link_unix(const char *path, struct packice_link **ret_link, struct pk_error *err)
{
    struct unix_link *link = calloc(1, sizeof(*link));
    char *copy = strdup(path);
    if (link == NULL || copy == NULL || packice_cond_init(&link->connected) != 0) {
        free(copy);
        free(link);
        return pk_fail(err, -ENOMEM, "no memory for a client");
    }
    link->link.ops = &unix_ops;
    link->path = copy;
    (void)pthread_mutex_init(&link->lock, NULL); /* can't fail with default attributes */
    struct packice_conn *conn = NULL;
    int32_t rc = get_conn(link, 0, packice_deadline(CONNECT_TIMEOUT, 0), &conn, err);
    packice_conn_unref(conn);
    if (rc == 0)
        *ret_link = &link->link;
    else
        unix_free(&link->link, false);
    return rc;
}
