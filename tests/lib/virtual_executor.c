/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The virtual executor: lists instead of threads.
 */
#include "virtual_executor.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int
timer_order(struct pk_timer *one, struct pk_timer *other)
{
    if (one->when != other->when)
        return one->when < other->when ? -1 : 1;
    return (one->sequence > other->sequence) - (one->sequence < other->sequence);
}

RB_GENERATE_INTERNAL(virtual_timers, pk_timer, entry, timer_order,
                     __attribute__((__unused__)) static inline)

static struct virtual_executor *virtual(struct pk_executor *base)
{
    return (struct virtual_executor *)(void *)base;
}

static uint64_t
virtual_now(struct pk_executor *base)
{
    return virtual(base)->now;
}

static int32_t
virtual_queue_new(struct pk_executor *base, const char *name, uint32_t workers, uint32_t bound,
                  struct pk_queue **ret_queue)
{
    (void)name;
    (void)workers;
    (void)bound;
    struct pk_queue *queue = calloc(1, sizeof(*queue));
    if (queue == NULL)
        return -ENOMEM;
    queue->executor = base;
    *ret_queue = queue;
    return 0;
}

static void
virtual_queue_free(struct pk_queue *queue)
{
    free(queue);
}

static void
virtual_push(struct pk_queue *queue, struct pk_work *work)
{
    struct virtual_executor *executor = virtual(queue->executor);

    if (executor->work_count == executor->work_room) {
        executor->work_room = executor->work_room * 2 + 16;
        executor->works = realloc(executor->works, executor->work_room * sizeof(*executor->works));
        assert(executor->works != NULL);
    }
    executor->works[executor->work_count++] = (struct virtual_work){ work, queue };
}

static uint32_t
virtual_waiting(struct pk_queue *queue)
{
    struct virtual_executor *executor = virtual(queue->executor);
    uint64_t idle = executor->idle & 1U;

    executor->idle = executor->idle >> 1U | idle << 63U;
    return idle == 0;
}

static int32_t
virtual_submit(struct pk_queue *queue, struct pk_work *work)
{
    virtual_push(queue, work);
    return 0;
}

static bool
virtual_timer_clear(struct pk_executor *base, struct pk_timer *timer)
{
    bool armed = timer->armed != 0;

    if (armed)
        (void)RB_REMOVE(virtual_timers, &virtual(base)->timers, timer);
    timer->armed = 0;
    return armed;
}

static void
virtual_timer_set(struct pk_executor *base, struct pk_timer *timer, uint64_t when)
{
    struct virtual_executor *executor = virtual(base);

    (void)virtual_timer_clear(base, timer);
    if (when == PK_FOREVER)
        return;
    timer->when = when;
    timer->sequence = executor->sequence++;
    timer->armed = 1;
    (void)RB_INSERT(virtual_timers, &executor->timers, timer);
}

static void
virtual_timer_sync(struct pk_executor *base)
{
    (void)base; /* nothing runs but what the test runs */
}

static void
virtual_free(struct pk_executor *base)
{
    (void)base; /* it is the test's memory */
}

static const struct pk_executor_ops virtual_ops = {
    .now = virtual_now,
    .queue_new = virtual_queue_new,
    .queue_free = virtual_queue_free,
    .submit = virtual_submit,
    .push = virtual_push,
    .waiting = virtual_waiting,
    .timer_set = virtual_timer_set,
    .timer_clear = virtual_timer_clear,
    .timer_sync = virtual_timer_sync,
    .free = virtual_free,
};

void
virtual_executor_init(struct virtual_executor *executor, uint64_t now)
{
    memset(executor, 0, sizeof(*executor));
    executor->base.ops = &virtual_ops;
    executor->now = now;
    RB_INIT(&executor->timers);
}

void
virtual_executor_finish(struct virtual_executor *executor)
{
    assert(executor->work_count == 0 && RB_EMPTY(&executor->timers));
    free(executor->works);
}

void
virtual_executor_run(struct virtual_executor *executor, size_t index)
{
    struct virtual_work work = executor->works[index];

    executor->works[index] = executor->works[--executor->work_count];
    const struct pk_queue *outer = executor->working;

    executor->working = work.queue;
    work.work->run(work.work);
    executor->working = outer;
}

void
virtual_executor_advance(struct virtual_executor *executor, uint64_t now)
{
    struct pk_timer *timer;

    while ((timer = RB_MIN(virtual_timers, &executor->timers)) != NULL && timer->when <= now) {
        if (timer->when > executor->now)
            executor->now = timer->when;
        (void)virtual_timer_clear(&executor->base, timer);
        timer->run(timer);
    }
    executor->now = now;
}
