/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An executor without threads and with a clock of its own: work waits until the test picks some to
 * run, time stands still until the test moves it.
 */
#ifndef TEST_VIRTUAL_EXECUTOR_H
#define TEST_VIRTUAL_EXECUTOR_H

#include "core/executor.h"
#include <stddef.h>

struct virtual_work {
    struct pk_work *work;
    const struct pk_queue *queue;
};

struct virtual_executor {
    struct pk_executor base;
    uint64_t now;
    uint64_t sequence;
    struct virtual_work *works; /* waiting, of all queues */
    size_t work_count;
    size_t work_room;
    const struct pk_queue *working; /* a work of this one is being run, as on its worker */
    uint64_t idle; /* a bit for each time somebody asks, over and over: nobody waits in a queue */
    RB_HEAD(virtual_timers, pk_timer) timers;
};

void virtual_executor_init(struct virtual_executor *executor, uint64_t now);
void virtual_executor_finish(struct virtual_executor *executor);

/* Runs the waiting work of this index. */
void virtual_executor_run(struct virtual_executor *executor, size_t index);
/* Moves the clock to `now`, firing timers in their order on the way. */
void virtual_executor_advance(struct virtual_executor *executor, uint64_t now);

#endif
