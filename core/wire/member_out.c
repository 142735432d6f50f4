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

/* ---- bytes ---- */

/* Room for so many bytes more, and for a newline and a NUL behind them; NULL: it has failed. */
static char *
reserve(struct pk_wire_out *out, size_t size)
{
    if (!out->failed && out->room - out->size < size + 2) {
        size_t room = 2 * (out->room + size) + 256;
        char *text = realloc(out->text, room);
        out->failed = text == NULL;
        if (text != NULL) {
            out->text = text;
            out->room = room;
        }
    }
    return out->failed ? NULL : out->text + out->size;
}

static void
append(struct pk_wire_out *out, const char *piece, size_t size)
{
    char *at = reserve(out, size);
    if (at == NULL)
        return;
    memcpy(at, piece, size);
    out->size += size;
}

static void
append_integer(struct pk_wire_out *out, uint64_t value)
{
    char digits[20];
    size_t at = sizeof(digits);
    value = value > INT64_MAX ? INT64_MAX : value;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    append(out, digits + at, sizeof(digits) - at);
}

static void
append_escape(struct pk_wire_out *out, char c)
{
    static const char bytes[] = "\"\\\b\f\n\r\t";
    static const char letters[] = "\"\\bfnrt";
    const char *known = strchr(bytes, c);
    char escape[8];
    int size = known != NULL ? snprintf(escape, sizeof(escape), "\\%c", letters[known - bytes])
                             : snprintf(escape, sizeof(escape), "\\u%04X", (unsigned)c);
    append(out, escape, (size_t)size);
}

/* A string (RFC 8259, 7) of valid UTF-8. */
static void
append_string(struct pk_wire_out *out, const char *text)
{
    append(out, "\"", 1);
    while (*text != '\0') {
        size_t plain = 0;
        while ((unsigned char)text[plain] >= 0x20U && text[plain] != '"' && text[plain] != '\\')
            plain++;
        append(out, text, plain);
        text += plain;
        if (*text != '\0')
            append_escape(out, *text++);
    }
    append(out, "\"", 1);
}

/* ---- an object ---- */

/* Begins a value: a comma unless it is the first one (no value ends with a brace that opens), and
 * its name unless it is in an array. Names are the protocol's own: nothing in them needs escapes.
 */
static void
begin_value(struct pk_wire_out *out, const char *name)
{
    char last = out->size > 0 ? out->text[out->size - 1] : '{';
    size_t size = name != NULL ? strlen(name) : 0;
    char *at = reserve(out, size + 4);
    if (at == NULL)
        return;
    if (last != '{' && last != '[')
        *at++ = ',';
    if (name != NULL) {
        *at++ = '"';
        at = mempcpy(at, name, size);
        *at++ = '"';
        *at++ = ':';
    }
    out->size = (size_t)(at - out->text);
}

void
pk_wire_out_begin(struct pk_wire_out *out, const char *name, char brace)
{
    begin_value(out, name);
    append(out, &brace, 1);
}

void
pk_wire_out_end(struct pk_wire_out *out, char brace)
{
    append(out, &brace, 1);
}

struct pk_wire_out
pk_wire_out_new(void)
{
    struct pk_wire_out out = { .text = NULL };
    pk_wire_out_begin(&out, NULL, '{');
    return out;
}

void
pk_wire_out_drop(struct pk_wire_out *out)
{
    free(pk_steal(out->text));
}

void
pk_wire_out_word(struct pk_wire_out *out, const char *name, const char *word)
{
    begin_value(out, name);
    append(out, word, strlen(word));
}

void
pk_wire_out_text(struct pk_wire_out *out, const char *name, const char *text)
{
    pk_autofree char *repaired = NULL;
    if (text == NULL)
        return;
    if (!pk_wire_utf8_valid(text)) {
        repaired = pk_wire_utf8_repair(text);
        out->failed = out->failed || repaired == NULL;
        text = repaired != NULL ? repaired : "";
    }
    begin_value(out, name);
    append_string(out, text);
}

void
pk_wire_out_integer(struct pk_wire_out *out, const char *name, uint64_t value)
{
    begin_value(out, name);
    append_integer(out, value);
}

void
pk_wire_out_null(struct pk_wire_out *out, const char *name)
{
    pk_wire_out_word(out, name, "null");
}

void
pk_wire_out_size(struct pk_wire_out *out, const char *name, uint64_t size)
{
    if (size == PK_UNSIZED)
        pk_wire_out_word(out, name, "null");
    else
        pk_wire_out_integer(out, name, size);
}

void
pk_wire_out_sizes(struct pk_wire_out *out, const uint64_t *sizes, uint32_t count)
{
    pk_wire_out_begin(out, "sizes", '[');
    for (uint32_t i = 0; i < count; i++)
        pk_wire_out_size(out, NULL, sizes[i]);
    pk_wire_out_end(out, ']');
}

static void
put_real(struct pk_wire_out *out, const char *name, double value)
{
    pk_autofree char *text = pk_wire_tree_text(json_real(value));
    out->failed = out->failed || text == NULL;
    pk_wire_out_word(out, name, text != NULL ? text : "");
}

void
pk_wire_out_seconds(struct pk_wire_out *out, const char *name, uint64_t nanoseconds)
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
pk_wire_out_time(struct pk_wire_out *out, const char *name, uint64_t nanoseconds)
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
        pk_wire_out_word(out, "tag", tag);
}

char *
pk_wire_out_text_take(struct pk_wire_out *out, size_t *ret_size)
{
    pk_wire_out_end(out, '}');
    char *text = pk_steal(out->text);
    if (out->failed) {
        free(text);
        return NULL;
    }
    text[out->size] = '\0';
    *ret_size = out->size;
    return text;
}
