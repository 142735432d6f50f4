/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conversions of time, saturating throughout.
 */
#include "sdk/moment.h"
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <packice/client.h>
#include <time.h>

#define SECOND UINT64_C(1000000000)

uint64_t
packice_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* can't fail with this clock */
    return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
}

uint64_t
packice_deadline(uint64_t wait, uint64_t more)
{
    if (wait >= PACKICE_LONGEST || more >= PACKICE_LONGEST)
        return PK_FOREVER;
    return packice_now() + wait + more;
}

int32_t
packice_from_seconds(double seconds, const char *name, uint64_t *ret_nanoseconds,
                     struct pk_error *err)
{
    if (isnan(seconds) || seconds < 0)
        return pk_fail(err, -EINVAL, "%s: not a number of seconds from 0 on", name);
    double nanoseconds = seconds * (double)SECOND;
    if (nanoseconds >= (double)PACKICE_LONGEST)
        *ret_nanoseconds = PK_FOREVER;
    else if (seconds > 0 && nanoseconds < 1) /* 0 would mean something else */
        *ret_nanoseconds = 1;
    else
        *ret_nanoseconds = (uint64_t)nanoseconds;
    return 0;
}

double
packice_to_seconds(uint64_t nanoseconds)
{
    return nanoseconds == PK_FOREVER ? PACKICE_FOREVER : (double)nanoseconds / (double)SECOND;
}

int
packice_poll_timeout(uint64_t deadline)
{
    if (deadline == PK_FOREVER)
        return -1;
    uint64_t now = packice_now();
    if (now >= deadline)
        return 0;
    uint64_t milliseconds = (deadline - now + 999999) / 1000000;
    return milliseconds < INT_MAX ? (int)milliseconds : INT_MAX;
}

int32_t
packice_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attr;
    if (pthread_condattr_init(&attr) != 0)
        return -ENOMEM;
    int rc = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    if (rc == 0)
        rc = pthread_cond_init(cond, &attr);
    (void)pthread_condattr_destroy(&attr);
    return rc == 0 ? 0 : -ENOMEM;
}

int32_t
packice_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t deadline)
{
    if (deadline == PK_FOREVER) {
        (void)pthread_cond_wait(cond, lock);
        return 0;
    }
    struct timespec when = { .tv_sec = (time_t)(deadline / SECOND),
                             .tv_nsec = (long)(deadline % SECOND) };
    return pthread_cond_timedwait(cond, lock, &when) == ETIMEDOUT ? -ETIMEDOUT : 0;
}
