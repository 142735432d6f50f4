/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Brings the parts of a node up, and down again in the opposite order. It knows no concrete plugin,
 * and no signals.
 */
#include "node/node.h"

#include "core/executor.h"
#include "core/instance.h"
#include "core/log.h"
#include "core/peer.h"
#include "node/reload.h"
#include <errno.h>
#include <packice/cleanup.h>
#include <stdbool.h>
#include <string.h>

struct listener {
    struct pk_instance *instance;
    bool started;
};

struct pk_node {
    const struct pk_config *config;
    struct pk_executor *executor;
    struct pk_instance *blob;
    struct pk_instance *lease;
    const struct pk_config *current; /* config, or `reloaded` */
    struct pk_config *reloaded;      /* the node's own; NULL = never */
    struct pk_peer *peer;
    struct listener *listeners; /* one for each transport of config, opened ones first */
    size_t listener_count;
};

/* ---- the slots of a transport ---- */

static int32_t
transport_start(struct pk_instance *instance, struct pk_error *err)
{
    return instance->ops.transport.start(instance->opened, err);
}

static void
transport_stop(struct pk_instance *instance, uint64_t deadline)
{
    instance->ops.transport.stop(instance->opened, deadline);
}

/* Without the slot: "". */
static void
transport_address(struct pk_instance *instance, char *text, uint64_t size)
{
    text[0] = '\0';
    if (instance->ops.transport.address != NULL)
        instance->ops.transport.address(instance->opened, text, size);
}

/* ---- up ---- */

static int32_t
section_open(struct pk_node *node, const struct pk_config_section *section,
             struct pk_instance **ret_instance, struct pk_error *err)
{
    uint32_t workers = (uint32_t)pk_conf_at(node->config->node, PK_NODE_WORKERS)->number;
    int32_t failed = pk_instance_open(section->module, section->conf, node->executor, workers,
                                      node->peer, ret_instance, err);
    if (failed != 0)
        return pk_config_locate(node->config, section->name, section->line, NULL, err);
    pk_log(PK_LOG_DEBUG, "node", "[%s] opened: %s %s", section->name, section->module->plugin.name,
           section->module->plugin.version);
    return 0;
}

static int32_t
peer_open(struct pk_node *node, struct pk_error *err)
{
    struct pk_peer_options options;
    pk_peer_options_from(node->config->peer, &options);
    int32_t failed = section_open(node, &node->config->blob, &node->blob, err);
    if (failed == 0)
        failed = section_open(node, &node->config->lease, &node->lease, err);
    if (failed == 0)
        failed = pk_peer_new(&options, node->executor, node->blob, node->lease, &node->peer, err);
    return failed;
}

/* What follows "transport." in the name of its section. */
static const char *
transport_name(const struct pk_config_section *section)
{
    return strchr(section->name, '.') + 1;
}

static int32_t
listeners_open(struct pk_node *node, struct pk_error *err)
{
    const struct pk_config *config = node->config;
    node->listeners = calloc(config->transport_count, sizeof(*node->listeners));
    if (node->listeners == NULL)
        return pk_fail(err, -ENOMEM, "out of memory");
    for (size_t i = 0; i < config->transport_count; i++) {
        const struct pk_config_section *section = &config->transports[i];
        struct pk_instance **instance = &node->listeners[i].instance;
        int32_t failed = section_open(node, section, instance, err);
        if (failed != 0)
            return failed;
        node->listener_count++;
        failed = pk_peer_transport_add(node->peer, *instance, transport_name(section), err);
        if (failed != 0)
            return failed;
    }
    return 0;
}

static int32_t
listeners_start(struct pk_node *node, struct pk_error *err)
{
    for (size_t i = 0; i < node->listener_count; i++) {
        const struct pk_config_section *section = &node->config->transports[i];
        int32_t failed = transport_start(node->listeners[i].instance, err);
        if (failed != 0)
            return pk_config_locate(node->config, section->name, section->line, NULL, err);
        node->listeners[i].started = true;
    }
    return 0;
}

/* Only once all have started, so that the first line means that every address answers. */
static void
log_ready(const struct pk_node *node)
{
    for (size_t i = 0; i < node->listener_count; i++) {
        const struct pk_config_section *section = &node->config->transports[i];
        char address[512];
        transport_address(node->listeners[i].instance, address, sizeof(address));
        pk_log(PK_LOG_INFO, "node", "ready: %s%s [%s]", address[0] == '/' ? "unix:" : "", address,
               section->name);
    }
}

/* ---- new values ---- */

/* What is to be given to which instance. */
struct change {
    struct pk_instance *instance;
    const struct pk_config_section *section; /* of the new config */
    const struct pk_conf *before;
};

static size_t
collect_changes(struct pk_node *node, const struct pk_config *next, struct change *changes)
{
    const struct pk_config *now = node->current;
    size_t count = 0;
    changes[count++] = (struct change){ node->blob, &next->blob, now->blob.conf };
    changes[count++] = (struct change){ node->lease, &next->lease, now->lease.conf };
    for (size_t i = 0; i < node->listener_count; i++) {
        const char *name = node->config->transports[i].name; /* which a reload may reorder */
        struct pk_instance *instance = node->listeners[i].instance;
        const struct pk_config_section *section = pk_config_transport(next, name);
        changes[count++] =
            (struct change){ instance, section, pk_config_transport(now, name)->conf };
    }
    return count;
}

/* All or none: who had its new values already gets the old ones again. */
static int32_t
apply_changes(const struct pk_config *next, const struct change *changes, size_t count,
              struct pk_error *err)
{
    for (size_t i = 0; i < count; i++) {
        const struct change *change = &changes[i];
        int32_t failed = 0;
        if (pk_module_reloads(change->instance->module))
            failed = pk_instance_reload(change->instance, change->section->conf, err);
        if (failed == 0)
            continue;
        while (i-- > 0)
            if (pk_module_reloads(changes[i].instance->module)
                && pk_instance_reload(changes[i].instance, changes[i].before, NULL) != 0)
                pk_log(PK_LOG_ERROR, "node", "[%s] has new values, but others don't",
                       changes[i].section->name);
        return pk_config_locate(next, change->section->name, change->section->line, NULL, err);
    }
    return 0;
}

static int32_t
follow(struct pk_node *node, const struct pk_config *next, struct pk_error *err)
{
    int32_t failed = pk_reload_check(node->current, next, err);
    if (failed != 0)
        return failed;
    pk_autofree struct change *changes = calloc(node->listener_count + 2, sizeof(*changes));
    if (changes == NULL)
        return pk_fail(err, -ENOMEM, "out of memory");
    return apply_changes(next, changes, collect_changes(node, next, changes), err);
}

int32_t
pk_node_reload(struct pk_node *node, struct pk_config *next, struct pk_error *err)
{
    int32_t failed = follow(node, next, err);
    if (failed != 0) {
        pk_config_free(next);
        return failed;
    }
    pk_log_set_level((uint32_t)pk_conf_at(next->node, PK_NODE_LOG_LEVEL)->number);
    pk_config_free(node->reloaded);
    node->reloaded = next;
    node->current = next;
    return 0;
}

/* ---- up and running ---- */

int32_t
pk_node_start(const struct pk_config *config, struct pk_node **ret_node, struct pk_error *err)
{
    struct pk_node *node = calloc(1, sizeof(*node));
    if (node == NULL)
        return pk_fail(err, -ENOMEM, "out of memory");
    node->config = config;
    node->current = config;
    int32_t failed = pk_executor_new(&node->executor, err);
    if (failed == 0)
        failed = peer_open(node, err);
    if (failed == 0)
        failed = listeners_open(node, err);
    if (failed == 0)
        failed = listeners_start(node, err);
    if (failed != 0) {
        pk_node_stop(node);
        return failed;
    }
    log_ready(node);
    *ret_node = node;
    return 0;
}

/* ---- down ---- */

void
pk_node_stop(struct pk_node *node)
{
    if (node == NULL)
        return;
    if (node->peer != NULL)
        pk_peer_stop(node->peer);
    uint64_t deadline = 0;
    if (node->listener_count > 0)
        deadline = pk_executor_now(node->executor)
                   + pk_conf_at(node->current->node, PK_NODE_STOP_TIMEOUT)->number;
    for (size_t i = 0; i < node->listener_count; i++) {
        if (node->listeners[i].started)
            transport_stop(node->listeners[i].instance, deadline);
    }
    for (size_t i = node->listener_count; i-- > 0;) {
        pk_peer_transport_remove(node->peer, node->listeners[i].instance);
        pk_instance_close(node->listeners[i].instance);
    }
    pk_peer_free(node->peer);
    pk_instance_close(node->lease);
    pk_instance_close(node->blob);
    pk_executor_free(node->executor);
    pk_config_free(node->reloaded);
    free(node->listeners);
    free(node);
}

/* ---- figures ---- */

struct stats_line {
    char text[960];
    size_t size;
};

static void
add_stat(void *arg, const struct pk_stat *stat)
{
    struct stats_line *line = arg;
    if (stat->label_count > 0)
        return; /* one line is for what is true of all of them */
    int size = snprintf(line->text + line->size, sizeof(line->text) - line->size, " %s=%ju",
                        stat->name, (uintmax_t)stat->value);
    if (size > 0 && (size_t)size < sizeof(line->text) - line->size)
        line->size += (size_t)size;
    else
        line->text[line->size] = '\0'; /* no half figure */
}

void
pk_node_log_stats(struct pk_node *node)
{
    struct stats_line line = { .text = "", .size = 0 };
    pk_peer_stats(node->peer, add_stat, &line);
    pk_log(PK_LOG_INFO, "node", "stats:%s", line.text);
}
