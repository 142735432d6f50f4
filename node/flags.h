/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line: which flags there are, which go together, and the sections that the quick
 * flags, those that need no file, stand for.
 */
#ifndef PK_FLAGS_H
#define PK_FLAGS_H

#include "node/config.h"

enum pk_action {
    PK_ACTION_RUN,
    PK_ACTION_CHECK,
    PK_ACTION_PRINT_CONFIG,
    PK_ACTION_LIST_PLUGINS,
    PK_ACTION_DUMP_PLUGIN,
    PK_ACTION_VERSION,
    PK_ACTION_HELP,
};

/* What was asked for. NULL where a flag wasn't given; texts are those of argv. */
struct pk_flags {
    enum pk_action action;
    const char *config;
    const char *log_level;
    const char *plugin; /* DUMP_PLUGIN */
    const char *impl;   /* from here on: the quick flags */
    const char *transport;
    const char *port;
    const char *socket;
    const char *data_dir;
};

/* Reads the command line. -EINVAL with a message, or with none when getopt has told the user. */
int32_t pk_flags_parse(struct pk_flags *ret_flags, int argc, char **argv, struct pk_error *err);

/* Adds the sections that the quick flags stand for, and puts --log-level in its place. -EINVAL:
 * they don't go together. */
int32_t pk_flags_to_ini(const struct pk_flags *flags, struct pk_ini *ini, struct pk_error *err);

/* The level's PK_LOG_*, or -EINVAL. */
int32_t pk_flags_log_level(const char *name, uint32_t *ret_level, struct pk_error *err);

/* What --help prints. */
extern const char pk_flags_help[];

/* Reads the config that the flags name or stand for, and checks it as pk_config_new does. */
int32_t pk_flags_config(const struct pk_flags *flags, struct pk_config **ret_config,
                        struct pk_error *err);

#endif
