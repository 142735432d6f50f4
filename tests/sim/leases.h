/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lease_mem for the simulation: the real one behind slots that watch how they are called.
 */
#ifndef SIM_LEASES_H
#define SIM_LEASES_H

#include "core/instance.h"
#include "sim.h"
#include "watch.h"

struct leases {
    struct sim_random *random; /* whether it blocks */
    uint32_t block_percent;    /* of slots that say they may block */
    struct watch *watch;
};

/* Puts itself before every slot of the instance; one at a time. */
void leases_watch(struct leases *leases, struct pk_instance *instance);

#endif
