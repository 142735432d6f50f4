/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that is all zero, for what comes and goes with each request: glibc's calloc goes past the
 * cache that each thread has for malloc, and costs several times as much.
 */
#ifndef PK_MEMORY_H
#define PK_MEMORY_H

#include <stdlib.h>
#include <string.h>

/* free(3) it. NULL: out of memory. */
static inline void *
pk_zeroed(size_t size)
{
    void *memory = malloc(size);

    return memory != NULL ? memset(memory, 0, size) : NULL;
}

#endif
