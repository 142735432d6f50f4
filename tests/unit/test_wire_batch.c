/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tags and batches as a node decodes them: what is wrong with one request of a batch is told of
 * that one alone.
 */
#include "core/wire/wire.h"
#include "notation.h"

#include <check.h>
#include <errno.h>
#include <packice/cleanup.h>
#include <string.h>

#define NOT_JSON "not JSON: line 1, " /* the rest is jansson's to word */
#define LEASE "01234567-89ab-4cde-8f01-23456789abcd"

/* Decodes what has to be fine; the caller frees it. */
static struct pk_wire_request *
decode(const char *text)
{
    struct pk_wire_request *wire = NULL;
    struct pk_error err = PK_ERROR_INIT;
    ck_assert_int_eq(notation_request_decode(text, strlen(text), &wire, &err), 0);
    ck_assert_msg(wire->error.code == 0, "%s: %s", text, wire->error.message);
    ck_assert_uint_eq(wire->request.struct_size, sizeof(wire->request));
    return wire;
}

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

/* A request with `count` entries "0" in an array; the caller frees it. */
static char *
with_entries(const char *head, const char *entry, size_t count)
{
    char *text = malloc(strlen(head) + (strlen(entry) + 1) * count + 4);
    ck_assert_ptr_nonnull(text);
    char *at = stpcpy(text, head);
    for (size_t i = 0; i < count; i++)
        at = stpcpy(stpcpy(at, i > 0 ? "," : ""), entry);
    (void)stpcpy(at, "]}");
    return text;
}

#define CREATE "{\"command\":\"acquire\",\"intent\":\"create\","

/* ---- tags ---- */

static void
expect_tag(const char *text, int32_t code, const char *expected)
{
    struct pk_wire_request *wire = NULL;
    ck_assert_int_eq(notation_request_decode(text, strlen(text), &wire, NULL), 0);
    ck_assert_int_eq(wire->error.code, code);
    if (expected == NULL) {
        ck_assert_ptr_null(wire->tag);
    } else {
        ck_assert_str_eq(wire->tag, expected);
    }
    pk_wire_request_free(wire);
}

START_TEST(tags_are_kept_as_json)
{
    expect_tag("{\"command\":\"stats\",\"tag\":7}", 0, "7");
    expect_tag("{\"command\":\"stats\",\"tag\":-9223372036854775808}", 0, "-9223372036854775808");
    expect_tag("{\"command\":\"stats\",\"tag\":\"a\\\"\\n\\u00e9\"}", 0, "\"a\\\"\\n\xC3\xA9\"");
    expect_tag("{\"command\":\"stats\",\"tag\":\"\"}", 0, "\"\"");
    expect_tag("{\"command\":\"stats\"}", 0, NULL);
}
END_TEST

START_TEST(errors_keep_the_tag)
{
    expect_tag("{\"command\":\"fly\",\"tag\":7}", -EOPNOTSUPP, "7");
    expect_tag("{\"tag\":\"x\"}", -EINVAL, "\"x\"");
    expect_tag("{\"command\":\"stat\",\"tag\":\"x\"}", -EINVAL, "\"x\"");
    expect_tag("{\"command\":\"stat\",\"tag\":[]}", -EINVAL, NULL);
    expect_tag("{\"tag\":7", -EINVAL, NULL);
}
END_TEST

START_TEST(a_tag_has_up_to_128_bytes)
{
    char text[512];
    char tag[PK_WIRE_TAG_MAX + 2];
    memset(tag, 't', sizeof(tag));
    tag[PK_WIRE_TAG_MAX] = '\0';
    (void)snprintf(text, sizeof(text), "{\"command\":\"stats\",\"tag\":\"%s\"}", tag);
    pk_wire_request_free(decode(text));
    tag[PK_WIRE_TAG_MAX] = 't';
    tag[PK_WIRE_TAG_MAX + 1] = '\0';
    (void)snprintf(text, sizeof(text), "{\"command\":\"stats\",\"tag\":\"%s\"}", tag);
    refuse_code(text, -EINVAL, "tag: 129 bytes long, not at most 128");
}
END_TEST

/* ---- batches ---- */

START_TEST(a_batch_holds_its_requests)
{
    struct pk_wire_request *wire =
        decode("{\"command\":\"batch\",\"tag\":3,\"requests\":["
               "{\"command\":\"stat\",\"object_id\":\"a\",\"tag\":\"ignored\"},"
               "{\"command\":\"acquire\",\"intent\":\"create\",\"sizes\":[1,2],\"meta\":{\"m\":1}}"
               "]}");
    ck_assert_uint_eq(wire->request.verb, PK_WIRE_VERB_BATCH);
    ck_assert_str_eq(wire->tag, "3");
    ck_assert_uint_eq(wire->item_count, 2);
    ck_assert_uint_eq(wire->items[0]->request.verb, PK_VERB_STAT);
    ck_assert_str_eq(wire->items[0]->request.object_id, "a");
    ck_assert_ptr_null(wire->items[0]->tag);
    ck_assert_uint_eq(wire->items[1]->request.verb, PK_VERB_ACQUIRE);
    ck_assert_uint_eq(wire->items[1]->request.blob_count, 2);
    ck_assert_str_eq(wire->items[1]->request.meta, "{\"m\":1}");
    pk_wire_request_free(wire);
}
END_TEST

START_TEST(a_bad_request_does_not_fail_its_batch)
{
    static const struct {
        int32_t code;
        const char *message;
    } expected[] = {
        { -EINVAL, "command: missing" },
        { -EINVAL, "not a JSON object" },
        { -EINVAL, "not a JSON object" },
        { -EOPNOTSUPP, "command: not a verb of this node" },
        { -EINVAL, "command: batch can't be part of a batch" },
        { -EINVAL, "command: stats can't be part of a batch" },
        { -EINVAL, "sizes[1]: not a size in bytes, nor null" },
        { 0, "" },
    };
    struct pk_wire_request *wire =
        decode("{\"command\":\"batch\",\"requests\":[{},7,null,{\"command\":\"fly\"},"
               "{\"command\":\"batch\",\"requests\":[]},{\"command\":\"stats\"}," CREATE
               "\"object_id\":\"x\",\"sizes\":[1,-1]},{\"command\":\"list\"}]}");
    ck_assert_uint_eq(wire->item_count, sizeof(expected) / sizeof(expected[0]));
    for (size_t i = 0; i < wire->item_count; i++) {
        ck_assert_int_eq(wire->items[i]->error.code, expected[i].code);
        ck_assert_str_eq(wire->items[i]->error.message, expected[i].message);
        ck_assert_uint_eq(wire->items[i]->request.verb, expected[i].code == 0 ? PK_VERB_LIST : 0U);
        ck_assert_ptr_null(wire->items[i]->request.object_id);
    }
    pk_wire_request_free(wire);
}
END_TEST

START_TEST(a_batch_is_bounded)
{
    const char *head = "{\"command\":\"batch\",\"requests\":[";
    char *text = with_entries(head, "{\"command\":\"list\"}", PK_WIRE_BATCH_MAX);
    struct pk_wire_request *wire = decode(text);
    ck_assert_uint_eq(wire->item_count, PK_WIRE_BATCH_MAX);
    pk_wire_request_free(wire);
    free(text);
    text = with_entries(head, "{}", PK_WIRE_BATCH_MAX + 1);
    refuse_code(text, -EINVAL, "requests: not an array of 0 to 1000 entries");
    free(text);
    wire = decode("{\"command\":\"batch\",\"requests\":[]}");
    ck_assert_uint_eq(wire->item_count, 0);
    pk_wire_request_free(wire);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("wire batch");
    TCase *tcase = tcase_create("requests");
    tcase_add_test(tcase, tags_are_kept_as_json);
    tcase_add_test(tcase, errors_keep_the_tag);
    tcase_add_test(tcase, a_tag_has_up_to_128_bytes);
    tcase_add_test(tcase, a_batch_holds_its_requests);
    tcase_add_test(tcase, a_bad_request_does_not_fail_its_batch);
    tcase_add_test(tcase, a_batch_is_bounded);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
