/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests as a node decodes them: every verb, every bound, and for each thing that can be wrong
 * the error that names it.
 */
#include "core/wire/wire.h"
#include "notation.h"

#include <check.h>
#include <errno.h>
#include <packice/cleanup.h>
#include <stddef.h>
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

    wire = decode("{\"command\":\"verify\",\"object_id\":\"v\"}");
    ck_assert_uint_eq(wire->request.verb, PK_VERB_VERIFY);
    ck_assert_str_eq(wire->request.object_id, "v");
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
    ck_assert_int_eq(pk_wire_request_decode(text, strlen(text), "stat", &wire, NULL), 0);
    ck_assert_uint_eq(wire->request.verb, PK_VERB_STAT);
    pk_wire_request_free(wire);
    ck_assert_int_eq(pk_wire_request_decode(text, strlen(text), "fly", &wire, NULL), 0);
    ck_assert_int_eq(wire->error.code, -EOPNOTSUPP);
    pk_wire_request_free(wire);
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

static struct pk_wire_request *
decode_in(struct pk_wire_room *room, const char *text)
{
    struct pk_wire_request *wire = NULL;
    ck_assert_int_eq(pk_wire_request_decode_in(room, text, strlen(text), NULL, &wire, NULL), 0);
    ck_assert_int_eq(wire->error.code, 0);
    return wire;
}

static bool
lies_in(const struct pk_wire_room *room, const struct pk_wire_request *wire)
{
    uintptr_t begin = (uintptr_t)room->memory;
    return (uintptr_t)wire >= begin && (uintptr_t)(wire + 1) <= begin + room->size;
}

START_TEST(a_room_is_lent_to_one_request_at_a_time)
{
    _Alignas(max_align_t) char memory[4096];
    struct pk_wire_room room = { .memory = memory, .size = sizeof(memory) };
    const char *text = "{\"command\":\"release\",\"lease_id\":\"" LEASE "\"}";
    struct pk_wire_request *first = decode_in(&room, text);
    struct pk_wire_request *second = decode_in(&room, text);
    ck_assert(lies_in(&room, first) && !lies_in(&room, second));
    pk_wire_request_free(second);
    ck_assert_str_eq(first->request.lease_id, LEASE);
    pk_wire_request_free(first);
    memset(memory, 0xA5, sizeof(memory)); /* of what was there before nothing is taken */
    first = decode_in(&room, text);
    ck_assert(lies_in(&room, first));
    ck_assert_str_eq(first->request.lease_id, LEASE);
    ck_assert_ptr_null(first->tag);
    pk_wire_request_free(first);
}
END_TEST

START_TEST(what_has_no_room_is_allocated)
{
    _Alignas(max_align_t) char memory[64];
    struct pk_wire_room room = { .memory = memory, .size = sizeof(memory) };
    struct pk_wire_request *wire = decode_in(&room, "{\"command\":\"list\"}");
    ck_assert(!lies_in(&room, wire) && !room.used);
    pk_wire_request_free(wire);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("wire request");
    TCase *tcase = tcase_create("requests");
    tcase_add_test(tcase, create_with_everything);
    tcase_add_test(tcase, create_with_nothing);
    tcase_add_test(tcase, null_is_absent);
    tcase_add_test(tcase, read_with_a_wait);
    tcase_add_test(tcase, other_verbs);
    tcase_add_test(tcase, list_with_everything_and_nothing);
    tcase_add_test(tcase, the_transport_may_know_the_verb);
    tcase_add_test(tcase, ids_hold_up_to_255_bytes);
    tcase_add_test(tcase, ids_are_of_any_script);
    tcase_add_test(tcase, meta_is_bounded_once_it_is_compact);
    tcase_add_test(tcase, meta_nests_so_deep_and_no_deeper);
    tcase_add_test(tcase, numbers_in_meta_stay_as_short_as_they_were);
    tcase_add_test(tcase, empty_meta_is_none);
    tcase_add_test(tcase, an_object_has_up_to_253_blobs);
    tcase_add_test(tcase, a_room_is_lent_to_one_request_at_a_time);
    tcase_add_test(tcase, what_has_no_room_is_allocated);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
