/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules about claims and epochs: who may create under a name, and which number what is created
 * gets.
 */
#include "conform/lease_call.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define READ_EPOCH 7U

static struct unit *
begin(struct world *world, char id[PK_ID_MAX + 1])
{
    (void)world_key(world, "claim", id);
    return unit_open(world, 0);
}

static void
excludes(struct world *world)
{
    char id[PK_ID_MAX + 1];
    struct unit *unit = begin(world, id);
    (void)lease_claim(world, unit, id);
    must(world, lease_is_claimed(world, unit, id), "a claimed name was claimed once more");
    unit_close(unit);
}

static void
readers_share(struct world *world)
{
    char id[PK_ID_MAX + 1];
    struct unit *unit = begin(world, id);
    struct pk_lease claim = lease_claim(world, unit, id);
    struct pk_lease a = lease_reader(world, unit, id, READ_EPOCH);
    struct pk_lease b = lease_reader(world, unit, id, READ_EPOCH);
    lease_must_live(world, unit, &claim, "beside leases for READ");
    lease_must_live(world, unit, &a, "beside another lease for READ");
    lease_must_live(world, unit, &b, "beside another lease for READ");
    unit_close(unit);
}

static void
readers_do_not_claim(struct world *world)
{
    char id[PK_ID_MAX + 1];
    struct unit *unit = begin(world, id);
    (void)lease_reader(world, unit, id, READ_EPOCH);
    must(world, !lease_is_claimed(world, unit, id), "a lease for READ claims its name");
    unit_close(unit);
}

static void
release_frees(struct world *world)
{
    char id[PK_ID_MAX + 1];
    struct unit *unit = begin(world, id);
    struct pk_lease lease = lease_claim(world, unit, id);
    lease_release(world, unit, &lease);
    must(world, !lease_is_claimed(world, unit, id),
         "a name is claimed by a lease that was released");
    unit_close(unit);
}

static void
names_keep_apart(struct world *world)
{
    static const char *const names[] = { "a",  "A",        "a ",        " a", "a/b",  "a_b",
                                         "..", "\xc3\xa9", "e\xcc\x81", "a*", "a%00", "{a}" };
    struct unit *unit = unit_open(world, 0);
    char id[PK_ID_MAX + 1];
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        (void)world_key(world, names[i], id);
        must(world, !lease_is_claimed(world, unit, id), "'%s' is claimed by another name",
             names[i]);
        (void)lease_claim(world, unit, id);
    }
    memset(id, 'x', PK_ID_MAX);
    id[PK_ID_MAX] = '\0';
    memcpy(id, world->prefix, strlen(world->prefix));
    struct pk_lease lease = lease_claim(world, unit, id);
    must(world, strcmp(lease.object_id, id) == 0, "an id of %d bytes was cut", PK_ID_MAX);
    id[PK_ID_MAX - 1] = 'y';
    must(world, !lease_is_claimed(world, unit, id), "two ids of %d bytes are one", PK_ID_MAX);
    unit_close(unit);
}

/* ---- downgrade ---- */

static void
downgrade_keeps(struct world *world)
{
    char id[PK_ID_MAX + 1];
    struct unit *unit = begin(world, id);
    struct pk_lease lease = lease_claim(world, unit, id);
    world_advance(world, 5);
    lease_downgrade(world, unit, &lease);
    struct pk_lease found;
    must(world, lease_find(unit, lease.lease_id, &found) == 0, "a downgraded lease is gone");
    must(world, found.epoch == lease.epoch && found.expires_at == lease.expires_at,
         "downgrade turned epoch %" PRIu64 " with the end %" PRIu64 " into %" PRIu64 ", %" PRIu64,
         lease.epoch, lease.expires_at, found.epoch, found.expires_at);
    unit_close(unit);
}

static void
downgrade_reads(struct world *world)
{
    char id[PK_ID_MAX + 1];
    struct unit *unit = begin(world, id);
    struct pk_lease lease = lease_claim(world, unit, id);
    lease_downgrade(world, unit, &lease);
    struct pk_lease found;
    (void)lease_find(unit, lease.lease_id, &found);
    must(world, found.access == PK_ACCESS_READ, "after downgrade its access is %" PRIu32,
         found.access);
    unit_close(unit);
}

static void
downgrade_frees(struct world *world)
{
    char id[PK_ID_MAX + 1];
    struct unit *unit = begin(world, id);
    struct pk_lease lease = lease_claim(world, unit, id);
    lease_downgrade(world, unit, &lease);
    must(world, !lease_is_claimed(world, unit, id), "a downgraded lease still claims the name");
    unit_close(unit);
}

static void
downgrade_twice(struct world *world)
{
    char id[PK_ID_MAX + 1];
    struct unit *unit = begin(world, id);
    struct pk_lease lease = lease_claim(world, unit, id);
    lease_downgrade(world, unit, &lease);
    lease_downgrade(world, unit, &lease);
    unit_close(unit);
}

static void
downgrade_none(struct world *world)
{
    char id[PK_ID_MAX + 1];
    struct unit *unit = begin(world, id);
    struct pk_error err = PK_ERROR_INIT;
    int32_t rc = unit->ops.lease.downgrade(unit->instance, NO_LEASE, &err);
    must(world, rc == -ESTALE, "downgrade of no lease returned %" PRId32, rc);
    unit_close(unit);
}

/* ---- epochs ---- */

static void
epochs_differ(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    uint64_t last = 0;
    for (int i = 0; i < 20; i++) {
        char id[PK_ID_MAX + 1];
        (void)world_key(world, i % 2 == 0 ? "one" : "other", id);
        struct pk_lease lease = lease_claim(world, unit, id);
        must(world, lease.epoch > last, "epoch %" PRIu64 " was given after %" PRIu64, lease.epoch,
             last);
        last = lease.epoch;
        lease_release(world, unit, &lease);
    }
    unit_close(unit);
}

static void
epochs_above_floor(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    char id[PK_ID_MAX + 1];
    struct pk_key key = world_key(world, "floor", id);
    struct pk_lease_request request = lease_request(PK_ACCESS_CREATE, &key, LEASE_TTL);
    struct pk_lease lease = lease_grant(world, unit, &request);
    lease_release(world, unit, &lease);
    request.epoch_floor = lease.epoch + 1000;
    lease = lease_grant(world, unit, &request);
    must(world, lease.epoch > request.epoch_floor,
         "epoch %" PRIu64 " was given where %" PRIu64 " was in storage", lease.epoch,
         request.epoch_floor);
    unit_close(unit);
}

#define CLAIMS "CREATE claims the name until that lease ends or is downgraded."
#define SAME "Turns a CREATE lease into a READ lease with the same id, epoch and end"

static const struct rule rules[] = {
    { "claim: excludes another", "-EEXIST: CREATE, and another lease claims the name", 0,
      excludes },
    { "claim: leaves readers alone", CLAIMS, 0, readers_share },
    { "claim: is none of a reader's", CLAIMS, 0, readers_do_not_claim },
    { "claim: ends with its lease", CLAIMS, 0, release_frees },
    { "claim: ids of any form keep apart",
      "NUL-terminated, 1..PK_ID_MAX bytes of UTF-8, no control characters", 0, names_keep_apart },
    { "downgrade: keeps epoch and end", SAME, 0, downgrade_keeps },
    { "downgrade: makes it a lease for READ", SAME, 0, downgrade_reads },
    { "downgrade: frees the name", "the name is no longer claimed.", 0, downgrade_frees },
    { "downgrade: twice is 0", "0 when it is one already.", 0, downgrade_twice },
    { "downgrade: -ESTALE for what is no lease", "-ESTALE: there is none of this id.", 0,
      downgrade_none },
    { "epoch: each is above the last", "A pair is given once and never again", 0, epochs_differ },
    { "epoch: above what is in storage", "the new epoch is greater than this", 0,
      epochs_above_floor },
};

const struct rule_group lease_claim_rules = RULE_GROUP(rules);
