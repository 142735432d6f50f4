/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opens and closes plugins: what an instance is given, in which order it comes and goes, and whom
 * its events reach. The services themselves are in core/host.c.
 */
#include "core/instance.h"

#include "core/blob.h"
#include "core/host.h"
#include "core/table.h"
#include "core/thread.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Works of one instance that may wait for a worker: beyond, callers hear `busy`. */
#define QUEUE_BOUND 4096U

static void
state_free(struct pk_host_state *state)
{
    (void)pthread_cond_destroy(&state->quiet);
    (void)pthread_mutex_destroy(&state->lock);
    free(state);
}

static struct pk_host_state *
state_new(const struct pk_plugin_module *module, const struct pk_conf *conf,
          struct pk_executor *executor, uint32_t workers, struct pk_peer *peer)
{
    struct pk_host_state *state = calloc(1, sizeof(*state));
    if (state == NULL)
        return NULL;
    if (pk_thread_cond_init(&state->quiet) != 0) {
        free(state);
        return NULL;
    }
    (void)pthread_mutex_init(&state->lock, NULL); /* the default kind can't fail */
    RB_INIT(&state->timers);
    state->conf = conf;
    state->workers = workers;
    state->peer = peer;
    state->base.module = module;
    state->base.executor = executor;
    uint32_t size = pk_table_ops_size(module->plugin.kind);
    assert(size != 0 && size <= sizeof(state->base.ops));
    memcpy(&state->base.ops, module->plugin.ops, size);
    pk_host_fill(state);
    return state;
}

/* The plugin's open and close, wherever its kind keeps them. */
static int32_t
plugin_open(struct pk_host_state *state, struct pk_error *err)
{
    struct pk_instance *base = &state->base;
    switch (base->module->plugin.kind) {
    case PK_KIND_BLOB:
        return base->ops.blob.open(&state->host, state->conf, &base->opened, err);
    case PK_KIND_LEASE:
        return base->ops.lease.open(&state->host, state->conf, &base->opened, err);
    default:
        return base->ops.transport.open(&state->host, state->conf, &base->opened, err);
    }
}

static void
plugin_close(struct pk_instance *base)
{
    switch (base->module->plugin.kind) {
    case PK_KIND_BLOB:
        base->ops.blob.close(base->opened);
        break;
    case PK_KIND_LEASE:
        base->ops.lease.close(base->opened);
        break;
    default:
        base->ops.transport.close(base->opened);
    }
}

static void
opening_set(struct pk_host_state *state, bool opening)
{
    (void)pthread_mutex_lock(&state->lock);
    state->opening = opening;
    (void)pthread_mutex_unlock(&state->lock);
}

/* Everything but the plugin's own close, which stands between: no work and no timer is left before
 * it, the children go after it. */
static void
state_end(struct pk_host_state *state, bool opened)
{
    (void)pthread_mutex_lock(&state->lock);
    state->closing = true;
    (void)pthread_mutex_unlock(&state->lock);
    pk_host_timers_end(state);
    pk_queue_free(state->base.queue);
    state->base.queue = NULL;
    if (opened)
        plugin_close(&state->base);
    while (state->children != NULL) {
        struct pk_host_state *child = state->children;
        state->children = child->sibling;
        pk_instance_close(&child->base);
    }
    state_free(state);
}

/* One instance of a factory may lack what its table has: from now on it isn't there. */
static int32_t
lack(struct pk_host_state *state, struct pk_error *err)
{
    struct pk_instance *base = &state->base;
    struct pk_blob_traits traits;
    if (base->module->plugin.kind != PK_KIND_BLOB)
        return 0;
    pk_blob_traits(base, &traits);
    return pk_table_lack(&base->ops.blob, traits.absent, base->module->plugin.name, err);
}

int32_t
pk_host_open(const struct pk_plugin_module *module, const struct pk_conf *conf,
             struct pk_executor *executor, uint32_t workers, struct pk_peer *peer,
             struct pk_host_state **ret_state, struct pk_error *err)
{
    const char *name = module->plugin.name;
    bool transport = module->plugin.kind == PK_KIND_TRANSPORT;
    assert(transport == (peer != NULL));
    struct pk_host_state *state = state_new(module, conf, executor, workers, peer);
    if (state == NULL)
        return pk_fail(err, -ENOMEM, "%s: no memory for an instance", name);
    if (!transport && pk_queue_new(executor, name, workers, QUEUE_BOUND, &state->base.queue) != 0) {
        state_free(state);
        return pk_fail(err, -ENOMEM, "%s: no memory for a queue", name);
    }

    struct pk_error why = PK_ERROR_INIT;
    opening_set(state, true);
    int32_t failed = plugin_open(state, &why);
    opening_set(state, false);
    if (failed == 0) {
        failed = lack(state, err);
        if (failed == 0)
            *ret_state = state;
        else
            state_end(state, true);
        return failed;
    }
    if (failed > 0) /* against the contract: no errno at all */
        failed = -EINVAL;
    state_end(state, false);
    why.message[sizeof(why.message) - 1] = '\0';
    return pk_fail(err, failed, "%s: %s", name,
                   why.message[0] == '\0' ? strerror(-failed) : why.message);
}

int32_t
pk_instance_open(const struct pk_plugin_module *module, const struct pk_conf *conf,
                 struct pk_executor *executor, uint32_t workers, struct pk_peer *peer,
                 struct pk_instance **ret_instance, struct pk_error *err)
{
    struct pk_host_state *state = NULL;
    int32_t failed = pk_host_open(module, conf, executor, workers, peer, &state, err);
    if (failed == 0)
        *ret_instance = &state->base;
    return failed;
}

void
pk_instance_attach(struct pk_instance *instance, struct pk_peer *peer)
{
    struct pk_host_state *state = pk_host_state(instance);
    assert(instance->module->plugin.kind != PK_KIND_TRANSPORT);
    if (peer != NULL)
        atomic_store(&state->stopping, false);
    (void)pthread_mutex_lock(&state->lock);
    state->peer = peer;
    while (peer == NULL && state->events > 0)
        (void)pthread_cond_wait(&state->quiet, &state->lock);
    (void)pthread_mutex_unlock(&state->lock);
    for (struct pk_host_state *child = state->children; child != NULL; child = child->sibling)
        pk_instance_attach(&child->base, peer);
}

void
pk_instance_stopping(struct pk_instance *instance)
{
    struct pk_host_state *state = pk_host_state(instance);
    atomic_store(&state->stopping, true);
    for (struct pk_host_state *child = state->children; child != NULL; child = child->sibling)
        pk_instance_stopping(&child->base);
}

typedef int32_t reload_fn(void *instance, const struct pk_conf *conf, struct pk_error *err);

/* The slot, wherever a kind keeps it in its table. */
static reload_fn *
reload_slot(const struct pk_instance *instance)
{
    switch (instance->module->plugin.kind) {
    case PK_KIND_BLOB:
        return instance->ops.blob.reload;
    case PK_KIND_LEASE:
        return instance->ops.lease.reload;
    default:
        return instance->ops.transport.reload;
    }
}

bool
pk_module_reloads(const struct pk_plugin_module *module)
{
    struct pk_instance none = { .module = module };
    memcpy(&none.ops, module->plugin.ops, pk_table_ops_size(module->plugin.kind));
    return reload_slot(&none) != NULL;
}

int32_t
pk_instance_reload(struct pk_instance *instance, const struct pk_conf *conf, struct pk_error *err)
{
    const char *name = instance->module->plugin.name;
    struct pk_error why = PK_ERROR_INIT;
    reload_fn *reload = reload_slot(instance);
    if (reload == NULL)
        return pk_fail(err, -EOPNOTSUPP, "%s: options change at a restart", name);
    int32_t failed = reload(instance->opened, conf, &why);
    if (failed == 0)
        return 0;
    why.message[sizeof(why.message) - 1] = '\0';
    return pk_fail(err, failed > 0 ? -EINVAL : failed, "%s: %s", name,
                   why.message[0] == '\0' ? "refused" : why.message);
}

void
pk_instance_close(struct pk_instance *instance)
{
    if (instance != NULL)
        state_end(pk_host_state(instance), true);
}
