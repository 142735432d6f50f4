/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words of the command line: sizes and durations in both directions, text that must not reach a
 * terminal, and suggestions. What the commands do is tested end to end.
 */
#include "cli/human.h"
#include "cli/suggest.h"
#include "cli/text.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

START_TEST(sizes_are_told_with_one_decimal_at_most)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } cases[] = {
        { 0, "0 B" },
        { 1, "1 B" },
        { 1023, "1023 B" },
        { 1024, "1 KiB" },
        { 1025, "1 KiB" },
        { 1536, "1.5 KiB" },
        { 1048524, "1023.9 KiB" },
        { 1048575, "1 MiB" },
        { 33U << 20, "33 MiB" },
        { UINT64_C(1) << 30, "1 GiB" },
        { INT64_MAX, "8 EiB" },
        { UINT64_MAX - 1, "16 EiB" },
    };
    char text[HUMAN_MAX];

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        human_size(cases[i].bytes, text);
        ck_assert_str_eq(text, cases[i].text);
    }
}
END_TEST

START_TEST(sizes_are_read_exactly)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } cases[] = {
        { "0", 0 },
        { "1", 1 },
        { "4096", 4096 },
        { "64KiB", 65536 },
        { "64kib", 65536 },
        { "1.5GiB", UINT64_C(1610612736) },
        { "10MB", 10000000 },
        { "7B", 7 },
        { "9223372036854775807", INT64_MAX },
        { "9007199254740993", UINT64_C(9007199254740993) },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t bytes = 99;
        ck_assert_msg(human_parse_size(cases[i].text, &bytes), "%s", cases[i].text);
        ck_assert_uint_eq(bytes, cases[i].bytes);
    }
}
END_TEST

START_TEST(what_is_no_size_is_refused)
{
    static const char *const cases[] = { "",      " ",    "-1",    "+1",
                                         "1x",    "KiB",  ".5KiB", "1.KiB",
                                         "1..5K", "0x10", "1e3",   "inf",
                                         "nan",   "1 2",  "8EiB",  "9223372036854775808",
                                         "1,5",   "1K",   "1MiBs", "99999999999999999999" };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t bytes = 99;
        ck_assert_msg(!human_parse_size(cases[i], &bytes), "%s", cases[i]);
        ck_assert_uint_eq(bytes, 99);
    }
}
END_TEST

START_TEST(durations_are_read)
{
    static const struct {
        const char *text;
        double seconds;
    } cases[] = {
        { "0", 0 },       { "90", 90 },   { "250ms", 0.25 },
        { "60s", 60 },    { "5m", 300 },  { "1.5h", 5400 },
        { "2d", 172800 }, { "0.5", 0.5 }, { "36600d", 36600.0 * 86400 },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        double seconds = -1;
        ck_assert_msg(human_parse_duration(cases[i].text, &seconds), "%s", cases[i].text);
        ck_assert_double_eq(seconds, cases[i].seconds);
    }
}
END_TEST

START_TEST(what_is_no_duration_is_refused)
{
    static const char *const cases[] = { "",      "s",   "-1s", "5 m", "5min",     "forever",
                                         "1h30m", "inf", "nan", "1e9", "99999999d" };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        double seconds = -1;
        ck_assert_msg(!human_parse_duration(cases[i], &seconds), "%s", cases[i]);
        ck_assert_double_eq(seconds, -1);
    }
}
END_TEST

START_TEST(durations_are_told)
{
    static const struct {
        double seconds;
        const char *text;
    } cases[] = {
        { 0, "0ms" },    { 0.25, "250ms" }, { 1, "1s" },           { 59.7, "1m" },
        { 90, "1m30s" }, { 3600, "1h" },    { 90061, "1d1h1m1s" }, { 1e300, "forever" },
        { 300, "5m" },   { 3601, "1h1s" },
    };
    char text[HUMAN_MAX];

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        human_duration(cases[i].seconds, text);
        ck_assert_str_eq(text, cases[i].text);
    }
}
END_TEST

START_TEST(counts_are_digits_alone)
{
    uint32_t count = 7;

    ck_assert(human_parse_count("252", &count));
    ck_assert_uint_eq(count, 252);
    ck_assert(human_parse_count("4294967295", &count));
    ck_assert_uint_eq(count, UINT32_MAX);
    count = 7;
    ck_assert(!human_parse_count("4294967296", &count));
    ck_assert(!human_parse_count("", &count));
    ck_assert(!human_parse_count("-1", &count));
    ck_assert(!human_parse_count("1KiB", &count));
    ck_assert(!human_parse_count("99999999999999999999", &count));
    ck_assert_uint_eq(count, 7);
}
END_TEST

START_TEST(what_steers_a_terminal_is_spelled_out)
{
    static const struct {
        const char *text;
        const char *escaped;
    } cases[] = {
        { "", "" },
        { "plain / text", "plain / text" },
        { "h\303\251llo \360\237\247\212", "h\303\251llo \360\237\247\212" },
        { "\360\237\221\251\342\200\215\360\237\232\200", /* joined: one emoji of two */
          "\360\237\221\251\342\200\215\360\237\232\200" },
        { "a\033[2Jb", "a\\x1b[2Jb" },
        { "line\nfeed\177", "line\\x0afeed\\x7f" },
        { "\302\233", "\\u{9b}" },             /* CSI of the second control set */
        { "\342\200\256cod", "\\u{202e}cod" }, /* right to left */
        { "\377\300\257", "\\xff\\xc0\\xaf" }, /* never UTF-8, and overlong */
        { "\355\240\200", "\\xed\\xa0\\x80" }, /* a surrogate */
        { "cut\342\202", "cut\\xe2\\x82" },
        { "\364\220\200\200", "\\xf4\\x90\\x80\\x80" }, /* behind the last character */
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *escaped = text_escape(cases[i].text);
        ck_assert_ptr_nonnull(escaped);
        ck_assert_str_eq(escaped, cases[i].escaped);
        free(escaped);
    }
}
END_TEST

START_TEST(escapes_fit_in_their_memory)
{
    /* The longest spellings there are, many of them: the sanitizer counts the bytes. */
    char text[3 * 1000 + 1];

    for (size_t i = 0; i < 1000; i++)
        memcpy(text + 3 * i, "\357\273\277", 3);
    text[3000] = '\0';
    char *escaped = text_escape(text);
    ck_assert_uint_eq(strlen(escaped), 8 * 1000);
    free(escaped);
    memset(text, 0xff, 3000);
    escaped = text_escape(text);
    ck_assert_uint_eq(strlen(escaped), 4 * 3000);
    free(escaped);
}
END_TEST

START_TEST(a_terminal_gets_text_alone)
{
    static const struct {
        const char *data;
        size_t size;
        size_t used;
        bool last;
        bool binary;
    } cases[] = {
        { "", 0, 0, true, false },
        { "two\r\n\tlines\n\f", 13, 13, true, false },
        { "nul\0", 4, 3, true, true },
        { "esc\033c", 5, 3, false, true },
        { "\302\233", 2, 0, true, true },
        { "cut\342\202", 5, 3, false, false }, /* the rest comes with the next chunk */
        { "cut\342\202", 5, 3, true, true },
        { "cut\302", 4, 3, false, false },
        { "\377", 1, 0, false, true },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bool binary = !cases[i].binary;
        size_t used = text_showable(cases[i].data, cases[i].size, cases[i].last, &binary);
        ck_assert_uint_eq(used, cases[i].used);
        ck_assert_int_eq(binary, cases[i].binary);
    }
}
END_TEST

START_TEST(near_words_are_suggested_and_far_ones_not)
{
    static const char *const names[] = { "put", "get", "cat", "ls", "stat", "rm", "release" };
    static const struct {
        const char *word;
        const char *nearest;
    } cases[] = {
        { "stats", "stat" },    { "relaese", "release" }, { "pu", "put" },
        { "gett", "get" },      { "lss", "ls" },          { "", NULL },
        { "frobnicate", NULL }, { "xyz", NULL },          { "sl", NULL },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        ck_assert_pstr_eq(suggest_nearest(cases[i].word, names, sizeof(names) / sizeof(names[0])),
                          cases[i].nearest);
}
END_TEST

START_TEST(an_endless_word_has_no_suggestion)
{
    static const char *const names[] = { "release" };
    char word[100000];

    memset(word, 'r', sizeof(word) - 1);
    word[sizeof(word) - 1] = '\0';
    ck_assert_ptr_null(suggest_nearest(word, names, 1));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("cli");
    TCase *tests = tcase_create("words");

    tcase_add_test(tests, sizes_are_told_with_one_decimal_at_most);
    tcase_add_test(tests, sizes_are_read_exactly);
    tcase_add_test(tests, what_is_no_size_is_refused);
    tcase_add_test(tests, durations_are_read);
    tcase_add_test(tests, what_is_no_duration_is_refused);
    tcase_add_test(tests, durations_are_told);
    tcase_add_test(tests, counts_are_digits_alone);
    tcase_add_test(tests, what_steers_a_terminal_is_spelled_out);
    tcase_add_test(tests, escapes_fit_in_their_memory);
    tcase_add_test(tests, a_terminal_gets_text_alone);
    tcase_add_test(tests, near_words_are_suggested_and_far_ones_not);
    tcase_add_test(tests, an_endless_word_has_no_suggestion);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
