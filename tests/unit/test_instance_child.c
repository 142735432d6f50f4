/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Instances within instances: in which order they come and go, and who may open them.
 */
#include "core/log.h"
#include "tests/lib/gate.h"
#include "tests/lib/probe.h"
#include "tests/lib/suite.h"

#include <errno.h>
#include <string.h>

static int32_t
create(const struct pk_instance *instance, const char *id, struct pk_error *err)
{
    const struct pk_key key = { .id = id, .epoch = 1 };
    void *blob = NULL;
    return instance->ops.blob.create(instance->opened, &key, 0, 0, &blob, err);
}

static void
tier_prepare(struct probe_stage *stage, const char *fail, const char *lower_fail)
{
    const struct pk_setting settings[] = {
        { "fail", fail, 0 },
        { "upper", "test_blob", 0 },
        { "upper.limit", "1", 0 },
        { "upper.label", "above", 0 },
        { "lower", "test_tier", 0 },
        { "lower.upper", "test_blob", 0 },
        { "lower.upper.limit", "1", 0 },
        { "lower.upper.label", "below", 0 },
        { "lower.upper.fail", lower_fail, 0 },
    };
    const struct pk_plugin_module *module = NULL;
    ck_assert_int_eq(pk_plugin_load(&probe_path, "test_tier", PK_KIND_BLOB, &module, NULL), 0);
    probe_stage_prepare(stage, module, settings, sizeof(settings) / sizeof(settings[0]));
}

static void
heard_check(const struct probe_heard *heard, const char *const *lines, uint32_t count)
{
    ck_assert_uint_eq(heard->count, count);
    for (uint32_t i = 0; i < count; i++)
        ck_assert_str_eq(heard->lines[i], lines[i]);
}

START_TEST(children_open_within_and_close_after_their_parent)
{
    static const char *const lines[] = {
        "2 test_blob open above",  "2 test_blob open below",  "2 test_tier open tier",
        "2 test_tier open tier",   "2 test_tier close tier",  "2 test_tier close tier",
        "2 test_blob close below", "2 test_blob close above",
    };
    struct probe_heard heard = { 0 };
    struct probe_stage stage;
    struct pk_peer peer = { .events = GATE_INIT };
    struct pk_error err = PK_ERROR_INIT;
    pk_log_set(PK_LOG_INFO, probe_sink, &heard);
    tier_prepare(&stage, "no", "no");
    ck_assert_msg(
        pk_instance_open(stage.module, stage.conf, stage.executor, 1, NULL, &stage.instance, &err)
            == 0,
        "%s", err.message);

    pk_instance_attach(stage.instance, &peer); /* reaches children of children */
    ck_assert_int_eq(create(stage.instance, "deep", &err), -EOPNOTSUPP);
    ck_assert_str_eq(err.message, "below keeps nothing");
    ck_assert_str_eq(peer.last, "deep");
    pk_instance_attach(stage.instance, NULL);
    ck_assert_int_eq(create(stage.instance, "later", &err), -EOPNOTSUPP);
    ck_assert_uint_eq(gate_count(&peer.events), 1);

    probe_stage_close(&stage);
    heard_check(&heard, lines, sizeof(lines) / sizeof(lines[0]));
}
END_TEST

static int32_t
open_above(const char *label, struct probe_heard *heard, struct probe_stage *stage,
           struct pk_error *err)
{
    const struct pk_setting settings[] = { { "upper", "test_blob", 0 },
                                           { "upper.limit", "1", 0 },
                                           { "upper.label", label, 0 } };
    const struct pk_plugin_module *module = NULL;
    memset(heard, 0, sizeof(*heard));
    pk_log_set(PK_LOG_INFO, probe_sink, heard);
    ck_assert_int_eq(pk_plugin_load(&probe_path, "test_tier", PK_KIND_BLOB, &module, NULL), 0);
    probe_stage_prepare(stage, module, settings, sizeof(settings) / sizeof(settings[0]));
    return pk_instance_open(module, stage->conf, stage->executor, 1, NULL, &stage->instance, err);
}

START_TEST(what_a_child_lacks_is_missing_in_its_parents_table)
{
    static const char *const lines[] = {
        "2 test_blob open bare",  "2 test_tier a child can't verify", "2 test_tier open tier",
        "2 test_tier close tier", "2 test_blob close bare",
    };
    struct probe_heard heard;
    struct probe_stage stage;
    struct pk_error err = PK_ERROR_INIT;
    ck_assert_int_eq(open_above("bare", &heard, &stage, &err), 0);
    ck_assert_ptr_nonnull(stage.instance->ops.blob.verify);
    probe_stage_close(&stage);
    heard_check(&heard, lines, sizeof(lines) / sizeof(lines[0]));
}
END_TEST

START_TEST(a_child_that_lacks_what_it_needs_is_closed_and_refused)
{
    static const char *const lines[] = { "2 test_blob open half", "2 test_blob close half" };
    struct probe_heard heard;
    struct probe_stage stage;
    struct pk_error err = PK_ERROR_INIT;
    ck_assert_int_eq(open_above("half", &heard, &stage, &err), -EINVAL);
    ck_assert_str_eq(err.message, "test_tier: test_blob: required slot 'seal' is missing");
    probe_stage_close(&stage);
    heard_check(&heard, lines, sizeof(lines) / sizeof(lines[0]));
}
END_TEST

START_TEST(a_child_that_fails_takes_the_others_with_it)
{
    static const char *const lines[] = { "2 test_blob open above", "2 test_blob close above" };
    struct probe_heard heard = { 0 };
    struct probe_stage stage;
    struct pk_error err = PK_ERROR_INIT;
    pk_log_set(PK_LOG_INFO, probe_sink, &heard);
    tier_prepare(&stage, "no", "yes");
    ck_assert_int_eq(
        pk_instance_open(stage.module, stage.conf, stage.executor, 1, NULL, &stage.instance, &err),
        -EIO);
    ck_assert_str_eq(err.message, "test_tier: test_tier: test_blob: told to fail");
    heard_check(&heard, lines, 2);
    probe_stage_close(&stage);
}
END_TEST

START_TEST(a_parent_that_fails_closes_its_children)
{
    static const char *const lines[] = { "2 test_blob open above",  "2 test_blob open below",
                                         "2 test_tier open tier",   "2 test_tier close tier",
                                         "2 test_blob close below", "2 test_blob close above" };
    struct probe_heard heard = { 0 };
    struct probe_stage stage;
    struct pk_error err = PK_ERROR_INIT;
    pk_log_set(PK_LOG_INFO, probe_sink, &heard);
    tier_prepare(&stage, "yes", "no");
    ck_assert_int_eq(
        pk_instance_open(stage.module, stage.conf, stage.executor, 1, NULL, &stage.instance, &err),
        -EIO);
    ck_assert_str_eq(err.message, "test_tier: told to fail");
    heard_check(&heard, lines, 6);
    probe_stage_close(&stage);
}
END_TEST

static int32_t
child_of_own_conf(const struct pk_host *host, struct pk_error *err)
{
    struct pk_child child = { .struct_size = sizeof(child) };
    return host->child(host->ctx, probe_conf, &child, err);
}

static int32_t
child_of_null(const struct pk_host *host, struct pk_error *err)
{
    struct pk_child child = { .struct_size = sizeof(child) };
    return host->child(host->ctx, NULL, &child, err);
}

START_TEST(only_child_options_open_children_and_only_in_open)
{
    const struct pk_plugin_module *module = NULL;
    struct probe_stage stage;
    struct pk_error err = PK_ERROR_INIT;
    ck_assert_int_eq(pk_plugin_builtin(probe_blob_entry, &module, NULL), 0);
    probe_stage_prepare(&stage, module, NULL, 0);
    probe_in_open = child_of_own_conf;
    ck_assert_int_eq(
        pk_instance_open(module, stage.conf, stage.executor, 1, NULL, &stage.instance, &err),
        -EINVAL);
    ck_assert_str_eq(err.message, "probe_blob: a child needs the value of a child option");
    probe_in_open = child_of_null;
    ck_assert_int_eq(
        pk_instance_open(module, stage.conf, stage.executor, 1, NULL, &stage.instance, &err),
        -EINVAL);
    probe_in_open = NULL;
    ck_assert_int_eq(
        pk_instance_open(module, stage.conf, stage.executor, 1, NULL, &stage.instance, &err), 0);
    ck_assert_int_eq(child_of_own_conf(probe_host, &err), -EINVAL);
    ck_assert_str_eq(err.message, "a child can be opened only from open");
    probe_stage_close(&stage);
}
END_TEST

int
main(void)
{
    const TTest *const cases[] = {
        children_open_within_and_close_after_their_parent,
        what_a_child_lacks_is_missing_in_its_parents_table,
        a_child_that_lacks_what_it_needs_is_closed_and_refused,
        a_child_that_fails_takes_the_others_with_it,
        a_parent_that_fails_closes_its_children,
        only_child_options_open_children_and_only_in_open,
    };
    return SUITE_RUN("instance_child", cases);
}
