/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Work and timers of instances: where they run, how they are taken back, and how they end.
 */
#include "tests/lib/gate.h"
#include "tests/lib/probe.h"
#include "tests/lib/suite.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

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
    ck_assert_int_eq(probe_host->submit(probe_host->ctx, hold_run, hold), 0);
    gate_wait(&hold->reached, before + 1);
}

#define HOLD \
    { \
        .reached = GATE_INIT, .released = GATE_INIT \
    }

START_TEST(work_runs_on_workers_until_the_queue_is_full)
{
    struct probe_stage stage;
    struct gate ran = GATE_INIT;
    struct hold hold = HOLD;
    probe_stage_open(&stage, probe_blob_entry, NULL);
    hold_worker(&hold);
    hold_worker(&hold); /* both of them */
    uint32_t accepted = 0;
    while (probe_host->submit(probe_host->ctx, pass, &ran) == 0 && accepted < 1000000)
        accepted++;
    ck_assert_uint_gt(accepted, 0);
    ck_assert_uint_lt(accepted, 1000000);
    ck_assert_int_eq(probe_host->submit(probe_host->ctx, pass, &ran), -EBUSY);
    ck_assert_uint_eq(gate_count(&ran), 0);
    gate_pass(&hold.released);
    probe_stage_close(&stage);
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
    struct probe_stage stage;
    probe_stage_open(&stage, probe_blob_entry, NULL);
    probe_in_close = submit_in_close;
    probe_stage_close(&stage);
    ck_assert_uint_eq(gate_count(&late_work), 0);
    ck_assert_uint_eq(gate_count(&probe_closed), 1);
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
    struct probe_stage stage;
    struct where where = { .ran = GATE_INIT };
    uint64_t timer = 0;
    probe_stage_open(&stage, probe_blob_entry, NULL);
    uint64_t when = probe_host->now(probe_host->ctx) + 1000000;
    ck_assert_int_eq(probe_host->timer(probe_host->ctx, when, where_run, &where, &timer), 0);
    gate_wait(&where.ran, 1);
    ck_assert_uint_ge(probe_host->now(probe_host->ctx), when);
    ck_assert_str_eq(where.thread, "probe_blob");
    ck_assert_uint_ne(timer, 0);
    ck_assert_int_eq(probe_host->timer_cancel(probe_host->ctx, timer), -ENOENT);
    ck_assert_int_eq(probe_host->timer_cancel(probe_host->ctx, 0), -ENOENT);
    ck_assert_int_eq(probe_host->timer_cancel(probe_host->ctx, 12345), -ENOENT);
    probe_stage_close(&stage);
}
END_TEST

START_TEST(a_cancelled_timer_never_runs)
{
    struct probe_stage stage;
    struct gate ran = GATE_INIT;
    struct hold hold = HOLD;
    uint64_t far = 0;
    uint64_t fired = 0;
    probe_stage_open(&stage, probe_blob_entry, NULL);
    ck_assert_int_eq(probe_host->timer(probe_host->ctx, PK_FOREVER, pass, &ran, &far), 0);
    ck_assert_int_eq(probe_host->timer_cancel(probe_host->ctx, far), 0);
    ck_assert_int_eq(probe_host->timer_cancel(probe_host->ctx, far), -ENOENT);

    hold_worker(&hold); /* so that one whose time came gets no further than the queue */
    hold_worker(&hold);
    ck_assert_int_eq(probe_host->timer(probe_host->ctx, 1, pass, &ran, &fired), 0);
    ck_assert_uint_ne(fired, far);
    ck_assert_int_eq(probe_host->timer_cancel(probe_host->ctx, fired), 0);
    ck_assert_int_eq(probe_host->timer_cancel(probe_host->ctx, fired), -ENOENT);
    gate_pass(&hold.released);
    probe_stage_close(&stage);
    ck_assert_uint_eq(gate_count(&ran), 0);
}
END_TEST

START_TEST(timers_end_with_their_instance)
{
    struct probe_stage stage;
    struct gate ran = GATE_INIT;
    probe_stage_open(&stage, probe_blob_entry, NULL);
    uint64_t far = probe_host->now(probe_host->ctx) + 3600000000000ULL;
    for (uint32_t i = 0; i < 20; i++)
        ck_assert_int_eq(probe_host->timer(probe_host->ctx, i % 2 == 0 ? far : 1, pass, &ran, NULL),
                         0);
    probe_stage_close(&stage); /* those that are due may have run, the others must not */
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
    struct probe_stage stage;
    struct ticker ticker = { .ticks = GATE_INIT };
    probe_stage_open(&stage, probe_blob_entry, NULL);
    ticker.host = probe_host;
    ticker_run(&ticker);
    gate_wait(&ticker.ticks, 20);
    probe_stage_close(&stage);
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
    struct probe_stage stage;
    struct storm storm = { .ran = GATE_INIT };
    pthread_t threads[3];
    probe_stage_open(&stage, probe_blob_entry, NULL);
    storm.host = probe_host;
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, storm_main, &storm), 0);
    for (int i = 0; i < 3; i++) {
        void *failed = NULL;
        ck_assert_int_eq(pthread_join(threads[i], &failed), 0);
        ck_assert_ptr_null(failed);
    }
    gate_wait(&storm.ran, atomic_load(&storm.due));
    probe_stage_close(&stage);
    ck_assert_uint_eq(gate_count(&storm.ran), atomic_load(&storm.due));
}
END_TEST

int
main(void)
{
    const TTest *const cases[] = {
        work_runs_on_workers_until_the_queue_is_full,
        nothing_new_starts_in_close,
        timers_run_on_the_instances_workers,
        a_cancelled_timer_never_runs,
        timers_end_with_their_instance,
        a_timer_that_sets_the_next_one_ends_too,
        each_timer_runs_once_or_is_taken_back,
    };
    return SUITE_RUN("instance_work", cases);
}
