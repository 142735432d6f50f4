/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules about what may go on at once: slots for different blobs on several threads, and two
 * instances in one process. A plugin that locks up runs into the deadline.
 */
#include "conform/blob_call.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#define THREADS 4U
#define ROUNDS 12U

struct worker {
    struct unit *unit;
    struct pk_key keys[THREADS][ROUNDS];
    char ids[THREADS][ROUNDS][PK_ID_MAX + 1];
};

static struct worker *
worker_new(struct world *world)
{
    struct worker *worker = calloc(1, sizeof(*worker));
    must(world, worker != NULL, "out of memory");
    worker->unit = unit_open(world, 0);
    for (uint32_t i = 0; i < THREADS; i++) {
        for (uint32_t j = 0; j < ROUNDS; j++) {
            char name[32];
            (void)snprintf(name, sizeof(name), "thread-%u-%u", i, j % 2);
            worker->keys[i][j] = world_key(world, name, worker->ids[i][j]);
        }
    }
    return worker;
}

/* The life of objects, one after the other. */
static void
work(struct world *world, uint32_t number, void *arg)
{
    struct worker *worker = arg;
    struct unit *unit = worker->unit;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        const struct pk_key *key = &worker->keys[number][i];
        void *first = blob_make(world, unit, key, 0, BLOB_SIZE);
        void *second = blob_make(world, unit, key, 1, 10);
        blob_fill(world, unit, first, BLOB_SIZE, key->epoch);
        blob_fill(world, unit, second, 10, key->epoch);
        blob_seal(world, unit, first, BLOB_SIZE);
        blob_seal(world, unit, second, 10);
        blob_expect(world, unit, first, BLOB_SIZE, key->epoch, "a blob of one of several threads");
        blob_expect(world, unit, second, 10, key->epoch, "a blob of one of several threads");
        blob_remove(world, unit, first);
        blob_remove(world, unit, second);
    }
}

static void
at_once(struct world *world)
{
    struct worker *worker = worker_new(world);
    world_threads(world, THREADS, work, worker);
    unit_close(worker->unit);
    free(worker);
}

static void
publish_and_find(struct world *world, uint32_t number, void *arg)
{
    struct worker *worker = arg;
    struct unit *unit = worker->unit;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        const struct pk_key *key = &worker->keys[number][i];
        struct pk_error err = PK_ERROR_INIT;
        uint64_t size = 10;
        void *blob = blob_sealed(world, unit, key, size, key->epoch);
        const struct pk_manifest manifest = {
            .struct_size = sizeof(manifest),
            .blob_count = 1,
            .key = *key,
            .sizes = &size,
            .meta = "",
            .owner = { .struct_size = sizeof(manifest.owner) },
        };
        int32_t rc = unit->ops.blob.publish(unit->instance, &manifest, &blob, &err);
        must(world, rc == 0, "publish on one of several threads returned %" PRId32 ": %s", rc,
             err.message);
        object_expect_none(world, unit, "never-there", "on one of several threads");
        rc = unit->ops.blob.unpublish(unit->instance, key, &err);
        must(world, rc == 0, "unpublish on one of several threads returned %" PRId32 ": %s", rc,
             err.message);
        blob_remove(world, unit, blob);
    }
}

static void
published_at_once(struct world *world)
{
    struct worker *worker = worker_new(world);
    world_threads(world, THREADS, publish_and_find, worker);
    unit_close(worker->unit);
    free(worker);
}

/* The same key in both; what one does is not seen in the other. */
static void
two_instances(struct world *world)
{
    struct unit *a = unit_open(world, 0);
    struct unit *b = unit_open(world, subject_has_folder(world->subject) ? 1 : 0);
    char id[PK_ID_MAX + 1];
    struct pk_key key = world_key(world, "two", id);
    void *in_a = blob_sealed(world, a, &key, BLOB_SIZE, 1);
    void *in_b = NULL;
    if (!(b->traits.flags & PK_BLOB_SHARED) || subject_has_folder(world->subject))
        in_b = blob_sealed(world, b, &key, BLOB_SIZE, 2);
    blob_expect(world, a, in_a, BLOB_SIZE, 1, "a blob of the first of two instances");
    blob_remove(world, a, in_a);
    unit_close(a);
    if (in_b != NULL) {
        blob_expect(world, b, in_b, BLOB_SIZE, 2, "a blob of the second, the first one closed");
        blob_remove(world, b, in_b);
    }
    unit_close(b);
}

static const struct rule rules[] = {
    { "threads: slots for different blobs at once",
      "Two slots may run at once on different threads for different blobs", 0, at_once },
    { "threads: publish, unpublish and lookup of different objects at once",
      "never for the same object id among create, put, adopt, seal, publish, unpublish and lookup",
      NEEDS_PUBLISH, published_at_once },
    { "open: two instances at once keep apart", "`instance` is what open returned.", 0,
      two_instances },
};

const struct rule_group blob_thread_rules = RULE_GROUP(rules);
