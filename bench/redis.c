/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Redis beside PackIce: the same work, through its own library.
 *
 *   redis fill|get|set|batch|clients SOCKET SIZE COUNT SEED [CLIENTS MILLISECONDS]
 */
#include "bench.h"

#include <hiredis/hiredis.h>
#include <string.h>

#define BATCH 100U
#define NAME_MAX_SIZE 48U

struct redis {
    redisContext *context;
    const char *socket;
    size_t size;
    size_t count;
    uint64_t seed;
    unsigned clients;
    uint64_t milliseconds;
};

static redisContext *
reach(const char *socket)
{
    redisContext *context = redisConnectUnix(socket);
    if (context == NULL || context->err != 0)
        bench_die("%s: %s", socket, context == NULL ? "out of memory" : context->errstr);
    return context;
}

static redisReply *
reply_of(redisContext *context, void *reply, int type)
{
    redisReply *whole = reply;
    if (whole == NULL)
        bench_die("redis: %s", context->errstr);
    if (whole->type != type)
        bench_die("redis: %s", whole->type == REDIS_REPLY_ERROR ? whole->str : "an odd reply");
    return whole;
}

/* hiredis knows no %zu. */
static void
name_of(const struct redis *redis, size_t number, char name[NAME_MAX_SIZE])
{
    (void)snprintf(name, NAME_MAX_SIZE, "%zu/%zu", redis->size, number);
}

static redisReply *
get(redisContext *context, const struct redis *redis, size_t number)
{
    char name[NAME_MAX_SIZE];
    name_of(redis, number, name);
    return reply_of(context, redisCommand(context, "GET %s", name), REDIS_REPLY_STRING);
}

static void
check(const struct redis *redis, const redisReply *reply, size_t number)
{
    if (reply->type != REDIS_REPLY_STRING || (size_t)reply->len != redis->size)
        bench_die("redis: object %zu has another size than was put", number);
    bench_check(reply->str, redis->size, number);
}

static void
set(const struct redis *redis, size_t number, const char *data)
{
    char name[NAME_MAX_SIZE];
    name_of(redis, number, name);
    void *reply = redisCommand(redis->context, "SET %s %b", name, data, redis->size);
    freeReplyObject(reply_of(redis->context, reply, REDIS_REPLY_STATUS));
}

static void
run_fill(const struct redis *redis)
{
    char *data = bench_have(malloc(redis->size));
    for (size_t i = 0; i < redis->count; i++) {
        bench_fill(data, redis->size, i);
        set(redis, i, data);
    }
    free(data);
}

static void
run_get(const struct redis *redis)
{
    struct bench_samples samples;
    size_t *order = bench_shuffled(redis->count, redis->seed);
    bench_samples_init(&samples, redis->count);
    for (size_t i = 0; i < redis->count; i++) {
        uint64_t start = bench_now();
        redisReply *reply = get(redis->context, redis, order[i]);
        bench_samples_add(&samples, start);
        check(redis, reply, order[i]);
        freeReplyObject(reply);
    }
    free(order);
    bench_samples_tell(&samples);
}

/* The same objects again: what is measured is a SET of one that is there. */
static void
run_set(const struct redis *redis)
{
    struct bench_samples samples;
    size_t *order = bench_shuffled(redis->count, redis->seed);
    char *data = bench_have(malloc(redis->size));
    bench_samples_init(&samples, redis->count);
    for (size_t i = 0; i < redis->count; i++) {
        bench_fill(data, redis->size, order[i]);
        uint64_t start = bench_now();
        set(redis, order[i], data);
        bench_samples_add(&samples, start);
        redisReply *reply = get(redis->context, redis, order[i]);
        check(redis, reply, order[i]);
        freeReplyObject(reply);
    }
    free(data);
    free(order);
    bench_samples_tell(&samples);
}

static redisReply *
get_batch(const struct redis *redis, const size_t *numbers)
{
    const char *words[BATCH + 1] = { "MGET" };
    char names[BATCH][NAME_MAX_SIZE];
    for (size_t i = 0; i < BATCH; i++) {
        name_of(redis, numbers[i], names[i]);
        words[i + 1] = names[i];
    }
    redisReply *reply =
        reply_of(redis->context, redisCommandArgv(redis->context, BATCH + 1, words, NULL),
                 REDIS_REPLY_ARRAY);
    if (reply->elements != BATCH)
        bench_die("redis: %zu replies to a batch", reply->elements);
    return reply;
}

static void
run_batch(const struct redis *redis)
{
    size_t *order = bench_shuffled(redis->count, redis->seed);
    uint64_t count = 0;
    uint64_t time = 0;
    for (size_t at = 0; at + BATCH <= redis->count; at += BATCH) {
        uint64_t start = bench_now();
        redisReply *reply = get_batch(redis, order + at);
        time += bench_now() - start;
        count += BATCH;
        for (size_t i = 0; i < BATCH; i++)
            check(redis, reply->element[i], order[at + i]);
        freeReplyObject(reply);
    }
    if (count == 0)
        bench_die("a batch needs %u objects", BATCH);
    free(order);
    bench_rate_tell(count, time);
}

static void
read_as_member(void *arg, unsigned index, struct bench_crowd *crowd)
{
    const struct redis *redis = arg;
    size_t *order = bench_shuffled(redis->count, redis->seed + index);
    redisContext *context = reach(redis->socket);
    size_t at = 0;
    bench_crowd_start(crowd);
    do {
        size_t number = order[at++ % redis->count];
        redisReply *reply = get(context, redis, number);
        if ((size_t)reply->len != redis->size)
            bench_die("redis: object %zu has another size than was put", number);
        bench_touch(reply->str, redis->size, number);
        freeReplyObject(reply);
    } while (bench_crowd_counts(crowd, index));
    redisFree(context);
    free(order);
}

static void
run_clients(const struct redis *redis)
{
    struct redis copy = *redis;
    bench_crowd_run(redis->clients, false, redis->milliseconds, read_as_member, &copy);
}

static const struct {
    const char *name;
    void (*run)(const struct redis *redis);
} commands[] = {
    { "fill", run_fill },   { "get", run_get },         { "set", run_set },
    { "batch", run_batch }, { "clients", run_clients },
};

int
main(int argc, char **argv)
{
    for (size_t i = 0; (argc == 6 || argc == 8) && i < sizeof(commands) / sizeof(commands[0]);
         i++) {
        if (strcmp(argv[1], commands[i].name) != 0)
            continue;
        struct redis redis = {
            .context = reach(argv[2]),
            .socket = argv[2],
            .size = bench_number(argv[3], "SIZE"),
            .count = bench_number(argv[4], "COUNT"),
            .seed = bench_number(argv[5], "SEED"),
            .clients = argc == 8 ? (unsigned)bench_number(argv[6], "CLIENTS") : 1,
            .milliseconds = argc == 8 ? bench_number(argv[7], "MILLISECONDS") : 0,
        };
        commands[i].run(&redis);
        redisFree(redis.context);
        return 0;
    }
    (void)fputs("usage: redis fill|get|set|batch|clients SOCKET SIZE COUNT SEED"
                " [CLIENTS MILLISECONDS]\n",
                stderr);
    return 2;
}
