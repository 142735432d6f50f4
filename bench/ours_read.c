/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects are read: each comes with a lease, and goes with it.
 */
#include "ours.h"

#include <string.h>

#define BATCH 100U

static packice_lease *
acquire(packice_client *client, const struct ours *ours, size_t number)
{
    packice_lease *lease = NULL;
    char name[OURS_NAME_MAX];
    ours_name(ours, number, name);
    ours_must(packice_get(client, name, 0, &lease), "get");
    return lease;
}

void
ours_read(const struct ours *ours)
{
    struct bench_samples samples;
    size_t *order = bench_shuffled(ours->count, ours->seed);
    bench_samples_init(&samples, ours->count);
    for (size_t i = 0; i < ours->count; i++) {
        void *data = NULL;
        uint64_t size = 0;
        uint64_t start = bench_now();
        packice_lease *lease = acquire(ours->client, ours, order[i]);
        ours_must(packice_map(lease, 0, &data, &size), "map");
        if (size != ours->size)
            bench_die("object %zu has another size than was put", order[i]);
        bench_touch(data, ours->size, order[i]);
        ours_must(packice_release(lease), "release");
        bench_samples_add(&samples, start);
    }
    free(order);
    bench_samples_tell(&samples);
}

static void
read_bytes(packice_client *client, const struct ours *ours, size_t number, char *data)
{
    uint64_t size = 0;
    packice_lease *lease = acquire(client, ours, number);
    ours_must(packice_read(lease, 0, 0, data, ours->size, &size), "read");
    ours_must(packice_release(lease), "release");
    if (size != ours->size)
        bench_die("object %zu has another size than was put", number);
}

void
ours_bytes(const struct ours *ours)
{
    struct bench_samples samples;
    size_t *order = bench_shuffled(ours->count, ours->seed);
    char *data = bench_have(malloc(ours->size));
    bench_samples_init(&samples, ours->count);
    for (size_t i = 0; i < ours->count; i++) {
        uint64_t start = bench_now();
        read_bytes(ours->client, ours, order[i], data);
        bench_samples_add(&samples, start);
        bench_check(data, ours->size, order[i]);
    }
    free(data);
    free(order);
    bench_samples_tell(&samples);
}

void
ours_acquire(const struct ours *ours)
{
    struct bench_samples samples;
    size_t *order = bench_shuffled(ours->seed, ours->seed);
    bench_samples_init(&samples, ours->count);
    for (size_t i = 0; i < ours->count; i++) {
        uint64_t start = bench_now();
        packice_lease *lease = acquire(ours->client, ours, order[i % ours->seed]);
        ours_must(packice_release(lease), "release");
        bench_samples_add(&samples, start);
    }
    free(order);
    bench_samples_tell(&samples);
}

/* ---- a hundred at a time ---- */

static void
run_batch(const struct ours *ours, struct packice_batch_item *items)
{
    ours_must(packice_batch(ours->client, items, BATCH), "batch");
    for (size_t i = 0; i < BATCH; i++)
        ours_must(items[i].status, "batch");
}

/* data: of all of them, one behind the other. */
static void
read_batch(const struct ours *ours, const struct packice_get_options *gets, char *data)
{
    struct packice_batch_item items[BATCH] = { 0 };
    for (size_t i = 0; i < BATCH; i++) {
        items[i].op = PACKICE_BATCH_GET;
        items[i].get = &gets[i];
    }
    run_batch(ours, items);
    for (size_t i = 0; i < BATCH; i++) {
        uint64_t size = 0;
        ours_must(packice_read(items[i].lease, 0, 0, data + i * ours->size, ours->size, &size),
                  "read");
        if (size != ours->size)
            bench_die("object %s has another size than was put", gets[i].id);
        items[i].op = PACKICE_BATCH_RELEASE;
    }
    run_batch(ours, items);
}

void
ours_batch(const struct ours *ours)
{
    size_t *order = bench_shuffled(ours->count, ours->seed);
    char *data = bench_have(calloc(BATCH, ours->size));
    uint64_t count = 0;
    uint64_t time = 0;
    for (size_t at = 0; at + BATCH <= ours->count; at += BATCH) {
        struct packice_get_options gets[BATCH];
        char names[BATCH][OURS_NAME_MAX];
        for (size_t i = 0; i < BATCH; i++) {
            ours_name(ours, order[at + i], names[i]);
            gets[i] = (struct packice_get_options)PACKICE_GET_OPTIONS_INIT;
            gets[i].id = names[i];
        }
        uint64_t start = bench_now();
        read_batch(ours, gets, data);
        time += bench_now() - start;
        count += BATCH;
        for (size_t i = 0; i < BATCH; i++)
            bench_check(data + i * ours->size, ours->size, order[at + i]);
    }
    if (count == 0)
        bench_die("a batch needs %u objects", BATCH);
    free(data);
    free(order);
    bench_rate_tell(count, time);
}

/* ---- several at once ---- */

static void
read_as_member(void *arg, unsigned index, struct bench_crowd *crowd)
{
    const struct ours *ours = arg;
    packice_client *client = NULL;
    size_t *order = bench_shuffled(ours->count, ours->seed + index);
    char *data = bench_have(malloc(ours->size));
    size_t at = 0;
    ours_must(packice_connect(ours->target, &client), "connect");
    bench_crowd_start(crowd);
    do {
        size_t number = order[at++ % ours->count];
        read_bytes(client, ours, number, data);
        bench_touch(data, ours->size, number);
    } while (bench_crowd_counts(crowd, index));
    packice_client_free(client);
    free(data);
    free(order);
}

/* Clients of a peer in this process are threads of it; those of a node are processes. */
void
ours_clients(const struct ours *ours)
{
    struct ours copy = *ours;
    bool threads = strncmp(ours->target, "memory://", 9) == 0;
    bench_crowd_run(ours->clients, threads, ours->milliseconds, read_as_member, &copy);
}
