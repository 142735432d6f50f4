/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a node is to be: the sections of an INI file, checked against the option tables of the node,
 * the peer and each plugin. It loads plugins to see their tables, and opens none of them.
 */
#ifndef PK_CONFIG_H
#define PK_CONFIG_H

#include "core/option.h"
#include "node/folders.h"
#include "node/ini_file.h"

/* The section [node], and the rows of its table. */
extern const struct pk_option_table pk_node_option_table;
#define PK_NODE_LOG_LEVEL 0U
#define PK_NODE_PLUGIN_DIR 1U
#define PK_NODE_STOP_TIMEOUT 2U
#define PK_NODE_WORKERS 3U

/* One plugin to be opened. */
struct pk_config_section {
    const char *name; /* "blob", "transport.local" */
    char *plugin;     /* its name, or its file where the config names one */
    const struct pk_plugin_module *module;
    struct pk_conf *conf;
    uint32_t line; /* of its head; 0 = not in a file */
};

struct pk_config {
    struct pk_ini ini;
    char *file;   /* as the user named it; NULL = made from flags */
    char *folder; /* that of file, absolute; NULL likewise */
    struct pk_folders folders;
    struct pk_conf *node;
    struct pk_conf *peer;
    struct pk_config_section blob;
    struct pk_config_section lease;
    struct pk_config_section *transports;
    size_t transport_count; /* 1 and more once it is loaded */
};

/* Takes over what ini holds, on failure too, checks which sections there are, and the section
 * [node]. file: where it was read, NULL if it wasn't. Errors read as in core/option.h. */
int32_t pk_config_new(struct pk_ini *ini, const char *file, struct pk_config **ret_config,
                      struct pk_error *err);

/* Checks all the rest: loads the plugins that are named and checks their options. Once. */
int32_t pk_config_load(struct pk_config *config, struct pk_error *err);

/* NULL is fine. Only once no instance uses its values any more. */
void pk_config_free(struct pk_config *config);

/* The section of a transport; NULL if there is none of this name. */
const struct pk_config_section *pk_config_transport(const struct pk_config *config,
                                                    const char *name);

/* Puts where it happened before err's message: "FILE:LINE: [SECTION] KEY: ..."; key may be NULL.
 * Returns err's code. */
int32_t pk_config_locate(const struct pk_config *config, const char *section, uint32_t line,
                         const char *key, struct pk_error *err);

#endif
