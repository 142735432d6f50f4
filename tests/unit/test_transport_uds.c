/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transport_uds: framing, the order of answers, tags, batches and the descriptors of replies. What
 * happens when clients misbehave is test_transport_uds_life.c.
 */
#include "suite.h"
#include "transport_uds_fixture.h"
#include <errno.h>
#include <fcntl.h>
#include <packice/cleanup.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

static char text[1024];

START_TEST(the_simplest_client_is_served)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, NULL);
    struct client client;
    client_open(&client, &fixture);
    client_send(&client, "%s", acquire_text(text, sizeof(text), "now:2:a", NULL));
    char data[4096];
    char control[CMSG_SPACE(16 * sizeof(int))];
    struct iovec part = { data, sizeof(data) };
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
    };
    ssize_t size = recvmsg(client.fd, &message, 0);
    ck_assert_int_gt(size, 2);
    ck_assert_int_eq(data[0], '{');
    ck_assert_int_eq(data[size - 1], '\n');
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    ck_assert_ptr_nonnull(header);
    ck_assert_uint_eq(header->cmsg_len, CMSG_LEN(2 * sizeof(int)));
    for (size_t i = 0; i < 2; i++) {
        int fd;
        memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof(int));
        char bytes[8];
        ck_assert_int_eq(pread(fd, bytes, sizeof(bytes), 0), 5);
        (void)close(fd);
    }
    client_close(&client);
    fixture_end(&fixture, true);
}
END_TEST

START_TEST(a_request_may_be_split_at_every_byte)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, NULL);
    struct client client;
    client_open(&client, &fixture);
    acquire_text(text, sizeof(text), "now:1:a\\\"}{", "\"t\\\\\"");
    size_t size = strlen(text);
    uint64_t sent = 0;
    for (size_t split = 1; split < size; split++) {
        client_send(&client, "%.*s", (int)split, text);
        sent += split;
        fixture_wait_figure(&fixture, "bytes_in", sent);
        ck_assert_uint_eq(fake_host_started(fixture.host), split - 1);
        client_send(&client, "%s", text + split);
        sent += size - split;
        client_expect(&client, 0, "\"t\\\\\"", 1);
    }
    client_close(&client);
    fixture_end(&fixture, true);
}
END_TEST

START_TEST(many_requests_in_one_write_are_answered_in_order)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, NULL);
    struct client client;
    client_open(&client, &fixture);
    enum { COUNT = 1000 };
    pk_autofree char *all = malloc((size_t)COUNT * 128);
    ck_assert_ptr_nonnull(all);
    size_t size = 0;
    for (int i = 0; i < COUNT; i++)
        size += (size_t)sprintf(all + size,
                                "%s{\"command\":\"acquire\",\"intent\":\"read\",\"object_id\":"
                                "\"%s:%d:%d\"}",
                                i % 3 == 0 ? "\n \t" : "", i % 5 == 0 ? "later" : "now", i % 2, i);
    client_send(&client, "%s", all);
    for (int i = 0; i < COUNT; i++) {
        struct answer answer;
        client_read(&client, &answer);
        struct pk_error err = PK_ERROR_INIT;
        int32_t r = pk_wire_reply_decode(answer.reply, PK_VERB_ACQUIRE, 0, &err);
        ck_assert_msg(r == 0, "%s: %s", err.message, answer.text);
        (void)sprintf(text, "%s:%d:%d", i % 5 == 0 ? "later" : "now", i % 2, i);
        ck_assert_str_eq(answer.reply->reply.object_id, text);
        ck_assert_str_eq(fake_host_call_id(fixture.host, (uint32_t)i), text);
        ck_assert_uint_eq(answer.fd_count, (uint32_t)i % 2);
        answer_finish(&answer);
    }
    client_close(&client);
    fixture_end(&fixture, true);
}
END_TEST

START_TEST(an_untagged_request_starts_when_the_one_before_it_is_answered)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, NULL);
    struct client client;
    client_open(&client, &fixture);
    client_send(&client, "%s", acquire_text(text, sizeof(text), "held:1:a", NULL));
    client_send(&client, "%s", acquire_text(text, sizeof(text), "fail:0:b", NULL));
    client_send(&client, "{\"command\":\"nonsense\"}");
    client_send(&client, "%s", acquire_text(text, sizeof(text), "now:0:c", "3"));
    client_expect(&client, 0, "3", 0);
    ck_assert_uint_eq(fake_host_started(fixture.host), 2);
    ck_assert_str_eq(fake_host_call_id(fixture.host, 1), "now:0:c");
    fake_host_let(fixture.host, "a");
    client_expect(&client, 0, NULL, 1);
    client_expect(&client, -ENOENT, NULL, 0);
    client_expect(&client, -EOPNOTSUPP, NULL, 0);
    client_close(&client);
    fixture_end(&fixture, true);
}
END_TEST

START_TEST(tagged_requests_are_answered_as_they_complete)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, NULL);
    struct client client;
    client_open(&client, &fixture);
    client_send(&client, "%s", acquire_text(text, sizeof(text), "held:1:a", "\"same\""));
    client_send(&client, "%s", acquire_text(text, sizeof(text), "held:2:b", "\"same\""));
    client_send(&client, "%s", acquire_text(text, sizeof(text), "held:3:c", "-7"));
    fake_host_wait_started(fixture.host, 3);
    fake_host_let(fixture.host, "c");
    client_expect(&client, 0, "-7", 3);
    fake_host_let(fixture.host, "b");
    client_expect(&client, 0, "\"same\"", 2);
    fake_host_let(fixture.host, "a");
    client_expect(&client, 0, "\"same\"", 1);
    client_close(&client);
    fixture_end(&fixture, true);
}
END_TEST

START_TEST(a_bad_request_is_told_so_and_the_next_one_is_served)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, NULL);
    struct client client;
    client_open(&client, &fixture);
    client_send(&client, "{not json}");
    client_expect(&client, -EINVAL, NULL, 0);
    client_send(&client, "{\"command\":\"acquire\",\"intent\":\"wrong\",\"tag\":\"x\"}");
    client_expect(&client, -EINVAL, "\"x\"", 0);
    client_send(&client, "{}");
    client_expect(&client, -EINVAL, NULL, 0);
    client_send(&client, "%s", acquire_text(text, sizeof(text), "now:0:a", NULL));
    client_expect(&client, 0, NULL, 0);
    client_close(&client);
    fixture_end(&fixture, true);
}
END_TEST

START_TEST(another_first_byte_ends_the_connection_after_what_came_before)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, NULL);
    static const char *const garbage[] = { "x", "[", "\x01", "}", "\"" };
    for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
        struct client client;
        client_open(&client, &fixture);
        client_send(&client, "%s", acquire_text(text, sizeof(text), "later:1:a", NULL));
        client_send(&client, "%s", acquire_text(text, sizeof(text), "now:1:b", NULL));
        client_send(&client, "\n%s{}{}{}", garbage[i]);
        client_expect(&client, 0, NULL, 1);
        client_expect(&client, 0, NULL, 1);
        client_expect(&client, -EINVAL, NULL, 0);
        client_expect_end(&client);
        client_close(&client);
    }
    fixture_end(&fixture, true);
}
END_TEST

START_TEST(an_oversize_request_ends_the_connection)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, (const char *const[]){ "max_request=2000", NULL });
    struct client client;
    client_open(&client, &fixture);
    acquire_text(text, sizeof(text), "now:0:a", NULL);
    size_t size = strlen(text);
    client_send(&client, "{%*s%s", (int)(2000 - size), "", text + 1); /* fits by a byte */
    client_expect(&client, 0, NULL, 0);
    client_send(&client, "{%*s%s", (int)(2001 - size), "", text + 1);
    client_expect(&client, -EFBIG, NULL, 0);
    client_expect_end(&client);
    client_close(&client);
    ck_assert_uint_eq(fake_host_started(fixture.host), 1);
    fixture_end(&fixture, true);
}
END_TEST

/* ---- batches ---- */

static void
read_batch(struct client *client, struct answer *answer, size_t count)
{
    client_read(client, answer);
    ck_assert_int_eq(answer->reply->reply.status, 0);
    struct pk_error err = PK_ERROR_INIT;
    int32_t r = pk_wire_reply_decode(answer->reply, PK_WIRE_VERB_BATCH, count, &err);
    ck_assert_msg(r == 0, "%s", err.message);
}

static uint32_t
item_fd(const struct answer *answer, size_t item, uint32_t blob)
{
    struct pk_wire_reply *reply = answer->reply->items[item];
    struct pk_error err = PK_ERROR_INIT;
    if (reply->handles == NULL)
        ck_assert_int_eq(pk_wire_reply_decode(reply, PK_VERB_ACQUIRE, 0, &err), 0);
    ck_assert_uint_lt(blob, reply->reply.blob_count);
    return (uint32_t)reply->reply.handles[blob].fd;
}

START_TEST(a_batch_has_one_answer_for_each_request_in_their_order)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, NULL);
    struct client client;
    client_open(&client, &fixture);
    client_send(&client, "{\"command\":\"batch\",\"tag\":1,\"requests\":["
                         "{\"command\":\"acquire\",\"intent\":\"read\",\"object_id\":\"held:2:a\"},"
                         "{\"command\":\"acquire\",\"intent\":\"read\",\"object_id\":\"fail:0:b\"},"
                         "{\"command\":\"what\"},"
                         "{\"command\":\"acquire\",\"intent\":\"read\",\"object_id\":\"now:3:c\"},"
                         "{\"command\":\"acquire\",\"intent\":\"read\",\"object_id\":\"later:1:d\"}"
                         "]}");
    fake_host_wait_started(fixture.host, 4);
    fake_host_let(fixture.host, "a");
    struct answer answer;
    read_batch(&client, &answer, 5);
    ck_assert_pstr_eq(answer.reply->tag, "1");
    ck_assert_uint_eq(answer.fd_count, 6);
    static const int32_t statuses[] = { 0, -ENOENT, -EOPNOTSUPP, 0, 0 };
    for (size_t i = 0; i < 5; i++)
        ck_assert_int_eq(answer.reply->items[i]->reply.status, statuses[i]);
    uint32_t seen = 0;
    for (uint32_t i = 0; i < 2; i++)
        seen |= 1U << item_fd(&answer, 0, i);
    for (uint32_t i = 0; i < 3; i++)
        seen |= 1U << item_fd(&answer, 3, i);
    seen |= 1U << item_fd(&answer, 4, 0);
    ck_assert_uint_eq(seen, 0x3f);
    answer_finish(&answer);
    client_send(&client, "{\"command\":\"batch\",\"requests\":[]}");
    read_batch(&client, &answer, 0);
    answer_finish(&answer);
    client_close(&client);
    fixture_end(&fixture, true);
}
END_TEST

START_TEST(what_does_not_fit_into_a_batch_is_too_large_and_released)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, NULL);
    struct client client;
    client_open(&client, &fixture);
    client_send(&client,
                "{\"command\":\"batch\",\"requests\":["
                "{\"command\":\"acquire\",\"intent\":\"read\",\"object_id\":\"now:200:a\"},"
                "{\"command\":\"acquire\",\"intent\":\"read\",\"object_id\":\"now:54:b\"},"
                "{\"command\":\"acquire\",\"intent\":\"read\",\"object_id\":\"now:53:c\"},"
                "{\"command\":\"acquire\",\"intent\":\"read\",\"object_id\":\"now:1:d\"}"
                "]}");
    struct answer answer;
    read_batch(&client, &answer, 4);
    ck_assert_uint_eq(answer.fd_count, 253);
    static const int32_t statuses[] = { 0, -EFBIG, 0, -EFBIG };
    for (size_t i = 0; i < 4; i++)
        ck_assert_int_eq(answer.reply->items[i]->reply.status, statuses[i]);
    ck_assert_uint_eq(item_fd(&answer, 0, 0), 0);
    ck_assert_uint_eq(item_fd(&answer, 2, 52), 252);
    ck_assert_uint_eq(fake_host_released(fixture.host), 2);
    answer_finish(&answer);
    client_close(&client);
    fixture_end(&fixture, true);
}
END_TEST

START_TEST(a_batch_of_many_is_answered_whole)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, NULL);
    struct client client;
    client_open(&client, &fixture);
    pk_autofree char *items = malloc(PK_WIRE_BATCH_MAX * 96);
    ck_assert_ptr_nonnull(items);
    size_t size = 0;
    for (uint32_t i = 0; i < PK_WIRE_BATCH_MAX; i++)
        size += (size_t)sprintf(items + size,
                                "%s{\"command\":\"acquire\",\"intent\":\"read\",\"object_id\":"
                                "\"%s:0:%u\"}",
                                i == 0 ? "" : ",", i % 2 == 0 ? "later" : "now", i);
    client_send(&client, "{\"command\":\"batch\",\"requests\":[%s]}", items);
    struct answer answer;
    read_batch(&client, &answer, PK_WIRE_BATCH_MAX);
    for (uint32_t i = 0; i < PK_WIRE_BATCH_MAX; i++)
        ck_assert_int_eq(answer.reply->items[i]->reply.status, 0);
    answer_finish(&answer);
    client_close(&client);
    fixture_end(&fixture, true);
}
END_TEST

/* ---- descriptors ---- */

START_TEST(descriptors_come_with_the_first_byte_of_their_reply)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, NULL);
    struct client client;
    client_open(&client, &fixture);
    static const uint32_t counts[] = { 1, 0, 0, 253, 2, 0, 16 };
    char *end = text;
    for (size_t i = 0; i < 7; i++)
        end +=
            sprintf(end, "{\"command\":\"acquire\",\"intent\":\"read\",\"object_id\":\"now:%u:a\"}",
                    counts[i]);
    client_send(&client, "%s", text);
    uint32_t expected = 0;
    for (size_t i = 0; i < 7; i++) {
        expected += counts[i];
        ck_assert_uint_eq(client_receive(&client, 1), 1);
        ck_assert_uint_eq(client.fd_count, expected);
        while (client.data[client.size - 1] != '\n') {
            ck_assert_uint_eq(client_receive(&client, 1), 1);
            ck_assert_uint_eq(client.fd_count, expected);
        }
    }
    client_close(&client);
    fixture_end(&fixture, true);
}
END_TEST

START_TEST(a_path_travels_as_text_and_as_an_open_descriptor)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, NULL);
    char file[128];
    (void)snprintf(file, sizeof(file), "%s/blob", fixture.folder);
    int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    (void)close(fd);
    static const char *const intents[] = { "read", "create" };
    static const int modes[] = { O_RDONLY, O_RDWR };
    for (size_t i = 0; i < 2; i++) {
        struct client client;
        client_open(&client, &fixture);
        client_send(&client,
                    "{\"command\":\"acquire\",\"intent\":\"%s\",\"object_id\":\"path:2:%s\"}",
                    intents[i], file);
        struct answer answer;
        client_read(&client, &answer);
        ck_assert_uint_eq(answer.fd_count, 2);
        ck_assert_int_eq(fcntl(answer.fds[1], F_GETFL) & O_ACCMODE, modes[i]);
        ck_assert_ptr_nonnull(strstr(answer.text, file));
        answer_finish(&answer);
        client_close(&client);
    }
    (void)unlink(file);
    fixture_end(&fixture, true);
}
END_TEST

START_TEST(a_descriptor_that_comes_with_a_path_is_the_one_that_travels)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, NULL);
    struct client client;
    client_open(&client, &fixture);
    client_send(&client, "%s", acquire_text(text, sizeof(text), "both:3:/nowhere/blob", NULL));
    struct answer answer;
    client_read(&client, &answer);
    ck_assert_uint_eq(answer.fd_count, 3);
    ck_assert_ptr_nonnull(strstr(answer.text, "\"path\":\"/nowhere/blob\""));
    for (size_t i = 0; i < 3; i++) {
        struct stat info;
        ck_assert_int_eq(fstat(answer.fds[i], &info), 0);
        ck_assert_int_eq(info.st_size, 5);
    }
    answer_finish(&answer);
    /* and where nobody is left to take it, it is closed */
    client_send(&client, "%s", acquire_text(text, sizeof(text), "both:3:/nowhere/blob", NULL));
    client_close(&client);
    fixture_end(&fixture, true);
}
END_TEST

START_TEST(a_path_that_cannot_be_opened_is_io_and_its_lease_released)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, NULL);
    struct client client;
    client_open(&client, &fixture);
    client_send(&client, "%s", acquire_text(text, sizeof(text), "path:3:/nowhere/blob", "1"));
    client_expect(&client, -EIO, "1", 0);
    ck_assert_uint_eq(fake_host_released(fixture.host), 1);
    client_close(&client);
    fixture_end(&fixture, true);
}
END_TEST

START_TEST(descriptors_that_clients_send_are_closed)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, NULL);
    struct client client;
    client_open(&client, &fixture);
    int ends[2];
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    acquire_text(text, sizeof(text), "now:0:a", NULL);
    for (int i = 0; i < 3; i++) {
        union {
            char space[CMSG_SPACE(sizeof(int))];
            struct cmsghdr align;
        } control = { { 0 } };
        struct iovec part = { text, strlen(text) };
        struct msghdr message = { .msg_iov = &part,
                                  .msg_iovlen = 1,
                                  .msg_control = &control,
                                  .msg_controllen = sizeof(control) };
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        *header = (struct cmsghdr){ CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
        memcpy(CMSG_DATA(header), &ends[1], sizeof(int));
        ck_assert_int_gt(sendmsg(client.fd, &message, 0), 0);
    }
    for (int i = 0; i < 3; i++)
        client_expect(&client, 0, NULL, 0);
    (void)close(ends[1]);
    char byte;
    ck_assert_int_eq(read(ends[0], &byte, 1), 0); /* no writer is left */
    (void)close(ends[0]);
    client_close(&client);
    fixture_end(&fixture, true);
}
END_TEST

/* ---- the host ---- */

START_TEST(one_client_s_request_may_complete_another_s)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, NULL);
    struct client waiting;
    struct client letting;
    client_open(&waiting, &fixture);
    client_open(&letting, &fixture);
    for (int i = 0; i < 100; i++)
        client_send(&waiting, "%s", acquire_text(text, sizeof(text), "held:1:a", "1"));
    fake_host_wait_started(fixture.host, 100);
    client_send(&letting, "{\"command\":\"discard\",\"object_id\":\"let:0:a\"}");
    client_expect(&letting, 0, NULL, 0);
    for (int i = 0; i < 100; i++)
        client_expect(&waiting, 0, "1", 1);
    client_close(&waiting);
    client_close(&letting);
    fixture_end(&fixture, true);
}
END_TEST

START_TEST(stats_tells_the_node_s_figures)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, NULL);
    struct client client;
    client_open(&client, &fixture);
    client_send(&client, "{\"command\":\"stats\",\"tag\":\"s\"}");
    struct answer answer;
    client_read(&client, &answer);
    ck_assert_int_eq(pk_wire_reply_decode(answer.reply, PK_WIRE_VERB_STATS, 0, NULL), 0);
    ck_assert_uint_eq(answer.reply->stat_count, 2);
    uint64_t sum = 0;
    for (size_t i = 0; i < 2; i++)
        sum += answer.reply->stats[i].value
               * (strcmp(answer.reply->stats[i].name, "objects") == 0 ? 10 : 1);
    ck_assert_uint_eq(sum, 78);
    answer_finish(&answer);
    client_close(&client);
    fixture_end(&fixture, true);
}
END_TEST

START_TEST(the_principal_is_what_the_kernel_says)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, NULL);
    struct client client;
    client_open(&client, &fixture);
    fake_host_wait_sessions(fixture.host, 1);
    struct pk_principal principal = fake_host_principal(fixture.host);
    ck_assert_uint_eq(principal.kind, PK_PRINCIPAL_UNIX);
    ck_assert_uint_eq(principal.uid, getuid());
    ck_assert_uint_eq(principal.gid, getgid());
    ck_assert_uint_eq(principal.pid, (uint32_t)getpid());
    client_close(&client);
    fixture_end(&fixture, true);
}
END_TEST

int
main(void)
{
    const TTest *const cases[] = {
        the_simplest_client_is_served,
        a_request_may_be_split_at_every_byte,
        many_requests_in_one_write_are_answered_in_order,
        an_untagged_request_starts_when_the_one_before_it_is_answered,
        tagged_requests_are_answered_as_they_complete,
        a_bad_request_is_told_so_and_the_next_one_is_served,
        another_first_byte_ends_the_connection_after_what_came_before,
        an_oversize_request_ends_the_connection,
        a_batch_has_one_answer_for_each_request_in_their_order,
        what_does_not_fit_into_a_batch_is_too_large_and_released,
        a_batch_of_many_is_answered_whole,
        descriptors_come_with_the_first_byte_of_their_reply,
        a_path_travels_as_text_and_as_an_open_descriptor,
        a_descriptor_that_comes_with_a_path_is_the_one_that_travels,
        a_path_that_cannot_be_opened_is_io_and_its_lease_released,
        descriptors_that_clients_send_are_closed,
        one_client_s_request_may_complete_another_s,
        stats_tells_the_node_s_figures,
        the_principal_is_what_the_kernel_says,
    };
    return SUITE_RUN("transport_uds", cases);
}
