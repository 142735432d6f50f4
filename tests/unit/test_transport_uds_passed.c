/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transport_uds: descriptors that clients pass with their puts, and those that they pass to do
 * harm; how they are closed is for test_transport_uds_closer.c.
 */
#include "suite.h"
#include "transport_uds_fixture.h"
#include <errno.h>
#include <fcntl.h>
#include <packice/cleanup.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>

static char text[4096];

/* A memfd with this text in it. */
static int
new_memfd(const char *bytes)
{
    int fd = memfd_create("passed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, bytes, strlen(bytes)), (ssize_t)strlen(bytes));
    return fd;
}

/* A put of so many blobs of five bytes, by descriptors: how long it is. */
static size_t
put_text(const char *id, uint32_t count)
{
    size_t size = (size_t)sprintf(
        text, "{\"command\":\"put\",\"object_id\":\"%s\",\"fds\":%u,\"sizes\":[", id, count);
    for (uint32_t i = 0; i < count; i++)
        size += (size_t)sprintf(text + size, "%s5", i > 0 ? "," : "");
    return size + (size_t)sprintf(text + size, "]}");
}

/* Sends such a put, with as many descriptors of files that hold "first", "later", "later"... */
static void
send_put(struct client *client, const char *id, uint32_t says, uint32_t passes)
{
    int fds[PK_WIRE_FDS_MAX];
    for (uint32_t i = 0; i < passes; i++)
        fds[i] = new_memfd(i == 0 ? "first" : "later");
    client_pass(client, text, put_text(id, says), fds, passes);
    for (uint32_t i = 0; i < passes; i++)
        (void)close(fds[i]);
}

static void
send_acquire(struct client *client, const char *id, const char *tag)
{
    char request[256];
    client_send(client, "%s", acquire_text(request, sizeof(request), id, tag));
}

static void
expect_put(struct uds_fixture *fixture, uint32_t index, uint32_t count)
{
    size_t size;
    const char *data = fake_host_call_data(fixture->host, index, &size);
    ck_assert_uint_eq(size, 5U * count);
    for (uint32_t i = 0; i < count; i++)
        ck_assert(memcmp(data + 5U * i, i == 0 ? "first" : "later", 5) == 0);
}

/* ---- as it should be ---- */

START_TEST(a_put_has_its_descriptors)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, NULL);
    struct client client;
    client_open(&client, &fixture);
    static const uint32_t counts[] = { 1, 3, PK_WIRE_FDS_MAX };
    for (uint32_t i = 0; i < 3; i++) {
        send_put(&client, "now:0:a", counts[i], counts[i]);
        client_expect(&client, 0, NULL, 0);
        expect_put(&fixture, i, counts[i]);
    }
    client_close(&client);
    fixture_end(&fixture, true);
}
END_TEST

/* All of it is there when the node begins to read. */
START_TEST(puts_amid_other_requests_have_their_own)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, NULL);
    struct client client;
    struct client other;
    client_open(&client, &fixture);
    client_open(&other, &fixture);
    send_acquire(&client, "now:0:a", NULL);
    client_expect(&client, 0, NULL, 0);
    send_acquire(&other, "block:0:b", NULL);
    fake_host_wait_started(fixture.host, 2);
    for (uint32_t i = 1; i < 20; i++) {
        send_acquire(&client, "now:0:a", NULL);
        send_put(&client, i % 3 == 0 ? "later:0:c" : "now:0:c", i, i);
        client_send(&client, "{\"command\":\"put\",\"object_id\":\"now:0:d\",\"data\":3}abc");
    }
    fake_host_unblock(fixture.host);
    client_expect(&other, 0, NULL, 0);
    for (uint32_t i = 1; i < 20; i++) {
        for (int reply = 0; reply < 3; reply++)
            client_expect(&client, 0, NULL, 0);
        expect_put(&fixture, 3 * i, i);
    }
    client_close(&other);
    client_close(&client);
    fixture_end(&fixture, true);
}
END_TEST

START_TEST(a_put_with_descriptors_may_be_split_at_every_byte)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, NULL);
    struct client client;
    client_open(&client, &fixture);
    int fds[2] = { new_memfd("first"), new_memfd("later") };
    uint64_t sent = 0;
    size_t size = put_text("now:0:a", 2);
    for (size_t split = 1; split < size; split++) {
        client_pass(&client, text, split, fds, 2);
        sent += split;
        fixture_wait_figure(&fixture, "bytes_in", sent);
        client_send_bytes(&client, text + split, size - split);
        sent += size - split;
        client_expect(&client, 0, NULL, 0);
        expect_put(&fixture, (uint32_t)split - 1, 2);
    }
    (void)close(fds[0]);
    (void)close(fds[1]);
    client_close(&client);
    fixture_end(&fixture, true);
}
END_TEST

/* The end of one put and the beginning of the next are received together. */
START_TEST(two_puts_may_have_theirs_at_once)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, NULL);
    struct client client;
    struct client other;
    client_open(&client, &fixture);
    client_open(&other, &fixture);
    int fds[2] = { new_memfd("first"), new_memfd("later") };
    size_t size = put_text("now:0:a", 1);
    client_pass(&client, text, size / 2, fds, 1);
    fixture_wait_figure(&fixture, "bytes_in", size / 2);
    send_acquire(&other, "block:0:b", NULL);
    fake_host_wait_started(fixture.host, 1);
    client_send_bytes(&client, text + size / 2, size - size / 2);
    size = put_text("now:0:b", 2);
    client_pass(&client, text, size / 2, fds, 2);
    fake_host_unblock(fixture.host);
    client_expect(&other, 0, NULL, 0);
    client_expect(&client, 0, NULL, 0);
    client_send_bytes(&client, text + size / 2, size - size / 2);
    client_expect(&client, 0, NULL, 0);
    expect_put(&fixture, 1, 1);
    expect_put(&fixture, 2, 2);
    (void)close(fds[0]);
    (void)close(fds[1]);
    client_close(&other);
    client_close(&client);
    fixture_end(&fixture, true);
}
END_TEST

START_TEST(a_put_that_waits_its_turn_keeps_its_descriptors)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, NULL);
    struct client client;
    client_open(&client, &fixture);
    send_acquire(&client, "held:0:a", NULL);
    send_put(&client, "now:0:b", 2, 2);
    send_put(&client, "now:0:c", 3, 3);
    fixture_wait_figure(&fixture, "requests", 3);
    fake_host_let(fixture.host, "a");
    for (int i = 0; i < 3; i++)
        client_expect(&client, 0, NULL, 0);
    expect_put(&fixture, 1, 2);
    expect_put(&fixture, 2, 3);
    client_close(&client);
    fixture_end(&fixture, true);
}
END_TEST

/* ---- as it should not ---- */

START_TEST(a_wrong_count_is_refused)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, NULL);
    struct client client;
    client_open(&client, &fixture);
    static const uint32_t counts[][2] = { { 1, 2 }, { 2, 1 }, { 1, PK_WIRE_FDS_MAX } };
    for (size_t i = 0; i < 3; i++) {
        send_put(&client, "now:0:a", counts[i][0], counts[i][1]);
        client_expect(&client, -EINVAL, NULL, 0);
    }
    client_send_bytes(&client, text, put_text("now:0:a", 1));
    client_expect(&client, -EINVAL, NULL, 0);
    ck_assert_uint_eq(fake_host_started(fixture.host), 0);
    send_put(&client, "now:0:a", 2, 2);
    client_expect(&client, 0, NULL, 0);
    client_close(&client);
    fixture_end(&fixture, true);
}
END_TEST

START_TEST(descriptors_without_a_put_are_closed)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, NULL);
    struct client client;
    client_open(&client, &fixture);
    fake_host_wait_sessions(fixture.host, 1);
    int fds[2] = { new_memfd("first"), new_memfd("later") };
    uint32_t before = count_fds();
    static const char *const requests[] = {
        "{\"command\":\"discard\",\"object_id\":\"now:0:a\"}",
        "{\"command\":\"put\",\"object_id\":\"now:0:a\",\"data\":3}abc",
        "{\"command\":\"discard\",\"object_id\":\"now:0:a\",\"fds\":2}",
        "{\"command\":\"put\",\"fds\":2,\"sizes\":[1]}",
        "{\"command\":\"put\",\"fds\":0,\"data\":1}x",
    };
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        client_pass(&client, requests[i], strlen(requests[i]), fds, 2);
        client_expect(&client, i < 2 || i == 4 ? 0 : -EINVAL, NULL, 0);
        ck_assert_uint_eq(count_fds(), before);
    }
    /* with white space, and amid a request: of which only the first byte can have them */
    uint64_t received = fixture_figure(&fixture, "bytes_in");
    client_pass(&client, "\n\n", 2, fds, 2);
    fixture_wait_figure(&fixture, "bytes_in", received + 2);
    size_t size = put_text("now:0:a", 2);
    client_send_bytes(&client, text, 10);
    fixture_wait_figure(&fixture, "bytes_in", received + 12);
    client_pass(&client, text + 10, size - 10, fds, 2);
    client_expect(&client, -EINVAL, NULL, 0);
    ck_assert_uint_eq(count_fds(), before);
    (void)close(fds[0]);
    (void)close(fds[1]);
    client_close(&client);
    fixture_end(&fixture, true);
}
END_TEST

START_TEST(descriptors_amid_the_bytes_of_a_put_are_closed)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, NULL);
    struct client client;
    client_open(&client, &fixture);
    fake_host_wait_sessions(fixture.host, 1);
    int fd = new_memfd("first");
    uint32_t before = count_fds();
    client_send(&client, "{\"command\":\"put\",\"object_id\":\"now:0:a\",\"data\":100000}");
    for (int i = 0; i < 100; i++) {
        client_pass(&client, text, 1000, &fd, 1);
        ck_assert_uint_le(count_fds(), before + 1);
    }
    client_expect(&client, 0, NULL, 0);
    ck_assert_uint_eq(count_fds(), before);
    (void)close(fd);
    client_close(&client);
    fixture_end(&fixture, true);
}
END_TEST

START_TEST(what_is_no_memfd_is_refused)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, NULL);
    struct client client;
    client_open(&client, &fixture);
    int pair[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    int fds[] = { new_memfd("first"), open("/dev/null", O_RDONLY | O_CLOEXEC), pair[0], client.fd,
                  open("/", O_PATH | O_CLOEXEC) };
    for (uint32_t i = 1; i < 5; i++) {
        int two[] = { fds[0], fds[i] };
        client_pass(&client, text, put_text("now:0:a", 2), two, 2);
        client_expect(&client, -EINVAL, NULL, 0);
    }
    ck_assert_uint_eq(fake_host_started(fixture.host), 0);
    for (int i = 0; i < 5; i++)
        if (i != 3)
            (void)close(fds[i]);
    char byte;
    ck_assert_int_eq(read(pair[1], &byte, 1), 0); /* nobody has the other end */
    (void)close(pair[1]);
    client_close(&client);
    fixture_end(&fixture, true);
}
END_TEST

START_TEST(a_client_that_leaves_takes_its_descriptors_with_it)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, NULL);
    struct client client;
    client_open(&client, &fixture);
    send_acquire(&client, "stuck:0:a", NULL);
    send_put(&client, "now:0:b", 100, 100); /* waits */
    int fd = new_memfd("first");
    client_pass(&client, text, put_text("now:0:c", 1) / 2, &fd, 1); /* half a put */
    (void)close(fd);
    fixture_wait_figure(&fixture, "requests", 2);
    ck_assert_uint_ge(count_fds(), fixture.fds + 100);
    client_close(&client);
    fake_host_wait_sessions(fixture.host, 0);
    uint32_t tries = 0;
    while (count_fds() >= fixture.fds + 100)
        poll_again(&tries);
    fake_host_let(fixture.host, "a");
    fixture_end(&fixture, true);
}
END_TEST

START_TEST(stop_closes_descriptors_that_wait)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, NULL);
    struct client client;
    client_open(&client, &fixture);
    send_acquire(&client, "held:0:a", NULL);
    send_put(&client, "now:0:b", 10, 10);
    fixture_wait_figure(&fixture, "requests", 2);
    fixture_stop(&fixture, 100);
    ck_assert_uint_eq(fake_host_started(fixture.host), 1);
    client_close(&client);
    fixture_end(&fixture, false);
}
END_TEST

/* ---- bounds ---- */

/* Whoever passes descriptors and lets them wait is read no further. */
START_TEST(descriptors_of_one_client_are_bounded)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, NULL);
    struct client client;
    client_open(&client, &fixture);
    send_acquire(&client, "held:0:a", NULL);
    for (int i = 0; i < 20; i++)
        send_put(&client, "now:0:b", 100, 100);
    fixture_wait_figure(&fixture, "requests", 4);
    struct client other;
    client_open(&other, &fixture);
    for (int i = 0; i < 20; i++) {
        send_acquire(&other, "now:0:c", NULL);
        client_expect(&other, 0, NULL, 0);
    }
    ck_assert_uint_le(count_fds(), fixture.fds + 3 * PK_WIRE_FDS_MAX);
    fake_host_let(fixture.host, "a");
    for (int i = 0; i < 21; i++)
        client_expect(&client, 0, NULL, 0);
    client_close(&other);
    client_close(&client);
    fixture_end(&fixture, true);
}
END_TEST

/* Requests that never end hold no more than a quarter of what there may be, and then puts are busy;
 * all others go on. */
START_TEST(descriptors_of_all_clients_are_bounded)
{
    if (limits_are_emulated())
        return;
    struct uds_fixture fixture;
    fixture_start(&fixture, NULL);
    enum { CLIENTS = 12 };
    struct rlimit before;
    (void)getrlimit(RLIMIT_NOFILE, &before);
    struct rlimit low = { 4000, before.rlim_max };
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
    struct client clients[CLIENTS];
    int fds[200];
    for (int i = 0; i < 200; i++)
        fds[i] = new_memfd("first");
    uint32_t open_before = count_fds();
    size_t half = put_text("now:0:a", 1) / 2;
    for (int i = 0; i < CLIENTS; i++) {
        client_open(&clients[i], &fixture);
        client_pass(&clients[i], text, half, fds, 200);
        fixture_wait_figure(&fixture, "bytes_in", (uint64_t)(i + 1) * half);
    }
    ck_assert_uint_le(count_fds(), open_before + 1000 + 2 * CLIENTS);
    ck_assert_uint_ge(count_fds(), open_before + 800);
    struct client client;
    client_open(&client, &fixture);
    send_put(&client, "now:0:a", 200, 200);
    client_expect(&client, -EBUSY, NULL, 0);
    send_acquire(&client, "now:3:a", NULL);
    client_expect(&client, 0, NULL, 3);
    for (int i = 0; i < CLIENTS; i++)
        client_close(&clients[i]);
    fake_host_wait_sessions(fixture.host, 1);
    send_put(&client, "now:0:a", 200, 200);
    client_expect(&client, 0, NULL, 0);
    for (int i = 0; i < 200; i++)
        (void)close(fds[i]);
    (void)setrlimit(RLIMIT_NOFILE, &before);
    client_close(&client);
    fixture_end(&fixture, true);
}
END_TEST

/* Who holds some shares half of the quarter with the others that do. */
START_TEST(a_client_that_holds_descriptors_has_a_share)
{
    if (limits_are_emulated())
        return;
    struct uds_fixture fixture;
    fixture_start(&fixture, NULL);
    struct client clients[2];
    struct rlimit before;
    (void)getrlimit(RLIMIT_NOFILE, &before);
    struct rlimit low = { 2000, before.rlim_max };
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
    client_open(&clients[0], &fixture);
    send_acquire(&clients[0], "held:0:a", NULL);
    send_put(&clients[0], "now:0:b", 200, 200);
    send_put(&clients[0], "now:0:b", 100, 100); /* over 250 */
    fixture_wait_figure(&fixture, "requests", 3);
    client_open(&clients[1], &fixture);
    send_put(&clients[1], "now:0:c", 250, 250);
    client_expect(&clients[1], 0, NULL, 0);
    fake_host_let(fixture.host, "a");
    client_expect(&clients[0], 0, NULL, 0);
    client_expect(&clients[0], 0, NULL, 0);
    client_expect(&clients[0], -EBUSY, NULL, 0);
    (void)setrlimit(RLIMIT_NOFILE, &before);
    client_close(&clients[1]);
    client_close(&clients[0]);
    fixture_end(&fixture, true);
}
END_TEST

START_TEST(who_passes_descriptors_and_does_not_ask_is_disconnected)
{
    static const char *const settings[] = { "write_timeout=50ms", NULL };
    struct uds_fixture fixture;
    fixture_start(&fixture, settings);
    struct client client;
    struct client other;
    client_open(&client, &fixture);
    client_open(&other, &fixture);
    int fd = new_memfd("first");
    client_pass(&client, text, put_text("now:0:a", 1) / 2, &fd, 1);
    (void)close(fd);
    client_expect_end(&client);
    ck_assert_uint_eq(fixture_figure(&fixture, "dropped"), 1);
    send_put(&other, "now:0:b", 1, 1);
    client_expect(&other, 0, NULL, 0);
    client_close(&other);
    client_close(&client);
    fixture_end(&fixture, true);
}
END_TEST

/* Those that can't be received at all, and those that would be the last. */
START_TEST(out_of_descriptors_puts_are_busy)
{
    if (limits_are_emulated())
        return;
    struct uds_fixture fixture;
    fixture_start(&fixture, NULL);
    struct client client;
    client_open(&client, &fixture);
    send_acquire(&client, "now:0:a", NULL);
    client_expect(&client, 0, NULL, 0);
    int fds[20];
    for (int i = 0; i < 20; i++)
        fds[i] = new_memfd(i == 0 ? "first" : "later");
    int next = open("/dev/null", O_RDONLY | O_CLOEXEC);
    (void)close(next);
    struct rlimit before;
    (void)getrlimit(RLIMIT_NOFILE, &before);
    for (int room = 0; room <= 22; room += 11) {
        struct rlimit low = { (rlim_t)(next + room), before.rlim_max };
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
        client_pass(&client, text, put_text("now:0:a", 20), fds, 20);
        client_expect(&client, -EBUSY, NULL, 0);
        send_acquire(&client, "now:0:b", NULL);
        client_expect(&client, 0, NULL, 0);
    }
    (void)setrlimit(RLIMIT_NOFILE, &before);
    client_pass(&client, text, put_text("now:0:a", 20), fds, 20);
    client_expect(&client, 0, NULL, 0);
    for (int i = 0; i < 20; i++)
        (void)close(fds[i]);
    client_close(&client);
    fixture_end(&fixture, true);
}
END_TEST

int
main(void)
{
    const TTest *const cases[] = {
        a_put_has_its_descriptors,
        puts_amid_other_requests_have_their_own,
        a_put_with_descriptors_may_be_split_at_every_byte,
        two_puts_may_have_theirs_at_once,
        a_put_that_waits_its_turn_keeps_its_descriptors,
        a_wrong_count_is_refused,
        descriptors_without_a_put_are_closed,
        descriptors_amid_the_bytes_of_a_put_are_closed,
        what_is_no_memfd_is_refused,
        a_client_that_leaves_takes_its_descriptors_with_it,
        stop_closes_descriptors_that_wait,
        descriptors_of_one_client_are_bounded,
        descriptors_of_all_clients_are_bounded,
        a_client_that_holds_descriptors_has_a_share,
        who_passes_descriptors_and_does_not_ask_is_disconnected,
        out_of_descriptors_puts_are_busy,
    };
    return SUITE_RUN("transport_uds_passed", cases);
}
