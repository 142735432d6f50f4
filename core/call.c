/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a call: copied, begun, parked, run in steps, completed exactly once. What a verb does
 * in its steps is in the verb's own file.
 */
#include "core/id.h"
#include "core/memory.h"
#include "core/peer_state.h"

#include <errno.h>
#include <packice/cleanup.h>
#include <string.h>

/* How much room a copy of the text takes; 0 where there is none. */
static int32_t
measure_text(const char *text, size_t max, const char *member, size_t *ret_room,
             struct pk_error *err)
{
    if (text == NULL) {
        *ret_room = 0;
        return 0;
    }
    size_t size = strnlen(text, max + 1);
    if (size > max)
        return pk_fail(err, -EINVAL, "%s: over %zu bytes", member, max);
    *ret_room = size + 1;
    return 0;
}

static int32_t
check_sizes(const struct pk_request *request, struct pk_error *err)
{
    uint64_t total = 0;

    for (uint32_t i = 0; request->sizes != NULL && i < request->blob_count; i++) {
        if (request->sizes[i] == PK_UNSIZED)
            continue;
        if (request->sizes[i] > PK_SIZE_MAX || total > PK_SIZE_MAX - request->sizes[i])
            return pk_fail(err, -EFBIG, "sizes[%u]: too large", i);
        total += request->sizes[i];
    }
    return 0;
}

static int32_t
measure_id(const char *id, size_t *ret_room, struct pk_error *err)
{
    size_t size = 0;
    int32_t rc = id != NULL ? pk_id_measure(id, &size, err) : 0;

    *ret_room = id != NULL ? size + 1 : 0;
    return rc;
}

int32_t
pk_call_check(const struct pk_request *request, struct pk_call_texts *ret_texts,
              struct pk_error *err)
{
    if (measure_id(request->object_id, &ret_texts->object_id, err) != 0)
        return -EINVAL;
    if (request->blob_count > PK_BLOBS_MAX)
        return pk_fail(err, -EINVAL, "blobs: %u, but an object has at most %u", request->blob_count,
                       PK_BLOBS_MAX);
    if (measure_text(request->lease_id, PK_LEASE_ID_LEN, "lease_id", &ret_texts->lease_id, err) != 0
        || measure_text(request->request_id, PK_REQUEST_ID_MAX, "request_id",
                        &ret_texts->request_id, err)
               != 0
        || measure_text(request->prefix, PK_ID_MAX, "prefix", &ret_texts->prefix, err) != 0
        || measure_text(request->meta, PK_META_MAX, "meta", &ret_texts->meta, err) != 0)
        return -EINVAL;
    if (request->request_id != NULL && request->request_id[0] == '\0')
        return pk_fail(err, -EINVAL, "request_id: empty");
    return check_sizes(request, err);
}

static const char *
copy_text(char **at, const char *text, size_t room)
{
    if (room == 0)
        return NULL;
    char *copy = memcpy(*at, text, room);
    *at += room;
    return copy;
}

/* ---- memory ---- */

/* Calls are larger than what malloc keeps at hand, so those that fit are kept here. With a
 * sanitizer each is to be freed: it sees who uses it afterwards. */
#define TEXT_ROOM 256U
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SPARES false
#else
#define SPARES true
#endif
#define SPARE_MAX 64U

static struct pk_call *
call_alloc(struct pk_peer *peer, size_t room)
{
    struct pk_call *call = room <= TEXT_ROOM ? TAILQ_FIRST(&peer->spare) : NULL;

    room = room > TEXT_ROOM ? room : TEXT_ROOM;
    if (call != NULL) {
        TAILQ_REMOVE(&peer->spare, call, in_list);
        peer->spare_count--;
    } else {
        call = malloc(sizeof(*call) + room);
    }
    if (call == NULL)
        return NULL;
    memset(call, 0, offsetof(struct pk_call, request));
    call->lease.lease_id[0] = '\0';
    call->lease.object_id[0] = '\0';
    call->lease.access = 0;
    call->lease.ttl = 0;
    call->error.struct_size = sizeof(call->error);
    call->error.code = 0;
    call->error.message[0] = '\0';
    call->room = room;
    return call;
}

static void
call_free(struct pk_call *call)
{
    struct pk_peer *peer = call->peer;

    free(call->sizes);
    free(call->copied);
    free(call->given);
    if (!SPARES || call->room > TEXT_ROOM || peer->spare_count >= SPARE_MAX) {
        free(call);
        return;
    }
    TAILQ_INSERT_HEAD(&peer->spare, call, in_list);
    peer->spare_count++;
}

void
pk_call_spare_free(struct pk_peer *peer)
{
    struct pk_call *call;

    while ((call = TAILQ_FIRST(&peer->spare)) != NULL) {
        TAILQ_REMOVE(&peer->spare, call, in_list);
        free(call);
    }
}

/* One allocation for the call and its texts. */
static struct pk_call *
copy_request(struct pk_peer *peer, const struct pk_request *request,
             const struct pk_call_texts *texts)
{
    size_t given_room = pk_given_any(request) ? request->blob_count * sizeof(struct pk_handle) : 0;
    bool has_sizes = request->sizes != NULL || pk_given_any(request);
    size_t sizes_room = has_sizes ? request->blob_count * sizeof(uint64_t) : 0;
    size_t room =
        texts->object_id + texts->lease_id + texts->request_id + texts->prefix + texts->meta;
    struct pk_call *call = call_alloc(peer, room);
    if (call == NULL)
        return NULL;
    call->peer = peer;
    call->request = *request;
    if (sizes_room > 0)
        call->sizes = malloc(sizes_room);
    if (given_room > 0)
        call->given = malloc(given_room);
    if ((sizes_room > 0 && call->sizes == NULL) || (given_room > 0 && call->given == NULL)) {
        call_free(call);
        return NULL;
    }
    if (request->sizes != NULL && sizes_room > 0)
        memcpy(call->sizes, request->sizes, sizes_room);
    for (uint32_t i = 0; call->given != NULL && i < request->blob_count; i++) {
        call->given[i] = pk_given_at(request, i);
        if (request->sizes == NULL)
            call->sizes[i] = call->given[i].size;
    }
    char *at = call->text;
    call->request.sizes = call->sizes;
    call->request.object_id = copy_text(&at, request->object_id, texts->object_id);
    call->request.lease_id = copy_text(&at, request->lease_id, texts->lease_id);
    call->request.request_id = copy_text(&at, request->request_id, texts->request_id);
    call->request.prefix = copy_text(&at, request->prefix, texts->prefix);
    call->request.meta = copy_text(&at, request->meta, texts->meta);
    call->refs = 1;
    TAILQ_INIT(&call->victims);
    return call;
}

int32_t
pk_call_new(struct pk_peer *peer, struct pk_session *session, const struct pk_request *request,
            const struct pk_call_texts *texts, struct pk_call **ret_call, struct pk_error *err)
{
    struct pk_call *call = copy_request(peer, request, texts);
    if (call == NULL)
        return pk_fail(err, -ENOMEM, "out of memory");
    call->session = session;
    *ret_call = call;
    return 0;
}

struct pk_call *
pk_call_new_internal(struct pk_peer *peer, const char *object_id, pk_call_fn *begin)
{
    const struct pk_request request = { .struct_size = sizeof(request), .object_id = object_id };
    const struct pk_call_texts texts = { .object_id = strlen(object_id) + 1 };
    struct pk_call *call = copy_request(peer, &request, &texts);
    if (call == NULL)
        return NULL;
    call->begin = begin;
    peer->running++;
    return call;
}

static void
call_unref(struct pk_call *call)
{
    if (--call->refs > 0)
        return;
    call_free(call);
}

bool
pk_call_orphaned(const struct pk_call *call)
{
    return call->session != NULL && call->session->closed;
}

/* Takes it out of the list it is parked in; the name of that list stays until it is let go. */
static struct pk_name *
unpark(struct pk_call *call)
{
    struct pk_name *name = call->parked_name;

    if (name != NULL)
        pk_name_hold(name);
    if (call->parked != NULL)
        TAILQ_REMOVE(call->parked, call, in_list);
    call->parked = NULL;
    call->parked_name = NULL;
    if (call->waiting)
        call->peer->waits--;
    call->waiting = false;
    return name;
}

void
pk_call_begin(struct pk_call *call)
{
    struct pk_name *name = unpark(call);

    call->begin(call);
    if (call->parked == NULL)
        TAILQ_INSERT_TAIL(&call->peer->ready, call, in_list);
    if (name != NULL)
        pk_name_release(name);
}

static const char *
ended_why(int32_t status)
{
    return status == -ETIMEDOUT ? "not sealed in time" : "cancelled";
}

static void
timed_out(struct pk_timer *timer)
{
    struct pk_call *call =
        (struct pk_call *)(void *)((char *)timer - offsetof(struct pk_call, timer));
    struct pk_peer *peer = call->peer;

    pk_peer_lock(peer);
    pk_call_abort(call, -ETIMEDOUT, "not sealed in time");
    call_unref(call);
    pk_peer_settle(peer);
    pk_peer_unlock(peer);
}

void
pk_call_park(struct pk_call *call, struct pk_call_list *list, struct pk_name *name)
{
    struct pk_peer *peer = call->peer;

    if (call->overtaken != 0) {
        pk_call_fail(call, call->overtaken, "%s", ended_why(call->overtaken));
        return;
    }
    TAILQ_INSERT_TAIL(list, call, in_list);
    call->parked = list;
    call->parked_name = name;
    if (call->request.access != PK_ACCESS_READ || call->request.wait == 0 || call->deadline != 0)
        return;
    /* The deadline counts from the first time it is parked, whatever it is parked for later. */
    uint64_t now = pk_executor_now(peer->executor);
    call->deadline = call->request.wait < PK_FOREVER - now ? now + call->request.wait : PK_FOREVER;
    if (call->deadline == PK_FOREVER)
        return;
    call->refs++;
    peer->running++; /* the timer's own share, so that nobody frees the peer beneath it */
    call->timer.run = timed_out;
    pk_timer_set(peer->executor, &call->timer, call->deadline);
}

void
pk_call_abort(struct pk_call *call, int32_t status, const char *message)
{
    if (call->parked == NULL) {
        call->overtaken = status;
        return;
    }
    struct pk_name *name = unpark(call);

    pk_call_fail(call, status, "%s", message);
    TAILQ_INSERT_TAIL(&call->peer->ready, call, in_list);
    if (name != NULL)
        pk_name_release(name);
}

void
pk_call_fail(struct pk_call *call, int32_t status, const char *format, ...)
{
    va_list args;

    call->status = status;
    call->error.code = status;
    va_start(args, format);
    if (vsnprintf(call->error.message, sizeof(call->error.message), format, args) < 0)
        call->error.message[0] = '\0';
    va_end(args);
    call->step = NULL;
    call->slots = 0;
}

void
pk_call_next(struct pk_call *call, pk_call_fn *step, struct pk_instance *factory, uint32_t slots,
             uint64_t bytes)
{
    call->step = step;
    call->factory = factory;
    call->slots = slots;
    call->slot_bytes = bytes;
}

void
pk_call_use(struct pk_call *call, struct pk_object *object)
{
    call->object = object;
    call->working = true;
    object->works++;
    pk_object_use(object);
}

void
pk_call_rest(struct pk_call *call)
{
    if (call->working)
        call->object->works--;
    call->working = false;
    if (!call->leasing)
        return;
    call->leasing = false;
    pk_object_unlease(call->object);
    pk_object_check(call->object);
}

static void
leave_session(struct pk_call *call)
{
    struct pk_session *session = call->session;

    if (session == NULL)
        return;
    TAILQ_REMOVE(&session->calls, call, in_session);
    session->call_count--;
}

static void
free_handles(struct pk_call *call)
{
    if (call->handles != &call->one_handle)
        free(call->handles);
    call->handles = NULL;
}

void
pk_call_settle(struct pk_call *call)
{
    struct pk_peer *peer = call->peer;

    call->settled = true;
    leave_session(call);
    pk_call_rest(call);
    pk_repeat_settle(call, NULL);
    if (call->deadline != 0 && call->deadline != PK_FOREVER
        && pk_timer_clear(peer->executor, &call->timer)) {
        call_unref(call);
        pk_peer_settle(peer);
    }
}

static void
settle_at_last(struct pk_call *call)
{
    pk_peer_lock(call->peer);
    pk_call_settle(call);
    pk_peer_unlock_only(call->peer);
}

static void
complete(struct pk_call *call)
{
    struct pk_peer *peer = call->peer;

    if (!call->settled)
        settle_at_last(call);
    if (call->done != NULL)
        pk_reply_tell(call);
    pk_call_drop_handles(call);
    free_handles(call);
    for (uint32_t i = 0; call->given != NULL && i < call->request.blob_count; i++)
        pk_given_end(peer, &call->given[i]);
    pk_peer_lock(peer);
    if (call->object != NULL)
        pk_object_unuse(call->object);
    pk_list_finish(call);
    if (call->session != NULL)
        pk_session_unref(call->session);
    explicit_bzero(call->lease.lease_id, PK_LEASE_ID_LEN); /* they are secrets */
    call_unref(call);
    pk_peer_settle(peer);
    pk_peer_unlock(peer);
}

/* False: it was parked, and is not ours to touch any more. */
static bool
begin_again(struct pk_call *call)
{
    struct pk_peer *peer = call->peer;

    call->again = false;
    pk_peer_lock(peer);
    pk_name_again(call);
    bool ours = call->parked == NULL;
    pk_peer_unlock(peer);
    return ours;
}

/* Whether a slot of the next step may block. The factory is asked here, and not where the step was
 * set, because that may have been under the lock. */
static bool
step_may_block(struct pk_call *call)
{
    bool blob = call->factory == call->peer->blob;
    bool may_block = false;

    for (; call->slots != 0 && !may_block; call->slots &= call->slots - 1) {
        uint32_t op = (uint32_t)__builtin_ctz(call->slots);
        may_block = blob ? pk_blob_may_block(call->factory, op, call->slot_bytes)
                         : pk_lease_may_block(call->factory, op);
    }
    call->slots = 0; /* on the worker it is not asked again */
    return may_block;
}

/* Whether this thread, a worker of that queue, may go on with the call as well: it is the factory's
 * own, and keeps nobody waiting. */
static bool
is_at_hand(const struct pk_call *call, struct pk_queue *here)
{
    return here != NULL && call->factory->queue == here && pk_queue_waiting(here) == 0;
}

static void run_on_worker(struct pk_work *work);

/* here: the queue whose worker this is; NULL = none's. */
static void
run(struct pk_call *call, struct pk_queue *here)
{
    while (call->step != NULL) {
        if (step_may_block(call) && !is_at_hand(call, here)) {
            call->work.run = run_on_worker;
            /* Not refused when the queue is long: how many calls there are is bounded where they
             * come in, and one that has begun must be able to undo what it did. */
            pk_queue_push(call->factory->queue, &call->work);
            return;
        }
        pk_call_fn *step = call->step;
        call->step = NULL;
        step(call);
        if (call->again && !begin_again(call))
            return;
    }
    complete(call);
}

static void
run_on_worker(struct pk_work *work)
{
    struct pk_call *call =
        (struct pk_call *)(void *)((char *)work - offsetof(struct pk_call, work));

    run(call, call->factory->queue);
}

void
pk_call_run(struct pk_call *call)
{
    run(call, NULL);
}

void
pk_call_drop_handles(struct pk_call *call)
{
    for (uint32_t i = 0; i < call->handle_count; i++)
        pk_handle_finish(&call->handles[i]);
    call->handle_count = 0;
}

int32_t
pk_call_handle_room(struct pk_call *call, uint32_t count)
{
    pk_call_drop_handles(call);
    if (call->handle_room >= count)
        return 0;
    free_handles(call);
    if (count == 1)
        call->handles = &call->one_handle;
    else
        call->handles = pk_zeroed(count * sizeof(*call->handles));
    call->handle_room = call->handles != NULL ? count : 0;
    return call->handles != NULL ? 0 : pk_fail(&call->error, -ENOMEM, "out of memory");
}

static int32_t
make_handle(struct pk_call *call, const struct pk_object *object, uint32_t index)
{
    const struct pk_instance *factory = call->peer->blob;
    struct pk_handle *handle = &call->handles[index];
    void *blob = object->blobs[index];

    if (index >= object->sealed_count)
        return pk_blob_handle(factory, blob, PK_ACCESS_CREATE, handle, &call->error);
    if (call->request.flags & PK_REQUEST_SHARE)
        return pk_blob_share(factory, blob, handle, &call->error);
    return pk_blob_handle(factory, blob, PK_ACCESS_READ, handle, &call->error);
}

int32_t
pk_call_make_handles(struct pk_call *call, struct pk_object *object)
{
    if (pk_call_handle_room(call, object->blob_count) != 0)
        return -ENOMEM;
    for (uint32_t i = 0; i < object->blob_count; i++) {
        int32_t rc = make_handle(call, object, i);
        if (rc != 0) {
            pk_call_drop_handles(call);
            return rc;
        }
        call->handle_count++;
    }
    return 0;
}
