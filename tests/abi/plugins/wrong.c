/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One plugin, built many times, each time wrong in one way: NAME is what it calls itself, MEND an
 * expression that spoils its tables, TABLE what its entry returns. It never opens.
 */
#include "tests/lib/plugins/empty_blob.h"

#include <stddef.h>
#include <string.h>

static int32_t
wrong_open(const struct pk_host *host, const struct pk_conf *conf, void **ret_instance,
           struct pk_error *err)
{
    (void)host;
    (void)conf;
    (void)ret_instance;
    return pk_fail(err, -EOPNOTSUPP, "never opens");
}

static void
wrong_close(void *instance)
{
    (void)instance;
}

static int32_t
wrong_create(void *instance, const struct pk_key *key, uint32_t index, uint64_t size,
             void **ret_blob, struct pk_error *err)
{
    (void)instance;
    (void)key;
    (void)index;
    (void)size;
    (void)ret_blob;
    return pk_fail(err, -EOPNOTSUPP, "never creates");
}

#ifndef TABLE
#define TABLE &plugin.plugin
#endif

/* Longer than this version's tables, as those of a later minor would be. */
struct later_ops {
    struct pk_blob_ops ops;
    int32_t (*later[4])(void *instance);
};
struct later_option {
    struct pk_option option;
    uint64_t later;
};
struct later_plugin {
    struct pk_plugin plugin;
    uint64_t later[4];
};

static int32_t
later_slot(void *instance)
{
    (void)instance;
    return -EOPNOTSUPP;
}

static struct later_ops ops = {
    .ops = {
        .struct_size = sizeof(struct pk_blob_ops),
        .open = wrong_open,
        .close = wrong_close,
        .create = wrong_create,
        EMPTY_BLOB_SLOTS,
    },
    .later = { later_slot, later_slot, later_slot, later_slot },
};
static struct later_option options[] = {
    { { PK_OPTION_SIZE, 0, "limit", "1MiB", NULL, "how much" }, UINT64_MAX },
    { { PK_OPTION_CHOICE, 0, "mode", "fast", "fast|safe", "how" }, UINT64_MAX },
};
static struct later_plugin plugin = {
    .plugin = {
        .struct_size = sizeof(struct pk_plugin),
        .abi_major = PK_ABI_MAJOR,
        .abi_minor = PK_ABI_MINOR,
        .kind = PK_KIND_BLOB,
        .option_count = 2,
        .option_stride = sizeof(options[0]),
        .name = NAME,
        .version = "1",
        .summary = "wrong in one way",
        .options = &options[0].option,
        .ops = &ops.ops,
    },
    .later = { UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX },
};

#ifdef NO_ENTRY
const struct pk_plugin *somebodys_entry(void);
#define pk_plugin_entry somebodys_entry
#endif

PK_PLUGIN_EXPORT const struct pk_plugin *
pk_plugin_entry(void)
{
#ifdef UNDEFINED
    extern void nobody_has_this(void);
    nobody_has_this();
#endif
    (void)(MEND);
    return TABLE;
}
