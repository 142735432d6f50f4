/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One scenario with all there is to do with objects, well and badly, for tests in which something
 * fails on the way: it asks for no success, only that everything is answered.
 */
#ifndef PEER_EVERYTHING_H
#define PEER_EVERYTHING_H

#include "peer_fixture.h"

static inline void
everything_open(bool durable, uint32_t blocks)
{
    struct world_options options = plain_options;

    options.durable = durable;
    options.no_put = durable;
    options.capacity = 10000;
    options.evict = true;
    options.storage_blocks = blocks;
    options.leases_block = blocks;
    world_open(&world, &options);
    world_settle(&world);
}

static inline void
everything_later(uint64_t seconds)
{
    virtual_executor_advance(&world.executor, world.executor.now + seconds * WORLD_SECOND);
    world_settle(&world);
}

static inline struct pk_request
everything_create(const char *id, const char *request_id)
{
    static const uint64_t sizes[2] = { 3, PK_UNSIZED };

    return (struct pk_request){ .verb = PK_VERB_ACQUIRE,
                                .access = PK_ACCESS_CREATE,
                                .object_id = id,
                                .sizes = sizes,
                                .blob_count = 2,
                                .meta = "meta",
                                .request_id = request_id };
}

static inline void
everything_transfer(uint32_t verb, const char *lease_id)
{
    char bytes[3] = "";

    (void)ask((struct pk_request){
        .verb = verb, .lease_id = lease_id, .blob = 1, .data = bytes, .data_size = 3 });
}

/* An object from its create to its discard. */
static inline void
everything_with_one(void)
{
    struct answer created = ask(everything_create("x", "r"));

    everything_transfer(PK_VERB_WRITE, created.lease_id);
    (void)ask(everything_create("x", "r"));
    everything_later(1); /* it is sampled */
    world.storage.fault = FAULT_SEAL_BUSY;
    world.storage.fault_after = 1;
    (void)lease_verb(PK_VERB_SEAL, created.lease_id);
    (void)ask(everything_create("x", "r"));
    (void)lease_verb(PK_VERB_SEAL, created.lease_id);
    (void)lease_verb(PK_VERB_SEAL, created.lease_id);
    struct answer read = read_object("x");
    everything_transfer(PK_VERB_READ, read.lease_id);
    (void)lease_verb(PK_VERB_RENEW, read.lease_id);
    (void)lease_verb(PK_VERB_RELEASE, read.lease_id);
    (void)object_verb(PK_VERB_STAT, "x");
    (void)object_verb(PK_VERB_STAT, "none");
    (void)object_verb(PK_VERB_LIST, NULL);
    (void)object_verb(PK_VERB_VERIFY, "x");
    pk_peer_changed(world.peer, "x");
    world_settle(&world);
    (void)object_verb(PK_VERB_DISCARD, "x");
    (void)lease_verb(PK_VERB_RELEASE, created.lease_id);
}

/* Objects that come with their bytes, and go so. */
static inline void
everything_put(void)
{
    const uint64_t sizes[2] = { 2, 3 };
    struct pk_request request = put_request("put", "12345");

    request.sizes = sizes;
    request.blob_count = 2;
    (void)ask(request);
    (void)ask(request);
    (void)read_inline("put", 5);
    (void)read_inline("put", 5);
    (void)read_inline("put", 4);
    struct answer unnamed = ask(put_request(NULL, ""));
    (void)object_verb(PK_VERB_DISCARD, unnamed.object_id);
    world.storage.fault = FAULT_WRITE_NO_SPACE;
    world.storage.fault_after = 1;
    request.object_id = "half put";
    (void)ask(request);
    world.storage.fault = FAULT_NONE;
    (void)object_verb(PK_VERB_DISCARD, "put");
}

/* Those that come to no good end. */
static inline void
everything_that_fails(void)
{
    world.storage.fault = FAULT_CREATE_IO;
    world.storage.fault_after = 1;
    (void)ask(everything_create("half made", NULL));
    (void)ask(everything_create("discarded", NULL));
    (void)object_verb(PK_VERB_DISCARD, "discarded");
    struct answer doomed = ask(everything_create("doomed", NULL));
    world.storage.fault = FAULT_SEAL_INVALID;
    world.storage.fault_after = 0;
    (void)lease_verb(PK_VERB_SEAL, doomed.lease_id);
    world.storage.fault = FAULT_NONE;
    (void)ask(everything_create("abandoned", NULL));
}

/* Several at once: waits, repeats, a session that closes. */
static inline void
everything_at_once(void)
{
    struct answer answers[6];
    struct pk_request read = { .verb = PK_VERB_ACQUIRE,
                               .access = PK_ACCESS_READ,
                               .object_id = "kept",
                               .flags = PK_REQUEST_BIND,
                               .wait = 2ULL * WORLD_SECOND };

    (void)call_in(world.sessions[0], read, &answers[0]);
    read.request_id = "w";
    (void)call_in(world.sessions[0], read, &answers[1]);
    (void)call_in(world.sessions[1], read, &answers[2]);
    (void)call_in(world.sessions[2], everything_create("kept", "c"), &answers[3]);
    (void)call_in(world.sessions[1], everything_create("kept", "c"), &answers[4]);
    read.object_id = "never";
    read.request_id = NULL;
    (void)call_in(world.sessions[2], read, &answers[5]);
    world_settle(&world);
    (void)lease_verb(PK_VERB_SEAL, answers[3].lease_id);
    world_reopen_session(&world, 1);
    everything_later(3);
    for (uint32_t i = 0; i < 6; i++)
        if (answers[i].answers != 1)
            ck_abort_msg("answer %u came %u times", i, answers[i].answers);
}

/* Objects that must go for others, by their number and by their size. */
static inline void
everything_evicted(void)
{
    struct pk_peer_options *options = &world.peer->options;
    const struct pk_peer_options before = *options;
    struct pk_request write = { .verb = PK_VERB_WRITE,
                                .blob = 1,
                                .flags = PK_REQUEST_COUNT,
                                .data = (char[]){ "1234567890" },
                                .data_size = 10 };

    (void)ask(put_request("old", "12345"));
    (void)ask(put_request("older", "12345"));
    options->max_objects = 2;
    (void)ask(put_request("new", "12345"));
    struct answer created = ask(everything_create("grown", NULL));
    options->capacity = world.peer->held;
    write.lease_id = created.lease_id;
    (void)ask(write);
    (void)lease_verb(PK_VERB_SEAL, created.lease_id);
    (void)lease_verb(PK_VERB_RELEASE, created.lease_id);
    *options = before;
    for (uint32_t i = 0; i < 4; i++)
        (void)object_verb(PK_VERB_DISCARD, ((const char *[]){ "old", "older", "new", "grown" })[i]);
}

static inline void
do_everything(void)
{
    everything_with_one();
    everything_put();
    everything_evicted();
    everything_that_fails();
    everything_at_once();
    for (uint32_t i = 0; i < WORLD_SESSIONS; i++)
        world_reopen_session(&world, i);
    everything_later(100); /* and all leases end */
}

#endif
