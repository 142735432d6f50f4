/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One wrapper for each slot of a lease factory, and nothing else calls a slot. A wrapper holds the
 * default of an absent optional slot and checks what comes back; contracts are those of
 * <packice/lease.h>.
 */
#ifndef PK_LEASE_H
#define PK_LEASE_H

#include "core/instance.h"
#include <stdbool.h>

/* Whether the operation must go to the instance's queue. */
bool pk_lease_may_block(const struct pk_instance *lease, uint32_t op);

int32_t pk_lease_grant(const struct pk_instance *lease, const struct pk_lease_request *request,
                       struct pk_lease *ret_lease, struct pk_error *err);
int32_t pk_lease_find(const struct pk_instance *lease, const char *lease_id,
                      struct pk_lease *ret_lease, struct pk_error *err);
int32_t pk_lease_renew(const struct pk_instance *lease, const char *lease_id, uint64_t ttl,
                       struct pk_lease *ret_lease, struct pk_error *err);
int32_t pk_lease_downgrade(const struct pk_instance *lease, const char *lease_id,
                           struct pk_error *err);
int32_t pk_lease_revoke(const struct pk_instance *lease, const struct pk_key *key, uint32_t access,
                        pk_lease_emit_fn *emit, void *arg, struct pk_error *err);
int32_t pk_lease_release(const struct pk_instance *lease, const char *lease_id,
                         struct pk_error *err);
int32_t pk_lease_holders(const struct pk_instance *lease, const struct pk_key *key,
                         uint64_t *ret_count, struct pk_error *err);
uint64_t pk_lease_next_expiry(const struct pk_instance *lease);
int32_t pk_lease_expire(const struct pk_instance *lease, uint64_t now, pk_lease_emit_fn *emit,
                        void *arg, struct pk_error *err);
void pk_lease_stats(const struct pk_instance *lease,
                    void (*emit)(void *arg, const struct pk_stat *stat), void *arg);

#endif
