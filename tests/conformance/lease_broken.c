/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A lease factory that keeps every rule of packice-conform, or breaks the one that its option
 * `defect` names: each place where a name stands is a way to get it wrong. Leases stand in one
 * array, in no order. Not for use.
 */
#include <errno.h>
#include <fcntl.h>
#include <packice/cleanup.h>
#include <packice/lease.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#define LEASES 512U
#define SECOND UINT64_C(1000000000)
#define TTL_DEFAULT (60 * SECOND)
#define TTL_MAX (86400 * SECOND)

enum { OPTION_DEFECT, OPTION_ROOT, OPTION_COUNT };
static const struct pk_option broken_options[OPTION_COUNT] = {
    [OPTION_DEFECT] = { PK_OPTION_STRING, 0, "defect", "none", NULL, "what it gets wrong" },
    [OPTION_ROOT] = { PK_OPTION_PATH, 0, "root", NULL, NULL, "not looked at" },
};

struct entry {
    bool used;
    bool ended;      /* by time, and not emitted yet */
    pthread_t owner; /* the thread that asked for it */
    struct pk_lease lease;
};

struct broken {
    const struct pk_host *host;
    const char *defect;
    int fd; /* what open takes and close gives back */
    pthread_mutex_t lock;
    pthread_t owner; /* the thread that came first: for "thread-bound" */
    bool has_owner;
    uint64_t epoch;
    struct entry entries[LEASES];
};

static struct broken *live; /* the last that was opened: for "global" */

static bool
is(const struct broken *broken, const char *defect)
{
    return strcmp(broken->defect, defect) == 0;
}

/* ---- inside ---- */

static struct broken *
enter(void *instance)
{
    struct broken *broken = instance;
    if (is(broken, "global"))
        broken = live;
    (void)pthread_mutex_lock(&broken->lock);
    uint64_t now = broken->host->now(broken->host->ctx);
    for (uint32_t i = 0; i < LEASES; i++) {
        struct entry *entry = &broken->entries[i];
        uint64_t end = entry->lease.expires_at;
        if (is(broken, "late") && end != PK_FOREVER)
            end++;
        if (is(broken, "early") && end != PK_FOREVER)
            end--;
        if (entry->used && !entry->ended && end <= now)
            entry->ended = true;
    }
    return broken;
}

static void
leave(struct broken *broken)
{
    (void)pthread_mutex_unlock(&broken->lock);
}

/* over: also a lease that has run out is found, which is wrong. */
static struct entry *
find(struct broken *broken, const char *lease_id, bool over)
{
    for (uint32_t i = 0; i < LEASES; i++) {
        struct entry *entry = &broken->entries[i];
        if (entry->used && (over || !entry->ended) && strcmp(entry->lease.lease_id, lease_id) == 0)
            return entry;
    }
    return NULL;
}

static int32_t
none(const struct broken *broken, struct pk_error *err, const char *lease_id)
{
    if (is(broken, "silent"))
        return -ESTALE;
    if (is(broken, "tells-id"))
        return pk_fail(err, -ESTALE, "no lease %s", lease_id);
    return pk_fail(err, is(broken, "none-errno") ? -ENOENT : -ESTALE, "no such lease");
}

static void
copy(const struct broken *broken, const struct pk_lease *lease, struct pk_lease *ret_lease)
{
    uint32_t size =
        ret_lease->struct_size < sizeof(*lease) ? ret_lease->struct_size : (uint32_t)sizeof(*lease);
    uint32_t kept = ret_lease->struct_size;
    memcpy(ret_lease, lease, is(broken, "fills-all") ? sizeof(*lease) : size);
    ret_lease->struct_size = kept;
}

static void
set_ttl(const struct broken *broken, struct pk_lease *lease, uint64_t ttl)
{
    uint64_t now = broken->host->now(broken->host->ctx);
    if (ttl == 0 && !is(broken, "no-default"))
        ttl = TTL_DEFAULT;
    if (ttl != PK_FOREVER && ttl > TTL_MAX && !is(broken, "wraps"))
        ttl = TTL_MAX;
    lease->ttl = ttl;
    lease->expires_at = ttl == PK_FOREVER ? PK_FOREVER : now + ttl;
    if (is(broken, "forever") && ttl == PK_FOREVER)
        lease->expires_at = now;
    if (is(broken, "ttl-half") && ttl == SECOND)
        lease->ttl = ttl / 2;
}

/* ---- open and close ---- */

static void *
linger(void *arg)
{
    (void)arg;
    for (;;)
        (void)pause();
    return NULL;
}

static int32_t
broken_open(const struct pk_host *host, const struct pk_conf *conf, void **ret_instance,
            struct pk_error *err)
{
    static int opens;
    struct broken *broken = calloc(1, sizeof(*broken));
    pthread_t thread;
    if (broken == NULL)
        return pk_fail(err, -ENOMEM, "out of memory");
    broken->host = host;
    broken->defect = pk_conf_at(conf, OPTION_DEFECT)->text;
    int first = open("/dev/null", O_RDONLY | O_CLOEXEC);
    broken->fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (broken->fd < 0 || (is(broken, "open-thrice") && ++opens == 3)) {
        int32_t rc = is(broken, "open-silent") ? -EBUSY : pk_fail(err, -EBUSY, "no descriptors");
        if (is(broken, "open-output"))
            *ret_instance = NULL;
        if (!is(broken, "open-leak"))
            pk_cleanup_close(&first);
        free(broken);
        return rc;
    }
    (void)close(first);
    (void)pthread_mutex_init(&broken->lock, NULL);
    broken->epoch = 1000;
    live = broken;
    if (is(broken, "thread-leak") && pthread_create(&thread, NULL, linger, NULL) == 0)
        (void)pthread_detach(thread);
    if (is(broken, "log-lines"))
        host->log(host->ctx, PK_LOG_INFO, "two\nlines");
    *ret_instance = broken;
    return 0;
}

static void
broken_close(void *instance)
{
    struct broken *broken = instance;
    if (!is(broken, "close-leak"))
        (void)close(broken->fd);
    (void)pthread_mutex_destroy(&broken->lock);
    if (!is(broken, "global"))
        free(broken);
}

static uint32_t
broken_may_block(void *instance, uint32_t op, uint64_t bytes)
{
    (void)bytes;
    return is(instance, "may-block") && op == PK_LEASE_HOLDERS ? 2 : 0;
}

/* ---- grant ---- */

static bool
same_name(const struct broken *broken, const char *a, const char *b)
{
    return is(broken, "fold-ids") ? strcasecmp(a, b) == 0 : strcmp(a, b) == 0;
}

static bool
is_claimed(const struct broken *broken, const char *id)
{
    for (uint32_t i = 0; i < LEASES; i++) {
        const struct entry *entry = &broken->entries[i];
        bool lives = entry->used && (!entry->ended || is(broken, "over-claims"));
        bool claims = entry->lease.access == PK_ACCESS_CREATE || is(broken, "readers-claim");
        if (is(broken, "claims-thread") && !pthread_equal(entry->owner, pthread_self()))
            lives = false;
        if (lives && claims && same_name(broken, entry->lease.object_id, id))
            return true;
    }
    return false;
}

static int32_t
new_id(const struct broken *broken, char *ret_id, struct pk_error *err)
{
    uint8_t b[16];
    static const char hex[] = "0123456789abcdef";
    static const char hex_upper[] = "0123456789ABCDEF";
    const char *digits = is(broken, "id-upper") ? hex_upper : hex;
    if (broken->host->random(broken->host->ctx, b, sizeof(b)) != 0) {
        if (!is(broken, "no-random"))
            return pk_fail(err, -EIO, "no randomness");
        memset(b, 1, sizeof(b));
    }
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    for (uint32_t i = 0; i < sizeof(b); i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *ret_id++ = '-';
        *ret_id++ = digits[b[i] >> 4];
        *ret_id++ = digits[b[i] & 15];
    }
    *ret_id = '\0';
    return 0;
}

static uint64_t
next_epoch(struct broken *broken, uint64_t floor)
{
    if (floor > broken->epoch && !is(broken, "no-floor"))
        broken->epoch = floor;
    if (is(broken, "epoch-back"))
        return --broken->epoch;
    static _Thread_local uint64_t own = 1000;
    return is(broken, "epoch-thread") ? ++own : ++broken->epoch;
}

/* With the lock, a place, and an id. */
static void
fill(struct broken *broken, const struct pk_lease_request *request, struct entry *entry)
{
    struct pk_lease *lease = &entry->lease;
    bool create = request->access == PK_ACCESS_CREATE;
    lease->struct_size = sizeof(*lease);
    lease->access = create ? PK_ACCESS_CREATE : PK_ACCESS_READ;
    lease->epoch = create ? next_epoch(broken, request->epoch_floor) : request->key.epoch;
    if (is(broken, "read-epoch") && !create)
        lease->epoch = broken->epoch;
    (void)snprintf(lease->object_id, sizeof(lease->object_id), "%.*s",
                   is(broken, "cut-ids") ? 200 : PK_ID_MAX, request->key.id);
    set_ttl(broken, lease, request->ttl);
    if (is(broken, "read-replaces") && !create) {
        for (uint32_t i = 0; i < LEASES; i++)
            broken->entries[i].used =
                broken->entries[i].used
                && strcmp(broken->entries[i].lease.object_id, request->key.id) != 0;
    }
    entry->used = true;
    entry->ended = false;
}

static int32_t
broken_grant(void *instance, const struct pk_lease_request *request, struct pk_lease *ret_lease,
             struct pk_error *err)
{
    struct broken *broken = enter(instance);
    struct entry entry = { .owner = pthread_self() };
    int32_t rc = 0;
    uint32_t place = 0;
    bool foreign = broken->has_owner && !pthread_equal(broken->owner, pthread_self());
    if (!broken->has_owner)
        broken->owner = pthread_self();
    broken->has_owner = true;
    while (place < LEASES && broken->entries[place].used)
        place++;
    if (place == LEASES || (foreign && is(broken, "thread-bound")))
        rc = pk_fail(err, -EBUSY, "too many leases");
    else if (request->access == PK_ACCESS_CREATE && !is(broken, "claims-share")
             && is_claimed(broken, request->key.id))
        rc = is(broken, "silent") ? -EEXIST : pk_fail(err, -EEXIST, "the name is claimed");
    if (rc == 0 && is(broken, "fails-late") && request->access == PK_ACCESS_CREATE)
        fill(broken, request, &broken->entries[place]);
    if (rc == 0)
        rc = new_id(broken, entry.lease.lease_id, err);
    if (rc == 0 && is(broken, "id-again")
        && pthread_equal(broken->entries[place].owner, entry.owner)
        && broken->entries[place].lease.lease_id[0] != '\0')
        memcpy(entry.lease.lease_id, broken->entries[place].lease.lease_id, PK_LEASE_ID_LEN);
    if (rc == 0) {
        fill(broken, request, &entry);
        broken->entries[place] = entry;
        copy(broken, &entry.lease, ret_lease);
        if (is(broken, "grant-access") && request->access == PK_ACCESS_CREATE)
            ret_lease->access = 0;
    } else if (is(broken, "output")) {
        ret_lease->epoch = 0;
    }
    if (is(broken, "logs-id"))
        broken->host->log(broken->host->ctx, PK_LOG_DEBUG, entry.lease.lease_id);
    leave(broken);
    return rc;
}

/* ---- one lease ---- */

static int32_t
broken_find(void *instance, const char *lease_id, struct pk_lease *ret_lease, struct pk_error *err)
{
    struct broken *broken = enter(instance);
    struct entry *entry = find(broken, lease_id, is(broken, "over-find"));
    if (entry != NULL)
        copy(broken, &entry->lease, ret_lease);
    if (entry != NULL && is(broken, "find-ttl"))
        ret_lease->ttl++;
    leave(broken);
    return entry != NULL ? 0 : none(broken, err, lease_id);
}

static int32_t
broken_renew(void *instance, const char *lease_id, uint64_t ttl, struct pk_lease *ret_lease,
             struct pk_error *err)
{
    struct broken *broken = enter(instance);
    struct entry *entry = find(broken, lease_id, is(broken, "over-renew"));
    if (entry != NULL) {
        uint64_t end = entry->lease.expires_at;
        set_ttl(broken, &entry->lease, ttl);
        if (is(broken, "renew-adds"))
            entry->lease.expires_at = end + ttl;
        if (is(broken, "renew-grows") && entry->lease.expires_at < end)
            entry->lease.expires_at = end;
        entry->ended = false;
        copy(broken, &entry->lease, ret_lease);
        if (is(broken, "renew-other"))
            ret_lease->epoch++;
    }
    leave(broken);
    if (entry == NULL && is(broken, "renew-none"))
        return 0;
    return entry != NULL ? 0 : none(broken, err, lease_id);
}

static int32_t
broken_downgrade(void *instance, const char *lease_id, struct pk_error *err)
{
    struct broken *broken = enter(instance);
    struct entry *entry = find(broken, lease_id, is(broken, "over-downgrade"));
    int32_t rc = 0;
    if (entry == NULL)
        rc = is(broken, "downgrade-none") ? 0 : none(broken, err, lease_id);
    else if (entry->lease.access == PK_ACCESS_READ && is(broken, "downgrade-once"))
        rc = pk_fail(err, -EINVAL, "a READ lease");
    else if (!is(broken, "downgrade-not"))
        entry->lease.access = PK_ACCESS_READ;
    if (entry != NULL && is(broken, "downgrade-epoch"))
        entry->lease.epoch++;
    leave(broken);
    return rc;
}

static int32_t
broken_release(void *instance, const char *lease_id, struct pk_error *err)
{
    struct broken *broken = enter(instance);
    struct entry *entry = find(broken, lease_id, false);
    for (uint32_t i = 0; is(broken, "release-all") && i < LEASES; i++)
        broken->entries[i].used = false;
    if (entry != NULL && !is(broken, "release-not"))
        entry->used = false;
    if (entry != NULL && is(broken, "release-reports"))
        broken->host->lease_ended(broken->host->ctx, &entry->lease);
    if (entry != NULL && is(broken, "release-expires")) {
        entry->used = true;
        entry->ended = true;
    }
    leave(broken);
    return entry == NULL && is(broken, "release-once") ? none(broken, err, lease_id) : 0;
}

/* ---- many leases ---- */

static bool
is_on(const struct pk_lease *lease, const struct pk_key *key, bool any_epoch)
{
    return strcmp(lease->object_id, key->id) == 0 && (any_epoch || lease->epoch == key->epoch);
}

static int32_t
broken_revoke(void *instance, const struct pk_key *key, uint32_t access, pk_lease_emit_fn *emit,
              void *arg, struct pk_error *err)
{
    struct broken *broken = enter(instance);
    struct pk_lease ended[LEASES];
    uint32_t count = 0;
    (void)err;
    for (uint32_t i = 0; i < LEASES; i++) {
        struct entry *entry = &broken->entries[i];
        bool is_it = is_on(&entry->lease, key, is(broken, "revoke-epochs"))
                     && (entry->lease.access == access || is(broken, "revoke-access"));
        if (!entry->used || (entry->ended && !is(broken, "over-revoke")) || !is_it)
            continue;
        ended[count++] = entry->lease;
        entry->used =
            is(broken, "revoke-not") || (is(broken, "revoke-claim") && access == PK_ACCESS_CREATE);
    }
    leave(broken);
    for (uint32_t i = 0; i < count && !is(broken, "revoke-silent"); i++)
        emit(arg, &ended[i]);
    if (count == 0 && is(broken, "revoke-extra"))
        emit(arg, &broken->entries[0].lease);
    return 0;
}

static int32_t
broken_holders(void *instance, const struct pk_key *key, uint64_t *ret_count, struct pk_error *err)
{
    struct broken *broken = enter(instance);
    uint64_t count = 0;
    (void)err;
    for (uint32_t i = 0; i < LEASES; i++) {
        const struct entry *entry = &broken->entries[i];
        bool lives = entry->used && (!entry->ended || is(broken, "over-holders"));
        if (is(broken, "holders-readers") && entry->lease.access != PK_ACCESS_READ)
            lives = false;
        count += lives && is_on(&entry->lease, key, is(broken, "holders-epochs"));
    }
    leave(broken);
    *ret_count = count;
    return 0;
}

static uint64_t
broken_next_expiry(void *instance)
{
    struct broken *broken = enter(instance);
    uint64_t next = PK_FOREVER;
    for (uint32_t i = 0; i < LEASES; i++) {
        const struct entry *entry = &broken->entries[i];
        if (entry->used && (entry->lease.expires_at < next || is(broken, "next-last")))
            next = entry->lease.expires_at;
    }
    leave(broken);
    return next == PK_FOREVER && is(broken, "next-zero") ? 0 : next;
}

static int32_t
broken_expire(void *instance, uint64_t now, pk_lease_emit_fn *emit, void *arg, struct pk_error *err)
{
    struct broken *broken = enter(instance);
    struct pk_lease ended[LEASES];
    uint32_t count = 0;
    (void)err;
    for (uint32_t i = 0; i < LEASES; i++) {
        struct entry *entry = &broken->entries[i];
        bool all = is(broken, "expire-all");
        bool early = is(broken, "expire-early") && entry->lease.expires_at <= now + 1;
        if (!entry->used || !(entry->ended || all || early)
            || (count > 0 && is(broken, "expire-one")))
            continue;
        ended[count++] = entry->lease;
        entry->used = is(broken, "expire-again");
    }
    if (!is(broken, "expire-locked"))
        leave(broken);
    for (uint32_t i = 0; i < count; i++) {
        if (is(broken, "expire-access"))
            ended[i].access = PK_ACCESS_READ;
        emit(arg, &ended[i]);
    }
    if (is(broken, "expire-locked"))
        leave(broken);
    return 0;
}

/* ---- the rest, and the tables ---- */

static int32_t
broken_reload(void *instance, const struct pk_conf *conf, struct pk_error *err)
{
    (void)conf;
    return is(instance, "reload") ? pk_fail(err, -EINVAL, "nothing can change") : 0;
}

static void
broken_stats(void *instance, void (*emit)(void *arg, const struct pk_stat *stat), void *arg)
{
    const struct pk_stat stat = { sizeof(stat), is(instance, "stats-kind") ? 9 : PK_STAT_GAUGE,
                                  "leases", "Leases", 0 };
    emit(arg, &stat);
}

static const struct pk_lease_ops broken_ops = {
    .struct_size = sizeof(broken_ops),
    .open = broken_open,
    .close = broken_close,
    .may_block = broken_may_block,
    .grant = broken_grant,
    .find = broken_find,
    .renew = broken_renew,
    .downgrade = broken_downgrade,
    .revoke = broken_revoke,
    .release = broken_release,
    .holders = broken_holders,
    .next_expiry = broken_next_expiry,
    .expire = broken_expire,
    .reload = broken_reload,
    .stats = broken_stats,
};

static const struct pk_plugin broken_plugin = {
    .struct_size = sizeof(broken_plugin),
    .abi_major = PK_ABI_MAJOR,
    .abi_minor = PK_ABI_MINOR,
    .kind = PK_KIND_LEASE,
    .option_count = OPTION_COUNT,
    .option_stride = sizeof(struct pk_option),
    .name = "lease_broken",
    .version = "1",
    .summary = "Keeps every rule but one",
    .options = broken_options,
    .ops = &broken_ops,
};

const struct pk_plugin *
pk_plugin_entry(void)
{
    return &broken_plugin;
}
