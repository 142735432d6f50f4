/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replies as a node encodes them: their text, and that a client reads back what the peer said.
 */
#include "core/wire/wire.h"
#include "notation.h"

#include <check.h>
#include <errno.h>
#include <packice/cleanup.h>
#include <string.h>

#define LEASE "01234567-89ab-4cde-8f01-23456789abcd"
#define SECOND 1000000000U

static const struct pk_wire_reply_format plain = { .tag = NULL };

/* The text of a reply; the caller frees it. */
static char *
encode(const struct pk_reply *reply, const struct pk_wire_reply_format *format)
{
    char *text = NULL;
    size_t size = 0;
    ck_assert_int_eq(pk_wire_reply_encode(reply, format, &text, &size), 0);
    ck_assert_uint_eq(size, strlen(text));
    ck_assert_ptr_null(strchr(text, '\n'));
    return text;
}

static void
expect_text(const struct pk_reply *reply, const char *expected)
{
    pk_autofree char *text = encode(reply, &plain);
    ck_assert_str_eq(text, expected);
}

/* What a client reads of a text; the caller frees it. */
static struct pk_wire_reply *
decode(const char *text, uint32_t verb, size_t count)
{
    struct pk_wire_reply *wire = NULL;
    struct pk_error err = PK_ERROR_INIT;
    int32_t rc = notation_reply_parse(text, strlen(text), &wire, &err);
    ck_assert_msg(rc == 0, "%s: %s", text, err.message);
    rc = pk_wire_reply_decode(wire, verb, count, &err);
    ck_assert_msg(rc == 0, "%s: %s", text, err.message);
    ck_assert_uint_eq(wire->reply.verb, verb);
    return wire;
}

/* ---- leases ---- */

static const struct pk_handle handles[] = {
    { .struct_size = sizeof(handles[0]), .kind = PK_HANDLE_FD, .fd = 77, .size = 4096 },
    { .struct_size = sizeof(handles[0]), .kind = PK_HANDLE_FD, .fd = 78, .size = PK_UNSIZED },
    { .struct_size = sizeof(handles[0]),
      .kind = PK_HANDLE_PATH,
      .fd = -1,
      .text = "/a b",
      .offset = 512,
      .size = 1 },
    { .struct_size = sizeof(handles[0]),
      .kind = PK_HANDLE_URL,
      .fd = -1,
      .text = "https://b/o?x",
      .size = INT64_MAX,
      .expires_at = 1722334455123456000U },
};

static struct pk_reply
lease_reply(uint32_t verb, const struct pk_handle *first, uint32_t count)
{
    return (struct pk_reply){
        .struct_size = sizeof(struct pk_reply),
        .verb = verb,
        .access = verb == PK_VERB_SEAL ? PK_ACCESS_READ : PK_ACCESS_CREATE,
        .message = "",
        .lease_id = LEASE,
        .object_id = "a/b",
        .epoch = 42,
        .ttl = 60ULL * SECOND,
        .state = verb == PK_VERB_SEAL ? PK_STATE_SEALED : PK_STATE_CREATING,
        .blob_count = count,
        .meta = "",
        .handles = first,
        .handle_stride = sizeof(struct pk_handle),
    };
}

START_TEST(acquire_tells_the_lease_and_its_descriptors)
{
    struct pk_reply reply = lease_reply(PK_VERB_ACQUIRE, handles, 2);
    expect_text(&reply, "{\"status\":\"ok\",\"lease_id\":\"" LEASE "\",\"object_id\":\"a/b\","
                        "\"epoch\":42,\"intent\":\"create\",\"ttl_seconds\":60,"
                        "\"state\":\"creating\",\"meta\":{},\"handles\":[],\"blobs\":["
                        "{\"kind\":\"fd\",\"fd\":0,\"size\":4096,\"offset\":0},"
                        "{\"kind\":\"fd\",\"fd\":1,\"size\":null,\"offset\":0}],\"fds\":2}");
    ck_assert_uint_eq(pk_wire_reply_fds(&reply), 2);
}
END_TEST

START_TEST(seal_tells_the_same)
{
    struct pk_reply reply = lease_reply(PK_VERB_SEAL, handles, 1);
    reply.meta = "{\"a\":0.1}";
    reply.ttl = PK_FOREVER;
    expect_text(&reply, "{\"status\":\"sealed\",\"lease_id\":\"" LEASE "\",\"object_id\":\"a/b\","
                        "\"epoch\":42,\"intent\":\"read\",\"ttl_seconds\":null,"
                        "\"state\":\"sealed\",\"meta\":{\"a\":0.1},\"handles\":[],\"blobs\":["
                        "{\"kind\":\"fd\",\"fd\":0,\"size\":4096,\"offset\":0}],\"fds\":1}");
}
END_TEST

START_TEST(handles_repeat_the_paths_when_all_are_paths)
{
    struct pk_handle paths[] = { handles[2], handles[2] };
    struct pk_reply reply = lease_reply(PK_VERB_ACQUIRE, paths, 2);
    paths[1].text = "/z";
    pk_autofree char *text = encode(&reply, &plain);
    ck_assert_ptr_nonnull(strstr(text, "\"handles\":[\"/a b\",\"/z\"]"));
    ck_assert_ptr_nonnull(
        strstr(text, "{\"kind\":\"path\",\"path\":\"/a b\",\"fd\":0,\"size\":1,\"offset\":512}"));
    ck_assert_ptr_nonnull(strstr(text, "\"fds\":2"));
}
END_TEST

START_TEST(a_lease_is_read_back_as_it_was)
{
    struct pk_reply reply = lease_reply(PK_VERB_ACQUIRE, handles, 4);
    reply.meta = "{\"k\":[\"\xC3\xA9\",{\"x\":null}]}";
    reply.ttl = SECOND / 4;
    const struct pk_wire_reply_format format = { .tag = "\"t\"" };
    pk_autofree char *text = encode(&reply, &format);
    struct pk_wire_reply *wire = decode(text, PK_VERB_ACQUIRE, 0);
    ck_assert_str_eq(wire->tag, "\"t\"");
    ck_assert_uint_eq(wire->fds, 3);
    ck_assert_str_eq(wire->reply.lease_id, LEASE);
    ck_assert_str_eq(wire->reply.object_id, "a/b");
    ck_assert_uint_eq(wire->reply.epoch, 42);
    ck_assert_uint_eq(wire->reply.access, PK_ACCESS_CREATE);
    ck_assert_uint_eq(wire->reply.state, PK_STATE_CREATING);
    ck_assert_uint_eq(wire->reply.ttl, SECOND / 4);
    ck_assert_str_eq(wire->reply.meta, reply.meta);
    ck_assert_uint_eq(wire->reply.blob_count, 4);
    for (uint32_t i = 0; i < 4; i++) {
        const struct pk_handle *handle = &wire->reply.handles[i];
        ck_assert_uint_eq(handle->kind, handles[i].kind);
        ck_assert_uint_eq(handle->size, handles[i].size);
        ck_assert_uint_eq(handle->offset, handles[i].offset);
        ck_assert_uint_eq(handle->expires_at, handles[i].expires_at);
        ck_assert_int_eq(handle->fd, i < 3 ? (int)i : -1);
        if (handles[i].text != NULL)
            ck_assert_str_eq(handle->text, handles[i].text);
    }
    pk_wire_reply_free(wire);
}
END_TEST

START_TEST(strides_of_a_newer_peer_are_kept)
{
    struct {
        struct pk_handle handle;
        uint64_t newer;
    } wide[2] = { { handles[0], 1 }, { handles[1], 2 } };
    struct pk_reply reply = lease_reply(PK_VERB_ACQUIRE, &wide[0].handle, 2);
    reply.handle_stride = sizeof(wide[0]);
    pk_autofree char *text = encode(&reply, &plain);
    ck_assert_ptr_nonnull(strstr(text, "{\"kind\":\"fd\",\"fd\":1,\"size\":null,\"offset\":0}"));
}
END_TEST

START_TEST(a_path_that_is_not_text_goes_as_a_descriptor)
{
    struct pk_handle handle = handles[2];
    struct pk_reply reply = lease_reply(PK_VERB_ACQUIRE, &handle, 1);
    handle.text = "/\xFF";
    pk_autofree char *text = encode(&reply, &plain);
    ck_assert_ptr_nonnull(strstr(text, "\"handles\":[],\"blobs\":[{\"kind\":\"fd\",\"fd\":0,"));
}
END_TEST

START_TEST(meta_that_is_no_object_is_left_out)
{
    static const char *const metas[] = { "[]", "nonsense", "{\"a\":", "{\"a\":\"\xFF\"}" };
    for (size_t i = 0; i < sizeof(metas) / sizeof(metas[0]); i++) {
        struct pk_reply reply = lease_reply(PK_VERB_ACQUIRE, handles, 1);
        reply.meta = metas[i];
        pk_autofree char *text = encode(&reply, &plain);
        ck_assert_ptr_nonnull(strstr(text, "\"meta\":{},"));
    }
}
END_TEST

/* ---- the other verbs ---- */

START_TEST(short_replies)
{
    struct pk_reply reply = { .verb = PK_VERB_RELEASE, .message = "", .lease_id = LEASE };
    expect_text(&reply, "{\"status\":\"released\",\"fds\":0}");
    pk_wire_reply_free(decode("{\"status\":\"released\",\"fds\":0}", PK_VERB_RELEASE, 0));
    reply = (struct pk_reply){ .verb = PK_VERB_DISCARD, .message = "", .object_id = "a" };
    expect_text(&reply, "{\"status\":\"discarded\",\"fds\":0}");
    pk_wire_reply_free(decode("{\"status\":\"discarded\"}", PK_VERB_DISCARD, 0));
    const struct pk_object_info verified = { .struct_size = sizeof(verified), .blob_count = 2 };
    reply = (struct pk_reply){ .verb = PK_VERB_VERIFY,
                               .message = "",
                               .object_id = "a",
                               .epoch = 7,
                               .objects = &verified,
                               .object_stride = sizeof(verified),
                               .object_count = 1,
                               .bytes = 12 };
    static const char verify_text[] =
        "{\"status\":\"ok\",\"object_id\":\"a\",\"epoch\":7,\"blobs\":2,\"bytes\":12,\"fds\":0}";
    expect_text(&reply, verify_text);
    struct pk_wire_reply *told = decode(verify_text, PK_VERB_VERIFY, 0);
    ck_assert_str_eq(told->reply.object_id, "a");
    ck_assert_uint_eq(told->reply.epoch, 7);
    ck_assert_uint_eq(told->reply.bytes, 12);
    ck_assert_uint_eq(told->reply.objects[0].blob_count, 2);
    pk_wire_reply_free(told);
    reply = (struct pk_reply){ .verb = PK_VERB_RENEW, .message = "", .lease_id = LEASE };
    reply.ttl = 2500U * (SECOND / 1000);
    expect_text(&reply,
                "{\"status\":\"ok\",\"lease_id\":\"" LEASE "\",\"ttl_seconds\":2.5,\"fds\":0}");
    struct pk_wire_reply *wire =
        decode("{\"status\":\"ok\",\"lease_id\":\"" LEASE "\",\"ttl_seconds\":2.5,\"fds\":0}",
               PK_VERB_RENEW, 0);
    ck_assert_uint_eq(wire->reply.ttl, reply.ttl);
    pk_wire_reply_free(wire);
}
END_TEST

static const uint64_t object_sizes[] = { 4, PK_UNSIZED };

static const struct pk_object_info objects[] = {
    { .struct_size = sizeof(objects[0]),
      .state = PK_STATE_SEALED,
      .key = { "a", 1 },
      .blob_count = 2,
      .size = 10,
      .sizes = object_sizes,
      .meta = "{\"m\":true}",
      .created_at = 1722334455123456000U,
      .sealed_at = 1722334456000000000U,
      .owner = { .kind = PK_PRINCIPAL_UNIX, .uid = 1000, .gid = 100, .pid = 7 } },
    { .struct_size = sizeof(objects[0]),
      .state = PK_STATE_CREATING,
      .key = { "\xF0\x9F\xA7\x8A", 2 },
      .blob_count = 1,
      .meta = "",
      .created_at = 1722334455000000000U,
      .owner = { .kind = PK_PRINCIPAL_TOKEN, .name = "ci" } },
    { .struct_size = sizeof(objects[0]),
      .state = PK_STATE_CREATING,
      .key = { "c", 3 },
      .blob_count = 1,
      .meta = "",
      .created_at = 1 },
};

static const char stat_text[] =
    "{\"status\":\"ok\",\"object_id\":\"a\",\"epoch\":1,\"state\":\"sealed\",\"size\":10,"
    "\"blobs\":2,\"sizes\":[4,null],\"meta\":{\"m\":true},"
    "\"created_at\":\"2024-07-30T10:14:15.123456Z\",\"sealed_at\":\"2024-07-30T10:14:16.000000Z\","
    "\"owner\":{\"uid\":1000},\"fds\":0}";

START_TEST(stat_tells_one_object)
{
    struct pk_reply reply = {
        .verb = PK_VERB_STAT,
        .message = "",
        .objects = objects,
        .object_count = 1,
    };
    expect_text(&reply, stat_text);
    struct pk_wire_reply *wire = decode(stat_text, PK_VERB_STAT, 0);
    const struct pk_object_info *object = wire->reply.objects;
    ck_assert_uint_eq(wire->reply.object_count, 1);
    ck_assert_str_eq(object->key.id, "a");
    ck_assert_uint_eq(object->key.epoch, 1);
    ck_assert_uint_eq(object->state, PK_STATE_SEALED);
    ck_assert_uint_eq(object->size, 10);
    ck_assert_uint_eq(object->blob_count, 2);
    ck_assert_mem_eq(object->sizes, object_sizes, sizeof(object_sizes));
    ck_assert_str_eq(object->meta, "{\"m\":true}");
    ck_assert_uint_eq(object->created_at, objects[0].created_at);
    ck_assert_uint_eq(object->sealed_at, objects[0].sealed_at);
    ck_assert_uint_eq(object->owner.kind, PK_PRINCIPAL_UNIX);
    ck_assert_uint_eq(object->owner.uid, 1000);
    ck_assert_uint_eq(object->owner.gid, UINT32_MAX);
    pk_wire_reply_free(wire);
}
END_TEST

START_TEST(list_tells_objects_and_where_to_go_on)
{
    struct pk_reply reply = { .verb = PK_VERB_LIST,
                              .message = "",
                              .objects = objects,
                              .object_stride = sizeof(objects[0]),
                              .object_count = 3,
                              .cursor = INT64_MAX };
    pk_autofree char *text = encode(&reply, &plain);
    ck_assert_ptr_null(strstr(text, "meta"));
    ck_assert_ptr_null(strstr(text, "sizes"));
    ck_assert_ptr_nonnull(strstr(text, "\"cursor\":\"9223372036854775807\",\"fds\":0}"));
    struct pk_wire_reply *wire = decode(text, PK_VERB_LIST, 0);
    ck_assert_uint_eq(wire->reply.object_count, 3);
    ck_assert_uint_eq(wire->reply.cursor, INT64_MAX);
    for (uint32_t i = 0; i < 3; i++) {
        const struct pk_object_info *object = &wire->reply.objects[i];
        ck_assert_str_eq(object->key.id, objects[i].key.id);
        ck_assert_uint_eq(object->key.epoch, objects[i].key.epoch);
        ck_assert_uint_eq(object->state, objects[i].state);
        ck_assert_uint_eq(object->size, objects[i].size);
        ck_assert_uint_eq(object->sealed_at, objects[i].sealed_at);
        ck_assert_uint_eq(object->owner.kind, objects[i].owner.kind);
        ck_assert_str_eq(object->owner.name, objects[i].owner.name);
        ck_assert_str_eq(object->meta, "");
        ck_assert_ptr_null(object->sizes);
    }
    pk_wire_reply_free(wire);
}
END_TEST

START_TEST(the_last_page_has_no_cursor)
{
    struct pk_reply reply = { .verb = PK_VERB_LIST, .message = "" };
    expect_text(&reply, "{\"status\":\"ok\",\"objects\":[],\"cursor\":null,\"fds\":0}");
    struct pk_wire_reply *wire =
        decode("{\"status\":\"ok\",\"objects\":[],\"cursor\":null}", PK_VERB_LIST, 0);
    ck_assert_uint_eq(wire->reply.object_count, 0);
    ck_assert_uint_eq(wire->reply.cursor, 0);
    pk_wire_reply_free(wire);
}
END_TEST

START_TEST(stats_tell_figures_by_name)
{
    const struct pk_stat stats[] = {
        { .name = "objects", .value = 3 },
        { .name = "bytes", .value = UINT64_MAX },
        { .name = "objects", .value = 4 },
        { .name = "\xFF", .value = 0 },
    };
    pk_autofree char *text = NULL;
    size_t size = 0;
    ck_assert_int_eq(pk_wire_stats_encode(stats, 4, &plain, &text, &size), 0);
    ck_assert_str_eq(text, "{\"status\":\"ok\",\"stats\":{\"objects\":4,"
                           "\"bytes\":9223372036854775807,\"\xEF\xBF\xBD\":0},\"fds\":0}");
    ck_assert_uint_eq(size, strlen(text));
    struct pk_wire_reply *wire = decode(text, PK_WIRE_VERB_STATS, 0);
    ck_assert_uint_eq(wire->stat_count, 3);
    ck_assert_str_eq(wire->stats[0].name, "objects");
    ck_assert_uint_eq(wire->stats[0].value, 4);
    ck_assert_uint_eq(wire->stats[1].value, INT64_MAX);
    pk_wire_reply_free(wire);
}
END_TEST

/* ---- errors ---- */

START_TEST(errors_tell_code_and_message)
{
    struct pk_reply reply = { .verb = PK_VERB_STAT, .status = -ENOENT, .message = "no 'a'" };
    const struct pk_wire_reply_format format = { .tag = "9" };
    pk_autofree char *text = encode(&reply, &format);
    ck_assert_str_eq(text, "{\"status\":\"error\",\"tag\":9,\"error\":\"not_found\","
                           "\"message\":\"no 'a'\",\"fds\":0}");
    ck_assert_uint_eq(pk_wire_reply_fds(&reply), 0);
    struct pk_wire_reply *wire = decode(text, PK_VERB_STAT, 0);
    ck_assert_int_eq(wire->reply.status, -ENOENT);
    ck_assert_str_eq(wire->reply.message, "no 'a'");
    ck_assert_str_eq(wire->tag, "9");
    pk_wire_reply_free(wire);
}
END_TEST

START_TEST(an_error_has_no_descriptors_whatever_its_handles)
{
    struct pk_reply reply = lease_reply(PK_VERB_ACQUIRE, handles, 2);
    reply.status = -EBUSY;
    reply.message = "later";
    expect_text(&reply, "{\"status\":\"error\",\"error\":\"busy\",\"message\":\"later\","
                        "\"fds\":0}");
}
END_TEST

START_TEST(messages_are_valid_whatever_a_plugin_wrote)
{
    struct pk_reply reply = { .verb = PK_VERB_STAT, .status = -EUCLEAN, .message = "a\xFF\"\n" };
    pk_autofree char *text = encode(&reply, &plain);
    ck_assert_str_eq(text, "{\"status\":\"error\",\"error\":\"internal\","
                           "\"message\":\"a\xEF\xBF\xBD\\\"\\n\",\"fds\":0}");
    struct pk_wire_reply *wire = decode(text, PK_VERB_STAT, 0);
    ck_assert_int_eq(wire->reply.status, -EPROTO);
    ck_assert_str_eq(wire->reply.message, "a\xEF\xBF\xBD\"?");
    pk_wire_reply_free(wire);
}
END_TEST

/* ---- batches ---- */

START_TEST(a_batch_numbers_its_descriptors_through)
{
    struct pk_reply first = lease_reply(PK_VERB_ACQUIRE, handles, 2);
    struct pk_reply third = lease_reply(PK_VERB_SEAL, handles, 1);
    const struct pk_wire_reply_format formats[] = { { .tag = "1", .item = true },
                                                    { .tag = "1", .first_fd = 2, .item = true } };
    pk_autofree char *a = encode(&first, &formats[0]);
    pk_autofree char *c = encode(&third, &formats[1]);
    pk_autofree char *b = NULL;
    size_t size = 0;
    ck_assert_int_eq(pk_wire_error_encode(-ENOENT, NULL, &formats[0], &b, &size), 0);
    ck_assert_str_eq(b, "{\"status\":\"error\",\"error\":\"not_found\",\"message\":\"\"}");
    const struct pk_wire_item replies[] = { { a, strlen(a) }, { b, strlen(b) }, { c, strlen(c) } };
    const struct pk_wire_reply_format whole = { .tag = "1" };
    pk_autofree char *text = NULL;
    ck_assert_int_eq(pk_wire_batch_reply_encode(replies, 3, 3, 0, &whole, &text, &size), 0);
    ck_assert_uint_eq(size, strlen(text));

    struct pk_wire_reply *wire = decode(text, PK_WIRE_VERB_BATCH, 3);
    ck_assert_str_eq(wire->tag, "1");
    ck_assert_uint_eq(wire->fds, 3);
    ck_assert_uint_eq(wire->item_count, 3);
    struct pk_error err = PK_ERROR_INIT;
    ck_assert_int_eq(pk_wire_reply_decode(wire->items[0], PK_VERB_ACQUIRE, 0, &err), 0);
    ck_assert_int_eq(pk_wire_reply_decode(wire->items[1], PK_VERB_STAT, 0, &err), 0);
    ck_assert_int_eq(pk_wire_reply_decode(wire->items[2], PK_VERB_SEAL, 0, &err), 0);
    ck_assert_int_eq(wire->items[0]->reply.handles[1].fd, 1);
    ck_assert_int_eq(wire->items[1]->reply.status, -ENOENT);
    ck_assert_int_eq(wire->items[2]->reply.handles[0].fd, 2);
    ck_assert_ptr_null(wire->items[0]->tag);
    pk_wire_reply_free(wire);
}
END_TEST

/* The same as each would be alone, more of them than there is room for at first. */
static void
expect_behind_one_another(bool binary)
{
    struct pk_wire_texts texts = { 0 };
    const struct pk_wire_reply_format alone = { .item = true, .binary = binary };
    const struct pk_wire_reply_format behind = { .item = true, .binary = binary, .into = &texts };
    char *expected = NULL;
    size_t expected_size = 0;
    size_t begins[100];
    ck_assert_int_eq(pk_wire_error_encode(-EIO, "gone", &alone, &expected, &expected_size), 0);
    for (size_t i = 0; i < 100; i++) {
        char *text = NULL;
        size_t size = 0;
        begins[i] = texts.size;
        ck_assert_int_eq(pk_wire_error_encode(-EIO, "gone", &behind, &text, &size), 0);
        ck_assert_ptr_eq(text, texts.bytes + begins[i]);
        ck_assert_uint_eq(size, expected_size);
        ck_assert_uint_eq(texts.size, begins[i] + size + 1);
    }
    for (size_t i = 0; i < 100; i++)
        ck_assert_mem_eq(texts.bytes + begins[i], expected, expected_size);
    free(texts.bytes);
    free(expected);
}

START_TEST(texts_lie_one_behind_the_other)
{
    expect_behind_one_another(false);
    expect_behind_one_another(true);
}
END_TEST

START_TEST(an_empty_batch_is_answered)
{
    pk_autofree char *text = NULL;
    size_t size = 0;
    const struct pk_wire_reply_format whole = { .tag = NULL };
    ck_assert_int_eq(pk_wire_batch_reply_encode(NULL, 0, 0, 0, &whole, &text, &size), 0);
    ck_assert_str_eq(text, "{\"status\":\"ok\",\"replies\":[],\"fds\":0}");
    pk_wire_reply_free(decode(text, PK_WIRE_VERB_BATCH, 0));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("wire reply");
    TCase *tcase = tcase_create("replies");
    tcase_add_test(tcase, acquire_tells_the_lease_and_its_descriptors);
    tcase_add_test(tcase, seal_tells_the_same);
    tcase_add_test(tcase, handles_repeat_the_paths_when_all_are_paths);
    tcase_add_test(tcase, a_lease_is_read_back_as_it_was);
    tcase_add_test(tcase, strides_of_a_newer_peer_are_kept);
    tcase_add_test(tcase, a_path_that_is_not_text_goes_as_a_descriptor);
    tcase_add_test(tcase, meta_that_is_no_object_is_left_out);
    tcase_add_test(tcase, short_replies);
    tcase_add_test(tcase, stat_tells_one_object);
    tcase_add_test(tcase, list_tells_objects_and_where_to_go_on);
    tcase_add_test(tcase, the_last_page_has_no_cursor);
    tcase_add_test(tcase, stats_tell_figures_by_name);
    tcase_add_test(tcase, errors_tell_code_and_message);
    tcase_add_test(tcase, an_error_has_no_descriptors_whatever_its_handles);
    tcase_add_test(tcase, messages_are_valid_whatever_a_plugin_wrote);
    tcase_add_test(tcase, a_batch_numbers_its_descriptors_through);
    tcase_add_test(tcase, texts_lie_one_behind_the_other);
    tcase_add_test(tcase, an_empty_batch_is_answered);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
