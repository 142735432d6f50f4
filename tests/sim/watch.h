/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watches how slots are called, on behalf of the factories of the simulation: with no lock of the
 * peer's held, never from within an emit, and on a worker where they may block. One thread only.
 */
#ifndef SIM_WATCH_H
#define SIM_WATCH_H

#include <packice/types.h>
#include <pthread.h>
#include <stdbool.h>

enum { WATCH_BLOB, WATCH_LEASE, WATCH_KINDS };

struct watch {
    pthread_mutex_t *lock;          /* not to be held when a slot is called; NULL = there is none */
    const bool *working;            /* a worker's work is being run */
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

/* Every slot begins here. Returns 0, or what it shall fail with. */
static inline int32_t
watch_slot(struct watch *watch, uint32_t kind, uint32_t op)
{
    watch_free(watch);
    if (watch->emitting > 0)
        watch_complain(watch, "slot %u of kind %u was called from within an emit", op, kind);
    if (op == watch->block_op[kind] && !*watch->working)
        watch_complain(watch, "slot %u of kind %u, which may block, on its caller's thread", op,
                       kind);
    return watch->fail_with != 0 && watch->fail_after-- == 0 ? watch->fail_with : 0;
}

#endif
