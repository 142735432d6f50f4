/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nodes that lie or babble: what the client makes of them, and that it keeps nothing.
 */
#include "fake_case.h"
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

START_TEST(sdk_takes_a_reply_that_is_right)
{
    int fd = fake_memfd(10, SEALED);
    const struct fake_reply replies[] = {
        { .text = READ_HEAD BLOB("10") "\"fds\":1}\n", .fds = { fd } },
        { .text = "{\"status\":\"released\",\"tag\":TAG}" },
    };
    MUST(fake_get(replies, 2, NULL));
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
        int rc = fake_get(&reply, 1, &heard);
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
        fake_memfd(10, F_SEAL_SHRINK),                 /* not sealed */
        fake_memfd(10, SEALED & ~F_SEAL_SHRINK),       /* may shrink */
        fake_memfd(10, SEALED & ~F_SEAL_WRITE),        /* may change */
        fake_memfd(9, SEALED),                         /* shorter than it says */
        fake_memfd(11, SEALED),                        /* longer */
        ends[0],                                       /* no file */
        open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC), /* no file */
        open("/dev/null", O_RDONLY | O_CLOEXEC),       /* no file */
    };
    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
        const struct fake_reply reply = { .text = READ_HEAD BLOB("10") "\"fds\":1}",
                                          .fds = { fds[i] } };
        char *heard = NULL;
        int rc = fake_get(&reply, 1, &heard);
        ck_assert_msg(rc == -EPROTO, "%d instead of -EPROTO: descriptor %zu", rc, i);
        ck_assert_ptr_null(strstr(heard, "release"));
        free(heard);
        (void)close(fds[i]);
    }
    (void)close(ends[1]);
}
END_TEST

START_TEST(sdk_keeps_no_blob_of_an_object_that_it_refuses)
{
    int good = fake_memfd(10, SEALED);
    int bad = fake_memfd(11, SEALED);
    const struct fake_reply reply = {
        .text = READ_HEAD "\"blobs\":[{\"kind\":\"fd\",\"fd\":2,\"size\":10,\"offset\":0},"
                          "{\"kind\":\"fd\",\"fd\":0,\"size\":10,\"offset\":0},"
                          "{\"kind\":\"fd\",\"fd\":1,\"size\":10,\"offset\":0}],\"fds\":3}",
        .fds = { bad, good, good },
    };
    ck_assert_int_eq(fake_get(&reply, 1, NULL), -EPROTO);
    (void)close(good);
    (void)close(bad);
}
END_TEST

START_TEST(sdk_closes_descriptors_that_it_did_not_ask_for)
{
    int fd = fake_memfd(10, SEALED);
    const struct fake_reply wrong[] = {
        { .text = READ_HEAD BLOB("10") "\"fds\":2}", .fds = { fd } },
        { .text = READ_HEAD BLOB("10") "\"fds\":1}", .fds = { fd, fd, fd } },
        { .text = "{\"status\":\"error\",\"tag\":998,\"error\":\"io\",\"message\":\"\",\"fds\":1}",
          .fds = { fd } },
        { .text = "nonsense", .fds = { fd, fd } },
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        int rc = fake_get(&wrong[i], 1, NULL);
        ck_assert_msg(rc == -EPROTO, "%d instead of -EPROTO: reply %zu", rc, i);
    }
    /* one too many, but honestly counted; and one with an error; and sets that belong to nothing */
    const struct fake_reply spare[] = {
        { .text = READ_HEAD BLOB("10") "\"fds\":3}", .fds = { fd, fd, fd } },
        { .text = "{\"status\":\"released\",\"tag\":TAG,\"fds\":0}", .fds = { fd } },
    };
    MUST(fake_get(spare, 2, NULL));
    const struct fake_reply error = {
        .text = "{\"status\":\"error\",\"tag\":TAG,\"error\":\"io\",\"message\":\"\",\"fds\":2}",
        .fds = { fd, fd },
    };
    ck_assert_int_eq(fake_get(&error, 1, NULL), -EIO);
    (void)close(fd);
}
END_TEST

START_TEST(sdk_drops_a_node_that_answers_twice)
{
    int fd = fake_memfd(10, SEALED);
    const struct fake_reply replies[] = {
        { .text = READ_HEAD BLOB("10") "\"fds\":1}", .fds = { fd }, .twice = true },
        { .text = "{\"status\":\"released\",\"tag\":TAG}" },
    };
    MUST(fake_get(replies, 2, NULL));
    (void)close(fd);
}
END_TEST

START_TEST(sdk_takes_replies_in_any_pieces)
{
    int fd = fake_memfd(10, SEALED);
    const struct fake_reply replies[] = {
        { .text = " \n" READ_HEAD BLOB("10") "\"fds\":1}\n\n", .fds = { fd }, .piecemeal = true },
        { .text = "\n{\"status\":\"released\",\"tag\":TAG} ", .piecemeal = true },
    };
    MUST(fake_get(replies, 2, NULL));
    (void)close(fd);
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
        ck_assert_int_eq(fake_get(&reply, 1, NULL), errors[i].code);
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

#define KNOWN(size) "\"blobs\":[{\"kind\":\"known\",\"size\":" size ",\"offset\":0}],\"fds\":0}"
#define LATER(id, epoch) \
    "{\"status\":\"ok\",\"tag\":TAG,\"lease_id\":\"" LEASE "\",\"object_id\":\"" id \
    "\",\"epoch\":" epoch \
    ",\"ttl_seconds\":null,\"meta\":{},\"handles\":[],\"intent\":\"read\",\"state\":\"sealed\","

/* Gets "x" from a node that answers like this, twice, and releases both. */
static int
get_twice(const char *text)
{
    packice_client *client = NULL;
    packice_lease *leases[2] = { NULL, NULL };
    char bytes[10];
    uint64_t count = 0;
    int fd = fake_memfd(10, SEALED);
    const struct fake_reply replies[] = {
        { .text = READ_HEAD BLOB("10") "\"fds\":1}", .fds = { fd } },
        { .text = text },
    };
    struct fake_node *node = fake_node_start(fake_path, replies, 2);
    MUST(packice_connect(fake_path, &client));
    MUST(packice_get(client, "x", 0, &leases[0]));
    int rc = packice_get(client, "x", 0, &leases[1]);
    for (int i = 0; i < 2; i++) {
        if (leases[i] != NULL)
            MUST(packice_read(leases[i], 0, 0, bytes, 10, &count));
        MUST(packice_release(leases[i]));
    }
    packice_client_free(client);
    char *heard = fake_node_stop(node);
    ck_assert_ptr_nonnull(strstr(heard, "\"known_epoch\":1"));
    free(heard);
    (void)close(fd);
    return rc;
}

START_TEST(sdk_takes_a_nodes_word_that_it_holds_what_it_holds)
{
    MUST(get_twice(LATER("x", "1") KNOWN("10")));
    FAILS(get_twice(LATER("x", "2") KNOWN("10")), -EPROTO);
    FAILS(get_twice(LATER("y", "1") KNOWN("10")), -EPROTO);
    FAILS(get_twice(LATER("x", "1") KNOWN("9")), -EPROTO);
    FAILS(get_twice(LATER("x", "1") KNOWN("null")), -EPROTO);
    FAILS(get_twice(LATER("x", "1") "\"blobs\":[{\"kind\":\"known\",\"size\":10,\"offset\":0},"
                                    "{\"kind\":\"known\",\"size\":10,\"offset\":0}],\"fds\":0}"),
          -EPROTO);
    FAILS(get_twice(LATER("x", "1") "\"blobs\":[{\"kind\":\"known\",\"size\":10,\"offset\":0},"
                                    "{\"kind\":\"url\",\"url\":\"a:b\",\"size\":10,\"offset\":0}],"
                                    "\"fds\":0}"),
          -EPROTO);
}
END_TEST

START_TEST(sdk_holds_nothing_that_it_did_not_tell_of)
{
    const struct fake_reply reply = { .text = READ_HEAD KNOWN("10") };
    FAILS(fake_get(&reply, 1, NULL), -EPROTO);
}
END_TEST

int
main(void)
{
    const TTest *const cases[] = {
        sdk_takes_a_reply_that_is_right,
        sdk_refuses_replies_that_are_wrong,
        sdk_refuses_descriptors_that_are_not_what_they_claim,
        sdk_keeps_no_blob_of_an_object_that_it_refuses,
        sdk_closes_descriptors_that_it_did_not_ask_for,
        sdk_drops_a_node_that_answers_twice,
        sdk_takes_replies_in_any_pieces,
        sdk_tells_errors_by_their_names,
        sdk_takes_a_nodes_word_that_it_holds_what_it_holds,
        sdk_holds_nothing_that_it_did_not_tell_of,
    };
    return RUN_FAKE_CASES("sdk_bad_node", cases);
}
