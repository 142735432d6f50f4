/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of the floor: the least that the kernel allows for what a node and its clients do.
 */
#ifndef PACKICE_BENCH_FLOOR_H
#define PACKICE_BENCH_FLOOR_H

#include "bench.h"
#include <sys/types.h>

/* ---- memory files ---- */

/* How one is filled. */
enum floor_way { FLOOR_MMAP, FLOOR_WRITE, FLOOR_FALLOCATE, FLOOR_WAY_COUNT };

/* A new one with these bytes, sealed: create, fill, seal, as the way says. */
int floor_memfd_fill(enum floor_way way, const void *data, size_t size);
/* A sealed one whose first and last byte are those of object `number`, and of whose pages only
 * those two are there. */
int floor_memfd_sparse(size_t size, uint64_t number);

/* ---- files ---- */

/* One after the other, or both written out before the first is synced, which spares a journal one
 * of three commits and any file system some waiting. */
enum floor_order { FLOOR_PLAIN, FLOOR_TOGETHER, FLOOR_ORDER_COUNT };

/* A blob and its manifest, which gets its name once the bytes of both are on the disk; then the
 * names are, too. One fsync(2) for each file and one for the folder. `name` is in all their names.
 */
void floor_files_put(enum floor_order order, int folder, const char *name, const void *data,
                     size_t size);

/* ---- a server that answers, and does nothing else ---- */

struct floor_server {
    pid_t pid;
    unsigned clients;
    int sockets[BENCH_CROWD_MAX]; /* a client's end each */
};

/* Starts a process that answers 64 bytes with the same 64 bytes, and with descriptor NUMBER of
 * `fds` if there are any. One that waits in epoll serves all clients, one that waits in read the
 * only one. */
void floor_server_start(struct floor_server *server, unsigned clients, bool epoll, const int *fds,
                        size_t fd_count);
void floor_server_stop(struct floor_server *server);

/* One round trip, and that the reply is the one to it. *ret_fd: the descriptor that came; where
 * none is to come, NULL. */
void floor_ask(int socket, uint64_t number, int *ret_fd);

#endif
