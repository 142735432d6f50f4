/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text forms of values on the wire: UTF-8 that is sure to be valid, points in time, and seconds.
 * Private to core/wire.
 */
#ifndef PK_WIRE_TEXT_H
#define PK_WIRE_TEXT_H

#include <endian.h>
#include <packice/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* The longest duration that can be said: INT64_MAX nanoseconds, in whole seconds. */
#define PK_WIRE_SECONDS_MAX 9223372036

/* What stands for a byte that is no part of UTF-8: U+FFFD. */
#define PK_WIRE_REPLACEMENT "\xEF\xBF\xBD"

/* Bytes of a point in time as text, with the NUL. */
#define PK_WIRE_TIME_SIZE 32U

bool pk_wire_utf8_valid(const char *text);

/* Whether `size` bytes, behind which there is a NUL, are UTF-8 without one. */
bool pk_wire_utf8_fills(const char *text, size_t size);

/* Some bytes in one word, at most eight; which are not there repeat others. */
static inline uint64_t
pk_wire_few_bytes(const char *text, size_t size)
{
    uint32_t first;
    uint32_t last;
    if (size >= sizeof(first)) {
        memcpy(&first, text, sizeof(first));
        memcpy(&last, text + size - sizeof(last), sizeof(last));
        return (uint64_t)first << 32U | last;
    }
    if (size == 0)
        text = " ";
    size_t end = size > 0 ? size - 1 : 0;
    return UINT64_C(0x2020202020000000) | (uint64_t)(unsigned char)text[0] << 16U
           | (uint64_t)(unsigned char)text[size / 2] << 8U | (unsigned char)text[end];
}

/* As pk_wire_utf8_fills, for what is mostly ASCII. */
static inline bool
pk_wire_is_text(const char *text, size_t size)
{
    const uint64_t ones = 0x0101010101010101U;
    uint64_t found = 0; /* the highest bit of a byte, for a NUL or what is beyond ASCII */
    uint64_t word;
    if (size < sizeof(word)) {
        word = pk_wire_few_bytes(text, size);
        found = word | (word - ones);
    } else {
        const char *last = text + size - sizeof(word);
        for (const char *at = text; at < last; at += sizeof(word)) {
            memcpy(&word, at, sizeof(word));
            found |= word | (word - ones);
        }
        memcpy(&word, last, sizeof(word));
        found |= word | (word - ones);
    }
    return (found & ones * 0x80U) == 0 || pk_wire_utf8_fills(text, size);
}

/* Behind printable bytes of ASCII that stand for themselves in a JSON string: where there is a
 * quote, a backslash, a control character (such as a NUL, which must be among them) or a byte
 * beyond ASCII. limit: how far can be read, if only to look at several bytes at once. */
static inline const char *
pk_wire_skip_plain(const char *at, const char *limit)
{
    const uint64_t ones = 0x0101010101010101U;
    for (; limit - at >= 8; at += 8) {
        uint64_t word;
        memcpy(&word, at, sizeof(word));
        word = le64toh(word);
        /* what is looked for gets the highest bit of its byte, and none before the first one does
         */
        uint64_t quote = (word ^ ones * '"') - ones;
        uint64_t backslash = (word ^ ones * '\\') - ones;
        uint64_t found = (word | (word - ones * ' ') | quote | backslash) & ones * 0x80U;
        if (found != 0)
            return at + __builtin_ctzll(found) / 8;
    }
    while ((signed char)*at >= ' ' && *at != '"' && *at != '\\')
        at++;
    return at;
}

/* Bytes of the character that text, which a NUL ends, begins with; 0 if it is none. */
size_t pk_wire_utf8_size(const char *text);

/* A copy in which each byte that is not part of valid UTF-8 is U+FFFD; NULL without memory. */
char *pk_wire_utf8_repair(const char *text);

/* A copy of valid UTF-8 for people: control characters (C0, DEL, C1) come out as '?'; NULL without
 * memory. */
char *pk_wire_printable(const char *text);

/* Whether valid UTF-8 has a control character. */
bool pk_wire_has_control(const char *text);

/* CLOCK_REALTIME nanoseconds as RFC 3339 text in UTC, to the microsecond, and back. -EINVAL: not
 * such a text, or a time before 1970 or after 2553. */
void pk_wire_time_format(uint64_t nanoseconds, char ret_text[PK_WIRE_TIME_SIZE]);
int32_t pk_wire_time_parse(const char *text, uint64_t *ret_nanoseconds);

#endif
