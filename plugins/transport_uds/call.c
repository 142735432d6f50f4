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

/* Text and bytes of a batch's reply, above which the rest of the batch is `too_large`: requests can
 * be small and their replies large. */
#define UDS_BATCH_REPLY_MAX ((size_t)4 << 20)

/* Bytes that a batch's reply gets room for at most, because its items are often alike. */
#define UDS_BATCH_DATA ((size_t)128 << 10)

/* Held for one connection beyond max_output, above which its replies are `busy`: as with
 * descriptors, for all that completes at once. */
#define UDS_REPLY_SPARE ((size_t)12 << 20)

/* A call of one item. */
static struct uds_call *
call_alloc(struct uds_connection *connection, const char *tag)
{
    size_t tag_size = tag != NULL ? strlen(tag) + 1 : 0;
    struct uds_call *call = malloc(sizeof(*call) + tag_size);
    if (call == NULL)
        return NULL;
    *call = (struct uds_call){
        .connection = connection,
        .item_count = 1,
        .items = &call->item,
        .item = { .call = call },
    };
    if (tag != NULL)
        call->tag = memcpy(call->tag_text, tag, tag_size);
    connection->refs++;
    connection->transport->calls++;
    return call;
}

static int32_t
make_batch(struct uds_call *call, size_t count)
{
    struct uds_item *items = calloc(count + 1, sizeof(*items));
    if (items == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++)
        items[i].call = call;
    call->batch = true;
    call->items = items;
    call->item_count = count;
    call->left = count + 1;
    atomic_init(&call->room, UDS_BATCH_REPLY_MAX);
    (void)pthread_mutex_init(&call->lock, NULL);
    return 0;
}

static void
drop_passed(struct uds_call *call)
{
    call->connection->passed -= call->fd_count;
    free(pk_steal(call->fds));
}

/* The call's descriptors are somebody else's from now on. */
static void
forget_passed(struct uds_call *call)
{
    uds_passed_forget(&call->connection->input.passer, call->fd_count);
    drop_passed(call);
}

static void
close_passed(struct uds_call *call)
{
    uds_passed_close(&call->connection->input.passer, call->fds, call->fd_count);
    drop_passed(call);
}

static void
free_batch(struct uds_call *call)
{
    free(call->items);
    free(call->texts.bytes);
    (void)pthread_mutex_destroy(&call->lock);
}

/* Frees all but the reply, and drops no reference. */
static void
finish(struct uds_call *call)
{
    if (call->request != NULL)
        pk_wire_request_free(call->request);
    free(call->text);
    free(call->data);
    if (call->fds != NULL)
        close_passed(call);
    if (call->batch)
        free_batch(call);
    call->connection->transport->calls--;
}

void
uds_call_drop(struct uds_call *call)
{
    struct uds_connection *connection = call->connection;
    finish(call);
    uds_reply_free(&connection->output, &call->reply);
    uds_connection_unref(connection);
}

struct uds_reply *
uds_call_take_reply(struct uds_call *call)
{
    finish(call);
    uds_connection_unref(call->connection);
    return &call->reply;
}

/* A call of one request is completed once, and nobody else knows it then. */
static void
lock(struct uds_call *call)
{
    if (call->batch)
        (void)pthread_mutex_lock(&call->lock);
}

static void
unlock(struct uds_call *call)
{
    if (call->batch)
        (void)pthread_mutex_unlock(&call->lock);
}

/* ---- answers: with the call's lock held, or while nobody else knows the call ---- */

static struct pk_wire_reply_format
item_format(const struct uds_item *item)
{
    struct uds_call *call = item->call;
    return (struct pk_wire_reply_format){
        .into = call->batch ? &call->texts : NULL,
        .tag = call->batch ? NULL : call->tag,
        .first_fd = call->reply.fd_count,
        .item = call->batch,
        .binary = call->binary,
        .takes_binary = call->offered,
        .first_data = call->reply.data_size,
    };
}

/* The item's answer is this. */
static void
tell(struct uds_item *item, char *text, size_t size)
{
    struct uds_call *call = item->call;
    if (call->batch) {
        item->begin = (size_t)(text - call->texts.bytes);
        item->size = size;
    } else {
        call->reply.text = text;
        call->reply.text_size = size;
    }
}

/* The item's answer isn't this, which was encoded last. */
static void
untell(struct uds_item *item, char *text)
{
    struct uds_call *call = item->call;
    if (call->batch)
        call->texts.size = (size_t)(text - call->texts.bytes);
    else
        free(text);
}

static void
answer_error(struct uds_item *item, int32_t code, const char *message)
{
    struct pk_wire_reply_format format = item_format(item);
    char *text = NULL;
    size_t size = 0;
    if (pk_wire_error_encode(code, message, &format, &text, &size) == 0)
        tell(item, text, size);
}

/* Whether so many more descriptors can travel with this call's reply. */
static int32_t
check_descriptors(struct uds_call *call, uint32_t more, struct pk_error *err)
{
    if (call->reply.fd_count + more > PK_WIRE_FDS_MAX)
        return pk_fail(err, -EFBIG, "more than %u descriptors in one reply", PK_WIRE_FDS_MAX);
    if (atomic_load(&call->connection->output.fds_held) + more > UDS_FDS_HELD_MAX)
        return pk_fail(err, -EBUSY, "too many descriptors wait to be received");
    if (more == 0 || call->reply.fds != NULL)
        return 0;
    call->reply.fds = malloc((call->batch ? PK_WIRE_FDS_MAX : more) * sizeof(int));
    if (call->reply.fds == NULL)
        return pk_fail(err, -ENOMEM, "out of memory");
    return 0;
}

/* The last descriptors are for those who let none wait. */
static int32_t
check_scarce(struct uds_call *call, const int *fds, uint32_t count, struct pk_error *err)
{
    if (atomic_load(&call->connection->output.fds_held) == call->reply.fd_count)
        return 0;
    for (uint32_t i = 0; i < count; i++)
        if (uds_descriptors_scarce(fds[i]))
            return pk_fail(err, -EBUSY, "out of descriptors, while others wait to be received");
    return 0;
}

/* Whether so many more bytes can be held for this call. */
static int32_t
check_size(struct uds_call *call, size_t more, struct pk_error *err)
{
    const struct uds_connection *connection = call->connection;
    if (call->batch && more > atomic_load(&call->room)) {
        atomic_store(&call->room, 0);
        return pk_fail(err, -EFBIG, "the replies of the batch are over %zu bytes",
                       UDS_BATCH_REPLY_MAX);
    }
    uint64_t held = atomic_load(&connection->output.bytes_held) + more;
    if (held > UDS_REPLY_SPARE
        && held - UDS_REPLY_SPARE > connection->transport->options.max_output)
        return pk_fail(err, -EBUSY, "too many replies wait to be received");
    return 0;
}

static const struct pk_handle *
handle_at(const struct pk_reply *reply, uint32_t index)
{
    return (const struct pk_handle *)(const void *)((const char *)reply->handles
                                                    + (size_t)index * reply->handle_stride);
}

/* How much room there is to be for `more` bytes behind those of the call's. */
static size_t
choose_room(const struct uds_call *call, size_t more)
{
    const struct uds_reply *to = &call->reply;
    size_t likely = to->data_room > 0 ? to->data_room * 2 : more * call->item_count;
    if (to->data_room == 0 && likely > UDS_BATCH_DATA)
        likely = UDS_BATCH_DATA;
    return likely > to->data_size + more ? likely : to->data_size + more;
}

/* Copies the `more` bytes of a reply, which are borrowed, behind those of the call's. */
static int32_t
append_data(struct uds_call *call, const struct pk_reply *reply, size_t more)
{
    struct uds_reply *to = &call->reply;
    if (to->data_room - to->data_size < more) {
        size_t room = choose_room(call, more);
        char *data = realloc(to->data, room);
        if (data == NULL)
            return -ENOMEM;
        to->data = data;
        to->data_room = room;
    }
    char *end = to->data + to->data_size;
    for (uint32_t i = 0; i < reply->blob_count; i++) {
        const struct pk_handle *handle = handle_at(reply, i);
        if (handle->size > 0)
            end = mempcpy(end, handle->data, handle->size);
    }
    to->data_size += more;
    return 0;
}

/* Takes the bytes of a reply; on the loop's thread one blob's stay borrowed, since the call is
 * finished before the completion returns. */
static int32_t
take_data(struct uds_call *call, const struct pk_reply *reply, size_t more)
{
    struct uds_reply *to = &call->reply;
    if (more == 0)
        return 0;
    if (call->batch || reply->blob_count > 1
        || !uds_loop_is_here(&call->connection->transport->loop))
        return append_data(call, reply, more);
    to->data = (char *)(uintptr_t)handle_at(reply, 0)->data; /* which is only read */
    to->data_size = more;
    to->borrowed = true;
    return 0;
}

static void
hold(struct uds_call *call, size_t more)
{
    call->reply.held += more;
    atomic_fetch_add(&call->connection->output.bytes_held, more);
    if (call->batch)
        atomic_fetch_sub(&call->room, more);
}

/* Makes the item's text, and takes the bytes that go with it; both are counted as held. */
static int32_t
encode_reply(struct uds_item *item, const struct pk_reply *reply, struct pk_error *err)
{
    struct uds_call *call = item->call;
    struct pk_wire_reply_format format = item_format(item);
    char *text = NULL;
    size_t size = 0;
    size_t data = pk_wire_reply_data(reply);
    int32_t r = pk_wire_reply_encode(reply, &format, &text, &size);
    if (r < 0)
        return pk_fail(err, r, "out of memory");
    r = check_size(call, size + data, err);
    if (r == 0 && take_data(call, reply, data) < 0)
        r = pk_fail(err, -ENOMEM, "out of memory");
    if (r < 0) {
        untell(item, text);
        return r;
    }
    tell(item, text, size);
    hold(call, size + data);
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
    int *fds = more > 0 ? call->reply.fds + call->reply.fd_count : NULL;
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
    call->reply.fd_count += more;
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
join_texts(struct uds_call *call, struct pk_wire_item *items)
{
    struct uds_reply *reply = &call->reply;
    const struct pk_wire_reply_format format = {
        .tag = call->tag,
        .binary = call->binary,
        .takes_binary = call->offered,
    };
    for (size_t i = 0; i < call->item_count; i++) {
        const struct uds_item *item = &call->items[i];
        items[i] = (struct pk_wire_item){ call->texts.bytes + item->begin, item->size };
        if (item->size == 0)
            return;
    }
    if (pk_wire_batch_reply_encode(items, call->item_count, reply->fd_count, reply->data_size,
                                   &format, &reply->text, &reply->text_size)
        < 0)
        reply->text = NULL;
}

/* Nothing is left, so no lock is needed. */
static void
join_items(struct uds_call *call)
{
    struct pk_wire_item *items = calloc(call->item_count + 1, sizeof(*items));
    if (items != NULL)
        join_texts(call, items);
    free(items);
}

static void
complete(struct uds_call *call)
{
    if (call->batch)
        join_items(call);
    if (call->reply.text != NULL && !call->binary) /* the newline takes the place of the NUL */
        call->reply.text[call->reply.text_size++] = '\n';
    uds_loop_complete(&call->connection->transport->loop, call);
}

/* An item has its answer: the last one completes the call. Drops the lock. */
static void
done_unlock(struct uds_call *call)
{
    bool last = !call->batch || --call->left == 0;
    unlock(call);
    if (last)
        complete(call);
}

static void
on_reply(void *arg, const struct pk_reply *reply)
{
    struct uds_item *item = arg;
    struct pk_error err;
    pk_error_init(&err);
    lock(item->call);
    if (answer_reply(item, reply, &err) < 0)
        answer_rollback(item, reply, &err);
    done_unlock(item->call);
}

/* ---- asking ---- */

static void
ignore_reply(void *arg, const struct pk_reply *reply)
{
    (void)arg;
    uds_descriptors_drop(reply);
}

/* Nobody is told, and a lease that has ended is as good. */
static void
release(const struct uds_connection *connection, const char *lease_id)
{
    const struct pk_host *host = connection->transport->host;
    struct pk_request request = {
        .struct_size = (uint32_t)sizeof(request),
        .verb = PK_VERB_RELEASE,
        .lease_id = lease_id,
    };
    host->call(host->ctx, connection->session, &request, ignore_reply, NULL, NULL);
}

static void
ask_stats(struct uds_item *item)
{
    const struct pk_host *host = item->call->connection->transport->host;
    struct pk_wire_figures *figures = pk_wire_figures_new();
    if (figures != NULL)
        host->stats(host->ctx, pk_wire_figures_add, figures);
    struct pk_wire_reply_format format = item_format(item); /* never in a batch */
    char *text = NULL;
    size_t size = 0;
    if (pk_wire_figures_encode(figures, &format, &text, &size) == 0)
        tell(item, text, size);
    pk_wire_figures_free(figures);
    complete(item->call);
}

/* Why the request isn't for the peer, if it isn't. */
static int32_t
check_item(struct uds_item *item, const struct pk_wire_request *request, struct pk_error *err)
{
    if (request->error.code != 0)
        return pk_fail(err, request->error.code, "%s", request->error.message);
    if (item->call->batch && atomic_load(&item->call->room) == 0)
        return pk_fail(err, -EFBIG, "not started: the replies before fill the batch's");
    return 0;
}

/* How many bytes instead of a lease the transport lets the reply have. */
static uint64_t
limit_inline(struct uds_call *call, uint64_t wanted)
{
    uint64_t max = call->connection->transport->options.max_data;
    uint64_t room = call->batch ? atomic_load(&call->room) : max;
    max = max < room ? max : room;
    return wanted < max ? wanted : max;
}

/* With the descriptors that were passed, which are the peer's from now on. */
static void
ask_passed(struct uds_item *item, struct pk_request *request)
{
    struct uds_call *call = item->call;
    const struct uds_connection *connection = call->connection;
    const struct pk_host *host = connection->transport->host;
    struct pk_handle handles[PK_WIRE_FDS_MAX];
    for (uint32_t i = 0; i < call->fd_count; i++)
        handles[i] = (struct pk_handle){
            .struct_size = (uint32_t)sizeof(handles[i]),
            .kind = PK_HANDLE_FD,
            .fd = call->fds[i],
            .size = request->sizes != NULL ? request->sizes[i] : PK_UNSIZED,
        };
    request->handles = handles;
    request->handle_stride = (uint32_t)sizeof(handles[0]);
    forget_passed(call);
    host->call(host->ctx, connection->session, request, on_reply, item, NULL);
}

/* `data` is where the item's bytes begin. */
static void
ask(struct uds_item *item, struct pk_wire_request *wire, char *data)
{
    const struct uds_connection *connection = item->call->connection;
    const struct pk_host *host = connection->transport->host;
    struct pk_request *request = &wire->request;
    struct pk_error err;
    pk_error_init(&err);
    if (check_item(item, wire, &err) < 0) {
        lock(item->call);
        answer_error(item, err.code, err.message);
        done_unlock(item->call);
    } else if (request->verb == PK_WIRE_VERB_STATS) {
        ask_stats(item);
    } else if (item->call->fds != NULL) {
        ask_passed(item, request);
    } else {
        request->data = data;
        request->inline_max = limit_inline(item->call, request->inline_max);
        host->call(host->ctx, connection->session, request, on_reply, item, NULL);
    }
}

static void
ask_batch(struct uds_call *call, const struct pk_wire_request *request)
{
    char *data = call->data;
    for (size_t i = 0; i < call->item_count; i++) {
        struct pk_wire_request *item = request->items[i];
        char *begin = data;
        if (item->request.data_size > 0)
            data += item->request.data_size;
        ask(&call->items[i], item, begin);
    }
    lock(call);
    done_unlock(call);
}

int32_t
uds_call_fold(struct uds_call *call, const char *text)
{
    if (call->request == NULL)
        return 0;
    call->text = malloc(call->text_size);
    if (call->text == NULL)
        return -ENOMEM;
    memcpy(call->text, text, call->text_size);
    pk_wire_request_free(pk_steal(call->request));
    return 0;
}

/* What was read once can be read again, unless there is no memory: then there is no reply. */
static void
unfold(struct uds_call *call)
{
    struct pk_wire_room *room = &call->connection->transport->loop.room;
    struct pk_wire_request *request = NULL;
    if (call->text == NULL)
        return;
    if (pk_wire_request_decode_in(room, call->text, call->text_size, NULL, &request, NULL) == 0)
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
    for (uint32_t i = 0; i < request->release_count; i++)
        release(call->connection, request->releases[i]);
    if (call->refused)
        complete(call);
    else if (call->batch)
        ask_batch(call, request);
    else
        ask(&call->item, request, call->data);
    pk_wire_request_free(request);
}

/* ---- from text to reply ---- */

static void
refuse(struct uds_call *call, int32_t code, const char *message)
{
    call->refused = true;
    answer_error(&call->item, code, message);
}

/* Takes what was passed with the request, and makes room for the bytes behind it. */
static int32_t
take_baggage(struct uds_call *call, struct pk_error *err)
{
    struct uds_connection *connection = call->connection;
    const struct pk_wire_request *request = call->request;
    uint64_t size = request->request.data_size;
    uint64_t max = connection->transport->options.max_data;
    call->last = size > max;
    if (request->error.code == 0 && size > max)
        return pk_fail(err, -EFBIG, "data: more than %llu bytes", (unsigned long long)max);
    if (size > 0 && size <= max) {
        call->data = malloc(size);
        call->data_size = size;
        return call->data == NULL ? -ENOMEM : 0;
    }
    if (request->error.code != 0 || request->request_fds == 0)
        return 0;
    int32_t r =
        uds_input_claim(&connection->input, call->text_size, request->request_fds, &call->fds, err);
    call->fd_count = r == 0 ? request->request_fds : 0;
    connection->passed += call->fd_count;
    return r;
}

int32_t
uds_call_new(struct uds_connection *connection, const char *text, size_t size,
             struct uds_call **ret_call)
{
    struct pk_wire_room *room = &connection->transport->loop.room;
    struct pk_wire_request *request = NULL;
    if (pk_wire_request_decode_in(room, text, size, NULL, &request, NULL) < 0)
        return -ENOMEM;
    bool batch = request->request.verb == PK_WIRE_VERB_BATCH;
    struct uds_call *call = call_alloc(connection, request->tag);
    if (call == NULL) {
        pk_wire_request_free(request);
        return -ENOMEM;
    }
    call->text_size = size;
    call->releases = request->release_count;
    call->binary = request->binary;
    call->offered = request->offer;
    call->request = request;
    struct pk_error err;
    pk_error_init(&err);
    int32_t r = take_baggage(call, &err);
    if (r == 0 && batch)
        r = make_batch(call, request->item_count);
    if (r == -ENOMEM) {
        uds_call_drop(call);
        return r;
    }
    if (r < 0)
        refuse(call, r, err.message);
    *ret_call = call;
    return 0;
}

int32_t
uds_call_new_error(struct uds_connection *connection, const struct pk_error *error, bool binary,
                   struct uds_call **ret_call)
{
    struct uds_call *call = call_alloc(connection, NULL);
    if (call == NULL)
        return -ENOMEM;
    call->binary = binary;
    answer_error(&call->item, error->code, error->message);
    *ret_call = call;
    return 0;
}

void
uds_call_finish(struct uds_call *call)
{
    struct uds_connection *connection = call->connection;
    for (size_t i = 0; i < call->item_count && !connection->dead; i++)
        if (call->items[i].rollback[0] != '\0')
            release(connection, call->items[i].rollback);
    uds_connection_answer(connection, call);
}
