/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a peer must do when nothing blocks and nothing fails: a handful of arrays and plain rules,
 * to be compared with the real one answer by answer.
 */
#ifndef SIM_MODEL_H
#define SIM_MODEL_H

#include "world.h"

struct model_object {
    uint64_t epoch;
    uint32_t id;
    uint32_t blobs;
    bool named;
    bool sealed;
    bool unopened;    /* recovery told of it, and nobody asked for it yet */
    bool taken;       /* away, elsewhere: no handle to it is to be had any more */
    uint64_t size;    /* of the first blob, as created; PK_UNSIZED */
    uint64_t rest;    /* of the others */
    uint64_t written; /* of the first blob */
    uint64_t held;
    int fill; /* what each byte is; WORLD_NO_FILL = not known */
    uint32_t leases;
    uint64_t whole;    /* what it held when it was sealed */
    bool demoted;      /* to where it counts for nothing, until it is acquired again */
    uint64_t acquired; /* when it was last, or its last lease ended, in such events; 0 = never */
};

struct model_lease {
    char lease_id[PK_LEASE_ID_LEN + 1];
    uint32_t object;
    bool live;
    bool creator;
    bool bound;
    uint32_t session;
    uint64_t expires_at;
    uint64_t timed; /* orders those that run out at the same time: by when that was set */
};

struct model_wait {
    struct record *record;
    bool live;
    bool bound;
    uint64_t ttl;
    uint64_t deadline;
    uint64_t inline_max;
};

/* What is published under an id; this node may not know of it yet. */
struct model_published {
    uint64_t epoch; /* 0 = nothing */
    uint64_t size;
    int fill;
};

struct model {
    struct world *world;
    bool durable;
    bool demotes;
    uint64_t now; /* of what is told of just now */
    struct model_published published[WORLD_IDS];
    struct model_object objects[WORLD_CALLS];
    uint32_t object_count;
    struct model_lease leases[WORLD_CALLS];
    uint32_t lease_count;
    struct model_wait waits[WORLD_CALLS];
    uint32_t wait_count;
    uint64_t held;
    uint64_t ends;  /* of last leases, and reads without one */
    uint64_t times; /* that a lease's end was set */
    uint64_t evictions;
    uint64_t evicted_bytes;
    char why[256]; /* the first difference */
};

/* Each compares what the peer answered, or did not yet, with what it should have, and follows. */
void model_create(struct model *model, const struct pk_request *request,
                  const struct record *record);
void model_put(struct model *model, const struct record *record);
void model_read(struct model *model, const struct pk_request *request, struct record *record);
void model_seal(struct model *model, const struct pk_request *request, const struct record *record);
void model_renew(struct model *model, const struct pk_request *request,
                 const struct record *record);
void model_release(struct model *model, const struct pk_request *request,
                   const struct record *record);
void model_discard(struct model *model, const struct record *record);
void model_stat(struct model *model, const struct record *record);
void model_verify(struct model *model, const struct record *record);
void model_list(struct model *model, const struct record *record);
void model_write(struct model *model, const struct pk_request *request,
                 const struct record *record);
void model_cancel(struct model *model, const struct record *record);
void model_session_closed(struct model *model, uint32_t session);
void model_time_passed(struct model *model);
void model_restarted(struct model *model);
/* Another node took away what was published under the id, and, if epoch > 0, published that. */
void model_elsewhere(struct model *model, uint32_t id, uint64_t epoch, uint64_t size, bool told);
/* The figures that the peer keeps. */
void model_compare(struct model *model);

#endif
