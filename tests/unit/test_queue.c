/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The real executor's queues: what they accept, run and start, and in which order. Gates put the
 * threads in order; no test depends on how long anything takes.
 */
#include "core/executor.h"
#include "tests/lib/gate.h"
#include "tests/lib/no_threads.h"
#include "tests/lib/suite.h"

#include <signal.h>
#include <string.h>

static struct pk_executor *
executor_make(void)
{
    struct pk_executor *executor = NULL;
    ck_assert_int_eq(pk_executor_new(&executor, NULL), 0);
    return executor;
}

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
    for (size_t i = 0; i < 10; i++) {
        tasks[i] = (struct task){ .work = { .run = task_run }, .ran = &ran, .released = &released };
        ck_assert_int_eq(pk_queue_submit(queue, &tasks[i].work), 0);
    }
    gate_wait(&ran, 3);
    ck_assert_uint_eq(atomic_load(&threads_started), 3);
    ck_assert_uint_eq(gate_count(&ran), 3);
    gate_pass(&released);
    pk_queue_free(queue);
    ck_assert_uint_eq(gate_count(&ran), 10);
    pk_executor_free(executor);
}
END_TEST

START_TEST(threads_start_when_there_is_something_to_do)
{
    struct pk_executor *executor = executor_make();
    struct pk_queue *queue = queue_make(executor, 4, 10);
    ck_assert_uint_eq(atomic_load(&threads_started), 0);
    struct gate ran = GATE_INIT;
    struct gate released = GATE_INIT;
    struct task task = { .work = { .run = task_run }, .ran = &ran, .released = &released };
    ck_assert_int_eq(pk_queue_submit(queue, &task.work), 0);
    gate_wait(&ran, 1);
    ck_assert_uint_eq(atomic_load(&threads_started), 1);
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
    return SUITE_RUN("queue", cases);
}
