/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The real executor: which timers run and in which order, and what queues accept, run and start.
 * Gates put the threads in order; no test depends on how long anything takes.
 */
#include "core/executor.h"
#include "tests/lib/gate.h"
#include "tests/lib/suite.h"

#include <dirent.h>
#include <errno.h>
#include <packice/cleanup.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

/* Linked with --wrap=pthread_create, so that a test can be short of threads. */
static atomic_bool no_threads;
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *arg),
                          void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *arg),
                          void *arg);

int
__wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *arg),
                      void *arg)
{
    return atomic_load(&no_threads) ? EAGAIN : __real_pthread_create(thread, attr, run, arg);
}

static struct pk_executor *
executor_make(void)
{
    struct pk_executor *executor = NULL;
    ck_assert_int_eq(pk_executor_new(&executor, NULL), 0);
    return executor;
}

static uint32_t
threads_count(void)
{
    uint32_t count = 0;
    DIR *tasks = opendir("/proc/self/task");
    ck_assert_ptr_nonnull(tasks);
    while (readdir(tasks) != NULL)
        count++;
    (void)closedir(tasks);
    return count;
}

/* ---- timers ---- */

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
};

static void
stopper_run(struct pk_timer *timer)
{
    struct stopper *stopper = (struct stopper *)(void *)timer;
    gate_pass(&stopper->reached);
    gate_wait(&stopper->released, 1);
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
    uint64_t when = pk_executor_now(executor) + 20000000;
    pk_timer_set(executor, &later.timer, when);
    pk_timer_set(executor, &sooner.timer, when - 10000000); /* wakes a thread that waits longer */
    gate_wait(&rung, 2);
    ck_assert_uint_ge(pk_executor_now(executor), when);
    pk_executor_free(executor);
    ck_assert_uint_eq(sooner.order, 1);
    ck_assert_uint_eq(later.order, 2);
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

/* ---- queues ---- */

struct task {
    struct pk_work work; /* first */
    struct gate *ran;
    struct gate *released; /* NULL: does not wait */
    uint32_t order;
};

static void
task_run(struct pk_work *work)
{
    struct task *task = (struct task *)(void *)work;
    task->order = gate_pass(task->ran);
    if (task->released != NULL)
        gate_wait(task->released, 1);
}

static struct pk_queue *
queue_make(struct pk_executor *executor, uint32_t workers, uint32_t bound)
{
    struct pk_queue *queue = NULL;
    ck_assert_int_eq(pk_queue_new(executor, "a-name-that-is-too-long", workers, bound, &queue), 0);
    return queue;
}

START_TEST(one_worker_runs_works_in_order)
{
    struct pk_executor *executor = executor_make();
    struct pk_queue *queue = queue_make(executor, 1, 100);
    struct gate ran = GATE_INIT;
    struct task tasks[100];
    for (size_t i = 0; i < 100; i++) {
        tasks[i] = (struct task){ .work = { .run = task_run }, .ran = &ran };
        ck_assert_int_eq(pk_queue_submit(queue, &tasks[i].work), 0);
    }
    pk_queue_free(queue);
    for (uint32_t i = 0; i < 100; i++)
        ck_assert_uint_eq(tasks[i].order, i + 1);
    pk_executor_free(executor);
}
END_TEST

START_TEST(no_more_works_at_once_than_workers)
{
    struct pk_executor *executor = executor_make();
    struct pk_queue *queue = queue_make(executor, 3, 100);
    struct gate ran = GATE_INIT;
    struct gate released = GATE_INIT;
    struct task tasks[10];
    uint32_t before = threads_count();
    for (size_t i = 0; i < 10; i++) {
        tasks[i] = (struct task){ .work = { .run = task_run }, .ran = &ran, .released = &released };
        ck_assert_int_eq(pk_queue_submit(queue, &tasks[i].work), 0);
    }
    gate_wait(&ran, 3);
    ck_assert_uint_eq(threads_count(), before + 3);
    ck_assert_uint_eq(gate_count(&ran), 3);
    gate_pass(&released);
    pk_queue_free(queue);
    ck_assert_uint_eq(gate_count(&ran), 10);
    pk_executor_free(executor);
}
END_TEST

START_TEST(threads_start_when_there_is_something_to_do)
{
    uint32_t before = threads_count();
    struct pk_executor *executor = executor_make();
    struct pk_queue *queue = queue_make(executor, 4, 10);
    ck_assert_uint_eq(threads_count(), before);
    struct gate ran = GATE_INIT;
    struct gate released = GATE_INIT;
    struct task task = { .work = { .run = task_run }, .ran = &ran, .released = &released };
    ck_assert_int_eq(pk_queue_submit(queue, &task.work), 0);
    gate_wait(&ran, 1);
    ck_assert_uint_eq(threads_count(), before + 1);
    gate_pass(&released);
    pk_queue_free(queue);
    pk_executor_free(executor);
}
END_TEST

START_TEST(submit_is_bounded_and_push_is_not)
{
    struct pk_executor *executor = executor_make();
    struct pk_queue *queue = queue_make(executor, 1, 2);
    struct gate ran = GATE_INIT;
    struct gate released = GATE_INIT;
    struct task blocker = { .work = { .run = task_run }, .ran = &ran, .released = &released };
    struct task tasks[4];
    for (size_t i = 0; i < 4; i++)
        tasks[i] = (struct task){ .work = { .run = task_run }, .ran = &ran };
    ck_assert_int_eq(pk_queue_submit(queue, &blocker.work), 0);
    gate_wait(&ran, 1);
    ck_assert_int_eq(pk_queue_submit(queue, &tasks[0].work), 0);
    ck_assert_int_eq(pk_queue_submit(queue, &tasks[1].work), 0);
    ck_assert_int_eq(pk_queue_submit(queue, &tasks[2].work), -EBUSY);
    pk_queue_push(queue, &tasks[3].work);
    gate_pass(&released);
    pk_queue_free(queue);
    pk_executor_free(executor);
    ck_assert_uint_eq(tasks[1].order, 3);
    ck_assert_uint_eq(tasks[2].order, 0);
    ck_assert_uint_eq(tasks[3].order, 4);
}
END_TEST

/* A work that pushes the next one, and may be the last thing its queue does. */
struct chain {
    struct pk_work work; /* first */
    struct pk_queue *queue;
    struct gate *ran;
    struct gate *released;
    uint32_t left;
};

static void
chain_run(struct pk_work *work)
{
    struct chain *chain = (struct chain *)(void *)work;
    gate_pass(chain->ran);
    gate_wait(chain->released, 1);
    if (--chain->left > 0)
        pk_queue_push(chain->queue, work);
}

START_TEST(free_runs_what_works_push_meanwhile)
{
    struct pk_executor *executor = executor_make();
    struct gate ran = GATE_INIT;
    struct gate released = GATE_INIT;
    struct chain chain = {
        .work = { .run = chain_run },
        .queue = queue_make(executor, 2, 10),
        .ran = &ran,
        .released = &released,
        .left = 20,
    };
    ck_assert_int_eq(pk_queue_submit(chain.queue, &chain.work), 0);
    gate_wait(&ran, 1);
    gate_pass(&released);
    pk_queue_free(chain.queue);
    ck_assert_uint_eq(chain.left, 0);
    ck_assert_uint_eq(gate_count(&ran), 20);
    pk_executor_free(executor);
}
END_TEST

struct probe {
    struct pk_work work; /* first */
    sigset_t blocked;
    char name[16];
};

static void
probe_run(struct pk_work *work)
{
    struct probe *probe = (struct probe *)(void *)work;
    (void)pthread_sigmask(SIG_SETMASK, NULL, &probe->blocked);
    (void)pthread_getname_np(pthread_self(), probe->name, sizeof(probe->name));
}

START_TEST(workers_block_all_signals_and_have_names)
{
    struct pk_executor *executor = executor_make();
    struct pk_queue *queue = queue_make(executor, 1, 10);
    struct probe first = { .work = { .run = probe_run } };
    struct probe probe = { .work = { .run = probe_run } };
    ck_assert_int_eq(pk_queue_submit(queue, &first.work), 0);
    ck_assert_int_eq(pk_queue_submit(queue, &probe.work), 0); /* named by then: see the lock */
    pk_queue_free(queue);
    pk_executor_free(executor);
    ck_assert_int_eq(sigismember(&probe.blocked, SIGTERM), 1);
    ck_assert_int_eq(sigismember(&probe.blocked, SIGINT), 1);
    ck_assert_int_eq(sigismember(&probe.blocked, SIGCHLD), 1);
    ck_assert_str_eq(probe.name, "a-name-that-is-");
    sigset_t own;
    ck_assert_int_eq(pthread_sigmask(SIG_SETMASK, NULL, &own), 0);
    ck_assert_int_eq(sigismember(&own, SIGTERM), 0);
}
END_TEST

START_TEST(without_threads_submit_refuses_and_push_runs_here)
{
    struct pk_executor *executor = executor_make();
    struct pk_queue *queue = queue_make(executor, 2, 10);
    struct gate ran = GATE_INIT;
    struct task submitted = { .work = { .run = task_run }, .ran = &ran };
    struct task pushed = { .work = { .run = task_run }, .ran = &ran };
    atomic_store(&no_threads, true);
    ck_assert_int_eq(pk_queue_submit(queue, &submitted.work), -EAGAIN);
    pk_queue_push(queue, &pushed.work);
    ck_assert_uint_eq(pushed.order, 1);
    ck_assert_uint_eq(submitted.order, 0);
    atomic_store(&no_threads, false);
    ck_assert_int_eq(pk_queue_submit(queue, &submitted.work), 0);
    pk_queue_free(queue);
    ck_assert_uint_eq(submitted.order, 2);
    pk_executor_free(executor);
}
END_TEST

START_TEST(with_one_thread_left_works_wait_for_it)
{
    struct pk_executor *executor = executor_make();
    struct pk_queue *queue = queue_make(executor, 2, 10);
    struct gate ran = GATE_INIT;
    struct gate released = GATE_INIT;
    struct task first = { .work = { .run = task_run }, .ran = &ran, .released = &released };
    struct task second = { .work = { .run = task_run }, .ran = &ran };
    ck_assert_int_eq(pk_queue_submit(queue, &first.work), 0);
    gate_wait(&ran, 1);
    atomic_store(&no_threads, true);
    ck_assert_int_eq(pk_queue_submit(queue, &second.work), 0);
    gate_pass(&released);
    gate_wait(&ran, 2);
    pk_queue_free(queue);
    pk_executor_free(executor);
}
END_TEST

struct sum {
    struct pk_work work; /* first */
    atomic_uint *total;
};

static void
sum_run(struct pk_work *work)
{
    atomic_uint *total = ((struct sum *)(void *)work)->total;
    free(work);
    atomic_fetch_add(total, 1);
}

struct feeder {
    struct pk_queue *queue;
    atomic_uint *total;
};

static void *
feeder_main(void *arg)
{
    struct feeder *feeder = arg;
    for (int i = 0; i < 500; i++) {
        struct sum *sum = calloc(1, sizeof(*sum));
        if (sum == NULL)
            return arg;
        sum->work.run = sum_run;
        sum->total = feeder->total;
        if (pk_queue_submit(feeder->queue, &sum->work) != 0)
            pk_queue_push(feeder->queue, &sum->work);
    }
    return NULL;
}

START_TEST(every_work_of_many_threads_runs_once)
{
    struct pk_executor *executor = executor_make();
    atomic_uint total = 0;
    struct feeder feeder = { .queue = queue_make(executor, 3, 8), .total = &total };
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, feeder_main, &feeder), 0);
    for (int i = 0; i < 4; i++) {
        void *failed = NULL;
        ck_assert_int_eq(pthread_join(threads[i], &failed), 0);
        ck_assert_ptr_null(failed);
    }
    pk_queue_free(feeder.queue);
    ck_assert_uint_eq(atomic_load(&total), 2000);
    pk_executor_free(executor);
}
END_TEST

START_TEST(free_accepts_null)
{
    pk_queue_free(NULL);
    pk_executor_free(NULL);
    struct pk_executor *executor = executor_make();
    pk_queue_free(queue_make(executor, 1, 1)); /* one that never had a thread */
    pk_executor_free(executor);
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
        timers_survive_a_thread_that_cannot_start,
        one_worker_runs_works_in_order,
        no_more_works_at_once_than_workers,
        threads_start_when_there_is_something_to_do,
        submit_is_bounded_and_push_is_not,
        free_runs_what_works_push_meanwhile,
        workers_block_all_signals_and_have_names,
        without_threads_submit_refuses_and_push_runs_here,
        with_one_thread_left_works_wait_for_it,
        every_work_of_many_threads_runs_once,
        free_accepts_null,
    };
    return SUITE_RUN("executor", cases);
}
