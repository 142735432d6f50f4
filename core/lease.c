/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The wrappers around the slots of a lease factory. They hold no state and take no lock.
 */
#include "core/lease.h"

#include "core/slot.h"

#include <errno.h>
#include <string.h>

/* What a factory says of a lease, before the peer believes it. lease_id: which lease it was asked
 * about; NULL for a new one. */
static int32_t
check_lease(const struct pk_instance *lease, const struct pk_lease *given, const char *lease_id,
            struct pk_error *err)
{
    if (strnlen(given->lease_id, sizeof(given->lease_id)) != PK_LEASE_ID_LEN
        || strnlen(given->object_id, sizeof(given->object_id)) > PK_ID_MAX || given->epoch == 0
        || (given->access != PK_ACCESS_READ && given->access != PK_ACCESS_CREATE))
        return pk_fail(err, -EIO, "%s: malformed lease", lease->module->plugin.name);
    if (lease_id != NULL && strcmp(given->lease_id, lease_id) != 0)
        return pk_fail(err, -EIO, "%s: told of another lease", lease->module->plugin.name);
    return 0;
}

/* Whether it is the lease that was asked for. */
static int32_t
check_granted(const struct pk_instance *lease, const struct pk_lease *given,
              const struct pk_lease_request *request, struct pk_error *err)
{
    bool create = request->access == PK_ACCESS_CREATE;

    if (given->access != request->access || strcmp(given->object_id, request->key.id) != 0
        || (create && given->epoch <= request->epoch_floor)
        || (!create && given->epoch != request->key.epoch))
        return pk_fail(err, -EIO, "%s: granted another lease", lease->module->plugin.name);
    return 0;
}

bool
pk_lease_may_block(const struct pk_instance *lease, uint32_t op)
{
    if (lease->ops.lease.may_block == NULL)
        return true;
    return lease->ops.lease.may_block(lease->opened, op, 0) != 0;
}

int32_t
pk_lease_grant(const struct pk_instance *lease, const struct pk_lease_request *request,
               struct pk_lease *ret_lease, struct pk_error *err)
{
    struct pk_lease given = { .struct_size = sizeof(given) };
    int32_t rc =
        pk_slot_answer(lease, lease->ops.lease.grant(lease->opened, request, &given, err), err);
    if (rc == 0)
        rc = check_lease(lease, &given, NULL, err);
    if (rc == 0)
        rc = check_granted(lease, &given, request, err);
    if (rc == 0)
        *ret_lease = given;
    return rc;
}

int32_t
pk_lease_find(const struct pk_instance *lease, const char *lease_id, struct pk_lease *ret_lease,
              struct pk_error *err)
{
    struct pk_lease given = { .struct_size = sizeof(given) };
    int32_t rc =
        pk_slot_answer(lease, lease->ops.lease.find(lease->opened, lease_id, &given, err), err);
    if (rc == 0)
        rc = check_lease(lease, &given, lease_id, err);
    if (rc == 0)
        *ret_lease = given;
    return rc;
}

int32_t
pk_lease_renew(const struct pk_instance *lease, const char *lease_id, uint64_t ttl,
               struct pk_lease *ret_lease, struct pk_error *err)
{
    struct pk_lease given = { .struct_size = sizeof(given) };
    int32_t rc = pk_slot_answer(
        lease, lease->ops.lease.renew(lease->opened, lease_id, ttl, &given, err), err);
    if (rc == 0)
        rc = check_lease(lease, &given, lease_id, err);
    if (rc == 0)
        *ret_lease = given;
    return rc;
}

int32_t
pk_lease_downgrade(const struct pk_instance *lease, const char *lease_id, struct pk_error *err)
{
    return pk_slot_answer(lease, lease->ops.lease.downgrade(lease->opened, lease_id, err), err);
}

int32_t
pk_lease_revoke(const struct pk_instance *lease, const struct pk_key *key, uint32_t access,
                pk_lease_emit_fn *emit, void *arg, struct pk_error *err)
{
    return pk_slot_answer(lease,
                          lease->ops.lease.revoke(lease->opened, key, access, emit, arg, err), err);
}

int32_t
pk_lease_release(const struct pk_instance *lease, const char *lease_id, struct pk_error *err)
{
    return pk_slot_answer(lease, lease->ops.lease.release(lease->opened, lease_id, err), err);
}

int32_t
pk_lease_holders(const struct pk_instance *lease, const struct pk_key *key, uint64_t *ret_count,
                 struct pk_error *err)
{
    return pk_slot_answer(lease, lease->ops.lease.holders(lease->opened, key, ret_count, err), err);
}

uint64_t
pk_lease_next_expiry(const struct pk_instance *lease)
{
    return lease->ops.lease.next_expiry(lease->opened);
}

int32_t
pk_lease_expire(const struct pk_instance *lease, uint64_t now, pk_lease_emit_fn *emit, void *arg,
                struct pk_error *err)
{
    return pk_slot_answer(lease, lease->ops.lease.expire(lease->opened, now, emit, arg, err), err);
}

void
pk_lease_stats(const struct pk_instance *lease, void (*emit)(void *arg, const struct pk_stat *stat),
               void *arg)
{
    if (lease->ops.lease.stats != NULL)
        lease->ops.lease.stats(lease->opened, emit, arg);
}
