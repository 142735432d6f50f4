/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes and descriptors that come with a request, bytes behind a reply, and leases that are
 * released beside: what is told of them, and what is refused by name.
 */
#include "core/wire/wire.h"
#include "notation.h"

#include <check.h>
#include <errno.h>
#include <packice/cleanup.h>
#include <string.h>

#define LEASE "01234567-89ab-4cde-8f01-23456789abcd"

/* ---- requests ---- */

static struct pk_wire_request *
decode(const char *text)
{
    struct pk_wire_request *wire = NULL;
    ck_assert_int_eq(notation_request_decode(text, strlen(text), &wire, NULL), 0);
    return wire;
}

START_TEST(a_put_has_its_bytes_behind_it)
{
    struct pk_wire_request *wire =
        decode("{\"command\":\"put\",\"object_id\":\"a\",\"meta\":{\"k\":1},\"data\":5,"
               "\"object_ttl_seconds\":2,\"sizes\":[3,0,2]}");
    const struct pk_request *request = &wire->request;
    ck_assert_int_eq(wire->error.code, 0);
    ck_assert_uint_eq(request->verb, PK_VERB_PUT);
    ck_assert_str_eq(request->object_id, "a");
    ck_assert_str_eq(request->meta, "{\"k\":1}");
    ck_assert_uint_eq(request->object_ttl, 2000000000U);
    ck_assert_uint_eq(request->data_size, 5);
    ck_assert_ptr_null(request->data);
    ck_assert_uint_eq(request->blob_count, 3);
    ck_assert_uint_eq(request->sizes[2], 2);
    ck_assert_uint_eq(wire->request_fds, 0);
    pk_wire_request_free(wire);
    wire = decode("{\"command\":\"put\",\"data\":0}");
    ck_assert_int_eq(wire->error.code, 0);
    ck_assert_ptr_null(wire->request.object_id);
    ck_assert_ptr_null(wire->request.sizes);
    ck_assert_uint_eq(wire->request.blob_count, 1);
    pk_wire_request_free(wire);
}
END_TEST

START_TEST(a_put_may_have_descriptors_instead)
{
    struct pk_wire_request *wire =
        decode("{\"command\":\"put\",\"object_id\":null,\"sizes\":[9223372036854775807,1],"
               "\"fds\":2}");
    ck_assert_int_eq(wire->error.code, 0);
    ck_assert_uint_eq(wire->request_fds, 2);
    ck_assert_uint_eq(wire->request.data_size, 0);
    ck_assert_uint_eq(wire->request.blob_count, 2);
    ck_assert_uint_eq(wire->request.sizes[0], INT64_MAX);
    pk_wire_request_free(wire);
}
END_TEST

START_TEST(a_read_may_ask_for_the_bytes)
{
    struct pk_wire_request *wire =
        decode("{\"command\":\"acquire\",\"intent\":\"read\",\"object_id\":\"a\","
               "\"inline_max\":65536}");
    ck_assert_int_eq(wire->error.code, 0);
    ck_assert_uint_eq(wire->request.inline_max, 65536);
    pk_wire_request_free(wire);
    wire = decode("{\"command\":\"acquire\",\"intent\":\"create\",\"inline_max\":\"for reads\"}");
    ck_assert_int_eq(wire->error.code, 0);
    ck_assert_uint_eq(wire->request.inline_max, 0);
    pk_wire_request_free(wire);
}
END_TEST

#define PUT "{\"command\":\"put\",\"object_id\":\"a\","
#define READ "{\"command\":\"acquire\",\"intent\":\"read\",\"object_id\":\"a\","
#define BATCH(data, items) "{\"command\":\"batch\",\"data\":" data ",\"requests\":[" items "]}"
#define HUGE "9223372036854775807"

static const struct {
    const char *text;
    const char *message;
    uint64_t data_size;
} refused[] = {
    { PUT "\"sizes\":[4]}", "data: missing", 0 },
    { PUT "\"data\":null}", "data: missing", 0 },
    { PUT "\"data\":-1}", "data: not an integer from 0 to " HUGE, PK_UNSIZED },
    { PUT "\"data\":\"4\"}", "data: not an integer from 0 to " HUGE, PK_UNSIZED },
    { PUT "\"data\":4.0}", "data: not an integer from 0 to " HUGE, PK_UNSIZED },
    { PUT "\"data\":4,\"sizes\":[5]}", "sizes: more than data", 4 },
    { PUT "\"data\":4,\"sizes\":[3]}", "sizes: less than data", 4 },
    { PUT "\"data\":4,\"sizes\":[" HUGE "," HUGE ",6]}", "sizes: more than data", 4 },
    { PUT "\"data\":4,\"sizes\":[4,null]}", "sizes[1]: not a size in bytes", 4 },
    { PUT "\"data\":4,\"sizes\":[]}", "sizes: not an array of 1 to 253 entries", 4 },
    { PUT "\"data\":4,\"meta\":[]}", "meta: not an object", 4 },
    { PUT "\"data\":4,\"object_ttl_seconds\":0}",
      "object_ttl_seconds: not a number of seconds above 0 and at most 9223372036", 4 },
    { "{\"command\":\"put\",\"object_id\":\"\",\"data\":4}",
      "object_id: 0 bytes long, not 1 to 255", 4 },
    { PUT "\"data\":4,\"fds\":1,\"sizes\":[4]}", "fds: not beside data", 4 },
    { PUT "\"fds\":1}", "sizes: not one for each descriptor", 0 },
    { PUT "\"fds\":2,\"sizes\":[4]}", "sizes: not one for each descriptor", 0 },
    { PUT "\"fds\":1,\"sizes\":[null]}", "sizes[0]: not a size in bytes", 0 },
    { PUT "\"fds\":254,\"sizes\":[4]}", "fds: not an integer from 0 to 253", PK_UNSIZED },
    { PUT "\"fds\":[],\"sizes\":[4]}", "fds: not an integer from 0 to 253", PK_UNSIZED },
    { READ "\"inline_max\":-1}", "inline_max: not an integer from 0 to " HUGE, 0 },
    { READ "\"inline_max\":true}", "inline_max: not an integer from 0 to " HUGE, 0 },
    { READ "\"known_epoch\":0}", "known_epoch: not an integer from 1 to " HUGE, 0 },
    { READ "\"known_epoch\":\"7\"}", "known_epoch: not an integer from 1 to " HUGE, 0 },
    { READ "\"data\":7}", "data: only put has bytes", 7 },
    { "{\"command\":\"stat\",\"object_id\":\"a\",\"fds\":1}", "fds: only put has descriptors", 0 },
    { "{\"command\":\"stats\",\"data\":1}", "data: only put has bytes", 1 },
    { "{\"command\":\"stats\",\"releases\":{}}", "releases: not an array of 0 to 256 entries", 0 },
    { "{\"command\":\"stats\",\"releases\":[\"" LEASE "\",7]}", "releases[1]: not a lease id", 0 },
    { "{\"command\":\"stats\",\"releases\":[\"\"]}", "releases[0]: not a lease id", 0 },
    { "{\"command\":\"stats\",\"releases\":[\"" LEASE "0\"]}", "releases[0]: not a lease id", 0 },
    { BATCH("1", "{\"command\":\"put\",\"data\":2}"), "data: less than the data of the requests",
      1 },
    { BATCH("3", "{\"command\":\"put\",\"data\":2}"), "data: more than the data of the requests",
      3 },
    { BATCH("null", "{\"command\":\"put\",\"data\":2}"), "data: less than the data of the requests",
      0 },
    { BATCH(HUGE, "{\"data\":" HUGE "},{\"data\":" HUGE "}"),
      "data: less than the data of the requests", INT64_MAX },
    { BATCH("2", "{},{\"command\":\"put\",\"data\":[]}"),
      "requests[1].data: not an integer from 0 to " HUGE, 2 },
    { "{\"command\":\"batch\",\"requests\":[],\"fds\":1}", "fds: only put has descriptors", 0 },
    { "{\"command\":\"batch\",\"data\":1,\"requests\":7}",
      "requests: not an array of 0 to 1000 entries", 1 },
    { "{\"tag\":[],\"data\":3}", "tag: neither a string nor an integer", 3 },
    { "{\"data\":3}", "command: missing", 3 },
};

START_TEST(what_is_wrong_is_named_and_what_follows_is_told)
{
    struct pk_wire_request *wire = decode(refused[_i].text);
    ck_assert_int_eq(wire->error.code, -EINVAL);
    ck_assert_str_eq(wire->error.message, refused[_i].message);
    ck_assert_uint_eq(wire->request.data_size, refused[_i].data_size);
    ck_assert_uint_eq(wire->request.verb, 0);
    pk_wire_request_free(wire);
}
END_TEST

START_TEST(nobody_knows_what_follows_text_that_cant_be_read)
{
    static const char *const texts[] = {
        "{\"command\":\"put\",\"object_id\":\"\xFF\",\"data\":4}",
        "{\"command\":\"put\",\"data\":4,\"data\":5}",
        "{\"command\":\"put\",\"fds\":1,}",
        "{\"command\":\"put\",\"data\":99999999999999999999}",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct pk_wire_request *wire = decode(texts[i]);
        ck_assert_int_eq(wire->error.code, -EINVAL);
        ck_assert_uint_eq(wire->request.data_size, PK_UNSIZED);
        pk_wire_request_free(wire);
    }
    struct pk_wire_request *wire = decode("{\"command\":\"stats\",}");
    ck_assert_uint_eq(wire->request.data_size, 0);
    pk_wire_request_free(wire);
}
END_TEST

START_TEST(items_of_a_batch_have_their_share)
{
    struct pk_wire_request *wire =
        decode(BATCH("9", "{\"command\":\"put\",\"data\":2},{\"command\":\"put\",\"data\":3,"
                          "\"sizes\":[2]}," READ "\"inline_max\":10,\"releases\":[\"" LEASE "\"]},"
                          "{\"command\":\"put\",\"sizes\":[1],\"fds\":1},"
                          "{\"command\":\"stats\",\"data\":4}"));
    ck_assert_int_eq(wire->error.code, 0);
    ck_assert_uint_eq(wire->request.data_size, 9);
    ck_assert_uint_eq(wire->item_count, 5);
    ck_assert_uint_eq(wire->items[0]->request.data_size, 2);
    ck_assert_str_eq(wire->items[1]->error.message, "sizes: less than data");
    ck_assert_uint_eq(wire->items[1]->request.data_size, 3);
    ck_assert_uint_eq(wire->items[2]->request.inline_max, 10);
    ck_assert_uint_eq(wire->items[2]->release_count, 0);
    ck_assert_str_eq(wire->items[3]->error.message, "fds: descriptors can't be part of a batch");
    ck_assert_str_eq(wire->items[4]->error.message, "command: stats can't be part of a batch");
    ck_assert_uint_eq(wire->items[4]->request.data_size, 4);
    pk_wire_request_free(wire);
}
END_TEST

START_TEST(releases_come_with_any_request)
{
    struct pk_wire_request *wire =
        decode("{\"command\":\"fly\",\"tag\":1,\"releases\":[\"" LEASE "\",\"another\"]}");
    ck_assert_int_eq(wire->error.code, -EOPNOTSUPP);
    ck_assert_uint_eq(wire->release_count, 2);
    ck_assert_str_eq(wire->releases[0], LEASE);
    ck_assert_str_eq(wire->releases[1], "another");
    pk_wire_request_free(wire);
    wire =
        decode("{\"command\":\"stats\",\"tag\":1.5,\"data\":\"x\",\"releases\":[\"" LEASE "\"]}");
    ck_assert_int_eq(wire->error.code, -EINVAL);
    ck_assert_uint_eq(wire->release_count, 1); /* whatever else is wrong, and that is told */
    ck_assert_int_ne(strncmp(wire->error.message, "releases", 8), 0);
    pk_wire_request_free(wire);
    char text[4096];
    for (size_t count = PK_WIRE_RELEASES_MAX; count <= PK_WIRE_RELEASES_MAX + 1; count++) {
        char *at = stpcpy(text, "{\"command\":\"stats\",\"releases\":[\"x\"");
        for (size_t i = 1; i < count; i++)
            at = stpcpy(at, ",\"x\"");
        (void)stpcpy(at, "]}");
        bool fits = count <= PK_WIRE_RELEASES_MAX;
        wire = decode(text);
        ck_assert_int_eq(wire->error.code, fits ? 0 : -EINVAL);
        ck_assert_uint_eq(wire->release_count, fits ? count : 0);
        pk_wire_request_free(wire);
    }
}
END_TEST

/* ---- requests as a client says them ---- */

static void
expect_request(const struct pk_request *request, const struct pk_wire_request_format *format,
               const char *expected)
{
    pk_autofree char *text = NULL;
    size_t size = 0;
    ck_assert_int_eq(pk_wire_request_encode(request, format, &text, &size, NULL), 0);
    ck_assert_str_eq(text, expected);
    ck_assert_uint_eq(size, strlen(text));
}

static const uint64_t two_sizes[] = { 3, 1 };
static const struct pk_handle two_files[] = {
    { .kind = PK_HANDLE_FD, .size = 7 },
    { .kind = PK_HANDLE_FD, .size = 8 },
};

START_TEST(a_put_ends_where_its_bytes_begin)
{
    struct pk_request request = { .verb = PK_VERB_PUT, .data_size = 4 };
    expect_request(&request, NULL, "{\"command\":\"put\",\"data\":4}");
    request.object_id = "a";
    request.meta = "{\"k\":1}";
    request.object_ttl = 1000000000U;
    request.sizes = two_sizes;
    request.blob_count = 2;
    expect_request(&request, NULL,
                   "{\"command\":\"put\",\"object_id\":\"a\",\"object_ttl_seconds\":1,"
                   "\"sizes\":[3,1],\"data\":4,\"meta\":{\"k\":1}}");
    request = (struct pk_request){ .verb = PK_VERB_PUT };
    expect_request(&request, NULL, "{\"command\":\"put\",\"data\":0}\n");
    request.handles = two_files;
    request.handle_stride = sizeof(two_files[0]);
    request.blob_count = 2;
    expect_request(&request, NULL, "{\"command\":\"put\",\"sizes\":[7,8],\"fds\":2}\n");
}
END_TEST

START_TEST(what_goes_beside_a_request_is_said)
{
    static const char *const leases[] = { LEASE, "b" };
    struct pk_wire_request_format format = { "7", leases, 2 };
    struct pk_request request = {
        .verb = PK_VERB_ACQUIRE, .access = PK_ACCESS_READ, .object_id = "a", .inline_max = 9
    };
    expect_request(&request, &format,
                   "{\"command\":\"acquire\",\"tag\":7,\"releases\":[\"" LEASE "\",\"b\"],"
                   "\"intent\":\"read\",\"object_id\":\"a\",\"inline_max\":9}\n");
    char *text = NULL;
    size_t size = 0;
    format.release_count = PK_WIRE_RELEASES_MAX + 1;
    ck_assert_int_eq(pk_wire_request_encode(&request, &format, &text, &size, NULL), -EINVAL);
    ck_assert_int_eq(pk_wire_batch_encode(&request, 1, &format, &text, &size, NULL), -EINVAL);
    ck_assert_ptr_null(text);
}
END_TEST

START_TEST(what_is_known_is_said_and_told_without_a_descriptor)
{
    const struct pk_request request = {
        .verb = PK_VERB_ACQUIRE, .access = PK_ACCESS_READ, .object_id = "a", .known_epoch = 42
    };
    const struct pk_handle handle = {
        .struct_size = sizeof(handle), .kind = PK_HANDLE_KNOWN, .fd = -1, .size = 5
    };
    const struct pk_reply reply = {
        .verb = PK_VERB_ACQUIRE,
        .access = PK_ACCESS_READ,
        .message = "",
        .lease_id = LEASE,
        .object_id = "a",
        .epoch = 42,
        .ttl = PK_FOREVER,
        .state = PK_STATE_SEALED,
        .blob_count = 1,
        .meta = "",
        .handles = &handle,
        .handle_stride = sizeof(handle),
    };
    const struct pk_wire_reply_format format = { .tag = "7" };
    struct pk_wire_reply *again = NULL;
    pk_autofree char *text = NULL;
    size_t size = 0;
    expect_request(&request, NULL, READ "\"known_epoch\":42}\n");
    struct pk_wire_request *wire = decode(READ "\"known_epoch\":42}");
    ck_assert_uint_eq(wire->request.known_epoch, 42);
    pk_wire_request_free(wire);
    ck_assert_uint_eq(pk_wire_reply_fds(&reply), 0);
    ck_assert_uint_eq(pk_wire_reply_data(&reply), 0);
    ck_assert_int_eq(pk_wire_reply_encode(&reply, &format, &text, &size), 0);
    ck_assert_ptr_nonnull(strstr(text, "\"blobs\":[{\"kind\":\"known\",\"size\":5,\"offset\":0}]"
                                       ",\"fds\":0}"));
    ck_assert_int_eq(pk_wire_reply_parse(text, size, &again, NULL), 0);
    ck_assert_int_eq(pk_wire_reply_decode(again, PK_VERB_ACQUIRE, 0, NULL), 0);
    ck_assert_uint_eq(again->reply.blob_count, 1);
    ck_assert_uint_eq(again->reply.handles[0].kind, PK_HANDLE_KNOWN);
    ck_assert_uint_eq(again->reply.handles[0].size, 5);
    ck_assert_int_eq(again->reply.handles[0].fd, -1);
    pk_wire_reply_free(again);
}
END_TEST

START_TEST(a_batch_says_all_its_bytes)
{
    struct pk_request requests[] = {
        { .verb = PK_VERB_PUT, .data_size = 4 },
        { .verb = PK_VERB_LIST, .data_size = 99 },
        { .verb = PK_VERB_PUT, .data_size = 5 },
    };
    static const char *const leases[] = { "l" };
    const struct pk_wire_request_format format = { NULL, leases, 1 };
    struct pk_error err = PK_ERROR_INIT;
    pk_autofree char *text = NULL;
    char *none = NULL;
    size_t size = 0;
    ck_assert_int_eq(pk_wire_batch_encode(requests, 3, &format, &text, &size, &err), 0);
    ck_assert_str_eq(text, "{\"command\":\"batch\",\"releases\":[\"l\"],\"data\":9,\"requests\":["
                           "{\"command\":\"put\",\"data\":4},{\"command\":\"list\"},"
                           "{\"command\":\"put\",\"data\":5}]}");
    requests[0].data_size = INT64_MAX;
    ck_assert_int_eq(pk_wire_batch_encode(requests, 3, NULL, &none, &size, &err), -EINVAL);
    ck_assert_str_eq(err.message, "data: more than can be said");
    requests[0].handles = two_files;
    ck_assert_int_eq(pk_wire_batch_encode(requests, 3, NULL, &none, &size, &err), -EINVAL);
    ck_assert_str_eq(err.message, "requests[0]: fds: descriptors can't be part of a batch");
    ck_assert_ptr_null(none);
}
END_TEST

/* ---- replies ---- */

static const struct pk_handle two_pieces[] = {
    { .kind = PK_HANDLE_DATA, .fd = -1, .size = 3, .offset = 77, .data = "abc" },
    { .kind = PK_HANDLE_DATA, .fd = -1, .size = 0, .data = "" },
};

static const struct pk_reply inline_reply = {
    .verb = PK_VERB_ACQUIRE,
    .access = PK_ACCESS_READ,
    .message = "",
    .object_id = "a",
    .epoch = 42,
    .ttl = PK_FOREVER,
    .state = PK_STATE_SEALED,
    .blob_count = 2,
    .meta = "",
    .handles = two_pieces,
    .handle_stride = sizeof(two_pieces[0]),
};

#define INLINE_HEAD \
    "{\"status\":\"ok\",\"lease_id\":null,\"object_id\":\"a\",\"epoch\":42,\"state\":\"sealed\"," \
    "\"meta\":{},\"blobs\":["

static char *
encode_reply(const struct pk_reply *reply, const struct pk_wire_reply_format *format)
{
    char *text = NULL;
    size_t size = 0;
    ck_assert_int_eq(pk_wire_reply_encode(reply, format, &text, &size), 0);
    ck_assert_uint_eq(size, strlen(text));
    return text;
}

START_TEST(a_reply_tells_where_its_bytes_are)
{
    struct pk_wire_reply_format format = { .tag = NULL };
    pk_autofree char *whole = encode_reply(&inline_reply, &format);
    ck_assert_str_eq(whole, INLINE_HEAD "{\"kind\":\"data\",\"size\":3,\"offset\":0},"
                                        "{\"kind\":\"data\",\"size\":0,\"offset\":3}],"
                                        "\"fds\":0,\"data\":3}");
    ck_assert_uint_eq(pk_wire_reply_data(&inline_reply), 3);
    ck_assert_uint_eq(pk_wire_reply_fds(&inline_reply), 0);
    format.item = true;
    format.first_data = 1000;
    pk_autofree char *item = encode_reply(&inline_reply, &format);
    ck_assert_str_eq(item, INLINE_HEAD "{\"kind\":\"data\",\"size\":3,\"offset\":1000},"
                                       "{\"kind\":\"data\",\"size\":0,\"offset\":1003}]}");
    struct pk_reply failed = inline_reply;
    failed.status = -EIO;
    ck_assert_uint_eq(pk_wire_reply_data(&failed), 0);
}
END_TEST

START_TEST(a_put_is_answered_with_its_name)
{
    const struct pk_reply reply = {
        .verb = PK_VERB_PUT, .message = "", .object_id = "a", .epoch = 5
    };
    const struct pk_wire_reply_format format = { .tag = NULL };
    struct pk_wire_reply *wire = NULL;
    pk_autofree char *text = encode_reply(&reply, &format);
    ck_assert_str_eq(text, "{\"status\":\"sealed\",\"object_id\":\"a\",\"epoch\":5,\"fds\":0}");
    ck_assert_int_eq(notation_reply_parse(text, strlen(text), &wire, NULL), 0);
    ck_assert_int_eq(pk_wire_reply_decode(wire, PK_VERB_PUT, 0, NULL), 0);
    ck_assert_str_eq(wire->reply.object_id, "a");
    ck_assert_uint_eq(wire->reply.epoch, 5);
    ck_assert_uint_eq(wire->data, 0);
    pk_wire_reply_free(wire);
}
END_TEST

START_TEST(a_reply_with_bytes_is_read_back_as_it_was)
{
    const struct pk_wire_reply_format formats[] = { { .item = true },
                                                    { .item = true, .first_data = 3 } };
    pk_autofree char *first = encode_reply(&inline_reply, &formats[0]);
    pk_autofree char *second = encode_reply(&inline_reply, &formats[1]);
    const struct pk_wire_item items[] = { { first, strlen(first) }, { second, strlen(second) } };
    const struct pk_wire_reply_format whole = { .tag = "1" };
    pk_autofree char *text = NULL;
    size_t size = 0;
    struct pk_wire_reply *wire = NULL;
    ck_assert_int_eq(pk_wire_batch_reply_encode(items, 2, 0, 6, &whole, &text, &size), 0);
    ck_assert_uint_eq(size, strlen(text));
    ck_assert_ptr_nonnull(strstr(text, "],\"fds\":0,\"data\":6}"));
    ck_assert_int_eq(notation_reply_parse(text, size, &wire, NULL), 0);
    ck_assert_uint_eq(wire->data, 6);
    ck_assert_int_eq(pk_wire_reply_decode(wire, PK_WIRE_VERB_BATCH, 2, NULL), 0);
    for (size_t i = 0; i < 2; i++) {
        const struct pk_reply *reply = &wire->items[i]->reply;
        ck_assert_int_eq(pk_wire_reply_decode(wire->items[i], PK_VERB_ACQUIRE, 0, NULL), 0);
        ck_assert_ptr_null(reply->lease_id);
        ck_assert_str_eq(reply->object_id, "a");
        ck_assert_uint_eq(reply->epoch, 42);
        ck_assert_uint_eq(reply->access, PK_ACCESS_READ);
        ck_assert_uint_eq(reply->ttl, PK_FOREVER);
        ck_assert_uint_eq(reply->state, PK_STATE_SEALED);
        ck_assert_uint_eq(reply->blob_count, 2);
        ck_assert_uint_eq(reply->handles[0].kind, PK_HANDLE_DATA);
        ck_assert_int_eq(reply->handles[0].fd, -1);
        ck_assert_uint_eq(reply->handles[0].offset, 3 * i);
        ck_assert_uint_eq(reply->handles[0].size, 3);
        ck_assert_uint_eq(reply->handles[1].offset, 3 * i + 3);
        ck_assert_uint_eq(reply->handles[1].size, 0);
        ck_assert_ptr_null(reply->handles[0].data);
    }
    pk_wire_reply_free(wire);
}
END_TEST

#define DATA(size, offset) "{\"kind\":\"data\",\"size\":" size ",\"offset\":" offset "}"
#define REPLY(blobs) INLINE_HEAD blobs "],\"fds\":1,\"data\":10}"
#define LEASED(blobs) \
    "{\"status\":\"ok\",\"lease_id\":\"l\",\"object_id\":\"a\",\"epoch\":1,\"intent\":\"read\"," \
    "\"state\":\"sealed\",\"data\":10,\"blobs\":[" blobs "]}"

static const struct {
    uint32_t verb;
    const char *text;
    const char *message;
} distrusted[] = {
    { PK_VERB_ACQUIRE, REPLY(DATA("11", "0")), "blobs[0].size: beyond the bytes of the reply" },
    { PK_VERB_ACQUIRE, REPLY(DATA("0", "11")), "blobs[0].size: beyond the bytes of the reply" },
    { PK_VERB_ACQUIRE, REPLY(DATA("5", "0") "," DATA("6", "5")),
      "blobs[1].size: beyond the bytes of the reply" },
    { PK_VERB_ACQUIRE, REPLY(DATA("5", "0") "," DATA(HUGE, "9")),
      "blobs[1].size: beyond the bytes of the reply" },
    { PK_VERB_ACQUIRE, REPLY(DATA("6", "0") "," DATA("5", "4")),
      "blobs[1].size: another blob's bytes too" },
    { PK_VERB_ACQUIRE, REPLY(DATA("1", "0") "," DATA("10", "0")),
      "blobs[1].size: another blob's bytes too" },
    { PK_VERB_ACQUIRE, REPLY(DATA("-1", "0")), "blobs[0].size: not an integer from 0 to " HUGE },
    { PK_VERB_ACQUIRE, REPLY(DATA("1", "-1")), "blobs[0].offset: not an integer from 0 to " HUGE },
    { PK_VERB_ACQUIRE, REPLY("{\"kind\":\"data\",\"offset\":0}"), "blobs[0].size: missing" },
    { PK_VERB_ACQUIRE, REPLY("{\"kind\":\"data\",\"size\":0}"), "blobs[0].offset: missing" },
    { PK_VERB_ACQUIRE, REPLY("{\"kind\":\"fd\",\"fd\":0,\"size\":1,\"offset\":0}"),
      "blobs[0].kind: not one of: data" },
    { PK_VERB_ACQUIRE, REPLY(DATA("1", "0") ",{}"), "blobs[1].kind: missing" },
    { PK_VERB_ACQUIRE, REPLY(""), "blobs: not an array of 1 to 253 entries" },
    { PK_VERB_ACQUIRE, LEASED(DATA("1", "0")),
      "blobs[0].kind: not one of: fd, path, url, http, known" },
    { PK_VERB_ACQUIRE, "{\"status\":\"ok\",\"data\":-1}", "data: not an integer from 0 to " HUGE },
    { PK_VERB_ACQUIRE, "{\"status\":\"ok\",\"data\":1.5}", "data: not an integer from 0 to " HUGE },
    { PK_VERB_PUT, "{\"status\":\"ok\"}", "status: not one of: sealed" },
    { PK_VERB_PUT, "{\"status\":\"sealed\"}", "object_id: missing" },
    { PK_VERB_PUT, "{\"status\":\"sealed\",\"object_id\":\"a\"}", "epoch: missing" },
    { PK_VERB_SEAL, "{\"status\":\"sealed\",\"lease_id\":null}", "lease_id: missing" },
};

START_TEST(a_reply_that_is_wrong_is_refused)
{
    struct pk_wire_reply *wire = NULL;
    struct pk_error err = PK_ERROR_INIT;
    const char *text = distrusted[_i].text;
    int32_t rc = notation_reply_parse(text, strlen(text), &wire, &err);
    if (rc == 0)
        rc = pk_wire_reply_decode(wire, distrusted[_i].verb, 0, &err);
    ck_assert_int_eq(rc, -EPROTO);
    ck_assert_str_eq(err.message, distrusted[_i].message);
    pk_wire_reply_free(wire);
}
END_TEST

START_TEST(items_share_the_bytes_of_the_whole_reply)
{
    const char *text = "{\"status\":\"ok\",\"data\":4,\"replies\":[" INLINE_HEAD DATA(
        "3", "1") "]}," INLINE_HEAD DATA("1", "0") "]}," INLINE_HEAD DATA("1", "0") "]}]}";
    struct pk_wire_reply *wire = NULL;
    struct pk_error err = PK_ERROR_INIT;
    ck_assert_int_eq(notation_reply_parse(text, strlen(text), &wire, NULL), 0);
    ck_assert_int_eq(pk_wire_reply_decode(wire, PK_WIRE_VERB_BATCH, 3, NULL), 0);
    ck_assert_int_eq(pk_wire_reply_decode(wire->items[0], PK_VERB_ACQUIRE, 0, NULL), 0);
    ck_assert_int_eq(pk_wire_reply_decode(wire->items[1], PK_VERB_ACQUIRE, 0, NULL), 0);
    ck_assert_int_eq(pk_wire_reply_decode(wire->items[2], PK_VERB_ACQUIRE, 0, &err), -EPROTO);
    ck_assert_str_eq(err.message, "blobs[0].size: another blob's bytes too");
    pk_wire_reply_free(wire);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("wire data");
    TCase *tcase = tcase_create("bytes");
    tcase_add_test(tcase, a_put_has_its_bytes_behind_it);
    tcase_add_test(tcase, a_put_may_have_descriptors_instead);
    tcase_add_test(tcase, a_read_may_ask_for_the_bytes);
    tcase_add_loop_test(tcase, what_is_wrong_is_named_and_what_follows_is_told, 0,
                        (int)(sizeof(refused) / sizeof(refused[0])));
    tcase_add_test(tcase, nobody_knows_what_follows_text_that_cant_be_read);
    tcase_add_test(tcase, items_of_a_batch_have_their_share);
    tcase_add_test(tcase, releases_come_with_any_request);
    tcase_add_test(tcase, a_put_ends_where_its_bytes_begin);
    tcase_add_test(tcase, what_goes_beside_a_request_is_said);
    tcase_add_test(tcase, what_is_known_is_said_and_told_without_a_descriptor);
    tcase_add_test(tcase, a_batch_says_all_its_bytes);
    tcase_add_test(tcase, a_reply_tells_where_its_bytes_are);
    tcase_add_test(tcase, a_put_is_answered_with_its_name);
    tcase_add_test(tcase, a_reply_with_bytes_is_read_back_as_it_was);
    tcase_add_loop_test(tcase, a_reply_that_is_wrong_is_refused, 0,
                        (int)(sizeof(distrusted) / sizeof(distrusted[0])));
    tcase_add_test(tcase, items_share_the_bytes_of_the_whole_reply);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
