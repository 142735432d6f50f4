/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions: opened, closed with all that hangs on them, and who is who.
 */
#include "core/peer_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ENDINGS_MAX 256U /* leases ended under one hold of the lock */

bool
pk_principal_same(const struct pk_principal *one, const struct pk_principal *other)
{
    if (one->kind != other->kind)
        return false;
    if (one->kind == PK_PRINCIPAL_UNIX)
        return one->uid == other->uid;
    if (one->kind == PK_PRINCIPAL_TOKEN)
        return strncmp(one->name, other->name, sizeof(one->name)) == 0;
    return false;
}

bool
pk_principal_may_discard(const struct pk_principal *caller, const struct pk_principal *owner)
{
    if (owner->kind == PK_PRINCIPAL_ANONYMOUS || pk_principal_same(caller, owner))
        return true;
    return caller->kind == PK_PRINCIPAL_UNIX && (caller->uid == 0 || caller->uid == geteuid());
}

int32_t
pk_peer_session_open(struct pk_peer *peer, const struct pk_principal *principal,
                     struct pk_session **ret_session, struct pk_error *err)
{
    struct pk_session *session = calloc(1, sizeof(*session));
    if (session == NULL)
        return pk_fail(err, -ENOMEM, "out of memory");
    size_t size = principal->struct_size < sizeof(session->principal) ? principal->struct_size
                                                                      : sizeof(session->principal);
    memcpy(&session->principal, principal, size);
    session->principal.name[sizeof(session->principal.name) - 1] = '\0';
    session->peer = peer;
    session->refs = 1;
    TAILQ_INIT(&session->calls);
    TAILQ_INIT(&session->bound);
    pk_peer_lock(peer);
    if (peer->stopping || peer->session_count >= peer->options.max_sessions) {
        bool stopping = peer->stopping;
        pk_peer_unlock(peer);
        free(session);
        return pk_fail(err, -EBUSY, stopping ? "the node is stopping" : "too many sessions");
    }
    session->number = ++peer->session_number;
    peer->session_count++;
    TAILQ_INSERT_TAIL(&peer->sessions, session, in_peer);
    pk_peer_unlock(peer);
    *ret_session = session;
    return 0;
}

void
pk_peer_session_count(struct pk_session *session, struct pk_figures *figures)
{
    session->figures = figures;
}

void
pk_session_unref(struct pk_session *session)
{
    if (--session->refs == 0)
        free(session);
}

/* With the lock held, but let go from time to time: there may be any number, and none comes any
 * more to a session that is closed. */
static void
end_bound(struct pk_session *session)
{
    struct pk_peer *peer = session->peer;
    struct pk_holder *holder;

    for (uint32_t i = 1; (holder = TAILQ_FIRST(&session->bound)) != NULL; i++) {
        pk_holder_bind(holder, NULL);
        pk_holder_end(holder);
        if (i % ENDINGS_MAX != 0)
            continue;
        pk_peer_unlock(peer);
        pk_peer_lock(peer);
    }
}

void
pk_peer_session_close(struct pk_session *session)
{
    struct pk_peer *peer = session->peer;
    struct pk_call *call;
    struct pk_call *next_call;

    pk_peer_lock(peer);
    session->closed = true;
    for (call = TAILQ_FIRST(&session->calls); call != NULL; call = next_call) {
        next_call = TAILQ_NEXT(call, in_session);
        pk_call_abort(call, -ECANCELED, "the session was closed");
    }
    end_bound(session);
    TAILQ_REMOVE(&peer->sessions, session, in_peer);
    peer->session_count--;
    pk_session_unref(session);
    pk_peer_unlock(peer);
}

void
pk_peer_cancel(struct pk_session *session, uint64_t id)
{
    struct pk_peer *peer = session->peer;
    struct pk_call *call;

    pk_peer_lock(peer);
    TAILQ_FOREACH (call, &session->calls, in_session)
        if (call->id == id)
            break;
    if (call != NULL)
        pk_call_abort(call, -ECANCELED, "cancelled");
    pk_peer_unlock(peer);
}
