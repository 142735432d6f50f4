/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The peer's rules over storage that outlives it and that other nodes share: lookups, changes made
 * elsewhere, recovery.
 */
#include "peer_fixture.h"

#define ELSEWHERE 9007199254740000U /* an epoch that lease_mem has not come to */

static void
open_durable(void)
{
    struct world_options options = plain_options;

    options.durable = true;
    options.traits = PK_BLOB_DURABLE | PK_BLOB_SHARED | PK_BLOB_CONDITIONAL;
    world_open(&world, &options);
}

START_TEST(sealed_object_outlives_its_node)
{
    struct answer sealed = put("x", 5);
    (void)create_sized("half made", 5);
    world_restart(&world);
    ck_assert_uint_eq(stat_of("objects"), 1);
    ck_assert_uint_eq(stat_of("bytes"), 5);
    struct answer read = read_object("x");
    ck_assert_int_eq(read.status, 0);
    ck_assert_uint_eq(read.epoch, sealed.epoch);
    ck_assert_int_eq(create_sized("x", 5).status, -EEXIST);
    ck_assert_int_eq(read_object("half made").status, -ENOENT);
}
END_TEST

START_TEST(epochs_go_on_above_what_the_storage_holds)
{
    storage_publish_elsewhere(&world.storage, "x", ELSEWHERE, 5);
    world_restart(&world);
    ck_assert_uint_gt(create_sized("y", 5).epoch, ELSEWHERE);
}
END_TEST

START_TEST(object_published_elsewhere_is_found_on_a_miss)
{
    storage_publish_elsewhere(&world.storage, "x", ELSEWHERE, 5);
    ck_assert_int_eq(create_sized("x", 1).status, -EEXIST);
    struct answer read = read_object("x");
    ck_assert_int_eq(read.status, 0);
    ck_assert_uint_eq(read.epoch, ELSEWHERE);
    ck_assert_uint_eq(stat_of("bytes"), 5);
    ck_assert_int_eq(object_verb(PK_VERB_DISCARD, "x").status, 0);
    ck_assert_int_eq(object_verb(PK_VERB_STAT, "x").status, -ENOENT);
}
END_TEST

/* Nodes that share storage each count by themselves. */
START_TEST(epoch_that_two_ids_have_is_that_of_two_objects)
{
    struct answer own = put("own", 5);

    storage_publish_elsewhere(&world.storage, "other", own.epoch, 6);
    storage_publish_elsewhere(&world.storage, "recovered", own.epoch, 7);
    struct answer other = read_object("other");
    ck_assert_int_eq(other.status, 0);
    ck_assert_uint_eq(other.epoch, own.epoch);
    ck_assert_str_eq(other.object_id, "other");
    ck_assert_int_eq(lease_verb(PK_VERB_RELEASE, own.lease_id).status, 0);
    ck_assert_int_eq(object_verb(PK_VERB_DISCARD, "own").status, 0);
    ck_assert_int_eq(read_object("other").status, 0);
    ck_assert_int_eq(read_object("own").status, -ENOENT);
    world_restart(&world);
    ck_assert_uint_eq(stat_of("objects"), 2);
    ck_assert_int_eq(read_object("recovered").status, 0);
    ck_assert_int_eq(read_object("other").status, 0);
}
END_TEST

START_TEST(page_never_ends_between_two_objects_of_one_epoch)
{
    static const struct {
        const char *id;
        uint64_t epoch;
    } all[] = {
        { "a", 1 }, { "b", 2 }, { "c", 2 }, { "d", 2 }, { "e", 3 }, { "f", 4 }, { "g", 4 }
    };
    /* by limit: what is of one epoch comes whole, and, where that is too much, on the next page */
    static const char *const pages[][5] = {
        { "a", "bcd", "e", "fg" },
        { "a", "bcd", "e", "fg" },
        { "a", "bcd", "efg" },
        { "abcd", "efg" },
        { "abcde", "fg" },
        { "abcde", "fg" },
        { "abcdefg" },
    };

    for (uint32_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        storage_publish_elsewhere(&world.storage, all[i].id, all[i].epoch, 1);
    world_restart(&world);
    for (uint32_t limit = 1; limit <= sizeof(pages) / sizeof(pages[0]); limit++) {
        struct pk_request list = { .verb = PK_VERB_LIST, .limit = limit };
        uint32_t page = 0;
        do {
            char listed[8] = "";
            struct answer answer = ask(list);
            for (uint32_t i = 0; i < answer.object_count; i++)
                listed[i] = answer.listed[i][0];
            ck_assert_ptr_nonnull(pages[limit - 1][page]);
            ck_assert_str_eq(listed, pages[limit - 1][page]);
            list.cursor = answer.cursor;
            page++;
        } while (list.cursor != 0);
        ck_assert_ptr_null(pages[limit - 1][page]);
    }
}
END_TEST

START_TEST(object_that_was_only_recovered_can_be_discarded)
{
    put("x", 5);
    world_restart(&world);
    ck_assert_int_eq(object_verb(PK_VERB_DISCARD, "x").status, 0);
    ck_assert_int_eq(world.storage.stored, 0);
    ck_assert_uint_eq(stat_of("bytes"), 0);
}
END_TEST

START_TEST(concurrent_misses_share_one_lookup)
{
    struct answer reads[4];

    world.storage.block_percent = 100;
    for (uint32_t i = 0; i < 4; i++)
        (void)call_in(world.sessions[0],
                      (struct pk_request){
                          .verb = PK_VERB_ACQUIRE, .access = PK_ACCESS_READ, .object_id = "none" },
                      &reads[i]);
    ck_assert_uint_eq(world.executor.work_count, 1);
    virtual_executor_run(&world.executor, 0);
    ck_assert_uint_eq(world.executor.work_count, 0);
    for (uint32_t i = 0; i < 4; i++)
        ck_assert_int_eq(reads[i].status, -ENOENT);
}
END_TEST

START_TEST(wait_ends_when_the_storage_tells_of_a_change)
{
    struct answer waiting;

    wait_for("x", 9, &waiting);
    pk_peer_changed(world.peer, "x");
    ck_assert_uint_eq(waiting.answers, 0);
    storage_publish_elsewhere(&world.storage, "x", ELSEWHERE, 5);
    pk_peer_changed(world.peer, "y");
    ck_assert_uint_eq(waiting.answers, 0);
    pk_peer_changed(world.peer, "x");
    ck_assert_uint_eq(waiting.answers, 1);
    ck_assert_int_eq(waiting.status, 0);
    ck_assert_uint_eq(waiting.epoch, ELSEWHERE);
}
END_TEST

START_TEST(wait_ends_by_polling_where_the_storage_can_not_tell)
{
    struct answer waiting;

    world.peer->traits.poll_interval = WORLD_SECOND;
    wait_for("x", 9, &waiting);
    storage_publish_elsewhere(&world.storage, "x", ELSEWHERE, 5);
    ck_assert_uint_eq(waiting.answers, 0);
    virtual_executor_advance(&world.executor, world.executor.now + WORLD_SECOND);
    ck_assert_uint_eq(waiting.answers, 1);
    ck_assert_int_eq(waiting.status, 0);
}
END_TEST

START_TEST(object_that_others_replaced_or_took_away_is_noticed)
{
    struct answer sealed = put("x", 5);

    storage_publish_elsewhere(&world.storage, "x", ELSEWHERE, 7);
    pk_peer_changed(world.peer, "x");
    struct answer read = read_object("x");
    ck_assert_uint_eq(read.epoch, ELSEWHERE);
    ck_assert_uint_ne(read.epoch, sealed.epoch);
    storage_unpublish_elsewhere(&world.storage, "x");
    pk_peer_changed(world.peer, "x");
    ck_assert_int_eq(read_object("x").status, -ENOENT);
    (void)lease_verb(PK_VERB_RELEASE, sealed.lease_id);
    (void)lease_verb(PK_VERB_RELEASE, read.lease_id);
    ck_assert_uint_eq(stat_of("bytes"), 0);
}
END_TEST

/* And without a word of that: the storage has to be asked for a handle first. */
START_TEST(acquire_of_what_vanished_elsewhere_gets_its_successor_or_nothing)
{
    struct answer sealed = put("x", 5);

    for (uint32_t blocks = 0; blocks <= 100; blocks += 100) {
        uint64_t successor = ELSEWHERE + blocks;
        world.storage.block_percent = blocks;
        storage_publish_elsewhere(&world.storage, "x", successor, 7);
        struct answer read = read_object("x");
        ck_assert_int_eq(read.status, 0);
        ck_assert_uint_eq(read.epoch, successor);
        ck_assert_uint_eq(stat_of("objects"), 1);
        (void)lease_verb(PK_VERB_RELEASE, read.lease_id);
    }
    storage_unpublish_elsewhere(&world.storage, "x");
    ck_assert_int_eq(read_object("x").status, -ENOENT);
    ck_assert_uint_eq(stat_of("objects"), 0);
    ck_assert_int_eq(object_verb(PK_VERB_STAT, "x").status, -ENOENT);
    ck_assert_uint_eq(stat_of("leases"), 1);
    ck_assert_int_eq(lease_verb(PK_VERB_RENEW, sealed.lease_id).status, 0); /* it keeps that */
    (void)lease_verb(PK_VERB_RELEASE, sealed.lease_id);
    ck_assert_uint_eq(stat_of("bytes"), 0);
    ck_assert_int_eq(create_sized("x", 5).status, 0);
}
END_TEST

START_TEST(readers_that_find_the_same_object_vanished_share_what_is_learned)
{
    struct answer reads[4];

    put("x", 5);
    world.storage.block_percent = 100;
    storage_publish_elsewhere(&world.storage, "x", ELSEWHERE, 7);
    for (uint32_t i = 0; i < 4; i++)
        (void)call_in(world.sessions[0],
                      (struct pk_request){
                          .verb = PK_VERB_ACQUIRE, .access = PK_ACCESS_READ, .object_id = "x" },
                      &reads[i]);
    world_settle(&world);
    for (uint32_t i = 0; i < 4; i++) {
        ck_assert_int_eq(reads[i].status, 0);
        ck_assert_uint_eq(reads[i].epoch, ELSEWHERE);
    }
}
END_TEST

START_TEST(wait_on_what_vanished_elsewhere_goes_on)
{
    struct answer waiting;

    put("x", 5);
    storage_unpublish_elsewhere(&world.storage, "x");
    wait_for("x", 9, &waiting);
    ck_assert_uint_eq(waiting.answers, 0);
    storage_publish_elsewhere(&world.storage, "x", ELSEWHERE, 7);
    pk_peer_changed(world.peer, "x");
    ck_assert_uint_eq(waiting.answers, 1);
    ck_assert_uint_eq(waiting.epoch, ELSEWHERE);
}
END_TEST

static int32_t
never_there(void *blob, uint32_t access, pk_handle_emit_fn *emit, void *arg, struct pk_error *err)
{
    (void)blob;
    (void)access;
    (void)emit;
    (void)arg;
    return pk_fail(err, -ENOENT, "what object?");
}

START_TEST(storage_that_contradicts_itself_is_not_asked_for_ever)
{
    put("x", 5);
    world.blob->ops.blob.handle = never_there;
    ck_assert_int_eq(read_object("x").status, -ENOENT);
    struct answer waiting;
    wait_for("x", 9, &waiting);
    ck_assert_int_eq(waiting.status, -ENOENT);
}
END_TEST

/* What was only recovered, what is just being looked up, and what only is waited for. */
START_TEST(change_elsewhere_reaches_whatever_is_known_of_the_name)
{
    struct answer read;

    put("x", 5);
    world_restart(&world);
    storage_unpublish_elsewhere(&world.storage, "x");
    pk_peer_changed(world.peer, "x");
    ck_assert_uint_eq(stat_of("objects"), 0);
    ck_assert_uint_eq(stat_of("bytes"), 0);

    storage_publish_elsewhere(&world.storage, "x", ELSEWHERE, 7);
    world.storage.block_percent = 100;
    (void)call_in(
        world.sessions[0],
        (struct pk_request){ .verb = PK_VERB_ACQUIRE, .access = PK_ACCESS_READ, .object_id = "x" },
        &read);
    virtual_executor_run(&world.executor, 0); /* found, and not told yet */
    ck_assert_uint_eq(read.answers, 0);
    storage_publish_elsewhere(&world.storage, "x", ELSEWHERE + 1, 8);
    pk_peer_changed(world.peer, "x");
    world_settle(&world);
    ck_assert_int_eq(read.status, 0);
    ck_assert_uint_eq(read.epoch, ELSEWHERE + 1);
    ck_assert_uint_eq(read_object("x").epoch, ELSEWHERE + 1);
}
END_TEST

START_TEST(publish_that_others_forestalled_says_the_lease_is_lost)
{
    struct answer created = create_sized("x", 5);
    struct answer waiting;

    wait_for("x", 9, &waiting);
    storage_publish_elsewhere(&world.storage, "x", ELSEWHERE, 7);
    pk_peer_changed(world.peer, "x"); /* too early: the claim is still held to be ours */
    ck_assert_uint_eq(waiting.answers, 0);
    struct answer sealed = lease_verb(PK_VERB_SEAL, created.lease_id);
    ck_assert_int_eq(sealed.status, -ESTALE);
    ck_assert_ptr_nonnull(strstr(sealed.message, "claim on 'x' was lost"));
    ck_assert_uint_eq(waiting.epoch, ELSEWHERE);
    ck_assert_uint_eq(stat_of("leases"), 1);
    ck_assert_int_eq(lease_verb(PK_VERB_SEAL, created.lease_id).status, -ESTALE);
    ck_assert_int_eq(lease_verb(PK_VERB_RENEW, created.lease_id).status, -ESTALE);
    ck_assert_int_eq(world.storage.stored, 1);
    ck_assert_uint_eq(read_object("x").epoch, ELSEWHERE);
}
END_TEST

/* A seal that published, and was told of neither success nor failure, when asked twice. */
static struct answer
leave_in_doubt(enum storage_fault then)
{
    struct answer created = create_sized("x", 5);

    world.storage.fault = FAULT_PUBLISH_LOST;
    world.storage.then[0] = FAULT_LOOKUP_IO;
    world.storage.then[1] = then;
    ck_assert_int_eq(lease_verb(PK_VERB_SEAL, created.lease_id).status, -EIO);
    ck_assert_uint_eq(storage_published_count(&world.storage), 1);
    return created;
}

START_TEST(publish_whose_reply_is_lost_is_a_seal)
{
    struct answer created = create_sized("x", 5);

    world.storage.fault = FAULT_PUBLISH_LOST;
    ck_assert_int_eq(lease_verb(PK_VERB_SEAL, created.lease_id).status, 0);
    ck_assert_uint_eq(read_object("x").epoch, created.epoch);
    ck_assert_int_eq(object_verb(PK_VERB_DISCARD, "x").status, 0);
    ck_assert_uint_eq(storage_published_count(&world.storage), 0);
}
END_TEST

START_TEST(publish_in_doubt_is_settled_by_the_next_seal)
{
    struct answer created = leave_in_doubt(FAULT_NONE);

    ck_assert_int_eq(lease_verb(PK_VERB_SEAL, created.lease_id).status, 0);
    ck_assert_uint_eq(read_object("x").epoch, created.epoch);
    ck_assert_uint_eq(storage_published_count(&world.storage), 1);
}
END_TEST

START_TEST(object_in_doubt_that_is_abandoned_is_unpublished)
{
    struct answer created = leave_in_doubt(FAULT_NONE);

    ck_assert_int_eq(lease_verb(PK_VERB_RELEASE, created.lease_id).status, 0);
    ck_assert_uint_eq(storage_published_count(&world.storage), 0);
    ck_assert_int_eq(world.storage.stored, 0);
    ck_assert_uint_eq(stat_of("bytes"), 0);
    ck_assert_int_eq(create_sized("x", 5).status, 0);
}
END_TEST

START_TEST(object_in_doubt_that_is_discarded_is_unpublished)
{
    struct answer created = leave_in_doubt(FAULT_NONE);

    ck_assert_int_eq(object_verb(PK_VERB_DISCARD, "x").status, 0);
    ck_assert_uint_eq(storage_published_count(&world.storage), 0);
    ck_assert_int_eq(world.storage.stored, 0);
    ck_assert_int_eq(lease_verb(PK_VERB_SEAL, created.lease_id).status, -ESTALE);
    ck_assert_int_eq(create_sized("x", 5).status, 0);
}
END_TEST

START_TEST(object_in_doubt_keeps_its_storage_where_nobody_answers)
{
    struct answer created = leave_in_doubt(FAULT_UNPUBLISH_IO);

    ck_assert_int_eq(lease_verb(PK_VERB_RELEASE, created.lease_id).status, 0);
    ck_assert_uint_eq(storage_published_count(&world.storage), 1);
    ck_assert_int_eq(world.storage.stored, 1);
    ck_assert_uint_eq(read_object("x").epoch, created.epoch);
}
END_TEST

START_TEST(object_in_doubt_keeps_its_storage_over_the_end_of_its_node)
{
    struct answer created = leave_in_doubt(FAULT_NONE);

    world_restart(&world);
    ck_assert_int_eq(world.storage.stored, 1);
    ck_assert_uint_eq(read_object("x").epoch, created.epoch);
}
END_TEST

static struct answer
put_two(const char *id)
{
    const uint64_t sizes[2] = { 5, 6 };
    struct answer created = ask((struct pk_request){ .verb = PK_VERB_ACQUIRE,
                                                     .access = PK_ACCESS_CREATE,
                                                     .object_id = id,
                                                     .sizes = sizes,
                                                     .blob_count = 2 });
    return lease_verb(PK_VERB_SEAL, created.lease_id);
}

START_TEST(wait_sees_what_others_published_once_the_claim_here_is_over)
{
    struct answer created = create_sized("x", 5);
    struct answer waiting;

    wait_for("x", 9, &waiting);
    storage_publish_elsewhere(&world.storage, "x", ELSEWHERE, 7);
    pk_peer_changed(world.peer, "x");
    ck_assert_uint_eq(waiting.answers, 0);
    ck_assert_int_eq(lease_verb(PK_VERB_RELEASE, created.lease_id).status, 0);
    ck_assert_uint_eq(waiting.answers, 1);
    ck_assert_uint_eq(waiting.epoch, ELSEWHERE);
}
END_TEST

START_TEST(verify_reads_every_blob_of_what_is_sealed)
{
    ck_assert_int_eq(object_verb(PK_VERB_VERIFY, NULL).status, -EINVAL);
    ck_assert_int_eq(object_verb(PK_VERB_VERIFY, "x").status, -ENOENT);
    struct answer sealed = put_two("x");
    (void)create_sized("making", 1);
    ck_assert_int_eq(object_verb(PK_VERB_VERIFY, "making").status, -EAGAIN);
    for (uint32_t blocks = 0; blocks <= 100; blocks += 100) {
        world.storage.block_percent = blocks;
        struct answer verified = object_verb(PK_VERB_VERIFY, "x");
        ck_assert_int_eq(verified.status, 0);
        ck_assert_uint_eq(verified.bytes, 11);
        ck_assert_uint_eq(verified.epoch, sealed.epoch);
        ck_assert_str_eq(verified.object_id, "x");
        ck_assert_uint_eq(verified.handles, 0);
        world_restart(&world); /* then it is looked up first */
    }
    storage_unpublish_elsewhere(&world.storage, "x");
    ck_assert_int_eq(object_verb(PK_VERB_VERIFY, "x").status, -ENOENT);
}
END_TEST

START_TEST(verify_names_the_first_blob_that_is_damaged)
{
    (void)put_two("x");
    world.storage.fault = FAULT_VERIFY_IO;
    world.storage.fault_after = 1;
    struct answer verified = object_verb(PK_VERB_VERIFY, "x");
    ck_assert_int_eq(verified.status, -EIO);
    ck_assert_ptr_nonnull(strstr(verified.message, "blob 1 of 'x'"));
    ck_assert_int_eq(read_object("x").status, 0); /* whether to serve it is not this verb's word */
    world.blob->ops.blob.verify = NULL;
    ck_assert_int_eq(object_verb(PK_VERB_VERIFY, "x").status, -EOPNOTSUPP);
}
END_TEST

START_TEST(reads_and_discards_go_on_while_an_object_is_verified)
{
    struct answer verified;
    struct answer sealed = put_two("x");

    (void)lease_verb(PK_VERB_RELEASE, sealed.lease_id);
    world.watch.block_op[WATCH_BLOB] = PK_BLOB_VERIFY;
    (void)call_in(world.sessions[0],
                  (struct pk_request){ .verb = PK_VERB_VERIFY, .object_id = "x" }, &verified);
    struct answer read;
    (void)call_in(
        world.sessions[0],
        (struct pk_request){ .verb = PK_VERB_ACQUIRE, .access = PK_ACCESS_READ, .object_id = "x" },
        &read);
    ck_assert_int_eq(read.status, 0);
    ck_assert_uint_eq(read.answers, 1);
    ck_assert_uint_eq(verified.answers, 0);
    struct answer gone;
    (void)call_in(world.sessions[0],
                  (struct pk_request){ .verb = PK_VERB_RELEASE, .lease_id = read.lease_id }, &gone);
    (void)call_in(world.sessions[0],
                  (struct pk_request){ .verb = PK_VERB_DISCARD, .object_id = "x" }, &gone);
    ck_assert_int_eq(gone.status, 0);
    ck_assert_int_gt(world.storage.stored, 0); /* it still is in use */
    world_settle(&world);
    ck_assert_int_eq(verified.status, 0);
    ck_assert_uint_eq(verified.bytes, 11);
    ck_assert_int_eq(world.storage.stored, 0);
}
END_TEST

START_TEST(nobody_verifies_for_a_session_that_is_closed_or_a_node_that_stops)
{
    struct answer closed;
    struct answer stopped;
    const struct pk_request verify = { .verb = PK_VERB_VERIFY, .object_id = "x" };

    (void)put_two("x");
    world.watch.block_op[WATCH_BLOB] = PK_BLOB_VERIFY;
    (void)call_in(world.sessions[1], verify, &closed);
    (void)call_in(world.sessions[0], verify, &stopped);
    world_reopen_session(&world, 1);
    pk_peer_stop(world.peer);
    world_settle(&world);
    ck_assert_int_eq(closed.status, -ECANCELED);
    ck_assert_int_eq(stopped.status, -EBUSY);
}
END_TEST

START_TEST(lookup_that_fails_is_an_error_and_not_a_miss)
{
    world.storage.fault = FAULT_LOOKUP_IO;
    ck_assert_int_eq(read_object("x").status, -EIO);
    world.storage.fault = FAULT_LOOKUP_IO;
    ck_assert_int_eq(create_sized("x", 5).status, -EIO);
    ck_assert_uint_eq(stat_of("lease_mem_leases"), 0);
    ck_assert_int_eq(create_sized("x", 5).status, 0);
}
END_TEST

START_TEST(discard_that_fails_leaves_the_object)
{
    put("x", 5);
    world.storage.fault = FAULT_UNPUBLISH_IO;
    ck_assert_int_eq(object_verb(PK_VERB_DISCARD, "x").status, -EIO);
    ck_assert_int_eq(read_object("x").status, 0);
}
END_TEST

START_TEST(shared_storage_must_publish_conditionally)
{
    struct pk_peer *peer = NULL;
    struct pk_error err = PK_ERROR_INIT;

    world.storage.traits = PK_BLOB_SHARED;
    ck_assert_int_eq(
        pk_peer_new(&world.options, &world.executor.base, world.blob, world.lease, &peer, &err),
        -EINVAL);
    ck_assert_ptr_nonnull(strstr(err.message, "conditionally"));
}
END_TEST

int
main(void)
{
    const TTest *const cases[] = {
        sealed_object_outlives_its_node,
        epochs_go_on_above_what_the_storage_holds,
        object_published_elsewhere_is_found_on_a_miss,
        epoch_that_two_ids_have_is_that_of_two_objects,
        page_never_ends_between_two_objects_of_one_epoch,
        object_that_was_only_recovered_can_be_discarded,
        concurrent_misses_share_one_lookup,
        wait_ends_when_the_storage_tells_of_a_change,
        wait_ends_by_polling_where_the_storage_can_not_tell,
        object_that_others_replaced_or_took_away_is_noticed,
        acquire_of_what_vanished_elsewhere_gets_its_successor_or_nothing,
        readers_that_find_the_same_object_vanished_share_what_is_learned,
        wait_on_what_vanished_elsewhere_goes_on,
        storage_that_contradicts_itself_is_not_asked_for_ever,
        change_elsewhere_reaches_whatever_is_known_of_the_name,
        publish_that_others_forestalled_says_the_lease_is_lost,
        publish_whose_reply_is_lost_is_a_seal,
        publish_in_doubt_is_settled_by_the_next_seal,
        object_in_doubt_that_is_abandoned_is_unpublished,
        object_in_doubt_that_is_discarded_is_unpublished,
        object_in_doubt_keeps_its_storage_where_nobody_answers,
        object_in_doubt_keeps_its_storage_over_the_end_of_its_node,
        wait_sees_what_others_published_once_the_claim_here_is_over,
        verify_reads_every_blob_of_what_is_sealed,
        verify_names_the_first_blob_that_is_damaged,
        reads_and_discards_go_on_while_an_object_is_verified,
        nobody_verifies_for_a_session_that_is_closed_or_a_node_that_stops,
        lookup_that_fails_is_an_error_and_not_a_miss,
        discard_that_fails_leaves_the_object,
        shared_storage_must_publish_conditionally,
    };
    return SUITE_RUN_BETWEEN("peer_durable", cases, open_durable, close_world);
}
