/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One object id that somebody is concerned with: the object that stands under it, the one call that
 * has it in transition, those that queue for it, and those that wait for its seal. All under the
 * peer's lock. It is there as long as any of these is.
 */
#ifndef PK_NAME_H
#define PK_NAME_H

#include "core/call.h"
#include "core/object.h"

struct pk_name {
    struct pk_peer *peer;
    struct pk_object *object;       /* CREATING or SEALED, or NULL */
    const struct pk_call *busy;     /* who has it in transition, or NULL */
    bool waited;                    /* in peer->waited */
    bool refreshing;                /* a lookup of the peer's own is in its queue */
    uint32_t holds;                 /* code that works with it and wants it to stay */
    struct pk_call_list queue;      /* for their turn, first come first served */
    struct pk_call_list waiters;    /* for the seal */
    TAILQ_ENTRY(pk_name) in_waited; /* peer->waited, while it has waiters */
    UT_hash_handle hh;              /* peer->names, by id */
    char id[];
};

TAILQ_HEAD(pk_name_list, pk_name);

struct pk_name *pk_name_find(struct pk_peer *peer, const char *id);
/* The same, of whose id the size and the pk_hash are known already. */
struct pk_name *pk_name_find_hashed(struct pk_peer *peer, const char *id, size_t size,
                                    uint32_t hash);
/* Finds or makes it; whoever made it for nothing calls pk_name_check. NULL: out of memory. */
struct pk_name *pk_name_get(struct pk_peer *peer, const char *id);
/* Frees it if nothing is concerned with it. */
void pk_name_check(struct pk_name *name);
/* Keeps it from being freed until the same number of releases. */
void pk_name_hold(struct pk_name *name);
void pk_name_release(struct pk_name *name);

/* Begins a transition: the name is the call's until pk_name_leave. */
void pk_name_enter(struct pk_name *name, struct pk_call *call);
/* Ends the call's transition, if it has one, and lets those that queue go on. */
void pk_name_leave(struct pk_call *call);
/* The same, of a transition that is not the call's own name's. */
void pk_name_settle(struct pk_name *name);
/* Ends the call's transition, if it has one, and begins the call once more, before those that
 * queue. */
void pk_name_again(struct pk_call *call);

/* Lets all that wait for the seal go on: it is sealed, and not in transition. */
void pk_name_sealed(struct pk_name *name);
/* Ends all that wait for the seal with this error. */
void pk_name_fail_waiters(struct pk_name *name, int32_t status, const char *message);
/* Parks the call until the seal, or its deadline; or fails it, as pk_call_park does. */
void pk_name_wait(struct pk_name *name, struct pk_call *call);
/* Parks the call until its turn; or fails it. */
void pk_name_queue(struct pk_name *name, struct pk_call *call);

#endif
