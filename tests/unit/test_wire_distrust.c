/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replies that no honest node would send: a client refuses each, and says which member was wrong.
 */
#include "core/wire/wire.h"
#include "notation.h"

#include <check.h>
#include <errno.h>
#include <packice/cleanup.h>
#include <string.h>

#define LEASE "01234567-89ab-4cde-8f01-23456789abcd"

/* Both steps; the message goes to err. */
static int32_t
read_reply(const char *text, uint32_t verb, size_t count, struct pk_error *err)
{
    struct pk_wire_reply *wire = NULL;
    int32_t rc = notation_reply_parse(text, strlen(text), &wire, err);
    if (rc == 0)
        rc = pk_wire_reply_decode(wire, verb, count, err);
    for (size_t i = 0; rc == 0 && i < wire->item_count; i++)
        rc = pk_wire_reply_decode(wire->items[i], PK_VERB_SEAL, 0, err);
    pk_wire_reply_free(wire);
    return rc;
}

#define HEAD \
    "{\"status\":\"ok\",\"fds\":2,\"lease_id\":\"" LEASE "\",\"object_id\":\"a\",\"epoch\":1," \
    "\"intent\":\"read\",\"ttl_seconds\":1,\"state\":\"sealed\",\"meta\":{},"
#define BLOBS(text) HEAD "\"blobs\":[" text "]}"
#define OBJECT "{\"status\":\"ok\",\"object_id\":\"a\",\"epoch\":1,\"state\":\"sealed\",\"size\":1,"
#define VERIFIED "{\"status\":\"ok\",\"object_id\":\"a\",\"epoch\":1,"
#define LISTED "{\"object_id\":\"a\",\"epoch\":1,\"state\":\"sealed\",\"size\":1,\"blobs\":1"
#define SEALED(fd) \
    "{\"status\":\"sealed\",\"lease_id\":\"" LEASE "\",\"object_id\":\"a\",\"epoch\":1," \
    "\"intent\":\"read\",\"ttl_seconds\":1,\"state\":\"sealed\",\"meta\":{},\"blobs\":[" \
    "{\"kind\":\"fd\",\"fd\":" fd ",\"size\":1}]}"

static const struct {
    uint32_t verb;
    const char *text;
    const char *message;
} refused[] = {
    { PK_VERB_STAT, "", "not a JSON object: it does not end" },
    { PK_VERB_STAT, "null", "not a JSON object: it does not begin with '{'" },
    { PK_VERB_STAT, "{}", "status: missing" },
    { PK_VERB_STAT, "{\"status\":1}", "status: not a string" },
    { PK_VERB_STAT, "{\"status\":\"ok\",\"fds\":254}", "fds: not an integer from 0 to 253" },
    { PK_VERB_STAT, "{\"status\":\"ok\",\"fds\":-1}", "fds: not an integer from 0 to 253" },
    { PK_VERB_STAT, "{\"status\":\"ok\",\"fds\":\"1\"}", "fds: not an integer from 0 to 253" },
    { PK_VERB_STAT, "{\"status\":\"ok\",\"tag\":{}}", "tag: neither a string nor an integer" },
    { PK_VERB_STAT, "{\"status\":\"error\"}", "error: missing" },
    { PK_VERB_STAT, "{\"status\":\"error\",\"error\":7}", "error: not a string" },
    { PK_VERB_STAT, "{\"status\":\"error\",\"error\":\"io\",\"message\":7}",
      "message: not a string" },
    { PK_VERB_STAT, "{\"status\":\"sealed\"}", "status: not one of: ok" },
    { PK_VERB_SEAL, "{\"status\":\"ok\"}", "status: not one of: sealed" },
    { PK_VERB_RELEASE, "{\"status\":\"ok\"}", "status: not one of: released" },
    { PK_VERB_DISCARD, "{\"status\":\"ok\"}", "status: not one of: discarded" },
    { PK_VERB_RENEW, "{\"status\":\"ok\"}", "lease_id: missing" },
    { PK_VERB_RENEW, "{\"status\":\"ok\",\"lease_id\":\"" LEASE "\",\"ttl_seconds\":0}",
      "ttl_seconds: not a number of seconds above 0 and at most 9223372036" },
    { PK_VERB_ACQUIRE, "{\"status\":\"ok\",\"lease_id\":\"\"}",
      "lease_id: 0 bytes long, not 1 to 36" },
    { PK_VERB_ACQUIRE, "{\"status\":\"ok\",\"lease_id\":\"l\"}", "object_id: missing" },
    { PK_VERB_ACQUIRE, "{\"status\":\"ok\",\"lease_id\":\"l\",\"object_id\":\"\\u001b[2J\"}",
      "object_id: has a control character" },
    { PK_VERB_ACQUIRE, "{\"status\":\"ok\",\"lease_id\":\"l\",\"object_id\":\"a\"}",
      "epoch: missing" },
    { PK_VERB_ACQUIRE, "{\"status\":\"ok\",\"lease_id\":\"l\",\"object_id\":\"a\",\"epoch\":0}",
      "epoch: not an integer from 1 to 9223372036854775807" },
    { PK_VERB_ACQUIRE, HEAD "\"x\":1}", "blobs: missing" },
    { PK_VERB_ACQUIRE, HEAD "\"blobs\":2}", "blobs: not an array of 1 to 253 entries" },
    { PK_VERB_ACQUIRE, BLOBS(""), "blobs: not an array of 1 to 253 entries" },
    { PK_VERB_ACQUIRE, BLOBS("7"), "blobs[0].kind: missing" },
    { PK_VERB_ACQUIRE, BLOBS("{\"kind\":\"ftp\"}"),
      "blobs[0].kind: not one of: fd, path, url, http, known" },
    { PK_VERB_ACQUIRE, BLOBS("{\"kind\":\"http\"}"), "blobs[0].url: missing" },
    { PK_VERB_ACQUIRE, BLOBS("{\"kind\":\"http\",\"url\":\"http://x/\"}"),
      "blobs[0].url: not a path of the node" },
    { PK_VERB_ACQUIRE, BLOBS("{\"kind\":\"fd\"}"), "blobs[0].fd: missing" },
    { PK_VERB_ACQUIRE, BLOBS("{\"kind\":\"fd\",\"fd\":2}"),
      "blobs[0].fd: not an integer from 0 to 1" },
    { PK_VERB_ACQUIRE, BLOBS("{\"kind\":\"fd\",\"fd\":-1}"),
      "blobs[0].fd: not an integer from 0 to 1" },
    { PK_VERB_ACQUIRE, BLOBS("{\"kind\":\"fd\",\"fd\":0},{\"kind\":\"fd\",\"fd\":0}"),
      "blobs[1].fd: another blob's descriptor" },
    { PK_VERB_ACQUIRE, BLOBS("{\"kind\":\"fd\",\"fd\":0,\"size\":-1}"),
      "blobs[0].size: not an integer from 0 to 9223372036854775807" },
    { PK_VERB_ACQUIRE, BLOBS("{\"kind\":\"fd\",\"fd\":0,\"offset\":-1}"),
      "blobs[0].offset: not an integer from 0 to 9223372036854775807" },
    { PK_VERB_ACQUIRE, BLOBS("{\"kind\":\"path\",\"fd\":0}"), "blobs[0].path: missing" },
    { PK_VERB_ACQUIRE, BLOBS("{\"kind\":\"path\",\"path\":\"a/b\"}"),
      "blobs[0].path: not an absolute path" },
    { PK_VERB_ACQUIRE, BLOBS("{\"kind\":\"url\",\"url\":\"\"}"),
      "blobs[0].url: 0 bytes long, not 1 to 65536" },
    { PK_VERB_ACQUIRE, BLOBS("{\"kind\":\"url\",\"url\":\"u\",\"expires_at\":\"soon\"}"),
      "blobs[0].expires_at: not a point in time (RFC 3339, UTC)" },
    { PK_VERB_STAT, OBJECT "\"x\":1}", "blobs: missing" },
    { PK_VERB_STAT, OBJECT "\"blobs\":[]}", "blobs: not an integer from 1 to 253" },
    { PK_VERB_STAT, OBJECT "\"blobs\":1}", "sizes: missing" },
    { PK_VERB_STAT, OBJECT "\"blobs\":2,\"sizes\":[1]}", "sizes: not one for each blob" },
    { PK_VERB_STAT, OBJECT "\"blobs\":1,\"sizes\":[1],\"meta\":[]}", "meta: not an object" },
    { PK_VERB_STAT, OBJECT "\"blobs\":1,\"created_at\":12}",
      "created_at: not a point in time (RFC 3339, UTC)" },
    { PK_VERB_STAT, OBJECT "\"blobs\":1,\"owner\":7}", "owner: not an object" },
    { PK_VERB_STAT, OBJECT "\"blobs\":1,\"owner\":{\"uid\":4294967296}}",
      "owner.uid: not an integer from 0 to 4294967295" },
    { PK_VERB_STAT, OBJECT "\"blobs\":1,\"owner\":{\"name\":\"\"}}",
      "owner.name: 0 bytes long, not 1 to 63" },
    { PK_VERB_LIST, "{\"status\":\"ok\"}", "objects: missing" },
    { PK_VERB_LIST, "{\"status\":\"ok\",\"objects\":{}}",
      "objects: not an array of 0 to 1000 entries" },
    { PK_VERB_LIST, "{\"status\":\"ok\",\"objects\":[7]}", "objects[0].object_id: missing" },
    { PK_VERB_LIST, "{\"status\":\"ok\",\"objects\":[" LISTED "}," LISTED ",\"sealed_at\":1}]}",
      "objects[1].sealed_at: not a point in time (RFC 3339, UTC)" },
    { PK_VERB_VERIFY, "{\"status\":\"ok\"}", "object_id: missing" },
    { PK_VERB_VERIFY, VERIFIED "\"bytes\":1}", "blobs: missing" },
    { PK_VERB_VERIFY, VERIFIED "\"blobs\":254,\"bytes\":1}",
      "blobs: not an integer from 1 to 253" },
    { PK_VERB_VERIFY, VERIFIED "\"blobs\":1}", "bytes: missing" },
    { PK_VERB_VERIFY, VERIFIED "\"blobs\":1,\"bytes\":-1}",
      "bytes: not an integer from 0 to 9223372036854775807" },
    { PK_VERB_LIST, "{\"status\":\"ok\",\"objects\":[],\"cursor\":7}", "cursor: not a string" },
    { PK_VERB_LIST, "{\"status\":\"ok\",\"objects\":[],\"cursor\":\"x\"}", "cursor: not a number" },
    { PK_WIRE_VERB_STATS, "{\"status\":\"ok\"}", "stats: missing" },
    { PK_WIRE_VERB_STATS, "{\"status\":\"ok\",\"stats\":[]}", "stats: not an object" },
    { PK_WIRE_VERB_STATS, "{\"status\":\"ok\",\"stats\":{\"a\":1.5}}",
      "stats: holds what is not a count" },
    { PK_WIRE_VERB_STATS, "{\"status\":\"ok\",\"stats\":{\"a\":-1}}",
      "stats: holds what is not a count" },
    { PK_WIRE_VERB_STATS, "{\"status\":\"ok\",\"stats\":{\"\\u0007\":1}}",
      "stats: holds a name with a control character" },
    { PK_WIRE_VERB_BATCH, "{\"status\":\"ok\"}", "replies: missing" },
    { PK_WIRE_VERB_BATCH, "{\"status\":\"ok\",\"replies\":[{\"status\":\"ok\"}]}",
      "replies: not an array of 2 to 2 entries" },
    { PK_WIRE_VERB_BATCH, "{\"status\":\"ok\",\"replies\":[{\"status\":\"ok\"},7]}",
      "replies[1]: not an object" },
    { PK_WIRE_VERB_BATCH, "{\"status\":\"ok\",\"replies\":[{\"status\":\"ok\"},{}]}",
      "replies[1].status: missing" },
    { PK_WIRE_VERB_BATCH,
      "{\"status\":\"ok\",\"fds\":2,\"replies\":[" SEALED("1") "," SEALED("1") "]}",
      "blobs[0].fd: another blob's descriptor" },
    { PK_WIRE_VERB_BATCH,
      "{\"status\":\"ok\",\"fds\":2,\"replies\":[" SEALED("0") "," SEALED("2") "]}",
      "blobs[0].fd: not an integer from 0 to 1" },
};

START_TEST(a_reply_that_is_wrong_is_refused)
{
    struct pk_error err = PK_ERROR_INIT;
    size_t count = refused[_i].verb == PK_WIRE_VERB_BATCH ? 2 : 0;
    int32_t rc = read_reply(refused[_i].text, refused[_i].verb, count, &err);
    ck_assert_msg(rc == -EPROTO, "%s: %d", refused[_i].text, rc);
    ck_assert_int_eq(err.code, -EPROTO);
    ck_assert_str_eq(err.message, refused[_i].message);
}
END_TEST

START_TEST(the_same_replies_without_the_fault_are_fine)
{
    struct pk_error err = PK_ERROR_INIT;
    ck_assert_int_eq(
        read_reply(BLOBS("{\"kind\":\"fd\",\"fd\":1},{\"kind\":\"path\",\"path\":\"/\"}"),
                   PK_VERB_ACQUIRE, 0, &err),
        0);
    ck_assert_int_eq(read_reply(OBJECT "\"blobs\":1,\"sizes\":[null]}", PK_VERB_STAT, 0, &err), 0);
    ck_assert_int_eq(
        read_reply("{\"status\":\"ok\",\"objects\":[" LISTED "}]}", PK_VERB_LIST, 0, &err), 0);
    ck_assert_int_eq(
        read_reply("{\"status\":\"ok\",\"fds\":2,\"replies\":[" SEALED("1") "," SEALED("0") "]}",
                   PK_WIRE_VERB_BATCH, 2, &err),
        0);
}
END_TEST

START_TEST(without_descriptors_no_index_is_right)
{
    struct pk_error err = PK_ERROR_INIT;
    ck_assert_int_eq(read_reply(SEALED("0"), PK_VERB_SEAL, 0, &err), -EPROTO);
    ck_assert_str_eq(err.message, "blobs[0].fd: none came with the reply");
}
END_TEST

START_TEST(a_batch_in_a_batch_is_refused)
{
    const char *text = "{\"status\":\"ok\",\"replies\":[{\"status\":\"ok\",\"replies\":[]}]}";
    struct pk_wire_reply *wire = NULL;
    struct pk_error err = PK_ERROR_INIT;
    ck_assert_int_eq(notation_reply_parse(text, strlen(text), &wire, &err), 0);
    ck_assert_int_eq(pk_wire_reply_decode(wire, PK_WIRE_VERB_BATCH, 1, &err), 0);
    ck_assert_int_eq(pk_wire_reply_decode(wire->items[0], PK_WIRE_VERB_BATCH, 0, &err), -EINVAL);
    pk_wire_reply_free(wire);
}
END_TEST

START_TEST(an_unknown_error_code_is_internal)
{
    const char *text =
        "{\"status\":\"error\",\"error\":\"on_fire\",\"message\":\"\\u001b[31mhot\"}";
    struct pk_wire_reply *wire = NULL;
    struct pk_error err = PK_ERROR_INIT;
    ck_assert_int_eq(notation_reply_parse(text, strlen(text), &wire, &err), 0);
    ck_assert_int_eq(wire->reply.status, -EPROTO);
    ck_assert_str_eq(wire->reply.message, "?[31mhot");
    pk_wire_reply_free(wire);
}
END_TEST

START_TEST(every_prefix_of_a_reply_is_refused)
{
    const char *text = BLOBS("{\"kind\":\"fd\",\"fd\":1},{\"kind\":\"path\",\"path\":\"/\"}");
    for (size_t size = 0; size < strlen(text); size++) {
        pk_autofree char *part = malloc(size + 1);
        struct pk_wire_reply *wire = NULL;
        ck_assert_ptr_nonnull(part);
        memcpy(part, text, size);
        ck_assert_int_eq(notation_reply_parse(part, size, &wire, NULL), -EPROTO);
        ck_assert_ptr_null(wire);
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("wire distrust");
    TCase *tcase = tcase_create("replies");
    tcase_add_loop_test(tcase, a_reply_that_is_wrong_is_refused, 0,
                        (int)(sizeof(refused) / sizeof(refused[0])));
    tcase_add_test(tcase, the_same_replies_without_the_fault_are_fine);
    tcase_add_test(tcase, without_descriptors_no_index_is_right);
    tcase_add_test(tcase, a_batch_in_a_batch_is_refused);
    tcase_add_test(tcase, an_unknown_error_code_is_internal);
    tcase_add_test(tcase, every_prefix_of_a_reply_is_refused);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
