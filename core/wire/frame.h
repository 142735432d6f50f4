/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Framing: where a JSON object ends in a stream. It counts braces and minds strings, and leaves it
 * to the decoder to say whether what is between them is JSON.
 */
#ifndef PK_WIRE_FRAME_H
#define PK_WIRE_FRAME_H

#include <packice/types.h>
#include <stdbool.h>
#include <stddef.h>

#define PK_WIRE_REQUEST_MAX (1U << 20) /* bytes of one request's JSON */
#define PK_WIRE_REPLY_MAX (128U << 20) /* bytes of one reply's JSON, as a client accepts it */
#define PK_WIRE_DEPTH_MAX 32U          /* nesting of braces and brackets */

/* The scan of one object. Zero it to begin; a complete scan leaves it zeroed for the next one. */
struct pk_wire_frame {
    size_t size; /* bytes of the current object so far, from its '{'; 0 = it has not begun */
    uint32_t depth;
    bool in_string;
    bool escaped;
};

/*
 * Scans on with data, the bytes that follow those of the last call, and stops right behind the
 * brace that closes the object. White space before '{' is skipped.
 *   *ret_start     where the object begins in data: 0 if it began in an earlier call, *ret_used if
 *                  data held white space alone
 *   *ret_used      bytes scanned; all of them unless the object is complete
 *   *ret_complete  whether it is: then frame is zeroed
 * No byte is looked at twice over calls. 0; -EINVAL: the first byte is neither '{' nor white space,
 * or it nests deeper than PK_WIRE_DEPTH_MAX; -EFBIG: the object is longer than max bytes. After an
 * error the stream is of no more use.
 */
int32_t pk_wire_frame_scan(struct pk_wire_frame *frame, const char *data, size_t size, size_t max,
                           size_t *ret_start, size_t *ret_used, bool *ret_complete,
                           struct pk_error *err);

#endif
