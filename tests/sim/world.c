/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulated world: set up, called, and taken down.
 */
#include "world.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

const struct pk_plugin *lease_mem_entry(void);

const char *const world_ids[WORLD_IDS] = { "a", "b/../b", "c d", "b", "aa" };

static struct pk_instance *
open_instance(struct world *world, pk_plugin_entry_fn *entry, struct pk_conf **ret_conf)
{
    const struct pk_plugin_module *module = NULL;
    const struct pk_setting_source source = { .section = "sim" };
    struct pk_instance *instance = NULL;
    struct pk_error err = PK_ERROR_INIT;

    if (pk_plugin_builtin(entry, &module, &err) != 0
        || pk_conf_new(&module->options, module->plugin.kind, NULL, &source, NULL, 0, ret_conf,
                       &err)
               != 0
        || pk_instance_open(module, *ret_conf, &world->executor.base, 1, NULL, &instance, &err)
               != 0) {
        (void)fprintf(stderr, "simulation: %s\n", err.message);
        abort();
    }
    return instance;
}

static void
open_sessions(struct world *world)
{
    for (uint32_t i = 0; i < WORLD_SESSIONS; i++) {
        const struct pk_principal who = {
            .struct_size = sizeof(who), .kind = PK_PRINCIPAL_UNIX, .uid = 1000, .gid = 1000
        };
        struct pk_error err = PK_ERROR_INIT;
        int32_t rc = pk_peer_session_open(world->peer, &who, &world->sessions[i], &err);
        assert(rc == 0);
        (void)rc;
    }
}

static void
open_peer(struct world *world)
{
    struct pk_error err = PK_ERROR_INIT;
    int32_t rc = pk_peer_new(&world->options, &world->executor.base, world->blob, world->lease,
                             &world->peer, &err);

    assert(rc == 0);
    (void)rc;
    world->watch.lock = &world->peer->lock;
    open_sessions(world);
}

void
world_open(struct world *world, const struct world_options *options)
{
    memset(world, 0, sizeof(*world));
    virtual_executor_init(&world->executor, WORLD_SECOND);
    world->executor.idle = options->idle;
    world->random.state = options->seed;
    world->watch.working = &world->executor.working;
    world->leases = (struct leases){ &world->random, options->leases_block, &world->watch };
    world->storage.watch = &world->watch;
    world->storage.random.state = options->seed + 1;
    world->storage.durable = options->durable;
    world->storage.block_percent = options->storage_blocks;
    world->storage.traits = options->traits;
    if (!options->durable)
        world->storage.absent = 1U << PK_BLOB_PUBLISH | 1U << PK_BLOB_UNPUBLISH
                                | 1U << PK_BLOB_LOOKUP | 1U << PK_BLOB_RECOVER;
    if (options->no_put)
        world->storage.absent |= 1U << PK_BLOB_PUT | 1U << PK_BLOB_ADOPT;
    if (!options->demotes)
        world->storage.absent |= 1U << PK_BLOB_EVICT;
    world->no_put = options->no_put;
    world->storage.poll_interval = options->poll_interval;
    world->options = (struct pk_peer_options){
        .capacity = options->capacity,
        .max_object = options->max_object,
        .max_objects = options->max_objects > 0 ? options->max_objects : 100,
        .max_calls = WORLD_CALLS,
        .max_sessions = 100,
        .sample = options->sample,
        .unsized = true,
        .evict = options->evict,
    };
    storage_of_next = &world->storage;
    world->blob = open_instance(world, storage_entry, &world->blob_conf);
    world->lease = open_instance(world, lease_mem_entry, &world->lease_conf);
    world->watch.queues[WATCH_BLOB] = world->blob->queue;
    world->watch.queues[WATCH_LEASE] = world->lease->queue;
    leases_watch(&world->leases, world->lease);
    open_peer(world);
}

void
world_settle(struct world *world)
{
    while (world->executor.work_count > 0)
        virtual_executor_run(&world->executor,
                             sim_below(&world->random, (uint32_t)world->executor.work_count));
}

static void
close_peer(struct world *world)
{
    for (uint32_t i = 0; i < WORLD_SESSIONS; i++)
        pk_peer_session_close(world->sessions[i]);
    pk_peer_stop(world->peer);
    world_settle(world);
    /* The peer waits for work of its own, which nobody would run here. */
    world->leases.block_percent = 0;
    memset(world->watch.block_op, 0, sizeof(world->watch.block_op));
    world->storage.block_percent = 0;
    pk_peer_free(world->peer);
    world->watch.lock = NULL;
}

void
world_restart(struct world *world)
{
    uint32_t leases_block = world->leases.block_percent;
    uint32_t storage_blocks = world->storage.block_percent;

    close_peer(world);
    world->leases.block_percent = leases_block;
    world->storage.block_percent = storage_blocks;
    open_peer(world);
}

bool
world_close(struct world *world, char *why, size_t size)
{
    close_peer(world);
    pk_instance_close(world->lease);
    pk_instance_close(world->blob);
    pk_conf_free(world->lease_conf);
    pk_conf_free(world->blob_conf);
    uint64_t kept = storage_published_count(&world->storage);
    storage_finish(&world->storage);
    virtual_executor_finish(&world->executor);
    for (uint32_t i = 0; i < world->record_count; i++)
        if (world->records[i].answers != 1) {
            (void)snprintf(why, size, "call %u was answered %u times", i,
                           world->records[i].answers);
            return false;
        }
    if (world->watch.complaint[0] != '\0') {
        (void)snprintf(why, size, "plugins: %s", world->watch.complaint);
        return false;
    }
    if (world->storage.blobs == 0 && world->storage.stored == (int64_t)kept)
        return true;
    (void)snprintf(why, size, "%" PRId64 " blobs open, %" PRId64 " stored, %" PRIu64 " published",
                   world->storage.blobs, world->storage.stored, kept);
    return false;
}

__attribute__((format(printf, 2, 3))) static void
trouble(struct record *record, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(record->trouble, sizeof(record->trouble), format, args);
    va_end(args);
}

/* Bytes that came instead of a lease. */
static void
check_data(struct record *record, const struct pk_handle *handle)
{
    const unsigned char *data = handle->data;

    if (handle->kind != PK_HANDLE_DATA || handle->fd != -1 || (data == NULL && handle->size > 0)) {
        trouble(record, "neither a lease nor bytes");
        return;
    }
    for (uint64_t i = 0; i < handle->size; i++)
        record->fill =
            record->fill == WORLD_NO_FILL || record->fill == data[i] ? data[i] : WORLD_MIXED_FILL;
    record->inlined = true;
    record->bytes += handle->size;
}

/* Whatever happened meanwhile, a reply never contradicts itself. */
static void
check_handles(struct record *record, const struct pk_reply *reply)
{
    char expected[64];

    if (strcmp(reply->object_id, world_ids[record->id]) != 0)
        trouble(record, "told of '%s' instead of '%s'", reply->object_id, world_ids[record->id]);
    if (reply->blob_count == 0)
        trouble(record, "no handles");
    for (uint32_t i = 0; i < reply->blob_count; i++) {
        if (reply->lease_id == NULL) {
            check_data(record, &reply->handles[i]);
            continue;
        }
        if (record->known_epoch == reply->epoch && reply->handles[i].kind == PK_HANDLE_KNOWN)
            continue;
        (void)snprintf(expected, sizeof(expected), "sim://%" PRIu64 "/%u", reply->epoch, i);
        if (reply->handles[i].kind != PK_HANDLE_URL)
            trouble(record, "bytes under a lease");
        else if (strcmp(reply->handles[i].text, expected) != 0)
            trouble(record, "handle %s of epoch %" PRIu64, reply->handles[i].text, reply->epoch);
    }
    (void)snprintf(expected, sizeof(expected), "meta of %s", world_ids[record->id]);
    if (strcmp(reply->meta, expected) != 0)
        trouble(record, "meta '%s' of '%s'", reply->meta, world_ids[record->id]);
}

static void
take_objects(struct record *record, const struct pk_reply *reply)
{
    if (reply->object_count > WORLD_IDS) {
        trouble(record, "%u objects under %u names", reply->object_count, WORLD_IDS);
        return;
    }
    record->object_count = reply->object_count;
    for (uint32_t i = 0; i < reply->object_count; i++) {
        record->epochs[i] = reply->objects[i].key.epoch;
        record->states[i] = reply->objects[i].state;
        if (i > 0 && record->epochs[i] < record->epochs[i - 1])
            trouble(record, "list out of epoch order");
    }
}

static void
answered(void *arg, const struct pk_reply *reply)
{
    struct record *record = arg;

    record->answers++;
    record->answered_at = record->world->step;
    record->status = reply->status;
    if (reply->status != 0) {
        if (reply->message[0] == '\0')
            trouble(record, "an error without a message");
        return;
    }
    record->epoch = reply->epoch;
    record->state = reply->state;
    record->ttl = reply->ttl;
    record->bytes = reply->bytes;
    if (reply->lease_id != NULL)
        (void)snprintf(record->lease_id, sizeof(record->lease_id), "%s", reply->lease_id);
    if (reply->verb == PK_VERB_ACQUIRE || reply->verb == PK_VERB_SEAL)
        check_handles(record, reply);
    if (reply->verb == PK_VERB_STAT || reply->verb == PK_VERB_LIST)
        take_objects(record, reply);
}

struct record *
world_call(struct world *world, uint32_t session, uint32_t id, struct pk_request *request)
{
    assert(world->record_count < WORLD_CALLS);
    struct record *record = &world->records[world->record_count++];

    request->struct_size = sizeof(*request);
    *record = (struct record){
        .world = world,
        .verb = request->verb,
        .access = request->access,
        .session = session,
        .id = id,
        .step = world->step,
        .known_epoch = request->known_epoch,
        .bound = request->flags & PK_REQUEST_BIND,
        .fill = WORLD_NO_FILL,
    };
    if (request->verb == PK_VERB_PUT)
        record->put_size = (uint32_t)request->data_size;
    for (uint32_t i = 0; request->handles != NULL && i < request->blob_count; i++)
        record->put_size += (uint32_t)request->handles[i].size;
    if (record->put_size > 0)
        record->fill = *(const unsigned char *)request->data;
    for (uint32_t i = 0; request->sizes != NULL && i < request->blob_count; i++)
        record->unsized |= request->sizes[i] == PK_UNSIZED;
    pk_peer_call(world->sessions[session], request, answered, record, &record->call);
    return record;
}

void
world_reopen_session(struct world *world, uint32_t session)
{
    const struct pk_principal who = {
        .struct_size = sizeof(who), .kind = PK_PRINCIPAL_UNIX, .uid = 1000, .gid = 1000
    };
    struct pk_error err = PK_ERROR_INIT;

    pk_peer_session_close(world->sessions[session]);
    int32_t rc = pk_peer_session_open(world->peer, &who, &world->sessions[session], &err);
    if (rc == -ENOMEM) /* once, where a test wants that */
        rc = pk_peer_session_open(world->peer, &who, &world->sessions[session], &err);
    assert(rc == 0);
    (void)rc;
}

/* ---- the peer's books ---- */

static bool
wrong(char *why, size_t size, const char *what, uint64_t one, uint64_t other)
{
    (void)snprintf(why, size, "books: %s: %" PRIu64 " and %" PRIu64, what, one, other);
    return false;
}

static uint64_t
holders_of(struct pk_peer *peer, const struct pk_key *key)
{
    const struct pk_holder *holder;
    uint64_t count = 0;

    for (holder = peer->holders; holder != NULL; holder = holder->hh.next)
        count += holder->lease.epoch == key->epoch && strcmp(holder->lease.object_id, key->id) == 0;
    return count;
}

/* What calls that still create have reserved can't be seen from here: it bounds from below. */
static bool
check_objects(struct world *world, bool resting, char *why, size_t size)
{
    struct pk_peer *peer = world->peer;
    uint64_t held = 0;
    uint64_t named = 0;

    for (const struct pk_object *object = peer->objects; object != NULL; object = object->hh.next) {
        held += object->held;
        named += object->name != NULL;
        uint64_t holders = holders_of(peer, &object->key);
        if (object->leases < holders || (resting && object->leases != holders))
            return wrong(why, size, "leases of an object", object->leases, holders);
        if (object->name != NULL && object->name->object != object)
            return wrong(why, size, "an object's name", object->key.epoch, 0);
        if (object->name == NULL && object->leases == 0 && object->uses == 0)
            return wrong(why, size, "an object nobody needs", object->key.epoch, 0);
        if (resting && object->uses != 0)
            return wrong(why, size, "uses at rest", object->uses, 0);
    }
    if (held > peer->held || (resting && held != peer->held))
        return wrong(why, size, "bytes held", held, peer->held);
    if (named > peer->named || (resting && named != peer->named))
        return wrong(why, size, "objects named", named, peer->named);
    return true;
}

/* What may be evicted is exactly what is sealed, named and without a lease. */
static bool
check_idle(struct world *world, bool resting, char *why, size_t size)
{
    const struct pk_peer *peer = world->peer;
    uint64_t bytes = 0;
    uint64_t count = 0;
    uint64_t leaving = 0;

    for (const struct pk_object *object = peer->objects; object != NULL; object = object->hh.next) {
        bool idle = world->options.evict && object->name != NULL && object->leases == 0
                    && object->state == PK_STATE_SEALED && !object->leaving && !object->demoted;
        if (idle != (object->idle != PK_IDLE_NOT))
            return wrong(why, size, "whether an object may be evicted", object->key.epoch, idle);
        count += idle;
        bytes += idle ? object->held : 0;
        if (object->leaving && resting)
            return wrong(why, size, "an eviction at rest", object->key.epoch, 0);
        leaving += object->leaving && !pk_blob_demotes(peer->blob);
    }
    if (count != peer->idle_count)
        return wrong(why, size, "objects that may be evicted", count, peer->idle_count);
    if (bytes != peer->idle_bytes)
        return wrong(why, size, "bytes that may be evicted", bytes, peer->idle_bytes);
    if (leaving != peer->leaving)
        return wrong(why, size, "names about to be free", leaving, peer->leaving);
    return true;
}

static bool
check_names(struct world *world, bool resting, char *why, size_t size)
{
    struct pk_peer *peer = world->peer;
    const struct pk_call *call;
    uint64_t waits = 0;

    for (struct pk_name *name = peer->names; name != NULL; name = name->hh.next) {
        TAILQ_FOREACH (call, &name->waiters, in_list)
            waits++;
        if (name->busy == NULL && !TAILQ_EMPTY(&name->queue))
            return wrong(why, size, "a queue behind nobody", 0, 0);
        if (resting && name->busy != NULL)
            return wrong(why, size, "a transition at rest", 0, 0);
        if (name->object != NULL && name->object->state == PK_STATE_SEALED && name->busy == NULL
            && !TAILQ_EMPTY(&name->waiters))
            return wrong(why, size, "a wait for what is sealed", 0, 0);
        if (name->object == NULL && name->busy == NULL && TAILQ_EMPTY(&name->waiters))
            return wrong(why, size, "a name nobody needs", 0, 0);
    }
    if (waits != peer->waits)
        return wrong(why, size, "waits", waits, peer->waits);
    return true;
}

bool
world_check(struct world *world, char *why, size_t size)
{
    struct pk_peer *peer = world->peer;
    bool resting = world->executor.work_count == 0;

    if (world->watch.complaint[0] != '\0') {
        (void)snprintf(why, size, "plugins: %s", world->watch.complaint);
        return false;
    }
    for (uint32_t i = 0; i < world->record_count; i++)
        if (world->records[i].trouble[0] != '\0' || world->records[i].answers > 1) {
            (void)snprintf(why, size, "call %u: %s (answers: %u)", i, world->records[i].trouble,
                           world->records[i].answers);
            return false;
        }
    if (!TAILQ_EMPTY(&peer->ready) || !TAILQ_EMPTY(&peer->reaps) || !TAILQ_EMPTY(&peer->endings))
        return wrong(why, size, "work left lying", 0, 0);
    return check_objects(world, resting, why, size) && check_idle(world, resting, why, size)
           && check_names(world, resting, why, size);
}
