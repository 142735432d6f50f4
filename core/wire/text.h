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
