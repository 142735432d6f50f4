/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the peer promises to plugins: every slot that may block runs on a worker, whichever it is;
 * none is called under a lock, nor from within an emit; and no handle to write is asked of a blob
 * that is sealed. The world of the simulation watches, and complains when it is closed.
 */
#include "peer_fixture.h"

static void
open_durable(uint32_t kind, uint32_t op)
{
    struct world_options options = plain_options;

    options.durable = true;
    options.capacity = 10000;
    world_open(&world, &options);
    world.watch.block_op[kind] = op;
}

static void
advance(uint64_t seconds)
{
    virtual_executor_advance(&world.executor, world.executor.now + seconds * WORLD_SECOND);
    world_settle(&world);
}

static struct answer
create_two(const char *id, const char *request_id)
{
    const uint64_t sizes[2] = { 3, PK_UNSIZED };

    return ask((struct pk_request){ .verb = PK_VERB_ACQUIRE,
                                    .access = PK_ACCESS_CREATE,
                                    .object_id = id,
                                    .sizes = sizes,
                                    .blob_count = 2,
                                    .request_id = request_id });
}

static void
transfer(uint32_t verb, const char *lease_id)
{
    char bytes[3] = "";

    (void)ask((struct pk_request){
        .verb = verb, .lease_id = lease_id, .blob = 1, .data = bytes, .data_size = 3 });
}

/* All there is to do with an object, well and badly. */
static void
do_everything(void)
{
    struct answer created = create_two("x", "r");
    transfer(PK_VERB_WRITE, created.lease_id);
    (void)create_two("x", "r");
    advance(1); /* it is sampled */
    world.storage.fault = FAULT_SEAL_BUSY;
    world.storage.fault_after = 1;
    (void)lease_verb(PK_VERB_SEAL, created.lease_id);
    (void)create_two("x", "r");
    (void)lease_verb(PK_VERB_SEAL, created.lease_id);
    (void)lease_verb(PK_VERB_SEAL, created.lease_id);
    struct answer read = read_object("x");
    transfer(PK_VERB_READ, read.lease_id);
    (void)lease_verb(PK_VERB_RENEW, read.lease_id);
    (void)lease_verb(PK_VERB_RELEASE, read.lease_id);
    (void)object_verb(PK_VERB_STAT, "x");
    (void)object_verb(PK_VERB_STAT, "none");
    pk_peer_changed(world.peer, "x");
    world_settle(&world);
    (void)object_verb(PK_VERB_DISCARD, "x");
    (void)lease_verb(PK_VERB_RELEASE, created.lease_id);
    world.storage.fault = FAULT_CREATE_IO;
    world.storage.fault_after = 1;
    ck_assert_int_eq(create_two("half made", NULL).status, -EIO);
    (void)create_two("discarded", NULL);
    (void)object_verb(PK_VERB_DISCARD, "discarded");
    struct answer doomed = create_two("doomed", NULL);
    world.storage.fault = FAULT_SEAL_INVALID;
    ck_assert_int_eq(lease_verb(PK_VERB_SEAL, doomed.lease_id).status, -EINVAL);
    struct answer sealed = create_two("kept", NULL);
    (void)lease_verb(PK_VERB_SEAL, sealed.lease_id);
    (void)create_two("abandoned", NULL);
    advance(100); /* and all leases end */
    ck_assert_uint_eq(stat_of("leases"), 0);
    ck_assert_uint_eq(stat_of("objects"), 1);
}

START_TEST(every_slot_that_may_block_runs_on_a_worker)
{
    for (uint32_t op = 0; op <= PK_BLOB_RECOVER; op++) {
        open_durable(WATCH_BLOB, op);
        do_everything();
        close_world();
    }
    for (uint32_t op = 0; op <= PK_LEASE_EXPIRE; op++) {
        open_durable(WATCH_LEASE, op);
        do_everything();
        close_world();
    }
}
END_TEST

START_TEST(half_sealed_object_is_told_again_with_a_handle_to_read_what_is_sealed)
{
    open_durable(WATCH_BLOB, 0);
    struct answer created = create_two("x", "r");
    world.storage.fault = FAULT_SEAL_BUSY;
    world.storage.fault_after = 1;
    ck_assert_int_eq(lease_verb(PK_VERB_SEAL, created.lease_id).status, -EBUSY);
    struct answer again = create_two("x", "r");
    ck_assert_int_eq(again.status, 0);
    ck_assert_uint_eq(again.handles, 2);
    ck_assert_uint_eq(again.state, PK_STATE_CREATING);
    close_world(); /* the storage complains of the wrong kind of handle */
}
END_TEST

START_TEST(many_leases_that_end_at_once_are_ended_one_by_one)
{
    struct pk_request create = { .verb = PK_VERB_ACQUIRE,
                                 .access = PK_ACCESS_CREATE,
                                 .flags = PK_REQUEST_BIND };

    open_durable(WATCH_BLOB, 0);
    for (uint32_t i = 0; i < 50; i++)
        (void)ask(create);
    create.flags = 0;
    for (uint32_t i = 0; i < 50; i++)
        (void)ask(create);
    ck_assert_uint_eq(stat_of("leases"), 100);
    world_reopen_session(&world, 0);
    ck_assert_uint_eq(stat_of("leases"), 50);
    advance(100);
    ck_assert_uint_eq(stat_of("leases"), 0);
    ck_assert_int_eq(world.storage.stored, 0);
    close_world();
}
END_TEST

/* ---- when no thread can be had ---- */

static void
push_to_nobody(struct pk_queue *queue, struct pk_work *work)
{
    (void)queue;
    work->run(work); /* as the real one does then */
}

static struct pk_executor_ops threadless;

START_TEST(stack_does_not_grow_with_what_there_is_to_clean_up)
{
    struct world_options options = plain_options;
    const struct pk_request create = { .verb = PK_VERB_ACQUIRE,
                                       .access = PK_ACCESS_CREATE,
                                       .flags = PK_REQUEST_BIND };

    options.storage_blocks = 100;
    options.leases_block = 100;
    world_open(&world, &options);
    threadless = *world.executor.base.ops;
    threadless.push = push_to_nobody;
    world.executor.base.ops = &threadless;
    world.peer->options.max_objects = 1000000;
    for (uint32_t i = 0; i < 100000; i++) {
        struct answer created;
        (void)call_in(world.sessions[0], create, &created);
        ck_assert_int_eq(created.status, 0);
    }
    world_reopen_session(&world, 0);
    ck_assert_uint_eq(stat_of("leases"), 0);
    ck_assert_uint_eq(stat_of("objects"), 0);
    close_world();
}
END_TEST

int
main(void)
{
    const TTest *const cases[] = {
        every_slot_that_may_block_runs_on_a_worker,
        half_sealed_object_is_told_again_with_a_handle_to_read_what_is_sealed,
        many_leases_that_end_at_once_are_ended_one_by_one,
        stack_does_not_grow_with_what_there_is_to_clean_up,
    };
    return SUITE_RUN("peer_contract", cases);
}
