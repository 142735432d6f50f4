/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options: each type's values and refusals, and the messages that say where and what.
 */
#include "core/option.h"
#include "tests/lib/suite.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { TEXT, FILE_PATH, COUNT, SIZE, TTL, FLAG, COLOUR, ITEMS, NEEDED, PLAIN, ROWS };

static const struct pk_option rows[ROWS] = {
    [TEXT] = { PK_OPTION_STRING, 0, "text", "a default", NULL, "any text" },
    [FILE_PATH] = { PK_OPTION_PATH, 0, "path", NULL, NULL, "a file" },
    [COUNT] = { PK_OPTION_INT, 0, "count", "7", NULL, "how many" },
    [SIZE] = { PK_OPTION_SIZE, 0, "capacity", "4KiB", NULL, "how much" },
    [TTL] = { PK_OPTION_DURATION, 0, "ttl", "60s", NULL, "how long" },
    [FLAG] = { PK_OPTION_BOOL, 0, "flag", "no", NULL, "whether" },
    [COLOUR] = { PK_OPTION_CHOICE, 0, "colour", "red", "red|green|blue", "which" },
    [ITEMS] = { PK_OPTION_LIST, 0, "items", "x, y", NULL, "several" },
    [NEEDED] = { PK_OPTION_STRING, PK_OPTION_REQUIRED, "needed", NULL, NULL, "what is needed" },
    [PLAIN] = { PK_OPTION_STRING, 0, "plain", NULL, NULL, "nothing unless set" },
};
static const struct pk_option_table table = { rows, ROWS, sizeof(rows[0]) };

static const struct pk_setting_source source = {
    .file = "node.ini", .section = "blob", .line = 3, .folder = "/etc/packice"
};

static int32_t
build(const struct pk_setting *settings, size_t count, struct pk_conf **ret_conf,
      struct pk_error *err)
{
    return pk_conf_new(&table, PK_KIND_BLOB, NULL, &source, settings, count, ret_conf, err);
}

#define BUILD(settings, ret_conf, err) \
    build(settings, sizeof(settings) / sizeof((settings)[0]), ret_conf, err)

START_TEST(defaults_stand_where_nothing_is_set)
{
    const struct pk_setting settings[] = { { "needed", "yes", 4 } };
    struct pk_conf *conf = NULL;
    ck_assert_int_eq(BUILD(settings, &conf, NULL), 0);
    ck_assert_uint_eq(conf->value_count, ROWS);
    ck_assert_str_eq(pk_conf_at(conf, TEXT)->text, "a default");
    ck_assert_str_eq(pk_conf_at(conf, TEXT)->name, "text");
    ck_assert_uint_eq(pk_conf_at(conf, TEXT)->is_set, 0);
    ck_assert_ptr_null(pk_conf_at(conf, FILE_PATH)->text);
    ck_assert_uint_eq(pk_conf_at(conf, COUNT)->number, 7);
    ck_assert_uint_eq(pk_conf_at(conf, SIZE)->number, 4096);
    ck_assert_uint_eq(pk_conf_at(conf, TTL)->number, 60000000000ULL);
    ck_assert_uint_eq(pk_conf_at(conf, FLAG)->number, 0);
    ck_assert_uint_eq(pk_conf_at(conf, COLOUR)->number, 0);
    ck_assert_uint_eq(pk_conf_at(conf, ITEMS)->item_count, 2);
    ck_assert_str_eq(pk_conf_at(conf, ITEMS)->items[1], "y");
    ck_assert_str_eq(pk_conf_at(conf, NEEDED)->text, "yes");
    ck_assert_uint_eq(pk_conf_at(conf, NEEDED)->is_set, 1);
    ck_assert_ptr_null(pk_conf_at(conf, PLAIN)->text);
    ck_assert_ptr_null(pk_conf_at(conf, ROWS));
    ck_assert_ptr_null(pk_conf_module(conf));
    pk_conf_free(conf);
    pk_conf_free(NULL);
}
END_TEST

START_TEST(settings_replace_defaults)
{
    char text[] = "  spaces stay  ";
    const struct pk_setting settings[] = {
        { "needed", "", 4 },         { "text", text, 5 },         { "path", "data/blobs", 6 },
        { "count", "0", 7 },         { "capacity", "1.5GiB", 8 }, { "ttl", "250ms", 9 },
        { "flag", "On", 10 },        { "colour", "blue", 11 },    { "items", "a ,b c,\td", 12 },
        { "plain", "\xc3\xa9", 13 },
    };
    struct pk_conf *conf = NULL;
    ck_assert_int_eq(BUILD(settings, &conf, NULL), 0);
    memset(text, 'x', sizeof(text) - 1); /* the conf has copies of its own */
    ck_assert_str_eq(pk_conf_at(conf, TEXT)->text, "  spaces stay  ");
    ck_assert_uint_eq(pk_conf_at(conf, TEXT)->is_set, 1);
    ck_assert_str_eq(pk_conf_at(conf, FILE_PATH)->text, "/etc/packice/data/blobs");
    ck_assert_uint_eq(pk_conf_at(conf, COUNT)->number, 0);
    ck_assert_uint_eq(pk_conf_at(conf, SIZE)->number, 1610612736);
    ck_assert_str_eq(pk_conf_at(conf, SIZE)->text, "1.5GiB");
    ck_assert_uint_eq(pk_conf_at(conf, TTL)->number, 250000000);
    ck_assert_uint_eq(pk_conf_at(conf, FLAG)->number, 1);
    ck_assert_uint_eq(pk_conf_at(conf, COLOUR)->number, 2);
    ck_assert_str_eq(pk_conf_at(conf, COLOUR)->text, "blue");
    const struct pk_value *items = pk_conf_at(conf, ITEMS);
    ck_assert_uint_eq(items->item_count, 3);
    ck_assert_str_eq(items->items[0], "a");
    ck_assert_str_eq(items->items[1], "b c");
    ck_assert_str_eq(items->items[2], "d");
    ck_assert_str_eq(pk_conf_at(conf, NEEDED)->text, "");
    pk_conf_free(conf);
}
END_TEST

START_TEST(paths_become_absolute)
{
    static const struct {
        const char *folder;
        const char *path;
        const char *whole; /* behind the working folder, unless it begins with '/' */
    } cases[] = {
        { "/etc/x", "/abs", "/abs" },
        { "/etc/x", "rel", "/etc/x/rel" },
        { "/etc/x", "../y", "/etc/y" },
        { "/etc/x", "./.././/../../y", "/y" },
        { "/etc/x", "..", "/etc" },
        { "/", "y", "/y" },
        { "/etc/x/", ".y/..z", "/etc/x/.y/..z" },
        { "/etc/x", "link/../y", "/etc/x/link/../y" }, /* where that is, the link says */
        { NULL, "rel", "rel" },
        { "conf", "rel", "conf/rel" },
        { ".", "rel", "rel" },
    };
    char *working = getcwd(NULL, 0);
    ck_assert_ptr_nonnull(working);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pk_setting_source here = { .section = "blob", .folder = cases[i].folder };
        const struct pk_setting settings[] = { { "needed", "", 0 }, { "path", cases[i].path, 0 } };
        struct pk_conf *conf = NULL;
        ck_assert_int_eq(pk_conf_new(&table, PK_KIND_BLOB, NULL, &here, settings, 2, &conf, NULL),
                         0);
        char whole[4200];
        (void)snprintf(whole, sizeof(whole), "%s%s%s", cases[i].whole[0] == '/' ? "" : working,
                       cases[i].whole[0] == '/' ? "" : "/", cases[i].whole);
        ck_assert_str_eq(pk_conf_at(conf, FILE_PATH)->text, whole);
        pk_conf_free(conf);
    }
    free(working);
}
END_TEST

START_TEST(refusals_say_where_and_what)
{
    static const struct {
        struct pk_setting second;
        const char *message;
    } cases[] = {
        { { "capcity", "1", 9 },
          "node.ini:9: [blob] capcity: unknown key; did you mean 'capacity'?" },
        { { "zzz", "1", 9 }, "node.ini:9: [blob] zzz: unknown key" },
        { { "needed", "again", 9 }, "node.ini:9: [blob] needed: is given twice, first in line 4" },
        { { "text.more", "1", 9 }, "node.ini:9: [blob] text.more: unknown key" },
        { { "colour", "gren", 9 },
          "node.ini:9: [blob] colour: 'gren' is none of red|green|blue; did you mean 'green'?" },
        { { "colour", "", 9 }, "node.ini:9: [blob] colour: '' is none of red|green|blue" },
        { { "colour", "red|green", 9 },
          "node.ini:9: [blob] colour: 'red|green' is none of red|green|blue" },
        { { "flag", "maybe", 9 }, "node.ini:9: [blob] flag: 'maybe' is neither yes nor no" },
        { { "count", "0660", 9 },
          "node.ini:9: [blob] count: '0660' is no whole number from 0 on, in decimal" },
        { { "ttl", "60", 9 },
          "node.ini:9: [blob] ttl: '60' is no duration: write a number with ns, us, ms, s, m, h or "
          "d" },
        { { "items", "a,,b", 9 }, "node.ini:9: [blob] items: an item of the list is empty" },
        { { "items", "a,", 9 }, "node.ini:9: [blob] items: an item of the list is empty" },
        { { "path", "", 9 }, "node.ini:9: [blob] path: it must not be empty" },
        { { "flag", "a\nb", 9 }, "node.ini:9: [blob] flag: 'a?b' is neither yes nor no" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct pk_setting settings[] = { { "needed", "", 4 }, cases[i].second };
        struct pk_conf *conf = NULL;
        struct pk_error err = PK_ERROR_INIT;
        ck_assert_int_eq(BUILD(settings, &conf, &err), -EINVAL);
        ck_assert_str_eq(err.message, cases[i].message);
        ck_assert_int_eq(err.code, -EINVAL);
        ck_assert_ptr_null(conf);
    }
}
END_TEST

START_TEST(a_missing_key_is_blamed_on_the_section)
{
    const struct pk_setting settings[] = { { "text", "x", 4 } };
    struct pk_conf *conf = NULL;
    struct pk_error err = PK_ERROR_INIT;
    ck_assert_int_eq(BUILD(settings, &conf, &err), -EINVAL);
    ck_assert_str_eq(err.message,
                     "node.ini:3: [blob] needed: must be set, and is not: what is needed");
    ck_assert_ptr_null(conf);
}
END_TEST

START_TEST(places_leave_out_what_is_not_known)
{
    const struct pk_setting settings[] = { { "x", "1", 0 } };
    const struct pk_setting_source file_only = { .file = "a.ini" };
    const struct pk_setting_source section_only = { .section = "lease", .line = 8 };
    struct pk_conf *conf = NULL;
    struct pk_error err = PK_ERROR_INIT;
    ck_assert_int_eq(pk_conf_new(&table, 0, NULL, &file_only, settings, 1, &conf, &err), -EINVAL);
    ck_assert_str_eq(err.message, "a.ini: x: unknown key");
    ck_assert_int_eq(pk_conf_new(&table, 0, NULL, &section_only, settings, 1, &conf, &err),
                     -EINVAL);
    ck_assert_str_eq(err.message, "[lease] x: unknown key");
    ck_assert_int_eq(pk_conf_new(&table, 0, NULL, NULL, settings, 1, &conf, &err), -EINVAL);
    ck_assert_str_eq(err.message, "x: unknown key");
    ck_assert_int_eq(pk_conf_new(&table, 0, NULL, NULL, settings, 1, &conf, NULL), -EINVAL);
    ck_assert_ptr_null(conf);
}
END_TEST

START_TEST(an_empty_table_takes_nothing)
{
    const struct pk_option_table none = { NULL, 0, sizeof(struct pk_option) };
    const struct pk_setting settings[] = { { "x", "1", 2 } };
    struct pk_conf *conf = NULL;
    ck_assert_int_eq(pk_conf_new(&none, 0, NULL, &source, NULL, 0, &conf, NULL), 0);
    ck_assert_uint_eq(conf->value_count, 0);
    pk_conf_free(conf);
    conf = NULL;
    ck_assert_int_eq(pk_conf_new(&none, 0, NULL, &source, settings, 1, &conf, NULL), -EINVAL);
    ck_assert_ptr_null(conf);
}
END_TEST

START_TEST(strides_of_foreign_tables_are_kept)
{
    struct wide {
        struct pk_option option;
        uint64_t newer;
    };
    const struct wide wide[] = {
        { { PK_OPTION_INT, 0, "one", "1", NULL, "one" }, UINT64_MAX },
        { { PK_OPTION_INT, 0, "two", "2", NULL, "two" }, UINT64_MAX },
    };
    const struct pk_option_table wide_table = { &wide[0].option, 2, sizeof(wide[0]) };
    struct pk_conf *conf = NULL;
    ck_assert_int_eq(pk_conf_new(&wide_table, 0, NULL, &source, NULL, 0, &conf, NULL), 0);
    ck_assert_uint_eq(pk_conf_at(conf, 1)->number, 2);
    pk_conf_free(conf);
}
END_TEST

int
main(void)
{
    const TTest *const cases[] = {
        defaults_stand_where_nothing_is_set,
        settings_replace_defaults,
        paths_become_absolute,
        refusals_say_where_and_what,
        a_missing_key_is_blamed_on_the_section,
        places_leave_out_what_is_not_known,
        an_empty_table_takes_nothing,
        strides_of_foreign_tables_are_kept,
    };
    return SUITE_RUN("option", cases);
}
