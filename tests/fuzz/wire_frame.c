/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scans a stream for its objects in one piece and in many, which must find the same ones and end
 * the same way, and the first one where a parser of JSON finds it. The first two bytes say how it
 * is split and how long an object may be.
 */
#include "core/wire/block.h"
#include "core/wire/wire.h"
#include "fuzz.h"

#include <jansson.h>
#include <string.h>

#define FRAMES_MAX 256U

/* Where the objects of a stream end, and how the stream does. */
struct found {
    size_t ends[FRAMES_MAX];
    size_t count;
    int32_t rc;
};

/* Scans data in pieces of 1 to piece_max bytes, of sizes that follow from seed. */
static void
scan(const char *data, size_t size, size_t max, size_t piece_max, uint32_t seed,
     struct found *found)
{
    struct pk_wire_frame frame = { 0 };
    size_t at = 0;
    while (at < size && found->rc == 0 && found->count < FRAMES_MAX) {
        seed = seed * 1664525U + 1013904223U;
        size_t piece = 1 + (seed >> 16U) % piece_max;
        piece = piece < size - at ? piece : size - at;
        size_t start = 0;
        size_t used = 0;
        bool complete = false;
        found->rc =
            pk_wire_frame_scan(&frame, data + at, piece, max, &start, &used, &complete, NULL);
        if (found->rc != 0)
            break;
        FUZZ_CHECK(start <= used && used <= piece && (complete || used == piece));
        FUZZ_CHECK(!complete || (frame.size == 0 && frame.depth == 0));
        FUZZ_CHECK(frame.size <= max);
        at += used;
        if (complete)
            found->ends[found->count++] = at;
    }
}

/* Where jansson finds an object, the scanner finds the same one, if it takes it at all. */
static void
check_parser(const char *data, size_t size)
{
    struct pk_wire_frame frame = { 0 };
    size_t start = 0;
    size_t used = 0;
    bool complete = false;
    json_error_t where;
    if (size == 0)
        return;
    json_t *json = json_loadb(data, size, JSON_DISABLE_EOF_CHECK, &where);
    int32_t rc =
        pk_wire_frame_scan(&frame, data, size, PK_WIRE_REQUEST_MAX, &start, &used, &complete, NULL);
    /* it miscounts a NUL, which the wire takes for an error elsewhere */
    if (json != NULL && rc == 0 && memchr(data, '\0', size) == NULL)
        FUZZ_CHECK(complete && used == (size_t)where.position);
    json_decref(json);
}

/* However many bytes a machine looks at in one step, it sees the same. */
static void
check_block(const char *data, size_t size)
{
    char text[PK_WIRE_BLOCK_SIZE] = "";
    memcpy(text, data, size < sizeof(text) ? size : sizeof(text));
    struct pk_wire_block block = pk_wire_block_read(text);
    struct pk_wire_block plain = pk_wire_block_read_plain(text);
    FUZZ_CHECK(block.quotes == plain.quotes && block.backslashes == plain.backslashes);
    FUZZ_CHECK(block.opening == plain.opening && block.closing == plain.closing);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct found whole;
    static struct found split;
    if (size < 2)
        return 0;
    size_t max = (size_t)data[1] * 4 + 2;
    memset(&whole, 0, sizeof(whole));
    memset(&split, 0, sizeof(split));
    /* one piece: the rest of the stream, from wherever the last object ended */
    scan((const char *)data + 2, size - 2, max, size, UINT32_MAX, &whole);
    scan((const char *)data + 2, size - 2, max, 1 + data[0] % 64U, data[0], &split);
    FUZZ_CHECK(whole.rc == split.rc && whole.count == split.count);
    FUZZ_CHECK(memcmp(whole.ends, split.ends, whole.count * sizeof(whole.ends[0])) == 0);
    check_parser((const char *)data + 2, size - 2);
    check_block((const char *)data + 2, size - 2);
    return 0;
}
