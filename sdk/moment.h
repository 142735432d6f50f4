/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time: seconds as callers give them, nanoseconds as all else counts them, and waits that end.
 */
#ifndef PACKICE_SDK_MOMENT_H
#define PACKICE_SDK_MOMENT_H

#include <packice/types.h>
#include <pthread.h>
#include <stdint.h>

/* Waits and times to live that are longer than this have no end: a hundred years. */
#define PACKICE_LONGEST UINT64_C(3155760000000000000)

/* CLOCK_MONOTONIC nanoseconds. */
uint64_t packice_now(void);

/* now + wait + more; PK_FOREVER if that is beyond all bounds. */
uint64_t packice_deadline(uint64_t wait, uint64_t more);

/* Nanoseconds of seconds, PK_FOREVER from PACKICE_LONGEST on. name: of the option, for the message.
 * -EINVAL: negative, or not a number. */
int32_t packice_from_seconds(double seconds, const char *name, uint64_t *ret_nanoseconds,
                             struct pk_error *err);

/* And back: PACKICE_FOREVER for PK_FOREVER. */
double packice_to_seconds(uint64_t nanoseconds);

/* What poll takes: milliseconds until the deadline, rounded up, -1 for PK_FOREVER. */
int packice_poll_timeout(uint64_t deadline);

/* A condition whose waits go by CLOCK_MONOTONIC. 0 or -ENOMEM. */
int32_t packice_cond_init(pthread_cond_t *cond);

/* Waits with the lock held. 0, also for no reason; -ETIMEDOUT: the deadline has passed. */
int32_t packice_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t deadline);

#endif
