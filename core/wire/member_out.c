/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes members of JSON objects, and values as text. What it is given may be any bytes: what comes
 * out is JSON in UTF-8.
 */
#include "core/wire/member_out.h"

#include "core/wire/text.h"

#include <packice/cleanup.h>
#include <string.h>

/* ---- values as text ---- */

/* The fewest digits with which one real reads back as itself. */
static uint32_t
real_digits(double value)
{
    for (int digits = 15; digits < 17; digits++) {
        char text[40];
        (void)snprintf(text, sizeof(text), "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            return (uint32_t)digits;
    }
    return 17;
}

/* The fewest digits that keep every real in a value; jansson takes one number for all. */
static uint32_t
most_digits(const json_t *value)
{
    uint32_t most = 15;
    uint32_t digits = 15;
    const char *name;
    json_t *entry;
    size_t index;
    if (json_is_real(value))
        return real_digits(json_real_value(value));
    json_object_foreach((json_t *)value, name, entry)
    {
        digits = most_digits(entry);
        most = digits > most ? digits : most;
    }
    json_array_foreach(value, index, entry)
    {
        digits = most_digits(entry);
        most = digits > most ? digits : most;
    }
    return most;
}

struct text {
    char *data;
    size_t size;
    size_t room;
    bool failed;
};

/* Keeps a failure, since jansson does not ask about every piece whether it was taken. */
static int
append_text(const char *piece, size_t size, void *arg)
{
    struct text *text = arg;
    if (!text->failed && text->room - text->size <= size) { /* with a NUL */
        size_t room = 2 * (text->room + size) + 128;
        char *data = realloc(text->data, room);
        text->failed = data == NULL;
        if (data != NULL) {
            text->data = data;
            text->room = room;
        }
    }
    if (text->failed)
        return -1;
    memcpy(text->data + text->size, piece, size);
    text->size += size;
    return 0;
}

char *
pk_wire_json_text(const json_t *value)
{
    struct text text = { .data = NULL };
    size_t flags = JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(most_digits(value));
    if (json_dump_callback(value, append_text, &text, flags) != 0 || text.failed) {
        free(text.data);
        return NULL;
    }
    text.data[text.size] = '\0';
    return text.data;
}

uint32_t
pk_wire_json_depth(const json_t *value)
{
    uint32_t inner = 0;
    uint32_t depth = 0;
    const char *name;
    json_t *entry;
    size_t index;
    if (!json_is_object(value) && !json_is_array(value))
        return 0;
    json_object_foreach((json_t *)value, name, entry)
    {
        depth = pk_wire_json_depth(entry);
        inner = depth > inner ? depth : inner;
    }
    json_array_foreach(value, index, entry)
    {
        depth = pk_wire_json_depth(entry);
        inner = depth > inner ? depth : inner;
    }
    return inner + 1;
}

/* ---- an object ---- */

struct pk_wire_out
pk_wire_out_new(void)
{
    struct pk_wire_out out = { .object = json_object() };
    out.failed = out.object == NULL;
    return out;
}

void
pk_wire_out_json(struct pk_wire_out *out, const char *name, json_t *value)
{
    if (out->object == NULL)
        json_decref(value);
    else if (json_object_set_new(out->object, name, value) != 0)
        out->failed = true;
}

void
pk_wire_out_text(struct pk_wire_out *out, const char *name, const char *text)
{
    if (text == NULL)
        return;
    if (pk_wire_utf8_valid(text)) {
        pk_wire_out_json(out, name, json_string_nocheck(text));
        return;
    }
    pk_autofree char *repaired = pk_wire_utf8_repair(text);
    pk_wire_out_json(out, name, json_string(repaired));
}

static json_t *
capped_integer(uint64_t value)
{
    return json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value);
}

void
pk_wire_out_integer(struct pk_wire_out *out, const char *name, uint64_t value)
{
    pk_wire_out_json(out, name, capped_integer(value));
}

void
pk_wire_out_size(struct pk_wire_out *out, const char *name, uint64_t size)
{
    pk_wire_out_json(out, name, size == PK_UNSIZED ? json_null() : capped_integer(size));
}

void
pk_wire_out_sizes(struct pk_wire_out *out, const uint64_t *sizes, uint32_t count)
{
    json_t *array = json_array();
    if (array == NULL)
        out->failed = true;
    for (uint32_t i = 0; array != NULL && i < count; i++) {
        if (json_array_append_new(array,
                                  sizes[i] == PK_UNSIZED ? json_null() : capped_integer(sizes[i]))
            != 0)
            out->failed = true;
    }
    pk_wire_out_json(out, "sizes", array);
}

void
pk_wire_out_seconds(struct pk_wire_out *out, const char *name, uint64_t nanoseconds)
{
    const uint64_t second = 1000000000U;
    json_t *value;
    if (nanoseconds == PK_FOREVER)
        value = json_null();
    else if (nanoseconds / second >= PK_WIRE_SECONDS_MAX)
        value = json_integer(PK_WIRE_SECONDS_MAX);
    else if (nanoseconds % second == 0)
        value = capped_integer(nanoseconds / second);
    else
        value = json_real((double)nanoseconds / 1e9);
    pk_wire_out_json(out, name, value);
}

void
pk_wire_out_time(struct pk_wire_out *out, const char *name, uint64_t nanoseconds)
{
    char text[PK_WIRE_TIME_SIZE];
    if (nanoseconds == 0) {
        pk_wire_out_json(out, name, json_null());
        return;
    }
    pk_wire_time_format(nanoseconds, text);
    pk_wire_out_json(out, name, json_string(text));
}

void
pk_wire_out_tag(struct pk_wire_out *out, const char *tag)
{
    if (tag != NULL)
        pk_wire_out_json(out, "tag", json_loads(tag, JSON_DECODE_ANY, NULL));
}

json_t *
pk_wire_out_take(struct pk_wire_out *out)
{
    json_t *object = pk_steal(out->object);
    if (out->failed) {
        json_decref(object);
        return NULL;
    }
    return object;
}

char *
pk_wire_out_text_take(struct pk_wire_out *out)
{
    json_t *object = pk_wire_out_take(out);
    char *text = object != NULL ? pk_wire_json_text(object) : NULL;
    json_decref(object);
    return text;
}
