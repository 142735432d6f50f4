/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the peer promises to plugins: every slot that may block runs on a worker, whichever it is;
 * none is called under a lock, nor from within an emit; and no handle to write is asked of a blob
 * that is sealed. The world of the simulation watches, and complains when it is closed.
 */
#include "peer_everything.h"

static void
every_slot_blocks(uint64_t idle)
{
    for (uint32_t i = 0; i <= PK_BLOB_PUT + PK_LEASE_EXPIRE; i++) {
        everything_open(true, 0);
        world.executor.idle = idle;
        if (i <= PK_BLOB_PUT)
            world.watch.block_op[WATCH_BLOB] = i;
        else
            world.watch.block_op[WATCH_LEASE] = i - PK_BLOB_PUT;
        do_everything();
        ck_assert_uint_eq(stat_of("leases"), 0);
        ck_assert_uint_eq(stat_of("objects"), 1); /* the one that was sealed and kept */
        close_world();
    }
}

START_TEST(every_slot_that_may_block_runs_on_a_worker)
{
    every_slot_blocks(0);
    every_slot_blocks(UINT64_MAX);
}
END_TEST

/* How often a put stands in line for the storage's worker, and with it the leases' if they block.
 */
static uint32_t
turns_of_a_put(uint64_t idle, uint32_t leases_block)
{
    struct world_options options = plain_options;
    struct answer answer;
    uint32_t turns = 0;

    options.durable = true;
    options.storage_blocks = 100;
    options.leases_block = leases_block;
    options.idle = idle;
    world_open(&world, &options);
    world_settle(&world); /* it recovers first */
    (void)call_in(world.sessions[0],
                  (struct pk_request){
                      .verb = PK_VERB_PUT, .object_id = "x", .data = "hello", .data_size = 5 },
                  &answer);
    for (; world.executor.work_count > 0; turns++)
        virtual_executor_run(&world.executor, 0);
    ck_assert_uint_eq(answer.answers, 1);
    ck_assert_int_eq(answer.status, 0);
    close_world();
    return turns;
}

START_TEST(call_on_a_worker_stays_there_unless_others_wait_for_one)
{
    ck_assert_uint_eq(turns_of_a_put(UINT64_MAX, 0), 1);
    ck_assert_uint_eq(turns_of_a_put(0, 0), 2);            /* the lookup, the rest */
    ck_assert_uint_eq(turns_of_a_put(UINT64_MAX, 100), 3); /* the grant and the release elsewhere */
    ck_assert_uint_eq(turns_of_a_put(0, 100), 4);
}
END_TEST

START_TEST(half_sealed_object_is_told_again_with_a_handle_to_read_what_is_sealed)
{
    everything_open(true, 0);
    struct answer created = ask(everything_create("x", "r"));
    world.storage.fault = FAULT_SEAL_BUSY;
    world.storage.fault_after = 1;
    ck_assert_int_eq(lease_verb(PK_VERB_SEAL, created.lease_id).status, -EBUSY);
    struct answer again = ask(everything_create("x", "r"));
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

    everything_open(true, 0);
    for (uint32_t i = 0; i < 50; i++)
        (void)ask(create);
    create.flags = 0;
    for (uint32_t i = 0; i < 50; i++)
        (void)ask(create);
    ck_assert_uint_eq(stat_of("leases"), 100);
    world_reopen_session(&world, 0);
    ck_assert_uint_eq(stat_of("leases"), 50);
    everything_later(100);
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
        call_on_a_worker_stays_there_unless_others_wait_for_one,
        half_sealed_object_is_told_again_with_a_handle_to_read_what_is_sealed,
        many_leases_that_end_at_once_are_ended_one_by_one,
        stack_does_not_grow_with_what_there_is_to_clean_up,
    };
    return SUITE_RUN("peer_contract", cases);
}
