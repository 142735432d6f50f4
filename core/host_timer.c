/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Timers of plugins: they fire on the executor's timer thread, which only hands them over, and do
 * their work on the instance's own queue. A timer is named by a number, so a stale one is harmless.
 */
#include "core/host.h"

#include <errno.h>
#include <stdlib.h>

/*
 * Armed, then fired (on the queue), then running; `cancelled` may come at any point before running.
 * In the tree until it runs or is cancelled. Whoever takes the last step frees it: timer_cancel or
 * the close while it is armed, else the worker.
 */
struct pk_host_timer {
    struct pk_timer timer;
    struct pk_work work;
    struct pk_host_state *state;
    void (*run)(void *arg);
    void *arg;
    uint64_t id;
    bool cancelled;
    RB_ENTRY(pk_host_timer) entry;
};

static int
timer_compare(const struct pk_host_timer *a, const struct pk_host_timer *b)
{
    return a->id < b->id ? -1 : a->id > b->id;
}

RB_GENERATE_INTERNAL(pk_host_timers, pk_host_timer, entry, timer_compare,
                     __attribute__((unused)) static)

#define TIMER_OF(pointer, member) \
    ((struct pk_host_timer *)(void *)((char *)(pointer)-offsetof(struct pk_host_timer, member)))

/* With the lock: one timer less that could still come to the queue. */
static void
timer_landed(struct pk_host_state *state)
{
    if (--state->flying == 0)
        (void)pthread_cond_broadcast(&state->quiet);
}

/* On a worker. */
static void
timer_work(struct pk_work *work)
{
    struct pk_host_timer *timer = TIMER_OF(work, work);
    struct pk_host_state *state = timer->state;
    (void)pthread_mutex_lock(&state->lock);
    bool cancelled = timer->cancelled;
    if (!cancelled)
        RB_REMOVE(pk_host_timers, &state->timers, timer);
    (void)pthread_mutex_unlock(&state->lock);
    void (*run)(void *arg) = timer->run;
    void *arg = timer->arg;
    free(timer);
    if (!cancelled)
        run(arg);
}

/* On the executor's timer thread. The queue outlives this: the close waits for `flying`. */
static void
timer_fire(struct pk_timer *fired)
{
    struct pk_host_timer *timer = TIMER_OF(fired, timer);
    struct pk_host_state *state = timer->state;
    pk_queue_push(state->base.queue, &timer->work);
    (void)pthread_mutex_lock(&state->lock);
    timer_landed(state);
    (void)pthread_mutex_unlock(&state->lock);
}

int32_t
pk_host_timer_set(void *ctx, uint64_t when, void (*work)(void *arg), void *arg, uint64_t *ret_timer)
{
    struct pk_host_state *state = ctx;
    struct pk_host_timer *timer = calloc(1, sizeof(*timer));
    if (timer == NULL)
        return -ENOMEM;
    timer->timer.run = timer_fire;
    timer->work.run = timer_work;
    timer->state = state;
    timer->run = work;
    timer->arg = arg;

    (void)pthread_mutex_lock(&state->lock);
    if (state->closing) {
        (void)pthread_mutex_unlock(&state->lock);
        free(timer);
        return -EBUSY;
    }
    timer->id = ++state->next_timer;
    (void)RB_INSERT(pk_host_timers, &state->timers, timer);
    state->flying++;
    /* before it can fire, and so be gone */
    if (ret_timer != NULL)
        *ret_timer = timer->id;
    /* PK_FOREVER, which would never fire, is as far away and can be found by the close */
    pk_timer_set(state->base.executor, &timer->timer, when == PK_FOREVER ? when - 1 : when);
    (void)pthread_mutex_unlock(&state->lock);
    return 0;
}

/* With the lock: takes it out of the tree. True: it is the caller's to free; false: the worker's.
 */
static bool
timer_take_back(struct pk_host_state *state, struct pk_host_timer *timer)
{
    RB_REMOVE(pk_host_timers, &state->timers, timer);
    timer->cancelled = true;
    if (!pk_timer_clear(state->base.executor, &timer->timer))
        return false;
    timer_landed(state);
    return true;
}

int32_t
pk_host_timer_cancel(void *ctx, uint64_t id)
{
    struct pk_host_state *state = ctx;
    struct pk_host_timer wanted = { .id = id };
    (void)pthread_mutex_lock(&state->lock);
    struct pk_host_timer *timer = RB_FIND(pk_host_timers, &state->timers, &wanted);
    bool mine = timer != NULL && timer_take_back(state, timer);
    (void)pthread_mutex_unlock(&state->lock);
    if (mine)
        free(timer);
    return timer != NULL ? 0 : -ENOENT;
}

void
pk_host_timers_end(struct pk_host_state *state)
{
    (void)pthread_mutex_lock(&state->lock);
    struct pk_host_timer *next = NULL;
    for (struct pk_host_timer *timer = RB_MIN(pk_host_timers, &state->timers); timer != NULL;
         timer = next) {
        next = RB_NEXT(pk_host_timers, &state->timers, timer);
        /* one that fired is on its way: it runs before the plugin's close, as queued work does */
        if (!pk_timer_clear(state->base.executor, &timer->timer))
            continue;
        RB_REMOVE(pk_host_timers, &state->timers, timer);
        timer_landed(state);
        free(timer);
    }
    while (state->flying > 0)
        (void)pthread_cond_wait(&state->quiet, &state->lock);
    (void)pthread_mutex_unlock(&state->lock);
}
