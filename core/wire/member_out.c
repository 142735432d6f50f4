/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes members of objects, as JSON or binary. What it is given may be any bytes: what comes out
 * is UTF-8.
 */
#include "core/wire/member_out.h"

#include "core/wire/binary.h"
#include "core/wire/text.h"
#include "core/wire/tree.h"

#include <packice/cleanup.h>
#include <string.h>

#define ROOM_MIN 480U /* of most messages */

/* ---- bytes ---- */

__attribute__((noinline)) static bool
more_room(struct pk_wire_out *out, size_t size)
{
    size_t room = out->room == 0 && size <= ROOM_MIN ? ROOM_MIN : 2 * (out->room + size);
    char *text = realloc(out->text, room);
    out->failed = text == NULL;
    if (text != NULL) {
        out->text = text;
        out->room = room;
    }
    return text != NULL;
}

/* Room for so many bytes more, and for a newline and a NUL behind them; NULL: it has failed. */
static inline char *
reserve(struct pk_wire_out *out, size_t size)
{
    if (out->failed)
        return NULL;
    if (out->room - out->size < size + 2 && !more_room(out, size + 2))
        return NULL;
    return out->text + out->size;
}

/* What was reserved was written up to `at`. */
static inline void
extend(struct pk_wire_out *out, const char *at)
{
    out->size = (size_t)(at - out->text);
}

/* Begins a value of JSON: a comma unless it is the first one, and its name unless it is in an
 * array. Room for `size` bytes of the value, or NULL. */
static inline char *
begin_json(struct pk_wire_out *out, enum pk_wire_name name, size_t size)
{
    const struct pk_wire_written_name *written = &pk_wire_written_names[name];
    char *at = reserve(out, 1 + sizeof(written->text) + size);
    if (at == NULL)
        return NULL;
    *at = ',';
    at += out->more;
    out->more = true;
    memcpy(at, written->text, sizeof(written->text));
    return at + written->size;
}

/* Begins a value that is binary, likewise: its name and its kind. */
static inline char *
begin_binary(struct pk_wire_out *out, enum pk_wire_name name, unsigned kind, size_t size)
{
    char *at = reserve(out, 2 + size);
    if (at == NULL)
        return NULL;
    *at++ = (char)name;
    *at++ = (char)kind;
    return at;
}

/* ---- scalars in JSON ---- */

static char *
write_integer(char *at, uint64_t value)
{
    char digits[20];
    size_t first = sizeof(digits);
    value = value > INT64_MAX ? INT64_MAX : value;
    do {
        digits[--first] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    return mempcpy(at, digits + first, sizeof(digits) - first);
}

static char *
write_escape(char *at, char c)
{
    static const char bytes[] = "\"\\\b\f\n\r\t";
    static const char letters[] = "\"\\bfnrt";
    static const char hex[] = "0123456789ABCDEF";
    const char *known = strchr(bytes, c);
    *at++ = '\\';
    if (known != NULL) {
        *at++ = letters[known - bytes];
        return at;
    }
    at = stpcpy(at, "u00");
    *at++ = hex[(unsigned char)c >> 4U];
    *at++ = hex[(unsigned char)c & 0xFU];
    return at;
}

/* Writes what does not stand for itself in a string; *text goes on behind it. */
static char *
write_special(struct pk_wire_out *out, char *at, const char **text)
{
    if ((unsigned char)**text < 0x80U)
        return write_escape(at, *(*text)++);
    size_t size = pk_wire_utf8_size(*text);
    out->repaired = out->repaired || size == 0;
    at = size > 0 ? mempcpy(at, *text, size) : stpcpy(at, PK_WIRE_REPLACEMENT);
    *text += size > 0 ? size : 1;
    return at;
}

/* A string (RFC 8259, 7) of `size` bytes, in room for at least its quotes and that many. */
static char *
write_string(struct pk_wire_out *out, char *at, const char *text, size_t size)
{
    const char *end = text + size;
    *at++ = '"';
    for (;;) {
        const char *special = pk_wire_skip_plain(text, end + 1); /* at the latest, the NUL */
        at = mempcpy(at, text, (size_t)(special - text));
        text = special;
        if (text == end)
            break;
        extend(out, at);
        at = reserve(out, 6 + (size_t)(end - text) + 1); /* the longest escape */
        if (at == NULL)
            return NULL;
        at = write_special(out, at, &text);
    }
    *at++ = '"';
    return at;
}

/* ---- scalars in binary ---- */

/* Puts bytes with their size before and a NUL behind them. */
static void
put_bytes(struct pk_wire_out *out, enum pk_wire_name name, unsigned kind, const char *text,
          size_t size)
{
    char *at = begin_binary(out, name, kind, 4 + size + 1);
    if (at == NULL)
        return;
    at = mempcpy(pk_wire_binary_store_size(at, size), text, size);
    *at++ = '\0';
    extend(out, at);
}

__attribute__((noinline)) static void
put_repaired(struct pk_wire_out *out, enum pk_wire_name name, const char *text)
{
    pk_autofree char *repaired = pk_wire_utf8_repair(text);
    out->repaired = true;
    if (repaired == NULL)
        out->failed = true;
    else
        put_bytes(out, name, PK_BINARY_TEXT, repaired, strlen(repaired));
}

static void
put_number(struct pk_wire_out *out, enum pk_wire_name name, uint64_t value)
{
    uint64_t number = htole64(value > INT64_MAX ? INT64_MAX : value);
    char *at = begin_binary(out, name, PK_BINARY_INTEGER, sizeof(number));
    if (at != NULL)
        extend(out, mempcpy(at, &number, sizeof(number)));
}

static void
put_kind(struct pk_wire_out *out, enum pk_wire_name name, unsigned kind)
{
    char *at = begin_binary(out, name, kind, 0);
    if (at != NULL)
        extend(out, at);
}

/* ---- objects and arrays ---- */

/* Where its size goes is kept where the size of what is around it goes, until it ends. */
static void
open_binary(struct pk_wire_out *out, char *at)
{
    size_t around = out->open;
    out->open = (size_t)(at - out->text);
    extend(out, pk_wire_binary_store_size(at, around));
}

static void
close_binary(struct pk_wire_out *out)
{
    char *at = out->text + out->open;
    size_t size = out->size - out->open - 4;
    out->open = pk_wire_binary_load_size(at);
    (void)pk_wire_binary_store_size(at, size);
    out->failed = out->failed || size > UINT32_MAX;
}

void
pk_wire_out_begin(struct pk_wire_out *out, enum pk_wire_name name, char brace)
{
    if (out->binary) {
        unsigned kind = brace == '{' ? PK_BINARY_OBJECT : PK_BINARY_ARRAY;
        char *size = begin_binary(out, name, kind, 4);
        if (size != NULL)
            open_binary(out, size);
        return;
    }
    char *at = begin_json(out, name, 1);
    if (at == NULL)
        return;
    *at++ = brace;
    extend(out, at);
    out->more = false;
}

void
pk_wire_out_end(struct pk_wire_out *out, char brace)
{
    char *at = reserve(out, 1);
    if (at == NULL)
        return;
    if (out->binary) {
        close_binary(out);
        return;
    }
    *at++ = brace;
    extend(out, at);
    out->more = true;
}

/* The head of a message. */
static void
begin_message(struct pk_wire_out *out)
{
    static const char head[] = { (char)PK_WIRE_BINARY_MAGIC, PK_WIRE_BINARY_VERSION, 0, 0 };
    char *at = reserve(out, PK_WIRE_BINARY_HEAD);
    if (at != NULL)
        open_binary(out, mempcpy(at, head, sizeof(head)));
}

struct pk_wire_out
pk_wire_out_new(bool binary, bool item, struct pk_wire_texts *into)
{
    struct pk_wire_out out = { .into = into, .binary = binary };
    if (into != NULL) {
        out.text = into->bytes;
        out.size = into->size;
        out.room = into->room;
    }
    if (binary && !item)
        begin_message(&out);
    else
        pk_wire_out_begin(&out, PK_NAME_NONE, '{');
    return out;
}

void
pk_wire_out_drop(struct pk_wire_out *out)
{
    free(pk_steal(out->text));
}

void
pk_wire_out_reserve(struct pk_wire_out *out, size_t size)
{
    (void)reserve(out, size);
}

/* What was written is in there now; its text, or NULL if it failed. */
static char *
give_back(struct pk_wire_out *out, size_t *ret_size)
{
    struct pk_wire_texts *into = out->into;
    char *text = pk_steal(out->text);
    into->bytes = text;
    into->room = out->room;
    if (out->failed)
        return NULL;
    text[out->size] = '\0';
    text += into->size;
    *ret_size = out->size - into->size;
    into->size = out->size + 1;
    return text;
}

char *
pk_wire_out_take(struct pk_wire_out *out, size_t *ret_size)
{
    pk_wire_out_end(out, '}');
    if (out->into != NULL)
        return give_back(out, ret_size);
    char *text = pk_steal(out->text);
    if (out->failed) {
        free(text);
        return NULL;
    }
    text[out->size] = '\0';
    *ret_size = out->size;
    return text;
}

/* ---- values ---- */

void
pk_wire_out_item(struct pk_wire_out *out, const char *item, size_t size)
{
    char *at = reserve(out, 1 + size);
    if (at == NULL)
        return;
    *at = ',';
    at += out->more && !out->binary;
    out->more = true;
    extend(out, mempcpy(at, item, size));
}

void
pk_wire_out_json(struct pk_wire_out *out, enum pk_wire_name name, const char *json)
{
    size_t size = strlen(json);
    if (out->binary) {
        put_bytes(out, name, PK_BINARY_JSON, json, size);
        return;
    }
    char *at = begin_json(out, name, size);
    if (at != NULL)
        extend(out, mempcpy(at, json, size));
}

void
pk_wire_out_ascii(struct pk_wire_out *out, enum pk_wire_name name, const char *text, size_t size)
{
    if (out->binary) {
        put_bytes(out, name, PK_BINARY_TEXT, text, size);
        return;
    }
    char *at = begin_json(out, name, size + 2);
    if (at == NULL)
        return;
    *at++ = '"';
    at = mempcpy(at, text, size);
    *at++ = '"';
    extend(out, at);
}

void
pk_wire_out_text(struct pk_wire_out *out, enum pk_wire_name name, const char *text)
{
    if (text == NULL)
        return;
    size_t size = strlen(text);
    if (out->binary) {
        if (pk_wire_is_text(text, size))
            put_bytes(out, name, PK_BINARY_TEXT, text, size);
        else
            put_repaired(out, name, text);
        return;
    }
    char *at = begin_json(out, name, size + 2);
    if (at != NULL)
        at = write_string(out, at, text, size);
    if (at != NULL)
        extend(out, at);
}

void
pk_wire_out_integer(struct pk_wire_out *out, enum pk_wire_name name, uint64_t value)
{
    if (out->binary) {
        put_number(out, name, value);
        return;
    }
    char *at = begin_json(out, name, 20);
    if (at != NULL)
        extend(out, write_integer(at, value));
}

void
pk_wire_out_null(struct pk_wire_out *out, enum pk_wire_name name)
{
    if (!out->binary)
        pk_wire_out_json(out, name, "null");
    else if (name == PK_NAME_NONE)
        put_kind(out, name, PK_BINARY_NULL);
}

void
pk_wire_out_true(struct pk_wire_out *out, enum pk_wire_name name)
{
    if (out->binary)
        put_kind(out, name, PK_BINARY_TRUE);
    else
        pk_wire_out_json(out, name, "true");
}

void
pk_wire_out_size(struct pk_wire_out *out, enum pk_wire_name name, uint64_t size)
{
    if (size == PK_UNSIZED)
        pk_wire_out_null(out, name);
    else
        pk_wire_out_integer(out, name, size);
}

void
pk_wire_out_sizes(struct pk_wire_out *out, const uint64_t *sizes, uint32_t count)
{
    pk_wire_out_begin(out, PK_NAME_SIZES, '[');
    for (uint32_t i = 0; i < count; i++)
        pk_wire_out_size(out, PK_NAME_NONE, sizes[i]);
    pk_wire_out_end(out, ']');
}

static void
put_real(struct pk_wire_out *out, enum pk_wire_name name, double value)
{
    pk_autofree char *text = pk_wire_tree_text(json_real(value));
    out->failed = out->failed || text == NULL;
    pk_wire_out_json(out, name, text != NULL ? text : "");
}

void
pk_wire_out_seconds(struct pk_wire_out *out, enum pk_wire_name name, uint64_t nanoseconds)
{
    const uint64_t second = 1000000000U;
    if (nanoseconds == PK_FOREVER)
        pk_wire_out_null(out, name);
    else if (nanoseconds / second >= PK_WIRE_SECONDS_MAX)
        pk_wire_out_integer(out, name, PK_WIRE_SECONDS_MAX);
    else if (nanoseconds % second == 0)
        pk_wire_out_integer(out, name, nanoseconds / second);
    else
        put_real(out, name, (double)nanoseconds / 1e9);
}

void
pk_wire_out_time(struct pk_wire_out *out, enum pk_wire_name name, uint64_t nanoseconds)
{
    char text[PK_WIRE_TIME_SIZE];
    if (nanoseconds == 0) {
        pk_wire_out_null(out, name);
        return;
    }
    pk_wire_time_format(nanoseconds, text);
    pk_wire_out_text(out, name, text);
}

void
pk_wire_out_tag(struct pk_wire_out *out, const char *tag)
{
    if (tag != NULL)
        pk_wire_out_json(out, PK_NAME_TAG, tag);
}
