/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transport_uds: bytes behind requests and behind replies, and leases that are released beside what
 * is asked.
 */
#include "suite.h"
#include "transport_uds_fixture.h"
#include <errno.h>
#include <packice/cleanup.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#define LEASE "00000000-0000-4000-8000-000000000000"

static char text[1024];

/* A put, with its bytes behind it: how many bytes were put to `buffer`, and a NUL. */
static size_t
put_text(char *buffer, const char *id, const char *members, const char *bytes)
{
    return (size_t)sprintf(buffer, "{\"command\":\"put\",\"object_id\":\"%s\"%s,\"data\":%zu}%s",
                           id, members, strlen(bytes), bytes);
}

static void
send_put(struct client *client, const char *id, const char *members, const char *bytes)
{
    put_text(text, id, members, bytes);
    client_send(client, "%s", text);
}

static void
send_acquire(struct client *client, const char *id, const char *tag)
{
    client_send(client, "%s", acquire_text(text, sizeof(text), id, tag));
}

/* Call `index` was a put of this id, with these bytes. */
static void
expect_put(struct uds_fixture *fixture, uint32_t index, const char *id, const char *bytes)
{
    size_t size;
    ck_assert_str_eq(fake_host_call_id(fixture->host, index), id);
    const char *data = fake_host_call_data(fixture->host, index, &size);
    ck_assert_uint_eq(size, strlen(bytes));
    ck_assert(memcmp(data, bytes, size) == 0);
}

/* ---- behind requests ---- */

START_TEST(a_put_may_be_split_at_every_byte)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, NULL);
    struct client client;
    client_open(&client, &fixture);
    static const char bytes[] = "{\"}\\\n{{";
    size_t size = put_text(text, "now:0:a", ",\"tag\":1", bytes);
    uint64_t sent = 0;
    for (size_t split = 1; split < size; split++) {
        client_send_bytes(&client, text, split);
        sent += split;
        fixture_wait_figure(&fixture, "bytes_in", sent);
        ck_assert_uint_eq(fake_host_started(fixture.host), split - 1);
        client_send_bytes(&client, text + split, size - split);
        sent += size - split;
        client_expect(&client, 0, "1", 0);
        expect_put(&fixture, (uint32_t)split - 1, "now:0:a", bytes);
    }
    client_close(&client);
    fixture_end(&fixture, true);
}
END_TEST

START_TEST(many_puts_in_one_write_keep_their_order_and_bytes)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, NULL);
    struct client client;
    client_open(&client, &fixture);
    enum { COUNT = 1000 };
    pk_autofree char *all = malloc((size_t)COUNT * 256);
    ck_assert(all != NULL);
    size_t size = 0;
    char id[64];
    char bytes[64];
    for (int i = 0; i < COUNT; i++) {
        (void)sprintf(id, "%s:0:%d", i % 5 == 0 ? "later" : "now", i);
        (void)sprintf(bytes, "%.*d", i % 50, i);
        size += put_text(all + size, id, "", i % 7 == 0 ? "" : bytes);
    }
    client_send_bytes(&client, all, size);
    for (int i = 0; i < COUNT; i++) {
        client_expect(&client, 0, NULL, 0);
        (void)sprintf(id, "%s:0:%d", i % 5 == 0 ? "later" : "now", i);
        (void)sprintf(bytes, "%.*d", i % 50, i);
        expect_put(&fixture, (uint32_t)i, id, i % 7 == 0 ? "" : bytes);
    }
    client_close(&client);
    fixture_end(&fixture, true);
}
END_TEST

/* The host checks that the bytes stay until the answer. */
START_TEST(tagged_puts_are_answered_as_they_complete)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, NULL);
    struct client client;
    client_open(&client, &fixture);
    send_put(&client, "held:0:a", ",\"tag\":1", "the first");
    send_put(&client, "held:0:b", ",\"tag\":2", "the second");
    send_put(&client, "later:0:c", ",\"tag\":3", "the third");
    client_expect(&client, 0, "3", 0);
    fake_host_let(fixture.host, "b");
    client_expect(&client, 0, "2", 0);
    fake_host_let(fixture.host, "a");
    client_expect(&client, 0, "1", 0);
    expect_put(&fixture, 0, "held:0:a", "the first");
    expect_put(&fixture, 1, "held:0:b", "the second");
    client_close(&client);
    fixture_end(&fixture, true);
}
END_TEST

START_TEST(a_put_that_waits_its_turn_keeps_its_bytes)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, NULL);
    struct client client;
    client_open(&client, &fixture);
    send_acquire(&client, "held:0:a", NULL);
    send_put(&client, "now:0:b", "", "whole");
    client_send(&client, "{\"command\":\"put\",\"object_id\":\"now:0:c\",\"data\":6}in");
    fixture_wait_figure(&fixture, "requests", 3);
    client_send(&client, " two");
    send_put(&client, "now:0:d", "", "behind");
    fixture_wait_figure(&fixture, "requests", 4);
    ck_assert_uint_eq(fake_host_started(fixture.host), 1);
    fake_host_let(fixture.host, "a");
    for (int i = 0; i < 4; i++)
        client_expect(&client, 0, NULL, 0);
    expect_put(&fixture, 1, "now:0:b", "whole");
    expect_put(&fixture, 2, "now:0:c", "in two");
    expect_put(&fixture, 3, "now:0:d", "behind");
    client_close(&client);
    fixture_end(&fixture, true);
}
END_TEST

START_TEST(a_large_put_comes_whole)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, NULL);
    struct client client;
    client_open(&client, &fixture);
    enum { SIZE = 1 << 20 };
    pk_autofree char *bytes = malloc(SIZE);
    ck_assert(bytes != NULL);
    for (size_t i = 0; i < SIZE; i++)
        bytes[i] = (char)(i % 251);
    for (uint32_t i = 0; i < 3; i++) {
        client_send(&client, "{\"command\":\"put\",\"object_id\":\"now:0:a\",\"data\":%d}", SIZE);
        client_send_bytes(&client, bytes, SIZE);
    }
    for (uint32_t i = 0; i < 3; i++) {
        size_t size;
        client_expect(&client, 0, NULL, 0);
        const char *data = fake_host_call_data(fixture.host, i, &size);
        ck_assert_uint_eq(size, SIZE);
        ck_assert(memcmp(data, bytes, SIZE) == 0);
    }
    client_close(&client);
    fixture_end(&fixture, true);
}
END_TEST

START_TEST(more_than_max_data_ends_the_connection)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, (const char *const[]){ "max_data=8", NULL });
    struct client client;
    client_open(&client, &fixture);
    send_put(&client, "now:0:a", "", "8 bytes.");
    client_expect(&client, 0, NULL, 0);
    send_acquire(&client, "later:0:b", NULL);
    send_put(&client, "now:0:c", ",\"tag\":\"x\",\"releases\":[\"" LEASE "\"]",
             "{\"command\":\"discard\",\"object_id\":\"now:0:d\"}");
    struct answer answer[2];
    client_read(&client, &answer[0]);
    client_read(&client, &answer[1]);
    int tagged = answer[0].reply->tag != NULL ? 0 : 1;
    ck_assert_int_eq(answer[tagged].reply->reply.status, -EFBIG);
    ck_assert_pstr_eq(answer[tagged].reply->tag, "\"x\"");
    ck_assert_int_eq(answer[1 - tagged].reply->reply.status, 0);
    answer_finish(&answer[0]);
    answer_finish(&answer[1]);
    client_expect_end(&client);
    ck_assert_uint_eq(fake_host_released(fixture.host), 1);
    ck_assert_uint_eq(fake_host_started(fixture.host), 3);
    client_close(&client);
    fixture_end(&fixture, true);
}
END_TEST

START_TEST(bytes_that_nobody_can_count_end_the_connection)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, NULL);
    static const char *const requests[] = {
        "{\"command\":\"put\",\"object_id\":\"now:0:a\",\"data\":-1}",
        "{\"command\":\"put\",\"object_id\":\"now:0:a\",\"data\":\"5\"}",
        "{\"command\":\"put\" \"object_id\":\"now:0:a\",\"data\":5}",
        "{\"command\":\"put\" \"object_id\":\"now:0:a\",\"d\\u0061ta\":5}",
        "{\"command\":\"put\",\"object_id\":\"now:0:a\",\"data\":5,\"data\":5}",
    };
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        struct client client;
        client_open(&client, &fixture);
        send_acquire(&client, "later:0:b", NULL);
        client_send(&client, "%s", requests[i]);
        client_expect(&client, 0, NULL, 0);
        client_expect(&client, -EINVAL, NULL, 0);
        client_expect_end(&client);
        client_close(&client);
    }
    fixture_end(&fixture, true);
}
END_TEST

START_TEST(bytes_of_a_refused_request_are_skipped)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, NULL);
    struct client client;
    client_open(&client, &fixture);
    client_send(&client, "{\"command\":\"put\",\"object_id\":7,\"data\":5}{{{{{");
    client_expect(&client, -EINVAL, NULL, 0);
    client_send(&client, "{\"command\":\"put\",\"sizes\":[1],\"data\":5}{\"a\":");
    client_expect(&client, -EINVAL, NULL, 0);
    client_send(&client, "{\"command\":\"stat\",\"object_id\":\"now:0:a\",\"data\":3}xyz");
    client_expect(&client, -EINVAL, NULL, 0);
    client_send(&client, "{\"command\":\"batch\",\"data\":5,\"requests\":["
                         "{\"command\":\"put\",\"data\":4}]}bytes");
    client_expect(&client, -EINVAL, NULL, 0);
    client_send(&client, "{\"command\":\"nonsense\",\"tag\":4,\"data\":1}x");
    client_expect(&client, -EOPNOTSUPP, "4", 0);
    send_put(&client, "fail:0:a", "", "{no}");
    client_expect(&client, -ENOENT, NULL, 0);
    send_put(&client, "now:0:b", "", "yes");
    client_expect(&client, 0, NULL, 0);
    ck_assert_uint_eq(fake_host_started(fixture.host), 2);
    client_close(&client);
    fixture_end(&fixture, true);
}
END_TEST

START_TEST(a_client_that_ends_amid_its_bytes_has_put_nothing)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, NULL);
    for (int half = 0; half < 2; half++) {
        struct client client;
        client_open(&client, &fixture);
        send_acquire(&client, "later:1:a", NULL);
        client_send(&client, "{\"command\":\"put\",\"object_id\":\"now:0:b\",\"data\":100}some");
        fixture_wait_figure(&fixture, "requests", 2U * (uint32_t)half + 2);
        if (half == 1) {
            ck_assert_int_eq(shutdown(client.fd, SHUT_WR), 0);
            client_expect(&client, 0, NULL, 1);
            client_expect_end(&client);
        }
        client_close(&client);
        fake_host_wait_sessions(fixture.host, 0);
        ck_assert_uint_eq(fake_host_started(fixture.host), (uint32_t)half + 1);
    }
    fixture_end(&fixture, true);
}
END_TEST

START_TEST(bytes_that_do_not_come_hold_nobody_up)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, NULL);
    struct client slow;
    struct client client;
    client_open(&slow, &fixture);
    client_open(&client, &fixture);
    send_put(&slow, "held:0:a", ",\"tag\":1", "first");
    client_send(&slow, "{\"command\":\"put\",\"object_id\":\"now:0:b\",\"data\":1000000}some");
    fixture_wait_figure(&fixture, "requests", 2);
    for (int i = 0; i < 100; i++) {
        send_put(&client, "now:0:c", "", "quick");
        client_expect(&client, 0, NULL, 0);
    }
    fake_host_let(fixture.host, "a"); /* not even its own answers */
    client_expect(&slow, 0, "1", 0);
    client_close(&slow);
    client_close(&client);
    fixture_end(&fixture, true);
}
END_TEST

START_TEST(bytes_count_in_what_may_be_unanswered)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, (const char *const[]){ "max_request=1000", NULL });
    struct client client;
    client_open(&client, &fixture);
    char bytes[401];
    (void)sprintf(bytes, "%0400d", 0);
    for (int i = 0; i < 4; i++)
        send_put(&client, "held:0:a", ",\"tag\":1", bytes);
    fake_host_wait_started(fixture.host, 3);
    struct client other; /* whose answers say that the loop has had its turns */
    client_open(&other, &fixture);
    for (int i = 0; i < 10; i++) {
        send_acquire(&other, "fail:0:b", NULL);
        client_expect(&other, -ENOENT, NULL, 0);
    }
    ck_assert_uint_eq(fake_host_started(fixture.host), 13);
    fake_host_let(fixture.host, "a");
    fake_host_wait_started(fixture.host, 14);
    fake_host_let(fixture.host, "a");
    for (int i = 0; i < 4; i++)
        client_expect(&client, 0, "1", 0);
    client_close(&other);
    client_close(&client);
    fixture_end(&fixture, true);
}
END_TEST

START_TEST(a_batch_may_have_puts)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, NULL);
    struct client client;
    client_open(&client, &fixture);
    client_send(&client, "{\"command\":\"batch\",\"tag\":1,\"data\":12,\"requests\":["
                         "{\"command\":\"put\",\"object_id\":\"now:0:a\",\"data\":3},"
                         "{\"command\":\"put\",\"object_id\":7,\"data\":4},"
                         "{\"command\":\"acquire\",\"intent\":\"read\",\"object_id\":\"now:1:b\"},"
                         "{\"command\":\"put\",\"object_id\":\"later:0:c\",\"data\":0},"
                         "{\"command\":\"put\",\"object_id\":\"later:0:d\",\"data\":5}]}"
                         "onewrong");
    client_send(&client, "last");
    struct answer answer;
    client_read(&client, &answer);
    struct pk_error err = PK_ERROR_INIT;
    ck_assert_int_eq(pk_wire_reply_decode(answer.reply, PK_WIRE_VERB_BATCH, 5, &err), 0);
    static const int32_t statuses[] = { 0, -EINVAL, 0, 0, 0 };
    for (size_t i = 0; i < 5; i++)
        ck_assert_int_eq(answer.reply->items[i]->reply.status, statuses[i]);
    ck_assert_uint_eq(answer.fd_count, 1);
    answer_finish(&answer);
    expect_put(&fixture, 0, "now:0:a", "one");
    expect_put(&fixture, 2, "later:0:c", "");
    expect_put(&fixture, 3, "later:0:d", "glast");
    client_close(&client);
    fixture_end(&fixture, true);
}
END_TEST

START_TEST(stop_forgets_a_put_whose_bytes_have_not_all_come)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, NULL);
    struct client client;
    client_open(&client, &fixture);
    send_acquire(&client, "later:1:a", NULL);
    client_send(&client, "{\"command\":\"put\",\"object_id\":\"now:0:b\",\"data\":100}some");
    fixture_wait_figure(&fixture, "requests", 2);
    fixture_stop(&fixture, 20000);
    client_expect(&client, 0, NULL, 1);
    client_expect_end(&client);
    ck_assert_uint_eq(fake_host_started(fixture.host), 1);
    client_close(&client);
    fixture_end(&fixture, false);
}
END_TEST

enum { CUT_PUTS = 200 };

/* Put `index` of the stream of a seed. */
static void
random_put(unsigned *seed, int index, char *id, char *bytes)
{
    int size = (int)((unsigned)rand_r(seed) % (index % 10 == 0 ? 5000U : 60U)) + 1;
    (void)sprintf(id, "%s:0:%d", rand_r(seed) % 5 == 0 ? "later" : "now", index);
    (void)sprintf(bytes, "%.*d", size, index);
}

static void
cut_stream(struct uds_fixture *fixture, unsigned seed)
{
    struct client client;
    char id[64];
    char bytes[6000];
    unsigned state = seed;
    size_t size = 0;
    uint32_t first = fake_host_started(fixture->host);
    pk_autofree char *all = malloc((size_t)CUT_PUTS * 8192);
    ck_assert(all != NULL);
    for (int i = 0; i < CUT_PUTS; i++) {
        random_put(&state, i, id, bytes);
        size += put_text(all + size, id, "", bytes);
    }
    client_open(&client, fixture);
    for (size_t sent = 0, part; sent < size; sent += part) {
        part = (unsigned)rand_r(&state) % (rand_r(&state) % 4 == 0 ? 70000U : 300U) + 1;
        part = part < size - sent ? part : size - sent;
        client_send_bytes(&client, all + sent, part);
    }
    state = seed;
    for (int i = 0; i < CUT_PUTS; i++) {
        random_put(&state, i, id, bytes);
        client_expect(&client, 0, NULL, 0);
        expect_put(fixture, first + (uint32_t)i, id, bytes);
    }
    client_close(&client);
}

START_TEST(any_cut_of_a_stream_means_the_same)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, NULL);
    for (unsigned seed = 1; seed <= 10; seed++)
        cut_stream(&fixture, seed);
    fixture_end(&fixture, true);
}
END_TEST

/* ---- behind replies ---- */

static void
send_inline(struct client *client, const char *id, unsigned max, const char *tag)
{
    client_send(client,
                "{\"command\":\"acquire\",\"intent\":\"read\",\"object_id\":\"%s\","
                "\"inline_max\":%u%s%s}",
                id, max, tag != NULL ? ",\"tag\":" : "", tag != NULL ? tag : "");
}

/* Reads a reply to an inline read: so many blobs, all of "bytes". */
static void
expect_bytes(struct client *client, uint32_t blobs, const char *tag)
{
    struct answer answer;
    struct pk_error err = PK_ERROR_INIT;
    client_read(client, &answer);
    ck_assert_pstr_eq(answer.reply->tag, tag);
    int32_t r = pk_wire_reply_decode(answer.reply, PK_VERB_ACQUIRE, 0, &err);
    ck_assert_msg(r == 0, "%s: %s", err.message, answer.text);
    ck_assert_ptr_null(answer.reply->reply.lease_id);
    ck_assert_uint_eq(answer.reply->reply.blob_count, blobs);
    ck_assert_uint_eq(answer.reply->data, 5U * blobs);
    for (uint32_t i = 0; i < blobs; i++)
        ck_assert(memcmp(answer.data + answer.reply->handles[i].offset, "bytes", 5) == 0);
    answer_finish(&answer);
}

START_TEST(an_inline_read_has_its_bytes_behind_the_reply)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, NULL);
    struct client client;
    client_open(&client, &fixture);
    send_inline(&client, "now:1:a", 5, NULL);
    send_inline(&client, "held:3:b", 15, "1");
    send_inline(&client, "later:2:c", 100, NULL);
    send_inline(&client, "now:2:d", 9, NULL); /* a byte too few */
    expect_bytes(&client, 1, NULL);
    expect_bytes(&client, 2, NULL);
    client_expect(&client, 0, NULL, 2);
    fake_host_let(fixture.host, "b");
    expect_bytes(&client, 3, "1");
    client_close(&client);
    fixture_end(&fixture, true);
}
END_TEST

START_TEST(inline_max_is_cut_to_max_data)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, (const char *const[]){ "max_data=10", NULL });
    struct client client;
    client_open(&client, &fixture);
    send_inline(&client, "now:2:a", 4000000000U, NULL);
    expect_bytes(&client, 2, NULL);
    send_inline(&client, "now:3:a", 4000000000U, NULL);
    client_expect(&client, 0, NULL, 3);
    client_close(&client);
    fixture_end(&fixture, true);
}
END_TEST

/* Whichever completes first, each item's offset finds its bytes; what no longer fits is reached by
 * a descriptor. */
START_TEST(a_batch_may_have_inline_reads)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, NULL);
    struct client client;
    client_open(&client, &fixture);
    enum { COUNT = 20 };
    client_send(&client, "{\"command\":\"batch\",\"requests\":[");
    for (int i = 0; i < COUNT; i++)
        client_send(&client,
                    "%s{\"command\":\"acquire\",\"intent\":\"read\",\"object_id\":"
                    "\"%s:%d:a\",\"inline_max\":1000000}",
                    i > 0 ? "," : "",
                    i % 3 == 0 ? "later"
                    : i < 17   ? "now"
                               : "bulk",
                    230 + i);
    client_send(&client, "]}");
    struct answer answer;
    struct pk_error err = PK_ERROR_INIT;
    client_read(&client, &answer);
    ck_assert_int_eq(pk_wire_reply_decode(answer.reply, PK_WIRE_VERB_BATCH, COUNT, &err), 0);
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < COUNT; i++) {
        struct pk_wire_reply *item = answer.reply->items[i];
        int32_t r = pk_wire_reply_decode(item, PK_VERB_ACQUIRE, 0, &err);
        ck_assert_msg(r == 0, "%u: %s", i, err.message);
        for (uint32_t blob = 0; blob < item->reply.blob_count; blob++) {
            const struct pk_handle *handle = &item->reply.handles[blob];
            ck_assert_uint_le(handle->offset + handle->size, answer.reply->data);
            if (handle->size == 5)
                ck_assert(memcmp(answer.data + handle->offset, "bytes", 5) == 0);
            bytes += handle->size;
        }
    }
    ck_assert_uint_eq(bytes, answer.reply->data);
    answer_finish(&answer);
    client_close(&client);
    fixture_end(&fixture, true);
}
END_TEST

START_TEST(a_batch_s_bytes_are_bounded)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, NULL);
    struct client client;
    client_open(&client, &fixture);
    client_send(&client, "{\"command\":\"batch\",\"requests\":[");
    for (int i = 0; i < 100; i++)
        client_send(&client,
                    "%s{\"command\":\"acquire\",\"intent\":\"read\",\"object_id\":"
                    "\"bulk:200:a\",\"inline_max\":1000000}",
                    i > 0 ? "," : "");
    client_send(&client, "]}");
    struct answer answer;
    client_read(&client, &answer);
    uint64_t whole = answer.reply->data / (200U << 10);
    ck_assert_uint_gt(whole, 10);
    ck_assert_uint_lt(whole, 21);
    ck_assert_uint_eq(answer.fd_count, 100 - whole); /* the others have leases */
    ck_assert_uint_eq(fake_host_released(fixture.host), 0);
    answer_finish(&answer);
    client_close(&client);
    fixture_end(&fixture, true);
}
END_TEST

START_TEST(a_reader_that_stops_is_sent_no_more_bytes)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, (const char *const[]){ "max_output=1MiB", NULL });
    struct client slow;
    struct client client;
    client_open(&slow, &fixture);
    client_open(&client, &fixture);
    uint32_t sent = 0;
    for (uint32_t stuck = 0; stuck < 100;) {
        (void)snprintf(text, sizeof(text),
                       "{\"command\":\"acquire\",\"intent\":\"read\",\"object_id\":\"bulk:100:a\","
                       "\"inline_max\":1000000}");
        ssize_t r = send(slow.fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL);
        stuck = r < 0 ? stuck + 1 : 0;
        sent += r > 0;
        if (r < 0) {
            send_acquire(&client, "now:0:b", NULL);
            client_expect(&client, 0, NULL, 0);
        }
    }
    ck_assert_uint_lt(fixture_figure(&fixture, "queued_bytes"), 2U << 20);
    for (uint32_t i = 0; i < sent; i++) {
        struct answer answer;
        client_read(&slow, &answer);
        ck_assert_uint_eq(answer.reply->data, 100U << 10);
        answer_finish(&answer);
    }
    client_close(&slow);
    client_close(&client);
    fixture_end(&fixture, true);
}
END_TEST

/* ---- releases ---- */

START_TEST(releases_come_before_what_is_asked)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, NULL);
    struct client client;
    client_open(&client, &fixture);
    client_send(&client, "{\"command\":\"acquire\",\"intent\":\"read\",\"object_id\":\"now:1:a\","
                         "\"releases\":[\"" LEASE "\",\"x\"]}");
    client_expect(&client, 0, NULL, 1);
    ck_assert_str_eq(fake_host_call_id(fixture.host, 0), LEASE);
    ck_assert_str_eq(fake_host_call_id(fixture.host, 1), "x");
    ck_assert_str_eq(fake_host_call_id(fixture.host, 2), "now:1:a");
    client_send(&client, "{\"command\":\"nonsense\",\"releases\":[\"" LEASE "\"]}");
    client_expect(&client, -EOPNOTSUPP, NULL, 0);
    ck_assert_uint_eq(fake_host_released(fixture.host), 3);
    client_send(&client, "{\"command\":\"batch\",\"releases\":[\"" LEASE "\"],\"requests\":[]}");
    client_expect(&client, 0, NULL, 0);
    ck_assert_uint_eq(fake_host_released(fixture.host), 4);
    client_close(&client);
    fixture_end(&fixture, true);
}
END_TEST

START_TEST(releases_wait_for_what_was_asked_before)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, NULL);
    struct client client;
    client_open(&client, &fixture);
    send_acquire(&client, "held:0:a", NULL);
    client_send(&client, "{\"command\":\"nonsense\",\"releases\":[\"" LEASE "\"]}");
    fixture_wait_figure(&fixture, "requests", 2);
    ck_assert_uint_eq(fake_host_released(fixture.host), 0);
    fake_host_let(fixture.host, "a");
    client_expect(&client, 0, NULL, 0);
    client_expect(&client, -EOPNOTSUPP, NULL, 0);
    ck_assert_uint_eq(fake_host_released(fixture.host), 1);
    client_close(&client);
    fixture_end(&fixture, true);
}
END_TEST

int
main(void)
{
    const TTest *const cases[] = {
        a_put_may_be_split_at_every_byte,
        many_puts_in_one_write_keep_their_order_and_bytes,
        tagged_puts_are_answered_as_they_complete,
        a_put_that_waits_its_turn_keeps_its_bytes,
        a_large_put_comes_whole,
        more_than_max_data_ends_the_connection,
        bytes_that_nobody_can_count_end_the_connection,
        bytes_of_a_refused_request_are_skipped,
        a_client_that_ends_amid_its_bytes_has_put_nothing,
        bytes_that_do_not_come_hold_nobody_up,
        bytes_count_in_what_may_be_unanswered,
        a_batch_may_have_puts,
        stop_forgets_a_put_whose_bytes_have_not_all_come,
        any_cut_of_a_stream_means_the_same,
        an_inline_read_has_its_bytes_behind_the_reply,
        inline_max_is_cut_to_max_data,
        a_batch_may_have_inline_reads,
        a_batch_s_bytes_are_bounded,
        a_reader_that_stops_is_sent_no_more_bytes,
        releases_come_before_what_is_asked,
        releases_wait_for_what_was_asked_before,
    };
    return SUITE_RUN("transport_uds_data", cases);
}
