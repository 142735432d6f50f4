/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Instances: what a plugin finds in its host table, whom its events reach, and what a failed open
 * leaves behind.
 */
#include "core/log.h"
#include "tests/lib/gate.h"
#include "tests/lib/probe.h"
#include "tests/lib/suite.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

START_TEST(a_factory_finds_its_services_and_no_others)
{
    struct probe_stage stage;
    probe_stage_open(&stage, probe_blob_entry, NULL);
    ck_assert_uint_eq(probe_host->struct_size, sizeof(struct pk_host));
    ck_assert_ptr_eq(probe_conf, stage.conf);
    ck_assert_ptr_eq(stage.instance->opened, &probe_host);
    ck_assert_ptr_nonnull(stage.instance->queue);
    ck_assert(probe_host->log != NULL && probe_host->now != NULL && probe_host->random != NULL);
    ck_assert(probe_host->submit != NULL && probe_host->timer != NULL);
    ck_assert(probe_host->timer_cancel != NULL && probe_host->child != NULL);
    ck_assert(probe_host->changed != NULL && probe_host->lease_ended == NULL);
    ck_assert(probe_host->stopping != NULL && probe_host->stopping(probe_host->ctx) == 0);
    ck_assert(probe_host->session_open == NULL && probe_host->session_close == NULL);
    ck_assert(probe_host->call == NULL && probe_host->cancel == NULL);
    ck_assert(probe_host->stats == NULL);
    probe_stage_close(&stage);
    ck_assert_uint_eq(gate_count(&probe_closed), 1);
}
END_TEST

START_TEST(a_lease_factory_tells_of_leases_instead)
{
    struct pk_peer peer = { .events = GATE_INIT };
    struct probe_stage stage;
    probe_stage_open(&stage, probe_lease_entry, NULL);
    ck_assert(probe_host->submit != NULL && probe_host->timer != NULL);
    ck_assert(probe_host->changed == NULL && probe_host->lease_ended != NULL);
    ck_assert(probe_host->session_open == NULL && probe_host->call == NULL);
    struct pk_lease lease = { .struct_size = sizeof(lease), .object_id = "lost" };
    probe_host->lease_ended(probe_host->ctx, &lease);
    pk_instance_attach(stage.instance, &peer);
    probe_host->lease_ended(probe_host->ctx, &lease);
    ck_assert_str_eq(peer.last, "lost");
    pk_instance_attach(stage.instance, NULL);
    ck_assert_uint_eq(gate_count(&peer.events), 1);
    probe_stage_close(&stage);
    ck_assert_uint_eq(gate_count(&probe_closed), 1);
}
END_TEST

START_TEST(slots_of_an_instance_are_the_hosts_own_copy)
{
    struct probe_stage stage;
    probe_stage_open(&stage, probe_blob_entry, NULL);
    ck_assert_uint_eq(stage.instance->ops.blob.struct_size, sizeof(struct pk_blob_ops));
    const struct pk_blob_ops *own = probe_blob_entry()->ops;
    ck_assert_ptr_ne(&stage.instance->ops.blob, own);
    ck_assert(stage.instance->ops.blob.create == own->create);
    ck_assert(stage.instance->ops.blob.publish == NULL);
    probe_stage_close(&stage);
}
END_TEST

static void
count_stat(void *arg, const struct pk_stat *stat)
{
    *(uint64_t *)arg = stat->value;
}

static void
note_reply(void *arg, const struct pk_reply *reply)
{
    *(uint32_t *)arg = reply->verb;
}

START_TEST(a_transport_reaches_the_peer)
{
    struct pk_peer peer = { .events = GATE_INIT };
    struct probe_stage stage;
    probe_stage_open(&stage, probe_transport_entry, &peer);
    const struct pk_host *host = probe_host;
    ck_assert_ptr_null(stage.instance->queue);
    ck_assert(host->log != NULL && host->now != NULL && host->random != NULL);
    ck_assert(host->submit == NULL && host->timer == NULL && host->timer_cancel == NULL);
    ck_assert(host->lease_ended == NULL && host->changed == NULL && host->child == NULL);
    ck_assert(host->stopping == NULL);

    struct pk_session *session = NULL;
    struct pk_principal principal = { .struct_size = sizeof(principal) };
    ck_assert_int_eq(host->session_open(host->ctx, &principal, &session, NULL), 0);
    const struct pk_request request = { .struct_size = sizeof(request), .verb = PK_VERB_LIST };
    uint64_t call = 0;
    uint32_t verb = 0;
    host->call(host->ctx, session, &request, note_reply, &verb, &call);
    ck_assert_uint_eq(verb, PK_VERB_LIST);
    host->cancel(host->ctx, session, call);
    host->session_close(host->ctx, session);
    uint64_t calls = 0;
    host->stats(host->ctx, count_stat, &calls);
    ck_assert_uint_eq(calls, 5111);

    struct pk_error err = PK_ERROR_INIT;
    principal.kind = PK_PRINCIPAL_UNIX;
    ck_assert_int_eq(host->session_open(host->ctx, &principal, &session, &err), -EBUSY);
    ck_assert_str_eq(err.message, "no more sessions");
    probe_stage_close(&stage);
}
END_TEST

START_TEST(log_now_and_random_work)
{
    struct probe_heard heard = { 0 };
    struct probe_stage stage;
    pk_log_set(PK_LOG_INFO, probe_sink, &heard);
    probe_stage_open(&stage, probe_blob_entry, NULL);
    pk_host_log(probe_host, PK_LOG_WARN, "%d%% full", 90);
    probe_host->log(probe_host->ctx, PK_LOG_WARN, "%s is no format");
    ck_assert_uint_eq(heard.count, 2);
    ck_assert_str_eq(heard.lines[0], "1 probe_blob 90% full");
    ck_assert_str_eq(heard.lines[1], "1 probe_blob %s is no format");
    uint64_t before = pk_executor_now(stage.executor);
    ck_assert_uint_ge(probe_host->now(probe_host->ctx), before);
    uint64_t a[2] = { 0 };
    uint64_t b[2] = { 0 };
    ck_assert_int_eq(probe_host->random(probe_host->ctx, a, sizeof(a)), 0);
    ck_assert_int_eq(probe_host->random(probe_host->ctx, b, sizeof(b)), 0);
    ck_assert_int_ne(memcmp(a, b, sizeof(a)), 0);
    probe_stage_close(&stage);
}
END_TEST

/* ---- events ---- */

START_TEST(events_reach_the_peer_while_it_is_attached)
{
    struct pk_peer peer = { .events = GATE_INIT };
    struct probe_stage stage;
    probe_stage_open(&stage, probe_blob_entry, NULL);
    probe_host->changed(probe_host->ctx, "before");
    pk_instance_attach(stage.instance, &peer);
    probe_host->changed(probe_host->ctx, "between");
    ck_assert_str_eq(peer.last, "between");
    pk_instance_attach(stage.instance, NULL);
    probe_host->changed(probe_host->ctx, "after");
    ck_assert_uint_eq(gate_count(&peer.events), 1);
    ck_assert_str_eq(peer.last, "between");
    probe_stage_close(&stage);
}
END_TEST

static void *
tell_changed(void *arg)
{
    probe_host->changed(probe_host->ctx, "x");
    return arg;
}

struct detach {
    struct pk_instance *instance;
    atomic_uint done;
    struct gate started;
};

static void *
detach_main(void *arg)
{
    struct detach *detach = arg;
    gate_pass(&detach->started);
    pk_instance_attach(detach->instance, NULL);
    atomic_store(&detach->done, 1);
    return NULL;
}

START_TEST(detaching_waits_for_events_under_way)
{
    struct gate released = GATE_INIT;
    struct pk_peer peer = { .events = GATE_INIT, .released = &released };
    struct probe_stage stage;
    struct detach detach = { .started = GATE_INIT };
    pthread_t teller;
    pthread_t detacher;
    probe_stage_open(&stage, probe_blob_entry, NULL);
    pk_instance_attach(stage.instance, &peer);
    ck_assert_int_eq(pthread_create(&teller, NULL, tell_changed, NULL), 0);
    gate_wait(&peer.events, 1);
    detach.instance = stage.instance;
    ck_assert_int_eq(pthread_create(&detacher, NULL, detach_main, &detach), 0);
    gate_wait(&detach.started, 1);
    /* Once it is detached, nothing more arrives: then it only waits for the one under way. */
    uint32_t told = 0;
    struct gate free_pass = GATE_INIT;
    gate_pass(&free_pass);
    peer.released = &free_pass;
    do {
        told = gate_count(&peer.events);
        probe_host->changed(probe_host->ctx, "y");
    } while (gate_count(&peer.events) != told);
    ck_assert_uint_eq(atomic_load(&detach.done), 0);
    gate_pass(&released);
    ck_assert_int_eq(pthread_join(detacher, NULL), 0);
    ck_assert_int_eq(pthread_join(teller, NULL), 0);
    ck_assert_uint_eq(atomic_load(&detach.done), 1);
    probe_stage_close(&stage);
}
END_TEST

/* ---- opening ---- */

static void
pass(void *arg)
{
    gate_pass(arg);
}

static int32_t
fail_with_message(const struct pk_host *host, struct pk_error *err)
{
    (void)host;
    return pk_fail(err, -EIO, "the disk is gone");
}

static int32_t
fail_without_message(const struct pk_host *host, struct pk_error *err)
{
    (void)host;
    (void)err;
    return -EACCES;
}

static int32_t
fail_with_a_positive_number(const struct pk_host *host, struct pk_error *err)
{
    (void)host;
    return pk_fail(err, 5, "five");
}

static struct gate left_behind = GATE_INIT;

static int32_t
fail_with_work_left(const struct pk_host *host, struct pk_error *err)
{
    uint64_t far = host->now(host->ctx) + 3600000000000ULL;
    (void)host->submit(host->ctx, pass, &left_behind);
    (void)host->timer(host->ctx, far, pass, &left_behind, NULL);
    return pk_fail(err, -ENOSPC, "full");
}

START_TEST(a_failed_open_says_whose_it_was_and_leaves_nothing)
{
    static const struct {
        int32_t (*open)(const struct pk_host *host, struct pk_error *err);
        int32_t code;
        const char *message;
    } cases[] = {
        { fail_with_message, -EIO, "probe_blob: the disk is gone" },
        { fail_without_message, -EACCES, "probe_blob: Permission denied" },
        { fail_with_a_positive_number, -EINVAL, "probe_blob: five" },
        { fail_with_work_left, -ENOSPC, "probe_blob: full" },
    };
    const struct pk_plugin_module *module = NULL;
    struct probe_stage stage;
    ck_assert_int_eq(pk_plugin_builtin(probe_blob_entry, &module, NULL), 0);
    probe_stage_prepare(&stage, module, NULL, 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pk_error err = PK_ERROR_INIT;
        probe_in_open = cases[i].open;
        ck_assert_int_eq(
            pk_instance_open(module, stage.conf, stage.executor, 1, NULL, &stage.instance, &err),
            cases[i].code);
        ck_assert_str_eq(err.message, cases[i].message);
        ck_assert_ptr_null(stage.instance);
    }
    ck_assert_uint_eq(gate_count(&left_behind), 1); /* what was queued ran, the timer didn't */
    ck_assert_uint_eq(gate_count(&probe_closed), 0);
    probe_stage_close(&stage); /* closes no instance: NULL is fine */
}
END_TEST

START_TEST(one_module_opens_many_instances)
{
    const struct pk_plugin_module *module = NULL;
    struct probe_stage stage;
    struct pk_instance *instances[3] = { NULL };
    const struct pk_setting settings[] = { { "limit", "1", 0 } };
    ck_assert_int_eq(pk_plugin_load(&probe_path, "test_blob", PK_KIND_BLOB, &module, NULL), 0);
    probe_stage_prepare(&stage, module, settings, 1);
    for (size_t i = 0; i < 3; i++)
        ck_assert_int_eq(
            pk_instance_open(module, stage.conf, stage.executor, 1, NULL, &instances[i], NULL), 0);
    ck_assert_ptr_ne(instances[0]->opened, instances[1]->opened);
    for (size_t i = 0; i < 3; i++)
        pk_instance_close(instances[i]);
    probe_stage_close(&stage);
}
END_TEST

int
main(void)
{
    const TTest *const cases[] = {
        a_factory_finds_its_services_and_no_others,
        a_lease_factory_tells_of_leases_instead,
        slots_of_an_instance_are_the_hosts_own_copy,
        a_transport_reaches_the_peer,
        log_now_and_random_work,
        events_reach_the_peer_while_it_is_attached,
        detaching_waits_for_events_under_way,
        a_failed_open_says_whose_it_was_and_leaves_nothing,
        one_module_opens_many_instances,
    };
    return SUITE_RUN("instance", cases);
}
