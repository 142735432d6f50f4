/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes in requests and answers: put, and reads that are answered with the bytes. That whatever
 * fails leaves nothing behind is test_peer_faults.c's.
 */
#include "peer_fixture.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

static void
open_plain(void)
{
    world_open(&world, &plain_options);
}

static void
open_without_put(void)
{
    struct world_options options = plain_options;

    options.no_put = true;
    world_open(&world, &options);
}

static void
open_durable(void)
{
    struct world_options options = plain_options;

    options.durable = true;
    options.traits = PK_BLOB_DURABLE | PK_BLOB_SHARED | PK_BLOB_CONDITIONAL;
    world_open(&world, &options);
    world_settle(&world);
}

/* ---- put ---- */

START_TEST(what_is_put_is_sealed_and_nobody_has_to_release_it)
{
    struct answer made = ask(put_request("x", "hello"));
    ck_assert_int_eq(made.status, 0);
    ck_assert_str_eq(made.object_id, "x");
    ck_assert_str_eq(made.lease_id, "");
    ck_assert_uint_eq(made.handles, 0);
    ck_assert_uint_eq(stat_of("leases"), 0);
    ck_assert_uint_eq(stat_of("lease_mem_leases"), 0);
    ck_assert_uint_eq(stat_of("objects"), 1);
    ck_assert_uint_eq(stat_of("bytes"), 5);
    ck_assert_uint_eq(stat_of("sealed"), 1);
    struct answer read = read_object("x");
    ck_assert_int_eq(read.status, 0);
    ck_assert_uint_eq(read.epoch, made.epoch);
    ck_assert_int_eq(ask(put_request("x", "other")).status, -EEXIST);
    ck_assert_int_eq(object_verb(PK_VERB_DISCARD, "x").status, 0);
    ck_assert_int_eq(lease_verb(PK_VERB_RELEASE, read.lease_id).status, 0);
    ck_assert_uint_eq(stat_of("bytes"), 0);
}
END_TEST

START_TEST(put_without_a_name_tells_the_one_it_got)
{
    struct answer made = ask(put_request(NULL, ""));
    ck_assert_int_eq(made.status, 0);
    ck_assert_uint_eq(strlen(made.object_id), 36);
    struct answer read = read_inline(made.object_id, 1);
    ck_assert_int_eq(read.status, 0);
    ck_assert_uint_eq(read.data_size, 0);
    ck_assert_uint_eq(read.handles, 1);
}
END_TEST

START_TEST(blobs_of_a_put_lie_one_behind_the_other)
{
    const uint64_t sizes[3] = { 2, 0, 3 };
    struct pk_request request = put_request("x", "12345");
    request.sizes = sizes;
    request.blob_count = 3;
    request.meta = "{}";
    ck_assert_int_eq(ask(request).status, 0);
    struct answer read = read_inline("x", 5);
    ck_assert_uint_eq(read.handles, 3);
    ck_assert_uint_eq(read.data_size, 5);
    ck_assert_mem_eq(read.data, "12345", 5);
}
END_TEST

static void
refused(struct pk_request request, int32_t status, const char *word)
{
    struct answer answer = ask(request);
    ck_assert_int_eq(answer.status, status);
    ck_assert_msg(strstr(answer.message, word) != NULL, "'%s' in '%s'", word, answer.message);
    ck_assert_uint_eq(stat_of("objects"), 0);
    ck_assert_uint_eq(stat_of("bytes"), 0);
    ck_assert_uint_eq(stat_of("lease_mem_leases"), 0);
}

START_TEST(put_that_makes_no_sense_changes_nothing)
{
    static char large[2000];
    const uint64_t sizes[2] = { 2, 3 };
    const uint64_t unsized[2] = { 5, PK_UNSIZED };
    struct pk_request request = put_request("x", "1234");
    memset(large, 'x', sizeof(large) - 1);
    request.blob_count = 2;
    refused(request, -EINVAL, "sizes");
    request.sizes = sizes;
    refused(request, -EINVAL, "data");
    request.sizes = unsized;
    request.data_size = 5;
    refused(request, -EINVAL, "sizes[1]");
    request = put_request("x", "1234");
    request.data = NULL;
    refused(request, -EINVAL, "data");
    request = put_request("x", "1234");
    request.object_ttl = WORLD_SECOND;
    refused(request, -EOPNOTSUPP, "object_ttl");
    refused(put_request("x", large), -EFBIG, "max_object");
    large[600] = '\0';
    ck_assert_int_eq(ask(put_request("y", large)).status, 0);
    ck_assert_int_eq(ask(put_request("x", large)).status, -ENOSPC);
    ck_assert_int_eq(object_verb(PK_VERB_STAT, "x").status, -ENOENT);
}
END_TEST

START_TEST(put_tells_whoever_waits)
{
    struct answer waiting;
    wait_for("x", 9, &waiting);
    ck_assert_int_eq(ask(put_request("x", "hello")).status, 0);
    ck_assert_uint_eq(waiting.answers, 1);
    ck_assert_int_eq(waiting.status, 0);
}
END_TEST

START_TEST(put_finds_the_name_taken_by_a_create)
{
    struct answer created = create_sized("x", 1);
    ck_assert_int_eq(ask(put_request("x", "hello")).status, -EEXIST);
    ck_assert_int_eq(lease_verb(PK_VERB_RELEASE, created.lease_id).status, 0);
    ck_assert_int_eq(ask(put_request("x", "hello")).status, 0);
}
END_TEST

/* With this slot on a worker, which has not come to it yet. */
static void
close_amid_a_put(uint32_t op)
{
    struct answer answer;
    world.watch.block_op[WATCH_BLOB] = op;
    (void)call_in(world.sessions[1], put_request("x", "hello"), &answer);
    ck_assert_uint_eq(answer.answers, 0);
    world_reopen_session(&world, 1);
    world_settle(&world);
    ck_assert_uint_eq(answer.answers, 1);
    ck_assert_int_eq(answer.status, -ECANCELED);
    ck_assert_uint_eq(stat_of("objects"), 0);
    ck_assert_uint_eq(stat_of("bytes"), 0);
    ck_assert_uint_eq(stat_of("lease_mem_leases"), 0);
    ck_assert_int_eq(ask(put_request("x", "hello")).status, 0);
    ck_assert_int_eq(object_verb(PK_VERB_DISCARD, "x").status, 0);
}

START_TEST(put_whose_session_closes_leaves_nothing)
{
    close_amid_a_put(PK_BLOB_PUT);
}
END_TEST

START_TEST(put_of_three_steps_whose_session_closes_leaves_nothing)
{
    close_amid_a_put(PK_BLOB_CREATE);
    close_amid_a_put(PK_BLOB_WRITE);
    close_amid_a_put(PK_BLOB_SEAL);
}
END_TEST

START_TEST(names_are_free_to_others_while_a_put_works)
{
    struct answer answer;
    struct answer other;
    world.watch.block_op[WATCH_BLOB] = PK_BLOB_PUT;
    (void)call_in(world.sessions[0], put_request("x", "hello"), &answer);
    (void)call_in(world.sessions[1], put_request("x", "other"), &other);
    ck_assert_int_eq(create_sized("y", 1).status, 0);
    world_settle(&world);
    ck_assert_int_eq(answer.status, 0);
    ck_assert_int_eq(other.status, -EEXIST);
}
END_TEST

START_TEST(put_is_published_or_not_at_all)
{
    ck_assert_int_eq(ask(put_request("x", "hello")).status, 0);
    ck_assert(storage_has(&world.storage, "x"));
    world.storage.fault = FAULT_PUBLISH_STALE;
    ck_assert_int_eq(ask(put_request("y", "hello")).status, -ESTALE);
    ck_assert_int_eq(object_verb(PK_VERB_STAT, "y").status, -ENOENT);
    world.storage.fault = FAULT_PUBLISH_LOST;
    ck_assert_int_eq(ask(put_request("z", "hello")).status, 0);
    world_restart(&world);
    world_settle(&world);
    struct answer read = read_inline("x", 100);
    ck_assert_int_eq(read.status, 0);
    ck_assert_mem_eq(read.data, "hello", 5);
    ck_assert_int_eq(read_inline("z", 100).status, 0);
    storage_publish_elsewhere(&world.storage, "e", 7, 3);
    ck_assert_int_eq(ask(put_request("e", "hello")).status, -EEXIST);
}
END_TEST

/* ---- descriptors ---- */

static bool
is_open(int fd)
{
    return fcntl(fd, F_GETFD) != -1;
}

static struct answer
put_descriptors(const char *id, uint64_t second, int fds[2])
{
    const uint64_t sizes[2] = { 3, second };
    struct pk_handle handles[2];
    struct pk_request request = { .verb = PK_VERB_PUT,
                                  .object_id = id,
                                  .handles = handles,
                                  .handle_stride = sizeof(handles[0]),
                                  .blob_count = 2 };
    for (uint32_t i = 0; i < 2; i++) {
        fds[i] = memfd_create("test", MFD_CLOEXEC);
        ck_assert_int_eq(pwrite(fds[i], i == 0 ? "one" : "two", 3, 0), 3);
        handles[i] = (struct pk_handle){
            .struct_size = sizeof(handles[i]), .kind = PK_HANDLE_FD, .fd = fds[i], .size = sizes[i]
        };
    }
    return ask(request);
}

START_TEST(descriptors_of_a_put_become_the_blobs)
{
    int fds[2];
    ck_assert_int_eq(put_descriptors("x", 3, fds).status, 0);
    ck_assert(!is_open(fds[0]) && !is_open(fds[1]));
    struct answer read = read_inline("x", 6);
    ck_assert_uint_eq(read.handles, 2);
    ck_assert_uint_eq(read.data_size, 6);
    ck_assert_mem_eq(read.data, "onetwo", 6);
    ck_assert_uint_eq(stat_of("bytes"), 6);
    ck_assert_uint_eq(stat_of("lease_mem_leases"), 0);
}
END_TEST

static void
refused_descriptors(const char *id, uint64_t second, int32_t status)
{
    int fds[2];
    ck_assert_int_eq(put_descriptors(id, second, fds).status, status);
    ck_assert(!is_open(fds[0]) && !is_open(fds[1]));
    ck_assert_uint_eq(stat_of("objects"), 0);
    ck_assert_uint_eq(stat_of("bytes"), 0);
    ck_assert_uint_eq(stat_of("lease_mem_leases"), 0);
}

START_TEST(descriptors_of_a_put_are_closed_whatever_becomes_of_it)
{
    refused_descriptors("", 3, -EINVAL);
    refused_descriptors("x", PK_UNSIZED, -EINVAL);
    refused_descriptors("x", UINT64_MAX - 1, -EFBIG);
    refused_descriptors("x", 1000, -EFBIG);
    refused_descriptors("x", 4, -EINVAL); /* says the storage */
    world.peer->options.max_calls = 0;
    refused_descriptors("x", 3, -EBUSY);
}
END_TEST

START_TEST(a_large_file_that_is_refused_is_freed_by_a_worker)
{
    struct answer answer;
    int fd = memfd_create("test", MFD_CLOEXEC);
    ck_assert_int_eq(posix_fallocate(fd, 0, 4 << 20), 0);
    const struct pk_handle one = { .struct_size = sizeof(one), .kind = PK_HANDLE_FD, .fd = fd };
    struct pk_request request = {
        .verb = PK_VERB_PUT, .object_id = "", .handles = &one, .handle_stride = sizeof(one)
    };
    for (int i = 0; i < 2; i++) { /* before it is a call, and after */
        (void)call_in(world.sessions[0], request, &answer);
        ck_assert_int_lt(answer.status, 0);
        ck_assert(is_open(fd));
        world_settle(&world);
        ck_assert(!is_open(fd));
        ck_assert_int_eq(memfd_create("test", MFD_CLOEXEC), fd);
        ck_assert_int_eq(posix_fallocate(fd, 0, 4 << 20), 0);
        request.object_id = "x";
        world.peer->options.max_calls = 0;
    }
    (void)close(fd);
}
END_TEST

START_TEST(descriptors_of_a_put_that_make_no_sense_are_closed)
{
    char byte = 'x';
    const struct pk_handle none = { .struct_size = sizeof(none), .kind = PK_HANDLE_URL, .fd = -1 };
    struct pk_request request = {
        .verb = PK_VERB_PUT, .object_id = "x", .handles = &none, .handle_stride = sizeof(none)
    };
    ck_assert_int_eq(ask(request).status, -EINVAL);
    const struct pk_handle one = { .struct_size = sizeof(one), .kind = PK_HANDLE_FD, .fd = dup(0) };
    request.handles = &one;
    request.data = &byte;
    request.data_size = 1;
    ck_assert_int_eq(ask(request).status, -EINVAL);
    ck_assert(!is_open(one.fd));
}
END_TEST

START_TEST(storage_that_takes_no_descriptors_says_so)
{
    refused_descriptors("x", 3, -EOPNOTSUPP);
}
END_TEST

/* ---- reads ---- */

START_TEST(small_objects_come_without_a_lease)
{
    ck_assert_int_eq(ask(put_request("x", "hello")).status, 0);
    for (int i = 0; i < 10; i++) { /* some by read, some from where they lie */
        struct answer read = read_inline("x", 5);
        ck_assert_int_eq(read.status, 0);
        ck_assert_str_eq(read.lease_id, "");
        ck_assert_uint_eq(read.access, PK_ACCESS_READ);
        ck_assert_uint_eq(read.state, PK_STATE_SEALED);
        ck_assert_uint_eq(read.ttl, PK_FOREVER);
        ck_assert_uint_eq(read.data_size, 5);
        ck_assert_mem_eq(read.data, "hello", 5);
    }
    ck_assert_uint_eq(stat_of("inlined"), 10);
    ck_assert_uint_eq(stat_of("acquired"), 0);
    ck_assert_uint_eq(stat_of("leases"), 0);
}
END_TEST

START_TEST(larger_objects_come_with_a_lease)
{
    ck_assert_int_eq(ask(put_request("x", "hello")).status, 0);
    struct answer read = read_inline("x", 4);
    ck_assert_uint_eq(strlen(read.lease_id), PK_LEASE_ID_LEN);
    ck_assert_uint_eq(read.data_size, 0);
    ck_assert_uint_eq(stat_of("leases"), 1);
}
END_TEST

START_TEST(who_wants_to_repeat_a_read_wants_a_lease)
{
    ck_assert_int_eq(ask(put_request("x", "hello")).status, 0);
    struct answer read = ask((struct pk_request){ .verb = PK_VERB_ACQUIRE,
                                                  .access = PK_ACCESS_READ,
                                                  .object_id = "x",
                                                  .request_id = "r",
                                                  .inline_max = 100 });
    ck_assert_uint_eq(strlen(read.lease_id), PK_LEASE_ID_LEN);
}
END_TEST

START_TEST(wait_is_answered_with_the_bytes)
{
    struct answer waiting;
    (void)call_in(world.sessions[0],
                  (struct pk_request){ .verb = PK_VERB_ACQUIRE,
                                       .access = PK_ACCESS_READ,
                                       .object_id = "x",
                                       .wait = WORLD_SECOND,
                                       .inline_max = 100 },
                  &waiting);
    ck_assert_int_eq(ask(put_request("x", "hello")).status, 0);
    ck_assert_uint_eq(waiting.answers, 1);
    ck_assert_mem_eq(waiting.data, "hello", 5);
    ck_assert_uint_eq(stat_of("leases"), 0);
}
END_TEST

/* A completion that discards what it is told of, and reads on. */
struct discarding {
    struct answer read;
    struct answer discarded;
    struct answer again;
};

static void
discard_it(void *arg, const struct pk_reply *reply)
{
    struct discarding *discarding = arg;

    discarding->discarded = object_verb(PK_VERB_DISCARD, reply->object_id);
    discarding->again = read_inline(reply->object_id, 100);
    copy_answer(&discarding->read, reply);
}

START_TEST(bytes_stay_until_they_were_told_whatever_the_completion_does)
{
    struct discarding discarding = { .read = { 0 } };
    const struct pk_request request = { .struct_size = sizeof(request),
                                        .verb = PK_VERB_ACQUIRE,
                                        .access = PK_ACCESS_READ,
                                        .object_id = "x",
                                        .inline_max = 100 };
    ck_assert_int_eq(ask(put_request("x", "hello")).status, 0);
    pk_peer_call(world.sessions[0], &request, discard_it, &discarding, NULL);
    ck_assert_int_eq(discarding.discarded.status, 0);
    ck_assert_int_eq(discarding.again.status, -ENOENT);
    ck_assert_uint_eq(discarding.read.answers, 1);
    ck_assert_mem_eq(discarding.read.data, "hello", 5);
    ck_assert_uint_eq(stat_of("bytes"), 0);
    ck_assert_int_eq(world.storage.stored, 0);
}
END_TEST

START_TEST(reads_with_bytes_are_calls_as_others)
{
    struct answer first;
    static struct answer waiting; /* answered when the world is closed */
    struct answer second;
    struct pk_request read = {
        .verb = PK_VERB_ACQUIRE, .access = PK_ACCESS_READ, .object_id = "x", .inline_max = 100
    };
    ck_assert_int_eq(ask(put_request("x", "hello")).status, 0);
    uint64_t one = call_in(world.sessions[1], read, &first);
    uint64_t other = call_in(world.sessions[1], read, &second);
    ck_assert_uint_gt(one, 0);
    ck_assert_uint_gt(other, one);
    pk_peer_cancel(world.sessions[1], other); /* too late */
    ck_assert_uint_eq(second.answers, 1);
    ck_assert_int_eq(second.status, 0);
    world.peer->options.max_calls = 1;
    read.wait = WORLD_SECOND;
    read.object_id = "y";
    (void)call_in(world.sessions[1], read, &waiting);
    read.object_id = "x";
    (void)call_in(world.sessions[1], read, &second);
    ck_assert_int_eq(second.status, -EBUSY);
    ck_assert_uint_eq(stat_of("calls"), 1 + 1); /* the one that waits, and its timer */
}
END_TEST

START_TEST(object_outlives_its_discard_until_its_bytes_were_told)
{
    struct answer read;
    ck_assert_int_eq(ask(put_request("x", "hello")).status, 0);
    world.watch.block_op[WATCH_BLOB] = PK_BLOB_READ;
    do { /* until they are to be read, on a worker */
        (void)call_in(world.sessions[1],
                      (struct pk_request){ .verb = PK_VERB_ACQUIRE,
                                           .access = PK_ACCESS_READ,
                                           .object_id = "x",
                                           .inline_max = 100 },
                      &read);
    } while (read.answers > 0);
    ck_assert_int_eq(object_verb(PK_VERB_DISCARD, "x").status, 0);
    ck_assert_uint_eq(read.answers, 1);
    ck_assert_mem_eq(read.data, "hello", 5);
    ck_assert_uint_eq(stat_of("bytes"), 0);
}
END_TEST

START_TEST(object_that_went_away_elsewhere_is_not_told)
{
    ck_assert_int_eq(ask(put_request("x", "hello")).status, 0);
    storage_publish_elsewhere(&world.storage, "x", 99, 3);
    struct answer read = read_inline("x", 100);
    ck_assert_int_eq(read.status, 0);
    ck_assert_uint_eq(read.epoch, 99);
    ck_assert_uint_eq(read.data_size, 3);
    storage_unpublish_elsewhere(&world.storage, "x");
    ck_assert_int_eq(read_inline("x", 100).status, -ENOENT);
}
END_TEST

START_TEST(object_that_went_away_elsewhere_is_known_no_more)
{
    struct answer made = ask(put_request("x", "hello"));
    struct answer read = read_known("x", made.epoch);
    ck_assert_int_eq(read.status, 0);
    ck_assert_uint_eq(read.known, 0); /* the storage was asked for a handle */
    storage_publish_elsewhere(&world.storage, "x", 99, 3);
    ck_assert_uint_eq(read_known("x", made.epoch).epoch, 99);
    storage_unpublish_elsewhere(&world.storage, "x");
    ck_assert_int_eq(read_known("x", 99).status, -ENOENT);
}
END_TEST

int
main(void)
{
    const TTest *const plain[] = {
        what_is_put_is_sealed_and_nobody_has_to_release_it,
        put_without_a_name_tells_the_one_it_got,
        blobs_of_a_put_lie_one_behind_the_other,
        put_that_makes_no_sense_changes_nothing,
        put_tells_whoever_waits,
        put_finds_the_name_taken_by_a_create,
        put_whose_session_closes_leaves_nothing,
        names_are_free_to_others_while_a_put_works,
        descriptors_of_a_put_become_the_blobs,
        descriptors_of_a_put_are_closed_whatever_becomes_of_it,
        descriptors_of_a_put_that_make_no_sense_are_closed,
        a_large_file_that_is_refused_is_freed_by_a_worker,
        small_objects_come_without_a_lease,
        larger_objects_come_with_a_lease,
        who_wants_to_repeat_a_read_wants_a_lease,
        wait_is_answered_with_the_bytes,
        bytes_stay_until_they_were_told_whatever_the_completion_does,
        reads_with_bytes_are_calls_as_others,
        object_outlives_its_discard_until_its_bytes_were_told,
    };
    const TTest *const durable[] = {
        put_is_published_or_not_at_all,
        object_that_went_away_elsewhere_is_not_told,
        object_that_went_away_elsewhere_is_known_no_more,
    };
    const TTest *const without_put[] = {
        what_is_put_is_sealed_and_nobody_has_to_release_it,
        storage_that_takes_no_descriptors_says_so,
        blobs_of_a_put_lie_one_behind_the_other,
        put_of_three_steps_whose_session_closes_leaves_nothing,
    };
    int failed = SUITE_RUN_BETWEEN("peer_put", plain, open_plain, close_world);
    failed +=
        SUITE_RUN_BETWEEN("peer_put in three steps", without_put, open_without_put, close_world);
    return failed + SUITE_RUN_BETWEEN("peer_put durable", durable, open_durable, close_world);
}
