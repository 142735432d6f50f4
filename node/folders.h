/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the node looks for plugins: the folders that its config names, that of the build tree it
 * runs from, and the installed one, in this order.
 */
#ifndef PK_FOLDERS_H
#define PK_FOLDERS_H

#include "core/plugin.h"

/* Zero it to begin. */
struct pk_folders {
    char **items;
    struct pk_plugin_path path; /* over items, for the loader */
};

/* Fills it: first the folders in `list`, which are relative to `base` (NULL: to the working
 * folder). 0 or -ENOMEM. */
int32_t pk_folders_init(struct pk_folders *folders, const struct pk_value *list, const char *base,
                        struct pk_error *err);
void pk_folders_finish(struct pk_folders *folders);

#endif
