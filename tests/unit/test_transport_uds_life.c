/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transport_uds: clients that leave, half leave, don't read or are too many, and the end of the
 * transport itself.
 */
#include "suite.h"
#include "transport_uds_fixture.h"
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <packice/cleanup.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#define LARGE_REQUEST ((size_t)900000) /* bytes */
#define BUSY_REQUESTS ((size_t)2000)

static char text[1024];

static void
send_acquire(struct client *client, const char *id, const char *tag)
{
    client_send(client, "%s", acquire_text(text, sizeof(text), id, tag));
}

/* Sends without waiting until the socket is full; how many requests went, whole ones. */
static uint32_t
flood(struct client *client, const char *id, uint32_t max)
{
    acquire_text(text, sizeof(text), id, NULL);
    size_t size = strlen(text);
    uint32_t count = 0;
    for (uint32_t stuck = 0; count < max && stuck < 200;) {
        ssize_t r = send(client->fd, text, size, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (r == (ssize_t)size) {
            count++;
            stuck = 0;
            continue;
        }
        ck_assert_msg(r < 0 && errno == EAGAIN, "sent %zd: %s", r, strerror(errno));
        stuck++;
        (void)poll(NULL, 0, 1);
    }
    return count;
}

/* ---- leaving ---- */

/* The kernel tells such a hang-up together with the bytes before it, and as an error. */
START_TEST(client_that_leaves_replies_unread_and_half_a_request_is_let_go)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, NULL);
    struct client gone;
    struct client other;
    client_open(&gone, &fixture);
    client_open(&other, &fixture);
    client_send(&gone, "{\"command\":\"discard\",\"object_id\":\"now:0:a\"}");
    fixture_wait_figure(&fixture, "replies", 1);
    client_send(&other, "{\"command\":\"discard\",\"object_id\":\"block:0:b\"}");
    fake_host_wait_started(fixture.host, 2);
    client_send(&gone, "{\"command\":\"discard\",");
    client_close(&gone);
    fake_host_unblock(fixture.host);
    fake_host_wait_sessions(fixture.host, 1);
    client_expect(&other, 0, NULL, 0);
    client_close(&other);
    fixture_end(&fixture, true);
}
END_TEST

START_TEST(a_half_closed_client_gets_its_answers)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, NULL);
    struct client client;
    client_open(&client, &fixture);
    send_acquire(&client, "held:1:a", NULL);
    send_acquire(&client, "later:2:b", NULL);
    send_acquire(&client, "held:3:c", "1");
    client_send(&client, "{\"half\":");
    ck_assert_int_eq(shutdown(client.fd, SHUT_WR), 0);
    fake_host_wait_started(fixture.host, 2);
    fake_host_let(fixture.host, "c");
    client_expect(&client, 0, "1", 3);
    fake_host_let(fixture.host, "a");
    client_expect(&client, 0, NULL, 1);
    client_expect(&client, 0, NULL, 2);
    client_expect_end(&client);
    fake_host_wait_sessions(fixture.host, 0);
    client_close(&client);
    fixture_end(&fixture, true);
}
END_TEST

START_TEST(a_half_closed_client_that_leaves_is_noticed)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, NULL);
    struct client client;
    struct client other;
    client_open(&client, &fixture);
    client_open(&other, &fixture);
    send_acquire(&client, "held:1:a", NULL);
    ck_assert_int_eq(shutdown(client.fd, SHUT_WR), 0);
    fake_host_wait_started(fixture.host, 1);
    send_acquire(&other, "now:0:b", NULL); /* behind the half close in the loop's events */
    client_expect(&other, 0, NULL, 0);
    client_close(&client);
    fake_host_wait_sessions(fixture.host, 1);
    client_close(&other);
    fixture_end(&fixture, true);
}
END_TEST

START_TEST(a_half_closed_client_does_not_spin_the_loop)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, NULL);
    struct client client;
    client_open(&client, &fixture);
    send_acquire(&client, "held:0:a", NULL);
    ck_assert_int_eq(shutdown(client.fd, SHUT_WR), 0);
    fake_host_wait_started(fixture.host, 1);
    uint64_t before = fixture_figure(&fixture, "turns");
    (void)poll(NULL, 0, 100); /* enough for thousands of turns */
    ck_assert_uint_le(fixture_figure(&fixture, "turns"), before + 2);
    fake_host_let(fixture.host, "a");
    client_expect(&client, 0, NULL, 0);
    client_expect_end(&client);
    client_close(&client);
    fixture_end(&fixture, true);
}
END_TEST

START_TEST(a_client_that_leaves_takes_its_session_with_it)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, NULL);
    struct client client;
    client_open(&client, &fixture);
    send_acquire(&client, "held:1:a", "1");
    send_acquire(&client, "stuck:2:b", "2");
    send_acquire(&client, "stuck:3:c", NULL);
    send_acquire(&client, "now:4:d", NULL); /* never starts */
    client_send(&client, "{\"command\":\"batch\",\"tag\":3,\"requests\":["
                         "{\"command\":\"acquire\",\"intent\":\"read\",\"object_id\":\"now:5:e\"},"
                         "{\"command\":\"acquire\",\"intent\":\"read\",\"object_id\":\"stuck:6:f\"}"
                         "]}");
    fake_host_wait_started(fixture.host, 5);
    client_close(&client);
    fake_host_wait_sessions(fixture.host, 0);
    /* What comes now comes too late for anybody; fixture_end counts its descriptors. */
    fake_host_let(fixture.host, "b");
    fake_host_let(fixture.host, "c");
    fake_host_let(fixture.host, "f");
    ck_assert_uint_eq(fake_host_started(fixture.host), 5);
    fixture_end(&fixture, true);
}
END_TEST

START_TEST(what_a_leaving_client_had_sent_is_done)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, NULL);
    struct client client;
    client_open(&client, &fixture);
    for (int i = 0; i < 500; i++)
        client_send(&client, "{\"command\":\"discard\",\"object_id\":\"now:0:a\"}");
    client_close(&client);
    fake_host_wait_started(fixture.host, 500);
    fake_host_wait_sessions(fixture.host, 0);
    fixture_end(&fixture, true);
}
END_TEST

/* Also what came after the node had found its socket empty. */
START_TEST(what_a_leaving_client_sent_last_is_done)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, NULL);
    struct client client;
    client_open(&client, &fixture);
    send_acquire(&client, "block:0:a", NULL);
    fake_host_wait_started(fixture.host, 1);
    for (int i = 0; i < 10; i++)
        client_send(&client, "{\"command\":\"discard\",\"object_id\":\"now:0:a\"}");
    client_close(&client);
    fake_host_unblock(fixture.host);
    fake_host_wait_sessions(fixture.host, 0);
    ck_assert_uint_eq(fake_host_started(fixture.host), 11);
    fixture_end(&fixture, true);
}
END_TEST

START_TEST(a_client_that_leaves_with_answers_unread_is_noticed)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, (const char *const[]){ "max_pending=2", NULL });
    struct client client;
    struct client other;
    client_open(&client, &fixture);
    client_open(&other, &fixture);
    send_acquire(&client, "now:1:a", NULL);
    struct pollfd entry = { .fd = client.fd, .events = POLLIN };
    ck_assert_int_eq(poll(&entry, 1, 20000), 1);
    /* The loop is kept busy, so that it sees the requests and the end in one event. */
    send_acquire(&other, "block:0:b", NULL);
    fake_host_wait_started(fixture.host, 2);
    for (int i = 0; i < 4; i++)
        send_acquire(&client, "held:1:a", "1");
    client_close(&client);
    fake_host_unblock(fixture.host);
    client_expect(&other, 0, NULL, 0);
    fake_host_wait_sessions(fixture.host, 1);
    client_close(&other);
    fixture_end(&fixture, true);
}
END_TEST

START_TEST(a_client_that_leaves_while_it_is_not_read_is_noticed)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, (const char *const[]){ "max_pending=2", NULL });
    struct client client;
    client_open(&client, &fixture);
    for (int i = 0; i < 4; i++)
        send_acquire(&client, "held:1:a", "1");
    fake_host_wait_started(fixture.host, 2);
    ck_assert_uint_eq(fake_host_started(fixture.host), 2);
    client_close(&client);
    fake_host_wait_sessions(fixture.host, 0);
    ck_assert_uint_eq(fake_host_started(fixture.host), 2);
    fixture_end(&fixture, true);
}
END_TEST

/* ---- limits ---- */

START_TEST(pending_requests_are_bounded_and_the_rest_waits)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, (const char *const[]){ "max_pending=3", NULL });
    struct client client;
    struct client other;
    client_open(&client, &fixture);
    client_open(&other, &fixture);
    char id[32];
    for (int i = 0; i < 10; i++) {
        (void)snprintf(id, sizeof(id), "held:1:a%d", i);
        send_acquire(&client, id, "1");
    }
    fake_host_wait_started(fixture.host, 3);
    send_acquire(&other, "now:0:b", NULL);
    client_expect(&other, 0, NULL, 0);
    ck_assert_uint_eq(fake_host_started(fixture.host), 4);
    for (uint32_t i = 0; i < 10; i++) {
        fake_host_wait_started(fixture.host, i < 7 ? i + 4 : 11);
        ck_assert_uint_le(fake_host_open_calls(fixture.host), 3);
        (void)snprintf(id, sizeof(id), "a%u", i);
        fake_host_let(fixture.host, id);
        client_expect(&client, 0, "1", 1);
    }
    client_close(&client);
    client_close(&other);
    fixture_end(&fixture, true);
}
END_TEST

START_TEST(a_request_that_waits_its_turn_is_small)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, NULL);
    struct client client;
    client_open(&client, &fixture);
    send_acquire(&client, "held:1:a", NULL);
    fake_host_wait_started(fixture.host, 1);
    pk_autofree char *padding = malloc(LARGE_REQUEST);
    ck_assert_ptr_nonnull(padding);
    for (size_t i = 0; i < LARGE_REQUEST / 3; i++)
        memcpy(padding + 3 * i, "{},", 3);
    padding[LARGE_REQUEST / 3 * 3 - 1] = '\0';
    struct mallinfo2 before = mallinfo2();
    client_send(&client,
                "{\"command\":\"acquire\",\"intent\":\"read\",\"object_id\":\"now:2:b\","
                "\"padding\":[%s]}",
                padding);
    fixture_wait_figure(&fixture, "requests", 2);
    send_acquire(&client, "now:3:c", "1"); /* answered when all before it was read */
    client_expect(&client, 0, "1", 3);
    struct mallinfo2 after = mallinfo2();
    ck_assert_uint_lt(after.uordblks + after.hblkhd,
                      before.uordblks + before.hblkhd + 8 * LARGE_REQUEST);
    fake_host_let(fixture.host, "a");
    client_expect(&client, 0, NULL, 1);
    client_expect(&client, 0, NULL, 2);
    client_close(&client);
    fixture_end(&fixture, true);
}
END_TEST

/* All that a busy client wrote lies in its socket before another one's request comes. */
START_TEST(a_busy_client_takes_turns_with_others)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, NULL);
    struct client busy;
    struct client other;
    client_open(&busy, &fixture);
    client_open(&other, &fixture);
    client_send(&other, "{\"command\":\"stats\"}");
    client_expect(&other, 0, NULL, 0);
    send_acquire(&busy, "block:0:a", "1");
    fake_host_wait_started(fixture.host, 1);
    acquire_text(text, sizeof(text), "now:0:b", "1");
    size_t size = strlen(text);
    pk_autofree char *many = malloc(BUSY_REQUESTS * size + 1);
    ck_assert_ptr_nonnull(many);
    for (size_t i = 0; i < BUSY_REQUESTS; i++)
        memcpy(many + i * size, text, size + 1);
    client_send(&busy, "%s", many);
    send_acquire(&other, "now:0:c", NULL);
    fake_host_unblock(fixture.host);
    client_expect(&other, 0, NULL, 0);
    uint32_t index = 1;
    while (strcmp(fake_host_call_id(fixture.host, index), "now:0:c") != 0)
        index++;
    ck_assert_uint_lt(index, BUSY_REQUESTS / 2);
    for (size_t i = 0; i < BUSY_REQUESTS + 1; i++)
        client_expect(&busy, 0, "1", 0);
    client_close(&busy);
    client_close(&other);
    fixture_end(&fixture, true);
}
END_TEST

START_TEST(a_slow_reader_is_bounded_and_blocks_nobody)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, (const char *const[]){ "max_output=64KiB", NULL });
    struct client slow;
    struct client other;
    client_open(&slow, &fixture);
    client_open(&other, &fixture);
    uint32_t sent = flood(&slow, "now:0:a", 200000);
    ck_assert_uint_lt(sent, 200000); /* it was not read any more */
    ck_assert_uint_lt(fixture_figure(&fixture, "queued_bytes"), 128 * 1024);
    uint32_t started = fake_host_started(fixture.host);
    send_acquire(&other, "later:1:b", NULL);
    client_expect(&other, 0, NULL, 1);
    ck_assert_uint_eq(fake_host_started(fixture.host), started + 1);
    for (uint32_t i = 0; i < sent; i++)
        client_expect(&slow, 0, NULL, 0);
    ck_assert_uint_eq(fake_host_started(fixture.host), sent + 1);
    client_close(&slow);
    client_close(&other);
    fixture_end(&fixture, true);
}
END_TEST

START_TEST(a_dead_reader_is_disconnected_and_its_descriptors_closed)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, (const char *const[]){ "write_timeout=50ms", NULL });
    struct client dead;
    struct client idle;
    client_open(&dead, &fixture);
    client_open(&idle, &fixture);
    send_acquire(&dead, "held:9:x", "1");
    acquire_text(text, sizeof(text), "now:1:a", NULL);
    while (send(dead.fd, text, strlen(text), MSG_NOSIGNAL) > 0)
        continue;
    ck_assert(errno == EPIPE || errno == ECONNRESET);
    fake_host_wait_sessions(fixture.host, 1);
    ck_assert_uint_eq(fixture_figure(&fixture, "dropped"), 1);
    ck_assert_uint_eq(fixture_figure(&fixture, "queued_bytes"), 0);
    send_acquire(&idle, "now:1:a", NULL); /* idling is no offence */
    client_expect(&idle, 0, NULL, 1);
    client_close(&dead);
    client_close(&idle);
    fixture_end(&fixture, true);
}
END_TEST

START_TEST(descriptors_that_nobody_receives_are_bounded)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, NULL);
    struct client client;
    client_open(&client, &fixture);
    struct rlimit limit;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    uint64_t share = limit.rlim_cur / 2 < 1024 ? limit.rlim_cur / 2 : 1024;
    enum { COUNT = 100 };
    for (int i = 0; i < COUNT; i++)
        send_acquire(&client, "now:50:a", NULL);
    fixture_wait_figure(&fixture, "descriptors", share / 50 * 50);
    struct client other;
    client_open(&other, &fixture);
    for (int i = 0; i < 3; i++) {
        send_acquire(&other, "now:200:b", NULL);
        client_expect(&other, 0, NULL, 200);
    }
    ck_assert_uint_le(fixture_figure(&fixture, "descriptors"), share + 600);
    ck_assert_uint_le(fake_host_started(fixture.host), 3 + (share + 256) / 50 + 1);
    for (int i = 0; i < COUNT; i++)
        client_expect(&client, 0, NULL, 50);
    client_close(&client);
    client_close(&other);
    fixture_end(&fixture, true);
}
END_TEST

/* Fills the kernel's count of this user's descriptors on the way. */
static void
send_to_nobody(int fd, uint32_t count)
{
    union {
        char space[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = { { 0 } };
    struct iovec part = { "x", 1 };
    struct msghdr message = { .msg_iov = &part,
                              .msg_iovlen = 1,
                              .msg_control = &control,
                              .msg_controllen = sizeof(control) };
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    *header = (struct cmsghdr){ CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
    memcpy(CMSG_DATA(header), &fd, sizeof(int));
    for (uint32_t i = 0; i < count; i++)
        if (sendmsg(fd, &message, MSG_DONTWAIT) < 0)
            ck_assert_int_eq(errno, ETOOMANYREFS);
}

START_TEST(descriptors_that_the_kernel_refuses_for_now_are_sent_later)
{
    /* Root is exempt from the limit; not in its own test process, which ends here. */
    if (limits_are_emulated())
        return;
    struct uds_fixture fixture;
    fixture_init(&fixture, NULL);
    if (getuid() == 0) {
        ck_assert_int_eq(chown(fixture.folder, 64999, 64999), 0);
        ck_assert_int_eq(setgid(64999), 0);
        ck_assert_int_eq(setuid(64999), 0);
    }
    fixture_serve(&fixture);
    struct client client;
    client_open(&client, &fixture);
    struct rlimit before;
    (void)getrlimit(RLIMIT_NOFILE, &before);
    struct rlimit low = { 40, before.rlim_max };
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
    int pair[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    send_to_nobody(pair[0], 60);
    send_acquire(&client, "now:2:a", NULL);
    send_acquire(&client, "now:0:b", NULL);
    fixture_wait_figure(&fixture, "replies", 2);
    struct pollfd entry = { .fd = client.fd, .events = POLLIN };
    ck_assert_int_eq(poll(&entry, 1, 50), 0);
    (void)close(pair[0]);
    (void)close(pair[1]);
    client_expect(&client, 0, NULL, 2);
    client_expect(&client, 0, NULL, 0);
    (void)setrlimit(RLIMIT_NOFILE, &before);
    client_close(&client);
    fixture_stop(&fixture, 20000);
    fixture.ops->close(fixture.instance);
    fixture.instance = NULL;
    fixture_end(&fixture, false);
}
END_TEST

START_TEST(too_many_clients_are_told_so)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, (const char *const[]){ "max_clients=2", NULL });
    struct client clients[3];
    for (int i = 0; i < 2; i++) {
        client_open(&clients[i], &fixture);
        fake_host_wait_sessions(fixture.host, (uint32_t)i + 1);
    }
    client_open(&clients[2], &fixture);
    client_expect(&clients[2], -EBUSY, NULL, 0);
    client_expect_end(&clients[2]);
    client_close(&clients[2]);
    client_close(&clients[0]);
    fake_host_wait_sessions(fixture.host, 1);
    client_open(&clients[0], &fixture);
    fake_host_wait_sessions(fixture.host, 2);
    client_close(&clients[0]);
    client_close(&clients[1]);
    fixture_end(&fixture, true);
}
END_TEST

START_TEST(a_client_whose_session_is_refused_is_told_so)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, NULL);
    fake_host_refuse(fixture.host, true);
    struct client client;
    client_open(&client, &fixture);
    client_expect(&client, -EBUSY, NULL, 0);
    client_expect_end(&client);
    client_close(&client);
    fixture_end(&fixture, true);
}
END_TEST

START_TEST(running_out_of_descriptors_at_accept_is_survived)
{
    if (limits_are_emulated())
        return;
    struct uds_fixture fixture;
    fixture_start(&fixture, NULL);
    struct client first;
    client_open(&first, &fixture);
    fake_host_wait_sessions(fixture.host, 1);
    struct rlimit before;
    (void)getrlimit(RLIMIT_NOFILE, &before);
    int connecting = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct rlimit none = { 0, before.rlim_max };
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    struct sockaddr_un name = { .sun_family = AF_UNIX };
    (void)snprintf(name.sun_path, sizeof(name.sun_path), "%s", fixture.path);
    ck_assert_int_eq(connect(connecting, (const struct sockaddr *)&name, sizeof(name)), 0);
    uint32_t tries = 0;
    while (fake_host_complaints(fixture.host) == 0)
        poll_again(&tries);
    /* who is connected is served, out of descriptors or not */
    client_send(&first, "{\"command\":\"discard\",\"object_id\":\"now:0:a\"}");
    client_expect(&first, 0, NULL, 0);
    (void)poll(NULL, 0, 250); /* two more tries to accept, which complain no more */
    ck_assert_uint_eq(fake_host_complaints(fixture.host), 1);
    (void)setrlimit(RLIMIT_NOFILE, &before);
    fake_host_wait_sessions(fixture.host, 2);
    (void)close(connecting);
    client_close(&first);
    fixture_end(&fixture, true);
}
END_TEST

START_TEST(the_spare_descriptor_turns_a_client_away)
{
    if (limits_are_emulated())
        return;
    struct uds_fixture fixture;
    fixture_start(&fixture, NULL);
    struct client client = { .fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) };
    struct rlimit before;
    (void)getrlimit(RLIMIT_NOFILE, &before);
    int taken[256];
    int count = 0;
    struct rlimit low = { (rlim_t)client.fd + 32, before.rlim_max };
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
    while ((taken[count] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
        count++;
    struct sockaddr_un name = { .sun_family = AF_UNIX };
    (void)snprintf(name.sun_path, sizeof(name.sun_path), "%s", fixture.path);
    ck_assert_int_eq(connect(client.fd, (const struct sockaddr *)&name, sizeof(name)), 0);
    client_expect(&client, -EBUSY, NULL, 0);
    client_expect_end(&client);
    while (count > 0)
        (void)close(taken[--count]);
    (void)setrlimit(RLIMIT_NOFILE, &before);
    client_close(&client);
    fixture_end(&fixture, true);
}
END_TEST

/* ---- the end of the transport ---- */

START_TEST(stop_answers_what_is_under_way)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, NULL);
    struct client client;
    struct client idle;
    enum { COUNT = 60 }; /* whose answers the socket holds */
    client_open(&client, &fixture);
    client_open(&idle, &fixture);
    fake_host_wait_sessions(fixture.host, 2);
    for (int i = 0; i < COUNT; i++)
        send_acquire(&client, "later:1:a", i % 2 == 0 ? "1" : NULL);
    fixture_wait_figure(&fixture, "requests", COUNT);
    fixture_stop(&fixture, 20000);
    uint32_t tagged = 0;
    for (int i = 0; i < COUNT; i++) {
        struct answer answer;
        client_read(&client, &answer);
        ck_assert_int_eq(answer.reply->reply.status, 0);
        ck_assert_uint_eq(answer.fd_count, 1);
        tagged += answer.reply->tag != NULL;
        answer_finish(&answer);
    }
    ck_assert_uint_eq(tagged, COUNT / 2);
    client_expect_end(&client);
    client_expect_end(&idle);
    client_close(&client);
    client_close(&idle);
    fixture_end(&fixture, false);
}
END_TEST

START_TEST(stop_cuts_off_at_its_deadline_and_late_answers_are_dropped)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, NULL);
    struct client client;
    client_open(&client, &fixture);
    send_acquire(&client, "stuck:3:a", NULL);
    send_acquire(&client, "stuck:3:b", "1");
    send_acquire(&client, "held:3:c", "2");
    fake_host_wait_started(fixture.host, 3);
    fixture_stop(&fixture, 50);
    ck_assert_uint_eq(fake_host_sessions(fixture.host), 0);
    client_expect_end(&client);
    client_close(&client);
    fake_host_let(fixture.host, "a"); /* stopped */
    fixture.ops->close(fixture.instance);
    fixture.instance = NULL;
    fake_host_let(fixture.host, "b"); /* closed */
    fixture_end(&fixture, false);
}
END_TEST

START_TEST(stop_does_not_wait_for_who_does_not_read)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, (const char *const[]){ "max_output=64KiB", NULL });
    struct client client;
    client_open(&client, &fixture);
    ck_assert_uint_lt(flood(&client, "now:1:a", 200000), 200000);
    fixture_stop(&fixture, 50);
    client_close(&client);
    fixture_end(&fixture, false);
}
END_TEST

static void *
keep_busy(void *arg)
{
    const struct uds_fixture *fixture = arg;
    struct client client;
    char line[256];
    client_open(&client, fixture);
    for (int i = 0; i < 300; i++)
        client_send(&client, "%s",
                    acquire_text(line, sizeof(line), i % 2 == 0 ? "later:1:a" : "now:2:a", "1"));
    for (int i = 0; i < 300; i++) {
        struct answer answer;
        client_read(&client, &answer);
        answer_finish(&answer);
    }
    client_close(&client);
    return NULL;
}

START_TEST(clients_come_and_go_from_many_threads)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, NULL);
    pthread_t threads[8];
    for (int i = 0; i < 8; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, keep_busy, &fixture), 0);
    for (int i = 0; i < 8; i++)
        (void)pthread_join(threads[i], NULL);
    fake_host_wait_sessions(fixture.host, 0);
    ck_assert_uint_eq(fixture_figure(&fixture, "requests"), 2400);
    ck_assert_uint_eq(fixture_figure(&fixture, "replies"), 2400);
    ck_assert_uint_eq(fixture_figure(&fixture, "descriptors"), 3600);
    ck_assert_uint_eq(fixture_figure(&fixture, "clients"), 0);
    fixture_end(&fixture, true);
}
END_TEST

int
main(void)
{
    const TTest *const cases[] = {
        client_that_leaves_replies_unread_and_half_a_request_is_let_go,
        a_half_closed_client_gets_its_answers,
        a_half_closed_client_that_leaves_is_noticed,
        a_half_closed_client_does_not_spin_the_loop,
        a_client_that_leaves_takes_its_session_with_it,
        what_a_leaving_client_had_sent_is_done,
        what_a_leaving_client_sent_last_is_done,
        a_client_that_leaves_with_answers_unread_is_noticed,
        a_client_that_leaves_while_it_is_not_read_is_noticed,
        pending_requests_are_bounded_and_the_rest_waits,
        a_request_that_waits_its_turn_is_small,
        a_busy_client_takes_turns_with_others,
        a_slow_reader_is_bounded_and_blocks_nobody,
        a_dead_reader_is_disconnected_and_its_descriptors_closed,
        descriptors_that_nobody_receives_are_bounded,
        descriptors_that_the_kernel_refuses_for_now_are_sent_later,
        too_many_clients_are_told_so,
        a_client_whose_session_is_refused_is_told_so,
        running_out_of_descriptors_at_accept_is_survived,
        the_spare_descriptor_turns_a_client_away,
        stop_answers_what_is_under_way,
        stop_cuts_off_at_its_deadline_and_late_answers_are_dropped,
        stop_does_not_wait_for_who_does_not_read,
        clients_come_and_go_from_many_threads,
    };
    return SUITE_RUN("transport_uds_life", cases);
}
