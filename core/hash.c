/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hash behind core's tables: XXH3 with a random seed.
 */
#include "core/hash.h"

#include "core/id.h"

#include <pthread.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static uint64_t seed;
static int32_t drawn;

static void
draw_seed(void)
{
    drawn = pk_random(&seed, sizeof(seed));
}

int32_t
pk_hash_init(void)
{
    (void)pthread_once(&once, draw_seed);
    return drawn;
}

uint32_t
pk_hash(const void *bytes, size_t size)
{
    return (uint32_t)XXH3_64bits_withSeed(bytes, size, seed);
}
