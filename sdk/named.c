/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Peers that have a name in this process: memory://NAME. The list of names in use is the one thing
 * here that is global; a name is in use while some client has its peer.
 */
#include "core/id.h"
#include "sdk/peer.h"
#include "sdk/process.h"
#include <errno.h>
#include <packice/cleanup.h>
#include <pthread.h>
#include <string.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static LIST_HEAD(, packice_peer) names = LIST_HEAD_INITIALIZER(names);

/* ---- a fork must not happen while another thread has the lock ---- */

static void
acquire(void)
{
    (void)pthread_mutex_lock(&lock);
}

static void
release(void)
{
    (void)pthread_mutex_unlock(&lock);
}

static void
guard_forks(void)
{
    (void)pthread_atfork(acquire, release, release); /* without it a child can hang; no worse */
}

/* ---- names ---- */

/* With the lock held. Those that came over a fork have no threads here. */
static packice_peer *
find(const char *name)
{
    packice_peer *peer;
    LIST_FOREACH (peer, &names, named) {
        if (peer->pid == packice_process() && strcmp(peer->name, name) == 0)
            return peer;
    }
    return NULL;
}

/* With the lock held. */
static int32_t
make(const char *name, packice_peer **ret_peer, struct pk_error *err)
{
    pk_autofree char *copy = strdup(name);
    if (copy == NULL)
        return pk_fail(err, -ENOMEM, "no memory for a name");
    packice_peer *peer = NULL;
    int32_t rc = packice_peer_make(NULL, &peer, err);
    if (rc != 0)
        return rc;
    peer->name = pk_steal(copy);
    LIST_INSERT_HEAD(&names, peer, named);
    *ret_peer = peer;
    return 0;
}

int32_t
packice_peer_named(const char *name, packice_peer **ret_peer, struct pk_error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    int32_t rc = pk_id_check(name, NULL);
    if (rc != 0)
        return pk_fail(err, rc, "memory://NAME: not a name of 1 to %d bytes of text", PK_ID_MAX);
    (void)pthread_once(&once, guard_forks);
    acquire();
    packice_peer *peer = find(name);
    if (peer != NULL)
        *ret_peer = packice_peer_ref(peer);
    else
        rc = make(name, ret_peer, err);
    release();
    return rc;
}

bool
packice_peer_put(packice_peer *peer)
{
    if (peer->name == NULL)
        return atomic_fetch_sub(&peer->refs, 1) == 1;
    acquire(); /* or it could be found again when nobody has it any more */
    bool last = atomic_fetch_sub(&peer->refs, 1) == 1;
    if (last)
        LIST_REMOVE(peer, named);
    release();
    return last;
}
