/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulation: so many histories from a first seed on, in child processes, so that a crash is a
 * finding like any other. A failing seed is printed and cut down to the operations that matter.
 *
 *     simulation [-n HISTORIES] [-s FIRST_SEED]
 *     simulation -r SEED          one history, in this process, for a debugger
 */
#include "history.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHUNK 500U
#define CHILD_SECONDS 120U

/* Written by the child, read by its parent. */
struct report {
    uint64_t seed;
    char why[512];
};

static struct report *report;

static bool
wait_child(pid_t child)
{
    int status = 0;

    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return false;
    if (WIFSIGNALED(status) && report->why[0] == '\0')
        (void)snprintf(report->why, sizeof(report->why), "signal %d", WTERMSIG(status));
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool
run_child(const struct history *one, uint64_t first, uint64_t count, bool quiet)
{
    memset(report, 0, sizeof(*report));
    (void)fflush(NULL);
    pid_t child = fork();
    if (child < 0) {
        perror("fork");
        exit(EXIT_FAILURE);
    }
    if (child > 0)
        return wait_child(child);
    alarm(CHILD_SECONDS);
    if (quiet && freopen("/dev/null", "w", stderr) == NULL)
        _exit(2);
    struct history history;
    for (uint64_t seed = first; seed < first + count; seed++) {
        report->seed = seed;
        if (one == NULL)
            history_make(&history, seed);
        if (!history_run(one != NULL ? one : &history, report->why, sizeof(report->why)))
            _exit(1);
    }
    exit(EXIT_SUCCESS); /* not _exit: leaks are a finding too */
}

/* Takes away whatever can be taken away: halves, quarters, ... single operations. */
static void
shrink(struct history *history)
{
    struct history smaller;

    for (uint32_t width = history->count / 2; width > 0; width = width > 1 ? width / 2 : 0) {
        for (uint32_t at = 0; at + width <= history->count;) {
            smaller = *history;
            memmove(&smaller.ops[at], &smaller.ops[at + width],
                    (history->count - at - width) * sizeof(smaller.ops[0]));
            smaller.count -= width;
            if (run_child(&smaller, history->seed, 1, true))
                at += width;
            else
                *history = smaller;
        }
    }
}

static int
fail(uint64_t seed)
{
    struct history history;

    (void)fprintf(stderr, "seed %" PRIu64 ": %s\n", seed, report->why);
    history_make(&history, seed);
    shrink(&history);
    (void)run_child(&history, seed, 1, false);
    (void)fprintf(stderr, "shrunk: %s\n", report->why);
    history_print(&history);
    return EXIT_FAILURE;
}

static int
run_one(uint64_t seed)
{
    struct history history;
    char why[512] = "";

    history_make(&history, seed);
    history_print(&history);
    if (history_run(&history, why, sizeof(why)))
        return EXIT_SUCCESS;
    (void)fprintf(stderr, "%s\n", why);
    return EXIT_FAILURE;
}

int
main(int argc, char **argv)
{
    uint64_t count = 20000;
    uint64_t first = (uint64_t)time(NULL) * 1000000U;
    int option;

    while ((option = getopt(argc, argv, "n:s:r:")) != -1) {
        if (option == 'n')
            count = strtoull(optarg, NULL, 10);
        else if (option == 's')
            first = strtoull(optarg, NULL, 10);
        else if (option == 'r')
            return run_one(strtoull(optarg, NULL, 10));
        else
            return 2;
    }
    report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (report == MAP_FAILED) {
        perror("mmap");
        return EXIT_FAILURE;
    }
    for (uint64_t done = 0; done < count; done += CHUNK) {
        uint64_t chunk = count - done < CHUNK ? count - done : CHUNK;
        if (!run_child(NULL, first + done, chunk, false))
            return fail(report->seed);
    }
    printf("%" PRIu64 " histories from seed %" PRIu64 "\n", count, first);
    return EXIT_SUCCESS;
}
