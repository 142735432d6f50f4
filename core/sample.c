/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blobs without a size grow while they are written, and nobody tells: looked at from time to time,
 * so that what they take counts, and one that grows beyond all bounds is done away with.
 */
#include "core/log.h"
#include "core/peer_state.h"

#include <errno.h>

static void sample_due(struct pk_timer *timer);

static void
sample_arm(struct pk_peer *peer)
{
    if (peer->sample_set || peer->closing || TAILQ_EMPTY(&peer->unsized))
        return;
    peer->sample_set = true;
    peer->sample.run = sample_due;
    pk_timer_set(peer->executor, &peer->sample, pk_peer_later(peer, peer->options.sample));
}

/* With the lock held: whether what it takes now is too much. */
static bool
too_much(struct pk_object *object, uint64_t total)
{
    struct pk_peer *peer = object->peer;

    pk_object_hold(object, total);
    if (total <= peer->options.max_object && peer->held <= peer->options.capacity)
        return false;
    pk_log(PK_LOG_WARN, "peer", "object '%s' discarded while it was written: %llu bytes, %s",
           object->key.id, (unsigned long long)total,
           total > peer->options.max_object ? "over max_object" : "over the capacity left");
    return true;
}

static void
sample_run(struct pk_call *call)
{
    struct pk_peer *peer = call->peer;
    struct pk_object *object = call->object;
    uint64_t total = 0;

    for (uint32_t i = 0; i < object->blob_count; i++) {
        uint64_t size = object->sizes[i];
        if (size == PK_UNSIZED
            && pk_blob_size(peer->blob, object->blobs[i], &size, &call->error) != 0)
            size = 0; /* whatever is wrong with it shows at its seal */
        total = size > PK_SIZE_MAX - total ? PK_SIZE_MAX : total + size;
    }
    pk_peer_lock(peer);
    bool doomed = object->name != NULL && too_much(object, total);
    if (!doomed)
        pk_name_leave(call);
    pk_peer_unlock(peer);
    if (doomed)
        pk_discard_doomed(call);
}

static void
sample_begin(struct pk_call *call)
{
    struct pk_peer *peer = call->peer;
    struct pk_name *name = pk_name_find(peer, call->request.object_id);

    if (name == NULL || name->busy != NULL || name->object == NULL || !name->object->unsized)
        return; /* what happens to it just now sees to its size itself */
    pk_name_enter(name, call);
    pk_call_use(call, name->object);
    pk_call_next(call, sample_run, peer->blob, PK_SLOT(PK_BLOB_SIZE), 0);
}

static void
sample_due(struct pk_timer *timer)
{
    struct pk_peer *peer =
        (struct pk_peer *)(void *)((char *)timer - offsetof(struct pk_peer, sample));
    struct pk_object *object;
    struct pk_object *next;

    pk_peer_lock(peer);
    peer->sample_set = false;
    for (object = TAILQ_FIRST(&peer->unsized); object != NULL; object = next) {
        next = TAILQ_NEXT(object, in_unsized);
        struct pk_call *call = pk_call_new_internal(peer, object->key.id, sample_begin);
        if (call != NULL)
            pk_call_begin(call);
    }
    sample_arm(peer);
    pk_peer_unlock(peer);
}

void
pk_sample_add(struct pk_object *object)
{
    struct pk_peer *peer = object->peer;

    TAILQ_INSERT_TAIL(&peer->unsized, object, in_unsized);
    sample_arm(peer);
}
