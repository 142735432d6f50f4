/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request id in use: the first acquire that carries it is done, every repeat by the same
 * principal gets its lease again, for as long as that lives. All under the peer's lock.
 */
#ifndef PK_REPEAT_H
#define PK_REPEAT_H

#include "core/call.h"
#include "core/hash.h"

struct pk_repeat {
    struct pk_peer *peer;
    struct pk_holder *holder;  /* NULL while the first is under way */
    struct pk_call_list queue; /* repeats that came meanwhile */
    uint32_t access;           /* of the first, to tell a repeat from a mistake */
    UT_hash_handle hh;         /* peer->repeats, by principal and request id */
    char key[];
};

/* True: the call is the first, or has no request id, and goes on. False: it was parked, failed, or
 * set to tell the lease again. */
bool pk_repeat_join(struct pk_call *call);
/* The call's acquire came to its end: its repeats get holder's lease, or, if there is none, one of
 * them is done instead. */
void pk_repeat_settle(struct pk_call *call, struct pk_holder *holder);
/* The lease is over. */
void pk_repeat_free(struct pk_repeat *repeat);

#endif
