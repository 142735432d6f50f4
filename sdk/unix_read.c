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
#include <string.h>

/* The number that a tag is; 0 if it is none of ours. */
static uint64_t
read_tag(const char *tag)
{
    uint64_t number = 0;
    for (const char *at = tag; at != NULL && *at != '\0'; at++) {
        if (*at < '0' || *at > '9' || number > UINT64_MAX / 10 - 1)
            return 0;
        number = 10 * number + (uint64_t)(*at - '0');
    }
    return number;
}

/* What a reply is to. */
struct question {
    struct packice_exchange *exchange; /* somebody waits, */
    struct packice_orphan *orphan;     /* or nobody; both NULL: it was not asked */
    const struct pk_request *requests;
    size_t count;
};

/* With the lock held. */
static struct question
find(struct packice_conn *conn, uint64_t tag)
{
    struct packice_exchange *exchange;
    TAILQ_FOREACH (exchange, &conn->exchanges, entry) {
        if (exchange->tag == tag)
            return (struct question){ exchange, NULL, exchange->requests, exchange->count };
    }
    struct packice_orphan *orphan = packice_conn_find_orphan(conn, tag);
    if (orphan != NULL)
        return (struct question){ NULL, orphan, orphan->requests, orphan->count };
    return (struct question){ NULL, NULL, NULL, 0 };
}

/* Whether no more bytes come than were asked for. */
static int32_t
check_data(const struct question *question, uint64_t size, struct pk_error *err)
{
    uint64_t left = size;
    for (size_t i = 0; left > 0 && question->requests != NULL && i < question->count; i++) {
        uint64_t most = question->requests[i].inline_max;
        left = left > most ? left - most : 0;
    }
    return left == 0 ? 0 : pk_fail(err, -EPROTO, "the node sends bytes that were not asked for");
}

/* What is to be done with a reply, once all of it is there: *ret_whole. With the lock held. */
static int32_t
take_question(struct packice_conn *conn, struct packice_arrival *arrival, struct question *question,
              bool *ret_whole, struct pk_error *err)
{
    *question = find(conn, read_tag(arrival->reply->tag));
    int32_t rc = check_data(question, arrival->reply->data, err);
    if (rc == 0 && arrival->reply->data > 0)
        rc = packice_stream_behind(&conn->stream, arrival->reply->data, &arrival->data, err);
    *ret_whole = rc == 0 && (arrival->reply->data == 0 || arrival->data != NULL);
    if (!*ret_whole)
        return rc;
    if (question->orphan != NULL)
        packice_conn_take_orphan(conn, question->orphan);
    if (question->exchange != NULL) {
        question->exchange->taken = true;
        TAILQ_REMOVE(&conn->exchanges, question->exchange, entry);
    }
    return 0;
}

/* A copy of the text for who asked for stats. */
static int32_t
keep_text(struct packice_exchange *exchange, const char *text, size_t size, struct pk_error *err)
{
    exchange->text = malloc(size);
    if (exchange->text == NULL)
        return pk_fail(err, -ENOMEM, "no memory for a reply");
    (void)memcpy(exchange->text, text, size);
    exchange->text_size = size;
    return 0;
}

static int32_t
answer(struct packice_conn *conn, const struct packice_arrival *arrival,
       const struct question *question, struct pk_error *err)
{
    const struct pk_request *requests = question->requests;
    int32_t rc = packice_exchange_decode(arrival->reply, requests, question->count, err);
    if (rc != 0)
        return rc;
    if (question->exchange != NULL) {
        rc = packice_exchange_answers(arrival, requests, question->count,
                                      question->exchange->answers, err);
        if (rc == 0 || rc == -EPROTO) /* then its leases end with the connection */
            return rc;
    }
    (void)pthread_mutex_lock(&conn->lock);
    packice_exchange_each_lease(arrival->reply, requests, question->count, packice_conn_add_late,
                                conn);
    (void)pthread_mutex_unlock(&conn->lock);
    return rc;
}

/* Wakes who waits, with what came of it. */
static void
finish(struct packice_conn *conn, struct packice_exchange *exchange, int32_t rc,
       const struct pk_error *why)
{
    (void)pthread_mutex_lock(&conn->lock);
    exchange->failure = rc;
    if (rc != 0)
        exchange->why = *why;
    exchange->done = true;
    if (exchange->waiting)
        (void)pthread_cond_signal(&exchange->changed);
    (void)pthread_mutex_unlock(&conn->lock);
}

/* A reply to nothing that was asked: what a node says before it hangs up, or nonsense. */
static int32_t
refuse_reply(const struct pk_wire_reply *reply, struct pk_error *err)
{
    if (reply->tag == NULL && reply->reply.status != 0 && reply->reply.status != -EPROTO)
        return pk_fail(err, reply->reply.status, "%s", reply->reply.message);
    return pk_fail(err, -EPROTO, "the node answered what was not asked");
}

/* Deals with one reply that is there as a whole. */
static int32_t
deal_with(struct packice_conn *conn, struct packice_arrival *arrival, struct question *question,
          const char *text, size_t size, struct pk_error *err)
{
    uint32_t count = arrival->reply->fds;
    int32_t rc = packice_stream_take(&conn->stream, count, arrival->fds, err);
    if (rc != 0 || count == 0)
        arrival->fds = NULL;
    if (rc == 0 && question->requests != NULL)
        rc = answer(conn, arrival, question, err);
    else if (rc == 0 && question->exchange != NULL)
        rc = keep_text(question->exchange, text, size, err);
    else if (rc == 0)
        rc = refuse_reply(arrival->reply, err);
    if (arrival->fds != NULL)
        packice_fds_close(arrival->fds);
    free(question->orphan);
    if (question->exchange == NULL)
        return rc == -ENOMEM ? 0 : rc;
    if (rc != 0 && rc != -EMFILE && rc != -ENOMEM)
        packice_conn_break(conn, rc, err->message);
    finish(conn, question->exchange, rc, err);
    return 0;
}

/* A reply to a request that asked for the notation tells it. */
static void
learn_notation(struct packice_conn *conn, const struct pk_wire_reply *reply)
{
    if (reply->tag != NULL && atomic_load(&conn->notation) == PACKICE_NOTATION_ASKS)
        atomic_store(&conn->notation,
                     reply->takes_binary ? PACKICE_NOTATION_BINARY : PACKICE_NOTATION_JSON);
}

static int32_t
dispatch(struct packice_conn *conn, const char *text, size_t size, struct pk_error *err)
{
    struct packice_fds fds; /* as they come */
    struct packice_arrival arrival = { .fds = &fds, .generation = conn->generation };
    struct question question;
    bool whole = false;
    int32_t rc = 0;
    arrival.reply = pk_steal(conn->unfinished);
    if (arrival.reply == NULL)
        rc = pk_wire_reply_parse_in(&conn->room, text, size, &arrival.reply, err);
    if (rc != 0)
        return rc;
    learn_notation(conn, arrival.reply);
    (void)pthread_mutex_lock(&conn->lock);
    rc = take_question(conn, &arrival, &question, &whole, err);
    bool broken = conn->broken != 0;
    (void)pthread_mutex_unlock(&conn->lock);
    bool asked = question.exchange != NULL || question.orphan != NULL;
    if (rc == 0 && whole && (asked || !broken))
        rc = deal_with(conn, &arrival, &question, text, size, err);
    if (rc == 0 && !whole)
        conn->unfinished = pk_steal(arrival.reply);
    pk_wire_reply_free(arrival.reply);
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
    bool looked = false; /* a deadline ends a wait: there is no need to look before one */
    while (!exchange->done) {
        if (looked && !exchange->taken && deadline != PK_FOREVER && packice_now() >= deadline)
            return -ETIMEDOUT;
        looked = true;
        if (conn->reading || exchange->taken) {
            if (!exchange->has_changed && packice_cond_init(&exchange->changed) != 0)
                return -ENOMEM;
            exchange->has_changed = true;
            exchange->waiting = true;
            (void)packice_cond_wait(&exchange->changed, &conn->lock,
                                    exchange->taken ? PK_FOREVER : deadline);
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
