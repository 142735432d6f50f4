/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must be true whatever overlaps and whatever fails: judged from the record of calls alone,
 * for histories in which the exact order of things can't be known.
 */
#ifndef SIM_FACTS_H
#define SIM_FACTS_H

#include "world.h"

/* What is known of an object from outside. */
struct fact {
    const struct record *create;
    uint32_t seals;     /* asked for */
    bool sealed;        /* and answered */
    uint32_t sealed_at; /* step of that answer */
    bool doubt;         /* something was asked for that may have ended it */
    bool timed;         /* its lease may run out */
    bool bound;
    bool grows; /* and may outgrow its bounds until it is sealed */
};

struct facts {
    struct world *world;
    bool evicts; /* what is sealed may go once its leases have ended */
    struct fact facts[WORLD_CALLS];
    uint32_t count;
    uint32_t discarded_at[WORLD_IDS]; /* the last step that did so, for creates still under way */
    uint32_t closed_at;
    uint32_t timed_at;
    struct {
        uint32_t id;
        uint64_t epoch;
    } foreign[WORLD_CALLS]; /* what another node published */
    uint32_t foreign_count;
    uint32_t judged[WORLD_CALLS]; /* answers of each record seen so far */
    char why[256];
};

/* Something happens that may end objects: those on an id, of a lease, of a session, all unsealed
 * ones that time may end, or all. */
void facts_discarding(struct facts *facts, uint32_t id);
/* Another node takes away what is published, and publishes this; 0 = nothing. */
void facts_elsewhere(struct facts *facts, uint32_t id, uint64_t epoch);
bool facts_foreign(const struct facts *facts, uint32_t id, uint64_t epoch);
void facts_releasing(struct facts *facts, const char *lease_id);
void facts_sealing(struct facts *facts, const char *lease_id);
void facts_renewing(struct facts *facts, const char *lease_id);
void facts_closing(struct facts *facts, uint32_t session);
void facts_time(struct facts *facts);
void facts_restarting(struct facts *facts, bool durable);
/* Judges all answers that came since the last time. */
void facts_judge(struct facts *facts);
/* With everything settled: what is surely there is found, and what is not leaves its name free. */
void facts_final(struct facts *facts);

#endif
