/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Core without memory: each allocation fails once, and what was asked for is then refused with
 * -ENOMEM and leaves nothing behind. That nothing leaks is for the sanitizer to see.
 */
#include "core/executor.h"
#include "tests/lib/probe.h"
#include "tests/lib/suite.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

/* ---- allocations that fail: linked with --wrap for each ---- */

static size_t allowed = SIZE_MAX; /* allocations until one fails */
static bool failed_one;

static bool
allocation_fails(void)
{
    if (allowed == 0) {
        allowed = SIZE_MAX;
        failed_one = true;
        return true;
    }
    if (allowed != SIZE_MAX)
        allowed--;
    return false;
}

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
char *__real_strdup(const char *text);
char *__wrap_strdup(const char *text);

void *
__wrap_calloc(size_t count, size_t size)
{
    return allocation_fails() ? NULL : __real_calloc(count, size);
}

char *
__wrap_strdup(const char *text)
{
    return allocation_fails() ? NULL : __real_strdup(text);
}

/* Check allocates too, and so do the tests: from here on, nothing fails any more. */
static void
starve_end(void)
{
    allowed = SIZE_MAX;
}

/* Tries `attempt` with the first allocation failing, then the second, until none of them does. */
static void
starve(int32_t (*attempt)(struct pk_error *err))
{
    for (size_t i = 0;; i++) {
        ck_assert_uint_lt(i, 1000);
        struct pk_error err = PK_ERROR_INIT;
        failed_one = false;
        allowed = i;
        int32_t failed = attempt(&err);
        starve_end();
        if (!failed_one) {
            ck_assert_msg(failed == 0, "%s", err.message);
            ck_assert_uint_gt(i, 0);
            return;
        }
        ck_assert_msg(failed == -ENOMEM, "allocation %zu: %d: %s", i, failed, err.message);
        ck_assert_str_ne(err.message, "");
    }
}

/* ---- what is tried ---- */

static int32_t
try_executor(struct pk_error *err)
{
    struct pk_executor *executor = NULL;
    struct pk_queue *queue = NULL;
    int32_t failed = pk_executor_new(&executor, err);
    if (failed != 0)
        return failed;
    failed = pk_queue_new(executor, "queue", 4, 16, &queue);
    if (failed != 0)
        (void)pk_fail(err, failed, "no queue");
    pk_queue_free(queue);
    pk_executor_free(executor);
    return failed;
}

START_TEST(executors_and_queues)
{
    starve(try_executor);
}
END_TEST

static const struct pk_option rows[] = {
    { PK_OPTION_LIST, 0, "items", "a, b, c", NULL, "several" },
    { PK_OPTION_PATH, 0, "path", "here", NULL, "one" },
    { PK_OPTION_CHILD, 0, "child", "test_blob", NULL, "another plugin" },
};
static const struct pk_option_table table = { rows, 3, sizeof(rows[0]) };
static const struct pk_setting_source source = { .folder = "/" };

static int32_t
try_conf(struct pk_error *err)
{
    const struct pk_setting settings[] = { { "child.limit", "1K", 0 } };
    struct pk_conf *conf = NULL;
    int32_t failed =
        pk_conf_new(&table, PK_KIND_BLOB, &probe_path, &source, settings, 1, &conf, err);
    starve_end();
    ck_assert_int_eq(failed != 0, conf == NULL);
    pk_conf_free(conf);
    return failed;
}

START_TEST(options_and_the_plugins_they_name)
{
    starve(try_conf); /* the plugin too: it is loaded only once all of this had its memory */
}
END_TEST

static int32_t
try_unknown_key(struct pk_error *err)
{
    const struct pk_setting settings[] = { { "itms", "1K", 0 } };
    struct pk_conf *conf = NULL;
    int32_t failed =
        pk_conf_new(&table, PK_KIND_BLOB, &probe_path, &source, settings, 1, &conf, err);
    starve_end();
    ck_assert_ptr_null(conf);
    ck_assert_int_ne(failed, 0);
    return failed == -EINVAL ? 0 : failed;
}

START_TEST(refusals_too)
{
    starve(try_unknown_key);
}
END_TEST

static struct probe_stage stage;

static int32_t
try_instance(struct pk_error *err)
{
    struct pk_instance *instance = NULL;
    int32_t failed =
        pk_instance_open(stage.module, stage.conf, stage.executor, 2, NULL, &instance, err);
    starve_end();
    ck_assert_int_eq(failed != 0, instance == NULL);
    pk_instance_close(instance);
    return failed;
}

START_TEST(instances_with_children)
{
    const struct pk_setting settings[] = {
        { "upper", "test_blob", 0 },
        { "upper.limit", "1", 0 },
        { "lower", "test_blob", 0 },
        { "lower.limit", "1", 0 },
    };
    const struct pk_plugin_module *module = NULL;
    ck_assert_int_eq(pk_plugin_load(&probe_path, "test_tier", PK_KIND_BLOB, &module, NULL), 0);
    probe_stage_prepare(&stage, module, settings, 4);
    starve(try_instance);
    probe_stage_close(&stage);
}
END_TEST

static struct gate ran = GATE_INIT;

static void
pass(void *arg)
{
    gate_pass(arg);
}

static int32_t
try_work(struct pk_error *err)
{
    int32_t failed = probe_host->submit(probe_host->ctx, pass, &ran);
    if (failed == 0)
        failed = probe_host->timer(probe_host->ctx, 1, pass, &ran, NULL);
    return failed == 0 ? 0 : pk_fail(err, failed, "no work, or no timer");
}

START_TEST(work_and_timers)
{
    probe_stage_open(&stage, probe_blob_entry, NULL);
    starve(try_work);
    gate_wait(&ran, 3); /* of three tries, one came to nothing, and one to half */
    probe_stage_close(&stage);
}
END_TEST

int
main(void)
{
    const TTest *const cases[] = {
        executors_and_queues, options_and_the_plugins_they_name,
        refusals_too,         instances_with_children,
        work_and_timers,
    };
    return SUITE_RUN("no_memory", cases);
}
