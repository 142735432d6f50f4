/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads ranges. A header that is no good is no error in HTTP: it counts as absent.
 */
#include "range.h"
#include <errno.h>
#include <string.h>

/* Reads digits; a number that doesn't fit is as large as can be. False: there are none. */
static bool
read_number(const char **text, uint64_t *ret_number)
{
    uint64_t number = 0;
    const char *at = *text;
    for (; *at >= '0' && *at <= '9'; at++) {
        uint64_t digit = (uint64_t)(*at - '0');
        number = number > (UINT64_MAX - digit) / 10 ? UINT64_MAX : number * 10 + digit;
    }
    bool found = at != *text;
    *text = at;
    *ret_number = number;
    return found;
}

static int32_t
suffix_range(uint64_t wanted, uint64_t size, struct http_range *ret_range)
{
    if (wanted == 0 || size == 0)
        return -ERANGE;
    ret_range->size = wanted < size ? wanted : size;
    ret_range->first = size - ret_range->size;
    return 1;
}

int32_t
http_range_parse(const char *text, uint64_t size, struct http_range *ret_range)
{
    static const char unit[] = "bytes=";
    uint64_t first = 0;
    uint64_t last = 0;
    if (strncmp(text, unit, sizeof(unit) - 1) != 0)
        return 0;
    const char *at = text + sizeof(unit) - 1;
    bool has_first = read_number(&at, &first);
    if (*at++ != '-')
        return 0;
    bool has_last = read_number(&at, &last);
    if (*at != '\0' || (!has_first && !has_last))
        return 0;
    if (!has_first)
        return suffix_range(last, size, ret_range);
    if (has_last && last < first)
        return 0;
    if (first >= size)
        return -ERANGE;
    if (!has_last || last >= size)
        last = size - 1;
    ret_range->first = first;
    ret_range->size = last - first + 1;
    return 1;
}

bool
http_etag_listed(const char *list, const char *etag)
{
    size_t size = strlen(etag);
    const char *at = list + strspn(list, " \t,");
    if (strcmp(at, "*") == 0)
        return true;
    while (*at != '\0') {
        if (strncmp(at, "W/", 2) == 0)
            at += 2;
        if (*at != '"')
            return false;
        const char *end = strchr(at + 1, '"');
        if (end == NULL)
            return false;
        if ((size_t)(end + 1 - at) == size && memcmp(at, etag, size) == 0)
            return true;
        at = end + 1 + strspn(end + 1, " \t,");
    }
    return false;
}
