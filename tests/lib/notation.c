/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goes by jansson's tree. Names that are not the protocol's are left out, as whoever reads them
 * would; what the notation leaves to JSON stays JSON.
 */
#include "notation.h"

#include "core/wire/name.h"
#include <jansson.h>
#include <packice/cleanup.h>
#include <string.h>

struct buffer {
    char *bytes;
    size_t size;
};

static void
add(struct buffer *buffer, const void *bytes, size_t size)
{
    char *grown = realloc(buffer->bytes, buffer->size + size + 1);
    if (grown == NULL)
        abort();
    buffer->bytes = grown;
    if (size > 0)
        memcpy(grown + buffer->size, bytes, size);
    buffer->size += size;
}

static void
add_number(struct buffer *buffer, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        char byte = (char)(value >> 8 * i);
        add(buffer, &byte, 1);
    }
}

static void
add_head(struct buffer *buffer, unsigned name, unsigned kind)
{
    add_number(buffer, name, 1);
    add_number(buffer, kind, 1);
}

static void
add_bytes(struct buffer *buffer, const char *text, size_t size)
{
    add_number(buffer, size, 4);
    add(buffer, text, size);
    add(buffer, "", 1);
}

static void add_value(struct buffer *buffer, unsigned name, json_t *value);

static void
add_inside(struct buffer *buffer, json_t *value)
{
    const char *name;
    json_t *entry;
    size_t index;
    json_object_foreach(value, name, entry)
    {
        unsigned number = pk_wire_name_find(name, strlen(name));
        if (number != PK_NAME_NONE)
            add_value(buffer, number, entry);
    }
    json_array_foreach(value, index, entry) add_value(buffer, PK_NAME_NONE, entry);
}

static void
add_group(struct buffer *buffer, json_t *value)
{
    size_t begin = buffer->size;
    add_number(buffer, 0, 4);
    add_inside(buffer, value);
    uint32_t size = htole32((uint32_t)(buffer->size - begin - 4));
    memcpy(buffer->bytes + begin, &size, sizeof(size));
}

static void
add_value(struct buffer *buffer, unsigned name, json_t *value)
{
    static const unsigned kinds[] = { 7, 6, 5, 3, 4, 2, 1, 0 }; /* in jansson's order */
    unsigned kind = kinds[json_typeof(value)];
    if (name == PK_NAME_META || name == PK_NAME_STATS)
        kind = 4;
    add_head(buffer, name, kind);
    if (kind == 4) {
        pk_autofree char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
        if (text == NULL)
            abort();
        add_bytes(buffer, text, strlen(text));
    } else if (kind == 3) {
        add_number(buffer, (uint64_t)json_integer_value(value), 8);
    } else if (kind == 5) {
        add_bytes(buffer, json_string_value(value), json_string_length(value));
    } else if (kind > 5) {
        add_group(buffer, value);
    }
}

char *
notation_binary(const char *text, size_t size, size_t *ret_size)
{
    json_t *tree = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
    struct buffer buffer = { NULL, 0 };
    if (!json_is_object(tree)) {
        json_decref(tree);
        return NULL;
    }
    add(&buffer, "\xFB\x01\0\0", 4);
    add_group(&buffer, tree);
    json_decref(tree);
    *ret_size = buffer.size;
    return buffer.bytes;
}

static bool
is_binary(void)
{
    const char *notation = getenv("TEST_NOTATION");
    return notation != NULL && strcmp(notation, "binary") == 0;
}

int32_t
notation_request_decode(const char *text, size_t size, struct pk_wire_request **ret_request,
                        struct pk_error *err)
{
    pk_autofree char *binary = is_binary() ? notation_binary(text, size, &size) : NULL;
    return pk_wire_request_decode(binary != NULL ? binary : text, size, NULL, ret_request, err);
}

int32_t
notation_reply_parse(const char *text, size_t size, struct pk_wire_reply **ret_reply,
                     struct pk_error *err)
{
    pk_autofree char *binary = is_binary() ? notation_binary(text, size, &size) : NULL;
    return pk_wire_reply_parse(binary != NULL ? binary : text, size, ret_reply, err);
}
