/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blobs without a size grow while they are written, where the storage can't keep a writer from it
 * those with one too, and nobody tells: looked at from time to time, so that what they take counts,
 * and one that grows beyond all bounds is done away with.
 */
#include "core/eviction.h"
#include "core/log.h"
#include "core/peer_state.h"

#define SAMPLES_MAX 64U /* objects looked at under one hold of the lock */

static void sample_due(struct pk_timer *timer);

static void
sample_arm(struct pk_peer *peer, uint64_t delay)
{
    if (peer->sample_set || peer->closing || TAILQ_EMPTY(&peer->growing))
        return;
    peer->sample_set = true;
    peer->sample.run = sample_due;
    pk_timer_set(peer->executor, &peer->sample, pk_peer_later(peer, delay));
}

static void
doom(struct pk_call *call, const char *why)
{
    struct pk_object *object = call->object;

    pk_log(PK_LOG_WARN, "peer", "object '%s' discarded while it was written: %llu bytes, %s",
           object->key.id, (unsigned long long)call->bytes, why);
    call->status = 0; /* nobody is told, but the log */
    pk_discard_doomed(call);
}

static void
sample_evicted(struct pk_call *call)
{
    struct pk_peer *peer = call->peer;

    if (call->status != 0) {
        doom(call, "over the capacity left");
        return;
    }
    pk_peer_lock(peer);
    pk_name_leave(call);
    pk_peer_unlock(peer);
}

/* With the lock held: NULL, or why what it takes now is too much. What didn't grow since the last
 * look is not to blame when others did. */
static const char *
judge(struct pk_call *call)
{
    struct pk_object *object = call->object;
    const struct pk_peer *peer = call->peer;
    uint64_t total = call->bytes;
    bool grown = total > object->held;

    if (object->name == NULL) {
        pk_name_leave(call);
        return NULL;
    }
    pk_object_hold(object, total > object->expected ? total : object->expected);
    if (total > peer->options.max_object)
        return "over max_object";
    if (!grown || pk_eviction_spares(peer, 0, 0))
        pk_name_leave(call);
    else if (pk_eviction_reserve(call, 0, 0))
        pk_eviction_run(call, sample_evicted);
    else
        return "over the capacity left";
    return NULL;
}

static void
sample_run(struct pk_call *call)
{
    struct pk_peer *peer = call->peer;
    struct pk_object *object = call->object;
    uint64_t total = 0;

    for (uint32_t i = 0; i < object->blob_count; i++) {
        uint64_t size = object->sizes[i];
        if ((size == PK_UNSIZED || (peer->traits.flags & PK_BLOB_GROWS) != 0)
            && pk_blob_size(peer->blob, object->blobs[i], &size, &call->error) != 0)
            size = 0; /* whatever is wrong with it shows at its seal */
        total = size > PK_SIZE_MAX - total ? PK_SIZE_MAX : total + size;
    }
    call->bytes = total;
    pk_peer_lock(peer);
    const char *why = judge(call);
    pk_peer_unlock(peer);
    if (why != NULL)
        doom(call, why);
}

static void
sample_begin(struct pk_call *call)
{
    struct pk_peer *peer = call->peer;
    struct pk_name *name = pk_name_find(peer, call->request.object_id);

    if (name == NULL || name->busy != NULL || name->object == NULL || !name->object->grows)
        return; /* what happens to it just now sees to its size itself */
    pk_name_enter(name, call);
    pk_call_use(call, name->object);
    pk_call_next(call, sample_run, peer->blob, PK_SLOT(PK_BLOB_SIZE), 0);
}

/* NULL: all were looked at in this round, but for some that came meanwhile. */
static struct pk_object *
next_of_round(struct pk_peer *peer)
{
    struct pk_object *object = TAILQ_FIRST(&peer->growing);

    return object != NULL && object->sample_round != peer->sample_round ? object : NULL;
}

static void
sample_one(struct pk_object *object)
{
    struct pk_peer *peer = object->peer;

    TAILQ_REMOVE(&peer->growing, object, in_growing);
    TAILQ_INSERT_TAIL(&peer->growing, object, in_growing);
    object->sample_round = peer->sample_round;
    struct pk_call *call = pk_call_new_internal(peer, object->key.id, sample_begin);
    if (call != NULL)
        pk_call_begin(call);
}

static void
sample_due(struct pk_timer *timer)
{
    struct pk_peer *peer =
        (struct pk_peer *)(void *)((char *)timer - offsetof(struct pk_peer, sample));
    struct pk_object *object;

    pk_peer_lock(peer);
    peer->sample_set = false;
    for (uint32_t i = 0; i < SAMPLES_MAX && (object = next_of_round(peer)) != NULL; i++)
        sample_one(object);
    bool whole = next_of_round(peer) == NULL;
    if (whole)
        peer->sample_round++;
    sample_arm(peer, whole ? peer->options.sample : 0);
    pk_peer_unlock(peer);
}

void
pk_sample_add(struct pk_object *object)
{
    struct pk_peer *peer = object->peer;

    object->sample_round = peer->sample_round - 1;
    TAILQ_INSERT_TAIL(&peer->growing, object, in_growing);
    sample_arm(peer, peer->options.sample);
}
