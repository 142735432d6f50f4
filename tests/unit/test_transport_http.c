/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of transport_http that read what somebody else wrote, one by one: targets, ranges,
 * entity tags, hosts, tokens, and the metrics that it writes.
 */
#include "plugins/transport_http/access.h"
#include "plugins/transport_http/address.h"
#include "plugins/transport_http/metrics.h"
#include "plugins/transport_http/range.h"
#include "plugins/transport_http/target.h"
#include "plugins/transport_http/token.h"
#include "tests/lib/suite.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <packice/cleanup.h>
#include <string.h>

START_TEST(targets_name_what_there_is)
{
    const struct {
        const char *text;
        int32_t result;
        enum http_route route;
        const char *id;
        uint32_t blob;
    } cases[] = {
        { "/acquire", 0, HTTP_ROUTE_VERB, "", 0 },
        { "/objects", 0, HTTP_ROUTE_LIST, "", 0 },
        { "/objects?prefix=a", 0, HTTP_ROUTE_LIST, "", 0 },
        { "/objects/a%2Fb", 0, HTTP_ROUTE_OBJECT, "a/b", 0 },
        { "/objects/%2E%2E/blobs/252?x", 0, HTTP_ROUTE_BLOB, "..", 252 },
        { "http://host:80/healthz", 0, HTTP_ROUTE_HEALTH, "", 0 },
        { "HTTPS://host/metrics", 0, HTTP_ROUTE_METRICS, "", 0 },
        { "/", -ENOENT, 0, "", 0 },
        { "//objects/a", -ENOENT, 0, "", 0 },
        { "/objectsx", -ENOENT, 0, "", 0 },
        { "/objects/", -ENOENT, 0, "", 0 },
        { "/objects/a/", -ENOENT, 0, "", 0 },
        { "/objects/a/blobs", -ENOENT, 0, "", 0 },
        { "/objects//blobs/0", -EINVAL, 0, "", 0 },
        { "/objects/a/blobs/", -EINVAL, 0, "", 0 },
        { "/objects/a/blobs/01", -EINVAL, 0, "", 0 },
        { "/objects/a/blobs/-1", -EINVAL, 0, "", 0 },
        { "/objects/a/blobs/253", -ENOENT, 0, "", 0 },
        { "/objects/a/blobs/99999", -EINVAL, 0, "", 0 },
        { "/objects/a%", -EINVAL, 0, "", 0 },
        { "/objects/a%00", -EINVAL, 0, "", 0 },
        { "/objects#a", -EINVAL, 0, "", 0 },
        { "objects", -EINVAL, 0, "", 0 },
        { "http://host", -EINVAL, 0, "", 0 },
        { "http:///objects", -EINVAL, 0, "", 0 },
        { "*", -EINVAL, 0, "", 0 },
        { "", -EINVAL, 0, "", 0 },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct http_target target;
        struct pk_error err = PK_ERROR_INIT;
        int32_t r = http_target_parse(cases[i].text, &target, &err);
        ck_assert_msg(r == cases[i].result, "'%s': %d %s", cases[i].text, r, err.message);
        if (r < 0)
            continue;
        ck_assert_int_eq(target.route, cases[i].route);
        ck_assert_str_eq(target.id, cases[i].id);
        ck_assert_uint_eq(target.blob, cases[i].blob);
    }
}
END_TEST

START_TEST(an_id_has_at_most_255_bytes)
{
    char text[16 + 3 * 256 + 1] = "/objects/";
    struct http_target target;
    struct pk_error err = PK_ERROR_INIT;
    for (size_t i = 0; i < 255; i++)
        (void)strcat(text, "%41");
    ck_assert_int_eq(http_target_parse(text, &target, &err), 0);
    ck_assert_uint_eq(strlen(target.id), 255);
    (void)strcat(text, "A");
    ck_assert_int_eq(http_target_parse(text, &target, &err), -EINVAL);
}
END_TEST

START_TEST(queries_are_read_by_name)
{
    char value[8];
    struct pk_error err = PK_ERROR_INIT;
    const char *query = "a=1&prefix=x%2Fy&&b&prefixed=no&c=";
    ck_assert_int_eq(http_query_get(query, "prefix", value, sizeof(value), &err), 0);
    ck_assert_str_eq(value, "x/y");
    ck_assert_int_eq(http_query_get(query, "c", value, sizeof(value), &err), 0);
    ck_assert_str_eq(value, "");
    ck_assert_int_eq(http_query_get(query, "b", value, sizeof(value), &err), -ENOENT);
    ck_assert_int_eq(http_query_get("", "a", value, sizeof(value), &err), -ENOENT);
    ck_assert_int_eq(http_query_get("a=%4", "a", value, sizeof(value), &err), -EINVAL);
    ck_assert_int_eq(http_query_get("a=12345678", "a", value, sizeof(value), &err), -EINVAL);
}
END_TEST

START_TEST(ranges_are_one_or_none)
{
    const struct {
        const char *text;
        uint64_t size;
        int32_t result;
        uint64_t first;
        uint64_t bytes;
    } cases[] = {
        { "bytes=0-0", 10, 1, 0, 1 },
        { "bytes=2-", 10, 1, 2, 8 },
        { "bytes=-3", 10, 1, 7, 3 },
        { "bytes=-30", 10, 1, 0, 10 },
        { "bytes=5-18446744073709551616", 10, 1, 5, 5 },
        { "bytes=10-", 10, -ERANGE, 0, 0 },
        { "bytes=99999999999999999999-", 10, -ERANGE, 0, 0 },
        { "bytes=-0", 10, -ERANGE, 0, 0 },
        { "bytes=0-", 0, -ERANGE, 0, 0 },
        { "bytes=-1", 0, -ERANGE, 0, 0 },
        { "bytes=3-2", 10, 0, 0, 0 },
        { "bytes=1-2,4-5", 10, 0, 0, 0 },
        { "bytes=", 10, 0, 0, 0 },
        { "bytes=-", 10, 0, 0, 0 },
        { "bytes=+1-2", 10, 0, 0, 0 },
        { "bytes= 1-2", 10, 0, 0, 0 },
        { "bytes=1-2 ", 10, 0, 0, 0 },
        { "octets=1-2", 10, 0, 0, 0 },
        { "", 10, 0, 0, 0 },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct http_range range = { 0 };
        int32_t r = http_range_parse(cases[i].text, cases[i].size, &range);
        ck_assert_msg(r == cases[i].result, "'%s': %d", cases[i].text, r);
        ck_assert_uint_eq(range.first, cases[i].first);
        ck_assert_uint_eq(range.size, cases[i].bytes);
    }
}
END_TEST

START_TEST(entity_tags_are_compared_weakly)
{
    const char *const yes[] = { "*",          "\"a-0\"",     "W/\"a-0\"", "\"b\", \"a-0\"",
                                " ,\"a-0\",", "\"\",\"a-0\"" };
    const char *const no[] = { "",      "a-0",       "\"a-0", "\"a-00\"",
                               "\"b\"", "w/\"a-0\"", "**",    "\"b\" x \"a-0\"" };
    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
        ck_assert_msg(http_etag_listed(yes[i], "\"a-0\""), "%s", yes[i]);
    for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
        ck_assert_msg(!http_etag_listed(no[i], "\"a-0\""), "%s", no[i]);
}
END_TEST

START_TEST(hosts_of_this_machine_are_known)
{
    const char *const yes[] = { "localhost", "LocalHost:80", "127.0.0.1", "127.255.0.9:1",
                                "[::1]",     "[::1]:80",     "[0:0::1]" };
    const char *const no[] = { "",          "localhost.evil",
                               "127.1",     "127.0.0.1.evil",
                               "128.0.0.1", "[::1",
                               "[::1]evil", "[127.0.0.1]",
                               "::1",       "evil" };
    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
        ck_assert_msg(http_host_is_loopback(yes[i], strlen(yes[i])), "%s", yes[i]);
    for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
        ck_assert_msg(!http_host_is_loopback(no[i], strlen(no[i])), "%s", no[i]);
}
END_TEST

static bool
is_loopback(const char *text)
{
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
    struct sockaddr_in v4 = { .sin_family = AF_INET };
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
        return http_address_is_loopback((const struct sockaddr *)&v4);
    ck_assert_int_eq(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
    return http_address_is_loopback((const struct sockaddr *)&v6);
}

START_TEST(addresses_of_this_machine_are_known)
{
    ck_assert(is_loopback("127.0.0.1"));
    ck_assert(is_loopback("127.9.9.9"));
    ck_assert(is_loopback("::1"));
    ck_assert(is_loopback("::ffff:127.0.0.1"));
    ck_assert(!is_loopback("0.0.0.0"));
    ck_assert(!is_loopback("::"));
    ck_assert(!is_loopback("10.0.0.1"));
    ck_assert(!is_loopback("::ffff:10.0.0.1"));
    ck_assert(!is_loopback("fe80::1"));
    const struct sockaddr unix_name = { .sa_family = AF_UNIX };
    ck_assert(!http_address_is_loopback(&unix_name));
}
END_TEST

START_TEST(tokens_are_found_by_what_they_are)
{
    static const char text[] =
        "\n  # comment\r\nci  0123456789abcdef\r\n\ttrainer\tfedcba9876543210 \n";
    struct http_tokens tokens = { 0 };
    struct pk_error err = PK_ERROR_INIT;
    ck_assert_int_eq(http_tokens_parse(text, sizeof(text) - 1, &tokens, &err), 0);
    ck_assert_uint_eq(tokens.count, 2);
    ck_assert_str_eq(http_tokens_find(&tokens, "0123456789abcdef"), "ci");
    ck_assert_str_eq(http_tokens_find(&tokens, "fedcba9876543210"), "trainer");
    ck_assert_ptr_null(http_tokens_find(&tokens, "fedcba9876543211"));
    ck_assert_ptr_null(http_tokens_find(&tokens, ""));
    ck_assert_ptr_null(http_tokens_find(&tokens, "ci"));
    http_tokens_free(&tokens);
}
END_TEST

START_TEST(token_files_without_sense_are_refused)
{
    const struct {
        const char *text;
        const char *message;
    } cases[] = {
        { "", "it holds no token" },
        { "# only this", "it holds no token" },
        { "ci", "line 1: a token has 16 to 512 bytes" },
        { "ci 0123456789abcde", "line 1: a token has 16 to 512 bytes" },
        { "a 0123456789abcdef\nb 0123456789abcdef", "line 2: the token is that of 'a'" },
        { "\nc/i 0123456789abcdef", "line 2: no name of 1 to 63 letters, digits or ._@-" },
        { "a 0123456789abcdef\na 0123456789abcdeg", "line 2: the name 'a' is given twice" },
        { "a 0123456789abcdef b", "line 1: more than a name and a token" },
        { "a 0123456789abcde\x7f", "line 1: a token is printable ASCII without spaces" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct http_tokens tokens = { 0 };
        struct pk_error err = PK_ERROR_INIT;
        size_t size = strlen(cases[i].text);
        ck_assert_int_eq(http_tokens_parse(cases[i].text, size, &tokens, &err), -EINVAL);
        ck_assert_str_eq(err.message, cases[i].message);
        ck_assert_ptr_null(tokens.list);
    }
    struct http_tokens tokens = { 0 };
    struct pk_error err = PK_ERROR_INIT;
    ck_assert_int_eq(http_tokens_parse("a 0123456789abcdef\0", 19, &tokens, &err), -EINVAL);
}
END_TEST

START_TEST(metrics_of_one_name_come_together)
{
    struct http_metrics *metrics = http_metrics_new();
    const struct pk_label one[] = { { "of", "a\"\\\nb" } };
    const struct pk_label two[] = { { "of", "c" } };
    const uint64_t bounds[] = { 1000000, 2500000000 };
    const uint64_t counts[] = { 3, 1 };
    const struct pk_stat stats[] = {
        { .kind = PK_STAT_COUNTER,
          .name = "hits",
          .help = "a \\ b\nc",
          .value = 1,
          .labels = one,
          .label_count = 1 },
        { .kind = PK_STAT_GAUGE, .name = "size", .value = UINT64_MAX },
        { .kind = PK_STAT_COUNTER, .name = "hits", .value = 2, .labels = two, .label_count = 1 },
        { .kind = PK_STAT_HISTOGRAM,
          .name = "took",
          .help = "time",
          .value = 5,
          .bucket_count = 2,
          .bounds = bounds,
          .counts = counts,
          .sum = 1500000000 },
    };
    for (size_t i = 0; i < sizeof(stats) / sizeof(stats[0]); i++)
        http_metrics_add(metrics, &stats[i]);
    size_t size = 0;
    pk_autofree char *text = http_metrics_text(metrics, &size);
    ck_assert_str_eq(text, "# HELP packice_hits_total a \\\\ b\\nc\n"
                           "# TYPE packice_hits_total counter\n"
                           "packice_hits_total{of=\"a\\\"\\\\\\nb\"} 1\n"
                           "packice_hits_total{of=\"c\"} 2\n"
                           "# HELP packice_size \n"
                           "# TYPE packice_size gauge\n"
                           "packice_size 18446744073709551615\n"
                           "# HELP packice_took_seconds time\n"
                           "# TYPE packice_took_seconds histogram\n"
                           "packice_took_seconds_bucket{le=\"0.001\"} 3\n"
                           "packice_took_seconds_bucket{le=\"2.5\"} 4\n"
                           "packice_took_seconds_bucket{le=\"+Inf\"} 5\n"
                           "packice_took_seconds_sum 1.500000000\n"
                           "packice_took_seconds_count 5\n");
    ck_assert_uint_eq(size, strlen(text));
    http_metrics_free(metrics);
}
END_TEST

int
main(void)
{
    const TTest *const cases[] = {
        targets_name_what_there_is,
        an_id_has_at_most_255_bytes,
        queries_are_read_by_name,
        ranges_are_one_or_none,
        entity_tags_are_compared_weakly,
        hosts_of_this_machine_are_known,
        addresses_of_this_machine_are_known,
        tokens_are_found_by_what_they_are,
        token_files_without_sense_are_refused,
        metrics_of_one_name_come_together,
    };
    return SUITE_RUN("transport_http", cases);
}
