/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Measures what one client sees: how long it takes to put an object, to get it, and to read what it
 * holds, over one target. Prints a table and judges nothing.
 *
 *   bench TARGET      a socket's path; "embedded" = a peer inside this process
 */
#include <packice/client.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MIB (1024.0 * 1024.0)

struct size_plan {
    uint64_t size;
    size_t rounds;
};

static const struct size_plan plans[] = {
    { 1024, 5000 },
    { 64 << 10, 2000 },
    { 1 << 20, 500 },
    { 64 << 20, 20 },
};

/* The steps of one round, each with its times. */
enum {
    STEP_PUT,  /* create, write, seal, release */
    STEP_GET,  /* acquire and map */
    STEP_READ, /* copy all bytes out of the map */
    STEP_COUNT,
};

static const char *const step_names[STEP_COUNT] = { "put", "get", "read" };

struct bench {
    packice_client *client;
    uint64_t size;
    char *data;
    char *copy;
    double *seconds[STEP_COUNT];
};

static void
must(int rc, const char *what)
{
    if (rc == 0)
        return;
    (void)fprintf(stderr, "bench: %s: %s: %s\n", what, packice_error_name(rc),
                  packice_error_message());
    exit(1);
}

static void *
must_have(void *memory)
{
    if (memory == NULL) {
        (void)fputs("bench: out of memory\n", stderr);
        exit(1);
    }
    return memory;
}

static double
now(void)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void
run_round(struct bench *bench, size_t round)
{
    packice_lease *lease = NULL;
    void *data = NULL;
    double start = now();
    must(packice_put(bench->client, "bench", bench->data, bench->size, NULL), "put");
    double put = now();
    must(packice_get(bench->client, "bench", 0, &lease), "get");
    must(packice_map(lease, 0, &data, NULL), "map");
    double got = now();
    memcpy(bench->copy, data, bench->size);
    double read = now();
    if (memcmp(bench->copy, bench->data, bench->size) != 0) {
        (void)fputs("bench: read something else than was put\n", stderr);
        exit(1);
    }
    must(packice_release(lease), "release");
    must(packice_discard(bench->client, "bench"), "discard");
    bench->seconds[STEP_PUT][round] = put - start;
    bench->seconds[STEP_GET][round] = got - put;
    bench->seconds[STEP_READ][round] = read - got;
}

static int
by_value(const void *one, const void *other)
{
    double a = *(const double *)one;
    double b = *(const double *)other;
    return (a > b) - (a < b);
}

static void
report(const struct bench *bench, const struct size_plan *plan)
{
    for (size_t step = 0; step < STEP_COUNT; step++) {
        double *seconds = bench->seconds[step];
        qsort(seconds, plan->rounds, sizeof(*seconds), by_value);
        double median = seconds[plan->rounds / 2];
        double late = seconds[plan->rounds * 99 / 100];
        (void)printf("%10llu bytes  %-4s  %10.1f us median  %10.1f us 99%%",
                     (unsigned long long)plan->size, step_names[step], median * 1e6, late * 1e6);
        if (step == STEP_GET) /* moves no bytes */
            (void)printf("\n");
        else
            (void)printf("  %10.0f MiB/s\n", (double)plan->size / MIB / median);
    }
}

static void
run_plan(packice_client *client, const struct size_plan *plan)
{
    struct bench bench = { .client = client, .size = plan->size };
    bench.data = must_have(malloc(plan->size));
    bench.copy = must_have(malloc(plan->size));
    memset(bench.data, 0x5a, plan->size);
    memset(bench.copy, 0, plan->size); /* its pages are there before the clock runs */
    for (size_t step = 0; step < STEP_COUNT; step++)
        bench.seconds[step] = must_have(calloc(plan->rounds, sizeof(double)));
    for (size_t round = 0; round < plan->rounds; round++)
        run_round(&bench, round);
    report(&bench, plan);
    for (size_t step = 0; step < STEP_COUNT; step++)
        free(bench.seconds[step]);
    free(bench.copy);
    free(bench.data);
}

int
main(int argc, char **argv)
{
    packice_client *client = NULL;
    if (argc != 2) {
        (void)fputs("usage: bench TARGET|embedded\n", stderr);
        return 2;
    }
    must(packice_connect(strcmp(argv[1], "embedded") == 0 ? NULL : argv[1], &client), "connect");
    for (size_t i = 0; i < sizeof(plans) / sizeof(plans[0]); i++)
        run_plan(client, &plans[i]);
    packice_client_free(client);
    return 0;
}
