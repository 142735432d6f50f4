/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Holders: what the peer keeps of each lease that it had granted, and how one comes to its end:
 * found, detached, ended in the factory, dropped.
 */
#include "core/log.h"
#include "core/memory.h"
#include "core/peer_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct pk_holder *
pk_holder_new(struct pk_peer *peer, const struct pk_lease *lease)
{
    struct pk_holder *holder = pk_zeroed(sizeof(*holder));
    if (holder == NULL)
        return NULL;
    holder->peer = peer;
    holder->lease = *lease;
    holder->creator = lease->access == PK_ACCESS_CREATE;
    return holder;
}

void
pk_holder_free(struct pk_holder *holder)
{
    if (holder == NULL)
        return;
    explicit_bzero(holder->lease.lease_id, PK_LEASE_ID_LEN); /* they are secrets */
    free(holder);
}

static struct pk_holder *
find_hashed(struct pk_peer *peer, const char *lease_id, uint32_t hash)
{
    struct pk_holder *holder = NULL;

    HASH_FIND_BYHASHVALUE(hh, peer->holders, lease_id, PK_LEASE_ID_LEN, hash, holder);
    return holder;
}

int32_t
pk_holder_insert(struct pk_holder *holder)
{
    struct pk_peer *peer = holder->peer;
    uint32_t hash = pk_hash(holder->lease.lease_id, PK_LEASE_ID_LEN);

    if (find_hashed(peer, holder->lease.lease_id, hash) != NULL)
        return -EIO;
    HASH_ADD_BYHASHVALUE(hh, peer->holders, lease.lease_id, PK_LEASE_ID_LEN, hash, holder);
    if (holder->hh.tbl == NULL)
        return -ENOMEM;
    holder->pins = 1;
    if (holder->lease.expires_at != PK_FOREVER) {
        /* It may have run out, and been emitted by expire, before it came into the table. */
        if (pk_executor_now(peer->executor) >= holder->lease.expires_at)
            holder->over = true;
        pk_expiry_arm(peer, holder->lease.expires_at);
    }
    return 0;
}

struct pk_holder *
pk_holder_find(struct pk_peer *peer, const char *lease_id)
{
    if (strnlen(lease_id, PK_LEASE_ID_LEN + 1) != PK_LEASE_ID_LEN)
        return NULL;
    return find_hashed(peer, lease_id, pk_hash(lease_id, PK_LEASE_ID_LEN));
}

void
pk_holder_bind(struct pk_holder *holder, struct pk_session *session)
{
    if (holder->session != NULL)
        TAILQ_REMOVE(&holder->session->bound, holder, in_session);
    holder->session = session;
    if (session != NULL)
        TAILQ_INSERT_TAIL(&session->bound, holder, in_session);
}

static void
forget_repeat(struct pk_holder *holder)
{
    if (holder->repeat != NULL)
        pk_repeat_free(holder->repeat);
    holder->repeat = NULL;
}

void
pk_holder_detach(struct pk_holder *holder)
{
    HASH_DEL(holder->peer->holders, holder);
    pk_holder_bind(holder, NULL);
    forget_repeat(holder);
}

static void
abandon(struct pk_object *object)
{
    struct pk_name *name = object->name;

    object->peer->abandoned++;
    pk_name_hold(name);
    pk_object_unname(object);
    pk_lookup_unclaimed(name);
    pk_name_release(name);
}

void
pk_holder_drop(struct pk_holder *holder)
{
    struct pk_peer *peer = holder->peer;
    struct pk_object *object = pk_object_of(peer, &holder->lease);

    if (object != NULL) {
        pk_object_unlease(object);
        if (holder->lease.access == PK_ACCESS_CREATE && object->name != NULL) {
            if (!pk_discard_abandoned(object))
                abandon(object);
        } else {
            pk_object_check(object);
        }
    }
    pk_holder_free(holder);
}

void
pk_holder_end(struct pk_holder *holder)
{
    struct pk_peer *peer = holder->peer;

    if (holder->pins > 0) {
        holder->over = true;
        forget_repeat(holder); /* who asks again asks for another lease */
        return;
    }
    pk_holder_detach(holder);
    if (holder->gone) {
        pk_holder_drop(holder);
        return;
    }
    peer->running++;
    TAILQ_INSERT_TAIL(&peer->endings, holder, in_endings);
}

void
pk_holder_lost(struct pk_holder *holder)
{
    holder->gone = true;
    pk_holder_end(holder);
}

void
pk_holder_gone(struct pk_peer *peer, const struct pk_lease *lease)
{
    struct pk_holder *holder = pk_holder_find(peer, lease->lease_id);

    if (holder != NULL)
        pk_holder_lost(holder);
}

void
pk_holder_unpin(struct pk_holder *holder)
{
    holder->pins--;
    if (holder->pins == 0 && holder->over)
        pk_holder_end(holder);
}

static void
holder_release(struct pk_holder *holder)
{
    struct pk_peer *peer = holder->peer;
    struct pk_error err = PK_ERROR_INIT;

    if (pk_lease_release(peer->lease, holder->lease.lease_id, &err) != 0)
        pk_log(PK_LOG_WARN, "peer", "a lease on '%s' could not be released: %s",
               holder->lease.object_id, err.message);
    pk_peer_lock(peer);
    pk_holder_drop(holder);
    pk_peer_unlock_only(peer);
}

static void
release_on_worker(struct pk_work *work)
{
    struct pk_holder *holder =
        (struct pk_holder *)(void *)((char *)work - offsetof(struct pk_holder, work));
    struct pk_peer *peer = holder->peer;

    holder_release(holder);
    pk_peer_lock(peer);
    pk_peer_settle(peer);
    pk_peer_unlock(peer);
}

bool
pk_holder_finish(struct pk_holder *holder)
{
    struct pk_peer *peer = holder->peer;

    if (!pk_lease_may_block(peer->lease, PK_LEASE_RELEASE)) {
        holder_release(holder);
        return true;
    }
    holder->work.run = release_on_worker;
    pk_queue_push(peer->lease->queue, &holder->work);
    return false;
}
