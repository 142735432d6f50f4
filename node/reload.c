/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compares two configs: section by section, option by option as they were written.
 */
#include "node/reload.h"

#include "core/instance.h"
#include "core/peer.h"
#include <errno.h>
#include <string.h>

#define RESTART "can't change while the node runs"

static bool
same_text(const char *one, const char *other)
{
    if (one == NULL || other == NULL)
        return one == other;
    return strcmp(one, other) == 0;
}

static bool same_values(const struct pk_conf *one, const struct pk_conf *other);

static bool
same_value(const struct pk_value *one, const struct pk_value *other)
{
    if (!same_text(one->text, other->text) || (one->child == NULL) != (other->child == NULL))
        return false;
    return one->child == NULL || same_values(one->child, other->child);
}

static bool
same_values(const struct pk_conf *one, const struct pk_conf *other)
{
    if (one->value_count != other->value_count)
        return false;
    for (uint32_t i = 0; i < one->value_count; i++)
        if (!same_value(pk_conf_at(one, i), pk_conf_at(other, i)))
            return false;
    return true;
}

/* Where an option of a section is written, or else the section; key may be NULL. */
static uint32_t
line_of(const struct pk_config *config, const char *section, const char *key)
{
    const struct pk_ini_section *found = pk_ini_find(&config->ini, section);
    const struct pk_ini_entry *entry = key == NULL ? NULL : pk_ini_find_entry(found, key);
    return entry != NULL ? entry->line : found != NULL ? found->line : 0;
}

static int32_t
refuse(const struct pk_config *next, const char *section, const char *key, const char *what,
       struct pk_error *err)
{
    (void)pk_fail(err, -EINVAL, "%s", what);
    return pk_config_locate(next, section, line_of(next, section, key), key, err);
}

static int32_t
check_values(const struct pk_config *next, const char *section, const struct pk_conf *one,
             const struct pk_conf *other, uint32_t free_bits, struct pk_error *err)
{
    for (uint32_t i = 0; i < one->value_count; i++) {
        const struct pk_value *value = pk_conf_at(other, i);
        if ((free_bits & 1U << i) == 0 && !same_value(pk_conf_at(one, i), value))
            return refuse(next, section, value->name, RESTART, err);
    }
    return 0;
}

static int32_t
check_section(const struct pk_config *next, const struct pk_config_section *one,
              const struct pk_config_section *other, struct pk_error *err)
{
    if (one->module != other->module)
        return refuse(next, other->name, "plugin", RESTART, err);
    if (pk_module_reloads(one->module))
        return 0;
    return check_values(next, other->name, one->conf, other->conf, 0, err);
}

static int32_t
check_transports(const struct pk_config *now, const struct pk_config *next, struct pk_error *err)
{
    for (size_t i = 0; i < next->transport_count; i++) {
        const struct pk_config_section *other = &next->transports[i];
        const struct pk_config_section *one = pk_config_transport(now, other->name);
        int32_t failed =
            one == NULL ? refuse(next, other->name, NULL, "can't be added while the node runs", err)
                        : check_section(next, one, other, err);
        if (failed != 0)
            return failed;
    }
    for (size_t i = 0; i < now->transport_count; i++)
        if (pk_config_transport(next, now->transports[i].name) == NULL)
            return refuse(next, now->transports[i].name, NULL,
                          "can't be taken away while the node runs", err);
    return 0;
}

int32_t
pk_reload_check(const struct pk_config *now, const struct pk_config *next, struct pk_error *err)
{
    uint32_t free_bits = 1U << PK_NODE_LOG_LEVEL | 1U << PK_NODE_STOP_TIMEOUT;
    int32_t failed = check_values(next, "node", now->node, next->node, free_bits, err);
    if (failed == 0)
        failed = check_values(next, "peer", now->peer, next->peer, 0, err);
    if (failed == 0)
        failed = check_section(next, &now->blob, &next->blob, err);
    if (failed == 0)
        failed = check_section(next, &now->lease, &next->lease, err);
    return failed == 0 ? check_transports(now, next, err) : failed;
}
