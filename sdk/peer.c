/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Peers inside this process: how they are put together, counted and taken apart.
 */
#include "sdk/peer.h"
#include "sdk/error.h"
#include "sdk/moment.h"
#include "sdk/process.h"
#include <errno.h>
#include <inttypes.h>
#include <packice/cleanup.h>
#include <string.h>

/* Threads for what may block: clearing pages is all there is to it. */
#define WORKERS 2U
/* Requests of one client under way at once. */
#define CALLS_MAX 65536U

pk_plugin_entry_fn blob_memfd_entry;
pk_plugin_entry_fn lease_mem_entry;

/* ---- to make one ---- */

/* A plugin that is linked in, with a setting or none. */
static int32_t
open_plugin(packice_peer *peer, pk_plugin_entry_fn *entry, const struct pk_setting *settings,
            size_t setting_count, struct pk_conf **ret_conf, struct pk_instance **ret_instance,
            struct pk_error *err)
{
    const struct pk_plugin_module *module = NULL;
    const struct pk_plugin_path path = { NULL, 0 };
    int32_t rc = pk_plugin_builtin(entry, &module, err);
    if (rc != 0)
        return rc;
    const struct pk_setting_source source = { .section = module->plugin.name };
    rc = pk_conf_new(&module->options, module->plugin.kind, &path, &source, settings, setting_count,
                     ret_conf, err);
    if (rc != 0)
        return rc;
    return pk_instance_open(module, *ret_conf, peer->executor, WORKERS, NULL, ret_instance, err);
}

static int32_t
open_lease(packice_peer *peer, double default_ttl, struct pk_error *err)
{
    char text[32];
    uint64_t nanoseconds = 0;
    int32_t rc = packice_from_seconds(default_ttl, "default_ttl", &nanoseconds, err);
    if (rc != 0)
        return rc;
    if (nanoseconds > PACKICE_LONGEST)
        nanoseconds = PACKICE_LONGEST;
    (void)snprintf(text, sizeof(text), "%" PRIu64 "ns", nanoseconds);
    /* What is longer by default is allowed, too. */
    const struct pk_setting settings[] = { { "default_ttl", text, 0 }, { "max_ttl", text, 0 } };
    size_t count = nanoseconds == 0 ? 0 : nanoseconds > UINT64_C(86400000000000) ? 2 : 1;
    return open_plugin(peer, lease_mem_entry, settings, count, &peer->lease_conf, &peer->lease,
                       err);
}

/* Copies what the caller knows of the options over the defaults. */
static int32_t
read_options(const struct packice_peer_options *options, struct packice_peer_options *mine,
             struct pk_error *err)
{
    if (options == NULL)
        return 0;
    if (options->struct_size < 2 * sizeof(uint32_t))
        return pk_fail(err, -EINVAL, "options: struct_size is not set");
    memcpy(mine, options,
           options->struct_size < sizeof(*mine) ? options->struct_size : sizeof(*mine));
    if (mine->flags != 0)
        return pk_fail(err, -EINVAL, "flags: 0x%x is not known", mine->flags);
    return 0;
}

static int32_t
open_peer(packice_peer *peer, const struct packice_peer_options *options, struct pk_error *err)
{
    struct pk_conf *conf = NULL;
    struct pk_peer_options mine;
    const struct pk_plugin_path path = { NULL, 0 };
    const struct pk_setting_source source = { .section = "peer" };
    int32_t rc = pk_conf_new(&pk_peer_option_table, 0, &path, &source, NULL, 0, &conf, err);
    if (rc != 0)
        return rc;
    pk_peer_options_from(conf, &mine);
    pk_conf_free(conf);
    mine.capacity = options->capacity != 0 ? options->capacity : PK_FOREVER;
    mine.max_object = options->max_object != 0 ? options->max_object : PK_FOREVER;
    if (options->max_objects != 0)
        mine.max_objects = options->max_objects;
    mine.max_calls = CALLS_MAX;
    return pk_peer_new(&mine, peer->executor, peer->blob, peer->lease, &peer->peer, err);
}

int32_t
packice_peer_make(const struct packice_peer_options *options, packice_peer **ret_peer,
                  struct pk_error *err)
{
    struct packice_peer_options mine = PACKICE_PEER_OPTIONS_INIT;
    int32_t rc = read_options(options, &mine, err);
    if (rc != 0)
        return rc;
    packice_peer *peer = calloc(1, sizeof(*peer));
    if (peer == NULL)
        return pk_fail(err, -ENOMEM, "no memory for a peer");
    atomic_init(&peer->refs, 1);
    peer->pid = packice_process();
    rc = pk_executor_new(&peer->executor, err);
    if (rc == 0)
        rc = open_plugin(peer, blob_memfd_entry, NULL, 0, &peer->blob_conf, &peer->blob, err);
    if (rc == 0)
        rc = open_lease(peer, mine.default_ttl, err);
    if (rc == 0)
        rc = open_peer(peer, &mine, err);
    if (rc == 0)
        *ret_peer = peer;
    else
        packice_peer_unref(peer);
    return rc;
}

packice_peer *
packice_peer_ref(packice_peer *peer)
{
    (void)atomic_fetch_add(&peer->refs, 1);
    return peer;
}

void
packice_peer_unref(packice_peer *peer)
{
    if (peer == NULL || peer->pid != packice_process())
        return; /* over a fork its threads are missing: nothing of it could be ended */
    if (!packice_peer_put(peer))
        return;
    if (peer->peer != NULL)
        pk_peer_stop(peer->peer);
    pk_peer_free(peer->peer);
    pk_instance_close(peer->lease);
    pk_instance_close(peer->blob);
    pk_conf_free(peer->lease_conf);
    pk_conf_free(peer->blob_conf);
    pk_executor_free(peer->executor);
    free(peer->name);
    free(peer);
}

int
packice_peer_new(const struct packice_peer_options *options, packice_peer **ret_peer)
{
    return packice_result(packice_peer_make(options, ret_peer, packice_error_slot()));
}

void
packice_peer_free(packice_peer *peer)
{
    packice_peer_unref(peer);
}
