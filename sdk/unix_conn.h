/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection to a node, for any number of threads. It has no thread of its own: one of those
 * that wait reads for all, and hands over to another when its own reply has come. Once broken it
 * stays so.
 */
#ifndef PACKICE_SDK_UNIX_CONN_H
#define PACKICE_SDK_UNIX_CONN_H

#include "sdk/exchange.h"
#include <stdatomic.h>

struct packice_late;

struct packice_conn {
    atomic_uint_fast64_t refs;
    int fd;
    uint64_t generation;  /* tells it from the connections before it */
    pthread_mutex_t lock; /* guards what follows, but for the stream */
    int32_t broken;       /* why; 0 = it works */
    struct pk_error why;
    bool reading;        /* some thread has the stream */
    bool sending;        /* some thread is in the middle of a request */
    pthread_cond_t sent; /* it no longer is */
    uint64_t last_tag;
    struct packice_exchanges exchanges; /* under way */
    size_t orphans;                     /* of them */
    struct packice_late *late;          /* leases that came when nobody waited any more */
    struct packice_stream stream;
};

/* Connects. -ECONNREFUSED: nobody answers there; -EACCES; -ENAMETOOLONG; -ETIMEDOUT; -ENOMEM,
 * -EMFILE, -ENFILE. */
int32_t packice_conn_open(const char *path, uint64_t generation, uint64_t deadline,
                          struct packice_conn **ret_conn, struct pk_error *err);

struct packice_conn *packice_conn_ref(struct packice_conn *conn);
void packice_conn_unref(struct packice_conn *conn); /* NULL is fine */

/* In a child of a fork: closes its copy of the socket and frees what it can. */
void packice_conn_forget(struct packice_conn *conn); /* NULL is fine */

/* Ends it: every exchange under way, and to come, fails with this. */
void packice_conn_break(struct packice_conn *conn, int32_t code, const char *why);

bool packice_conn_is_broken(struct packice_conn *conn);

/* Sends a new exchange and waits for its reply, decoded. requests as in packice_exchange_encode.
 * The exchange is the caller's again, unless its reply may still come: then *exchange is NULL.
 * *ret_unsent: on failure, whether not a byte of it went out and the connection broke: it may go
 * through another. Errors: -ETIMEDOUT, what broke the connection, packice_exchange_encode. */
int32_t packice_conn_exchange(struct packice_conn *conn, struct packice_exchange **exchange,
                              const struct pk_request *requests, uint64_t deadline,
                              bool *ret_unsent, struct pk_error *err);

/* Releases the leases of a decoded exchange, which nobody gets. */
void packice_conn_give_back(struct packice_conn *conn, const struct packice_exchange *exchange);

/* ---- parts of it, for its own files; with the lock held, also afterwards, if not said otherwise
 * ---- */

/* Takes an exchange out. */
void packice_conn_unlink(struct packice_conn *conn, struct packice_exchange *exchange);
/* packice_conn_break. */
void packice_conn_break_locked(struct packice_conn *conn, int32_t code, const char *why);
/* Lets go of the stream: one of those that wait goes on reading. */
void packice_conn_hand_over(struct packice_conn *conn);
/* Keeps a lease to be released. arg: the connection. */
void packice_conn_add_late(void *arg, const char *lease_id);
/* Sends a whole request in turn, and breaks a connection that takes but a part of it. *ret_sent:
 * what went out, on failure too. */
int32_t packice_conn_send(struct packice_conn *conn, const char *text, size_t size,
                          uint64_t deadline, size_t *ret_sent, struct pk_error *err);
/* Waits until the exchange is done, and reads for all while nobody else does. -ETIMEDOUT. */
int32_t packice_conn_await(struct packice_conn *conn, struct packice_exchange *exchange,
                           uint64_t deadline);
/* Receives once and hands out what came. The caller has the stream, but not the lock. */
void packice_conn_read(struct packice_conn *conn, uint64_t deadline);

#endif
