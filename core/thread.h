/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every thread of core has in common: all signals blocked, so that they reach the program's
 * own threads, and a name for debuggers; and condition variables on the monotonic clock.
 */
#ifndef PK_THREAD_H
#define PK_THREAD_H

#include <pthread.h>
#include <stdint.h>

/* Starts a joinable thread with all signals blocked; name is cut to 15 bytes. 0, or a negative
 * errno (-EAGAIN: no more threads). */
int32_t pk_thread_start(pthread_t *ret_thread, const char *name, void *(*run)(void *arg),
                        void *arg);

/* A condition variable whose timed waits count on CLOCK_MONOTONIC. 0 or -ENOMEM. */
int32_t pk_thread_cond_init(pthread_cond_t *cond);

#endif
