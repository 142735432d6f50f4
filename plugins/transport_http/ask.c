/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A completion comes on any thread. It copies what the loop will need then and there, since a reply
 * is borrowed for that long, and closes the descriptors that nobody asked for.
 */
#include "ask.h"
#include "connection.h"
#include "transport_http.h"
#include <errno.h>
#include <packice/cleanup.h>
#include <string.h>

/* Text of a batch's reply, above which the rest of the batch is `too_large`: requests can be small
 * and their replies large. */
#define HTTP_BATCH_TEXT_MAX ((size_t)4 << 20)

struct http_ask *
http_ask_new(struct http_connection *connection, size_t count, http_answered_fn *answered)
{
    struct http_ask *ask = calloc(1, sizeof(*ask) + count * sizeof(ask->answers[0]));
    if (ask == NULL)
        return NULL;
    ask->connection = connection;
    ask->answered = answered;
    ask->blob = HTTP_NO_BLOB;
    ask->count = count;
    atomic_init(&ask->left, count + 1);
    for (size_t i = 0; i < count; i++) {
        ask->answers[i].ask = ask;
        ask->answers[i].fd = -1;
    }
    connection->refs++;
    connection->transport->calls++;
    return ask;
}

void
http_ask_free(struct http_ask *ask)
{
    struct http_connection *connection = ask->connection;
    for (size_t i = 0; i < ask->count; i++) {
        if (ask->answers[i].fd >= 0)
            (void)close(ask->answers[i].fd);
        free(ask->answers[i].url);
        free(ask->answers[i].text);
    }
    free(ask);
    connection->transport->calls--;
    http_connection_unref(connection);
}

static void
done(struct http_ask *ask)
{
    if (atomic_fetch_sub(&ask->left, 1) == 1)
        http_loop_complete(&ask->connection->transport->loop, ask);
}

/* ---- what a reply holds ---- */

static const struct pk_handle *
handle_at(const struct pk_reply *reply, uint32_t index)
{
    return (const struct pk_handle *)(const void *)((const char *)reply->handles
                                                    + (size_t)index * reply->handle_stride);
}

/* Keeps what is wanted of the handles, and closes the other descriptors. */
static int32_t
take_handles(struct http_answer *answer, const struct pk_reply *reply)
{
    int32_t r = 0;
    for (uint32_t i = 0; reply->handles != NULL && i < reply->blob_count; i++) {
        const struct pk_handle *handle = handle_at(reply, i);
        if (i != answer->ask->blob) {
            if (handle->fd >= 0)
                (void)close(handle->fd);
            continue;
        }
        answer->fd = handle->fd;
        answer->offset = handle->offset;
        answer->size = handle->size;
        if (handle->kind != PK_HANDLE_URL)
            continue;
        answer->url = strdup(handle->text);
        r = answer->url == NULL ? -ENOMEM : 0;
    }
    return r;
}

static void
take_lease(struct http_answer *answer, const struct pk_reply *reply)
{
    answer->state = reply->state;
    answer->access = reply->access;
    answer->blob_count = reply->blob_count;
    answer->epoch = reply->epoch;
    answer->ttl = reply->ttl;
    answer->bytes = reply->bytes;
    if (reply->lease_id != NULL)
        (void)snprintf(answer->lease_id, sizeof(answer->lease_id), "%s", reply->lease_id);
    if (reply->object_id != NULL)
        (void)snprintf(answer->object_id, sizeof(answer->object_id), "%s", reply->object_id);
}

static void
fail(struct http_answer *answer, int32_t code, const char *message)
{
    struct pk_wire_reply_format format = { .item = answer->ask->batch, .http = true };
    answer->status = code;
    (void)snprintf(answer->message, sizeof(answer->message), "%s", message);
    free(pk_steal(answer->text));
    if (answer->ask->text
        && pk_wire_error_encode(code, message, &format, &answer->text, &answer->text_size) < 0)
        answer->text = NULL;
}

static int32_t
encode(struct http_answer *answer, const struct pk_reply *reply, struct pk_error *err)
{
    struct http_ask *ask = answer->ask;
    struct pk_wire_reply_format format = {
        .item = ask->batch,
        .http = true,
        .paths = ask->paths,
    };
    if (!ask->text)
        return 0;
    if (pk_wire_reply_encode(reply, &format, &answer->text, &answer->text_size) < 0)
        return pk_fail(err, -ENOMEM, "out of memory");
    size_t before = atomic_fetch_add(&ask->bytes, answer->text_size);
    if (ask->batch && before + answer->text_size > HTTP_BATCH_TEXT_MAX)
        return pk_fail(err, -EFBIG, "the replies of the batch are over %zu bytes",
                       HTTP_BATCH_TEXT_MAX);
    return 0;
}

static void
on_reply(void *arg, const struct pk_reply *reply)
{
    struct http_answer *answer = arg;
    struct pk_error err = PK_ERROR_INIT;
    take_lease(answer, reply);
    int32_t r = take_handles(answer, reply);
    if (r < 0)
        (void)pk_fail(&err, r, "out of memory");
    else if (reply->status == 0)
        r = encode(answer, reply, &err);
    if (reply->status != 0)
        fail(answer, reply->status, reply->message);
    else if (r < 0)
        fail(answer, r, err.message);
    answer->granted = reply->status == 0 && reply->verb == PK_VERB_ACQUIRE;
    done(answer->ask);
}

/* ---- asking ---- */

void
http_ask_peer(struct http_ask *ask, size_t index, const struct pk_request *request)
{
    struct http_connection *connection = ask->connection;
    const struct pk_host *host = connection->transport->host;
    if (ask->batch && atomic_load(&ask->bytes) > HTTP_BATCH_TEXT_MAX) {
        http_ask_fail(ask, index, -EFBIG, "not started: the replies before fill the batch's");
        return;
    }
    host->call(host->ctx, connection->session, request, on_reply, &ask->answers[index], NULL);
}

void
http_ask_fail(struct http_ask *ask, size_t index, int32_t code, const char *message)
{
    fail(&ask->answers[index], code, message);
    done(ask);
}

void
http_ask_tell(struct http_ask *ask, size_t index, char *text, size_t size)
{
    ask->answers[index].text = text;
    ask->answers[index].text_size = size;
    done(ask);
}

void
http_ask_end(struct http_ask *ask)
{
    if (ask->answered != NULL)
        ask->connection->asked++;
    done(ask);
}

int32_t
http_ask_one(struct http_connection *connection, const struct pk_request *request, uint32_t blob,
             http_answered_fn *answered)
{
    struct http_ask *ask = http_ask_new(connection, 1, answered);
    if (ask == NULL)
        return -ENOMEM;
    ask->blob = blob;
    http_ask_peer(ask, 0, request);
    http_ask_end(ask);
    return 0;
}

void
http_ask_release(struct http_connection *connection, const char *lease_id)
{
    struct pk_request request = {
        .struct_size = (uint32_t)sizeof(request),
        .verb = PK_VERB_RELEASE,
        .lease_id = lease_id,
    };
    /* Without memory the lease ends by its ttl, or with its session. */
    (void)http_ask_one(connection, &request, HTTP_NO_BLOB, NULL);
}

/* The peer granted what the client is not told: the lease must not stay. */
static void
roll_back(struct http_ask *ask)
{
    for (size_t i = 0; i < ask->count && !ask->connection->dead; i++)
        if (ask->answers[i].status != 0 && ask->answers[i].granted)
            http_ask_release(ask->connection, ask->answers[i].lease_id);
}

void
http_ask_finish(struct http_ask *ask)
{
    struct http_connection *connection = ask->connection;
    roll_back(ask);
    if (ask->answered != NULL && !connection->dead) {
        connection->asked--;
        ask->answered(connection, ask);
        http_loop_enqueue(&connection->transport->loop, connection);
    }
    http_ask_free(ask);
}
