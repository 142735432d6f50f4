/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An exchange: one request from its head to its response. It finds out who asks and what for, says
 * where the body goes, and undoes what it began when the client leaves. Everything on the loop's
 * thread, for a connection that is open.
 */
#ifndef HTTP_EXCHANGE_H
#define HTTP_EXCHANGE_H

#include "ask.h"
#include "target.h"
#include <packice/types.h>
#include <stdbool.h>
#include <stddef.h>

#define HTTP_UPLOAD_ROOM \
    (256U << 10) /* bytes of an upload that are gathered and written at once \
                  */

enum http_sink {
    HTTP_SINK_NOTHING, /* the body is thrown away */
    HTTP_SINK_COLLECT, /* the body is JSON, kept until it is whole */
    HTTP_SINK_UPLOAD,  /* the body is a blob's, written as it comes */
};

struct http_exchange {
    struct http_target target;
    enum http_sink sink;
    bool held;      /* the body isn't read on until the peer has answered */
    bool responded; /* the response is with the output */
    bool close;     /* the connection ends with it */
    bool failed;    /* the body is too large, or there is no memory for it */
    bool one_shot;  /* PUT of an object: it is sealed at the end */
    bool loose;     /* its storage grows, although its length is known */
    bool keep;      /* and its lease stays, for a repeat of the request */
    bool discard;   /* the lease is released if the body ends early */
    bool own;       /* the lease is the exchange's: released at the end */

    char *body; /* what is gathered */
    size_t body_size;
    size_t body_room;
    uint64_t received; /* bytes of the body */
    uint64_t counted;  /* of them, when the clock was last set anew */

    char lease_id[PK_LEASE_ID_LEN + 1]; /* "" = none */
    uint64_t ttl;                       /* of that lease */
    uint64_t renewed;                   /* when it was last known to be that long, nanoseconds */
    uint64_t epoch;
    uint64_t offset; /* of the blob: written, or read so far */
    uint64_t size;   /* of the blob; PK_UNSIZED */
};

/* The head is there: finds out what is wanted, and lets it begin. */
void http_exchange_begin(struct http_connection *connection);
/* Takes bytes of the body; called by the parser. */
void http_exchange_body(void *arg, const char *data, size_t size);
/* How many more bytes of the body there is room for. */
size_t http_exchange_room(const struct http_connection *connection);
/* All of the body is there. */
void http_exchange_whole(struct http_connection *connection);
/* More of a blob is to be sent than the output has. */
void http_exchange_more(struct http_connection *connection);

/* Undoes what is not finished; the connection is about to end. */
void http_exchange_abort(struct http_connection *connection);
/* Ends a request whose response was sent, and makes ready for the next. */
void http_exchange_end(struct http_connection *connection);
/* Frees memory. */
void http_exchange_finish(struct http_exchange *exchange);

#endif
