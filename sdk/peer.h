/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A peer inside this process, from within: core's peer over the two plugins that are linked in.
 */
#ifndef PACKICE_SDK_PEER_H
#define PACKICE_SDK_PEER_H

#include "core/peer.h"
#include <packice/peer.h>
#include <stdatomic.h>
#include <sys/queue.h>
#include <sys/types.h>

struct packice_peer {
    atomic_uint_fast64_t refs;
    pid_t pid; /* of the process it was made in: in another its threads are missing */
    struct pk_executor *executor;
    struct pk_conf *blob_conf;
    struct pk_conf *lease_conf;
    struct pk_instance *blob;
    struct pk_instance *lease;
    struct pk_peer *peer;
    char *name; /* NULL: it has none */
    LIST_ENTRY(packice_peer) named;
};

/* packice_peer_new, with its error. */
int32_t packice_peer_make(const struct packice_peer_options *options, packice_peer **ret_peer,
                          struct pk_error *err);
packice_peer *packice_peer_ref(packice_peer *peer);
void packice_peer_unref(packice_peer *peer); /* NULL is fine; the last one may block */

/* Lets one reference go; whether it was the last. */
bool packice_peer_put(packice_peer *peer);

/* The peer of this name, with a reference; made if there is none. -EINVAL: not a name. */
int32_t packice_peer_named(const char *name, packice_peer **ret_peer, struct pk_error *err);

#endif
