/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The real executor: the monotonic clock, and one thread that runs timers in the order of their
 * times. It never runs a timer with its lock held, and never touches one again once its run began.
 * Its queues are in core/queue.c.
 */
#include "core/executor.h"

#include "core/log.h"
#include "core/queue.h"
#include "core/thread.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#define NANOSECONDS 1000000000ULL

RB_HEAD(timer_tree, pk_timer);

struct real_executor {
    struct pk_executor base;
    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t wake;  /* an earlier timer came first, or stopping was set */
    struct timer_tree timers;
    uint64_t next_sequence;
    pthread_t thread;
    pthread_cond_t ended; /* a run did */
    uint64_t begun;       /* runs so far */
    bool busy;            /* the last of them is under way, without the lock */
    bool started;
    bool stopping;
};

static int
timer_compare(const struct pk_timer *a, const struct pk_timer *b)
{
    if (a->when != b->when)
        return a->when < b->when ? -1 : 1;
    return a->sequence < b->sequence ? -1 : a->sequence > b->sequence;
}

RB_GENERATE_INTERNAL(timer_tree, pk_timer, entry, timer_compare, __attribute__((unused)) static)

static struct real_executor *
real_executor(struct pk_executor *executor)
{
    return (struct real_executor *)(void *)executor;
}

static uint64_t
real_now(struct pk_executor *executor)
{
    (void)executor;
    struct timespec now = { 0 };
    int failed = clock_gettime(CLOCK_MONOTONIC, &now);
    assert(failed == 0);
    (void)failed;
    return (uint64_t)now.tv_sec * NANOSECONDS + (uint64_t)now.tv_nsec;
}

/* Waits until the first timer is due or something changes; with the lock. */
static void
timer_wait(struct real_executor *executor, const struct pk_timer *first)
{
    if (first == NULL) {
        (void)pthread_cond_wait(&executor->wake, &executor->lock);
        return;
    }
    struct timespec until = {
        .tv_sec = (time_t)(first->when / NANOSECONDS),
        .tv_nsec = (long)(first->when % NANOSECONDS),
    };
    (void)pthread_cond_timedwait(&executor->wake, &executor->lock, &until);
}

static void *
timer_main(void *arg)
{
    struct real_executor *executor = arg;
    (void)pthread_mutex_lock(&executor->lock);
    while (!executor->stopping) {
        struct pk_timer *first = RB_MIN(timer_tree, &executor->timers);
        if (first == NULL || first->when > real_now(&executor->base)) {
            timer_wait(executor, first);
            continue;
        }
        RB_REMOVE(timer_tree, &executor->timers, first);
        first->armed = 0;
        executor->begun++;
        executor->busy = true;
        (void)pthread_mutex_unlock(&executor->lock);
        first->run(first);
        (void)pthread_mutex_lock(&executor->lock);
        executor->busy = false;
        (void)pthread_cond_broadcast(&executor->ended);
    }
    (void)pthread_mutex_unlock(&executor->lock);
    return NULL;
}

/* The thread starts with the first timer. Without one, timers stay armed, and the next timer that
 * is set tries again. With the lock. */
static void
timer_thread_start(struct real_executor *executor)
{
    if (executor->started)
        return;
    int failed = pk_thread_start(&executor->thread, "pk-timer", timer_main, executor);
    if (failed == 0)
        executor->started = true;
    else
        pk_log(PK_LOG_ERROR, "executor", "can't start the timer thread (errno %d)", -failed);
}

static void
real_timer_set(struct pk_executor *base, struct pk_timer *timer, uint64_t when)
{
    struct real_executor *executor = real_executor(base);
    assert(timer->run != NULL);
    (void)pthread_mutex_lock(&executor->lock);
    assert(!executor->stopping);
    if (timer->armed)
        RB_REMOVE(timer_tree, &executor->timers, timer);
    timer->armed = when != PK_FOREVER;
    if (timer->armed) {
        timer->when = when;
        timer->sequence = executor->next_sequence++;
        RB_INSERT(timer_tree, &executor->timers, timer);
        timer_thread_start(executor);
        if (RB_MIN(timer_tree, &executor->timers) == timer)
            (void)pthread_cond_signal(&executor->wake);
    }
    (void)pthread_mutex_unlock(&executor->lock);
}

static bool
real_timer_clear(struct pk_executor *base, struct pk_timer *timer)
{
    struct real_executor *executor = real_executor(base);
    (void)pthread_mutex_lock(&executor->lock);
    bool armed = timer->armed;
    if (armed) {
        RB_REMOVE(timer_tree, &executor->timers, timer);
        timer->armed = 0;
    }
    (void)pthread_mutex_unlock(&executor->lock);
    return armed;
}

static void
real_timer_sync(struct pk_executor *base)
{
    struct real_executor *executor = real_executor(base);
    (void)pthread_mutex_lock(&executor->lock);
    assert(!executor->started || !pthread_equal(executor->thread, pthread_self()));
    uint64_t last = executor->begun; /* those after it are none of the caller's business */
    while (executor->busy && executor->begun == last)
        (void)pthread_cond_wait(&executor->ended, &executor->lock);
    (void)pthread_mutex_unlock(&executor->lock);
}

static void
real_free(struct pk_executor *base)
{
    struct real_executor *executor = real_executor(base);
    (void)pthread_mutex_lock(&executor->lock);
    assert(RB_EMPTY(&executor->timers));
    executor->stopping = true;
    bool started = executor->started;
    (void)pthread_cond_signal(&executor->wake);
    (void)pthread_mutex_unlock(&executor->lock);
    if (started) {
        assert(!pthread_equal(executor->thread, pthread_self()));
        (void)pthread_join(executor->thread, NULL);
    }
    (void)pthread_cond_destroy(&executor->ended);
    (void)pthread_cond_destroy(&executor->wake);
    (void)pthread_mutex_destroy(&executor->lock);
    free(executor);
}

static const struct pk_executor_ops real_ops = {
    .now = real_now,
    .queue_new = pk_worker_queue_new,
    .queue_free = pk_worker_queue_free,
    .submit = pk_worker_queue_submit,
    .push = pk_worker_queue_push,
    .waiting = pk_worker_queue_waiting,
    .timer_set = real_timer_set,
    .timer_clear = real_timer_clear,
    .timer_sync = real_timer_sync,
    .free = real_free,
};

int32_t
pk_executor_new(struct pk_executor **ret_executor, struct pk_error *err)
{
    struct real_executor *executor = calloc(1, sizeof(*executor));
    if (executor == NULL)
        return pk_fail(err, -ENOMEM, "no memory for an executor");
    int failed = pk_thread_cond_init(&executor->wake);
    if (failed != 0) {
        free(executor);
        return pk_fail(err, failed, "can't make a condition variable");
    }
    (void)pthread_mutex_init(&executor->lock, NULL); /* the default kinds can't fail */
    (void)pthread_cond_init(&executor->ended, NULL);
    executor->base.ops = &real_ops;
    RB_INIT(&executor->timers);
    *ret_executor = &executor->base;
    return 0;
}
