/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One exchange with a node: which requests went out under a tag, and what came back. It turns them
 * into text and back into answers, and touches no socket.
 */
#ifndef PACKICE_SDK_EXCHANGE_H
#define PACKICE_SDK_EXCHANGE_H

#include "sdk/link.h"
#include "sdk/unix_stream.h"
#include <pthread.h>
#include <sys/queue.h>

struct packice_exchange {
    TAILQ_ENTRY(packice_exchange) entry; /* the connection's, as is all up to fds */
    uint64_t tag;                        /* 0 = none */
    pthread_cond_t changed;              /* it is done, or it is its turn to read */
    bool waiting;                        /* its thread waits for changed */
    bool orphan;                         /* nobody waits for its reply any more */
    bool done;
    int32_t failure; /* how the connection ended; 0 = there is a reply */
    struct pk_error why;
    struct pk_wire_reply *reply;
    struct packice_fds *fds; /* NULL: none came */
    size_t count;            /* requests; more than one: a batch */
    uint32_t verbs[];        /* of each */
};

TAILQ_HEAD(packice_exchanges, packice_exchange);

/* For requests (count of them), or, with requests NULL, for stats. 0 or -ENOMEM. */
int32_t packice_exchange_new(const struct pk_request *requests, size_t count,
                             struct packice_exchange **ret_exchange, struct pk_error *err);

/* Frees it with whatever came back and wasn't taken. NULL is fine. */
void packice_exchange_free(struct packice_exchange *exchange);

/* The text to send, malloc'd. Errors: pk_wire_request_encode. */
int32_t packice_exchange_encode(const struct packice_exchange *exchange,
                                const struct pk_request *requests, char **ret_text,
                                size_t *ret_size, struct pk_error *err);

/* Reads the reply as what was asked for. -EPROTO, -ENOMEM. */
int32_t packice_exchange_decode(struct packice_exchange *exchange, struct pk_error *err);

/* Makes one answer for each request of a decoded exchange. -EMFILE: descriptors were lost on the
 * way. -EPROTO: a request's answer isn't one, or -ENOMEM; then there are no answers. */
int32_t packice_exchange_answers(struct packice_exchange *exchange,
                                 const struct pk_request *requests, uint64_t generation,
                                 struct packice_answer **ret_answers, struct pk_error *err);

/* Calls each for every lease that a decoded exchange acquired. */
void packice_exchange_each_lease(const struct packice_exchange *exchange,
                                 void (*each)(void *arg, const char *lease_id), void *arg);

#endif
