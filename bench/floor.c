/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The floor: what the kernel alone takes for the parts of which a node's work is made. Nothing of
 * PackIce is in it.
 *
 *   floor ping blocking|epoll COUNT          64 bytes there and back
 *   floor pass COUNT                         the same, with one memory file passed and closed
 *   floor map SIZE FILES COUNT SEED          the same out of many, mapped, touched and unmapped
 *   floor clients CLIENTS MILLISECONDS       ping, by several at once
 *   floor memfd mmap|write|fallocate SIZE COUNT   a memory file made, filled and sealed
 *   floor files plain|together FOLDER SIZE COUNT  a file and a manifest, named and on the disk;
 *                                            they stay there
 *   floor copy SIZE COUNT                    bytes into memory that is there
 */
#include "floor.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void
ping(char **args)
{
    struct floor_server server;
    struct bench_samples samples;
    size_t count = bench_number(args[1], "COUNT");
    floor_server_start(&server, 1, strcmp(args[0], "epoll") == 0, NULL, 0);
    bench_samples_init(&samples, count);
    for (size_t i = 0; i < count; i++) {
        uint64_t start = bench_now();
        floor_ask(server.sockets[0], i, NULL);
        bench_samples_add(&samples, start);
    }
    floor_server_stop(&server);
    bench_samples_tell(&samples);
}

static void
pass(char **args)
{
    struct floor_server server;
    struct bench_samples samples;
    size_t count = bench_number(args[0], "COUNT");
    int memfd = floor_memfd_sparse(4096, 0);
    floor_server_start(&server, 1, true, &memfd, 1);
    bench_samples_init(&samples, count);
    for (size_t i = 0; i < count; i++) {
        int fd = -1;
        uint64_t start = bench_now();
        floor_ask(server.sockets[0], i, &fd);
        (void)close(fd);
        bench_samples_add(&samples, start);
    }
    floor_server_stop(&server);
    (void)close(memfd);
    bench_samples_tell(&samples);
}

static void
map_one(int socket, uint64_t number, size_t size)
{
    int fd = -1;
    floor_ask(socket, number, &fd);
    void *data = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
    if (data == MAP_FAILED)
        bench_die("can't map %zu bytes", size);
    bench_touch(data, size, number);
    (void)munmap(data, size);
    (void)close(fd);
}

static void
map(char **args)
{
    struct floor_server server;
    struct bench_samples samples;
    size_t size = bench_number(args[0], "SIZE");
    size_t files = bench_number(args[1], "FILES");
    size_t count = bench_number(args[2], "COUNT");
    size_t *order = bench_shuffled(files, bench_number(args[3], "SEED"));
    int *fds = bench_have(calloc(files, sizeof(*fds)));
    for (size_t i = 0; i < files; i++)
        fds[i] = floor_memfd_sparse(size, i);
    floor_server_start(&server, 1, true, fds, files);
    bench_samples_init(&samples, count);
    for (size_t i = 0; i < count; i++) {
        uint64_t start = bench_now();
        map_one(server.sockets[0], order[i % files], size);
        bench_samples_add(&samples, start);
    }
    floor_server_stop(&server);
    for (size_t i = 0; i < files; i++)
        (void)close(fds[i]);
    free(fds);
    free(order);
    bench_samples_tell(&samples);
}

static void
client(void *arg, unsigned index, struct bench_crowd *crowd)
{
    const struct floor_server *server = arg;
    uint64_t number = 0;
    bench_crowd_start(crowd);
    do
        floor_ask(server->sockets[index], number++, NULL);
    while (bench_crowd_counts(crowd, index));
}

static void
clients(char **args)
{
    struct floor_server server;
    unsigned count = (unsigned)bench_number(args[0], "CLIENTS");
    floor_server_start(&server, count, true, NULL, 0);
    bench_crowd_run(count, false, bench_number(args[1], "MILLISECONDS"), client, &server);
    floor_server_stop(&server);
}

static enum floor_way
way_named(const char *name)
{
    static const char *const names[FLOOR_WAY_COUNT] = { "mmap", "write", "fallocate" };
    for (unsigned way = 0; way < FLOOR_WAY_COUNT; way++)
        if (strcmp(name, names[way]) == 0)
            return (enum floor_way)way;
    bench_die("'%s' is no way to fill a memory file", name);
}

static void
check_memfd(int fd, char *copy, const char *data, size_t size)
{
    size_t done = 0;
    while (done < size) {
        long got = bench_done(pread(fd, copy + done, size - done, (off_t)done), "pread");
        if (got == 0)
            bench_die("a memory file is too short");
        done += (size_t)got;
    }
    if (memcmp(copy, data, size) != 0)
        bench_die("a memory file holds other bytes than were written");
}

static void
memfd(char **args)
{
    struct bench_samples samples;
    enum floor_way way = way_named(args[0]);
    size_t size = bench_number(args[1], "SIZE");
    size_t count = bench_number(args[2], "COUNT");
    char *data = bench_have(malloc(size));
    char *copy = bench_have(malloc(size));
    bench_fill(data, size, 1);
    memset(copy, 0, size);
    bench_samples_init(&samples, count);
    for (size_t i = 0; i < count; i++) {
        uint64_t start = bench_now();
        int fd = floor_memfd_fill(way, data, size);
        bench_samples_add(&samples, start);
        check_memfd(fd, copy, data, size);
        (void)close(fd);
    }
    free(copy);
    free(data);
    bench_samples_tell(&samples);
}

static enum floor_order
order_named(const char *name)
{
    static const char *const names[FLOOR_ORDER_COUNT] = { "plain", "together" };
    for (unsigned order = 0; order < FLOOR_ORDER_COUNT; order++)
        if (strcmp(name, names[order]) == 0)
            return (enum floor_order)order;
    bench_die("'%s' is no order to sync files in", name);
}

/* None is removed: what a removal leaves to be done would slow down what follows. */
static void
files(char **args)
{
    struct bench_samples samples;
    enum floor_order order = order_named(args[0]);
    size_t size = bench_number(args[2], "SIZE");
    size_t count = bench_number(args[3], "COUNT");
    int folder = (int)bench_done(open(args[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC), args[1]);
    char *data = bench_have(malloc(size));
    bench_fill(data, size, 1);
    bench_samples_init(&samples, count);
    for (size_t i = 0; i < count; i++) {
        char name[48];
        (void)snprintf(name, sizeof(name), "%ld.%zu", (long)getpid(), i);
        uint64_t start = bench_now();
        floor_files_put(order, folder, name, data, size);
        bench_samples_add(&samples, start);
    }
    free(data);
    (void)close(folder);
    bench_samples_tell(&samples);
}

static void
copy(char **args)
{
    struct bench_samples samples;
    size_t size = bench_number(args[0], "SIZE");
    size_t count = bench_number(args[1], "COUNT");
    char *from = bench_have(malloc(size));
    char *to = bench_have(malloc(size));
    bench_fill(from, size, 1);
    memset(to, 0, size);
    bench_samples_init(&samples, count);
    for (size_t i = 0; i < count; i++) {
        uint64_t start = bench_now();
        memcpy(to, from, size);
        bench_samples_add(&samples, start);
        from[size / 2] = (char)i; /* or a compiler could leave copies out */
    }
    bench_touch(to, size, 1);
    free(from);
    free(to);
    bench_samples_tell(&samples);
}

static const struct {
    const char *name;
    int args;
    void (*run)(char **args);
} commands[] = {
    { "ping", 2, ping },   { "pass", 1, pass },   { "map", 4, map },   { "clients", 2, clients },
    { "memfd", 3, memfd }, { "files", 4, files }, { "copy", 2, copy },
};

int
main(int argc, char **argv)
{
    for (size_t i = 0; argc > 1 && i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(argv[1], commands[i].name) == 0 && argc == 2 + commands[i].args) {
            commands[i].run(argv + 2);
            return 0;
        }
    }
    (void)fputs("usage: floor ping|pass|map|clients|memfd|files|copy ARGUMENT...\n", stderr);
    return 2;
}
