/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host for one instance under test: every service that <packice/plugin.h> has for a factory, by
 * its contract, on a clock that moves by hand. It remembers what a plugin did against the contract.
 */
#ifndef CONFORM_HOST_H
#define CONFORM_HOST_H

#include "core/executor.h"
#include "core/plugin.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct host;

/* What all hosts of one process have in common. Zero it but for `executor`. */
struct stage {
    struct pk_executor *executor;
    _Atomic uint64_t now;      /* what host->now answers, nanoseconds */
    _Atomic int32_t random_rc; /* what host->random returns */
    _Atomic uint32_t stopping; /* what host->stopping answers */
    struct host *hosts;        /* newest first; they stay until the process ends */
};

/* Opens a plugin with these options, which must stay. *instance is passed to the plugin's open as
 * it is. -EINVAL: its traits say that slots are absent that can't be. Else returns what open
 * returned; *ret_host is set, and NULL only for want of memory (-ENOMEM).
 */
int32_t host_open(struct stage *stage, const struct pk_plugin_module *module,
                  const struct pk_conf *conf, void **instance, struct host **ret_host,
                  struct pk_error *err);

/* Takes back its timers, runs what is queued, closes the plugin and then its children. */
void host_close(struct host *host);

/* Runs every timer that is due, on the workers of its instance, and waits for them. */
void host_run_timers(struct host *host);

/* The first thing that was done against the contract; NULL: nothing was. */
const char *host_misuse(const struct host *host);
/* All that was logged so far, each line with a newline; as long as nothing is logged. */
const char *host_log(struct host *host);
/* How often lease_ended and changed were called. */
uint32_t host_events(struct host *host);
/* The plugin's table without the slots that this instance lacks: a struct pk_blob_ops or
 * pk_lease_ops, by its kind. */
const void *host_ops(const struct host *host);
struct host *host_next(const struct host *host);

#endif
