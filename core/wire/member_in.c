/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads members of JSON objects and says what is wrong with them. It trusts nothing but jansson,
 * which has refused what is no UTF-8, every NUL, and numbers that don't fit.
 */
#include "core/wire/member_in.h"

#include "core/wire/frame.h"
#include "core/wire/member_out.h"
#include "core/wire/request.h"
#include "core/wire/text.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- the object ---- */

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
pk_wire_json_parse(const char *text, size_t size, int32_t code, json_t **ret_json,
                   struct pk_error *err)
{
    struct pk_wire_frame frame = { 0 };
    size_t start = 0;
    size_t used = 0;
    bool complete = false;
    /* first the frame, which bounds the depth for all that recurses over the values */
    struct pk_error why = PK_ERROR_INIT;
    if (pk_wire_frame_scan(&frame, text, size, size, &start, &used, &complete, &why) != 0)
        return pk_fail(err, code, "%s", why.message);
    if (!complete)
        return pk_fail(err, code, "not a JSON object: it does not end");
    if (memchr(text, '\0', size) != NULL) /* which jansson overlooks behind a number */
        return pk_fail(err, code, "not JSON: a NUL byte");
    json_error_t error;
    json_t *json = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
    if (json == NULL)
        return fail_json(&error, code, err);
    *ret_json = json;
    return 0;
}

/* ---- members ---- */

int32_t
pk_wire_in_fail(const struct pk_wire_in *in, const char *name, const char *what)
{
    return pk_fail(in->err, in->code, "%s%s: %s", in->prefix, name, what);
}

json_t *
pk_wire_in_get(const struct pk_wire_in *in, const char *name)
{
    json_t *value = json_object_get(in->object, name);
    return json_is_null(value) ? NULL : value;
}

int32_t
pk_wire_in_need(const struct pk_wire_in *in, const char *name)
{
    return pk_wire_in_get(in, name) == NULL ? pk_wire_in_fail(in, name, "missing") : 0;
}

int32_t
pk_wire_in_text(const struct pk_wire_in *in, const char *name, size_t min, size_t max,
                const char **ret_text)
{
    const json_t *value = pk_wire_in_get(in, name);
    if (value == NULL)
        return 0;
    if (!json_is_string(value))
        return pk_wire_in_fail(in, name, "not a string");
    size_t size = json_string_length(value);
    if (size < min || size > max)
        return pk_fail(in->err, in->code, "%s%s: %zu bytes long, not %zu to %zu", in->prefix, name,
                       size, min, max);
    *ret_text = json_string_value(value);
    return 0;
}

int32_t
pk_wire_in_object_id(const struct pk_wire_in *in, const char **ret_id)
{
    const char *id = NULL;
    int32_t rc = pk_wire_in_text(in, "object_id", 1, PK_ID_MAX, &id);
    if (rc != 0 || id == NULL)
        return rc;
    if (pk_wire_has_control(id))
        return pk_wire_in_fail(in, "object_id", "has a control character");
    *ret_id = id;
    return 0;
}

int32_t
pk_wire_in_lease_id(const struct pk_wire_in *in, const char **ret_id)
{
    int32_t rc = pk_wire_in_need(in, "lease_id");
    if (rc != 0)
        return rc;
    return pk_wire_in_text(in, "lease_id", 1, PK_LEASE_ID_LEN, ret_id);
}

/* "not one of: create, read" */
static int32_t
fail_word(const struct pk_wire_in *in, const char *name, const char *const *words, size_t count)
{
    char list[128] = "";
    size_t size = 0;
    for (size_t i = 0; i < count && size + strlen(words[i]) + 3 < sizeof(list); i++) {
        if (i > 0)
            size += (size_t)(stpcpy(list + size, ", ") - (list + size));
        size += (size_t)(stpcpy(list + size, words[i]) - (list + size));
    }
    return pk_fail(in->err, in->code, "%s%s: not one of: %s", in->prefix, name, list);
}

int32_t
pk_wire_in_word(const struct pk_wire_in *in, const char *name, const char *const *words,
                size_t count, size_t *ret_index)
{
    const json_t *value = pk_wire_in_get(in, name);
    if (value == NULL)
        return 0;
    const char *text = json_string_value(value);
    for (size_t i = 0; text != NULL && i < count; i++) {
        if (strcmp(text, words[i]) == 0) {
            *ret_index = i;
            return 0;
        }
    }
    return fail_word(in, name, words, count);
}

int32_t
pk_wire_in_integer(const struct pk_wire_in *in, const char *name, int64_t min, int64_t max,
                   int64_t *ret_value)
{
    const json_t *value = pk_wire_in_get(in, name);
    if (value == NULL)
        return 0;
    int64_t number = json_integer_value(value);
    if (!json_is_integer(value) || number < min || number > max)
        return pk_fail(in->err, in->code, "%s%s: not an integer from %lld to %lld", in->prefix,
                       name, (long long)min, (long long)max);
    *ret_value = number;
    return 0;
}

/* Nanoseconds of a JSON number of seconds; false if it is none, or out of bounds. What is above 0
 * stays above it. */
static bool
seconds_of(const json_t *value, uint64_t *ret_nanoseconds)
{
    if (json_is_integer(value)) {
        json_int_t seconds = json_integer_value(value);
        if (seconds < 0 || seconds > PK_WIRE_SECONDS_MAX)
            return false;
        *ret_nanoseconds = (uint64_t)seconds * 1000000000U;
        return true;
    }
    double seconds = json_real_value(value); /* 0 for what is not a number */
    if (!json_is_real(value) || !isfinite(seconds) || seconds < 0
        || seconds > (double)PK_WIRE_SECONDS_MAX)
        return false;
    *ret_nanoseconds = (uint64_t)(seconds * 1e9 + 0.5);
    if (*ret_nanoseconds == 0 && seconds > 0)
        *ret_nanoseconds = 1;
    return true;
}

int32_t
pk_wire_in_seconds(const struct pk_wire_in *in, const char *name, bool zero,
                   uint64_t *ret_nanoseconds)
{
    const json_t *value = pk_wire_in_get(in, name);
    if (value == NULL)
        return 0;
    uint64_t nanoseconds = 0;
    if (!seconds_of(value, &nanoseconds) || (nanoseconds == 0 && !zero))
        return pk_fail(in->err, in->code, "%s%s: not a number of seconds %s 0 and at most %lld",
                       in->prefix, name, zero ? "from" : "above", (long long)PK_WIRE_SECONDS_MAX);
    *ret_nanoseconds = nanoseconds;
    return 0;
}

int32_t
pk_wire_in_array(const struct pk_wire_in *in, const char *name, size_t min, size_t max,
                 json_t **ret_array)
{
    json_t *value = pk_wire_in_get(in, name);
    if (value == NULL)
        return 0;
    size_t size = json_array_size(value); /* 0 for what is not an array */
    if (!json_is_array(value) || size < min || size > max)
        return pk_fail(in->err, in->code, "%s%s: not an array of %zu to %zu entries", in->prefix,
                       name, min, max);
    *ret_array = value;
    return 0;
}

static int32_t
fill_sizes(const struct pk_wire_in *in, const json_t *array, uint64_t *sizes)
{
    const json_t *value;
    size_t index;
    json_array_foreach(array, index, value)
    {
        json_int_t size = json_integer_value(value);
        if (!json_is_null(value) && (!json_is_integer(value) || size < 0))
            return pk_fail(in->err, in->code, "%ssizes[%zu]: not a size in bytes, nor null",
                           in->prefix, index);
        sizes[index] = json_is_null(value) ? PK_UNSIZED : (uint64_t)size;
    }
    return 0;
}

int32_t
pk_wire_in_sizes(const struct pk_wire_in *in, uint64_t **ret_sizes, uint32_t *ret_count)
{
    json_t *array = NULL;
    int32_t rc = pk_wire_in_array(in, "sizes", 1, PK_BLOBS_MAX, &array);
    if (rc != 0 || array == NULL)
        return rc;
    size_t count = json_array_size(array);
    uint64_t *sizes = calloc(count, sizeof(*sizes));
    if (sizes == NULL)
        return pk_fail(in->err, -ENOMEM, "out of memory");
    rc = fill_sizes(in, array, sizes);
    if (rc != 0) {
        free(sizes);
        return rc;
    }
    *ret_sizes = sizes;
    *ret_count = (uint32_t)count;
    return 0;
}

/* Whether a value can be meta. */
static int32_t
check_meta(const struct pk_wire_in *in, const json_t *value)
{
    if (!json_is_object(value))
        return pk_wire_in_fail(in, "meta", "not an object");
    if (pk_wire_json_depth(value) > PK_WIRE_META_DEPTH)
        return pk_fail(in->err, in->code, "%smeta: nested more than %u levels deep", in->prefix,
                       PK_WIRE_META_DEPTH);
    return 0;
}

/* Meta as compact text; "" for an empty object and for none. */
static int32_t
compact_meta(const struct pk_wire_in *in, const json_t *value, char **ret_meta)
{
    char *text = json_object_size(value) > 0 ? pk_wire_json_text(value) : strdup("");
    if (text == NULL)
        return pk_fail(in->err, -ENOMEM, "out of memory");
    size_t size = strlen(text);
    if (size > PK_META_MAX) {
        free(text);
        return pk_fail(in->err, in->code, "%smeta: %zu bytes long, not at most %d", in->prefix,
                       size, PK_META_MAX);
    }
    *ret_meta = text;
    return 0;
}

int32_t
pk_wire_in_meta(const struct pk_wire_in *in, char **ret_meta)
{
    const json_t *value = pk_wire_in_get(in, "meta");
    if (value == NULL)
        return 0;
    int32_t rc = check_meta(in, value);
    return rc != 0 ? rc : compact_meta(in, value, ret_meta);
}

int32_t
pk_wire_meta_parse(const char *text, json_t **ret_meta, struct pk_error *err)
{
    struct pk_wire_in in = { .prefix = "", .code = -EINVAL, .err = err };
    struct pk_error why = PK_ERROR_INIT;
    json_t *meta = NULL;
    if (text == NULL || *text == '\0')
        return 0;
    int32_t rc = pk_wire_json_parse(text, strlen(text), -EINVAL, &meta, &why);
    if (rc != 0)
        return pk_fail(err, rc, "meta: %s", why.message);
    rc = check_meta(&in, meta);
    if (rc != 0) {
        json_decref(meta);
        return rc;
    }
    *ret_meta = meta;
    return 0;
}

int32_t
pk_wire_meta_compact(const char *text, char **ret_text, struct pk_error *err)
{
    struct pk_wire_in in = { .prefix = "", .code = -EINVAL, .err = err };
    json_t *meta = NULL;
    int32_t rc = pk_wire_meta_parse(text, &meta, err);
    if (rc == 0)
        rc = compact_meta(&in, meta, ret_text);
    json_decref(meta);
    return rc;
}

int32_t
pk_wire_in_tag(const struct pk_wire_in *in, char **ret_tag)
{
    const json_t *value = pk_wire_in_get(in, "tag");
    if (value == NULL)
        return 0;
    if (!json_is_integer(value) && !json_is_string(value))
        return pk_wire_in_fail(in, "tag", "neither a string nor an integer");
    if (json_string_length(value) > PK_WIRE_TAG_MAX)
        return pk_fail(in->err, in->code, "%stag: %zu bytes long, not at most %u", in->prefix,
                       json_string_length(value), PK_WIRE_TAG_MAX);
    char *text = pk_wire_json_text(value);
    if (text == NULL)
        return pk_fail(in->err, -ENOMEM, "out of memory");
    *ret_tag = text;
    return 0;
}

int32_t
pk_wire_in_time(const struct pk_wire_in *in, const char *name, uint64_t *ret_nanoseconds)
{
    const json_t *value = pk_wire_in_get(in, name);
    if (value == NULL)
        return 0;
    if (!json_is_string(value)
        || pk_wire_time_parse(json_string_value(value), ret_nanoseconds) != 0)
        return pk_wire_in_fail(in, name, "not a point in time (RFC 3339, UTC)");
    return 0;
}
