/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One simulated history: a list of random operations on a world, and the verdict on what it did.
 * The same operations and options always do the same, so a list can be cut down to what matters.
 */
#ifndef SIM_HISTORY_H
#define SIM_HISTORY_H

#include "sim.h"
#include <stddef.h>

#define HISTORY_OPS 80U

struct history_op {
    uint32_t kind;
    uint32_t a, b, c, d; /* random, each kind takes what it needs */
};

struct history {
    uint64_t seed;
    struct history_op ops[HISTORY_OPS];
    uint32_t count;
};

/* All that a seed decides. */
void history_make(struct history *history, uint64_t seed);
/* Runs it in a new world. False, with why, if anything was wrong. Asserts of the code under test
 * end the process. */
bool history_run(const struct history *history, char *why, size_t size);
void history_print(const struct history *history);

#endif
