/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The real executor's clock and timers: which run, and in which order. Gates put the threads in
 * order; no test depends on how long anything takes.
 */
#include "core/executor.h"
#include "tests/lib/gate.h"
#include "tests/lib/no_threads.h"
#include "tests/lib/suite.h"

static struct pk_executor *
executor_make(void)
{
    struct pk_executor *executor = NULL;
    ck_assert_int_eq(pk_executor_new(&executor, NULL), 0);
    return executor;
}

/* A timer that notes when it ran, after what else. */
struct bell {
    struct pk_timer timer; /* first */
    struct gate *rung;
    uint32_t order;
    uint32_t times;
};

static void
bell_ring(struct pk_timer *timer)
{
    struct bell *bell = (struct bell *)(void *)timer;
    bell->times++;
    bell->order = gate_pass(bell->rung);
}

#define BELL(gate) \
    { \
        .timer = { .run = bell_ring }, .rung = &(gate) \
    }

/* A timer that holds the timer thread up, so that others can be set meanwhile. */
struct stopper {
    struct pk_timer timer; /* first */
    struct gate reached;
    struct gate released;
    bool ended; /* no lock: whoever reads it has synced */
};

static void
stopper_run(struct pk_timer *timer)
{
    struct stopper *stopper = (struct stopper *)(void *)timer;
    gate_pass(&stopper->reached);
    gate_wait(&stopper->released, 1);
    stopper->ended = true;
}

#define STOPPER \
    { \
        .timer = { .run = stopper_run }, .reached = GATE_INIT, .released = GATE_INIT \
    }

static void
stopper_hold(struct pk_executor *executor, struct stopper *stopper)
{
    pk_timer_set(executor, &stopper->timer, 1);
    gate_wait(&stopper->reached, 1);
}

START_TEST(the_clock_never_goes_back)
{
    struct pk_executor *executor = executor_make();
    uint64_t last = pk_executor_now(executor);
    ck_assert_uint_gt(last, 0);
    for (int i = 0; i < 1000; i++) {
        uint64_t now = pk_executor_now(executor);
        ck_assert_uint_ge(now, last);
        last = now;
    }
    pk_executor_free(executor);
}
END_TEST

START_TEST(timers_run_by_time_then_in_the_order_set)
{
    struct pk_executor *executor = executor_make();
    struct stopper stopper = STOPPER;
    struct gate rung = GATE_INIT;
    struct bell late = BELL(rung);
    struct bell early = BELL(rung);
    struct bell middle = BELL(rung);
    struct bell twin = BELL(rung);
    stopper_hold(executor, &stopper);
    pk_timer_set(executor, &late.timer, 30);
    pk_timer_set(executor, &middle.timer, 20);
    pk_timer_set(executor, &twin.timer, 20);
    pk_timer_set(executor, &early.timer, 10);
    gate_pass(&stopper.released);
    gate_wait(&rung, 4);
    pk_executor_free(executor);
    ck_assert_uint_eq(early.order, 1);
    ck_assert_uint_eq(middle.order, 2);
    ck_assert_uint_eq(twin.order, 3);
    ck_assert_uint_eq(late.order, 4);
}
END_TEST

START_TEST(a_timer_waits_for_its_time)
{
    struct pk_executor *executor = executor_make();
    struct gate rung = GATE_INIT;
    struct bell later = BELL(rung);
    struct bell sooner = BELL(rung);
    uint64_t now = pk_executor_now(executor);
    pk_timer_set(executor, &later.timer, now + 3600000000000ULL);
    pk_timer_set(executor, &sooner.timer, now + 10000000); /* wakes a thread that waits longer */
    gate_wait(&rung, 1);
    ck_assert_uint_ge(pk_executor_now(executor), now + 10000000);
    ck_assert(pk_timer_clear(executor, &later.timer));
    pk_executor_free(executor);
    ck_assert_uint_eq(sooner.times, 1);
    ck_assert_uint_eq(later.times, 0);
}
END_TEST

START_TEST(a_cleared_timer_never_runs)
{
    struct pk_executor *executor = executor_make();
    struct stopper stopper = STOPPER;
    struct gate rung = GATE_INIT;
    struct bell cleared = BELL(rung);
    struct bell forever = BELL(rung);
    struct bell other = BELL(rung);
    ck_assert(!pk_timer_clear(executor, &cleared.timer)); /* never set */
    stopper_hold(executor, &stopper);
    pk_timer_set(executor, &cleared.timer, 10);
    pk_timer_set(executor, &forever.timer, 10);
    pk_timer_set(executor, &other.timer, 20);
    ck_assert(pk_timer_clear(executor, &cleared.timer));
    ck_assert(!pk_timer_clear(executor, &cleared.timer));
    pk_timer_set(executor, &forever.timer, PK_FOREVER); /* disarms it */
    ck_assert(!pk_timer_clear(executor, &forever.timer));
    ck_assert(!pk_timer_clear(executor, &stopper.timer)); /* its run is under way */
    gate_pass(&stopper.released);
    gate_wait(&rung, 1);
    pk_executor_free(executor);
    ck_assert_uint_eq(other.times, 1);
    ck_assert_uint_eq(cleared.times + forever.times, 0);
}
END_TEST

START_TEST(setting_an_armed_timer_moves_it)
{
    struct pk_executor *executor = executor_make();
    struct stopper stopper = STOPPER;
    struct gate rung = GATE_INIT;
    struct bell moved = BELL(rung);
    struct bell fixed = BELL(rung);
    stopper_hold(executor, &stopper);
    pk_timer_set(executor, &moved.timer, 10);
    pk_timer_set(executor, &fixed.timer, 20);
    pk_timer_set(executor, &moved.timer, 30);
    gate_pass(&stopper.released);
    gate_wait(&rung, 2);
    pk_executor_free(executor);
    ck_assert_uint_eq(fixed.order, 1);
    ck_assert_uint_eq(moved.order, 2);
    ck_assert_uint_eq(moved.times, 1);
}
END_TEST

struct repeater {
    struct pk_timer timer; /* first */
    struct pk_executor *executor;
    struct gate done;
    uint32_t left;
};

static void
repeater_run(struct pk_timer *timer)
{
    struct repeater *repeater = (struct repeater *)(void *)timer;
    if (--repeater->left > 0)
        pk_timer_set(repeater->executor, timer, pk_executor_now(repeater->executor));
    else
        gate_pass(&repeater->done);
}

START_TEST(a_timer_may_set_itself_anew)
{
    struct repeater repeater = {
        .timer = { .run = repeater_run },
        .executor = executor_make(),
        .done = GATE_INIT,
        .left = 100,
    };
    pk_timer_set(repeater.executor, &repeater.timer, 1);
    gate_wait(&repeater.done, 1);
    pk_executor_free(repeater.executor);
    ck_assert_uint_eq(repeater.left, 0);
}
END_TEST

struct gone {
    struct pk_timer timer; /* first */
    struct gate *freed;
};

static void
gone_run(struct pk_timer *timer)
{
    struct gate *freed = ((struct gone *)(void *)timer)->freed;
    free(timer);
    gate_pass(freed);
}

START_TEST(a_timer_may_free_itself)
{
    struct pk_executor *executor = executor_make();
    struct gate freed = GATE_INIT;
    for (uint64_t i = 0; i < 50; i++) {
        struct gone *gone = calloc(1, sizeof(*gone));
        ck_assert_ptr_nonnull(gone);
        gone->timer.run = gone_run;
        gone->freed = &freed;
        pk_timer_set(executor, &gone->timer, i + 1);
    }
    gate_wait(&freed, 50);
    pk_executor_free(executor);
}
END_TEST

struct syncer {
    struct pk_executor *executor;
    const struct stopper *first;
    struct gate started;
    bool ended;
};

static void *
syncer_main(void *arg)
{
    struct syncer *syncer = arg;
    gate_pass(&syncer->started);
    pk_timer_sync(syncer->executor);
    syncer->ended = syncer->first->ended;
    return NULL;
}

START_TEST(sync_waits_for_the_run_under_way)
{
    struct pk_executor *executor = executor_make();
    struct stopper first = STOPPER;
    struct stopper second = STOPPER;
    struct syncer syncer = { .executor = executor, .first = &first, .started = GATE_INIT };
    pthread_t thread;
    pk_timer_sync(executor); /* nothing runs */
    stopper_hold(executor, &first);
    pk_timer_set(executor, &second.timer, 2);
    ck_assert_int_eq(pthread_create(&thread, NULL, syncer_main, &syncer), 0);
    gate_wait(&syncer.started, 1);
    gate_pass(&first.released);
    gate_wait(&second.reached, 1);
    gate_pass(&second.released); /* which it waits for only if it asked that late */
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert(syncer.ended);
    pk_executor_free(executor);
}
END_TEST

START_TEST(timers_survive_a_thread_that_cannot_start)
{
    struct pk_executor *executor = executor_make();
    struct gate rung = GATE_INIT;
    struct bell first = BELL(rung);
    struct bell second = BELL(rung);
    atomic_store(&no_threads, true);
    pk_timer_set(executor, &first.timer, 10);
    atomic_store(&no_threads, false);
    pk_timer_set(executor, &second.timer, 20);
    gate_wait(&rung, 2);
    pk_executor_free(executor);
    ck_assert_uint_eq(first.order, 1);
}
END_TEST

int
main(void)
{
    const TTest *const cases[] = {
        the_clock_never_goes_back,
        timers_run_by_time_then_in_the_order_set,
        a_timer_waits_for_its_time,
        a_cleared_timer_never_runs,
        setting_an_armed_timer_moves_it,
        a_timer_may_set_itself_anew,
        a_timer_may_free_itself,
        sync_waits_for_the_run_under_way,
        timers_survive_a_thread_that_cannot_start,
    };
    return SUITE_RUN("executor", cases);
}
