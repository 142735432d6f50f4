/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One object that the peer holds: its identity, blobs, meta, state and size. It knows nothing of
 * who holds leases on it, only how many there are. All members are guarded by the peer's lock, but
 * blobs, which the one call that has the object's name in transition may use without it.
 */
#ifndef PK_OBJECT_H
#define PK_OBJECT_H

#include "core/executor.h"
#include "core/hash.h"
#include <bsd/sys/tree.h>
#include <packice/types.h>
#include <stdbool.h>
#include <sys/queue.h>

struct pk_name;
struct pk_peer;

struct pk_object {
    struct pk_peer *peer;
    struct pk_key key;    /* id lives in `text` */
    struct pk_name *name; /* the name it stands under; NULL once discarded or replaced */
    uint32_t state;       /* PK_STATE_* */
    uint32_t blob_count;
    void **blobs;          /* blob_count; NULL while it is published but not opened here */
    uint64_t *sizes;       /* blob_count; PK_UNSIZED until sealed where none was named */
    uint32_t sealed_count; /* blobs sealed so far, from the first */
    bool grows;            /* some blob may get larger behind the peer's back, until it is sealed */
    bool published;        /* and not unpublished by this node: its storage is to stay */
    bool in_doubt;         /* it may be published: the storage said neither yes nor no */
    uint64_t held;         /* bytes it counts for in the peer's capacity */
    uint64_t expected;     /* of them, until the seal at least */
    uint64_t most_held;    /* the most that ever was: what its storage has to free */
    uint64_t created_at;   /* CLOCK_REALTIME nanoseconds */
    uint64_t sealed_at;
    struct pk_principal owner;
    uint64_t leases; /* holders in the peer, and reads that are to get one */
    uint64_t uses;   /* calls that work with it just now, or are telling of it */
    uint64_t works;  /* of them, those that still work with it */
    uint32_t idle;   /* PK_IDLE_*: where it stands among those that may be evicted */
    bool acquired;   /* ever, in this peer */
    bool leaving;    /* it is being evicted, and counts for nothing already */
    bool demoted;    /* it was, to slower storage, and counts for nothing */
    union {          /* by `idle`; in_lru also while it is leaving */
        RB_ENTRY(pk_object) in_unread;
        TAILQ_ENTRY(pk_object) in_lru;
    };
    UT_hash_handle hh;            /* peer->objects, by epoch and id */
    RB_ENTRY(pk_object) in_order; /* peer->order, while it has a name */
    TAILQ_ENTRY(pk_object) in_reaps;
    TAILQ_ENTRY(pk_object) in_growing;
    uint64_t sample_round; /* in which it was looked at last */
    struct pk_work work;   /* frees its storage */
    const char *meta;      /* in `text` */
    uint64_t epoch;        /* key.epoch once more: with the id behind it, the key of `hh` */
    char text[];           /* id, meta */
};

TAILQ_HEAD(pk_object_list, pk_object);
RB_HEAD(pk_object_order, pk_object);
RB_HEAD(pk_object_unread, pk_object);
RB_PROTOTYPE(pk_object_order, pk_object, in_order, pk_object_compare)
RB_PROTOTYPE(pk_object_unread, pk_object, in_unread, pk_object_compare)

/* By epoch, then id. */
int pk_object_compare(struct pk_object *one, struct pk_object *other);

/* An object with room for its blobs, which are all NULL. NULL: out of memory. */
struct pk_object *pk_object_new(struct pk_peer *peer, const struct pk_key *key, uint32_t blob_count,
                                const char *meta);
/* It is in no table, and has no blobs left. */
void pk_object_free(struct pk_object *object);

/* Sum of the sizes that are known, and of nothing for those that are not. */
uint64_t pk_object_size(const struct pk_object *object);

#define PK_KEY_BYTES (sizeof(uint64_t) + PK_ID_MAX)

/* Writes the bytes by which tables know a key, PK_KEY_BYTES at most, and returns how many these
 * are; 0 for an id that is too long for any object's. */
size_t pk_key_bytes(const struct pk_key *key, char *bytes);

/* -- with the peer's lock held -- */

/* Puts it into the tables, under the name. -ENOMEM; -EIO: there is one of this id and epoch; then
 * it is in none. */
int32_t pk_object_insert(struct pk_object *object, struct pk_name *name);
/* The one of this id and epoch: either alone may be that of another, too. Nodes that share storage
 * each count epochs by themselves. */
struct pk_object *pk_object_find(struct pk_peer *peer, const struct pk_key *key);
/* The one that the lease is for. */
struct pk_object *pk_object_of(struct pk_peer *peer, const struct pk_lease *lease);
/* Takes its name away: nobody finds it any more. What is left of it lives on for those who hold
 * leases on it, and is reaped when the last one ends. */
void pk_object_unname(struct pk_object *object);
/* Sets what it counts for in the peer's capacity. */
void pk_object_hold(struct pk_object *object, uint64_t bytes);
void pk_object_use(struct pk_object *object);
void pk_object_unuse(struct pk_object *object);
/* As unuse, but who calls reaps it, if it returns true. */
bool pk_object_part(struct pk_object *object);
/* One more holder of a lease on it; one less, which the caller follows by pk_object_check. */
void pk_object_lease(struct pk_object *object);
void pk_object_unlease(struct pk_object *object);
/* Hands it to the reaper if it has neither a name, nor a lease, nor a call. */
void pk_object_check(struct pk_object *object);
/* Hands one that is in no table to the reaper. */
void pk_object_give_up(struct pk_object *object);

/* -- without it -- */

/* Frees its storage, or, of what is still published (by others, or for this node's successor), only
 * what is open of it; on this thread; and the object. */
void pk_object_reap(struct pk_object *object);

#endif
