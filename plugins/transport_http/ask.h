/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An ask: what the transport wants from the peer for a connection, one request or the many of a
 * batch, and the answers as the loop then finds them. It knows nothing of HTTP.
 */
#ifndef HTTP_ASK_H
#define HTTP_ASK_H

#include "core/wire/wire.h"
#include <packice/types.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/queue.h>

struct http_ask;
struct http_connection;

/* Called on the loop's thread for a connection that is still there; the ask is freed afterwards. */
typedef void http_answered_fn(struct http_connection *connection, struct http_ask *ask);

#define HTTP_NO_BLOB UINT32_MAX

/* What the peer said to one request. */
struct http_answer {
    struct http_ask *ask;
    int32_t status; /* 0, or a negative errno; then message */
    bool granted;   /* a lease, even if that can't be told */
    uint32_t state; /* of what a lease is for, as are all up to size */
    uint32_t access;
    uint32_t blob_count;
    uint64_t epoch;
    uint64_t ttl;
    char lease_id[PK_LEASE_ID_LEN + 1];
    char object_id[PK_ID_MAX + 1];
    int fd;          /* of the blob that was asked for, open, the answer's; -1 = there is none */
    char *url;       /* where that blob is instead, malloc'd; NULL = not elsewhere */
    uint64_t offset; /* where it begins behind fd */
    uint64_t size;   /* PK_UNSIZED while it has none */
    uint64_t bytes;  /* READ, WRITE */
    char *text;      /* the reply as JSON, malloc'd, if it was wanted; NULL without memory */
    size_t text_size;
    char message[sizeof(((struct pk_error *)0)->message)];
};

struct http_ask {
    STAILQ_ENTRY(http_ask) next;
    struct http_connection *connection; /* holds a reference */
    http_answered_fn *answered;         /* NULL = nobody waits for it */
    uint32_t blob;                      /* whose handle is wanted; or HTTP_NO_BLOB */
    bool batch;
    bool text;           /* replies are wanted as JSON */
    bool paths;          /* which tell paths */
    atomic_size_t left;  /* requests not completed, and one until http_ask_end */
    atomic_size_t bytes; /* of all texts */
    size_t count;
    struct http_answer answers[];
};

/* Makes an ask of `count` requests. NULL without memory. The loop's thread, as is all but
 * http_ask_free. */
struct http_ask *http_ask_new(struct http_connection *connection, size_t count,
                              http_answered_fn *answered);

/* Asks the peer; the answer goes to answers[index]. */
void http_ask_peer(struct http_ask *ask, size_t index, const struct pk_request *request);
/* Answers it here: with an error, or with a text, which becomes the ask's (NULL: out of memory). */
void http_ask_fail(struct http_ask *ask, size_t index, int32_t code, const char *message);
void http_ask_tell(struct http_ask *ask, size_t index, char *text, size_t size);
/* No request follows: it completes with the last answer. It is no longer the caller's. */
void http_ask_end(struct http_ask *ask);

/* One request, and all of the above. -ENOMEM. */
int32_t http_ask_one(struct http_connection *connection, const struct pk_request *request,
                     uint32_t blob, http_answered_fn *answered);

/* Gives up a lease; nobody waits for that. */
void http_ask_release(struct http_connection *connection, const char *lease_id);

/* Tells the connection, and frees the ask. */
void http_ask_finish(struct http_ask *ask);

/* Frees it with all it holds, and drops its reference. Under the loop's lock once that has ended.
 */
void http_ask_free(struct http_ask *ask);

#endif
