/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scan: what RFC 8259 allows, and no more than jansson takes. Where names may be the same and
 * comparing them here would cost too much, and to put into words what is wrong, it asks jansson.
 */
#include "core/wire/json.h"

#include "core/wire/frame.h"
#include "core/wire/text.h"
#include "core/wire/tree.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_MAX 32U   /* members of one object whose names are compared here */
#define DIGITS_MAX 18U  /* that any integer of 64 bits can have */
#define REAL_MAX 300U   /* bytes of a number without an exponent that is sure to be finite */
#define SOME_VALUES 32U /* of meta, without an allocation */

struct scan {
    struct pk_wire_json *json;
    const char *at;
    uint32_t depth;
    uint32_t deepest; /* in what is being scanned */
    uint32_t untidy;  /* how many pieces of text so far would have been written otherwise */
    bool no_memory;
};

/* ---- values ---- */

static bool
more_room(struct scan *scan)
{
    struct pk_wire_json *json = scan->json;
    size_t room = json->room * 2;
    struct pk_wire_value *more = realloc(json->more, room * sizeof(*more));
    if (more == NULL) {
        scan->no_memory = true;
        return false;
    }
    if (json->more == NULL)
        memcpy(more, json->values, json->count * sizeof(*more));
    json->more = more;
    json->values = more;
    json->room = room;
    return true;
}

/* Notes a value that ends where the scan is. */
static bool
add_value(struct scan *scan, unsigned kind, const char *start, size_t size, bool plain)
{
    struct pk_wire_json *json = scan->json;
    if (json->count == json->room && !more_room(scan))
        return false;
    json->values[json->count++] = (struct pk_wire_value){
        .start = (uint32_t)(start - json->text),
        .size = (uint32_t)size,
        .span = 1,
        .kind = kind & 7U,
        .plain = plain,
    };
    return true;
}

/* ---- bytes ---- */

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static void
skip_space(struct scan *scan)
{
    if ((unsigned char)*scan->at > ' ')
        return;
    const char *start = scan->at;
    scan->at += strspn(start, " \t\n\r");
    scan->untidy += scan->at != start;
}

/* Behind bytes of a string that stand for themselves: where there is a quote, a backslash, a
 * control character or one beyond ASCII, which is marked in the highest bit of its byte. */
static const char *
skip_plain(const struct scan *scan, const char *at)
{
    const uint64_t ones = 0x0101010101010101U;
    for (; scan->json->limit - at >= 8; at += 8) {
        uint64_t word;
        memcpy(&word, at, sizeof(word));
        word = le64toh(word);
        uint64_t quote = (word ^ ones * '"') - ones;
        uint64_t backslash = (word ^ ones * '\\') - ones;
        uint64_t found = (word | (word - ones * ' ') | quote | backslash) & ones * 0x80U;
        if (found != 0)
            return at + __builtin_ctzll(found) / 8;
    }
    while ((signed char)*at >= ' ' && *at != '"' && *at != '\\')
        at++;
    return at;
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

/* Reads an escape, at is its backslash: the character that it stands for, which is never NUL. NULL,
 * or where the text goes on. */
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

static bool
scan_string(struct scan *scan)
{
    const char *start = scan->at + 1;
    const char *at = start;
    uint32_t character;
    bool plain = true;
    while (*(at = skip_plain(scan, at)) != '"') {
        if (*at == '\\') {
            plain = false;
            at = read_escape(at, &character);
        } else {
            size_t size = (unsigned char)*at < 0x80U ? 0 : pk_wire_utf8_size(at);
            at = size > 0 ? at + size : NULL;
        }
        if (at == NULL)
            return false;
    }
    scan->at = at + 1;
    scan->untidy += !plain;
    return add_value(scan, PK_WIRE_STRING, start, (size_t)(at - start), plain);
}

static const char *
skip_digits(const char *at)
{
    while (is_digit(*at))
        at++;
    return at;
}

/* Behind a fraction and an exponent, or NULL if they are not what they should be. */
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

static bool
scan_real(struct scan *scan, const char *start, const char *at)
{
    bool exponent = false;
    double value;
    at = skip_real(at, &exponent);
    if (at == NULL)
        return false;
    size_t size = (size_t)(at - start);
    int32_t rc = exponent || size > REAL_MAX ? pk_wire_tree_real(start, size, &value) : 0;
    scan->no_memory = scan->no_memory || rc == -ENOMEM;
    if (rc != 0)
        return false;
    scan->at = at;
    scan->untidy++;
    return add_value(scan, PK_WIRE_REAL, start, size, false);
}

static bool
scan_number(struct scan *scan)
{
    const char *start = scan->at;
    const char *digits = *start == '-' ? start + 1 : start;
    const char *at = skip_digits(digits);
    size_t count = (size_t)(at - digits);
    if (count == 0 || (*digits == '0' && count > 1))
        return false;
    if (*at == '.' || *at == 'e' || *at == 'E')
        return scan_real(scan, start, at);
    if (count > DIGITS_MAX) {
        errno = 0;
        (void)strtoll(start, NULL, 10); /* which ends at the same byte */
        if (errno == ERANGE)
            return false;
    }
    bool plain = *start != '-' || *digits != '0';
    scan->at = at;
    scan->untidy += !plain;
    return add_value(scan, PK_WIRE_INTEGER, start, (size_t)(at - start), plain);
}

static bool
scan_word(struct scan *scan, const char *word, size_t size, unsigned kind)
{
    const char *start = scan->at;
    if (strncmp(start, word, size) != 0)
        return false;
    scan->at += size;
    return add_value(scan, kind, start, size, true);
}

/* ---- arrays and objects ---- */

static bool scan_value(struct scan *scan);

/* An array or object that is being scanned. */
struct level {
    size_t index; /* of its value */
    uint32_t untidy;
    uint32_t deepest;
    uint32_t count;
    uint64_t names; /* a bit for each name, and some for more than one */
};

static bool
enter(struct scan *scan, unsigned kind, struct level *ret_level)
{
    *ret_level = (struct level){
        .index = scan->json->count,
        .untidy = scan->untidy,
        .deepest = scan->deepest,
    };
    if (++scan->depth > PK_WIRE_DEPTH_MAX)
        return false;
    scan->deepest = scan->depth;
    return add_value(scan, kind, scan->at++, 0, true);
}

static bool
leave(struct scan *scan, const struct level *level)
{
    struct pk_wire_json *json = scan->json;
    struct pk_wire_value *value = &json->values[level->index];
    value->size = (uint32_t)(scan->at - json->text) - value->start;
    value->span = (uint32_t)(json->count - level->index);
    value->plain = scan->untidy == level->untidy;
    value->height = (scan->deepest - scan->depth + 1) & 0x3FU;
    value->count = (level->count < PK_WIRE_COUNT_MAX ? level->count : PK_WIRE_COUNT_MAX) & 0xFFFFFU;
    scan->depth--;
    if (scan->deepest < level->deepest)
        scan->deepest = level->deepest;
    return true;
}

static bool
scan_array(struct scan *scan)
{
    struct level level;
    if (!enter(scan, PK_WIRE_ARRAY, &level))
        return false;
    skip_space(scan);
    char c = *scan->at;
    if (c == ']')
        scan->at++;
    while (c != ']') {
        if (!scan_value(scan))
            return false;
        level.count++;
        skip_space(scan);
        c = *scan->at++;
        if (c != ']' && c != ',')
            return false;
    }
    return leave(scan, &level);
}

/* Whether the last name is that of an earlier member. */
static bool
is_repeated(const struct scan *scan, const struct level *level)
{
    const struct pk_wire_json *json = scan->json;
    const struct pk_wire_value *last = &json->values[json->count - 1];
    const struct pk_wire_value *name = &json->values[level->index + 1];
    for (; name < last; name += 1 + name[1].span) {
        if (name->size == last->size
            && memcmp(json->text + name->start, json->text + last->start, last->size) == 0)
            return true;
    }
    return false;
}

static bool
scan_name(struct scan *scan, struct level *level)
{
    struct pk_wire_json *json = scan->json;
    if (*scan->at != '"' || !scan_string(scan))
        return false;
    const struct pk_wire_value *name = &json->values[json->count - 1];
    const unsigned char *text = (const unsigned char *)json->text + name->start;
    uint32_t hash = name->size + 3U * text[0] + (name->size > 1 ? 5U * text[name->size - 1] : 0);
    uint64_t bit = UINT64_C(1) << (hash & 63U);
    if (!name->plain || level->count >= NAMES_MAX)
        json->doubtful = true;
    else if ((level->names & bit) != 0 && is_repeated(scan, level))
        return false;
    level->names |= bit;
    return true;
}

static bool
scan_member(struct scan *scan, struct level *level)
{
    skip_space(scan);
    if (!scan_name(scan, level))
        return false;
    skip_space(scan);
    if (*scan->at++ != ':' || !scan_value(scan))
        return false;
    level->count++;
    skip_space(scan);
    return true;
}

static bool
scan_object(struct scan *scan)
{
    struct level level;
    if (!enter(scan, PK_WIRE_OBJECT, &level))
        return false;
    skip_space(scan);
    char c = *scan->at;
    if (c == '}')
        scan->at++;
    while (c != '}') {
        if (!scan_member(scan, &level))
            return false;
        c = *scan->at++;
        if (c != '}' && c != ',')
            return false;
    }
    return leave(scan, &level);
}

static bool
scan_value(struct scan *scan)
{
    skip_space(scan);
    switch (*scan->at) {
    case '"':
        return scan_string(scan);
    case '{':
        return scan_object(scan);
    case '[':
        return scan_array(scan);
    case 't':
        return scan_word(scan, "true", 4, PK_WIRE_TRUE);
    case 'f':
        return scan_word(scan, "false", 5, PK_WIRE_FALSE);
    case 'n':
        return scan_word(scan, "null", 4, PK_WIRE_NULL);
    default:
        return scan_number(scan);
    }
}

/* ---- the whole ---- */

/* Whether all of the text is one object; what is around it may be white space. */
static bool
scan_text(struct scan *scan)
{
    struct pk_wire_json *json = scan->json;
    scan->at = json->text;
    skip_space(scan);
    if (*scan->at != '{' || !scan_object(scan))
        return false;
    skip_space(scan);
    return scan->at == json->text + json->size;
}

struct pk_wire_json *
pk_wire_json_new(size_t head, const char *text, size_t size)
{
    const size_t align = _Alignof(max_align_t);
    size_t room = size / 8 + 8;
    size_t padded = (size + 8 + align - 1) / align * align; /* a NUL and whole words */
    size_t before = sizeof(struct pk_wire_json) + head;
    if (size > UINT32_MAX / 2)
        return NULL;
    struct pk_wire_json *json = malloc(before + padded + room * sizeof(struct pk_wire_value));
    if (json == NULL)
        return NULL;
    memset(json, 0, before);
    json->text = (char *)json + before;
    memcpy(json->text, text, size);
    memset(json->text + size, 0, padded - size);
    json->limit = json->text + padded;
    json->size = size;
    json->values = (struct pk_wire_value *)(void *)(json->text + padded);
    json->room = room;
    return json;
}

void
pk_wire_json_free(struct pk_wire_json *json)
{
    if (json == NULL)
        return;
    free(json->more);
    free(json);
}

int32_t
pk_wire_json_scan(struct pk_wire_json *json, int32_t code, struct pk_error *err)
{
    struct scan scan = { .json = json };
    bool right = scan_text(&scan);
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
    struct scan scan = { .json = &json };
    bool right = scan_text(&scan) && scan.untidy == 0 && !json.doubtful;
    bool plain = right && json.values[0].height <= height;
    free(json.more);
    return plain;
}

/* ---- what a value says ---- */

struct pk_wire_value *
pk_wire_json_member(struct pk_wire_json *json, struct pk_wire_value *object, const char *name)
{
    if (object->kind != PK_WIRE_OBJECT)
        return NULL;
    const struct pk_wire_value *end = object + object->span;
    for (struct pk_wire_value *at = object + 1; at < end; at += 1 + at[1].span) {
        if (!at->plain)
            (void)pk_wire_json_string(json, at);
        const char *text = json->text + at->start;
        bool like = text[0] == name[0] || name[0] == '\0'; /* which rules out most at once */
        if (like && strncmp(text, name, at->size) == 0 && name[at->size] == '\0')
            return at + 1;
    }
    return NULL;
}

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
static void
unescape(struct pk_wire_json *json, struct pk_wire_value *string)
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
    string->plain = 1;
}

const char *
pk_wire_json_string(struct pk_wire_json *json, struct pk_wire_value *string)
{
    if (!string->plain)
        unescape(json, string);
    json->text[string->start + string->size] = '\0';
    return json->text + string->start;
}

int64_t
pk_wire_json_integer(const struct pk_wire_json *json, const struct pk_wire_value *integer)
{
    const char *at = json->text + integer->start;
    const char *end = at + integer->size;
    bool negative = *at == '-';
    uint64_t value = 0;
    for (at += negative; at < end; at++)
        value = value * 10 + (uint64_t)(*at - '0');
    return (int64_t)(negative ? 0 - value : value);
}
