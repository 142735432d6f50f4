/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks a plugin's table before anything of it is used: version, sizes, names, options, slots. It
 * calls nothing of the plugin and does not care where it came from.
 */
#include "core/table.h"

#include "core/plugin.h"
#include "core/value.h"

#include <errno.h>
#include <packice/cleanup.h>
#include <stdalign.h>
#include <stddef.h>
#include <string.h>

#define NAME_MAX_PLUGIN 63U
#define OPTIONS_MAX 256U
#define STRIDE_MAX 4096U

/* What the first version of each struct held: less is no table at all. */
#define PLUGIN_SIZE_MIN (offsetof(struct pk_plugin, ops) + sizeof(void *))
#define OPTION_SIZE_MIN (offsetof(struct pk_option, help) + sizeof(char *))
#define OPS_SIZE_MIN (2 * sizeof(uint32_t))

/* ---- slots ---- */

/* A slot that must be there: always, or (needed_by) when another one is. */
struct slot_rule {
    const char *name;
    size_t offset;
    const char *needed_by;
    size_t needed_by_offset;
};

#define REQUIRED(table, slot) \
    { \
#slot, offsetof(struct table, slot), NULL, 0 \
    }
#define WITH(table, other, slot) \
    { \
#slot, offsetof(struct table, slot), #other, offsetof(struct table, other) \
    }

static const struct slot_rule blob_rules[] = {
    REQUIRED(pk_blob_ops, open),           REQUIRED(pk_blob_ops, close),
    REQUIRED(pk_blob_ops, create),         REQUIRED(pk_blob_ops, read),
    REQUIRED(pk_blob_ops, write),          REQUIRED(pk_blob_ops, size),
    REQUIRED(pk_blob_ops, seal),           REQUIRED(pk_blob_ops, handle),
    REQUIRED(pk_blob_ops, free),           REQUIRED(pk_blob_ops, remove),
    WITH(pk_blob_ops, publish, unpublish), WITH(pk_blob_ops, publish, lookup),
    WITH(pk_blob_ops, unpublish, publish), WITH(pk_blob_ops, lookup, publish),
    WITH(pk_blob_ops, export_blob, adopt),
};

static const struct slot_rule lease_rules[] = {
    REQUIRED(pk_lease_ops, open),    REQUIRED(pk_lease_ops, close),
    REQUIRED(pk_lease_ops, grant),   REQUIRED(pk_lease_ops, find),
    REQUIRED(pk_lease_ops, renew),   REQUIRED(pk_lease_ops, downgrade),
    REQUIRED(pk_lease_ops, revoke),  REQUIRED(pk_lease_ops, release),
    REQUIRED(pk_lease_ops, holders), REQUIRED(pk_lease_ops, next_expiry),
    REQUIRED(pk_lease_ops, expire),
};

static const struct slot_rule transport_rules[] = {
    REQUIRED(pk_transport_ops, open),
    REQUIRED(pk_transport_ops, start),
    REQUIRED(pk_transport_ops, stop),
    REQUIRED(pk_transport_ops, close),
};

struct kind {
    const char *name;
    const struct slot_rule *rules;
    size_t rule_count;
    uint32_t ops_size;
};

#define KIND(name, rules, ops) \
    { \
        name, rules, sizeof(rules) / sizeof((rules)[0]), (uint32_t)sizeof(struct ops) \
    }

static const struct kind kinds[] = {
    [PK_KIND_BLOB] = KIND("blob", blob_rules, pk_blob_ops),
    [PK_KIND_LEASE] = KIND("lease", lease_rules, pk_lease_ops),
    [PK_KIND_TRANSPORT] = KIND("transport", transport_rules, pk_transport_ops),
};

/* NULL for a kind that this host doesn't know. */
static const struct kind *
kind_find(uint32_t kind)
{
    if (kind == 0 || kind >= sizeof(kinds) / sizeof(kinds[0]))
        return NULL;
    return &kinds[kind];
}

const char *
pk_plugin_kind_name(uint32_t kind)
{
    const struct kind *found = kind_find(kind);
    return found == NULL ? "unknown" : found->name;
}

uint32_t
pk_table_ops_size(uint32_t kind)
{
    const struct kind *found = kind_find(kind);
    return found == NULL ? 0 : found->ops_size;
}

static bool
slot_is_there(const void *ops, size_t offset)
{
    void (*slot)(void) = NULL;
    memcpy(&slot, (const char *)ops + offset, sizeof(slot));
    return slot != NULL;
}

static int32_t
slots_check(const struct kind *kind, const void *ops, const char *label, struct pk_error *err)
{
    for (size_t i = 0; i < kind->rule_count; i++) {
        const struct slot_rule *rule = &kind->rules[i];
        if (slot_is_there(ops, rule->offset))
            continue;
        if (rule->needed_by == NULL)
            return pk_fail(err, -EINVAL, "%s: required slot '%s' is missing", label, rule->name);
        if (slot_is_there(ops, rule->needed_by_offset))
            return pk_fail(err, -EINVAL, "%s: slot '%s' is missing, and '%s' needs it", label,
                           rule->name, rule->needed_by);
    }
    return 0;
}

int32_t
pk_table_lack(struct pk_blob_ops *ops, uint64_t absent, const char *label, struct pk_error *err)
{
#define SLOT(op, slot) [op] = offsetof(struct pk_blob_ops, slot)
    static const size_t slots[] = {
        SLOT(PK_BLOB_CREATE, create),   SLOT(PK_BLOB_READ, read),
        SLOT(PK_BLOB_WRITE, write),     SLOT(PK_BLOB_SIZE, size),
        SLOT(PK_BLOB_SEAL, seal),       SLOT(PK_BLOB_HANDLE, handle),
        SLOT(PK_BLOB_FREE, free),       SLOT(PK_BLOB_REMOVE, remove),
        SLOT(PK_BLOB_PUBLISH, publish), SLOT(PK_BLOB_UNPUBLISH, unpublish),
        SLOT(PK_BLOB_LOOKUP, lookup),   SLOT(PK_BLOB_RECOVER, recover),
        SLOT(PK_BLOB_EVICT, evict),     SLOT(PK_BLOB_EXPORT, export_blob),
        SLOT(PK_BLOB_ADOPT, adopt),     SLOT(PK_BLOB_VERIFY, verify),
        SLOT(PK_BLOB_PUT, put),         SLOT(PK_BLOB_BYTES, bytes),
        SLOT(PK_BLOB_SHARE, share),
    };
#undef SLOT
    void (*const nothing)(void) = NULL;

    /* bits beyond are slots of a later host's: not in this table in the first place */
    for (uint32_t op = PK_BLOB_CREATE; op < sizeof(slots) / sizeof(slots[0]); op++)
        if (absent >> op & 1)
            memcpy((char *)ops + slots[op], &nothing, sizeof(nothing));
    return slots_check(&kinds[PK_KIND_BLOB], ops, label, err);
}

static int32_t
ops_copy(const struct kind *kind, const void *plugin_ops, const char *label, struct pk_table *table,
         struct pk_error *err)
{
    uint32_t size = 0;
    if (plugin_ops == NULL)
        return pk_fail(err, -EINVAL, "%s: its table has no ops", label);
    memcpy(&size, plugin_ops, sizeof(size));
    if (size < OPS_SIZE_MIN || size % sizeof(void *) != 0)
        return pk_fail(err, -EINVAL, "%s: struct_size of its ops is wrong (%u)", label, size);
    memset(&table->ops, 0, sizeof(table->ops));
    memcpy(&table->ops, plugin_ops, size < kind->ops_size ? size : kind->ops_size);
    memcpy(&table->ops, &kind->ops_size, sizeof(kind->ops_size)); /* the copy's own size */
    return slots_check(kind, &table->ops, label, err);
}

/* ---- options ---- */

static int32_t
choice_check(const struct pk_option *option, const char *label, struct pk_error *err)
{
    const char *cursor = option->values;
    const char *part = NULL;
    size_t size = 0;
    if (option->values == NULL)
        return pk_fail(err, -EINVAL, "%s: option '%s' has no values to choose from", label,
                       option->name);
    while (pk_value_part(&cursor, '|', &part, &size)) {
        if (size == 0 || size > PK_OPTION_NAME_MAX)
            return pk_fail(err, -EINVAL, "%s: option '%s' has a value that is empty or too long",
                           label, option->name);
    }
    return 0;
}

static int32_t
default_check(const struct pk_option *option, const char *label, struct pk_error *err)
{
    uint64_t number = 0;
    struct pk_error why = PK_ERROR_INIT;
    if (option->value == NULL)
        return 0;
    if ((option->flags & PK_OPTION_REQUIRED) != 0)
        return pk_fail(err, -EINVAL, "%s: option '%s' is required and has a default", label,
                       option->name);
    if (pk_value_parse(option, option->value, &number, &why) != 0)
        return pk_fail(err, -EINVAL, "%s: the default of option '%s' is wrong: %s", label,
                       option->name, why.message);
    return 0;
}

static int32_t
option_check(const struct pk_option *option, uint32_t index, uint32_t kind, const char *label,
             struct pk_error *err)
{
    if (option->name == NULL || !pk_word_check(option->name, PK_OPTION_NAME_MAX))
        return pk_fail(err, -EINVAL, "%s: the name of option %u is missing or malformed", label,
                       index);
    if (option->type < PK_OPTION_STRING || option->type > PK_OPTION_CHILD)
        return pk_fail(err, -EINVAL, "%s: option '%s' has unknown type %u", label, option->name,
                       option->type);
    if (option->help == NULL || option->help[0] == '\0')
        return pk_fail(err, -EINVAL, "%s: option '%s' has no help", label, option->name);
    if (option->type == PK_OPTION_CHILD && kind == PK_KIND_TRANSPORT)
        return pk_fail(err, -EINVAL, "%s: option '%s': a transport can't have children", label,
                       option->name);
    if (option->type == PK_OPTION_CHOICE) {
        int32_t failed = choice_check(option, label, err);
        if (failed != 0)
            return failed;
    } else if (option->values != NULL) {
        return pk_fail(err, -EINVAL, "%s: option '%s' is no choice, but has values", label,
                       option->name);
    }
    return default_check(option, label, err);
}

static int32_t
options_check(const struct pk_table *table, const char *label, struct pk_error *err)
{
    for (uint32_t i = 0; i < table->plugin.option_count; i++) {
        int32_t failed = option_check(&table->options[i], i, table->plugin.kind, label, err);
        if (failed != 0)
            return failed;
        for (uint32_t j = 0; j < i; j++) {
            if (strcmp(table->options[i].name, table->options[j].name) == 0)
                return pk_fail(err, -EINVAL, "%s: option '%s' is there twice", label,
                               table->options[i].name);
        }
    }
    return 0;
}

static int32_t
options_copy(const struct pk_plugin *plugin, const char *label, struct pk_table *table,
             struct pk_error *err)
{
    uint32_t count = plugin->option_count;
    uint32_t stride = plugin->option_stride;
    if (count == 0)
        return 0;
    if (plugin->options == NULL || count > OPTIONS_MAX)
        return pk_fail(err, -EINVAL, "%s: its option table is missing or too long", label);
    if (stride < OPTION_SIZE_MIN || stride > STRIDE_MAX || stride % alignof(struct pk_option) != 0)
        return pk_fail(err, -EINVAL, "%s: option_stride is wrong (%u)", label, stride);
    table->options = calloc(count, sizeof(*table->options));
    if (table->options == NULL)
        return pk_fail(err, -ENOMEM, "%s: no memory for its options", label);
    size_t size = stride < sizeof(*table->options) ? stride : sizeof(*table->options);
    for (uint32_t i = 0; i < count; i++)
        memcpy(&table->options[i], (const char *)plugin->options + (size_t)i * stride, size);
    return options_check(table, label, err);
}

/* ---- the whole ---- */

static int32_t
plugin_copy(const struct pk_plugin *plugin, const char *label, struct pk_plugin *copy,
            struct pk_error *err)
{
    if (plugin == NULL)
        return pk_fail(err, -EINVAL, "%s: pk_plugin_entry returned nothing", label);
    if (plugin->struct_size < offsetof(struct pk_plugin, kind))
        return pk_fail(err, -EINVAL, "%s: struct_size of its table is too short (%u)", label,
                       plugin->struct_size);
    /* the version first: what is behind it in another major's table, nobody knows */
    if (plugin->abi_major != PK_ABI_MAJOR)
        return pk_fail(err, -EINVAL, "%s: built for ABI version %u.%u, and this host has %d.%d",
                       label, plugin->abi_major, plugin->abi_minor, PK_ABI_MAJOR, PK_ABI_MINOR);
    if (plugin->struct_size < PLUGIN_SIZE_MIN)
        return pk_fail(err, -EINVAL, "%s: struct_size of its table is too short (%u)", label,
                       plugin->struct_size);
    memset(copy, 0, sizeof(*copy));
    memcpy(copy, plugin, plugin->struct_size < sizeof(*copy) ? plugin->struct_size : sizeof(*copy));
    copy->struct_size = (uint32_t)sizeof(*copy);
    if (copy->name == NULL || !pk_word_check(copy->name, NAME_MAX_PLUGIN))
        return pk_fail(err, -EINVAL, "%s: its name is missing or malformed", label);
    if (copy->version == NULL || copy->summary == NULL)
        return pk_fail(err, -EINVAL, "%s: its version or summary is missing", label);
    if (kind_find(copy->kind) == NULL)
        return pk_fail(err, -EINVAL, "%s: its kind %u is unknown", label, copy->kind);
    return 0;
}

int32_t
pk_table_copy(const struct pk_plugin *plugin, const char *label, struct pk_table *ret_table,
              struct pk_error *err)
{
    struct pk_table table = { 0 };
    int32_t failed = plugin_copy(plugin, label, &table.plugin, err);
    if (failed == 0)
        failed = ops_copy(kind_find(table.plugin.kind), table.plugin.ops, label, &table, err);
    if (failed == 0)
        failed = options_copy(&table.plugin, label, &table, err);
    if (failed != 0) {
        free(table.options);
        return failed;
    }
    *ret_table = table;
    ret_table->plugin.options = ret_table->options;
    ret_table->plugin.option_stride = (uint32_t)sizeof(*ret_table->options);
    ret_table->plugin.ops = &ret_table->ops;
    return 0;
}
