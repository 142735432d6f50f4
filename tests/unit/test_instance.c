/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Instances: what a plugin finds in its host table, on which thread its work runs, and in which
 * order it and its children come and go. The peer is a fake that only counts.
 */
#include "core/instance.h"
#include "core/log.h"
#include "core/peer.h"
#include "tests/lib/gate.h"
#include "tests/lib/plugins/empty_blob.h"
#include "tests/lib/suite.h"

#include <packice/cleanup.h>
#include <stdatomic.h>
#include <string.h>

/* ---- the fake peer ---- */

struct pk_peer {
    struct gate events;    /* lease_ended and changed that came */
    struct gate *released; /* NULL: they return at once */
    char last[PK_ID_MAX + 1];
    uint32_t calls;
};

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

/* ---- plugins that are linked in, and leave their host where the test finds it ---- */

static const struct pk_host *opened_host;
static const struct pk_conf *opened_conf;
static struct gate closed = GATE_INIT;
static int32_t (*during_open)(const struct pk_host *host, struct pk_error *err);
static void (*during_close)(const struct pk_host *host);

static int32_t
probe_open(const struct pk_host *host, const struct pk_conf *conf, void **ret_instance,
           struct pk_error *err)
{
    opened_host = host;
    opened_conf = conf;
    int32_t failed = during_open == NULL ? 0 : during_open(host, err);
    if (failed == 0)
        *ret_instance = &opened_host;
    return failed;
}

static void
probe_close(void *instance)
{
    ck_assert_ptr_eq(instance, &opened_host);
    if (during_close != NULL)
        during_close(opened_host);
    gate_pass(&closed);
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

static const struct pk_plugin *
blob_entry(void)
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

static const struct pk_plugin *
transport_entry(void)
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

/* ---- what the tests stand on ---- */

struct stage {
    struct pk_executor *executor;
    const struct pk_plugin_module *module;
    struct pk_conf *conf;
    struct pk_instance *instance;
};

static const char *const folders[] = { TEST_PLUGINS };
static const struct pk_plugin_path path = { folders, 1 };

static void
stage_prepare(struct stage *stage, const struct pk_plugin_module *module,
              const struct pk_setting *settings, size_t count)
{
    struct pk_error err = PK_ERROR_INIT;
    stage->module = module;
    stage->instance = NULL;
    ck_assert_int_eq(pk_executor_new(&stage->executor, NULL), 0);
    ck_assert_msg(pk_conf_new(&module->options, module->plugin.kind, &path, NULL, settings, count,
                              &stage->conf, &err)
                      == 0,
                  "%s", err.message);
}

static void
stage_open(struct stage *stage, pk_plugin_entry_fn *entry, struct pk_peer *peer)
{
    const struct pk_plugin_module *module = NULL;
    struct pk_error err = PK_ERROR_INIT;
    ck_assert_msg(pk_plugin_builtin(entry, &module, &err) == 0, "%s", err.message);
    stage_prepare(stage, module, NULL, 0);
    ck_assert_msg(
        pk_instance_open(module, stage->conf, stage->executor, 2, peer, &stage->instance, &err)
            == 0,
        "%s", err.message);
}

static void
stage_close(struct stage *stage)
{
    pk_instance_close(stage->instance);
    pk_conf_free(stage->conf);
    pk_executor_free(stage->executor);
}

/* ---- host tables ---- */

START_TEST(a_factory_finds_its_services_and_no_others)
{
    struct stage stage;
    stage_open(&stage, blob_entry, NULL);
    ck_assert_uint_eq(opened_host->struct_size, sizeof(struct pk_host));
    ck_assert_ptr_eq(opened_conf, stage.conf);
    ck_assert_ptr_eq(stage.instance->opened, &opened_host);
    ck_assert_ptr_nonnull(stage.instance->queue);
    ck_assert(opened_host->log != NULL && opened_host->now != NULL && opened_host->random != NULL);
    ck_assert(opened_host->submit != NULL && opened_host->timer != NULL);
    ck_assert(opened_host->timer_cancel != NULL && opened_host->child != NULL);
    ck_assert(opened_host->changed != NULL && opened_host->lease_ended == NULL);
    ck_assert(opened_host->session_open == NULL && opened_host->session_close == NULL);
    ck_assert(opened_host->call == NULL && opened_host->cancel == NULL);
    ck_assert(opened_host->stats == NULL);
    stage_close(&stage);
    ck_assert_uint_eq(gate_count(&closed), 1);
}
END_TEST

START_TEST(slots_of_an_instance_are_the_hosts_own_copy)
{
    struct stage stage;
    stage_open(&stage, blob_entry, NULL);
    ck_assert_uint_eq(stage.instance->ops.blob.struct_size, sizeof(struct pk_blob_ops));
    ck_assert(stage.instance->ops.blob.create == probe_create);
    ck_assert(stage.instance->ops.blob.publish == NULL);
    stage_close(&stage);
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
    struct stage stage;
    stage_open(&stage, transport_entry, &peer);
    const struct pk_host *host = opened_host;
    ck_assert_ptr_null(stage.instance->queue);
    ck_assert(host->log != NULL && host->now != NULL && host->random != NULL);
    ck_assert(host->submit == NULL && host->timer == NULL && host->timer_cancel == NULL);
    ck_assert(host->lease_ended == NULL && host->changed == NULL && host->child == NULL);

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
    stage_close(&stage);
}
END_TEST

struct heard {
    uint32_t count;
    char lines[16][128];
};

static void
heard_sink(void *arg, uint32_t level, const char *source, const char *line)
{
    struct heard *heard = arg;
    if (heard->count < 16)
        (void)snprintf(heard->lines[heard->count], sizeof(heard->lines[0]), "%u %s %s", level,
                       source, line);
    heard->count++;
}

START_TEST(log_now_and_random_work)
{
    struct heard heard = { 0 };
    struct stage stage;
    pk_log_set(PK_LOG_INFO, heard_sink, &heard);
    stage_open(&stage, blob_entry, NULL);
    pk_host_log(opened_host, PK_LOG_WARN, "%d%% full", 90);
    opened_host->log(opened_host->ctx, PK_LOG_WARN, "%s is no format");
    ck_assert_uint_eq(heard.count, 2);
    ck_assert_str_eq(heard.lines[0], "1 probe_blob 90% full");
    ck_assert_str_eq(heard.lines[1], "1 probe_blob %s is no format");
    uint64_t before = pk_executor_now(stage.executor);
    ck_assert_uint_ge(opened_host->now(opened_host->ctx), before);
    uint64_t a[2] = { 0 };
    uint64_t b[2] = { 0 };
    ck_assert_int_eq(opened_host->random(opened_host->ctx, a, sizeof(a)), 0);
    ck_assert_int_eq(opened_host->random(opened_host->ctx, b, sizeof(b)), 0);
    ck_assert_int_ne(memcmp(a, b, sizeof(a)), 0);
    stage_close(&stage);
}
END_TEST

/* ---- work ---- */

static void
pass(void *arg)
{
    gate_pass(arg);
}

/* Holds one worker. */
struct hold {
    struct gate reached;
    struct gate released;
};

static void
hold_run(void *arg)
{
    struct hold *hold = arg;
    gate_pass(&hold->reached);
    gate_wait(&hold->released, 1);
}

static void
hold_worker(struct hold *hold)
{
    uint32_t before = gate_count(&hold->reached);
    ck_assert_int_eq(opened_host->submit(opened_host->ctx, hold_run, hold), 0);
    gate_wait(&hold->reached, before + 1);
}

#define HOLD \
    { \
        .reached = GATE_INIT, .released = GATE_INIT \
    }

START_TEST(work_runs_on_workers_until_the_queue_is_full)
{
    struct stage stage;
    struct gate ran = GATE_INIT;
    struct hold hold = HOLD;
    stage_open(&stage, blob_entry, NULL);
    hold_worker(&hold);
    hold_worker(&hold); /* both of them */
    uint32_t accepted = 0;
    while (opened_host->submit(opened_host->ctx, pass, &ran) == 0 && accepted < 1000000)
        accepted++;
    ck_assert_uint_gt(accepted, 0);
    ck_assert_uint_lt(accepted, 1000000);
    ck_assert_int_eq(opened_host->submit(opened_host->ctx, pass, &ran), -EBUSY);
    ck_assert_uint_eq(gate_count(&ran), 0);
    gate_pass(&hold.released);
    stage_close(&stage);
    ck_assert_uint_eq(gate_count(&ran), accepted); /* all of it before the close, and no more */
}
END_TEST

static struct gate late_work = GATE_INIT;

static void
submit_in_close(const struct pk_host *host)
{
    uint64_t timer = 0;
    ck_assert_int_eq(host->submit(host->ctx, pass, &late_work), -EBUSY);
    ck_assert_int_lt(host->timer(host->ctx, 1, pass, &late_work, &timer), 0);
    ck_assert_uint_eq(timer, 0);
}

START_TEST(nothing_new_starts_in_close)
{
    struct stage stage;
    stage_open(&stage, blob_entry, NULL);
    during_close = submit_in_close;
    stage_close(&stage);
    ck_assert_uint_eq(gate_count(&late_work), 0);
    ck_assert_uint_eq(gate_count(&closed), 1);
}
END_TEST

/* ---- timers ---- */

struct where {
    struct gate ran;
    char thread[16];
};

static void
where_run(void *arg)
{
    struct where *where = arg;
    (void)pthread_getname_np(pthread_self(), where->thread, sizeof(where->thread));
    gate_pass(&where->ran);
}

START_TEST(timers_run_on_the_instances_workers)
{
    struct stage stage;
    struct where where = { .ran = GATE_INIT };
    uint64_t timer = 0;
    stage_open(&stage, blob_entry, NULL);
    uint64_t when = opened_host->now(opened_host->ctx) + 1000000;
    ck_assert_int_eq(opened_host->timer(opened_host->ctx, when, where_run, &where, &timer), 0);
    gate_wait(&where.ran, 1);
    ck_assert_uint_ge(opened_host->now(opened_host->ctx), when);
    ck_assert_str_eq(where.thread, "probe_blob");
    ck_assert_uint_ne(timer, 0);
    ck_assert_int_eq(opened_host->timer_cancel(opened_host->ctx, timer), -ENOENT);
    ck_assert_int_eq(opened_host->timer_cancel(opened_host->ctx, 0), -ENOENT);
    ck_assert_int_eq(opened_host->timer_cancel(opened_host->ctx, 12345), -ENOENT);
    stage_close(&stage);
}
END_TEST

START_TEST(a_cancelled_timer_never_runs)
{
    struct stage stage;
    struct gate ran = GATE_INIT;
    struct hold hold = HOLD;
    uint64_t far = 0;
    uint64_t fired = 0;
    stage_open(&stage, blob_entry, NULL);
    ck_assert_int_eq(opened_host->timer(opened_host->ctx, PK_FOREVER, pass, &ran, &far), 0);
    ck_assert_int_eq(opened_host->timer_cancel(opened_host->ctx, far), 0);
    ck_assert_int_eq(opened_host->timer_cancel(opened_host->ctx, far), -ENOENT);

    hold_worker(&hold); /* so that one whose time came gets no further than the queue */
    hold_worker(&hold);
    ck_assert_int_eq(opened_host->timer(opened_host->ctx, 1, pass, &ran, &fired), 0);
    ck_assert_uint_ne(fired, far);
    ck_assert_int_eq(opened_host->timer_cancel(opened_host->ctx, fired), 0);
    ck_assert_int_eq(opened_host->timer_cancel(opened_host->ctx, fired), -ENOENT);
    gate_pass(&hold.released);
    stage_close(&stage);
    ck_assert_uint_eq(gate_count(&ran), 0);
}
END_TEST

START_TEST(timers_end_with_their_instance)
{
    struct stage stage;
    struct gate ran = GATE_INIT;
    stage_open(&stage, blob_entry, NULL);
    uint64_t far = opened_host->now(opened_host->ctx) + 3600000000000ULL;
    for (uint32_t i = 0; i < 20; i++)
        ck_assert_int_eq(
            opened_host->timer(opened_host->ctx, i % 2 == 0 ? far : 1, pass, &ran, NULL), 0);
    stage_close(&stage); /* those that are due may have run, the others must not */
    ck_assert_uint_le(gate_count(&ran), 10);
}
END_TEST

/* One timer after the other, from its own work, until the close refuses one. */
struct ticker {
    const struct pk_host *host;
    struct gate ticks;
};

static void
ticker_run(void *arg)
{
    struct ticker *ticker = arg;
    const struct pk_host *host = ticker->host;
    (void)host->timer(host->ctx, host->now(host->ctx), ticker_run, ticker, NULL);
    gate_pass(&ticker->ticks);
}

START_TEST(a_timer_that_sets_the_next_one_ends_too)
{
    struct stage stage;
    struct ticker ticker = { .ticks = GATE_INIT };
    stage_open(&stage, blob_entry, NULL);
    ticker.host = opened_host;
    ticker_run(&ticker);
    gate_wait(&ticker.ticks, 20);
    stage_close(&stage);
    uint32_t ticks = gate_count(&ticker.ticks);
    ck_assert_uint_ge(ticks, 20);
}
END_TEST

struct storm {
    const struct pk_host *host;
    struct gate ran;
    atomic_uint due; /* timers that were not taken back */
};

static void *
storm_main(void *arg)
{
    struct storm *storm = arg;
    for (int i = 0; i < 300; i++) {
        uint64_t timer = 0;
        if (storm->host->timer(storm->host->ctx, 1, pass, &storm->ran, &timer) != 0)
            return arg;
        if (i % 3 != 0 || storm->host->timer_cancel(storm->host->ctx, timer) != 0)
            atomic_fetch_add(&storm->due, 1);
    }
    return NULL;
}

START_TEST(each_timer_runs_once_or_is_taken_back)
{
    struct stage stage;
    struct storm storm = { .ran = GATE_INIT };
    pthread_t threads[3];
    stage_open(&stage, blob_entry, NULL);
    storm.host = opened_host;
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, storm_main, &storm), 0);
    for (int i = 0; i < 3; i++) {
        void *failed = NULL;
        ck_assert_int_eq(pthread_join(threads[i], &failed), 0);
        ck_assert_ptr_null(failed);
    }
    gate_wait(&storm.ran, atomic_load(&storm.due));
    stage_close(&stage);
    ck_assert_uint_eq(gate_count(&storm.ran), atomic_load(&storm.due));
}
END_TEST

/* ---- events ---- */

START_TEST(events_reach_the_peer_while_it_is_attached)
{
    struct pk_peer peer = { .events = GATE_INIT };
    struct stage stage;
    stage_open(&stage, blob_entry, NULL);
    opened_host->changed(opened_host->ctx, "before");
    pk_instance_attach(stage.instance, &peer);
    opened_host->changed(opened_host->ctx, "between");
    ck_assert_str_eq(peer.last, "between");
    pk_instance_attach(stage.instance, NULL);
    opened_host->changed(opened_host->ctx, "after");
    ck_assert_uint_eq(gate_count(&peer.events), 1);
    ck_assert_str_eq(peer.last, "between");
    stage_close(&stage);
}
END_TEST

static void *
tell_changed(void *arg)
{
    opened_host->changed(opened_host->ctx, "x");
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
    struct stage stage;
    struct detach detach = { .started = GATE_INIT };
    pthread_t teller;
    pthread_t detacher;
    stage_open(&stage, blob_entry, NULL);
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
        opened_host->changed(opened_host->ctx, "y");
    } while (gate_count(&peer.events) != told);
    ck_assert_uint_eq(atomic_load(&detach.done), 0);
    gate_pass(&released);
    ck_assert_int_eq(pthread_join(detacher, NULL), 0);
    ck_assert_int_eq(pthread_join(teller, NULL), 0);
    ck_assert_uint_eq(atomic_load(&detach.done), 1);
    stage_close(&stage);
}
END_TEST

/* ---- failures ---- */

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
    struct stage stage;
    ck_assert_int_eq(pk_plugin_builtin(blob_entry, &module, NULL), 0);
    stage_prepare(&stage, module, NULL, 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pk_error err = PK_ERROR_INIT;
        during_open = cases[i].open;
        ck_assert_int_eq(
            pk_instance_open(module, stage.conf, stage.executor, 1, NULL, &stage.instance, &err),
            cases[i].code);
        ck_assert_str_eq(err.message, cases[i].message);
        ck_assert_ptr_null(stage.instance);
    }
    ck_assert_uint_eq(gate_count(&left_behind), 1); /* what was queued ran, the timer didn't */
    ck_assert_uint_eq(gate_count(&closed), 0);
    stage_close(&stage); /* closes no instance: NULL is fine */
}
END_TEST

/* ---- children ---- */

static int32_t
create(const struct pk_instance *instance, const char *id, struct pk_error *err)
{
    const struct pk_key key = { .id = id, .epoch = 1 };
    void *blob = NULL;
    return instance->ops.blob.create(instance->opened, &key, 0, 0, &blob, err);
}

static void
tier_prepare(struct stage *stage, const char *fail, const char *lower_fail)
{
    const struct pk_setting settings[] = {
        { "fail", fail, 0 },
        { "upper", "test_blob", 0 },
        { "upper.limit", "1", 0 },
        { "upper.label", "above", 0 },
        { "lower", "test_tier", 0 },
        { "lower.upper", "test_blob", 0 },
        { "lower.upper.limit", "1", 0 },
        { "lower.upper.label", "below", 0 },
        { "lower.upper.fail", lower_fail, 0 },
    };
    const struct pk_plugin_module *module = NULL;
    ck_assert_int_eq(pk_plugin_load(&path, "test_tier", PK_KIND_BLOB, &module, NULL), 0);
    stage_prepare(stage, module, settings, sizeof(settings) / sizeof(settings[0]));
}

static void
heard_check(const struct heard *heard, const char *const *lines, uint32_t count)
{
    ck_assert_uint_eq(heard->count, count);
    for (uint32_t i = 0; i < count; i++)
        ck_assert_str_eq(heard->lines[i], lines[i]);
}

START_TEST(children_open_within_and_close_after_their_parent)
{
    static const char *const lines[] = {
        "2 test_blob open above",  "2 test_blob open below",  "2 test_tier open tier",
        "2 test_tier open tier",   "2 test_tier close tier",  "2 test_tier close tier",
        "2 test_blob close below", "2 test_blob close above",
    };
    struct heard heard = { 0 };
    struct stage stage;
    struct pk_peer peer = { .events = GATE_INIT };
    struct pk_error err = PK_ERROR_INIT;
    pk_log_set(PK_LOG_INFO, heard_sink, &heard);
    tier_prepare(&stage, "no", "no");
    ck_assert_msg(
        pk_instance_open(stage.module, stage.conf, stage.executor, 1, NULL, &stage.instance, &err)
            == 0,
        "%s", err.message);

    pk_instance_attach(stage.instance, &peer); /* reaches children of children */
    ck_assert_int_eq(create(stage.instance, "deep", &err), -EOPNOTSUPP);
    ck_assert_str_eq(err.message, "below keeps nothing");
    ck_assert_str_eq(peer.last, "deep");
    pk_instance_attach(stage.instance, NULL);
    ck_assert_int_eq(create(stage.instance, "later", &err), -EOPNOTSUPP);
    ck_assert_uint_eq(gate_count(&peer.events), 1);

    stage_close(&stage);
    heard_check(&heard, lines, sizeof(lines) / sizeof(lines[0]));
}
END_TEST

START_TEST(a_child_that_fails_takes_the_others_with_it)
{
    static const char *const lines[] = { "2 test_blob open above", "2 test_blob close above" };
    struct heard heard = { 0 };
    struct stage stage;
    struct pk_error err = PK_ERROR_INIT;
    pk_log_set(PK_LOG_INFO, heard_sink, &heard);
    tier_prepare(&stage, "no", "yes");
    ck_assert_int_eq(
        pk_instance_open(stage.module, stage.conf, stage.executor, 1, NULL, &stage.instance, &err),
        -EIO);
    ck_assert_str_eq(err.message, "test_tier: test_tier: test_blob: told to fail");
    heard_check(&heard, lines, 2);
    stage_close(&stage);
}
END_TEST

START_TEST(a_parent_that_fails_closes_its_children)
{
    static const char *const lines[] = { "2 test_blob open above",  "2 test_blob open below",
                                         "2 test_tier open tier",   "2 test_tier close tier",
                                         "2 test_blob close below", "2 test_blob close above" };
    struct heard heard = { 0 };
    struct stage stage;
    struct pk_error err = PK_ERROR_INIT;
    pk_log_set(PK_LOG_INFO, heard_sink, &heard);
    tier_prepare(&stage, "yes", "no");
    ck_assert_int_eq(
        pk_instance_open(stage.module, stage.conf, stage.executor, 1, NULL, &stage.instance, &err),
        -EIO);
    ck_assert_str_eq(err.message, "test_tier: told to fail");
    heard_check(&heard, lines, 6);
    stage_close(&stage);
}
END_TEST

static int32_t
child_of_own_conf(const struct pk_host *host, struct pk_error *err)
{
    struct pk_child child = { .struct_size = sizeof(child) };
    return host->child(host->ctx, opened_conf, &child, err);
}

static int32_t
child_of_null(const struct pk_host *host, struct pk_error *err)
{
    struct pk_child child = { .struct_size = sizeof(child) };
    return host->child(host->ctx, NULL, &child, err);
}

START_TEST(only_child_options_open_children_and_only_in_open)
{
    const struct pk_plugin_module *module = NULL;
    struct stage stage;
    struct pk_error err = PK_ERROR_INIT;
    ck_assert_int_eq(pk_plugin_builtin(blob_entry, &module, NULL), 0);
    stage_prepare(&stage, module, NULL, 0);
    during_open = child_of_own_conf;
    ck_assert_int_eq(
        pk_instance_open(module, stage.conf, stage.executor, 1, NULL, &stage.instance, &err),
        -EINVAL);
    ck_assert_str_eq(err.message, "probe_blob: a child needs the value of a child option");
    during_open = child_of_null;
    ck_assert_int_eq(
        pk_instance_open(module, stage.conf, stage.executor, 1, NULL, &stage.instance, &err),
        -EINVAL);
    during_open = NULL;
    ck_assert_int_eq(
        pk_instance_open(module, stage.conf, stage.executor, 1, NULL, &stage.instance, &err), 0);
    ck_assert_int_eq(child_of_own_conf(opened_host, &err), -EINVAL);
    ck_assert_str_eq(err.message, "a child can be opened only from open");
    stage_close(&stage);
}
END_TEST

START_TEST(one_module_opens_many_instances)
{
    const struct pk_plugin_module *module = NULL;
    struct stage stage;
    struct pk_instance *instances[3] = { NULL };
    const struct pk_setting settings[] = { { "limit", "1", 0 } };
    ck_assert_int_eq(pk_plugin_load(&path, "test_blob", PK_KIND_BLOB, &module, NULL), 0);
    stage_prepare(&stage, module, settings, 1);
    for (size_t i = 0; i < 3; i++)
        ck_assert_int_eq(
            pk_instance_open(module, stage.conf, stage.executor, 1, NULL, &instances[i], NULL), 0);
    ck_assert_ptr_ne(instances[0]->opened, instances[1]->opened);
    for (size_t i = 0; i < 3; i++)
        pk_instance_close(instances[i]);
    stage_close(&stage);
}
END_TEST

int
main(void)
{
    const TTest *const cases[] = {
        a_factory_finds_its_services_and_no_others,
        slots_of_an_instance_are_the_hosts_own_copy,
        a_transport_reaches_the_peer,
        log_now_and_random_work,
        work_runs_on_workers_until_the_queue_is_full,
        nothing_new_starts_in_close,
        timers_run_on_the_instances_workers,
        a_cancelled_timer_never_runs,
        timers_end_with_their_instance,
        a_timer_that_sets_the_next_one_ends_too,
        each_timer_runs_once_or_is_taken_back,
        events_reach_the_peer_while_it_is_attached,
        detaching_waits_for_events_under_way,
        a_failed_open_says_whose_it_was_and_leaves_nothing,
        children_open_within_and_close_after_their_parent,
        a_child_that_fails_takes_the_others_with_it,
        a_parent_that_fails_closes_its_children,
        only_child_options_open_children_and_only_in_open,
        one_module_opens_many_instances,
    };
    return SUITE_RUN("instance", cases);
}
