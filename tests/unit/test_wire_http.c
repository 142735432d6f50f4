/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the wire says over HTTP instead of descriptors: URLs of the node's own, paths for who may
 * know them, and figures by name.
 */
#include "core/wire/wire.h"
#include "tests/lib/suite.h"

#include <packice/cleanup.h>
#include <string.h>

static const struct pk_handle handles[] = {
    { .struct_size = sizeof(handles[0]), .kind = PK_HANDLE_FD, .fd = 7, .offset = 64, .size = 5 },
    { .struct_size = sizeof(handles[0]),
      .kind = PK_HANDLE_PATH,
      .fd = -1,
      .text = "/data/b",
      .offset = 8,
      .size = PK_UNSIZED },
    { .struct_size = sizeof(handles[0]),
      .kind = PK_HANDLE_URL,
      .fd = -1,
      .text = "https://else/where",
      .size = 3 },
};

static char *
encode(const struct pk_handle *from, uint32_t count, bool paths)
{
    const struct pk_reply reply = {
        .struct_size = sizeof(reply),
        .verb = PK_VERB_ACQUIRE,
        .access = PK_ACCESS_READ,
        .message = "",
        .lease_id = "394c2f00-ee06-4fc3-af2b-9b2c22237384",
        .object_id = "a/b",
        .epoch = 9,
        .ttl = PK_FOREVER,
        .state = PK_STATE_SEALED,
        .blob_count = count,
        .meta = "",
        .handles = from,
        .handle_stride = sizeof(*from),
    };
    const struct pk_wire_reply_format format = { .http = true, .paths = paths };
    char *text = NULL;
    size_t size = 0;
    ck_assert_int_eq(pk_wire_reply_encode(&reply, &format, &text, &size), 0);
    ck_assert_uint_eq(size, strlen(text));
    return text;
}

START_TEST(blobs_are_urls_and_paths_are_told_to_some)
{
    pk_autofree char *told = encode(handles, 3, true);
    pk_autofree char *kept = encode(handles, 3, false);
    pk_autofree char *only = encode(&handles[1], 1, true);
    ck_assert_ptr_nonnull(strstr(
        told, "\"handles\":[],\"blobs\":[{\"kind\":\"http\",\"url\":\"/objects/a%2Fb/blobs/0\","
              "\"size\":5,\"offset\":0},{\"kind\":\"path\",\"path\":\"/data/b\",\"url\":"
              "\"/objects/a%2Fb/blobs/1\",\"size\":null,\"offset\":8},{\"kind\":\"url\",\"url\":"
              "\"https://else/where\",\"size\":3,\"offset\":0}]}"));
    ck_assert_ptr_nonnull(strstr(kept, "{\"kind\":\"http\",\"url\":\"/objects/a%2Fb/blobs/1\","
                                       "\"size\":null,\"offset\":0}"));
    ck_assert_ptr_null(strstr(kept, "/data"));
    ck_assert_ptr_nonnull(strstr(only, "\"handles\":[\"/data/b\"]"));
    ck_assert_ptr_null(strstr(told, "fds"));
}
END_TEST

START_TEST(a_client_reads_what_was_told)
{
    pk_autofree char *text = encode(handles, 3, true);
    struct pk_wire_reply *wire = NULL;
    struct pk_error err = PK_ERROR_INIT;
    ck_assert_int_eq(pk_wire_reply_parse(text, strlen(text), &wire, &err), 0);
    ck_assert_int_eq(pk_wire_reply_decode(wire, PK_VERB_ACQUIRE, 0, &err), 0);
    const struct pk_handle *read = wire->reply.handles;
    ck_assert_uint_eq(read[0].kind, PK_HANDLE_URL);
    ck_assert_str_eq(read[0].text, "/objects/a%2Fb/blobs/0");
    ck_assert_uint_eq(read[1].kind, PK_HANDLE_PATH);
    ck_assert_str_eq(read[1].text, "/data/b");
    ck_assert_uint_eq(read[1].offset, 8);
    ck_assert_int_eq(read[1].fd, -1);
    ck_assert_str_eq(read[2].text, "https://else/where");
    pk_wire_reply_free(wire);
}
END_TEST

START_TEST(a_batch_has_no_descriptors)
{
    pk_autofree char *text = NULL;
    const struct pk_wire_item replies[] = { { "{}", 2 }, { "{}", 2 } };
    const struct pk_wire_reply_format whole = { .http = true };
    size_t size = 0;
    ck_assert_int_eq(pk_wire_batch_reply_encode(replies, 2, 0, 0, &whole, &text, &size), 0);
    ck_assert_str_eq(text, "{\"status\":\"ok\",\"replies\":[{},{}]}");
    ck_assert_uint_eq(size, strlen(text));
}
END_TEST

START_TEST(ids_are_one_segment_of_a_path)
{
    const struct {
        const char *id;
        const char *url;
    } cases[] = {
        { "plain-1.0_~", "/objects/plain-1.0_~" },
        { "a/b", "/objects/a%2Fb" },
        { ".", "/objects/%2E" },
        { "..", "/objects/%2E%2E" },
        { "...", "/objects/..." },
        { "\xC3\xBC %?#", "/objects/%C3%BC%20%25%3F%23" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        pk_autofree char *url = pk_wire_url_object(cases[i].id);
        pk_autofree char *blob = pk_wire_url_blob(cases[i].id, 252);
        char back[PK_ID_MAX + 1];
        ck_assert_str_eq(url, cases[i].url);
        ck_assert_int_eq(strncmp(blob, url, strlen(url)), 0);
        ck_assert_str_eq(blob + strlen(url), "/blobs/252");
        ck_assert_int_eq(pk_wire_url_decode(url + 9, strlen(url) - 9, back, sizeof(back)), 0);
        ck_assert_str_eq(back, cases[i].id);
    }
}
END_TEST

START_TEST(what_is_no_percent_encoding_is_refused)
{
    char text[4] = "old";
    const char *const wrong[] = { "%", "%2", "%zz", "%2z", "a%", "%00", "%g0" };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        ck_assert_int_eq(pk_wire_url_decode(wrong[i], strlen(wrong[i]), text, sizeof(text)),
                         -EINVAL);
    ck_assert_int_eq(pk_wire_url_decode("a\0b", 3, text, sizeof(text)), -EINVAL);
    ck_assert_int_eq(pk_wire_url_decode("abcd", 4, text, sizeof(text)), -EFBIG);
    ck_assert_int_eq(pk_wire_url_decode("%61%62c", 7, text, sizeof(text)), 0);
    ck_assert_str_eq(text, "abc");
}
END_TEST

START_TEST(figures_are_named_by_what_they_are_about)
{
    struct pk_wire_figures *figures = pk_wire_figures_new();
    const struct pk_label labels[] = { { "verb", "read" }, { "result", "ok" } };
    const struct pk_wire_reply_format format = { .http = true };
    const uint64_t bound = 5;
    const struct pk_stat stats[] = {
        { .struct_size = sizeof(stats[0]), .kind = PK_STAT_GAUGE, .name = "objects", .value = 3 },
        { .struct_size = sizeof(stats[0]),
          .kind = PK_STAT_COUNTER,
          .name = "requests",
          .value = 4,
          .labels = labels,
          .label_count = 2 },
        { .struct_size = sizeof(stats[0]),
          .kind = PK_STAT_HISTOGRAM,
          .name = "took",
          .value = 2,
          .labels = labels,
          .label_count = 1,
          .bucket_count = 1,
          .bounds = &bound,
          .counts = &bound,
          .sum = 77 },
    };
    pk_autofree char *text = NULL;
    size_t size = 0;
    for (size_t i = 0; i < sizeof(stats) / sizeof(stats[0]); i++)
        pk_wire_figures_add(figures, &stats[i]);
    ck_assert_int_eq(pk_wire_figures_encode(figures, &format, &text, &size), 0);
    ck_assert_str_eq(text, "{\"status\":\"ok\",\"stats\":{\"objects\":3,"
                           "\"requests{verb=\\\"read\\\",result=\\\"ok\\\"}\":4,"
                           "\"took_count{verb=\\\"read\\\"}\":2,"
                           "\"took_nanoseconds{verb=\\\"read\\\"}\":77}}");
    pk_wire_figures_free(figures);
    ck_assert_int_eq(pk_wire_figures_encode(NULL, &format, &text, &size), -ENOMEM);
}
END_TEST

START_TEST(figures_beyond_the_bound_are_left_out)
{
    struct pk_wire_figures *figures = pk_wire_figures_new();
    char long_name[2 * PK_WIRE_FIGURE_NAME_MAX];
    const struct pk_stat stat = { .struct_size = sizeof(stat), .name = long_name };
    const struct pk_wire_reply_format format = { .http = true };
    pk_autofree char *text = NULL;
    size_t size = 0;
    memset(long_name, 'a', sizeof(long_name) - 1);
    long_name[sizeof(long_name) - 1] = '\0';
    for (size_t i = 0; i < 2 * PK_WIRE_FIGURES_MAX; i++)
        pk_wire_figures_add(figures, &stat);
    ck_assert_int_eq(pk_wire_figures_encode(figures, &format, &text, &size), 0);
    ck_assert_uint_lt(size, 2 * PK_WIRE_FIGURE_NAME_MAX); /* of one name the last counts */
    pk_wire_figures_free(figures);
}
END_TEST

int
main(void)
{
    const TTest *const cases[] = {
        blobs_are_urls_and_paths_are_told_to_some,
        a_client_reads_what_was_told,
        a_batch_has_no_descriptors,
        ids_are_one_segment_of_a_path,
        what_is_no_percent_encoding_is_refused,
        figures_are_named_by_what_they_are_about,
        figures_beyond_the_bound_are_left_out,
    };
    return SUITE_RUN("wire http", cases);
}
