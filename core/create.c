/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * acquire CREATE: room is reserved, the name claimed by a lease, the storage asked whether it has
 * the name, and blobs made in it. Whatever fails undoes all before it.
 */
#include "core/eviction.h"
#include "core/id.h"
#include "core/peer_state.h"

#include <errno.h>
#include <packice/cleanup.h>
#include <stdlib.h>
#include <string.h>

static uint32_t
blob_count(const struct pk_call *call)
{
    return call->request.blob_count > 0 ? call->request.blob_count : 1;
}

static uint64_t
size_of(const struct pk_call *call, uint32_t index)
{
    return call->request.sizes != NULL ? call->request.sizes[index] : PK_UNSIZED;
}

uint64_t
pk_create_size(const struct pk_call *call)
{
    uint64_t total = 0;

    for (uint32_t i = 0; i < blob_count(call); i++)
        if (size_of(call, i) != PK_UNSIZED)
            total += size_of(call, i);
    return total;
}

/* What counts as held from the start. */
static uint64_t
room_wanted(const struct pk_call *call)
{
    uint64_t total = pk_create_size(call);
    return call->request.expected > total ? call->request.expected : total;
}

/* The last step of a failed create: the claim goes before the name's next in line begins. */
static void
create_undo(struct pk_call *call)
{
    struct pk_peer *peer = call->peer;
    struct pk_error ignored = PK_ERROR_INIT; /* the first failure is the one to tell */

    pk_call_drop_handles(call);
    if (call->lease.lease_id[0] != '\0')
        (void)pk_lease_release(peer->lease, call->lease.lease_id, &ignored);
    pk_peer_lock(peer);
    if (call->holder != NULL) {
        pk_holder_detach(call->holder);
        pk_holder_drop(pk_steal(call->holder));
    }
    pk_peer_unreserve(call);
    pk_name_leave(call);
    pk_peer_unlock(peer);
}

void
pk_create_undo(struct pk_call *call)
{
    pk_call_next(call, create_undo, call->peer->lease, PK_SLOT(PK_LEASE_RELEASE), 0);
}

static struct pk_object *
new_object(const struct pk_call *call)
{
    const struct pk_key key = { .id = call->request.object_id, .epoch = call->lease.epoch };
    const char *meta = call->request.meta != NULL ? call->request.meta : "";
    struct pk_object *object = pk_object_new(call->peer, &key, blob_count(call), meta);
    if (object == NULL)
        return NULL;
    object->state = PK_STATE_CREATING;
    object->acquired = true; /* by whoever makes it */
    object->created_at = pk_peer_wall_clock();
    object->grows = (call->peer->traits.flags & PK_BLOB_GROWS) != 0;
    if (call->session != NULL)
        object->owner = call->session->principal;
    for (uint32_t i = 0; i < object->blob_count; i++) {
        object->sizes[i] = size_of(call, i);
        if (object->sizes[i] == PK_UNSIZED)
            object->grows = true;
    }
    return object;
}

bool
pk_create_make(struct pk_call *call, pk_create_make_fn *make)
{
    struct pk_peer *peer = call->peer;
    struct pk_object *object = new_object(call);

    if (object == NULL)
        pk_call_fail(call, -ENOMEM, "out of memory");
    else
        call->status = make(call, object);
    if (call->status == 0)
        return true;
    if (object != NULL) {
        pk_peer_lock(peer);
        pk_object_give_up(object);
        pk_peer_unlock(peer);
    }
    pk_create_undo(call);
    return false;
}

int32_t
pk_create_blobs(struct pk_call *call, struct pk_object *object)
{
    struct pk_peer *peer = call->peer;

    for (uint32_t i = 0; i < object->blob_count; i++) {
        int32_t rc = pk_blob_create(peer->blob, &object->key, i, object->sizes[i],
                                    &object->blobs[i], &call->error);
        if (rc != 0)
            return rc;
    }
    return 0;
}

int32_t
pk_create_insert(struct pk_call *call, struct pk_object *object)
{
    uint64_t reserved = call->reserved;
    int32_t rc = pk_object_insert(object, call->name);
    if (rc != 0)
        return pk_fail(&call->error, rc, "the object could not be kept");
    pk_peer_unreserve(call);
    object->expected = reserved;
    pk_object_hold(object, reserved);
    pk_call_use(call, object);
    return 0;
}

/* The object is whole: into the tables with it, unless nobody is left to be told. */
static int32_t
create_commit(struct pk_call *call, struct pk_object *object)
{
    struct pk_peer *peer = call->peer;

    pk_peer_lock(peer);
    int32_t rc = pk_acquire_verdict(call);
    if (rc == 0)
        rc = pk_create_insert(call, object);
    if (rc == 0) {
        object->leases = 1;
        if (object->grows)
            pk_sample_add(object);
        pk_acquire_commit(call);
        pk_name_leave(call);
    }
    pk_peer_unlock(peer);
    return rc;
}

static int32_t
create_make(struct pk_call *call, struct pk_object *object)
{
    int32_t rc = pk_create_blobs(call, object);
    if (rc == 0)
        rc = pk_call_make_handles(call, object);
    if (rc == 0)
        rc = create_commit(call, object);
    return rc;
}

static void
create_storage(struct pk_call *call)
{
    (void)pk_create_make(call, create_make);
}

static void
next_storage(struct pk_call *call)
{
    if (call->request.verb == PK_VERB_PUT)
        pk_put_storage(call);
    else
        pk_call_next(call, create_storage, call->peer->blob,
                     PK_SLOT(PK_BLOB_CREATE) | PK_SLOT(PK_BLOB_HANDLE), pk_create_size(call));
}

static void
create_evicted(struct pk_call *call)
{
    if (call->status == 0)
        next_storage(call);
    else
        pk_create_undo(call);
}

/* Nothing else stands in the way, so it is time to do away with what does. */
static void
next_room(struct pk_call *call)
{
    struct pk_peer *peer = call->peer;

    if (!call->crowded) {
        next_storage(call);
        return;
    }
    pk_peer_lock(peer);
    if (pk_eviction_reserve(call, room_wanted(call), 1))
        pk_eviction_run(call, create_evicted);
    else
        pk_create_undo(call);
    pk_peer_unlock_only(peer);
}

/* The claim is ours, so nobody publishes under this name now: is there something already? */
static void
create_looked(struct pk_call *call)
{
    if (call->status == -ENOENT)
        call->status = 0;
    else if (call->status == 0)
        pk_call_fail(call, -EEXIST, "object '%s' exists", call->request.object_id);
    if (call->status != 0) {
        pk_create_undo(call);
        return;
    }
    call->error = (struct pk_error)PK_ERROR_INIT;
    next_room(call);
}

static void
create_grant(struct pk_call *call)
{
    struct pk_peer *peer = call->peer;
    struct pk_lease_request request = {
        .struct_size = sizeof(request),
        .access = PK_ACCESS_CREATE,
        .key = { .id = call->request.object_id },
        .ttl = pk_acquire_ttl(call),
    };

    pk_peer_lock(peer);
    request.epoch_floor = peer->epoch_floor;
    pk_peer_unlock_only(peer);
    call->status = pk_lease_grant(peer->lease, &request, &call->lease, &call->error);
    /* Of a put nobody else gets to see the lease. */
    if (call->status == 0 && call->request.verb != PK_VERB_PUT)
        call->status = pk_acquire_hold(call);
    if (call->status != 0) {
        pk_create_undo(call);
        return;
    }
    if (pk_blob_publishes(peer->blob)) {
        pk_lookup_step(call, create_looked);
        return;
    }
    next_room(call);
}

static bool
create_allowed(struct pk_call *call)
{
    struct pk_peer *peer = call->peer;
    bool unsized = call->request.sizes == NULL;

    for (uint32_t i = 0; !unsized && i < blob_count(call); i++)
        unsized = size_of(call, i) == PK_UNSIZED;
    if (peer->stopping)
        pk_call_fail(call, -EBUSY, "the node is stopping");
    else if (call->request.object_ttl != 0)
        pk_call_fail(call, -EOPNOTSUPP, "object_ttl_seconds: not supported by this node");
    else if (blob_count(call) > peer->traits.blobs_max)
        pk_call_fail(call, -EOPNOTSUPP, "blobs: this storage keeps at most %u in one object",
                     peer->traits.blobs_max);
    else if (call->request.expected > PK_SIZE_MAX)
        pk_call_fail(call, -EFBIG, "expected: more than any object holds");
    else if (unsized && !peer->options.unsized)
        pk_call_fail(call, -EOPNOTSUPP, "sizes: this node makes no blobs without a size");
    return call->status == 0;
}

/* A name that the caller left to us. */
static bool
create_name(struct pk_call *call)
{
    if (call->request.object_id != NULL)
        return true;
    if (pk_uuid(call->generated) != 0) {
        pk_call_fail(call, -EIO, "no random numbers to be had");
        return false;
    }
    call->request.object_id = call->generated;
    return true;
}

void
pk_create_begin(struct pk_call *call)
{
    struct pk_peer *peer = call->peer;

    if (!create_allowed(call) || !create_name(call))
        return;
    struct pk_name *name = pk_name_get(peer, call->request.object_id);
    if (name == NULL) {
        pk_call_fail(call, -ENOMEM, "out of memory");
        return;
    }
    if (name->busy != NULL) {
        pk_name_queue(name, call);
    } else if (name->object != NULL) {
        pk_call_fail(call, -EEXIST, "object '%s' exists", name->id);
    } else if (pk_peer_reserve(call, room_wanted(call))) {
        pk_name_enter(name, call);
        pk_call_next(call, create_grant, peer->lease, PK_SLOT(PK_LEASE_GRANT), 0);
    }
    pk_name_check(name);
}
