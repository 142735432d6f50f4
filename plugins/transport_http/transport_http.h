/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One instance of the transport: its options, its figures, and the parts that share them. One loop
 * thread owns everything here but the counters, the secrets and what loop.h keeps under its lock.
 */
#ifndef TRANSPORT_HTTP_H
#define TRANSPORT_HTTP_H

#include "address.h"
#include "core/wire/wire.h"
#include "listener.h"
#include "loop.h"
#include "secrets.h"
#include <packice/transport.h>
#include <stdatomic.h>

/* See the table in transport_http.c for what each means. */
struct http_options {
    const char *listen;
    struct http_secret_files files;
    bool insecure;
    bool paths;
    uint64_t max_clients;
    uint64_t max_header;     /* bytes */
    uint64_t max_request;    /* bytes of a JSON request */
    uint64_t max_body;       /* bytes of an upload */
    uint64_t header_timeout; /* nanoseconds, as all below */
    uint64_t body_timeout;
    uint64_t write_timeout;
    uint64_t idle_timeout;
};

/* Written by the loop, read by anybody. */
struct http_counters {
    atomic_uint_fast64_t clients;
    atomic_uint_fast64_t accepted;
    atomic_uint_fast64_t refused;
    atomic_uint_fast64_t dropped;
    atomic_uint_fast64_t requests;
    atomic_uint_fast64_t failures;
    atomic_uint_fast64_t bytes_in;
    atomic_uint_fast64_t bytes_out;
};

static inline void
http_count(atomic_uint_fast64_t *counter, uint64_t more)
{
    atomic_fetch_add_explicit(counter, more, memory_order_relaxed);
}

static inline void
http_uncount(atomic_uint_fast64_t *counter, uint64_t less)
{
    atomic_fetch_sub_explicit(counter, less, memory_order_relaxed);
}

TAILQ_HEAD(http_connections, http_connection);

struct http_transport {
    const struct pk_host *host;
    const struct pk_conf *conf; /* of the start */
    struct http_options options;
    struct http_counters counters;
    struct http_address address;
    struct http_loop loop;
    struct http_listener listener;
    struct http_connections connections;
    pthread_mutex_t secrets_lock;
    struct http_secrets *secrets; /* under secrets_lock; replaced by reload */
    size_t calls;                 /* not freed yet: the loop's while it runs, then under its lock */
    bool stopping;                /* the loop's */
    bool closed;                  /* under the loop's lock: the last call frees the transport */
};

/* Frees what close left to calls that completed late. */
void http_transport_free(struct http_transport *transport);

/* The secrets of this moment, referenced. Any thread. */
struct http_secrets *http_transport_secrets(struct http_transport *transport);

#endif
