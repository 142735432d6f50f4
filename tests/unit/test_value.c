/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Single values of options: which texts are sizes and durations, and which name is near a word.
 */
#include "core/option.h"
#include "tests/lib/suite.h"

#include <errno.h>
#include <string.h>

START_TEST(sizes)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {
        { "0", 0 },
        { "4096", 4096 },
        { "1B", 1 },
        { "10KB", 10000 },
        { "10MB", 10000000 },
        { "2gb", 2000000000 },
        { "1TB", 1000000000000 },
        { "64KiB", 65536 },
        { "64k", 65536 },
        { "64 KiB", 65536 },
        { "1M", 1048576 },
        { "1.5GiB", 1610612736 },
        { "0.25K", 256 },
        { "1T", 1099511627776 },
        { "8388607T", 9223370937343148032ULL },
        { "9223372036854775807", INT64_MAX },
    };
    static const char *const bad[] = {
        "",
        " ",
        "B",
        "KiB",
        "-1",
        "+1",
        "1.5",
        "1.5B",
        "1.",
        "1.GiB",
        ".5G",
        "1..5G",
        "1.5.5G",
        "1KiBx",
        "1Ki",
        "0x10",
        "1e3",
        "9223372036854775808",
        "18446744073709551616",
        "99999999999999999999999",
        "8388608T",
        "1 2",
        "1.0000000001G",
        "4096 bytes",
        "1\n",
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        uint64_t bytes = 1;
        ck_assert_msg(pk_option_parse_size(good[i].text, &bytes, NULL) == 0, "%s", good[i].text);
        ck_assert_uint_eq(bytes, good[i].bytes);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint64_t bytes = 42;
        struct pk_error err = PK_ERROR_INIT;
        ck_assert_msg(pk_option_parse_size(bad[i], &bytes, &err) == -EINVAL, "'%s'", bad[i]);
        ck_assert_ptr_nonnull(strstr(err.message, "KiB"));
        ck_assert_uint_eq(bytes, 42);
    }
}
END_TEST

START_TEST(durations)
{
    static const struct {
        const char *text;
        uint64_t nanoseconds;
    } good[] = {
        { "0", 0 },
        { "0s", 0 },
        { "5ns", 5 },
        { "5us", 5000 },
        { "250ms", 250000000 },
        { "1.5s", 1500000000 },
        { "60S", 60000000000 },
        { "5m", 300000000000 },
        { "1h", 3600000000000 },
        { "2d", 172800000000000 },
        { "106751d", 9223286400000000000ULL },
    };
    static const char *const bad[] = {
        "", "s", "1", "1.5", "-1s", "1 sec", "1min", "1.5ns", "106752d", "1e9s", "inf", "0x1s",
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        uint64_t nanoseconds = 1;
        ck_assert_msg(pk_option_parse_duration(good[i].text, &nanoseconds, NULL) == 0, "%s",
                      good[i].text);
        ck_assert_uint_eq(nanoseconds, good[i].nanoseconds);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint64_t nanoseconds = 42;
        struct pk_error err = PK_ERROR_INIT;
        ck_assert_msg(pk_option_parse_duration(bad[i], &nanoseconds, &err) == -EINVAL, "'%s'",
                      bad[i]);
        ck_assert_ptr_nonnull(strstr(err.message, "ms"));
        ck_assert_uint_eq(nanoseconds, 42);
    }
}
END_TEST

START_TEST(suggestions)
{
    static const char *const names[] = { "capacity", "max_object", "path", "mode", "a" };
    static const struct {
        const char *word;
        const char *near;
    } cases[] = {
        { "capasity", "capacity" },
        { "CAPACITY", "capacity" },
        { "acpacity", "capacity" },
        { "maxobject", "max_object" },
        { "max-object", "max_object" },
        { "pth", "path" },
        { "mdoe", "mode" },
        { "xyz", NULL },
        { "b", NULL },
        { "", NULL },
        { "object", NULL },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *near = pk_option_suggest(cases[i].word, names, 5);
        if (cases[i].near == NULL)
            ck_assert_msg(near == NULL, "'%s' gave '%s'", cases[i].word, near);
        else
            ck_assert_pstr_eq(near, cases[i].near);
    }
    char word[300];
    memset(word, 'a', sizeof(word));
    word[sizeof(word) - 1] = '\0';
    ck_assert_ptr_null(pk_option_suggest(word, names, 5));
    ck_assert_ptr_null(pk_option_suggest("path", NULL, 0));
}
END_TEST

int
main(void)
{
    const TTest *const cases[] = {
        sizes,
        durations,
        suggestions,
    };
    return SUITE_RUN("value", cases);
}
