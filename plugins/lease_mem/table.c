/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The indexes over leases: two hash tables over objects, one over leases, a tree over ends. All
 * steps cost O(1), or O(log n) where the tree is touched.
 */
#include "table.h"

#include <errno.h>
#include <packice/cleanup.h>
#include <string.h>
#include <utlist.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

static int
compare_ends(const struct lease_entry *a, const struct lease_entry *b)
{
    if (a->expires_at != b->expires_at)
        return a->expires_at < b->expires_at ? -1 : 1;
    if (a->sequence != b->sequence)
        return a->sequence < b->sequence ? -1 : 1;
    return 0;
}

RB_GENERATE_INTERNAL(lease_ends, lease_entry, by_end, compare_ends, __attribute__((unused)) static)

/* ---- what the hash tables hash ---- */

/* Seeded: names are chosen by clients. */
static uint32_t
hash_of(const struct lease_table *table, const void *bytes, size_t size)
{
    return (uint32_t)XXH3_64bits_withSeed(bytes, size, table->seed);
}

static void *
zeroed(size_t size)
{
    void *memory = lease_table_memory(size);
    return memory != NULL ? memset(memory, 0, size) : NULL;
}

/* ---- holders ---- */

#define KEY_OFFSET offsetof(struct lease_holder, epoch)
#define KEY_HEAD (offsetof(struct lease_holder, id) - KEY_OFFSET)

/* What by_key knows an object by. */
struct wanted {
    size_t id_size;
    uint32_t hash;
    char bytes[KEY_HEAD + PK_ID_MAX];
};

/* False: no object has such an id. */
static bool
want(const struct lease_table *table, const struct pk_key *key, struct wanted *ret_wanted)
{
    size_t id_size = strnlen(key->id, PK_ID_MAX + 1);
    if (id_size > PK_ID_MAX)
        return false;
    memcpy(ret_wanted->bytes, &key->epoch, sizeof(key->epoch));
    memcpy(ret_wanted->bytes + KEY_HEAD, key->id, id_size);
    ret_wanted->id_size = id_size;
    ret_wanted->hash = hash_of(table, ret_wanted->bytes, KEY_HEAD + id_size);
    return true;
}

static struct lease_holder *
find_wanted(const struct lease_table *table, const struct wanted *wanted)
{
    struct lease_holder *holder = NULL;
    HASH_FIND_BYHASHVALUE(by_key, table->holders, wanted->bytes, KEY_HEAD + wanted->id_size,
                          wanted->hash, holder);
    return holder;
}

static struct lease_holder *
find_holder(const struct lease_table *table, const struct pk_key *key)
{
    struct wanted wanted;
    return want(table, key, &wanted) ? find_wanted(table, &wanted) : NULL;
}

/* Adds an empty one. */
static struct lease_holder *
new_holder(struct lease_table *table, const struct wanted *wanted)
{
    struct lease_holder *holder = zeroed(sizeof(*holder) + wanted->id_size + 1);
    if (holder == NULL)
        return NULL;
    memcpy((char *)holder + KEY_OFFSET, wanted->bytes, KEY_HEAD + wanted->id_size);
    holder->id_size = wanted->id_size;
    HASH_ADD_KEYPTR_BYHASHVALUE(by_key, table->holders, (char *)holder + KEY_OFFSET,
                                KEY_HEAD + wanted->id_size, wanted->hash, holder);
    if (holder->by_key.tbl == NULL) {
        free(holder);
        return NULL;
    }
    return holder;
}

/* Forgets a holder without a live lease; those in `over` may still point to it. */
static void
drop_holder(struct lease_table *table, struct lease_holder *holder)
{
    if (holder->live > 0)
        return;
    HASH_DELETE(by_key, table->holders, holder);
    if (holder->references == 0)
        free(holder);
}

static bool
add_claim(struct lease_table *table, struct lease_entry *entry)
{
    struct lease_holder *holder = entry->holder;
    HASH_ADD_KEYPTR_BYHASHVALUE(by_id, table->claims, holder->id, holder->id_size,
                                hash_of(table, holder->id, holder->id_size), holder);
    if (holder->by_id.tbl == NULL)
        return false;
    holder->claim = entry;
    return true;
}

static void
remove_claim(struct lease_table *table, struct lease_holder *holder)
{
    HASH_DELETE(by_id, table->claims, holder);
    holder->claim = NULL;
}

/* ---- looking ---- */

uint64_t
lease_table_count(const struct lease_table *table)
{
    return HASH_CNT(by_id, table->entries);
}

uint64_t
lease_table_claims(const struct lease_table *table)
{
    return HASH_CNT(by_id, table->claims);
}

static struct lease_entry *
find_entry(const struct lease_table *table, const char *lease_id, uint32_t hash)
{
    struct lease_entry *entry = NULL;
    HASH_FIND_BYHASHVALUE(by_id, table->entries, lease_id, PK_LEASE_ID_LEN, hash, entry);
    return entry;
}

struct lease_entry *
lease_table_find(const struct lease_table *table, const char *lease_id)
{
    if (strnlen(lease_id, PK_LEASE_ID_LEN + 1) != PK_LEASE_ID_LEN)
        return NULL;
    return find_entry(table, lease_id, hash_of(table, lease_id, PK_LEASE_ID_LEN));
}

bool
lease_table_ends(const struct lease_table *table)
{
    return !RB_EMPTY(&table->ends);
}

bool
lease_table_claimed(const struct lease_table *table, const char *object_id)
{
    struct lease_holder *holder = NULL;
    size_t size = strlen(object_id);
    HASH_FIND_BYHASHVALUE(by_id, table->claims, object_id, size, hash_of(table, object_id, size),
                          holder);
    return holder != NULL;
}

uint64_t
lease_table_holders(const struct lease_table *table, const struct pk_key *key)
{
    struct lease_holder *holder = find_holder(table, key);
    return holder == NULL ? 0 : holder->live;
}

uint64_t
lease_table_next_end(struct lease_table *table)
{
    const struct lease_entry *first = table->over;
    if (first == NULL)
        first = RB_MIN(lease_ends, &table->ends);
    return first == NULL ? PK_FOREVER : first->expires_at;
}

void
lease_entry_describe(const struct lease_entry *entry, struct pk_lease *ret_lease)
{
    ret_lease->access = entry->access;
    ret_lease->epoch = entry->holder->epoch;
    ret_lease->ttl = entry->ttl;
    ret_lease->expires_at = entry->expires_at;
    memcpy(ret_lease->lease_id, entry->id, sizeof(entry->id));
    memcpy(ret_lease->object_id, entry->holder->id, entry->holder->id_size + 1);
}

/* ---- adding and changing ---- */

static void
set_end(struct lease_table *table, struct lease_entry *entry, uint64_t ttl, uint64_t expires_at)
{
    entry->ttl = ttl;
    entry->expires_at = expires_at;
    entry->sequence = table->sequence++;
    if (expires_at != PK_FOREVER)
        RB_INSERT(lease_ends, &table->ends, entry);
}

static void
clear_end(struct lease_table *table, struct lease_entry *entry)
{
    if (entry->expires_at != PK_FOREVER)
        RB_REMOVE(lease_ends, &table->ends, entry);
}

/* Puts the entry under its holder; false: no memory, nothing changed. */
static bool
hold(struct lease_table *table, struct lease_entry *entry, struct lease_holder *holder)
{
    entry->holder = holder;
    if (entry->access == PK_ACCESS_CREATE && !add_claim(table, entry))
        return false;
    if (entry->access == PK_ACCESS_READ)
        DL_APPEND(holder->readers, entry);
    holder->live++;
    holder->references++;
    return true;
}

/* The opposite, but for `references`: the entry still points to its holder. */
static void
unhold(struct lease_table *table, struct lease_entry *entry)
{
    struct lease_holder *holder = entry->holder;
    if (entry->access == PK_ACCESS_CREATE)
        remove_claim(table, holder);
    else
        DL_DELETE(holder->readers, entry);
    holder->live--;
    drop_holder(table, holder);
}

/* Knows its id and nothing else yet. -EAGAIN: the id is in use. */
static int32_t
new_entry(struct lease_table *table, const struct pk_lease *lease, struct lease_entry **ret_entry)
{
    uint32_t hash = hash_of(table, lease->lease_id, PK_LEASE_ID_LEN);
    if (find_entry(table, lease->lease_id, hash) != NULL)
        return -EAGAIN;
    struct lease_entry *entry = zeroed(sizeof(*entry));
    if (entry == NULL)
        return -ENOMEM;
    entry->access = lease->access;
    memcpy(entry->id, lease->lease_id, sizeof(entry->id));
    HASH_ADD_KEYPTR_BYHASHVALUE(by_id, table->entries, entry->id, PK_LEASE_ID_LEN, hash, entry);
    if (entry->by_id.tbl == NULL) {
        free(entry);
        return -ENOMEM;
    }
    *ret_entry = entry;
    return 0;
}

/* Puts the entry under the holder of its object, which is made where there is none. -ENOMEM: and
 * nothing changed. */
static int32_t
hold_object(struct lease_table *table, struct lease_entry *entry, const struct pk_key *key)
{
    struct wanted wanted;
    if (!want(table, key, &wanted))
        return -EINVAL;
    struct lease_holder *holder = find_wanted(table, &wanted);
    if (holder == NULL)
        holder = new_holder(table, &wanted);
    if (holder == NULL)
        return -ENOMEM;
    if (hold(table, entry, holder))
        return 0;
    drop_holder(table, holder);
    return -ENOMEM;
}

int32_t
lease_table_add(struct lease_table *table, const struct pk_key *key, const struct pk_lease *lease,
                const struct lease_entry **ret_entry)
{
    struct lease_entry *entry = NULL;
    int32_t rc = new_entry(table, lease, &entry);
    if (rc < 0)
        return rc;
    rc = hold_object(table, entry, key);
    if (rc < 0) {
        HASH_DELETE(by_id, table->entries, entry);
        explicit_bzero(entry->id, sizeof(entry->id));
        free(entry);
        return rc;
    }
    set_end(table, entry, lease->ttl, lease->expires_at);
    *ret_entry = entry;
    return 0;
}

void
lease_table_extend(struct lease_table *table, struct lease_entry *entry, uint64_t ttl,
                   uint64_t expires_at)
{
    clear_end(table, entry);
    set_end(table, entry, ttl, expires_at);
}

void
lease_table_downgrade(struct lease_table *table, struct lease_entry *entry)
{
    if (entry->access == PK_ACCESS_READ)
        return;
    remove_claim(table, entry->holder);
    entry->access = PK_ACCESS_READ;
    DL_APPEND(entry->holder->readers, entry);
}

/* ---- taking out ---- */

void
lease_table_remove(struct lease_table *table, struct lease_entry *entry)
{
    clear_end(table, entry);
    HASH_DELETE(by_id, table->entries, entry);
    unhold(table, entry);
    entry->prev = entry;
    entry->next = NULL;
}

struct lease_entry *
lease_table_revoke(struct lease_table *table, const struct pk_key *key, uint32_t access)
{
    struct lease_entry *list = NULL;
    struct lease_holder *holder = find_holder(table, key);
    if (holder == NULL)
        return NULL;
    struct lease_entry *entry = access == PK_ACCESS_CREATE ? holder->claim : holder->readers;
    while (entry != NULL) {
        struct lease_entry *next = access == PK_ACCESS_CREATE ? NULL : entry->next;
        lease_table_remove(table, entry);
        DL_APPEND(list, entry);
        entry = next;
    }
    return list;
}

void
lease_table_retire(struct lease_table *table, uint64_t now)
{
    struct lease_entry *entry;
    while ((entry = RB_MIN(lease_ends, &table->ends)) != NULL && entry->expires_at <= now) {
        lease_table_remove(table, entry);
        DL_APPEND(table->over, entry);
        table->expired++;
    }
}

struct lease_entry *
lease_table_take_over(struct lease_table *table, uint64_t now)
{
    struct lease_entry *list = NULL;
    struct lease_entry *entry;
    while ((entry = table->over) != NULL && entry->expires_at <= now) {
        DL_DELETE(table->over, entry);
        DL_APPEND(list, entry);
    }
    return list;
}

static void
free_entry(struct lease_entry *entry)
{
    struct lease_holder *holder = entry->holder;
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): it is counted, which the analyzer can't see */
    if (--holder->references == 0)
        free(holder);
    explicit_bzero(entry->id, sizeof(entry->id));
    free(entry);
}

void
lease_entry_free_all(struct lease_entry *list)
{
    struct lease_entry *entry;
    struct lease_entry *next;
    DL_FOREACH_SAFE (list, entry, next)
        free_entry(entry);
}

void
lease_table_finish(struct lease_table *table)
{
    struct lease_entry *entry;
    struct lease_entry *next;
    HASH_ITER (by_id, table->entries, entry, next) {
        lease_table_remove(table, entry);
        free_entry(entry);
    }
    lease_entry_free_all(pk_steal(table->over));
}
