/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The services that an instance finds in its host table. Each does what <packice/plugin.h> says and
 * no more; what a kind has no use for is not in its table.
 */
#include "core/host.h"

#include "core/id.h"
#include "core/log.h"
#include "core/peer.h"

#include <errno.h>
#include <stdlib.h>

/* ---- to every plugin ---- */

static void
host_log(void *ctx, uint32_t level, const char *message)
{
    const struct pk_host_state *state = ctx;
    pk_log(level, state->base.module->plugin.name, "%s", message);
}

static uint64_t
host_now(void *ctx)
{
    const struct pk_host_state *state = ctx;
    return pk_executor_now(state->base.executor);
}

static int32_t
host_random(void *ctx, void *buf, uint64_t size)
{
    (void)ctx;
    return pk_random(buf, (size_t)size);
}

/* ---- to factories ---- */

struct job {
    struct pk_work work; /* first */
    void (*run)(void *arg);
    void *arg;
};

static void
job_run(struct pk_work *work)
{
    struct job job = *(struct job *)(void *)work;
    free(work);
    job.run(job.arg);
}

static int32_t
host_submit(void *ctx, void (*work)(void *arg), void *arg)
{
    struct pk_host_state *state = ctx;
    struct job *job = calloc(1, sizeof(*job));
    if (job == NULL)
        return -ENOMEM;
    job->work.run = job_run;
    job->run = work;
    job->arg = arg;
    /* with the lock, so that nothing comes to a queue that the close is done with */
    (void)pthread_mutex_lock(&state->lock);
    int32_t failed = state->closing ? -EBUSY : pk_queue_submit(state->base.queue, &job->work);
    (void)pthread_mutex_unlock(&state->lock);
    if (failed != 0)
        free(job);
    return failed == -EAGAIN ? -EBUSY : failed;
}

/* The peer, if there is one; keeps pk_instance_attach waiting until event_end. */
static struct pk_peer *
event_begin(struct pk_host_state *state)
{
    (void)pthread_mutex_lock(&state->lock);
    struct pk_peer *peer = state->peer;
    if (peer != NULL)
        state->events++;
    (void)pthread_mutex_unlock(&state->lock);
    return peer;
}

static void
event_end(struct pk_host_state *state)
{
    (void)pthread_mutex_lock(&state->lock);
    if (--state->events == 0)
        (void)pthread_cond_broadcast(&state->quiet);
    (void)pthread_mutex_unlock(&state->lock);
}

static void
host_lease_ended(void *ctx, const struct pk_lease *lease)
{
    struct pk_peer *peer = event_begin(ctx);
    if (peer == NULL)
        return;
    pk_peer_lease_ended(peer, lease);
    event_end(ctx);
}

static void
host_changed(void *ctx, const char *object_id)
{
    struct pk_peer *peer = event_begin(ctx);
    if (peer == NULL)
        return;
    pk_peer_changed(peer, object_id);
    event_end(ctx);
}

/* Whether conf is one that this instance's own options hold. */
static bool
is_child_conf(const struct pk_host_state *state, const struct pk_conf *conf)
{
    for (uint32_t i = 0; conf != NULL && i < state->conf->value_count; i++) {
        if (pk_conf_at(state->conf, i)->child == conf)
            return true;
    }
    return false;
}

static int32_t
host_child(void *ctx, const struct pk_conf *conf, struct pk_child *ret_child, struct pk_error *err)
{
    struct pk_host_state *state = ctx;
    (void)pthread_mutex_lock(&state->lock);
    bool opening = state->opening;
    (void)pthread_mutex_unlock(&state->lock);
    if (!opening)
        return pk_fail(err, -EINVAL, "a child can be opened only from open");
    if (!is_child_conf(state, conf))
        return pk_fail(err, -EINVAL, "a child needs the value of a child option");

    struct pk_host_state *child = NULL;
    int32_t failed = pk_host_open(pk_conf_module(conf), conf, state->base.executor, state->workers,
                                  NULL, &child, err);
    if (failed != 0)
        return failed;
    child->sibling = state->children;
    state->children = child;
    struct pk_child answer = {
        .struct_size = ret_child->struct_size,
        .kind = child->base.module->plugin.kind,
        .ops = &child->base.ops,
        .instance = child->base.opened,
    };
    *ret_child = answer;
    return 0;
}

static uint32_t
host_stopping(void *ctx)
{
    const struct pk_host_state *state = ctx;
    return atomic_load(&state->stopping);
}

/* ---- to transports ---- */

static int32_t
host_session_open(void *ctx, const struct pk_principal *principal, struct pk_session **ret_session,
                  struct pk_error *err)
{
    const struct pk_host_state *state = ctx;
    int32_t failed = pk_peer_session_open(state->peer, principal, ret_session, err);
    if (failed == 0)
        pk_peer_session_count(*ret_session, state->figures);
    return failed;
}

static void
host_session_close(void *ctx, struct pk_session *session)
{
    (void)ctx;
    pk_peer_session_close(session);
}

static void
host_call(void *ctx, struct pk_session *session, const struct pk_request *request, pk_done_fn *done,
          void *arg, uint64_t *ret_call)
{
    (void)ctx;
    pk_peer_call(session, request, done, arg, ret_call);
}

static void
host_cancel(void *ctx, struct pk_session *session, uint64_t call)
{
    (void)ctx;
    pk_peer_cancel(session, call);
}

static void
host_stats(void *ctx, void (*emit)(void *arg, const struct pk_stat *stat), void *arg)
{
    const struct pk_host_state *state = ctx;
    pk_peer_stats(state->peer, emit, arg);
}

/* ---- the table ---- */

void
pk_host_fill(struct pk_host_state *state)
{
    struct pk_host *host = &state->host;
    host->struct_size = (uint32_t)sizeof(*host);
    host->ctx = state;
    host->log = host_log;
    host->now = host_now;
    host->random = host_random;
    if (state->base.module->plugin.kind == PK_KIND_TRANSPORT) {
        host->session_open = host_session_open;
        host->session_close = host_session_close;
        host->call = host_call;
        host->cancel = host_cancel;
        host->stats = host_stats;
        return;
    }
    host->submit = host_submit;
    host->timer = pk_host_timer_set;
    host->timer_cancel = pk_host_timer_cancel;
    host->child = host_child;
    host->stopping = host_stopping;
    if (state->base.module->plugin.kind == PK_KIND_LEASE)
        host->lease_ended = host_lease_ended;
    else
        host->changed = host_changed;
}
