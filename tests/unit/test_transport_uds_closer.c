/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transport_uds: descriptors whose close takes as long as a stranger likes, wherever they end, and
 * large memfds. In each test somebody else is served meanwhile.
 */
#include "suite.h"
#include "transport_uds_fixture.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <packice/cleanup.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define PUT_ONE "{\"command\":\"put\",\"object_id\":\"now:0:a\",\"fds\":1,\"sizes\":[5]}"
#define PUT_DATA "{\"command\":\"put\",\"object_id\":\"now:0:a\",\"data\":3}"

/* A TCP connection whose close waits until what it has to send was received. */
static int
new_lingering(int *ret_reader)
{
    struct sockaddr_in name = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof(name);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int least = 1;
    ck_assert_int_eq(setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &least, sizeof(least)), 0);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&name, size), 0);
    ck_assert_int_eq(listen(listener, 1), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&name, &size), 0);
    int writer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(writer, (struct sockaddr *)&name, size), 0);
    *ret_reader = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    ck_assert_int_ge(*ret_reader, 0);
    (void)close(listener);
    struct linger linger = { 1, 3600 };
    ck_assert_int_eq(setsockopt(writer, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
    static const char bytes[65536];
    ck_assert_int_gt(send(writer, bytes, sizeof(bytes), MSG_DONTWAIT), 16384);
    return writer;
}

static int
new_memfd(off_t size)
{
    int fd = memfd_create("passed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(posix_fallocate(fd, 0, size), 0);
    return fd;
}

static void
send_acquire(struct client *client, const char *id)
{
    char request[256];
    client_send(client, "%s", acquire_text(request, sizeof(request), id, NULL));
}

static void
is_served(struct client *client)
{
    send_acquire(client, "now:0:x");
    client_expect(client, 0, NULL, 0);
}

/* Somebody who is served, and can have the loop wait. */
struct scene {
    struct uds_fixture fixture;
    struct client client;
    struct client other;
    uint32_t blocks;
    int readers[16];
    uint32_t reader_count;
};

static void
scene_start(struct scene *scene, const char *const *settings)
{
    *scene = (struct scene){ 0 };
    fixture_start(&scene->fixture, settings);
    client_open(&scene->other, &scene->fixture);
    is_served(&scene->other);
    client_open(&scene->client, &scene->fixture);
}

static void
scene_let_go(struct scene *scene)
{
    while (scene->reader_count > 0)
        (void)close(scene->readers[--scene->reader_count]);
}

static void
scene_end(struct scene *scene)
{
    scene_let_go(scene);
    client_close(&scene->client);
    client_close(&scene->other);
    fixture_end(&scene->fixture, true);
}

static int
lingering(struct scene *scene)
{
    return new_lingering(&scene->readers[scene->reader_count++]);
}

/* What is sent from here on comes all at once. */
static void
block(struct scene *scene)
{
    uint32_t started = fake_host_started(scene->fixture.host);
    send_acquire(&scene->other, "block:0:x");
    fake_host_wait_started(scene->fixture.host, started + 1);
}

static void
unblock(struct scene *scene)
{
    fake_host_unblock(scene->fixture.host);
    client_expect(&scene->other, 0, NULL, 0);
}

/* Passes them, and leaves them to the node alone: which must not be first to close them. */
static void
give(struct client *client, const char *bytes, const int *fds, uint32_t count)
{
    client_pass(client, bytes, strlen(bytes), fds, count);
    for (uint32_t i = 0; i < count; i++)
        (void)close(fds[i]);
}

/* Likewise one that lingers. */
static void
give_lingering(struct scene *scene, struct client *client, const char *bytes)
{
    int fd = lingering(scene);
    block(scene);
    give(client, bytes, &fd, 1);
    unblock(scene);
}

/* ---- that take long ---- */

START_TEST(a_descriptor_whose_close_lingers_holds_nobody_up)
{
    struct scene scene;
    scene_start(&scene, NULL);
    for (uint32_t i = 0; i < 2; i++) {
        give_lingering(&scene, &scene.client, PUT_ONE);
        client_expect(&scene.client, -EINVAL, NULL, 0);
        is_served(&scene.client);
    }
    scene_end(&scene);
}
END_TEST

START_TEST(one_that_comes_amid_the_bytes_of_a_put_holds_nobody_up)
{
    struct scene scene;
    scene_start(&scene, NULL);
    uint64_t received = fixture_figure(&scene.fixture, "bytes_in");
    client_send(&scene.client, PUT_DATA);
    fixture_wait_figure(&scene.fixture, "bytes_in", received + strlen(PUT_DATA));
    give_lingering(&scene, &scene.client, "abc");
    is_served(&scene.other);
    client_expect(&scene.client, 0, NULL, 0);
    scene_end(&scene);
}
END_TEST

START_TEST(one_that_comes_out_of_band_holds_nobody_up)
{
    struct scene scene;
    scene_start(&scene, NULL);
    int fd = lingering(&scene);
    union {
        char space[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = { { 0 } };
    char byte = '\n';
    struct iovec part = { &byte, 1 };
    struct msghdr message = { .msg_iov = &part,
                              .msg_iovlen = 1,
                              .msg_control = &control,
                              .msg_controllen = sizeof(control) };
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &fd, sizeof(fd));
    block(&scene);
    ssize_t sent = sendmsg(scene.client.fd, &message, MSG_OOB | MSG_NOSIGNAL);
    ck_assert(sent == 1 || (sent < 0 && errno == EOPNOTSUPP)); /* as the kernel was made */
    (void)close(fd);
    send_acquire(&scene.client, "now:0:a");
    unblock(&scene);
    is_served(&scene.other);
    client_expect(&scene.client, 0, NULL, 0);
    scene_end(&scene);
}
END_TEST

/* All that it may have closed at once is. */
START_TEST(a_client_of_which_much_is_being_closed_holds_nobody_up)
{
    struct scene scene;
    scene_start(&scene, NULL);
    for (int i = 0; i < 4; i++) {
        give_lingering(&scene, &scene.client, PUT_ONE);
        client_expect(&scene.client, -EINVAL, NULL, 0);
        is_served(&scene.client);
    }
    give_lingering(&scene, &scene.client, PUT_ONE);
    client_expect(&scene.client, -EBUSY, NULL, 0);
    send_acquire(&scene.client, "now:0:b"); /* it is not read any more */
    is_served(&scene.other);
    int fd = new_memfd(5);
    give(&scene.other, PUT_ONE, &fd, 1);
    client_expect(&scene.other, 0, NULL, 0);
    scene_let_go(&scene);
    client_expect(&scene.client, 0, NULL, 0);
    scene_end(&scene);
}
END_TEST

/* Puts without descriptors go on as ever. */
START_TEST(while_too_much_is_being_closed_puts_are_busy)
{
    if (limits_are_emulated())
        return;
    struct rlimit before;
    (void)getrlimit(RLIMIT_NOFILE, &before);
    struct rlimit low = { 800, before.rlim_max };
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
    struct scene scene;
    scene_start(&scene, NULL);
    (void)setrlimit(RLIMIT_NOFILE, &before);
    int fds[PK_WIRE_FDS_MAX] = { lingering(&scene) };
    for (uint32_t i = 1; i < PK_WIRE_FDS_MAX; i++)
        fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    block(&scene);
    give(&scene.client, PUT_ONE, fds, PK_WIRE_FDS_MAX);
    unblock(&scene);
    client_expect(&scene.client, -EINVAL, NULL, 0);
    for (int i = 0; i < 3; i++) {
        int fd = new_memfd(5);
        give(&scene.other, PUT_ONE, &fd, 1);
        client_expect(&scene.other, -EBUSY, NULL, 0);
        is_served(&scene.other);
        client_send(&scene.other, PUT_DATA "abc");
        client_expect(&scene.other, 0, NULL, 0);
    }
    scene_let_go(&scene);
    int32_t status = -EBUSY;
    for (uint32_t tries = 0; status != 0; poll_again(&tries)) {
        struct answer answer;
        int fd = new_memfd(5);
        give(&scene.other, PUT_ONE, &fd, 1);
        client_read(&scene.other, &answer);
        status = answer.reply->reply.status;
        ck_assert(status == 0 || status == -EBUSY);
        answer_finish(&answer);
    }
    scene_end(&scene);
}
END_TEST

/* ---- that are never received ---- */

START_TEST(one_that_a_client_left_unread_holds_nobody_up)
{
    static const char *const settings[] = { "max_pending=1", NULL };
    struct scene scene;
    scene_start(&scene, settings);
    send_acquire(&scene.client, "held:0:a");
    fake_host_wait_started(scene.fixture.host, 2);
    give_lingering(&scene, &scene.client, PUT_ONE);
    (void)shutdown(scene.client.fd, SHUT_RDWR);
    fake_host_wait_sessions(scene.fixture.host, 1);
    is_served(&scene.other);
    scene_end(&scene);
}
END_TEST

START_TEST(one_of_a_client_that_is_turned_away_holds_nobody_up)
{
    static const char *const settings[] = { "max_clients=2", NULL };
    struct scene scene;
    scene_start(&scene, settings);
    is_served(&scene.client);
    int fd = lingering(&scene);
    block(&scene);
    struct client third;
    client_open(&third, &scene.fixture);
    give(&third, PUT_ONE, &fd, 1);
    unblock(&scene);
    client_expect(&third, -EBUSY, NULL, 0);
    is_served(&scene.other);
    client_close(&third);
    scene_end(&scene);
}
END_TEST

/* Who goes and comes again gets around nothing. */
START_TEST(a_client_counts_until_what_it_passed_is_closed)
{
    static const char *const settings[] = { "max_clients=2", NULL };
    struct scene scene;
    scene_start(&scene, settings);
    give_lingering(&scene, &scene.client, PUT_ONE);
    client_expect(&scene.client, -EINVAL, NULL, 0);
    (void)shutdown(scene.client.fd, SHUT_RDWR);
    fake_host_wait_sessions(scene.fixture.host, 1);
    struct client third;
    client_open(&third, &scene.fixture);
    client_expect(&third, -EBUSY, NULL, 0);
    client_close(&third);
    scene_let_go(&scene);
    uint32_t tries = 0;
    while (fixture_figure(&scene.fixture, "clients") > 1)
        poll_again(&tries);
    client_open(&third, &scene.fixture);
    is_served(&third);
    client_close(&third);
    scene_end(&scene);
}
END_TEST

/* Of one that was received, one that was not, and one of a client that nobody accepted. */
START_TEST(none_of_them_holds_up_the_end)
{
    static const char *const settings[] = { "max_pending=1", NULL };
    struct scene scene;
    scene_start(&scene, settings);
    give_lingering(&scene, &scene.client, PUT_ONE);
    client_expect(&scene.client, -EINVAL, NULL, 0);
    send_acquire(&scene.client, "held:0:a");
    fake_host_wait_started(scene.fixture.host, 3);
    give_lingering(&scene, &scene.client, PUT_ONE);
    block(&scene);
    struct client third;
    client_open(&third, &scene.fixture);
    int fd = lingering(&scene);
    give(&third, PUT_ONE, &fd, 1);
    fake_host_unblock(scene.fixture.host);
    fixture_stop(&scene.fixture, 0);
    client_close(&third);
    scene_let_go(&scene);
    client_close(&scene.client);
    client_close(&scene.other);
    fixture_end(&scene.fixture, false);
}
END_TEST

START_TEST(one_of_a_client_that_nobody_accepted_holds_up_no_end)
{
    struct uds_fixture fixture;
    struct client client;
    struct pk_error err = PK_ERROR_INIT;
    int reader;
    fixture_init(&fixture, NULL);
    ck_assert_int_eq(
        fixture.ops->open(fake_host_table(fixture.host), fixture.conf, &fixture.instance, &err), 0);
    client_open(&client, &fixture);
    int fd = new_lingering(&reader);
    give(&client, PUT_ONE, &fd, 1);
    fixture.ops->close(fixture.instance);
    fixture.instance = NULL;
    (void)close(reader);
    client_close(&client);
    fixture_end(&fixture, false);
}
END_TEST

int
main(void)
{
    const TTest *const cases[] = {
        a_descriptor_whose_close_lingers_holds_nobody_up,
        one_that_comes_amid_the_bytes_of_a_put_holds_nobody_up,
        one_that_comes_out_of_band_holds_nobody_up,
        a_client_of_which_much_is_being_closed_holds_nobody_up,
        while_too_much_is_being_closed_puts_are_busy,
        one_that_a_client_left_unread_holds_nobody_up,
        one_of_a_client_that_is_turned_away_holds_nobody_up,
        a_client_counts_until_what_it_passed_is_closed,
        none_of_them_holds_up_the_end,
        one_of_a_client_that_nobody_accepted_holds_up_no_end,
    };
    /* Under valgrind, which emulates limits too, no thread goes on while another is in close(2). */
    if (limits_are_emulated())
        return 77; /* skipped, as meson has it */
    return SUITE_RUN("transport_uds_closer", cases);
}
