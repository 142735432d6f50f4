/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A blob factory for the simulation: its blobs are bytes in memory that remember which epoch made
 * them, its faults are ordered, and it complains when the peer breaks the contract of a slot.
 */
#ifndef SIM_STORAGE_H
#define SIM_STORAGE_H

#include "sim.h"
#include "watch.h"
#include <packice/blob.h>

/* Faults that may be ordered, one at a time, for the next call of a slot. */
enum storage_fault {
    FAULT_NONE,
    FAULT_CREATE_IO,
    FAULT_WRITE_NO_SPACE,
    FAULT_SIZE_INVALID,
    FAULT_SEAL_BUSY,
    FAULT_SEAL_INVALID,
    FAULT_HANDLE_BUSY,
    FAULT_PUBLISH_STALE,
    FAULT_PUBLISH_LOST, /* published, and the reply is lost */
    FAULT_UNPUBLISH_IO,
    FAULT_LOOKUP_IO,
    FAULT_VERIFY_IO,
    FAULT_EVICT_AGAIN,
    FAULT_COUNT,
};

struct storage {
    struct sim_random random;
    bool durable;           /* publishes, and is looked up */
    uint32_t traits;        /* PK_BLOB_* */
    uint64_t absent;        /* slots that it lacks: 1 << PK_BLOB_* each */
    uint64_t poll_interval; /* nanoseconds */
    uint32_t block_percent; /* of slots that say they may block */
    struct watch *watch;    /* of whoever calls */
    enum storage_fault fault;
    uint32_t fault_after;       /* calls of its slot that go well before */
    enum storage_fault then[2]; /* the next ones, once that happened */
    bool fault_again;           /* it happens every time */
    int64_t blobs;              /* handed out and not freed */
    int64_t stored;             /* whose storage was not freed */
    uint32_t demoted;           /* objects moved to slower storage, had it any */
    struct published *published;
    struct published *taken; /* what others took away: no handle to it is to be had any more */
};

/* The storage that the next opened instance is. */
extern struct storage *storage_of_next;

const struct pk_plugin *storage_entry(void);

/* Another node publishes an object of one blob, or takes one away. */
void storage_publish_elsewhere(struct storage *storage, const char *id, uint64_t epoch,
                               uint64_t size);
void storage_unpublish_elsewhere(struct storage *storage, const char *id);

/* Whether anything is published under this id. */
bool storage_has(struct storage *storage, const char *id);

/* Blobs of all that is published. */
uint64_t storage_published_count(const struct storage *storage);
/* Forgets all that is published, and frees it. */
void storage_finish(struct storage *storage);

#endif
