/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON text, taken apart where it lies: one pass checks all of it (RFC 8259, no member twice,
 * UTF-8, no NUL) and notes where its values are; strings and numbers are read when they are asked
 * for. It builds no tree. Private to core/wire.
 */
#ifndef PK_WIRE_JSON_H
#define PK_WIRE_JSON_H

#include "core/wire/room.h"
#include <packice/types.h>
#include <stdbool.h>
#include <stddef.h>

#define PK_WIRE_NULL 0U
#define PK_WIRE_FALSE 1U
#define PK_WIRE_TRUE 2U
#define PK_WIRE_INTEGER 3U
#define PK_WIRE_REAL 4U
#define PK_WIRE_STRING 5U
#define PK_WIRE_ARRAY 6U
#define PK_WIRE_OBJECT 7U

#define PK_WIRE_COUNT_MAX 0x7FFFU /* what `count` can tell */
#define PK_WIRE_NAME_MAX 0x3FU    /* and `name` */

/* One value. Behind an array come its entries, behind an object its members: in JSON a name, which
 * is a string, and a value each; in the binary notation the value alone, which has the name. */
struct pk_wire_value {
    int64_t number; /* of an integer; else undefined */
    uint32_t start; /* of its text; of a string's, behind the quote. Binary: of a string alone */
    uint32_t size;  /* bytes of its text; of a string's, between the quotes. Binary: likewise */
    uint32_t span;  /* values from this one to the next of the same array or object */
    unsigned kind : 3;
    unsigned plain : 1;  /* the text is as short as can be: see pk_wire_json_scan */
    unsigned binary : 1; /* it has no JSON text; `plain` is 1 then, and `height` 0 */
    unsigned height : 6; /* levels of arrays and objects, its own included; 0 for a scalar */
    unsigned name : 6;   /* of a member's name, binary of its value: the number, as in name.h */
    unsigned count : 15; /* entries or members; PK_WIRE_COUNT_MAX stands for more too */
};

struct pk_wire_json {
    char *text;        /* size bytes and a NUL */
    const char *limit; /* how far bytes can be read from text, however far from its end */
    size_t size;
    struct pk_wire_value *values; /* count, after the scan; the first is the whole */
    size_t count;
    size_t room;
    struct pk_wire_value *more; /* malloc'd: values, once they didn't fit where they began */
    bool doubtful;              /* there are names that may be the same */
    struct pk_wire_room *lent;  /* what it lies in; NULL: it is malloc'd */
};

/* One block, in the room if there is enough (NULL = none): a copy of the text, and behind what is
 * returned `head` zeroed bytes of the caller's, aligned for anything. NULL without memory. */
struct pk_wire_json *pk_wire_json_new(struct pk_wire_room *room, size_t head, const char *text,
                                      size_t size);
/* NULL is fine. */
void pk_wire_json_free(struct pk_wire_json *json);

/*
 * Takes an object apart. What is not JSON, or nests deeper than PK_WIRE_DEPTH_MAX: code. -ENOMEM.
 * Values are `plain` whose text is what would be written for them: no space between values, no
 * escape, no fraction or exponent, no -0.
 */
int32_t pk_wire_json_scan(struct pk_wire_json *json, int32_t code, struct pk_error *err);

/* Whether text (size bytes and a NUL) is an object, plain, of so many levels at most. May say no
 * for want of memory. */
bool pk_wire_json_is_plain(const char *text, size_t size, uint32_t height);

/* Reads a string that is not plain, or a name, in place. */
void pk_wire_json_unescape(struct pk_wire_json *json, struct pk_wire_value *string);

/* A string as text with a NUL, in place. */
const char *pk_wire_json_string(struct pk_wire_json *json, struct pk_wire_value *string);

#endif
