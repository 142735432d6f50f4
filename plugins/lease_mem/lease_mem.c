/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lease factory `lease_mem`: leases of one node, in its memory. It holds the table of slots,
 * the lock around the leases, and the counter of epochs. Nothing in it outlives the process, and no
 * slot waits for anything.
 */
#include "table.h"
#include "terms.h"

#include <errno.h>
#include <inttypes.h>
#include <packice/cleanup.h>
#include <packice/lease.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#define EPOCH_MAX (((uint64_t)1 << 53) - 1) /* what every JSON reader keeps exact */
#define ID_TRIES 8

struct lease_mem {
    const struct pk_host *host;
    struct lease_terms terms;
    pthread_mutex_t lock; /* of all below */
    struct lease_table table;
    uint64_t epoch; /* the last one given; 0 = none */
    uint64_t granted;
};

/* ---- inside ---- */

/* With the lock held, so that the clock never goes back for the table. */
static uint64_t
now(const struct lease_mem *mem)
{
    return mem->host->now(mem->host->ctx);
}

/* Every slot begins here: behind it, what the table calls live is live. */
static void
enter(struct lease_mem *mem)
{
    (void)pthread_mutex_lock(&mem->lock);
    if (lease_table_ends(&mem->table))
        lease_table_retire(&mem->table, now(mem));
}

static void
leave(struct lease_mem *mem)
{
    (void)pthread_mutex_unlock(&mem->lock);
}

/* Leases that were taken out share their holders with those that stay. */
static void
dispose(struct lease_mem *mem, struct lease_entry *list)
{
    if (list == NULL)
        return;
    (void)pthread_mutex_lock(&mem->lock);
    lease_entry_free_all(list);
    leave(mem);
}

/* Only as much as a host of another minor version has room for. */
static void
fill(const struct lease_entry *entry, struct pk_lease *ret_lease)
{
    if (ret_lease->struct_size >= sizeof(*ret_lease)) {
        lease_entry_describe(entry, ret_lease);
        return;
    }
    struct pk_lease lease = { .struct_size = ret_lease->struct_size };
    lease_entry_describe(entry, &lease);
    memcpy(ret_lease, &lease, ret_lease->struct_size);
    explicit_bzero(lease.lease_id, sizeof(lease.lease_id));
}

static void
emit_all(const struct lease_entry *list, pk_lease_emit_fn *emit, void *arg)
{
    struct pk_lease lease = { .struct_size = sizeof(lease) };
    for (const struct lease_entry *entry = list; entry != NULL; entry = entry->next) {
        lease_entry_describe(entry, &lease);
        emit(arg, &lease);
    }
    explicit_bzero(lease.lease_id, sizeof(lease.lease_id));
}

static int32_t
no_such_lease(struct pk_error *err)
{
    return pk_fail(err, -ESTALE, "no such lease, or it has ended");
}

/* Returns where it ends. */
static char *
write_hex(char *to, const uint8_t *bytes, size_t count)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < count; i++) {
        *to++ = digits[bytes[i] >> 4U];
        *to++ = digits[bytes[i] & 0x0fU];
    }
    return to;
}

/* UUIDv4 (RFC 9562, section 5.4). */
static int32_t
new_lease_id(const struct pk_host *host, char *ret_id, struct pk_error *err)
{
    uint8_t b[16];
    if (host->random(host->ctx, b, sizeof(b)) != 0)
        return pk_fail(err, -EIO, "no randomness for a lease id");
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    char *at = write_hex(ret_id, b, 4);
    *at++ = '-';
    at = write_hex(at, b + 4, 2);
    *at++ = '-';
    at = write_hex(at, b + 6, 2);
    *at++ = '-';
    at = write_hex(at, b + 8, 2);
    *at++ = '-';
    at = write_hex(at, b + 10, 6);
    *at = '\0';
    explicit_bzero(b, sizeof(b));
    return 0;
}

/* ---- open and close ---- */

static int32_t
lease_mem_open(const struct pk_host *host, const struct pk_conf *conf, void **ret_instance,
               struct pk_error *err)
{
    pk_autofree struct lease_mem *mem = calloc(1, sizeof(*mem));
    if (mem == NULL)
        return pk_fail(err, -ENOMEM, "out of memory");
    int32_t rc = lease_terms_from(conf, &mem->terms, err);
    if (rc < 0)
        return rc;
    if (host->random(host->ctx, &mem->table.seed, sizeof(mem->table.seed)) != 0)
        return pk_fail(err, -EIO, "no randomness");
    if (pthread_mutex_init(&mem->lock, NULL) != 0)
        return pk_fail(err, -ENOMEM, "out of memory");
    mem->host = host;
    *ret_instance = pk_steal(mem);
    return 0;
}

static void
lease_mem_close(void *instance)
{
    struct lease_mem *mem = instance;
    lease_table_finish(&mem->table);
    (void)pthread_mutex_destroy(&mem->lock);
    free(mem);
}

static uint32_t
lease_mem_may_block(void *instance, uint32_t op, uint64_t bytes)
{
    (void)instance;
    (void)op;
    (void)bytes;
    return 0;
}

/* ---- granting ---- */

static int32_t
check_request(const struct pk_lease_request *request, struct pk_error *err)
{
    size_t id_size = strnlen(request->key.id, PK_ID_MAX + 1);
    if (id_size == 0 || id_size > PK_ID_MAX)
        return pk_fail(err, -EINVAL, "an object id has 1 to %d bytes", PK_ID_MAX);
    if (request->access != PK_ACCESS_CREATE && request->access != PK_ACCESS_READ)
        return pk_fail(err, -EINVAL, "no such access: %" PRIu32, request->access);
    if ((request->access == PK_ACCESS_CREATE) != (request->key.epoch == 0))
        return pk_fail(err, -EINVAL, "a CREATE lease is given its epoch, a READ lease names one");
    return 0;
}

/* Microseconds of the wall clock. Above what an earlier run gave out, and what another node that
 * shares the storage gave for the same id before: unless a clock is wrong or a run gave a million a
 * second, and those are then above what the host found in storage (epoch_floor). */
static uint64_t
clock_epoch(void)
{
    struct timespec ts = { 0 };
    if (clock_gettime(CLOCK_REALTIME, &ts) != 0 || ts.tv_sec <= 0)
        return 1;
    return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* An epoch above all that were given and all that the host knows of. */
static int32_t
next_epoch(const struct lease_mem *mem, uint64_t floor, uint64_t *ret_epoch, struct pk_error *err)
{
    uint64_t last = mem->epoch > floor ? mem->epoch : floor;
    uint64_t clock = clock_epoch();
    if (last >= EPOCH_MAX || clock > EPOCH_MAX)
        return pk_fail(err, -EOVERFLOW, "out of epochs: the clock or the storage is ahead of time");
    *ret_epoch = last < clock ? clock : last + 1;
    return 0;
}

/* With the lock: when what begins now ends. */
static uint64_t
end_of(const struct lease_mem *mem, uint64_t ttl)
{
    return ttl == PK_FOREVER ? PK_FOREVER : lease_terms_end(now(mem), ttl);
}

/* With the lock. lease brings its id. -EAGAIN: that is in use. */
static int32_t
grant_live(struct lease_mem *mem, const struct pk_lease_request *request, struct pk_lease *lease,
           struct pk_lease *ret_lease, struct pk_error *err)
{
    struct pk_key key = request->key;
    int create = request->access == PK_ACCESS_CREATE;
    if (create && lease_table_claimed(&mem->table, key.id))
        return pk_fail(err, -EEXIST, "'%s' is being created by another", key.id);
    if (lease_table_count(&mem->table) >= mem->terms.max_leases)
        return pk_fail(err, -EBUSY, "%" PRIu64 " leases (max_leases) live already",
                       mem->terms.max_leases);
    int32_t rc = create ? next_epoch(mem, request->epoch_floor, &key.epoch, err) : 0;
    if (rc < 0)
        return rc;
    lease->access = request->access;
    lease->ttl = lease_terms_ttl(&mem->terms, request->ttl);
    lease->expires_at = end_of(mem, lease->ttl);
    const struct lease_entry *entry = NULL;
    rc = lease_table_add(&mem->table, &key, lease, &entry);
    if (rc < 0)
        return pk_fail(err, rc, rc == -EAGAIN ? "a lease id came up twice" : "out of memory");
    mem->epoch = create ? key.epoch : mem->epoch;
    mem->granted++;
    fill(entry, ret_lease);
    return 0;
}

static int32_t
grant_once(struct lease_mem *mem, const struct pk_lease_request *request,
           struct pk_lease *ret_lease, struct pk_error *err)
{
    struct pk_lease lease;
    int32_t rc = new_lease_id(mem->host, lease.lease_id, err);
    if (rc < 0)
        return rc;
    enter(mem);
    rc = grant_live(mem, request, &lease, ret_lease, err);
    leave(mem);
    explicit_bzero(lease.lease_id, sizeof(lease.lease_id));
    return rc;
}

/* An id in use is drawn anew; only a broken source of randomness goes on repeating itself. */
static int32_t
lease_mem_grant(void *instance, const struct pk_lease_request *request, struct pk_lease *ret_lease,
                struct pk_error *err)
{
    int32_t rc = check_request(request, err);
    if (rc < 0)
        return rc;
    for (int tries = 0; tries < ID_TRIES; tries++) {
        rc = grant_once(instance, request, ret_lease, err);
        if (rc != -EAGAIN)
            return rc;
    }
    return pk_fail(err, -EIO, "the source of randomness repeats itself");
}

/* ---- one lease ---- */

static int32_t
lease_mem_find(void *instance, const char *lease_id, struct pk_lease *ret_lease,
               struct pk_error *err)
{
    struct lease_mem *mem = instance;
    enter(mem);
    struct lease_entry *entry = lease_table_find(&mem->table, lease_id);
    if (entry != NULL)
        fill(entry, ret_lease);
    leave(mem);
    return entry != NULL ? 0 : no_such_lease(err);
}

static int32_t
lease_mem_renew(void *instance, const char *lease_id, uint64_t ttl, struct pk_lease *ret_lease,
                struct pk_error *err)
{
    struct lease_mem *mem = instance;
    enter(mem);
    struct lease_entry *entry = lease_table_find(&mem->table, lease_id);
    if (entry != NULL) {
        ttl = lease_terms_ttl(&mem->terms, ttl);
        lease_table_extend(&mem->table, entry, ttl, end_of(mem, ttl));
        fill(entry, ret_lease);
    }
    leave(mem);
    return entry != NULL ? 0 : no_such_lease(err);
}

static int32_t
lease_mem_downgrade(void *instance, const char *lease_id, struct pk_error *err)
{
    struct lease_mem *mem = instance;
    enter(mem);
    struct lease_entry *entry = lease_table_find(&mem->table, lease_id);
    if (entry != NULL)
        lease_table_downgrade(&mem->table, entry);
    leave(mem);
    return entry != NULL ? 0 : no_such_lease(err);
}

static int32_t
lease_mem_release(void *instance, const char *lease_id, struct pk_error *err)
{
    struct lease_mem *mem = instance;
    (void)err;
    enter(mem);
    struct lease_entry *entry = lease_table_find(&mem->table, lease_id);
    if (entry != NULL) {
        lease_table_remove(&mem->table, entry);
        lease_entry_free_all(entry);
    }
    leave(mem);
    return 0;
}

/* ---- many leases ---- */

static int32_t
lease_mem_revoke(void *instance, const struct pk_key *key, uint32_t access, pk_lease_emit_fn *emit,
                 void *arg, struct pk_error *err)
{
    struct lease_mem *mem = instance;
    if (access != PK_ACCESS_CREATE && access != PK_ACCESS_READ)
        return pk_fail(err, -EINVAL, "no such access: %" PRIu32, access);
    enter(mem);
    struct lease_entry *list = lease_table_revoke(&mem->table, key, access);
    leave(mem);
    emit_all(list, emit, arg);
    dispose(mem, list);
    return 0;
}

static int32_t
lease_mem_holders(void *instance, const struct pk_key *key, uint64_t *ret_count,
                  struct pk_error *err)
{
    struct lease_mem *mem = instance;
    (void)err;
    enter(mem);
    *ret_count = lease_table_holders(&mem->table, key);
    leave(mem);
    return 0;
}

static uint64_t
lease_mem_next_expiry(void *instance)
{
    struct lease_mem *mem = instance;
    (void)pthread_mutex_lock(&mem->lock);
    uint64_t next = lease_table_next_end(&mem->table);
    leave(mem);
    return next;
}

static int32_t
lease_mem_expire(void *instance, uint64_t by, pk_lease_emit_fn *emit, void *arg,
                 struct pk_error *err)
{
    struct lease_mem *mem = instance;
    (void)err;
    enter(mem);
    lease_table_retire(&mem->table, by);
    struct lease_entry *list = lease_table_take_over(&mem->table, by);
    leave(mem);
    emit_all(list, emit, arg);
    dispose(mem, list);
    return 0;
}

static void
lease_mem_stats(void *instance, void (*emit)(void *arg, const struct pk_stat *stat), void *arg)
{
    struct lease_mem *mem = instance;
    enter(mem);
    const struct pk_stat stats[] = {
        { sizeof(stats[0]), PK_STAT_GAUGE, "leases", "Leases that live",
          lease_table_count(&mem->table) },
        { sizeof(stats[0]), PK_STAT_GAUGE, "claims", "Names claimed for creation",
          lease_table_claims(&mem->table) },
        { sizeof(stats[0]), PK_STAT_COUNTER, "granted", "Leases granted", mem->granted },
        { sizeof(stats[0]), PK_STAT_COUNTER, "expired", "Leases that ran out", mem->table.expired },
    };
    leave(mem);
    for (size_t i = 0; i < sizeof(stats) / sizeof(stats[0]); i++)
        emit(arg, &stats[i]);
}

static const struct pk_lease_ops lease_mem_ops = {
    .struct_size = sizeof(lease_mem_ops),
    .open = lease_mem_open,
    .close = lease_mem_close,
    .may_block = lease_mem_may_block,
    .grant = lease_mem_grant,
    .find = lease_mem_find,
    .renew = lease_mem_renew,
    .downgrade = lease_mem_downgrade,
    .revoke = lease_mem_revoke,
    .release = lease_mem_release,
    .holders = lease_mem_holders,
    .next_expiry = lease_mem_next_expiry,
    .expire = lease_mem_expire,
    .stats = lease_mem_stats,
};

static const struct pk_plugin lease_mem_plugin = {
    .struct_size = sizeof(lease_mem_plugin),
    .abi_major = PK_ABI_MAJOR,
    .abi_minor = PK_ABI_MINOR,
    .kind = PK_KIND_LEASE,
    .option_count = LEASE_TERMS_OPTIONS,
    .option_stride = sizeof(struct pk_option),
    .name = "lease_mem",
    .version = PACKICE_VERSION,
    .summary = "Leases in the memory of one node",
    .options = lease_terms_options,
    .ops = &lease_mem_ops,
};

const struct pk_plugin *
pk_plugin_entry(void)
{
    return &lease_mem_plugin;
}
