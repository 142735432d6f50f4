/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's side of an instance: the services it is offered, and the state behind them. Private to
 * core/instance.c, core/host.c and core/host_timer.c.
 */
#ifndef PK_HOST_H
#define PK_HOST_H

#include "core/instance.h"
#include <bsd/sys/tree.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct pk_figures;
struct pk_host_timer;
RB_HEAD(pk_host_timers, pk_host_timer);

/* An instance with all that only the host sees of it. host.ctx points here. */
struct pk_host_state {
    struct pk_instance base; /* first */
    struct pk_host host;
    const struct pk_conf *conf;
    uint32_t workers;
    struct pk_figures *figures;     /* a transport's, once the peer counts for it */
    struct pk_host_state *children; /* opened through host->child, newest first */
    struct pk_host_state *sibling;
    atomic_bool stopping; /* what takes long is to come to its end */

    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t quiet; /* `events` or `flying` came down to 0 */
    struct pk_peer *peer; /* a factory's: where its events go; a transport's: fixed */
    uint32_t events;      /* lease_ended and changed under way in the peer */
    bool opening;         /* the plugin's open is under way */
    bool closing;         /* no new work, no new timer */
    uint64_t next_timer;
    struct pk_host_timers timers; /* those that timer_cancel can still take back */
    uint32_t flying;              /* timers that are armed, or on their way to the queue */
};

static inline struct pk_host_state *
pk_host_state(struct pk_instance *instance)
{
    return (struct pk_host_state *)(void *)instance;
}

/* Fills state->host with the services for the kind of its module. */
void pk_host_fill(struct pk_host_state *state);

/* pk_host.timer and .timer_cancel. */
int32_t pk_host_timer_set(void *ctx, uint64_t when, void (*work)(void *arg), void *arg,
                          uint64_t *ret_timer);
int32_t pk_host_timer_cancel(void *ctx, uint64_t timer);

/* Takes back every timer that did not fire yet, and waits until those that did are on the queue.
 * `closing` is set. Not from a timer's work. */
void pk_host_timers_end(struct pk_host_state *state);

/* Opens a plugin within a parent (NULL: none), as pk_instance_open does; the peer of a factory is
 * NULL. */
int32_t pk_host_open(const struct pk_plugin_module *module, const struct pk_conf *conf,
                     struct pk_executor *executor, uint32_t workers, struct pk_peer *peer,
                     struct pk_host_state **ret_state, struct pk_error *err);

#endif
