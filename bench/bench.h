/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the programs of the bench share: a clock, samples and the line that tells of them, bytes
 * that can be checked, an order that nothing can foresee, and many clients at once. A program
 * prints one line of JSON, or exits with 1 at the first thing that is not as it should be.
 */
#ifndef PACKICE_BENCH_H
#define PACKICE_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- failing: all of these exit ---- */

#define bench_die(...) \
    do { \
        (void)fputs("bench: ", stderr); \
        (void)fprintf(stderr, __VA_ARGS__); \
        (void)fputc('\n', stderr); \
        exit(1); \
    } while (0)
void *bench_have(void *memory);             /* what malloc or mmap gave, unless it gave nothing */
long bench_done(long rc, const char *what); /* what a system call gave, unless it failed */
/* A whole number from 1 on, as an argument tells it. */
uint64_t bench_number(const char *text, const char *what);

/* ---- time ---- */

/* CLOCK_MONOTONIC in nanoseconds. */
uint64_t bench_now(void);

struct bench_samples {
    uint64_t *times; /* nanoseconds */
    size_t count;
    size_t room;
};

void bench_samples_init(struct bench_samples *samples, size_t room);
/* From start to now. */
void bench_samples_add(struct bench_samples *samples, uint64_t start);
/* Prints {"unit": "us", "figure": MEDIAN, "late": 99TH PERCENTILE, "count": N} and frees them. */
void bench_samples_tell(struct bench_samples *samples);
/* Prints {"unit": "1/s", "figure": RATE, "count": N}. */
void bench_rate_tell(uint64_t count, uint64_t nanoseconds);

/* ---- bytes ---- */

/* Byte `offset` of object `number`. */
char bench_byte(uint64_t number, uint64_t offset);
/* All of its bytes. */
void bench_fill(void *data, size_t size, uint64_t number);
void bench_check(const void *data, size_t size, uint64_t number);
/* The first byte of the first page and the last one of the last: touches both. */
void bench_touch(const void *data, size_t size, uint64_t number);

/* 0 to count - 1 in an order that depends on seed; freed by the caller. */
size_t *bench_shuffled(size_t count, uint64_t seed);

/* ---- many clients at once ---- */

#define BENCH_CROWD_MAX 16U

struct bench_crowd;

/* A member: makes itself ready, calls bench_crowd_start, then works as long as bench_crowd_counts
 * says so, which counts one more piece of work each time. */
typedef void bench_member_fn(void *arg, unsigned index, struct bench_crowd *crowd);
void bench_crowd_start(struct bench_crowd *crowd);
bool bench_crowd_counts(struct bench_crowd *crowd, unsigned index);

/* Runs the members, as threads or as processes, for so long once all of them are ready, and tells
 * the rate of all together. */
void bench_crowd_run(unsigned members, bool threads, uint64_t milliseconds, bench_member_fn *work,
                     void *arg);

#endif
