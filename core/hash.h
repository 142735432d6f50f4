/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uthash as core uses it: with a hash whose seed is this process's own, so that nobody can choose
 * names that all fall into one bucket, and telling of a want of memory instead of ending. Include
 * this instead of <uthash.h>.
 */
#ifndef PK_HASH_H
#define PK_HASH_H

#include "core/memory.h"
#include <packice/types.h>
#include <stddef.h>

/* Draws the seed, once for the process; before the first table. -EIO: no randomness. */
int32_t pk_hash_init(void);
uint32_t pk_hash(const void *bytes, size_t size);

#define HASH_NONFATAL_OOM 1
#define uthash_malloc(size) pk_memory(size)
#define HASH_FUNCTION(bytes, size, hash) ((hash) = pk_hash(bytes, size))
#include <uthash.h>

#endif
