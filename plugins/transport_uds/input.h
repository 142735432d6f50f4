/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Input: the bytes of one connection that were received and not yet taken, and where one request
 * in them ends. Descriptors that come with them are refused.
 */
#ifndef UDS_INPUT_H
#define UDS_INPUT_H

#include "core/wire/wire.h"
#include <sys/types.h>

#define UDS_INPUT_SHARED 65536U /* bytes of the memory that connections share for receiving */

/* Zero it to begin. */
struct uds_input {
    char *data;
    bool borrowed;  /* data is the shared memory: until uds_input_keep */
    size_t room;    /* bytes there are in data */
    size_t begin;   /* first byte that is still needed */
    size_t scanned; /* first byte that the frame hasn't seen */
    size_t end;     /* behind the last byte */
    struct pk_wire_frame frame;
};

/* What receiving once came to. */
struct uds_received {
    size_t size;  /* bytes; 0: the other side sends no more */
    bool drained; /* there was nothing more in the socket */
};

/* Forgets all bytes, and frees their memory. */
void uds_input_finish(struct uds_input *input);

/* The next request that is complete: *ret_text points to *ret_size bytes, until something is
 * received or kept. 1; 0: there is none; -EINVAL or -EFBIG: the stream is of no more use. */
int32_t uds_input_next(struct uds_input *input, size_t max, const char **ret_text, size_t *ret_size,
                       struct pk_error *err);

/* Moves up to `size` bytes that were received, and follow the last request, to `to`: how many. */
size_t uds_input_take(struct uds_input *input, void *to, size_t size);

/* Receives once, when there is no request left: into `shared` if nothing is left at all. 0;
 * -EAGAIN: nothing there; -ENOMEM; else the connection is of no more use. */
int32_t uds_input_receive(struct uds_input *input, char *shared, int fd,
                          struct uds_received *ret_received);
/* As that, up to `size` bytes, to `to`; when nothing is left. */
int32_t uds_input_receive_to(int fd, void *to, size_t size, struct uds_received *ret_received);

/* Gives the shared memory back: what is left in it is copied. -ENOMEM. */
int32_t uds_input_keep(struct uds_input *input);

#endif
