/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What leases hold: the blobs of an object, once for all leases of a client on it that a peer told
 * so. It goes with the last of them, but for the blobs that files are open on.
 */
#ifndef PACKICE_SDK_HELD_H
#define PACKICE_SDK_HELD_H

#include "sdk/blob.h"
#include <bsd/sys/tree.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

struct packice_holdings;

struct packice_held {
    RB_ENTRY(packice_held) entry; /* that of the holdings */
    struct packice_holdings *holdings;
    atomic_uint_fast64_t leases;   /* that share it, and gets under way that may come to */
    atomic_uint_fast64_t refs;     /* those, as one, and each file */
    struct packice_answer *answer; /* what brought it: its id, and bytes that came so */
    const char *id;
    uint64_t epoch;
    bool writable; /* the object was being created */
    bool listed;   /* among the holdings: others may come to share it */
    uint32_t blob_count;
    struct packice_blob blobs[];
};

RB_HEAD(packice_held_tree, packice_held);

/* Of a client: what is sealed, and behind descriptors that are here. */
struct packice_holdings {
    pid_t pid;                     /* of the process it was made in */
    pthread_mutex_t lock;          /* guards what follows */
    struct packice_held_tree tree; /* by id, the latest epoch first */
    atomic_size_t count;           /* in it; read without the lock, too */
};

void packice_holdings_init(struct packice_holdings *holdings);
/* With nothing in it, in the process it was made in. */
void packice_holdings_finish(struct packice_holdings *holdings);

/* What is held of this id, to be left again; NULL: nothing. */
struct packice_held *packice_holdings_join(struct packice_holdings *holdings, const char *id);

/* Makes it of the answer that granted a lease, takes the descriptors, and lists it if others may
 * share it. To be left. -EPROTO as packice_handle_take; -ENOMEM. */
int32_t packice_held_new(struct packice_holdings *holdings, struct packice_answer *answer,
                         struct packice_held **ret_held, struct pk_error *err);

/* Whether an answer of KNOWN handles is about this: -EPROTO otherwise. */
int32_t packice_held_check(const struct packice_held *held, const struct packice_answer *answer,
                           struct pk_error *err);

/* One more who leaves it. */
struct packice_held *packice_held_share(struct packice_held *held);
/* The last one takes the maps with it. Also in a child of a fork. NULL is fine. */
void packice_held_leave(struct packice_held *held);

/* For files, which outlive their leases. */
struct packice_blob *packice_blob_ref(struct packice_blob *blob);
void packice_blob_unref(struct packice_blob *blob);

#endif
