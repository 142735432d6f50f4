/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules as somebody writes them: OPERATION:PART[:PART...], the parts in any order, each kind once.
 */
#include "rule.h"

#include "word.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PART_SIZE 32U /* of one part, with the NUL */
#define ALL_OPS (((1U << FAULT_OPS) - 1U) & ~1U)

/* One rule being read. */
struct reading {
    struct fault_rule rule;
    char part[PART_SIZE];
    size_t at; /* of the part, from 1 */
    bool counted;
    struct pk_error *err;
};

static int32_t
refuse(const struct reading *reading, const char *why)
{
    return pk_fail(reading->err, -EINVAL, "'%s' at character %zu: %s", reading->part, reading->at,
                   why);
}

static int32_t
refuse_word(const struct reading *reading, uint32_t effects, const char *why)
{
    const char *near = fault_word_suggest(reading->part, effects);
    if (near == NULL)
        return refuse(reading, why);
    return pk_fail(reading->err, -EINVAL, "'%s' at character %zu: %s; did you mean '%s'?",
                   reading->part, reading->at, why, near);
}

/* Digits alone, at least 1, and behind them what *ret_end points to. */
static bool
read_number(const char *text, uint64_t *ret_number, const char **ret_end)
{
    char *end = NULL;
    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (errno != 0 || number == 0)
        return false;
    *ret_number = number;
    *ret_end = end;
    return true;
}

/* ---- the parts ---- */

static int32_t
read_ops(struct reading *reading)
{
    if (strcmp(reading->part, "*") == 0) {
        reading->rule.ops = ALL_OPS;
        return 0;
    }
    uint32_t op = fault_op_find(reading->part);
    if (op == 0)
        return refuse_word(reading, 0, "no operation is called so");
    reading->rule.ops = 1U << op;
    return 0;
}

static int32_t
read_delay(struct reading *reading, const char *text)
{
    static const struct {
        const char *name;
        uint64_t nanoseconds;
    } units[] = { { "us", 1000 }, { "ms", 1000000 }, { "s", 1000000000 } };
    uint64_t number = 0;
    const char *unit = NULL;
    if (reading->rule.delay != 0)
        return refuse(reading, "a second delay");
    if (!read_number(text, &number, &unit))
        return refuse(reading, "not a delay: write delay=50ms");
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcmp(unit, units[i].name) != 0)
            continue;
        if (number > FAULT_DELAY_MAX / units[i].nanoseconds)
            return refuse(reading, "more than 10s");
        reading->rule.delay = number * units[i].nanoseconds;
        return 0;
    }
    return refuse(reading, "a delay ends with us, ms or s");
}

/* "5%", "0.25%" */
static int32_t
read_chance(struct reading *reading)
{
    char *end = NULL;
    if (strspn(reading->part, "0123456789.") + 1 != strlen(reading->part))
        return refuse(reading, "not a rate: write 5% or 0.25%");
    double percent = strtod(reading->part, &end);
    uint32_t chance = percent > 100 ? 0 : (uint32_t)(percent * (FAULT_CERTAIN / 100.0) + 0.5);
    if (strcmp(end, "%") != 0 || chance == 0)
        return refuse(reading, "a rate is from 0.0001% to 100%");
    reading->rule.chance = chance;
    return 0;
}

/* "#3", "#3-5" */
static int32_t
read_calls(struct reading *reading)
{
    const char *end = NULL;
    uint64_t first = 0;
    if (!read_number(reading->part + 1, &first, &end))
        return refuse(reading, "not a call: write #3 or #3-5, counted from 1");
    uint64_t last = first;
    if (*end == '-' && !read_number(end + 1, &last, &end))
        return refuse(reading, "not a call: write #3 or #3-5, counted from 1");
    if (*end != '\0' || last < first)
        return refuse(reading, "not calls: write #3 or #3-5, the lower one first");
    reading->rule.first = first;
    reading->rule.last = last;
    return 0;
}

/* "1/20" */
static int32_t
read_every(struct reading *reading)
{
    const char *end = NULL;
    uint64_t every = 0;
    if (!read_number(reading->part + 2, &every, &end) || *end != '\0')
        return refuse(reading, "not a share: write 1/20 for every 20th call");
    reading->rule.every = every;
    return 0;
}

static int32_t
read_when(struct reading *reading)
{
    const char *part = reading->part;
    if (reading->counted)
        return refuse(reading, "a second one of rate, share and calls");
    reading->counted = true;
    if (part[0] == '#')
        return read_calls(reading);
    return part[1] == '/' ? read_every(reading) : read_chance(reading);
}

static int32_t
read_flag(struct reading *reading, bool *flag)
{
    if (*flag)
        return refuse(reading, "given twice");
    *flag = true;
    return 0;
}

static int32_t
read_error(struct reading *reading)
{
    int32_t error = fault_error_find(reading->part);
    if (error == 0)
        return refuse_word(reading, 1, "no error and nothing else that a rule can do");
    if (reading->rule.error != 0)
        return refuse(reading, "a second error");
    reading->rule.error = error;
    return 0;
}

static int32_t
read_part(struct reading *reading)
{
    const char *part = reading->part;
    size_t size = strlen(part);
    if (reading->rule.ops == 0)
        return read_ops(reading);
    if (strncmp(part, "delay=", strlen("delay=")) == 0)
        return read_delay(reading, part + strlen("delay="));
    if (strcmp(part, "after") == 0)
        return read_flag(reading, &reading->rule.after);
    if (strcmp(part, "short") == 0)
        return read_flag(reading, &reading->rule.part);
    if (part[0] == '#' || strncmp(part, "1/", 2) == 0 || (size > 0 && part[size - 1] == '%'))
        return read_when(reading);
    return read_error(reading);
}

/* ---- the whole ---- */

/* Cuts the next part off, fit to be shown. */
static int32_t
next_part(struct reading *reading, const char *text, size_t size)
{
    size_t kept = size < PART_SIZE ? size : PART_SIZE - 1;
    for (size_t i = 0; i < kept; i++)
        reading->part[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
    reading->part[kept] = '\0';
    return size < PART_SIZE ? 0 : refuse(reading, "too long to be a part of a rule");
}

/* What the parts are together. */
static int32_t
check(struct reading *reading, const char *text)
{
    struct fault_rule *rule = &reading->rule;
    const char *why = NULL;
    if (rule->part && rule->error == 0)
        rule->error = EIO;
    if (rule->part && rule->ops != 1U << PK_BLOB_WRITE)
        why = "short is for write alone";
    else if (rule->part && rule->after)
        why = "short and after don't go together";
    else if (rule->after && rule->error == 0)
        why = "after needs an error, such as EIO";
    else if (rule->error != 0 && rule->ops == 1U << PK_BLOB_FREE)
        why = "free can't fail, only be delayed";
    else if (rule->error == 0 && rule->delay == 0)
        why = "it does nothing: add an error, such as EIO, or a delay, such as delay=50ms";
    if (why == NULL)
        return 0;
    (void)next_part(reading, text, strnlen(text, PART_SIZE - 1));
    reading->at = 1;
    return refuse(reading, why);
}

int32_t
fault_rule_parse(const char *text, struct fault_rule *ret_rule, struct pk_error *err)
{
    struct reading reading = {
        .rule = { .chance = FAULT_CERTAIN, .first = 1, .last = UINT64_MAX, .every = 1 },
        .err = err,
    };
    const char *at = text;
    for (;;) {
        size_t size = strcspn(at, ":");
        reading.at = (size_t)(at - text) + 1;
        int32_t rc = next_part(&reading, at, size);
        if (rc == 0)
            rc = read_part(&reading);
        if (rc != 0)
            return rc;
        if (at[size] == '\0')
            break;
        at += size + 1;
    }
    int32_t rc = check(&reading, text);
    if (rc == 0)
        *ret_rule = reading.rule;
    return rc;
}

bool
fault_rule_hits(const struct fault_rule *rule, uint32_t op, uint64_t call, uint64_t draw)
{
    return (rule->ops & 1U << op) != 0 && call >= rule->first && call <= rule->last
           && call % rule->every == 0 && draw % FAULT_CERTAIN < rule->chance;
}
