/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recovery in the background: what waits for it and what does not, what it must not bring back, and
 * that a node ends in the midst of it. With virtual threads, and the last tests with real ones.
 */
#include "core/host.h"
#include "gate.h"
#include "peer_fixture.h"

#include <time.h>

const struct pk_plugin *lease_mem_entry(void);

static void
open_durable(void)
{
    struct world_options options = plain_options;

    options.durable = true;
    options.traits = PK_BLOB_DURABLE | PK_BLOB_SHARED | PK_BLOB_CONDITIONAL;
    world_open(&world, &options);
}

/* Another peer over what these hold, whose recovery waits to be run. */
static void
begin_recovery(const char *const *ids, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        put(ids[i], 5);
    world.storage.block_percent = 100;
    world_restart(&world);
    ck_assert_uint_eq(world.executor.work_count, 1);
    ck_assert_uint_eq(stat_of("recovering"), 1);
    ck_assert_uint_eq(stat_of("objects"), 0);
}

/* Asks, and runs all work but the recovery, which is the first. */
static struct answer
ask_beside(struct pk_request request)
{
    struct answer answer;

    (void)call_in(world.sessions[0], request, &answer);
    while (world.executor.work_count > 1)
        virtual_executor_run(&world.executor, 1);
    return answer;
}

START_TEST(list_waits_for_the_end_and_then_is_whole)
{
    static const char *const ids[] = { "a", "b", "c" };
    struct answer lists[2];
    const struct pk_request list = { .verb = PK_VERB_LIST };

    begin_recovery(ids, 3);
    for (uint32_t i = 0; i < 2; i++)
        (void)call_in(world.sessions[0], list, &lists[i]);
    ck_assert_uint_eq(lists[0].answers + lists[1].answers, 0);
    virtual_executor_run(&world.executor, 0);
    for (uint32_t i = 0; i < 2; i++) {
        ck_assert_uint_eq(lists[i].answers, 1);
        ck_assert_uint_eq(lists[i].object_count, 3);
    }
    ck_assert_uint_eq(stat_of("recovering"), 0);
    ck_assert_uint_eq(stat_of("bytes"), 15);
    ck_assert_uint_eq(ask(list).object_count, 3);
}
END_TEST

START_TEST(one_name_waits_for_nothing)
{
    static const char *const ids[] = { "a", "b" };
    const uint64_t size = 1;

    begin_recovery(ids, 2);
    ck_assert_int_eq(
        ask_beside((struct pk_request){ .verb = PK_VERB_STAT, .object_id = "a" }).status, 0);
    ck_assert_int_eq(ask_beside((struct pk_request){ .verb = PK_VERB_ACQUIRE,
                                                     .access = PK_ACCESS_READ,
                                                     .object_id = "a" })
                         .status,
                     0);
    ck_assert_int_eq(
        ask_beside((struct pk_request){ .verb = PK_VERB_STAT, .object_id = "none" }).status,
        -ENOENT);
    struct pk_request create = { .verb = PK_VERB_ACQUIRE,
                                 .access = PK_ACCESS_CREATE,
                                 .object_id = "b",
                                 .sizes = &size,
                                 .blob_count = 1 };
    ck_assert_int_eq(ask_beside(create).status, -EEXIST);
    create.object_id = "new";
    ck_assert_int_eq(ask_beside(create).status, 0);
    ck_assert_uint_eq(stat_of("recovering"), 1);
    world_settle(&world);
    ck_assert_uint_eq(stat_of("objects"), 3);
    ck_assert_uint_eq(stat_of("bytes"), 11);
}
END_TEST

START_TEST(list_that_waits_can_be_cancelled_and_ends_with_its_session_or_the_node)
{
    static const char *const ids[] = { "a" };
    const struct pk_request list = { .verb = PK_VERB_LIST };
    struct answer cancelled;
    struct answer closed;
    struct answer stopped;

    begin_recovery(ids, 1);
    uint64_t call = call_in(world.sessions[0], list, &cancelled);
    (void)call_in(world.sessions[1], list, &closed);
    (void)call_in(world.sessions[2], list, &stopped);
    pk_peer_cancel(world.sessions[0], call);
    ck_assert_int_eq(cancelled.status, -ECANCELED);
    world_reopen_session(&world, 1);
    ck_assert_int_eq(closed.status, -ECANCELED);
    pk_peer_stop(world.peer);
    ck_assert_int_eq(stopped.status, -EBUSY);
    (void)call_in(world.sessions[2], list, &stopped);
    ck_assert_int_eq(stopped.status, -EBUSY);
}
END_TEST

/* ---- what it tells may be outdated ---- */

static int32_t (*real_recover)(void *instance, pk_blob_emit_fn *emit, void *arg,
                               struct pk_error *err);
static void (*meanwhile)(void);
static pk_blob_emit_fn *late_emit;
static void *late_arg;

static void
emit_late(void *arg, const struct pk_blob_found *found)
{
    (void)arg;
    world.watch.emitting--; /* it isn't yet: that is how this one comes to be outdated */
    meanwhile();
    world.watch.emitting++;
    late_emit(late_arg, found);
}

/* It has read of an object, and something happens to that before it comes to tell. */
static int32_t
recover_late(void *instance, pk_blob_emit_fn *emit, void *arg, struct pk_error *err)
{
    late_emit = emit;
    late_arg = arg;
    return real_recover(instance, emit_late, NULL, err);
}

static void
recover_with(void (*what)(void))
{
    put("x", 5);
    real_recover = world.blob->ops.blob.recover;
    world.blob->ops.blob.recover = recover_late;
    meanwhile = what;
    world.storage.block_percent = 100;
    world_restart(&world);
    world.storage.block_percent = 0;
    virtual_executor_run(&world.executor, 0);
    world.blob->ops.blob.recover = real_recover;
}

static void
discard_it(void)
{
    ck_assert_int_eq(object_verb(PK_VERB_DISCARD, "x").status, 0);
}

START_TEST(object_discarded_meanwhile_does_not_come_back)
{
    recover_with(discard_it);
    ck_assert_uint_eq(stat_of("objects"), 0);
    ck_assert_uint_eq(stat_of("bytes"), 0);
    ck_assert_int_eq(object_verb(PK_VERB_STAT, "x").status, -ENOENT);
    put("x", 6); /* whose successor is none of its business */
    world_restart(&world);
    ck_assert_uint_eq(stat_of("bytes"), 6);
}
END_TEST

static void
take_it_away(void)
{
    ck_assert_int_eq(object_verb(PK_VERB_STAT, "x").status, 0);
    storage_unpublish_elsewhere(&world.storage, "x");
    pk_peer_changed(world.peer, "x");
    ck_assert_uint_eq(stat_of("objects"), 0);
}

START_TEST(object_taken_away_elsewhere_meanwhile_does_not_come_back)
{
    recover_with(take_it_away);
    ck_assert_uint_eq(stat_of("objects"), 0);
}
END_TEST

static struct answer creating;

static void
claim_it(void)
{
    discard_it();
    creating = create_sized("x", 7);
    ck_assert_int_eq(creating.status, 0);
}

START_TEST(object_made_anew_meanwhile_stays)
{
    recover_with(claim_it);
    ck_assert_int_eq(lease_verb(PK_VERB_SEAL, creating.lease_id).status, 0);
    ck_assert_uint_eq(read_object("x").epoch, creating.epoch);
    ck_assert_uint_eq(stat_of("bytes"), 7);
}
END_TEST

/* A lookup fails under whose hands recovery tells of the object: the name must not be lost. */
START_TEST(object_whose_name_is_in_transition_is_found_all_the_same)
{
    static const char *const ids[] = { "a" };
    struct answer read;

    begin_recovery(ids, 1);
    world.storage.fault = FAULT_LOOKUP_IO;
    (void)call_in(
        world.sessions[0],
        (struct pk_request){ .verb = PK_VERB_ACQUIRE, .access = PK_ACCESS_READ, .object_id = "a" },
        &read);
    virtual_executor_run(&world.executor, 0);
    ck_assert_uint_eq(stat_of("objects"), 0);
    world_settle(&world);
    ck_assert_int_eq(read.status, -EIO);
    ck_assert_uint_eq(stat_of("objects"), 1);
}
END_TEST

static int32_t
recover_nothing(void *instance, pk_blob_emit_fn *emit, void *arg, struct pk_error *err)
{
    (void)instance;
    (void)emit;
    (void)arg;
    return pk_fail(err, -EIO, "no such folder");
}

START_TEST(recovery_that_fails_is_over_too)
{
    struct answer list;

    put("x", 5);
    world.blob->ops.blob.recover = recover_nothing;
    world.storage.block_percent = 100;
    world_restart(&world);
    (void)call_in(world.sessions[0], (struct pk_request){ .verb = PK_VERB_LIST }, &list);
    world_settle(&world);
    ck_assert_int_eq(list.status, 0);
    ck_assert_uint_eq(stat_of("recovering"), 0);
    ck_assert_int_eq(read_object("x").status, 0);
}
END_TEST

/* ---- with threads ---- */

static struct gate begun = GATE_INIT;
static struct gate told = GATE_INIT;
static struct gate ended = GATE_INIT;
static const struct pk_host *host;

static int32_t
recover_until_stopped(void *instance, pk_blob_emit_fn *emit, void *arg, struct pk_error *err)
{
    const struct timespec moment = { .tv_nsec = 1000000 };

    (void)instance;
    (void)emit;
    (void)arg;
    gate_pass(&begun);
    while (!host->stopping(host->ctx))
        (void)nanosleep(&moment, NULL);
    gate_pass(&ended);
    return pk_fail(err, -ECANCELED, "the node is stopping");
}

static uint32_t
always(void *instance, uint32_t op, uint64_t bytes)
{
    (void)instance;
    (void)op;
    (void)bytes;
    return 1;
}

static void
count_answer(void *arg, const struct pk_reply *reply)
{
    copy_answer(arg, reply);
    gate_pass(&told);
}

/* The storage's one worker is free for whoever asks, and the node ends when it is told to. */
START_TEST(storage_with_one_worker_answers_while_it_recovers_and_then_stops)
{
    static struct storage storage = { .durable = true, .traits = PK_BLOB_DURABLE };
    static struct watch watch;
    const struct pk_principal who = { .struct_size = sizeof(who) };
    const struct pk_plugin_module *modules[2] = { NULL };
    const struct pk_setting_source source = { .section = "test" };
    struct pk_conf *confs[2] = { NULL };
    struct pk_instance *instances[2] = { NULL };
    const struct pk_peer_options options = { .capacity = 100,
                                             .max_object = 100,
                                             .max_objects = 10,
                                             .max_calls = 10,
                                             .max_sessions = 10,
                                             .sample = WORLD_SECOND };
    pk_plugin_entry_fn *const entries[2] = { storage_entry, lease_mem_entry };
    struct pk_executor *executor = NULL;
    struct pk_session *session = NULL;
    struct pk_peer *peer = NULL;
    struct pk_error err = PK_ERROR_INIT;
    struct answer answers[2] = { 0 };

    storage.watch = &watch;
    storage_of_next = &storage;
    storage_publish_elsewhere(&storage, "x", 7, 5);
    ck_assert_int_eq(pk_executor_new(&executor, &err), 0);
    for (uint32_t i = 0; i < 2; i++) {
        ck_assert_int_eq(pk_plugin_builtin(entries[i], &modules[i], &err), 0);
        ck_assert_int_eq(pk_conf_new(&modules[i]->options, modules[i]->plugin.kind, NULL, &source,
                                     NULL, 0, &confs[i], &err),
                         0);
        ck_assert_int_eq(
            pk_instance_open(modules[i], confs[i], executor, 1, NULL, &instances[i], &err), 0);
    }
    instances[0]->ops.blob.recover = recover_until_stopped;
    instances[0]->ops.blob.may_block = always;
    host = &pk_host_state(instances[0])->host;
    ck_assert_int_eq(pk_peer_new(&options, executor, instances[0], instances[1], &peer, &err), 0);
    ck_assert_int_eq(pk_peer_session_open(peer, &who, &session, &err), 0);
    gate_wait(&begun, 1);
    struct pk_request request = { .struct_size = sizeof(request),
                                  .verb = PK_VERB_LIST,
                                  .access = PK_ACCESS_READ,
                                  .object_id = "x" };
    pk_peer_call(session, &request, count_answer, &answers[0], NULL);
    request.verb = PK_VERB_ACQUIRE;
    pk_peer_call(session, &request, count_answer, &answers[1], NULL);
    gate_wait(&told, 1);
    ck_assert_uint_eq(answers[0].answers, 0);
    ck_assert_int_eq(answers[1].status, 0);
    ck_assert_uint_eq(answers[1].epoch, 7);
    ck_assert_uint_eq(gate_count(&ended), 0);
    pk_peer_stop(peer);
    gate_wait(&told, 2);
    ck_assert_int_eq(answers[0].status, -EBUSY);
    pk_peer_session_close(session);
    pk_peer_free(peer);
    ck_assert_uint_eq(gate_count(&ended), 1);
    for (uint32_t i = 0; i < 2; i++) {
        pk_instance_close(instances[i]);
        pk_conf_free(confs[i]);
    }
    pk_executor_free(executor);
    storage_finish(&storage);
    ck_assert_str_eq(watch.complaint, "");
}
END_TEST

int
main(void)
{
    const TTest *const cases[] = {
        list_waits_for_the_end_and_then_is_whole,
        one_name_waits_for_nothing,
        list_that_waits_can_be_cancelled_and_ends_with_its_session_or_the_node,
        object_discarded_meanwhile_does_not_come_back,
        object_taken_away_elsewhere_meanwhile_does_not_come_back,
        object_made_anew_meanwhile_stays,
        object_whose_name_is_in_transition_is_found_all_the_same,
        recovery_that_fails_is_over_too,
        storage_with_one_worker_answers_while_it_recovers_and_then_stops,
    };
    return SUITE_RUN_BETWEEN("peer_recovery", cases, open_durable, close_world);
}
