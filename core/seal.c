/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seal: every blob made immutable, the object published, the lease turned to READ, and all that
 * waited let go on. The lease is pinned meanwhile: nothing that ends it acts before the seal is
 * over.
 */
#include "core/eviction.h"
#include "core/log.h"
#include "core/peer_state.h"

#include <errno.h>
#include <packice/cleanup.h>

void
pk_seal_done(struct pk_object *object)
{
    struct pk_peer *peer = object->peer;

    object->state = PK_STATE_SEALED;
    if (object->grows)
        TAILQ_REMOVE(&peer->growing, object, in_growing);
    object->grows = false;
    pk_object_hold(object, pk_object_size(object));
    pk_eviction_note(object);
    peer->sealed++;
}

static void
seal_commit(struct pk_call *call)
{
    struct pk_peer *peer = call->peer;
    struct pk_object *object = call->object;
    bool sealed = object->sealed_at != 0;

    pk_peer_lock(peer);
    if (sealed && object->state == PK_STATE_CREATING) {
        pk_seal_done(object);
        call->holder->lease.access = PK_ACCESS_READ;
    }
    call->lease = call->holder->lease;
    pk_holder_unpin(pk_steal(call->holder));
    pk_name_leave(call);
    pk_peer_unlock(peer);
}

/* The factory has no such lease any more; that acts when the pin goes. */
static void
seal_lost(struct pk_call *call)
{
    pk_peer_lock(call->peer);
    pk_holder_lost(call->holder);
    pk_peer_unlock(call->peer);
}

static void
seal_downgrade(struct pk_call *call)
{
    struct pk_peer *peer = call->peer;
    struct pk_error err = PK_ERROR_INIT;
    int32_t rc = pk_lease_downgrade(peer->lease, call->holder->lease.lease_id, &err);

    if (rc == -ESTALE)
        seal_lost(call);
    else if (rc != 0)
        pk_log(PK_LOG_WARN, "peer", "the claim on '%s' could not be given up: %s",
               call->object->key.id, err.message);
    seal_commit(call);
}

/* What can never be sealed any more is done away with. */
static void
seal_doom(struct pk_call *call)
{
    pk_peer_lock(call->peer);
    pk_holder_unpin(pk_steal(call->holder));
    pk_peer_unlock(call->peer);
    pk_discard_doomed(call);
}

/* How large the blobs without a size have become, and whether there is room for that: nothing has
 * changed when there isn't, and call->reserved is what there is once others were evicted. */
static int32_t
measure(struct pk_call *call, uint64_t *sizes)
{
    struct pk_peer *peer = call->peer;
    struct pk_object *object = call->object;
    uint64_t total = 0;

    for (uint32_t i = 0; i < object->blob_count; i++) {
        int32_t rc = 0;
        sizes[i] = call->request.sizes != NULL ? call->request.sizes[i] : object->sizes[i];
        if (sizes[i] == PK_UNSIZED)
            rc = pk_blob_size(peer->blob, object->blobs[i], &sizes[i], &call->error);
        if (rc != 0)
            return rc;
        if (sizes[i] > PK_SIZE_MAX - total)
            return pk_fail(&call->error, -EFBIG, "the object is too large");
        total += sizes[i];
    }
    if (total > peer->options.max_object)
        return pk_fail(&call->error, -EFBIG, "%llu bytes, but max_object is %llu",
                       (unsigned long long)total, (unsigned long long)peer->options.max_object);
    pk_peer_lock(peer);
    uint64_t more = total > object->held ? total - object->held : 0;
    if (more == 0 || pk_eviction_spares(peer, more, 0))
        pk_object_hold(object, total);
    else
        (void)pk_eviction_reserve(call, more, 0);
    pk_peer_unlock(peer);
    return call->status;
}

int32_t
pk_seal_blobs(struct pk_call *call, struct pk_object *object, const uint64_t *sizes)
{
    struct pk_peer *peer = call->peer;

    /* After -EBUSY those before stay sealed, and the rest may be tried again. */
    while (object->sealed_count < object->blob_count) {
        uint32_t i = object->sealed_count;
        int32_t rc = pk_blob_seal(peer->blob, object->blobs[i], sizes[i], &call->error);
        if (rc != 0)
            return rc;
        pk_peer_lock(peer); /* stat may be reading them */
        object->sizes[i] = sizes[i];
        object->sealed_count++;
        pk_peer_unlock_only(peer);
    }
    return 0;
}

/* An error may be no more than a lost reply: what the storage holds decides. While it doesn't tell,
 * nobody may free what could be an object that others read. */
static bool
is_published(struct pk_call *call)
{
    struct pk_peer *peer = call->peer;
    struct pk_object *object = call->object;
    struct pk_error err = PK_ERROR_INIT;
    int32_t rc = pk_lookup_published(peer, &object->key, &err);

    pk_peer_lock(peer);
    object->in_doubt = rc != 0 && rc != -ENOENT;
    pk_peer_unlock_only(peer);
    return rc == 0;
}

/* Another node has the name now: what was made here is of no more use to anybody. */
static void
say_lost(struct pk_call *call)
{
    struct pk_error why = call->error;

    (void)pk_fail(&call->error, -ESTALE, "the claim on '%s' was lost: %s", call->object->key.id,
                  why.message);
}

int32_t
pk_seal_publish(struct pk_call *call)
{
    struct pk_peer *peer = call->peer;
    struct pk_object *object = call->object;
    uint64_t now = pk_peer_wall_clock();
    const struct pk_manifest manifest = {
        .struct_size = sizeof(manifest),
        .blob_count = object->blob_count,
        .key = object->key,
        .sizes = object->sizes,
        .meta = object->meta,
        .created_at = object->created_at,
        .sealed_at = now,
        .owner = object->owner,
    };
    int32_t rc = pk_blob_publish(peer->blob, &manifest, object->blobs, &call->error);
    if (rc != 0 && !is_published(call)) {
        if (rc == -ESTALE)
            say_lost(call);
        return rc;
    }
    pk_peer_lock(peer);
    object->sealed_at = now;
    object->in_doubt = false;
    object->published = pk_blob_publishes(peer->blob);
    pk_peer_unlock_only(peer);
    return 0;
}

static void next_storage(struct pk_call *call);

/* Once there is room, the sizes are looked at again: they may have grown meanwhile. */
static void
seal_evicted(struct pk_call *call)
{
    if (call->status != 0) {
        seal_commit(call);
        return;
    }
    pk_peer_lock(call->peer);
    pk_peer_grow(call, call->object);
    pk_peer_unlock(call->peer);
    next_storage(call);
}

static void
seal_storage(struct pk_call *call)
{
    struct pk_peer *peer = call->peer;
    struct pk_object *object = call->object;
    uint64_t sizes[PK_BLOBS_MAX];

    call->status = measure(call, sizes);
    if (call->status != 0) {
        seal_commit(call);
        return;
    }
    if (call->reserved > 0) {
        pk_peer_lock(peer);
        pk_eviction_run(call, seal_evicted);
        pk_peer_unlock_only(peer);
        return;
    }
    call->status = pk_seal_blobs(call, object, sizes);
    if (call->status == 0 && object->sealed_at == 0)
        call->status = pk_seal_publish(call);
    if (call->status == -EINVAL || call->status == -ESTALE) {
        seal_doom(call);
        return;
    }
    if (call->status != 0) {
        seal_commit(call);
        return;
    }
    /* Sealed it is, whether or not there are descriptors left to tell it with: a repeat tells. */
    call->status = pk_call_make_handles(call, object);
    pk_call_next(call, seal_downgrade, peer->lease, PK_SLOT(PK_LEASE_DOWNGRADE), 0);
}

static void
next_storage(struct pk_call *call)
{
    struct pk_peer *peer = call->peer;
    uint32_t slots = PK_SLOT(PK_BLOB_SIZE) | PK_SLOT(PK_BLOB_SEAL) | PK_SLOT(PK_BLOB_HANDLE);

    if (pk_blob_publishes(peer->blob))
        slots |= PK_SLOT(PK_BLOB_PUBLISH) | PK_SLOT(PK_BLOB_LOOKUP) | PK_SLOT(PK_BLOB_FREE);
    pk_call_next(call, seal_storage, peer->blob, slots, pk_object_size(call->object));
}

static void
seal_check(struct pk_call *call)
{
    struct pk_peer *peer = call->peer;
    struct pk_lease found = { .struct_size = sizeof(found) };

    call->status = pk_lease_find(peer->lease, call->holder->lease.lease_id, &found, &call->error);
    if (call->status == -ESTALE)
        seal_lost(call);
    if (call->status != 0) {
        seal_commit(call);
        return;
    }
    next_storage(call);
}

/* It is sealed by this very lease: say so again. */
static void
seal_again(struct pk_call *call)
{
    call->status = pk_call_make_handles(call, call->object);
    pk_peer_lock(call->peer);
    if (call->status == -ENOENT)
        pk_lookup_vanished(call->object);
    call->lease = call->holder->lease;
    pk_holder_unpin(pk_steal(call->holder));
    pk_peer_unlock(call->peer);
}

/* Sizes that contradict what the blobs were made with are a slip of the caller's: nothing is lost.
 */
static bool
sizes_fit(struct pk_call *call, const struct pk_object *object)
{
    const uint64_t *sizes = call->request.sizes;

    if (sizes == NULL)
        return true;
    if (call->request.blob_count != object->blob_count) {
        pk_call_fail(call, -EINVAL, "sizes: %u given, but the object has %u blobs",
                     call->request.blob_count, object->blob_count);
        return false;
    }
    for (uint32_t i = 0; i < object->blob_count; i++) {
        if (object->sizes[i] == PK_UNSIZED || sizes[i] == object->sizes[i])
            continue;
        pk_call_fail(call, -EINVAL, "sizes[%u]: the blob was made with %llu bytes", i,
                     (unsigned long long)object->sizes[i]);
        return false;
    }
    return true;
}

static void
seal_creating(struct pk_call *call, struct pk_holder *holder, struct pk_object *object)
{
    struct pk_peer *peer = call->peer;

    if (object->name == NULL) { /* discarded, and the lease about to be revoked for it */
        pk_call_fail(call, -ESTALE, "lease_id: the object was discarded");
        return;
    }
    if (object->name->busy != NULL) {
        pk_name_queue(object->name, call);
        return;
    }
    if (!sizes_fit(call, object))
        return;
    pk_name_enter(object->name, call);
    call->holder = holder;
    holder->pins++;
    pk_call_use(call, object);
    pk_call_next(call, seal_check, peer->lease, PK_SLOT(PK_LEASE_FIND), 0);
}

void
pk_seal_begin(struct pk_call *call)
{
    struct pk_peer *peer = call->peer;
    struct pk_holder *holder = NULL;

    if (call->request.lease_id != NULL)
        holder = pk_holder_find(peer, call->request.lease_id);
    if (holder == NULL || holder->over) {
        pk_call_fail(call, -ESTALE, "lease_id: no such lease");
        return;
    }
    struct pk_object *object = pk_object_of(peer, &holder->lease);
    if (!holder->creator) {
        pk_call_fail(call, -EACCES, "lease_id: a READ lease can't seal");
    } else if (object == NULL) {
        pk_call_fail(call, -EBUSY, "the object is still being made");
    } else if (object->state == PK_STATE_CREATING) {
        seal_creating(call, holder, object);
    } else {
        call->holder = holder;
        holder->pins++;
        pk_call_use(call, object);
        pk_call_next(call, seal_again, peer->blob, PK_SLOT(PK_BLOB_HANDLE), pk_object_size(object));
    }
}
