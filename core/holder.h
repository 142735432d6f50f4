/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who holds a lease in this peer: the lease by value, the session it is bound to, and what has to
 * happen when it ends. The lease factory decides whether a lease lives; a holder is what the peer
 * has to clean up after. All under the peer's lock.
 */
#ifndef PK_HOLDER_H
#define PK_HOLDER_H

#include "core/executor.h"
#include "core/hash.h"
#include <packice/types.h>
#include <stdbool.h>
#include <sys/queue.h>

struct pk_object;
struct pk_peer;
struct pk_repeat;

struct pk_holder {
    struct pk_peer *peer;
    struct pk_lease lease;      /* object by (id, epoch); access as the peer knows it */
    struct pk_session *session; /* bound to it, or NULL */
    struct pk_repeat *repeat;   /* request id under which it is told again, or NULL */
    bool creator;               /* granted as CREATE */
    uint32_t pins;              /* calls that must finish before it may end */
    bool over;                  /* it is to end when the last pin goes */
    bool gone;                  /* the factory has no such lease any more */
    UT_hash_handle hh;          /* peer->holders, by lease id */
    TAILQ_ENTRY(pk_holder) in_session;
    TAILQ_ENTRY(pk_holder) in_endings;
    struct pk_work work;
};

TAILQ_HEAD(pk_holder_list, pk_holder);

/* NULL: out of memory. */
struct pk_holder *pk_holder_new(struct pk_peer *peer, const struct pk_lease *lease);
/* It is in no table. NULL is fine. */
void pk_holder_free(struct pk_holder *holder);

/* -- with the peer's lock held -- */

/* Into the table; pinned once. -EIO: there is one of this id, -ENOMEM. */
int32_t pk_holder_insert(struct pk_holder *holder);
struct pk_holder *pk_holder_find(struct pk_peer *peer, const char *lease_id);
/* Binds it to the session, and away from any other. */
void pk_holder_bind(struct pk_holder *holder, struct pk_session *session);
/* Takes it out of the table, so that nobody finds it; it still counts for its object. */
void pk_holder_detach(struct pk_holder *holder);
/* Its lease ended: frees it, abandons the object if this was to create it, and lets the object go
 * if this was its last. It was detached. */
void pk_holder_drop(struct pk_holder *holder);
/* Ends its lease as soon as it isn't pinned, once the lock is let go. */
void pk_holder_end(struct pk_holder *holder);
/* The same, but the factory has no such lease any more. */
void pk_holder_lost(struct pk_holder *holder);
/* The same for the holder of this lease, of which a factory tells, if there is one. */
void pk_holder_gone(struct pk_peer *peer, const struct pk_lease *lease);
/* Lets one pin go. */
void pk_holder_unpin(struct pk_holder *holder);

/* -- without it -- */

/* Ends a detached one in the factory, and then here. False: on the factory's queue, which settles
 * what the peer counts as running; true: on this thread, and the caller settles it. */
bool pk_holder_finish(struct pk_holder *holder);

#endif
