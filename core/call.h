/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One call of a session under way: its copied request, where it stands, and what it will answer. A
 * call begins under the peer's lock, where it may be parked, and goes on in steps without it, each
 * on the caller's thread or on a factory's queue, until no step is left; then it completes, once.
 */
#ifndef PK_CALL_H
#define PK_CALL_H

#include "core/executor.h"
#include <packice/plugin.h>
#include <stdbool.h>
#include <sys/queue.h>

struct pk_call;
struct pk_holder;
struct pk_instance;
struct pk_name;
struct pk_object;
struct pk_peer;
struct pk_repeat;

TAILQ_HEAD(pk_call_list, pk_call);
TAILQ_HEAD(pk_victim_list, pk_object);

typedef void pk_call_fn(struct pk_call *call);

/* A set of slots: PK_BLOB_* or PK_LEASE_*, a bit each. */
#define PK_SLOT(op) (1U << (op))

struct pk_call {
    struct pk_peer *peer;
    struct pk_session *session; /* NULL: the peer's own */
    uint64_t id;
    uint64_t started; /* when it came, if it is counted */
    uint32_t refs;    /* under the peer's lock: its run, and its timer */
    pk_done_fn *done; /* NULL: nobody is told */
    void *arg;

    pk_call_fn *begin;           /* with the lock; again each time it was parked */
    pk_call_fn *step;            /* without; NULL = complete */
    pk_call_fn *after_lookup;    /* goes on where a lookup ended */
    pk_call_fn *after_eviction;  /* or an eviction */
    struct pk_instance *factory; /* whose slots the step calls */
    uint32_t slots;              /* which: bits of PK_SLOT; 0 = none, or they were asked about */
    uint64_t slot_bytes;
    struct pk_work work;
    struct pk_call_list *parked;  /* the list it waits in; NULL while it runs */
    struct pk_name *parked_name;  /* the name whose list that is; NULL for other lists */
    TAILQ_ENTRY(pk_call) in_list; /* parked, or peer->ready */
    TAILQ_ENTRY(pk_call) in_session;
    struct pk_timer timer; /* of a wait */
    uint64_t deadline;     /* of a wait; 0 = none was begun */
    bool again;            /* after this step: begin once more */
    bool missed;           /* the storage holds nothing under its name */
    bool looked;           /* the storage was asked for this name already */
    uint32_t vanished;     /* objects that went away elsewhere before it got a handle */
    bool waiting;          /* counted in peer->waits */
    bool settled;          /* it can't be cancelled any more, and is about to complete */
    int32_t overtaken;     /* its wait was ended while it ran: it is not parked any more, but fails
                              so; 0 = it wasn't */

    struct pk_name *name;          /* in transition by this call */
    struct pk_object *object;      /* in use by this call */
    bool working;                  /* and it still works with it */
    bool leasing;                  /* counted among its leases, before there is a holder */
    struct pk_holder *holder;      /* pinned by this call */
    struct pk_repeat *repeat;      /* to be answered for all calls with this request id */
    bool reserving;                /* it counts as an object that none is yet */
    uint64_t reserved;             /* bytes of capacity that no object counts for yet */
    bool crowded;                  /* nothing is reserved yet: something must be evicted for that */
    uint32_t passed_over;          /* objects that could not be evicted for it */
    struct pk_victim_list victims; /* to be evicted, each in use and in transition by it */
    struct pk_handle *handles;     /* owned until they are told */
    uint32_t handle_count;
    uint32_t handle_room;
    struct pk_handle *given;   /* request.blob_count, of a put; their descriptors are the call's */
    bool inlined;              /* they tell the bytes, and no lease was granted */
    char *copied;              /* what was read of these, one behind the other */
    uint64_t bytes;            /* of a read, write or verify */
    uint32_t verified;         /* blobs found to be what was sealed */
    struct pk_object **listed; /* objects that a stat, list or verify tells of, in use */
    struct pk_object_info *infos; /* what it tells of them, and their sizes */
    uint32_t listed_count;
    uint64_t cursor;

    int32_t status;
    uint64_t *sizes;
    size_t room; /* for text */

    /* What is zeroed for a new call ends here; the rest is set where it comes to be used. */
    struct pk_request request;           /* its pointers lead into `text` and sizes */
    struct pk_lease lease;               /* to be told */
    struct pk_handle one_handle;         /* these, where one is enough */
    char generated[PK_LEASE_ID_LEN + 1]; /* the object id, where the caller named none */
    struct pk_error error;
    char text[];
};

/* Bytes of each text of a request, with the NUL behind it; 0 = there is none. */
struct pk_call_texts {
    size_t object_id;
    size_t lease_id;
    size_t request_id;
    size_t prefix;
    size_t meta;
};

/* What holds for every verb; each verb checks what it alone needs. -EINVAL and -EFBIG for what no
 * verb can mean; ret_texts is written to in any case. */
int32_t pk_call_check(const struct pk_request *request, struct pk_call_texts *ret_texts,
                      struct pk_error *err);

/* -- with the peer's lock held -- */

/* Copies a request that was checked, and is as long as this host knows it. The descriptors that a
 * put brings are the call's if it is made. -ENOMEM. */
int32_t pk_call_new(struct pk_peer *peer, struct pk_session *session,
                    const struct pk_request *request, const struct pk_call_texts *texts,
                    struct pk_call **ret_call, struct pk_error *err);
/* A call of the peer's own, about a name. NULL: out of memory. */
struct pk_call *pk_call_new_internal(struct pk_peer *peer, const char *object_id,
                                     pk_call_fn *begin);
/* Frees the calls that are kept for the next ones. */
void pk_call_spare_free(struct pk_peer *peer);

/* Begins it, and has it run once the lock is let go. Takes it out of the list it is parked in. */
void pk_call_begin(struct pk_call *call);
/* Parks it in a list, of a name or not; with a deadline it may time out there. One whose wait was
 * ended while it ran fails instead. */
void pk_call_park(struct pk_call *call, struct pk_call_list *list, struct pk_name *name);
/* Ends its wait: one that is parked is taken out of its list and fails, once the lock is let go;
 * one that runs fails if it would have to be parked again. */
void pk_call_abort(struct pk_call *call, int32_t status, const char *message);
/* Sets its error; it completes unless a step is set. */
__attribute__((format(printf, 3, 4))) void pk_call_fail(struct pk_call *call, int32_t status,
                                                        const char *format, ...);
/* Sets the next step, which calls these slots of the factory on so many bytes: on a worker of the
 * factory if one of them may block, else on whatever thread is at hand. A call that is on such a
 * worker stays there while nobody else waits for one. */
void pk_call_next(struct pk_call *call, pk_call_fn *step, struct pk_instance *factory,
                  uint32_t slots, uint64_t bytes);
/* Uses the object until the call completes. */
void pk_call_use(struct pk_call *call, struct pk_object *object);
/* The call works with it no more, though it may still tell of it. */
void pk_call_rest(struct pk_call *call);
/* It completes as it is, once the lock is let go: it can't be cancelled any more, works with no
 * object, and repeats of it wait no more. By the last step, or else at the completion. */
void pk_call_settle(struct pk_call *call);
/* Whether nobody is left who could be told. */
bool pk_call_orphaned(const struct pk_call *call);

/* -- without it -- */

/* Goes on until it is parked, on another thread, or complete. */
void pk_call_run(struct pk_call *call);
/* Drops the handles it has, and makes room for so many. -ENOMEM. */
int32_t pk_call_handle_room(struct pk_call *call, uint32_t count);
/* Gets a handle to each blob of the object: to read what is sealed of it, to write the rest. */
int32_t pk_call_make_handles(struct pk_call *call, struct pk_object *object);
void pk_call_drop_handles(struct pk_call *call);

/* -- descriptors that a put brings: given.c; any of these with the lock held or without -- */

bool pk_given_any(const struct pk_request *request);
struct pk_handle pk_given_at(const struct pk_request *request, uint32_t index);
/* Closes one that nobody took, a large one on a worker of the storage's. */
void pk_given_end(struct pk_peer *peer, const struct pk_handle *given);
/* Closes all of a request that becomes no call. */
void pk_given_refuse(struct pk_peer *peer, const struct pk_request *request);

#endif
