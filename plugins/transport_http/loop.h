/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop: one thread that does all the work of the transport, the way by which completions from
 * other threads come to it, and the order in which connections get their turns.
 */
#ifndef HTTP_LOOP_H
#define HTTP_LOOP_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <packice/types.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/queue.h>

struct http_ask;
struct http_connection;
struct http_transport;

TAILQ_HEAD(http_turns, http_connection);
STAILQ_HEAD(http_asks, http_ask);

struct http_loop {
    struct event_base *base;
    struct event wake; /* wake_fd */
    struct event cut;  /* the deadline of stop */
    int wake_fd;       /* eventfd */
    pthread_t joinable;
    struct http_turns turns; /* connections that have something to do */
    int spent;               /* of their budgets, since the loop looked for events */

    pthread_mutex_t lock; /* never held over a call of the host */
    struct http_asks completed;
    uint64_t deadline;
    bool stop;
    bool ended; /* nobody takes `completed` any more */
};

/* Makes the base and the way to wake it; -ENOMEM, -EMFILE. */
int32_t http_loop_init(struct http_loop *loop, struct http_transport *transport,
                       struct pk_error *err);
/* The thread, if there was one, has ended. */
void http_loop_finish(struct http_loop *loop);

/* Starts the thread, with all signals blocked. -EAGAIN. */
int32_t http_loop_start(struct http_loop *loop, struct http_transport *transport,
                        struct pk_error *err);
/* Ends the connections as their work is done, all of them at the deadline, and joins the thread.
 * From any other thread, once. */
void http_loop_stop(struct http_loop *loop, uint64_t deadline);

/* Hands over what was answered; it is no longer the caller's. Any thread, also after the loop has
 * ended. */
void http_loop_complete(struct http_loop *loop, struct http_ask *ask);

/* Gives the connection a turn soon. The loop's thread, as are all below. */
void http_loop_enqueue(struct http_loop *loop, struct http_connection *connection);
void http_loop_dequeue(struct http_loop *loop, struct http_connection *connection);
/* Gives the turns that are due, and takes what completed; the end of every event's callback. */
void http_loop_settle(struct http_loop *loop);

#endif
