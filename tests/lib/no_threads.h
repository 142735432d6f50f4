/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counts the threads that a test starts, and lets it run out of them. A test that includes this is
 * linked with --wrap=pthread_create.
 */
#ifndef TEST_NO_THREADS_H
#define TEST_NO_THREADS_H

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

static atomic_bool no_threads;      /* true: none starts */
static atomic_uint threads_started; /* that did */
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *arg),
                          void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *arg),
                          void *arg);

int
__wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *arg),
                      void *arg)
{
    if (atomic_load(&no_threads))
        return EAGAIN;
    atomic_fetch_add(&threads_started, 1);
    return __real_pthread_create(thread, attr, run, arg);
}

#endif
