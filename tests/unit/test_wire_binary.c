/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The binary notation: that it says what JSON does, byte by byte what a message looks like, and
 * that a message that is wrong is refused, whatever is wrong with it.
 */
#include "core/wire/frame.h"
#include "core/wire/name.h"
#include "core/wire/wire.h"
#include "notation.h"

#include <check.h>
#include <errno.h>
#include <packice/cleanup.h>
#include <string.h>

#define LEASE "01234567-89ab-4cde-8f01-23456789abcd"
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- requests in both ---- */

static const uint64_t some_sizes[] = { 0, 1, PK_UNSIZED, INT64_MAX };

static const struct pk_request requests[] = {
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
      .object_ttl = 60000000000U },
    { .verb = PK_VERB_ACQUIRE,
      .access = PK_ACCESS_READ,
      .object_id = "a",
      .inline_max = 4096,
      .wait = PK_FOREVER },
    { .verb = PK_VERB_SEAL, .lease_id = LEASE, .sizes = some_sizes, .blob_count = 4 },
    { .verb = PK_VERB_RENEW, .lease_id = LEASE, .ttl = 60000000000U },
    { .verb = PK_VERB_RELEASE, .lease_id = LEASE },
    { .verb = PK_VERB_DISCARD, .object_id = ".." },
    { .verb = PK_VERB_STAT, .object_id = "twelve bytes" },
    { .verb = PK_VERB_VERIFY, .object_id = "a/b" },
    { .verb = PK_VERB_LIST, .prefix = "\x01\x02\t\n\x7F", .limit = 10, .cursor = INT64_MAX },
    { .verb = PK_VERB_PUT, .object_id = "a", .data = "xyz", .data_size = 3, .meta = "{\"a\":1}" },
    { .verb = PK_WIRE_VERB_STATS },
};

static const char *const releases[] = { LEASE, "x" };

/* Encodes `count` requests from the first, a batch unless it is one. */
static char *
encode(const struct pk_request *first, size_t count, bool binary, size_t *ret_size)
{
    const struct pk_wire_request_format format = {
        .tag = "\"t\\\"g\"", .releases = releases, .release_count = 2, .binary = binary
    };
    char *text = NULL;
    int32_t rc = count == 1 ? pk_wire_request_encode(first, &format, &text, ret_size, NULL)
                            : pk_wire_batch_encode(first, count, &format, &text, ret_size, NULL);
    ck_assert_int_eq(rc, 0);
    ck_assert_int_eq(text[*ret_size], '\0');
    ck_assert_int_eq(pk_wire_is_binary(*text), binary);
    return text;
}

static struct pk_wire_request *
decode(const char *text, size_t size)
{
    struct pk_wire_request *wire = NULL;
    ck_assert_int_eq(pk_wire_request_decode(text, size, NULL, &wire, NULL), 0);
    ck_assert_msg(wire->error.code == 0, "%s", wire->error.message);
    ck_assert_int_eq(wire->binary, pk_wire_is_binary(*text));
    ck_assert_uint_eq(wire->release_count, 2);
    ck_assert_str_eq(wire->releases[1], "x");
    ck_assert_str_eq(wire->tag, "\"t\\\"g\"");
    return wire;
}

/* What one notation said, said in the other, is what that says. */
static void
expect_same_requests(const struct pk_request *first, size_t count)
{
    for (int binary = 0; binary < 2; binary++) {
        size_t size = 0;
        size_t other_size = 0;
        size_t again_size = 0;
        pk_autofree char *text = encode(first, count, binary == 1, &size);
        pk_autofree char *other = encode(first, count, binary == 0, &other_size);
        struct pk_wire_request *wire = decode(text, size);
        struct pk_request read[COUNT(requests)];
        ck_assert_uint_eq(wire->item_count, count == 1 ? 0 : count);
        for (size_t i = 0; i < count; i++)
            read[i] = count == 1 ? wire->request : wire->items[i]->request;
        pk_autofree char *again = encode(read, count, binary == 0, &again_size);
        ck_assert_uint_eq(again_size, other_size);
        ck_assert_mem_eq(again, other, other_size);
        pk_wire_request_free(wire);
    }
}

START_TEST(a_request_is_the_same_in_both)
{
    expect_same_requests(&requests[_i], 1);
}
END_TEST

START_TEST(a_batch_is_the_same_in_both)
{
    expect_same_requests(requests, COUNT(requests) - 1); /* the last is stats */
}
END_TEST

START_TEST(what_a_request_cannot_say_is_refused)
{
    const struct pk_wire_request_format format = { .binary = true };
    const struct pk_request wrong = { .verb = PK_VERB_STAT, .object_id = "a\xFF" };
    struct pk_error err = PK_ERROR_INIT;
    char *text = NULL;
    size_t size = 0;
    ck_assert_int_eq(pk_wire_request_encode(&wrong, &format, &text, &size, &err), -EINVAL);
    ck_assert_str_eq(err.message, "object_id: not UTF-8");
    ck_assert_ptr_null(text);
}
END_TEST

START_TEST(the_offer_is_told)
{
    const struct pk_wire_request_format format = { .offer = true };
    pk_autofree char *text = NULL;
    struct pk_wire_request *wire = NULL;
    size_t size = 0;
    ck_assert_int_eq(pk_wire_request_encode(&requests[5], &format, &text, &size, NULL), 0);
    ck_assert_int_eq(pk_wire_request_decode(text, size, NULL, &wire, NULL), 0);
    ck_assert(wire->offer && !wire->binary);
    pk_wire_request_free(wire);
}
END_TEST

START_TEST(a_verb_from_elsewhere_has_json)
{
    size_t size = 0;
    pk_autofree char *text = encode(&requests[7], 1, true, &size);
    struct pk_wire_request *wire = NULL;
    ck_assert_int_eq(pk_wire_request_decode(text, size, "stat", &wire, NULL), 0);
    ck_assert_int_eq(wire->error.code, -EINVAL);
    ck_assert_str_eq(wire->error.message, "not a JSON object: it does not begin with '{'");
    pk_wire_request_free(wire);
}
END_TEST

/* ---- replies in both ---- */

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

static const struct pk_handle bytes[] = {
    { .struct_size = sizeof(bytes[0]), .kind = PK_HANDLE_DATA, .data = "ab", .size = 2 },
    { .struct_size = sizeof(bytes[0]), .kind = PK_HANDLE_DATA, .data = "", .size = 0 },
};

static const struct pk_object_info objects[] = {
    { .struct_size = sizeof(objects[0]),
      .key = { .id = "a", .epoch = 3 },
      .state = PK_STATE_SEALED,
      .size = 3,
      .blob_count = 2,
      .sizes = (const uint64_t[]){ 1, 2 },
      .meta = "{\"a\":1}",
      .created_at = 1722334455123456000U,
      .sealed_at = 1722334455123457000U,
      .owner = { .kind = PK_PRINCIPAL_UNIX, .uid = 7 } },
    { .struct_size = sizeof(objects[0]),
      .key = { .id = "b", .epoch = 4 },
      .state = PK_STATE_CREATING,
      .blob_count = 1,
      .sizes = (const uint64_t[]){ PK_UNSIZED },
      .meta = "",
      .created_at = 1722334455123456000U,
      .owner = { .kind = PK_PRINCIPAL_TOKEN, .name = "ann" } },
};

#define LEASE_OF(verb_number) \
    .verb = (verb_number), .lease_id = LEASE, .object_id = "a/\xC3\xA9", .epoch = 9, \
    .state = PK_STATE_SEALED, .access = PK_ACCESS_READ

static const struct pk_reply replies[] = {
    { LEASE_OF(PK_VERB_ACQUIRE), .ttl = PK_FOREVER, .meta = "", .handles = handles,
      .handle_stride = sizeof(handles[0]), .blob_count = 4 },
    { LEASE_OF(PK_VERB_SEAL), .ttl = 2500000000U, .meta = "{\"a\":[1,\"x\"]}", .handles = handles,
      .handle_stride = sizeof(handles[0]), .blob_count = 1 },
    { .verb = PK_VERB_ACQUIRE,
      .object_id = "a",
      .epoch = 1,
      .state = PK_STATE_SEALED,
      .meta = "",
      .handles = bytes,
      .handle_stride = sizeof(bytes[0]),
      .blob_count = 2 },
    { .verb = PK_VERB_RENEW, .lease_id = LEASE, .ttl = 1000000000U },
    { .verb = PK_VERB_RELEASE },
    { .verb = PK_VERB_DISCARD },
    { .verb = PK_VERB_STAT,
      .objects = objects,
      .object_stride = sizeof(objects[0]),
      .object_count = 1 },
    { .verb = PK_VERB_LIST,
      .objects = objects,
      .object_stride = sizeof(objects[0]),
      .object_count = 2,
      .cursor = 4 },
    { .verb = PK_VERB_LIST },
    { .verb = PK_VERB_VERIFY,
      .object_id = "a",
      .epoch = 3,
      .objects = objects,
      .object_stride = sizeof(objects[0]),
      .object_count = 1,
      .bytes = 3 },
    { .verb = PK_VERB_PUT, .object_id = "a", .epoch = 4 },
    { .verb = PK_VERB_STAT, .status = -ENOENT, .message = "object 'a' not found" },
};

static char *
encode_reply(const struct pk_reply *reply, const struct pk_wire_reply_format *format,
             size_t *ret_size)
{
    char *text = NULL;
    ck_assert_int_eq(pk_wire_reply_encode(reply, format, &text, ret_size), 0);
    ck_assert_int_eq(text[*ret_size], '\0');
    return text;
}

static struct pk_wire_reply *
decode_reply(const char *text, size_t size, uint32_t verb, size_t count)
{
    struct pk_wire_reply *wire = NULL;
    struct pk_error err = PK_ERROR_INIT;
    ck_assert_msg(pk_wire_reply_parse(text, size, &wire, &err) == 0, "%s", err.message);
    ck_assert_msg(pk_wire_reply_decode(wire, verb, count, &err) == 0, "%s", err.message);
    return wire;
}

START_TEST(a_reply_is_the_same_in_both)
{
    for (int binary = 0; binary < 2; binary++) {
        const struct pk_wire_reply_format one = { .tag = "7", .binary = binary == 1 };
        const struct pk_wire_reply_format other = { .tag = "7", .binary = binary == 0 };
        size_t size = 0;
        size_t other_size = 0;
        size_t again_size = 0;
        pk_autofree char *text = encode_reply(&replies[_i], &one, &size);
        pk_autofree char *expected = encode_reply(&replies[_i], &other, &other_size);
        struct pk_wire_reply *wire = decode_reply(text, size, replies[_i].verb, 0);
        ck_assert_str_eq(wire->tag, "7");
        ck_assert_uint_eq(wire->fds, pk_wire_reply_fds(&replies[_i]));
        ck_assert_uint_eq(wire->data, pk_wire_reply_data(&replies[_i]));
        pk_autofree char *again = encode_reply(&wire->reply, &other, &again_size);
        ck_assert_uint_eq(again_size, other_size);
        ck_assert_mem_eq(again, expected, other_size);
        pk_wire_reply_free(wire);
    }
}
END_TEST

START_TEST(a_batch_of_replies_is_the_same_in_both)
{
    struct pk_wire_item items[COUNT(replies)];
    const struct pk_wire_reply_format whole = { .tag = "7", .binary = true };
    struct pk_wire_reply_format format = { .item = true, .binary = true };
    for (size_t i = 0; i < COUNT(replies); i++) {
        items[i].text = encode_reply(&replies[i], &format, &items[i].size);
        format.first_fd += pk_wire_reply_fds(&replies[i]);
        format.first_data += pk_wire_reply_data(&replies[i]);
    }
    pk_autofree char *text = NULL;
    size_t size = 0;
    ck_assert_int_eq(pk_wire_batch_reply_encode(items, COUNT(replies), format.first_fd,
                                                format.first_data, &whole, &text, &size),
                     0);
    struct pk_wire_reply *wire = decode_reply(text, size, PK_WIRE_VERB_BATCH, COUNT(replies));
    ck_assert_uint_eq(wire->fds, format.first_fd);
    ck_assert_uint_eq(wire->data, format.first_data);
    for (size_t i = 0; i < COUNT(replies); i++) {
        ck_assert_int_eq(pk_wire_reply_decode(wire->items[i], replies[i].verb, 0, NULL), 0);
        const struct pk_wire_reply_format json = { .item = true };
        size_t json_size = 0;
        pk_autofree char *got = encode_reply(&wire->items[i]->reply, &json, &json_size);
        pk_autofree char *expected = encode_reply(&replies[i], &json, &json_size);
        ck_assert_str_eq(got, expected);
        free((void *)(uintptr_t)items[i].text);
    }
    pk_wire_reply_free(wire);
}
END_TEST

START_TEST(stats_are_json_within)
{
    const struct pk_stat stats[] = { { .name = "objects", .value = 1 },
                                     { .name = "n{a=\"b\"}", .value = INT64_MAX } };
    const struct pk_wire_reply_format format = { .binary = true, .takes_binary = true };
    pk_autofree char *text = NULL;
    size_t size = 0;
    ck_assert_int_eq(pk_wire_stats_encode(stats, 2, &format, &text, &size), 0);
    struct pk_wire_reply *wire = decode_reply(text, size, PK_WIRE_VERB_STATS, 0);
    ck_assert(wire->takes_binary);
    ck_assert_uint_eq(wire->stat_count, 2);
    ck_assert_str_eq(wire->stats[1].name, "n{a=\"b\"}");
    ck_assert_uint_eq(wire->stats[1].value, INT64_MAX);
    pk_wire_reply_free(wire);
}
END_TEST

START_TEST(text_that_is_not_utf8_is_repaired)
{
    const struct pk_wire_reply_format format = { .binary = true };
    pk_autofree char *text = NULL;
    size_t size = 0;
    ck_assert_int_eq(pk_wire_error_encode(-EIO, "a\xFF", &format, &text, &size), 0);
    struct pk_wire_reply *wire = decode_reply(text, size, PK_VERB_STAT, 0);
    ck_assert_int_eq(wire->reply.status, -EIO);
    ck_assert_str_eq(wire->reply.message, "a\xEF\xBF\xBD");
    pk_wire_reply_free(wire);
}
END_TEST

/* ---- byte by byte ---- */

START_TEST(a_message_looks_like_this)
{
    static const char expected[] = "\xFB\x01\0\0\x21\0\0\0"
                                   "\x05\x05\x04\0\0\0stat\0"
                                   "\x01\x04\x02\0\0\0"
                                   "17\0"
                                   "\x06\x05\x06\0\0\0a/\xC3\xA9/b\0";
    const struct pk_wire_request_format format = { .tag = "17", .binary = true };
    const struct pk_request request = { .verb = PK_VERB_STAT, .object_id = "a/\xC3\xA9/b" };
    pk_autofree char *text = NULL;
    size_t size = 0;
    ck_assert_int_eq(pk_wire_request_encode(&request, &format, &text, &size, NULL), 0);
    ck_assert_uint_eq(size, sizeof(expected) - 1);
    ck_assert_mem_eq(text, expected, size);
}
END_TEST

/* The numbers are the protocol's: a change here breaks programs. */
START_TEST(names_keep_their_numbers)
{
    static const char *const names[] = {
        "",
        "tag",
        "data",
        "fds",
        "releases",
        "command",
        "object_id",
        "lease_id",
        "intent",
        "ttl_seconds",
        "bind",
        "request_id",
        "blobs",
        "sizes",
        "meta",
        "object_ttl_seconds",
        "wait_seconds",
        "inline_max",
        "prefix",
        "limit",
        "cursor",
        "requests",
        "status",
        "error",
        "message",
        "epoch",
        "state",
        "kind",
        "size",
        "offset",
        "fd",
        "path",
        "url",
        "expires_at",
        "created_at",
        "sealed_at",
        "owner",
        "uid",
        "name",
        "bytes",
        "objects",
        "stats",
        "replies",
        "handles",
        "binary",
        "known_epoch",
        "shared",
    };
    ck_assert_uint_ge(PK_NAME_COUNT, COUNT(names));
    for (unsigned i = 0; i < COUNT(names); i++)
        ck_assert_str_eq(pk_wire_name_text((enum pk_wire_name)i), names[i]);
}
END_TEST

/* ---- what is wrong ---- */

/* A message of this body, with the size that is right. */
static struct pk_wire_request *
decode_body(const char *body, size_t size)
{
    pk_autofree char *text = malloc(PK_WIRE_BINARY_HEAD + size);
    struct pk_wire_request *wire = NULL;
    ck_assert_ptr_nonnull(text);
    memcpy(text, "\xFB\x01\0\0", 4);
    (void)pk_wire_binary_store_size(text + 4, size);
    memcpy(text + PK_WIRE_BINARY_HEAD, body, size);
    ck_assert_int_eq(pk_wire_request_decode(text, PK_WIRE_BINARY_HEAD + size, NULL, &wire, NULL),
                     0);
    return wire;
}

#define BODY(text) text, sizeof(text) - 1

static const struct {
    const char *body;
    size_t size;
    const char *message;
} refused[] = {
    { BODY("\x05"), "byte 8 of a binary message: a value that is cut off" },
    { BODY("\x05\x08"), "byte 10 of a binary message: a value of no known kind" },
    { BODY("\x05\xFF"), "byte 10 of a binary message: a value of no known kind" },
    { BODY("\x05\x03\x01\0\0\0\0\0\0"), "byte 10 of a binary message: an integer that is cut off" },
    { BODY("\x05\x05\x01\0\0"), "byte 10 of a binary message: a size that is cut off" },
    { BODY("\x05\x05\0\0\0\0"), "byte 10 of a binary message: a size that is cut off" },
    { BODY("\x05\x05\x02\0\0\0a\0"),
      "byte 10 of a binary message: a size beyond what is around it" },
    { BODY("\x05\x05\xFF\xFF\xFF\xFF"
           "a\0"),
      "byte 10 of a binary message: a size beyond what is around it" },
    { BODY("\x05\x05\x01\0\0\0ab"), "byte 15 of a binary message: a text without a NUL behind it" },
    { BODY("\x05\x05\x03\0\0\0a\0b\0"),
      "byte 14 of a binary message: a text that is not UTF-8, or has a NUL in it" },
    { BODY("\x05\x05\x09\0\0\0abcdefgh\0\0"),
      "byte 14 of a binary message: a text that is not UTF-8, or has a NUL in it" },
    { BODY("\x05\x05\x02\0\0\0a\xFF\0"),
      "byte 14 of a binary message: a text that is not UTF-8, or has a NUL in it" },
    { BODY("\x05\x05\x01\0\0\0\xC3\0"),
      "byte 14 of a binary message: a text that is not UTF-8, or has a NUL in it" },
    { BODY("\x05\x04\x01\0\0\0{\0"), "byte 14 of a binary message: a value that is not JSON" },
    { BODY("\x05\x04\0\0\0\0\0"), "byte 14 of a binary message: a value that is not JSON" },
    { BODY("\x05\x04\x01\0\0\0"
           "12\0"),
      "byte 14 of a binary message: a value that is not JSON" },
    { BODY("\x05\x04\x02\0\0\0"
           "1 \0"),
      "byte 14 of a binary message: a value that is not JSON" },
    { BODY("\x05\x04\x03\0\0\0\"a\0\"\0"),
      "byte 14 of a binary message: a value that is not JSON" },
    { BODY("\x0E\x04\x12\0\0\0{\"a\":1,\"\\u0061\":2}\0"),
      "byte 14 of a binary message: a value that is not JSON" },
    { BODY("\x0E\x04\x0F\0\0\0[{\"a\":1,\"a\":2}]\0"),
      "byte 14 of a binary message: a value that is not JSON" },
    { BODY("\x05\x00\x05\x00"),
      "byte 10 of a binary message: a name that must not be there, or stands there twice" },
    { BODY("\xC8\x00\xC8\x00"),
      "byte 10 of a binary message: a name that must not be there, or stands there twice" },
    { BODY("\x00\x00"),
      "byte 8 of a binary message: a name that must not be there, or stands there twice" },
    { BODY("\x0D\x06\x02\0\0\0\x0D\x00"),
      "byte 14 of a binary message: a name that must not be there, or stands there twice" },
    { BODY("\x0D\x06\x03\0\0\0\0\x00"),
      "byte 10 of a binary message: a size beyond what is around it" },
    { BODY("\x0D\x06\x01\0\0\0\0\x00"), "byte 14 of a binary message: a value that is cut off" },
    { BODY("\x0D\x06\x04\0\0\0\0\x05\x01\0\0\0"),
      "byte 16 of a binary message: a size that is cut off" },
    { BODY(""), "command: missing" },
    { BODY("\x05\x00"), "command: missing" },
    { BODY("\x05\x03\x01\0\0\0\0\0\0\0"), "command: not a string" },
    { BODY("\x05\x05\x04\0\0\0stat\0\x06\x05\x00\0\0\0\0"),
      "object_id: 0 bytes long, not 1 to 255" },
    { BODY("\x05\x05\x03\0\0\0put\0\x0E\x07\0\0\0\0"), "meta: not an object" },
    { BODY("\x05\x05\x05\0\0\0stats\0\x01\x06\0\0\0\0"), "tag: neither a string nor an integer" },
};

START_TEST(what_is_wrong_is_named)
{
    struct pk_wire_request *wire = decode_body(refused[_i].body, refused[_i].size);
    ck_assert_str_eq(wire->error.message, refused[_i].message);
    ck_assert_int_eq(wire->error.code, -EINVAL);
    ck_assert(wire->binary);
    /* nobody can tell what comes with what can't be read */
    bool unread = strncmp(refused[_i].message, "byte ", 5) == 0;
    ck_assert_uint_eq(wire->request.data_size, unread ? PK_UNSIZED : 0);
    pk_wire_request_free(wire);
}
END_TEST

START_TEST(a_tag_may_be_a_text_or_an_integer)
{
    struct pk_wire_request *wire =
        decode_body(BODY("\x05\x05\x05\0\0\0stats\0\x01\x05\x03\0\0\0a\"b\0"));
    ck_assert_int_eq(wire->error.code, 0);
    ck_assert_str_eq(wire->tag, "\"a\\\"b\"");
    pk_wire_request_free(wire);
    wire = decode_body(BODY("\x05\x05\x05\0\0\0stats\0\x01\x03\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"));
    ck_assert_int_eq(wire->error.code, 0);
    ck_assert_str_eq(wire->tag, "-1");
    pk_wire_request_free(wire);
}
END_TEST

START_TEST(any_member_may_be_json)
{
    struct pk_wire_request *wire = decode_body(
        BODY("\x05\x04\x0B\0\0\0\"st\\u0061t\"\0\x06\x04\x03\0\0\0\"a\"\0\xC8\x04\x02\0\0\0{}\0"));
    ck_assert_msg(wire->error.code == 0, "%s", wire->error.message);
    ck_assert_uint_eq(wire->request.verb, PK_VERB_STAT);
    ck_assert_str_eq(wire->request.object_id, "a");
    pk_wire_request_free(wire);
}
END_TEST

/* Every one of these is within a size that is right. */
START_TEST(nesting_is_bounded)
{
    for (size_t depth = 30; depth < 34; depth++) {
        char body[256];
        char *at = body;
        for (size_t i = 0; i < depth; i++) {
            *at++ = (char)(i == 0 ? PK_NAME_SIZES : PK_NAME_NONE);
            *at++ = PK_BINARY_ARRAY;
            at = pk_wire_binary_store_size(at, (depth - i - 1) * 6);
        }
        struct pk_wire_request *wire = decode_body(body, (size_t)(at - body));
        ck_assert_int_eq(strstr(wire->error.message, "nested too deep") != NULL, depth > 31);
        pk_wire_request_free(wire);
    }
}
END_TEST

START_TEST(every_prefix_and_every_byte_more_is_refused)
{
    size_t size = 0;
    pk_autofree char *text = encode(&requests[1], 1, true, &size);
    for (size_t part_size = 1; part_size <= size + 1; part_size++) {
        pk_autofree char *part = calloc(1, part_size); /* of its own, for the sanitizers */
        struct pk_wire_request *wire = NULL;
        ck_assert_ptr_nonnull(part);
        memcpy(part, text, part_size < size ? part_size : size);
        ck_assert_int_eq(pk_wire_request_decode(part, part_size, NULL, &wire, NULL), 0);
        ck_assert_int_eq(wire->error.code, part_size == size ? 0 : -EINVAL);
        pk_wire_request_free(wire);
    }
}
END_TEST

/* ---- frames ---- */

START_TEST(a_message_is_found_however_it_is_split)
{
    size_t size = 0;
    pk_autofree char *text = encode(&requests[7], 1, true, &size);
    for (size_t first = 0; first <= size; first++) {
        struct pk_wire_frame frame = { 0 };
        const size_t cuts[] = { 0, first, size };
        bool complete = false;
        for (int part = 0; part < 2 && !complete; part++) {
            size_t start = 9;
            size_t used = 0;
            ck_assert_int_eq(pk_wire_frame_scan(&frame, text + cuts[part],
                                                cuts[part + 1] - cuts[part], size, &start, &used,
                                                &complete, NULL),
                             0);
            ck_assert_uint_eq(start, 0);
            ck_assert_uint_eq(used, cuts[part + 1] - cuts[part]);
            ck_assert_int_eq(complete, cuts[part + 1] == size);
        }
        ck_assert(complete && frame.size == 0 && !frame.binary);
    }
}
END_TEST

START_TEST(either_notation_follows_the_other)
{
    static const char stream[] = "{} \n\xFB\x01\0\0\x02\0\0\0{}\xFB\x01\0\0\0\0\0\0{}\n";
    static const size_t ends[] = { 2, 14, 22, 24 };
    struct pk_wire_frame frame = { 0 };
    size_t at = 0;
    for (size_t i = 0; i < COUNT(ends); i++) {
        size_t start = 0;
        size_t used = 0;
        bool complete = false;
        ck_assert_int_eq(pk_wire_frame_scan(&frame, stream + at, sizeof(stream) - 1 - at, 64,
                                            &start, &used, &complete, NULL),
                         0);
        at += used;
        ck_assert(complete && at == ends[i]);
    }
}
END_TEST

static int32_t
scan_error(const char *data, size_t size, size_t max, struct pk_error *err)
{
    struct pk_wire_frame frame = { 0 };
    size_t start = 0;
    size_t used = 0;
    bool complete = false;
    int32_t rc = pk_wire_frame_scan(&frame, data, size, max, &start, &used, &complete, err);
    ck_assert(!complete && frame.binary);
    return rc;
}

START_TEST(a_head_that_is_wrong_breaks_the_stream)
{
    struct pk_error err = PK_ERROR_INIT;
    ck_assert_int_eq(scan_error("\xFB\x01\0\0\x01\0\0\0", 8, 8, &err), -EFBIG);
    ck_assert_str_eq(err.message, "a message longer than 8 bytes");
    ck_assert_int_eq(scan_error("\xFB\x01\0\0\xFF\xFF\xFF\xFF", 8, 1 << 20, &err), -EFBIG);
    ck_assert_int_eq(scan_error("\xFB", 1, 7, &err), -EFBIG);
    ck_assert_int_eq(scan_error("\xFB\x02", 2, 64, &err), -EINVAL);
    ck_assert_str_eq(err.message, "not a binary message of version 1");
    ck_assert_int_eq(scan_error("\xFB\x01\x01", 3, 64, &err), -EINVAL);
    ck_assert_int_eq(scan_error("\xFB\x01\0\x01", 4, 64, &err), -EINVAL);
    ck_assert_int_eq(scan_error("\xFB\x01\0\0\x01\0\0", 7, 9, &err), 0);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("wire binary");
    TCase *tcase = tcase_create("messages");
    tcase_add_loop_test(tcase, a_request_is_the_same_in_both, 0, (int)COUNT(requests));
    tcase_add_test(tcase, a_batch_is_the_same_in_both);
    tcase_add_test(tcase, what_a_request_cannot_say_is_refused);
    tcase_add_test(tcase, the_offer_is_told);
    tcase_add_test(tcase, a_verb_from_elsewhere_has_json);
    tcase_add_loop_test(tcase, a_reply_is_the_same_in_both, 0, (int)COUNT(replies));
    tcase_add_test(tcase, a_batch_of_replies_is_the_same_in_both);
    tcase_add_test(tcase, stats_are_json_within);
    tcase_add_test(tcase, text_that_is_not_utf8_is_repaired);
    tcase_add_test(tcase, a_message_looks_like_this);
    tcase_add_test(tcase, names_keep_their_numbers);
    tcase_add_loop_test(tcase, what_is_wrong_is_named, 0, (int)COUNT(refused));
    tcase_add_test(tcase, a_tag_may_be_a_text_or_an_integer);
    tcase_add_test(tcase, any_member_may_be_json);
    tcase_add_test(tcase, nesting_is_bounded);
    tcase_add_test(tcase, every_prefix_and_every_byte_more_is_refused);
    tcase_add_test(tcase, a_message_is_found_however_it_is_split);
    tcase_add_test(tcase, either_notation_follows_the_other);
    tcase_add_test(tcase, a_head_that_is_wrong_breaks_the_stream);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
