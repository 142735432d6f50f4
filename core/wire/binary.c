/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scan of the binary notation: one pass over a message, which checks every size against what is
 * around it, and every text. JSON within it is left to the scan of JSON.
 */
#include "core/wire/binary.h"

#include "core/wire/frame.h"
#include "core/wire/name.h"
#include "core/wire/scan.h"
#include "core/wire/text.h"
#include "core/wire/tree.h"

#include <errno.h>

/* Where the scan stopped, and why. */
struct stop {
    const char *at;
    const char *why;
};

/* What values of one array or object are read from. */
struct reader {
    struct pk_wire_scan scan;
    struct stop stop;
};

__attribute__((cold, noinline)) static const char *
fail(struct reader *reader, const char *at, const char *why)
{
    reader->stop = (struct stop){ at, why };
    return NULL;
}

/* ---- values ---- */

/* Notes a value that is empty; NULL without memory. */
static inline struct pk_wire_value *
note(struct reader *reader, unsigned name, unsigned kind)
{
    struct pk_wire_scan *scan = &reader->scan;
    if (scan->count == scan->room && !pk_wire_scan_more_room(scan))
        return NULL;
    struct pk_wire_value *value = &scan->values[scan->count++];
    *value = (struct pk_wire_value){
        .span = 1,
        .kind = kind & 7U,
        .plain = 1,
        .binary = 1,
        .name = (name < PK_NAME_COUNT ? name : PK_NAME_NONE) & PK_WIRE_NAME_MAX,
    };
    return value;
}

static const char *
scan_word(struct reader *reader, const char *at, unsigned name, unsigned kind)
{
    return note(reader, name, kind) != NULL ? at : NULL;
}

static const char *
scan_integer(struct reader *reader, const char *at, const char *end, unsigned name)
{
    uint64_t number;
    if ((size_t)(end - at) < sizeof(number))
        return fail(reader, at, "an integer that is cut off");
    struct pk_wire_value *value = note(reader, name, PK_WIRE_INTEGER);
    if (value == NULL)
        return NULL;
    memcpy(&number, at, sizeof(number));
    value->number = (int64_t)le64toh(number);
    return at + sizeof(number);
}

/* Reads the size of what follows, which is within end with `more` bytes behind it. */
static inline const char *
read_size(struct reader *reader, const char *at, const char *end, size_t more, size_t *ret_size)
{
    size_t left = (size_t)(end - at);
    if (left < 4 + more)
        return fail(reader, at, "a size that is cut off");
    size_t size = pk_wire_binary_load_size(at);
    if (size > left - 4 - more)
        return fail(reader, at, "a size beyond what is around it");
    *ret_size = size;
    return at + 4;
}

static const char *
scan_text(struct reader *reader, const char *at, const char *end, unsigned name)
{
    size_t size = 0;
    at = read_size(reader, at, end, 1, &size);
    if (at == NULL)
        return NULL;
    if (at[size] != '\0')
        return fail(reader, at + size, "a text without a NUL behind it");
    if (!pk_wire_is_text(at, size))
        return fail(reader, at, "a text that is not UTF-8, or has a NUL in it");
    struct pk_wire_value *value = note(reader, name, PK_WIRE_STRING);
    if (value == NULL)
        return NULL;
    value->start = (uint32_t)(at - reader->scan.text);
    value->size = (uint32_t)size;
    return at + size + 1;
}

/* Whether names that may be the same are not, which costs a tree to find out. */
static bool
settle_doubts(struct reader *reader, const char *at, size_t size)
{
    struct pk_wire_json *json = reader->scan.json;
    if (!json->doubtful)
        return true;
    json->doubtful = false;
    int32_t rc = pk_wire_tree_unique(at, size);
    reader->scan.no_memory = reader->scan.no_memory || rc == -ENOMEM;
    return rc == 0;
}

static const char *
scan_json(struct reader *reader, const char *at, const char *end, unsigned name)
{
    size_t size = 0;
    at = read_size(reader, at, end, 1, &size);
    if (at == NULL)
        return NULL;
    struct pk_wire_scan *scan = &reader->scan;
    size_t index = scan->count;
    const char *json_end = at + size;
    if (*json_end != '\0' || pk_wire_scan_json(scan, at) != json_end
        || !settle_doubts(reader, at, size))
        return fail(reader, at, "a value that is not JSON");
    scan->values[index].name = (name < PK_NAME_COUNT ? name : PK_NAME_NONE) & PK_WIRE_NAME_MAX;
    return json_end + 1;
}

/* ---- arrays and objects ---- */

static const char *scan_inside(struct reader *reader, const char *at, const char *end,
                               size_t index);

static const char *
scan_group(struct reader *reader, const char *at, const char *end, unsigned name, unsigned kind)
{
    struct pk_wire_scan *scan = &reader->scan;
    size_t size = 0;
    at = read_size(reader, at, end, 0, &size);
    if (at == NULL)
        return NULL;
    size_t index = scan->count;
    if (note(reader, name, kind) == NULL)
        return NULL;
    if (++scan->depth > PK_WIRE_DEPTH_MAX)
        return fail(reader, at, "a value that is nested too deep");
    at = scan_inside(reader, at, at + size, index);
    scan->depth--;
    return at;
}

static inline const char *
scan_value(struct reader *reader, const char *at, const char *end, unsigned name, unsigned kind)
{
    switch (kind) {
    case PK_BINARY_NULL:
    case PK_BINARY_FALSE:
    case PK_BINARY_TRUE:
        return scan_word(reader, at, name, kind);
    case PK_BINARY_INTEGER:
        return scan_integer(reader, at, end, name);
    case PK_BINARY_JSON:
        return scan_json(reader, at, end, name);
    case PK_BINARY_TEXT:
        return scan_text(reader, at, end, name);
    case PK_BINARY_ARRAY:
    case PK_BINARY_OBJECT:
        return scan_group(reader, at, end, name, kind);
    default:
        return fail(reader, at, "a value of no known kind");
    }
}

/* Names of one object that were seen, a bit each. */
struct names {
    uint64_t bits[4];
};

/* Notes a name; false if it was seen. */
static inline bool
see_name(struct names *names, unsigned name)
{
    uint64_t *bits = &names->bits[name / 64];
    uint64_t bit = UINT64_C(1) << name % 64;
    bool seen = (*bits & bit) != 0;
    *bits |= bit;
    return !seen;
}

/* The values of the array or object with this index, which fill all up to end. */
static const char *
scan_inside(struct reader *reader, const char *at, const char *end, size_t index)
{
    struct names names = { { 0 } };
    bool object = reader->scan.values[index].kind == PK_WIRE_OBJECT;
    uint32_t count = 0;
    while (at < end) {
        if (end - at < 2)
            return fail(reader, at, "a value that is cut off");
        unsigned name = (unsigned char)at[0];
        if (object ? name == PK_NAME_NONE || !see_name(&names, name) : name != PK_NAME_NONE)
            return fail(reader, at, "a name that must not be there, or stands there twice");
        at = scan_value(reader, at + 2, end, name, (unsigned char)at[1]);
        if (at == NULL)
            return NULL;
        count++;
    }
    struct pk_wire_value *value = &reader->scan.values[index];
    value->span = (uint32_t)(reader->scan.count - index);
    value->count = (count < PK_WIRE_COUNT_MAX ? count : PK_WIRE_COUNT_MAX) & PK_WIRE_COUNT_MAX;
    return at;
}

/* ---- the whole ---- */

int32_t
pk_wire_binary_head(const char *text, size_t size, uint64_t *ret_size, struct pk_error *err)
{
    static const char head[] = { (char)PK_WIRE_BINARY_MAGIC, PK_WIRE_BINARY_VERSION, 0, 0 };
    size_t known = size < sizeof(head) ? size : sizeof(head);
    if (memcmp(text, head, known) != 0)
        return pk_fail(err, -EINVAL, "not a binary message of version %u", PK_WIRE_BINARY_VERSION);
    *ret_size = PK_WIRE_BINARY_HEAD;
    if (size >= PK_WIRE_BINARY_HEAD)
        *ret_size += pk_wire_binary_load_size(text + sizeof(head));
    return 0;
}

int32_t
pk_wire_binary_scan(struct pk_wire_json *message, int32_t code, struct pk_error *err)
{
    uint64_t size = 0;
    struct pk_error why = PK_ERROR_INIT;
    if (pk_wire_binary_head(message->text, message->size, &size, &why) != 0)
        return pk_fail(err, code, "%s", why.message);
    if (message->size < PK_WIRE_BINARY_HEAD || message->size != size)
        return pk_fail(err, code, "a binary message of another size than it says");
    struct reader reader = { .scan = pk_wire_scan_begin(message) };
    const char *end = message->text + message->size;
    reader.scan.depth = 1;
    const char *at = note(&reader, PK_NAME_NONE, PK_WIRE_OBJECT) != NULL
                         ? scan_inside(&reader, message->text + PK_WIRE_BINARY_HEAD, end, 0)
                         : NULL;
    pk_wire_scan_end(&reader.scan, message);
    if (at == end)
        return 0;
    if (reader.scan.no_memory)
        return pk_fail(err, -ENOMEM, "out of memory");
    return pk_fail(err, code, "byte %zu of a binary message: %s",
                   (size_t)(reader.stop.at - message->text), reader.stop.why);
}
