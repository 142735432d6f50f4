/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Framing: where a message ends in a stream. Of a JSON object it counts braces and minds strings; a
 * binary message says its size. It leaves it to the decoder to say whether what is between is
 * right.
 */
#ifndef PK_WIRE_FRAME_H
#define PK_WIRE_FRAME_H

#include "core/wire/binary.h"
#include <packice/types.h>
#include <stdbool.h>
#include <stddef.h>

#define PK_WIRE_REQUEST_MAX (1U << 20) /* bytes of one request */
#define PK_WIRE_REPLY_MAX (128U << 20) /* bytes of one reply, as a client accepts it */
#define PK_WIRE_DEPTH_MAX 32U          /* nesting of objects and arrays */

/* The scan of one message. Zero it to begin; a complete scan leaves it zeroed for the next one. */
struct pk_wire_frame {
    size_t size; /* bytes of the current message so far; 0 = it has not begun */
    uint32_t depth;
    bool in_string;
    bool escaped;
    bool binary;                    /* what follows is of binary messages alone */
    char head[PK_WIRE_BINARY_HEAD]; /* as much of it as came */
};

/*
 * Scans on with data, the bytes that follow those of the last call, and stops right behind the
 * message. White space before it is skipped.
 *   *ret_start     where the message begins in data: 0 if it began in an earlier call, *ret_used if
 *                  data held white space alone
 *   *ret_used      bytes scanned; all of them unless the message is complete
 *   *ret_complete  whether it is: then frame is zeroed
 * No byte of JSON is looked at twice over calls. 0; -EINVAL: the first byte is neither '{' nor
 * PK_WIRE_BINARY_MAGIC nor white space, the JSON nests deeper than PK_WIRE_DEPTH_MAX, or the binary
 * message is of another version; -EFBIG: the message is longer than max bytes. After an error the
 * stream is of no more use, and frame->binary tells what the message was.
 */
int32_t pk_wire_frame_scan(struct pk_wire_frame *frame, const char *data, size_t size, size_t max,
                           size_t *ret_start, size_t *ret_used, bool *ret_complete,
                           struct pk_error *err);

#endif
