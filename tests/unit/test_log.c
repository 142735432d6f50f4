/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log: what reaches the sink, and in what shape.
 */
#include "core/log.h"
#include "tests/lib/gate.h"
#include "tests/lib/suite.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

struct seen {
    uint32_t count;
    uint32_t level;
    char source[32];
    char line[2048];
};

static void
seen_sink(void *arg, uint32_t level, const char *source, const char *line)
{
    struct seen *seen = arg;
    seen->count++;
    seen->level = level;
    (void)snprintf(seen->source, sizeof(seen->source), "%s", source);
    (void)snprintf(seen->line, sizeof(seen->line), "%s", line);
    errno = EXDEV; /* a sink may leave anything here */
}

START_TEST(drops_lines_without_a_sink)
{
    struct seen seen = { 0 };
    pk_log_set(PK_LOG_DEBUG, NULL, &seen);
    pk_log(PK_LOG_ERROR, "peer", "nobody hears this");
    ck_assert_uint_eq(seen.count, 0);
}
END_TEST

START_TEST(passes_lines_up_to_the_level)
{
    struct seen seen = { 0 };
    pk_log_set(PK_LOG_WARN, seen_sink, &seen);
    pk_log(PK_LOG_ERROR, "peer", "one");
    pk_log(PK_LOG_WARN, "blob_memfd", "number %d of %s", 2, "two");
    pk_log(PK_LOG_INFO, "peer", "three");
    ck_assert_uint_eq(seen.count, 2);
    ck_assert_uint_eq(seen.level, PK_LOG_WARN);
    ck_assert_str_eq(seen.source, "blob_memfd");
    ck_assert_str_eq(seen.line, "number 2 of two");
    pk_log_set(PK_LOG_DEBUG, seen_sink, &seen);
    pk_log(PK_LOG_DEBUG, "peer", "four");
    ck_assert_uint_eq(seen.count, 3);
}
END_TEST

START_TEST(lines_cannot_be_forged_with_control_characters)
{
    struct seen seen = { 0 };
    pk_log_set(PK_LOG_INFO, seen_sink, &seen);
    pk_log(PK_LOG_INFO, "peer", "id '%s'", "a\nerror: b\r\x1b[1m\x7f\xc2\x85\xc3\xa9\t");
    ck_assert_str_eq(seen.line, "id 'a?error: b??[1m???\xc3\xa9?'");
}
END_TEST

START_TEST(cuts_long_lines_between_characters)
{
    struct seen seen = { 0 };
    char text[1503] = "xx";
    for (size_t i = 2; i + 3 < sizeof(text); i += 3)
        memcpy(text + i, "\xe2\x82\xac", 4);
    pk_log_set(PK_LOG_INFO, seen_sink, &seen);
    pk_log(PK_LOG_INFO, "peer", "%s", text);
    ck_assert_uint_eq(strlen(seen.line), 1022); /* 340 whole ones; of the next, two bytes fit */
    ck_assert_int_eq(memcmp(seen.line, text, 1022), 0);
}
END_TEST

START_TEST(leaves_errno_alone)
{
    struct seen seen = { 0 };
    pk_log_set(PK_LOG_INFO, seen_sink, &seen);
    errno = ENOTTY;
    pk_log(PK_LOG_INFO, "peer", "a line");
    ck_assert_int_eq(errno, ENOTTY);
    ck_assert_uint_eq(seen.count, 1);
}
END_TEST

START_TEST(names_levels)
{
    ck_assert_str_eq(pk_log_level_name(PK_LOG_ERROR), "error");
    ck_assert_str_eq(pk_log_level_name(PK_LOG_WARN), "warn");
    ck_assert_str_eq(pk_log_level_name(PK_LOG_INFO), "info");
    ck_assert_str_eq(pk_log_level_name(PK_LOG_DEBUG), "debug");
}
END_TEST

static void
count_sink(void *arg, uint32_t level, const char *source, const char *line)
{
    (void)level;
    (void)source;
    (void)line;
    atomic_fetch_add((atomic_uint *)arg, 1);
}

static void *
log_errors(void *arg)
{
    (void)arg;
    for (int i = 0; i < 1000; i++)
        pk_log(PK_LOG_ERROR, "peer", "line %d", i);
    return NULL;
}

START_TEST(level_may_change_while_others_log)
{
    atomic_uint count = 0;
    pthread_t threads[3];
    pk_log_set(PK_LOG_ERROR, count_sink, &count);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, log_errors, NULL), 0);
    for (uint32_t i = 0; i < 1000; i++)
        pk_log_set(i % 4, count_sink, &count);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    ck_assert_uint_eq(atomic_load(&count), 3000); /* errors pass at every level */
}
END_TEST

int
main(void)
{
    const TTest *const cases[] = {
        drops_lines_without_a_sink,
        passes_lines_up_to_the_level,
        lines_cannot_be_forged_with_control_characters,
        cuts_long_lines_between_characters,
        leaves_errno_alone,
        names_levels,
        level_may_change_while_others_log,
    };
    return SUITE_RUN("log", cases);
}
