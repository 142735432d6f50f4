/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counting is a few atomic additions for each request. The counts belong to the peer and not to the
 * transport: a request may complete when its transport is gone.
 */
#include "core/figures.h"

#include "core/host.h"
#include "core/peer_state.h"

#include <errno.h>
#include <packice/cleanup.h>
#include <stdio.h>
#include <string.h>

static const uint64_t bounds[PK_FIGURES_BUCKETS] = {
    50000,    100000,   250000,    500000,     1000000,    2500000,
    10000000, 50000000, 250000000, 1000000000, 5000000000, 30000000000,
};

static const int32_t results[PK_FIGURES_RESULTS] = {
    0,       -EINVAL, -ENOENT, -EEXIST,       -EAGAIN,     -ESTALE,    -EACCES, -EBUSY,
    -ENOSPC, -EFBIG,  -EIO,    -EKEYREJECTED, -EOPNOTSUPP, -ETIMEDOUT, -EPROTO, /* = internal */
};

static const char *const verbs[PK_FIGURES_VERBS] = {
    [PK_VERB_ACQUIRE] = "acquire", [PK_VERB_SEAL] = "seal",       [PK_VERB_RENEW] = "renew",
    [PK_VERB_RELEASE] = "release", [PK_VERB_DISCARD] = "discard", [PK_VERB_STAT] = "stat",
    [PK_VERB_LIST] = "list",       [PK_VERB_READ] = "read",       [PK_VERB_WRITE] = "write",
    [PK_VERB_VERIFY] = "verify",   [PK_VERB_OPEN] = "open",       [PK_VERB_PUT] = "put",
};

/* ---- counting ---- */

static uint32_t
result_index(int32_t status)
{
    for (uint32_t i = 0; i < PK_FIGURES_RESULTS; i++)
        if (results[i] == status)
            return i;
    return PK_FIGURES_RESULTS - 1;
}

static uint32_t
bucket_index(uint64_t nanoseconds)
{
    uint32_t i = 0;
    while (i < PK_FIGURES_BUCKETS && nanoseconds > bounds[i])
        i++;
    return i;
}

static void
add(atomic_uint_fast64_t *counter, uint64_t more)
{
    atomic_fetch_add_explicit(counter, more, memory_order_relaxed);
}

void
pk_figures_count(struct pk_figures *figures, uint32_t verb, int32_t status, uint64_t nanoseconds)
{
    if (figures == NULL || verb >= PK_FIGURES_VERBS)
        return;
    add(&figures->results[verb][result_index(status)], 1);
    add(&figures->buckets[verb][bucket_index(nanoseconds)], 1);
    add(&figures->nanoseconds[verb], nanoseconds);
}

/* ---- telling ---- */

struct telling {
    void (*emit)(void *arg, const struct pk_stat *stat);
    void *arg;
    const struct pk_figures *figures;
};

static void
emit_results(const struct telling *to, uint32_t verb)
{
    for (uint32_t i = 0; i < PK_FIGURES_RESULTS; i++) {
        uint64_t value = atomic_load(&to->figures->results[verb][i]);
        const struct pk_label labels[] = {
            { "transport", to->figures->name },
            { "verb", verbs[verb] },
            { "result", pk_result_name(results[i]) },
        };
        const struct pk_stat stat = {
            .struct_size = sizeof(stat),
            .kind = PK_STAT_COUNTER,
            .name = "requests",
            .help = "requests answered",
            .value = value,
            .labels = labels,
            .label_count = 3,
        };
        if (value > 0)
            to->emit(to->arg, &stat);
    }
}

static void
emit_durations(const struct telling *to, uint32_t verb)
{
    uint64_t counts[PK_FIGURES_BUCKETS];
    uint64_t all = atomic_load(&to->figures->buckets[verb][PK_FIGURES_BUCKETS]);
    for (uint32_t i = 0; i < PK_FIGURES_BUCKETS; i++) {
        counts[i] = atomic_load(&to->figures->buckets[verb][i]);
        all += counts[i];
    }
    const struct pk_label labels[] = {
        { "transport", to->figures->name },
        { "verb", verbs[verb] },
    };
    const struct pk_stat stat = {
        .struct_size = sizeof(stat),
        .kind = PK_STAT_HISTOGRAM,
        .name = "request_duration",
        .help = "time from request to answer, waits for a seal among them",
        .value = all,
        .labels = labels,
        .label_count = 2,
        .bucket_count = PK_FIGURES_BUCKETS,
        .bounds = bounds,
        .counts = counts,
        .sum = atomic_load(&to->figures->nanoseconds[verb]),
    };
    if (all > 0)
        to->emit(to->arg, &stat);
}

/* A figure of the transport's own: under its plugin's name, with a label before its own labels. */
static void
emit_own(void *arg, const struct pk_stat *stat)
{
    const struct telling *to = arg;
    struct pk_label labels[8] = { { "transport", to->figures->name } };
    char name[128];
    struct pk_stat named = *stat;
    const char *prefix = to->figures->transport->module->plugin.name;

    if (stat->name == NULL || stat->label_count >= 8
        || snprintf(name, sizeof(name), "%s_%s", prefix, stat->name) < 0)
        return;
    if (stat->label_count > 0)
        memcpy(labels + 1, stat->labels, stat->label_count * sizeof(labels[0]));
    named.name = name;
    named.labels = labels;
    named.label_count = stat->label_count + 1;
    to->emit(to->arg, &named);
}

/* The transport can't go while `telling` is more than 0. */
static void
emit_transport(const struct telling *to)
{
    struct telling whom = *to;
    const struct pk_instance *transport = to->figures->transport;
    if (transport != NULL && transport->ops.transport.stats != NULL)
        transport->ops.transport.stats(transport->opened, emit_own, &whom);
}

void
pk_figures_emit(struct pk_peer *peer, void (*emit)(void *arg, const struct pk_stat *stat),
                void *arg)
{
    struct telling to = { .emit = emit, .arg = arg };

    pk_peer_lock(peer);
    peer->telling++;
    pk_peer_unlock_only(peer);
    TAILQ_FOREACH (to.figures, &peer->transports, in_peer)
        for (uint32_t verb = 1; verb < PK_FIGURES_VERBS; verb++)
            emit_results(&to, verb);
    TAILQ_FOREACH (to.figures, &peer->transports, in_peer)
        for (uint32_t verb = 1; verb < PK_FIGURES_VERBS; verb++)
            emit_durations(&to, verb);
    TAILQ_FOREACH (to.figures, &peer->transports, in_peer)
        emit_transport(&to);
    pk_peer_lock(peer);
    if (--peer->telling == 0)
        (void)pthread_cond_broadcast(&peer->told);
    pk_peer_unlock_only(peer);
}

/* ---- the list ---- */

static void
wait_told(struct pk_peer *peer)
{
    while (peer->telling > 0)
        (void)pthread_cond_wait(&peer->told, &peer->lock);
}

int32_t
pk_peer_transport_add(struct pk_peer *peer, struct pk_instance *transport, const char *name,
                      struct pk_error *err)
{
    struct pk_figures *figures = calloc(1, sizeof(*figures));
    if (figures == NULL)
        return pk_fail(err, -ENOMEM, "out of memory");
    (void)snprintf(figures->name, sizeof(figures->name), "%s", name);
    figures->transport = transport;
    pk_peer_lock(peer);
    wait_told(peer);
    TAILQ_INSERT_TAIL(&peer->transports, figures, in_peer);
    pk_peer_unlock(peer);
    pk_host_state(transport)->figures = figures;
    return 0;
}

void
pk_peer_transport_remove(struct pk_peer *peer, struct pk_instance *transport)
{
    struct pk_figures *figures = pk_host_state(transport)->figures;
    if (figures == NULL)
        return;
    pk_peer_lock(peer);
    wait_told(peer);
    figures->transport = NULL;
    pk_peer_unlock(peer);
}

void
pk_figures_free(struct pk_peer *peer)
{
    struct pk_figures *figures;
    while ((figures = TAILQ_FIRST(&peer->transports)) != NULL) {
        TAILQ_REMOVE(&peer->transports, figures, in_peer);
        free(figures);
    }
}
