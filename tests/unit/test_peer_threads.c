/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The peer with real threads: clients that do everything to a few names at once, over storage that
 * blocks now and then. In the end every call was answered exactly once, and nothing is left.
 */
#include "core/peer.h"
#include "guarded_blobs.h"
#include "suite.h"

#include <dirent.h>
#include <errno.h>
#include <packice/cleanup.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#define CLIENTS 4U
#define SESSIONS 2U   /* of each client */
#define CALLS 15000U  /* of each client, at most */
#define IN_FLIGHT 24U /* of each client, before it waits for some */
#define LEASES 8U     /* that a client goes on using: its last */
#define BYTES 4096U
#define PUT_VALUE 0x5a /* each byte of what is put */
#define MILLISECOND 1000000ULL
#define DEADLINE 40 /* seconds, under a sanitizer on a busy machine too */

pk_plugin_entry_fn blob_memfd_entry;
pk_plugin_entry_fn lease_mem_entry;

struct client;

struct call {
    struct client *client;
    atomic_uint answers;
    uint32_t verb;
    uint64_t epoch;      /* READ: of the lease */
    unsigned char *data; /* READ, WRITE, PUT */
};

struct lease {
    char lease_id[PK_LEASE_ID_LEN + 1];
    uint64_t epoch;
    bool create;
};

struct client {
    struct stage *stage;
    pthread_t thread;
    uint64_t random;
    struct pk_session *sessions[SESSIONS];
    uint64_t latest[SESSIONS]; /* the last call in each */
    struct call *calls;
    uint32_t call_count;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t answered;
    uint32_t in_flight;
    struct lease *leases; /* all it was told of */
    uint32_t lease_count;
    uint32_t mixed; /* reads of an object that had bytes of another */
    uint32_t good;  /* answers without an error */
};

struct stage {
    struct pk_executor *executor;
    struct pk_conf *blob_conf;
    struct pk_conf *lease_conf;
    struct pk_instance *blob;
    struct pk_instance *lease;
    struct pk_peer *peer;
    struct client clients[CLIENTS + 1]; /* the last one cleans up behind the others */
    uint32_t descriptors;               /* before it all began */
};

static const char *const ids[] = { "a", "b/../b", "c d" };
#define IDS (sizeof(ids) / sizeof(ids[0]))

static const struct pk_principal who = {
    .struct_size = sizeof(who), .kind = PK_PRINCIPAL_UNIX, .uid = 1000, .gid = 1000
};

static uint32_t
open_descriptors(void)
{
    uint32_t count = 0;
    DIR *folder = opendir("/proc/self/fd");

    ck_assert_ptr_nonnull(folder);
    while (readdir(folder) != NULL)
        count++;
    (void)closedir(folder);
    return count;
}

/* ---- a client: its answers, on any thread ---- */

/* With the lock. */
static void
remember(struct client *client, const struct pk_reply *reply)
{
    struct lease *lease = &client->leases[client->lease_count++];

    (void)snprintf(lease->lease_id, sizeof(lease->lease_id), "%s", reply->lease_id);
    lease->epoch = reply->epoch;
    lease->create = reply->access == PK_ACCESS_CREATE;
}

/* Each object holds one value throughout, or nothing. */
static bool
all_its_own(const unsigned char *data, uint64_t size, uint64_t epoch)
{
    unsigned char value = (unsigned char)(epoch & 0xff);

    for (uint64_t i = 0; i < size; i++)
        if (data[i] != data[0] || (data[i] != 0 && data[i] != value && data[i] != PUT_VALUE))
            return false;
    return true;
}

/* A handle: the bytes, or a descriptor, which goes. */
static bool
take_handle(const struct pk_reply *reply, const struct pk_handle *handle)
{
    if (handle->kind == PK_HANDLE_DATA)
        return all_its_own(handle->data, handle->size, reply->epoch);
    (void)close(handle->fd);
    return true;
}

static void
answered(void *arg, const struct pk_reply *reply)
{
    struct call *call = arg;
    struct client *client = call->client;

    bool own = true;

    for (uint32_t i = 0; i < reply->blob_count; i++)
        own &= take_handle(reply, &reply->handles[i]);
    (void)pthread_mutex_lock(&client->lock);
    call->answers++;
    client->in_flight--;
    client->good += reply->status == 0;
    if (reply->status == 0 && reply->verb == PK_VERB_ACQUIRE && reply->lease_id != NULL)
        remember(client, reply);
    if (reply->status == 0 && reply->verb == PK_VERB_READ)
        own &= all_its_own(call->data, reply->bytes, call->epoch);
    client->mixed += !own;
    (void)pthread_cond_signal(&client->answered);
    (void)pthread_mutex_unlock(&client->lock);
}

/* ---- a client: what it asks, on its own thread ---- */

static uint32_t
draw(struct client *client, uint32_t bound)
{
    client->random = client->random * 6364136223846793005U + 1442695040888963407U;
    return (uint32_t)(client->random >> 33) % bound;
}

static void
wait_in_flight(struct client *client, uint32_t most)
{
    struct timespec until;

    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += DEADLINE;
    (void)pthread_mutex_lock(&client->lock);
    while (client->in_flight > most)
        if (pthread_cond_timedwait(&client->answered, &client->lock, &until) != 0)
            abort(); /* calls that are never answered: with the stacks of all threads */
    (void)pthread_mutex_unlock(&client->lock);
}

static struct call *
new_call(struct client *client, uint32_t verb)
{
    struct call *call = &client->calls[client->call_count++];

    call->client = client;
    call->verb = verb;
    (void)pthread_mutex_lock(&client->lock);
    client->in_flight++;
    (void)pthread_mutex_unlock(&client->lock);
    return call;
}

static void
ask(struct client *client, struct call *call, struct pk_request *request)
{
    uint32_t session = draw(client, SESSIONS);

    request->struct_size = sizeof(*request);
    request->verb = call->verb;
    pk_peer_call(client->sessions[session], request, answered, call, &client->latest[session]);
}

static void
acquire(struct client *client, uint32_t access)
{
    static const uint64_t ttls[] = { 0, 0, 3 * MILLISECOND, PK_FOREVER };
    const uint64_t sizes[2] = { draw(client, 3) == 0 ? PK_UNSIZED : draw(client, BYTES + 1),
                                draw(client, BYTES + 1) };
    char request_id[32];
    uint32_t id = draw(client, IDS);
    struct pk_request request = {
        .access = access,
        .object_id = ids[id],
        .ttl = ttls[draw(client, 4)],
        .flags = draw(client, 2) * PK_REQUEST_BIND,
    };

    if (draw(client, 4) == 0) { /* the same for all clients, whose leases they then share */
        (void)snprintf(request_id, sizeof(request_id), "%u %u", access, id);
        request.request_id = request_id;
    }
    if (access == PK_ACCESS_CREATE) {
        request.sizes = sizes;
        request.blob_count = 1 + draw(client, 2);
        request.meta = "meta";
    } else if (draw(client, 2) == 0) {
        request.wait = draw(client, 4) == 0 ? PK_FOREVER : (1 + draw(client, 8)) * MILLISECOND;
    }
    if (access == PK_ACCESS_READ && draw(client, 2) == 0)
        request.inline_max = 1 + draw(client, 2 * BYTES);
    ask(client, new_call(client, PK_VERB_ACQUIRE), &request);
}

static void
put(struct client *client, uint32_t verb)
{
    const uint64_t sizes[2] = { draw(client, BYTES / 2 + 1), draw(client, BYTES / 2 + 1) };
    struct call *call = new_call(client, verb);
    struct pk_request request = {
        .object_id = ids[draw(client, IDS)],
        .sizes = sizes,
        .blob_count = 2,
        .data_size = sizes[0] + sizes[1],
    };

    call->data = malloc(BYTES);
    if (call->data == NULL)
        abort();
    memset(call->data, PUT_VALUE, BYTES);
    request.data = call->data;
    ask(client, call, &request);
}

static void
use_lease(struct client *client, uint32_t verb)
{
    struct lease lease;

    (void)pthread_mutex_lock(&client->lock);
    uint32_t known = client->lease_count < LEASES ? client->lease_count : LEASES;
    if (known > 0)
        lease = client->leases[client->lease_count - 1
                               - (draw(client, 2) == 0 ? 0 : draw(client, known))];
    (void)pthread_mutex_unlock(&client->lock);
    if (known == 0)
        return;
    struct call *call = new_call(client, verb);
    struct pk_request request = { .lease_id = lease.lease_id };
    call->epoch = lease.epoch;
    if (verb == PK_VERB_WRITE || verb == PK_VERB_READ) {
        call->data = malloc(BYTES);
        if (call->data == NULL)
            abort();
        memset(call->data, verb == PK_VERB_WRITE ? (int)(lease.epoch & 0xff) : 0, BYTES);
        request.blob = draw(client, 2);
        request.data = call->data;
        request.data_size = BYTES;
    }
    ask(client, call, &request);
}

static void
use_object(struct client *client, uint32_t verb)
{
    struct pk_request request = { .object_id = ids[draw(client, IDS)] };

    ask(client, new_call(client, verb), &request);
}

static bool
reopen(struct client *client, uint32_t session)
{
    struct pk_error err = PK_ERROR_INIT;

    pk_peer_session_close(client->sessions[session]);
    client->sessions[session] = NULL;
    client->latest[session] = 0;
    return pk_peer_session_open(client->stage->peer, &who, &client->sessions[session], &err) == 0;
}

static void
ignore_stat(void *arg, const struct pk_stat *stat)
{
    (void)arg;
    (void)stat;
}

/* False: the peer is stopping. */
static bool
disturb(struct client *client)
{
    struct pk_lease nobodys = { .struct_size = sizeof(nobodys) };
    uint32_t session = draw(client, SESSIONS);

    switch (draw(client, 16)) {
    case 0:
        return reopen(client, session);
    case 1:
    case 2:
        pk_peer_stats(client->stage->peer, ignore_stat, NULL);
        pk_peer_lease_ended(client->stage->peer, &nobodys);
        return true;
    case 3:
    case 4:
        pk_peer_changed(client->stage->peer, ids[draw(client, IDS)]);
        return true;
    default:
        pk_peer_cancel(client->sessions[session], client->latest[session]);
        return true;
    }
}

static bool
do_something(struct client *client)
{
    static const struct {
        void (*act)(struct client *client, uint32_t argument);
        uint32_t argument;
        uint32_t weight;
    } acts[] = {
        { acquire, PK_ACCESS_CREATE, 20 }, { acquire, PK_ACCESS_READ, 20 },
        { use_lease, PK_VERB_SEAL, 14 },   { use_lease, PK_VERB_WRITE, 12 },
        { use_lease, PK_VERB_READ, 10 },   { use_lease, PK_VERB_RELEASE, 12 },
        { use_lease, PK_VERB_RENEW, 4 },   { use_object, PK_VERB_DISCARD, 8 },
        { use_object, PK_VERB_STAT, 4 },   { use_object, PK_VERB_LIST, 2 },
        { put, PK_VERB_PUT, 10 },
    };
    uint32_t drawn = draw(client, 130);

    for (uint32_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
        if (drawn < acts[i].weight) {
            acts[i].act(client, acts[i].argument);
            return true;
        }
        drawn -= acts[i].weight;
    }
    return disturb(client);
}

static void *
client_main(void *arg)
{
    struct client *client = arg;
    bool going = true;

    while (going && client->call_count < CALLS) {
        going = do_something(client);
        wait_in_flight(client, IN_FLIGHT);
    }
    for (uint32_t i = 0; i < SESSIONS; i++)
        if (client->sessions[i] != NULL)
            pk_peer_session_close(client->sessions[i]);
    wait_in_flight(client, 0);
    return NULL;
}

/* ---- the stage ---- */

static uint32_t leases_block; /* percent */

static uint32_t
leases_may_block(void *instance, uint32_t op, uint64_t bytes)
{
    (void)instance;
    (void)op;
    (void)bytes;
    return guarded_blobs_draw(leases_block);
}

static struct pk_instance *
open_instance(struct stage *stage, pk_plugin_entry_fn *entry, struct pk_conf **ret_conf)
{
    const struct pk_plugin_module *module = NULL;
    const struct pk_setting_source source = { .section = "test" };
    struct pk_instance *instance = NULL;
    struct pk_error err = PK_ERROR_INIT;

    ck_assert_int_eq(pk_plugin_builtin(entry, &module, &err), 0);
    ck_assert_int_eq(
        pk_conf_new(&module->options, module->plugin.kind, NULL, &source, NULL, 0, ret_conf, &err),
        0);
    ck_assert_int_eq(pk_instance_open(module, *ret_conf, stage->executor, 2, NULL, &instance, &err),
                     0);
    return instance;
}

static void
open_client(struct stage *stage, struct client *client, uint32_t calls)
{
    struct pk_error err = PK_ERROR_INIT;

    client->stage = stage;
    client->random = (uint64_t)(client - stage->clients + 1) * 2862933555777941757U;
    client->calls = calloc(calls, sizeof(*client->calls));
    client->leases = calloc(calls, sizeof(*client->leases));
    ck_assert(client->calls != NULL && client->leases != NULL);
    (void)pthread_mutex_init(&client->lock, NULL);
    (void)pthread_cond_init(&client->answered, NULL);
    for (uint32_t i = 0; i < SESSIONS; i++)
        ck_assert_int_eq(pk_peer_session_open(stage->peer, &who, &client->sessions[i], &err), 0);
}

static void
open_stage(struct stage *stage, const struct guarded_options *guarded)
{
    const struct pk_peer_options options = {
        .capacity = 100000,
        .max_object = 6000,
        .max_objects = 100,
        .max_calls = 1000,
        .max_sessions = 100,
        .sample = MILLISECOND,
        .unsized = true,
    };
    struct pk_error err = PK_ERROR_INIT;

    memset(stage, 0, sizeof(*stage));
    stage->descriptors = open_descriptors();
    ck_assert_int_eq(pk_executor_new(&stage->executor, &err), 0);
    stage->blob = open_instance(stage, blob_memfd_entry, &stage->blob_conf);
    stage->lease = open_instance(stage, lease_mem_entry, &stage->lease_conf);
    guarded_blobs_start(stage->blob, guarded);
    leases_block = guarded->block_percent;
    stage->lease->ops.lease.may_block = leases_may_block;
    ck_assert_int_eq(
        pk_peer_new(&options, stage->executor, stage->blob, stage->lease, &stage->peer, &err), 0);
    for (uint32_t i = 0; i < CLIENTS; i++)
        open_client(stage, &stage->clients[i], CALLS);
    for (uint32_t i = 0; i < CLIENTS; i++)
        ck_assert_int_eq(
            pthread_create(&stage->clients[i].thread, NULL, client_main, &stage->clients[i]), 0);
}

/* Every call was answered once, and none told of another object's bytes. */
static void
close_client(struct client *client)
{
    for (uint32_t i = 0; i < client->call_count; i++) {
        if (client->calls[i].answers != 1)
            ck_abort_msg("call %u (verb %u) was answered %u times", i, client->calls[i].verb,
                         client->calls[i].answers);
        free(client->calls[i].data);
    }
    ck_assert_uint_eq(client->mixed, 0);
    ck_assert_uint_gt(client->good, client->call_count / 10); /* or nothing of it was tested */
    free(client->calls);
    free(client->leases);
    (void)pthread_cond_destroy(&client->answered);
    (void)pthread_mutex_destroy(&client->lock);
}

static void
join_clients(struct stage *stage)
{
    for (uint32_t i = 0; i < CLIENTS; i++)
        ck_assert_int_eq(pthread_join(stage->clients[i].thread, NULL), 0);
}

static void
close_stage(struct stage *stage)
{
    for (uint32_t i = 0; i < CLIENTS; i++)
        close_client(&stage->clients[i]);
    pk_peer_stop(stage->peer);
    pk_peer_free(stage->peer);
    guarded_blobs_finish();
    ck_assert_uint_eq(guarded_counts.broken, 0);
    ck_assert_uint_eq(guarded_counts.blobs, 0);
    ck_assert_uint_eq(guarded_counts.contents, 0);
    ck_assert_uint_gt(guarded_counts.slots, 0);
    pk_instance_close(stage->lease);
    pk_instance_close(stage->blob);
    pk_conf_free(stage->lease_conf);
    pk_conf_free(stage->blob_conf);
    pk_executor_free(stage->executor);
    ck_assert_uint_eq(open_descriptors(), stage->descriptors);
}

/* ---- what is left, with nobody there any more ---- */

struct figures {
    uint64_t objects;
    uint64_t bytes;
    uint64_t leases;
    uint64_t granted; /* and alive, as the factory has it */
    uint64_t sessions;
    uint64_t waits;
    uint64_t calls;
};

static void
take_figure(void *arg, const struct pk_stat *stat)
{
    struct figures *figures = arg;
    const struct {
        const char *name;
        uint64_t *value;
    } all[] = {
        { "objects", &figures->objects },   { "bytes", &figures->bytes },
        { "leases", &figures->leases },     { "lease_mem_leases", &figures->granted },
        { "sessions", &figures->sessions }, { "waits", &figures->waits },
        { "calls", &figures->calls },
    };

    for (uint32_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (strcmp(stat->name, all[i].name) == 0)
            *all[i].value = stat->value;
}

static struct figures
figures_of(const struct stage *stage)
{
    struct figures figures = { 0 };

    pk_peer_stats(stage->peer, take_figure, &figures);
    return figures;
}

/* Releases every lease that anybody was told of, and discards every object. */
static void
clean_up(struct stage *stage)
{
    struct client *cleaner = &stage->clients[CLIENTS];
    struct pk_request request = { 0 };
    uint32_t count = IDS;

    for (uint32_t i = 0; i < CLIENTS; i++)
        count += stage->clients[i].lease_count;
    open_client(stage, cleaner, count);
    for (uint32_t i = 0; i < CLIENTS; i++)
        for (uint32_t k = 0; k < stage->clients[i].lease_count; k++) {
            request.lease_id = stage->clients[i].leases[k].lease_id;
            ask(cleaner, new_call(cleaner, PK_VERB_RELEASE), &request);
            wait_in_flight(cleaner, IN_FLIGHT);
        }
    for (uint32_t i = 0; i < IDS; i++) {
        request.object_id = ids[i];
        ask(cleaner, new_call(cleaner, PK_VERB_DISCARD), &request);
    }
    for (uint32_t i = 0; i < SESSIONS; i++)
        pk_peer_session_close(cleaner->sessions[i]);
    wait_in_flight(cleaner, 0);
    close_client(cleaner);
}

/* What a call leaves behind is cleaned up soon after its answer. */
static void
expect_nothing(const struct stage *stage)
{
    const struct timespec moment = { .tv_nsec = MILLISECOND };
    struct figures figures = figures_of(stage);

    for (uint32_t i = 0; figures.calls > 0 && i < DEADLINE * 1000U; i++) {
        (void)nanosleep(&moment, NULL);
        figures = figures_of(stage);
    }
    ck_assert_uint_eq(figures.calls, 0);
    ck_assert_uint_eq(figures.objects, 0);
    ck_assert_uint_eq(figures.bytes, 0);
    ck_assert_uint_eq(figures.leases, 0);
    ck_assert_uint_eq(figures.granted, 0);
    ck_assert_uint_eq(figures.sessions, 0);
    ck_assert_uint_eq(figures.waits, 0);
}

static void
run_all(const struct guarded_options *options)
{
    static struct stage stage;

    open_stage(&stage, options);
    join_clients(&stage);
    clean_up(&stage);
    expect_nothing(&stage);
    close_stage(&stage);
}

START_TEST(clients_do_everything_at_once)
{
    run_all(&(struct guarded_options){ .block_percent = 20 });
}
END_TEST

START_TEST(clients_do_everything_at_once_over_storage_that_publishes)
{
    run_all(&(struct guarded_options){ .publishes = true, .block_percent = 20 });
}
END_TEST

START_TEST(nothing_ever_blocks)
{
    run_all(&(struct guarded_options){ .block_percent = 0 });
}
END_TEST

START_TEST(peer_stops_while_clients_are_at_it)
{
    static struct stage stage;
    const struct timespec moment = { .tv_nsec = MILLISECOND };
    uint32_t good = 0;

    open_stage(&stage, &(struct guarded_options){ .publishes = true, .block_percent = 20 });
    for (uint32_t i = 0; good < 200 && i < DEADLINE * 1000U; i++) {
        (void)pthread_mutex_lock(&stage.clients[0].lock);
        good = stage.clients[0].good;
        (void)pthread_mutex_unlock(&stage.clients[0].lock);
        (void)nanosleep(&moment, NULL);
    }
    pk_peer_stop(stage.peer);
    join_clients(&stage);
    close_stage(&stage);
}
END_TEST

int
main(void)
{
    const TTest *const cases[] = {
        clients_do_everything_at_once,
        clients_do_everything_at_once_over_storage_that_publishes,
        nothing_ever_blocks,
        peer_stops_while_clients_are_at_it,
    };
    return SUITE_RUN("peer_threads", cases);
}
