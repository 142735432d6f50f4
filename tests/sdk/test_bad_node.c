/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nodes that lie, babble, hang or die: what the client makes of them, and that it keeps nothing.
 */
#include "fake_node.h"
#include "target.h"
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define LEASE "01234567-89ab-4cde-8f01-23456789abcd"
#define HEAD \
    "{\"status\":\"ok\",\"tag\":TAG,\"lease_id\":\"" LEASE "\",\"object_id\":\"x\",\"epoch\":1," \
    "\"ttl_seconds\":null,\"meta\":{},\"handles\":[],"
#define READ_HEAD HEAD "\"intent\":\"read\",\"state\":\"sealed\","
#define BLOB(size) "\"blobs\":[{\"kind\":\"fd\",\"fd\":0,\"size\":" size ",\"offset\":0}],"

/* A memfd of so many bytes, sealed in these ways. */
static int
new_memfd(off_t size, int seals)
{
    int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ftruncate(fd, size), 0);
    ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, seals), 0);
    return fd;
}

#define SEALED (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static char folder[64];
static char path[96];
static int before;

static void
set_up(void)
{
    target.name = "fake";
    before = count_fds(getpid());
    (void)snprintf(folder, sizeof(folder), "/tmp/packice-sdk-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/s", folder);
}

static void
tear_down(void)
{
    (void)unlink(path);
    (void)rmdir(folder);
    ck_assert_int_eq(count_fds(getpid()), before);
}

/* Gets "x" from a node that answers like this. */
static int
get_from(const struct fake_reply *replies, int count, char **ret_heard)
{
    packice_client *client = NULL;
    packice_lease *lease = NULL;
    struct fake_node *node = fake_node_start(path, replies, count);
    MUST(packice_connect(path, &client));
    int rc = packice_get(client, "x", 0, &lease);
    ck_assert_msg((rc == 0) == (lease != NULL), "a lease without success, or the reverse");
    MUST(packice_release(lease));
    packice_client_free(client);
    char *heard = fake_node_stop(node);
    if (ret_heard != NULL)
        *ret_heard = heard;
    else
        free(heard);
    return rc;
}

START_TEST(sdk_takes_a_reply_that_is_right)
{
    int fd = new_memfd(10, SEALED);
    const struct fake_reply replies[] = {
        { .text = READ_HEAD BLOB("10") "\"fds\":1}\n", .fds = { fd } },
        { .text = "{\"status\":\"released\",\"tag\":TAG}" },
    };
    MUST(get_from(replies, 2, NULL));
    (void)close(fd);
}
END_TEST

/* Each is refused with EPROTO, and the connection is dropped: nothing is released by hand. */
START_TEST(sdk_refuses_replies_that_are_wrong)
{
    static const char *const texts[] = {
        "nonsense",
        "[1]",
        "{}",
        "{\"status\":\"ok\"}",
        "{\"status\":\"ok\",\"tag\":TAG}",
        "{\"status\":\"ok\",\"tag\":999,\"fds\":0}",
        "{\"status\":\"ok\",\"tag\":\"1\",\"fds\":0}",
        "{\"status\":\"sealed\",\"tag\":TAG,\"fds\":0}",
        "{\"status\":\"error\",\"tag\":TAG}",
        "{\"status\":\"ok\",\"tag\":TAG,\"fds\":1}",
        "{\"status\":\"ok\",\"tag\":TAG,\"fds\":254}",
        READ_HEAD BLOB("10") "\"fds\":1}",
        READ_HEAD BLOB("10") "\"fds\":0}",
        READ_HEAD "\"blobs\":[],\"fds\":0}",
        READ_HEAD "\"fds\":0}",
        HEAD "\"intent\":\"read\",\"state\":\"creating\"," BLOB("10") "\"fds\":0}",
        "{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{"
        "\"a\":"
        "{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{"
        "\"a\":"
        "{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{"
        "\"a\":",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        const struct fake_reply reply = { .text = texts[i] };
        char *heard = NULL;
        int rc = get_from(&reply, 1, &heard);
        ck_assert_msg(rc == -EPROTO, "%d instead of -EPROTO: %s", rc, texts[i]);
        ck_assert_ptr_null(strstr(heard, "release"));
        free(heard);
    }
}
END_TEST

/* Descriptors that would let a reader of the map down. */
START_TEST(sdk_refuses_descriptors_that_are_not_what_they_claim)
{
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    int fds[] = {
        new_memfd(10, F_SEAL_SHRINK),                  /* not sealed */
        new_memfd(10, SEALED & ~F_SEAL_SHRINK),        /* may shrink */
        new_memfd(10, SEALED & ~F_SEAL_WRITE),         /* may change */
        new_memfd(9, SEALED),                          /* shorter than it says */
        new_memfd(11, SEALED),                         /* longer */
        ends[0],                                       /* no file */
        open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC), /* no file */
        open("/dev/null", O_RDONLY | O_CLOEXEC),       /* no file */
    };
    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
        const struct fake_reply reply = { .text = READ_HEAD BLOB("10") "\"fds\":1}",
                                          .fds = { fds[i] } };
        char *heard = NULL;
        int rc = get_from(&reply, 1, &heard);
        ck_assert_msg(rc == -EPROTO, "%d instead of -EPROTO: descriptor %zu", rc, i);
        ck_assert_ptr_null(strstr(heard, "release"));
        free(heard);
        (void)close(fds[i]);
    }
    (void)close(ends[1]);
}
END_TEST

START_TEST(sdk_closes_descriptors_that_it_did_not_ask_for)
{
    int fd = new_memfd(10, SEALED);
    const struct fake_reply wrong[] = {
        { .text = READ_HEAD BLOB("10") "\"fds\":2}", .fds = { fd } },
        { .text = READ_HEAD BLOB("10") "\"fds\":1}", .fds = { fd, fd, fd } },
        { .text = "{\"status\":\"error\",\"tag\":998,\"error\":\"io\",\"message\":\"\",\"fds\":1}",
          .fds = { fd } },
        { .text = "nonsense", .fds = { fd, fd } },
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        int rc = get_from(&wrong[i], 1, NULL);
        ck_assert_msg(rc == -EPROTO, "%d instead of -EPROTO: reply %zu", rc, i);
    }
    /* one too many, but honestly counted; and one with an error; and sets that belong to nothing */
    const struct fake_reply spare[] = {
        { .text = READ_HEAD BLOB("10") "\"fds\":3}", .fds = { fd, fd, fd } },
        { .text = "{\"status\":\"released\",\"tag\":TAG,\"fds\":0}", .fds = { fd } },
    };
    MUST(get_from(spare, 2, NULL));
    const struct fake_reply error = {
        .text = "{\"status\":\"error\",\"tag\":TAG,\"error\":\"io\",\"message\":\"\",\"fds\":2}",
        .fds = { fd, fd },
    };
    ck_assert_int_eq(get_from(&error, 1, NULL), -EIO);
    (void)close(fd);
}
END_TEST

START_TEST(sdk_drops_a_node_that_answers_twice)
{
    int fd = new_memfd(10, SEALED);
    const struct fake_reply replies[] = {
        { .text = READ_HEAD BLOB("10") "\"fds\":1}", .fds = { fd }, .twice = true },
        { .text = "{\"status\":\"released\",\"tag\":TAG}" },
    };
    MUST(get_from(replies, 2, NULL));
    (void)close(fd);
}
END_TEST

START_TEST(sdk_takes_replies_in_any_pieces)
{
    int fd = new_memfd(10, SEALED);
    const struct fake_reply replies[] = {
        { .text = " \n" READ_HEAD BLOB("10") "\"fds\":1}\n\n", .fds = { fd }, .piecemeal = true },
        { .text = "\n{\"status\":\"released\",\"tag\":TAG} ", .piecemeal = true },
    };
    MUST(get_from(replies, 2, NULL));
    (void)close(fd);
}
END_TEST

START_TEST(sdk_tells_what_a_node_says_before_it_hangs_up)
{
    const struct fake_reply reply = {
        .text = "{\"status\":\"error\",\"error\":\"busy\",\"message\":\"too many sessions\"}\n"
    };
    ck_assert_int_eq(get_from(&reply, 1, NULL), -EBUSY);
    ck_assert_str_eq(packice_error_message(), "too many sessions");
}
END_TEST

START_TEST(sdk_tells_errors_by_their_names)
{
    static const struct {
        const char *name;
        int code;
    } errors[] = {
        { "invalid", -EINVAL },
        { "not_found", -ENOENT },
        { "exists", -EEXIST },
        { "not_sealed", -EAGAIN },
        { "lease_not_found", -ESTALE },
        { "access_denied", -EACCES },
        { "busy", -EBUSY },
        { "no_space", -ENOSPC },
        { "too_large", -EFBIG },
        { "unauthorized", -EKEYREJECTED },
        { "unsupported", -EOPNOTSUPP },
        { "timeout", -ETIMEDOUT },
        { "io", -EIO },
        { "internal", -EREMOTEIO },
    };
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        char text[160];
        (void)snprintf(text, sizeof(text),
                       "{\"status\":\"error\",\"tag\":TAG,\"error\":\"%s\",\"message\":\"\"}",
                       errors[i].name);
        const struct fake_reply reply = { .text = text };
        ck_assert_int_eq(get_from(&reply, 1, NULL), errors[i].code);
        ck_assert_str_eq(packice_error_name(errors[i].code), errors[i].name);
        ck_assert_str_eq(packice_error_message(), errors[i].name);
    }
    ck_assert_str_eq(packice_error_name(0), "ok");
    ck_assert_str_eq(packice_error_name(-EPIPE), "disconnected");
    ck_assert_str_eq(packice_error_name(-ECONNREFUSED), "unreachable");
    ck_assert_str_eq(packice_error_name(-EPROTO), "protocol");
    ck_assert_str_eq(packice_error_name(-ENOMEM), "internal");
    ck_assert_str_eq(packice_error_name(-99999), "internal");
}
END_TEST

START_TEST(sdk_does_not_ask_twice_what_a_node_may_have_done)
{
    const struct fake_reply hang_up = { .text = NULL };
    char *heard = NULL;
    ck_assert_int_eq(get_from(&hang_up, 1, &heard), -ECONNRESET);
    char *first = strstr(heard, "acquire");
    ck_assert_ptr_nonnull(first);
    ck_assert_ptr_null(strstr(first + 1, "acquire"));
    free(heard);
}
END_TEST

START_TEST(sdk_gives_up_on_a_node_that_does_not_answer)
{
    int fd = new_memfd(10, SEALED);
    const struct fake_reply replies[] = {
        { .silent = true },
        { .text = "{\"status\":\"ok\",\"tag\":TAG,\"stats\":{}}" },
    };
    packice_client *client = NULL;
    packice_lease *lease = NULL;
    struct fake_node *node = fake_node_start(path, replies, 2);
    MUST(packice_connect(path, &client));
    MUST(packice_client_set_timeout(client, 0.02));
    FAILS(packice_get(client, "x", 0, &lease), -ETIMEDOUT);
    MUST(packice_client_set_timeout(client, 60));
    MUST(packice_stats(client, NULL, NULL)); /* through the same connection */
    packice_client_free(client);
    free(fake_node_stop(node));
    (void)close(fd);
}
END_TEST

START_TEST(sdk_releases_a_lease_that_came_too_late)
{
    int fd = new_memfd(10, SEALED);
    static const char late[] = "{\"status\":\"ok\",\"tag\":1,\"lease_id\":\"" LEASE
                               "\",\"object_id\":\"x\",\"epoch\":1,\"intent\":\"read\",\"state\":"
                               "\"sealed\",\"ttl_seconds\":null,\"meta\":{},\"handles\":[]," BLOB(
                                   "10") "\"fds\":1}"
                                         "{\"status\":\"ok\",\"tag\":TAG,\"stats\":{}}";
    const struct fake_reply replies[] = {
        { .silent = true },
        { .text = late, .fds = { fd } },
        { .text = "{\"status\":\"released\",\"tag\":TAG}" },
        { .text = "{\"status\":\"ok\",\"tag\":TAG,\"stats\":{}}" },
    };
    packice_client *client = NULL;
    packice_lease *lease = NULL;
    struct fake_node *node = fake_node_start(path, replies, 4);
    MUST(packice_connect(path, &client));
    MUST(packice_client_set_timeout(client, 0.02));
    FAILS(packice_get(client, "x", 0, &lease), -ETIMEDOUT);
    MUST(packice_client_set_timeout(client, 60));
    MUST(packice_stats(client, NULL, NULL));
    MUST(packice_stats(client, NULL, NULL));
    packice_client_free(client);
    char *heard = fake_node_stop(node);
    char *released = strstr(heard, "release");
    ck_assert_ptr_nonnull(released);
    ck_assert_ptr_nonnull(strstr(released, LEASE));
    free(heard);
    (void)close(fd);
}
END_TEST

START_TEST(sdk_gives_up_on_a_node_that_does_not_even_read)
{
    const struct fake_reply deaf = { .deaf = true };
    packice_client *client = NULL;
    packice_lease *lease = NULL;
    struct packice_create_options options = PACKICE_CREATE_OPTIONS_INIT;
    char *meta = malloc(60009);
    ck_assert_ptr_nonnull(meta);
    (void)memset(meta, 'x', 60008);
    (void)memcpy(meta, "{\"a\":\"", 6);
    (void)memcpy(meta + 60006, "\"}", 3);
    options.meta = meta;
    struct fake_node *node = fake_node_start(path, &deaf, 1);
    MUST(packice_connect(path, &client));
    MUST(packice_client_set_timeout(client, 0.05));
    for (int i = 0; i < 20; i++) { /* more than the socket's buffer holds */
        int rc = packice_create_with(client, &options, &lease);
        ck_assert_msg(rc == -ETIMEDOUT || rc == -ECONNREFUSED, "%d %s", rc,
                      packice_error_message());
    }
    packice_client_free(client);
    free(fake_node_stop(node));
    free(meta);
}
END_TEST

START_TEST(sdk_says_why_it_cannot_connect)
{
    packice_client *client = NULL;
    char long_path[200];
    (void)memset(long_path, 'x', sizeof(long_path));
    long_path[199] = '\0';
    FAILS(packice_connect(path, &client), -ECONNREFUSED);
    ck_assert_ptr_nonnull(strstr(packice_error_message(), path));
    FAILS(packice_connect(folder, &client), -ECONNREFUSED);
    FAILS(packice_connect("", &client), -EINVAL);
    FAILS(packice_connect("unix:", &client), -EINVAL);
    FAILS(packice_connect("memory://", &client), -EINVAL);
    FAILS(packice_connect("memory://\n", &client), -EINVAL);
    FAILS(packice_connect("ftp://host", &client), -EINVAL);
    FAILS(packice_connect("http://localhost:8080", &client), -EOPNOTSUPP);
    FAILS(packice_connect("https://localhost", &client), -EOPNOTSUPP);
    FAILS(packice_connect(long_path, &client), -ENAMETOOLONG);
    ck_assert_ptr_null(client);
    packice_client_free(NULL);
}
END_TEST

int
main(void)
{
    const TTest *const cases[] = {
        sdk_takes_a_reply_that_is_right,
        sdk_refuses_replies_that_are_wrong,
        sdk_refuses_descriptors_that_are_not_what_they_claim,
        sdk_closes_descriptors_that_it_did_not_ask_for,
        sdk_drops_a_node_that_answers_twice,
        sdk_takes_replies_in_any_pieces,
        sdk_tells_what_a_node_says_before_it_hangs_up,
        sdk_tells_errors_by_their_names,
        sdk_does_not_ask_twice_what_a_node_may_have_done,
        sdk_gives_up_on_a_node_that_does_not_answer,
        sdk_releases_a_lease_that_came_too_late,
        sdk_gives_up_on_a_node_that_does_not_even_read,
        sdk_says_why_it_cannot_connect,
    };
    Suite *suite = suite_create("sdk_bad_node");
    TCase *group = tcase_create("fake");
    tcase_set_timeout(group, 120);
    tcase_add_checked_fixture(group, set_up, tear_down);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        tcase_add_test(group, cases[i]);
    suite_add_tcase(suite, group);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
