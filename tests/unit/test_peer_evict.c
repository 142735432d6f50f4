/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Eviction: what goes when room is short, in which order, and what never does. That what goes is
 * the right one, whatever happened before, is also checked by the simulation's model.
 */
#include "peer_fixture.h"

static struct world_options
evicting(void)
{
    struct world_options options = plain_options;

    options.evict = true;
    return options;
}

static void
open_evicting(void)
{
    const struct world_options options = evicting();

    world_open(&world, &options);
}

static void
open_durable(bool demotes)
{
    struct world_options options = evicting();

    options.durable = true;
    options.demotes = demotes;
    options.traits = PK_BLOB_DURABLE | PK_BLOB_CONDITIONAL;
    world_open(&world, &options);
}

/* A sealed object that nobody holds. */
static void
leave(const char *id, uint64_t size)
{
    struct answer sealed = put(id, size);

    ck_assert_int_eq(lease_verb(PK_VERB_RELEASE, sealed.lease_id).status, 0);
}

static bool
is_there(const char *id)
{
    return object_verb(PK_VERB_STAT, id).status == 0;
}

static void
begin(struct pk_request request, struct answer *answer)
{
    (void)call_in(world.sessions[0], request, answer);
}

/* As create_sized, but nothing is run yet. */
static void
begin_create(const char *id, const uint64_t *size, struct answer *answer)
{
    begin((struct pk_request){ .verb = PK_VERB_ACQUIRE,
                               .access = PK_ACCESS_CREATE,
                               .object_id = id,
                               .sizes = size,
                               .blob_count = 1 },
          answer);
}

/* ---- what goes ---- */

START_TEST(least_recently_acquired_goes_first)
{
    open_evicting();
    leave("a", 300);
    leave("b", 300);
    leave("c", 300);
    (void)lease_verb(PK_VERB_RELEASE, read_object("a").lease_id);
    ck_assert_int_eq(create_sized("new", 400).status, 0);
    ck_assert(is_there("a"));
    ck_assert(!is_there("b"));
    ck_assert(is_there("c"));
    ck_assert_uint_eq(stat_of("evictions"), 1);
    ck_assert_uint_eq(stat_of("evicted_bytes"), 300);
    ck_assert_uint_eq(stat_of("bytes"), 1000);
    close_world();
}
END_TEST

START_TEST(read_without_a_lease_is_an_acquire)
{
    open_evicting();
    leave("a", 300);
    leave("b", 300);
    leave("c", 300);
    for (uint32_t i = 0; i < 8; i++) /* with and without a call of its own */
        ck_assert_int_eq(read_inline("a", 1000).status, 0);
    ck_assert_int_eq(create_sized("new", 300).status, 0);
    ck_assert(is_there("a"));
    ck_assert(!is_there("b"));
    close_world();
}
END_TEST

START_TEST(looking_at_an_object_is_no_acquire)
{
    open_evicting();
    leave("a", 500);
    leave("b", 500);
    ck_assert(is_there("a"));
    ck_assert_uint_eq(object_verb(PK_VERB_LIST, NULL).object_count, 2);
    ck_assert_int_eq(object_verb(PK_VERB_VERIFY, "a").status, 0);
    ck_assert_int_eq(create_sized("new", 1).status, 0);
    ck_assert(!is_there("a"));
    close_world();
}
END_TEST

START_TEST(put_makes_room_too)
{
    open_evicting();
    leave("a", 500);
    leave("b", 500);
    ck_assert_int_eq(ask(put_request("new", "12345")).status, 0);
    ck_assert(!is_there("a"));
    ck_assert(is_there("new"));
    ck_assert_uint_eq(stat_of("bytes"), 505);
    close_world();
}
END_TEST

START_TEST(number_of_objects_is_room_as_well)
{
    open_evicting();
    world.peer->options.max_objects = 2;
    leave("a", 1);
    leave("b", 1);
    struct answer read = read_object("a");
    ck_assert_int_eq(create_sized("c", 1).status, 0);
    ck_assert(!is_there("b"));
    ck_assert_int_eq(create_sized("d", 1).status, -ENOSPC);
    (void)lease_verb(PK_VERB_RELEASE, read.lease_id);
    ck_assert_int_eq(create_sized("d", 1).status, 0);
    ck_assert_uint_eq(stat_of("objects"), 2);
    close_world();
}
END_TEST

START_TEST(recovered_objects_go_first_in_the_order_of_epochs)
{
    open_durable(false);
    leave("a", 300);
    leave("b", 300);
    leave("c", 300);
    (void)lease_verb(PK_VERB_RELEASE, read_object("a").lease_id);
    world_restart(&world);
    world_settle(&world);
    (void)lease_verb(PK_VERB_RELEASE, read_object("b").lease_id);
    ck_assert_int_eq(create_sized("d", 300).status, 0);
    ck_assert(!is_there("a"));
    ck_assert_int_eq(world.storage.stored, 3);
    ck_assert_int_eq(create_sized("e", 300).status, 0);
    ck_assert(!is_there("c"));
    ck_assert_int_eq(create_sized("f", 300).status, 0);
    ck_assert(!is_there("b"));
    ck_assert_int_eq(world.storage.stored, 3);
    close_world();
}
END_TEST

/* ---- what does not ---- */

START_TEST(nothing_goes_unless_that_is_asked_for)
{
    world_open(&world, &plain_options);
    leave("a", 600);
    ck_assert_int_eq(create_sized("new", 600).status, -ENOSPC);
    ck_assert(is_there("a"));
    close_world();
}
END_TEST

START_TEST(nothing_goes_if_all_would_not_be_enough)
{
    open_evicting();
    struct answer held = put("held", 300);
    leave("a", 300);
    leave("b", 300);
    ck_assert_int_eq(create_sized("new", 601).status, -EFBIG);
    world.peer->options.max_object = 1000;
    ck_assert_int_eq(create_sized("new", 701).status, -ENOSPC);
    ck_assert(is_there("a") && is_there("b"));
    ck_assert_uint_eq(stat_of("evictions"), 0);
    ck_assert_uint_eq(stat_of("bytes"), 900);
    ck_assert_int_eq(create_sized("new", 700).status, 0);
    ck_assert_uint_eq(stat_of("evictions"), 2);
    ck_assert_int_eq(read_object("held").status, 0);
    (void)held;
    close_world();
}
END_TEST

START_TEST(what_fails_for_another_reason_evicts_nothing)
{
    open_durable(false);
    leave("a", 600);
    world.storage.fault = FAULT_LOOKUP_IO;
    ck_assert_int_eq(create_sized("new", 600).status, -EIO);
    ck_assert_int_eq(create_sized("a", 600).status, -EEXIST);
    ck_assert(is_there("a"));
    ck_assert_uint_eq(stat_of("evictions"), 0);
    close_world();
}
END_TEST

START_TEST(what_a_call_works_with_stays)
{
    const uint64_t size = 500;
    struct answer verified;
    struct answer created;

    open_evicting();
    leave("a", 500);
    leave("b", 500);
    world.watch.block_op[WATCH_BLOB] = PK_BLOB_VERIFY;
    begin((struct pk_request){ .verb = PK_VERB_VERIFY, .object_id = "a" }, &verified);
    begin_create("new", &size, &created);
    ck_assert_int_eq(created.status, 0);
    ck_assert_uint_eq(created.answers, 1);
    begin_create("more", &size, &created);
    ck_assert_uint_eq(created.answers, 1);
    ck_assert_int_eq(created.status, -ENOSPC);
    world_settle(&world);
    ck_assert_int_eq(verified.status, 0);
    ck_assert(is_there("a"));
    ck_assert(!is_there("b"));
    ck_assert_int_eq(create_sized("more", 500).status, 0);
    close_world();
}
END_TEST

/* Whoever is told may ask for more at once: what he was told of does not hinder that. */
struct follower {
    struct answer list;
    struct answer create;
};

static void
create_in_the_midst(void *arg, const struct pk_reply *reply)
{
    static const uint64_t size = 600;
    struct follower *follower = arg;

    copy_answer(&follower->list, reply);
    begin_create("new", &size, &follower->create);
}

START_TEST(who_is_being_told_of_an_object_does_not_hold_it)
{
    const struct pk_request list = { .struct_size = sizeof(list), .verb = PK_VERB_LIST };
    struct follower follower = { 0 };

    open_evicting();
    leave("a", 500);
    leave("b", 500);
    pk_peer_call(world.sessions[0], &list, create_in_the_midst, &follower, NULL);
    world_settle(&world);
    ck_assert_uint_eq(follower.list.object_count, 2);
    ck_assert_int_eq(follower.create.status, 0);
    ck_assert_int_eq(world.storage.stored, 1);
    close_world();
}
END_TEST

/* ---- at the same time ---- */

START_TEST(creates_at_once_evict_no_more_than_they_need)
{
    const uint64_t size = 250;
    struct answer answers[2];

    open_evicting();
    for (uint32_t i = 0; i < 4; i++) {
        char id[2] = { (char)('a' + i), '\0' };
        leave(id, 250);
    }
    world.peer->options.max_objects = 4;
    world.storage.block_percent = 100;
    begin_create("new", &size, &answers[0]);
    begin_create("newer", &size, &answers[1]);
    ck_assert_uint_eq(answers[0].answers + answers[1].answers, 0);
    ck_assert_uint_eq(stat_of("bytes"), 1000);
    world_settle(&world);
    ck_assert_int_eq(answers[0].status, 0);
    ck_assert_int_eq(answers[1].status, 0);
    ck_assert_uint_eq(stat_of("evictions"), 2);
    ck_assert(!is_there("a") && !is_there("b") && is_there("c") && is_there("d"));
    close_world();
}
END_TEST

START_TEST(create_waits_until_the_storage_is_free)
{
    const uint64_t size = 600;
    struct answer created;

    open_evicting();
    leave("a", 600);
    world.watch.block_op[WATCH_BLOB] = PK_BLOB_REMOVE;
    begin_create("new", &size, &created);
    ck_assert_uint_eq(created.answers, 0);
    ck_assert_int_eq(world.storage.stored, 1);
    ck_assert_int_eq(create_sized("other", 1).status, 0); /* which needs nothing to go */
    ck_assert_uint_eq(created.answers, 1);
    ck_assert_int_eq(world.storage.stored, 2);
    close_world();
}
END_TEST

START_TEST(who_asks_for_what_is_being_evicted_finds_it_gone)
{
    const uint64_t size = 500;
    struct answer created;
    struct answer read;
    struct answer waited;

    open_durable(false);
    leave("a", 600);
    world.storage.block_percent = 100;
    begin_create("new", &size, &created);
    while (stat_of("bytes") == 600 && world.executor.work_count > 0) /* up to the eviction */
        virtual_executor_run(&world.executor, 0);
    begin(
        (struct pk_request){ .verb = PK_VERB_ACQUIRE, .access = PK_ACCESS_READ, .object_id = "a" },
        &read);
    begin((struct pk_request){ .verb = PK_VERB_ACQUIRE,
                               .access = PK_ACCESS_READ,
                               .object_id = "a",
                               .wait = WORLD_SECOND },
          &waited);
    world_settle(&world);
    ck_assert_int_eq(created.status, 0);
    ck_assert_int_eq(read.status, -ENOENT);
    ck_assert_uint_eq(waited.answers, 0);
    virtual_executor_advance(&world.executor, world.executor.now + 2ULL * WORLD_SECOND);
    ck_assert_int_eq(waited.status, -ETIMEDOUT);
    close_world();
}
END_TEST

START_TEST(nobody_evicts_for_those_who_are_gone)
{
    const uint64_t size = 600;
    struct answer created;

    open_evicting();
    leave("a", 300);
    leave("b", 300);
    leave("c", 300);
    world.storage.block_percent = 100;
    begin_create("new", &size, &created);
    ck_assert_uint_eq(stat_of("bytes"), 300 + 600);
    world_reopen_session(&world, 0);
    world_settle(&world);
    ck_assert_int_eq(created.status, -ECANCELED);
    ck_assert_uint_eq(stat_of("evictions"), 1); /* the one that was under way */
    ck_assert(!is_there("a") && is_there("b") && is_there("c"));
    ck_assert_uint_eq(stat_of("bytes"), 600);
    world.storage.block_percent = 0;
    ck_assert_int_eq(create_sized("new", 500).status, 0);
    ck_assert(!is_there("b") && is_there("c")); /* still in their order */
    close_world();
}
END_TEST

/* ---- storage that fails ---- */

START_TEST(what_can_not_be_evicted_is_passed_over)
{
    open_durable(false);
    leave("a", 500);
    leave("b", 500);
    world.storage.fault = FAULT_UNPUBLISH_IO;
    ck_assert_int_eq(create_sized("new", 500).status, 0);
    ck_assert(is_there("a"));
    ck_assert(!is_there("b"));
    ck_assert_uint_eq(stat_of("evictions"), 1);
    ck_assert_uint_eq(stat_of("bytes"), 1000);
    close_world();
}
END_TEST

START_TEST(recovered_object_that_can_not_be_evicted_is_passed_over)
{
    open_durable(false);
    leave("a", 500);
    leave("b", 500);
    world_restart(&world);
    world.storage.fault = FAULT_UNPUBLISH_IO;
    ck_assert_int_eq(create_sized("new", 500).status, 0);
    ck_assert(is_there("a"));
    ck_assert(!is_there("b"));
    close_world();
}
END_TEST

START_TEST(storage_that_lets_nothing_go_is_not_asked_for_ever)
{
    open_durable(true);
    for (uint32_t i = 0; i < 20; i++)
        leave((char[]){ (char)('a' + i), '\0' }, 50);
    world.storage.fault_again = true;
    world.storage.fault = FAULT_EVICT_AGAIN;
    ck_assert_int_eq(create_sized("new", 500).status, -ENOSPC);
    ck_assert_uint_eq(stat_of("evictions"), 0);
    ck_assert_uint_eq(stat_of("bytes"), 1000);
    ck_assert_uint_eq(stat_of("objects"), 20);
    world.storage.fault_again = false;
    world.storage.fault = FAULT_NONE;
    ck_assert_int_eq(create_sized("new", 500).status, 0);
    close_world();
}
END_TEST

/* ---- what grows ---- */

static struct answer
create_unsized(const char *id)
{
    return ask((struct pk_request){
        .verb = PK_VERB_ACQUIRE, .access = PK_ACCESS_CREATE, .object_id = id });
}

static int32_t
write_bytes(const char *lease_id, uint64_t size, uint32_t flags)
{
    static char bytes[1000];

    return ask((struct pk_request){ .verb = PK_VERB_WRITE,
                                    .lease_id = lease_id,
                                    .flags = flags,
                                    .data = bytes,
                                    .data_size = size })
        .status;
}

START_TEST(write_that_counts_makes_room)
{
    open_evicting();
    leave("a", 500);
    struct answer held = put("held", 300);
    struct answer grown = create_unsized("grown");
    ck_assert_int_eq(write_bytes(grown.lease_id, 200, PK_REQUEST_COUNT), 0);
    ck_assert(is_there("a"));
    ck_assert_int_eq(write_bytes(grown.lease_id, 201, PK_REQUEST_COUNT), 0);
    ck_assert(!is_there("a"));
    world.peer->options.max_object = 1000;
    ck_assert_int_eq(write_bytes(grown.lease_id, 701, PK_REQUEST_COUNT), -ENOSPC);
    ck_assert_uint_eq(stat_of("bytes"), 501);
    ck_assert_int_eq(lease_verb(PK_VERB_SEAL, grown.lease_id).status, 0);
    ck_assert_int_eq(lease_verb(PK_VERB_RELEASE, held.lease_id).status, 0);
    close_world();
}
END_TEST

START_TEST(seal_of_what_grew_makes_room)
{
    open_evicting();
    leave("a", 600);
    struct answer grown = create_unsized("grown");
    ck_assert_int_eq(write_bytes(grown.lease_id, 500, 0), 0);
    ck_assert_int_eq(lease_verb(PK_VERB_SEAL, grown.lease_id).status, 0);
    ck_assert(!is_there("a"));
    ck_assert_uint_eq(stat_of("bytes"), 500);
    struct answer held = put("held", 400);
    grown = create_unsized("more");
    ck_assert_int_eq(write_bytes(grown.lease_id, 200, 0), 0);
    ck_assert_int_eq(lease_verb(PK_VERB_SEAL, grown.lease_id).status, -ENOSPC);
    ck_assert_uint_eq(stat_of("bytes"), 900);
    (void)lease_verb(PK_VERB_RELEASE, held.lease_id);
    ck_assert_int_eq(lease_verb(PK_VERB_SEAL, grown.lease_id).status, 0);
    ck_assert(!is_there("held"));
    close_world();
}
END_TEST

START_TEST(blob_that_is_seen_to_grow_makes_room)
{
    open_evicting();
    leave("a", 600);
    struct answer held = put("held", 300);
    struct answer grown = create_unsized("grown");
    ck_assert_int_eq(write_bytes(grown.lease_id, 400, 0), 0);
    virtual_executor_advance(&world.executor, world.executor.now + WORLD_SECOND);
    ck_assert(!is_there("a"));
    ck_assert(is_there("grown"));
    ck_assert_uint_eq(stat_of("bytes"), 700);
    world.peer->options.max_object = 1000;
    ck_assert_int_eq(write_bytes(grown.lease_id, 800, 0), 0);
    virtual_executor_advance(&world.executor, world.executor.now + WORLD_SECOND);
    ck_assert(!is_there("grown")); /* there is nothing left to evict for it */
    ck_assert_uint_eq(stat_of("bytes"), 300);
    (void)held;
    close_world();
}
END_TEST

/* ---- slower storage ---- */

START_TEST(demoted_object_stays_and_counts_again_when_it_is_acquired)
{
    open_durable(true);
    leave("a", 500);
    leave("b", 500);
    ck_assert_int_eq(create_sized("new", 100).status, 0);
    ck_assert_uint_eq(world.storage.demoted, 1);
    ck_assert_uint_eq(stat_of("evictions"), 1);
    ck_assert_uint_eq(stat_of("bytes"), 600);
    ck_assert(is_there("a"));
    ck_assert_uint_eq(object_verb(PK_VERB_LIST, NULL).object_count, 3);
    struct answer read = read_object("a");
    ck_assert_int_eq(read.status, 0);
    ck_assert_uint_eq(stat_of("bytes"), 1100);
    ck_assert_int_eq(create_sized("newer", 1).status, 0);
    ck_assert_uint_eq(stat_of("bytes"), 601); /* b went */
    (void)lease_verb(PK_VERB_RELEASE, read.lease_id);
    ck_assert_int_eq(object_verb(PK_VERB_DISCARD, "b").status, 0);
    ck_assert_uint_eq(stat_of("bytes"), 601);
    close_world();
}
END_TEST

START_TEST(demoting_frees_no_names)
{
    open_durable(true);
    world.peer->options.max_objects = 1;
    leave("a", 1);
    ck_assert_int_eq(create_sized("b", 1).status, -ENOSPC);
    ck_assert_uint_eq(world.storage.demoted, 0);
    close_world();
}
END_TEST

START_TEST(what_can_not_be_demoted_now_is_passed_over)
{
    open_durable(true);
    leave("a", 500);
    leave("b", 500);
    world.storage.fault = FAULT_EVICT_AGAIN;
    ck_assert_int_eq(create_sized("new", 100).status, 0);
    ck_assert_int_eq(read_object("a").status, 0);
    ck_assert_uint_eq(stat_of("bytes"), 600); /* it was b that moved */
    close_world();
}
END_TEST

/* ---- who may not ---- */

static void
refused(const struct pk_peer_options *options, const char *why)
{
    struct pk_peer *peer = NULL;
    struct pk_error err = PK_ERROR_INIT;

    ck_assert_int_eq(
        pk_peer_new(options, &world.executor.base, world.blob, world.lease, &peer, &err), -EINVAL);
    ck_assert_msg(strstr(err.message, why) != NULL, "%s", err.message);
}

START_TEST(peer_that_shares_its_storage_or_has_no_capacity_does_not_evict)
{
    struct world_options options = plain_options;

    options.durable = true;
    options.traits = PK_BLOB_DURABLE | PK_BLOB_CONDITIONAL | PK_BLOB_SHARED;
    world_open(&world, &options);
    struct pk_peer_options wanted = world.options;
    wanted.evict = true;
    refused(&wanted, "share");
    world.storage.traits = PK_BLOB_DURABLE;
    wanted.capacity = PK_FOREVER;
    refused(&wanted, "capacity");
    close_world();
}
END_TEST

int
main(void)
{
    const TTest *const cases[] = {
        least_recently_acquired_goes_first,
        read_without_a_lease_is_an_acquire,
        looking_at_an_object_is_no_acquire,
        put_makes_room_too,
        number_of_objects_is_room_as_well,
        recovered_objects_go_first_in_the_order_of_epochs,
        nothing_goes_unless_that_is_asked_for,
        nothing_goes_if_all_would_not_be_enough,
        what_fails_for_another_reason_evicts_nothing,
        what_a_call_works_with_stays,
        who_is_being_told_of_an_object_does_not_hold_it,
        creates_at_once_evict_no_more_than_they_need,
        create_waits_until_the_storage_is_free,
        who_asks_for_what_is_being_evicted_finds_it_gone,
        nobody_evicts_for_those_who_are_gone,
        what_can_not_be_evicted_is_passed_over,
        recovered_object_that_can_not_be_evicted_is_passed_over,
        storage_that_lets_nothing_go_is_not_asked_for_ever,
        write_that_counts_makes_room,
        seal_of_what_grew_makes_room,
        blob_that_is_seen_to_grow_makes_room,
        demoted_object_stays_and_counts_again_when_it_is_acquired,
        demoting_frees_no_names,
        what_can_not_be_demoted_now_is_passed_over,
        peer_that_shares_its_storage_or_has_no_capacity_does_not_evict,
    };
    return SUITE_RUN("peer_evict", cases);
}
