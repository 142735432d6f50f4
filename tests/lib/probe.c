/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The probes of tests/lib/probe.h. It stands in for the peer's side of the host services.
 */
#include "tests/lib/probe.h"

#include "core/peer.h"
#include "tests/lib/plugins/empty_blob.h"

#include <check.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* ---- the fake peer ---- */

int32_t
pk_peer_session_open(struct pk_peer *peer, const struct pk_principal *principal,
                     struct pk_session **ret_session, struct pk_error *err)
{
    peer->calls++;
    if (principal->kind != PK_PRINCIPAL_ANONYMOUS)
        return pk_fail(err, -EBUSY, "no more sessions");
    *ret_session = (struct pk_session *)(void *)peer;
    return 0;
}

void
pk_peer_session_count(struct pk_session *session, struct pk_figures *figures)
{
    (void)session;
    ck_assert_ptr_null(figures); /* no peer counts for it here */
}

void
pk_peer_session_close(struct pk_session *session)
{
    ((struct pk_peer *)(void *)session)->calls += 10;
}

void
pk_peer_call(struct pk_session *session, const struct pk_request *request, pk_done_fn *done,
             void *arg, uint64_t *ret_call)
{
    ((struct pk_peer *)(void *)session)->calls += 100;
    *ret_call = 5;
    const struct pk_reply reply = { .struct_size = sizeof(reply), .verb = request->verb };
    done(arg, &reply);
}

void
pk_peer_cancel(struct pk_session *session, uint64_t call)
{
    ((struct pk_peer *)(void *)session)->calls += (uint32_t)call * 1000;
}

void
pk_peer_stats(struct pk_peer *peer, void (*emit)(void *arg, const struct pk_stat *stat), void *arg)
{
    const struct pk_stat stat = { .struct_size = sizeof(stat),
                                  .kind = PK_STAT_COUNTER,
                                  .name = "calls",
                                  .help = "calls",
                                  .value = peer->calls };
    emit(arg, &stat);
}

static void
peer_event(struct pk_peer *peer, const char *what)
{
    struct gate *released = peer->released; /* before the test hears of it and goes on */
    (void)snprintf(peer->last, sizeof(peer->last), "%s", what);
    gate_pass(&peer->events);
    if (released != NULL)
        gate_wait(released, 1);
}

void
pk_peer_lease_ended(struct pk_peer *peer, const struct pk_lease *lease)
{
    peer_event(peer, lease->object_id);
}

void
pk_peer_changed(struct pk_peer *peer, const char *object_id)
{
    peer_event(peer, object_id);
}

/* ---- plugins ---- */

const struct pk_host *probe_host;
const struct pk_conf *probe_conf;
struct gate probe_closed = GATE_INIT;
int32_t (*probe_in_open)(const struct pk_host *host, struct pk_error *err);
void (*probe_in_close)(const struct pk_host *host);

static int32_t
probe_open(const struct pk_host *host, const struct pk_conf *conf, void **ret_instance,
           struct pk_error *err)
{
    probe_host = host;
    probe_conf = conf;
    int32_t failed = probe_in_open == NULL ? 0 : probe_in_open(host, err);
    if (failed == 0)
        *ret_instance = &probe_host;
    return failed;
}

static void
probe_close(void *instance)
{
    ck_assert_ptr_eq(instance, &probe_host);
    if (probe_in_close != NULL)
        probe_in_close(probe_host);
    gate_pass(&probe_closed);
}

static int32_t
probe_create(void *instance, const struct pk_key *key, uint32_t index, uint64_t size,
             void **ret_blob, struct pk_error *err)
{
    (void)instance;
    (void)key;
    (void)index;
    (void)size;
    (void)ret_blob;
    return pk_fail(err, -EOPNOTSUPP, "not for creating");
}

static int32_t
probe_start(void *instance, struct pk_error *err)
{
    (void)instance;
    return pk_fail(err, -EOPNOTSUPP, "not for starting");
}

static void
probe_stop(void *instance, uint64_t deadline)
{
    (void)instance;
    (void)deadline;
}

static const struct pk_option probe_options[] = {
    { PK_OPTION_CHILD, 0, "child", NULL, NULL, "another one" },
};
static const struct pk_blob_ops probe_blob_ops = {
    .struct_size = sizeof(struct pk_blob_ops),
    .open = probe_open,
    .close = probe_close,
    .create = probe_create,
    EMPTY_BLOB_SLOTS,
};
static const struct pk_transport_ops probe_transport_ops = {
    .struct_size = sizeof(struct pk_transport_ops),
    .open = probe_open,
    .start = probe_start,
    .stop = probe_stop,
    .close = probe_close,
};

const struct pk_plugin *
probe_blob_entry(void)
{
    static const struct pk_plugin plugin = {
        .struct_size = sizeof(struct pk_plugin),
        .abi_major = PK_ABI_MAJOR,
        .kind = PK_KIND_BLOB,
        .option_count = 1,
        .option_stride = sizeof(probe_options[0]),
        .name = "probe_blob",
        .version = "1",
        .summary = "a probe",
        .options = probe_options,
        .ops = &probe_blob_ops,
    };
    return &plugin;
}

const struct pk_plugin *
probe_transport_entry(void)
{
    static const struct pk_plugin plugin = {
        .struct_size = sizeof(struct pk_plugin),
        .abi_major = PK_ABI_MAJOR,
        .kind = PK_KIND_TRANSPORT,
        .name = "probe_transport",
        .version = "1",
        .summary = "a probe",
        .ops = &probe_transport_ops,
    };
    return &plugin;
}

/* Of a lease factory, no more than open and close are ever called. */
static void
probe_never(void)
{
    ck_abort_msg("a slot was called that should not be");
}

const struct pk_plugin *
probe_lease_entry(void)
{
    static struct pk_lease_ops ops;
    static const struct pk_plugin plugin = {
        .struct_size = sizeof(struct pk_plugin),
        .abi_major = PK_ABI_MAJOR,
        .kind = PK_KIND_LEASE,
        .name = "probe_lease",
        .version = "1",
        .summary = "a probe",
        .ops = &ops,
    };
    void (*never)(void) = probe_never;
    for (size_t at = offsetof(struct pk_lease_ops, open); at < sizeof(ops); at += sizeof(never))
        memcpy((char *)&ops + at, &never, sizeof(never));
    ops.struct_size = sizeof(ops);
    ops.open = probe_open;
    ops.close = probe_close;
    return &plugin;
}

/* ---- the stage ---- */

static const char *const folders[] = { TEST_PLUGINS };
const struct pk_plugin_path probe_path = { folders, 1 };

void
probe_stage_prepare(struct probe_stage *stage, const struct pk_plugin_module *module,
                    const struct pk_setting *settings, size_t count)
{
    struct pk_error err = PK_ERROR_INIT;
    stage->module = module;
    stage->instance = NULL;
    ck_assert_int_eq(pk_executor_new(&stage->executor, NULL), 0);
    ck_assert_msg(pk_conf_new(&module->options, module->plugin.kind, &probe_path, NULL, settings,
                              count, &stage->conf, &err)
                      == 0,
                  "%s", err.message);
}

void
probe_stage_open(struct probe_stage *stage, pk_plugin_entry_fn *entry, struct pk_peer *peer)
{
    const struct pk_plugin_module *module = NULL;
    struct pk_error err = PK_ERROR_INIT;
    ck_assert_msg(pk_plugin_builtin(entry, &module, &err) == 0, "%s", err.message);
    probe_stage_prepare(stage, module, NULL, 0);
    ck_assert_msg(
        pk_instance_open(module, stage->conf, stage->executor, 2, peer, &stage->instance, &err)
            == 0,
        "%s", err.message);
}

void
probe_stage_close(struct probe_stage *stage)
{
    pk_instance_close(stage->instance);
    pk_conf_free(stage->conf);
    pk_executor_free(stage->executor);
}

void
probe_sink(void *arg, uint32_t level, const char *source, const char *line)
{
    struct probe_heard *heard = arg;
    if (heard->count < 16)
        (void)snprintf(heard->lines[heard->count], sizeof(heard->lines[0]), "%u %s %s", level,
                       source, line);
    heard->count++;
}
