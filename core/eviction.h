/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Eviction: which objects may go when room is short, in which order, and how they go. What may go
 * is sealed, has a name, and nobody holds a lease on it; first goes what nobody ever acquired here,
 * in the order of epochs, then what was acquired least recently. An object is acquired for as long
 * as somebody holds a lease on it. All of this does nothing in a peer that does not evict.
 */
#ifndef PK_EVICTION_H
#define PK_EVICTION_H

#include "core/call.h"
#include "core/object.h"

#define PK_IDLE_NOT 0U    /* it may not be evicted */
#define PK_IDLE_UNREAD 1U /* in peer->unread */
#define PK_IDLE_READ 2U   /* in peer->lru */

/* -- with the peer's lock held -- */

/* Something changed on which it depends whether the object may be evicted. */
void pk_eviction_note(struct pk_object *object);
/* It was acquired, by a lease or without: of all it is the last to go. */
void pk_eviction_acquired(struct pk_object *object);

/* Whether so much more can be held, as things are; whether it could be if all went that may. */
bool pk_eviction_spares(const struct pk_peer *peer, uint64_t bytes, uint64_t objects);
bool pk_eviction_could(const struct pk_peer *peer, uint64_t bytes, uint64_t objects);
/* Reserves so much for the call (objects: 0 or 1), and chooses what must go for it, which counts
 * for nothing from then on; pk_eviction_run has it go. False: the call fails with -ENOSPC, and
 * nothing has changed. */
bool pk_eviction_reserve(struct pk_call *call, uint64_t bytes, uint64_t objects);
/* Sets the next step: what was chosen goes, one at a time, its storage included, and then the call
 * goes on with `next`, with status 0 if what it reserved is there, else -ENOSPC or -ECANCELED, and
 * nothing is reserved. */
void pk_eviction_run(struct pk_call *call, pk_call_fn *next);

#endif
