/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread for each handful, which ends with it. Well-behaved clients pass nothing that comes here.
 */
#include "closer.h"
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define UDS_CLOSING_MAX 256U /* descriptors, above which no more are wanted */

struct uds_closer {
    atomic_uint refs; /* its owner's, and one for each thread */
    atomic_uint closing;
};

struct handful {
    struct uds_closer *closer;
    uint32_t count;
    int fds[];
};

struct uds_closer *
uds_closer_new(void)
{
    struct uds_closer *closer = malloc(sizeof(*closer));
    if (closer == NULL)
        return NULL;
    atomic_init(&closer->refs, 1);
    atomic_init(&closer->closing, 0);
    return closer;
}

void
uds_closer_release(struct uds_closer *closer)
{
    if (closer != NULL && atomic_fetch_sub(&closer->refs, 1) == 1)
        free(closer);
}

bool
uds_closer_is_ready(struct uds_closer *closer)
{
    return atomic_load(&closer->closing) < UDS_CLOSING_MAX;
}

static void *
run(void *arg)
{
    struct handful *handful = arg;
    for (uint32_t i = 0; i < handful->count; i++) {
        (void)close(handful->fds[i]);
        atomic_fetch_sub(&handful->closer->closing, 1);
    }
    uds_closer_release(handful->closer);
    free(handful);
    return NULL;
}

static int
start(struct handful *handful)
{
    pthread_t thread;
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int r = pthread_create(&thread, NULL, run, handful);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (r == 0)
        (void)pthread_detach(thread);
    return r;
}

void
uds_closer_close(struct uds_closer *closer, const int *fds, uint32_t count)
{
    if (count == 0)
        return;
    struct handful *handful = malloc(sizeof(*handful) + count * sizeof(fds[0]));
    if (handful == NULL) {
        for (uint32_t i = 0; i < count; i++)
            (void)close(fds[i]);
        return;
    }
    handful->closer = closer;
    handful->count = count;
    memcpy(handful->fds, fds, count * sizeof(fds[0]));
    atomic_fetch_add(&closer->refs, 1);
    atomic_fetch_add(&closer->closing, count);
    if (start(handful) != 0)
        (void)run(handful);
}
