/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Members of a message that is being written, in either notation. Failures are kept until the end,
 * so that the encoders read as a list of members. Private to core/wire.
 */
#ifndef PK_WIRE_MEMBER_OUT_H
#define PK_WIRE_MEMBER_OUT_H

#include "core/wire/name.h"
#include "core/wire/reply.h"
#include <packice/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* A message under construction. Members come out in the order in which they were put; no name may
 * be put twice. */
struct pk_wire_out {
    struct pk_wire_texts *into; /* what text belongs to; NULL = it is the object's own */
    char *text;                 /* not terminated */
    size_t size;
    size_t room;
    size_t open; /* binary: where the size of the object or array goes that is being written */
    bool binary;
    bool more;     /* JSON: what comes next is not the first of its array or object */
    bool repaired; /* some text was not UTF-8 */
    bool failed;   /* no memory, or a value that was not what it should be */
};

/* What becomes a whole message, or, as an item, one object that can be put into another message of
 * the same notation. It is written behind what is in `into`, which nobody else uses until it is
 * taken; NULL: a text of its own. */
struct pk_wire_out pk_wire_out_new(bool binary, bool item, struct pk_wire_texts *into);

/* Begins an object ('{') or an array ('[') inside, and ends it ('}', ']'). What is put in between
 * is in it. In an array the name of each value is PK_NAME_NONE. */
void pk_wire_out_begin(struct pk_wire_out *out, enum pk_wire_name name, char brace);
void pk_wire_out_end(struct pk_wire_out *out, char brace);

/* Makes room for so many bytes of all that comes. */
void pk_wire_out_reserve(struct pk_wire_out *out, size_t size);

/* Puts an item into an array, as it was taken from another message. */
void pk_wire_out_item(struct pk_wire_out *out, const char *item, size_t size);

/* Puts a value that is JSON text already. */
void pk_wire_out_json(struct pk_wire_out *out, enum pk_wire_name name, const char *json);

/* Puts text; what is not UTF-8 is replaced. NULL puts nothing. */
void pk_wire_out_text(struct pk_wire_out *out, enum pk_wire_name name, const char *text);

/* Puts `size` bytes of plain ASCII that stand for themselves, also in JSON. */
void pk_wire_out_ascii(struct pk_wire_out *out, enum pk_wire_name name, const char *text,
                       size_t size);

/* Puts a word of the protocol, whose size the compiler knows where it is told there. */
static inline void
pk_wire_out_word(struct pk_wire_out *out, enum pk_wire_name name, const char *word)
{
    pk_wire_out_ascii(out, name, word, strlen(word));
}

/* Puts an integer; above INT64_MAX it is that. */
void pk_wire_out_integer(struct pk_wire_out *out, enum pk_wire_name name, uint64_t value);

/* Puts null: what is absent is the same, so binary has it in arrays alone. */
void pk_wire_out_null(struct pk_wire_out *out, enum pk_wire_name name);

/* Puts true. */
void pk_wire_out_true(struct pk_wire_out *out, enum pk_wire_name name);

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

/* Ends it: its text, malloc'd, or NULL if it failed. *ret_size bytes and a NUL, which has room for
 * one more behind it. Of an object in `into`: where it lies there. */
char *pk_wire_out_take(struct pk_wire_out *out, size_t *ret_size);

/* Frees an object that is not to be ended, and lies in no `into`. */
void pk_wire_out_drop(struct pk_wire_out *out);

#endif
