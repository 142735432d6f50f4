/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules about ends by time, to the nanosecond of a clock that moves by hand: a lease is over for
 * every slot when its time has come, whether or not `expire` has told of it.
 */
#include "conform/lease_call.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

struct scene {
    struct unit *unit;
    char id[PK_ID_MAX + 1];
    struct pk_lease lease; /* for CREATE */
};

static struct scene
begin(struct world *world)
{
    struct scene scene = { .unit = unit_open(world, 0) };
    (void)world_key(world, "expires", scene.id);
    scene.lease = lease_claim(world, scene.unit, scene.id);
    return scene;
}

/* At its end, to the nanosecond; expire was not called. */
static struct scene
begin_over(struct world *world)
{
    struct scene scene = begin(world);
    world_advance(world, LEASE_TTL);
    return scene;
}

static void
lives_till_then(struct world *world)
{
    struct scene scene = begin(world);
    world_advance(world, LEASE_TTL - 1);
    lease_must_live(world, scene.unit, &scene.lease, "a nanosecond before its end");
    must(world, lease_is_claimed(world, scene.unit, scene.id),
         "a nanosecond before its end a claim is gone");
    must(world, lease_holders(world, scene.unit, &scene.lease) == 1,
         "a nanosecond before its end a lease is no holder");
    unit_close(scene.unit);
}

static void
over_for_find(struct world *world)
{
    struct scene scene = begin_over(world);
    lease_must_be_over(world, scene.unit, &scene.lease, "at its end");
    unit_close(scene.unit);
}

static void
over_for_renew(struct world *world)
{
    struct scene scene = begin_over(world);
    struct pk_error err = PK_ERROR_INIT;
    struct pk_lease renewed = { .struct_size = sizeof(renewed) };
    int32_t rc = scene.unit->ops.lease.renew(scene.unit->instance, scene.lease.lease_id, LEASE_TTL,
                                             &renewed, &err);
    must(world, rc == -ESTALE, "renew of a lease at its end returned %" PRId32, rc);
    unit_close(scene.unit);
}

static void
over_for_downgrade(struct world *world)
{
    struct scene scene = begin_over(world);
    struct pk_error err = PK_ERROR_INIT;
    int32_t rc = scene.unit->ops.lease.downgrade(scene.unit->instance, scene.lease.lease_id, &err);
    must(world, rc == -ESTALE, "downgrade of a lease at its end returned %" PRId32, rc);
    unit_close(scene.unit);
}

static void
over_for_claims(struct world *world)
{
    struct scene scene = begin_over(world);
    must(world, !lease_is_claimed(world, scene.unit, scene.id), "at its end a claim still stands");
    unit_close(scene.unit);
}

static void
over_for_holders(struct world *world)
{
    struct scene scene = begin_over(world);
    uint64_t count = lease_holders(world, scene.unit, &scene.lease);
    must(world, count == 0, "a lease at its end counts as %" PRIu64 " holders", count);
    unit_close(scene.unit);
}

static void
over_for_revoke(struct world *world)
{
    struct scene scene = begin_over(world);
    struct emitted emitted = lease_revoke(world, scene.unit, &scene.lease, PK_ACCESS_CREATE);
    must(world, emitted.count == 0, "revoke emitted a lease that had run out");
    unit_close(scene.unit);
}

/* ---- expire ---- */

static void
emits_all(struct world *world)
{
    struct scene scene = begin(world);
    struct pk_lease a = lease_reader(world, scene.unit, scene.id, scene.lease.epoch);
    struct pk_lease b = lease_reader(world, scene.unit, scene.id, scene.lease.epoch);
    world_advance(world, LEASE_TTL);
    struct emitted emitted = lease_expire(world, scene.unit, world_now(world));
    must(world, emitted.count == 3, "3 leases ran out and %" PRIu32 " were emitted", emitted.count);
    must(world,
         emitted_has(&emitted, &scene.lease) && emitted_has(&emitted, &a)
             && emitted_has(&emitted, &b),
         "expire emitted other leases than ran out");
    unit_close(scene.unit);
}

static void
emits_what_it_was(struct world *world)
{
    struct scene scene = begin_over(world);
    struct emitted emitted = lease_expire(world, scene.unit, world_now(world));
    const struct pk_lease *told = &emitted.leases[0];
    must(world,
         emitted.count == 0
             || (told->access == PK_ACCESS_CREATE && told->epoch == scene.lease.epoch
                 && strcmp(told->object_id, scene.id) == 0
                 && told->expires_at == scene.lease.expires_at),
         "expire emitted a lease on '%s', epoch %" PRIu64 ", access %" PRIu32, told->object_id,
         told->epoch, told->access);
    unit_close(scene.unit);
}

static void
emits_once(struct world *world)
{
    struct scene scene = begin_over(world);
    (void)lease_expire(world, scene.unit, world_now(world));
    struct emitted emitted = lease_expire(world, scene.unit, world_now(world));
    must(world, emitted.count == 0, "expire emitted a lease again");
    unit_close(scene.unit);
}

/* Slots that find it over do not take it away from expire. */
static void
emits_what_others_saw(struct world *world)
{
    struct scene scene = begin_over(world);
    struct pk_lease found;
    (void)lease_find(scene.unit, scene.lease.lease_id, &found);
    (void)lease_holders(world, scene.unit, &scene.lease);
    (void)lease_is_claimed(world, scene.unit, scene.id);
    struct emitted emitted = lease_expire(world, scene.unit, world_now(world));
    must(world, emitted_has(&emitted, &scene.lease),
         "a lease that ran out is not emitted once another slot has looked for it");
    unit_close(scene.unit);
}

static void
spares_the_living(struct world *world)
{
    struct scene scene = begin(world);
    world_advance(world, LEASE_TTL - 1);
    struct emitted emitted = lease_expire(world, scene.unit, world_now(world));
    must(world, emitted.count == 0, "expire emitted a lease a nanosecond before its end");
    unit_close(scene.unit);
}

static void
spares_the_renewed(struct world *world)
{
    struct scene scene = begin(world);
    world_advance(world, LEASE_TTL - 1);
    (void)lease_renew(world, scene.unit, &scene.lease, LEASE_TTL);
    world_advance(world, 1);
    struct emitted emitted = lease_expire(world, scene.unit, world_now(world));
    must(world, emitted.count == 0, "expire emitted a lease at the end it had before renew");
    lease_must_live(world, scene.unit, &scene.lease, "renewed");
    unit_close(scene.unit);
}

static void
spares_the_released(struct world *world)
{
    struct scene scene = begin(world);
    lease_release(world, scene.unit, &scene.lease);
    world_advance(world, LEASE_TTL);
    struct emitted emitted = lease_expire(world, scene.unit, world_now(world));
    must(world, emitted.count == 0, "expire emitted a lease that had been released");
    unit_close(scene.unit);
}

static void
look_around(void *arg, const struct pk_lease *lease)
{
    struct scene *scene = arg;
    struct pk_lease found;
    (void)lease_find(scene->unit, lease->lease_id, &found);
    (void)scene->unit->ops.lease.next_expiry(scene->unit->instance);
}

static void
holds_no_lock(struct world *world)
{
    struct scene scene = begin_over(world);
    struct pk_error err = PK_ERROR_INIT;
    int32_t rc = scene.unit->ops.lease.expire(scene.unit->instance, world_now(world), look_around,
                                              &scene, &err);
    must(world, rc == 0, "expire returned %" PRId32 ": %s", rc, err.message);
    unit_close(scene.unit);
}

/* ---- next_expiry ---- */

static void
next_is_first(struct world *world)
{
    struct scene scene = begin(world);
    struct pk_lease later = lease_reader(world, scene.unit, scene.id, scene.lease.epoch);
    (void)lease_renew(world, scene.unit, &later, LEASE_TTL * 2UL);
    uint64_t next = scene.unit->ops.lease.next_expiry(scene.unit->instance);
    must(world, next == scene.lease.expires_at,
         "the first of two ends is %" PRIu64 ", next_expiry says %" PRIu64, scene.lease.expires_at,
         next);
    lease_release(world, scene.unit, &scene.lease);
    next = scene.unit->ops.lease.next_expiry(scene.unit->instance);
    must(world, next == world_now(world) + LEASE_TTL * 2UL,
         "with the first of two released, next_expiry says %" PRIu64, next);
    unit_close(scene.unit);
}

static void
next_is_never(struct world *world)
{
    struct scene scene = begin(world);
    lease_release(world, scene.unit, &scene.lease);
    uint64_t next = scene.unit->ops.lease.next_expiry(scene.unit->instance);
    must(world, next == PK_FOREVER, "without leases next_expiry says %" PRIu64, next);
    unit_close(scene.unit);
}

#define OVER \
    "A lease whose time has come is over for every slot, whether or not `expire` emitted it yet."
#define EXPIRES "Ends every lease that has run out by `now`, and emits each, once."

static const struct rule rules[] = {
    { "time: a lease lives to the last nanosecond", OVER, 0, lives_till_then },
    { "time: then it is over for find", OVER, 0, over_for_find },
    { "time: then it is over for renew", OVER, 0, over_for_renew },
    { "time: then it is over for downgrade", OVER, 0, over_for_downgrade },
    { "time: then its name is free", OVER, 0, over_for_claims },
    { "time: then it is over for holders", OVER, 0, over_for_holders },
    { "time: then it is over for revoke", OVER, 0, over_for_revoke },
    { "expire: emits all that ran out", EXPIRES, 0, emits_all },
    { "expire: emits each as it was", EXPIRES, 0, emits_what_it_was },
    { "expire: emits each once", EXPIRES, 0, emits_once },
    { "expire: emits also what other slots found over", EXPIRES, 0, emits_what_others_saw },
    { "expire: not a nanosecond early", EXPIRES, 0, spares_the_living },
    { "expire: not what was renewed", EXPIRES, 0, spares_the_renewed },
    { "expire: not what was released", EXPIRES, 0, spares_the_released },
    { "expire: holds no lock while it emits", "any slot may use the host table", 0, holds_no_lock },
    { "next_expiry: the first end", "When the next lease runs out", 0, next_is_first },
    { "next_expiry: PK_FOREVER where none runs out", "PK_FOREVER: none does.", 0, next_is_never },
};

const struct rule_group lease_expire_rules = RULE_GROUP(rules);
