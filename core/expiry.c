/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leases that end by themselves: by the clock, or because the lease factory says so.
 */
#include "core/log.h"
#include "core/peer_state.h"

#define RETRY_DELAY 1000000000U /* nanoseconds until a factory that failed is asked again */

void
pk_peer_lease_ended(struct pk_peer *peer, const struct pk_lease *lease)
{
    pk_peer_lock(peer);
    pk_holder_gone(peer, lease);
    pk_peer_unlock(peer);
}

static void
lease_expired(void *arg, const struct pk_lease *lease)
{
    struct pk_peer *peer = arg;

    pk_peer_lock(peer);
    peer->expired++;
    pk_holder_gone(peer, lease);
    pk_peer_unlock_only(peer); /* in the midst of a slot: what there is to do is done behind it */
}

static void
expire_run(struct pk_work *work)
{
    struct pk_peer *peer =
        (struct pk_peer *)(void *)((char *)work - offsetof(struct pk_peer, expire_work));
    struct pk_error err = PK_ERROR_INIT;
    int32_t rc =
        pk_lease_expire(peer->lease, pk_executor_now(peer->executor), lease_expired, peer, &err);

    if (rc != 0)
        pk_log(PK_LOG_WARN, "peer", "leases could not be expired: %s", err.message);
    /* From here on a timer that fires begins another run: what is asked next may be outdated by
     * then, and say nothing of the lease that it is for. */
    pk_peer_lock(peer);
    peer->expiring = false;
    pk_peer_unlock_only(peer);
    uint64_t next = pk_lease_next_expiry(peer->lease);
    uint64_t soonest = pk_peer_later(peer, rc != 0 ? RETRY_DELAY : 0);
    pk_peer_lock(peer);
    pk_expiry_arm(peer, next > soonest ? next : soonest);
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
