/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests that a node refuses: for each thing that can be wrong, the error that names it.
 */
#include "core/wire/wire.h"
#include "notation.h"

#include <check.h>
#include <errno.h>
#include <packice/cleanup.h>
#include <string.h>

#define NOT_JSON "not JSON: line 1, " /* the rest is jansson's to word */
#define LEASE "01234567-89ab-4cde-8f01-23456789abcd"

static void
refuse_code(const char *text, int32_t code, const char *message)
{
    struct pk_wire_request *wire = NULL;
    ck_assert_int_eq(notation_request_decode(text, strlen(text), &wire, NULL), 0);
    struct pk_error *error = &wire->error;
    ck_assert_msg(error->code == code, "%s: %d, %s", text, error->code, error->message);
    if (strcmp(message, NOT_JSON) == 0)
        error->message[strlen(NOT_JSON)] = '\0';
    ck_assert_str_eq(error->message, message);
    ck_assert_uint_eq(wire->request.verb, 0);
    pk_wire_request_free(wire);
}

#define CREATE "{\"command\":\"acquire\",\"intent\":\"create\","
#define READ "{\"command\":\"acquire\",\"intent\":\"read\",\"object_id\":\"a\","

static const struct {
    const char *text;
    const char *message;
} refused[] = {
    { "", "not a JSON object: it does not end" },
    { "  ", "not a JSON object: it does not end" },
    { "{\"a\":1", "not a JSON object: it does not end" },
    { "[]", "not a JSON object: it does not begin with '{'" },
    { "7", "not a JSON object: it does not begin with '{'" },
    { "{]", NOT_JSON },
    { "{} {}", NOT_JSON },
    { "{}", "command: missing" },
    { "{\"command\":null}", "command: missing" },
    { "{\"command\":7}", "command: not a string" },
    { "{\"command\":\"stat\",\"command\":\"stat\"}", NOT_JSON },
    { "{\"command\":\"stat\",\"object_id\":\"a\\u0000b\"}", NOT_JSON },
    { "{\"command\":\"stat\",\"object_id\":\"\\ud83d\"}", NOT_JSON },
    { "{\"command\":\"stat\",\"object_id\":\"\xFF\"}", NOT_JSON },
    { "{\"command\":\"stat\"}", "object_id: missing" },
    { "{\"command\":\"discard\",\"object_id\":null}", "object_id: missing" },
    { "{\"command\":\"stat\",\"object_id\":1}", "object_id: not a string" },
    { "{\"command\":\"stat\",\"object_id\":\"\"}", "object_id: 0 bytes long, not 1 to 255" },
    { "{\"command\":\"stat\",\"object_id\":\"a\\nb\"}", "object_id: has a control character" },
    { "{\"command\":\"stat\",\"object_id\":\"\\u007f\"}", "object_id: has a control character" },
    { "{\"command\":\"stat\",\"object_id\":\"\\u0085\"}", "object_id: has a control character" },
    { "{\"command\":\"stat\",\"object_id\":\"a\",\"tag\":1.5}",
      "tag: neither a string nor an integer" },
    { "{\"command\":\"stat\",\"object_id\":\"a\",\"tag\":true}",
      "tag: neither a string nor an integer" },
    { "{\"command\":\"acquire\"}", "intent: missing" },
    { "{\"command\":\"acquire\",\"intent\":1}", "intent: not one of: create, read" },
    { "{\"command\":\"acquire\",\"intent\":\"CREATE\"}", "intent: not one of: create, read" },
    { "{\"command\":\"acquire\",\"intent\":\"read\"}", "object_id: missing" },
    { CREATE "\"object_id\":[]}", "object_id: not a string" },
    { CREATE "\"ttl_seconds\":0}",
      "ttl_seconds: not a number of seconds above 0 and at most 9223372036" },
    { CREATE "\"ttl_seconds\":-1}",
      "ttl_seconds: not a number of seconds above 0 and at most 9223372036" },
    { CREATE "\"ttl_seconds\":-0.0}",
      "ttl_seconds: not a number of seconds above 0 and at most 9223372036" },
    { CREATE "\"ttl_seconds\":\"1\"}",
      "ttl_seconds: not a number of seconds above 0 and at most 9223372036" },
    { CREATE "\"ttl_seconds\":9223372037}",
      "ttl_seconds: not a number of seconds above 0 and at most 9223372036" },
    { CREATE "\"ttl_seconds\":1e300}",
      "ttl_seconds: not a number of seconds above 0 and at most 9223372036" },
    { CREATE "\"ttl_seconds\":1e999}", NOT_JSON },
    { CREATE "\"ttl_seconds\":NaN}", NOT_JSON },
    { CREATE "\"object_ttl_seconds\":0}",
      "object_ttl_seconds: not a number of seconds above 0 and at most 9223372036" },
    { CREATE "\"bind\":\"session\"}", "bind: not one of: connection" },
    { CREATE "\"bind\":true}", "bind: not one of: connection" },
    { CREATE "\"request_id\":\"\"}", "request_id: 0 bytes long, not 1 to 128" },
    { CREATE "\"request_id\":1}", "request_id: not a string" },
    { CREATE "\"meta\":[]}", "meta: not an object" },
    { CREATE "\"meta\":\"{}\"}", "meta: not an object" },
    { CREATE "\"blobs\":0}", "blobs: not an integer from 1 to 253" },
    { CREATE "\"blobs\":254}", "blobs: not an integer from 1 to 253" },
    { CREATE "\"blobs\":1.0}", "blobs: not an integer from 1 to 253" },
    { CREATE "\"blobs\":[]}", "blobs: not an integer from 1 to 253" },
    { CREATE "\"blobs\":2,\"sizes\":[1]}", "blobs: 2, but sizes has 1" },
    { CREATE "\"sizes\":[]}", "sizes: not an array of 1 to 253 entries" },
    { CREATE "\"sizes\":4}", "sizes: not an array of 1 to 253 entries" },
    { CREATE "\"sizes\":{}}", "sizes: not an array of 1 to 253 entries" },
    { CREATE "\"sizes\":[1,2,3,-1]}", "sizes[3]: not a size in bytes, nor null" },
    { CREATE "\"sizes\":[1.5]}", "sizes[0]: not a size in bytes, nor null" },
    { CREATE "\"sizes\":[\"1\"]}", "sizes[0]: not a size in bytes, nor null" },
    { CREATE "\"sizes\":[true]}", "sizes[0]: not a size in bytes, nor null" },
    { CREATE "\"sizes\":[9223372036854775808]}", NOT_JSON },
    { READ "\"wait_seconds\":-1}",
      "wait_seconds: not a number of seconds from 0 and at most 9223372036" },
    { READ "\"wait_seconds\":-1e-9}",
      "wait_seconds: not a number of seconds from 0 and at most 9223372036" },
    { READ "\"wait_seconds\":\"\"}",
      "wait_seconds: not a number of seconds from 0 and at most 9223372036" },
    { "{\"command\":\"seal\"}", "lease_id: missing" },
    { "{\"command\":\"seal\",\"lease_id\":\"" LEASE "\",\"sizes\":[-1]}",
      "sizes[0]: not a size in bytes, nor null" },
    { "{\"command\":\"renew\",\"lease_id\":\"" LEASE "\",\"ttl_seconds\":0}",
      "ttl_seconds: not a number of seconds above 0 and at most 9223372036" },
    { "{\"command\":\"release\",\"lease_id\":5}", "lease_id: not a string" },
    { "{\"command\":\"release\",\"lease_id\":\"\"}", "lease_id: 0 bytes long, not 1 to 36" },
    { "{\"command\":\"release\",\"lease_id\":\"" LEASE "0\"}",
      "lease_id: 37 bytes long, not 1 to 36" },
    { "{\"command\":\"list\",\"limit\":0}", "limit: not an integer from 1 to 1000" },
    { "{\"command\":\"list\",\"limit\":1001}", "limit: not an integer from 1 to 1000" },
    { "{\"command\":\"list\",\"limit\":\"9\"}", "limit: not an integer from 1 to 1000" },
    { "{\"command\":\"list\",\"prefix\":9}", "prefix: not a string" },
    { "{\"command\":\"list\",\"cursor\":9}", "cursor: not a string" },
    { "{\"command\":\"list\",\"cursor\":\"\"}", "cursor: 0 bytes long, not 1 to 19" },
    { "{\"command\":\"list\",\"cursor\":\"-1\"}", "cursor: not one that a list reply gave" },
    { "{\"command\":\"batch\"}", "requests: missing" },
    { "{\"command\":\"batch\",\"requests\":{}}", "requests: not an array of 0 to 1000 entries" },
};

START_TEST(what_is_wrong_is_named)
{
    refuse_code(refused[_i].text, -EINVAL, refused[_i].message);
}
END_TEST

START_TEST(an_unknown_verb_is_unsupported)
{
    refuse_code("{\"command\":\"teleport\"}", -EOPNOTSUPP, "command: not a verb of this node");
    refuse_code("{\"command\":\"\"}", -EOPNOTSUPP, "command: not a verb of this node");
    refuse_code("{\"command\":\"read\"}", -EOPNOTSUPP, "command: not a verb of this node");
}
END_TEST

START_TEST(deep_nesting_is_refused)
{
    for (size_t depth = 32; depth < 100000; depth *= 50) {
        char *text = malloc(2 * depth + 16);
        ck_assert_ptr_nonnull(text);
        char *at = stpcpy(text, "{\"a\":");
        memset(at, '[', depth);
        memset(at + depth, ']', depth);
        (void)stpcpy(at + 2 * depth, "}");
        struct pk_wire_request *wire = NULL;
        ck_assert_int_eq(pk_wire_request_decode(text, strlen(text), NULL, &wire, NULL), 0);
        ck_assert_int_eq(wire->error.code, -EINVAL);
        ck_assert_str_eq(wire->error.message, "nested more than 32 levels deep");
        pk_wire_request_free(wire);
        free(text);
    }
}
END_TEST

START_TEST(a_message_never_repeats_what_was_sent)
{
    struct pk_wire_request *wire = NULL;
    const char *text = "{\"command\":\"seal\",\"lease_id\":secret\n}";
    ck_assert_int_eq(notation_request_decode(text, strlen(text), &wire, NULL), 0);
    ck_assert_int_eq(wire->error.code, -EINVAL);
    ck_assert_ptr_null(strstr(wire->error.message, "secret"));
    ck_assert_ptr_null(strchr(wire->error.message, '\n'));
    pk_wire_request_free(wire);
}
END_TEST

/* What is wrong with bytes that may hold a NUL. */
static int32_t
refused_code(const char *text, size_t size)
{
    struct pk_wire_request *wire = NULL;
    ck_assert_int_eq(pk_wire_request_decode(text, size, NULL, &wire, NULL), 0);
    int32_t code = wire->error.code;
    ck_assert_ptr_null(wire->tag);
    pk_wire_request_free(wire);
    return code;
}

START_TEST(a_raw_nul_is_refused)
{
    static const char text[] = "{\"command\":\"stat\",\"object_id\":\"a\0b\"}";
    static const char number[] = "{\"command\":\"stats\",\"tag\":1\0}";
    ck_assert_int_eq(refused_code(text, sizeof(text) - 1), -EINVAL);
    ck_assert_int_eq(refused_code("{}\0", 3), -EINVAL);
    ck_assert_int_eq(refused_code(number, sizeof(number) - 1), -EINVAL);
}
END_TEST

START_TEST(every_prefix_of_a_request_is_refused)
{
    const char *text = CREATE "\"sizes\":[1,null],\"meta\":{\"a\":\"\\u00e9\\\"\"},\"tag\":\"t\"}";
    for (size_t size = 0; size < strlen(text); size++) {
        pk_autofree char *part = malloc(size + 1); /* of its own, for the sanitizers to see ends */
        ck_assert_ptr_nonnull(part);
        memcpy(part, text, size);
        ck_assert_int_eq(refused_code(part, size), -EINVAL);
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("wire refuse");
    TCase *tcase = tcase_create("requests");
    tcase_add_loop_test(tcase, what_is_wrong_is_named, 0,
                        (int)(sizeof(refused) / sizeof(refused[0])));
    tcase_add_test(tcase, an_unknown_verb_is_unsupported);
    tcase_add_test(tcase, deep_nesting_is_refused);
    tcase_add_test(tcase, a_message_never_repeats_what_was_sent);
    tcase_add_test(tcase, a_raw_nul_is_refused);
    tcase_add_test(tcase, every_prefix_of_a_request_is_refused);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
