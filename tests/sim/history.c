/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Histories: what a seed means, and how it is played. A third is played without overlap, against
 * the exact model; the others with blocking, faults and overlap, against the facts.
 */
#include "history.h"

#include "facts.h"
#include "model.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum kind {
    CREATE,
    PUT,
    READ,
    WAIT,
    SEAL,
    WRITE,
    RELEASE,
    RENEW,
    DISCARD,
    STAT,
    LIST,
    VERIFY,
    CANCEL,
    REOPEN,
    TIME,
    WORK,
    FAULT,
    RESTART,
    ELSEWHERE,
    KIND_COUNT,
};

static const struct {
    const char *name;
    uint32_t weight;
} kinds[KIND_COUNT] = {
    [CREATE] = { "create", 20 },  [READ] = { "read", 10 },      [WAIT] = { "wait", 8 },
    [SEAL] = { "seal", 16 },      [WRITE] = { "write", 6 },     [RELEASE] = { "release", 10 },
    [RENEW] = { "renew", 4 },     [DISCARD] = { "discard", 8 }, [STAT] = { "stat", 3 },
    [LIST] = { "list", 3 },       [CANCEL] = { "cancel", 3 },   [REOPEN] = { "reopen", 4 },
    [TIME] = { "time", 8 },       [WORK] = { "work", 30 },      [FAULT] = { "fault", 3 },
    [RESTART] = { "restart", 1 }, [VERIFY] = { "verify", 3 },   [ELSEWHERE] = { "elsewhere", 5 },
    [PUT] = { "put", 12 },
};

struct play {
    struct world world;
    struct model model;
    struct facts facts;
    bool exact;
    bool durable;
    uint32_t ids;                /* how many names are in play */
    uint64_t foreign_epoch;      /* the last one that another node counted up to */
    char data[WORLD_CALLS][128]; /* of puts, by their record: until the answer */
};

void
history_make(struct history *history, uint64_t seed)
{
    struct sim_random random = { .state = seed };
    uint32_t total = 0;

    for (uint32_t k = 0; k < KIND_COUNT; k++)
        total += kinds[k].weight;
    history->seed = seed;
    history->count = 5 + sim_below(&random, HISTORY_OPS - 5);
    for (uint32_t i = 0; i < history->count; i++) {
        struct history_op *op = &history->ops[i];
        uint32_t draw = sim_below(&random, total);
        op->kind = 0;
        while (draw >= kinds[op->kind].weight)
            draw -= kinds[op->kind++].weight;
        op->a = (uint32_t)sim_next(&random);
        op->b = (uint32_t)sim_next(&random);
        op->c = (uint32_t)sim_next(&random);
        op->d = (uint32_t)sim_next(&random);
    }
}

void
history_print(const struct history *history)
{
    (void)fprintf(stderr, "seed %" PRIu64 ", %u operations\n", history->seed, history->count);
    for (uint32_t i = 0; i < history->count; i++)
        (void)fprintf(stderr, "  %2u %-8s %u %u %u %u\n", i, kinds[history->ops[i].kind].name,
                      history->ops[i].a, history->ops[i].b, history->ops[i].c, history->ops[i].d);
}

static uint64_t
pick_ttl(uint32_t draw)
{
    static const uint64_t ttls[] = { 0, WORLD_SECOND, 5ULL * WORLD_SECOND, PK_FOREVER };
    return ttls[draw % 4];
}

/* A lease that was told of, dead or alive; NULL if there was none yet. */
static const struct record *
pick_lease(const struct world *world, uint32_t draw)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < world->record_count; i++)
        count += world->records[i].verb == PK_VERB_ACQUIRE && world->records[i].lease_id[0] != '\0';
    if (count == 0)
        return NULL;
    /* The latest are the most interesting: half of the draws take one of the last three. */
    uint32_t index = draw % 2 == 0 || count < 3 ? draw / 2 % count : count - 1 - draw / 2 % 3;
    for (uint32_t i = 0; i < world->record_count; i++)
        if (world->records[i].verb == PK_VERB_ACQUIRE && world->records[i].lease_id[0] != '\0'
            && index-- == 0)
            return &world->records[i];
    return NULL;
}

static void
fill_acquire(const struct play *play, const struct history_op *op, struct pk_request *request,
             char *request_id, size_t size)
{
    request->verb = PK_VERB_ACQUIRE;
    request->ttl = pick_ttl(op->c);
    request->flags = op->c / 4 % 2 ? PK_REQUEST_BIND : 0;
    if (!play->exact && op->c / 8 % 5 == 0) {
        (void)snprintf(request_id, size, "r%u", op->c / 40 % 3);
        request->request_id = request_id;
    }
}

static void
play_create(struct play *play, const struct history_op *op, uint32_t id, uint32_t session)
{
    char meta[64];
    char request_id[16];
    const uint64_t sizes[2] = { op->d % 4 == 0 ? PK_UNSIZED : op->d / 4 % 60, op->d / 400 % 60 };
    struct pk_request request = {
        .access = PK_ACCESS_CREATE,
        .object_id = world_ids[id],
        .meta = meta,
        .sizes = sizes,
        .blob_count = 1 + op->d / 30000 % 2,
    };

    (void)snprintf(meta, sizeof(meta), "meta of %s", world_ids[id]);
    fill_acquire(play, op, &request, request_id, sizeof(request_id));
    const struct record *record = world_call(&play->world, session, id, &request);
    if (play->exact)
        model_create(&play->model, &request, record);
}

/* A file that holds this; -1: there is none to be had. */
static int
file_of(const char *data, uint64_t size)
{
    int fd = memfd_create("sim", MFD_CLOEXEC);

    if (fd >= 0 && pwrite(fd, data, size, 0) == (ssize_t)size)
        return fd;
    abort();
}

static void
play_put(struct play *play, const struct history_op *op, uint32_t id, uint32_t session)
{
    char meta[64];
    char *data = play->data[play->world.record_count];
    const uint64_t sizes[2] = { op->d / 4 % 60, op->d / 400 % 60 };
    uint32_t count = 1 + op->d / 30000 % 2;
    bool by_descriptor = !play->world.no_put && op->d / 90000 % 3 == 0;
    struct pk_request request = {
        .verb = PK_VERB_PUT,
        .object_id = world_ids[id],
        .meta = meta,
        .sizes = count == 1 && op->d % 4 == 0 ? NULL : sizes,
        .blob_count = count,
        .data = data,
        .data_size = by_descriptor ? 0 : sizes[0] + (count > 1 ? sizes[1] : 0),
    };

    memset(data, 'a' + (int)(op->c % 20), sizeof(play->data[0]));
    (void)snprintf(meta, sizeof(meta), "meta of %s", world_ids[id]);
    struct pk_handle handles[2];
    for (uint32_t i = 0; by_descriptor && i < count; i++)
        handles[i] = (struct pk_handle){ .kind = PK_HANDLE_FD,
                                         .fd = file_of(data, sizes[i]),
                                         .size = sizes[i] };
    if (by_descriptor) {
        request.handles = handles;
        request.handle_stride = sizeof(handles[0]);
    }
    const struct record *record = world_call(&play->world, session, id, &request);
    if (play->exact)
        model_put(&play->model, record);
}

/* The epoch that was last told of under this name, if any was. */
static uint64_t
last_epoch(const struct world *world, uint32_t id)
{
    uint64_t epoch = 0;

    for (uint32_t i = 0; i < world->record_count; i++)
        if (world->records[i].id == id && world->records[i].epoch != 0)
            epoch = world->records[i].epoch;
    return epoch;
}

static void
play_read(struct play *play, const struct history_op *op, uint32_t id, uint32_t session)
{
    char request_id[16];
    struct pk_request request = { .access = PK_ACCESS_READ, .object_id = world_ids[id] };

    fill_acquire(play, op, &request, request_id, sizeof(request_id));
    if (op->kind == WAIT)
        request.wait = (1 + op->d % 8) * (uint64_t)WORLD_SECOND;
    if (op->d / 8 % 3 == 0)
        request.inline_max = 1 + op->d / 24 % 80;
    if (op->d / 2000 % 2 == 0)
        request.known_epoch = last_epoch(&play->world, id);
    struct record *record = world_call(&play->world, session, id, &request);
    if (play->exact)
        model_read(&play->model, &request, record);
}

static void
play_lease(struct play *play, const struct history_op *op, uint32_t session)
{
    const struct record *acquired = pick_lease(&play->world, op->c);
    const char *lease_id = acquired != NULL ? acquired->lease_id : NULL;
    char bytes[128] = "";
    struct pk_request request = { .lease_id = lease_id, .ttl = pick_ttl(op->d) };
    const struct record *record = NULL;

    if (acquired == NULL)
        return;
    if (op->kind == WRITE) {
        request.data = bytes;
        request.data_size = op->d % 100;
        request.flags = op->d / 100 % 2 ? PK_REQUEST_COUNT : 0;
    }
    request.verb = op->kind == SEAL      ? PK_VERB_SEAL
                   : op->kind == WRITE   ? PK_VERB_WRITE
                   : op->kind == RELEASE ? PK_VERB_RELEASE
                                         : PK_VERB_RENEW;
    if (op->kind == SEAL)
        facts_sealing(&play->facts, lease_id);
    if (op->kind == RENEW)
        facts_renewing(&play->facts, lease_id);
    if (op->kind == RELEASE)
        facts_releasing(&play->facts, lease_id);
    /* The bytes must stay until the answer: a write that blocks is settled at once. */
    record = world_call(&play->world, session, acquired->id, &request);
    if (op->kind == WRITE)
        world_settle(&play->world);
    if (!play->exact)
        return;
    if (op->kind == SEAL)
        model_seal(&play->model, &request, record);
    else if (op->kind == WRITE)
        model_write(&play->model, &request, record);
    else if (op->kind == RELEASE)
        model_release(&play->model, &request, record);
    else
        model_renew(&play->model, &request, record);
}

static void
play_object(struct play *play, const struct history_op *op, uint32_t id, uint32_t session)
{
    struct pk_request request = { .object_id = world_ids[id] };

    request.verb = op->kind == DISCARD  ? PK_VERB_DISCARD
                   : op->kind == STAT   ? PK_VERB_STAT
                   : op->kind == VERIFY ? PK_VERB_VERIFY
                                        : PK_VERB_LIST;
    if (op->kind == DISCARD)
        facts_discarding(&play->facts, id);
    const struct record *record = world_call(&play->world, session, id, &request);
    if (!play->exact)
        return;
    if (op->kind == DISCARD)
        model_discard(&play->model, record);
    else if (op->kind == STAT)
        model_stat(&play->model, record);
    else if (op->kind == VERIFY)
        model_verify(&play->model, record);
    else
        model_list(&play->model, record);
}

static void
play_cancel(struct play *play, const struct history_op *op)
{
    struct world *world = &play->world;

    if (world->record_count == 0)
        return;
    const struct record *record =
        &world->records[world->record_count - 1 - op->c % 8 % world->record_count];
    if (record->answers != 0)
        return; /* its session may be another by now, and the number another call's */
    pk_peer_cancel(world->sessions[record->session], record->call);
    if (play->exact)
        model_cancel(&play->model, record);
}

static void
order_fault(struct storage *storage, const struct history_op *op)
{
    storage->fault = (enum storage_fault)(op->c % FAULT_COUNT);
    storage->fault_after = op->d % 2;
}

/* An epoch for what another node makes under this id: it counts by itself, so it may be one that
 * another id has, but never one that this id had. */
static uint64_t
pick_epoch(struct play *play, const struct history_op *op, uint32_t id)
{
    const struct world *world = &play->world;

    if (op->d % 3 > 0 && world->record_count > 0) {
        uint64_t epoch = world->records[op->d / 3 % world->record_count].epoch;
        bool had = facts_foreign(&play->facts, id, epoch);
        for (uint32_t i = 0; i < world->record_count; i++)
            had |= world->records[i].id == id && world->records[i].epoch == epoch;
        for (const struct pk_object *object = world->peer->objects; object != NULL;
             object = object->hh.next)
            had |= object->key.epoch == epoch && strcmp(object->key.id, world_ids[id]) == 0;
        if (epoch != 0 && !had)
            return epoch;
    }
    return ++play->foreign_epoch;
}

/* A second node discards what is published, publishes where nothing is, or does both in turn; and
 * this one hears of it, or does not. */
static void
play_elsewhere(struct play *play, const struct history_op *op, uint32_t id)
{
    struct storage *storage = &play->world.storage;
    bool publish = op->c % 3 > 0;
    bool told = op->b % 2 == 0;
    uint64_t size = op->c / 3 % 60;

    if ((play->world.storage.traits & PK_BLOB_SHARED) == 0
        || (op->c % 3 == 1 && storage_has(storage, world_ids[id])))
        return;
    uint64_t epoch = publish ? pick_epoch(play, op, id) : 0;
    facts_elsewhere(&play->facts, id, epoch);
    if (publish)
        storage_publish_elsewhere(storage, world_ids[id], epoch, size);
    else
        storage_unpublish_elsewhere(storage, world_ids[id]);
    if (told)
        pk_peer_changed(play->world.peer, world_ids[id]);
    if (play->exact)
        model_elsewhere(&play->model, id, epoch, size, told);
}

static void
play_world(struct play *play, const struct history_op *op, uint32_t session)
{
    struct world *world = &play->world;

    switch ((enum kind)op->kind) {
    case REOPEN:
        facts_closing(&play->facts, session);
        world_reopen_session(world, session);
        model_session_closed(&play->model, session);
        break;
    case TIME:
        facts_time(&play->facts);
        virtual_executor_advance(&world->executor,
                                 world->executor.now + (op->c % 7) * (WORLD_SECOND / 2)
                                     + (op->d % 20 == 0 ? 100ULL * WORLD_SECOND : 0));
        model_time_passed(&play->model);
        break;
    case WORK:
        if (world->executor.work_count > 0)
            virtual_executor_run(&world->executor, op->c % (uint32_t)world->executor.work_count);
        break;
    case FAULT:
        if (!play->exact)
            order_fault(&world->storage, op);
        break;
    case RESTART:
        facts_restarting(&play->facts, play->durable);
        world_settle(world);
        facts_judge(&play->facts);
        facts_restarting(&play->facts, play->durable);
        world_restart(world);
        model_restarted(&play->model);
        break;
    default:
        break;
    }
}

static void
play_op(struct play *play, const struct history_op *op)
{
    uint32_t id = op->a % play->ids;
    uint32_t session = op->b % WORLD_SESSIONS;

    switch ((enum kind)op->kind) {
    case CREATE:
        play_create(play, op, id, session);
        break;
    case PUT:
        play_put(play, op, id, session);
        break;
    case READ:
    case WAIT:
        play_read(play, op, id, session);
        break;
    case SEAL:
    case WRITE:
    case RELEASE:
    case RENEW:
        play_lease(play, op, session);
        break;
    case DISCARD:
    case STAT:
    case LIST:
    case VERIFY:
        play_object(play, op, id, session);
        break;
    case CANCEL:
        play_cancel(play, op);
        break;
    case ELSEWHERE:
        play_elsewhere(play, op, id);
        break;
    default:
        play_world(play, op, session);
        break;
    }
}

static bool
verdict(struct play *play, uint32_t step, char *why, size_t size)
{
    char reason[256] = "";

    if (play->exact) {
        model_compare(&play->model);
        (void)snprintf(reason, sizeof(reason), "%s", play->model.why);
    } else {
        facts_judge(&play->facts);
        (void)snprintf(reason, sizeof(reason), "%s", play->facts.why);
    }
    if (reason[0] == '\0' && world_check(&play->world, reason, sizeof(reason)))
        return true;
    (void)snprintf(why, size, "after operation %u: %s", step, reason);
    return false;
}

bool
history_run(const struct history *history, char *why, size_t size)
{
    static struct play play; /* too large for a stack */
    struct sim_random random = { .state = history->seed ^ 0x5ca1ab1eU };
    struct sim_random idle = { .state = ~history->seed };

    memset(&play, 0, sizeof(play));
    play.exact = sim_below(&random, 3) == 0;
    play.durable = sim_below(&random, 2) == 0;
    bool evict = sim_below(&random, 2) == 0;
    play.ids = evict ? WORLD_IDS : 3;
    bool demotes = evict && sim_below(&random, 4) == 0;
    uint32_t shared = evict ? 0 : PK_BLOB_SHARED; /* which no peer evicts from */
    const struct world_options options = {
        .seed = history->seed,
        .idle = history->seed % 3 == 0 ? 0 : sim_next(&idle),
        .durable = play.durable,
        .no_put = history->seed % 2 == 0,
        .traits = play.durable ? PK_BLOB_DURABLE | PK_BLOB_CONDITIONAL | shared : 0,
        .storage_blocks = play.exact ? 0 : sim_below(&random, 101),
        .leases_block = play.exact || sim_below(&random, 2) == 0 ? 0 : sim_below(&random, 101),
        .capacity = 150,
        .max_object = 90,
        .max_objects = evict && sim_below(&random, 2) == 0 ? 2 : 0,
        .evict = evict,
        .demotes = demotes,
        .sample = play.exact ? 1000000ULL * WORLD_SECOND : WORLD_SECOND / 4,
    };
    world_open(&play.world, &options);
    play.model.world = &play.world;
    play.model.durable = play.durable;
    play.model.demotes = demotes;
    play.model.now = play.world.executor.now;
    play.facts.world = &play.world;
    play.facts.evicts = evict && !demotes;
    for (uint32_t i = 0; i < history->count; i++) {
        play.world.step++;
        play_op(&play, &history->ops[i]);
        if (!verdict(&play, i, why, size))
            return false;
    }
    play.world.storage.fault = FAULT_NONE;
    facts_final(&play.facts);
    if (!play.exact && play.facts.why[0] != '\0') {
        (void)snprintf(why, size, "%s", play.facts.why);
        return false;
    }
    return world_close(&play.world, why, size);
}
