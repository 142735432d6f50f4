/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One caller as a transport sees it: who it is, its calls under way, and the leases bound to it.
 * All under the peer's lock. It outlives its close by the calls that still run.
 */
#ifndef PK_SESSION_H
#define PK_SESSION_H

#include "core/call.h"
#include "core/holder.h"

struct pk_figures;

struct pk_session {
    struct pk_peer *peer;
    struct pk_principal principal;
    uint64_t number;            /* never another session's, in the life of this peer */
    struct pk_figures *figures; /* where its calls are counted; NULL = nowhere */
    bool closed;
    uint64_t refs; /* 1 until it is closed, and one for each call */
    uint64_t next_call;
    uint64_t call_count;
    struct pk_call_list calls; /* under way */
    struct pk_holder_list bound;
    TAILQ_ENTRY(pk_session) in_peer;
};

TAILQ_HEAD(pk_session_list, pk_session);

/* Whether both are the same caller, as far as either can be known: never for anonymous ones. */
bool pk_principal_same(const struct pk_principal *one, const struct pk_principal *other);
/* Whether the caller may do away with what belongs to the owner: it is its own, nobody's, or the
 * caller is root or runs as the node does. */
bool pk_principal_may_discard(const struct pk_principal *caller, const struct pk_principal *owner);

/* With the peer's lock held: lets one reference go, and frees it with the last. */
void pk_session_unref(struct pk_session *session);

#endif
