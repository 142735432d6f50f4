/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What comes over each transport, counted: requests by verb and result, and how long they took. It
 * also knows the transports, to ask them for their own figures. Private to the peer.
 */
#ifndef PK_FIGURES_H
#define PK_FIGURES_H

#include <packice/types.h>
#include <stdatomic.h>
#include <sys/queue.h>

struct pk_instance;
struct pk_peer;

#define PK_FIGURES_VERBS 13U   /* PK_VERB_* are below */
#define PK_FIGURES_RESULTS 15U /* what pk_result_name can say */
#define PK_FIGURES_BUCKETS 12U

struct pk_figures {
    TAILQ_ENTRY(pk_figures) in_peer;
    struct pk_instance *transport; /* under the peer's lock; NULL = it was closed */
    char name[64];                 /* of the transport, in this node */
    atomic_uint_fast64_t results[PK_FIGURES_VERBS][PK_FIGURES_RESULTS];
    atomic_uint_fast64_t buckets[PK_FIGURES_VERBS][PK_FIGURES_BUCKETS + 1];
    atomic_uint_fast64_t nanoseconds[PK_FIGURES_VERBS];
};

TAILQ_HEAD(pk_figures_list, pk_figures);

/* One request was answered. Any thread, with or without a lock. */
void pk_figures_count(struct pk_figures *figures, uint32_t verb, int32_t status,
                      uint64_t nanoseconds);

/* Emits the figures of all transports, counted and their own. Without the peer's lock. */
void pk_figures_emit(struct pk_peer *peer, void (*emit)(void *arg, const struct pk_stat *stat),
                     void *arg);

/* With the peer's lock held, or when nobody else has it. */
void pk_figures_free(struct pk_peer *peer);

#endif
