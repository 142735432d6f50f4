/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The clock, the samples taken with it, and the bytes that are checked. It judges no figure.
 */
#include "bench.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
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

/* Bytes are made in blocks: each begins with a word of its own, and goes on with a stretch of noise
 * that this word chooses. So they are compared as fast as memory is. */
#define BLOCK ((size_t)4096)
#define NOISE_SIZE (16 * BLOCK)

static char noise[NOISE_SIZE];
static pthread_once_t noise_once = PTHREAD_ONCE_INIT;

static void
make_noise(void)
{
    for (size_t at = 0; at < NOISE_SIZE; at += sizeof(uint64_t)) {
        uint64_t value = word(UINT64_MAX, at);
        memcpy(noise + at, &value, sizeof(value));
    }
}

struct block {
    uint64_t head;
    size_t head_size;
    const char *tail;
    size_t tail_size;
};

static struct block
block_at(uint64_t number, size_t at, size_t size)
{
    size_t left = size - at < BLOCK ? size - at : BLOCK;
    struct block block = { .head = word(number, at / BLOCK) };
    (void)pthread_once(&noise_once, make_noise);
    block.head_size = left < sizeof(block.head) ? left : sizeof(block.head);
    block.tail = noise + block.head % (NOISE_SIZE - BLOCK);
    block.tail_size = left - block.head_size;
    return block;
}

char
bench_byte(uint64_t number, uint64_t offset)
{
    size_t at = offset % BLOCK;
    struct block block = block_at(number, offset - at, offset - at + BLOCK);
    char head[sizeof(block.head)];
    memcpy(head, &block.head, sizeof(head));
    return at < sizeof(head) ? head[at] : block.tail[at - sizeof(head)];
}

void
bench_fill(void *data, size_t size, uint64_t number)
{
    for (size_t at = 0; at < size; at += BLOCK) {
        struct block block = block_at(number, at, size);
        char *bytes = (char *)data + at;
        memcpy(bytes, &block.head, block.head_size);
        memcpy(bytes + block.head_size, block.tail, block.tail_size);
    }
}

void
bench_check(const void *data, size_t size, uint64_t number)
{
    for (size_t at = 0; at < size; at += BLOCK) {
        struct block block = block_at(number, at, size);
        const char *bytes = (const char *)data + at;
        if (memcmp(bytes, &block.head, block.head_size) != 0
            || memcmp(bytes + block.head_size, block.tail, block.tail_size) != 0)
            bench_die("object %" PRIu64 " holds other bytes than were put, in the block at %zu",
                      number, at);
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
