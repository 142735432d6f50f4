/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Members of a JSON object that is being written. Failures are kept until the end, so that the
 * encoders read as a list of members. Private to core/wire.
 */
#ifndef PK_WIRE_MEMBER_OUT_H
#define PK_WIRE_MEMBER_OUT_H

#include <jansson.h>
#include <packice/types.h>
#include <stdbool.h>
#include <stddef.h>

/* An object under construction. Members come out in the order in which they were put. */
struct pk_wire_out {
    json_t *object;
    bool failed; /* no memory, or a tag or member that was not what it should be */
};

struct pk_wire_out pk_wire_out_new(void);

/* Puts a value, which then belongs to the object; NULL makes the object fail. */
void pk_wire_out_json(struct pk_wire_out *out, const char *name, json_t *value);

/* Puts text; what is not UTF-8 is replaced. NULL puts nothing. */
void pk_wire_out_text(struct pk_wire_out *out, const char *name, const char *text);

/* Puts an integer; above INT64_MAX it is that. */
void pk_wire_out_integer(struct pk_wire_out *out, const char *name, uint64_t value);

/* Puts a size, null for PK_UNSIZED. */
void pk_wire_out_size(struct pk_wire_out *out, const char *name, uint64_t size);

/* Puts "sizes". */
void pk_wire_out_sizes(struct pk_wire_out *out, const uint64_t *sizes, uint32_t count);

/* Puts nanoseconds as seconds: an integer where it is whole, null for PK_FOREVER. */
void pk_wire_out_seconds(struct pk_wire_out *out, const char *name, uint64_t nanoseconds);

/* Puts a point in time, null for 0. */
void pk_wire_out_time(struct pk_wire_out *out, const char *name, uint64_t nanoseconds);

/* Puts "tag" from its JSON text; NULL puts nothing. */
void pk_wire_out_tag(struct pk_wire_out *out, const char *tag);

/* The object, for putting it into another one; NULL if it failed. */
json_t *pk_wire_out_take(struct pk_wire_out *out);

/* Ends the object: its text, malloc'd, or NULL if it failed. */
char *pk_wire_out_text_take(struct pk_wire_out *out);

/* The compact text of any value, malloc'd; NULL without memory. Reals come out as short as reads
 * back as the same number. Recurses: for values of bounded depth. */
char *pk_wire_json_text(const json_t *value);

/* How deep objects and arrays nest in a value; 0 for a scalar. Recurses as deep. */
uint32_t pk_wire_json_depth(const json_t *value);

#endif
