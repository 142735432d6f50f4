/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options that name another plugin: whose options get which prefix, and what is refused.
 */
#include "core/option.h"
#include "core/plugin.h"
#include "tests/lib/suite.h"

#include <errno.h>
#include <string.h>

static const struct pk_setting_source source = {
    .file = "node.ini",
    .section = "blob",
    .line = 3,
    .folder = "/etc/packice",
};
static const char *const folders[] = { TEST_PLUGINS };
static const struct pk_plugin_path path = { folders, 1 };
static const struct pk_option tier_rows[] = {
    { PK_OPTION_CHILD, PK_OPTION_REQUIRED, "upper", NULL, NULL, "one" },
    { PK_OPTION_CHILD, 0, "lower", NULL, NULL, "another" },
};
static const struct pk_option_table tier_table = { tier_rows, 2, sizeof(tier_rows[0]) };

static int32_t
build_tier(const struct pk_setting *settings, size_t count, struct pk_conf **ret_conf,
           struct pk_error *err)
{
    return pk_conf_new(&tier_table, PK_KIND_BLOB, &path, &source, settings, count, ret_conf, err);
}

START_TEST(children_get_the_options_with_their_prefix)
{
    const struct pk_setting settings[] = {
        { "upper", "test_blob", 4 },      { "lower", "test_tier", 5 },
        { "upper.limit", "1K", 6 },       { "lower.upper", "test_blob", 7 },
        { "lower.upper.limit", "2K", 8 }, { "lower.upper.label", "deep", 9 },
    };
    struct pk_conf *conf = NULL;
    struct pk_error err = PK_ERROR_INIT;
    ck_assert_msg(build_tier(settings, 6, &conf, &err) == 0, "%s", err.message);
    const struct pk_conf *upper = pk_conf_at(conf, 0)->child;
    const struct pk_conf *lower = pk_conf_at(conf, 1)->child;
    ck_assert_str_eq(pk_conf_module(upper)->plugin.name, "test_blob");
    ck_assert_str_eq(pk_conf_at(upper, 0)->text, "plain");
    ck_assert_uint_eq(pk_conf_at(upper, 1)->number, 1024);
    ck_assert_str_eq(pk_conf_module(lower)->plugin.name, "test_tier");
    const struct pk_conf *deep = pk_conf_at(lower, 0)->child;
    ck_assert_str_eq(pk_conf_at(deep, 0)->text, "deep");
    ck_assert_uint_eq(pk_conf_at(deep, 1)->number, 2048);
    ck_assert_ptr_null(pk_conf_at(lower, 1)->child);
    pk_conf_free(conf);
}
END_TEST

START_TEST(refusals_within_children_name_the_whole_key)
{
    static const struct {
        struct pk_setting settings[3];
        size_t count;
        int32_t code;
        const char *message;
    } cases[] = {
        { { { "upper", "test_blob", 4 } },
          1,
          -EINVAL,
          "node.ini:4: [blob] upper.limit: must be set, and is not: any size" },
        { { { "upper", "test_blob", 4 }, { "upper.limit", "x", 5 } },
          2,
          -EINVAL,
          "node.ini:5: [blob] upper.limit: 'x' is no size" },
        { { { "upper", "test_blob", 4 }, { "upper.limit", "1", 5 }, { "upper.lable", "x", 6 } },
          3,
          -EINVAL,
          "node.ini:6: [blob] upper.lable: unknown key; did you mean 'upper.label'?" },
        { { { "upper", "test_blob", 4 }, { "upper.limit", "1", 5 }, { "lower.limit", "1", 6 } },
          3,
          -EINVAL,
          "node.ini:6: [blob] lower.limit: belongs to the plugin that 'lower' names, but that is "
          "not set" },
        { { { "upper", "test_blub", 4 } },
          1,
          -ENOENT,
          "node.ini:4: [blob] upper: plugin not found: 'test_blub' (did you mean 'test_blob'?)" },
        { { { "upper", "", 4 } }, 1, -EINVAL, "node.ini:4: [blob] upper: it must not be empty" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pk_conf *conf = NULL;
        struct pk_error err = PK_ERROR_INIT;
        ck_assert_int_eq(build_tier(cases[i].settings, cases[i].count, &conf, &err), cases[i].code);
        ck_assert_msg(strncmp(err.message, cases[i].message, strlen(cases[i].message)) == 0, "'%s'",
                      err.message);
        ck_assert_ptr_null(conf);
    }
}
END_TEST

START_TEST(a_plugin_that_is_its_own_default_child_ends)
{
    static const struct pk_option endless[] = {
        { PK_OPTION_CHILD, 0, "upper", "test_tier", NULL, "one" },
    };
    const struct pk_option_table endless_table = { endless, 1, sizeof(endless[0]) };
    struct pk_setting settings[20];
    char keys[20][20 * 6] = { "" }; /* upper, upper.upper, upper.upper.upper ... */
    for (uint32_t i = 0; i < 20; i++) {
        for (uint32_t j = 0; j <= i; j++)
            (void)strcat(keys[i], j == 0 ? "upper" : ".upper");
        settings[i] = (struct pk_setting){ keys[i], "test_tier", i + 1 };
    }
    struct pk_conf *conf = NULL;
    struct pk_error err = PK_ERROR_INIT;
    ck_assert_int_eq(
        pk_conf_new(&endless_table, PK_KIND_BLOB, &path, &source, settings, 20, &conf, &err),
        -EINVAL);
    ck_assert_ptr_nonnull(strstr(err.message, "too deep"));
    ck_assert_ptr_null(conf);
}
END_TEST

START_TEST(a_child_of_another_kind_is_refused)
{
    const struct pk_setting settings[] = { { "upper", "test_blob", 4 } };
    struct pk_conf *conf = NULL;
    struct pk_error err = PK_ERROR_INIT;
    ck_assert_int_eq(
        pk_conf_new(&tier_table, PK_KIND_LEASE, &path, &source, settings, 1, &conf, &err), -EINVAL);
    ck_assert_ptr_nonnull(strstr(err.message, "test_blob.so: is a blob plugin, not a lease"));
    ck_assert_ptr_null(conf);
}
END_TEST

int
main(void)
{
    const TTest *const cases[] = {
        children_get_the_options_with_their_prefix,
        refusals_within_children_name_the_whole_key,
        a_plugin_that_is_its_own_default_child_ends,
        a_child_of_another_kind_is_refused,
    };
    return SUITE_RUN("option_child", cases);
}
