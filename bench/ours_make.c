/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects come into being: for the reads, and with the clock running.
 */
#include "ours.h"

#include <string.h>
#include <unistd.h>

/* Larger ones are made of their first and last byte: what lies between is never touched, and so
 * many of them would not fit into a machine. */
#define WHOLE_SIZE ((size_t)64 << 10)

#define BATCH 250U

static void
run_batch(const struct ours *ours, struct packice_batch_item *items, size_t count, uint32_t op)
{
    for (size_t i = 0; i < count; i++)
        items[i].op = op;
    ours_must(packice_batch(ours->client, items, count), "batch");
    for (size_t i = 0; i < count; i++)
        ours_must(items[i].status, "batch");
}

static void
write_ends(const struct ours *ours, packice_lease *lease, size_t number)
{
    char first = bench_byte(number, 0);
    char last = bench_byte(number, ours->size - 1);
    ours_must(packice_write(lease, 0, 0, &first, 1), "write");
    ours_must(packice_write(lease, 0, ours->size - 1, &last, 1), "write");
}

static void
make_some(const struct ours *ours, size_t from, size_t count, bool write)
{
    struct packice_batch_item items[BATCH] = { 0 };
    struct packice_create_options options[BATCH];
    char names[BATCH][OURS_NAME_MAX];
    const uint64_t size = ours->size <= WHOLE_SIZE ? ours->size : PACKICE_UNSIZED;
    for (size_t i = 0; i < count; i++) {
        ours_name(ours, from + i, names[i]);
        options[i] = (struct packice_create_options)PACKICE_CREATE_OPTIONS_INIT;
        options[i].id = names[i];
        options[i].sizes = &size;
        items[i].create = &options[i];
    }
    run_batch(ours, items, count, PACKICE_BATCH_CREATE);
    for (size_t i = 0; write && i < count; i++)
        write_ends(ours, items[i].lease, from + i);
    run_batch(ours, items, count, PACKICE_BATCH_SEAL);
    run_batch(ours, items, count, PACKICE_BATCH_RELEASE);
}

static void
make_all(const struct ours *ours, bool write)
{
    for (size_t done = 0; done < ours->count; done += BATCH)
        make_some(ours, done, ours->count - done < BATCH ? ours->count - done : BATCH, write);
}

static void
put_all(const struct ours *ours)
{
    char *data = bench_have(malloc(WHOLE_SIZE));
    for (size_t i = 0; i < ours->count; i++) {
        char name[OURS_NAME_MAX];
        ours_name(ours, i, name);
        bench_fill(data, ours->size, i);
        ours_must(packice_put(ours->client, name, data, ours->size, NULL), "put");
    }
    free(data);
}

void
ours_fill(const struct ours *ours)
{
    if (ours->size <= WHOLE_SIZE)
        put_all(ours);
    else
        make_all(ours, true);
}

void
ours_claim(const struct ours *ours)
{
    make_all(ours, false);
}

/* ---- put ---- */

static void
check(const struct ours *ours, const char *name, const char *data)
{
    packice_lease *lease = NULL;
    void *map = NULL;
    uint64_t size = 0;
    ours_must(packice_get(ours->client, name, 0, &lease), "get");
    ours_must(packice_map(lease, 0, &map, &size), "map");
    if (size != ours->size || memcmp(map, data, size) != 0)
        bench_die("object %s holds other bytes than were put", name);
    ours_must(packice_release(lease), "release");
}

static void
take_files(void *arg, const char *name, uint64_t value)
{
    if (strcmp(name, "blob_memfd_files") == 0)
        *(uint64_t *)arg = value;
}

static uint64_t
files(const struct ours *ours)
{
    uint64_t count = 0;
    ours_must(packice_stats(ours->client, take_files, &count), "stats");
    return count;
}

/* A node frees the memory of large objects behind its answer. The floor's is freed when the next
 * put begins, so ours must be too: on one CPU the two would take each other's time. */
static void
discard(const struct ours *ours, const char *name, uint64_t others)
{
    ours_must(packice_discard(ours->client, name), "discard");
    while (ours->size > WHOLE_SIZE && files(ours) > others)
        continue;
}

static void
put(const struct ours *ours, bool keep)
{
    const uint64_t others = files(ours);
    struct bench_samples samples;
    char *data = bench_have(malloc(ours->size));
    bench_fill(data, ours->size, ours->seed);
    bench_samples_init(&samples, ours->count);
    for (size_t i = 0; i < ours->count; i++) {
        char name[OURS_NAME_MAX];
        /* None of those that are there for the reads, or stayed of another run. */
        (void)snprintf(name, sizeof(name), "put %ld/%zu", (long)getpid(), i);
        bench_fill(data, ours->size < sizeof(i) ? ours->size : sizeof(i), i);
        uint64_t start = bench_now();
        ours_must(packice_put(ours->client, name, data, ours->size, NULL), "put");
        bench_samples_add(&samples, start);
        check(ours, name, data);
        if (!keep)
            discard(ours, name, others);
    }
    free(data);
    bench_samples_tell(&samples);
}

void
ours_put(const struct ours *ours)
{
    put(ours, false);
}

/* What a discard leaves a node to do would slow down the next put. */
void
ours_keep(const struct ours *ours)
{
    put(ours, true);
}
