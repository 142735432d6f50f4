/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The steps that rules about leases are made of. Each calls one slot and fails the rule when it
 * does not succeed; a rule that expects a failure calls the slot itself.
 */
#ifndef CONFORM_LEASE_CALL_H
#define CONFORM_LEASE_CALL_H

#include "conform/world.h"

#define LEASE_TTL 1000000000U /* nanoseconds; every factory allows a second */
#define EMITTED_MAX 16U
/* A well-formed id that no lease has. */
#define NO_LEASE "00000000-0000-4000-8000-000000000000"

/* A request for CREATE of id, or for READ of key. */
struct pk_lease_request lease_request(uint32_t access, const struct pk_key *key, uint64_t ttl);

int32_t lease_try_grant(struct unit *unit, const struct pk_lease_request *request,
                        struct pk_lease *ret_lease, struct pk_error *err);
/* A CREATE lease on an id, and a READ lease on (id, epoch), each of LEASE_TTL. */
struct pk_lease lease_claim(struct world *world, struct unit *unit, const char *id);
struct pk_lease lease_reader(struct world *world, struct unit *unit, const char *id,
                             uint64_t epoch);
struct pk_lease lease_grant(struct world *world, struct unit *unit,
                            const struct pk_lease_request *request);

/* What `find` says of a lease: 0 and *ret_lease, or what it returned. */
int32_t lease_find(struct unit *unit, const char *lease_id, struct pk_lease *ret_lease);
/* It lives, or it doesn't (-ESTALE). */
void lease_must_live(struct world *world, struct unit *unit, const struct pk_lease *lease,
                     const char *when);
void lease_must_be_over(struct world *world, struct unit *unit, const struct pk_lease *lease,
                        const char *when);

struct pk_lease lease_renew(struct world *world, struct unit *unit, const struct pk_lease *lease,
                            uint64_t ttl);
void lease_downgrade(struct world *world, struct unit *unit, const struct pk_lease *lease);
void lease_release(struct world *world, struct unit *unit, const struct pk_lease *lease);
uint64_t lease_holders(struct world *world, struct unit *unit, const struct pk_lease *lease);
/* Whether the name is claimed, which is found out by claiming it. */
bool lease_is_claimed(struct world *world, struct unit *unit, const char *id);

/* What revoke and expire emitted. */
struct emitted {
    uint32_t count;
    struct pk_lease leases[EMITTED_MAX];
};
void emitted_add(void *arg, const struct pk_lease *lease);
bool emitted_has(const struct emitted *emitted, const struct pk_lease *lease);
struct emitted lease_revoke(struct world *world, struct unit *unit, const struct pk_lease *lease,
                            uint32_t access);
struct emitted lease_expire(struct world *world, struct unit *unit, uint64_t now);

uint64_t world_now(struct world *world);

#endif
