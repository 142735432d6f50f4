/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leases that are bound to a client over HTTP, where no connection can hold them: they are renewed
 * for as long as the client lives, unless they were given an end, and released with it.
 */
#ifndef PACKICE_SDK_HTTP_KEEP_H
#define PACKICE_SDK_HTTP_KEEP_H

#include "sdk/renewal.h"

struct packice_kept;
RB_HEAD(packice_kept_tree, packice_kept);

struct packice_keep {
    pthread_mutex_t lock; /* guards the tree */
    struct packice_kept_tree leases;
    struct packice_renewal renewal;
};

/* link: what the renewals go through; timeout: nanoseconds that each may take. 0 or -ENOMEM. */
int32_t packice_keep_init(struct packice_keep *keep, struct packice_link *link,
                          const atomic_uint_fast64_t *timeout);
void packice_keep_finish(struct packice_keep *keep);
/* The same in a child of a fork: takes no lock. */
void packice_keep_forget(struct packice_keep *keep);

/* Takes in a lease that was granted for ttl (nanoseconds). endless: to be renewed. A lease that is
 * known already is the same one. 0 or -ENOMEM. */
int32_t packice_keep_add(struct packice_keep *keep, const char *lease_id, bool endless,
                         uint64_t ttl);

/* A lease that was renewed by its owner for ttl. endless: it is to have no end (again). Whether it
 * is known. -ENOMEM as above. */
int32_t packice_keep_renewed(struct packice_keep *keep, const char *lease_id, bool endless,
                             uint64_t ttl, bool *ret_known);

/* A lease that ended. */
void packice_keep_remove(struct packice_keep *keep, const char *lease_id);

/* Ends the renewals; the link was shut. */
void packice_keep_stop(struct packice_keep *keep);

/* Takes out up to `max` leases, after stop; their ids are borrowed until they are let go. How many.
 */
size_t packice_keep_take(struct packice_keep *keep, struct packice_kept **ret_leases, size_t max);
const char *packice_kept_id(const struct packice_kept *kept);
void packice_kept_free(struct packice_kept *kept);

#endif
