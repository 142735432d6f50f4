/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A peer inside this process, for programs that share objects between their own clients without a
 * node: blobs are sealed memory, leases live in memory. It never listens anywhere.
 */
#ifndef PACKICE_PEER_H
#define PACKICE_PEER_H

#include <packice/client.h>

#ifdef __cplusplus
extern "C" {
#endif

struct packice_peer_options {
    uint32_t struct_size;
    uint32_t flags;       /* 0 */
    uint64_t capacity;    /* bytes that its objects may hold or reserve; 0 = no bound */
    uint64_t max_object;  /* bytes of one object; 0 = no bound but capacity */
    uint64_t max_objects; /* objects held at once; 0 = the peer's default */
    double default_ttl;   /* seconds, of leases acquired without one; 0 = the peer's default */
};
#define PACKICE_PEER_OPTIONS_INIT \
    { \
        (uint32_t)sizeof(struct packice_peer_options), 0, 0, 0, 0, 0 \
    }

/* Makes a peer. options NULL: all defaults. -EINVAL: options that can't be, -ENOMEM. */
PACKICE_EXPORT int packice_peer_new(const struct packice_peer_options *options,
                                    packice_peer **ret_peer);

/* Gives the peer up: it ends, with all its objects, once its last client is freed. Maps of its
 * blobs stay readable beyond that. NULL is fine. */
PACKICE_EXPORT void packice_peer_free(packice_peer *peer);

#ifdef __cplusplus
}
#endif
#endif
