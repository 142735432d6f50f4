/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules about `renew`: from now, also to less, and never back from the dead.
 */
#include "conform/lease_call.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static struct unit *
begin(struct world *world, struct pk_lease *ret_lease)
{
    char id[PK_ID_MAX + 1];
    struct unit *unit = unit_open(world, 0);
    (void)world_key(world, "renewed", id);
    *ret_lease = lease_claim(world, unit, id);
    return unit;
}

static void
from_now(struct world *world)
{
    struct pk_lease lease;
    struct unit *unit = begin(world, &lease);
    world_advance(world, LEASE_TTL / 2);
    struct pk_lease renewed = lease_renew(world, unit, &lease, LEASE_TTL);
    must(world, renewed.expires_at == world_now(world) + LEASE_TTL,
         "renewed at %" PRIu64 " for 1 s it was to end at %" PRIu64, world_now(world),
         renewed.expires_at);
    world_advance(world, LEASE_TTL - 1);
    lease_must_live(world, unit, &lease, "a nanosecond before its new end");
    unit_close(unit);
}

static void
to_less(struct world *world)
{
    struct pk_lease lease;
    struct unit *unit = begin(world, &lease);
    (void)lease_renew(world, unit, &lease, LEASE_TTL / 4);
    world_advance(world, LEASE_TTL / 4);
    lease_must_be_over(world, unit, &lease, "at the end that renew set");
    unit_close(unit);
}

static void
tells_the_lease(struct world *world)
{
    struct pk_lease lease;
    struct unit *unit = begin(world, &lease);
    struct pk_lease renewed = lease_renew(world, unit, &lease, LEASE_TTL / 2);
    must(world,
         renewed.access == lease.access && renewed.epoch == lease.epoch
             && strcmp(renewed.lease_id, lease.lease_id) == 0
             && strcmp(renewed.object_id, lease.object_id) == 0,
         "renew tells of another lease");
    must(world, renewed.ttl == LEASE_TTL / 2, "renewed for 0.5 s its ttl is %" PRIu64, renewed.ttl);
    unit_close(unit);
}

static void
default_ttl(struct world *world)
{
    struct pk_lease lease;
    struct unit *unit = begin(world, &lease);
    struct pk_lease renewed = lease_renew(world, unit, &lease, 0);
    must(world, renewed.ttl > 0 && renewed.expires_at > world_now(world),
         "renewed for the default ttl it ends at %" PRIu64, renewed.expires_at);
    unit_close(unit);
}

static void
none(struct world *world)
{
    struct pk_lease lease;
    struct unit *unit = begin(world, &lease);
    struct pk_error err = PK_ERROR_INIT;
    struct pk_lease renewed = { .struct_size = sizeof(renewed) };
    lease_release(world, unit, &lease);
    int32_t rc = unit->ops.lease.renew(unit->instance, lease.lease_id, LEASE_TTL, &renewed, &err);
    must(world, rc == -ESTALE, "renew of a released lease returned %" PRId32, rc);
    lease_must_be_over(world, unit, &lease, "after renew");
    unit_close(unit);
}

static const struct rule rules[] = {
    { "renew: from now", "Lets the lease end `ttl` from now instead", 0, from_now },
    { "renew: to less", "Lets the lease end `ttl` from now instead", 0, to_less },
    { "renew: tells of the same lease", "and fills ret_lease.", 0, tells_the_lease },
    { "renew: a ttl of 0 is the default", "(0, PK_FOREVER and cutting as in grant)", 0,
      default_ttl },
    { "renew: -ESTALE for what was released",
      "-ESTALE: there is none of this id any more: it can't be brought back.", 0, none },
};

const struct rule_group lease_renew_rules = RULE_GROUP(rules);
