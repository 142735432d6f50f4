/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A real peer over the simulated storage and the real lease_mem, with virtual time and work, a few
 * sessions, and a record of every call made and every answer got.
 */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include "core/eviction.h"
#include "core/peer_state.h"
#include "leases.h"
#include "storage.h"
#include "virtual_executor.h"

#define WORLD_SESSIONS 3U
#define WORLD_IDS 5U
#define WORLD_CALLS 256U
#define WORLD_SECOND 1000000000U

#define WORLD_NO_FILL (-2)    /* there are no bytes, or nobody knows */
#define WORLD_MIXED_FILL (-1) /* they differ */

struct world_options {
    uint64_t seed;
    uint64_t idle; /* of the executor: when nobody waits for a worker */
    bool durable;
    bool no_put;             /* the storage makes no blob in one, and takes none over */
    uint32_t traits;         /* PK_BLOB_* of the storage */
    uint64_t poll_interval;  /* of the storage */
    uint32_t storage_blocks; /* percent of slots that say they may block */
    uint32_t leases_block;
    uint64_t capacity;
    uint64_t max_object;
    uint64_t max_objects; /* 0 = more than anybody makes */
    bool evict;
    bool demotes; /* what is evicted moves to slower storage */
    uint64_t sample;
};

/* One call and what came of it. */
struct record {
    struct world *world;
    uint32_t verb;
    uint32_t access;
    uint32_t session;
    uint32_t id;          /* index, WORLD_IDS = none */
    uint64_t call;        /* for cancel */
    uint32_t step;        /* of the history, when it was made */
    uint32_t answered_at; /* step; valid once answers > 0 */
    uint32_t answers;
    uint64_t known_epoch; /* said to be known; 0 = none */
    bool bound;           /* asked to be */
    bool unsized;         /* CREATE: some blob without a size */
    int32_t status;
    uint64_t epoch;
    uint32_t state;
    uint64_t ttl;
    uint64_t bytes;
    bool inlined;      /* answered with the bytes, `bytes` of them */
    int fill;          /* of inlined bytes, or of those of a put: what each of them is */
    uint32_t put_size; /* PUT: how many */
    char lease_id[PK_LEASE_ID_LEN + 1];
    uint32_t object_count; /* LIST: that many of the next two */
    uint64_t epochs[WORLD_IDS];
    uint32_t states[WORLD_IDS];
    char trouble[200]; /* what is wrong with the reply itself */
};

struct world {
    struct virtual_executor executor;
    struct storage storage;
    struct watch watch;
    struct sim_random random; /* whether leases block */
    struct leases leases;
    struct pk_conf *blob_conf;
    struct pk_conf *lease_conf;
    struct pk_instance *blob;
    struct pk_instance *lease;
    struct pk_peer_options options;
    struct pk_peer *peer;
    struct pk_session *sessions[WORLD_SESSIONS];
    struct record records[WORLD_CALLS];
    uint32_t record_count;
    uint32_t step;
    bool no_put;
};

extern const char *const world_ids[WORLD_IDS];

void world_open(struct world *world, const struct world_options *options);
/* Ends the peer and makes another over the same storage. All sessions are new. */
void world_restart(struct world *world);
/* Ends everything; false, with why, if anything is left that shouldn't be. */
bool world_close(struct world *world, char *why, size_t size);

/* Makes a call on behalf of a session; the record says what came of it. */
struct record *world_call(struct world *world, uint32_t session, uint32_t id,
                          struct pk_request *request);
void world_reopen_session(struct world *world, uint32_t session);
/* Runs all work that waits, in random order; time stands still. */
void world_settle(struct world *world);

/* Whether the peer's own books agree with each other. */
bool world_check(struct world *world, char *why, size_t size);

#endif
