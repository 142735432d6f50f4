/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time and threads for everything in core: a clock, timers, and bounded worker queues. Core knows
 * no other source of either, so a test can put virtual ones in their place.
 */
#ifndef PK_EXECUTOR_H
#define PK_EXECUTOR_H

#include <bsd/sys/tree.h>
#include <packice/types.h>
#include <stdbool.h>

struct pk_executor;
struct pk_queue;

/* Work embedded in whatever it is about, so that handing it over can't fail for want of memory.
 * Zero it, set run, and leave it alone until it ran. */
struct pk_work {
    void (*run)(struct pk_work *work);
    struct pk_work *next; /* the executor's */
};

/* A timer, embedded likewise. Zero it before its first use. */
struct pk_timer {
    void (*run)(struct pk_timer *timer);
    uint64_t when; /* the executor's, as are the next three */
    uint64_t sequence;
    uint32_t armed;
    RB_ENTRY(pk_timer) entry;
};

struct pk_executor_ops {
    uint64_t (*now)(struct pk_executor *executor);
    int32_t (*queue_new)(struct pk_executor *executor, const char *name, uint32_t workers,
                         uint32_t bound, struct pk_queue **ret_queue);
    void (*queue_free)(struct pk_queue *queue);
    int32_t (*submit)(struct pk_queue *queue, struct pk_work *work);
    void (*push)(struct pk_queue *queue, struct pk_work *work);
    uint32_t (*waiting)(struct pk_queue *queue);
    void (*timer_set)(struct pk_executor *executor, struct pk_timer *timer, uint64_t when);
    bool (*timer_clear)(struct pk_executor *executor, struct pk_timer *timer);
    void (*timer_sync)(struct pk_executor *executor);
    void (*free)(struct pk_executor *executor);
};

/* First member of every executor, and of every queue of it. */
struct pk_executor {
    const struct pk_executor_ops *ops;
};
struct pk_queue {
    struct pk_executor *executor;
};

/* The real one: CLOCK_MONOTONIC, one timer thread, started with the first timer, and the workers of
 * each queue, started when there is work for them. All its threads block all signals. 0, -ENOMEM,
 * -EAGAIN. */
int32_t pk_executor_new(struct pk_executor **ret_executor, struct pk_error *err);

/* All queues were freed, no timer is armed. Joins the timer thread. NULL is fine. */
static inline void
pk_executor_free(struct pk_executor *executor)
{
    if (executor != NULL)
        executor->ops->free(executor);
}

/* CLOCK_MONOTONIC nanoseconds, or virtual ones. Any thread. */
static inline uint64_t
pk_executor_now(struct pk_executor *executor)
{
    return executor->ops->now(executor);
}

/* A queue with up to `workers` threads that accepts `bound` waiting works by submit. name is for
 * debuggers, at most 15 bytes. 0, -ENOMEM. */
static inline int32_t
pk_queue_new(struct pk_executor *executor, const char *name, uint32_t workers, uint32_t bound,
             struct pk_queue **ret_queue)
{
    return executor->ops->queue_new(executor, name, workers, bound, ret_queue);
}

/* Runs what is queued, then ends the workers. Not from a worker. NULL is fine. */
static inline void
pk_queue_free(struct pk_queue *queue)
{
    if (queue != NULL)
        queue->executor->ops->queue_free(queue);
}

/* Runs work->run(work) on a worker. 0; -EBUSY: as many wait as may; then it won't run. Any thread.
 * If no worker thread can be started at all, -EAGAIN, and it won't run. */
static inline int32_t
pk_queue_submit(struct pk_queue *queue, struct pk_work *work)
{
    return queue->executor->ops->submit(queue, work);
}

/* As submit, but beyond the bound too: for cleaning up, which must happen. If no thread can be
 * started, it runs on the caller's. Any thread. */
/* How many works wait for a thread. Any thread. */
static inline uint32_t
pk_queue_waiting(struct pk_queue *queue)
{
    return queue->executor->ops->waiting(queue);
}

static inline void
pk_queue_push(struct pk_queue *queue, struct pk_work *work)
{
    queue->executor->ops->push(queue, work);
}

/* Runs timer->run(timer) once now >= when, on the executor's timer thread: it must be quick and
 * must not block. Sets it anew if it is armed. PK_FOREVER disarms it. Any thread; with locks held
 * is fine. */
static inline void
pk_timer_set(struct pk_executor *executor, struct pk_timer *timer, uint64_t when)
{
    executor->ops->timer_set(executor, timer, when);
}

/* True: the timer was armed and will not run. False: it wasn't, or its run has begun and may still
 * be under way on another thread; whoever frees its memory sorts that out with a lock of their
 * own and a count. */
static inline bool
pk_timer_clear(struct pk_executor *executor, struct pk_timer *timer)
{
    return executor->ops->timer_clear(executor, timer);
}

/* Returns once no timer's run that had begun before is still under way. Not from a timer's run. */
static inline void
pk_timer_sync(struct pk_executor *executor)
{
    executor->ops->timer_sync(executor);
}

#endif
