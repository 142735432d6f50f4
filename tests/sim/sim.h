/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random numbers that are the same on every machine for the same seed.
 */
#ifndef SIM_H
#define SIM_H

#include <stdbool.h>
#include <stdint.h>

struct sim_random {
    uint64_t state;
};

/* splitmix64 (Steele, Lea and Flood: Fast splittable pseudorandom number generators). */
static inline uint64_t
sim_next(struct sim_random *random)
{
    uint64_t z = random->state += 0x9e3779b97f4a7c15U;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}

/* 0 to bound - 1. */
static inline uint32_t
sim_below(struct sim_random *random, uint32_t bound)
{
    return (uint32_t)(sim_next(random) % bound);
}

static inline bool
sim_percent(struct sim_random *random, uint32_t percent)
{
    return sim_below(random, 100) < percent;
}

#endif
