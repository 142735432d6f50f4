/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Percent-encoding, both ways. It knows segments of a path and nothing of what they name.
 */
#include "core/wire/url.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "/objects/"
#define SUFFIX_ROOM 24U /* "/blobs/4294967295" */

static const char unreserved[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";

static char *
encode(char *at, const char *text)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t plain = strcmp(text, ".") == 0 || strcmp(text, "..") == 0 ? 0 : strlen(text);

    for (const char *from = text; *from != '\0'; from++) {
        unsigned char byte = (unsigned char)*from;
        if (plain > 0 && strchr(unreserved, *from) != NULL) {
            *at++ = *from;
            continue;
        }
        *at++ = '%';
        *at++ = digits[byte >> 4];
        *at++ = digits[byte & 15];
    }
    *at = '\0';
    return at;
}

char *
pk_wire_url_object(const char *object_id)
{
    char *url = malloc(sizeof(PREFIX) + 3 * strlen(object_id) + SUFFIX_ROOM);
    if (url != NULL)
        (void)encode(stpcpy(url, PREFIX), object_id);
    return url;
}

char *
pk_wire_url_blob(const char *object_id, uint32_t blob)
{
    char *url = pk_wire_url_object(object_id);
    if (url != NULL)
        (void)snprintf(url + strlen(url), SUFFIX_ROOM, "/blobs/%u", blob);
    return url;
}

static int
hex(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    return isxdigit((unsigned char)digit) ? tolower((unsigned char)digit) - 'a' + 10 : -1;
}

int32_t
pk_wire_url_decode(const char *text, size_t size, char *ret_text, size_t room)
{
    size_t used = 0;
    for (size_t i = 0; i < size; i++) {
        char byte = text[i];
        if (byte == '%') {
            int high = i + 2 < size ? hex(text[i + 1]) : -1;
            int low = i + 2 < size ? hex(text[i + 2]) : -1;
            if (high < 0 || low < 0)
                return -EINVAL;
            byte = (char)(high << 4 | low);
            i += 2;
        }
        if (byte == '\0')
            return -EINVAL;
        if (used + 1 >= room)
            return -EFBIG;
        ret_text[used++] = byte;
    }
    ret_text[used] = '\0';
    return 0;
}
