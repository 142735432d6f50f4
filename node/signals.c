/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waits for signals and turns them into calls of the node.
 */
#include "node/signals.h"

#include "core/log.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

static const int taken[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1 };

static void
fill_taken(sigset_t *ret_set)
{
    (void)sigemptyset(ret_set);
    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
        (void)sigaddset(ret_set, taken[i]);
}

int32_t
pk_signals_block(struct pk_error *err)
{
    sigset_t set;
    fill_taken(&set);
    int failed = pthread_sigmask(SIG_BLOCK, &set, NULL);
    if (failed != 0)
        return pk_fail(err, -failed, "can't block signals: %s", strerrordesc_np(failed));
    struct sigaction ignore = { .sa_handler = SIG_IGN };
    if (sigaction(SIGPIPE, &ignore, NULL) != 0)
        return pk_fail(err, -errno, "can't ignore SIGPIPE: %m");
    return 0;
}

/* A handler: nothing but what signal-safety(7) allows. */
static void
leave_at_once(int number)
{
    _exit(128 + number);
}

/* The stop may wait for requests under way; whoever asks twice doesn't want to. */
static void
let_the_next_one_end_it(void)
{
    struct sigaction leave = { .sa_handler = leave_at_once };
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    if (sigaction(SIGTERM, &leave, NULL) != 0 || sigaction(SIGINT, &leave, NULL) != 0
        || pthread_sigmask(SIG_UNBLOCK, &set, NULL) != 0)
        pk_log(PK_LOG_WARN, "node", "a second signal won't be heard");
}

static uintmax_t
now_usec(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* can't fail for this clock */
    return (uintmax_t)now.tv_sec * 1000000U + (uintmax_t)now.tv_nsec / 1000U;
}

/* Reads the config again. The node goes on as it was when anything about it is wrong. */
static void
reload(struct pk_node *node, const struct pk_flags *flags)
{
    struct pk_error err = PK_ERROR_INIT;
    struct pk_config *config = NULL;
    (void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%ju", now_usec());
    int32_t failed = pk_flags_config(flags, &config, &err);
    if (failed == 0) {
        failed = pk_config_load(config, &err);
        if (failed != 0)
            pk_config_free(config);
    }
    if (failed == 0)
        failed = pk_node_reload(node, config, &err);
    if (failed == 0)
        pk_log(PK_LOG_INFO, "node", "reloaded");
    else
        pk_log(PK_LOG_ERROR, "node", "not reloaded: %s", err.message);
    (void)sd_notify(0, "READY=1");
}

void
pk_signals_serve(struct pk_node *node, const struct pk_flags *flags)
{
    sigset_t set;
    fill_taken(&set);
    for (;;) {
        int number = sigwaitinfo(&set, NULL);
        if (number == SIGTERM || number == SIGINT) {
            pk_log(PK_LOG_INFO, "node", "stopping: SIG%s", sigabbrev_np(number));
            break;
        }
        if (number == SIGHUP)
            reload(node, flags);
        else if (number == SIGUSR1)
            pk_node_log_stats(node);
    }
    let_the_next_one_end_it();
}
