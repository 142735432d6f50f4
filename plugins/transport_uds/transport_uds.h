/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One instance of the transport: its options, its figures, and the parts that share them. One loop
 * thread owns everything here but the counters and what loop.h keeps under its lock.
 */
#ifndef TRANSPORT_UDS_H
#define TRANSPORT_UDS_H

#include "address.h"
#include "flight.h"
#include "listener.h"
#include "loop.h"
#include "passed.h"
#include <packice/transport.h>
#include <stdatomic.h>

/* See the table in transport_uds.c for what each means. */
struct uds_options {
    const char *path;
    mode_t mode;
    gid_t group;
    uint64_t max_clients;
    uint64_t max_request;   /* bytes */
    uint64_t max_data;      /* bytes */
    uint64_t max_pending;   /* requests */
    uint64_t max_output;    /* bytes */
    uint64_t write_timeout; /* nanoseconds */
    uint64_t spin;          /* nanoseconds */
};

/* Written by the loop alone, read by anybody. */
struct uds_counters {
    atomic_uint_fast64_t clients;
    atomic_uint_fast64_t accepted;
    atomic_uint_fast64_t refused;
    atomic_uint_fast64_t dropped;
    atomic_uint_fast64_t requests;
    atomic_uint_fast64_t replies;
    atomic_uint_fast64_t bytes_in;
    atomic_uint_fast64_t bytes_out;
    atomic_uint_fast64_t descriptors;
    atomic_uint_fast64_t queued;
    atomic_uint_fast64_t turns;
    atomic_uint_fast64_t spins;
};

static inline void
uds_count(atomic_uint_fast64_t *counter, uint64_t more)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + more,
                          memory_order_relaxed);
}

static inline void
uds_uncount(atomic_uint_fast64_t *counter, uint64_t less)
{
    uds_count(counter, (uint64_t)0 - less);
}

TAILQ_HEAD(uds_connections, uds_connection);

struct uds_transport {
    const struct pk_host *host;
    struct uds_options options;
    struct uds_counters counters;
    struct uds_address address;
    struct uds_loop loop;
    struct uds_listener listener;
    struct uds_connections connections; /* those that are open */
    struct uds_connections lingering;   /* closed, with descriptors in flight */
    struct uds_flights flights;
    struct uds_passed passed;
    size_t calls; /* not freed yet: the loop's while it runs, then under its lock */
    bool stopping;
    bool closed; /* under the loop's lock: the last call to complete frees the transport */
};

/* write_timeout. */
static inline struct timeval
uds_transport_patience(const struct uds_transport *transport)
{
    uint64_t patience = transport->options.write_timeout;
    return (struct timeval){
        .tv_sec = (time_t)(patience / 1000000000U),
        .tv_usec = (suseconds_t)(patience % 1000000000U / 1000U),
    };
}

/* Lets the memory of a closed transport go: by close, or by the last call that outlived it. */
void uds_transport_free(struct uds_transport *transport);

#endif
