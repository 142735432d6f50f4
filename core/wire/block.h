/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 64 bytes of text at once: where in them are the marks that a frame is found by, as bits, the
 * first byte's the lowest. Private to core/wire.
 */
#ifndef PK_WIRE_BLOCK_H
#define PK_WIRE_BLOCK_H

#include <stddef.h>
#include <stdint.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define PK_WIRE_BLOCK_SIZE 64U

struct pk_wire_block {
    uint64_t quotes;
    uint64_t backslashes;
    uint64_t opening; /* braces and brackets */
    uint64_t closing;
};

/* On any machine. */
static inline struct pk_wire_block
pk_wire_block_read_plain(const char text[PK_WIRE_BLOCK_SIZE])
{
    struct pk_wire_block block = { 0 };
    for (unsigned at = 0; at < PK_WIRE_BLOCK_SIZE; at++) {
        block.quotes |= (uint64_t)(text[at] == '"') << at;
        block.backslashes |= (uint64_t)(text[at] == '\\') << at;
        block.opening |= (uint64_t)(text[at] == '{' || text[at] == '[') << at;
        block.closing |= (uint64_t)(text[at] == '}' || text[at] == ']') << at;
    }
    return block;
}

#ifdef __SSE2__
static inline uint64_t
pk_wire_block_bits(__m128i found, unsigned shift)
{
    return (uint64_t)(uint32_t)_mm_movemask_epi8(found) << shift;
}

/* The same, 16 bytes a step. */
static inline struct pk_wire_block
pk_wire_block_read(const char text[PK_WIRE_BLOCK_SIZE])
{
    struct pk_wire_block block = { 0 };
    for (unsigned at = 0; at < PK_WIRE_BLOCK_SIZE; at += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(text + at));
        /* a bracket differs from its brace in this bit, and no other byte becomes one of them */
        __m128i braces = _mm_or_si128(bytes, _mm_set1_epi8('{' ^ '['));
        block.quotes |= pk_wire_block_bits(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')), at);
        block.backslashes |= pk_wire_block_bits(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\')), at);
        block.opening |= pk_wire_block_bits(_mm_cmpeq_epi8(braces, _mm_set1_epi8('{')), at);
        block.closing |= pk_wire_block_bits(_mm_cmpeq_epi8(braces, _mm_set1_epi8('}')), at);
    }
    return block;
}
#else
#define pk_wire_block_read pk_wire_block_read_plain
#endif

#endif
