/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON as jansson reads and writes it. It keeps no tree beyond a call.
 */
#include "core/wire/tree.h"

#include "core/wire/frame.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- reading ---- */

/* What jansson says without the excerpt, which may hold a lease id or a control character. */
static int32_t
fail_json(const json_error_t *error, int32_t code, struct pk_error *err)
{
    if (error->text[0] == '\0') /* of want of memory it has nothing to say */
        return pk_fail(err, -ENOMEM, "out of memory");
    const char *excerpt = strstr(error->text, " near '");
    int size = excerpt != NULL ? (int)(excerpt - error->text) : (int)strlen(error->text);
    return pk_fail(err, code, "not JSON: line %d, column %d: %.*s", error->line, error->column,
                   size, error->text);
}

int32_t
pk_wire_tree_check(const char *text, size_t size, int32_t code, struct pk_error *err)
{
    struct pk_wire_frame frame = { 0 };
    size_t start = 0;
    size_t used = 0;
    bool complete = false;
    /* first the frame, which bounds the depth for all that recurses over the values */
    struct pk_error why = PK_ERROR_INIT;
    if (pk_wire_frame_scan(&frame, text, size, size, &start, &used, &complete, &why) != 0)
        return pk_fail(err, code, "%s", why.message);
    if (used > start && pk_wire_is_binary(text[start]))
        return pk_fail(err, code, "not a JSON object: it does not begin with '{'");
    if (!complete)
        return pk_fail(err, code, "not a JSON object: it does not end");
    if (memchr(text, '\0', size) != NULL) /* which jansson overlooks behind a number */
        return pk_fail(err, code, "not JSON: a NUL byte");
    json_error_t error;
    json_t *json = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
    if (json == NULL)
        return fail_json(&error, code, err);
    json_decref(json);
    return 0;
}

int32_t
pk_wire_tree_unique(const char *text, size_t size)
{
    json_error_t error;
    json_t *json = json_loadb(text, size, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &error);
    if (json == NULL)
        return error.text[0] == '\0' ? -ENOMEM : -EINVAL;
    json_decref(json);
    return 0;
}

int32_t
pk_wire_tree_real(const char *text, size_t size, double *ret_value)
{
    json_error_t error;
    json_t *json = json_loadb(text, size, JSON_DECODE_ANY, &error);
    if (json == NULL)
        return error.text[0] == '\0' ? -ENOMEM : -EINVAL;
    double value = json_number_value(json);
    json_decref(json);
    *ret_value = value;
    return 0;
}

/* ---- writing ---- */

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

char *
pk_wire_tree_text(json_t *value)
{
    if (value == NULL)
        return NULL;
    size_t flags = JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(most_digits(value));
    size_t size = json_dumpb(value, NULL, 0, flags); /* 0 without memory */
    char *text = size > 0 ? malloc(size + 1) : NULL;
    if (text != NULL && json_dumpb(value, text, size, flags) == size) {
        text[size] = '\0';
    } else {
        free(text);
        text = NULL;
    }
    json_decref(value);
    return text;
}

char *
pk_wire_tree_compact(const char *text, size_t size)
{
    json_error_t error;
    return pk_wire_tree_text(json_loadb(text, size, JSON_DECODE_ANY, &error));
}
