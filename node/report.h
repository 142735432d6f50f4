/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the node can say without running: the config in full, and which plugins there are. The only
 * part of the node that writes to standard output, and to nothing else.
 */
#ifndef PK_REPORT_H
#define PK_REPORT_H

#include "node/config.h"

/* Prints a loaded config with all its defaults, so that -c reads it as the same config. -EINVAL: a
 * value (from a flag) can't stand in a file. */
int32_t pk_report_config(const struct pk_config *config, struct pk_error *err);

/* Prints name, kind, version and summary of each plugin found, by name; refused gets a line for
 * each that is there but can't be loaded. *ret_refused: how many those were. */
int32_t pk_report_plugins(const struct pk_folders *folders, FILE *refused, size_t *ret_refused,
                          struct pk_error *err);

/* Prints what a plugin says of itself and each of its options. plugin: a name, or a file: that is
 * one with a '/' or with ".so" at its end. Errors: those of the loader. */
int32_t pk_report_plugin(const struct pk_folders *folders, const char *plugin,
                         struct pk_error *err);

#endif
