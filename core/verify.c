/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify: a sealed object's bytes against the checksums that its storage took at the seal. The
 * object is in use meanwhile, and nobody waits for it: it needs no lease, and reads go on.
 */
#include "core/peer_state.h"

#include <errno.h>

/* Which blob it was, where one is not what was sealed. */
static void
say_which(struct pk_call *call, uint32_t index)
{
    struct pk_error why = call->error;

    (void)pk_fail(&call->error, call->status, "blob %u of '%s': %s", index, call->object->key.id,
                  why.message);
}

static void verify_next(struct pk_call *call);

static void
verify_blob(struct pk_call *call)
{
    struct pk_peer *peer = call->peer;
    struct pk_object *object = call->object;
    uint32_t index = call->verified;

    call->status = pk_blob_verify(peer->blob, object->blobs[index], &call->error);
    if (call->status == -EIO)
        say_which(call, index);
    pk_peer_lock(peer);
    if (call->status == 0) {
        call->bytes += object->sizes[index];
        call->verified++;
        verify_next(call);
    } else if (call->status == -ENOENT) {
        pk_lookup_vanished(object);
    }
    pk_peer_unlock(peer);
}

/* One blob a step, so that others come to their turn in between; and nobody verifies for those who
 * are gone. With the lock held. */
static void
verify_next(struct pk_call *call)
{
    struct pk_object *object = call->object;

    if (pk_call_orphaned(call))
        pk_call_fail(call, -ECANCELED, "the session was closed");
    else if (call->peer->stopping)
        pk_call_fail(call, -EBUSY, "the node is stopping");
    else if (call->verified < object->blob_count)
        pk_call_next(call, verify_blob, call->peer->blob, PK_SLOT(PK_BLOB_VERIFY),
                     object->sizes[call->verified]);
    else
        pk_stat_fill(call, object);
}

void
pk_verify_begin(struct pk_call *call)
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
    struct pk_object *object = name->object;
    bool sealed = object != NULL && object->state == PK_STATE_SEALED;
    if (name->busy != NULL) {
        pk_name_queue(name, call);
    } else if (sealed && object->blobs != NULL) {
        pk_call_use(call, object);
        verify_next(call);
    } else if ((sealed || (object == NULL && !call->looked)) && pk_blob_publishes(peer->blob)) {
        pk_name_enter(name, call);
        pk_lookup_begin(call);
    } else if (object != NULL) {
        pk_call_fail(call, -EAGAIN, "object '%s' is not sealed yet", name->id);
    } else {
        pk_call_fail(call, -ENOENT, "object '%s' not found", name->id);
    }
    pk_name_check(name);
}
