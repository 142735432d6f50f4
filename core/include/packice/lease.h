/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of a lease factory: who may use which (id, epoch), until when. It gives out epochs,
 * sees to it that a name is claimed for creation by one lease at most, over all nodes that share
 * it, and tells when leases end. It knows nothing of storage, sessions or what an object holds.
 */
#ifndef PACKICE_LEASE_H
#define PACKICE_LEASE_H

#include <packice/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Rules for every slot: as in <packice/blob.h>, with these of its own:
 *  - Every slot may run on several threads at once, for the same lease as well; each is atomic.
 *  - A lease whose time has come is over for every slot, whether or not `expire` emitted it yet.
 *  - Lease ids are secrets: they never go into a log, an error message or a figure.
 */

/* What may_block is asked about: one for each slot. */
#define PK_LEASE_GRANT 1U
#define PK_LEASE_FIND 2U
#define PK_LEASE_RENEW 3U
#define PK_LEASE_DOWNGRADE 4U
#define PK_LEASE_REVOKE 5U
#define PK_LEASE_RELEASE 6U
#define PK_LEASE_HOLDERS 7U
#define PK_LEASE_EXPIRE 8U

/* What to grant. */
struct pk_lease_request {
    uint32_t struct_size;
    uint32_t access;      /* PK_ACCESS_* */
    struct pk_key key;    /* CREATE: epoch 0, a new one is given. READ: the object's */
    uint64_t ttl;         /* nanoseconds; 0 = the factory's default; PK_FOREVER where the factory
                             allows it. Longer than it allows: cut to that */
    uint64_t epoch_floor; /* CREATE: the new epoch is greater than this: the highest that the
                             host found in storage */
};

typedef void pk_lease_emit_fn(void *arg, const struct pk_lease *lease);

struct pk_lease_ops {
    uint32_t struct_size;
    uint32_t reserved;

    /* As in <packice/blob.h>. */
    int32_t (*open)(const struct pk_host *host, const struct pk_conf *conf, void **ret_instance,
                    struct pk_error *err);
    /* Ends the instance; leases that are left end with it, without being emitted. */
    void (*close)(void *instance);
    /* May this operation (PK_LEASE_*) wait for anything? As in <packice/blob.h>. */
    uint32_t (*may_block)(void *instance, uint32_t op, uint64_t bytes);

    /* Grants a lease with an id of its own (a UUIDv4 from host->random) and fills ret_lease, whose
     * struct_size the host set. CREATE claims the name until that lease ends or is downgraded.
     * Errors: -EEXIST: CREATE, and another lease claims the name; -EINVAL: ttl; -EBUSY: as many
     * live as may; -EIO: no randomness; -ENOMEM. */
    int32_t (*grant)(void *instance, const struct pk_lease_request *request,
                     struct pk_lease *ret_lease, struct pk_error *err);
    /* Fills ret_lease for a live lease. -ESTALE: there is none of this id. */
    int32_t (*find)(void *instance, const char *lease_id, struct pk_lease *ret_lease,
                    struct pk_error *err);
    /* Lets the lease end `ttl` from now instead (0, PK_FOREVER and cutting as in grant) and fills
     * ret_lease. -ESTALE: there is none of this id any more: it can't be brought back. */
    int32_t (*renew)(void *instance, const char *lease_id, uint64_t ttl, struct pk_lease *ret_lease,
                     struct pk_error *err);
    /* Turns a CREATE lease into a READ lease with the same id, epoch and end; the name is no
     * longer claimed. 0 when it is one already. -ESTALE: there is none of this id. */
    int32_t (*downgrade)(void *instance, const char *lease_id, struct pk_error *err);
    /* Ends every lease on (id, epoch) whose access is `access`, and emits each. */
    int32_t (*revoke)(void *instance, const struct pk_key *key, uint32_t access,
                      pk_lease_emit_fn *emit, void *arg, struct pk_error *err);
    /* Ends one lease; 0 also when there is none of this id. */
    int32_t (*release)(void *instance, const char *lease_id, struct pk_error *err);
    /* How many live leases (id, epoch) has, over all nodes that share the backend. */
    int32_t (*holders)(void *instance, const struct pk_key *key, uint64_t *ret_count,
                       struct pk_error *err);
    /* When the next lease runs out, CLOCK_MONOTONIC nanoseconds; PK_FOREVER: none does. Never
     * blocks. */
    uint64_t (*next_expiry)(void *instance);
    /* Ends every lease that has run out by `now`, and emits each, once. It costs what it ends,
     * not what there is. */
    int32_t (*expire)(void *instance, uint64_t now, pk_lease_emit_fn *emit, void *arg,
                      struct pk_error *err);

    /* As in <packice/blob.h>. Optional. */
    int32_t (*reload)(void *instance, const struct pk_conf *conf, struct pk_error *err);
    void (*stats)(void *instance, void (*emit)(void *arg, const struct pk_stat *stat), void *arg);
};

#ifdef __cplusplus
}
#endif
#endif
