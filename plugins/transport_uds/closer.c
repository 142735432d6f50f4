/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread for each job, which ends with it. Well-behaved clients give it next to nothing to do.
 */
#include "closer.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* Jobs above which it would rather have no more; and of what the process may have open, the part
 * that may be waiting to be closed. */
#define UDS_JOBS_MAX 256U
#define UDS_CLOSING_PART 8U
#define UDS_JOBS_EACH 4U /* of one client, above which it should have no more */

#define UDS_STACK ((size_t)256 << 10) /* bytes, for each thread */

struct uds_closer {
    atomic_uint refs; /* its owner's, and one for each job */
    atomic_uint jobs;
    atomic_uint closing; /* descriptors */
    uint64_t closing_max;
};

struct uds_closing {
    atomic_uint refs; /* its client's, and one for each job */
    atomic_uint jobs;
    atomic_bool skips;
    int fd; /* closed by the last one, once the client has left */
};

struct job {
    struct uds_closer *closer;
    struct uds_closing *closing; /* NULL = nobody's */
    int socket;                  /* where to skip */
    size_t skip;                 /* bytes */
    uint32_t count;
    int fds[];
};

struct uds_closer *
uds_closer_new(void)
{
    struct rlimit limit;
    struct uds_closer *closer = malloc(sizeof(*closer));
    if (closer == NULL)
        return NULL;
    atomic_init(&closer->refs, 1);
    atomic_init(&closer->jobs, 0);
    atomic_init(&closer->closing, 0);
    bool known = getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
    closer->closing_max = known ? limit.rlim_cur / UDS_CLOSING_PART : UINT32_MAX;
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
    return atomic_load_explicit(&closer->jobs, memory_order_relaxed) < UDS_JOBS_MAX
           && atomic_load_explicit(&closer->closing, memory_order_relaxed) < closer->closing_max;
}

/* ---- one client's ---- */

struct uds_closing *
uds_closing_new(void)
{
    struct uds_closing *closing = malloc(sizeof(*closing));
    if (closing == NULL)
        return NULL;
    atomic_init(&closing->refs, 1);
    atomic_init(&closing->jobs, 0);
    atomic_init(&closing->skips, false);
    closing->fd = -1;
    return closing;
}

bool
uds_closing_is_over(struct uds_closing *closing)
{
    return atomic_load(&closing->jobs) == 0;
}

bool
uds_closing_skips(struct uds_closing *closing)
{
    return atomic_load(&closing->skips);
}

bool
uds_closing_is_much(struct uds_closing *closing)
{
    return atomic_load(&closing->jobs) >= UDS_JOBS_EACH || uds_closing_skips(closing);
}

/* On a thread of a job. */
static void
closing_unref(struct uds_closing *closing)
{
    if (atomic_fetch_sub(&closing->refs, 1) > 1)
        return;
    if (closing->fd >= 0)
        (void)close(closing->fd);
    free(closing);
}

/* ---- jobs ---- */

static struct job *
job_new(struct uds_closer *closer, struct uds_closing *closing, uint32_t count)
{
    struct job *job = malloc(sizeof(*job) + count * sizeof(job->fds[0]));
    if (job == NULL)
        return NULL;
    *job = (struct job){ .closer = closer, .closing = closing, .socket = -1, .count = count };
    atomic_fetch_add(&closer->refs, 1);
    atomic_fetch_add(&closer->jobs, 1);
    atomic_fetch_add(&closer->closing, count);
    if (closing != NULL) {
        atomic_fetch_add(&closing->refs, 1);
        atomic_fetch_add(&closing->jobs, 1);
    }
    return job;
}

static void
job_free(struct job *job)
{
    if (job->closing != NULL) {
        atomic_fetch_sub(&job->closing->jobs, 1);
        closing_unref(job->closing);
    }
    atomic_fetch_sub(&job->closer->jobs, 1);
    uds_closer_release(job->closer);
    free(job);
}

/* What was looked at is there; if it isn't, nobody knows where a request begins. */
static void
skip(const struct job *job)
{
    char bytes[4096];
    for (size_t left = job->skip; left > 0;) {
        ssize_t got =
            recv(job->socket, bytes, left < sizeof(bytes) ? left : sizeof(bytes), MSG_DONTWAIT);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            (void)shutdown(job->socket, SHUT_RDWR);
            return;
        }
        left -= (size_t)got;
    }
}

static void *
run(void *arg)
{
    struct job *job = arg;
    if (job->skip > 0) {
        skip(job);
        atomic_store(&job->closing->skips, false);
    }
    for (uint32_t i = 0; i < job->count; i++) {
        (void)close(job->fds[i]);
        atomic_fetch_sub(&job->closer->closing, 1);
    }
    job_free(job);
    return NULL;
}

static int
start(struct job *job)
{
    pthread_attr_t attr;
    pthread_t thread;
    sigset_t all;
    sigset_t before;
    if (pthread_attr_init(&attr) != 0)
        return EAGAIN;
    (void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    (void)pthread_attr_setstacksize(&attr, UDS_STACK);
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int r = pthread_create(&thread, &attr, run, job);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_attr_destroy(&attr);
    return r;
}

void
uds_closer_close(struct uds_closer *closer, struct uds_closing *closing, const int *fds,
                 uint32_t count)
{
    if (count == 0)
        return;
    struct job *job = job_new(closer, closing, count);
    if (job == NULL) {
        for (uint32_t i = 0; i < count; i++)
            (void)close(fds[i]);
        return;
    }
    memcpy(job->fds, fds, count * sizeof(fds[0]));
    if (start(job) != 0)
        (void)run(job);
}

int32_t
uds_closer_skip(struct uds_closer *closer, struct uds_closing *closing, int fd, size_t size)
{
    struct job *job = job_new(closer, closing, 0);
    if (job == NULL)
        return -ENOMEM;
    job->socket = fd;
    job->skip = size;
    atomic_store(&closing->skips, true);
    int r = start(job);
    if (r != 0) {
        atomic_store(&closing->skips, false);
        job_free(job);
    }
    return -r;
}

static bool
may_hold_descriptors(int fd)
{
    int unread = 0;
    return ioctl(fd, FIONREAD, &unread) < 0 || unread > 0;
}

void
uds_closer_hang_up(struct uds_closer *closer, struct uds_closing *closing, int fd)
{
    if (closing != NULL) {
        closing->fd = fd; /* for who may just now receive from it */
        if (atomic_fetch_sub(&closing->refs, 1) > 1)
            return;
        free(closing);
    }
    if (may_hold_descriptors(fd))
        uds_closer_close(closer, NULL, &fd, 1);
    else
        (void)close(fd);
}

bool
uds_closer_may_hang_up(struct uds_closer *closer, int fd)
{
    return uds_closer_is_ready(closer) || !may_hold_descriptors(fd);
}
