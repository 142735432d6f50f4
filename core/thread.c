/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starts threads that no signal reaches, with names. It keeps track of none: whoever starts one
 * joins it.
 */
#include "core/thread.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>

#define NAME_SIZE 16 /* what the kernel keeps, with the NUL */

int32_t
pk_thread_start(pthread_t *ret_thread, const char *name, void *(*run)(void *arg), void *arg)
{
    sigset_t all;
    sigset_t saved;
    (void)sigfillset(&all);
    int failed = pthread_sigmask(SIG_SETMASK, &all, &saved);
    if (failed != 0)
        return -failed;
    pthread_t thread;
    failed = pthread_create(&thread, NULL, run, arg);
    (void)pthread_sigmask(SIG_SETMASK, &saved, NULL);
    if (failed != 0)
        return -failed;

    char short_name[NAME_SIZE];
    (void)snprintf(short_name, sizeof(short_name), "%s", name);
    (void)pthread_setname_np(thread, short_name); /* only debuggers would miss it */
    *ret_thread = thread;
    return 0;
}

int32_t
pk_thread_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attr;
    int failed = pthread_condattr_init(&attr);
    if (failed != 0)
        return -failed;
    failed = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    if (failed == 0)
        failed = pthread_cond_init(cond, &attr);
    (void)pthread_condattr_destroy(&attr);
    return -failed;
}
