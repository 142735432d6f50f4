/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection: one client's socket and session. It decides when to read, which request may start,
 * in which order untagged ones do, and when all is over. Everything on the loop's thread.
 */
#ifndef UDS_CONNECTION_H
#define UDS_CONNECTION_H

#include "call.h"
#include "input.h"
#include "loop.h"
#include "output.h"
#include <packice/plugin.h>

struct uds_connection {
    TAILQ_ENTRY(uds_connection) link; /* while it is open, and then while it lingers */
    TAILQ_ENTRY(uds_connection) turn; /* while it is queued for a turn */
    struct uds_transport *transport;
    struct pk_session *session;
    size_t refs; /* one while it is open or lingers, one for each call */
    int fd;

    struct event in;        /* edge-triggered, always */
    struct event out;       /* edge-triggered, while output is blocked */
    struct event timeout;   /* while output is blocked: since it last moved */
    struct event retry;     /* while too many descriptors are in flight */
    struct event later;     /* while it is deferred, or lingers */
    struct event *patience; /* once descriptors waited for their request; else NULL */

    bool readable;            /* the socket may hold more */
    bool unsure;              /* it looked empty, and its end may be in it all the same */
    bool hung_up;             /* the end of the input is in the socket */
    bool ended;               /* no more input: half closed, or broken, or the transport stops */
    bool gone;                /* nobody is there to answer: close */
    bool blocked;             /* output waits for the socket, or for the reader */
    bool waits;               /* out, timeout and retry may be pending */
    bool deferred;            /* nothing more can be received of it just now */
    bool impatient;           /* patience is pending */
    bool stalled;             /* the last turn met a limit before the end of the input */
    bool queued;              /* for a turn */
    bool in_turn;             /* so that a completion needn't queue it */
    bool dead;                /* closed: only calls hold it, or it lingers */
    bool lingers;             /* closed, with descriptors in flight or being closed */
    bool untagged;            /* an untagged call is under way */
    size_t pending;           /* calls: held and under way */
    size_t cost;              /* bytes of their requests */
    int budget;               /* left of this turn */
    uint32_t passed;          /* descriptors of calls that wait to be started */
    struct uds_calls held;    /* untagged calls that wait for the one under way */
    struct uds_call *filling; /* its bytes have not all come; NULL = none */
    size_t filled;            /* bytes of it that have */
    uint64_t waits_since;     /* the descriptors that patience is for */
    struct uds_input input;
    struct uds_output output;
};

/* Makes a connection of an accepted socket, and opens its session. The socket is the connection's
 * from now on; on failure it stays the caller's. -ENOMEM, or what session_open said. */
int32_t uds_connection_open(struct uds_transport *transport, int fd, struct pk_error *err);

/* Closes the session at once, and the socket for the client; what calls still hold of it goes with
 * them. It lingers, and counts as a client, until no descriptors of it are in flight, and those
 * that it passed are closed: who connects anew gets around no limit. */
void uds_connection_close(struct uds_connection *connection);

/* Ends the lingering. */
void uds_connection_release(struct uds_connection *connection);

/* Receives nothing for a moment. */
void uds_connection_defer(struct uds_connection *connection);
/* Disconnects it in time if the descriptors that wait for a request of it still do. */
void uds_connection_grow_impatient(struct uds_connection *connection, uint64_t since);

/* Reads, starts calls and sends, as far as limits allow and for a bounded time; closes the
 * connection when it is done. */
void uds_connection_turn(struct uds_connection *connection);

/* Takes no more input: what was received is answered, then the connection closes. */
void uds_connection_end_input(struct uds_connection *connection);

/* Queues the call's reply, or closes what it holds if the connection is dead, and frees the call.
 */
void uds_connection_answer(struct uds_connection *connection, struct uds_call *call);

/* Drops a call's reference. */
void uds_connection_unref(struct uds_connection *connection);

#endif
