/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many clients at once: threads or processes that begin together, count what they do, and end
 * together. It knows nothing of what they do.
 */
#include "bench.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* So often the time may pass until something was done at all: on a machine under load. */
#define TRIES 100U

/* One in a cache line of its own: they count at once. */
struct tally {
    _Alignas(64) atomic_uint_fast64_t count;
};

/* In memory that processes share. */
struct bench_crowd {
    struct tally tallies[BENCH_CROWD_MAX];
    atomic_bool over;
    bool threads;
    int ready[2]; /* each member writes a byte when it is */
    int go[2];    /* ends for all at once */
};

struct member {
    struct bench_crowd *crowd;
    bench_member_fn *work;
    void *arg;
    pthread_t thread;
    pid_t pid;
    unsigned index;
};

void
bench_crowd_start(struct bench_crowd *crowd)
{
    char byte = 0;
    bench_done(write(crowd->ready[1], &byte, 1), "write");
    if (!crowd->threads)
        (void)close(crowd->ready[1]); /* so that its end tells of a process that died */
    bench_done(read(crowd->go[0], &byte, 1), "read");
}

bool
bench_crowd_counts(struct bench_crowd *crowd, unsigned index)
{
    if (atomic_load_explicit(&crowd->over, memory_order_relaxed))
        return false;
    (void)atomic_fetch_add_explicit(&crowd->tallies[index].count, 1, memory_order_relaxed);
    return true;
}

static void *
run_thread(void *arg)
{
    struct member *member = arg;
    member->work(member->arg, member->index, member->crowd);
    return NULL;
}

static void
spawn(struct member *member)
{
    if (member->crowd->threads) {
        if (pthread_create(&member->thread, NULL, run_thread, member) != 0)
            bench_die("can't start a thread");
        return;
    }
    member->pid = (pid_t)bench_done(fork(), "fork");
    if (member->pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)close(member->crowd->go[1]);
        (void)run_thread(member);
        exit(0);
    }
}

static void
await_ready(const struct bench_crowd *crowd, unsigned members)
{
    for (unsigned i = 0; i < members; i++) {
        char byte;
        if (read(crowd->ready[0], &byte, 1) != 1)
            bench_die("a client ended before it began");
    }
}

static uint64_t
total(struct bench_crowd *crowd)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < BENCH_CROWD_MAX; i++)
        sum += atomic_load(&crowd->tallies[i].count);
    return sum;
}

static void
join(const struct member *member)
{
    int status = 0;
    if (member->crowd->threads)
        (void)pthread_join(member->thread, NULL);
    else if (waitpid(member->pid, &status, 0) != member->pid || status != 0)
        bench_die("a client failed");
}

void
bench_crowd_run(unsigned members, bool threads, uint64_t milliseconds, bench_member_fn *work,
                void *arg)
{
    struct member all[BENCH_CROWD_MAX] = { 0 };
    const struct timespec time = { .tv_sec = (time_t)(milliseconds / 1000),
                                   .tv_nsec = (long)(milliseconds % 1000) * 1000000 };
    if (members > BENCH_CROWD_MAX)
        bench_die("more than %u clients", BENCH_CROWD_MAX);
    struct bench_crowd *crowd =
        mmap(NULL, sizeof(*crowd), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (crowd == MAP_FAILED)
        bench_die("out of memory");
    crowd->threads = threads;
    bench_done(pipe(crowd->ready), "pipe");
    bench_done(pipe(crowd->go), "pipe");
    for (unsigned i = 0; i < members; i++) {
        all[i] = (struct member){ .crowd = crowd, .work = work, .arg = arg, .index = i };
        spawn(&all[i]);
    }
    if (!threads)
        (void)close(crowd->ready[1]);
    await_ready(crowd, members);
    uint64_t start = bench_now();
    (void)close(crowd->go[1]);
    uint64_t count = 0;
    for (unsigned tries = 0; count == 0 && tries < TRIES; tries++) {
        (void)nanosleep(&time, NULL);
        count = total(crowd);
    }
    uint64_t end = bench_now();
    atomic_store(&crowd->over, true);
    for (unsigned i = 0; i < members; i++)
        join(&all[i]);
    if (count == 0)
        bench_die("the clients did nothing");
    bench_rate_tell(count, end - start);
}
