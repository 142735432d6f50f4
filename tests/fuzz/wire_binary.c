/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes the members of any message apart. What is taken must lie within the message, one value
 * behind the other; and written out as JSON, the scan of JSON must find the same in it. The input
 * is what is behind the head.
 */
#include "core/wire/binary.h"
#include "core/wire/frame.h"
#include "core/wire/json.h"
#include "core/wire/name.h"
#include "fuzz.h"

#include <errno.h>
#include <jansson.h>
#include <packice/cleanup.h>
#include <string.h>

/* ---- what was taken apart, as a tree ---- */

static json_t *tree_of(struct pk_wire_json *json, struct pk_wire_value *value);

/* What is behind an array or object, up to its end. */
static json_t *
tree_of_group(struct pk_wire_json *json, struct pk_wire_value *value)
{
    struct pk_wire_value *end = value + value->span;
    json_t *tree = value->kind == PK_WIRE_OBJECT ? json_object() : json_array();
    unsigned count = 0;
    for (struct pk_wire_value *at = value + 1; at < end; at += at->span, count++) {
        char name[16] = "";
        (void)snprintf(name, sizeof(name), "%u", at->name);
        FUZZ_CHECK(at->span > 0 && at + at->span <= end);
        if (value->kind == PK_WIRE_ARRAY)
            FUZZ_CHECK(at->name == PK_NAME_NONE
                       && json_array_append_new(tree, tree_of(json, at)) == 0);
        else if (at->name != PK_NAME_NONE)
            FUZZ_CHECK(json_object_get(tree, name) == NULL
                       && json_object_set_new(tree, name, tree_of(json, at)) == 0);
    }
    FUZZ_CHECK(value->count == (count < PK_WIRE_COUNT_MAX ? count : PK_WIRE_COUNT_MAX));
    return tree;
}

static json_t *
tree_of_text(struct pk_wire_json *json, struct pk_wire_value *value)
{
    const char *text = json->text + value->start;
    FUZZ_CHECK(value->start + (size_t)value->size < json->size && text[value->size] == '\0');
    FUZZ_CHECK(strlen(text) == value->size && pk_wire_json_string(json, value) == text);
    json_t *tree = json_string(text); /* NULL if it is not UTF-8 */
    FUZZ_CHECK(tree != NULL);
    return tree;
}

/* JSON within is what jansson takes, too, without a member twice. */
static json_t *
tree_of_json(struct pk_wire_json *json, const struct pk_wire_value *value)
{
    size_t quote = value->kind == PK_WIRE_STRING ? 1 : 0;
    const char *text = json->text + value->start - quote;
    size_t size = value->size + 2 * quote;
    FUZZ_CHECK(value->start + size - quote < json->size);
    json_t *tree = json_loadb(text, size, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
    FUZZ_CHECK(tree != NULL);
    return tree;
}

static json_t *
tree_of(struct pk_wire_json *json, struct pk_wire_value *value)
{
    if (!value->binary)
        return tree_of_json(json, value);
    switch (value->kind) {
    case PK_WIRE_NULL:
        return json_null();
    case PK_WIRE_FALSE:
        return json_false();
    case PK_WIRE_TRUE:
        return json_true();
    case PK_WIRE_INTEGER:
        return json_integer(value->number);
    case PK_WIRE_STRING:
        return tree_of_text(json, value);
    default:
        FUZZ_CHECK(value->kind == PK_WIRE_ARRAY || value->kind == PK_WIRE_OBJECT);
        return tree_of_group(json, value);
    }
}

/* ---- the whole ---- */

/* The scan of JSON finds as much, if it is not too deep in it: a value of JSON there is one more
 * level in none of the two. */
static void
check_json(json_t *tree)
{
    pk_autofree char *text = json_dumps(tree, JSON_COMPACT);
    FUZZ_CHECK(text != NULL);
    struct pk_wire_json *json = pk_wire_json_new(NULL, 0, text, strlen(text));
    FUZZ_CHECK(json != NULL && pk_wire_json_scan(json, -EINVAL, NULL) == 0);
    json_t *again = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    FUZZ_CHECK(json_equal(tree, again) != 0);
    json_decref(again);
    pk_wire_json_free(json);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pk_autofree char *text = malloc(PK_WIRE_BINARY_HEAD + size);
    struct pk_error err = PK_ERROR_INIT;
    FUZZ_CHECK(text != NULL);
    memcpy(text, "\xFB\x01\0\0", 4);
    (void)pk_wire_binary_store_size(text + 4, size);
    if (size > 0)
        memcpy(text + PK_WIRE_BINARY_HEAD, data, size);
    struct pk_wire_json *json = pk_wire_json_new(NULL, 0, text, PK_WIRE_BINARY_HEAD + size);
    FUZZ_CHECK(json != NULL);
    int32_t rc = pk_wire_binary_scan(json, -EPROTO, &err);
    FUZZ_CHECK(rc == 0 || (rc == -EPROTO && strncmp(err.message, "byte ", 5) == 0));
    if (rc == 0) {
        FUZZ_CHECK(json->values->span == json->count && json->values->kind == PK_WIRE_OBJECT);
        json_t *tree = tree_of(json, json->values);
        check_json(tree);
        json_decref(tree);
    }
    pk_wire_json_free(json);
    return 0;
}
