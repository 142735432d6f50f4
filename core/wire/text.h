/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text forms of values on the wire: UTF-8 that is sure to be valid, points in time, and seconds.
 * Private to core/wire.
 */
#ifndef PK_WIRE_TEXT_H
#define PK_WIRE_TEXT_H

#include <packice/types.h>
#include <stdbool.h>
#include <stddef.h>

/* The longest duration that can be said: INT64_MAX nanoseconds, in whole seconds. */
#define PK_WIRE_SECONDS_MAX 9223372036

/* Bytes of a point in time as text, with the NUL. */
#define PK_WIRE_TIME_SIZE 32U

bool pk_wire_utf8_valid(const char *text);

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
