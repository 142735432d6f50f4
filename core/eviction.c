/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects that may be evicted, in their order, and how those that must go: chosen all at once under
 * the lock, so that either enough goes or nothing, and then taken away one by one without it, each
 * with its name in transition. It never looks at more objects than it evicts, but for those that
 * some call works with just now.
 */
#include "core/eviction.h"
#include "core/log.h"
#include "core/peer_state.h"

#include <errno.h>

/* Objects that can't be evicted, as the storage says, before the call that wants the room fails. */
#define PASSED_OVER_MAX 16U

/* ---- the order ---- */

static bool
may_go(const struct pk_object *object)
{
    return object->peer->options.evict && object->state == PK_STATE_SEALED && object->name != NULL
           && object->leases == 0 && !object->leaving && !object->demoted;
}

/* At the end from which objects go, or at the other. */
static void
put_in(struct pk_object *object, bool first)
{
    struct pk_peer *peer = object->peer;

    if (!object->acquired)
        (void)RB_INSERT(pk_object_unread, &peer->unread, object); /* the only one of its kind */
    else if (first)
        TAILQ_INSERT_HEAD(&peer->lru, object, in_lru);
    else
        TAILQ_INSERT_TAIL(&peer->lru, object, in_lru);
    object->idle = object->acquired ? PK_IDLE_READ : PK_IDLE_UNREAD;
    peer->idle_count++;
    peer->idle_bytes += object->held;
}

static void
take_out(struct pk_object *object)
{
    struct pk_peer *peer = object->peer;

    if (object->idle == PK_IDLE_UNREAD)
        (void)RB_REMOVE(pk_object_unread, &peer->unread, object);
    else
        TAILQ_REMOVE(&peer->lru, object, in_lru);
    object->idle = PK_IDLE_NOT;
    peer->idle_count--;
    peer->idle_bytes -= object->held;
}

void
pk_eviction_note(struct pk_object *object)
{
    bool idle = object->idle != PK_IDLE_NOT;

    if (may_go(object) == idle)
        return;
    if (idle)
        take_out(object);
    else
        put_in(object, false);
}

void
pk_eviction_acquired(struct pk_object *object)
{
    if (object->demoted) { /* it comes back, as far as anybody knows */
        object->demoted = false;
        pk_object_hold(object, pk_object_size(object));
    }
    if (object->idle != PK_IDLE_NOT)
        take_out(object);
    object->acquired = true;
    pk_eviction_note(object);
}

static struct pk_object *
first_of(struct pk_peer *peer)
{
    struct pk_object *object = RB_MIN(pk_object_unread, &peer->unread);

    return object != NULL ? object : TAILQ_FIRST(&peer->lru);
}

static struct pk_object *
next_of(struct pk_object *object)
{
    struct pk_object *next = NULL;

    if (object->idle == PK_IDLE_READ)
        return TAILQ_NEXT(object, in_lru);
    next = RB_NEXT(pk_object_unread, &object->peer->unread, object);
    return next != NULL ? next : TAILQ_FIRST(&object->peer->lru);
}

/* ---- how much ---- */

/* What is too much. */
struct excess {
    uint64_t bytes;
    uint64_t objects;
};

static uint64_t
beyond(uint64_t bound, uint64_t held, uint64_t more)
{
    if (held > bound)
        return held - bound + more;
    return more > bound - held ? more - (bound - held) : 0;
}

/* If so much more were held. Where no object is to be added, their number is not looked at. */
static struct excess
excess_of(const struct pk_peer *peer, uint64_t bytes, uint64_t objects)
{
    struct excess excess = { .bytes = beyond(peer->options.capacity, peer->held, bytes) };

    if (objects > 0)
        excess.objects = beyond(peer->options.max_objects, peer->named - peer->leaving, objects);
    return excess;
}

/* Beside what was chosen for the call, now that what it reserved is counted. */
static struct excess
excess_left(const struct pk_call *call)
{
    const struct pk_peer *peer = call->peer;
    struct excess excess = { .bytes = beyond(peer->options.capacity, peer->held, 0) };

    if (call->reserving)
        excess.objects = beyond(peer->options.max_objects, peer->named - peer->leaving, 0);
    return excess;
}

bool
pk_eviction_spares(const struct pk_peer *peer, uint64_t bytes, uint64_t objects)
{
    const struct excess excess = excess_of(peer, bytes, objects);

    return excess.bytes == 0 && excess.objects == 0;
}

/* What moves to slower storage keeps its name. */
static bool
frees_names(const struct pk_peer *peer)
{
    return !pk_blob_demotes(peer->blob);
}

bool
pk_eviction_could(const struct pk_peer *peer, uint64_t bytes, uint64_t objects)
{
    const struct excess excess = excess_of(peer, bytes, objects);

    return excess.bytes <= peer->idle_bytes
           && excess.objects <= (frees_names(peer) ? peer->idle_count : 0);
}

/* ---- what goes ---- */

static bool
is_used(const struct pk_object *object)
{
    return object->works > 0 || object->name->busy != NULL;
}

/* From now on it is this call's, and counts for nothing. */
static void
choose_one(struct pk_call *call, struct pk_object *object)
{
    struct pk_peer *peer = call->peer;

    take_out(object);
    object->leaving = true;
    if (frees_names(peer))
        peer->leaving++;
    object->name->busy = call;
    pk_object_use(object);
    pk_object_hold(object, 0);
    TAILQ_INSERT_TAIL(&call->victims, object, in_lru);
}

static void
leave_off(struct pk_call *call, struct pk_object *object)
{
    TAILQ_REMOVE(&call->victims, object, in_lru);
    object->leaving = false;
    if (frees_names(call->peer))
        call->peer->leaving--;
}

/* It stays after all. */
static void
keep(struct pk_call *call, struct pk_object *object, bool first)
{
    leave_off(call, object);
    pk_object_hold(object, pk_object_size(object));
    put_in(object, first);
    pk_name_settle(object->name);
    pk_object_unuse(object);
}

static void
keep_all(struct pk_call *call)
{
    struct pk_object *object;

    while ((object = TAILQ_LAST(&call->victims, pk_victim_list)) != NULL)
        keep(call, object, true);
}

/* Chooses as much as is too much; false: there is not that much, and nothing is chosen. */
static bool
choose(struct pk_call *call, struct excess excess)
{
    struct pk_object *object = first_of(call->peer);
    uint64_t objects = 0;
    uint64_t bytes = 0;

    while (object != NULL && (bytes < excess.bytes || objects < excess.objects)) {
        struct pk_object *next = next_of(object);
        if (!is_used(object)) {
            bytes += object->held;
            objects += frees_names(call->peer);
            choose_one(call, object);
        }
        object = next;
    }
    if (bytes >= excess.bytes && objects >= excess.objects)
        return true;
    keep_all(call);
    return false;
}

static void
fail_for_room(struct pk_call *call, uint64_t bytes, struct excess excess)
{
    const struct pk_peer *peer = call->peer;

    if (excess.objects > 0)
        pk_call_fail(call, -ENOSPC, "no room for more than %llu objects",
                     (unsigned long long)peer->options.max_objects);
    else
        pk_call_fail(call, -ENOSPC, "no room for %llu bytes: %llu of %llu are held",
                     (unsigned long long)bytes, (unsigned long long)peer->held,
                     (unsigned long long)peer->options.capacity);
}

bool
pk_eviction_reserve(struct pk_call *call, uint64_t bytes, uint64_t objects)
{
    struct pk_peer *peer = call->peer;
    const struct excess excess = excess_of(peer, bytes, objects);

    if (!pk_eviction_could(peer, bytes, objects) || !choose(call, excess)) {
        fail_for_room(call, bytes, excess);
        return false;
    }
    peer->held += bytes;
    peer->named += objects;
    call->reserved = bytes;
    call->reserving = objects > 0;
    return true;
}

/* ---- how it goes ---- */

static void evict_next(struct pk_call *call);

/* Takes it away from all who could look for it. What others took away already (*ret_elsewhere) is
 * not this node's to free. Without the lock. */
static int32_t
withdraw(struct pk_peer *peer, struct pk_object *object, bool *ret_elsewhere, struct pk_error *err)
{
    int32_t rc = 0;

    if (pk_blob_demotes(peer->blob))
        return pk_blob_evict(peer->blob, &object->key, err);
    if (!object->published)
        return 0;
    if (object->blobs == NULL) /* or nothing of it could be removed */
        rc = pk_lookup_open(object, err);
    if (rc == 0)
        rc = pk_blob_unpublish(peer->blob, &object->key, err);
    *ret_elsewhere = rc == -ENOENT;
    return rc == -ENOENT ? 0 : rc;
}

/* With the lock held. True: its storage is the caller's to free. */
static bool
go(struct pk_call *call, struct pk_object *object, bool elsewhere)
{
    struct pk_peer *peer = call->peer;
    struct pk_name *name = object->name;

    leave_off(call, object);
    peer->evictions++;
    peer->evicted_bytes += pk_object_size(object);
    if (pk_blob_demotes(peer->blob)) {
        object->demoted = true;
    } else {
        object->published = elsewhere;
        pk_object_unname(object);
    }
    pk_name_settle(name);
    return pk_object_part(object);
}

static void
pass_over(struct pk_call *call, struct pk_object *object, const struct pk_error *err)
{
    if (err->code != -EAGAIN)
        pk_log(PK_LOG_WARN, "peer", "object '%s' could not be evicted: %s", object->key.id,
               err->message);
    call->passed_over++;
    object->acquired = true; /* or it would be the first again */
    keep(call, object, false);
}

static void
evict_one(struct pk_call *call)
{
    struct pk_peer *peer = call->peer;
    struct pk_object *object = TAILQ_FIRST(&call->victims);
    struct pk_error err = PK_ERROR_INIT;
    bool elsewhere = false;
    bool last = false;

    err.code = withdraw(peer, object, &elsewhere, &err);
    pk_peer_lock(peer);
    if (err.code == 0)
        last = go(call, object, elsewhere);
    else
        pass_over(call, object, &err);
    evict_next(call);
    pk_peer_unlock(peer);
    if (last)
        pk_object_reap(object);
}

static void
fail_and_go_on(struct pk_call *call)
{
    keep_all(call);
    pk_peer_unreserve(call);
    call->step = call->after_eviction;
}

/* With the lock held. What could not be evicted is made up for by others. */
static void
evict_next(struct pk_call *call)
{
    struct pk_peer *peer = call->peer;
    const struct excess excess = excess_left(call);
    bool short_of = call->passed_over > 0 && (excess.bytes > 0 || excess.objects > 0);
    uint32_t slots = PK_SLOT(PK_BLOB_REMOVE) | PK_SLOT(PK_BLOB_FREE);

    if (pk_call_orphaned(call)) {
        pk_call_fail(call, -ECANCELED, "the session was closed");
        fail_and_go_on(call);
        return;
    }
    if (TAILQ_EMPTY(&call->victims) && short_of
        && (call->passed_over > PASSED_OVER_MAX || !choose(call, excess))) {
        fail_for_room(call, call->reserved, excess);
        fail_and_go_on(call);
        return;
    }
    const struct pk_object *object = TAILQ_FIRST(&call->victims);
    if (object == NULL) {
        call->step = call->after_eviction;
        return;
    }
    if (object->published)
        slots |= PK_SLOT(PK_BLOB_UNPUBLISH);
    if (object->blobs == NULL)
        slots |= PK_SLOT(PK_BLOB_LOOKUP);
    if (pk_blob_demotes(peer->blob))
        slots = PK_SLOT(PK_BLOB_EVICT);
    pk_call_next(call, evict_one, peer->blob, slots, pk_object_size(object));
}

void
pk_eviction_run(struct pk_call *call, pk_call_fn *next)
{
    call->after_eviction = next;
    call->passed_over = 0;
    evict_next(call);
}
