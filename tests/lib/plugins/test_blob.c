/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A blob factory for tests of what is around one: it opens, closes and logs both, tells of a change
 * at each create, and can be told to fail. It keeps nothing; its other slots only are there.
 */
#include "empty_blob.h"

#include <packice/cleanup.h>
#include <string.h>

enum { OPTION_LABEL, OPTION_LIMIT, OPTION_FAIL };

static const struct pk_option test_blob_options[] = {
    [OPTION_LABEL] = { PK_OPTION_STRING, 0, "label", "plain", NULL, "what it calls itself" },
    [OPTION_LIMIT] = { PK_OPTION_SIZE, PK_OPTION_REQUIRED, "limit", NULL, NULL, "any size" },
    [OPTION_FAIL] = { PK_OPTION_BOOL, 0, "fail", "no", NULL, "whether open fails" },
};

struct test_blob {
    const struct pk_host *host;
    const char *label;
};

static int32_t
test_blob_open(const struct pk_host *host, const struct pk_conf *conf, void **ret_instance,
               struct pk_error *err)
{
    if (pk_conf_at(conf, OPTION_FAIL)->number != 0)
        return pk_fail(err, -EIO, "told to fail");
    struct test_blob *blob = calloc(1, sizeof(*blob));
    if (blob == NULL)
        return pk_fail(err, -ENOMEM, "no memory");
    blob->host = host;
    blob->label = pk_conf_at(conf, OPTION_LABEL)->text;
    pk_host_log(host, PK_LOG_INFO, "open %s", blob->label);
    *ret_instance = blob;
    return 0;
}

static void
test_blob_close(void *instance)
{
    struct test_blob *blob = instance;
    pk_host_log(blob->host, PK_LOG_INFO, "close %s", blob->label);
    free(blob);
}

static int32_t
test_blob_create(void *instance, const struct pk_key *key, uint32_t index, uint64_t size,
                 void **ret_blob, struct pk_error *err)
{
    const struct test_blob *blob = instance;
    (void)index;
    (void)size;
    (void)ret_blob;
    blob->host->changed(blob->host->ctx, key->id);
    return pk_fail(err, -EOPNOTSUPP, "%s keeps nothing", blob->label);
}

static int32_t
test_blob_verify(void *blob, struct pk_error *err)
{
    (void)blob;
    return pk_fail(err, -EOPNOTSUPP, "nothing is kept");
}

/* One that is labelled "bare" can't verify; "half" lacks what can't be lacked alone. */
static void
test_blob_traits(void *instance, struct pk_blob_traits *ret_traits)
{
    const struct test_blob *blob = instance;
    if (strcmp(blob->label, "bare") == 0)
        ret_traits->absent = (uint64_t)1 << PK_BLOB_VERIFY;
    if (strcmp(blob->label, "half") == 0)
        ret_traits->absent = (uint64_t)1 << PK_BLOB_SEAL;
}

static const struct pk_blob_ops test_blob_ops = {
    .struct_size = sizeof(struct pk_blob_ops),
    .open = test_blob_open,
    .close = test_blob_close,
    .create = test_blob_create,
    .traits = test_blob_traits,
    .verify = test_blob_verify,
    EMPTY_BLOB_SLOTS,
};

static const struct pk_plugin test_blob_plugin = {
    .struct_size = sizeof(struct pk_plugin),
    .abi_major = PK_ABI_MAJOR,
    .abi_minor = PK_ABI_MINOR,
    .kind = PK_KIND_BLOB,
    .option_count = sizeof(test_blob_options) / sizeof(test_blob_options[0]),
    .option_stride = sizeof(test_blob_options[0]),
    .name = "test_blob",
    .version = "1",
    .summary = "a blob factory for tests",
    .options = test_blob_options,
    .ops = &test_blob_ops,
};

const struct pk_plugin *
pk_plugin_entry(void)
{
    return &test_blob_plugin;
}
