/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The binary notation: the same members as in JSON, with numbers for their names, and sizes instead
 * of quotes and braces. What it looks like is in docs/protocol.md.
 */
#ifndef PK_WIRE_BINARY_H
#define PK_WIRE_BINARY_H

#include <endian.h>
#include <packice/types.h>
#include <stdbool.h>
#include <string.h>

#define PK_WIRE_BINARY_MAGIC 0xFBU /* the first byte of a message, and of nothing in UTF-8 */
#define PK_WIRE_BINARY_VERSION 1U  /* the second one; two zeros follow */
#define PK_WIRE_BINARY_HEAD 8U     /* bytes, the last four the size of what is behind them */

/* Kinds of values. */
#define PK_BINARY_NULL 0U
#define PK_BINARY_FALSE 1U
#define PK_BINARY_TRUE 2U
#define PK_BINARY_INTEGER 3U
#define PK_BINARY_JSON 4U /* JSON text of one value */
#define PK_BINARY_TEXT 5U
#define PK_BINARY_ARRAY 6U
#define PK_BINARY_OBJECT 7U

/* Whether what begins with this byte is binary, if it is a message. */
static inline bool
pk_wire_is_binary(char first)
{
    return (unsigned char)first == PK_WIRE_BINARY_MAGIC;
}

/* Sizes as they are in a message. */
static inline uint32_t
pk_wire_binary_load_size(const char *at)
{
    uint32_t size;
    memcpy(&size, at, sizeof(size));
    return le32toh(size);
}

static inline char *
pk_wire_binary_store_size(char *at, size_t size)
{
    uint32_t value = htole32((uint32_t)size);
    return mempcpy(at, &value, sizeof(value));
}

/* The size of the whole message whose first `size` bytes these are; that of its head, until there
 * is all of that. -EINVAL: it is none, or of another version. */
int32_t pk_wire_binary_head(const char *text, size_t size, uint64_t *ret_size,
                            struct pk_error *err);

struct pk_wire_json;

/* Takes a message apart, into the values into which JSON is taken apart. What is wrong with it, or
 * nests deeper than PK_WIRE_DEPTH_MAX: code, with the byte at fault. -ENOMEM. */
int32_t pk_wire_binary_scan(struct pk_wire_json *message, int32_t code, struct pk_error *err);

#endif
