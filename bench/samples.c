/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The clock, the samples taken with it, and the bytes that are checked. It judges no figure.
 */
#include "bench.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

void *
bench_have(void *memory)
{
    if (memory == NULL)
        bench_die("out of memory");
    return memory;
}

long
bench_done(long rc, const char *what)
{
    if (rc < 0)
        bench_die("%s: %s", what, strerror(errno));
    return rc;
}

uint64_t
bench_number(const char *text, const char *what)
{
    char *end = NULL;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || *text == '-' || value == 0)
        bench_die("%s: '%s' is no number from 1 on", what, text);
    return value;
}

uint64_t
bench_now(void)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000U + (uint64_t)time.tv_nsec;
}

void
bench_samples_init(struct bench_samples *samples, size_t room)
{
    samples->times = bench_have(calloc(room, sizeof(*samples->times)));
    samples->count = 0;
    samples->room = room;
}

void
bench_samples_add(struct bench_samples *samples, uint64_t start)
{
    uint64_t time = bench_now() - start;
    if (samples->count == samples->room)
        bench_die("more samples than were announced");
    samples->times[samples->count++] = time;
}

static int
by_value(const void *one, const void *other)
{
    uint64_t a = *(const uint64_t *)one;
    uint64_t b = *(const uint64_t *)other;
    return (a > b) - (a < b);
}

void
bench_samples_tell(struct bench_samples *samples)
{
    size_t middle = samples->count / 2;
    size_t late = samples->count * 99 / 100;
    qsort(samples->times, samples->count, sizeof(*samples->times), by_value);
    (void)printf("{\"unit\": \"us\", \"figure\": %.3f, \"late\": %.3f, \"count\": %zu}\n",
                 (double)samples->times[middle] / 1e3, (double)samples->times[late] / 1e3,
                 samples->count);
    free(samples->times);
}

void
bench_rate_tell(uint64_t count, uint64_t nanoseconds)
{
    (void)printf("{\"unit\": \"1/s\", \"figure\": %.1f, \"count\": %" PRIu64 "}\n",
                 (double)count * 1e9 / (double)nanoseconds, count);
}

/* splitmix64: a good word for each place. */
static uint64_t
word(uint64_t number, uint64_t index)
{
    uint64_t x = (number << 40) + index + 1;
    x *= 0x9e3779b97f4a7c15U;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
    return x ^ (x >> 31);
}

char
bench_byte(uint64_t number, uint64_t offset)
{
    uint64_t value = word(number, offset / sizeof(value));
    char bytes[sizeof(value)];
    memcpy(bytes, &value, sizeof(value));
    return bytes[offset % sizeof(value)];
}

void
bench_fill(void *data, size_t size, uint64_t number)
{
    for (size_t at = 0; at < size; at += sizeof(uint64_t)) {
        uint64_t value = word(number, at / sizeof(value));
        memcpy((char *)data + at, &value, size - at < sizeof(value) ? size - at : sizeof(value));
    }
}

void
bench_check(const void *data, size_t size, uint64_t number)
{
    for (size_t at = 0; at < size; at += sizeof(uint64_t)) {
        uint64_t value = word(number, at / sizeof(value));
        if (memcmp((const char *)data + at, &value,
                   size - at < sizeof(value) ? size - at : sizeof(value))
            != 0)
            bench_die("object %" PRIu64 " holds other bytes than were put, near byte %zu", number,
                      at);
    }
}

void
bench_touch(const void *data, size_t size, uint64_t number)
{
    const volatile char *bytes = data;
    if (bytes[0] != bench_byte(number, 0) || bytes[size - 1] != bench_byte(number, size - 1))
        bench_die("object %" PRIu64 " begins or ends with another byte than was put", number);
}

size_t *
bench_shuffled(size_t count, uint64_t seed)
{
    size_t *order = bench_have(calloc(count, sizeof(*order)));
    for (size_t i = 0; i < count; i++) {
        size_t other = (size_t)(word(seed, i) % (i + 1));
        order[i] = order[other];
        order[other] = i;
    }
    return order;
}
