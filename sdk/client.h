/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client from within: its link, its leases' renewal, and the one way through which all its calls
 * go. It knows no kind of target.
 */
#ifndef PACKICE_SDK_CLIENT_H
#define PACKICE_SDK_CLIENT_H

#include "sdk/held.h"
#include "sdk/link.h"
#include "sdk/renewal.h"
#include <packice/client.h>
#include <stdatomic.h>
#include <sys/types.h>

struct packice_client {
    struct packice_link *link;    /* NULL once freed by its owner */
    pid_t pid;                    /* of the process it was made in */
    atomic_uint_fast64_t timeout; /* nanoseconds; PK_FOREVER */
    atomic_uint_fast64_t refs;    /* its owner, and each lease */
    struct packice_renewal renewal;
    struct packice_holdings holdings;
    uint64_t inline_max;              /* bytes that a get may bring; 0: none */
    atomic_uint_fast64_t no_put;      /* generation of a peer that takes no PUT of bytes, */
    atomic_uint_fast64_t no_adoption; /* and of descriptors; 0: none is known */
};

/* Takes the link over, on failure too. inline_max as in struct packice_connect_options. 0, -ENOMEM.
 */
int32_t packice_client_new(struct packice_link *link, uint64_t inline_max,
                           packice_client **ret_client, struct pk_error *err);

packice_client *packice_client_ref(packice_client *client);
void packice_client_unref(packice_client *client);

/* 0, or -EPIPE: the client came over a fork or was freed. */
int32_t packice_client_check(const packice_client *client, struct pk_error *err);

/* Asks for all requests; wait: nanoseconds that they may take by design. See packice_link_ops.call.
 * generation as in struct packice_ask. */
int32_t packice_client_call(packice_client *client, const struct pk_request *requests, size_t count,
                            uint64_t generation, uint64_t wait, struct packice_answer **ret_answers,
                            struct pk_error *err);

/* The same for one request; a reply that is an error fails the call with it. */
int32_t packice_client_ask(packice_client *client, const struct pk_request *request,
                           uint64_t generation, struct packice_answer **ret_answer,
                           struct pk_error *err);

/* Turns an error reply into the error of a call; 0 if it is none. */
int32_t packice_answer_status(const struct packice_answer *answer, struct pk_error *err);

#endif
