/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recovery: all that the storage holds is told once, at the start, while everything else goes on.
 * It may take long, so it has a thread of its own, and lists alone wait for its end. What it tells
 * may be outdated by then: it never brings back what was discarded meanwhile.
 */
#include "core/eviction.h"
#include "core/log.h"
#include "core/peer_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* An object that lost its name while recovery runs. */
struct pk_gone {
    UT_hash_handle hh; /* peer->gone, by `key` */
    char key[PK_KEY_BYTES];
};

void
pk_recovery_forget(const struct pk_object *object)
{
    struct pk_peer *peer = object->peer;
    struct pk_gone *known = NULL;
    char key[PK_KEY_BYTES];
    size_t size = pk_key_bytes(&object->key, key);

    if (!peer->recovering || peer->recovery_deaf)
        return;
    HASH_FIND(hh, peer->gone, key, size, known);
    if (known != NULL)
        return;
    struct pk_gone *gone = calloc(1, sizeof(*gone));
    if (gone != NULL) {
        memcpy(gone->key, key, size);
        HASH_ADD(hh, peer->gone, key, size, gone);
    }
    if (gone == NULL || gone->hh.tbl == NULL) { /* then no more of it can be believed */
        free(gone);
        peer->recovery_deaf = true;
    }
}

static bool
is_gone(struct pk_peer *peer, const struct pk_key *key)
{
    struct pk_gone *gone = NULL;
    char wanted[PK_KEY_BYTES];
    size_t size = pk_key_bytes(key, wanted);

    HASH_FIND(hh, peer->gone, wanted, size, gone);
    return gone != NULL || peer->recovery_deaf;
}

static void
forget_gone(struct pk_peer *peer)
{
    struct pk_gone *gone;
    struct pk_gone *next;

    HASH_ITER (hh, peer->gone, gone, next) {
        HASH_DEL(peer->gone, gone);
        free(gone);
    }
}

/* With the lock held. False: it is known already, or was, or whoever has its name in transition
 * finds it. */
static bool
keep(struct pk_peer *peer, struct pk_object *object)
{
    struct pk_name *name = pk_name_get(peer, object->key.id);
    if (name == NULL)
        return false;
    bool kept = name->object == NULL && name->busy == NULL && !is_gone(peer, &object->key)
                && pk_object_insert(object, name) == 0;
    if (kept) {
        pk_object_hold(object, pk_object_size(object));
        pk_eviction_note(object);
        pk_name_sealed(name);
    } else if (name->object == NULL && name->busy != NULL) {
        pk_lookup_refresh(name);
    }
    pk_name_check(name);
    return kept;
}

static void
take_recovered(void *arg, const struct pk_blob_found *found)
{
    struct pk_peer *peer = arg;
    struct pk_error err = PK_ERROR_INIT;
    struct pk_object *object = NULL;

    if (pk_lookup_accept(peer, found, &object, &err) != 0) {
        pk_log(PK_LOG_WARN, "peer", "recovery: %s", err.message);
        return;
    }
    pk_peer_lock(peer);
    if (object->key.epoch > peer->epoch_floor)
        peer->epoch_floor = object->key.epoch;
    if (!keep(peer, object))
        pk_object_give_up(object);
    pk_peer_unlock_only(peer); /* in the midst of a slot: what there is to do is done behind it */
}

/* With the lock held: from now on there are no others than those that are known. */
static void
finish(struct pk_peer *peer)
{
    struct pk_call *list;

    peer->recovering = false;
    forget_gone(peer);
    while ((list = TAILQ_FIRST(&peer->lists)) != NULL)
        pk_call_begin(list);
    pk_peer_settle(peer);
}

static void
recover_run(struct pk_work *work)
{
    struct pk_peer *peer =
        (struct pk_peer *)(void *)((char *)work - offsetof(struct pk_peer, recover_work));
    struct pk_error err = PK_ERROR_INIT;
    int32_t rc = pk_blob_recover(peer->blob, take_recovered, peer, &err);

    pk_peer_lock(peer);
    bool stopping = peer->stopping;
    bool deaf = peer->recovery_deaf;
    finish(peer);
    pk_peer_unlock(peer);
    if (rc != 0 && !(rc == -ECANCELED && stopping))
        pk_log(PK_LOG_ERROR, "peer", "recovery: %s", err.message);
    if (deaf)
        pk_log(PK_LOG_WARN, "peer",
               "recovery: out of memory: lists lack what nobody asked for yet");
}

int32_t
pk_recovery_prepare(struct pk_peer *peer, struct pk_error *err)
{
    if (!pk_blob_recovers(peer->blob) || !pk_blob_may_block(peer->blob, PK_BLOB_RECOVER, 0))
        return 0;
    if (pk_queue_new(peer->executor, "pk-recovery", 1, 1, &peer->recovery) != 0)
        return pk_fail(err, -ENOMEM, "no memory for a queue");
    return 0;
}

void
pk_recovery_begin(struct pk_peer *peer)
{
    if (!pk_blob_recovers(peer->blob))
        return;
    peer->recovering = true;
    peer->running++;
    peer->recover_work.run = recover_run;
    if (peer->recovery != NULL)
        pk_queue_push(peer->recovery, &peer->recover_work);
    else
        recover_run(&peer->recover_work);
}

void
pk_recovery_stop(struct pk_peer *peer)
{
    struct pk_call *list;

    while ((list = TAILQ_FIRST(&peer->lists)) != NULL)
        pk_call_abort(list, -EBUSY, "the node is stopping");
}

void
pk_recovery_end(struct pk_peer *peer)
{
    pk_queue_free(peer->recovery);
}
