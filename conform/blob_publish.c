/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules about `publish` and `unpublish`: when an object can be found under its name, and which
 * epoch has the name.
 */
#include "conform/blob_call.h"

#include <errno.h>
#include <inttypes.h>
#include <packice/cleanup.h>
#include <string.h>

static int32_t
publish(struct unit *unit, const struct object *object, struct pk_error *err)
{
    return unit->ops.blob.publish(unit->instance, &object->manifest, object->blobs, err);
}

static int32_t
unpublish(struct unit *unit, const struct pk_key *key, struct pk_error *err)
{
    return unit->ops.blob.unpublish(unit->instance, key, err);
}

static void
must_unpublish(struct world *world, struct unit *unit, const struct pk_key *key)
{
    struct pk_error err = PK_ERROR_INIT;
    int32_t rc = unpublish(unit, key, &err);
    must(world, rc == 0, "unpublish returned %" PRId32 ": %s", rc, err.message);
}

static void
visible_only_after(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    struct object object;
    struct pk_error err = PK_ERROR_INIT;
    object_make(world, unit, &object, "visible", 2);
    object_expect_none(world, unit, object.id, "sealed and not published");
    int32_t rc = publish(unit, &object, &err);
    must(world, rc == 0, "publish returned %" PRId32 ": %s", rc, err.message);
    object_expect(world, unit, &object);
    object_free(unit, &object);
    unit_close(unit);
}

/* A second object under the id, made while the first is published; false: its create was refused,
 * which is as well. */
static bool
second_make(struct world *world, struct unit *unit, struct object *object, const char *name)
{
    struct pk_error err = PK_ERROR_INIT;
    *object = (struct object){ 0 };
    struct pk_key key = world_key(world, name, object->id);
    int32_t rc = unit->ops.blob.create(unit->instance, &key, 0, BLOB_SIZE, &object->blobs[0], &err);
    if (rc != 0)
        return false;
    blob_fill(world, unit, object->blobs[0], BLOB_SIZE, key.epoch);
    blob_seal(world, unit, object->blobs[0], BLOB_SIZE);
    object->sizes[0] = BLOB_SIZE;
    object->manifest = (struct pk_manifest){
        .struct_size = sizeof(object->manifest),
        .blob_count = 1,
        .key = key,
        .sizes = object->sizes,
        .meta = "",
        .owner = { .struct_size = sizeof(object->manifest.owner) },
    };
    return true;
}

static void
manifest_stands(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    struct object first;
    struct object second;
    struct pk_error err = error_fresh();
    object_publish(world, unit, &first, "stands", 1);
    if (second_make(world, unit, &second, "stands")) {
        int32_t rc = publish(unit, &second, &err);
        must(world, rc == -ESTALE, "publish where a manifest stands returned %" PRId32, rc);
        must_explain(world, "publish", rc, &err);
        object_remove(world, unit, &second);
    }
    object_expect(world, unit, &first);
    object_free(unit, &first);
    unit_close(unit);
}

static void
again(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    struct object object;
    struct pk_error err = PK_ERROR_INIT;
    object_publish(world, unit, &object, "again", 1);
    int32_t rc = publish(unit, &object, &err);
    must(world, rc == -ESTALE, "publish of what is published already returned %" PRId32, rc);
    object_expect(world, unit, &object);
    object_free(unit, &object);
    unit_close(unit);
}

/* What a node does with an object at its end. */
static void
end_of(struct world *world, struct unit *unit, const struct object *object, bool published)
{
    if (published)
        object_free(unit, object);
    else
        object_remove(world, unit, object);
}

/* Of two epochs that were made under one name at once, one has it. */
static void
fenced(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    struct object first;
    struct object second;
    struct pk_error err = PK_ERROR_INIT;
    object_make(world, unit, &first, "fenced", 1);
    bool both = second_make(world, unit, &second, "fenced");
    int32_t rc = publish(unit, &first, &err);
    must(world, rc == 0 || (both && rc == -ESTALE), "publish of the first returned %" PRId32 ": %s",
         rc, err.message);
    if (both) {
        int32_t rc_second = publish(unit, &second, &err);
        must(world, rc_second == (rc == 0 ? -ESTALE : 0),
             "publish of the first returned %" PRId32 ", and of the second %" PRId32, rc,
             rc_second);
    }
    object_expect(world, unit, rc == 0 ? &first : &second);
    end_of(world, unit, &first, rc == 0);
    if (both)
        end_of(world, unit, &second, rc != 0);
    unit_close(unit);
}

static void
name_is_free_again(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    struct object first;
    struct object second;
    object_publish(world, unit, &first, "free", 1);
    must_unpublish(world, unit, &first.manifest.key);
    object_publish(world, unit, &second, "free", 2);
    object_expect(world, unit, &second);
    object_remove(world, unit, &first);
    object_expect(world, unit, &second);
    object_free(unit, &second);
    unit_close(unit);
}

/* Each under the id as it stands: no prefix would be part of a path. */
static void
names(struct world *world)
{
    static const char *const odd[] = {
        "a/b", "a_b", "a%2Fb", "..", "A/B", "\xc3\xa9", "e\xcc\x81"
    };
    enum { COUNT = sizeof(odd) / sizeof(odd[0]) };
    struct unit *unit = unit_open(world, 0);
    struct object objects[COUNT];
    if (subject_has_folder(world->subject))
        world->prefix[0] = '\0';
    for (size_t i = 0; i < COUNT; i++)
        object_publish(world, unit, &objects[i], odd[i], 1);
    for (size_t i = 0; i < COUNT; i++) {
        objects[i].manifest.key.id = objects[i].id;
        object_expect(world, unit, &objects[i]);
        object_free(unit, &objects[i]);
    }
    unit_close(unit);
}

/* ---- unpublish ---- */

static void
found_no_longer(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    struct object object;
    object_publish(world, unit, &object, "away", 1);
    must_unpublish(world, unit, &object.manifest.key);
    object_expect_none(world, unit, object.id, "unpublished");
    object_remove(world, unit, &object);
    unit_close(unit);
}

static void
blobs_stay(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    struct object object;
    object_publish(world, unit, &object, "stay", 1);
    must_unpublish(world, unit, &object.manifest.key);
    blob_expect(world, unit, object.blobs[0], BLOB_SIZE, object.manifest.key.epoch,
                "a blob of an unpublished object");
    object_remove(world, unit, &object);
    unit_close(unit);
}

static void
not_published(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    struct pk_error err = error_fresh();
    char id[PK_ID_MAX + 1];
    struct pk_key key = world_key(world, "never", id);
    int32_t rc = unpublish(unit, &key, &err);
    must(world, rc == -ENOENT, "unpublish of what never was returned %" PRId32, rc);
    must_explain(world, "unpublish", rc, &err);
    unit_close(unit);
}

static void
other_epoch(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    struct pk_error err = PK_ERROR_INIT;
    struct object object;
    object_publish(world, unit, &object, "other", 1);
    struct pk_key key = { object.id, object.manifest.key.epoch + 100 };
    int32_t rc = unpublish(unit, &key, &err);
    must(world, rc == -ENOENT, "unpublish of another epoch returned %" PRId32, rc);
    object_expect(world, unit, &object);
    object_free(unit, &object);
    unit_close(unit);
}

/* ---- shared storage ---- */

static void
shared(struct world *world)
{
    struct unit *a = unit_open(world, 0);
    struct unit *b = unit_open(world, 0);
    struct object object;
    object_publish(world, a, &object, "shared", 2);
    object_expect(world, b, &object);
    must_unpublish(world, b, &object.manifest.key);
    object_expect_none(world, a, object.id, "unpublished by another instance");
    object_remove(world, a, &object);
    unit_close(a);
    unit_close(b);
}

static void
shared_is_conditional(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    must(world, unit->traits.flags & PK_BLOB_CONDITIONAL,
         "its traits say SHARED and not CONDITIONAL");
    unit_close(unit);
}

static void
shared_fenced(struct world *world)
{
    struct unit *a = unit_open(world, 0);
    struct unit *b = unit_open(world, 0);
    struct object first;
    struct object second;
    struct pk_error err = PK_ERROR_INIT;
    object_make(world, a, &first, "fenced", 1);
    bool both = second_make(world, b, &second, "fenced");
    int32_t rc = publish(a, &first, &err);
    int32_t rc_second = both ? publish(b, &second, &err) : -ESTALE;
    must(world, (rc == 0 && rc_second == -ESTALE) || (rc == -ESTALE && rc_second == 0),
         "publish of one name on two instances returned %" PRId32 " and %" PRId32, rc, rc_second);
    object_expect(world, a, rc == 0 ? &first : &second);
    object_expect(world, b, rc == 0 ? &first : &second);
    end_of(world, a, &first, rc == 0);
    if (both)
        end_of(world, b, &second, rc != 0);
    unit_close(a);
    unit_close(b);
}

#define ALL_OR_NOTHING "Makes the sealed object visible to lookup under its id, all or nothing"
#define STALE "-ESTALE: the claim is another epoch's, or a manifest stands under this id."

static const struct rule rules[] = {
    { "publish: visible to lookup only after", ALL_OR_NOTHING, NEEDS_PUBLISH, visible_only_after },
    { "publish: -ESTALE where another epoch's manifest stands", STALE, NEEDS_PUBLISH,
      manifest_stands },
    { "publish: -ESTALE where its own manifest stands", STALE, NEEDS_PUBLISH, again },
    { "publish: one of two epochs under one name", STALE, NEEDS_PUBLISH, fenced },
    { "publish: ids of any form keep apart", "it may hold '/' or be \"..\": never a path",
      NEEDS_PUBLISH, names },
    { "unpublish: lookup no longer finds it",
      "Takes the name away, so that lookup no longer finds this epoch", NEEDS_PUBLISH,
      found_no_longer },
    { "unpublish: another epoch may have the name", "and another may publish under the id",
      NEEDS_PUBLISH, name_is_free_again },
    { "unpublish: its blobs stay readable", "its blobs stay readable until they are removed.",
      NEEDS_PUBLISH, blobs_stay },
    { "unpublish: -ENOENT for what is not published",
      "-ENOENT: not published, or another epoch is.", NEEDS_PUBLISH, not_published },
    { "unpublish: -ENOENT for another epoch, which stays",
      "-ENOENT: not published, or another epoch is.", NEEDS_PUBLISH, other_epoch },
    { "shared: what one instance publishes another finds",
      "other nodes publish into the same storage", NEEDS_PUBLISH | NEEDS_SHARED, shared },
    { "shared: publish is conditional", "without it the host refuses SHARED", NEEDS_SHARED,
      shared_is_conditional },
    { "shared: one of two instances has the name", STALE, NEEDS_PUBLISH | NEEDS_SHARED,
      shared_fenced },
};

const struct rule_group blob_publish_rules = RULE_GROUP(rules);
