/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process around a node: its limits, its signals, and what systemd is told.
 */
#ifndef PK_RUN_H
#define PK_RUN_H

#include "node/config.h"
#include "node/flags.h"

/* Runs the node that config describes until a signal ends it. The main thread, with no other one
 * started. 0 when it stopped as asked; on an error nothing runs any more. */
int32_t pk_run(const struct pk_flags *flags, const struct pk_config *config, struct pk_error *err);

#endif
