/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One opened plugin: its own options, host table and worker queue. The same module can be opened
 * any number of times. Factories are opened before there is a peer, transports after.
 */
#ifndef PK_INSTANCE_H
#define PK_INSTANCE_H

#include "core/executor.h"
#include "core/plugin.h"
#include <packice/blob.h>
#include <packice/lease.h>
#include <packice/transport.h>
#include <stdbool.h>

struct pk_peer;

struct pk_instance {
    const struct pk_plugin_module *module;
    struct pk_executor *executor;
    struct pk_queue *queue; /* factories; NULL for transports */
    void *opened;           /* what the plugin's open returned */
    union {                 /* by module->plugin.kind; the host's own copy, zero where the
                               plugin's table ended, or its traits say so */
        struct pk_blob_ops blob;
        struct pk_lease_ops lease;
        struct pk_transport_ops transport;
    } ops;
};

/* Opens a plugin with these options: conf stays the caller's and must outlive the instance.
 * workers: threads for blocking work, of a factory. peer: for transports, else NULL. May block.
 * Errors: the plugin's own, prefixed with its name. */
int32_t pk_instance_open(const struct pk_plugin_module *module, const struct pk_conf *conf,
                         struct pk_executor *executor, uint32_t workers, struct pk_peer *peer,
                         struct pk_instance **ret_instance, struct pk_error *err);

/* Lets lease_ended and changed of a factory (and of its children) reach the peer from now on; NULL
 * lets them go nowhere again, and waits for those under way: so never from one of them. */
void pk_instance_attach(struct pk_instance *instance, struct pk_peer *peer);

/* From now on a factory (and its children) that asks hears that the node is stopping; until it is
 * attached to another peer. Never blocks. */
void pk_instance_stopping(struct pk_instance *instance);

/* Whether instances of this module can take new values for their options at all. */
bool pk_module_reloads(const struct pk_plugin_module *module);

/* Gives it new values, all or none of them; conf is of the same module, stays the caller's, and is
 * what the instance may point into from then on, until it was given another one. -EOPNOTSUPP: it
 * takes none; else the plugin's own errors, prefixed with its name. May block. */
int32_t pk_instance_reload(struct pk_instance *instance, const struct pk_conf *conf,
                           struct pk_error *err);

/* Closes it, runs what its queue still holds, and closes its children. NULL is fine. May block. */
void pk_instance_close(struct pk_instance *instance);

#endif
