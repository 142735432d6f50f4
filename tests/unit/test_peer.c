/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The peer's rules one by one, over storage that keeps nothing beyond the process.
 */
#include "peer_fixture.h"

static void
open_plain(void)
{
    world_open(&world, &plain_options);
}

START_TEST(create_write_seal_read_release)
{
    struct answer created = create_sized("x", 5);
    ck_assert_int_eq(created.status, 0);
    ck_assert_uint_eq(created.state, PK_STATE_CREATING);
    ck_assert_uint_eq(created.access, PK_ACCESS_CREATE);
    ck_assert_uint_eq(created.ttl, 60ULL * WORLD_SECOND);
    struct answer sealed = lease_verb(PK_VERB_SEAL, created.lease_id);
    ck_assert_int_eq(sealed.status, 0);
    ck_assert_uint_eq(sealed.state, PK_STATE_SEALED);
    ck_assert_uint_eq(sealed.access, PK_ACCESS_READ);
    ck_assert_uint_eq(sealed.epoch, created.epoch);
    struct answer read = read_object("x");
    ck_assert_int_eq(read.status, 0);
    ck_assert_uint_eq(read.epoch, created.epoch);
    ck_assert_str_ne(read.lease_id, created.lease_id);
    ck_assert_uint_eq(stat_of("leases"), 2);
    ck_assert_int_eq(lease_verb(PK_VERB_RELEASE, read.lease_id).status, 0);
    ck_assert_int_eq(lease_verb(PK_VERB_RELEASE, read.lease_id).status, 0);
    ck_assert_int_eq(lease_verb(PK_VERB_RELEASE, created.lease_id).status, 0);
    ck_assert_uint_eq(stat_of("leases"), 0);
    ck_assert_uint_eq(stat_of("objects"), 1);
}
END_TEST

START_TEST(name_is_generated_when_none_is_given)
{
    struct answer one = create_sized(NULL, 1);
    struct answer other = create_sized(NULL, 1);
    ck_assert_int_eq(one.status, 0);
    ck_assert_uint_eq(strlen(one.object_id), 36);
    ck_assert_str_ne(one.object_id, other.object_id);
}
END_TEST

START_TEST(seal_is_idempotent_for_its_lease_alone)
{
    struct answer created = create_sized("x", 5);
    struct answer first = lease_verb(PK_VERB_SEAL, created.lease_id);
    struct answer again = lease_verb(PK_VERB_SEAL, created.lease_id);
    ck_assert_int_eq(again.status, 0);
    ck_assert_uint_eq(again.epoch, first.epoch);
    struct answer read = read_object("x");
    ck_assert_int_eq(lease_verb(PK_VERB_SEAL, read.lease_id).status, -EACCES);
    ck_assert_int_eq(lease_verb(PK_VERB_SEAL, "no such lease").status, -ESTALE);
    ck_assert_uint_eq(stat_of("sealed"), 1);
}
END_TEST

START_TEST(seal_that_is_busy_may_be_tried_again)
{
    struct answer created = create_sized("x", 5);
    world.storage.fault = FAULT_SEAL_BUSY;
    ck_assert_int_eq(lease_verb(PK_VERB_SEAL, created.lease_id).status, -EBUSY);
    ck_assert_int_eq(read_object("x").status, -EAGAIN);
    ck_assert_int_eq(lease_verb(PK_VERB_SEAL, created.lease_id).status, 0);
    ck_assert_int_eq(read_object("x").status, 0);
}
END_TEST

START_TEST(seal_that_can_never_be_does_away_with_the_object)
{
    struct answer waiting;
    struct answer created = create_sized("x", 5);
    wait_for("x", 9, &waiting);
    world.storage.fault = FAULT_SEAL_INVALID;
    ck_assert_int_eq(lease_verb(PK_VERB_SEAL, created.lease_id).status, -EINVAL);
    ck_assert_int_eq(lease_verb(PK_VERB_SEAL, created.lease_id).status, -ESTALE);
    ck_assert_uint_eq(stat_of("objects"), 0);
    ck_assert_uint_eq(stat_of("bytes"), 0);
    ck_assert_uint_eq(waiting.answers, 0); /* it may be made anew */
    put("x", 5);
    ck_assert_uint_eq(waiting.answers, 1);
    ck_assert_int_eq(waiting.status, 0);
}
END_TEST

START_TEST(seal_with_sizes_that_contradict_changes_nothing)
{
    const uint64_t wrong = 6;
    const uint64_t two[2] = { 5, 5 };
    struct answer created = create_sized("x", 5);
    struct pk_request seal = { .verb = PK_VERB_SEAL, .lease_id = created.lease_id };

    seal.sizes = &wrong;
    seal.blob_count = 1;
    ck_assert_int_eq(ask(seal).status, -EINVAL);
    seal.sizes = two;
    seal.blob_count = 2;
    ck_assert_int_eq(ask(seal).status, -EINVAL);
    ck_assert_int_eq(lease_verb(PK_VERB_SEAL, created.lease_id).status, 0);
}
END_TEST

START_TEST(repeat_of_a_request_gets_the_same_lease)
{
    const uint64_t size = 5;
    struct pk_request request = { .verb = PK_VERB_ACQUIRE,
                                  .access = PK_ACCESS_CREATE,
                                  .object_id = "x",
                                  .sizes = &size,
                                  .blob_count = 1,
                                  .request_id = "r" };
    struct answer first = ask(request);
    struct answer again = ask(request);
    ck_assert_int_eq(again.status, 0);
    ck_assert_str_eq(again.lease_id, first.lease_id);
    ck_assert_uint_eq(again.epoch, first.epoch);
    ck_assert_str_eq(again.handle, first.handle);
    /* Sealed meanwhile: still the same lease, now to read. */
    ck_assert_int_eq(lease_verb(PK_VERB_SEAL, first.lease_id).status, 0);
    again = ask(request);
    ck_assert_str_eq(again.lease_id, first.lease_id);
    ck_assert_uint_eq(again.state, PK_STATE_SEALED);
    request.object_id = "y";
    ck_assert_int_eq(ask(request).status, -EINVAL);
    request.object_id = "x";
    ck_assert_int_eq(lease_verb(PK_VERB_RELEASE, first.lease_id).status, 0);
    ck_assert_int_eq(ask(request).status, -EEXIST);
}
END_TEST

START_TEST(repeat_while_the_first_is_under_way_waits_for_it)
{
    struct answer first;
    struct answer again;
    const uint64_t size = 5;
    const struct pk_request request = { .verb = PK_VERB_ACQUIRE,
                                        .access = PK_ACCESS_CREATE,
                                        .sizes = &size,
                                        .blob_count = 1,
                                        .request_id = "r" };
    world.storage.block_percent = 100;
    (void)call_in(world.sessions[0], request, &first);
    (void)call_in(world.sessions[1], request, &again);
    ck_assert_uint_eq(first.answers + again.answers, 0);
    world_settle(&world);
    ck_assert_int_eq(first.status, 0);
    ck_assert_int_eq(again.status, 0);
    ck_assert_str_eq(first.lease_id, again.lease_id);
    ck_assert_str_eq(first.object_id, again.object_id);
    ck_assert_uint_eq(stat_of("objects"), 1);
}
END_TEST

START_TEST(handles_that_are_known_are_not_made_again)
{
    struct answer made = put("x", 5);
    world.storage.fault =
        FAULT_HANDLE_BUSY; /* the next handle that is asked for is not to be had */
    struct answer read = read_known("x", made.epoch);
    ck_assert_int_eq(read.status, 0);
    ck_assert_uint_eq(read.known, 1);
    ck_assert_uint_eq(read.handles, 1);
    ck_assert_uint_eq(read.epoch, made.epoch);
    ck_assert_uint_eq(strlen(read.lease_id), PK_LEASE_ID_LEN); /* a lease as any other */
    ck_assert_uint_eq(stat_of("leases"), 2);
    ck_assert_int_eq(lease_verb(PK_VERB_RELEASE, read.lease_id).status, 0);
    ck_assert_int_eq(lease_verb(PK_VERB_RELEASE, read.lease_id).status, 0);
    ck_assert_int_eq(read_known("x", made.epoch + 1).status, -EBUSY);
    struct answer other = read_known("x", made.epoch + 1);
    ck_assert_int_eq(other.status, 0);
    ck_assert_uint_eq(other.known, 0);
    ck_assert_str_ne(other.handle, "");
}
END_TEST

START_TEST(successor_of_what_is_known_is_not)
{
    struct answer old = put("x", 5);
    ck_assert_int_eq(object_verb(PK_VERB_DISCARD, "x").status, 0);
    ck_assert_int_eq(read_known("x", old.epoch).status, -ENOENT);
    struct answer young = put("x", 5);
    struct answer read = read_known("x", old.epoch);
    ck_assert_int_eq(read.status, 0);
    ck_assert_uint_eq(read.known, 0);
    ck_assert_uint_eq(read.epoch, young.epoch);
}
END_TEST

START_TEST(no_space_changes_nothing)
{
    ck_assert_int_eq(create_sized("large", 601).status, -EFBIG);
    put("half", 600);
    ck_assert_int_eq(create_sized("other", 401).status, -ENOSPC);
    ck_assert_uint_eq(stat_of("bytes"), 600);
    ck_assert_uint_eq(stat_of("objects"), 1);
    ck_assert_uint_eq(stat_of("lease_mem_granted"), 1);
    ck_assert_int_eq(create_sized("fits", 400).status, 0);
    ck_assert_int_eq(object_verb(PK_VERB_DISCARD, "half").status, 0);
    ck_assert_uint_eq(stat_of("bytes"), 1000); /* the creator still holds a lease on it */
}
END_TEST

START_TEST(discarded_object_is_read_on_and_freed_with_its_last_lease)
{
    struct answer sealed = put("x", 600);
    struct answer read = read_object("x");
    ck_assert_int_eq(object_verb(PK_VERB_DISCARD, "x").status, 0);
    ck_assert_int_eq(object_verb(PK_VERB_DISCARD, "x").status, -ENOENT);
    ck_assert_int_eq(read_object("x").status, -ENOENT);
    ck_assert_int_eq(world.storage.stored, 1);
    char bytes[8];
    struct answer got = ask((struct pk_request){
        .verb = PK_VERB_READ, .lease_id = read.lease_id, .data = bytes, .data_size = 8 });
    ck_assert_int_eq(got.status, 0);
    ck_assert_uint_eq(got.bytes, 8);
    struct answer successor = put("x", 1);
    ck_assert_uint_gt(successor.epoch, sealed.epoch);
    (void)lease_verb(PK_VERB_RELEASE, read.lease_id);
    ck_assert_int_eq(world.storage.stored, 2);
    (void)lease_verb(PK_VERB_RELEASE, sealed.lease_id);
    ck_assert_int_eq(world.storage.stored, 1);
    ck_assert_uint_eq(stat_of("bytes"), 1);
}
END_TEST

START_TEST(discard_belongs_to_the_owner_root_and_the_node)
{
    struct pk_principal other = {
        .struct_size = sizeof(other), .kind = PK_PRINCIPAL_UNIX, .uid = 4242, .gid = 4242
    };
    struct pk_session *session = NULL;
    struct answer answer;

    put("x", 1);
    ck_assert_int_eq(pk_peer_session_open(world.peer, &other, &session, NULL), 0);
    (void)call_in(session, (struct pk_request){ .verb = PK_VERB_DISCARD, .object_id = "x" },
                  &answer);
    ck_assert_int_eq(answer.status, -EACCES);
    pk_peer_session_close(session);
    other.uid = 0;
    ck_assert_int_eq(pk_peer_session_open(world.peer, &other, &session, NULL), 0);
    (void)call_in(session, (struct pk_request){ .verb = PK_VERB_DISCARD, .object_id = "x" },
                  &answer);
    ck_assert_int_eq(answer.status, 0);
    pk_peer_session_close(session);
}
END_TEST

START_TEST(wait_ends_by_seal_discard_deadline_cancel_and_stop)
{
    struct answer waits[5];
    struct answer created = create_sized("sealed", 1);
    (void)create_sized("discarded", 1);
    wait_for("sealed", 9, &waits[0]);
    wait_for("discarded", 9, &waits[1]);
    wait_for("late", 1, &waits[2]);
    uint64_t call = call_in(world.sessions[0],
                            (struct pk_request){ .verb = PK_VERB_ACQUIRE,
                                                 .access = PK_ACCESS_READ,
                                                 .object_id = "cancelled",
                                                 .wait = PK_FOREVER },
                            &waits[3]);
    wait_for("stopped", 9, &waits[4]);
    ck_assert_uint_eq(stat_of("waits"), 5);
    ck_assert_int_eq(lease_verb(PK_VERB_SEAL, created.lease_id).status, 0);
    ck_assert_int_eq(object_verb(PK_VERB_DISCARD, "discarded").status, 0);
    pk_peer_cancel(world.sessions[0], call);
    virtual_executor_advance(&world.executor, world.executor.now + WORLD_SECOND);
    pk_peer_stop(world.peer);
    const int32_t due[5] = { 0, -ENOENT, -ETIMEDOUT, -ECANCELED, -EBUSY };
    for (uint32_t i = 0; i < 5; i++) {
        ck_assert_uint_eq(waits[i].answers, 1);
        ck_assert_int_eq(waits[i].status, due[i]);
    }
    ck_assert_uint_eq(stat_of("waits"), 0);
    ck_assert_int_eq(create_sized("after", 1).status, -EBUSY);
}
END_TEST

START_TEST(lease_that_runs_out_abandons_the_object)
{
    struct answer created = create_sized("x", 5);
    virtual_executor_advance(&world.executor, world.executor.now + 60ULL * WORLD_SECOND);
    ck_assert_uint_eq(stat_of("objects"), 0);
    ck_assert_uint_eq(stat_of("abandoned"), 1);
    ck_assert_int_eq(world.storage.stored, 0);
    ck_assert_int_eq(lease_verb(PK_VERB_SEAL, created.lease_id).status, -ESTALE);
    ck_assert_int_eq(lease_verb(PK_VERB_RENEW, created.lease_id).status, -ESTALE);
    ck_assert_int_eq(create_sized("x", 5).status, 0);
}
END_TEST

/* The clock passes the lease's end between its grant and the moment the peer knows of it. */
static int32_t
late_find(void *instance, struct pk_lease *lease)
{
    (void)instance;
    virtual_executor_advance(&world.executor, lease->expires_at);
    return 0;
}

static int32_t (*real_grant)(void *instance, const struct pk_lease_request *request,
                             struct pk_lease *ret_lease, struct pk_error *err);

static int32_t
slow_grant(void *instance, const struct pk_lease_request *request, struct pk_lease *ret_lease,
           struct pk_error *err)
{
    int32_t rc = real_grant(instance, request, ret_lease, err);
    struct pk_error ignored = PK_ERROR_INIT;

    if (rc == 0) {
        (void)late_find(instance, ret_lease);
        (void)world.lease->ops.lease.expire(instance, world.executor.now, NULL, NULL, &ignored);
    }
    return rc;
}

START_TEST(lease_that_ends_before_it_is_known_leaves_nothing)
{
    put("sealed", 1);
    real_grant = world.lease->ops.lease.grant;
    world.lease->ops.lease.grant = slow_grant;
    ck_assert_int_eq(create_sized("x", 5).status, -ESTALE);
    ck_assert_int_eq(read_object("sealed").status, -ESTALE);
    world.lease->ops.lease.grant = real_grant;
    ck_assert_uint_eq(stat_of("objects"), 1);
    ck_assert_uint_eq(stat_of("bytes"), 1);
    ck_assert_int_eq(create_sized("x", 5).status, 0);
}
END_TEST

START_TEST(blob_that_grows_counts_and_is_bounded)
{
    struct pk_request create = { .verb = PK_VERB_ACQUIRE,
                                 .access = PK_ACCESS_CREATE,
                                 .object_id = "x" };
    struct answer created = ask(create);
    char bytes[700] = "";
    struct pk_request write = {
        .verb = PK_VERB_WRITE, .lease_id = created.lease_id, .data = bytes, .data_size = 400
    };
    ck_assert_int_eq(ask(write).status, 0);
    ck_assert_uint_eq(stat_of("bytes"), 0);
    virtual_executor_advance(&world.executor, world.executor.now + WORLD_SECOND);
    ck_assert_uint_eq(stat_of("bytes"), 400);
    write.data_size = 700;
    ck_assert_int_eq(ask(write).status, 0);
    ck_assert_int_eq(lease_verb(PK_VERB_SEAL, created.lease_id).status, -EFBIG);
    virtual_executor_advance(&world.executor, world.executor.now + WORLD_SECOND);
    ck_assert_uint_eq(stat_of("objects"), 0);
    ck_assert_uint_eq(stat_of("bytes"), 0);
    ck_assert_int_eq(lease_verb(PK_VERB_SEAL, created.lease_id).status, -ESTALE);
}
END_TEST

START_TEST(sizes_may_be_required)
{
    world.peer->options.unsized = false;
    struct pk_request create = { .verb = PK_VERB_ACQUIRE,
                                 .access = PK_ACCESS_CREATE,
                                 .object_id = "x" };
    ck_assert_int_eq(ask(create).status, -EOPNOTSUPP);
    create.object_ttl = 1;
    world.peer->options.unsized = true;
    ck_assert_int_eq(ask(create).status, -EOPNOTSUPP);
    ck_assert_uint_eq(stat_of("objects"), 0);
}
END_TEST

START_TEST(writes_and_reads_through_the_peer)
{
    char bytes[8] = "";
    struct answer created = create_sized("x", 5);
    struct pk_request request = {
        .verb = PK_VERB_WRITE, .lease_id = created.lease_id, .data = bytes, .data_size = 5
    };
    ck_assert_uint_eq(ask(request).bytes, 5);
    request.data_size = 6;
    ck_assert_int_eq(ask(request).status, -EFBIG);
    request.blob = 1;
    ck_assert_int_eq(ask(request).status, -EINVAL);
    request.blob = 0;
    request.offset = UINT64_MAX;
    ck_assert_int_eq(ask(request).status, -EINVAL);
    request.offset = 0;
    ck_assert_int_eq(lease_verb(PK_VERB_SEAL, created.lease_id).status, 0);
    ck_assert_int_eq(ask(request).status, -EACCES);
    request.verb = PK_VERB_READ;
    request.offset = 3;
    request.data_size = 8;
    ck_assert_uint_eq(ask(request).bytes, 2);
    request.lease_id = "none";
    ck_assert_int_eq(ask(request).status, -ESTALE);
}
END_TEST

START_TEST(list_pages_in_epoch_order)
{
    struct pk_request list = { .verb = PK_VERB_LIST, .limit = 2 };
    put("a/2", 1);
    put("a/1", 2);
    put("b", 3);
    put("a/3", 4);
    struct answer page = ask(list);
    ck_assert_uint_eq(page.object_count, 2);
    ck_assert_str_eq(page.listed[0], "a/2");
    ck_assert_str_eq(page.listed[1], "a/1");
    ck_assert_uint_eq(page.sizes[1], 2);
    /* The page's last object may go: the next page begins where it was. */
    ck_assert_int_eq(object_verb(PK_VERB_DISCARD, "a/1").status, 0);
    list.cursor = page.cursor;
    page = ask(list);
    ck_assert_uint_eq(page.object_count, 2);
    ck_assert_str_eq(page.listed[0], "b");
    ck_assert_str_eq(page.listed[1], "a/3");
    ck_assert_uint_eq(page.cursor, 0);
    list = (struct pk_request){ .verb = PK_VERB_LIST, .prefix = "a/" };
    ck_assert_uint_eq(ask(list).object_count, 2);
}
END_TEST

START_TEST(calls_and_sessions_are_bounded)
{
    static struct answer waits[2]; /* answered when the world is closed */
    struct answer more;
    struct pk_session *sessions[100];
    const struct pk_principal who = { .struct_size = sizeof(who) };
    uint32_t opened = 0;

    world.peer->options.max_calls = 2;
    wait_for("x", 9, &waits[0]);
    wait_for("x", 9, &waits[1]);
    (void)call_in(world.sessions[0], (struct pk_request){ .verb = PK_VERB_LIST }, &more);
    ck_assert_int_eq(more.status, -EBUSY);
    (void)call_in(world.sessions[1], (struct pk_request){ .verb = PK_VERB_LIST }, &more);
    ck_assert_int_eq(more.status, 0);
    while (opened < 100 && pk_peer_session_open(world.peer, &who, &sessions[opened], NULL) == 0)
        opened++;
    ck_assert_uint_eq(opened, 100 - WORLD_SESSIONS);
    while (opened > 0)
        pk_peer_session_close(sessions[--opened]);
}
END_TEST

START_TEST(a_release_is_never_refused_for_load)
{
    static struct answer waits[2]; /* answered when the world is closed */
    struct answer more;
    struct answer created = create_sized("y", 5);

    world.peer->options.max_calls = 2;
    wait_for("x", 9, &waits[0]);
    wait_for("x", 9, &waits[1]);
    (void)call_in(world.sessions[0], (struct pk_request){ .verb = PK_VERB_LIST }, &more);
    ck_assert_int_eq(more.status, -EBUSY);
    ck_assert_int_eq(lease_verb(PK_VERB_RELEASE, created.lease_id).status, 0);
    ck_assert_uint_eq(stat_of("leases"), 0);
    ck_assert_int_eq(lease_verb(PK_VERB_RELEASE, created.lease_id).status, 0);
}
END_TEST

START_TEST(request_that_no_verb_can_mean_is_refused)
{
    char long_id[PK_ID_MAX + 2];
    const uint64_t huge[2] = { PK_SIZE_MAX, PK_SIZE_MAX };

    memset(long_id, 'x', sizeof(long_id));
    long_id[PK_ID_MAX + 1] = '\0';
    ck_assert_int_eq(read_object(long_id).status, -EINVAL);
    ck_assert_int_eq(read_object("").status, -EINVAL);
    ck_assert_int_eq(read_object("tab\t").status, -EINVAL);
    ck_assert_int_eq(read_object(NULL).status, -EINVAL);
    ck_assert_int_eq(object_verb(PK_VERB_DISCARD, NULL).status, -EINVAL);
    ck_assert_int_eq(object_verb(PK_VERB_STAT, NULL).status, -EINVAL);
    ck_assert_int_eq(lease_verb(PK_VERB_RELEASE, NULL).status, -EINVAL);
    ck_assert_int_eq(lease_verb(PK_VERB_SEAL, NULL).status, -ESTALE);
    ck_assert_int_eq(lease_verb(77, NULL).status, -EOPNOTSUPP);
    ck_assert_int_eq(ask((struct pk_request){ .verb = PK_VERB_ACQUIRE, .access = 3 }).status,
                     -EINVAL);
    ck_assert_int_eq(ask((struct pk_request){ .verb = PK_VERB_ACQUIRE,
                                              .access = PK_ACCESS_CREATE,
                                              .sizes = huge,
                                              .blob_count = 2 })
                         .status,
                     -EFBIG);
    ck_assert_int_eq(ask((struct pk_request){ .verb = PK_VERB_ACQUIRE,
                                              .access = PK_ACCESS_CREATE,
                                              .blob_count = PK_BLOBS_MAX + 1 })
                         .status,
                     -EINVAL);
}
END_TEST

START_TEST(bound_leases_end_with_their_session_and_no_other)
{
    struct pk_request create = { .verb = PK_VERB_ACQUIRE,
                                 .access = PK_ACCESS_CREATE,
                                 .object_id = "bound",
                                 .flags = PK_REQUEST_BIND };
    struct answer bound = ask(create);
    create.object_id = "free";
    create.flags = 0;
    (void)ask(create);
    ck_assert_uint_eq(bound.ttl, PK_FOREVER);
    ck_assert_uint_eq(lease_verb(PK_VERB_RENEW, bound.lease_id).ttl, PK_FOREVER);
    world_reopen_session(&world, 1);
    ck_assert_uint_eq(stat_of("objects"), 2);
    world_reopen_session(&world, 0);
    ck_assert_uint_eq(stat_of("objects"), 1);
    ck_assert_int_eq(object_verb(PK_VERB_STAT, "bound").status, -ENOENT);
    ck_assert_int_eq(object_verb(PK_VERB_STAT, "free").status, 0);
}
END_TEST

START_TEST(expiry_and_discard_act_after_the_seal_that_is_under_way)
{
    struct answer created = create_sized("x", 5);
    struct answer seal;
    struct answer discard;

    world.storage.block_percent = 100;
    (void)call_in(world.sessions[0],
                  (struct pk_request){ .verb = PK_VERB_SEAL, .lease_id = created.lease_id }, &seal);
    virtual_executor_advance(&world.executor, world.executor.now + 100ULL * WORLD_SECOND);
    ck_assert_uint_eq(stat_of("objects"), 1);
    (void)call_in(world.sessions[1],
                  (struct pk_request){ .verb = PK_VERB_DISCARD, .object_id = "x" }, &discard);
    ck_assert_uint_eq(seal.answers + discard.answers, 0);
    world_settle(&world);
    ck_assert_int_eq(seal.status, 0);
    ck_assert_int_eq(discard.status, 0);
    ck_assert_uint_eq(stat_of("sealed"), 1);
    ck_assert_uint_eq(stat_of("objects") + stat_of("leases") + stat_of("bytes"), 0);
}
END_TEST

int
main(void)
{
    const TTest *const cases[] = {
        create_write_seal_read_release,
        name_is_generated_when_none_is_given,
        seal_is_idempotent_for_its_lease_alone,
        seal_that_is_busy_may_be_tried_again,
        seal_that_can_never_be_does_away_with_the_object,
        seal_with_sizes_that_contradict_changes_nothing,
        repeat_of_a_request_gets_the_same_lease,
        repeat_while_the_first_is_under_way_waits_for_it,
        handles_that_are_known_are_not_made_again,
        successor_of_what_is_known_is_not,
        no_space_changes_nothing,
        discarded_object_is_read_on_and_freed_with_its_last_lease,
        discard_belongs_to_the_owner_root_and_the_node,
        wait_ends_by_seal_discard_deadline_cancel_and_stop,
        lease_that_runs_out_abandons_the_object,
        lease_that_ends_before_it_is_known_leaves_nothing,
        blob_that_grows_counts_and_is_bounded,
        sizes_may_be_required,
        writes_and_reads_through_the_peer,
        list_pages_in_epoch_order,
        calls_and_sessions_are_bounded,
        a_release_is_never_refused_for_load,
        request_that_no_verb_can_mean_is_refused,
        bound_leases_end_with_their_session_and_no_other,
        expiry_and_discard_act_after_the_seal_that_is_under_way,
    };
    return SUITE_RUN_BETWEEN("peer", cases, open_plain, close_world);
}
