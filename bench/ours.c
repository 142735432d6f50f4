/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PackIce as a program sees it: through the public SDK and nothing else.
 *
 *   ours COMMAND TARGET SIZE COUNT SEED [CLIENTS MILLISECONDS]
 *
 *   fill      makes COUNT sealed objects of SIZE bytes, for the reads
 *   claim     makes them without a word about their bytes, which are the storage's
 *   read      acquire, map, touch, unmap, release: all objects once, in the order of SEED; by
 *             descriptor, however small they are
 *   bytes     acquire, copy all bytes out, release: likewise, by what the SDK finds best
 *   acquire   acquire and release a lease: COUNT times, out of SEED objects
 *   batch     acquire, copy all bytes out, release: a hundred objects at a time
 *   put       create, write, seal, release by one call; then it is read back and discarded, beside
 *             the clock
 *   keep      the same, but it stays
 *   clients   `bytes`, by several at once
 *   connect   connects to TARGET; "embedded" is a peer of this process
 *
 * With a TARGET of "memory://..." the objects are made first: they are gone with the process.
 */
#include "ours.h"

#include <string.h>

void
ours_must(int rc, const char *what)
{
    if (rc != 0)
        bench_die("%s: %s: %s", what, packice_error_name(rc), packice_error_message());
}

void
ours_name(const struct ours *ours, size_t number, char name[OURS_NAME_MAX])
{
    (void)snprintf(name, OURS_NAME_MAX, "%zu/%zu", ours->size, number);
}

static void
connect_often(const struct ours *ours)
{
    struct bench_samples samples;
    const char *target = strcmp(ours->target, "embedded") == 0 ? NULL : ours->target;
    bench_samples_init(&samples, ours->count);
    for (size_t i = 0; i < ours->count; i++) {
        packice_client *client = NULL;
        uint64_t start = bench_now();
        ours_must(packice_connect(target, &client), "connect");
        bench_samples_add(&samples, start);
        packice_client_free(client);
    }
    bench_samples_tell(&samples);
}

static const struct command {
    const char *name;
    bool reads;  /* objects that are to be there */
    bool leases; /* a small object comes with a lease, and not instead of one */
    void (*run)(const struct ours *ours);
} commands[] = {
    { "fill", false, false, ours_fill },      { "claim", false, false, ours_claim },
    { "read", true, true, ours_read },        { "bytes", true, false, ours_bytes },
    { "acquire", true, true, ours_acquire },  { "batch", true, false, ours_batch },
    { "put", false, false, ours_put },        { "keep", false, false, ours_keep },
    { "clients", true, false, ours_clients }, { "connect", false, false, connect_often },
};

static packice_client *
connect_for(const struct command *command, const struct ours *ours)
{
    packice_client *client = NULL;
    struct packice_connect_options options = PACKICE_CONNECT_OPTIONS_INIT;
    options.inline_max = command->leases ? PACKICE_NO_INLINE : 0;
    ours_must(packice_connect_with(ours->target, &options, &client), "connect");
    return client;
}

static void
run(const struct command *command, struct ours *ours)
{
    bool embedded = strncmp(ours->target, "memory://", 9) == 0;
    if (command->run != connect_often)
        ours->client = connect_for(command, ours);
    if (embedded && command->reads)
        ours_fill(ours);
    command->run(ours);
    packice_client_free(ours->client);
}

int
main(int argc, char **argv)
{
    for (size_t i = 0; (argc == 6 || argc == 8) && i < sizeof(commands) / sizeof(commands[0]);
         i++) {
        if (strcmp(argv[1], commands[i].name) != 0)
            continue;
        struct ours ours = {
            .target = argv[2],
            .size = bench_number(argv[3], "SIZE"),
            .count = bench_number(argv[4], "COUNT"),
            .seed = bench_number(argv[5], "SEED"),
            .clients = argc == 8 ? (unsigned)bench_number(argv[6], "CLIENTS") : 1,
            .milliseconds = argc == 8 ? bench_number(argv[7], "MILLISECONDS") : 0,
        };
        run(&commands[i], &ours);
        return 0;
    }
    (void)fputs("usage: ours COMMAND TARGET SIZE COUNT SEED [CLIENTS MILLISECONDS]\n", stderr);
    return 2;
}
