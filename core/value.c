/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parses the text of one option. Exact and strict: no sign, no overflow, nothing left over, and
 * each refusal says what would have been right. It knows no sections, files or defaults.
 */
#include "core/value.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#define QUOTE_SIZE 72U
#define CHOICES_MAX 32U

struct unit {
    const char *name;
    uint64_t factor;
};

/* ---- small things ---- */

bool
pk_word_check(const char *text, size_t max)
{
    size_t size = strnlen(text, max + 1U);
    if (size == 0 || size > max || text[0] < 'a' || text[0] > 'z')
        return false;
    return strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_") == size;
}

const char *
pk_value_quote(const char *text, char *buf, size_t size)
{
    size_t used = 0;
    for (; text[used] != '\0' && used + 1 < size; used++) {
        unsigned char c = (unsigned char)text[used];
        buf[used] = c < 0x20U || c == 0x7fU ? '?' : text[used];
    }
    buf[used] = '\0';
    if (text[used] != '\0' && used >= 3)
        memcpy(buf + used - 3, "...", 3);
    return buf;
}

bool
pk_value_part(const char **cursor, char separator, const char **ret_part, size_t *ret_size)
{
    const char *start = *cursor;
    if (start == NULL)
        return false;
    const char *end = strchr(start, separator);
    *cursor = end == NULL ? NULL : end + 1;
    if (end == NULL)
        end = start + strlen(start);
    while (start < end && (*start == ' ' || *start == '\t'))
        start++;
    while (end > start && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    *ret_part = start;
    *ret_size = (size_t)(end - start);
    return true;
}

/* ---- numbers ---- */

/* Reads DIGITS into *ret_number and steps behind them; false: no digit, or too many. */
static bool
digits_read(const char **text, uint64_t *ret_number)
{
    uint64_t number = 0;
    const char *at = *text;
    for (; *at >= '0' && *at <= '9'; at++) {
        if (__builtin_mul_overflow(number, 10U, &number)
            || __builtin_add_overflow(number, (uint64_t)(*at - '0'), &number))
            return false;
    }
    if (at == *text || number > INT64_MAX)
        return false;
    *text = at;
    *ret_number = number;
    return true;
}

/* What `.DIGITS` of a unit is, rounded down, and steps behind it. */
static bool
fraction_read(const char **text, uint64_t factor, uint64_t *ret_number)
{
    const char *at = *text + 1;
    uint64_t digits = 0;
    uint64_t scale = 1;
    for (; *at >= '0' && *at <= '9'; at++) {
        if (scale >= 1000000000ULL)
            return false;
        digits = digits * 10U + (uint64_t)(*at - '0');
        scale *= 10U;
    }
    if (scale == 1)
        return false;
    *text = at;
    *ret_number = (uint64_t)((__extension__(unsigned __int128) digits * factor) / scale);
    return true;
}

static const struct unit *
unit_find(const struct unit *units, size_t count, const char *name)
{
    while (*name == ' ')
        name++;
    for (size_t i = 0; i < count; i++) {
        if (strcasecmp(units[i].name, name) == 0)
            return &units[i];
    }
    return NULL;
}

/* NUMBER[.NUMBER] UNIT; false: it isn't that, or too large. */
static bool
amount_parse(const char *text, const struct unit *units, size_t count, uint64_t *ret_number)
{
    uint64_t whole = 0;
    if (!digits_read(&text, &whole))
        return false;
    const struct unit *unit = unit_find(units, count, text + strspn(text, ".0123456789"));
    if (unit == NULL)
        return false;
    uint64_t part = 0;
    if (*text == '.' && (unit->factor == 1 || !fraction_read(&text, unit->factor, &part)))
        return false;
    if (*text == '.') /* a second point */
        return false;
    if (__builtin_mul_overflow(whole, unit->factor, &whole)
        || __builtin_add_overflow(whole, part, &whole) || whole > INT64_MAX)
        return false;
    *ret_number = whole;
    return true;
}

int32_t
pk_option_parse_size(const char *text, uint64_t *ret_bytes, struct pk_error *err)
{
    static const struct unit units[] = {
        { "", 1U },
        { "B", 1U },
        { "KB", 1000U },
        { "MB", 1000000U },
        { "GB", 1000000000U },
        { "TB", 1000000000000U },
        { "KiB", 1ULL << 10U },
        { "MiB", 1ULL << 20U },
        { "GiB", 1ULL << 30U },
        { "TiB", 1ULL << 40U },
        { "K", 1ULL << 10U },
        { "M", 1ULL << 20U },
        { "G", 1ULL << 30U },
        { "T", 1ULL << 40U },
    };
    if (amount_parse(text, units, sizeof(units) / sizeof(units[0]), ret_bytes))
        return 0;
    char quote[QUOTE_SIZE];
    return pk_fail(err, -EINVAL,
                   "'%s' is no size: write a number of bytes, or one with KiB, MiB, GiB, TiB (or "
                   "KB, MB, GB, TB), below 8 EiB",
                   pk_value_quote(text, quote, sizeof(quote)));
}

int32_t
pk_option_parse_duration(const char *text, uint64_t *ret_nanoseconds, struct pk_error *err)
{
    static const struct unit units[] = {
        { "ns", 1U },
        { "us", 1000U },
        { "ms", 1000000U },
        { "s", 1000000000U },
        { "m", 60U * 1000000000ULL },
        { "h", 3600U * 1000000000ULL },
        { "d", 86400U * 1000000000ULL },
    };
    if (amount_parse(text, units, sizeof(units) / sizeof(units[0]), ret_nanoseconds))
        return 0;
    if (strcmp(text, "0") == 0) {
        *ret_nanoseconds = 0;
        return 0;
    }
    char quote[QUOTE_SIZE];
    return pk_fail(err, -EINVAL,
                   "'%s' is no duration: write a number with ns, us, ms, s, m, h or d",
                   pk_value_quote(text, quote, sizeof(quote)));
}

static int32_t
int_parse(const char *text, uint64_t *ret_number, struct pk_error *err)
{
    const char *at = text;
    uint64_t number = 0;
    /* A leading zero may be meant as octal: better to ask than to guess. */
    bool plain = text[0] != '0' || text[1] == '\0';
    if (plain && digits_read(&at, &number) && *at == '\0') {
        *ret_number = number;
        return 0;
    }
    char quote[QUOTE_SIZE];
    return pk_fail(err, -EINVAL, "'%s' is no whole number from 0 on, in decimal",
                   pk_value_quote(text, quote, sizeof(quote)));
}

/* ---- words ---- */

static int32_t
bool_parse(const char *text, uint64_t *ret_number, struct pk_error *err)
{
    static const char *const words[] = { "no", "yes", "false", "true", "off", "on" };
    for (uint64_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcasecmp(text, words[i]) == 0) {
            *ret_number = i % 2;
            return 0;
        }
    }
    char quote[QUOTE_SIZE];
    return pk_fail(err, -EINVAL, "'%s' is neither yes nor no",
                   pk_value_quote(text, quote, sizeof(quote)));
}

/* The message for a word that is none of the choices, with a guess at which was meant. */
static int32_t
choice_refuse(const char *text, const char *values, struct pk_error *err)
{
    char copies[CHOICES_MAX][PK_OPTION_NAME_MAX + 1U];
    const char *names[CHOICES_MAX];
    size_t count = 0;
    const char *cursor = values;
    const char *part = NULL;
    size_t size = 0;
    while (count < CHOICES_MAX && pk_value_part(&cursor, '|', &part, &size)) {
        if (size > PK_OPTION_NAME_MAX)
            continue;
        memcpy(copies[count], part, size);
        copies[count][size] = '\0';
        names[count] = copies[count];
        count++;
    }
    char quote[QUOTE_SIZE];
    const char *near = pk_option_suggest(text, names, count);
    return pk_fail(err, -EINVAL, "'%s' is none of %s%s%s%s",
                   pk_value_quote(text, quote, sizeof(quote)), values,
                   near == NULL ? "" : "; did you mean '", near == NULL ? "" : near,
                   near == NULL ? "" : "'?");
}

static int32_t
choice_parse(const char *text, const char *values, uint64_t *ret_number, struct pk_error *err)
{
    const char *cursor = values;
    const char *part = NULL;
    size_t size = 0;
    for (uint64_t i = 0; pk_value_part(&cursor, '|', &part, &size); i++) {
        if (strlen(text) == size && memcmp(text, part, size) == 0) {
            *ret_number = i;
            return 0;
        }
    }
    return choice_refuse(text, values, err);
}

static int32_t
list_check(const char *text, struct pk_error *err)
{
    const char *cursor = *text == '\0' ? NULL : text;
    const char *part = NULL;
    size_t size = 0;
    while (pk_value_part(&cursor, ',', &part, &size)) {
        if (size == 0)
            return pk_fail(err, -EINVAL, "an item of the list is empty");
    }
    return 0;
}

static int32_t
text_check(const char *text, struct pk_error *err)
{
    if (*text == '\0')
        return pk_fail(err, -EINVAL, "it must not be empty");
    return 0;
}

int32_t
pk_value_parse(const struct pk_option *option, const char *text, uint64_t *ret_number,
               struct pk_error *err)
{
    uint64_t number = 0;
    int32_t result = 0;
    switch (option->type) {
    case PK_OPTION_STRING:
        break;
    case PK_OPTION_PATH:
    case PK_OPTION_CHILD:
        result = text_check(text, err);
        break;
    case PK_OPTION_INT:
        result = int_parse(text, &number, err);
        break;
    case PK_OPTION_SIZE:
        result = pk_option_parse_size(text, &number, err);
        break;
    case PK_OPTION_DURATION:
        result = pk_option_parse_duration(text, &number, err);
        break;
    case PK_OPTION_BOOL:
        result = bool_parse(text, &number, err);
        break;
    case PK_OPTION_CHOICE:
        result = choice_parse(text, option->values, &number, err);
        break;
    case PK_OPTION_LIST:
        result = list_check(text, err);
        break;
    default:
        return pk_fail(err, -EINVAL, "the option has unknown type %u", option->type);
    }
    if (result == 0)
        *ret_number = number;
    return result;
}
