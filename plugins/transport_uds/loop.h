/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop: one thread that does all the work of the transport, the way by which completions from
 * other threads come to it, and the order in which connections get their turns.
 */
#ifndef UDS_LOOP_H
#define UDS_LOOP_H

#include "core/wire/wire.h"
#include <event2/event.h>
#include <event2/event_struct.h>
#include <packice/types.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/queue.h>

struct uds_call;
struct uds_connection;
struct uds_transport;

TAILQ_HEAD(uds_turns, uds_connection);
STAILQ_HEAD(uds_calls, uds_call);

struct uds_loop {
    struct event_base *base;
    struct event wake; /* wake_fd */
    struct event cut;  /* the deadline of stop */
    int wake_fd;       /* eventfd */
    pthread_t thread;
    _Atomic(pthread_t) self; /* the thread's own, while it runs; else 0 */
    char *received; /* what one connection at a time receives into: UDS_INPUT_SHARED bytes */
    struct pk_wire_room room; /* of the request that is being started */
    struct uds_turns turns;   /* connections that have something to do */
    int spent;                /* of their budgets, since the loop looked for events */
    bool found;               /* there were events when it looked last */

    pthread_mutex_t lock; /* never held over a call of the host */
    struct uds_calls completed;
    uint64_t deadline;
    bool stop;
    bool ended; /* nobody takes `completed` any more */
};

/* Makes the base and the way to wake it; -ENOMEM, -EMFILE. */
int32_t uds_loop_init(struct uds_loop *loop, struct uds_transport *transport, struct pk_error *err);
/* The thread, if there was one, has ended. */
void uds_loop_finish(struct uds_loop *loop);

/* Starts the thread, with all signals blocked. -EAGAIN. */
int32_t uds_loop_start(struct uds_loop *loop, struct uds_transport *transport,
                       struct pk_error *err);
/* Ends the connections as their work is done, all of them at the deadline, and joins the thread.
 * From any other thread, once. */
void uds_loop_stop(struct uds_loop *loop, uint64_t deadline);

/* Whether this is the loop's thread. Any thread. */
bool uds_loop_is_here(const struct uds_loop *loop);

/* Hands a call with its reply to the loop; finishes it at once on the loop's own thread. The call
 * is no longer the caller's. Any thread, also after the loop has ended. */
void uds_loop_complete(struct uds_loop *loop, struct uds_call *call);

/* Gives the connection a turn soon. The loop's thread, as are all below. */
void uds_loop_enqueue(struct uds_loop *loop, struct uds_connection *connection);
void uds_loop_dequeue(struct uds_loop *loop, struct uds_connection *connection);
/* Gives the turns that are due; the end of every event's callback. */
void uds_loop_settle(struct uds_loop *loop);

#endif
