/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads members of objects and says what is wrong with them. It relies on the scan, which has
 * refused what is no UTF-8, every NUL, and numbers that don't fit.
 */
#include "core/wire/member_in.h"

#include "core/wire/request.h"
#include "core/wire/text.h"
#include "core/wire/tree.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- members ---- */

int32_t
pk_wire_in_fail(const struct pk_wire_in *in, enum pk_wire_name name, const char *what, ...)
{
    char text[200];
    va_list args;
    va_start(args, what);
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it is, by the line above */
    int size = vsnprintf(text, sizeof(text), what, args);
    va_end(args);
    if (size < 0)
        text[0] = '\0';
    const char *member = pk_wire_name_text(name);
    if (in->array != NULL)
        return pk_fail(in->err, in->code, "%s[%zu].%s: %s", in->array, in->index, member, text);
    return pk_fail(in->err, in->code, "%s%s: %s", in->prefix, member, text);
}

int32_t
pk_wire_in_fail_entry(const struct pk_wire_in *in, enum pk_wire_name name, size_t index,
                      const char *what)
{
    return pk_fail(in->err, in->code, "%s%s[%zu]: %s", in->prefix, pk_wire_name_text(name), index,
                   what);
}

static inline void
find_member(struct pk_wire_in *in, unsigned name, struct pk_wire_value *value)
{
    in->members[name] = value;
    in->present |= (uint64_t)(value->kind != PK_WIRE_NULL) << name;
}

void
pk_wire_in_open(struct pk_wire_in *in, struct pk_wire_json *json, struct pk_wire_value *object,
                int32_t code, struct pk_error *err)
{
    in->json = json;
    in->object = object;
    in->array = NULL;
    in->prefix = "";
    in->code = code;
    in->err = err;
    in->present = 0;
    if (object->kind != PK_WIRE_OBJECT)
        return;
    struct pk_wire_value *end = object + object->span;
    struct pk_wire_value *at = object + 1;
    if (object->binary) {
        for (; at < end; at += at->span)
            find_member(in, at->name, at);
        return;
    }
    for (; at < end; at += 1 + at[1].span) {
        if (!at->plain)
            pk_wire_json_unescape(json, at);
        find_member(in, at->name, at + 1);
    }
}

void
pk_wire_in_open_entry(struct pk_wire_in *in, const struct pk_wire_in *outer,
                      struct pk_wire_value *entry, const char *array, size_t index)
{
    pk_wire_in_open(in, outer->json, entry, outer->code, outer->err);
    in->array = array;
    in->index = index;
}

int32_t
pk_wire_in_need(const struct pk_wire_in *in, enum pk_wire_name name)
{
    return pk_wire_in_get(in, name) == NULL ? pk_wire_in_fail(in, name, "missing") : 0;
}

int32_t
pk_wire_in_text(const struct pk_wire_in *in, enum pk_wire_name name, size_t min, size_t max,
                const char **ret_text)
{
    struct pk_wire_value *value = pk_wire_in_get(in, name);
    if (value == NULL)
        return 0;
    if (value->kind != PK_WIRE_STRING)
        return pk_wire_in_fail(in, name, "not a string");
    const char *text = pk_wire_json_string(in->json, value);
    size_t size = value->size; /* of the text, now that it is read */
    if (size < min || size > max)
        return pk_wire_in_fail(in, name, "%zu bytes long, not %zu to %zu", size, min, max);
    *ret_text = text;
    return 0;
}

int32_t
pk_wire_in_object_id(const struct pk_wire_in *in, const char **ret_id)
{
    const char *id = NULL;
    int32_t rc = pk_wire_in_text(in, PK_NAME_OBJECT_ID, 1, PK_ID_MAX, &id);
    if (rc != 0 || id == NULL)
        return rc;
    if (pk_wire_has_control(id))
        return pk_wire_in_fail(in, PK_NAME_OBJECT_ID, "has a control character");
    *ret_id = id;
    return 0;
}

int32_t
pk_wire_in_lease_id(const struct pk_wire_in *in, const char **ret_id)
{
    int32_t rc = pk_wire_in_need(in, PK_NAME_LEASE_ID);
    if (rc != 0)
        return rc;
    return pk_wire_in_text(in, PK_NAME_LEASE_ID, 1, PK_LEASE_ID_LEN, ret_id);
}

/* "not one of: create, read" */
static int32_t
fail_word(const struct pk_wire_in *in, enum pk_wire_name name, const char *const *words,
          size_t count)
{
    char list[128] = "";
    size_t size = 0;
    for (size_t i = 0; i < count && size + strlen(words[i]) + 3 < sizeof(list); i++) {
        if (i > 0)
            size += (size_t)(stpcpy(list + size, ", ") - (list + size));
        size += (size_t)(stpcpy(list + size, words[i]) - (list + size));
    }
    return pk_wire_in_fail(in, name, "not one of: %s", list);
}

int32_t
pk_wire_in_word(const struct pk_wire_in *in, enum pk_wire_name name, const char *const *words,
                size_t count, size_t *ret_index)
{
    struct pk_wire_value *value = pk_wire_in_get(in, name);
    if (value == NULL)
        return 0;
    const char *text = value->kind == PK_WIRE_STRING ? pk_wire_json_string(in->json, value) : NULL;
    for (size_t i = 0; text != NULL && i < count; i++) {
        if (*text == *words[i] && strcmp(text, words[i]) == 0) {
            *ret_index = i;
            return 0;
        }
    }
    return fail_word(in, name, words, count);
}

int32_t
pk_wire_in_flag(const struct pk_wire_in *in, enum pk_wire_name name, bool *ret_flag)
{
    const struct pk_wire_value *value = pk_wire_in_get(in, name);
    if (value == NULL)
        return 0;
    if (value->kind != PK_WIRE_TRUE && value->kind != PK_WIRE_FALSE)
        return pk_wire_in_fail(in, name, "not true or false");
    *ret_flag = value->kind == PK_WIRE_TRUE;
    return 0;
}

int32_t
pk_wire_in_integer(const struct pk_wire_in *in, enum pk_wire_name name, int64_t min, int64_t max,
                   int64_t *ret_value)
{
    const struct pk_wire_value *value = pk_wire_in_get(in, name);
    if (value == NULL)
        return 0;
    int64_t number = value->kind == PK_WIRE_INTEGER ? value->number : 0;
    if (value->kind != PK_WIRE_INTEGER || number < min || number > max)
        return pk_wire_in_fail(in, name, "not an integer from %lld to %lld", (long long)min,
                               (long long)max);
    *ret_value = number;
    return 0;
}

/* Nanoseconds of a JSON number of seconds. What is above 0 stays above it. 0; -EINVAL if it is
 * none, or out of bounds; -ENOMEM. */
static int32_t
seconds_of(const struct pk_wire_json *json, const struct pk_wire_value *value,
           uint64_t *ret_nanoseconds)
{
    if (value->kind == PK_WIRE_INTEGER) {
        int64_t whole = value->number;
        if (whole < 0 || whole > PK_WIRE_SECONDS_MAX)
            return -EINVAL;
        *ret_nanoseconds = (uint64_t)whole * 1000000000U;
        return 0;
    }
    double seconds = -1;
    int32_t rc = value->kind == PK_WIRE_REAL
                     ? pk_wire_tree_real(json->text + value->start, value->size, &seconds)
                     : -EINVAL;
    if (rc != 0)
        return rc;
    if (!isfinite(seconds) || seconds < 0 || seconds > (double)PK_WIRE_SECONDS_MAX)
        return -EINVAL;
    *ret_nanoseconds = (uint64_t)(seconds * 1e9 + 0.5);
    if (*ret_nanoseconds == 0 && seconds > 0)
        *ret_nanoseconds = 1;
    return 0;
}

int32_t
pk_wire_in_seconds(const struct pk_wire_in *in, enum pk_wire_name name, bool zero,
                   uint64_t *ret_nanoseconds)
{
    const struct pk_wire_value *value = pk_wire_in_get(in, name);
    if (value == NULL)
        return 0;
    uint64_t nanoseconds = 0;
    int32_t rc = seconds_of(in->json, value, &nanoseconds);
    if (rc == -ENOMEM)
        return pk_fail(in->err, -ENOMEM, "out of memory");
    if (rc != 0 || (nanoseconds == 0 && !zero))
        return pk_wire_in_fail(in, name, "not a number of seconds %s 0 and at most %lld",
                               zero ? "from" : "above", (long long)PK_WIRE_SECONDS_MAX);
    *ret_nanoseconds = nanoseconds;
    return 0;
}

int32_t
pk_wire_in_array(const struct pk_wire_in *in, enum pk_wire_name name, size_t min, size_t max,
                 struct pk_wire_value **ret_entries, size_t *ret_count)
{
    struct pk_wire_value *value = pk_wire_in_get(in, name);
    if (value == NULL)
        return 0;
    if (value->kind != PK_WIRE_ARRAY || value->count < min || value->count > max)
        return pk_wire_in_fail(in, name, "not an array of %zu to %zu entries", min, max);
    *ret_entries = value + 1;
    *ret_count = value->count;
    return 0;
}

static int32_t
fill_sizes(const struct pk_wire_in *in, const struct pk_wire_value *entries, size_t count,
           uint64_t *sizes)
{
    const struct pk_wire_value *value = entries;
    for (size_t i = 0; i < count; i++, value += value->span) {
        bool integer = value->kind == PK_WIRE_INTEGER;
        int64_t size = integer ? value->number : -1;
        if (value->kind != PK_WIRE_NULL && size < 0)
            return pk_wire_in_fail_entry(in, PK_NAME_SIZES, i, "not a size in bytes, nor null");
        sizes[i] = integer ? (uint64_t)size : PK_UNSIZED;
    }
    return 0;
}

int32_t
pk_wire_in_sizes(const struct pk_wire_in *in, uint64_t **ret_sizes, uint32_t *ret_count)
{
    struct pk_wire_value *entries = NULL;
    size_t count = 0;
    int32_t rc = pk_wire_in_array(in, PK_NAME_SIZES, 1, PK_BLOBS_MAX, &entries, &count);
    if (rc != 0 || entries == NULL)
        return rc;
    uint64_t *sizes = malloc(count * sizeof(*sizes));
    if (sizes == NULL)
        return pk_fail(in->err, -ENOMEM, "out of memory");
    rc = fill_sizes(in, entries, count, sizes);
    if (rc != 0) {
        free(sizes);
        return rc;
    }
    *ret_sizes = sizes;
    *ret_count = (uint32_t)count;
    return 0;
}

/* ---- values as JSON text ---- */

/* The text of a value in its shortest form: where it is, or malloc'd as *ret_owned too. */
static int32_t
compact(const struct pk_wire_in *in, const struct pk_wire_value *value, const char **ret_text,
        char **ret_owned)
{
    size_t quote = value->kind == PK_WIRE_STRING ? 1 : 0;
    char *text = in->json->text + value->start - quote;
    size_t size = value->size + 2 * quote;
    if (value->plain) {
        text[size] = '\0'; /* where the text of no value is */
        *ret_text = text;
        return 0;
    }
    char *owned = pk_wire_tree_compact(text, size);
    if (owned == NULL)
        return pk_fail(in->err, -ENOMEM, "out of memory");
    *ret_text = owned;
    *ret_owned = owned;
    return 0;
}

int32_t
pk_wire_in_meta(const struct pk_wire_in *in, const char **ret_meta, char **ret_owned)
{
    const char *text = "";
    const struct pk_wire_value *value = pk_wire_in_get(in, PK_NAME_META);
    if (value == NULL)
        return 0;
    if (value->kind != PK_WIRE_OBJECT || value->binary)
        return pk_wire_in_fail(in, PK_NAME_META, "not an object");
    if (value->height > PK_WIRE_META_DEPTH)
        return pk_wire_in_fail(in, PK_NAME_META, "nested more than %u levels deep",
                               PK_WIRE_META_DEPTH);
    int32_t rc = value->count > 0 ? compact(in, value, &text, ret_owned) : 0;
    size_t size = strlen(text);
    if (rc == 0 && size > PK_META_MAX)
        return pk_wire_in_fail(in, PK_NAME_META, "%zu bytes long, not at most %d", size,
                               PK_META_MAX);
    if (rc == 0)
        *ret_meta = text;
    return rc;
}

static int32_t
check_tag_size(const struct pk_wire_in *in, size_t size)
{
    if (size > PK_WIRE_TAG_MAX)
        return pk_wire_in_fail(in, PK_NAME_TAG, "%zu bytes long, not at most %u", size,
                               PK_WIRE_TAG_MAX);
    return 0;
}

/* A tag that has no JSON text, or one with escapes, which may not be the shortest. */
static int32_t
write_tag(const struct pk_wire_in *in, struct pk_wire_value *value, const char **ret_tag,
          char **ret_owned)
{
    json_t *tag;
    if (value->kind == PK_WIRE_INTEGER) {
        tag = json_integer(value->number);
    } else {
        const char *text = pk_wire_json_string(in->json, value);
        int32_t rc = check_tag_size(in, value->size);
        if (rc != 0)
            return rc;
        tag = json_string(text);
    }
    char *owned = pk_wire_tree_text(tag);
    if (owned == NULL)
        return pk_fail(in->err, -ENOMEM, "out of memory");
    *ret_tag = owned;
    *ret_owned = owned;
    return 0;
}

int32_t
pk_wire_in_tag(const struct pk_wire_in *in, const char **ret_tag, char **ret_owned)
{
    struct pk_wire_value *value = pk_wire_in_get(in, PK_NAME_TAG);
    if (value == NULL)
        return 0;
    if (value->kind != PK_WIRE_INTEGER && value->kind != PK_WIRE_STRING)
        return pk_wire_in_fail(in, PK_NAME_TAG, "neither a string nor an integer");
    if (value->binary || (value->kind == PK_WIRE_STRING && !value->plain))
        return write_tag(in, value, ret_tag, ret_owned);
    int32_t rc = value->kind == PK_WIRE_STRING ? check_tag_size(in, value->size) : 0;
    return rc != 0 ? rc : compact(in, value, ret_tag, ret_owned);
}

int32_t
pk_wire_in_time(const struct pk_wire_in *in, enum pk_wire_name name, uint64_t *ret_nanoseconds)
{
    struct pk_wire_value *value = pk_wire_in_get(in, name);
    if (value == NULL)
        return 0;
    if (value->kind != PK_WIRE_STRING
        || pk_wire_time_parse(pk_wire_json_string(in->json, value), ret_nanoseconds) != 0)
        return pk_wire_in_fail(in, name, "not a point in time (RFC 3339, UTC)");
    return 0;
}
