/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Renewal of the leases that a client holds: one thread, started with the first lease that has an
 * end, which renews each after a third of its time. It gives up on a lease that is over. It also
 * tells the peer of leases that were released meanwhile and had no other request to go with.
 */
#ifndef PACKICE_SDK_RENEWAL_H
#define PACKICE_SDK_RENEWAL_H

#include "sdk/link.h"
#include <bsd/sys/tree.h>
#include <pthread.h>
#include <stdatomic.h>

/* One lease to be renewed; embedded in it. Zero it before its first use. */
struct packice_renewed {
    RB_ENTRY(packice_renewed) entry;
    const char *lease_id; /* lives as long as this does */
    uint64_t generation;  /* of a bound lease; else 0 */
    uint64_t ttl;         /* nanoseconds */
    uint64_t due;         /* CLOCK_MONOTONIC nanoseconds */
    uint64_t sequence;    /* tells those of one moment apart */
    bool held;            /* in the tree, or being renewed */
};

RB_HEAD(packice_renewed_tree, packice_renewed);

struct packice_renewal {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct packice_renewed_tree tree; /* by due */
    struct packice_renewed *current;  /* being renewed; NULL = none, or it was removed */
    uint64_t next_sequence;
    uint64_t flush_due; /* CLOCK_MONOTONIC nanoseconds; PK_FOREVER: there is nothing to tell */
    bool flush_wanted;  /* since the last time */
    struct packice_link *link;
    const atomic_uint_fast64_t *timeout; /* the client's, nanoseconds */
    pthread_t thread;
    bool started;
    bool stopping;
};

/* 0 or -ENOMEM. */
int32_t packice_renewal_init(struct packice_renewal *renewal);

/* Renews it from now on, with this ttl, which was granted just now. The caller set lease_id and
 * generation. 0; -ENOMEM: no thread can be started. */
int32_t packice_renewal_set(struct packice_renewal *renewal, struct packice_renewed *renewed,
                            uint64_t ttl);

/* Lets it alone from now on, and never touches it again. Doesn't wait for anything. */
void packice_renewal_remove(struct packice_renewal *renewal, struct packice_renewed *renewed);

/* Has the link flushed in a moment. 0; -ENOMEM: no thread can be started. */
int32_t packice_renewal_flush_soon(struct packice_renewal *renewal);

/* Ends the thread; the link was shut. */
void packice_renewal_stop(struct packice_renewal *renewal);

/* After stop. */
void packice_renewal_finish(struct packice_renewal *renewal);

#endif
