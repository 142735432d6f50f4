/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * acquire READ, and what both kinds of acquire share: the lease, its holder, and telling it again.
 * How an object is made is in create.c.
 */
#include "core/peer_state.h"

#include <errno.h>
#include <packice/cleanup.h>
#include <stdlib.h>
#include <string.h>

/* How often an acquire looks for the successor of an object that vanished under its hands. */
#define VANISHED_MAX 3U

uint64_t
pk_acquire_ttl(const struct pk_call *call)
{
    /* What is bound to its session needs no clock to end, unless the caller asks for one. */
    if (call->request.ttl == 0 && call->request.flags & PK_REQUEST_BIND)
        return PK_FOREVER;
    return call->request.ttl;
}

/* The holder is for the lease that was granted to the call. With the lock held; on failure it is
 * the caller's. */
static int32_t
hold(struct pk_call *call, struct pk_holder *holder)
{
    int32_t rc = pk_holder_insert(holder);
    if (rc != 0)
        return pk_fail(&call->error, rc, "the lease could not be kept");
    call->leasing = false; /* from now on the holder counts */
    call->holder = holder;
    return 0;
}

int32_t
pk_acquire_hold(struct pk_call *call)
{
    struct pk_peer *peer = call->peer;
    struct pk_holder *holder = pk_holder_new(peer, &call->lease);
    if (holder == NULL)
        return pk_fail(&call->error, -ENOMEM, "out of memory");
    pk_peer_lock(peer);
    int32_t rc = hold(call, holder);
    pk_peer_unlock(peer);
    if (rc != 0)
        pk_holder_free(holder);
    return rc;
}

void
pk_acquire_commit(struct pk_call *call)
{
    struct pk_holder *holder = call->holder;

    call->holder = NULL;
    call->peer->acquired++;
    if (call->request.flags & PK_REQUEST_BIND && call->session != NULL)
        pk_holder_bind(holder, call->session);
    pk_repeat_settle(call, holder);
    pk_holder_unpin(holder);
}

int32_t
pk_acquire_verdict(struct pk_call *call)
{
    if (pk_call_orphaned(call))
        return pk_fail(&call->error, -ECANCELED, "the session was closed");
    if (call->holder->over)
        return pk_fail(&call->error, -ESTALE, "the lease ended before it could be told");
    return 0;
}

/* ---- READ ---- */

bool
pk_acquire_once_more(struct pk_call *call)
{
    struct pk_peer *peer = call->peer;

    if (call->vanished++ >= VANISHED_MAX)
        return false;
    pk_peer_lock(peer);
    pk_call_rest(call);
    pk_object_unuse(pk_steal(call->object));
    call->status = 0;
    call->error = (struct pk_error)PK_ERROR_INIT;
    call->again = true;
    pk_peer_unlock(peer);
    return true;
}

/* Whether the caller has the object's handles already. Storage that others discard from is asked
 * for them all the same: it alone knows whether they are still to be had. */
static bool
is_known(const struct pk_call *call)
{
    return call->request.known_epoch == call->object->key.epoch
           && (call->peer->traits.flags & PK_BLOB_SHARED) == 0;
}

static int32_t
known_handles(struct pk_call *call)
{
    int32_t rc = pk_call_handle_room(call, call->object->blob_count);

    for (uint32_t i = 0; rc == 0 && i < call->object->blob_count; i++) {
        call->handles[i] = (struct pk_handle){ .kind = PK_HANDLE_KNOWN, .fd = -1 };
        call->handle_count++;
    }
    return rc;
}

static void
read_give_back(struct pk_call *call)
{
    struct pk_error ignored = PK_ERROR_INIT; /* the first failure is the one to tell */

    (void)pk_lease_release(call->peer->lease, call->lease.lease_id, &ignored);
}

/* The holder is the call's lease's, and in the table. With the lock held. */
static void
read_commit(struct pk_call *call)
{
    call->status = pk_acquire_verdict(call);
    if (call->status == 0) {
        pk_acquire_commit(call);
        pk_call_settle(call);
    } else {
        call->holder->over = true;
        pk_holder_unpin(pk_steal(call->holder));
    }
}

/* Last of all, so that the lease is held, and can be ended, as soon as there is one. */
static void
read_grant(struct pk_call *call)
{
    struct pk_peer *peer = call->peer;
    const struct pk_lease_request request = {
        .struct_size = sizeof(request),
        .access = PK_ACCESS_READ,
        .key = call->object->key,
        .ttl = pk_acquire_ttl(call),
    };

    call->status = pk_lease_grant(peer->lease, &request, &call->lease, &call->error);
    if (call->status != 0)
        return;
    struct pk_holder *holder = pk_holder_new(peer, &call->lease);
    pk_peer_lock(peer);
    call->status =
        holder != NULL ? hold(call, holder) : pk_fail(&call->error, -ENOMEM, "out of memory");
    bool held = call->status == 0;
    if (held)
        read_commit(call);
    pk_peer_unlock(peer);
    if (held)
        return;
    pk_holder_free(holder);
    pk_call_next(call, read_give_back, peer->lease, PK_SLOT(PK_LEASE_RELEASE), 0);
}

static void
read_vanished(struct pk_call *call)
{
    struct pk_peer *peer = call->peer;

    pk_peer_lock(peer);
    bool published = call->object->published;
    if (published)
        pk_lookup_vanished(call->object);
    pk_peer_unlock(peer);
    if (published)
        (void)pk_acquire_once_more(call);
}

static void
read_handles(struct pk_call *call)
{
    call->status = is_known(call) ? known_handles(call) : pk_call_make_handles(call, call->object);
    if (call->status == 0)
        pk_call_next(call, read_grant, call->peer->lease, PK_SLOT(PK_LEASE_GRANT), 0);
    else if (call->status == -ENOENT)
        read_vanished(call);
}

/* Whatever happens to its name from now on, the object is there to be read. */
static void
read_sealed(struct pk_call *call)
{
    pk_object_lease(call->object);
    call->leasing = true;
    pk_call_next(call, read_handles, call->peer->blob, is_known(call) ? 0 : PK_SLOT(PK_BLOB_HANDLE),
                 pk_object_size(call->object));
}

/* Nothing under this name that could be read now: wait for it, or say so. */
static void
read_absent(struct pk_call *call, struct pk_name *name)
{
    if (call->request.wait > 0 && call->peer->stopping)
        pk_call_fail(call, -EBUSY, "the node is stopping");
    else if (call->request.wait > 0)
        pk_name_wait(name, call);
    else if (name->object != NULL)
        pk_call_fail(call, -EAGAIN, "object '%s' is not sealed yet", name->id);
    else
        pk_call_fail(call, -ENOENT, "object '%s' not found", name->id);
}

static void
read_begin(struct pk_call *call)
{
    struct pk_peer *peer = call->peer;
    struct pk_name *name = pk_name_get(peer, call->request.object_id);
    if (name == NULL) {
        pk_call_fail(call, -ENOMEM, "out of memory");
        return;
    }
    struct pk_object *object = name->object;
    bool sealed = object != NULL && object->state == PK_STATE_SEALED;
    if (name->busy != NULL) {
        pk_name_queue(name, call);
    } else if (sealed && object->blobs != NULL) {
        pk_call_use(call, object);
        if (pk_inline_fits(&call->request, object))
            pk_inline_begin(call);
        else
            read_sealed(call);
    } else if ((sealed || (object == NULL && !call->looked)) && pk_blob_publishes(peer->blob)) {
        pk_name_enter(name, call);
        pk_lookup_begin(call);
    } else {
        read_absent(call, name);
    }
    pk_name_check(name);
}

/* ---- a repeat ---- */

static void
again_handles(struct pk_call *call)
{
    struct pk_peer *peer = call->peer;

    call->status = pk_call_make_handles(call, call->object);
    pk_peer_lock(peer);
    if (call->status == -ENOENT)
        pk_lookup_vanished(call->object);
    if (call->status == 0)
        call->status = pk_acquire_verdict(call);
    if (call->status == 0 && call->request.flags & PK_REQUEST_BIND)
        pk_holder_bind(call->holder, call->session);
    pk_holder_unpin(pk_steal(call->holder));
    pk_name_leave(call);
    pk_peer_unlock(peer);
}

void
pk_acquire_again(struct pk_call *call)
{
    struct pk_peer *peer = call->peer;
    struct pk_holder *holder = pk_holder_find(peer, call->lease.lease_id);

    if (holder == NULL || holder->over) { /* it ended while this call was parked: a new request */
        call->begin = pk_acquire_begin;
        pk_acquire_begin(call);
        return;
    }
    struct pk_object *object = pk_object_of(peer, &holder->lease);
    struct pk_name *name = object != NULL ? object->name : NULL;
    if (object == NULL || (object->state == PK_STATE_CREATING && name == NULL)) {
        pk_call_fail(call, -ESTALE, "the object was discarded"); /* its lease ends with it */
        return;
    }
    if (object->state == PK_STATE_CREATING) {
        if (name->busy != NULL) {
            pk_name_queue(name, call);
            return;
        }
        pk_name_enter(name, call);
    }
    call->lease = holder->lease;
    call->holder = holder;
    holder->pins++;
    pk_call_use(call, object);
    pk_call_next(call, again_handles, peer->blob, PK_SLOT(PK_BLOB_HANDLE), pk_object_size(object));
}

void
pk_acquire_begin(struct pk_call *call)
{
    uint32_t access = call->request.access;

    if (access != PK_ACCESS_READ && access != PK_ACCESS_CREATE) {
        pk_call_fail(call, -EINVAL, "intent: neither create nor read");
        return;
    }
    if (access == PK_ACCESS_READ && call->request.object_id == NULL) {
        pk_call_fail(call, -EINVAL, "object_id: missing");
        return;
    }
    if (!pk_repeat_join(call))
        return;
    if (access == PK_ACCESS_READ)
        read_begin(call);
    else
        pk_create_begin(call);
}
