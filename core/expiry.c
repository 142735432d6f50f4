/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leases that end by themselves: by the clock, or because the lease factory says so.
 */
#include "core/log.h"
#include "core/peer_state.h"

#include <errno.h>

/* With the lock held: the factory has no such lease any more. */
static void
lease_gone(struct pk_peer *peer, const struct pk_lease *lease)
{
    struct pk_holder *holder = pk_holder_find(peer, lease->lease_id);

    if (holder == NULL)
        return;
    holder->gone = true;
    pk_holder_end(holder);
}

void
pk_peer_lease_ended(struct pk_peer *peer, const struct pk_lease *lease)
{
    pk_peer_lock(peer);
    lease_gone(peer, lease);
    pk_peer_unlock(peer);
}

static void
lease_expired(void *arg, const struct pk_lease *lease)
{
    struct pk_peer *peer = arg;

    pk_peer_lock(peer);
    peer->expired++;
    lease_gone(peer, lease);
    pk_peer_unlock(peer);
}

static void
expire_run(struct pk_work *work)
{
    struct pk_peer *peer =
        (struct pk_peer *)(void *)((char *)work - offsetof(struct pk_peer, expire_work));
    struct pk_error err = PK_ERROR_INIT;

    if (pk_lease_expire(peer->lease, pk_executor_now(peer->executor), lease_expired, peer, &err)
        != 0)
        pk_log(PK_LOG_WARN, "peer", "leases could not be expired: %s", err.message);
    uint64_t next = pk_lease_next_expiry(peer->lease);
    pk_peer_lock(peer);
    peer->expiring = false;
    pk_expiry_arm(peer, next);
    pk_peer_settle(peer);
    pk_peer_unlock(peer);
}

static void
expiry_due(struct pk_timer *timer)
{
    struct pk_peer *peer =
        (struct pk_peer *)(void *)((char *)timer - offsetof(struct pk_peer, expiry));

    pk_peer_lock(peer);
    peer->expiry_at = PK_FOREVER;
    bool begin = !peer->expiring && !peer->closing;
    if (begin) {
        peer->expiring = true;
        peer->running++;
    }
    pk_peer_unlock(peer);
    if (!begin)
        return; /* expire_run looks for the next one when it is done */
    if (pk_lease_may_block(peer->lease, PK_LEASE_EXPIRE))
        pk_queue_push(peer->lease->queue, &peer->expire_work);
    else
        expire_run(&peer->expire_work);
}

void
pk_expiry_init(struct pk_peer *peer)
{
    peer->expiry_at = PK_FOREVER;
    peer->expiry.run = expiry_due;
    peer->expire_work.run = expire_run;
}

void
pk_expiry_arm(struct pk_peer *peer, uint64_t when)
{
    if (when >= peer->expiry_at || peer->closing)
        return;
    peer->expiry_at = when;
    pk_timer_set(peer->executor, &peer->expiry, when);
}
