/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Steps of rules about leases, each with the message of its failure. No message holds a lease id.
 */
#include "conform/lease_call.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

uint64_t
world_now(struct world *world)
{
    return atomic_load(&world->stage.now);
}

/* ---- granting ---- */

struct pk_lease_request
lease_request(uint32_t access, const struct pk_key *key, uint64_t ttl)
{
    struct pk_lease_request request = {
        .struct_size = sizeof(request),
        .access = access,
        .key = *key,
        .ttl = ttl,
    };
    if (access == PK_ACCESS_CREATE)
        request.key.epoch = 0;
    return request;
}

int32_t
lease_try_grant(struct unit *unit, const struct pk_lease_request *request,
                struct pk_lease *ret_lease, struct pk_error *err)
{
    *ret_lease = (struct pk_lease){ .struct_size = sizeof(*ret_lease) };
    return unit->ops.lease.grant(unit->instance, request, ret_lease, err);
}

struct pk_lease
lease_grant(struct world *world, struct unit *unit, const struct pk_lease_request *request)
{
    struct pk_error err = PK_ERROR_INIT;
    struct pk_lease lease;
    int32_t rc = lease_try_grant(unit, request, &lease, &err);
    must(world, rc == 0, "grant for %s of '%s' returned %" PRId32 ": %s",
         request->access == PK_ACCESS_CREATE ? "CREATE" : "READ", request->key.id, rc, err.message);
    return lease;
}

struct pk_lease
lease_claim(struct world *world, struct unit *unit, const char *id)
{
    const struct pk_key key = { id, 0 };
    struct pk_lease_request request = lease_request(PK_ACCESS_CREATE, &key, LEASE_TTL);
    return lease_grant(world, unit, &request);
}

struct pk_lease
lease_reader(struct world *world, struct unit *unit, const char *id, uint64_t epoch)
{
    const struct pk_key key = { id, epoch };
    struct pk_lease_request request = lease_request(PK_ACCESS_READ, &key, LEASE_TTL);
    return lease_grant(world, unit, &request);
}

/* ---- one lease ---- */

int32_t
lease_find(struct unit *unit, const char *lease_id, struct pk_lease *ret_lease)
{
    struct pk_error err = PK_ERROR_INIT;
    *ret_lease = (struct pk_lease){ .struct_size = sizeof(*ret_lease) };
    return unit->ops.lease.find(unit->instance, lease_id, ret_lease, &err);
}

void
lease_must_live(struct world *world, struct unit *unit, const struct pk_lease *lease,
                const char *when)
{
    struct pk_lease found;
    int32_t rc = lease_find(unit, lease->lease_id, &found);
    must(world, rc == 0, "%s: find returned %" PRId32 " for a lease that lives", when, rc);
}

void
lease_must_be_over(struct world *world, struct unit *unit, const struct pk_lease *lease,
                   const char *when)
{
    struct pk_lease found;
    int32_t rc = lease_find(unit, lease->lease_id, &found);
    must(world, rc == -ESTALE, "%s: find returned %" PRId32 " for a lease that is over", when, rc);
}

struct pk_lease
lease_renew(struct world *world, struct unit *unit, const struct pk_lease *lease, uint64_t ttl)
{
    struct pk_error err = PK_ERROR_INIT;
    struct pk_lease renewed = { .struct_size = sizeof(renewed) };
    int32_t rc = unit->ops.lease.renew(unit->instance, lease->lease_id, ttl, &renewed, &err);
    must(world, rc == 0, "renew returned %" PRId32 ": %s", rc, err.message);
    return renewed;
}

void
lease_downgrade(struct world *world, struct unit *unit, const struct pk_lease *lease)
{
    struct pk_error err = PK_ERROR_INIT;
    int32_t rc = unit->ops.lease.downgrade(unit->instance, lease->lease_id, &err);
    must(world, rc == 0, "downgrade returned %" PRId32 ": %s", rc, err.message);
}

void
lease_release(struct world *world, struct unit *unit, const struct pk_lease *lease)
{
    struct pk_error err = PK_ERROR_INIT;
    int32_t rc = unit->ops.lease.release(unit->instance, lease->lease_id, &err);
    must(world, rc == 0, "release returned %" PRId32 ": %s", rc, err.message);
}

/* ---- an object's leases ---- */

uint64_t
lease_holders(struct world *world, struct unit *unit, const struct pk_lease *lease)
{
    struct pk_error err = PK_ERROR_INIT;
    const struct pk_key key = { lease->object_id, lease->epoch };
    uint64_t count = UINT64_MAX;
    int32_t rc = unit->ops.lease.holders(unit->instance, &key, &count, &err);
    must(world, rc == 0, "holders returned %" PRId32 ": %s", rc, err.message);
    return count;
}

bool
lease_is_claimed(struct world *world, struct unit *unit, const char *id)
{
    struct pk_error err = PK_ERROR_INIT;
    const struct pk_key key = { id, 0 };
    struct pk_lease_request request = lease_request(PK_ACCESS_CREATE, &key, LEASE_TTL);
    struct pk_lease lease;
    int32_t rc = lease_try_grant(unit, &request, &lease, &err);
    must(world, rc == 0 || rc == -EEXIST, "grant returned %" PRId32 ": %s", rc, err.message);
    if (rc == 0)
        lease_release(world, unit, &lease);
    return rc != 0;
}

void
emitted_add(void *arg, const struct pk_lease *lease)
{
    struct emitted *emitted = arg;
    if (emitted->count < EMITTED_MAX)
        memcpy(&emitted->leases[emitted->count], lease,
               lease->struct_size < sizeof(*lease) ? lease->struct_size : sizeof(*lease));
    emitted->count++;
}

bool
emitted_has(const struct emitted *emitted, const struct pk_lease *lease)
{
    for (uint32_t i = 0; i < emitted->count && i < EMITTED_MAX; i++) {
        if (strcmp(emitted->leases[i].lease_id, lease->lease_id) == 0)
            return true;
    }
    return false;
}

struct emitted
lease_revoke(struct world *world, struct unit *unit, const struct pk_lease *lease, uint32_t access)
{
    struct emitted emitted = { 0 };
    struct pk_error err = PK_ERROR_INIT;
    const struct pk_key key = { lease->object_id, lease->epoch };
    int32_t rc = unit->ops.lease.revoke(unit->instance, &key, access, emitted_add, &emitted, &err);
    must(world, rc == 0, "revoke returned %" PRId32 ": %s", rc, err.message);
    return emitted;
}

struct emitted
lease_expire(struct world *world, struct unit *unit, uint64_t now)
{
    struct emitted emitted = { 0 };
    struct pk_error err = PK_ERROR_INIT;
    int32_t rc = unit->ops.lease.expire(unit->instance, now, emitted_add, &emitted, &err);
    must(world, rc == 0, "expire returned %" PRId32 ": %s", rc, err.message);
    return emitted;
}
