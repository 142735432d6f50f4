/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The peer: coordinates one blob factory and one lease factory for any number of sessions. It holds
 * which objects and leases there are, who waits for what, and how much room is left. It knows no
 * concrete plugin, no socket, no JSON and no INI.
 */
#ifndef PK_PEER_H
#define PK_PEER_H

#include "core/instance.h"
#include <stdbool.h>

struct pk_figures;

/* What a peer is told at its start; pk_peer_option_table holds the same as an option table. */
struct pk_peer_options {
    uint64_t capacity;     /* bytes that objects may hold or reserve; PK_FOREVER = no bound */
    uint64_t max_object;   /* bytes of one object; PK_FOREVER = no bound but capacity */
    uint64_t max_objects;  /* objects held at once */
    uint64_t max_calls;    /* calls of one session under way, waits among them; more are `busy` */
    uint64_t max_sessions; /* sessions open at once */
    uint64_t sample;       /* nanoseconds between looks at blobs that grow while they are written */
    bool unsized;          /* whether blobs may be created without a size */
    bool evict;            /* sealed objects that nobody holds make room; needs a capacity */
};

/* The section [peer] of a config, with its defaults; and the way from its values to options. */
extern const struct pk_option_table pk_peer_option_table;
void pk_peer_options_from(const struct pk_conf *conf, struct pk_peer_options *ret_options);

/* What doesn't need a factory to be told. -EINVAL: `evict` without a bound to evict beyond. */
int32_t pk_peer_options_check(const struct pk_peer_options *wanted, struct pk_error *err);

/* Makes a peer over two opened factories, which stay the caller's and outlive it; attaches them.
 * -EINVAL: the factories don't suit (shared storage that can't publish conditionally, or that
 * would have to evict), or the options. */
int32_t pk_peer_new(const struct pk_peer_options *options, struct pk_executor *executor,
                    struct pk_instance *blob, struct pk_instance *lease, struct pk_peer **ret_peer,
                    struct pk_error *err);

/* Refuses new sessions and creates from now on, and ends what waits with -EBUSY. Calls that work
 * complete as ever. Never blocks. */
void pk_peer_stop(struct pk_peer *peer);

/* Waits for work under way, and frees the peer and all its objects: what isn't published is gone.
 * All sessions were closed. May block. NULL is fine. */
void pk_peer_free(struct pk_peer *peer);

/* The host services of <packice/plugin.h>, with the same contracts. */
int32_t pk_peer_session_open(struct pk_peer *peer, const struct pk_principal *principal,
                             struct pk_session **ret_session, struct pk_error *err);
void pk_peer_session_close(struct pk_session *session);
void pk_peer_call(struct pk_session *session, const struct pk_request *request, pk_done_fn *done,
                  void *arg, uint64_t *ret_call);
void pk_peer_cancel(struct pk_session *session, uint64_t call);
void pk_peer_stats(struct pk_peer *peer, void (*emit)(void *arg, const struct pk_stat *stat),
                   void *arg);
/* Has the calls of a session that was just opened counted there; NULL = nowhere. */
void pk_peer_session_count(struct pk_session *session, struct pk_figures *figures);

/* Has the peer count what comes over a transport, under a name of its own, and ask it for its
 * figures; before it starts. -ENOMEM. */
int32_t pk_peer_transport_add(struct pk_peer *peer, struct pk_instance *transport, const char *name,
                              struct pk_error *err);
/* Asks it no more; before it closes. Waits for whoever asks just now. */
void pk_peer_transport_remove(struct pk_peer *peer, struct pk_instance *transport);
void pk_peer_lease_ended(struct pk_peer *peer, const struct pk_lease *lease);
void pk_peer_changed(struct pk_peer *peer, const char *object_id);

#endif
