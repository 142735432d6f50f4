/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules about `grant` and `find`: what a lease says of itself, its id, and its time. Names and
 * epochs are in lease_claim.c.
 */
#include "conform/lease_call.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define IDS 300U
#define READ_EPOCH 7U

static void
must_be(struct world *world, const struct pk_lease *lease, uint32_t access, const char *id,
        const char *whose)
{
    must(world, lease->access == access, "%s: its access is %" PRIu32, whose, lease->access);
    must(world, strcmp(lease->object_id, id) == 0, "%s: its object is '%s', not '%s'", whose,
         lease->object_id, id);
    must(world, lease->epoch > 0, "%s: its epoch is 0", whose);
}

static void
fills_create(struct world *world)
{
    char id[PK_ID_MAX + 1];
    struct unit *unit = unit_open(world, 0);
    (void)world_key(world, "filled", id);
    struct pk_lease lease = lease_claim(world, unit, id);
    must_be(world, &lease, PK_ACCESS_CREATE, id, "a lease for CREATE");
    unit_close(unit);
}

static void
fills_read(struct world *world)
{
    char id[PK_ID_MAX + 1];
    struct unit *unit = unit_open(world, 0);
    (void)world_key(world, "filled", id);
    struct pk_lease lease = lease_reader(world, unit, id, READ_EPOCH);
    must_be(world, &lease, PK_ACCESS_READ, id, "a lease for READ");
    must(world, lease.epoch == READ_EPOCH, "READ of epoch %u was given epoch %" PRIu64, READ_EPOCH,
         lease.epoch);
    unit_close(unit);
}

static void
struct_size_kept(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    char id[PK_ID_MAX + 1];
    struct pk_key key = world_key(world, "short", id);
    struct pk_lease_request request = lease_request(PK_ACCESS_CREATE, &key, LEASE_TTL);
    struct pk_error err = PK_ERROR_INIT;
    struct pk_lease lease;
    memset(&lease, 0x5a, sizeof(lease));
    lease.struct_size = offsetof(struct pk_lease, ttl);
    int32_t rc = unit->ops.lease.grant(unit->instance, &request, &lease, &err);
    must(world, rc == 0, "grant returned %" PRId32 ": %s", rc, err.message);
    must(world, lease.ttl == UINT64_C(0x5a5a5a5a5a5a5a5a) && lease.expires_at == lease.ttl,
         "grant wrote behind the host's struct_size");
    must(world, lease.struct_size == offsetof(struct pk_lease, ttl), "grant changed struct_size");
    unit_close(unit);
}

/* ---- ids ---- */

static bool
is_uuid4(const char *id)
{
    if (strnlen(id, PK_LEASE_ID_LEN + 1) != PK_LEASE_ID_LEN || id[14] != '4'
        || strchr("89ab", id[19]) == NULL)
        return false;
    for (size_t i = 0; i < PK_LEASE_ID_LEN; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? id[i] != '-' : !isxdigit((unsigned char)id[i]) || isupper((unsigned char)id[i]))
            return false;
    }
    return true;
}

static void
uuids(struct world *world)
{
    char id[PK_ID_MAX + 1];
    struct unit *unit = unit_open(world, 0);
    (void)world_key(world, "uuid", id);
    for (uint32_t i = 0; i < 32; i++) {
        struct pk_lease lease = lease_reader(world, unit, id, READ_EPOCH);
        must(world, is_uuid4(lease.lease_id), "lease id %" PRIu32 " is no UUIDv4 in lower case", i);
    }
    unit_close(unit);
}

static int
compare(const void *a, const void *b)
{
    return memcmp(a, b, PK_LEASE_ID_LEN + 1);
}

static void
differ(struct world *world)
{
    static char ids[IDS][PK_LEASE_ID_LEN + 1];
    char id[PK_ID_MAX + 1];
    struct unit *unit = unit_open(world, 0);
    (void)world_key(world, "differ", id);
    for (uint32_t i = 0; i < IDS; i++) {
        struct pk_lease lease = lease_reader(world, unit, id, READ_EPOCH);
        memcpy(ids[i], lease.lease_id, sizeof(ids[i]));
        lease_release(world, unit, &lease);
    }
    qsort(ids, IDS, sizeof(ids[0]), compare);
    for (uint32_t i = 1; i < IDS; i++)
        must(world, compare(ids[i - 1], ids[i]) != 0, "a lease id was given twice");
    unit_close(unit);
}

static void
no_randomness(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    char id[PK_ID_MAX + 1];
    struct pk_key key = world_key(world, "random", id);
    struct pk_lease_request request = lease_request(PK_ACCESS_CREATE, &key, LEASE_TTL);
    struct pk_error err = PK_ERROR_INIT;
    struct pk_lease lease;
    atomic_store(&world->stage.random_rc, -EIO);
    int32_t rc = lease_try_grant(unit, &request, &lease, &err);
    must(world, rc == -EIO, "grant without randomness returned %" PRId32, rc);
    atomic_store(&world->stage.random_rc, 0);
    must(world, !lease_is_claimed(world, unit, id), "a grant that failed left the name claimed");
    unit_close(unit);
}

static void
stays_secret(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    char id[PK_ID_MAX + 1];
    struct pk_key key = world_key(world, "secret", id);
    struct pk_lease_request request = lease_request(PK_ACCESS_CREATE, &key, LEASE_TTL);
    struct pk_error err = PK_ERROR_INIT;
    struct pk_lease lease = lease_claim(world, unit, id);
    struct pk_lease other;
    (void)lease_try_grant(unit, &request, &other, &err);
    must(world, strstr(err.message, lease.lease_id) == NULL, "a lease id is in grant's message");
    (void)lease_renew(world, unit, &lease, LEASE_TTL);
    lease_downgrade(world, unit, &lease);
    lease_release(world, unit, &lease);
    err = (struct pk_error)PK_ERROR_INIT;
    (void)unit->ops.lease.find(unit->instance, lease.lease_id, &other, &err);
    must(world, strstr(err.message, lease.lease_id) == NULL, "a lease id is in find's message");
    err = (struct pk_error)PK_ERROR_INIT;
    (void)unit->ops.lease.renew(unit->instance, lease.lease_id, 0, &other, &err);
    must(world, strstr(err.message, lease.lease_id) == NULL, "a lease id is in renew's message");
    must(world, strstr(host_log(unit->host), lease.lease_id) == NULL, "a lease id is in the log");
    unit_close(unit);
}

/* ---- time ---- */

static struct pk_lease
with_ttl(struct world *world, struct unit *unit, uint64_t ttl)
{
    char id[PK_ID_MAX + 1];
    struct pk_key key = world_key(world, "time", id);
    struct pk_lease_request request = lease_request(PK_ACCESS_READ, &key, ttl);
    struct pk_error err = PK_ERROR_INIT;
    struct pk_lease lease;
    int32_t rc = lease_try_grant(unit, &request, &lease, &err);
    if (rc == -EINVAL && ttl == PK_FOREVER)
        world_skip(world, "it gives no leases without end");
    must(world, rc == 0, "grant with a ttl of %" PRIu64 " ns returned %" PRId32 ": %s", ttl, rc,
         err.message);
    return lease;
}

static void
ends_after_ttl(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    struct pk_lease lease = with_ttl(world, unit, LEASE_TTL);
    must(world, lease.ttl == LEASE_TTL, "a ttl of 1 s became %" PRIu64 " ns", lease.ttl);
    must(world, lease.expires_at == world_now(world) + LEASE_TTL,
         "at %" PRIu64 " a lease of 1 s was to end at %" PRIu64, world_now(world),
         lease.expires_at);
    unit_close(unit);
}

static void
default_ttl(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    struct pk_lease lease = with_ttl(world, unit, 0);
    must(world, lease.ttl != 0, "a ttl of 0 became 0");
    must(world, lease.ttl == PK_FOREVER || lease.expires_at == world_now(world) + lease.ttl,
         "at %" PRIu64 " a lease of %" PRIu64 " ns was to end at %" PRIu64, world_now(world),
         lease.ttl, lease.expires_at);
    lease_must_live(world, unit, &lease, "with the default ttl");
    unit_close(unit);
}

static void
forever(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    struct pk_lease lease = with_ttl(world, unit, PK_FOREVER);
    must(world, (lease.ttl == PK_FOREVER) == (lease.expires_at == PK_FOREVER),
         "its ttl is %" PRIu64 " and its end %" PRIu64, lease.ttl, lease.expires_at);
    must(world, lease.ttl == PK_FOREVER || lease.expires_at == world_now(world) + lease.ttl,
         "it was cut to %" PRIu64 " ns and ends at %" PRIu64, lease.ttl, lease.expires_at);
    unit_close(unit);
}

static void
too_long(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    struct pk_lease lease = with_ttl(world, unit, PK_FOREVER - 1);
    must(world, lease.expires_at > world_now(world), "it ended at %" PRIu64 ", before it began",
         lease.expires_at);
    lease_must_live(world, unit, &lease, "with the longest ttl that there is");
    unit_close(unit);
}

/* ---- find ---- */

static void
finds(struct world *world)
{
    char id[PK_ID_MAX + 1];
    struct unit *unit = unit_open(world, 0);
    (void)world_key(world, "found", id);
    struct pk_lease lease = lease_claim(world, unit, id);
    struct pk_lease found;
    int32_t rc = lease_find(unit, lease.lease_id, &found);
    must(world, rc == 0, "find returned %" PRId32, rc);
    must(world,
         found.access == lease.access && found.epoch == lease.epoch && found.ttl == lease.ttl
             && found.expires_at == lease.expires_at
             && strcmp(found.object_id, lease.object_id) == 0
             && strcmp(found.lease_id, lease.lease_id) == 0,
         "find says something else than grant did");
    unit_close(unit);
}

static void
finds_none(struct world *world)
{
    static const char *const ids[] = { NO_LEASE, "", "x", "00000000-0000-4000-8000-00000000000g" };
    struct unit *unit = unit_open(world, 0);
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        struct pk_lease lease;
        int32_t rc = lease_find(unit, ids[i], &lease);
        must(world, rc == -ESTALE, "find of '%s' returned %" PRId32, ids[i], rc);
    }
    unit_close(unit);
}

#define UNTOUCHED 0x5a /* each byte of an output that must stay as it was */

static struct pk_lease
untouched_lease(void)
{
    struct pk_lease lease;
    memset(&lease, UNTOUCHED, sizeof(lease));
    lease.struct_size = sizeof(lease);
    return lease;
}

static bool
is_untouched(const struct pk_lease *lease)
{
    const uint8_t *bytes = (const uint8_t *)lease;
    for (size_t i = sizeof(lease->struct_size); i < sizeof(*lease); i++) {
        if (bytes[i] != UNTOUCHED)
            return false;
    }
    return lease->struct_size == sizeof(*lease);
}

static void
failure_untouched(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    char id[PK_ID_MAX + 1];
    struct pk_key key = world_key(world, "untouched", id);
    struct pk_lease_request request = lease_request(PK_ACCESS_CREATE, &key, LEASE_TTL);
    struct pk_error err = PK_ERROR_INIT;
    (void)lease_claim(world, unit, id);
    struct pk_lease lease = untouched_lease();
    must(world, unit->ops.lease.grant(unit->instance, &request, &lease, &err) != 0,
         "grant of a claimed name succeeded");
    must(world, is_untouched(&lease), "grant failed and changed *ret_lease");
    (void)unit->ops.lease.find(unit->instance, NO_LEASE, &lease, &err);
    must(world, is_untouched(&lease), "find failed and changed *ret_lease");
    (void)unit->ops.lease.renew(unit->instance, NO_LEASE, LEASE_TTL, &lease, &err);
    must(world, is_untouched(&lease), "renew failed and changed *ret_lease");
    unit_close(unit);
}

static void
failure_explained(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    char id[PK_ID_MAX + 1];
    struct pk_key key = world_key(world, "explained", id);
    struct pk_lease_request request = lease_request(PK_ACCESS_CREATE, &key, LEASE_TTL);
    struct pk_lease lease = lease_claim(world, unit, id);
    struct pk_error err = error_fresh();
    int32_t rc = lease_try_grant(unit, &request, &lease, &err);
    must_explain(world, "grant", rc, &err);
    err = error_fresh();
    rc = unit->ops.lease.find(unit->instance, NO_LEASE, &lease, &err);
    must_explain(world, "find", rc, &err);
    err = error_fresh();
    rc = unit->ops.lease.renew(unit->instance, NO_LEASE, LEASE_TTL, &lease, &err);
    must_explain(world, "renew", rc, &err);
    err = error_fresh();
    rc = unit->ops.lease.downgrade(unit->instance, NO_LEASE, &err);
    must_explain(world, "downgrade", rc, &err);
    unit_close(unit);
}

#define FILLS "and fills ret_lease, whose struct_size the host set."
#define TTL "nanoseconds; 0 = the factory's default; PK_FOREVER where the factory allows it."
#define SECRET "Lease ids are secrets: they never go into a log, an error message or a figure."

static const struct rule rules[] = {
    { "grant: fills a lease for CREATE", FILLS, 0, fills_create },
    { "grant: READ is of the epoch that was named", "READ: the object's", 0, fills_read },
    { "grant: writes no more than struct_size", FILLS, 0, struct_size_kept },
    { "grant: lease ids are UUIDv4 in lower case",
      "Grants a lease with an id of its own (a UUIDv4 from host->random)", 0, uuids },
    { "grant: no lease id twice",
      "Grants a lease with an id of its own (a UUIDv4 from host->random)", 0, differ },
    { "grant: no randomness is -EIO", "-EIO: no randomness", 0, no_randomness },
    { "grant: lease ids stay secret", SECRET, 0, stays_secret },
    { "grant: ends its ttl from now", "CLOCK_MONOTONIC nanoseconds; PK_FOREVER as above", 0,
      ends_after_ttl },
    { "grant: a ttl of 0 is the default", TTL, 0, default_ttl },
    { "grant: PK_FOREVER never ends, or is cut", TTL, 0, forever },
    { "grant: the longest ttl does not end at once", "Longer than it allows: cut to that", 0,
      too_long },
    { "find: says what grant said", "Fills ret_lease for a live lease.", 0, finds },
    { "find: -ESTALE for what is no lease", "-ESTALE: there is none of this id.", 0, finds_none },
    { "grant, find, renew: a failure leaves the output alone",
      "On failure every ret_* is as it was", 0, failure_untouched },
    { "grant, find, renew, downgrade: a failure explains itself",
      "Returns 0 or a negative errno (types.h) with one line in err.", 0, failure_explained },
};

const struct rule_group lease_grant_rules = RULE_GROUP(rules);
