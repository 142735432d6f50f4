/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a peer is made of, for the files that make it up and for nobody else. One lock guards all of
 * it. The lock is never held over a slot of a plugin or a completion; what must happen without it
 * is put into a list (ready, endings, reaps) and done by whoever lets it go.
 */
#ifndef PK_PEER_STATE_H
#define PK_PEER_STATE_H

#include "core/blob.h"
#include "core/call.h"
#include "core/figures.h"
#include "core/holder.h"
#include "core/lease.h"
#include "core/name.h"
#include "core/object.h"
#include "core/peer.h"
#include "core/repeat.h"
#include "core/session.h"
#include <pthread.h>

struct pk_peer {
    pthread_mutex_t lock;
    pthread_cond_t idle; /* signalled when `running` comes to 0 */
    struct pk_peer_options options;
    struct pk_executor *executor;
    struct pk_instance *blob;
    struct pk_instance *lease;
    struct pk_blob_traits traits;
    bool stopping;      /* no new sessions, creates or waits */
    bool closing;       /* no timer is set any more */
    bool recovering;    /* the storage holds more than is known of yet */
    bool recovery_deaf; /* there was no memory to keep what recovery must not bring back */

    struct pk_name *names;        /* uthash, by id */
    struct pk_object *objects;    /* uthash, by epoch and id: all that are not reaped yet */
    struct pk_object_order order; /* by epoch, then id: those with a name */
    struct pk_holder *holders;    /* uthash, by lease id */
    struct pk_repeat *repeats;    /* uthash, by principal and request id */
    struct pk_session_list sessions;
    struct pk_name_list waited;    /* names with waiters */
    struct pk_object_list growing; /* objects to be sampled */

    struct pk_call_list spare; /* memory of calls that are over */
    uint64_t spare_count;
    struct pk_call_list ready;     /* to be run */
    struct pk_holder_list endings; /* to be ended in the factory */
    struct pk_object_list reaps;   /* to be freed */

    uint64_t running; /* calls not complete, endings, reaps, timers' work under way */
    uint64_t session_count;
    uint64_t session_number; /* of the last one that was opened */
    uint64_t waits;
    uint64_t named;       /* objects with a name, or about to get one */
    uint64_t held;        /* bytes */
    uint64_t epoch_floor; /* the highest epoch met in storage */

    struct pk_object_unread unread; /* may be evicted: never acquired here, by epoch, then id */
    struct pk_object_list lru;      /* may be evicted: least recently acquired first */
    uint64_t idle_count;            /* of both */
    uint64_t idle_bytes;
    uint64_t leaving; /* objects that are being evicted, and will lose their names */

    struct pk_timer expiry;
    uint64_t expiry_at; /* when it is due; PK_FOREVER = not set */
    bool expiring;
    struct pk_work expire_work;
    struct pk_timer sample;
    bool sample_set;
    uint64_t sample_round; /* in which all of `growing` is looked at once */
    struct pk_timer poll;
    bool poll_set;

    struct pk_queue *recovery; /* of one thread; NULL where it never blocks */
    struct pk_work recover_work;
    struct pk_gone *gone;      /* uthash: that */
    struct pk_call_list lists; /* that wait for its end */

    struct pk_figures_list transports; /* by when they were added; freed with the peer */
    pthread_cond_t told;               /* `telling` came down to 0 */
    uint32_t telling;                  /* transports are being asked for their figures */

    uint64_t acquired; /* figures since the start */
    uint64_t sealed;
    uint64_t released;
    uint64_t discarded;
    uint64_t inlined;
    uint64_t abandoned;
    uint64_t expired;
    uint64_t evictions;
    uint64_t evicted_bytes;
};

static inline void
pk_peer_lock(struct pk_peer *peer)
{
    (void)pthread_mutex_lock(&peer->lock); /* fails only on misuse, which this file can't make */
}

/* Lets the lock go and does what was put into the lists meanwhile. */
void pk_peer_unlock(struct pk_peer *peer);
/* Lets it go and leaves the lists alone. */
static inline void
pk_peer_unlock_only(struct pk_peer *peer)
{
    (void)pthread_mutex_unlock(&peer->lock);
}
/* With the lock held: one thing less is under way. */
void pk_peer_settle(struct pk_peer *peer);

/* With the lock held: bytes are free and one more object may be held, or the call fails. What was
 * taken is in call->reserved; nothing yet if call->crowded says that there is room only once others
 * are evicted. */
bool pk_peer_reserve(struct pk_call *call, uint64_t bytes);
void pk_peer_unreserve(struct pk_call *call);
/* With the lock held: what was reserved is what the object holds more from now on. */
void pk_peer_grow(struct pk_call *call, struct pk_object *object);

/* When a timer is due that shall fire in `delay` nanoseconds: never at once, so that no delay that
 * makes no sense can keep a thread busy. */
uint64_t pk_peer_later(const struct pk_peer *peer, uint64_t delay);
/* CLOCK_REALTIME nanoseconds: for people, never for deadlines. */
uint64_t pk_peer_wall_clock(void);

/* The verbs: how each begins. With the lock held. */
void pk_acquire_begin(struct pk_call *call);
void pk_acquire_again(struct pk_call *call); /* tells the lease named in call->lease again */
void pk_create_begin(struct pk_call *call);
void pk_seal_begin(struct pk_call *call);
void pk_renew_begin(struct pk_call *call);
void pk_release_begin(struct pk_call *call);
void pk_discard_begin(struct pk_call *call);
void pk_stat_begin(struct pk_call *call);
void pk_list_begin(struct pk_call *call);
void pk_read_begin(struct pk_call *call);
void pk_write_begin(struct pk_call *call);
void pk_open_begin(struct pk_call *call);
void pk_put_begin(struct pk_call *call);
void pk_verify_begin(struct pk_call *call);

/* The object, which the call uses, went away elsewhere, and nobody told until the storage was asked
 * for it; its name is being looked up. The call lets go of it and begins again, behind that: there
 * is none, or its successor. False: that happened too often. Without the lock. */
bool pk_acquire_once_more(struct pk_call *call);

/* Whether a READ is to be answered with the bytes of the object, and without a lease; how that
 * begins, once the call uses the object. With the lock held. */
bool pk_inline_fits(const struct pk_request *request, const struct pk_object *object);
void pk_inline_begin(struct pk_call *call);
/* Answers such a READ at once, if the object stands under its name, sealed and in no transition,
 * and its bytes are to be had without waiting and without a failure. False: nothing happened, and
 * the request has to become a call. Without the lock. */
bool pk_inline_answer(struct pk_session *session, const struct pk_request *request,
                      pk_done_fn *done, void *arg, uint64_t *ret_call);

/* What put shares with create and seal. Bytes of all the blobs that are to be made. */
uint64_t pk_create_size(const struct pk_call *call);
/* Fills an object with what it holds, and puts it into the tables last. Without the lock. */
typedef int32_t pk_create_make_fn(struct pk_call *call, struct pk_object *object);
/* Makes the object that the request wants. False: it failed, nothing of it is left, and the call
 * goes on to undo the rest. A step. */
bool pk_create_make(struct pk_call *call, pk_create_make_fn *make);
/* Makes its blobs. Without the lock; what was made is the object's, on failure too. */
int32_t pk_create_blobs(struct pk_call *call, struct pk_object *object);
/* Puts it under the name that the call has in transition, for what the call reserved, and in use by
 * the call. With the lock held. */
int32_t pk_create_insert(struct pk_call *call, struct pk_object *object);
/* A create failed, and what it made is in no table any more: gives back the claim, the room and the
 * name. A step. */
void pk_create_undo(struct pk_call *call);
/* Seals the blobs of the call's object, from the first that isn't. Without the lock. */
int32_t pk_seal_blobs(struct pk_call *call, struct pk_object *object, const uint64_t *sizes);
/* Publishes the call's object, all of whose blobs are sealed. Without the lock. On failure it may
 * be in doubt whether it is. */
int32_t pk_seal_publish(struct pk_call *call);
/* It is sealed. With the lock held. */
void pk_seal_done(struct pk_object *object);
/* The claim of a put was granted, and the storage has no such name: goes on. */
void pk_put_storage(struct pk_call *call);

/* Has the call tell of this object. With the lock held. */
void pk_stat_fill(struct pk_call *call, struct pk_object *object);
/* Lets go of the objects that a call tells of. With the lock held. */
void pk_list_finish(struct pk_call *call);
/* Answers the call. Without the lock. */
void pk_reply_tell(struct pk_call *call);

/* Doing away with an object whose create failed for good: revokes its lease, then unnames it. A
 * step; the call has its name in transition, and its error set or not. */
void pk_discard_doomed(struct pk_call *call);
/* Does away with an object of which nobody knows whether it is published, once its name is in no
 * other transition. With the lock held. False: nothing of it is in doubt, or there is no memory to
 * find out; then it is the caller's to unname. */
bool pk_discard_abandoned(struct pk_object *object);

/* What both kinds of acquire share. The ttl to ask the factory for. */
uint64_t pk_acquire_ttl(const struct pk_call *call);
/* The lease was granted: makes a holder for it, pinned by the call. Without the lock. On failure
 * the lease is the call's to release. */
int32_t pk_acquire_hold(struct pk_call *call);
/* The acquire succeeded: the holder is everybody's from now on. With the lock held. */
void pk_acquire_commit(struct pk_call *call);
/* 0, or why an acquire that went well must be undone all the same. With the lock held. */
int32_t pk_acquire_verdict(struct pk_call *call);

/* Looks the call's name, which it has in transition, up in the storage, and goes on with `next`:
 * status 0: found, and now the name's object; -ENOENT: nothing there; or what went wrong. */
void pk_lookup_step(struct pk_call *call, pk_call_fn *next);
/* The same, and then the call begins again, unless something went wrong. With the lock held. */
void pk_lookup_begin(struct pk_call *call);
/* Starts a lookup of the peer's own, for a name that changed elsewhere. With the lock held. */
void pk_lookup_refresh(struct pk_name *name);
/* Without the lock, in a step of the call that has the name in transition: 0 if this very epoch is
 * published, -ENOENT if it is not; else the storage did not tell. */
int32_t pk_lookup_published(struct pk_peer *peer, const struct pk_key *key, struct pk_error *err);
/* Opens the blobs of an object that recovery told of, whose name is in transition by whoever calls.
 * Without the lock. -ENOENT: there is no such object any more. */
int32_t pk_lookup_open(struct pk_object *object, struct pk_error *err);
/* The claim of this node on the name is over: while it had one, it did not look at what others
 * published. If anybody waits for that, it is looked up. With the lock held. */
void pk_lookup_unclaimed(struct pk_name *name);
/* The storage has no such object any more, says a slot: if it still has its name here, that is
 * looked up. With the lock held. */
void pk_lookup_vanished(struct pk_object *object);
/* Makes a sealed object of what recovery found, in no table yet. -EIO: it makes no sense; -ENOMEM.
 */
int32_t pk_lookup_accept(struct pk_peer *peer, const struct pk_blob_found *found,
                         struct pk_object **ret_object, struct pk_error *err);
/* With the lock held: shared storage that can't tell of changes is looked at again while anybody
 * waits. */
void pk_lookup_poll(struct pk_peer *peer);

/* Recovery: what it needs, -ENOMEM; its begin, in the background where it may block; and its end,
 * once it is over. */
int32_t pk_recovery_prepare(struct pk_peer *peer, struct pk_error *err);
void pk_recovery_begin(struct pk_peer *peer);
void pk_recovery_end(struct pk_peer *peer);
/* With the lock held: the lists that wait for it wait no more. */
void pk_recovery_stop(struct pk_peer *peer);
/* With the lock held: the object loses its name, and recovery shall not bring it back. */
void pk_recovery_forget(const struct pk_object *object);

/* With the lock held: sees to it that expiry happens at `when`, or before. */
void pk_expiry_arm(struct pk_peer *peer, uint64_t when);
void pk_expiry_init(struct pk_peer *peer);
/* With the lock held: this object has to be sampled. */
void pk_sample_add(struct pk_object *object);

#endif
