/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the scans of both notations share: the values that they note. Private to json.c and
 * binary.c.
 */
#ifndef PK_WIRE_SCAN_H
#define PK_WIRE_SCAN_H

#include "core/wire/json.h"
#include <stdbool.h>
#include <stddef.h>

/* Each function of a scan is given where it begins, and returns where the text goes on; NULL: it is
 * wrong, or there was no memory. Those that are not to be inlined keep those small that call them
 * for every value. */
struct pk_wire_scan {
    const char *text;
    const char *limit;
    struct pk_wire_value *values; /* count of room, as in json, which is told in the end */
    size_t count;
    size_t room;
    struct pk_wire_json *json;
    uint32_t depth;
    uint32_t deepest; /* in what is being scanned */
    uint32_t untidy;  /* how many pieces of text so far would have been written otherwise */
    bool no_memory;
};

/* Begins a scan of all that is in json. */
static inline struct pk_wire_scan
pk_wire_scan_begin(struct pk_wire_json *json)
{
    return (struct pk_wire_scan){
        .text = json->text,
        .limit = json->limit,
        .values = json->values,
        .room = json->room,
        .json = json,
    };
}

/* Tells json what came of it. */
static inline void
pk_wire_scan_end(const struct pk_wire_scan *scan, struct pk_wire_json *json)
{
    json->values = scan->values;
    json->count = scan->count;
}

/* Makes room for more values; false without memory. */
bool pk_wire_scan_more_room(struct pk_wire_scan *scan);

/* One value as JSON text, within another notation, behind which there is a NUL. */
const char *pk_wire_scan_json(struct pk_wire_scan *scan, const char *at);

#endif
