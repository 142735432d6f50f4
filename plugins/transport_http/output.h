/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Output: one response that is being sent, its text and behind that the bytes of a blob, from a
 * file or piece by piece. It owns both, and never waits.
 */
#ifndef HTTP_OUTPUT_H
#define HTTP_OUTPUT_H

#include "socket.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_output {
    char *text; /* malloc'd; NULL = none */
    size_t size;
    size_t sent;
    int file;        /* open; -1 = pieces are put by http_output_put */
    uint64_t offset; /* of the next byte in the file */
    uint64_t left;   /* bytes of the blob, not yet sent or put */
};

void http_output_init(struct http_output *output);
/* Drops what wasn't sent. */
void http_output_finish(struct http_output *output);

/* Adds text, which becomes the output's, behind what is there. -ENOMEM: it is lost. */
int32_t http_output_put(struct http_output *output, char *text, size_t size);

/* Whether there is something that can be sent now. */
bool http_output_pending(const struct http_output *output);

/* Sends what the socket takes, once. The number of bytes; errors as in socket.h; -EIO: the file is
 * shorter than was said. */
ssize_t http_output_send(struct http_output *output, struct http_socket *socket);

#endif
