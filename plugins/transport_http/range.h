/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Range header (RFC 9110, 14.2) for one range of bytes, and the comparison of entity tags. It
 * never looks at a blob.
 */
#ifndef HTTP_RANGE_H
#define HTTP_RANGE_H

#include <packice/types.h>
#include <stdbool.h>

struct http_range {
    uint64_t first; /* bytes from the start */
    uint64_t size;  /* bytes, above 0 */
};

/* Reads "bytes=A-B", "bytes=A-" or "bytes=-N" of a blob with `size` bytes. 1: *ret_range is what
 * is asked for; 0: nothing that can be served in part (another unit, several ranges, no sense): all
 * of it is the answer; -ERANGE: there is no byte in that range. */
int32_t http_range_parse(const char *text, uint64_t size, struct http_range *ret_range);

/* Whether a list of entity tags ("*", or quoted ones, weak or not) holds this one, by the weak
 * comparison of If-None-Match. */
bool http_etag_listed(const char *list, const char *etag);

#endif
