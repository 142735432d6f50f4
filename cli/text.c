/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text that comes from elsewhere and may end on a terminal: which of it is harmless to show, and
 * how the rest is spelled out. It never prints.
 */
#include "text.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MALFORMED 0xffffffffU
#define TEXT_CUT 0xfffffffeU

/* How many bytes the character that begins with `lead` has; 0: none begins so. */
static size_t
text_length(unsigned char lead)
{
    if (lead < 0x80)
        return 1;
    if (lead >= 0xc2 && lead <= 0xdf)
        return 2;
    if (lead >= 0xe0 && lead <= 0xef)
        return 3;
    return lead >= 0xf0 && lead <= 0xf4 ? 4 : 0;
}

/* The first character of data, and its length in *ret_length. TEXT_MALFORMED (length 1) for what
 * is not UTF-8, TEXT_CUT when data ends inside what may become a character. */
static uint32_t
text_decode(const unsigned char *data, size_t size, size_t *ret_length)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    size_t length = text_length(data[0]);

    *ret_length = 1;
    if (length == 0)
        return TEXT_MALFORMED;
    if (length == 1)
        return data[0];
    uint32_t code = data[0] & (0x7fU >> length);
    for (size_t i = 1; i < length; i++) {
        if (i == size)
            return TEXT_CUT;
        if ((data[i] & 0xc0) != 0x80)
            return TEXT_MALFORMED;
        code = code << 6 | (data[i] & 0x3fU);
    }
    if (code < least[length] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
        return TEXT_MALFORMED;
    *ret_length = length;
    return code;
}

/* Control characters of both sets, line and paragraph separators, and the marks that reorder what
 * stands around them. Joiners stay: emoji and several scripts need them. */
static bool
text_is_harmless(uint32_t code)
{
    if (code < 0x20 || (code >= 0x7f && code <= 0x9f) || code > 0x10ffff)
        return false;
    if (code == 0x200e || code == 0x200f || (code >= 0x2028 && code <= 0x202e))
        return false;
    return !(code >= 0x2066 && code <= 0x2069) && code != 0x061c && code != 0xfeff;
}

static size_t
text_spell(char *out, uint32_t code, unsigned char byte)
{
    /* The longest spelling, \u{10ffff}, and its NUL fit in the room that text_escape keeps. */
    if (code > 0x10ffff || code < 0x80)
        return (size_t)snprintf(out, 12, "\\x%02x", (unsigned int)byte);
    return (size_t)snprintf(out, 12, "\\u{%x}", (unsigned int)code);
}

char *
text_escape(const char *text)
{
    size_t size = strlen(text);
    char *escaped = malloc(size * 5 + 12); /* 5: three bytes become \u{202e}, one \x1b */
    char *out = escaped;

    if (escaped == NULL)
        return NULL;
    for (size_t i = 0, length; i < size; i += length) {
        const unsigned char *at = (const unsigned char *)text + i;
        uint32_t code = text_decode(at, size - i, &length);
        if (text_is_harmless(code)) {
            memcpy(out, at, length);
            out += length;
        } else {
            out += text_spell(out, code, *at);
        }
    }
    *out = '\0';
    return escaped;
}

size_t
text_showable(const char *data, size_t size, bool last, bool *ret_binary)
{
    size_t used = 0;

    *ret_binary = false;
    while (used < size) {
        const unsigned char *at = (const unsigned char *)data + used;
        size_t length;
        uint32_t code = text_decode(at, size - used, &length);
        if (code == TEXT_CUT && !last)
            return used;
        bool layout = code == '\t' || code == '\n' || code == '\r' || code == '\f';
        if (!layout && !text_is_harmless(code)) {
            *ret_binary = true;
            return used;
        }
        used += length;
    }
    return used;
}
