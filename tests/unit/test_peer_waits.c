/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waits and leases whose end comes at an awkward moment: while a lookup, a seal, a recovery or
 * another expiry is under way.
 */
#include "peer_fixture.h"

#define ELSEWHERE 9007199254740000U /* an epoch that lease_mem has not come to */

static void
open_shared(void)
{
    struct world_options options = plain_options;

    options.durable = true;
    options.traits = PK_BLOB_DURABLE | PK_BLOB_SHARED | PK_BLOB_CONDITIONAL;
    world_open(&world, &options);
}

static void
open_plain(void)
{
    world_open(&world, &plain_options);
}

static void
advance(uint64_t seconds)
{
    virtual_executor_advance(&world.executor, world.executor.now + seconds * WORLD_SECOND);
}

static uint64_t
begin(struct pk_request request, struct answer *answer)
{
    return call_in(world.sessions[0], request, answer);
}

static const struct pk_request wait_a_second = {
    .verb = PK_VERB_ACQUIRE, .access = PK_ACCESS_READ, .object_id = "x", .wait = WORLD_SECOND
};

/* ---- over storage that is looked up ---- */

START_TEST(wait_whose_time_comes_during_a_lookup_ends_after_it)
{
    const uint64_t size = 5;
    struct answer created;
    struct answer waited;

    open_shared();
    world.storage.block_percent = 100;
    begin((struct pk_request){ .verb = PK_VERB_ACQUIRE,
                               .access = PK_ACCESS_CREATE,
                               .object_id = "x",
                               .sizes = &size,
                               .blob_count = 1 },
          &created);
    begin(wait_a_second, &waited); /* behind the create, and from now on it has a deadline */
    world.storage.fault = FAULT_LOOKUP_IO;
    virtual_executor_run(&world.executor, 0);
    ck_assert_int_eq(created.status, -EIO);
    ck_assert_uint_eq(waited.answers, 0); /* it looks for itself */
    ck_assert_uint_eq(world.executor.work_count, 1);
    advance(2);
    world_settle(&world);
    ck_assert_uint_eq(waited.answers, 1);
    ck_assert_int_eq(waited.status, -ETIMEDOUT);
    ck_assert_uint_eq(stat_of("waits"), 0);
    close_world();
}
END_TEST

START_TEST(wait_that_is_cancelled_during_a_lookup_ends_after_it)
{
    struct pk_request request = wait_a_second;
    struct answer waited;

    open_shared();
    world.storage.block_percent = 100;
    request.wait = PK_FOREVER;
    uint64_t call = begin(request, &waited);
    ck_assert_uint_eq(world.executor.work_count, 1);
    pk_peer_cancel(world.sessions[0], call);
    world_settle(&world);
    ck_assert_uint_eq(waited.answers, 1);
    ck_assert_int_eq(waited.status, -ECANCELED);
    close_world();
}
END_TEST

START_TEST(wait_that_is_cancelled_during_a_lookup_that_finds_is_answered)
{
    struct answer waited;

    open_shared();
    storage_publish_elsewhere(&world.storage, "x", ELSEWHERE, 5);
    world.storage.block_percent = 100;
    uint64_t call = begin(wait_a_second, &waited);
    pk_peer_cancel(world.sessions[0], call);
    world_settle(&world);
    ck_assert_uint_eq(waited.answers, 1);
    ck_assert_int_eq(waited.status, 0);
    close_world();
}
END_TEST

START_TEST(wait_ends_when_recovery_finds_the_object)
{
    struct answer waited;
    struct world_options options = plain_options;

    options.durable = true;
    options.storage_blocks = 100;
    world_open(&world, &options);
    ck_assert_uint_eq(world.executor.work_count, 1); /* the recovery */
    begin(wait_a_second, &waited);
    virtual_executor_run(&world.executor, 1); /* its lookup */
    ck_assert_uint_eq(stat_of("waits"), 1);
    storage_publish_elsewhere(&world.storage, "x", ELSEWHERE, 5);
    world_settle(&world);
    ck_assert_uint_eq(waited.answers, 1);
    ck_assert_int_eq(waited.status, 0);
    ck_assert_uint_eq(waited.epoch, ELSEWHERE);
    close_world();
}
END_TEST

START_TEST(changes_of_a_busy_name_share_one_lookup)
{
    struct answer statted;

    open_shared();
    world.storage.block_percent = 100;
    begin((struct pk_request){ .verb = PK_VERB_STAT, .object_id = "x" }, &statted);
    for (uint32_t i = 0; i < 10; i++)
        pk_peer_changed(world.peer, "x");
    ck_assert_uint_eq(stat_of("calls"), 2);
    virtual_executor_run(&world.executor, 0);
    ck_assert_uint_eq(world.executor.work_count, 1);
    virtual_executor_run(&world.executor, 0);
    ck_assert_uint_eq(world.executor.work_count, 0);
    close_world();
}
END_TEST

static uint32_t lookups;
static int32_t (*real_lookup)(void *instance, const char *object_id, pk_blob_emit_fn *emit,
                              void *arg, struct pk_error *err);

static int32_t
counting_lookup(void *instance, const char *object_id, pk_blob_emit_fn *emit, void *arg,
                struct pk_error *err)
{
    lookups++;
    ck_assert_uint_lt(lookups, 1000);
    return real_lookup(instance, object_id, emit, arg, err);
}

START_TEST(poll_interval_without_sense_makes_no_busy_loop)
{
    struct pk_request request = wait_a_second;
    struct answer waited;

    open_shared();
    real_lookup = world.blob->ops.blob.lookup;
    world.blob->ops.blob.lookup = counting_lookup;
    world.peer->traits.poll_interval = UINT64_MAX - 1;
    request.wait = WORLD_SECOND / 10;
    begin(request, &waited);
    advance(1);
    ck_assert_int_eq(waited.status, -ETIMEDOUT);
    world.peer->traits.poll_interval = 1;
    begin(request, &waited);
    advance(1);
    ck_assert_int_eq(waited.status, -ETIMEDOUT);
    close_world();
}
END_TEST

/* ---- over storage that is not ---- */

START_TEST(wait_that_saw_its_seal_is_not_overtaken_by_a_discard)
{
    struct answer waited;
    struct answer sealed;
    struct answer discarded;

    open_plain();
    struct answer created = create_sized("x", 5);
    wait_for("x", 9, &waited);
    world.storage.block_percent = 100;
    begin((struct pk_request){ .verb = PK_VERB_SEAL, .lease_id = created.lease_id }, &sealed);
    begin((struct pk_request){ .verb = PK_VERB_DISCARD, .object_id = "x" }, &discarded);
    world_settle(&world);
    ck_assert_int_eq(sealed.status, 0);
    ck_assert_int_eq(discarded.status, 0);
    ck_assert_uint_eq(waited.answers, 1);
    ck_assert_int_eq(waited.status, 0);
    ck_assert_uint_eq(waited.epoch, created.epoch);
    close_world();
}
END_TEST

START_TEST(read_that_does_not_wait_hears_nothing_of_the_stop)
{
    open_plain();
    struct answer created = create_sized("x", 5);
    pk_peer_stop(world.peer);
    ck_assert_int_eq(read_object("y").status, -ENOENT);
    ck_assert_int_eq(read_object("x").status, -EAGAIN);
    ck_assert_int_eq(lease_verb(PK_VERB_SEAL, created.lease_id).status, 0);
    ck_assert_int_eq(read_object("x").status, 0);
    close_world();
}
END_TEST

/* ---- expiry ---- */

static uint64_t (*real_next_expiry)(void *instance);

/* Another lease is granted, and runs out, before the peer has heard when the next one will. */
static uint64_t
slow_next_expiry(void *instance)
{
    const uint64_t size = 1;
    struct answer created;

    uint64_t next = real_next_expiry(instance);
    world.lease->ops.lease.next_expiry = real_next_expiry;
    begin((struct pk_request){ .verb = PK_VERB_ACQUIRE,
                               .access = PK_ACCESS_CREATE,
                               .object_id = "late",
                               .ttl = WORLD_SECOND,
                               .sizes = &size,
                               .blob_count = 1 },
          &created);
    ck_assert_int_eq(created.status, 0);
    advance(2);
    return next;
}

START_TEST(lease_that_is_granted_while_others_expire_expires_too)
{
    open_plain();
    real_next_expiry = world.lease->ops.lease.next_expiry;
    world.lease->ops.lease.next_expiry = slow_next_expiry;
    (void)ask((struct pk_request){
        .verb = PK_VERB_ACQUIRE, .access = PK_ACCESS_CREATE, .ttl = WORLD_SECOND });
    advance(5);
    advance(5);
    ck_assert_uint_eq(stat_of("leases"), 0);
    ck_assert_uint_eq(stat_of("objects"), 0);
    close_world();
}
END_TEST

static uint32_t failed_expiries;

static int32_t
failing_expire(void *instance, uint64_t now, pk_lease_emit_fn *emit, void *arg,
               struct pk_error *err)
{
    (void)instance;
    (void)now;
    (void)emit;
    (void)arg;
    failed_expiries++;
    ck_assert_uint_lt(failed_expiries, 100);
    return pk_fail(err, -EIO, "out of order");
}

START_TEST(expiry_that_fails_is_tried_again_but_not_at_once)
{
    open_plain();
    int32_t (*real_expire)(void *instance, uint64_t now, pk_lease_emit_fn *emit, void *arg,
                           struct pk_error *err) = world.lease->ops.lease.expire;
    world.lease->ops.lease.expire = failing_expire;
    (void)create_sized("x", 1);
    advance(70);
    ck_assert_uint_gt(failed_expiries, 1);
    ck_assert_uint_eq(stat_of("objects"), 1);
    world.lease->ops.lease.expire = real_expire;
    advance(10);
    ck_assert_uint_eq(stat_of("objects"), 0);
    close_world();
}
END_TEST

static void
lose(const char *lease_id)
{
    struct pk_error err = PK_ERROR_INIT;
    ck_assert_int_eq(world.lease->ops.lease.release(world.lease->opened, lease_id, &err), 0);
}

START_TEST(lease_that_the_factory_lost_ends_when_that_is_noticed)
{
    open_plain();
    struct answer one = create_sized("one", 1);
    struct answer other = create_sized("other", 1);
    struct answer third = put("third", 1);
    lose(one.lease_id);
    lose(other.lease_id);
    lose(third.lease_id);
    ck_assert_int_eq(lease_verb(PK_VERB_RENEW, one.lease_id).status, -ESTALE);
    ck_assert_int_eq(lease_verb(PK_VERB_SEAL, other.lease_id).status, -ESTALE);
    ck_assert_int_eq(lease_verb(PK_VERB_RENEW, third.lease_id).status, -ESTALE);
    ck_assert_uint_eq(stat_of("leases"), 0);
    ck_assert_uint_eq(stat_of("objects"), 1);
    ck_assert_int_eq(world.storage.stored, 1);
    close_world();
}
END_TEST

START_TEST(bound_lease_without_an_end_keeps_none_when_it_is_renewed)
{
    open_plain();
    struct answer bound = ask((struct pk_request){
        .verb = PK_VERB_ACQUIRE, .access = PK_ACCESS_CREATE, .flags = PK_REQUEST_BIND });
    ck_assert_uint_eq(bound.ttl, PK_FOREVER);
    ck_assert_uint_eq(lease_verb(PK_VERB_RENEW, bound.lease_id).ttl, PK_FOREVER);
    const struct pk_request timed = { .verb = PK_VERB_RENEW,
                                      .lease_id = bound.lease_id,
                                      .ttl = WORLD_SECOND };
    ck_assert_uint_eq(ask(timed).ttl, WORLD_SECOND);
    ck_assert_uint_eq(lease_verb(PK_VERB_RENEW, bound.lease_id).ttl, PK_FOREVER);
    close_world();
}
END_TEST

int
main(void)
{
    const TTest *const cases[] = {
        wait_whose_time_comes_during_a_lookup_ends_after_it,
        wait_that_is_cancelled_during_a_lookup_ends_after_it,
        wait_that_is_cancelled_during_a_lookup_that_finds_is_answered,
        wait_ends_when_recovery_finds_the_object,
        changes_of_a_busy_name_share_one_lookup,
        poll_interval_without_sense_makes_no_busy_loop,
        wait_that_saw_its_seal_is_not_overtaken_by_a_discard,
        read_that_does_not_wait_hears_nothing_of_the_stop,
        lease_that_is_granted_while_others_expire_expires_too,
        expiry_that_fails_is_tried_again_but_not_at_once,
        lease_that_the_factory_lost_ends_when_that_is_noticed,
        bound_lease_without_an_end_keeps_none_when_it_is_renewed,
    };
    return SUITE_RUN("peer_waits", cases);
}
