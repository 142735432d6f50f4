/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reading side of a connection: whoever has the stream receives for all, and gives each
 * exchange its reply.
 */
#include "sdk/moment.h"
#include "sdk/unix_conn.h"
#include <errno.h>
#include <packice/cleanup.h>

static struct packice_exchange *
find(struct packice_conn *conn, const char *tag)
{
    char *end = NULL;
    errno = 0;
    uint64_t number = tag != NULL ? strtoull(tag, &end, 10) : 0;
    struct packice_exchange *exchange;
    if (tag == NULL || errno != 0 || end == tag || *end != '\0')
        return NULL;
    TAILQ_FOREACH (exchange, &conn->exchanges, entry) {
        if (exchange->tag == number)
            return exchange;
    }
    return NULL;
}

/* Gives the exchange its reply. With the lock held; takes reply and fds. */
static void
deliver(struct packice_conn *conn, struct packice_exchange *exchange, struct pk_wire_reply *reply,
        struct packice_fds *fds)
{
    packice_conn_unlink(conn, exchange);
    exchange->reply = reply;
    exchange->fds = fds;
    if (!exchange->orphan) {
        exchange->done = true;
        (void)pthread_cond_signal(&exchange->changed);
        return;
    }
    if (packice_exchange_decode(exchange, NULL) == 0)
        packice_exchange_each_lease(exchange, packice_conn_add_late, conn);
    packice_exchange_free(exchange);
}

/* The descriptors of a reply; NULL if it has none. */
static int32_t
take_fds(struct packice_conn *conn, uint32_t count, struct packice_fds **ret_fds,
         struct pk_error *err)
{
    if (count == 0)
        return 0;
    struct packice_fds *fds = malloc(sizeof(*fds));
    if (fds == NULL)
        return pk_fail(err, -ENOMEM, "no memory for descriptors");
    int32_t rc = packice_stream_take(&conn->stream, count, fds, err);
    if (rc == 0)
        *ret_fds = fds;
    else
        free(fds);
    return rc;
}

/* A reply to nothing that was asked: what a node says before it hangs up, or nonsense. */
static int32_t
refuse_reply(const struct pk_wire_reply *reply, struct pk_error *err)
{
    if (reply->tag == NULL && reply->reply.status != 0 && reply->reply.status != -EPROTO)
        return pk_fail(err, reply->reply.status, "%s", reply->reply.message);
    return pk_fail(err, -EPROTO, "the node answered what was not asked");
}

static int32_t
dispatch(struct packice_conn *conn, const char *text, size_t size, struct pk_error *err)
{
    struct pk_wire_reply *reply = NULL;
    struct packice_fds *fds = NULL;
    int32_t rc = pk_wire_reply_parse(text, size, &reply, err);
    if (rc == 0)
        rc = take_fds(conn, reply->fds, &fds, err);
    if (rc != 0) {
        pk_wire_reply_free(reply);
        return rc;
    }
    (void)pthread_mutex_lock(&conn->lock);
    struct packice_exchange *exchange = find(conn, reply->tag);
    if (exchange != NULL)
        deliver(conn, exchange, pk_steal(reply), pk_steal(fds));
    bool broken = conn->broken != 0;
    (void)pthread_mutex_unlock(&conn->lock);
    if (reply != NULL && !broken)
        rc = refuse_reply(reply, err);
    pk_wire_reply_free(reply);
    if (fds != NULL)
        packice_fds_close(fds);
    free(fds);
    return rc;
}

void
packice_conn_read(struct packice_conn *conn, uint64_t deadline)
{
    struct pk_error why = PK_ERROR_INIT;
    int32_t rc = packice_stream_fill(&conn->stream, deadline, &why);
    if (rc == -ETIMEDOUT)
        return;
    while (rc == 0) {
        const char *text = NULL;
        size_t size = 0;
        rc = packice_stream_next(&conn->stream, &text, &size, &why);
        if (text == NULL)
            break;
        if (rc == 0)
            rc = dispatch(conn, text, size, &why);
    }
    if (rc != 0)
        packice_conn_break(conn, rc, why.message);
}

int32_t
packice_conn_await(struct packice_conn *conn, struct packice_exchange *exchange, uint64_t deadline)
{
    while (!exchange->done) {
        if (deadline != PK_FOREVER && packice_now() >= deadline)
            return -ETIMEDOUT;
        if (conn->reading) {
            exchange->waiting = true;
            (void)packice_cond_wait(&exchange->changed, &conn->lock, deadline);
            exchange->waiting = false;
            continue;
        }
        conn->reading = true;
        (void)pthread_mutex_unlock(&conn->lock);
        packice_conn_read(conn, deadline);
        (void)pthread_mutex_lock(&conn->lock);
        conn->reading = false;
    }
    return 0;
}
