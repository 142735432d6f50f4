/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a client finds out whether its node takes binary messages: nodes that do, that don't, and
 * people who want to read what goes over the socket.
 */
#include "fake_case.h"
#include <stdlib.h>
#include <string.h>

#define STATS "{\"status\":\"ok\",\"tag\":TAG,\"stats\":{}}\n"
#define TAKES "{\"status\":\"ok\",\"tag\":TAG,\"binary\":1,\"stats\":{}}\n"
#define REFUSES \
    "{\"status\":\"error\",\"tag\":TAG,\"binary\":1,\"error\":\"busy\",\"message\":\"\"}\n"

static void
ignore(void *arg, const char *name, uint64_t value)
{
    (void)arg;
    (void)name;
    (void)value;
}

/* Asks for stats twice, and gives both results, and all that the node was asked, malloc'd. */
static char *
ask_twice(const struct fake_reply replies[2], int ret_codes[2])
{
    packice_client *client = NULL;
    struct fake_node *node = fake_node_start(fake_path, replies, 2);
    MUST(packice_connect(fake_path, &client));
    for (int i = 0; i < 2; i++)
        ret_codes[i] = packice_stats(client, ignore, NULL);
    packice_client_free(client);
    return fake_node_stop(node);
}

START_TEST(sdk_goes_on_in_json_with_an_old_node)
{
    static const struct fake_reply replies[] = { { .text = STATS }, { .text = STATS } };
    int codes[2];
    char *heard = ask_twice(replies, codes);
    ck_assert_int_eq(codes[0], 0);
    ck_assert_int_eq(codes[1], 0);
    ck_assert_str_eq(heard, "{\"command\":\"stats\",\"tag\":1,\"binary\":1}\n"
                            "{\"command\":\"stats\",\"tag\":2}\n");
    free(heard);
}
END_TEST

/* Also if the first request is refused. */
START_TEST(sdk_goes_on_in_binary_once_the_node_takes_it)
{
    static const struct fake_reply replies[][2] = { { { .text = TAKES }, { .text = NULL } },
                                                    { { .text = REFUSES }, { .text = NULL } } };
    for (int i = 0; i < 2; i++) {
        int codes[2];
        char *heard = ask_twice(replies[i], codes);
        ck_assert_int_eq(codes[0], i == 0 ? 0 : -EBUSY);
        ck_assert_int_eq(codes[1], -ECONNRESET);
        ck_assert_mem_eq(strchr(heard, '\n') + 1, "\xFB\x01\0\0", 4);
        free(heard);
    }
}
END_TEST

START_TEST(sdk_stays_with_json_if_the_environment_says_so)
{
    static const struct fake_reply replies[] = { { .text = TAKES }, { .text = TAKES } };
    int codes[2];
    ck_assert_int_eq(setenv("PACKICE_NOTATION", "json", 1), 0);
    char *heard = ask_twice(replies, codes);
    ck_assert_int_eq(codes[0], 0);
    ck_assert_int_eq(codes[1], 0);
    ck_assert_str_eq(heard, "{\"command\":\"stats\",\"tag\":1}\n"
                            "{\"command\":\"stats\",\"tag\":2}\n");
    free(heard);
}
END_TEST

START_TEST(sdk_asks_each_node_anew)
{
    static const struct fake_reply replies[] = { { .text = TAKES },
                                                 { .text = NULL },
                                                 { .text = STATS } };
    packice_client *client = NULL;
    struct fake_node *node = fake_node_start(fake_path, replies, 3);
    MUST(packice_connect(fake_path, &client));
    MUST(packice_stats(client, ignore, NULL));
    ck_assert_int_eq(packice_stats(client, ignore, NULL), -ECONNRESET);
    MUST(packice_stats(client, ignore, NULL)); /* over another connection */
    packice_client_free(client);
    free(fake_node_stop(node));
}
END_TEST

int
main(void)
{
    const TTest *const cases[] = {
        sdk_goes_on_in_json_with_an_old_node,
        sdk_goes_on_in_binary_once_the_node_takes_it,
        sdk_stays_with_json_if_the_environment_says_so,
        sdk_asks_each_node_anew,
    };
    return RUN_FAKE_CASES("notation", cases);
}
