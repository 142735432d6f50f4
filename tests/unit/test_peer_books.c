/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The peer's books: bytes, objects and leases counted right when things happen at once, and
 * replies that say what the books say.
 */
#include "core/log.h"
#include "peer_fixture.h"

static void
open_plain(void)
{
    world_open(&world, &plain_options);
}

static void
advance(uint64_t nanoseconds)
{
    virtual_executor_advance(&world.executor, world.executor.now + nanoseconds);
}

static void
begin(struct pk_request request, struct answer *answer)
{
    (void)call_in(world.sessions[0], request, answer);
}

static void
write_bytes(const char *lease_id, uint64_t size)
{
    static char bytes[1000];

    ck_assert_int_eq(
        ask((struct pk_request){
                .verb = PK_VERB_WRITE, .lease_id = lease_id, .data = bytes, .data_size = size })
            .status,
        0);
}

static struct answer
create_unsized(const char *id)
{
    return ask((struct pk_request){
        .verb = PK_VERB_ACQUIRE, .access = PK_ACCESS_CREATE, .object_id = id });
}

/* Of 600 bytes, when the read has begun and waits for its lease to be granted. */
static void
discard_amid_a_read(struct answer *read)
{
    struct answer discarded;
    struct answer sealed = put("x", 600);

    (void)lease_verb(PK_VERB_RELEASE, sealed.lease_id);
    world.watch.block_op[WATCH_LEASE] = PK_LEASE_GRANT;
    begin(
        (struct pk_request){ .verb = PK_VERB_ACQUIRE, .access = PK_ACCESS_READ, .object_id = "x" },
        read);
    begin((struct pk_request){ .verb = PK_VERB_DISCARD, .object_id = "x" }, &discarded);
    ck_assert_int_eq(discarded.status, 0);
    ck_assert_uint_eq(read->answers, 0);
}

START_TEST(read_that_a_discard_overtakes_is_answered)
{
    struct answer read;

    open_plain();
    discard_amid_a_read(&read);
    ck_assert_uint_eq(stat_of("bytes"), 600);
    world_settle(&world);
    ck_assert_uint_eq(read.answers, 1);
    ck_assert_int_eq(read.status, 0);
    ck_assert_uint_eq(stat_of("bytes"), 600);
    ck_assert_int_eq(lease_verb(PK_VERB_RELEASE, read.lease_id).status, 0);
    ck_assert_uint_eq(stat_of("bytes"), 0);
    ck_assert_uint_eq(stat_of("lease_mem_leases"), 0);
    ck_assert_int_eq(world.storage.stored, 0);
    close_world();
}
END_TEST

START_TEST(read_that_a_discard_overtakes_and_that_fails_holds_nothing)
{
    struct answer read;

    open_plain();
    discard_amid_a_read(&read);
    world.watch.fail_with = -EBUSY;
    world_settle(&world);
    world.watch.fail_with = 0;
    ck_assert_uint_eq(read.answers, 1);
    ck_assert_int_eq(read.status, -EBUSY);
    ck_assert_uint_eq(stat_of("bytes"), 0);
    ck_assert_uint_eq(stat_of("lease_mem_leases"), 0);
    ck_assert_int_eq(world.storage.stored, 0);
    close_world();
}
END_TEST

START_TEST(object_that_does_not_grow_is_not_blamed_for_one_that_does)
{
    open_plain();
    put("large", 600);
    struct answer small = create_unsized("small");
    write_bytes(small.lease_id, 10);
    advance(WORLD_SECOND);
    ck_assert_uint_eq(stat_of("bytes"), 610);
    struct answer grown = create_unsized("grown");
    write_bytes(grown.lease_id, 500);
    world.leases.block_percent = 100; /* so that it takes a while until it is done away with */
    advance(WORLD_SECOND);
    world_settle(&world);
    world.leases.block_percent = 0;
    ck_assert_int_eq(object_verb(PK_VERB_STAT, "grown").status, -ENOENT);
    ck_assert_int_eq(lease_verb(PK_VERB_SEAL, small.lease_id).status, 0);
    ck_assert_uint_eq(stat_of("bytes"), 610);
    close_world();
}
END_TEST

START_TEST(many_blobs_without_a_size_are_looked_at_a_few_at_once)
{
    open_plain();
    world.peer->options.max_objects = 2000;
    for (uint32_t i = 0; i < 1000; i++) {
        struct answer created = create_unsized(NULL);
        ck_assert_int_eq(created.status, 0);
        if (i % 10 == 0)
            write_bytes(created.lease_id, 1);
    }
    world.storage.block_percent = 100;
    advance(WORLD_SECOND / 4);
    ck_assert_uint_gt(world.executor.work_count, 0);
    ck_assert_uint_le(world.executor.work_count, 64);
    world.storage.block_percent = 0;
    world_settle(&world);
    advance(WORLD_SECOND / 8);
    ck_assert_uint_eq(stat_of("bytes"), 100);
    close_world();
}
END_TEST

START_TEST(size_that_can_not_be_told_does_not_doom_the_object)
{
    open_plain();
    struct answer created = create_unsized("x");
    world.storage.fault = FAULT_SIZE_INVALID;
    ck_assert_int_eq(lease_verb(PK_VERB_SEAL, created.lease_id).status, -EINVAL);
    ck_assert_int_eq(lease_verb(PK_VERB_SEAL, created.lease_id).status, 0);
    close_world();
}
END_TEST

static uint64_t bytes_to_remove;

static uint32_t
record_bytes(void *instance, uint32_t op, uint64_t bytes)
{
    (void)instance;
    if (op == PK_BLOB_REMOVE)
        bytes_to_remove = bytes;
    return 0;
}

START_TEST(storage_is_told_how_much_it_has_to_free_also_without_a_size)
{
    open_plain();
    struct answer created = create_unsized("x");
    write_bytes(created.lease_id, 500);
    advance(WORLD_SECOND);
    world.blob->ops.blob.may_block = record_bytes;
    ck_assert_int_eq(lease_verb(PK_VERB_RELEASE, created.lease_id).status, 0);
    ck_assert_uint_eq(bytes_to_remove, 500);
    close_world();
}
END_TEST

START_TEST(release_counts_once_for_a_lease)
{
    struct answer answers[3];

    open_plain();
    struct answer sealed = put("x", 1);
    world.leases.block_percent = 100;
    begin((struct pk_request){ .verb = PK_VERB_RENEW, .lease_id = sealed.lease_id }, &answers[0]);
    for (uint32_t i = 1; i < 3; i++)
        begin((struct pk_request){ .verb = PK_VERB_RELEASE, .lease_id = sealed.lease_id },
              &answers[i]);
    world_settle(&world);
    for (uint32_t i = 0; i < 3; i++)
        ck_assert_int_eq(answers[i].status, 0);
    ck_assert_uint_eq(stat_of("released"), 1);
    ck_assert_uint_eq(stat_of("leases"), 0);
    close_world();
}
END_TEST

/* ---- repeats ---- */

static const struct pk_request bound_create = { .verb = PK_VERB_ACQUIRE,
                                                .access = PK_ACCESS_CREATE,
                                                .object_id = "x",
                                                .flags = PK_REQUEST_BIND,
                                                .request_id = "r" };

START_TEST(repeat_is_not_told_of_a_lease_that_ended_meanwhile)
{
    struct answer first;
    struct answer again;

    open_plain();
    (void)call_in(world.sessions[1], bound_create, &first);
    ck_assert_int_eq(first.status, 0);
    world.storage.block_percent = 100;
    begin(bound_create, &again);
    world_reopen_session(&world, 1); /* to which the lease is bound */
    world_settle(&world);
    ck_assert_uint_eq(again.answers, 1);
    ck_assert_int_eq(again.status, -ESTALE);
    ck_assert_uint_eq(stat_of("objects"), 0);
    close_world();
}
END_TEST

START_TEST(repeats_of_a_request_that_fails_are_tried_in_their_order)
{
    struct answer answers[200];

    open_plain();
    world.storage.block_percent = 100;
    for (uint32_t i = 0; i < 200; i++)
        begin(bound_create, &answers[i]);
    for (uint32_t i = 0; i < 100; i++) {
        world.storage.fault = FAULT_CREATE_IO;
        ck_assert_uint_ge(world.executor.work_count, 1);
        while (answers[i].answers == 0)
            virtual_executor_run(&world.executor, 0);
        ck_assert_int_eq(answers[i].status, -EIO);
        ck_assert_uint_eq(answers[i + 1].answers, 0);
    }
    world_settle(&world);
    for (uint32_t i = 100; i < 200; i++) {
        ck_assert_int_eq(answers[i].status, 0);
        ck_assert_str_eq(answers[i].lease_id, answers[100].lease_id);
    }
    ck_assert_uint_eq(stat_of("leases"), 1);
    close_world();
}
END_TEST

START_TEST(repeats_whose_sessions_close_leave_the_others_alone)
{
    struct answer answers[6];

    open_plain();
    world.storage.block_percent = 100;
    for (uint32_t i = 0; i < 6; i++)
        (void)call_in(world.sessions[i % 2], bound_create, &answers[i]);
    world_reopen_session(&world, 0); /* the first, which works, and two that are parked */
    world_settle(&world);
    for (uint32_t i = 0; i < 6; i++) {
        ck_assert_uint_eq(answers[i].answers, 1);
        ck_assert_int_eq(answers[i].status, i % 2 == 0 ? -ECANCELED : 0);
    }
    ck_assert_uint_eq(stat_of("leases"), 1);
    close_world();
}
END_TEST

/* ---- replies ---- */

static uint64_t told_size;

static void
take_size(void *arg, const struct pk_reply *reply)
{
    (void)arg;
    if (reply->status == 0 && reply->blob_count > 0)
        told_size = reply->handles[0].size;
}

static int32_t
boasting_handle(void *blob, uint32_t access, pk_handle_emit_fn *emit, void *arg,
                struct pk_error *err)
{
    const struct pk_handle handle = {
        .struct_size = sizeof(handle), .kind = PK_HANDLE_URL, .text = "sim://", .size = 1ULL << 40
    };

    (void)blob;
    (void)access;
    (void)err;
    emit(arg, &handle);
    return 0;
}

START_TEST(size_of_what_is_sealed_is_the_peers_word)
{
    struct pk_request request = { .struct_size = sizeof(request),
                                  .verb = PK_VERB_ACQUIRE,
                                  .access = PK_ACCESS_READ,
                                  .object_id = "x" };

    open_plain();
    put("x", 5);
    world.blob->ops.blob.handle = boasting_handle;
    pk_peer_call(world.sessions[0], &request, take_size, NULL, NULL);
    ck_assert_uint_eq(told_size, 5);
    close_world();
}
END_TEST

static uint32_t lines;

static void
check_unlocked(void *arg, uint32_t level, const char *source, const char *line)
{
    (void)arg;
    (void)level;
    (void)source;
    (void)line;
    lines++;
    ck_assert_int_eq(pthread_mutex_trylock(&world.peer->lock), 0);
    (void)pthread_mutex_unlock(&world.peer->lock);
}

START_TEST(log_is_written_without_the_lock)
{
    open_plain();
    pk_log_set(PK_LOG_DEBUG, check_unlocked, NULL);
    put("large", 600);
    struct answer grown = create_unsized("grown");
    write_bytes(grown.lease_id, 500);
    advance(WORLD_SECOND);
    ck_assert_int_eq(object_verb(PK_VERB_STAT, "grown").status, -ENOENT);
    ck_assert_uint_gt(lines, 0);
    close_world();
}
END_TEST

int
main(void)
{
    const TTest *const cases[] = {
        read_that_a_discard_overtakes_is_answered,
        read_that_a_discard_overtakes_and_that_fails_holds_nothing,
        object_that_does_not_grow_is_not_blamed_for_one_that_does,
        many_blobs_without_a_size_are_looked_at_a_few_at_once,
        size_that_can_not_be_told_does_not_doom_the_object,
        storage_is_told_how_much_it_has_to_free_also_without_a_size,
        release_counts_once_for_a_lease,
        repeat_is_not_told_of_a_lease_that_ended_meanwhile,
        repeats_of_a_request_that_fails_are_tried_in_their_order,
        repeats_whose_sessions_close_leave_the_others_alone,
        size_of_what_is_sealed_is_the_peers_word,
        log_is_written_without_the_lock,
    };
    return SUITE_RUN("peer_books", cases);
}
