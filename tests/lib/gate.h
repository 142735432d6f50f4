/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A counter that threads wait on: how tests put events of several threads in order without ever
 * sleeping. A wait that takes too long fails the test.
 */
#ifndef TEST_GATE_H
#define TEST_GATE_H

#include <pthread.h>
#include <stdint.h>

struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint32_t count;
};

#define GATE_INIT \
    { \
        PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0 \
    }

/* Counts one more, and returns the new count. */
uint32_t gate_pass(struct gate *gate);

/* Waits until the count is at least `count`. */
void gate_wait(struct gate *gate, uint32_t count);

/* The count now. */
uint32_t gate_count(struct gate *gate);

#endif
