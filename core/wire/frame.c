/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The frame scanner: one pass over the bytes of JSON in a stream, a block at a time, and none over
 * those of a binary message. It never buffers; its caller keeps the bytes.
 */
#include "core/wire/frame.h"

#include "core/wire/block.h"

#include <errno.h>
#include <string.h>

static bool
is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static int32_t
fail_size(size_t max, struct pk_error *err)
{
    return pk_fail(err, -EFBIG, "a message longer than %zu bytes", max);
}

static int32_t
fail_depth(struct pk_error *err)
{
    return pk_fail(err, -EINVAL, "nested more than %u levels deep", PK_WIRE_DEPTH_MAX);
}

/* Bytes one by one. *ret_used is right behind the closing brace, or size. */
static int32_t
scan_bytes(struct pk_wire_frame *frame, const char *data, size_t size, size_t *ret_used,
           bool *ret_complete, struct pk_error *err)
{
    size_t at = 0;
    while (at < size && !*ret_complete) {
        char c = data[at++];
        if (frame->escaped)
            frame->escaped = false;
        else if (c == '"')
            frame->in_string = !frame->in_string;
        else if (frame->in_string)
            frame->escaped = c == '\\';
        else if ((c == '{' || c == '[') && ++frame->depth > PK_WIRE_DEPTH_MAX)
            return fail_depth(err);
        else if (c == '}' || c == ']')
            *ret_complete = --frame->depth == 0;
    }
    *ret_used = at;
    return 0;
}

/* For each byte, whether an odd number of bits are set up to its own. */
static uint64_t
parities(uint64_t bits)
{
    for (unsigned shift = 1; shift < 64; shift *= 2)
        bits ^= bits << shift;
    return bits;
}

/* As scan_bytes, for the bytes of a block without a backslash; behind size, it is zero. */
static int32_t
scan_block(struct pk_wire_frame *frame, const struct pk_wire_block *block, size_t size,
           size_t *ret_used, bool *ret_complete, struct pk_error *err)
{
    uint64_t strings = parities(block->quotes) ^ (frame->in_string ? UINT64_MAX : 0);
    uint64_t marks = (block->opening | block->closing) & ~strings;
    *ret_used = size;
    for (; marks != 0; marks &= marks - 1) {
        unsigned at = (unsigned)__builtin_ctzll(marks);
        if ((block->opening >> at & 1U) != 0) {
            if (++frame->depth > PK_WIRE_DEPTH_MAX)
                return fail_depth(err);
        } else if (--frame->depth == 0) {
            *ret_complete = true;
            *ret_used = at + 1;
            return 0;
        }
    }
    frame->in_string = strings >> 63U != 0;
    return 0;
}

/* Scans from the object's first brace, or on from where the last call stopped. *ret_used is right
 * behind the closing brace, or size. */
static int32_t
scan_object(struct pk_wire_frame *frame, const char *data, size_t size, size_t *ret_used,
            bool *ret_complete, struct pk_error *err)
{
    int32_t rc = 0;
    size_t at = 0;
    while (rc == 0 && at < size && !*ret_complete) {
        char last[PK_WIRE_BLOCK_SIZE];
        const char *text = data + at;
        size_t count = PK_WIRE_BLOCK_SIZE;
        if (size - at < count) {
            count = size - at;
            memset(last, 0, sizeof(last));
            text = memcpy(last, data + at, count);
        }
        size_t used = 0;
        const struct pk_wire_block block = pk_wire_block_read(text);
        if (block.backslashes != 0 || frame->escaped)
            rc = scan_bytes(frame, text, count, &used, ret_complete, err);
        else
            rc = scan_block(frame, &block, count, &used, ret_complete, err);
        at += used;
    }
    *ret_used = at;
    return rc;
}

/* As scan_object, of a binary message. */
static int32_t
scan_binary(struct pk_wire_frame *frame, const char *data, size_t size, size_t max,
            size_t *ret_used, bool *ret_complete, struct pk_error *err)
{
    size_t known = frame->size < sizeof(frame->head) ? frame->size : sizeof(frame->head);
    size_t more = sizeof(frame->head) - known < size ? sizeof(frame->head) - known : size;
    uint64_t whole = 0;
    if (max < sizeof(frame->head))
        return fail_size(max, err);
    memcpy(frame->head + known, data, more);
    known += more;
    int32_t rc = pk_wire_binary_head(frame->head, known, &whole, err);
    if (rc != 0)
        return rc;
    if (whole > max)
        return fail_size(max, err);
    size_t left = (size_t)whole - frame->size;
    *ret_used = size < left ? size : left;
    *ret_complete = size >= left && known == sizeof(frame->head);
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
        frame->binary = start < size && pk_wire_is_binary(data[start]);
        if (start < size && data[start] != '{' && !frame->binary)
            return pk_fail(err, -EINVAL, "not a JSON object: it does not begin with '{'");
    }
    size_t room = max > frame->size ? max - frame->size : 0;
    size_t rest = size - start;
    size_t used = 0;
    bool complete = false;
    int32_t rc = 0;
    if (frame->binary)
        rc = scan_binary(frame, data + start, rest, max, &used, &complete, err);
    else if (rest > 0)
        rc = scan_object(frame, data + start, rest < room ? rest : room, &used, &complete, err);
    if (rc != 0)
        return rc;
    if (!complete && used < rest)
        return fail_size(max, err);
    frame->size += used;
    if (complete)
        memset(frame, 0, sizeof(*frame));
    *ret_start = start;
    *ret_used = start + used;
    *ret_complete = complete;
    return 0;
}
