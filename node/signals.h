/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The signals a node lives by. They are blocked in every thread and taken by the main one, outside
 * of any handler, so that what they cause is ordinary code.
 */
#ifndef PK_SIGNALS_H
#define PK_SIGNALS_H

#include "node/flags.h"
#include "node/node.h"

/* Blocks what pk_signals_serve takes, for this thread and all that it starts, and ignores SIGPIPE.
 * Before any other thread exists. 0 or a negative errno. */
int32_t pk_signals_block(struct pk_error *err);

/* Takes signals until SIGTERM or SIGINT asks for the end: SIGUSR1 logs the figures, SIGHUP has
 * the config that the flags stand for read again. On return, a further SIGTERM or SIGINT ends the
 * process at once, with status 128 + its number. The main thread. */
void pk_signals_serve(struct pk_node *node, const struct pk_flags *flags);

#endif
