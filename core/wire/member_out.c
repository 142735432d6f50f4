/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes members of JSON objects. What it is given may be any bytes: what comes
 * out is JSON in UTF-8.
 */
#include "core/wire/member_out.h"

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

/* Begins a value: a comma unless it is the first one, and its name unless it is in an array. Room
 * for `size` bytes of the value, or NULL. */
static inline char *
begin_value(struct pk_wire_out *out, enum pk_wire_name name, size_t size)
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

/* ---- scalars ---- */

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
write_special(char *at, const char **text)
{
    if ((unsigned char)**text < 0x80U)
        return write_escape(at, *(*text)++);
    size_t size = pk_wire_utf8_size(*text);
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
        at = write_special(at, &text);
    }
    *at++ = '"';
    return at;
}

/* ---- an object ---- */

void
pk_wire_out_begin(struct pk_wire_out *out, enum pk_wire_name name, char brace)
{
    char *at = begin_value(out, name, 1);
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
    *at++ = brace;
    extend(out, at);
    out->more = true;
}

struct pk_wire_out
pk_wire_out_new(void)
{
    struct pk_wire_out out = { .text = NULL };
    pk_wire_out_begin(&out, PK_NAME_NONE, '{');
    return out;
}

struct pk_wire_out
pk_wire_out_new_in(struct pk_wire_texts *into)
{
    struct pk_wire_out out = {
        .into = into,
        .text = into->bytes,
        .size = into->size,
        .room = into->room,
    };
    pk_wire_out_begin(&out, PK_NAME_NONE, '{');
    return out;
}

void
pk_wire_out_drop(struct pk_wire_out *out)
{
    free(pk_steal(out->text));
}

void
pk_wire_out_word(struct pk_wire_out *out, enum pk_wire_name name, const char *word)
{
    size_t size = strlen(word);
    char *at = begin_value(out, name, size);
    if (at != NULL)
        extend(out, mempcpy(at, word, size));
}

void
pk_wire_out_text(struct pk_wire_out *out, enum pk_wire_name name, const char *text)
{
    if (text == NULL)
        return;
    size_t size = strlen(text);
    char *at = begin_value(out, name, size + 2);
    if (at != NULL)
        at = write_string(out, at, text, size);
    if (at != NULL)
        extend(out, at);
}

void
pk_wire_out_integer(struct pk_wire_out *out, enum pk_wire_name name, uint64_t value)
{
    char *at = begin_value(out, name, 20);
    if (at != NULL)
        extend(out, write_integer(at, value));
}

void
pk_wire_out_null(struct pk_wire_out *out, enum pk_wire_name name)
{
    pk_wire_out_word(out, name, "null");
}

void
pk_wire_out_size(struct pk_wire_out *out, enum pk_wire_name name, uint64_t size)
{
    if (size == PK_UNSIZED)
        pk_wire_out_word(out, name, "null");
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
    pk_wire_out_word(out, name, text != NULL ? text : "");
}

void
pk_wire_out_seconds(struct pk_wire_out *out, enum pk_wire_name name, uint64_t nanoseconds)
{
    const uint64_t second = 1000000000U;
    if (nanoseconds == PK_FOREVER)
        pk_wire_out_word(out, name, "null");
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
        pk_wire_out_word(out, name, "null");
        return;
    }
    pk_wire_time_format(nanoseconds, text);
    pk_wire_out_text(out, name, text);
}

void
pk_wire_out_tag(struct pk_wire_out *out, const char *tag)
{
    if (tag != NULL)
        pk_wire_out_word(out, PK_NAME_TAG, tag);
}

/* What was written is in there now; its text, or NULL if there is none. */
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
pk_wire_out_text_take(struct pk_wire_out *out, size_t *ret_size)
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
