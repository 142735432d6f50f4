/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The blob factory `blob_fault`: another one, its child, with errors, delays and short writes where
 * rules want them. It holds the options, the table of slots and what the child lacks. It keeps no
 * byte itself, and uses nothing but the ABI.
 */
#include "blob_fault.h"

#include <errno.h>
#include <packice/cleanup.h>
#include <string.h>

enum { OPTION_CHILD, OPTION_RULES, OPTION_SEED };

static const struct pk_option blob_fault_options[] = {
    [OPTION_CHILD] = { PK_OPTION_CHILD, PK_OPTION_REQUIRED, "child", NULL, NULL,
                       "The blob plugin that does the work" },
    [OPTION_RULES] = { PK_OPTION_LIST, 0, "rules", NULL, NULL,
                       "What goes wrong: OPERATION:ERROR|short|delay=TIME[:RATE%|:1/N|:#CALL]" },
    [OPTION_SEED] = { PK_OPTION_INT, 0, "seed", "1", NULL,
                      "Which calls a rate hits: the same ones for the same seed" },
};

static int32_t
open_child(const struct pk_host *host, const struct pk_conf *conf, struct blob_fault *fault,
           struct pk_error *err)
{
    struct pk_child child = { .struct_size = sizeof(child) };
    int32_t rc = host->child(host->ctx, pk_conf_at(conf, OPTION_CHILD)->child, &child, err);
    if (rc != 0)
        return rc;
    const struct pk_blob_ops *ops = child.ops;
    memcpy(&fault->child, ops,
           ops->struct_size < sizeof(fault->child) ? ops->struct_size : sizeof(fault->child));
    fault->instance = child.instance;
    return 0;
}

static int32_t
blob_fault_open(const struct pk_host *host, const struct pk_conf *conf, void **ret_instance,
                struct pk_error *err)
{
    pk_autofree struct blob_fault *fault = calloc(1, sizeof(*fault));
    if (fault == NULL)
        return pk_fail(err, -ENOMEM, "out of memory");
    int32_t rc = fault_plan_init(&fault->plan, pk_conf_at(conf, OPTION_RULES),
                                 pk_conf_at(conf, OPTION_SEED)->number, err);
    if (rc != 0)
        return rc;
    rc = open_child(host, conf, fault, err);
    if (rc != 0) {
        fault_plan_finish(&fault->plan);
        return rc;
    }
    *ret_instance = pk_steal(fault);
    return 0;
}

static void
blob_fault_close(void *instance)
{
    struct blob_fault *fault = instance;
    fault_plan_finish(&fault->plan);
    free(fault);
}

static uint32_t
blob_fault_may_block(void *instance, uint32_t op, uint64_t bytes)
{
    struct blob_fault *fault = instance;
    if (op < FAULT_OPS && fault_plan_may_block(&fault->plan, op))
        return 1;
    return fault->child.may_block == NULL
           || fault->child.may_block(fault->instance, op, bytes) != 0;
}

/* The optional slots that the child has not; and those that the host can do without, where rules
 * are about what it calls instead. */
static uint64_t
absent_slots(const struct blob_fault *fault)
{
    const struct pk_blob_ops *child = &fault->child;
    const struct fault_plan *plan = &fault->plan;
    bool in_steps = fault_plan_has(plan, PK_BLOB_CREATE) || fault_plan_has(plan, PK_BLOB_WRITE)
                    || fault_plan_has(plan, PK_BLOB_SEAL);
    const struct {
        uint32_t op;
        bool present;
    } slots[] = {
        { PK_BLOB_PUBLISH, child->publish != NULL },
        { PK_BLOB_UNPUBLISH, child->unpublish != NULL },
        { PK_BLOB_LOOKUP, child->lookup != NULL },
        { PK_BLOB_RECOVER, child->recover != NULL },
        { PK_BLOB_EVICT, child->evict != NULL },
        { PK_BLOB_EXPORT, child->export_blob != NULL },
        { PK_BLOB_ADOPT, child->adopt != NULL },
        { PK_BLOB_VERIFY, child->verify != NULL },
        { PK_BLOB_PUT, child->put != NULL && !in_steps },
        { PK_BLOB_BYTES, child->bytes != NULL && !fault_plan_has(plan, PK_BLOB_READ) },
        { PK_BLOB_SHARE, child->share != NULL },
    };
    uint64_t absent = 0;
    for (size_t i = 0; i < sizeof(slots) / sizeof(slots[0]); i++) {
        if (!slots[i].present)
            absent |= UINT64_C(1) << slots[i].op;
    }
    return absent;
}

static void
blob_fault_traits(void *instance, struct pk_blob_traits *ret_traits)
{
    struct blob_fault *fault = instance;
    struct pk_blob_traits traits = { .struct_size = sizeof(traits) };
    uint32_t room = ret_traits->struct_size;
    if (fault->child.traits != NULL)
        fault->child.traits(fault->instance, &traits);
    traits.absent |= absent_slots(fault);
    memcpy(ret_traits, &traits, room < sizeof(traits) ? room : sizeof(traits));
    ret_traits->struct_size = room;
}

/* ---- figures ---- */

struct child_stats {
    void (*emit)(void *arg, const struct pk_stat *stat);
    void *arg;
};

/* Under a name of its own, also where the child is another one of these. */
static void
emit_child(void *arg, const struct pk_stat *stat)
{
    const struct child_stats *to = arg;
    struct pk_stat named = *stat;
    char name[64];
    if (snprintf(name, sizeof(name), "child_%s", stat->name) >= (int)sizeof(name))
        return; /* cut, it might be another's */
    named.name = name;
    to->emit(to->arg, &named);
}

static void
blob_fault_stats(void *instance, void (*emit)(void *arg, const struct pk_stat *stat), void *arg)
{
    struct blob_fault *fault = instance;
    struct child_stats to = { emit, arg };
    fault_plan_stats(&fault->plan, emit, arg);
    if (fault->child.stats != NULL)
        fault->child.stats(fault->instance, emit_child, &to);
}

/* ---- the plugin ---- */

static const struct pk_blob_ops blob_fault_ops = {
    .struct_size = sizeof(blob_fault_ops),
    .open = blob_fault_open,
    .close = blob_fault_close,
    .may_block = blob_fault_may_block,
    .traits = blob_fault_traits,
    .create = blob_fault_create,
    .read = blob_fault_read,
    .write = blob_fault_write,
    .size = blob_fault_size,
    .seal = blob_fault_seal,
    .handle = blob_fault_handle,
    .free = blob_fault_free,
    .remove = blob_fault_remove,
    .publish = blob_fault_publish,
    .unpublish = blob_fault_unpublish,
    .lookup = blob_fault_lookup,
    .recover = blob_fault_recover,
    .evict = blob_fault_evict,
    .export_blob = blob_fault_export,
    .adopt = blob_fault_adopt,
    .stats = blob_fault_stats,
    .verify = blob_fault_verify,
    .put = blob_fault_put,
    .bytes = blob_fault_bytes,
    .share = blob_fault_share,
};

static const struct pk_plugin blob_fault_plugin = {
    .struct_size = sizeof(blob_fault_plugin),
    .abi_major = PK_ABI_MAJOR,
    .abi_minor = PK_ABI_MINOR,
    .kind = PK_KIND_BLOB,
    .option_count = sizeof(blob_fault_options) / sizeof(blob_fault_options[0]),
    .option_stride = sizeof(blob_fault_options[0]),
    .name = "blob_fault",
    .version = PACKICE_VERSION,
    .summary = "Errors, delays and short writes in front of another blob plugin, for tests",
    .options = blob_fault_options,
    .ops = &blob_fault_ops,
};

const struct pk_plugin *
pk_plugin_entry(void)
{
    return &blob_fault_plugin;
}
