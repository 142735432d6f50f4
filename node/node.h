/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A running node: the instances that a config names, in the order in which they can live: backends,
 * the peer, transports.
 */
#ifndef PK_NODE_H
#define PK_NODE_H

#include "node/config.h"

struct pk_node;

/* Opens and starts everything, and logs a line "ready: ADDRESS ..." for each transport. config was
 * loaded, stays the caller's and outlives the node. On failure everything that was opened is closed
 * again. Errors name the section at fault. */
int32_t pk_node_start(const struct pk_config *config, struct pk_node **ret_node,
                      struct pk_error *err);

/* Refuses what is new, lets what is under way complete for as long as stop_timeout says, closes
 * everything and frees the node. NULL is fine. May block. */
void pk_node_stop(struct pk_node *node);

/* Has the running node follow another config, as far as it can without a restart; `next` was
 * loaded, and is the node's from now on, on failure too. All of it or nothing: then the error says
 * where. On the thread that started the node; may block. */
int32_t pk_node_reload(struct pk_node *node, struct pk_config *next, struct pk_error *err);

/* Logs the peer's figures as one line. */
void pk_node_log_stats(struct pk_node *node);

#endif
