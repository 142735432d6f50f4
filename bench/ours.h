/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands of the bench's PackIce client.
 */
#ifndef PACKICE_BENCH_OURS_H
#define PACKICE_BENCH_OURS_H

#include "bench.h"
#include <packice/client.h>

#define OURS_NAME_MAX 48U

/* What the command line said, and the client that came of it. */
struct ours {
    packice_client *client;
    const char *target;
    size_t size;
    size_t count;
    uint64_t seed;
    unsigned clients;
    uint64_t milliseconds;
};

void ours_must(int rc, const char *what);
void ours_name(const struct ours *ours, size_t number, char name[OURS_NAME_MAX]);

/* ours_make.c */
void ours_fill(const struct ours *ours);
void ours_claim(const struct ours *ours);
void ours_put(const struct ours *ours);
void ours_keep(const struct ours *ours);

/* ours_read.c */
void ours_read(const struct ours *ours);
void ours_bytes(const struct ours *ours);
void ours_acquire(const struct ours *ours);
void ours_batch(const struct ours *ours);
void ours_clients(const struct ours *ours);

#endif
