/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Members of a JSON object that is being written. Failures are kept until the end, so that the
 * encoders read as a list of members. Private to core/wire.
 */
#ifndef PK_WIRE_MEMBER_OUT_H
#define PK_WIRE_MEMBER_OUT_H

#include "core/wire/name.h"
#include "core/wire/reply.h"
#include <packice/types.h>
#include <stdbool.h>
#include <stddef.h>

/* An object under construction, as the text that it becomes. Members come out in the order in which
 * they were put; no name may be put twice. */
struct pk_wire_out {
    struct pk_wire_texts *into; /* what text belongs to; NULL = it is the object's own */
    char *text;                 /* not terminated */
    size_t size;
    size_t room;
    bool more;   /* what comes next is not the first of its array or object */
    bool failed; /* no memory, or a value that was not what it should be */
};

struct pk_wire_out pk_wire_out_new(void);
/* An object that is written behind what is in `into`, which nobody else uses until it is taken. */
struct pk_wire_out pk_wire_out_new_in(struct pk_wire_texts *into);

/* Begins an object ('{') or an array ('[') inside, and ends it ('}', ']'). What is put in between
 * is in it. In an array the name of each value is PK_NAME_NONE. */
void pk_wire_out_begin(struct pk_wire_out *out, enum pk_wire_name name, char brace);
void pk_wire_out_end(struct pk_wire_out *out, char brace);

/* Puts a value that is JSON text already. */
void pk_wire_out_word(struct pk_wire_out *out, enum pk_wire_name name, const char *word);

/* Puts text; what is not UTF-8 is replaced. NULL puts nothing. */
void pk_wire_out_text(struct pk_wire_out *out, enum pk_wire_name name, const char *text);

/* Puts an integer; above INT64_MAX it is that. */
void pk_wire_out_integer(struct pk_wire_out *out, enum pk_wire_name name, uint64_t value);

void pk_wire_out_null(struct pk_wire_out *out, enum pk_wire_name name);

/* Puts a size, null for PK_UNSIZED. */
void pk_wire_out_size(struct pk_wire_out *out, enum pk_wire_name name, uint64_t size);

/* Puts "sizes". */
void pk_wire_out_sizes(struct pk_wire_out *out, const uint64_t *sizes, uint32_t count);

/* Puts nanoseconds as seconds: an integer where it is whole, null for PK_FOREVER. */
void pk_wire_out_seconds(struct pk_wire_out *out, enum pk_wire_name name, uint64_t nanoseconds);

/* Puts a point in time, null for 0. */
void pk_wire_out_time(struct pk_wire_out *out, enum pk_wire_name name, uint64_t nanoseconds);

/* Puts "tag" from its JSON text, which is taken as it is; NULL puts nothing. */
void pk_wire_out_tag(struct pk_wire_out *out, const char *tag);

/* Ends the object: its text, malloc'd, or NULL if it failed. *ret_size bytes and a NUL, which has
 * room for one more behind it. Of an object in `into`: where it lies there. */
char *pk_wire_out_text_take(struct pk_wire_out *out, size_t *ret_size);

/* Frees an object that is not to be ended, and lies in no `into`. */
void pk_wire_out_drop(struct pk_wire_out *out);

#endif
