/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * release and renew: what is asked of a lease alone. Neither ever waits for storage.
 */
#include "core/peer_state.h"

#include <errno.h>
#include <packice/cleanup.h>

static void
release_run(struct pk_call *call)
{
    struct pk_peer *peer = call->peer;

    call->status = pk_lease_release(peer->lease, call->holder->lease.lease_id, &call->error);
    pk_peer_lock(peer);
    pk_holder_drop(pk_steal(call->holder));
    pk_call_settle(call);
    pk_peer_unlock(peer);
}

void
pk_release_begin(struct pk_call *call)
{
    struct pk_peer *peer = call->peer;

    if (call->request.lease_id == NULL) {
        pk_call_fail(call, -EINVAL, "lease_id: missing");
        return;
    }
    struct pk_holder *holder = pk_holder_find(peer, call->request.lease_id);
    if (holder == NULL || holder->over) /* what was asked for is so, or about to be */
        return;
    peer->released++;
    if (holder->pins > 0) {
        pk_holder_end(holder);
        return;
    }
    pk_holder_detach(holder);
    call->holder = holder;
    pk_call_next(call, release_run, peer->lease, PK_SLOT(PK_LEASE_RELEASE), 0);
}

static void
renew_run(struct pk_call *call)
{
    struct pk_peer *peer = call->peer;

    call->status = pk_lease_renew(peer->lease, call->request.lease_id, call->request.ttl,
                                  &call->lease, &call->error);
    pk_peer_lock(peer);
    if (call->status == 0) {
        call->holder->lease.ttl = call->lease.ttl;
        call->holder->lease.expires_at = call->lease.expires_at;
        pk_expiry_arm(peer, call->lease.expires_at);
    } else if (call->status == -ESTALE) {
        pk_holder_lost(call->holder);
    }
    pk_holder_unpin(pk_steal(call->holder));
    pk_peer_unlock(peer);
}

void
pk_renew_begin(struct pk_call *call)
{
    struct pk_peer *peer = call->peer;
    struct pk_holder *holder = NULL;

    if (call->request.lease_id != NULL)
        holder = pk_holder_find(peer, call->request.lease_id);
    if (holder == NULL || holder->over) {
        pk_call_fail(call, -ESTALE, "lease_id: no such lease");
        return;
    }
    if (call->request.ttl == 0 && holder->session != NULL)
        call->request.ttl = PK_FOREVER; /* the same default as when it was granted */
    call->holder = holder;
    holder->pins++;
    pk_call_next(call, renew_run, peer->lease, PK_SLOT(PK_LEASE_RENEW), 0);
}
