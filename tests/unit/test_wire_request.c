/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests as a node decodes them: every verb, every bound, and for each thing that can be wrong
 * the error that names it.
 */
#include "core/wire/wire.h"

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
    int32_t rc = pk_wire_request_decode(text, strlen(text), NULL, &wire, NULL, &err);
    ck_assert_msg(rc == 0, "%s: %s", text, err.message);
    ck_assert_uint_eq(wire->request.struct_size, sizeof(wire->request));
    return wire;
}

static void
refuse_code(const char *text, int32_t code, const char *message)
{
    struct pk_wire_request *wire = NULL;
    struct pk_error err = PK_ERROR_INIT;
    int32_t rc = pk_wire_request_decode(text, strlen(text), NULL, &wire, NULL, &err);
    ck_assert_msg(rc == code, "%s: %d, %s", text, rc, err.message);
    ck_assert_int_eq(err.code, code);
    if (strcmp(message, NOT_JSON) == 0)
        err.message[strlen(NOT_JSON)] = '\0';
    ck_assert_str_eq(err.message, message);
    ck_assert_ptr_null(wire);
}

/* ---- verbs ---- */

START_TEST(create_with_everything)
{
    struct pk_wire_request *wire =
        decode("{\"command\":\"acquire\",\"object_id\":\"a/../b\",\"intent\":\"create\","
               "\"ttl_seconds\":2.5,\"sizes\":[0,4096,null,9223372036854775807],"
               "\"meta\":{\"b\": 1, \"a\":[true,null]},\"object_ttl_seconds\":60,"
               "\"request_id\":\"r1\",\"bind\":\"connection\",\"blobs\":4}");
    const struct pk_request *request = &wire->request;
    ck_assert_uint_eq(request->verb, PK_VERB_ACQUIRE);
    ck_assert_uint_eq(request->access, PK_ACCESS_CREATE);
    ck_assert_uint_eq(request->flags, PK_REQUEST_BIND);
    ck_assert_str_eq(request->object_id, "a/../b");
    ck_assert_str_eq(request->request_id, "r1");
    ck_assert_str_eq(request->meta, "{\"b\":1,\"a\":[true,null]}");
    ck_assert_uint_eq(request->ttl, 2500000000U);
    ck_assert_uint_eq(request->object_ttl, 60000000000U);
    ck_assert_uint_eq(request->blob_count, 4);
    ck_assert_uint_eq(request->sizes[0], 0);
    ck_assert_uint_eq(request->sizes[1], 4096);
    ck_assert_uint_eq(request->sizes[2], PK_UNSIZED);
    ck_assert_uint_eq(request->sizes[3], INT64_MAX);
    ck_assert_ptr_null(wire->tag);
    ck_assert_int_eq(wire->error.code, 0);
    pk_wire_request_free(wire);
}
END_TEST

START_TEST(create_with_nothing)
{
    struct pk_wire_request *wire = decode("{\"command\":\"acquire\",\"intent\":\"create\"}");
    const struct pk_request *request = &wire->request;
    ck_assert_ptr_null(request->object_id);
    ck_assert_ptr_null(request->request_id);
    ck_assert_ptr_null(request->meta);
    ck_assert_ptr_null(request->sizes);
    ck_assert_uint_eq(request->blob_count, 1);
    ck_assert_uint_eq(request->ttl, 0);
    ck_assert_uint_eq(request->object_ttl, 0);
    ck_assert_uint_eq(request->flags, 0);
    pk_wire_request_free(wire);
}
END_TEST

START_TEST(null_is_absent)
{
    struct pk_wire_request *wire =
        decode("{\"command\":\"acquire\",\"intent\":\"create\",\"object_id\":null,\"tag\":null,"
               "\"ttl_seconds\":null,\"blobs\":null,\"sizes\":null,\"meta\":null,\"bind\":null,"
               "\"wait_seconds\":null,\"object_ttl_seconds\":null,\"request_id\":null}");
    ck_assert_ptr_null(wire->request.object_id);
    ck_assert_ptr_null(wire->request.meta);
    ck_assert_ptr_null(wire->tag);
    ck_assert_uint_eq(wire->request.blob_count, 1);
    ck_assert_uint_eq(wire->request.ttl, 0);
    pk_wire_request_free(wire);
}
END_TEST

START_TEST(read_with_a_wait)
{
    struct pk_wire_request *wire =
        decode("{\"intent\":\"read\",\"wait_seconds\":0.25,\"object_id\":\"\\u00e9\","
               "\"command\":\"acquire\",\"sizes\":\"only create has them\","
               "\"colour\":{\"x\":[1.5]}}");
    ck_assert_uint_eq(wire->request.access, PK_ACCESS_READ);
    ck_assert_str_eq(wire->request.object_id, "\xC3\xA9");
    ck_assert_uint_eq(wire->request.wait, 250000000U);
    ck_assert_uint_eq(wire->request.blob_count, 0);
    pk_wire_request_free(wire);
    wire = decode("{\"command\":\"acquire\",\"intent\":\"read\",\"object_id\":\"a\","
                  "\"wait_seconds\":9223372036}");
    ck_assert_uint_eq(wire->request.wait, 9223372036000000000U);
    pk_wire_request_free(wire);
}
END_TEST

START_TEST(other_verbs)
{
    struct pk_wire_request *wire =
        decode("{\"command\":\"seal\",\"lease_id\":\"" LEASE "\",\"sizes\":[7,null]}");
    ck_assert_uint_eq(wire->request.verb, PK_VERB_SEAL);
    ck_assert_str_eq(wire->request.lease_id, LEASE);
    ck_assert_uint_eq(wire->request.blob_count, 2);
    ck_assert_uint_eq(wire->request.sizes[0], 7);
    ck_assert_uint_eq(wire->request.sizes[1], PK_UNSIZED);
    pk_wire_request_free(wire);

    wire = decode("{\"command\":\"seal\",\"lease_id\":\"" LEASE "\"}");
    ck_assert_ptr_null(wire->request.sizes);
    ck_assert_uint_eq(wire->request.blob_count, 0);
    pk_wire_request_free(wire);

    wire = decode("{\"command\":\"renew\",\"lease_id\":\"" LEASE "\",\"ttl_seconds\":1e-12}");
    ck_assert_uint_eq(wire->request.verb, PK_VERB_RENEW);
    ck_assert_uint_eq(wire->request.ttl, 1); /* above 0 stays above 0, which means the default */
    pk_wire_request_free(wire);

    wire = decode("{\"command\":\"release\",\"lease_id\":\"none such\"}");
    ck_assert_uint_eq(wire->request.verb, PK_VERB_RELEASE);
    ck_assert_str_eq(wire->request.lease_id, "none such");
    pk_wire_request_free(wire);

    wire = decode("{\"command\":\"discard\",\"object_id\":\"..\"}");
    ck_assert_uint_eq(wire->request.verb, PK_VERB_DISCARD);
    ck_assert_str_eq(wire->request.object_id, "..");
    pk_wire_request_free(wire);

    wire = decode("{\"command\":\"stat\",\"object_id\":\" \"}");
    ck_assert_uint_eq(wire->request.verb, PK_VERB_STAT);
    pk_wire_request_free(wire);

    wire = decode("{\"command\":\"stats\"}");
    ck_assert_uint_eq(wire->request.verb, PK_WIRE_VERB_STATS);
    pk_wire_request_free(wire);
}
END_TEST

START_TEST(list_with_everything_and_nothing)
{
    struct pk_wire_request *wire = decode("{\"command\":\"list\",\"prefix\":\"\",\"limit\":1000,"
                                          "\"cursor\":\"9223372036854775807\"}");
    ck_assert_uint_eq(wire->request.verb, PK_VERB_LIST);
    ck_assert_str_eq(wire->request.prefix, "");
    ck_assert_uint_eq(wire->request.limit, 1000);
    ck_assert_uint_eq(wire->request.cursor, INT64_MAX);
    pk_wire_request_free(wire);

    wire = decode("{\"command\":\"list\"}");
    ck_assert_ptr_null(wire->request.prefix);
    ck_assert_uint_eq(wire->request.limit, 0);
    ck_assert_uint_eq(wire->request.cursor, 0);
    pk_wire_request_free(wire);
}
END_TEST

START_TEST(the_transport_may_know_the_verb)
{
    const char *text = "{\"object_id\":\"a\",\"command\":7}";
    struct pk_wire_request *wire = NULL;
    struct pk_error err = PK_ERROR_INIT;
    ck_assert_int_eq(pk_wire_request_decode(text, strlen(text), "stat", &wire, NULL, &err), 0);
    ck_assert_uint_eq(wire->request.verb, PK_VERB_STAT);
    pk_wire_request_free(wire);
    ck_assert_int_eq(pk_wire_request_decode(text, strlen(text), "fly", &wire, NULL, &err),
                     -EOPNOTSUPP);
}
END_TEST

/* ---- bounds ---- */

START_TEST(ids_hold_up_to_255_bytes)
{
    char text[512];
    char id[300];
    memset(id, 'i', sizeof(id));
    id[PK_ID_MAX] = '\0';
    (void)snprintf(text, sizeof(text), "{\"command\":\"stat\",\"object_id\":\"%s\"}", id);
    struct pk_wire_request *wire = decode(text);
    ck_assert_str_eq(wire->request.object_id, id);
    pk_wire_request_free(wire);
    id[PK_ID_MAX] = 'i';
    id[PK_ID_MAX + 1] = '\0';
    (void)snprintf(text, sizeof(text), "{\"command\":\"stat\",\"object_id\":\"%s\"}", id);
    refuse_code(text, -EINVAL, "object_id: 256 bytes long, not 1 to 255");
}
END_TEST

START_TEST(ids_are_of_any_script)
{
    struct pk_wire_request *wire =
        decode("{\"command\":\"stat\",\"object_id\":\"\\ud83e\\uddca \xE6\xBC\xA2/\\\"\\\\\"}");
    ck_assert_str_eq(wire->request.object_id, "\xF0\x9F\xA7\x8A \xE6\xBC\xA2/\"\\");
    pk_wire_request_free(wire);
}
END_TEST

/* A create whose meta is one string of so many bytes; the caller frees it. */
static char *
create_with_meta(size_t meta_size)
{
    const char *head = "{\"command\":\"acquire\",\"intent\":\"create\",\"meta\":{\"m\":  \"";
    char *text = malloc(strlen(head) + meta_size + 4);
    ck_assert_ptr_nonnull(text);
    char *at = stpcpy(text, head);
    memset(at, 'm', meta_size - 8); /* {"m":""} */
    (void)stpcpy(at + meta_size - 8, "\"}}");
    return text;
}

START_TEST(meta_is_bounded_once_it_is_compact)
{
    char *text = create_with_meta(PK_META_MAX);
    struct pk_wire_request *wire = decode(text);
    ck_assert_uint_eq(strlen(wire->request.meta), PK_META_MAX);
    pk_wire_request_free(wire);
    free(text);
    text = create_with_meta(PK_META_MAX + 1);
    refuse_code(text, -EINVAL, "meta: 65537 bytes long, not at most 65536");
    free(text);
}
END_TEST

START_TEST(meta_nests_so_deep_and_no_deeper)
{
    for (uint32_t depth = PK_WIRE_META_DEPTH; depth <= PK_WIRE_META_DEPTH + 1; depth++) {
        char text[256];
        char *at = stpcpy(text, "{\"command\":\"acquire\",\"intent\":\"create\",\"meta\":{\"a\":");
        memset(at, '[', depth - 1);
        memset(at + depth - 1, ']', depth - 1);
        (void)stpcpy(at + 2 * (depth - 1), "}}");
        if (depth <= PK_WIRE_META_DEPTH)
            pk_wire_request_free(decode(text));
        else
            refuse_code(text, -EINVAL, "meta: nested more than 24 levels deep");
    }
}
END_TEST

START_TEST(numbers_in_meta_stay_as_short_as_they_were)
{
    struct pk_wire_request *wire =
        decode("{\"command\":\"acquire\",\"intent\":\"create\","
               "\"meta\":{\"a\":0.1,\"b\":-2.5e-7,\"c\":12345678901234567}}");
    ck_assert_str_eq(wire->request.meta, "{\"a\":0.1,\"b\":-2.5e-7,\"c\":12345678901234567}");
    pk_wire_request_free(wire);
    wire = decode("{\"command\":\"acquire\",\"intent\":\"create\","
                  "\"meta\":{\"third\":0.3333333333333333}}");
    ck_assert_str_eq(wire->request.meta, "{\"third\":0.3333333333333333}");
    pk_wire_request_free(wire);
}
END_TEST

START_TEST(empty_meta_is_none)
{
    struct pk_wire_request *wire =
        decode("{\"command\":\"acquire\",\"intent\":\"create\",\"meta\":{}}");
    ck_assert_str_eq(wire->request.meta, "");
    pk_wire_request_free(wire);
}
END_TEST

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

START_TEST(an_object_has_up_to_253_blobs)
{
    const char *head = "{\"command\":\"acquire\",\"intent\":\"create\",\"sizes\":[";
    char *text = with_entries(head, "0", PK_BLOBS_MAX);
    struct pk_wire_request *wire = decode(text);
    ck_assert_uint_eq(wire->request.blob_count, PK_BLOBS_MAX);
    pk_wire_request_free(wire);
    free(text);
    text = with_entries(head, "0", PK_BLOBS_MAX + 1);
    refuse_code(text, -EINVAL, "sizes: not an array of 1 to 253 entries");
    free(text);
}
END_TEST

/* ---- errors ---- */

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
        refuse_code(text, -EINVAL, "nested more than 32 levels deep");
        free(text);
    }
}
END_TEST

START_TEST(a_message_never_repeats_what_was_sent)
{
    struct pk_wire_request *wire = NULL;
    struct pk_error err = PK_ERROR_INIT;
    const char *text = "{\"command\":\"seal\",\"lease_id\":secret\n}";
    ck_assert_int_eq(pk_wire_request_decode(text, strlen(text), NULL, &wire, NULL, &err), -EINVAL);
    ck_assert_ptr_null(strstr(err.message, "secret"));
    ck_assert_ptr_null(strchr(err.message, '\n'));
}
END_TEST

START_TEST(a_raw_nul_is_refused)
{
    static const char text[] = "{\"command\":\"stat\",\"object_id\":\"a\0b\"}";
    struct pk_wire_request *wire = NULL;
    ck_assert_int_eq(pk_wire_request_decode(text, sizeof(text) - 1, NULL, &wire, NULL, NULL),
                     -EINVAL);
    ck_assert_int_eq(pk_wire_request_decode("{}\0", 3, NULL, &wire, NULL, NULL), -EINVAL);
    ck_assert_ptr_null(wire);
}
END_TEST

START_TEST(every_prefix_of_a_request_is_refused)
{
    const char *text = CREATE "\"sizes\":[1,null],\"meta\":{\"a\":\"\\u00e9\\\"\"},\"tag\":\"t\"}";
    for (size_t size = 0; size < strlen(text); size++) {
        pk_autofree char *part = malloc(size + 1); /* of its own, for the sanitizers to see ends */
        struct pk_wire_request *wire = NULL;
        char *tag = NULL;
        ck_assert_ptr_nonnull(part);
        memcpy(part, text, size);
        ck_assert_int_eq(pk_wire_request_decode(part, size, NULL, &wire, &tag, NULL), -EINVAL);
        ck_assert_ptr_null(tag);
    }
}
END_TEST

/* ---- tags ---- */

static void
expect_tag(const char *text, int32_t code, const char *expected)
{
    struct pk_wire_request *wire = NULL;
    pk_autofree char *tag = NULL;
    ck_assert_int_eq(pk_wire_request_decode(text, strlen(text), NULL, &wire, &tag, NULL), code);
    if (expected == NULL) {
        ck_assert_ptr_null(tag);
    } else {
        ck_assert_str_eq(tag, expected);
    }
    if (code == 0 && expected != NULL)
        ck_assert_str_eq(wire->tag, expected);
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

static void
add_verbs(Suite *suite)
{
    TCase *tcase = tcase_create("verbs");
    tcase_add_test(tcase, create_with_everything);
    tcase_add_test(tcase, create_with_nothing);
    tcase_add_test(tcase, null_is_absent);
    tcase_add_test(tcase, read_with_a_wait);
    tcase_add_test(tcase, other_verbs);
    tcase_add_test(tcase, list_with_everything_and_nothing);
    tcase_add_test(tcase, the_transport_may_know_the_verb);
    suite_add_tcase(suite, tcase);
}

static void
add_bounds(Suite *suite)
{
    TCase *tcase = tcase_create("bounds");
    tcase_add_test(tcase, ids_hold_up_to_255_bytes);
    tcase_add_test(tcase, ids_are_of_any_script);
    tcase_add_test(tcase, meta_is_bounded_once_it_is_compact);
    tcase_add_test(tcase, meta_nests_so_deep_and_no_deeper);
    tcase_add_test(tcase, numbers_in_meta_stay_as_short_as_they_were);
    tcase_add_test(tcase, empty_meta_is_none);
    tcase_add_test(tcase, an_object_has_up_to_253_blobs);
    suite_add_tcase(suite, tcase);
}

static void
add_errors(Suite *suite)
{
    TCase *tcase = tcase_create("errors");
    tcase_add_loop_test(tcase, what_is_wrong_is_named, 0,
                        (int)(sizeof(refused) / sizeof(refused[0])));
    tcase_add_test(tcase, an_unknown_verb_is_unsupported);
    tcase_add_test(tcase, deep_nesting_is_refused);
    tcase_add_test(tcase, a_message_never_repeats_what_was_sent);
    tcase_add_test(tcase, a_raw_nul_is_refused);
    tcase_add_test(tcase, every_prefix_of_a_request_is_refused);
    tcase_add_test(tcase, tags_are_kept_as_json);
    tcase_add_test(tcase, errors_keep_the_tag);
    tcase_add_test(tcase, a_tag_has_up_to_128_bytes);
    tcase_add_test(tcase, a_batch_holds_its_requests);
    tcase_add_test(tcase, a_bad_request_does_not_fail_its_batch);
    tcase_add_test(tcase, a_batch_is_bounded);
    suite_add_tcase(suite, tcase);
}

int
main(void)
{
    Suite *suite = suite_create("wire request");
    add_verbs(suite);
    add_bounds(suite);
    add_errors(suite);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
