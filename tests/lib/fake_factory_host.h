/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host for one factory under test: virtual time, predictable randomness, options set by name. It
 * offers log, now and random; every other service is absent.
 */
#ifndef FAKE_FACTORY_HOST_H
#define FAKE_FACTORY_HOST_H

#include <packice/plugin.h>
#include <stdatomic.h>

#define FAKE_OPTIONS_MAX 16U

struct fake_factory_host {
    struct pk_host host;
    struct pk_conf conf; /* a value for each option of the plugin, all zero to begin with */
    struct pk_value values[FAKE_OPTIONS_MAX];
    _Atomic uint64_t now;      /* what host.now answers */
    _Atomic uint64_t draws;    /* how often host.random was called */
    _Atomic uint64_t repeats;  /* so many draws from now on give what the last one gave */
    _Atomic int32_t random_rc; /* what host.random returns */
    _Atomic uint64_t lines;    /* how many went to host.log */
};

/* Prepares the host for a plugin of at most FAKE_OPTIONS_MAX options. It must not move after. */
void fake_factory_host_init(struct fake_factory_host *fake, const struct pk_plugin *plugin);

/* Sets an option that holds a number; aborts if there is none of this name. */
void fake_factory_host_set(struct fake_factory_host *fake, const char *option, uint64_t number);

/* How many descriptors this process has open. */
int fake_open_descriptors(void);

#endif
