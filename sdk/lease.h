/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A lease from within: what the peer granted, and the blobs that came with it.
 */
#ifndef PACKICE_SDK_LEASE_H
#define PACKICE_SDK_LEASE_H

#include "sdk/client.h"

struct packice_lease {
    packice_client *client;
    struct packice_answer *answer; /* what granted it, and what the next three point into */
    const char *lease_id;          /* "": the bytes came instead, and no peer knows of it */
    const char *object_id;
    const char *meta;
    uint64_t epoch;
    uint64_t generation; /* of the connection it is bound to; 0 = unbound */
    uint32_t flags;      /* PACKICE_UNBOUND, PACKICE_NO_RENEW */
    uint32_t blob_count;
    struct packice_renewed renewed;

    bool creator;       /* granted as CREATE */
    atomic_bool timed;  /* it is or was to be renewed */
    atomic_bool undone; /* given back before its owner let it go: the peer knows it no more */

    atomic_uint access;
    atomic_uint state;
    atomic_uint_fast64_t ttl; /* nanoseconds */
    struct packice_held *_Atomic held;
    struct packice_held *written; /* what it held before its seal: stays, since others may use it */
    bool mapped[];                /* blob_count: whose map it gave out; see packice_blob_unmap */
};

/* Makes a lease of the answer to an acquire, and keeps that. known: what the acquire said to be
 * known, shared if the answer says so; NULL = nothing. On failure the peer is told to release it.
 */
int32_t packice_lease_new(packice_client *client, uint32_t flags, struct packice_held *known,
                          struct packice_answer *answer, packice_lease **ret_lease,
                          struct pk_error *err);

/* Whether there is a lease at the peer at all. */
bool packice_lease_is_granted(const packice_lease *lease);

/* What sealing by a lease fails with that is not granted. */
int32_t packice_lease_refuse_seal(struct pk_error *err);

/* Ends it, but for what packice_lease_free does, if nobody has to be asked, or can be told later.
 * Whether that was so. */
bool packice_lease_let_go(const packice_lease *lease);

/* Lets go of everything here, without a word to the peer. NULL is fine. */
void packice_lease_free(packice_lease *lease);

/* Releases it, without a word about what came of that. */
void packice_lease_give_back(packice_lease *lease);
/* The same, and frees it: nobody will hear of this lease. */
void packice_lease_undo(packice_lease *lease);

/* The first half of a seal: drops what could write. */
void packice_lease_shut_writers(packice_lease *lease);

/* The second: goes on as a READ lease with the blobs of the answer. */
int32_t packice_lease_sealed(packice_lease *lease, struct packice_answer *answer,
                             struct pk_error *err);

/* What was granted by a renew. */
int32_t packice_lease_renewed(packice_lease *lease, uint64_t ttl, struct pk_error *err);

/* A blob of it, which stays as long as the lease. -EINVAL: no such blob. */
int32_t packice_lease_blob(const packice_lease *lease, uint32_t index,
                           struct packice_blob **ret_blob, struct pk_error *err);

#endif
