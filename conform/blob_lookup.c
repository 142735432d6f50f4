/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules about `lookup`: that it finds what was published, as it was, once, and nothing that is
 * damaged.
 */
#include "conform/blob_call.h"
#include "conform/trace.h"

#include <errno.h>
#include <inttypes.h>
#include <packice/cleanup.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void
must_find(struct world *world, struct unit *unit, const char *id, struct found *ret_found)
{
    struct pk_error err = PK_ERROR_INIT;
    int32_t rc = object_lookup(unit, id, ret_found, &err);
    must(world, rc == 0, "lookup returned %" PRId32 ": %s", rc, err.message);
}

static void
found_free(struct unit *unit, struct found *found)
{
    for (uint32_t i = 0; i < found->manifest.blob_count && found->opened; i++)
        unit->ops.blob.free(found->blobs[i]);
    free(found);
}

static void
once(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    struct object object;
    struct found *found = found_new(world);
    object_publish(world, unit, &object, "once", 1);
    must_find(world, unit, object.id, found);
    must(world, found->count == 1, "lookup emitted it %" PRIu32 " times", found->count);
    found_free(unit, found);
    object_free(unit, &object);
    unit_close(unit);
}

static void
opened(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    struct object object;
    object_publish(world, unit, &object, "opened", 3);
    object_free(unit, &object);
    object_expect(world, unit, &object);
    unit_close(unit);
}

static void
identity(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    struct object object;
    struct found *found = found_new(world);
    object_publish(world, unit, &object, "identity/\xc3\xa9 ..", 2);
    must_find(world, unit, object.id, found);
    const struct pk_manifest *got = &found->manifest;
    must(world, strcmp(found->found_id, object.id) == 0, "its id is '%s'", found->found_id);
    must(world, got->key.epoch == object.manifest.key.epoch, "its epoch is %" PRIu64,
         got->key.epoch);
    must(world, got->blob_count == 2, "it has %" PRIu32 " blobs", got->blob_count);
    must(world, found->sizes[0] == object.sizes[0] && found->sizes[1] == object.sizes[1],
         "its sizes are %" PRIu64 " and %" PRIu64, found->sizes[0], found->sizes[1]);
    found_free(unit, found);
    object_free(unit, &object);
    unit_close(unit);
}

static void
meta(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    struct object object;
    struct pk_error err = PK_ERROR_INIT;
    struct found *found = found_new(world);
    pk_autofree char *text = malloc(PK_META_MAX + 1);
    must(world, text != NULL, "out of memory");
    for (size_t i = 0; i < PK_META_MAX; i++)
        text[i] = (char)(1 + i % 127);
    text[PK_META_MAX] = '\0';
    object_make(world, unit, &object, "meta", 1);
    object.manifest.meta = text;
    int32_t rc = unit->ops.blob.publish(unit->instance, &object.manifest, object.blobs, &err);
    must(world, rc == 0, "publish with 64 KiB of meta returned %" PRId32 ": %s", rc, err.message);
    must_find(world, unit, object.id, found);
    must(world, strcmp(found->meta, text) == 0, "64 KiB of meta came back as %zu other bytes",
         strlen(found->meta));
    found_free(unit, found);
    object_free(unit, &object);
    unit_close(unit);
}

static void
no_meta(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    struct object object;
    struct pk_error err = PK_ERROR_INIT;
    struct found *found = found_new(world);
    object_make(world, unit, &object, "no-meta", 1);
    object.manifest.meta = "";
    int32_t rc = unit->ops.blob.publish(unit->instance, &object.manifest, object.blobs, &err);
    must(world, rc == 0, "publish without meta returned %" PRId32 ": %s", rc, err.message);
    must_find(world, unit, object.id, found);
    must(world, found->manifest.meta != NULL && found->meta[0] == '\0', "no meta came back as '%s'",
         found->meta);
    found_free(unit, found);
    object_free(unit, &object);
    unit_close(unit);
}

static void
owner_and_times(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    struct object object;
    struct found *found = found_new(world);
    object_publish(world, unit, &object, "owner", 1);
    must_find(world, unit, object.id, found);
    const struct pk_manifest *was = &object.manifest;
    const struct pk_manifest *got = &found->manifest;
    must(world, got->created_at == was->created_at && got->sealed_at == was->sealed_at,
         "its times %" PRIu64 ", %" PRIu64 " came back as %" PRIu64 ", %" PRIu64, was->created_at,
         was->sealed_at, got->created_at, got->sealed_at);
    must(world,
         got->owner.kind == was->owner.kind && got->owner.uid == was->owner.uid
             && got->owner.gid == was->owner.gid,
         "its owner, uid %" PRIu32 " and gid %" PRIu32 ", came back as %" PRIu32 " and %" PRIu32,
         was->owner.uid, was->owner.gid, got->owner.uid, got->owner.gid);
    found_free(unit, found);
    object_free(unit, &object);
    unit_close(unit);
}

static void
nothing(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    struct pk_error err = error_fresh();
    struct found *found = found_new(world);
    char id[PK_ID_MAX + 1];
    struct pk_key key = world_key(world, "nothing", id);
    int32_t rc = object_lookup(unit, key.id, found, &err);
    must(world, rc == -ENOENT, "lookup of what is not there returned %" PRId32, rc);
    must(world, found->count == 0, "lookup failed and emitted an object");
    must_explain(world, "lookup", rc, &err);
    found_free(unit, found);
    unit_close(unit);
}

static void
leaves_no_descriptor(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    struct object object;
    object_publish(world, unit, &object, "descriptors", 2);
    object_expect(world, unit, &object);
    object_expect_none(world, unit, "conform-nothing", "never made");
    uint32_t before = trace_descriptors();
    for (int i = 0; i < 4; i++) {
        object_expect(world, unit, &object);
        object_expect_none(world, unit, "conform-nothing", "never made");
    }
    uint32_t after = trace_descriptors();
    must(world, after <= before, "8 lookups whose blobs were freed left %" PRIu32 " descriptors",
         after - before);
    object_free(unit, &object);
    unit_close(unit);
}

/* ---- damage ---- */

#define FILES_MAX 64U /* in the storage of the rule; what is beyond is left alone */

struct files {
    uint32_t count;
    struct file {
        char path[PK_ID_MAX + 1];
        uint64_t size;
    } file[FILES_MAX];
};

static void
note_file(const char *path, uint64_t size, void *arg)
{
    struct files *files = arg;
    if (size == 0 || files->count == FILES_MAX)
        return;
    (void)snprintf(files->file[files->count].path, sizeof(files->file[0].path), "%s", path);
    files->file[files->count++].size = size;
}

static bool
has_file(const struct files *files, const char *path)
{
    for (uint32_t i = 0; i < files->count; i++) {
        if (strcmp(files->file[i].path, path) == 0)
            return true;
    }
    return false;
}

static int
compare_files(const void *a, const void *b)
{
    return strcmp(((const struct file *)a)->path, ((const struct file *)b)->path);
}

/* The file that came with an object, number `index` by name; NULL: there are not so many. */
static const struct file *
new_file(const struct files *before, struct files *after, uint32_t index)
{
    qsort(after->file, after->count, sizeof(after->file[0]), compare_files);
    for (uint32_t i = 0; i < after->count; i++) {
        if (!has_file(before, after->file[i].path) && index-- == 0)
            return &after->file[i];
    }
    return NULL;
}

static void
cut_by_one(struct world *world, const struct file *file)
{
    struct stat st;
    must(world, stat(file->path, &st) == 0 && chmod(file->path, 0600) == 0, "%s: %s", file->path,
         strerror(errno));
    must(world, truncate(file->path, (off_t)file->size - 1) == 0, "%s: %s", file->path,
         strerror(errno));
    (void)chmod(file->path, st.st_mode & 07777);
}

/* Either lookup or read refuses it, or it is whole all the same. */
static void
must_serve_whole_or_not(struct world *world, const struct object *object, const char *path)
{
    struct unit *unit = unit_open(world, 0);
    struct pk_error err = PK_ERROR_INIT;
    struct found *found = found_new(world);
    if (object_lookup(unit, object->id, found, &err) == 0) {
        uint8_t data[BLOB_SIZE];
        uint64_t got = 0;
        must(world,
             found->count == 1 && found->sizes[0] == object->sizes[0]
                 && found->manifest.key.epoch == object->manifest.key.epoch,
             "with a byte less of %s another object is found", path);
        int32_t rc = unit->ops.blob.read(found->blobs[0], 0, data, sizeof(data), &got, &err);
        for (uint64_t i = 0; rc == 0 && i < sizeof(data); i++)
            must(world, got == sizeof(data) && data[i] == blob_byte(object->manifest.key.epoch, i),
                 "with a byte less of %s lookup finds it, and read gives %" PRIu64 " bytes", path,
                 got);
    }
    found_free(unit, found);
    unit_close(unit);
}

/* Publishes an object and cuts the file of it that has this number; false: it has not so many. */
static bool
damage_file(struct world *world, uint32_t index)
{
    static struct files before;
    static struct files after;
    char folder[PK_ID_MAX + 1];
    char name[32];
    struct object object;
    world_storage(world, 0, folder, sizeof(folder));
    struct unit *unit = unit_open(world, 0);
    before.count = 0;
    after.count = 0;
    trace_each_file(folder, note_file, &before);
    (void)snprintf(name, sizeof(name), "damaged-%" PRIu32, index);
    object_publish(world, unit, &object, name, 1);
    object_free(unit, &object);
    unit_close(unit);
    trace_each_file(folder, note_file, &after);
    const struct file *file = new_file(&before, &after, index);
    if (file != NULL) {
        cut_by_one(world, file);
        must_serve_whole_or_not(world, &object, file->path);
    }
    return file != NULL;
}

static void
damaged(struct world *world)
{
    uint32_t index = 0;
    while (index < FILES_MAX && damage_file(world, index))
        index++;
    if (index == 0)
        world_skip(world, "no file holds what is published");
}

#define MANIFEST "All that must be kept of a sealed object beside its bytes."

static const struct rule rules[] = {
    { "lookup: emits what is published once",
      "Finds what is published under the id, and emits it once, opened.", NEEDS_PUBLISH, once },
    { "lookup: its blobs can be read, whoever freed others",
      "manifest->blob_count sealed blobs, which now belong to the host", NEEDS_PUBLISH, opened },
    { "lookup: id, epoch and sizes as published", MANIFEST, NEEDS_PUBLISH, identity },
    { "lookup: 64 KiB of meta as published", MANIFEST, NEEDS_PUBLISH, meta },
    { "lookup: no meta is \"\"", "NUL-terminated, at most PK_META_MAX bytes; \"\" if none",
      NEEDS_PUBLISH, no_meta },
    { "lookup: owner and times as published", MANIFEST, NEEDS_PUBLISH, owner_and_times },
    { "lookup: -ENOENT for what is not there, and emits nothing", "-ENOENT: nothing is",
      NEEDS_PUBLISH, nothing },
    { "lookup: leaves no descriptor", "nothing is left that the host would have to undo",
      NEEDS_PUBLISH, leaves_no_descriptor },
    { "lookup: does not serve what is damaged", "what is damaged is not served.",
      NEEDS_PUBLISH | NEEDS_DURABLE | NEEDS_FOLDER, damaged },
};

const struct rule_group blob_lookup_rules = RULE_GROUP(rules);
