/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A completion comes on any thread. It turns the peer's reply to text and takes its descriptors
 * then and there, since both are borrowed for that long; the loop does the rest.
 */
#include "call.h"
#include "connection.h"
#include "descriptors.h"
#include "transport_uds.h"
#include <errno.h>
#include <packice/cleanup.h>
#include <string.h>

/* Descriptors open for one connection, above which its replies are `busy`: it starts no more calls
 * long before, so this bounds what those under way can come to. */
#define UDS_FDS_HELD_MAX 4096U

/* Text of a batch's reply, above which the rest of the batch is `too_large`: requests can be small
 * and their replies large. */
#define UDS_BATCH_TEXT_MAX ((size_t)4 << 20)

/* Text held for one connection beyond max_output, above which its replies are `busy`: as with
 * descriptors, for all that completes at once. */
#define UDS_TEXT_SPARE ((size_t)12 << 20)

static struct uds_call *
call_alloc(struct uds_connection *connection, size_t items)
{
    struct uds_call *call = calloc(1, sizeof(*call) + items * sizeof(call->items[0]));
    if (call == NULL)
        return NULL;
    call->reply = calloc(1, sizeof(*call->reply));
    if (call->reply == NULL) {
        free(call);
        return NULL;
    }
    (void)pthread_mutex_init(&call->lock, NULL);
    call->item_count = items;
    call->left = items + 1;
    for (size_t i = 0; i < items; i++)
        call->items[i].call = call;
    call->connection = connection;
    connection->refs++;
    connection->transport->calls++;
    return call;
}

static void
call_free(struct uds_call *call)
{
    for (size_t i = 0; i < call->item_count; i++)
        free(call->items[i].text);
    uds_reply_free(&call->connection->output, call->reply);
    pk_wire_request_free(call->request);
    free(call->text);
    free(call->tag);
    (void)pthread_mutex_destroy(&call->lock);
    call->connection->transport->calls--;
    free(call);
}

void
uds_call_drop(struct uds_call *call)
{
    struct uds_connection *connection = call->connection;
    call_free(call);
    uds_connection_unref(connection);
}

/* ---- answers: with the call's lock held, or while nobody else knows the call ---- */

static struct pk_wire_reply_format
item_format(const struct uds_item *item)
{
    const struct uds_call *call = item->call;
    return (struct pk_wire_reply_format){
        .tag = call->batch ? NULL : call->tag,
        .first_fd = call->reply->fd_count,
        .item = call->batch,
    };
}

static void
answer_error(struct uds_item *item, int32_t code, const char *message)
{
    struct pk_wire_reply_format format = item_format(item);
    if (pk_wire_error_encode(code, message, &format, &item->text, &item->size) < 0)
        item->text = NULL;
}

/* Whether so many more descriptors can travel with this call's reply. */
static int32_t
check_descriptors(struct uds_call *call, uint32_t more, struct pk_error *err)
{
    if (call->reply->fd_count + more > PK_WIRE_FDS_MAX)
        return pk_fail(err, -EFBIG, "more than %u descriptors in one reply", PK_WIRE_FDS_MAX);
    if (atomic_load(&call->connection->output.fds_held) + more > UDS_FDS_HELD_MAX)
        return pk_fail(err, -EBUSY, "too many descriptors wait to be received");
    if (more == 0 || call->reply->fds != NULL)
        return 0;
    call->reply->fds = calloc(call->batch ? PK_WIRE_FDS_MAX : more, sizeof(int));
    if (call->reply->fds == NULL)
        return pk_fail(err, -ENOMEM, "out of memory");
    return 0;
}

/* The last descriptors are for those who let none wait. */
static int32_t
check_scarce(struct uds_call *call, const int *fds, uint32_t count, struct pk_error *err)
{
    if (atomic_load(&call->connection->output.fds_held) == call->reply->fd_count)
        return 0;
    for (uint32_t i = 0; i < count; i++)
        if (uds_descriptors_scarce(fds[i]))
            return pk_fail(err, -EBUSY, "out of descriptors, while others wait to be received");
    return 0;
}

/* Whether so much more text can be held for this call. */
static int32_t
check_text(struct uds_call *call, size_t more, struct pk_error *err)
{
    const struct uds_connection *connection = call->connection;
    if (call->batch && call->reply->held + more > UDS_BATCH_TEXT_MAX) {
        call->full = true;
        return pk_fail(err, -EFBIG, "the replies of the batch are over %zu bytes",
                       UDS_BATCH_TEXT_MAX);
    }
    uint64_t held = atomic_load(&connection->output.text_held) + more;
    if (held > UDS_TEXT_SPARE && held - UDS_TEXT_SPARE > connection->transport->options.max_output)
        return pk_fail(err, -EBUSY, "too many replies wait to be received");
    return 0;
}

/* Makes the item's text, which is counted as held. */
static int32_t
encode_reply(struct uds_item *item, const struct pk_reply *reply, struct pk_error *err)
{
    struct uds_call *call = item->call;
    struct pk_wire_reply_format format = item_format(item);
    char *text = NULL;
    size_t size = 0;
    int32_t r = pk_wire_reply_encode(reply, &format, &text, &size);
    if (r < 0)
        return pk_fail(err, r, "out of memory");
    r = check_text(call, size, err);
    if (r < 0) {
        free(text);
        return r;
    }
    item->text = text;
    item->size = size;
    call->reply->held += size;
    atomic_fetch_add(&call->connection->output.text_held, size);
    return 0;
}

static int32_t
answer_reply(struct uds_item *item, const struct pk_reply *reply, struct pk_error *err)
{
    struct uds_call *call = item->call;
    uint32_t more = pk_wire_reply_fds(reply);
    int32_t r = check_descriptors(call, more, err);
    if (r < 0) {
        uds_descriptors_drop(reply);
        return r;
    }
    int *fds = more > 0 ? call->reply->fds + call->reply->fd_count : NULL;
    if (more > 0)
        r = uds_descriptors_take(reply, fds, err);
    if (r < 0)
        return r;
    r = check_scarce(call, fds, more, err);
    if (r == 0)
        r = encode_reply(item, reply, err);
    if (r < 0) {
        for (uint32_t i = 0; i < more; i++)
            (void)close(fds[i]);
        return r;
    }
    call->reply->fd_count += more;
    atomic_fetch_add(&call->connection->output.fds_held, more);
    return 0;
}

/* The peer has granted what the client can't be told: the lease must not stay. A seal that can't
 * be told in full is left as it is: it can be asked for again. */
static void
answer_rollback(struct uds_item *item, const struct pk_reply *reply, const struct pk_error *why)
{
    if (reply->status == 0 && reply->verb == PK_VERB_ACQUIRE && reply->lease_id != NULL)
        (void)snprintf(item->rollback, sizeof(item->rollback), "%s", reply->lease_id);
    answer_error(item, why->code, why->message);
}

/* ---- completion ---- */

/* One text of all the items' texts; without one of them there is none. */
static void
join_texts(struct uds_call *call, const char **texts)
{
    struct uds_reply *reply = call->reply;
    for (size_t i = 0; i < call->item_count; i++) {
        texts[i] = call->items[i].text;
        if (texts[i] == NULL)
            return;
    }
    if (pk_wire_batch_reply_encode(texts, call->item_count, reply->fd_count, 0, call->tag,
                                   &reply->text, &reply->size)
        < 0)
        reply->text = NULL;
}

/* Nothing is left, so no lock is needed. */
static void
join_items(struct uds_call *call)
{
    if (!call->batch) {
        call->reply->text = pk_steal(call->items[0].text);
        call->reply->size = call->items[0].size;
        return;
    }
    const char **texts = calloc(call->item_count + 1, sizeof(*texts));
    if (texts != NULL)
        join_texts(call, texts);
    free(texts);
}

static void
complete(struct uds_call *call)
{
    join_items(call);
    if (call->reply->text != NULL) /* the newline takes the place of the NUL */
        call->reply->text[call->reply->size++] = '\n';
    uds_loop_complete(&call->connection->transport->loop, call);
}

/* One less is left; the last one completes the call. Drops the lock. */
static void
done_unlock(struct uds_call *call)
{
    bool last = --call->left == 0;
    pthread_mutex_unlock(&call->lock);
    if (last)
        complete(call);
}

static void
on_reply(void *arg, const struct pk_reply *reply)
{
    struct uds_item *item = arg;
    struct pk_error err = PK_ERROR_INIT;
    pthread_mutex_lock(&item->call->lock);
    if (answer_reply(item, reply, &err) < 0)
        answer_rollback(item, reply, &err);
    done_unlock(item->call);
}

/* ---- asking ---- */

static void
ask_stats(struct uds_item *item)
{
    const struct pk_host *host = item->call->connection->transport->host;
    struct pk_wire_figures *figures = pk_wire_figures_new();
    if (figures != NULL)
        host->stats(host->ctx, pk_wire_figures_add, figures);
    pthread_mutex_lock(&item->call->lock);
    struct pk_wire_reply_format format = item_format(item);
    if (pk_wire_figures_encode(figures, &format, &item->text, &item->size) < 0)
        item->text = NULL;
    done_unlock(item->call);
    pk_wire_figures_free(figures);
}

/* Why the request isn't for the peer, if it isn't. */
static int32_t
check_item(struct uds_item *item, const struct pk_wire_request *request, struct pk_error *err)
{
    pthread_mutex_lock(&item->call->lock);
    bool full = item->call->full;
    pthread_mutex_unlock(&item->call->lock);
    if (request->error.code != 0)
        return pk_fail(err, request->error.code, "%s", request->error.message);
    if (full)
        return pk_fail(err, -EFBIG, "not started: the replies before fill the batch's");
    if (request->request.verb == PK_VERB_PUT)
        return pk_fail(err, -EOPNOTSUPP, "command: not a verb of this transport");
    return 0;
}

static void
ask(struct uds_item *item, const struct pk_wire_request *request)
{
    const struct uds_connection *connection = item->call->connection;
    const struct pk_host *host = connection->transport->host;
    struct pk_error err = PK_ERROR_INIT;
    if (check_item(item, request, &err) < 0) {
        pthread_mutex_lock(&item->call->lock);
        answer_error(item, err.code, err.message);
        done_unlock(item->call);
    } else if (request->request.verb == PK_WIRE_VERB_STATS) {
        ask_stats(item);
    } else {
        host->call(host->ctx, connection->session, &request->request, on_reply, item, NULL);
    }
}

int32_t
uds_call_fold(struct uds_call *call, const char *text)
{
    if (call->request == NULL)
        return 0;
    call->text = malloc(call->cost);
    if (call->text == NULL)
        return -ENOMEM;
    memcpy(call->text, text, call->cost);
    pk_wire_request_free(pk_steal(call->request));
    return 0;
}

/* What was read once can be read again, unless there is no memory: then there is no reply. */
static void
unfold(struct uds_call *call)
{
    struct pk_error err = PK_ERROR_INIT;
    struct pk_wire_request *request = NULL;
    if (call->text == NULL)
        return;
    if (pk_wire_request_decode(call->text, call->cost, NULL, &request, &err) == 0)
        call->request = request;
    free(pk_steal(call->text));
}

void
uds_call_start(struct uds_call *call)
{
    unfold(call);
    struct pk_wire_request *request = pk_steal(call->request);
    if (request == NULL) {
        complete(call);
        return;
    }
    for (size_t i = 0; i < call->item_count; i++)
        ask(&call->items[i], call->batch ? request->items[i] : request);
    pk_wire_request_free(request);
    pthread_mutex_lock(&call->lock);
    done_unlock(call);
}

/* ---- from text to reply ---- */

int32_t
uds_call_new(struct uds_connection *connection, const char *text, size_t size,
             struct uds_call **ret_call)
{
    struct pk_error err = PK_ERROR_INIT;
    struct pk_wire_request *request = NULL;
    if (pk_wire_request_decode(text, size, NULL, &request, &err) < 0)
        return -ENOMEM;
    bool batch = request->request.verb == PK_WIRE_VERB_BATCH;
    struct uds_call *call = call_alloc(connection, batch ? request->item_count : 1);
    if (call == NULL) {
        pk_wire_request_free(request);
        return -ENOMEM;
    }
    call->tag = pk_steal(request->tag);
    call->batch = batch;
    call->cost = size;
    call->request = request;
    if (request->error.code != 0) {
        answer_error(&call->items[0], request->error.code, request->error.message);
        pk_wire_request_free(pk_steal(call->request));
    }
    *ret_call = call;
    return 0;
}

int32_t
uds_call_new_error(struct uds_connection *connection, const struct pk_error *error,
                   struct uds_call **ret_call)
{
    struct uds_call *call = call_alloc(connection, 1);
    if (call == NULL)
        return -ENOMEM;
    answer_error(&call->items[0], error->code, error->message);
    *ret_call = call;
    return 0;
}

static void
ignore_reply(void *arg, const struct pk_reply *reply)
{
    (void)arg;
    uds_descriptors_drop(reply);
}

static void
roll_back(const struct uds_connection *connection, const struct uds_item *item)
{
    const struct pk_host *host = connection->transport->host;
    struct pk_request request = {
        .struct_size = (uint32_t)sizeof(request),
        .verb = PK_VERB_RELEASE,
        .lease_id = item->rollback,
    };
    host->call(host->ctx, connection->session, &request, ignore_reply, NULL, NULL);
}

void
uds_call_finish(struct uds_call *call)
{
    struct uds_connection *connection = call->connection;
    for (size_t i = 0; i < call->item_count && !connection->dead; i++)
        if (call->items[i].rollback[0] != '\0')
            roll_back(connection, &call->items[i]);
    uds_connection_answer(connection, call);
    uds_call_drop(call);
}
