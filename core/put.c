/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * put: an object whose bytes the caller brings, made, written, sealed and published in one. The way
 * there is create's (create.c), up to the granted claim, which ends with the call: nobody is told
 * of it, and its name is in transition all the time. All or nothing.
 */
#include "core/log.h"
#include "core/peer_state.h"

#include <errno.h>

/* Writes what the call brought, all blobs one behind the other. */
static int32_t
write_blobs(struct pk_call *call, struct pk_object *object)
{
    const char *at = call->request.data;

    for (uint32_t i = 0; i < object->blob_count; i++) {
        if (object->sizes[i] == 0)
            continue;
        int32_t rc = pk_blob_write(call->peer->blob, object->blobs[i], 0, at, object->sizes[i],
                                   &call->error);
        if (rc != 0)
            return rc;
        at += object->sizes[i];
    }
    return 0;
}

/* The same for storage that does it in one. */
static int32_t
put_blobs(struct pk_call *call, struct pk_object *object)
{
    const char *at = call->request.data;

    for (uint32_t i = 0; i < object->blob_count; i++) {
        int32_t rc = pk_blob_put(call->peer->blob, &object->key, i, at, object->sizes[i],
                                 &object->blobs[i], &call->error);
        if (rc != 0)
            return rc;
        object->sealed_count++;
        at += object->sizes[i];
    }
    return 0;
}

/* Takes over what the call brought descriptors of, whose end is the storage's business. */
static int32_t
adopt_blobs(struct pk_call *call, struct pk_object *object)
{
    for (uint32_t i = 0; i < object->blob_count; i++) {
        struct pk_handle handle = call->given[i];
        handle.struct_size = sizeof(handle);
        handle.size = object->sizes[i];
        call->given[i].fd = -1;
        int32_t rc = pk_blob_adopt(call->peer->blob, &object->key, i, &handle, &object->blobs[i],
                                   &call->error);
        if (rc != 0)
            return rc;
        object->sealed_count++;
    }
    return 0;
}

static int32_t
make_blobs(struct pk_call *call, struct pk_object *object)
{
    if (call->given != NULL)
        return adopt_blobs(call, object);
    if (pk_blob_puts(call->peer->blob))
        return put_blobs(call, object);
    int32_t rc = pk_create_blobs(call, object);
    if (rc == 0)
        rc = write_blobs(call, object);
    if (rc == 0)
        rc = pk_seal_blobs(call, object, call->request.sizes);
    return rc;
}

/* Into the tables with it: whatever fails from here on is known to the peer by its name. */
static int32_t
put_insert(struct pk_call *call, struct pk_object *object)
{
    struct pk_peer *peer = call->peer;
    int32_t rc = 0;

    object->grows = false; /* nobody got a handle to write through */
    pk_peer_lock(peer);
    if (pk_call_orphaned(call))
        rc = pk_fail(&call->error, -ECANCELED, "the session was closed");
    else
        rc = pk_create_insert(call, object);
    pk_peer_unlock_only(peer);
    return rc;
}

static int32_t
put_make(struct pk_call *call, struct pk_object *object)
{
    int32_t rc = make_blobs(call, object);
    return rc == 0 ? put_insert(call, object) : rc;
}

static void
put_commit(struct pk_call *call)
{
    struct pk_peer *peer = call->peer;
    struct pk_error err = PK_ERROR_INIT;
    int32_t rc = pk_lease_release(peer->lease, call->lease.lease_id, &err);

    if (rc != 0)
        pk_log(PK_LOG_WARN, "peer", "the claim on '%s' could not be given up: %s",
               call->object->key.id, err.message);
    pk_peer_lock(peer);
    if (rc != 0)
        pk_expiry_arm(peer, call->lease.expires_at);
    pk_seal_done(call->object);
    pk_name_leave(call);
    pk_call_settle(call);
    pk_peer_unlock(peer);
}

static void
put_run(struct pk_call *call)
{
    if (!pk_create_make(call, put_make))
        return;
    call->status = pk_seal_publish(call);
    if (call->status != 0)
        pk_discard_doomed(call);
    else
        pk_call_next(call, put_commit, call->peer->lease, PK_SLOT(PK_LEASE_RELEASE), 0);
}

void
pk_put_storage(struct pk_call *call)
{
    struct pk_peer *peer = call->peer;
    uint32_t slots = PK_SLOT(PK_BLOB_CREATE) | PK_SLOT(PK_BLOB_WRITE) | PK_SLOT(PK_BLOB_SEAL);

    if (call->given != NULL)
        slots = PK_SLOT(PK_BLOB_ADOPT);
    else if (pk_blob_puts(peer->blob))
        slots = PK_SLOT(PK_BLOB_PUT);
    if (pk_blob_publishes(peer->blob))
        slots |= PK_SLOT(PK_BLOB_PUBLISH) | PK_SLOT(PK_BLOB_LOOKUP) | PK_SLOT(PK_BLOB_FREE);
    pk_call_next(call, put_run, peer->blob, slots, pk_create_size(call));
}

/* Whether the request says what each blob is. */
static bool
sizes_named(struct pk_call *call)
{
    struct pk_request *request = &call->request;
    uint64_t left = PK_SIZE_MAX;

    if (request->sizes == NULL && request->blob_count <= 1)
        request->sizes = &request->data_size; /* which is the call's own, too */
    if (request->sizes == NULL) {
        pk_call_fail(call, -EINVAL, "sizes: missing");
        return false;
    }
    for (uint32_t i = 0; i < request->blob_count || i == 0; i++) {
        if (request->sizes[i] == PK_UNSIZED) {
            pk_call_fail(call, -EINVAL, "sizes[%u]: missing", i);
            return false;
        }
        if (request->sizes[i] > left) {
            pk_call_fail(call, -EFBIG, "sizes[%u]: too large", i);
            return false;
        }
        left -= request->sizes[i];
    }
    return true;
}

static bool
data_given(struct pk_call *call)
{
    const struct pk_request *request = &call->request;
    uint64_t size = request->data != NULL ? request->data_size : 0;
    uint64_t wanted = pk_create_size(call);

    if (size == wanted && request->data_size == wanted)
        return true;
    pk_call_fail(call, -EINVAL, "data: %llu bytes, but the sizes come to %llu",
                 (unsigned long long)size, (unsigned long long)wanted);
    return false;
}

static bool
descriptors_given(struct pk_call *call)
{
    const struct pk_request *request = &call->request;

    if (!pk_blob_adopts(call->peer->blob)) {
        pk_call_fail(call, -EOPNOTSUPP, "fds: this storage takes no descriptors");
        return false;
    }
    if (request->data_size > 0) {
        pk_call_fail(call, -EINVAL, "data: beside descriptors");
        return false;
    }
    for (uint32_t i = 0; i < request->blob_count; i++) {
        if (call->given[i].kind == PK_HANDLE_FD && call->given[i].fd >= 0)
            continue;
        pk_call_fail(call, -EINVAL, "fds[%u]: no descriptor", i);
        return false;
    }
    return true;
}

void
pk_put_begin(struct pk_call *call)
{
    call->request.expected = 0;
    call->request.ttl = 0; /* of a claim that should outlive this call by no more than that */
    if (call->given != NULL ? descriptors_given(call) && sizes_named(call)
                            : sizes_named(call) && data_given(call))
        pk_create_begin(call);
}
