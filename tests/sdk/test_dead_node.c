/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nodes that hang, hang up, or are not there.
 */
#include "fake_case.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

START_TEST(sdk_tells_what_a_node_says_before_it_hangs_up)
{
    const struct fake_reply reply = {
        .text = "{\"status\":\"error\",\"error\":\"busy\",\"message\":\"too many sessions\"}\n"
    };
    ck_assert_int_eq(fake_get(&reply, 1, NULL), -EBUSY);
    ck_assert_str_eq(packice_error_message(), "too many sessions");
}
END_TEST

START_TEST(sdk_does_not_ask_twice_what_a_node_may_have_done)
{
    const struct fake_reply hang_up = { .text = NULL };
    char *heard = NULL;
    ck_assert_int_eq(fake_get(&hang_up, 1, &heard), -ECONNRESET);
    char *first = strstr(heard, "acquire");
    ck_assert_ptr_nonnull(first);
    ck_assert_ptr_null(strstr(first + 1, "acquire"));
    free(heard);
}
END_TEST

START_TEST(sdk_gives_up_on_a_node_that_does_not_answer)
{
    int fd = fake_memfd(10, SEALED);
    const struct fake_reply replies[] = {
        { .silent = true },
        { .text = "{\"status\":\"ok\",\"tag\":TAG,\"stats\":{}}" },
    };
    packice_client *client = NULL;
    packice_lease *lease = NULL;
    struct fake_node *node = fake_node_start(fake_path, replies, 2);
    MUST(packice_connect(fake_path, &client));
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
    int fd = fake_memfd(10, SEALED);
    static const char late[] = "{\"status\":\"ok\",\"tag\":1,\"lease_id\":\"" LEASE
                               "\",\"object_id\":\"x\",\"epoch\":1,\"intent\":\"read\",\"state\":"
                               "\"sealed\",\"ttl_seconds\":null,\"meta\":{},\"handles\":[]," BLOB(
                                   "10") "\"fds\":1}"
                                         "{\"status\":\"ok\",\"tag\":TAG,\"stats\":{}}";
    const struct fake_reply replies[] = {
        { .silent = true },
        { .text = late, .fds = { fd } },
        { .text = "{\"status\":\"ok\",\"tag\":TAG,\"stats\":{}}" },
    };
    packice_client *client = NULL;
    packice_lease *lease = NULL;
    struct fake_node *node = fake_node_start(fake_path, replies, 3);
    MUST(packice_connect(fake_path, &client));
    MUST(packice_client_set_timeout(client, 0.02));
    FAILS(packice_get(client, "x", 0, &lease), -ETIMEDOUT);
    MUST(packice_client_set_timeout(client, 60));
    MUST(packice_stats(client, NULL, NULL));
    MUST(packice_stats(client, NULL, NULL));
    packice_client_free(client);
    char *heard = fake_node_stop(node);
    ck_assert_ptr_nonnull(strstr(heard, "\"releases\":[\"" LEASE "\"]"));
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
    struct fake_node *node = fake_node_start(fake_path, &deaf, 1);
    MUST(packice_connect(fake_path, &client));
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
    FAILS(packice_connect(fake_path, &client), -ECONNREFUSED);
    ck_assert_ptr_nonnull(strstr(packice_error_message(), fake_path));
    FAILS(packice_connect(fake_folder, &client), -ECONNREFUSED);
    FAILS(packice_connect("", &client), -EINVAL);
    FAILS(packice_connect("unix:", &client), -EINVAL);
    FAILS(packice_connect("memory://", &client), -EINVAL);
    FAILS(packice_connect("memory://\n", &client), -EINVAL);
    FAILS(packice_connect("ftp://host", &client), -EINVAL);
    FAILS(packice_connect(long_path, &client), -ENAMETOOLONG);
    ck_assert_ptr_null(client);
    packice_client_free(NULL);
}
END_TEST

int
main(void)
{
    const TTest *const cases[] = {
        sdk_tells_what_a_node_says_before_it_hangs_up,
        sdk_does_not_ask_twice_what_a_node_may_have_done,
        sdk_gives_up_on_a_node_that_does_not_answer,
        sdk_releases_a_lease_that_came_too_late,
        sdk_gives_up_on_a_node_that_does_not_even_read,
        sdk_says_why_it_cannot_connect,
    };
    return RUN_FAKE_CASES("sdk_dead_node", cases);
}
