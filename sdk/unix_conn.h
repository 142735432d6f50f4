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
#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>

/* One exchange with the node, on the stack of the thread that waits for it. */
struct packice_exchange {
    const struct pk_request *requests; /* NULL: stats */
    size_t count;
    struct packice_answer **answers;     /* one for each, to be filled by who reads; not of stats */
    struct pk_wire_reply *reply;         /* of stats alone, decoded */
    TAILQ_ENTRY(packice_exchange) entry; /* the connection's, as is all that follows */
    uint64_t tag;
    pthread_cond_t changed; /* it is done, or it is its turn to read */
    bool has_changed;       /* changed was made: it waits for another thread, or did */
    bool waiting;
    bool taken; /* its reply is being read, and is out of the list */
    bool done;
    int32_t failure; /* what came instead of answers; 0 = they are there */
    struct pk_error why;
    char *text; /* of a reply to stats, which its own thread reads */
    size_t text_size;
};

TAILQ_HEAD(packice_exchanges, packice_exchange);

/* An exchange for which nobody waits any more, or ever did. */
struct packice_orphan {
    TAILQ_ENTRY(packice_orphan) entry;
    uint64_t tag;
    size_t count;
    struct pk_request requests[]; /* of each its verb, and how many bytes may come */
};

TAILQ_HEAD(packice_orphans, packice_orphan);

/* Leases to be released with the next request. */
struct packice_releases {
    char (*ids)[PK_LEASE_ID_LEN + 1];
    size_t count;
    size_t capacity;
};

/* How requests are said over one connection. */
#define PACKICE_NOTATION_ASKS 0U /* in JSON, until the node said whether it takes the other one */
#define PACKICE_NOTATION_JSON 1U
#define PACKICE_NOTATION_BINARY 2U

/* Replies to one request that say little are read in so many bytes. */
#define PACKICE_REPLY_ROOM 4096U

struct packice_conn {
    atomic_uint_fast64_t refs;
    int fd;
    uint64_t generation;  /* tells it from the connections before it */
    pthread_mutex_t lock; /* guards what follows, but for the stream */
    atomic_int broken;    /* why; 0 = it works; read without the lock, too */
    struct pk_error why;
    bool reading;        /* some thread has the stream */
    bool sending;        /* some thread is in the middle of a request */
    pthread_cond_t sent; /* it no longer is */
    uint64_t last_tag;
    struct packice_exchanges exchanges; /* under way */
    struct packice_orphans orphans;
    size_t orphan_count;
    struct packice_releases releases;
    struct packice_releases riding; /* with the request that is being sent: the sender's */
    atomic_uint notation;
    struct packice_stream stream;
    struct pk_wire_reply *unfinished; /* read already, while bytes behind it are still to come; goes
                                         with the stream */
    struct pk_wire_room room; /* for the reply that is read: of who has the stream, as is memory */
    _Alignas(max_align_t) char memory[PACKICE_REPLY_ROOM];
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

bool packice_conn_is_broken(const struct packice_conn *conn);

/* Sends an exchange, with requests, count and answers set and all else zero, and waits until it is
 * answered. *ret_unsent: on failure, whether not a byte of it went out and the connection broke: it
 * may go through another. Errors: -ETIMEDOUT, what broke the connection, packice_exchange_encode,
 * packice_exchange_answers. */
int32_t packice_conn_exchange(struct packice_conn *conn, struct packice_exchange *exchange,
                              uint64_t deadline, bool *ret_unsent, struct pk_error *err);

/* Has a lease released with the next request. *ret_count: how many are. 0, -ENOMEM. */
int32_t packice_conn_release(struct packice_conn *conn, const char *lease_id, size_t *ret_count);
/* Has them released now, without waiting for an answer. */
void packice_conn_flush(struct packice_conn *conn, uint64_t deadline);

/* ---- parts of it, for its own files; with the lock held, also afterwards, if not said otherwise
 * ---- */

void packice_conn_break_locked(struct packice_conn *conn, int32_t code, const char *why);

/* Lets another thread that waits read, if there is one. */
void packice_conn_hand_over(struct packice_conn *conn);

/* Gets the sending side. -ETIMEDOUT; what broke the connection. */
int32_t packice_conn_take_turn(struct packice_conn *conn, uint64_t deadline, struct pk_error *err);
void packice_conn_end_turn(struct packice_conn *conn);

/* Sends requests, or with NULL asks for stats, and lets the sending side go. *ret_sent: bytes that
 * went out, on failure too. The connection breaks if a request remains in pieces. */
int32_t packice_conn_send(struct packice_conn *conn, const struct pk_request *requests,
                          size_t count, uint64_t tag, uint64_t deadline, size_t *ret_sent,
                          struct pk_error *err);

/* Waits until the exchange is done, and reads meanwhile if nobody else does. -ETIMEDOUT, -ENOMEM:
 * its reply may still come. */
int32_t packice_conn_await(struct packice_conn *conn, struct packice_exchange *exchange,
                           uint64_t deadline);

/* Receives once and deals with what came. Without the lock; the caller has the stream. */
void packice_conn_read(struct packice_conn *conn, uint64_t deadline);

/* Nobody waits for these requests with this tag any more. Breaks the connection if it can't keep
 * them in mind. */
void packice_conn_abandon(struct packice_conn *conn, const struct pk_request *requests,
                          size_t count, uint64_t tag);
/* The one with this tag; NULL: there is none. */
struct packice_orphan *packice_conn_find_orphan(struct packice_conn *conn, uint64_t tag);
/* Takes it out, to be freed. */
void packice_conn_take_orphan(struct packice_conn *conn, struct packice_orphan *orphan);

/* Notes a lease that nobody gets, to be released. arg: the connection. Without memory it ends with
 * the connection, or by its ttl. */
void packice_conn_add_late(void *arg, const char *lease_id);

/* Frees both. */
void packice_conn_forget_releases(struct packice_conn *conn);

#endif
