/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of lease_mem share: an instance in virtual time, short calls that must succeed,
 * and a list of what was emitted.
 */
#ifndef LEASE_MEM_FIXTURE_H
#define LEASE_MEM_FIXTURE_H

#include "fake_factory_host.h"

#include <check.h>
#include <packice/lease.h>
#include <stdlib.h>
#include <string.h>

const struct pk_plugin *lease_mem_entry(void);

#define SECOND UINT64_C(1000000000)
#define EPOCH_LIMIT (UINT64_C(1) << 53)
#define EMITTED_MAX 1024U

struct fixture {
    struct fake_factory_host fake;
    const struct pk_lease_ops *ops;
    void *mem;
    struct pk_error err;
};

struct emitted {
    size_t count;
    struct pk_lease leases[EMITTED_MAX];
};

static inline void
fixture_prepare(struct fixture *f)
{
    const struct pk_plugin *plugin = lease_mem_entry();
    memset(f, 0, sizeof(*f));
    fake_factory_host_init(&f->fake, plugin);
    fake_factory_host_set(&f->fake, "default_ttl", 60 * SECOND);
    fake_factory_host_set(&f->fake, "max_ttl", 3600 * SECOND);
    fake_factory_host_set(&f->fake, "max_leases", 1000000);
    f->fake.now = 1000 * SECOND;
    f->ops = plugin->ops;
    f->err = (struct pk_error)PK_ERROR_INIT;
}

static inline void
fixture_open(struct fixture *f)
{
    if (f->ops == NULL)
        fixture_prepare(f);
    ck_assert_int_eq(f->ops->open(&f->fake.host, &f->fake.conf, &f->mem, &f->err), 0);
}

static inline void
fixture_close(struct fixture *f)
{
    f->ops->close(f->mem);
}

static inline int32_t
try_grant(struct fixture *f, uint32_t access, const char *id, uint64_t epoch, uint64_t ttl,
          struct pk_lease *ret_lease)
{
    const struct pk_lease_request request = {
        .struct_size = sizeof(request),
        .access = access,
        .key = { id, epoch },
        .ttl = ttl,
    };
    ret_lease->struct_size = sizeof(*ret_lease);
    return f->ops->grant(f->mem, &request, ret_lease, &f->err);
}

static inline struct pk_lease
grant_create(struct fixture *f, const char *id, uint64_t ttl)
{
    struct pk_lease lease;
    ck_assert_int_eq(try_grant(f, PK_ACCESS_CREATE, id, 0, ttl, &lease), 0);
    return lease;
}

static inline struct pk_lease
grant_read(struct fixture *f, const char *id, uint64_t epoch, uint64_t ttl)
{
    struct pk_lease lease;
    ck_assert_int_eq(try_grant(f, PK_ACCESS_READ, id, epoch, ttl, &lease), 0);
    return lease;
}

static inline int32_t
try_find(struct fixture *f, const char *lease_id, struct pk_lease *ret_lease)
{
    ret_lease->struct_size = sizeof(*ret_lease);
    return f->ops->find(f->mem, lease_id, ret_lease, &f->err);
}

static inline int32_t
try_renew(struct fixture *f, const char *lease_id, uint64_t ttl, struct pk_lease *ret_lease)
{
    ret_lease->struct_size = sizeof(*ret_lease);
    return f->ops->renew(f->mem, lease_id, ttl, ret_lease, &f->err);
}

static inline uint64_t
holders(struct fixture *f, const char *id, uint64_t epoch)
{
    const struct pk_key key = { id, epoch };
    uint64_t count = 0;
    ck_assert_int_eq(f->ops->holders(f->mem, &key, &count, &f->err), 0);
    return count;
}

static inline void
release(struct fixture *f, const char *lease_id)
{
    ck_assert_int_eq(f->ops->release(f->mem, lease_id, &f->err), 0);
}

static inline void
collect(void *arg, const struct pk_lease *lease)
{
    struct emitted *emitted = arg;
    if (emitted->count == EMITTED_MAX || lease->struct_size < sizeof(*lease))
        ck_abort_msg("too many leases emitted, or one that is cut short");
    emitted->leases[emitted->count++] = *lease;
}

static inline void
expire(struct fixture *f, uint64_t now, struct emitted *ret_emitted)
{
    ret_emitted->count = 0;
    ck_assert_int_eq(f->ops->expire(f->mem, now, collect, ret_emitted, &f->err), 0);
}

static inline void
revoke(struct fixture *f, const char *id, uint64_t epoch, uint32_t access,
       struct emitted *ret_emitted)
{
    const struct pk_key key = { id, epoch };
    ret_emitted->count = 0;
    ck_assert_int_eq(f->ops->revoke(f->mem, &key, access, collect, ret_emitted, &f->err), 0);
}

struct wanted_stat {
    const char *name;
    uint64_t value;
    int found;
};

static inline void
pick_stat(void *arg, const struct pk_stat *stat)
{
    struct wanted_stat *wanted = arg;
    if (strcmp(stat->name, wanted->name) != 0)
        return;
    wanted->value = stat->value;
    wanted->found++;
}

static inline uint64_t
stat_value(struct fixture *f, const char *name)
{
    struct wanted_stat wanted = { .name = name };
    f->ops->stats(f->mem, pick_stat, &wanted);
    ck_assert_int_eq(wanted.found, 1);
    return wanted.value;
}

#endif
