/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watches how slots are called, on behalf of the factories of the simulation: with no lock of the
 * peer's held, never from within an emit, and on a worker where they may block. One thread only.
 */
#ifndef SIM_WATCH_H
#define SIM_WATCH_H

#include <packice/blob.h>
#include <pthread.h>
#include <stdbool.h>

struct pk_queue;

enum { WATCH_BLOB, WATCH_LEASE, WATCH_KINDS };

struct watch {
    pthread_mutex_t *lock; /* not to be held when a slot is called; NULL = there is none */
    const struct pk_queue *const *working;      /* whose work is being run; NULL = nobody knows */
    const struct pk_queue *queues[WATCH_KINDS]; /* of the instances */
    uint32_t block_op[WATCH_KINDS]; /* this slot of the kind says that it may block; 0 = none */
    uint32_t emitting;              /* emits under way */
    int32_t fail_with;              /* what one slot shall fail with; 0 = none */
    uint32_t fail_after;            /* slots that go well before; UINT32_MAX once it failed */
    char complaint[200];            /* the first broken contract */
};

__attribute__((format(printf, 2, 3))) static inline void
watch_complain(struct watch *watch, const char *format, ...)
{
    va_list args;

    if (watch->complaint[0] != '\0')
        return;
    va_start(args, format);
    (void)vsnprintf(watch->complaint, sizeof(watch->complaint), format, args);
    va_end(args);
}

/* Nothing of a plugin may be called just now if the lock is held. */
static inline void
watch_free(struct watch *watch)
{
    if (watch->lock == NULL)
        return;
    if (pthread_mutex_trylock(watch->lock) == 0)
        (void)pthread_mutex_unlock(watch->lock);
    else
        watch_complain(watch, "a plugin was called under the peer's lock");
}

/* Whether a slot that may block may be called just now: recover has a queue of its own. */
static inline bool
watch_is_worker(const struct watch *watch, uint32_t kind, uint32_t op)
{
    if (watch->working == NULL)
        return true;
    if (kind == WATCH_BLOB && op == PK_BLOB_RECOVER)
        return *watch->working != NULL;
    return *watch->working == watch->queues[kind];
}

/* Every slot begins here. Returns 0, or what it shall fail with. */
static inline int32_t
watch_slot(struct watch *watch, uint32_t kind, uint32_t op)
{
    watch_free(watch);
    if (watch->emitting > 0)
        watch_complain(watch, "slot %u of kind %u was called from within an emit", op, kind);
    if (op == watch->block_op[kind] && !watch_is_worker(watch, kind, op))
        watch_complain(watch, "slot %u of kind %u, which may block, on no worker of its own", op,
                       kind);
    return watch->fail_with != 0 && watch->fail_after-- == 0 ? watch->fail_with : 0;
}

#endif
