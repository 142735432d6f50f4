/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The frame scanner: one pass over the bytes of a stream, with memchr through strings. It never
 * buffers; its caller keeps the bytes.
 */
#include "core/wire/frame.h"

#include <errno.h>
#include <string.h>

static bool
is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* Inside a string: the offset behind its closing quote, or size. Each memchr sees every byte at
 * most once, since the quote that was found stays good until it turns out to be escaped. */
static size_t
skip_string(struct pk_wire_frame *frame, const char *data, size_t size)
{
    size_t at = frame->escaped ? 1 : 0;
    frame->escaped = false;
    while (at < size) {
        const char *quote = memchr(data + at, '"', size - at);
        size_t end = quote == NULL ? size : (size_t)(quote - data);
        while (at <= end) {
            const char *escape = memchr(data + at, '\\', end - at);
            if (escape == NULL) {
                frame->in_string = quote == NULL;
                return quote == NULL ? size : end + 1;
            }
            at = (size_t)(escape - data) + 2;
            if (at > size) { /* what it escapes has yet to come */
                frame->escaped = true;
                return size;
            }
        }
    }
    return size;
}

/* Scans from the object's first brace, or on from where the last call stopped. *ret_used is right
 * behind the closing brace, or size. */
static int32_t
scan_object(struct pk_wire_frame *frame, const char *data, size_t size, size_t *ret_used,
            bool *ret_complete, struct pk_error *err)
{
    size_t at = 0;
    while (at < size) {
        if (frame->in_string) {
            at += skip_string(frame, data + at, size - at);
            continue;
        }
        char c = data[at++];
        if (c == '"') {
            frame->in_string = true;
        } else if (c == '{' || c == '[') {
            if (++frame->depth > PK_WIRE_DEPTH_MAX)
                return pk_fail(err, -EINVAL, "nested more than %u levels deep", PK_WIRE_DEPTH_MAX);
        } else if ((c == '}' || c == ']') && --frame->depth == 0) {
            *ret_complete = true;
            break;
        }
    }
    *ret_used = at;
    return 0;
}

int32_t
pk_wire_frame_scan(struct pk_wire_frame *frame, const char *data, size_t size, size_t max,
                   size_t *ret_start, size_t *ret_used, bool *ret_complete, struct pk_error *err)
{
    size_t start = 0;
    if (frame->size == 0) {
        while (start < size && is_space(data[start]))
            start++;
        if (start < size && data[start] != '{')
            return pk_fail(err, -EINVAL, "not a JSON object: it does not begin with '{'");
    }
    size_t room = max > frame->size ? max - frame->size : 0;
    size_t rest = size - start;
    size_t used = 0;
    bool complete = false;
    int32_t rc = 0;
    if (rest > 0)
        rc = scan_object(frame, data + start, rest < room ? rest : room, &used, &complete, err);
    if (rc != 0)
        return rc;
    if (!complete && used < rest)
        return pk_fail(err, -EFBIG, "a message longer than %zu bytes", max);
    frame->size += used;
    if (complete)
        memset(frame, 0, sizeof(*frame));
    *ret_start = start;
    *ret_used = start + used;
    *ret_complete = complete;
    return 0;
}
