/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * discard: the name is free at once, whoever was making the object loses the lease, and whoever
 * reads it goes on reading. Its storage goes with the last lease.
 */
#include "core/log.h"
#include "core/peer_state.h"

#include <errno.h>

static void
lease_revoked(void *arg, const struct pk_lease *lease)
{
    struct pk_peer *peer = arg;

    pk_peer_lock(peer);
    pk_holder_gone(peer, lease);
    pk_peer_unlock_only(peer); /* in the midst of a slot: what there is to do is done behind it */
}

/* The end of every discard: nobody finds the object any more. */
static void
discard_commit(struct pk_call *call)
{
    struct pk_peer *peer = call->peer;
    struct pk_object *object = call->object;

    pk_peer_lock(peer);
    if (call->status == 0)
        peer->discarded++;
    pk_object_unname(object);
    if (call->status == -ESTALE)
        pk_lookup_refresh(call->name); /* to whom the claim was lost */
    else
        pk_lookup_unclaimed(call->name);
    pk_name_leave(call);
    pk_peer_unlock(peer);
}

static void
discard_revoke(struct pk_call *call)
{
    struct pk_peer *peer = call->peer;
    struct pk_error err = PK_ERROR_INIT;

    if (call->request.verb == PK_VERB_DISCARD) {
        pk_peer_lock(peer);
        pk_name_fail_waiters(call->name, -ENOENT, "the object was discarded");
        pk_peer_unlock(peer);
    }
    int32_t rc = pk_lease_revoke(peer->lease, &call->object->key, PK_ACCESS_CREATE, lease_revoked,
                                 peer, &err);
    if (rc != 0)
        pk_log(PK_LOG_WARN, "peer", "the claim on '%s' could not be revoked: %s",
               call->object->key.id, err.message);
    discard_commit(call);
}

/* It may be published, though nobody was told so. Where the storage still doesn't answer it is left
 * to it: the object may come back as one that was published in time. */
static void
discard_doubtful(struct pk_call *call)
{
    struct pk_peer *peer = call->peer;
    struct pk_object *object = call->object;
    struct pk_error err = PK_ERROR_INIT;
    int32_t rc = pk_blob_unpublish(peer->blob, &object->key, &err);

    if (rc != 0 && rc != -ENOENT)
        pk_log(PK_LOG_WARN, "peer", "whether '%s' is published is not known: %s", object->key.id,
               err.message);
    pk_peer_lock(peer);
    object->in_doubt = false;
    object->published = rc != 0 && rc != -ENOENT;
    pk_peer_unlock_only(peer);
    pk_discard_doomed(call);
}

static void
doubtful_begin(struct pk_call *call)
{
    struct pk_name *name = pk_name_find(call->peer, call->request.object_id);

    if (name == NULL || name->object == NULL || !name->object->in_doubt || name->object->leases > 0)
        return;
    if (name->busy != NULL) {
        pk_name_queue(name, call);
        return;
    }
    pk_name_enter(name, call);
    pk_call_use(call, name->object);
    pk_discard_doomed(call);
}

bool
pk_discard_abandoned(struct pk_object *object)
{
    struct pk_call *call = NULL;

    if (object->in_doubt)
        call = pk_call_new_internal(object->peer, object->key.id, doubtful_begin);
    if (call != NULL)
        pk_call_begin(call);
    return call != NULL;
}

void
pk_discard_doomed(struct pk_call *call)
{
    if (call->object->in_doubt) {
        pk_call_next(call, discard_doubtful, call->peer->blob, PK_SLOT(PK_BLOB_UNPUBLISH), 0);
        return;
    }
    pk_call_next(call, discard_revoke, call->peer->lease, PK_SLOT(PK_LEASE_REVOKE), 0);
}

static void
discard_unpublish(struct pk_call *call)
{
    struct pk_peer *peer = call->peer;

    call->status = pk_blob_unpublish(peer->blob, &call->object->key, &call->error);
    bool elsewhere = call->status == -ENOENT; /* others were faster: what was asked for is so */
    if (elsewhere)
        call->status = 0;
    pk_peer_lock(peer);
    if (call->status == 0) {
        call->object->published = elsewhere; /* then its storage is seen to there */
        pk_peer_unlock_only(peer);
        discard_commit(call);
        return;
    }
    pk_name_leave(call);
    pk_peer_unlock(peer);
}

static void
discard_object(struct pk_call *call, struct pk_name *name)
{
    struct pk_peer *peer = call->peer;
    struct pk_object *object = name->object;

    if (call->session != NULL
        && !pk_principal_may_discard(&call->session->principal, &object->owner)) {
        pk_call_fail(call, -EACCES, "object '%s' belongs to another user", name->id);
        return;
    }
    pk_name_enter(name, call);
    pk_call_use(call, object);
    if (object->state == PK_STATE_CREATING)
        pk_discard_doomed(call);
    else if (object->published)
        pk_call_next(call, discard_unpublish, peer->blob, PK_SLOT(PK_BLOB_UNPUBLISH), 0);
    else
        call->step = discard_commit;
}

void
pk_discard_begin(struct pk_call *call)
{
    struct pk_peer *peer = call->peer;

    if (call->request.object_id == NULL) {
        pk_call_fail(call, -EINVAL, "object_id: missing");
        return;
    }
    struct pk_name *name = pk_name_get(peer, call->request.object_id);
    if (name == NULL) {
        pk_call_fail(call, -ENOMEM, "out of memory");
        return;
    }
    bool opened = name->object != NULL && name->object->blobs != NULL;
    if (name->busy != NULL) {
        pk_name_queue(name, call);
    } else if (opened) {
        discard_object(call, name);
    } else if (pk_blob_publishes(peer->blob) && !call->looked) {
        pk_name_enter(name, call);
        pk_lookup_begin(call);
    } else {
        pk_call_fail(call, -ENOENT, "object '%s' not found", name->id);
    }
    pk_name_check(name);
}
