/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The peer itself: made over two factories, told to stop, freed; how calls come in; and the lists
 * of what must be done without its lock.
 */
#include "core/eviction.h"
#include "core/log.h"
#include "core/peer_state.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SOONEST 1000000U /* nanoseconds: the least delay of a timer */

/* ---- what is done without the lock ---- */

/* The peer whose lists this thread is working off just now: what is put into them meanwhile waits
 * for it to come back, instead of piling up on its stack. */
static _Thread_local const struct pk_peer *draining;

/* These three: with the lock held, also afterwards. */
static void
do_ending(struct pk_peer *peer, struct pk_holder *holder)
{
    TAILQ_REMOVE(&peer->endings, holder, in_endings);
    pk_peer_unlock_only(peer);
    bool here = pk_holder_finish(holder);
    pk_peer_lock(peer);
    if (here)
        pk_peer_settle(peer);
}

static void
reap_on_worker(struct pk_work *work)
{
    struct pk_object *object =
        (struct pk_object *)(void *)((char *)work - offsetof(struct pk_object, work));
    struct pk_peer *peer = object->peer;

    pk_object_reap(object);
    pk_peer_lock(peer);
    pk_peer_settle(peer);
    pk_peer_unlock(peer);
}

static void
do_reap(struct pk_peer *peer, struct pk_object *object)
{
    uint32_t op = object->published || object->in_doubt ? PK_BLOB_FREE : PK_BLOB_REMOVE;
    uint64_t size = pk_object_size(object); /* it may never have been held */
    uint64_t bytes = size > object->most_held ? size : object->most_held;

    TAILQ_REMOVE(&peer->reaps, object, in_reaps);
    pk_peer_unlock_only(peer);
    object->work.run = reap_on_worker;
    bool here = !pk_blob_may_block(peer->blob, op, bytes);
    if (here)
        pk_object_reap(object);
    else
        pk_queue_push(peer->blob->queue, &object->work);
    pk_peer_lock(peer);
    if (here)
        pk_peer_settle(peer);
}

static void
do_ready(struct pk_peer *peer, struct pk_call *call)
{
    TAILQ_REMOVE(&peer->ready, call, in_list);
    pk_peer_unlock_only(peer);
    pk_call_run(call);
    pk_peer_lock(peer);
}

static bool
drained(const struct pk_peer *peer)
{
    return TAILQ_EMPTY(&peer->endings) && TAILQ_EMPTY(&peer->reaps) && TAILQ_EMPTY(&peer->ready);
}

static void
drain(struct pk_peer *peer)
{
    while (!drained(peer)) {
        if (!TAILQ_EMPTY(&peer->endings))
            do_ending(peer, TAILQ_FIRST(&peer->endings));
        else if (!TAILQ_EMPTY(&peer->reaps))
            do_reap(peer, TAILQ_FIRST(&peer->reaps));
        else
            do_ready(peer, TAILQ_FIRST(&peer->ready));
    }
}

void
pk_peer_unlock(struct pk_peer *peer)
{
    if (!drained(peer) && draining != peer) {
        const struct pk_peer *outer = draining;
        peer->running++; /* or it could be freed while this thread is between two of them */
        draining = peer;
        drain(peer);
        draining = outer;
        pk_peer_settle(peer);
    }
    pk_peer_unlock_only(peer);
}

void
pk_peer_settle(struct pk_peer *peer)
{
    assert(peer->running > 0);
    if (--peer->running == 0)
        (void)pthread_cond_broadcast(&peer->idle);
}

/* ---- capacity ---- */

bool
pk_peer_reserve(struct pk_call *call, uint64_t bytes)
{
    struct pk_peer *peer = call->peer;
    const struct pk_peer_options *options = &peer->options;

    if (bytes > options->max_object) {
        pk_call_fail(call, -EFBIG, "%llu bytes, but max_object is %llu", (unsigned long long)bytes,
                     (unsigned long long)options->max_object);
        return false;
    }
    if (!pk_eviction_spares(peer, bytes, 1) && pk_eviction_could(peer, bytes, 1)) {
        call->crowded = true;
        return true;
    }
    return pk_eviction_reserve(call, bytes, 1);
}

void
pk_peer_unreserve(struct pk_call *call)
{
    call->peer->held -= call->reserved;
    call->reserved = 0;
    if (call->reserving)
        call->peer->named--;
    call->reserving = false;
}

void
pk_peer_grow(struct pk_call *call, struct pk_object *object)
{
    uint64_t more = call->reserved;

    pk_peer_unreserve(call);
    pk_object_hold(object, object->held + more);
}

uint64_t
pk_peer_later(const struct pk_peer *peer, uint64_t delay)
{
    uint64_t now = pk_executor_now(peer->executor);

    if (delay < SOONEST)
        delay = SOONEST;
    return delay < PK_FOREVER - now ? now + delay : PK_FOREVER;
}

uint64_t
pk_peer_wall_clock(void)
{
    struct timespec now = { 0 };

    (void)clock_gettime(CLOCK_REALTIME, &now); /* can't fail for this clock */
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

/* ---- calls ---- */

static pk_call_fn *
verb_begin(uint32_t verb)
{
    static pk_call_fn *const verbs[] = {
        [PK_VERB_ACQUIRE] = pk_acquire_begin, [PK_VERB_SEAL] = pk_seal_begin,
        [PK_VERB_RENEW] = pk_renew_begin,     [PK_VERB_RELEASE] = pk_release_begin,
        [PK_VERB_DISCARD] = pk_discard_begin, [PK_VERB_STAT] = pk_stat_begin,
        [PK_VERB_LIST] = pk_list_begin,       [PK_VERB_READ] = pk_read_begin,
        [PK_VERB_WRITE] = pk_write_begin,     [PK_VERB_VERIFY] = pk_verify_begin,
        [PK_VERB_OPEN] = pk_open_begin,       [PK_VERB_PUT] = pk_put_begin,
    };

    return verb < sizeof(verbs) / sizeof(verbs[0]) ? verbs[verb] : NULL;
}

/* A request of an older transport ends earlier, one of a newer later: as long as it is known here,
 * itself where it is, else in `room`. */
static const struct pk_request *
whole_request(const struct pk_request *request, struct pk_request *room)
{
    size_t size = request->struct_size < sizeof(*room) ? request->struct_size : sizeof(*room);

    if (size == sizeof(*room) && (request->blob_count > 0 || request->handles == NULL))
        return request;
    memset(room, 0, sizeof(*room));
    memcpy(room, request, size);
    if (room->blob_count == 0 && room->handles != NULL)
        room->blob_count = 1;
    return room;
}

/* An answer to a request that never became a call. */
static void
refuse(struct pk_peer *peer, const struct pk_request *request, const struct pk_error *err,
       pk_done_fn *done, void *arg)
{
    const struct pk_reply reply = {
        .struct_size = sizeof(reply),
        .verb = request->verb,
        .status = err->code,
        .message = err->message,
    };
    pk_given_refuse(peer, request);
    done(arg, &reply);
}

/* With the lock held. Whether the session may have one more call: a release makes room, is of a
 * lease that was granted, or is answered at once. */
static bool
enter_session(struct pk_call *call, uint64_t *ret_call)
{
    struct pk_session *session = call->session;

    call->id = ++session->next_call;
    if (ret_call != NULL)
        *ret_call = call->id;
    session->refs++;
    session->call_count++;
    call->peer->running++;
    TAILQ_INSERT_TAIL(&session->calls, call, in_session);
    return session->call_count <= call->peer->options.max_calls
           || call->request.verb == PK_VERB_RELEASE;
}

void
pk_peer_call(struct pk_session *session, const struct pk_request *request, pk_done_fn *done,
             void *arg, uint64_t *ret_call)
{
    if (pk_inline_answer(session, request, done, arg, ret_call))
        return;
    struct pk_peer *peer = session->peer;
    struct pk_call *call = NULL;
    struct pk_request room;
    struct pk_call_texts texts;
    const struct pk_request *whole = whole_request(request, &room);
    struct pk_error err = PK_ERROR_INIT;

    if (ret_call != NULL)
        *ret_call = 0; /* which is no call's */
    pk_call_fn *begin = verb_begin(whole->verb);
    if (begin == NULL) {
        (void)pk_fail(&err, -EOPNOTSUPP, "verb %u is not known", whole->verb);
        refuse(peer, whole, &err, done, arg);
        return;
    }
    if (pk_call_check(whole, &texts, &err) != 0) {
        refuse(peer, whole, &err, done, arg);
        return;
    }
    uint64_t started = session->figures != NULL ? pk_executor_now(peer->executor) : 0;
    pk_peer_lock(peer);
    if (pk_call_new(peer, session, whole, &texts, &call, &err) != 0) {
        pk_peer_unlock(peer);
        refuse(peer, whole, &err, done, arg);
        return;
    }
    call->started = started;
    call->begin = begin;
    call->done = done;
    call->arg = arg;
    if (enter_session(call, ret_call))
        call->begin(call);
    else
        pk_call_fail(call, -EBUSY, "too many calls of this session are under way");
    if (call->parked != NULL) {
        pk_peer_unlock(peer);
        return;
    }
    pk_peer_unlock_only(peer);
    pk_call_run(call); /* and does what else there is to do, when it completes */
}

/* ---- its life ---- */

/* What is done under the lock is short: who finds it taken had better look again than sleep. */
static void
lock_init(pthread_mutex_t *lock)
{
    pthread_mutexattr_t attr;

    (void)pthread_mutexattr_init(&attr); /* none of these can fail with kinds that there are */
    (void)pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ADAPTIVE_NP);
    (void)pthread_mutex_init(lock, &attr);
    (void)pthread_mutexattr_destroy(&attr);
}

static void
peer_destroy(struct pk_peer *peer)
{
    pk_figures_free(peer);
    pk_call_spare_free(peer);
    (void)pthread_cond_destroy(&peer->told);
    (void)pthread_cond_destroy(&peer->idle);
    (void)pthread_mutex_destroy(&peer->lock);
    free(peer);
}

int32_t
pk_peer_new(const struct pk_peer_options *options, struct pk_executor *executor,
            struct pk_instance *blob, struct pk_instance *lease, struct pk_peer **ret_peer,
            struct pk_error *err)
{
    struct pk_blob_traits traits;

    pk_blob_traits(blob, &traits);
    if (traits.flags & PK_BLOB_SHARED && !(traits.flags & PK_BLOB_CONDITIONAL))
        return pk_fail(err, -EINVAL, "%s: shared storage must publish conditionally",
                       blob->module->plugin.name);
    if (options->evict && traits.flags & PK_BLOB_SHARED)
        return pk_fail(err, -EINVAL,
                       "evict: lru is not for storage that other nodes share (%s): what they hold "
                       "is not known here",
                       blob->module->plugin.name);
    int32_t rc = pk_peer_options_check(options, err);
    if (rc != 0)
        return rc;
    if (pk_hash_init() != 0)
        return pk_fail(err, -EIO, "no random numbers to be had");
    struct pk_peer *peer = calloc(1, sizeof(*peer));
    if (peer == NULL)
        return pk_fail(err, -ENOMEM, "out of memory");
    lock_init(&peer->lock);
    (void)pthread_cond_init(&peer->idle, NULL);
    (void)pthread_cond_init(&peer->told, NULL);
    TAILQ_INIT(&peer->transports);
    peer->options = *options;
    peer->executor = executor;
    peer->blob = blob;
    peer->lease = lease;
    peer->traits = traits;
    RB_INIT(&peer->order);
    RB_INIT(&peer->unread);
    TAILQ_INIT(&peer->lru);
    TAILQ_INIT(&peer->sessions);
    TAILQ_INIT(&peer->waited);
    TAILQ_INIT(&peer->growing);
    TAILQ_INIT(&peer->spare);
    TAILQ_INIT(&peer->ready);
    TAILQ_INIT(&peer->endings);
    TAILQ_INIT(&peer->reaps);
    TAILQ_INIT(&peer->lists);
    pk_expiry_init(peer);
    rc = pk_recovery_prepare(peer, err);
    if (rc != 0) {
        peer_destroy(peer);
        return rc;
    }
    pk_instance_attach(blob, peer);
    pk_instance_attach(lease, peer);
    pk_recovery_begin(peer);
    *ret_peer = peer;
    return 0;
}

void
pk_peer_stop(struct pk_peer *peer)
{
    struct pk_name *name;

    pk_peer_lock(peer);
    peer->stopping = true;
    while ((name = TAILQ_FIRST(&peer->waited)) != NULL)
        pk_name_fail_waiters(name, -EBUSY, "the node is stopping");
    pk_recovery_stop(peer);
    pk_peer_unlock(peer);
    pk_instance_stopping(peer->blob);
    pk_instance_stopping(peer->lease);
}

static void
wait_idle(struct pk_peer *peer)
{
    while (peer->running > 0)
        (void)pthread_cond_wait(&peer->idle, &peer->lock);
}

/* With the lock held: ends every lease and takes every name away. */
static void
drop_everything(struct pk_peer *peer)
{
    struct pk_holder *holder;
    struct pk_holder *next_holder;
    struct pk_object *object;

    HASH_ITER (hh, peer->holders, holder, next_holder)
        pk_holder_end(holder);
    while ((object = RB_MIN(pk_object_order, &peer->order)) != NULL)
        pk_object_unname(object);
}

void
pk_peer_free(struct pk_peer *peer)
{
    if (peer == NULL)
        return;
    pk_peer_stop(peer);
    pk_instance_attach(peer->blob, NULL);
    pk_instance_attach(peer->lease, NULL);
    pk_peer_lock(peer);
    assert(TAILQ_EMPTY(&peer->sessions));
    peer->closing = true;
    (void)pk_timer_clear(peer->executor, &peer->expiry);
    (void)pk_timer_clear(peer->executor, &peer->sample);
    (void)pk_timer_clear(peer->executor, &peer->poll);
    pk_peer_unlock(peer);
    pk_timer_sync(peer->executor);
    pk_peer_lock(peer);
    wait_idle(peer);
    drop_everything(peer);
    pk_peer_unlock(peer);
    pk_peer_lock(peer);
    wait_idle(peer);
    assert(peer->names == NULL && peer->objects == NULL && peer->holders == NULL);
    pk_peer_unlock_only(peer);
    pk_recovery_end(peer);
    peer_destroy(peer);
}
