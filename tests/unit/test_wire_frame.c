/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The frame scanner: where objects end, however the bytes arrive. Splits are at every byte, and
 * results are held against those of one piece.
 */
#include "core/wire/frame.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Scans text in one piece; fails the test if that is an error. */
static bool
scan_whole(const char *text, size_t *ret_start, size_t *ret_used)
{
    struct pk_wire_frame frame = { 0 };
    bool complete = false;
    struct pk_error err = PK_ERROR_INIT;
    int32_t rc = pk_wire_frame_scan(&frame, text, strlen(text), PK_WIRE_REQUEST_MAX, ret_start,
                                    ret_used, &complete, &err);
    ck_assert_msg(rc == 0, "'%s': %s", text, err.message);
    return complete;
}

static int32_t
scan_error(const char *text, size_t max)
{
    struct pk_wire_frame frame = { 0 };
    bool complete = false;
    size_t start = 0;
    size_t used = 0;
    return pk_wire_frame_scan(&frame, text, strlen(text), max, &start, &used, &complete, NULL);
}

static const char *const objects[] = {
    "{}",
    "{\"a\":1}",
    "{\"a\":{\"b\":[{},{}]}}",
    "{\"a\":\"}\"}",
    "{\"a\":\"\\\"}\"}",
    "{\"a\":\"\\\\\"}",
    "{\"a\":\"\\\\\\\"}{\"}",
    "{\"\\\"\\\"\\\"\":\"\\\\\\\\\"}",
    "{\"a\":\"[[[[{{{{\",\"b\":[\"]\"]}",
    "{ \n\t\"a\" : \"\xC3\xA9\\u0022\" }",
};

START_TEST(an_object_ends_with_its_brace)
{
    const char *object = objects[_i];
    size_t start = 9;
    size_t used = 9;
    ck_assert(scan_whole(object, &start, &used));
    ck_assert_uint_eq(start, 0);
    ck_assert_uint_eq(used, strlen(object));
}
END_TEST

START_TEST(an_object_is_found_however_it_is_split)
{
    const char *object = objects[_i];
    size_t size = strlen(object);
    for (size_t first = 0; first <= size; first++) {
        for (size_t second = first; second <= size; second++) {
            const size_t cuts[] = { 0, first, second, size };
            struct pk_wire_frame frame = { 0 };
            bool complete = false;
            for (int part = 0; part < 3; part++) {
                size_t start = 0;
                size_t used = 0;
                ck_assert(!complete || cuts[part] == size);
                if (complete)
                    break;
                ck_assert_int_eq(
                    pk_wire_frame_scan(&frame, object + cuts[part], cuts[part + 1] - cuts[part],
                                       PK_WIRE_REQUEST_MAX, &start, &used, &complete, NULL),
                    0);
                ck_assert_uint_eq(used, cuts[part + 1] - cuts[part]);
            }
            ck_assert(complete);
            ck_assert_uint_eq(frame.size, 0);
        }
    }
}
END_TEST

START_TEST(a_part_of_an_object_is_not_complete)
{
    const char *object = objects[_i];
    for (size_t size = 0; size < strlen(object); size++) {
        struct pk_wire_frame frame = { 0 };
        size_t start = 0;
        size_t used = 0;
        bool complete = true;
        ck_assert_int_eq(pk_wire_frame_scan(&frame, object, size, PK_WIRE_REQUEST_MAX, &start,
                                            &used, &complete, NULL),
                         0);
        ck_assert(!complete);
        ck_assert_uint_eq(used, size);
        ck_assert_uint_eq(frame.size, size);
    }
}
END_TEST

START_TEST(many_objects_in_one_buffer_come_one_by_one)
{
    const char *text = " {\"a\":\"x\"}{}\n\n{\"b\":[1,2]} \r\n\t{} ";
    const char *const expected[] = { "{\"a\":\"x\"}", "{}", "{\"b\":[1,2]}", "{}" };
    struct pk_wire_frame frame = { 0 };
    size_t at = 0;
    size_t start = 0;
    size_t used = 0;
    bool complete = false;
    for (size_t i = 0; i < 4; i++) {
        ck_assert_int_eq(pk_wire_frame_scan(&frame, text + at, strlen(text + at), 64, &start, &used,
                                            &complete, NULL),
                         0);
        ck_assert(complete);
        ck_assert_uint_eq(used - start, strlen(expected[i]));
        ck_assert_mem_eq(text + at + start, expected[i], used - start);
        at += used;
    }
    ck_assert_int_eq(pk_wire_frame_scan(&frame, text + at, strlen(text + at), 64, &start, &used,
                                        &complete, NULL),
                     0);
    ck_assert(!complete);
    ck_assert_uint_eq(start, used);
    ck_assert_uint_eq(at + used, strlen(text));
    ck_assert_uint_eq(frame.size, 0);
}
END_TEST

START_TEST(white_space_alone_begins_nothing)
{
    size_t start = 9;
    size_t used = 9;
    ck_assert(!scan_whole(" \n\r\t", &start, &used));
    ck_assert_uint_eq(start, 4);
    ck_assert_uint_eq(used, 4);
    ck_assert(!scan_whole("", &start, &used));
    ck_assert_uint_eq(used, 0);
}
END_TEST

START_TEST(no_bytes_at_all_are_fine)
{
    struct pk_wire_frame frame = { 0 };
    size_t start = 9;
    size_t used = 9;
    bool complete = true;
    ck_assert_int_eq(pk_wire_frame_scan(&frame, NULL, 0, 64, &start, &used, &complete, NULL), 0);
    ck_assert(!complete);
    ck_assert_uint_eq(used, 0);
}
END_TEST

START_TEST(another_first_byte_is_refused)
{
    for (int byte = 1; byte < 256; byte++) {
        char text[] = { (char)byte, '}', '\0' };
        bool fine = strchr("{ \n\r\t", byte) != NULL;
        if (fine && byte != '{')
            text[1] = ' ';
        ck_assert_int_eq(scan_error(text, 64), fine ? 0 : -EINVAL);
    }
    ck_assert_int_eq(scan_error("\n\n[1]", 64), -EINVAL);
}
END_TEST

START_TEST(nesting_is_bounded)
{
    char text[2 * PK_WIRE_DEPTH_MAX + 8];
    for (uint32_t depth = PK_WIRE_DEPTH_MAX; depth <= PK_WIRE_DEPTH_MAX + 1; depth++) {
        text[0] = '{';
        memset(text + 1, '[', depth - 1);
        memset(text + depth, ']', depth - 1);
        text[2 * depth - 1] = '}';
        text[2 * depth] = '\0';
        ck_assert_int_eq(scan_error(text, sizeof(text)), depth > PK_WIRE_DEPTH_MAX ? -EINVAL : 0);
    }
}
END_TEST

START_TEST(length_is_bounded_however_it_is_split)
{
    const char *object = "{\"a\":\"0123456789\"}";
    size_t size = strlen(object);
    ck_assert_int_eq(scan_error(object, size), 0);
    ck_assert_int_eq(scan_error(object, size - 1), -EFBIG);
    for (size_t cut = 0; cut < size; cut++) {
        struct pk_wire_frame frame = { 0 };
        size_t start = 0;
        size_t used = 0;
        bool complete = false;
        ck_assert_int_eq(
            pk_wire_frame_scan(&frame, object, cut, size - 1, &start, &used, &complete, NULL), 0);
        ck_assert_int_eq(pk_wire_frame_scan(&frame, object + cut, size - cut, size - 1, &start,
                                            &used, &complete, NULL),
                         -EFBIG);
    }
}
END_TEST

START_TEST(white_space_does_not_count)
{
    ck_assert_int_eq(scan_error("                        {}", 2), 0);
}
END_TEST

/* Megabytes of escapes, and of quotes, in small pieces: done at once or, were it quadratic, never
 * within the test's time. */
START_TEST(long_strings_are_scanned_once)
{
    static const char *const fillings[] = { "\\\\", "\\\"", "ab" };
    size_t pairs = 1U << 20;
    char *text = malloc(2 * pairs + 8);
    ck_assert_ptr_nonnull(text);
    for (size_t filling = 0; filling < 3; filling++) {
        text[0] = '{';
        text[1] = '"';
        for (size_t i = 0; i < pairs; i++)
            memcpy(text + 2 + 2 * i, fillings[filling], 2);
        (void)stpcpy(text + 2 + 2 * pairs, "\":1}");
        struct pk_wire_frame frame = { 0 };
        size_t size = strlen(text);
        bool complete = false;
        for (size_t at = 0; at < size;) {
            size_t start = 0;
            size_t used = 0;
            size_t piece = size - at < 4093 ? size - at : 4093;
            ck_assert_int_eq(pk_wire_frame_scan(&frame, text + at, piece, 32U << 20, &start, &used,
                                                &complete, NULL),
                             0);
            ck_assert_uint_eq(used, piece);
            at += used;
        }
        ck_assert(complete);
    }
    free(text);
}
END_TEST

int
main(void)
{
    const int count = (int)(sizeof(objects) / sizeof(objects[0]));
    Suite *suite = suite_create("wire frame");
    TCase *tcase = tcase_create("scan");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, an_object_ends_with_its_brace, 0, count);
    tcase_add_loop_test(tcase, an_object_is_found_however_it_is_split, 0, count);
    tcase_add_loop_test(tcase, a_part_of_an_object_is_not_complete, 0, count);
    tcase_add_test(tcase, many_objects_in_one_buffer_come_one_by_one);
    tcase_add_test(tcase, white_space_alone_begins_nothing);
    tcase_add_test(tcase, no_bytes_at_all_are_fine);
    tcase_add_test(tcase, another_first_byte_is_refused);
    tcase_add_test(tcase, nesting_is_bounded);
    tcase_add_test(tcase, length_is_bounded_however_it_is_split);
    tcase_add_test(tcase, white_space_does_not_count);
    tcase_add_test(tcase, long_strings_are_scanned_once);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
