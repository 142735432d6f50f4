/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scans any text, and holds what comes of it against jansson: whether it is JSON, and each value.
 */
#include "core/wire/frame.h"
#include "core/wire/json.h"
#include "core/wire/name.h"
#include "fuzz.h"

#include <errno.h>
#include <jansson.h>
#include <packice/cleanup.h>
#include <string.h>

/* ---- jansson's word ---- */

static uint32_t
height_of(const json_t *value)
{
    uint32_t inner = 0;
    const char *name;
    json_t *entry;
    size_t index;
    json_object_foreach((json_t *)value, name, entry)
    {
        uint32_t height = height_of(entry);
        inner = height > inner ? height : inner;
    }
    json_array_foreach(value, index, entry)
    {
        uint32_t height = height_of(entry);
        inner = height > inner ? height : inner;
    }
    return json_is_object(value) || json_is_array(value) ? inner + 1 : 0;
}

/* The tree of an object that the wire takes, or NULL. */
static json_t *
load(const char *text, size_t size)
{
    size_t start = 0;
    size_t used = 0;
    bool complete = false;
    struct pk_wire_frame frame = { 0 };
    if (pk_wire_frame_scan(&frame, text, size, size, &start, &used, &complete, NULL) != 0
        || !complete || memchr(text, '\0', size) != NULL)
        return NULL;
    return json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
}

/* ---- comparing ---- */

/* Calls check for a value, and for all within it. */
static void
walk(struct pk_wire_json *json, struct pk_wire_value *value, json_t *tree,
     void (*check)(struct pk_wire_json *json, struct pk_wire_value *value, json_t *tree))
{
    struct pk_wire_value *at = value + 1;
    const char *name;
    json_t *entry;
    size_t index;
    check(json, value, tree);
    json_object_foreach(tree, name, entry)
    {
        FUZZ_CHECK(at->kind == PK_WIRE_STRING && at->span == 1);
        walk(json, at + 1, entry, check);
        at += 1 + at[1].span;
    }
    json_array_foreach(tree, index, entry)
    {
        walk(json, at, entry, check);
        at += at->span;
    }
    FUZZ_CHECK(at == value + value->span);
}

/* What can be seen without reading a string: that writes to the text. */
static void
check_shape(struct pk_wire_json *json, struct pk_wire_value *value, json_t *tree)
{
    static const unsigned kinds[] = { PK_WIRE_OBJECT,  PK_WIRE_ARRAY, PK_WIRE_STRING,
                                      PK_WIRE_INTEGER, PK_WIRE_REAL,  PK_WIRE_TRUE,
                                      PK_WIRE_FALSE,   PK_WIRE_NULL }; /* in jansson's order */
    size_t quote = value->kind == PK_WIRE_STRING ? 1 : 0;
    const char *text = json->text + value->start - quote;
    size_t size = value->size + 2 * quote;
    size_t count = json_is_object(tree) ? json_object_size(tree) : json_array_size(tree);
    FUZZ_CHECK(value->kind == kinds[json_typeof(tree)]);
    FUZZ_CHECK(value->height == height_of(tree) && value->count == count);
    if (value->kind == PK_WIRE_INTEGER)
        FUZZ_CHECK(value->number == json_integer_value(tree));
    if (!value->plain)
        return;
    char *compact = json_dumps(tree, JSON_COMPACT | JSON_ENCODE_ANY);
    FUZZ_CHECK(compact != NULL && strlen(compact) == size && memcmp(compact, text, size) == 0);
    free(compact);
}

static void
check_text(struct pk_wire_json *json, struct pk_wire_value *value, json_t *tree)
{
    const char *name;
    json_t *entry;
    if (value->kind == PK_WIRE_STRING) {
        FUZZ_CHECK(strcmp(pk_wire_json_string(json, value), json_string_value(tree)) == 0);
        FUZZ_CHECK(value->size == json_string_length(tree));
    }
    struct pk_wire_value *at = value + 1;
    json_object_foreach(tree, name, entry)
    {
        FUZZ_CHECK(strcmp(pk_wire_json_string(json, at), name) == 0);
        FUZZ_CHECK(at->name == pk_wire_name_find(name, strlen(name)));
        FUZZ_CHECK(at->name == PK_NAME_NONE
                   || strcmp(pk_wire_name_text((enum pk_wire_name)at->name), name) == 0);
        at += 1 + at[1].span;
    }
}

static void
check_plain(const char *data, size_t size, const struct pk_wire_value *value)
{
    pk_autofree char *text = strndup(data, size);
    FUZZ_CHECK(text != NULL);
    if (strlen(text) != size)
        return;
    bool plain = pk_wire_json_is_plain(text, size, 4);
    FUZZ_CHECK(!plain || (value != NULL && value->plain && value->height <= 4));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    struct pk_error err = PK_ERROR_INIT;
    struct pk_wire_json *json = pk_wire_json_new(NULL, 0, text, size);
    json_t *tree = load(text, size);
    FUZZ_CHECK(json != NULL);
    int32_t rc = pk_wire_json_scan(json, -EPROTO, &err);
    FUZZ_CHECK(rc == (tree != NULL ? 0 : -EPROTO));
    FUZZ_CHECK(rc == 0 || (err.message[0] != '\0' && strcmp(err.message, "not JSON") != 0));
    check_plain(text, size, rc == 0 ? json->values : NULL);
    if (rc == 0) {
        FUZZ_CHECK(json->values->span == json->count);
        walk(json, json->values, tree, check_shape);
        walk(json, json->values, tree, check_text);
    }
    json_decref(tree);
    pk_wire_json_free(json);
    return 0;
}
