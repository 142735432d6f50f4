/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memcached beside PackIce: the same work, in its text protocol (doc/protocol.txt there).
 *
 *   memcached_client fill|get|set SOCKET SIZE COUNT SEED
 */
#include "bench.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define HEAD_MAX 128U /* a line of the protocol, and more than what ends a value */

struct cache {
    int socket;
    size_t size;
    size_t count;
    uint64_t seed;
    char *data;    /* of one object */
    char *message; /* a request or a reply: HEAD_MAX bytes more on either side */
};

static int
reach(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    if (strlen(path) >= sizeof(address.sun_path))
        bench_die("%s: too long for a socket's path", path);
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = (int)bench_done(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
    bench_done(connect(fd, (const struct sockaddr *)&address, sizeof(address)), path);
    return fd;
}

static void
send_all(const struct cache *cache, size_t size)
{
    for (size_t done = 0; done < size;)
        done += (size_t)bench_done(
            send(cache->socket, cache->message + done, size - done, MSG_NOSIGNAL), "send");
}

/* Receives at least one byte behind the first `done` ones. */
static size_t
receive_more(const struct cache *cache, size_t done)
{
    size_t room = cache->size + 2 * (size_t)HEAD_MAX - done;
    long got = bench_done(recv(cache->socket, cache->message + done, room, 0), "recv");
    if (got == 0)
        bench_die("memcached: closed the connection, or said too much");
    return done + (size_t)got;
}

static void
set(const struct cache *cache, size_t number)
{
    int head = snprintf(cache->message, HEAD_MAX, "set %zu/%zu 0 0 %zu\r\n", cache->size, number,
                        cache->size);
    memcpy(cache->message + head, cache->data, cache->size);
    memcpy(cache->message + head + cache->size, "\r\n", 2);
    send_all(cache, (size_t)head + cache->size + 2);
    size_t done = 0;
    while (done < 8)
        done = receive_more(cache, done);
    if (done != 8 || memcmp(cache->message, "STORED\r\n", 8) != 0)
        bench_die("memcached: object %zu was not stored", number);
}

/* Returns where its bytes are. */
static const char *
get(const struct cache *cache, size_t number)
{
    char want[HEAD_MAX];
    int request = snprintf(cache->message, HEAD_MAX, "get %zu/%zu\r\n", cache->size, number);
    send_all(cache, (size_t)request);
    size_t head = (size_t)snprintf(want, sizeof(want), "VALUE %zu/%zu 0 %zu\r\n", cache->size,
                                   number, cache->size);
    size_t whole = head + cache->size + 7;
    for (size_t done = 0; done < whole;) {
        done = receive_more(cache, done);
        if (memcmp(cache->message, want, done < head ? done : head) != 0)
            bench_die("memcached: object %zu did not come", number);
    }
    if (memcmp(cache->message + head + cache->size, "\r\nEND\r\n", 7) != 0)
        bench_die("memcached: object %zu does not end as it should", number);
    return cache->message + head;
}

static void
run_fill(const struct cache *cache)
{
    for (size_t i = 0; i < cache->count; i++) {
        bench_fill(cache->data, cache->size, i);
        set(cache, i);
    }
}

static void
run_get(const struct cache *cache)
{
    struct bench_samples samples;
    size_t *order = bench_shuffled(cache->count, cache->seed);
    bench_samples_init(&samples, cache->count);
    for (size_t i = 0; i < cache->count; i++) {
        uint64_t start = bench_now();
        const char *data = get(cache, order[i]);
        bench_samples_add(&samples, start);
        bench_check(data, cache->size, order[i]);
    }
    free(order);
    bench_samples_tell(&samples);
}

static void
run_set(const struct cache *cache)
{
    struct bench_samples samples;
    size_t *order = bench_shuffled(cache->count, cache->seed);
    bench_samples_init(&samples, cache->count);
    for (size_t i = 0; i < cache->count; i++) {
        bench_fill(cache->data, cache->size, order[i]);
        uint64_t start = bench_now();
        set(cache, order[i]);
        bench_samples_add(&samples, start);
        bench_check(get(cache, order[i]), cache->size, order[i]);
    }
    free(order);
    bench_samples_tell(&samples);
}

static const struct {
    const char *name;
    void (*run)(const struct cache *cache);
} commands[] = { { "fill", run_fill }, { "get", run_get }, { "set", run_set } };

int
main(int argc, char **argv)
{
    for (size_t i = 0; argc == 6 && i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(argv[1], commands[i].name) != 0)
            continue;
        struct cache cache = {
            .socket = reach(argv[2]),
            .size = bench_number(argv[3], "SIZE"),
            .count = bench_number(argv[4], "COUNT"),
            .seed = bench_number(argv[5], "SEED"),
        };
        cache.data = bench_have(malloc(cache.size));
        cache.message = bench_have(malloc(cache.size + 2 * (size_t)HEAD_MAX));
        commands[i].run(&cache);
        free(cache.message);
        free(cache.data);
        (void)close(cache.socket);
        return 0;
    }
    (void)fputs("usage: memcached_client fill|get|set SOCKET SIZE COUNT SEED\n", stderr);
    return 2;
}
