/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request over HTTP and its response. The node is trusted for nothing: redirects are not
 * followed, contents not decoded, and whatever comes is bounded.
 */
#ifndef PACKICE_SDK_HTTP_REQUEST_H
#define PACKICE_SDK_HTTP_REQUEST_H

#include "sdk/http.h"
#include <stddef.h>

#define PACKICE_HTTP_HEADERS 3U         /* of a request's own */
#define PACKICE_HTTP_HEAD_MAX 65536U    /* bytes of all headers that come for one request */
#define PACKICE_HTTP_REFUSAL_MAX 65536U /* bytes of a response that is no success */

struct packice_http_response {
    long status;      /* 200...; 0 = none came */
    int64_t length;   /* Content-Length; -1 = not told */
    char etag[256];   /* a strong one, with its quotes; "" = none */
    char range[80];   /* Content-Range; "" = none */
    char *text;       /* what did not go into a sink, with a NUL behind it; NULL = nothing */
    size_t text_size; /* without the NUL */
    size_t text_room;
};

/* Takes some bytes of a response whose head is known; a failure ends the request with it. */
typedef int32_t packice_http_sink_fn(void *arg, const struct packice_http_response *response,
                                     const char *data, size_t size, struct pk_error *err);

struct packice_http_request {
    const char *method;                        /* "GET", "HEAD", "POST" or "PUT" */
    const char *url;                           /* whole */
    const char *lease_id;                      /* the lease it is under; NULL = none */
    const char *headers[PACKICE_HTTP_HEADERS]; /* "Name: value", up to the first NULL */
    const char *text;                          /* POST: text_size bytes of JSON */
    size_t text_size;
    int fd;        /* PUT: size bytes from the start of this file */
    uint64_t size; /* PUT */
    bool once;     /* not to be sent again by itself when a kept connection turns out to be dead,
                      unless the node can't have seen all of it */
    bool last;     /* goes also after packice_http_shut */
    uint64_t deadline; /* CLOCK_MONOTONIC nanoseconds, then -ETIMEDOUT; PK_FOREVER */
    uint64_t patience; /* nanoseconds in which no byte moves, then -ETIMEDOUT; PK_FOREVER */
    size_t text_max;   /* bytes of a success that may come as text */
    packice_http_sink_fn *sink; /* takes a success (200, 206); NULL: it comes as text */
    void (*then)(void *arg);    /* called after a success, while nobody else can ask anything over
                                   the same connection; NULL = nothing */
    void *arg;
};

/* Sends it and waits. 0 with any response, to be finished, or -ECONNREFUSED, -ECONNRESET,
 * -ETIMEDOUT, -EPIPE, -EPROTO (TLS included), -EINVAL (a file of the options), -EMFILE, -ENOMEM, or
 * what the sink failed with; *ret_response is there to be finished in any case. */
int32_t packice_http_perform(struct packice_http *http, const struct packice_http_request *request,
                             struct packice_http_response *ret_response, struct pk_error *err);
void packice_http_response_finish(struct packice_http_response *response);

/* The error that a response tells of which is not the success that was expected: what it says in
 * JSON, or by its status alone. Always negative. */
int32_t packice_http_refusal(const struct packice_http_response *response, struct pk_error *err);

#endif
