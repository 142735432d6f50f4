/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What requests and replies are to a node: text, and what travels with it. It turns the ones into
 * text and the others into answers, and touches no socket.
 */
#ifndef PACKICE_SDK_EXCHANGE_H
#define PACKICE_SDK_EXCHANGE_H

#include "core/wire/request.h"
#include "sdk/link.h"
#include "sdk/unix_stream.h"

/* What came in answer to requests. */
struct packice_arrival {
    struct pk_wire_reply *reply; /* parsed */
    struct packice_fds *fds;     /* NULL: none came; those that are used are taken out */
    const char *data;            /* the bytes behind it, as many as reply says; NULL: none */
    uint64_t generation;         /* of the connection */
};

/* The text to send, malloc'd, for requests (count of them), or, with requests NULL, for stats.
 * Errors: pk_wire_request_encode. */
int32_t packice_exchange_encode(const struct pk_request *requests, size_t count,
                                const struct pk_wire_request_format *format, char **ret_text,
                                size_t *ret_size, struct pk_error *err);

/* Reads a reply as that to these requests. -EPROTO, -ENOMEM. */
int32_t packice_exchange_decode(struct pk_wire_reply *reply, const struct pk_request *requests,
                                size_t count, struct pk_error *err);

/* Makes one answer for each request, of a reply that is decoded. -EMFILE: descriptors were lost on
 * the way. -EPROTO: a request's answer isn't one, or -ENOMEM; then there are no answers. */
int32_t packice_exchange_answers(const struct packice_arrival *arrival,
                                 const struct pk_request *requests, size_t count,
                                 struct packice_answer **ret_answers, struct pk_error *err);

/* Gives each figure of a reply to stats, which is decoded. What it was refused with. */
int32_t packice_exchange_figures(const struct pk_wire_reply *reply, packice_figure_fn *emit,
                                 void *arg, struct pk_error *err);

/* Calls each for every lease that a decoded reply granted. Of requests, only the verbs count. */
void packice_exchange_each_lease(const struct pk_wire_reply *reply,
                                 const struct pk_request *requests, size_t count,
                                 void (*each)(void *arg, const char *lease_id), void *arg);

#endif
