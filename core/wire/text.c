/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UTF-8 (RFC 3629) and points in time (RFC 3339). Nothing here knows JSON.
 */
#include "core/wire/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NANOSECONDS 1000000000U

/* ---- UTF-8 ---- */

/* Whether `count` bytes from text are continuation bytes; the NUL at the end is none. */
static bool
is_continued(const unsigned char *text, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if ((text[i] & 0xC0U) != 0x80U)
            return false;
    }
    return true;
}

/* Bytes of the character that text begins with, or 0 if it is none: no overlong forms, no
 * surrogates, nothing above U+10FFFF. */
static size_t
character_size(const unsigned char *text)
{
    unsigned char c = text[0];
    if (c < 0x80U)
        return 1;
    if (c >= 0xC2U && c <= 0xDFU)
        return is_continued(text + 1, 1) ? 2 : 0;
    if (c >= 0xE0U && c <= 0xEFU) {
        if (!is_continued(text + 1, 2) || (c == 0xE0U && text[1] < 0xA0U)
            || (c == 0xEDU && text[1] > 0x9FU))
            return 0;
        return 3;
    }
    if (c >= 0xF0U && c <= 0xF4U) {
        if (!is_continued(text + 1, 3) || (c == 0xF0U && text[1] < 0x90U)
            || (c == 0xF4U && text[1] > 0x8FU))
            return 0;
        return 4;
    }
    return 0;
}

bool
pk_wire_utf8_valid(const char *text)
{
    const char *end = text + strlen(text);
    while ((text = pk_wire_skip_plain(text, end + 1)) < end) {
        size_t size = pk_wire_utf8_size(text);
        if (size == 0)
            return false;
        text += size;
    }
    return true;
}

bool
pk_wire_utf8_fills(const char *text, size_t size)
{
    const char *end = text + size;
    while (text < end && *text != '\0') {
        size_t character = pk_wire_utf8_size(text);
        if (character == 0)
            return false;
        text += character;
    }
    return text == end;
}

size_t
pk_wire_utf8_size(const char *text)
{
    return character_size((const unsigned char *)text);
}

char *
pk_wire_utf8_repair(const char *text)
{
    char *copy = malloc(strlen(text) * 3 + 1);
    if (copy == NULL)
        return NULL;
    const unsigned char *from = (const unsigned char *)text;
    char *to = copy;
    while (*from != '\0') {
        size_t size = character_size(from);
        if (size > 0)
            to = mempcpy(to, from, size);
        else
            to = stpcpy(to, PK_WIRE_REPLACEMENT);
        from += size > 0 ? size : 1;
    }
    *to = '\0';
    return copy;
}

/* Bytes of the control character that text begins with, 0 if it is another. */
static size_t
control_size(const unsigned char *text)
{
    if (text[0] < 0x20U || text[0] == 0x7FU)
        return 1;
    return text[0] == 0xC2U && text[1] >= 0x80U && text[1] <= 0x9FU ? 2 : 0;
}

char *
pk_wire_printable(const char *text)
{
    char *copy = malloc(strlen(text) + 1);
    if (copy == NULL)
        return NULL;
    const unsigned char *from = (const unsigned char *)text;
    char *to = copy;
    while (*from != '\0') {
        size_t control = control_size(from);
        *to++ = control > 0 ? '?' : (char)*from;
        from += control > 0 ? control : 1;
    }
    *to = '\0';
    return copy;
}

bool
pk_wire_has_control(const char *text)
{
    const char *end = text + strlen(text);
    for (const char *at = text; (at = pk_wire_skip_plain(at, end + 1)) < end; at++) {
        if (control_size((const unsigned char *)at) > 0)
            return true;
    }
    return strchr(text, 0x7F) != NULL; /* which JSON does not mind */
}

/* ---- points in time ---- */

void
pk_wire_time_format(uint64_t nanoseconds, char ret_text[PK_WIRE_TIME_SIZE])
{
    struct tm parts = { 0 };
    time_t seconds = (time_t)(nanoseconds / NANOSECONDS);
    unsigned microseconds = (unsigned)(nanoseconds % NANOSECONDS / 1000U);
    (void)gmtime_r(&seconds, &parts); /* can't fail for what fits 64 bits of nanoseconds */
    size_t size = strftime(ret_text, PK_WIRE_TIME_SIZE, "%Y-%m-%dT%H:%M:%S", &parts);
    (void)snprintf(ret_text + size, PK_WIRE_TIME_SIZE - size, ".%06uZ", microseconds);
}

/* Reads `count` digits and then the byte `end`; *text goes on behind it. */
static bool
read_digits(const char **text, size_t count, char end, int *ret_value)
{
    int value = 0;
    for (size_t i = 0; i < count; i++) {
        char c = (*text)[i];
        if (c < '0' || c > '9')
            return false;
        value = value * 10 + (c - '0');
    }
    if ((*text)[count] != end)
        return false;
    *text += count + 1;
    *ret_value = value;
    return true;
}

/* Up to nine digits of a fraction and "Z", as nanoseconds. */
static bool
read_fraction(const char *text, uint64_t *ret_nanoseconds)
{
    uint64_t value = 0;
    uint64_t unit = NANOSECONDS;
    while (*text >= '0' && *text <= '9' && unit > 1) {
        unit /= 10;
        value += (uint64_t)(*text++ - '0') * unit;
    }
    if (unit == NANOSECONDS || strcmp(text, "Z") != 0)
        return false;
    *ret_nanoseconds = value;
    return true;
}

int32_t
pk_wire_time_parse(const char *text, uint64_t *ret_nanoseconds)
{
    struct tm parts = { 0 };
    uint64_t fraction = 0;
    if (!read_digits(&text, 4, '-', &parts.tm_year) || !read_digits(&text, 2, '-', &parts.tm_mon)
        || !read_digits(&text, 2, 'T', &parts.tm_mday)
        || !read_digits(&text, 2, ':', &parts.tm_hour)
        || !read_digits(&text, 2, ':', &parts.tm_min))
        return -EINVAL;
    const char *seconds = text;
    if (!read_digits(&text, 2, 'Z', &parts.tm_sec) || *text != '\0') {
        text = seconds;
        if (!read_digits(&text, 2, '.', &parts.tm_sec) || !read_fraction(text, &fraction))
            return -EINVAL;
    }
    if (parts.tm_year < 1970 || parts.tm_year > 2553 || parts.tm_mon < 1 || parts.tm_mon > 12
        || parts.tm_mday < 1 || parts.tm_mday > 31 || parts.tm_hour > 23 || parts.tm_min > 59
        || parts.tm_sec > 60)
        return -EINVAL;
    parts.tm_year -= 1900;
    parts.tm_mon -= 1;
    *ret_nanoseconds = (uint64_t)timegm(&parts) * NANOSECONDS + fraction;
    return 0;
}
