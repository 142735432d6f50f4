/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scan: what RFC 8259 allows, and no more than jansson takes. Where names may be the same and
 * comparing them here would cost too much, and to put into words what is wrong, it asks jansson.
 */
#include "core/wire/json.h"

#include "core/wire/frame.h"
#include "core/wire/name.h"
#include "core/wire/scan.h"
#include "core/wire/text.h"
#include "core/wire/tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define OTHERS_MAX 32U /* members of one object with names of others that are compared here */
#define DIGITS_MAX 18U /* that any integer of 64 bits can have */
#define REAL_MAX 300U  /* bytes of a number without an exponent that is sure to be finite */
#define ROOM_MIN 8U
#define SOME_VALUES 32U /* of meta, without an allocation */

/* ---- values ---- */

bool
pk_wire_scan_more_room(struct pk_wire_scan *scan)
{
    struct pk_wire_value **more = &scan->json->more;
    struct pk_wire_value *values = realloc(*more, 2 * scan->room * sizeof(*values));
    if (values == NULL) {
        scan->no_memory = true;
        return false;
    }
    if (*more == NULL)
        memcpy(values, scan->values, scan->count * sizeof(*values));
    *more = values;
    scan->values = values;
    scan->room *= 2;
    return true;
}

static inline void
note_value(struct pk_wire_scan *scan, unsigned kind, bool plain, const char *start, const char *end)
{
    struct pk_wire_value *value = &scan->values[scan->count++];
    value->start = (uint32_t)(start - scan->text);
    value->size = (uint32_t)(end - start);
    value->span = 1;
    value->kind = kind & 7U;
    value->plain = plain;
    value->binary = 0;
    value->height = 0;
    value->name = PK_NAME_NONE;
    value->count = 0;
}

__attribute__((noinline)) static const char *
add_value_in_new_room(struct pk_wire_scan *scan, unsigned kind, bool plain, const char *start,
                      const char *end, const char *behind)
{
    if (!pk_wire_scan_more_room(scan))
        return NULL;
    note_value(scan, kind, plain, start, end);
    return behind;
}

/* Notes a value from start to end; returns `behind` it. */
static inline const char *
add_value(struct pk_wire_scan *scan, unsigned kind, bool plain, const char *start, const char *end,
          const char *behind)
{
    if (scan->count == scan->room)
        return add_value_in_new_room(scan, kind, plain, start, end, behind);
    note_value(scan, kind, plain, start, end);
    return behind;
}

/* ---- bytes ---- */

static bool
is_digit(char c)
{
    return (unsigned char)(c - '0') <= 9;
}

static const char *
skip_more_space(struct pk_wire_scan *scan, const char *at)
{
    size_t size = strspn(at, " \t\n\r");
    scan->untidy += size > 0;
    return at + size;
}

static inline const char *
skip_space(struct pk_wire_scan *scan, const char *at)
{
    return (unsigned char)*at > ' ' ? at : skip_more_space(scan, at);
}

/* ---- scalars ---- */

/* The four digits of an escape; UINT32_MAX if they are none. */
static uint32_t
read_hex(const char *at)
{
    uint32_t value = 0;
    for (int i = 0; i < 4; i++) {
        char c = at[i];
        if (is_digit(c))
            value = value * 16 + (uint32_t)(c - '0');
        else if ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'))
            value = value * 16 + (uint32_t)((c | 0x20) - 'a' + 10);
        else
            return UINT32_MAX;
    }
    return value;
}

/* Reads an escape, at is its backslash: the character that it stands for, which is never NUL. */
static const char *
read_escape(const char *at, uint32_t *ret_character)
{
    static const char letters[] = "\"\\/bfnrt";
    static const char meanings[] = "\"\\/\b\f\n\r\t";
    if (at[1] != 'u') {
        const char *letter = at[1] != '\0' ? strchr(letters, at[1]) : NULL;
        if (letter == NULL)
            return NULL;
        *ret_character = (unsigned char)meanings[letter - letters];
        return at + 2;
    }
    uint32_t high = read_hex(at + 2);
    if (high == 0 || high > 0xFFFFU || (high >= 0xDC00U && high <= 0xDFFFU))
        return NULL;
    *ret_character = high;
    if (high < 0xD800U || high > 0xDFFFU)
        return at + 6;
    uint32_t low = at[6] == '\\' && at[7] == 'u' ? read_hex(at + 8) : 0;
    if (low < 0xDC00U || low > 0xDFFFU)
        return NULL;
    *ret_character = 0x10000U + ((high - 0xD800U) << 10U) + (low - 0xDC00U);
    return at + 12;
}

/* Behind what does not stand for itself within a string, and is no quote. */
static const char *
skip_special(const char *at)
{
    uint32_t character;
    if (*at == '\\')
        return read_escape(at, &character);
    size_t size = (unsigned char)*at < 0x80U ? 0 : pk_wire_utf8_size(at);
    return size > 0 ? at + size : NULL;
}

/* A string from start that has more than plain text, at `at` for the first time. */
__attribute__((noinline)) static const char *
scan_special_string(struct pk_wire_scan *scan, const char *start, const char *at)
{
    bool plain = true;
    while (*at != '"') {
        plain = plain && *at != '\\';
        at = skip_special(at);
        if (at == NULL)
            return NULL;
        at = pk_wire_skip_plain(at, scan->limit);
    }
    scan->untidy += !plain;
    return add_value(scan, PK_WIRE_STRING, plain, start, at, at + 1);
}

/* At its quote. */
__attribute__((noinline)) static const char *
scan_string(struct pk_wire_scan *scan, const char *quote)
{
    const char *start = quote + 1;
    const char *at = pk_wire_skip_plain(start, scan->limit);
    if (*at != '"')
        return scan_special_string(scan, start, at);
    return add_value(scan, PK_WIRE_STRING, true, start, at, at + 1);
}

static const char *
skip_digits(const char *at)
{
    while (is_digit(*at))
        at++;
    return at;
}

/* Behind a fraction and an exponent, which is told of. */
static const char *
skip_real(const char *at, bool *ret_exponent)
{
    if (*at == '.') {
        if (!is_digit(at[1]))
            return NULL;
        at = skip_digits(at + 1);
    }
    *ret_exponent = *at == 'e' || *at == 'E';
    if (!*ret_exponent)
        return at;
    at += at[1] == '+' || at[1] == '-' ? 2 : 1;
    return is_digit(*at) ? skip_digits(at) : NULL;
}

/* A number from start, whose digits end at `at`. */
static const char *
scan_real(struct pk_wire_scan *scan, const char *start, const char *at)
{
    bool exponent = false;
    double value;
    at = skip_real(at, &exponent);
    if (at == NULL)
        return NULL;
    size_t size = (size_t)(at - start);
    int32_t rc = exponent || size > REAL_MAX ? pk_wire_tree_real(start, size, &value) : 0;
    scan->no_memory = scan->no_memory || rc == -ENOMEM;
    if (rc != 0)
        return NULL;
    scan->untidy++;
    return add_value(scan, PK_WIRE_REAL, false, start, at, at);
}

/* The number of a text that may not fit. */
static bool
read_long_integer(const char *text, int64_t *ret_number)
{
    errno = 0;
    *ret_number = strtoll(text, NULL, 10);
    return errno != ERANGE;
}

__attribute__((noinline)) static const char *
scan_number(struct pk_wire_scan *scan, const char *start)
{
    const char *digits = *start == '-' ? start + 1 : start;
    const char *at = digits;
    uint64_t size = 0;
    while (is_digit(*at))
        size = size * 10 + (uint64_t)(*at++ - '0');
    if (at == digits || (*digits == '0' && at - digits > 1))
        return NULL;
    if (*at == '.' || *at == 'e' || *at == 'E')
        return scan_real(scan, start, at);
    int64_t number = (int64_t)(start == digits ? size : 0 - size);
    if ((size_t)(at - digits) > DIGITS_MAX && !read_long_integer(start, &number))
        return NULL;
    bool plain = start == digits || *digits != '0';
    scan->untidy += !plain;
    if (add_value(scan, PK_WIRE_INTEGER, plain, start, at, at) == NULL)
        return NULL;
    scan->values[scan->count - 1].number = number;
    return at;
}

static const char *
scan_word(struct pk_wire_scan *scan, const char *at, const char *word, size_t size, unsigned kind)
{
    if (strncmp(at, word, size) != 0)
        return NULL;
    return add_value(scan, kind, true, at, at + size, at + size);
}

/* ---- arrays and objects ---- */

static const char *scan_value(struct pk_wire_scan *scan, const char *at);

/* An array or object that is being scanned. */
struct level {
    size_t index; /* of its value */
    uint32_t untidy;
    uint32_t deepest;
    uint32_t count;
    uint32_t others; /* names that are not the protocol's */
    uint64_t names;  /* those that are, a bit each */
};

static inline const char *
enter(struct pk_wire_scan *scan, const char *at, unsigned kind, struct level *ret_level)
{
    *ret_level = (struct level){
        .index = scan->count,
        .untidy = scan->untidy,
        .deepest = scan->deepest,
    };
    if (++scan->depth > PK_WIRE_DEPTH_MAX)
        return NULL;
    scan->deepest = scan->depth;
    at = add_value(scan, kind, true, at, at, at + 1);
    return at != NULL ? skip_space(scan, at) : NULL;
}

static inline const char *
leave(struct pk_wire_scan *scan, const char *at, const struct level *level)
{
    struct pk_wire_value *value = &scan->values[level->index];
    uint32_t count = level->count < PK_WIRE_COUNT_MAX ? level->count : PK_WIRE_COUNT_MAX;
    value->size = (uint32_t)(at - scan->text) - value->start;
    value->span = (uint32_t)(scan->count - level->index);
    value->plain = scan->untidy == level->untidy;
    value->height = (scan->deepest - scan->depth + 1) & 0x3FU;
    value->count = count & PK_WIRE_COUNT_MAX;
    scan->depth--;
    if (scan->deepest < level->deepest)
        scan->deepest = level->deepest;
    return at;
}

__attribute__((noinline)) static const char *
scan_array(struct pk_wire_scan *scan, const char *at)
{
    struct level level;
    at = enter(scan, at, PK_WIRE_ARRAY, &level);
    if (at == NULL)
        return NULL;
    if (*at == ']')
        return leave(scan, at + 1, &level);
    for (;; at = skip_space(scan, at + 1)) {
        at = scan_value(scan, at);
        if (at == NULL)
            return NULL;
        level.count++;
        at = skip_space(scan, at);
        if (*at == ']')
            return leave(scan, at + 1, &level);
        if (*at != ',')
            return NULL;
    }
}

/* Whether the last name, which is not the protocol's, is that of an earlier member. */
static bool
is_repeated(const struct pk_wire_scan *scan, const struct level *level)
{
    const struct pk_wire_value *last = &scan->values[scan->count - 1];
    const struct pk_wire_value *name = &scan->values[level->index + 1];
    for (; name < last; name += 1 + name[1].span) {
        if (name->size == last->size
            && memcmp(scan->text + name->start, scan->text + last->start, last->size) == 0)
            return true;
    }
    return false;
}

/* Numbers the last name; false if it stands there twice. */
static bool
check_name(struct pk_wire_scan *scan, struct level *level)
{
    struct pk_wire_json *json = scan->json;
    struct pk_wire_value *name = &scan->values[scan->count - 1];
    if (!name->plain) {
        json->doubtful = true;
        return true;
    }
    uint32_t number = pk_wire_name_find(scan->text + name->start, name->size);
    name->name = number & PK_WIRE_NAME_MAX;
    if (number == PK_NAME_NONE) {
        json->doubtful = json->doubtful || level->others > OTHERS_MAX;
        return json->doubtful || level->others++ == 0 || !is_repeated(scan, level);
    }
    uint64_t bit = UINT64_C(1) << number;
    bool twice = (level->names & bit) != 0;
    level->names |= bit;
    return !twice;
}

__attribute__((noinline)) static const char *
scan_object(struct pk_wire_scan *scan, const char *at)
{
    struct level level;
    at = enter(scan, at, PK_WIRE_OBJECT, &level);
    if (at == NULL)
        return NULL;
    if (*at == '}')
        return leave(scan, at + 1, &level);
    for (;; at = skip_space(scan, at + 1)) {
        at = *at == '"' ? scan_string(scan, at) : NULL;
        if (at == NULL || !check_name(scan, &level))
            return NULL;
        at = skip_space(scan, at);
        at = *at == ':' ? scan_value(scan, skip_space(scan, at + 1)) : NULL;
        if (at == NULL)
            return NULL;
        level.count++;
        at = skip_space(scan, at);
        if (*at == '}')
            return leave(scan, at + 1, &level);
        if (*at != ',')
            return NULL;
    }
}

static const char *
scan_value(struct pk_wire_scan *scan, const char *at)
{
    switch (*at) {
    case '"':
        return scan_string(scan, at);
    case '{':
        return scan_object(scan, at);
    case '[':
        return scan_array(scan, at);
    case 't':
        return scan_word(scan, at, "true", 4, PK_WIRE_TRUE);
    case 'f':
        return scan_word(scan, at, "false", 5, PK_WIRE_FALSE);
    case 'n':
        return scan_word(scan, at, "null", 4, PK_WIRE_NULL);
    default:
        return scan_number(scan, at);
    }
}

const char *
pk_wire_scan_json(struct pk_wire_scan *scan, const char *at)
{
    return scan_value(scan, at);
}

/* ---- the whole ---- */

/* Whether all of the text is one object; what is around it may be white space. */
static bool
scan_text(struct pk_wire_scan *scan, struct pk_wire_json *json)
{
    *scan = pk_wire_scan_begin(json);
    const char *at = skip_space(scan, json->text);
    at = *at == '{' ? scan_object(scan, at) : NULL;
    pk_wire_scan_end(scan, json);
    const char *end = json->text + json->size;
    return at == end || (at != NULL && skip_space(scan, at) == end);
}

/* A block for `size` bytes, and whose it is. */
static void *
take_room(struct pk_wire_room *room, size_t size, struct pk_wire_room **ret_lent)
{
    if (room == NULL || room->used || size > room->size) {
        *ret_lent = NULL;
        return malloc(size);
    }
    room->used = true;
    *ret_lent = room;
    return room->memory;
}

struct pk_wire_json *
pk_wire_json_new(struct pk_wire_room *room, size_t head, const char *text, size_t size)
{
    const size_t align = _Alignof(max_align_t);
    size_t values = size / 7 > ROOM_MIN ? size / 7 : ROOM_MIN; /* which is enough for most */
    size_t padded = (size + 8 + align - 1) / align * align;    /* a NUL and whole words */
    size_t before = sizeof(struct pk_wire_json) + head;
    if (size > UINT32_MAX / 2)
        return NULL;
    struct pk_wire_room *lent = NULL;
    struct pk_wire_json *json =
        take_room(room, before + padded + values * sizeof(struct pk_wire_value), &lent);
    if (json == NULL)
        return NULL;
    memset(json, 0, before);
    json->lent = lent;
    json->text = (char *)json + before;
    memcpy(json->text, text, size);
    memset(json->text + size, 0, padded - size);
    json->limit = json->text + padded;
    json->size = size;
    json->values = (struct pk_wire_value *)(void *)(json->text + padded);
    json->room = values;
    return json;
}

void
pk_wire_json_free(struct pk_wire_json *json)
{
    if (json == NULL)
        return;
    free(json->more);
    if (json->lent != NULL)
        json->lent->used = false;
    else
        free(json);
}

int32_t
pk_wire_json_scan(struct pk_wire_json *json, int32_t code, struct pk_error *err)
{
    struct pk_wire_scan scan;
    bool right = scan_text(&scan, json);
    if (scan.no_memory)
        return pk_fail(err, -ENOMEM, "out of memory");
    if (right && !json->doubtful)
        return 0;
    int32_t rc = pk_wire_tree_check(json->text, json->size, code, err);
    if (right || rc != 0)
        return rc;
    return pk_fail(err, code, "not JSON");
}

bool
pk_wire_json_is_plain(const char *text, size_t size, uint32_t height)
{
    struct pk_wire_value values[SOME_VALUES];
    struct pk_wire_json json = {
        .text = (char *)(uintptr_t)text, /* which is only read */
        .limit = text + size + 1,
        .size = size,
        .values = values,
        .room = SOME_VALUES,
    };
    struct pk_wire_scan scan;
    bool right = scan_text(&scan, &json) && scan.untidy == 0 && !json.doubtful;
    bool plain = right && json.values[0].height <= height;
    free(json.more);
    return plain;
}

/* ---- what a value says ---- */

/* Writes a character as UTF-8. */
static char *
write_character(char *to, uint32_t character)
{
    if (character < 0x80U) {
        *to++ = (char)character;
        return to;
    }
    static const uint32_t leads[] = { 0, 0xC0U, 0xE0U, 0xF0U };
    uint32_t more = character < 0x800U ? 1 : character < 0x10000U ? 2 : 3;
    *to++ = (char)(leads[more] | (character >> (6U * more)));
    while (more-- > 0)
        *to++ = (char)(0x80U | ((character >> (6U * more)) & 0x3FU));
    return to;
}

/* What an escape stands for is never longer than the escape. */
void
pk_wire_json_unescape(struct pk_wire_json *json, struct pk_wire_value *string)
{
    const char *from = json->text + string->start;
    const char *end = from + string->size;
    char *to = json->text + string->start;
    while (from < end) {
        uint32_t character = 0;
        if (*from != '\\') {
            *to++ = *from++;
            continue;
        }
        from = read_escape(from, &character); /* which the scan did already */
        to = write_character(to, character);
    }
    string->size = (uint32_t)(to - json->text) - string->start;
    string->name = pk_wire_name_find(json->text + string->start, string->size) & PK_WIRE_NAME_MAX;
    string->plain = 1;
}

const char *
pk_wire_json_string(struct pk_wire_json *json, struct pk_wire_value *string)
{
    if (!string->plain)
        pk_wire_json_unescape(json, string);
    json->text[string->start + string->size] = '\0';
    return json->text + string->start;
}
