/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules about `recover`: what a new instance finds after the last one was closed, or died between
 * any two slots. A death is a process of its own that goes the first steps and ends.
 */
#include "conform/blob_call.h"
#include "conform/trace.h"

#include <errno.h>
#include <inttypes.h>
#include <packice/cleanup.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct found *
recover(struct world *world, struct unit *unit, const char *id)
{
    struct pk_error err = PK_ERROR_INIT;
    struct found *found = found_new(world);
    found->id = id;
    int32_t rc = unit->ops.blob.recover(unit->instance, found_emit, found, &err);
    must(world, rc == 0, "recover returned %" PRId32 ": %s", rc, err.message);
    return found;
}

/* A new start on the storage of the first instance. */
static struct unit *
restart(struct world *world, struct unit *unit)
{
    unit_close(unit);
    return unit_open(world, 0);
}

static void
finds_published(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    struct object objects[3];
    object_publish(world, unit, &objects[0], "one", 1);
    object_publish(world, unit, &objects[1], "two", 2);
    object_publish(world, unit, &objects[2], "a/b \xc3\xa9", 1);
    for (size_t i = 0; i < 3; i++)
        object_free(unit, &objects[i]);
    for (size_t i = 0; i < 3; i++) {
        unit = restart(world, unit);
        struct found *found = recover(world, unit, objects[i].id);
        must(world, found->count == 1, "recover emitted a published object %" PRIu32 " times",
             found->count);
        must(world, found->manifest.key.epoch == objects[i].manifest.key.epoch,
             "recover emitted epoch %" PRIu64, found->manifest.key.epoch);
        free(found);
        object_expect(world, unit, &objects[i]);
    }
    unit_close(unit);
}

static void
emits_no_blobs(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    struct object object;
    object_publish(world, unit, &object, "blobs", 1);
    object_free(unit, &object);
    unit = restart(world, unit);
    struct found *found = recover(world, unit, object.id);
    must(world, found->count == 0 || !found->opened, "recover emitted opened blobs");
    free(found);
    unit_close(unit);
}

static void
forgets_unpublished(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    struct object object;
    struct pk_error err = PK_ERROR_INIT;
    object_publish(world, unit, &object, "unpublished", 1);
    must(world, unit->ops.blob.unpublish(unit->instance, &object.manifest.key, &err) == 0,
         "unpublish: %s", err.message);
    object_remove(world, unit, &object);
    unit = restart(world, unit);
    struct found *found = recover(world, unit, object.id);
    must(world, found->count == 0, "recover emitted what was unpublished");
    free(found);
    unit_close(unit);
}

/* A node that stops may cut recovery short; what is published is found by the next. */
static void
stops_early(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    struct object object;
    struct pk_error err = PK_ERROR_INIT;
    object_publish(world, unit, &object, "stopped", 1);
    object_free(unit, &object);
    unit = restart(world, unit);
    struct found *found = found_new(world);
    found->id = object.id;
    atomic_store(&world->stage.stopping, 1);
    int32_t rc = unit->ops.blob.recover(unit->instance, found_emit, found, &err);
    atomic_store(&world->stage.stopping, 0);
    must(world, rc == 0 || rc == -ECANCELED, "recover at a stop returned %" PRId32 ": %s", rc,
         err.message);
    free(found);
    unit = restart(world, unit);
    found = recover(world, unit, object.id);
    must(world, found->count == 1, "after a recovery that was cut short %" PRIu32 " are emitted",
         found->count);
    free(found);
    unit_close(unit);
}

/* What was freed and never published goes with the next start. */
static void
clears(struct world *world)
{
    char folder[PK_ID_MAX + 1];
    struct unit *unit = unit_open(world, 0);
    struct object object;
    world_storage(world, 0, folder, sizeof(folder));
    unit = restart(world, unit);
    free(recover(world, unit, ""));
    uint32_t before = trace_files(folder);
    object_make(world, unit, &object, "left", 2);
    object_free(unit, &object);
    unit = restart(world, unit);
    free(recover(world, unit, ""));
    uint32_t after = trace_files(folder);
    must(world, after <= before, "an object that was never published left %" PRIu32 " files",
         after - before);
    unit_close(unit);
}

/* ---- deaths ---- */

/* The steps of an object's life; what is published after each. */
enum step { CREATED, WRITTEN, CREATED_SECOND, SEALED, PUBLISHED, FREED, UNPUBLISHED, REMOVED };

static const char *const step_names[] = {
    "create", "write", "a second create", "seal", "publish", "free", "unpublish", "remove",
};

static void
live(struct world *world, struct unit *unit, struct object *object, enum step last)
{
    struct pk_error err = PK_ERROR_INIT;
    const struct pk_key *key = &object->manifest.key;
    for (uint32_t i = 0; i < 2 && (i == 0 || last >= CREATED_SECOND); i++) {
        object->blobs[i] = blob_make(world, unit, key, i, object->sizes[i]);
        if (last >= WRITTEN)
            blob_fill(world, unit, object->blobs[i], object->sizes[i], key->epoch + i);
    }
    for (uint32_t i = 0; i < 2 && last >= SEALED; i++)
        blob_seal(world, unit, object->blobs[i], object->sizes[i]);
    if (last >= PUBLISHED)
        must(world,
             unit->ops.blob.publish(unit->instance, &object->manifest, object->blobs, &err) == 0,
             "publish: %s", err.message);
    if (last == FREED)
        object_free(unit, object);
    if (last >= UNPUBLISHED)
        must(world, unit->ops.blob.unpublish(unit->instance, key, &err) == 0, "unpublish: %s",
             err.message);
    if (last >= REMOVED)
        object_remove(world, unit, object);
}

static struct object
object_plan(struct world *world)
{
    struct object object = { .sizes = { BLOB_SIZE, 10 } };
    struct pk_key key = world_key(world, "dying", object.id);
    object.manifest = (struct pk_manifest){
        .struct_size = sizeof(object.manifest),
        .blob_count = 2,
        .key = key,
        .meta = "{}",
        .owner = { .struct_size = sizeof(object.manifest.owner) },
    };
    return object;
}

/* Goes the steps in a process that then ends without a word. */
static void
die_after(struct world *world, struct object *object, enum step last)
{
    int status = 0;
    (void)fflush(NULL);
    pid_t pid = fork();
    must(world, pid >= 0, "fork: %s", strerror(errno));
    if (pid == 0) {
        live(world, unit_open(world, 0), object, last);
        _exit(0);
    }
    (void)waitpid(pid, &status, 0);
    if (world->verdict->outcome != VERDICT_NONE)
        _exit(0);
    must(world, WIFEXITED(status) && WEXITSTATUS(status) == 0,
         "the process that was to die after %s ended with status 0x%x", step_names[last],
         (unsigned)status);
}

static void
must_find_what_stood(struct world *world, const struct object *object, bool published,
                     const char *when)
{
    struct unit *unit = unit_open(world, 0);
    struct found *found = recover(world, unit, object->id);
    must(world, found->count == published, "%s: recover emitted it %" PRIu32 " times", when,
         found->count);
    free(found);
    if (published)
        object_expect(world, unit, object);
    else
        object_expect_none(world, unit, object->id, when);
    unit_close(unit);
}

static void
die(struct world *world, enum step last)
{
    char when[64];
    struct object object = object_plan(world);
    object.manifest.key.id = object.id;
    object.manifest.sizes = object.sizes;
    (void)snprintf(when, sizeof(when), "after a death behind %s", step_names[last]);
    die_after(world, &object, last);
    must_find_what_stood(world, &object, last == PUBLISHED || last == FREED, when);
    (void)snprintf(when, sizeof(when), "at the second start after a death behind %s",
                   step_names[last]);
    must_find_what_stood(world, &object, last == PUBLISHED || last == FREED, when);
}

static void
die_creating(struct world *world)
{
    die(world, CREATED);
    die(world, WRITTEN);
    die(world, CREATED_SECOND);
}

static void
die_sealed(struct world *world)
{
    die(world, SEALED);
}

static void
die_published(struct world *world)
{
    die(world, PUBLISHED);
}

static void
die_freed(struct world *world)
{
    die(world, FREED);
}

static void
die_unpublished(struct world *world)
{
    die(world, UNPUBLISHED);
}

static void
die_removed(struct world *world)
{
    die(world, REMOVED);
}

/* The name is free for a new object at once, and no file is left of the dead one. */
static void
name_after_death(struct world *world)
{
    char folder[PK_ID_MAX + 1];
    struct object object = object_plan(world);
    object.manifest.key.id = object.id;
    object.manifest.sizes = object.sizes;
    struct unit *unit = unit_open(world, 0);
    free(recover(world, unit, ""));
    unit_close(unit);
    world_storage(world, 0, folder, sizeof(folder));
    uint32_t before = trace_files(folder);
    die_after(world, &object, SEALED);
    unit = unit_open(world, 0);
    free(recover(world, unit, ""));
    unit_close(unit);
    uint32_t after = trace_files(folder);
    must(world, after <= before || !subject_has_folder(world->subject),
         "an object whose maker died left %" PRIu32 " files after recover", after - before);
    unit = unit_open(world, 0);
    object_publish(world, unit, &object, "dying", 2);
    object_expect(world, unit, &object);
    object_free(unit, &object);
    unit_close(unit);
}

#define EVERY "and emits every published object"
#define CLEARS "Clears what a crash left unpublished"
#define FOR_GOOD "all or nothing, and for good before it returns."
#define NEEDS_ALL (NEEDS_PUBLISH | NEEDS_RECOVER | NEEDS_DURABLE)

static const struct rule rules[] = {
    { "recover: emits each published object once", EVERY, NEEDS_ALL, finds_published },
    { "recover: emits no opened blobs",
      "NULL from recover: the host looks the object up when it is wanted", NEEDS_ALL,
      emits_no_blobs },
    { "recover: forgets what was unpublished", EVERY, NEEDS_ALL, forgets_unpublished },
    { "recover: may end early when the node stops", "-ECANCELED: it noticed that host->stopping.",
      NEEDS_ALL, stops_early },
    { "recover: clears what was freed unpublished",
      "what is not goes by the host's call of remove, or by recover after a crash.",
      NEEDS_ALL | NEEDS_FOLDER, clears },
    { "recover: after a death while it was made", CLEARS, NEEDS_ALL, die_creating },
    { "recover: after a death behind seal", CLEARS, NEEDS_ALL, die_sealed },
    { "recover: after a death behind publish", FOR_GOOD, NEEDS_ALL, die_published },
    { "recover: after a death behind free", FOR_GOOD, NEEDS_ALL, die_freed },
    { "recover: after a death behind unpublish", CLEARS, NEEDS_ALL, die_unpublished },
    { "recover: after a death behind remove", CLEARS, NEEDS_ALL, die_removed },
    { "recover: leaves nothing of the dead, and their names free", CLEARS, NEEDS_ALL,
      name_after_death },
};

const struct rule_group blob_recover_rules = RULE_GROUP(rules);
