/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A blob factory made of one or two others, for tests of child options: it opens them and hands
 * every create on, to the lower one if there is one. It keeps nothing itself.
 */
#include "empty_blob.h"

#include <stdlib.h>

enum { OPTION_UPPER, OPTION_LOWER, OPTION_FAIL };

static const struct pk_option test_tier_options[] = {
    [OPTION_UPPER] = { PK_OPTION_CHILD, PK_OPTION_REQUIRED, "upper", NULL, NULL, "the fast one" },
    [OPTION_LOWER] = { PK_OPTION_CHILD, 0, "lower", NULL, NULL, "the slow one" },
    [OPTION_FAIL] = { PK_OPTION_BOOL, 0, "fail", "no", NULL, "fail once the children are open" },
};

struct test_tier {
    const struct pk_host *host;
    struct pk_child last;
};

static int32_t
test_tier_child(const struct pk_host *host, const struct pk_value *value,
                struct pk_child *ret_child, struct pk_error *err)
{
    struct pk_child child = { .struct_size = sizeof(child) };
    if (value->child == NULL)
        return 0;
    int32_t failed = host->child(host->ctx, value->child, &child, err);
    if (failed != 0)
        return failed;
    if (((const struct pk_blob_ops *)child.ops)->verify == NULL)
        pk_host_log(host, PK_LOG_INFO, "a child can't verify");
    *ret_child = child;
    return 0;
}

static int32_t
test_tier_open(const struct pk_host *host, const struct pk_conf *conf, void **ret_instance,
               struct pk_error *err)
{
    struct test_tier *tier = calloc(1, sizeof(*tier));
    if (tier == NULL)
        return pk_fail(err, -ENOMEM, "no memory");
    tier->host = host;
    int32_t failed = test_tier_child(host, pk_conf_at(conf, OPTION_UPPER), &tier->last, err);
    if (failed == 0)
        failed = test_tier_child(host, pk_conf_at(conf, OPTION_LOWER), &tier->last, err);
    if (failed == 0 && pk_conf_at(conf, OPTION_FAIL)->number != 0)
        failed = pk_fail(err, -EIO, "told to fail");
    if (failed != 0) {
        free(tier);
        return failed;
    }
    pk_host_log(host, PK_LOG_INFO, "open tier");
    *ret_instance = tier;
    return 0;
}

static void
test_tier_close(void *instance)
{
    struct test_tier *tier = instance;
    pk_host_log(tier->host, PK_LOG_INFO, "close tier");
    free(tier);
}

static int32_t
test_tier_create(void *instance, const struct pk_key *key, uint32_t index, uint64_t size,
                 void **ret_blob, struct pk_error *err)
{
    const struct test_tier *tier = instance;
    const struct pk_blob_ops *ops = tier->last.ops;
    return ops->create(tier->last.instance, key, index, size, ret_blob, err);
}

static int32_t
test_tier_verify(void *blob, struct pk_error *err)
{
    (void)blob;
    return pk_fail(err, -EOPNOTSUPP, "nothing is kept");
}

static const struct pk_blob_ops test_tier_ops = {
    .struct_size = sizeof(struct pk_blob_ops),
    .open = test_tier_open,
    .close = test_tier_close,
    .create = test_tier_create,
    .verify = test_tier_verify,
    EMPTY_BLOB_SLOTS,
};

static const struct pk_plugin test_tier_plugin = {
    .struct_size = sizeof(struct pk_plugin),
    .abi_major = PK_ABI_MAJOR,
    .abi_minor = PK_ABI_MINOR,
    .kind = PK_KIND_BLOB,
    .option_count = sizeof(test_tier_options) / sizeof(test_tier_options[0]),
    .option_stride = sizeof(test_tier_options[0]),
    .name = "test_tier",
    .version = "1",
    .summary = "a blob factory made of others, for tests",
    .options = test_tier_options,
    .ops = &test_tier_ops,
};

const struct pk_plugin *
pk_plugin_entry(void)
{
    return &test_tier_plugin;
}
