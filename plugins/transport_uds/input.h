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

/* Zero it to begin. */
struct uds_input {
    char *data;
    size_t room;    /* bytes allocated */
    size_t begin;   /* first byte that is still needed */
    size_t scanned; /* first byte that the frame hasn't seen */
    size_t end;     /* behind the last byte */
    struct pk_wire_frame frame;
};

/* Forgets all bytes, and frees their memory. */
void uds_input_finish(struct uds_input *input);

/* The next request that is complete: *ret_text points to *ret_size bytes, until the next call of
 * anything here. 1; 0: there is none; -EINVAL or -EFBIG: the stream is of no more use. */
int32_t uds_input_next(struct uds_input *input, size_t max, const char **ret_text, size_t *ret_size,
                       struct pk_error *err);

/* Receives once, when there is no request left. The number of bytes; 0: the other side sends no
 * more; -EAGAIN: nothing there; -ENOMEM; else the connection is of no more use. */
ssize_t uds_input_receive(struct uds_input *input, int fd);

#endif
