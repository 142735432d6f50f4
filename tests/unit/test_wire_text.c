/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Error names, UTF-8 and points in time: the small forms that the protocol is written in.
 */
#include "core/wire/error_name.h"
#include "core/wire/text.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

START_TEST(every_error_has_its_name)
{
    static const struct {
        int32_t code;
        const char *name;
    } rows[] = {
        { -EINVAL, "invalid" },
        { -ENOENT, "not_found" },
        { -EEXIST, "exists" },
        { -EAGAIN, "not_sealed" },
        { -ESTALE, "lease_not_found" },
        { -EACCES, "access_denied" },
        { -EBUSY, "busy" },
        { -ENOSPC, "no_space" },
        { -EFBIG, "too_large" },
        { -EKEYREJECTED, "unauthorized" },
        { -EOPNOTSUPP, "unsupported" },
        { -ETIMEDOUT, "timeout" },
        { -EIO, "io" },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ck_assert_str_eq(pk_wire_error_name(rows[i].code), rows[i].name);
        ck_assert_int_eq(pk_wire_error_code(rows[i].name), rows[i].code);
    }
}
END_TEST

START_TEST(other_errors_are_internal)
{
    ck_assert_str_eq(pk_wire_error_name(-ECANCELED), "internal");
    ck_assert_str_eq(pk_wire_error_name(-ENOMEM), "internal");
    ck_assert_str_eq(pk_wire_error_name(0), "internal");
    ck_assert_str_eq(pk_wire_error_name(INT32_MIN), "internal");
    ck_assert_int_eq(pk_wire_error_code("internal"), -EPROTO);
    ck_assert_int_eq(pk_wire_error_code(""), -EPROTO);
    ck_assert_int_eq(pk_wire_error_code("INVALID"), -EPROTO);
}
END_TEST

static const char *const valid_texts[] = {
    "",
    "abc",
    "\x7F",
    "\xC2\x80",
    "\xDF\xBF",
    "\xE0\xA0\x80",
    "\xED\x9F\xBF",
    "\xEE\x80\x80",
    "\xEF\xBF\xBF",
    "\xF0\x90\x80\x80",
    "\xF4\x8F\xBF\xBF",
};

START_TEST(utf8_is_left_as_it_is)
{
    ck_assert(pk_wire_utf8_valid(valid_texts[_i]));
    char *text = pk_wire_utf8_repair(valid_texts[_i]);
    ck_assert_str_eq(text, valid_texts[_i]);
    free(text);
}
END_TEST

#define FFFD "\xEF\xBF\xBD"

static const struct {
    const char *text;
    const char *repaired;
} broken_texts[] = {
    { "\x80", FFFD },
    { "\xC0\x80", FFFD FFFD },          /* overlong NUL */
    { "\xC1\xBF", FFFD FFFD },          /* overlong */
    { "\xE0\x9F\xBF", FFFD FFFD FFFD }, /* overlong */
    { "\xED\xA0\x80", FFFD FFFD FFFD }, /* surrogate */
    { "\xF0\x8F\xBF\xBF", FFFD FFFD FFFD FFFD },
    { "\xF4\x90\x80\x80", FFFD FFFD FFFD FFFD }, /* above U+10FFFF */
    { "\xF8\x88\x80\x80\x80", FFFD FFFD FFFD FFFD FFFD },
    { "a\xC3", "a" FFFD }, /* cut short */
    { "a\xE2\x82", "a" FFFD FFFD },
    { "\xF0\x9F\x98", FFFD FFFD FFFD },
    { "a\xFFz", "a" FFFD "z" },
    { "\xC3\xC3\xA9", FFFD "\xC3\xA9" },
};

START_TEST(what_is_not_utf8_is_replaced)
{
    ck_assert(!pk_wire_utf8_valid(broken_texts[_i].text));
    char *text = pk_wire_utf8_repair(broken_texts[_i].text);
    ck_assert_str_eq(text, broken_texts[_i].repaired);
    ck_assert(pk_wire_utf8_valid(text));
    free(text);
}
END_TEST

START_TEST(control_characters_are_seen_and_replaced)
{
    static const struct {
        const char *text;
        const char *printable;
    } rows[] = {
        { "a\nb", "a?b" },     { "\x1B[31m", "?[31m" }, { "\x7F", "?" },
        { "\xC2\x80x", "?x" }, { "\xC2\x9Fx", "?x" },   { "\x01\x1F", "??" },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *text = pk_wire_printable(rows[i].text);
        ck_assert(pk_wire_has_control(rows[i].text));
        ck_assert_str_eq(text, rows[i].printable);
        free(text);
    }
    ck_assert(!pk_wire_has_control("plain / .. \xC2\xA0 \xC3\x9F \xF0\x9F\xA7\x8A"));
}
END_TEST

START_TEST(points_in_time_keep_their_microseconds)
{
    static const struct {
        uint64_t nanoseconds;
        const char *text;
    } rows[] = {
        { 0, "1970-01-01T00:00:00.000000Z" },
        { 1000, "1970-01-01T00:00:00.000001Z" },
        { 951782399999999000U, "2000-02-28T23:59:59.999999Z" },
        { 951868799000000000U, "2000-02-29T23:59:59.000000Z" },
        { 1722334455123456000U, "2024-07-30T10:14:15.123456Z" },
        { 4102444800000000000U, "2100-01-01T00:00:00.000000Z" },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[PK_WIRE_TIME_SIZE];
        uint64_t back = 1;
        pk_wire_time_format(rows[i].nanoseconds, text);
        ck_assert_str_eq(text, rows[i].text);
        ck_assert_int_eq(pk_wire_time_parse(text, &back), 0);
        ck_assert_uint_eq(back, rows[i].nanoseconds);
    }
}
END_TEST

START_TEST(any_number_is_a_point_in_time)
{
    char text[PK_WIRE_TIME_SIZE];
    pk_wire_time_format(UINT64_MAX, text);
    ck_assert_str_eq(text, "2554-07-21T23:34:33.709551Z");
    pk_wire_time_format(999, text);
    ck_assert_str_eq(text, "1970-01-01T00:00:00.000000Z");
}
END_TEST

START_TEST(fractions_are_optional)
{
    uint64_t at = 0;
    ck_assert_int_eq(pk_wire_time_parse("1970-01-01T00:00:01Z", &at), 0);
    ck_assert_uint_eq(at, 1000000000U);
    ck_assert_int_eq(pk_wire_time_parse("1970-01-01T00:00:01.5Z", &at), 0);
    ck_assert_uint_eq(at, 1500000000U);
    ck_assert_int_eq(pk_wire_time_parse("1970-01-01T00:00:01.123456789Z", &at), 0);
    ck_assert_uint_eq(at, 1123456789U);
}
END_TEST

START_TEST(what_is_no_point_in_time_is_refused)
{
    static const char *const texts[] = {
        "",
        "yesterday",
        "1970-01-01",
        "1970-01-01T00:00:00",
        "1970-01-01T00:00:00+00:00",
        "1970-01-01T00:00:00.Z",
        "1970-01-01T00:00:00.1234567890Z",
        "1970-01-01T00:00:00.12x",
        "1970-01-01T00:00:00ZZ",
        "1970-01-01T00:00:00.5Zx",
        "1970-13-01T00:00:00Z",
        "1970-00-01T00:00:00Z",
        "1970-01-32T00:00:00Z",
        "1970-01-00T00:00:00Z",
        "1970-01-01T24:00:00Z",
        "1970-01-01T00:60:00Z",
        "1970-01-01T00:00:61Z",
        "1969-12-31T23:59:59Z",
        "2554-01-01T00:00:00Z",
        "-970-01-01T00:00:00Z",
        "1970-1-01T00:00:00Z",
        " 1970-01-01T00:00:00Z",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        uint64_t at = 7;
        ck_assert_msg(pk_wire_time_parse(texts[i], &at) == -EINVAL, "%s", texts[i]);
        ck_assert_uint_eq(at, 7);
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("wire text");
    TCase *tcase = tcase_create("text");
    tcase_add_test(tcase, every_error_has_its_name);
    tcase_add_test(tcase, other_errors_are_internal);
    tcase_add_loop_test(tcase, utf8_is_left_as_it_is, 0,
                        (int)(sizeof(valid_texts) / sizeof(valid_texts[0])));
    tcase_add_loop_test(tcase, what_is_not_utf8_is_replaced, 0,
                        (int)(sizeof(broken_texts) / sizeof(broken_texts[0])));
    tcase_add_test(tcase, control_characters_are_seen_and_replaced);
    tcase_add_test(tcase, points_in_time_keep_their_microseconds);
    tcase_add_test(tcase, any_number_is_a_point_in_time);
    tcase_add_test(tcase, fractions_are_optional);
    tcase_add_test(tcase, what_is_no_point_in_time_is_refused);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
