/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The counter of tests/lib/gate.h. It aborts where a wait does not end: a deadlock is a failure
 * with a stack, not a test that hangs.
 */
#include "tests/lib/gate.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define DEADLINE 50 /* seconds; below that of the suite */

uint32_t
gate_pass(struct gate *gate)
{
    (void)pthread_mutex_lock(&gate->lock);
    uint32_t count = ++gate->count;
    (void)pthread_cond_broadcast(&gate->changed);
    (void)pthread_mutex_unlock(&gate->lock);
    return count;
}

void
gate_wait(struct gate *gate, uint32_t count)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += DEADLINE;
    (void)pthread_mutex_lock(&gate->lock);
    while (gate->count < count) {
        if (pthread_cond_timedwait(&gate->changed, &gate->lock, &until) == ETIMEDOUT) {
            (void)fprintf(stderr, "gate: %u of %u came\n", gate->count, count);
            abort();
        }
    }
    (void)pthread_mutex_unlock(&gate->lock);
}

uint32_t
gate_count(struct gate *gate)
{
    (void)pthread_mutex_lock(&gate->lock);
    uint32_t count = gate->count;
    (void)pthread_mutex_unlock(&gate->lock);
    return count;
}
