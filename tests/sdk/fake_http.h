/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A node over HTTP that says what a test wants it to say, byte for byte. It answers /healthz by
 * itself and leaves the rest to the test's function, which runs on a thread of the fake's.
 */
#ifndef TEST_SDK_FAKE_HTTP_H
#define TEST_SDK_FAKE_HTTP_H

#include <stdbool.h>
#include <stddef.h>

struct fake_answer {
    char *bytes;  /* malloc'd: all of it, with status line and headers; NULL: says nothing */
    size_t size;  /* bytes of it to be sent */
    bool hang_up; /* then closes the connection */
    bool endless; /* sends the bytes from `again` on over and over until the client has enough */
    size_t again;
    bool silent; /* says nothing more, and leaves the connection open until it is stopped */
};

/* request: one whole request with its body, NUL-terminated. */
typedef void fake_http_fn(void *arg, const char *request, struct fake_answer *ret_answer);

struct fake_http;

/* Listens at a port of its own on 127.0.0.1. */
struct fake_http *fake_http_start(fake_http_fn *answer, void *arg);

/* "http://127.0.0.1:PORT", as long as it runs. */
const char *fake_http_target(const struct fake_http *fake);

/* Stops it, and gives the text of all that it was asked but /healthz, malloc'd. */
char *fake_http_stop(struct fake_http *fake);

/* An answer of one status with a JSON body, a Content-Length, and further header lines ("" or
 * "Name: value\r\n..."). */
void fake_http_json(struct fake_answer *answer, const char *status, const char *headers,
                    const char *json);

/* The same for bytes. */
void fake_http_bytes(struct fake_answer *answer, const char *status, const char *headers,
                     const void *data, size_t size);

#endif
