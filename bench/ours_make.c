/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects come into being: for the reads, and with the clock running.
 */
#include "ours.h"

#include <stdlib.h>
#include <string.h>

/* Larger ones are made of their first and last byte: what lies between is never touched, and so
 * many of them would not fit into a machine. */
#define WHOLE_SIZE ((size_t)64 << 10)

#define BATCH 250U

static void
fill_sparse(const struct ours *ours, const char *name, size_t number)
{
    packice_lease *lease = NULL;
    char first = bench_byte(number, 0);
    char last = bench_byte(number, ours->size - 1);
    ours_must(packice_create(ours->client, name, PACKICE_UNSIZED, &lease), "create");
    ours_must(packice_write(lease, 0, 0, &first, 1), "write");
    ours_must(packice_write(lease, 0, ours->size - 1, &last, 1), "write");
    ours_must(packice_seal(lease), "seal");
    ours_must(packice_release(lease), "release");
}

void
ours_fill(const struct ours *ours)
{
    char *data = bench_have(malloc(WHOLE_SIZE));
    for (size_t i = 0; i < ours->count; i++) {
        char name[OURS_NAME_MAX];
        ours_name(ours, i, name);
        if (ours->size > WHOLE_SIZE) {
            fill_sparse(ours, name, i);
        } else {
            bench_fill(data, ours->size, i);
            ours_must(packice_put(ours->client, name, data, ours->size, NULL), "put");
        }
    }
    free(data);
}

static void
run_batch(const struct ours *ours, struct packice_batch_item *items, size_t count)
{
    ours_must(packice_batch(ours->client, items, count), "batch");
    for (size_t i = 0; i < count; i++)
        ours_must(items[i].status, "batch");
}

static void
claim_some(const struct ours *ours, size_t from, size_t count)
{
    struct packice_batch_item items[BATCH] = { 0 };
    struct packice_create_options options[BATCH];
    char names[BATCH][OURS_NAME_MAX];
    const uint64_t size = ours->size;
    for (size_t i = 0; i < count; i++) {
        ours_name(ours, from + i, names[i]);
        options[i] = (struct packice_create_options)PACKICE_CREATE_OPTIONS_INIT;
        options[i].id = names[i];
        options[i].sizes = &size;
        items[i].op = PACKICE_BATCH_CREATE;
        items[i].create = &options[i];
    }
    run_batch(ours, items, count);
    for (size_t i = 0; i < count; i++)
        items[i].op = PACKICE_BATCH_SEAL;
    run_batch(ours, items, count);
    for (size_t i = 0; i < count; i++)
        items[i].op = PACKICE_BATCH_RELEASE;
    run_batch(ours, items, count);
}

void
ours_claim(const struct ours *ours)
{
    for (size_t done = 0; done < ours->count; done += BATCH)
        claim_some(ours, done, ours->count - done < BATCH ? ours->count - done : BATCH);
}

/* ---- put ---- */

static void
check_and_discard(const struct ours *ours, const char *name, const char *data)
{
    packice_lease *lease = NULL;
    void *map = NULL;
    uint64_t size = 0;
    ours_must(packice_get(ours->client, name, 0, &lease), "get");
    ours_must(packice_map(lease, 0, &map, &size), "map");
    if (size != ours->size || memcmp(map, data, size) != 0)
        bench_die("object %s holds other bytes than were put", name);
    ours_must(packice_release(lease), "release");
    ours_must(packice_discard(ours->client, name), "discard");
}

void
ours_put(const struct ours *ours)
{
    struct bench_samples samples;
    char *data = bench_have(malloc(ours->size));
    bench_fill(data, ours->size, ours->seed);
    bench_samples_init(&samples, ours->count);
    for (size_t i = 0; i < ours->count; i++) {
        char name[OURS_NAME_MAX];
        ours_name(ours, i, name);
        name[0] = 'p'; /* none of those that are there for the reads */
        bench_fill(data, ours->size < sizeof(i) ? ours->size : sizeof(i), i);
        uint64_t start = bench_now();
        ours_must(packice_put(ours->client, name, data, ours->size, NULL), "put");
        bench_samples_add(&samples, start);
        check_and_discard(ours, name, data);
    }
    free(data);
    bench_samples_tell(&samples);
}
