/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory for what comes and goes with each request. glibc's calloc goes past the cache that each
 * thread has for malloc, and costs several times as much; and a compiler that sees a malloc and a
 * memset behind it makes a calloc of the two.
 */
#ifndef PK_MEMORY_H
#define PK_MEMORY_H

#include <stdlib.h>
#include <string.h>

/* Both: free(3) it. NULL: out of memory. */
static inline void *
pk_memory(size_t size)
{
    void *memory = malloc(size);

    __asm__("" : "+r"(memory)); /* from here on the compiler doesn't know where it is from */
    return memory;
}

/* All zero. */
static inline void *
pk_zeroed(size_t size)
{
    void *memory = pk_memory(size);

    return memory != NULL ? memset(memory, 0, size) : NULL;
}

#endif
