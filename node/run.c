/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sets the process up, starts the node, waits for the signal that ends it, stops it. What systemd
 * is told goes through sd_notify(3), which does nothing when nobody listens.
 */
#include "node/run.h"

#include "core/log.h"
#include "node/node.h"
#include "node/signals.h"
#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <systemd/sd-daemon.h>

/* Each handle is a descriptor: take as many as the kernel gives. Nothing here uses select(2). */
static void
raise_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        pk_log(PK_LOG_WARN, "node", "can't see the limit of descriptors: %m");
        return;
    }
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        pk_log(PK_LOG_WARN, "node", "can't raise the limit of descriptors: %m");
    else
        pk_log(PK_LOG_DEBUG, "node", "up to %ju descriptors", (uintmax_t)limit.rlim_cur);
}

static void
tell_systemd(const char *state)
{
    int told = sd_notify(0, state);
    if (told < 0)
        pk_log(PK_LOG_WARN, "node", "can't tell systemd '%s': %s", state, strerrordesc_np(-told));
}

int32_t
pk_run(const struct pk_flags *flags, const struct pk_config *config, struct pk_error *err)
{
    struct pk_node *node = NULL;
    int32_t failed = pk_signals_block(err);
    if (failed != 0)
        return failed;
    raise_limit();
    failed = pk_node_start(config, &node, err);
    if (failed != 0)
        return failed;
    tell_systemd("READY=1");
    pk_signals_serve(node, flags);
    tell_systemd("STOPPING=1");
    pk_node_stop(node);
    pk_log(PK_LOG_INFO, "node", "stopped");
    return 0;
}
