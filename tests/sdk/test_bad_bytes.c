/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nodes that lie about bytes behind their replies, or know nothing of bytes behind requests.
 */
#include "fake_case.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define INLINE_HEAD \
    "{\"status\":\"ok\",\"tag\":TAG,\"lease_id\":null,\"object_id\":\"x\",\"epoch\":1," \
    "\"state\":\"sealed\",\"meta\":{},\"blobs\":["
#define BYTES(size, offset) "{\"kind\":\"data\",\"size\":" size ",\"offset\":" offset "}"
#define INLINE_TAIL(data) "],\"fds\":0,\"data\":" data "}"

#define STATS "{\"status\":\"ok\",\"tag\":TAG,\"stats\":{}}"
#define REFUSED(name) "{\"status\":\"error\",\"tag\":TAG,\"error\":\"" name "\",\"message\":\"\"}\n"

/* Gets "x" with these flags from a node that answers like this, and reads ten bytes of each blob
 * into one text, cut where they end. */
static int
get_bytes(const struct fake_reply *reply, uint32_t flags, char *text)
{
    struct packice_get_options options = PACKICE_GET_OPTIONS_INIT;
    packice_client *client = NULL;
    packice_lease *lease = NULL;
    options.id = "x";
    options.flags = flags;
    struct fake_node *node = fake_node_start(fake_path, reply, 1);
    MUST(packice_connect(fake_path, &client));
    int rc = packice_get_with(client, &options, &lease);
    ck_assert_msg((rc == 0) == (lease != NULL), "a lease without success, or the reverse");
    text[0] = '\0';
    for (uint32_t i = 0; rc == 0 && i < packice_lease_blob_count(lease); i++) {
        char bytes[11] = "";
        uint64_t count = 0;
        MUST(packice_read(lease, i, 0, bytes, 10, &count));
        (void)strcat(text, bytes);
    }
    MUST(packice_release(lease));
    packice_client_free(client);
    char *heard = fake_node_stop(node);
    ck_assert_ptr_null(strstr(heard, "release"));
    free(heard);
    return rc;
}

START_TEST(sdk_takes_bytes_that_are_right)
{
    static const struct fake_reply replies[] = {
        { .text = INLINE_HEAD BYTES("4", "0") INLINE_TAIL("4") "\nABCD" },
        { .text = INLINE_HEAD BYTES("4", "0") INLINE_TAIL("4") "\nABCD", .piecemeal = true },
        { .text = INLINE_HEAD BYTES("1", "0") "," BYTES("3", "1") INLINE_TAIL("4") "\nABCD\n " },
        { .text = INLINE_HEAD BYTES("0", "0") "," BYTES("4", "0") INLINE_TAIL("4") "\nABCD" },
    };
    char text[32];
    for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
        MUST(get_bytes(&replies[i], 0, text));
        ck_assert_str_eq(text, "ABCD");
    }
}
END_TEST

/* Each is refused with EPROTO, or, where the rest never comes, with ECONNRESET. */
START_TEST(sdk_refuses_bytes_that_are_wrong)
{
    static const struct {
        const char *text;
        uint32_t flags;
        int code;
    } cases[] = {
        { INLINE_HEAD BYTES("4", "0") INLINE_TAIL("4") "\nABC", 0, -ECONNRESET },
        { INLINE_HEAD BYTES("4", "0") INLINE_TAIL("4"), 0, -ECONNRESET },
        { INLINE_HEAD BYTES("4", "0") INLINE_TAIL("4") "ABCDE", 0, -EPROTO },
        { INLINE_HEAD BYTES("4", "0") INLINE_TAIL("3") "\nABCD", 0, -EPROTO },
        { INLINE_HEAD BYTES("4", "1") INLINE_TAIL("4") "\nABCD", 0, -EPROTO },
        { INLINE_HEAD BYTES("4", "9223372036854775807") INLINE_TAIL("4") "\nABCD", 0, -EPROTO },
        { INLINE_HEAD BYTES("9223372036854775807", "0") INLINE_TAIL("4") "\nABCD", 0, -EPROTO },
        { INLINE_HEAD BYTES("4", "0") INLINE_TAIL("65537") "\nABCD", 0, -EPROTO },
        { INLINE_HEAD BYTES("4", "0") INLINE_TAIL("9223372036854775807") "\nABCD", 0, -EPROTO },
        { INLINE_HEAD BYTES("4", "0") INLINE_TAIL("-1") "\nABCD", 0, -EPROTO },
        { INLINE_HEAD BYTES("4", "0") "],\"fds\":0}\nABCD", 0, -EPROTO },
        { INLINE_HEAD INLINE_TAIL("0"), 0, -EPROTO },
        { INLINE_HEAD "{\"kind\":\"fd\",\"fd\":0,\"size\":4,\"offset\":0}],\"fds\":0}", 0,
          -EPROTO },
        { READ_HEAD "\"blobs\":[" BYTES("4", "0") INLINE_TAIL("4") "\nABCD", 0, -EPROTO },
        /* nobody asked for them */
        { INLINE_HEAD BYTES("4", "0") INLINE_TAIL("4") "\nABCD", PACKICE_LAZY, -EPROTO },
        { INLINE_HEAD BYTES("0", "0") INLINE_TAIL("0") "\n", PACKICE_LAZY, -EPROTO },
        { "{\"status\":\"error\",\"tag\":TAG,\"error\":\"io\",\"message\":\"\",\"data\":4}\nABCD",
          PACKICE_LAZY, -EPROTO },
    };
    char text[32];
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct fake_reply reply = { .text = cases[i].text };
        int rc = get_bytes(&reply, cases[i].flags, text);
        ck_assert_msg(rc == cases[i].code, "%d instead of %d: case %zu: %s", rc, cases[i].code, i,
                      packice_error_message());
    }
}
END_TEST

/* They are read past, so that what comes behind them is understood. */
START_TEST(sdk_takes_bytes_that_come_too_late)
{
    const struct fake_reply replies[] = {
        { .silent = true },
        { .text = "{\"status\":\"ok\",\"tag\":1,\"lease_id\":null,\"object_id\":\"x\",\"epoch\":1,"
                  "\"state\":\"sealed\",\"meta\":{},\"blobs\":[" BYTES("4", "0")
                      INLINE_TAIL("4") "\n{\"a\"" STATS },
        { .text = STATS },
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
    ck_assert_ptr_null(strstr(heard, "release"));
    free(heard);
}
END_TEST

static int
count_of(const char *text, const char *word)
{
    int count = 0;
    for (const char *at = text; (at = strstr(at, word)) != NULL; at++)
        count++;
    return count;
}

START_TEST(sdk_puts_with_the_bytes_behind_the_request)
{
    const struct fake_reply replies[] = {
        { .text =
              "{\"status\":\"sealed\",\"tag\":TAG,\"object_id\":\"x\",\"epoch\":1,\"fds\":0}\n" },
        { .text = REFUSED("no_space") },
        { .text = "{\"status\":\"sealed\",\"tag\":TAG,\"fds\":0}\n" },
    };
    packice_client *client = NULL;
    struct fake_node *node = fake_node_start(fake_path, replies, 3);
    MUST(packice_connect(fake_path, &client));
    MUST(packice_put(client, "x", "AB\n", 3, NULL));
    FAILS(packice_put(client, "x", "AB\n", 3, NULL), -ENOSPC);
    FAILS(packice_put(client, "x", "AB\n", 3, NULL), -EPROTO);
    packice_client_free(client);
    char *heard = fake_node_stop(node);
    ck_assert_int_eq(count_of(heard, "}AB\n{"), 2);
    ck_assert_int_eq(count_of(heard, "\"data\":3"), 3);
    ck_assert_int_eq(count_of(heard, "acquire"), 0);
    free(heard);
}
END_TEST

/* A node that takes no put is not asked for one again, on this connection. */
static void
put_twice(uint64_t size)
{
    const struct fake_reply replies[] = {
        { .text = REFUSED("unsupported") },
        { .text = REFUSED("exists") },
        { .text = REFUSED("exists") },
    };
    packice_client *client = NULL;
    char *data = calloc(1, size);
    ck_assert_ptr_nonnull(data);
    data[size - 1] = '\n';
    struct fake_node *node = fake_node_start(fake_path, replies, 3);
    MUST(packice_connect(fake_path, &client));
    FAILS(packice_put(client, "x", data, size, NULL), -EEXIST);
    FAILS(packice_put(client, "x", data, size, NULL), -EEXIST);
    packice_client_free(client);
    char *heard = fake_node_stop(node);
    ck_assert_int_eq(count_of(heard, "\"put\""), 1);
    ck_assert_int_eq(count_of(heard, "\"acquire\""), 2);
    free(heard);
    free(data);
}

START_TEST(sdk_puts_in_steps_where_it_must)
{
    put_twice(1);
    put_twice(100000);
}
END_TEST

int
main(void)
{
    const TTest *const cases[] = {
        sdk_takes_bytes_that_are_right,     sdk_refuses_bytes_that_are_wrong,
        sdk_takes_bytes_that_come_too_late, sdk_puts_with_the_bytes_behind_the_request,
        sdk_puts_in_steps_where_it_must,
    };
    return RUN_FAKE_CASES("sdk_bad_bytes", cases);
}
