/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules about `release`, `revoke` and `holders`: which leases end, and how many are left. Ends by
 * time are in lease_expire.c.
 */
#include "conform/lease_call.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* A lease for CREATE and two for READ of one object, and one for READ of its predecessor. */
struct scene {
    struct unit *unit;
    char id[PK_ID_MAX + 1];
    struct pk_lease claim;
    struct pk_lease readers[2];
    struct pk_lease other;
};

static struct scene
begin(struct world *world)
{
    struct scene scene = { .unit = unit_open(world, 0) };
    (void)world_key(world, "ends", scene.id);
    scene.claim = lease_claim(world, scene.unit, scene.id);
    scene.readers[0] = lease_reader(world, scene.unit, scene.id, scene.claim.epoch);
    scene.readers[1] = lease_reader(world, scene.unit, scene.id, scene.claim.epoch);
    scene.other = lease_reader(world, scene.unit, scene.id, scene.claim.epoch - 1);
    return scene;
}

/* ---- release ---- */

static void
release_ends(struct world *world)
{
    struct scene scene = begin(world);
    lease_release(world, scene.unit, &scene.readers[0]);
    lease_must_be_over(world, scene.unit, &scene.readers[0], "released");
    unit_close(scene.unit);
}

static void
release_ends_one(struct world *world)
{
    struct scene scene = begin(world);
    lease_release(world, scene.unit, &scene.readers[0]);
    lease_must_live(world, scene.unit, &scene.readers[1], "after another's release");
    lease_must_live(world, scene.unit, &scene.claim, "after another's release");
    unit_close(scene.unit);
}

static void
release_twice(struct world *world)
{
    struct scene scene = begin(world);
    struct pk_error err = PK_ERROR_INIT;
    lease_release(world, scene.unit, &scene.readers[0]);
    int32_t rc =
        scene.unit->ops.lease.release(scene.unit->instance, scene.readers[0].lease_id, &err);
    must(world, rc == 0, "the second release returned %" PRId32, rc);
    rc = scene.unit->ops.lease.release(scene.unit->instance, NO_LEASE, &err);
    must(world, rc == 0, "release of no lease returned %" PRId32, rc);
    unit_close(scene.unit);
}

/* ---- revoke ---- */

static void
revoke_ends(struct world *world)
{
    struct scene scene = begin(world);
    (void)lease_revoke(world, scene.unit, &scene.claim, PK_ACCESS_READ);
    lease_must_be_over(world, scene.unit, &scene.readers[0], "revoked");
    lease_must_be_over(world, scene.unit, &scene.readers[1], "revoked");
    unit_close(scene.unit);
}

static void
revoke_emits(struct world *world)
{
    struct scene scene = begin(world);
    struct emitted emitted = lease_revoke(world, scene.unit, &scene.claim, PK_ACCESS_READ);
    must(world, emitted.count == 2, "2 leases were revoked and %" PRIu32 " emitted", emitted.count);
    must(world,
         emitted_has(&emitted, &scene.readers[0]) && emitted_has(&emitted, &scene.readers[1]),
         "revoke emitted other leases than it ended");
    must(world,
         emitted.leases[0].epoch == scene.claim.epoch
             && strcmp(emitted.leases[0].object_id, scene.id) == 0,
         "revoke emitted a lease on '%s', epoch %" PRIu64, emitted.leases[0].object_id,
         emitted.leases[0].epoch);
    unit_close(scene.unit);
}

static void
revoke_claim(struct world *world)
{
    struct scene scene = begin(world);
    struct emitted emitted = lease_revoke(world, scene.unit, &scene.claim, PK_ACCESS_CREATE);
    must(world, emitted.count == 1 && emitted_has(&emitted, &scene.claim),
         "revoke for CREATE emitted %" PRIu32 " leases", emitted.count);
    must(world, !lease_is_claimed(world, scene.unit, scene.id), "a revoked claim still stands");
    unit_close(scene.unit);
}

static void
revoke_that_access(struct world *world)
{
    struct scene scene = begin(world);
    (void)lease_revoke(world, scene.unit, &scene.claim, PK_ACCESS_READ);
    lease_must_live(world, scene.unit, &scene.claim, "after readers were revoked");
    unit_close(scene.unit);
    scene = begin(world);
    (void)lease_revoke(world, scene.unit, &scene.claim, PK_ACCESS_CREATE);
    lease_must_live(world, scene.unit, &scene.readers[0], "after the claim was revoked");
    unit_close(scene.unit);
}

static void
revoke_that_epoch(struct world *world)
{
    struct scene scene = begin(world);
    (void)lease_revoke(world, scene.unit, &scene.claim, PK_ACCESS_READ);
    lease_must_live(world, scene.unit, &scene.other, "after another epoch's were revoked");
    unit_close(scene.unit);
}

static void
revoke_none(struct world *world)
{
    struct scene scene = begin(world);
    struct pk_lease nobody = scene.claim;
    nobody.epoch += 100;
    struct emitted emitted = lease_revoke(world, scene.unit, &nobody, PK_ACCESS_READ);
    must(world, emitted.count == 0, "revoke of an epoch without leases emitted %" PRIu32,
         emitted.count);
    unit_close(scene.unit);
}

/* ---- holders ---- */

static void
must_hold(struct world *world, const struct scene *scene, const struct pk_lease *lease,
          uint64_t want, const char *when)
{
    uint64_t count = lease_holders(world, scene->unit, lease);
    must(world, count == want, "%s: %" PRIu64 " holders, not %" PRIu64, when, count, want);
}

static void
holders_count(struct world *world)
{
    struct scene scene = begin(world);
    must_hold(world, &scene, &scene.claim, 3, "one for CREATE and two for READ");
    lease_release(world, scene.unit, &scene.readers[0]);
    must_hold(world, &scene, &scene.claim, 2, "one of three was released");
    lease_downgrade(world, scene.unit, &scene.claim);
    must_hold(world, &scene, &scene.claim, 2, "one of two was downgraded");
    (void)lease_revoke(world, scene.unit, &scene.claim, PK_ACCESS_READ);
    must_hold(world, &scene, &scene.claim, 0, "all were revoked");
    unit_close(scene.unit);
}

static void
holders_of_epoch(struct world *world)
{
    struct scene scene = begin(world);
    must_hold(world, &scene, &scene.other, 1, "another epoch");
    struct pk_lease nobody = scene.claim;
    nobody.epoch += 100;
    must_hold(world, &scene, &nobody, 0, "an epoch without leases");
    unit_close(scene.unit);
}

/* ---- instances ---- */

static void
ends_are_not_reported(struct world *world)
{
    struct scene scene = begin(world);
    (void)lease_revoke(world, scene.unit, &scene.claim, PK_ACCESS_READ);
    lease_release(world, scene.unit, &scene.claim);
    world_advance(world, LEASE_TTL);
    (void)lease_expire(world, scene.unit, world_now(world));
    uint32_t events = host_events(scene.unit->host);
    must(world, events == 0, "lease_ended was called %" PRIu32 " times, for what the host did",
         events);
    unit_close(scene.unit);
}

static void
two_instances(struct world *world)
{
    struct unit *a = unit_open(world, 0);
    struct unit *b = unit_open(world, 1);
    char id[PK_ID_MAX + 1];
    (void)world_key(world, "two", id);
    struct pk_lease lease = lease_claim(world, a, id);
    if (!subject_has_folder(world->subject)
        && lease_find(b, lease.lease_id, &(struct pk_lease){ .struct_size = sizeof(lease) }) == 0)
        world_skip(world, "its instances share one store");
    must(world, !lease_is_claimed(world, b, id), "a claim in one instance is one in another");
    unit_close(b);
    lease_must_live(world, a, &lease, "after another instance was closed");
    unit_close(a);
}

#define HOLDERS "How many live leases (id, epoch) has, over all nodes that share the backend."
#define REVOKES "Ends every lease on (id, epoch) whose access is `access`, and emits each."

static const struct rule rules[] = {
    { "release: ends the lease", "Ends one lease; 0 also when there is none of this id.", 0,
      release_ends },
    { "release: ends no other", "Ends one lease; 0 also when there is none of this id.", 0,
      release_ends_one },
    { "release: 0 where there is none", "0 also when there is none of this id.", 0, release_twice },
    { "revoke: ends the leases", REVOKES, 0, revoke_ends },
    { "revoke: emits each", REVOKES, 0, revoke_emits },
    { "revoke: frees a claimed name",
      "CREATE claims the name until that lease ends or is downgraded.", 0, revoke_claim },
    { "revoke: ends that access alone", REVOKES, 0, revoke_that_access },
    { "revoke: ends that epoch's alone", REVOKES, 0, revoke_that_epoch },
    { "revoke: emits nothing where there is none", REVOKES, 0, revoke_none },
    { "holders: counts the leases that live", HOLDERS, 0, holders_count },
    { "holders: counts one epoch's", HOLDERS, 0, holders_of_epoch },
    { "host: hears of no lease that it ended itself",
      "this lease ended for a reason that no slot of the host's caused", 0, ends_are_not_reported },
    { "open: two instances at once keep apart", "`instance` is what open returned.", 0,
      two_instances },
};

const struct rule_group lease_end_rules = RULE_GROUP(rules);
