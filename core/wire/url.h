/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The paths of the HTTP data plane: where an object and its blobs are on the node that was asked.
 * An id is one segment of such a path, percent-encoded (RFC 3986) down to its unreserved bytes.
 */
#ifndef PK_WIRE_URL_H
#define PK_WIRE_URL_H

#include <packice/types.h>
#include <stddef.h>

/* "/objects/ID" and "/objects/ID/blobs/N", malloc'd; NULL without memory. An id that is "." or ".."
 * is encoded too, so that no client takes it for a step in the path. */
char *pk_wire_url_object(const char *object_id);
char *pk_wire_url_blob(const char *object_id, uint32_t blob);

/* Decodes the percent-encoding of `size` bytes (no '+' for a space) into room bytes with a NUL.
 * -EINVAL: a '%' without two hexadecimal digits, or a NUL; -EFBIG: no room. */
int32_t pk_wire_url_decode(const char *text, size_t size, char *ret_text, size_t room);

#endif
