/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * read, write and open: a blob's bytes through the peer, or handles to them under a lease that is
 * there already, for transports that handles can't cross.
 */
#include "core/eviction.h"
#include "core/peer_state.h"

#include <errno.h>
#include <packice/cleanup.h>

static void
data_finish(struct pk_call *call)
{
    struct pk_peer *peer = call->peer;

    pk_peer_lock(peer);
    pk_holder_unpin(pk_steal(call->holder));
    pk_name_leave(call);
    pk_peer_unlock(peer);
}

static void
read_run(struct pk_call *call)
{
    const struct pk_request *request = &call->request;

    call->status =
        pk_blob_read(call->peer->blob, call->object->blobs[request->blob], request->offset,
                     request->data, request->data_size, &call->bytes, &call->error);
    data_finish(call);
}

static void
write_run(struct pk_call *call)
{
    const struct pk_request *request = &call->request;

    call->status = pk_blob_write(call->peer->blob, call->object->blobs[request->blob],
                                 request->offset, request->data, request->data_size, &call->error);
    call->bytes = call->status == 0 ? request->data_size : 0;
    data_finish(call);
}

static void
next_write(struct pk_call *call)
{
    pk_call_next(call, write_run, call->peer->blob, PK_SLOT(PK_BLOB_WRITE),
                 call->request.data_size);
}

static void
write_evicted(struct pk_call *call)
{
    if (call->status != 0) {
        data_finish(call);
        return;
    }
    pk_peer_lock(call->peer);
    pk_peer_grow(call, call->object);
    pk_peer_unlock(call->peer);
    next_write(call);
}

/* Whether a blob without a size may grow so far, if who writes wants to be told at once: what it
 * grows by is in call->reserved if others must be evicted first. Of several blobs nobody knows the
 * sum but a sample. */
static bool
may_grow(struct pk_call *call, struct pk_object *object)
{
    struct pk_peer *peer = call->peer;
    const struct pk_request *request = &call->request;
    uint64_t end = request->offset + request->data_size;

    if (request->verb != PK_VERB_WRITE || (request->flags & PK_REQUEST_COUNT) == 0
        || object->sizes[request->blob] != PK_UNSIZED)
        return true;
    if (end > peer->options.max_object) {
        pk_call_fail(call, -EFBIG, "%llu bytes, but max_object is %llu", (unsigned long long)end,
                     (unsigned long long)peer->options.max_object);
        return false;
    }
    if (object->blob_count > 1 || end <= object->held)
        return true;
    if (!pk_eviction_spares(peer, end - object->held, 0))
        return pk_eviction_reserve(call, end - object->held, 0);
    pk_object_hold(object, end);
    return true;
}

/* Finds what the lease is for, and has the name in transition where somebody could be writing.
 * False: failed or parked. */
static bool
data_begin(struct pk_call *call)
{
    struct pk_peer *peer = call->peer;
    const struct pk_request *request = &call->request;
    struct pk_holder *holder = NULL;
    struct pk_object *object = NULL;

    if (request->lease_id != NULL)
        holder = pk_holder_find(peer, request->lease_id);
    if (holder != NULL && !holder->over)
        object = pk_object_of(peer, &holder->lease);
    if (object == NULL) {
        pk_call_fail(call, -ESTALE, "lease_id: no such lease");
        return false;
    }
    if (request->blob >= object->blob_count || (request->data == NULL && request->data_size > 0)
        || request->offset > PK_SIZE_MAX || request->data_size > PK_SIZE_MAX - request->offset) {
        pk_call_fail(call, -EINVAL, "blob or offset: out of range");
        return false;
    }
    if (object->state == PK_STATE_CREATING) {
        struct pk_name *name = object->name;
        if (name == NULL) {
            pk_call_fail(call, -ESTALE, "lease_id: the object was discarded");
            return false;
        }
        if (name->busy != NULL) {
            pk_name_queue(name, call);
            return false;
        }
        if (!may_grow(call, object))
            return false;
        pk_name_enter(name, call);
    }
    call->holder = holder;
    holder->pins++;
    pk_call_use(call, object);
    return true;
}

void
pk_read_begin(struct pk_call *call)
{
    struct pk_peer *peer = call->peer;

    if (data_begin(call))
        pk_call_next(call, read_run, peer->blob, PK_SLOT(PK_BLOB_READ), call->request.data_size);
}

void
pk_write_begin(struct pk_call *call)
{
    struct pk_peer *peer = call->peer;
    const struct pk_holder *holder = NULL;

    if (call->request.lease_id != NULL)
        holder = pk_holder_find(peer, call->request.lease_id);
    if (holder != NULL && holder->lease.access != PK_ACCESS_CREATE) {
        pk_call_fail(call, -EACCES, "lease_id: a READ lease can't write");
        return;
    }
    if (!data_begin(call))
        return;
    if (call->reserved > 0)
        pk_eviction_run(call, write_evicted);
    else
        next_write(call);
}

static void
open_run(struct pk_call *call)
{
    call->status = pk_call_make_handles(call, call->object);
    pk_peer_lock(call->peer);
    call->lease = call->holder->lease;
    pk_peer_unlock_only(call->peer);
    data_finish(call);
}

void
pk_open_begin(struct pk_call *call)
{
    struct pk_peer *peer = call->peer;

    call->request.blob = 0; /* nothing is read or written */
    call->request.offset = 0;
    call->request.data_size = 0;
    if (data_begin(call))
        pk_call_next(call, open_run, peer->blob, PK_SLOT(PK_BLOB_HANDLE),
                     pk_object_size(call->object));
}
