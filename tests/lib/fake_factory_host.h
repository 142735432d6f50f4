/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host for one factory under test: virtual time, predictable randomness, options set by name, one
 * timer or work, which the test fires. It offers log, now, random, submit, timer, timer_cancel and
 * changed; every other service is absent.
 */
#ifndef FAKE_FACTORY_HOST_H
#define FAKE_FACTORY_HOST_H

#include <packice/plugin.h>
#include <stdatomic.h>

#define FAKE_OPTIONS_MAX 16U
#define FAKE_CHANGES_MAX 16U

struct fake_factory_host {
    struct pk_host host;
    struct pk_conf conf; /* a value for each option of the plugin, all zero to begin with */
    struct pk_value values[FAKE_OPTIONS_MAX];
    _Atomic uint64_t now;      /* what host.now answers */
    _Atomic uint64_t draws;    /* how often host.random was called */
    _Atomic uint64_t repeats;  /* so many draws from now on give what the last one gave */
    _Atomic int32_t random_rc; /* what host.random returns */
    _Atomic uint64_t lines;    /* how many went to host.log */
    char last_line[512];       /* of those that were warnings or errors */
    void (*due)(void *arg);    /* what the timer or a worker runs; NULL: none */
    void *due_arg;
    char changes[FAKE_CHANGES_MAX][PK_ID_MAX + 1]; /* the last ids that host.changed was told */
    uint32_t change_count;                         /* of all that it was told */
};

/* Prepares the host for a plugin of at most FAKE_OPTIONS_MAX options. It must not move after. */
void fake_factory_host_init(struct fake_factory_host *fake, const struct pk_plugin *plugin);

/* Sets an option that holds a number; aborts if there is none of this name. */
void fake_factory_host_set(struct fake_factory_host *fake, const char *option, uint64_t number);

/* Sets an option that holds text, which must outlive the host. */
void fake_factory_host_set_text(struct fake_factory_host *fake, const char *option,
                                const char *text);

/* Runs what the timer is set for, or was submitted; aborts if nothing is. On the thread of the
 * caller. */
void fake_factory_host_fire(struct fake_factory_host *fake);

/* How many descriptors this process has open. */
int fake_open_descriptors(void);

#endif
