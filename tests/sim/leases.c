/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The watched slots. The instance is lease_mem's own, so what belongs to the watch is found through
 * a variable.
 */
#include "leases.h"

static struct leases *current;
static struct pk_lease_ops real;

static int32_t
enter(uint32_t op)
{
    return watch_slot(current->watch, WATCH_LEASE, op);
}

static uint32_t
leases_may_block(void *instance, uint32_t op, uint64_t bytes)
{
    (void)instance;
    (void)bytes;
    watch_free(current->watch);
    return op == current->watch->block_op[WATCH_LEASE]
           || sim_percent(current->random, current->block_percent);
}

static int32_t
leases_grant(void *instance, const struct pk_lease_request *request, struct pk_lease *ret_lease,
             struct pk_error *err)
{
    int32_t ordered = enter(PK_LEASE_GRANT);
    if (ordered != 0)
        return pk_fail(err, ordered, "ordered fault");
    return real.grant(instance, request, ret_lease, err);
}

static int32_t
leases_find(void *instance, const char *lease_id, struct pk_lease *ret_lease, struct pk_error *err)
{
    int32_t ordered = enter(PK_LEASE_FIND);
    if (ordered != 0)
        return pk_fail(err, ordered, "ordered fault");
    return real.find(instance, lease_id, ret_lease, err);
}

static int32_t
leases_renew(void *instance, const char *lease_id, uint64_t ttl, struct pk_lease *ret_lease,
             struct pk_error *err)
{
    int32_t ordered = enter(PK_LEASE_RENEW);
    if (ordered != 0)
        return pk_fail(err, ordered, "ordered fault");
    return real.renew(instance, lease_id, ttl, ret_lease, err);
}

static int32_t
leases_downgrade(void *instance, const char *lease_id, struct pk_error *err)
{
    int32_t ordered = enter(PK_LEASE_DOWNGRADE);
    if (ordered != 0)
        return pk_fail(err, ordered, "ordered fault");
    return real.downgrade(instance, lease_id, err);
}

static int32_t
leases_release(void *instance, const char *lease_id, struct pk_error *err)
{
    int32_t ordered = enter(PK_LEASE_RELEASE);
    if (ordered != 0)
        return pk_fail(err, ordered, "ordered fault");
    return real.release(instance, lease_id, err);
}

/* An emit of the peer's, and whether it is under way. */
struct emission {
    pk_lease_emit_fn *emit;
    void *arg;
};

static void
pass_on(void *arg, const struct pk_lease *lease)
{
    const struct emission *emission = arg;

    current->watch->emitting++;
    emission->emit(emission->arg, lease);
    current->watch->emitting--;
}

static int32_t
leases_revoke(void *instance, const struct pk_key *key, uint32_t access, pk_lease_emit_fn *emit,
              void *arg, struct pk_error *err)
{
    struct emission emission = { emit, arg };

    int32_t ordered = enter(PK_LEASE_REVOKE);
    if (ordered != 0)
        return pk_fail(err, ordered, "ordered fault");
    return real.revoke(instance, key, access, pass_on, &emission, err);
}

static int32_t
leases_expire(void *instance, uint64_t now, pk_lease_emit_fn *emit, void *arg, struct pk_error *err)
{
    struct emission emission = { emit, arg };

    int32_t ordered = enter(PK_LEASE_EXPIRE);
    if (ordered != 0)
        return pk_fail(err, ordered, "ordered fault");
    return real.expire(instance, now, pass_on, &emission, err);
}

static uint64_t
leases_next_expiry(void *instance)
{
    watch_free(current->watch);
    return real.next_expiry(instance);
}

void
leases_watch(struct leases *leases, struct pk_instance *instance)
{
    struct pk_lease_ops *ops = &instance->ops.lease;

    current = leases;
    real = *ops;
    ops->may_block = leases_may_block;
    ops->grant = leases_grant;
    ops->find = leases_find;
    ops->renew = leases_renew;
    ops->downgrade = leases_downgrade;
    ops->revoke = leases_revoke;
    ops->release = leases_release;
    ops->next_expiry = leases_next_expiry;
    ops->expire = leases_expire;
}
