/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The leases of one instance, found by id, by the object they are on, by the name they claim and by
 * when they end. It knows no clock, no lock and no randomness: its caller brings all three.
 */
#ifndef LEASE_MEM_TABLE_H
#define LEASE_MEM_TABLE_H

#include <bsd/sys/tree.h>
#include <packice/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

/* Of what is made for each lease. glibc's calloc goes past the cache that each thread has for
 * malloc, and the compiler would make one of this and a memset behind it. */
static inline void *
lease_table_memory(size_t size)
{
    void *memory = malloc(size);
    __asm__("" : "+r"(memory));
    return memory;
}

#define uthash_malloc(size) lease_table_memory(size)
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

/*
 * A lease is in one of three places: among the live ones; ended by time and due to be told of
 * (`over`); or taken out by its caller, who then frees it.
 */
struct lease_entry {
    UT_hash_handle by_id;
    RB_ENTRY(lease_entry) by_end; /* live, unless it never ends */
    struct lease_entry *next;     /* live READ leases of its holder, `over`, or a list taken out */
    struct lease_entry *prev;
    struct lease_holder *holder;
    uint64_t ttl;
    uint64_t expires_at;
    uint64_t sequence; /* orders those that end at the same time */
    uint32_t access;
    char id[PK_LEASE_ID_LEN + 1];
};

/* An object, (id, epoch), as long as a lease is on it. */
struct lease_holder {
    UT_hash_handle by_key; /* while it has a live lease */
    UT_hash_handle by_id;  /* while `claim` is set */
    struct lease_entry *claim;
    struct lease_entry *readers;
    uint64_t live;
    uint64_t references; /* leases that point here, wherever they are */
    size_t id_size;
    uint64_t epoch; /* the key of by_key begins here */
    char id[];      /* and ends with the last byte of this; NUL-terminated */
};

RB_HEAD(lease_ends, lease_entry);

/* Zero it to begin, but for a seed. */
struct lease_table {
    uint64_t seed; /* of the hashes: random */
    struct lease_entry *entries;
    struct lease_holder *holders;
    struct lease_holder *claims;
    struct lease_ends ends;
    struct lease_entry *over; /* in the order of their ends */
    uint64_t sequence;
    uint64_t expired; /* how many went to `over` so far */
};

/* Frees every lease, wherever it is. */
void lease_table_finish(struct lease_table *table);

/* Live leases, and how many of them claim a name. */
uint64_t lease_table_count(const struct lease_table *table);
uint64_t lease_table_claims(const struct lease_table *table);

/* The live lease of this id, or NULL. */
struct lease_entry *lease_table_find(const struct lease_table *table, const char *lease_id);

/* Whether any live lease has an end. */
bool lease_table_ends(const struct lease_table *table);

/* Whether a live lease claims the name. */
bool lease_table_claimed(const struct lease_table *table, const char *object_id);

/* How many live leases the object has. */
uint64_t lease_table_holders(const struct lease_table *table, const struct pk_key *key);

/* Adds a live lease; a CREATE lease claims the name. The caller has looked: neither the name nor
 * the epoch is in use for CREATE. lease holds lease_id, access, ttl and expires_at; the rest of it
 * is not read. -EAGAIN: the lease id is in use; -ENOMEM; and nothing changed. */
int32_t lease_table_add(struct lease_table *table, const struct pk_key *key,
                        const struct pk_lease *lease, const struct lease_entry **ret_entry);

/* Changes when a live lease ends. */
void lease_table_extend(struct lease_table *table, struct lease_entry *entry, uint64_t ttl,
                        uint64_t expires_at);

/* Turns a live lease into a READ lease, if it isn't one. */
void lease_table_downgrade(struct lease_table *table, struct lease_entry *entry);

/* Takes a live lease out. */
void lease_table_remove(struct lease_table *table, struct lease_entry *entry);

/* Takes every live lease of the object with this access out, as a list, oldest first. */
struct lease_entry *lease_table_revoke(struct lease_table *table, const struct pk_key *key,
                                       uint32_t access);

/* Moves every live lease whose time has come to `over`. `now` never goes back. */
void lease_table_retire(struct lease_table *table, uint64_t now);

/* Takes what ended by `now` out of `over`, as a list, in the order of their ends. */
struct lease_entry *lease_table_take_over(struct lease_table *table, uint64_t now);

/* When the next lease ends, or has ended if it is in `over`; PK_FOREVER: none does. */
uint64_t lease_table_next_end(struct lease_table *table);

/* Tells of a lease, wherever it is. All members but struct_size are set. */
void lease_entry_describe(const struct lease_entry *entry, struct pk_lease *ret_lease);

/* Frees a list of leases that were taken out, and wipes their ids. NULL is fine. */
void lease_entry_free_all(struct lease_entry *list);

#endif
