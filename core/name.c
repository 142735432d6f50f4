/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names: one entry for each object id that matters just now, its transition, its queue and its
 * waiters.
 */
#include "core/memory.h"
#include "core/peer_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct pk_name *
pk_name_find(struct pk_peer *peer, const char *id)
{
    size_t size = strlen(id);

    return pk_name_find_hashed(peer, id, size, pk_hash(id, size));
}

struct pk_name *
pk_name_find_hashed(struct pk_peer *peer, const char *id, size_t size, uint32_t hash)
{
    struct pk_name *name = NULL;

    HASH_FIND_BYHASHVALUE(hh, peer->names, id, size, hash, name);
    return name;
}

struct pk_name *
pk_name_get(struct pk_peer *peer, const char *id)
{
    struct pk_name *name = pk_name_find(peer, id);
    if (name != NULL)
        return name;
    size_t room = strlen(id) + 1;
    name = pk_zeroed(sizeof(*name) + room);
    if (name == NULL)
        return NULL;
    name->peer = peer;
    memcpy(name->id, id, room);
    TAILQ_INIT(&name->queue);
    TAILQ_INIT(&name->waiters);
    HASH_ADD_STR(peer->names, id, name);
    if (name->hh.tbl == NULL) {
        free(name);
        return NULL;
    }
    return name;
}

void
pk_name_check(struct pk_name *name)
{
    struct pk_peer *peer = name->peer;

    if (name->holds > 0)
        return;
    if (TAILQ_EMPTY(&name->waiters) && name->waited) {
        TAILQ_REMOVE(&peer->waited, name, in_waited);
        name->waited = false;
    }
    if (name->object != NULL || name->busy != NULL || !TAILQ_EMPTY(&name->queue)
        || !TAILQ_EMPTY(&name->waiters))
        return;
    HASH_DEL(peer->names, name);
    free(name);
}

void
pk_name_enter(struct pk_name *name, struct pk_call *call)
{
    name->busy = call;
    call->name = name;
}

void
pk_name_hold(struct pk_name *name)
{
    name->holds++;
}

void
pk_name_release(struct pk_name *name)
{
    name->holds--;
    pk_name_check(name);
}

/* The transition is over. Those that waited for the seal get it before a queued discard can take it
 * from them. */
static void
begin_others(struct pk_name *name)
{
    struct pk_call *next;

    if (name->object != NULL && name->object->state == PK_STATE_SEALED)
        pk_name_sealed(name);
    while (name->busy == NULL && (next = TAILQ_FIRST(&name->queue)) != NULL)
        pk_call_begin(next);
}

void
pk_name_settle(struct pk_name *name)
{
    pk_name_hold(name);
    name->busy = NULL;
    begin_others(name);
    pk_name_release(name);
}

void
pk_name_leave(struct pk_call *call)
{
    struct pk_name *name = call->name;

    if (name == NULL)
        return;
    call->name = NULL;
    pk_name_settle(name);
}

/* Begins it once more, unless its session was closed while it ran: nothing would end a wait. */
static void
restart(struct pk_call *call)
{
    if (pk_call_orphaned(call))
        pk_call_fail(call, -ECANCELED, "the session was closed");
    else
        call->begin(call);
}

void
pk_name_again(struct pk_call *call)
{
    struct pk_name *name = call->name;
    struct pk_call *next;

    if (name == NULL) {
        restart(call);
        return;
    }
    pk_name_hold(name);
    call->name = NULL;
    name->busy = NULL;
    /* Those that came meanwhile share what this one learned. */
    if (call->missed)
        TAILQ_FOREACH (next, &name->queue, in_list)
            next->looked = true;
    call->looked = call->missed;
    restart(call);
    begin_others(name);
    pk_name_release(name);
}

void
pk_name_sealed(struct pk_name *name)
{
    struct pk_call *call;

    pk_name_hold(name);
    /* Those that begin find it sealed, so none is parked here again. */
    while ((call = TAILQ_FIRST(&name->waiters)) != NULL)
        pk_call_begin(call);
    pk_name_release(name);
}

void
pk_name_fail_waiters(struct pk_name *name, int32_t status, const char *message)
{
    struct pk_call *call;

    pk_name_hold(name);
    while ((call = TAILQ_FIRST(&name->waiters)) != NULL)
        pk_call_abort(call, status, message);
    pk_name_release(name);
}

void
pk_name_wait(struct pk_name *name, struct pk_call *call)
{
    struct pk_peer *peer = name->peer;

    pk_call_park(call, &name->waiters, name);
    if (call->parked == NULL)
        return;
    if (!name->waited)
        TAILQ_INSERT_TAIL(&peer->waited, name, in_waited);
    name->waited = true;
    call->waiting = true;
    peer->waits++;
    if (peer->traits.poll_interval > 0)
        pk_lookup_poll(peer);
}

void
pk_name_queue(struct pk_name *name, struct pk_call *call)
{
    pk_call_park(call, &name->queue, name);
}
