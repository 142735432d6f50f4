/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plugins as files: finds them, loads them, and checks everything that a table says before any of
 * it is used. A plugin stays loaded until the process ends.
 */
#ifndef PK_PLUGIN_H
#define PK_PLUGIN_H

#include "core/option.h"

/* A checked plugin. Lives as long as the process. */
struct pk_plugin_module {
    struct pk_plugin plugin; /* the host's own copy, zero where the plugin's ended */
    struct pk_option_table options;
    char *file; /* the path it was loaded from; NULL when it is linked in */
};

/* Where plugins are looked for: folders, in order. In each, NAME.so and NAME/NAME.so. Borrowed
 * throughout. */
struct pk_plugin_path {
    const char *const *folders;
    size_t folder_count;
};

/* Loads a plugin by name ("blob_memfd") through the path, or by file when name holds a '/'. The
 * same file twice is the same module. kind: PK_KIND_*, or 0 for any. May block; one at a time for
 * all threads. Errors name the file: -ENOENT: not found (lists where it looked, suggests a near
 * name); -EINVAL: not a plugin: not a shared object, no entry, a table too short, other name, kind
 * or major version, a required slot or an option's member missing or malformed. */
int32_t pk_plugin_load(const struct pk_plugin_path *path, const char *name, uint32_t kind,
                       const struct pk_plugin_module **ret_module, struct pk_error *err);

/* The same checks for a plugin that is linked into this program. */
int32_t pk_plugin_builtin(pk_plugin_entry_fn *entry, const struct pk_plugin_module **ret_module,
                          struct pk_error *err);

/* "blob", "lease", "transport" for PK_KIND_*. */
const char *pk_plugin_kind_name(uint32_t kind);

#endif
