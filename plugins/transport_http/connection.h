/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection: one client's socket, and its requests one after the other. It decides when to read,
 * how long it waits for the client, and when all is over; what a request means is the exchange's.
 * Everything on the loop's thread.
 */
#ifndef HTTP_CONNECTION_H
#define HTTP_CONNECTION_H

#include "exchange.h"
#include "loop.h"
#include "output.h"
#include "parser.h"
#include "socket.h"
#include <packice/plugin.h>

#define HTTP_INPUT_ROOM 65536U /* bytes that are read at once */

enum http_phase {
    HTTP_PHASE_HEAD,   /* the head of a request is read, or none has begun */
    HTTP_PHASE_BODY,   /* its body is */
    HTTP_PHASE_ANSWER, /* it is there as a whole, and the answer is made or sent */
    HTTP_PHASE_LINGER, /* nothing more is answered, but the client may still send */
};

struct http_connection {
    TAILQ_ENTRY(http_connection) link; /* while it is open */
    TAILQ_ENTRY(http_connection) turn; /* while it is queued for a turn */
    struct http_transport *transport;
    struct pk_session *session;    /* NULL until a request was let in */
    struct pk_principal principal; /* the session's */
    char certificate[sizeof(((struct pk_principal *)0)->name)]; /* whose; "" = none */
    size_t refs;  /* one while it is open, one for each ask */
    size_t asked; /* asks whose answers are waited for */
    struct http_socket socket;
    bool local; /* the client is on this machine */

    struct event in;    /* edge-triggered, as is */
    struct event out;   /* this one: both always */
    struct event timer; /* for `patience`, counted from `since` */
    uint64_t since;     /* nanoseconds */
    uint64_t patience;  /* nanoseconds; 0 = it may take for ever */

    enum http_phase phase;
    bool readable; /* the socket may hold more */
    bool writable; /* the socket may take more */
    bool ended;    /* the client sends no more */
    bool gone;     /* nobody is there to answer: close */
    bool queued;   /* for a turn */
    bool dead;     /* closed: only asks hold it */

    char *input; /* HTTP_INPUT_ROOM bytes; NULL = nothing read */
    size_t begin;
    size_t end;
    struct http_parser parser;
    struct http_exchange exchange;
    struct http_output output;
    int proof; /* the file that a byte is locked of; -1 = none */
};

/* Makes a connection of an accepted socket. The socket is the connection's from now on; on failure
 * it stays the caller's. -ENOMEM. */
int32_t http_connection_open(struct http_transport *transport, int fd, bool local,
                             struct pk_error *err);

/* Undoes the request under way, and closes the session and the socket. */
void http_connection_close(struct http_connection *connection);

/* Reads, works and sends, as far as limits allow and for a bounded time; closes the connection when
 * it is done. */
void http_connection_turn(struct http_connection *connection);

/* Waits so long (nanoseconds, 0 = for ever) from now on before it gives the client up. */
void http_connection_wait(struct http_connection *connection, uint64_t patience);
/* The client has moved: the waiting begins anew. */
void http_connection_moved(struct http_connection *connection);
/* The client took too long. In turn.c. */
void http_connection_timeout(struct http_connection *connection);

/* Drops an ask's reference. */
void http_connection_unref(struct http_connection *connection);

#endif
