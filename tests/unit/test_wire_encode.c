/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests as a client encodes them: the text, and that a node reads back what was asked.
 */
#include "core/wire/wire.h"

#include <check.h>
#include <errno.h>
#include <packice/cleanup.h>
#include <string.h>

#define LEASE "01234567-89ab-4cde-8f01-23456789abcd"

static void
expect_text(const struct pk_request *request, const char *tag, const char *expected)
{
    const struct pk_wire_request_format format = { .tag = tag };
    pk_autofree char *text = NULL;
    size_t size = 0;
    struct pk_error err = PK_ERROR_INIT;
    int32_t rc = pk_wire_request_encode(request, &format, &text, &size, &err);
    ck_assert_msg(rc == 0, "%s", err.message);
    ck_assert_str_eq(text, expected);
    ck_assert_uint_eq(size, strlen(text));
}

static void
expect_error(const struct pk_request *request, int32_t code, const char *message)
{
    char *text = NULL;
    size_t size = 0;
    struct pk_error err = PK_ERROR_INIT;
    ck_assert_int_eq(pk_wire_request_encode(request, NULL, &text, &size, &err), code);
    ck_assert_str_eq(err.message, message);
    ck_assert_ptr_null(text);
}

static void
expect_same_text(const char *got, const char *expected)
{
    if (expected == NULL)
        ck_assert_ptr_null(got);
    else
        ck_assert_str_eq(got, expected);
}

static void
expect_same(const struct pk_request *got, const struct pk_request *expected)
{
    ck_assert_uint_eq(got->verb, expected->verb);
    ck_assert_uint_eq(got->access, expected->access);
    ck_assert_uint_eq(got->flags, expected->flags);
    expect_same_text(got->object_id, expected->object_id);
    expect_same_text(got->lease_id, expected->lease_id);
    expect_same_text(got->request_id, expected->request_id);
    expect_same_text(got->prefix, expected->prefix);
    expect_same_text(got->meta, expected->meta);
    ck_assert_uint_eq(got->blob_count, expected->blob_count);
    ck_assert_int_eq(got->sizes == NULL, expected->sizes == NULL);
    if (got->sizes != NULL)
        ck_assert_mem_eq(got->sizes, expected->sizes, got->blob_count * sizeof(*got->sizes));
    ck_assert_uint_eq(got->limit, expected->limit);
    ck_assert_uint_eq(got->ttl, expected->ttl);
    ck_assert_uint_eq(got->wait, expected->wait);
    ck_assert_uint_eq(got->object_ttl, expected->object_ttl);
    ck_assert_uint_eq(got->cursor, expected->cursor);
}

static const uint64_t some_sizes[] = { 0, 1, PK_UNSIZED, INT64_MAX };

static const char every_escape[] = "\x01\x02\x03\x04\x05\x06\x07\b\t\n\v\f\r\x0E\x0F\x10\x11\x12"
                                   "\x13\x14\x15\x16\x17\x18\x19\x1A\x1B\x1C\x1D\x1E\x1F"
                                   "\"\\ / \x7F\xC2\x80 \\n\\u0001\\";

static const struct pk_request requests[] = {
    { .verb = PK_VERB_ACQUIRE, .access = PK_ACCESS_CREATE, .blob_count = 1 },
    { .verb = PK_VERB_ACQUIRE, .access = PK_ACCESS_CREATE, .blob_count = 253 },
    { .verb = PK_VERB_ACQUIRE,
      .access = PK_ACCESS_CREATE,
      .flags = PK_REQUEST_BIND,
      .object_id = "\xF0\x9F\xA7\x8A/../ \"\\",
      .request_id = "r",
      .meta = "{\"a\":[1,2.5,\"\xC3\xA9\"]}",
      .sizes = some_sizes,
      .blob_count = 4,
      .ttl = 1500000000U,
      .object_ttl = 1 },
    { .verb = PK_VERB_ACQUIRE, .access = PK_ACCESS_READ, .object_id = "a" },
    { .verb = PK_VERB_ACQUIRE,
      .access = PK_ACCESS_READ,
      .object_id = "a",
      .wait = 10,
      .ttl = 9223372036000000000U },
    { .verb = PK_VERB_SEAL, .lease_id = LEASE },
    { .verb = PK_VERB_SEAL, .lease_id = LEASE, .sizes = some_sizes, .blob_count = 4 },
    { .verb = PK_VERB_RENEW, .lease_id = LEASE },
    { .verb = PK_VERB_RENEW, .lease_id = LEASE, .ttl = 60000000000U },
    { .verb = PK_VERB_RELEASE, .lease_id = LEASE },
    { .verb = PK_VERB_DISCARD, .object_id = ".." },
    { .verb = PK_VERB_STAT, .object_id = "a" },
    { .verb = PK_VERB_VERIFY, .object_id = "a/b" },
    { .verb = PK_VERB_LIST },
    { .verb = PK_VERB_LIST, .prefix = "p/", .limit = 10, .cursor = INT64_MAX },
    { .verb = PK_VERB_LIST, .prefix = every_escape },
    { .verb = PK_WIRE_VERB_STATS },
};

#define REQUEST_COUNT (sizeof(requests) / sizeof(requests[0]))

START_TEST(a_request_is_read_back_as_it_was)
{
    const struct pk_wire_request_format format = { .tag = "\"t\"" };
    pk_autofree char *text = NULL;
    size_t size = 0;
    struct pk_wire_request *wire = NULL;
    struct pk_error err = PK_ERROR_INIT;
    ck_assert_int_eq(pk_wire_request_encode(&requests[_i], &format, &text, &size, &err), 0);
    ck_assert_uint_eq(size, strlen(text));
    ck_assert_ptr_eq(strchr(text, '\n'), text + size - 1);
    ck_assert_int_eq(pk_wire_request_decode(text, size, NULL, &wire, &err), 0);
    ck_assert_int_eq(wire->error.code, 0);
    expect_same(&wire->request, &requests[_i]);
    ck_assert_str_eq(wire->tag, "\"t\"");
    pk_wire_request_free(wire);
}
END_TEST

START_TEST(a_batch_is_read_back_as_it_was)
{
    const struct pk_wire_request_format format = { .tag = "12" };
    pk_autofree char *text = NULL;
    size_t size = 0;
    struct pk_wire_request *wire = NULL;
    struct pk_error err = PK_ERROR_INIT;
    size_t count = REQUEST_COUNT - 1; /* the last is stats */
    ck_assert_int_eq(pk_wire_batch_encode(requests, count, &format, &text, &size, &err), 0);
    ck_assert_ptr_eq(strchr(text, '\n'), text + size - 1);
    ck_assert_int_eq(pk_wire_request_decode(text, size, NULL, &wire, &err), 0);
    ck_assert_int_eq(wire->error.code, 0);
    ck_assert_str_eq(wire->tag, "12");
    ck_assert_uint_eq(wire->item_count, count);
    for (size_t i = 0; i < count; i++)
        expect_same(&wire->items[i]->request, &requests[i]);
    pk_wire_request_free(wire);
}
END_TEST

START_TEST(the_command_comes_first)
{
    struct pk_request request = { .verb = PK_VERB_STAT, .object_id = "a" };
    expect_text(&request, NULL, "{\"command\":\"stat\",\"object_id\":\"a\"}\n");
    expect_text(&request, "7", "{\"command\":\"stat\",\"tag\":7,\"object_id\":\"a\"}\n");
    request = (struct pk_request){ .verb = PK_WIRE_VERB_STATS };
    expect_text(&request, NULL, "{\"command\":\"stats\"}\n");
}
END_TEST

START_TEST(what_json_reserves_is_escaped)
{
    const struct pk_request request = { .verb = PK_VERB_STAT,
                                        .object_id = "\"\\/\b\f\n\r\t\x01\x1F\x7F\xC3\xA9" };
    expect_text(&request, NULL,
                "{\"command\":\"stat\",\"object_id\":"
                "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001F\x7F\xC3\xA9\"}\n");
}
END_TEST

START_TEST(no_end_is_said_by_the_bond_alone)
{
    struct pk_request request = { .verb = PK_VERB_ACQUIRE,
                                  .access = PK_ACCESS_READ,
                                  .flags = PK_REQUEST_BIND,
                                  .object_id = "a",
                                  .ttl = PK_FOREVER };
    expect_text(&request, NULL,
                "{\"command\":\"acquire\",\"intent\":\"read\",\"object_id\":\"a\","
                "\"bind\":\"connection\"}\n");
    request.flags = 0;
    expect_error(&request, -EINVAL, "ttl_seconds: only a lease bound to its connection has no end");
}
END_TEST

START_TEST(waiting_for_ever_is_292_years)
{
    struct pk_request request = {
        .verb = PK_VERB_ACQUIRE, .access = PK_ACCESS_READ, .object_id = "a", .wait = PK_FOREVER
    };
    expect_text(&request, NULL,
                "{\"command\":\"acquire\",\"intent\":\"read\",\"object_id\":\"a\","
                "\"wait_seconds\":9223372036}\n");
}
END_TEST

START_TEST(what_cant_be_said_is_refused)
{
    struct pk_request request = { .verb = PK_VERB_STAT, .object_id = "\xFF" };
    expect_error(&request, -EINVAL, "object_id: not UTF-8");
    request = (struct pk_request){ .verb = PK_VERB_READ };
    expect_error(&request, -EOPNOTSUPP, "command: the protocol has no verb 8");
    request = (struct pk_request){ .verb = PK_WIRE_VERB_BATCH };
    expect_error(&request, -EOPNOTSUPP, "command: the protocol has no verb 100");
    request = (struct pk_request){ .verb = PK_VERB_ACQUIRE };
    expect_error(&request, -EINVAL, "intent: neither create nor read");
    request.access = PK_ACCESS_CREATE;
    request.meta = "[]";
    expect_error(&request, -EINVAL, "meta: not a JSON object: it does not begin with '{'");
    request.meta = "{\"a\":}";
    expect_error(&request, -EINVAL, "meta: not JSON: line 1, column 6: unexpected token");
    request.meta = "{\"a\":\"\xFF\"}";
    expect_error(&request, -EINVAL, "meta: not JSON: line 1, column 6: unable to decode byte 0xff");
}
END_TEST

START_TEST(a_request_in_a_batch_is_named)
{
    struct pk_request pair[] = { { .verb = PK_VERB_LIST }, { .verb = PK_WIRE_VERB_STATS } };
    struct pk_error err = PK_ERROR_INIT;
    char *text = NULL;
    size_t size = 0;
    ck_assert_int_eq(pk_wire_batch_encode(pair, 2, NULL, &text, &size, &err), -EINVAL);
    ck_assert_str_eq(err.message, "requests[1]: command: stats can't be part of a batch");
    pair[1] = (struct pk_request){ .verb = PK_VERB_STAT, .object_id = "\xC3" };
    ck_assert_int_eq(pk_wire_batch_encode(pair, 2, NULL, &text, &size, &err), -EINVAL);
    ck_assert_str_eq(err.message, "requests[1]: object_id: not UTF-8");
    ck_assert_int_eq(pk_wire_batch_encode(pair, 1001, NULL, &text, &size, &err), -EINVAL);
    ck_assert_ptr_null(text);
}
END_TEST

START_TEST(an_empty_batch_can_be_said)
{
    pk_autofree char *text = NULL;
    size_t size = 0;
    ck_assert_int_eq(pk_wire_batch_encode(NULL, 0, NULL, &text, &size, NULL), 0);
    ck_assert_str_eq(text, "{\"command\":\"batch\",\"requests\":[]}\n");
}
END_TEST

START_TEST(a_request_too_long_for_a_node_is_refused)
{
    struct pk_request *many = calloc(PK_WIRE_BATCH_MAX, sizeof(*many));
    pk_autofree char *id = malloc(1200);
    struct pk_error err = PK_ERROR_INIT;
    char *text = NULL;
    size_t size = 0;
    ck_assert(many != NULL && id != NULL);
    memset(id, 'i', 1199);
    id[1199] = '\0';
    for (size_t i = 0; i < PK_WIRE_BATCH_MAX; i++)
        many[i] = (struct pk_request){ .verb = PK_VERB_STAT, .object_id = id };
    ck_assert_int_eq(pk_wire_batch_encode(many, PK_WIRE_BATCH_MAX, NULL, &text, &size, &err),
                     -EFBIG);
    ck_assert_ptr_null(text);
    free(many);
}
END_TEST

START_TEST(meta_is_made_compact)
{
    pk_autofree char *text = NULL;
    pk_autofree char *empty = NULL;
    pk_autofree char *none = NULL;
    struct pk_error err = PK_ERROR_INIT;
    char *untouched = NULL;
    ck_assert_int_eq(pk_wire_meta_compact(" { \"b\" : [ 1 , 0.1 ] } ", &text, &err), 0);
    ck_assert_str_eq(text, "{\"b\":[1,0.1]}");
    ck_assert_int_eq(pk_wire_meta_compact("{ }", &empty, &err), 0);
    ck_assert_str_eq(empty, "");
    ck_assert_int_eq(pk_wire_meta_compact(NULL, &none, &err), 0);
    ck_assert_str_eq(none, "");
    ck_assert_int_eq(pk_wire_meta_compact("meta", &untouched, &err), -EINVAL);
    ck_assert_int_eq(pk_wire_meta_compact("{} x", &untouched, &err), -EINVAL);
    ck_assert_ptr_null(untouched);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("wire encode");
    TCase *tcase = tcase_create("requests");
    tcase_add_loop_test(tcase, a_request_is_read_back_as_it_was, 0, (int)REQUEST_COUNT);
    tcase_add_test(tcase, a_batch_is_read_back_as_it_was);
    tcase_add_test(tcase, the_command_comes_first);
    tcase_add_test(tcase, what_json_reserves_is_escaped);
    tcase_add_test(tcase, no_end_is_said_by_the_bond_alone);
    tcase_add_test(tcase, waiting_for_ever_is_292_years);
    tcase_add_test(tcase, what_cant_be_said_is_refused);
    tcase_add_test(tcase, a_request_in_a_batch_is_named);
    tcase_add_test(tcase, an_empty_batch_can_be_said);
    tcase_add_test(tcase, a_request_too_long_for_a_node_is_refused);
    tcase_add_test(tcase, meta_is_made_compact);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
