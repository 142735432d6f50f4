/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker queue: works in the order they came, and threads that start when there is more work
 * than idle ones. It never runs a work with its lock held, and never touches one again once its
 * run began.
 */
#include "core/queue.h"

#include "core/thread.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct worker_queue {
    struct pk_queue base;
    char name[16];
    uint32_t bound;
    uint32_t workers;     /* threads there may be */
    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t wake;  /* a work came, or stopping was set */
    struct pk_work *first;
    struct pk_work **last; /* where the next one is hooked in */
    uint32_t waiting;      /* works in the list */
    uint32_t started;      /* threads there are */
    uint32_t idle;         /* threads that wait */
    bool stopping;
    pthread_t threads[]; /* the first `started` of `workers` */
};

static struct worker_queue *
worker_queue(struct pk_queue *queue)
{
    return (struct worker_queue *)(void *)queue;
}

static void
work_append(struct worker_queue *queue, struct pk_work *work)
{
    assert(work->run != NULL);
    work->next = NULL;
    *queue->last = work;
    queue->last = &work->next;
    queue->waiting++;
}

static struct pk_work *
work_take(struct worker_queue *queue)
{
    struct pk_work *work = queue->first;
    if (work == NULL)
        return NULL;
    queue->first = work->next;
    if (queue->first == NULL)
        queue->last = &queue->first;
    queue->waiting--;
    work->next = NULL;
    return work;
}

static void *
worker_main(void *arg)
{
    struct worker_queue *queue = arg;
    (void)pthread_mutex_lock(&queue->lock);
    for (;;) {
        struct pk_work *work = work_take(queue);
        if (work != NULL) {
            (void)pthread_mutex_unlock(&queue->lock);
            work->run(work);
            (void)pthread_mutex_lock(&queue->lock);
        } else if (queue->stopping) {
            break;
        } else {
            queue->idle++;
            (void)pthread_cond_wait(&queue->wake, &queue->lock);
            queue->idle--;
        }
    }
    (void)pthread_mutex_unlock(&queue->lock);
    return NULL;
}

/* Sees to it that a thread comes for one work more than wait now; with the lock. -EAGAIN: there is
 * none at all. */
static int32_t
worker_call(struct worker_queue *queue)
{
    if (queue->waiting < queue->idle || queue->started == queue->workers) {
        (void)pthread_cond_signal(&queue->wake);
        return 0;
    }
    int32_t failed =
        pk_thread_start(&queue->threads[queue->started], queue->name, worker_main, queue);
    if (failed == 0) {
        queue->started++;
        return 0;
    }
    return queue->started > 0 ? 0 : -EAGAIN; /* those there are get to it in time */
}

int32_t
pk_worker_queue_submit(struct pk_queue *base, struct pk_work *work)
{
    struct worker_queue *queue = worker_queue(base);
    (void)pthread_mutex_lock(&queue->lock);
    int32_t result = queue->waiting >= queue->bound ? -EBUSY : worker_call(queue);
    if (result == 0)
        work_append(queue, work);
    (void)pthread_mutex_unlock(&queue->lock);
    return result;
}

uint32_t
pk_worker_queue_waiting(struct pk_queue *base)
{
    struct worker_queue *queue = worker_queue(base);
    (void)pthread_mutex_lock(&queue->lock);
    uint32_t waiting = queue->waiting;
    (void)pthread_mutex_unlock(&queue->lock);
    return waiting;
}

void
pk_worker_queue_push(struct pk_queue *base, struct pk_work *work)
{
    struct worker_queue *queue = worker_queue(base);
    (void)pthread_mutex_lock(&queue->lock);
    int32_t result = worker_call(queue);
    if (result == 0)
        work_append(queue, work);
    (void)pthread_mutex_unlock(&queue->lock);
    if (result != 0)
        work->run(work);
}

int32_t
pk_worker_queue_new(struct pk_executor *executor, const char *name, uint32_t workers,
                    uint32_t bound, struct pk_queue **ret_queue)
{
    assert(workers > 0);
    struct worker_queue *queue = calloc(1, sizeof(*queue) + workers * sizeof(queue->threads[0]));
    if (queue == NULL)
        return -ENOMEM;
    if (pk_thread_cond_init(&queue->wake) != 0) {
        free(queue);
        return -ENOMEM;
    }
    (void)pthread_mutex_init(&queue->lock, NULL); /* the default kind can't fail */
    (void)snprintf(queue->name, sizeof(queue->name), "%s", name);
    queue->base.executor = executor;
    queue->workers = workers;
    queue->bound = bound;
    queue->last = &queue->first;
    *ret_queue = &queue->base;
    return 0;
}

void
pk_worker_queue_free(struct pk_queue *base)
{
    struct worker_queue *queue = worker_queue(base);
    (void)pthread_mutex_lock(&queue->lock);
    queue->stopping = true;
    (void)pthread_cond_broadcast(&queue->wake);
    (void)pthread_mutex_unlock(&queue->lock);
    /* A work that still runs may push another one, and that start another thread: so `started` is
     * read anew. Once the last thread was joined, nothing is left to do so. */
    for (uint32_t i = 0;; i++) {
        (void)pthread_mutex_lock(&queue->lock);
        uint32_t started = queue->started;
        (void)pthread_mutex_unlock(&queue->lock);
        if (i == started)
            break;
        assert(!pthread_equal(queue->threads[i], pthread_self()));
        (void)pthread_join(queue->threads[i], NULL);
    }
    assert(queue->first == NULL);
    (void)pthread_cond_destroy(&queue->wake);
    (void)pthread_mutex_destroy(&queue->lock);
    free(queue);
}
