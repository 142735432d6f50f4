/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The link to a peer of this process: calls go straight to core, as one session, and their
 * completions may come on any thread.
 */
#include "sdk/moment.h"
#include "sdk/peer.h"
#include "sdk/process.h"
#include "sdk/target.h"
#include <errno.h>
#include <packice/cleanup.h>
#include <string.h>

/* All leases of a link are bound to its one session. */
#define GENERATION 1U

struct peer_link {
    struct packice_link link;
    packice_peer *peer;
    struct pk_session *session;
    atomic_size_t calls; /* under way, twice; and whether it is shut */
    pthread_mutex_t lock;
    pthread_cond_t idle;
};

/* One call's answers. */
struct waiting {
    atomic_size_t left; /* and one for who waits */
    atomic_int failure; /* of copying a reply */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool done;
};

struct slot {
    struct waiting *waiting;
    struct packice_answer **answer;
};

static void
complete(void *arg, const struct pk_reply *reply)
{
    struct slot *slot = arg;
    struct waiting *waiting = slot->waiting;
    struct packice_answer *answer = NULL;
    int32_t rc = packice_answer_copy(reply, &answer);
    if (rc == 0) {
        answer->generation = GENERATION;
        *slot->answer = answer;
    } else {
        waiting->failure = rc;
    }
    if (atomic_fetch_sub(&waiting->left, 1) != 1)
        return;
    (void)pthread_mutex_lock(&waiting->lock);
    waiting->done = true;
    (void)pthread_cond_signal(&waiting->changed);
    (void)pthread_mutex_unlock(&waiting->lock);
}

/* Most calls are complete when they return: then there is nothing to wait for. */
static void
await(struct waiting *waiting)
{
    if (atomic_fetch_sub(&waiting->left, 1) == 1)
        return;
    (void)pthread_mutex_lock(&waiting->lock);
    while (!waiting->done)
        (void)pthread_cond_wait(&waiting->changed, &waiting->lock);
    (void)pthread_mutex_unlock(&waiting->lock);
}

#define SHUT 1U /* a bit of calls; each call counts two */

static void
leave(struct peer_link *link)
{
    if (atomic_fetch_sub(&link->calls, 2) != (2 | SHUT))
        return;
    (void)pthread_mutex_lock(&link->lock);
    (void)pthread_cond_signal(&link->idle);
    (void)pthread_mutex_unlock(&link->lock);
}

static int32_t
enter(struct peer_link *link, struct pk_error *err)
{
    if ((atomic_fetch_add(&link->calls, 2) & SHUT) == 0)
        return 0;
    leave(link);
    return pk_fail(err, -EPIPE, "the client was freed");
}

/* Asks for all and waits for all. */
static int32_t
ask_all(struct peer_link *link, const struct packice_ask *ask, struct slot *slots,
        struct packice_answer **ret_answers, struct pk_error *err)
{
    struct waiting waiting = { .left = ask->count + 1,
                               .lock = PTHREAD_MUTEX_INITIALIZER,
                               .changed = PTHREAD_COND_INITIALIZER };
    for (size_t i = 0; i < ask->count; i++) {
        ret_answers[i] = NULL;
        slots[i] = (struct slot){ &waiting, &ret_answers[i] };
        pk_peer_call(link->session, &ask->requests[i], complete, &slots[i], NULL);
    }
    await(&waiting);
    (void)pthread_cond_destroy(&waiting.changed);
    (void)pthread_mutex_destroy(&waiting.lock);
    if (waiting.failure == 0)
        return 0;
    packice_answers_unref(ret_answers, ask->count);
    return pk_fail(err, waiting.failure, "no memory for a reply");
}

static int32_t
peer_call(struct packice_link *base, const struct packice_ask *wanted,
          struct packice_answer **ret_answers, struct pk_error *err)
{
    struct peer_link *link = (struct peer_link *)(void *)base;
    struct slot one;
    pk_autofree struct slot *many = NULL;
    if (wanted->count > 1) {
        many = calloc(wanted->count, sizeof(*many));
        if (many == NULL)
            return pk_fail(err, -ENOMEM, "no memory for %zu requests", wanted->count);
    }
    int32_t rc = enter(link, err);
    if (rc != 0)
        return rc;
    rc = ask_all(link, wanted, many != NULL ? many : &one, ret_answers, err);
    leave(link);
    return rc;
}

struct figures {
    packice_figure_fn *emit;
    void *arg;
};

static void
emit_figure(void *arg, const struct pk_stat *stat)
{
    struct figures *figures = arg;
    figures->emit(figures->arg, stat->name, stat->value);
}

static int32_t
peer_stats(struct packice_link *base, uint64_t deadline, packice_figure_fn *emit, void *arg,
           struct pk_error *err)
{
    struct peer_link *link = (struct peer_link *)(void *)base;
    struct figures figures = { emit, arg };
    (void)deadline;
    (void)err;
    pk_peer_stats(link->peer->peer, emit_figure, &figures);
    return 0;
}

static bool
peer_alive(struct packice_link *base, uint64_t generation)
{
    (void)base;
    return generation == GENERATION;
}

static void
peer_distrust(struct packice_link *base, uint64_t generation)
{
    (void)base;
    (void)generation;
}

static void
peer_shut(struct packice_link *base)
{
    struct peer_link *link = (struct peer_link *)(void *)base;
    (void)pthread_mutex_lock(&link->lock);
    (void)atomic_fetch_or(&link->calls, SHUT);
    while (atomic_load(&link->calls) != SHUT) /* a renewal, which doesn't take long */
        (void)pthread_cond_wait(&link->idle, &link->lock);
    (void)pthread_mutex_unlock(&link->lock);
    pk_peer_session_close(link->session);
}

static void
peer_free(struct packice_link *base, bool forked)
{
    struct peer_link *link = (struct peer_link *)(void *)base;
    if (!forked) {
        packice_peer_unref(link->peer);
        (void)pthread_cond_destroy(&link->idle);
        (void)pthread_mutex_destroy(&link->lock);
    }
    free(link);
}

static const struct packice_link_ops peer_ops = {
    .put_max = PK_SIZE_MAX,
    .call = peer_call,
    .stats = peer_stats,
    .alive = peer_alive,
    .distrust = peer_distrust,
    .shut = peer_shut,
    .free = peer_free,
};

int32_t
packice_link_peer(packice_peer *peer, struct packice_link **ret_link, struct pk_error *err)
{
    if (peer->pid != packice_process())
        return pk_fail(err, -EPIPE, "the peer belongs to process %d", (int)peer->pid);
    pk_autofree struct peer_link *link = calloc(1, sizeof(*link));
    if (link == NULL)
        return pk_fail(err, -ENOMEM, "no memory for a client");
    const struct pk_principal me = { .struct_size = (uint32_t)sizeof(me),
                                     .kind = PK_PRINCIPAL_UNIX,
                                     .uid = geteuid(),
                                     .gid = getegid(),
                                     .pid = (uint32_t)packice_process() };
    int32_t rc = pk_peer_session_open(peer->peer, &me, &link->session, err);
    if (rc != 0)
        return rc;
    link->link.ops = &peer_ops;
    link->peer = packice_peer_ref(peer);
    (void)pthread_mutex_init(&link->lock, NULL); /* can't fail with default attributes */
    (void)pthread_cond_init(&link->idle, NULL);
    *ret_link = &pk_steal(link)->link;
    return 0;
}
