/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules about `create`: which blobs can be made, which names keep apart, and what a refusal leaves
 * behind.
 */
#include "conform/blob_call.h"
#include "conform/trace.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define UNTOUCHED ((void *)(uintptr_t)0x5a5a)

static void
sizes(struct world *world)
{
    static const uint64_t all[] = { 0, 1, 4095, 4096, 1U << 20 };
    struct unit *unit = unit_open(world, 0);
    char id[PK_ID_MAX + 1];
    struct pk_key key = world_key(world, "sizes", id);
    void *blobs[sizeof(all) / sizeof(all[0])];
    for (uint32_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        blobs[i] = blob_make(world, unit, &key, i, all[i]);
        blob_fill(world, unit, blobs[i], all[i], i);
    }
    for (uint32_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        blob_seal(world, unit, blobs[i], all[i]);
        blob_expect(world, unit, blobs[i], all[i], i, "a blob that was filled and sealed");
        blob_remove(world, unit, blobs[i]);
    }
    unit_close(unit);
}

static void
many(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    uint32_t count = unit->traits.blobs_max != 0 ? unit->traits.blobs_max : PK_BLOBS_MAX;
    char id[PK_ID_MAX + 1];
    struct pk_key key = world_key(world, "many", id);
    void *blobs[PK_BLOBS_MAX];
    for (uint32_t i = 0; i < count && i < PK_BLOBS_MAX; i++) {
        blobs[i] = blob_make(world, unit, &key, i, 3);
        blob_fill(world, unit, blobs[i], 3, i);
    }
    for (uint32_t i = 0; i < count && i < PK_BLOBS_MAX; i++) {
        blob_expect(world, unit, blobs[i], 3, i, "one of many blobs");
        blob_remove(world, unit, blobs[i]);
    }
    unit_close(unit);
}

/* What a backend that takes an id for a path, or folds it, would mix up. */
static const char *const odd_names[] = {
    "..",  ".",        "a/b",       "a_b",  "a%2Fb", "a//b", "A/B", "/etc",
    "a b", "\xc3\xa9", "e\xcc\x81", "a\\b", "a.",    "~",    "*",   "a\xe2\x80\xae-",
};
#define ODD_NAMES (sizeof(odd_names) / sizeof(odd_names[0]))

static void
names(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    void *blobs[ODD_NAMES + 1];
    char long_name[PK_ID_MAX + 1];
    memset(long_name, 'x', sizeof(long_name));
    long_name[PK_ID_MAX - strlen(world->prefix)] = '\0';
    world->prefix[0] = '\0'; /* or ".." would be none */
    for (uint32_t i = 0; i <= ODD_NAMES; i++) {
        char id[PK_ID_MAX + 1];
        struct pk_key key = world_key(world, i < ODD_NAMES ? odd_names[i] : long_name, id);
        blobs[i] = blob_make(world, unit, &key, 0, 100 + i);
        blob_fill(world, unit, blobs[i], 100 + i, i);
    }
    for (uint32_t i = 0; i <= ODD_NAMES; i++) {
        blob_expect(world, unit, blobs[i], 100 + i, i, i < ODD_NAMES ? odd_names[i] : "a long id");
        blob_remove(world, unit, blobs[i]);
    }
    unit_close(unit);
}

/* A discarded object's blobs live on under their readers while the name is made anew. */
static void
successor_published(struct world *world, struct unit *unit)
{
    struct object first;
    struct object second;
    struct pk_error err = PK_ERROR_INIT;
    object_publish(world, unit, &first, "name", 1);
    int32_t rc = unit->ops.blob.unpublish(unit->instance, &first.manifest.key, &err);
    must(world, rc == 0, "unpublish returned %" PRId32 ": %s", rc, err.message);
    object_publish(world, unit, &second, "name", 1);
    object_remove(world, unit, &first);
    object_expect(world, unit, &second);
    object_free(unit, &second);
}

static void
successor(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    char id[PK_ID_MAX + 1];
    if (unit->ops.blob.publish != NULL) {
        successor_published(world, unit);
        unit_close(unit);
        return;
    }
    struct pk_key key = world_key(world, "name", id);
    void *first = blob_sealed(world, unit, &key, BLOB_SIZE, 1);
    key = world_key(world, "name", id);
    void *second = blob_sealed(world, unit, &key, BLOB_SIZE, 2);
    blob_remove(world, unit, first);
    blob_expect(world, unit, second, BLOB_SIZE, 2, "an object whose predecessor was removed");
    blob_remove(world, unit, second);
    unit_close(unit);
}

static void
unsized(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    struct pk_error err = error_fresh();
    char id[PK_ID_MAX + 1];
    struct pk_key key = world_key(world, "unsized", id);
    void *blob = NULL;
    int32_t rc = unit->ops.blob.create(unit->instance, &key, 0, PK_UNSIZED, &blob, &err);
    must(world, rc == 0 || rc == -EOPNOTSUPP, "create without a size returned %" PRId32, rc);
    if (rc == 0) {
        blob_fill(world, unit, blob, BLOB_SIZE, 3);
        blob_seal(world, unit, blob, PK_UNSIZED);
        blob_expect(world, unit, blob, BLOB_SIZE, 3, "a blob made without a size");
        blob_remove(world, unit, blob);
    }
    unit_close(unit);
}

/* ---- refusals ---- */

static int32_t
make_absurd(struct world *world, struct unit *unit, uint64_t size, void **ret_blob,
            struct pk_error *err)
{
    char id[PK_ID_MAX + 1];
    struct pk_key key = world_key(world, "absurd", id);
    int32_t rc = unit->ops.blob.create(unit->instance, &key, 0, size, ret_blob, err);
    must(world, rc != 0, "create with %" PRIu64 " bytes succeeded", size);
    return rc;
}

static void
absurd_sizes(struct world *world)
{
    static const uint64_t all[] = { PK_SIZE_MAX, PK_SIZE_MAX - 4095, (uint64_t)1 << 60 };
    struct unit *unit = unit_open(world, 0);
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        struct pk_error err = PK_ERROR_INIT;
        void *blob = NULL;
        int32_t rc = make_absurd(world, unit, all[i], &blob, &err);
        must(world, rc == -ENOSPC || rc == -EFBIG,
             "create with %" PRIu64 " bytes returned %" PRId32 ": %s", all[i], rc, err.message);
    }
    unit_close(unit);
}

static void
untouched(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    struct pk_error err = PK_ERROR_INIT;
    void *blob = UNTOUCHED;
    (void)make_absurd(world, unit, PK_SIZE_MAX, &blob, &err);
    must(world, blob == UNTOUCHED, "create failed and changed *ret_blob");
    unit_close(unit);
}

static void
explained(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    struct pk_error err = error_fresh();
    void *blob = NULL;
    int32_t rc = make_absurd(world, unit, PK_SIZE_MAX, &blob, &err);
    must_explain(world, "create", rc, &err);
    unit_close(unit);
}

static void
leaves_no_descriptor(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    struct pk_error err = PK_ERROR_INIT;
    void *blob = NULL;
    (void)make_absurd(world, unit, PK_SIZE_MAX, &blob, &err); /* what it opens once and keeps */
    uint32_t before = trace_descriptors();
    for (int i = 0; i < 4; i++)
        (void)make_absurd(world, unit, PK_SIZE_MAX, &blob, &err);
    uint32_t after = trace_descriptors();
    must(world, after <= before, "4 creates that failed left %" PRIu32 " descriptors open",
         after - before);
    unit_close(unit);
}

static void
leaves_no_file(struct world *world)
{
    char folder[PK_ID_MAX + 1];
    struct unit *unit = unit_open(world, 0);
    struct pk_error err = PK_ERROR_INIT;
    void *blob = NULL;
    world_storage(world, 0, folder, sizeof(folder));
    uint32_t before = trace_files(folder);
    (void)make_absurd(world, unit, PK_SIZE_MAX, &blob, &err);
    uint32_t after = trace_files(folder);
    must(world, after <= before, "a create that failed left %" PRIu32 " files", after - before);
    unit_close(unit);
}

static void
no_descriptors(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    struct pk_error err = PK_ERROR_INIT;
    char id[PK_ID_MAX + 1];
    struct pk_key key = world_key(world, "none", id);
    void *blob = UNTOUCHED;
    must(world, trace_descriptors_exhaust(0) == 0, "RLIMIT_NOFILE can't be set");
    int32_t rc = unit->ops.blob.create(unit->instance, &key, 0, BLOB_SIZE, &blob, &err);
    trace_descriptors_free();
    must(world, rc == 0 || rc == -EBUSY, "create without descriptors returned %" PRId32 ": %s", rc,
         err.message);
    if (rc != 0)
        blob = blob_make(world, unit, &key, 0, BLOB_SIZE);
    blob_fill(world, unit, blob, BLOB_SIZE, 4);
    blob_expect(world, unit, blob, BLOB_SIZE, 4, "a blob made once there were descriptors again");
    blob_remove(world, unit, blob);
    unit_close(unit);
}

static void
beyond_max(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    must(world, unit->traits.blobs_max <= PK_BLOBS_MAX, "blobs_max is %" PRIu32,
         unit->traits.blobs_max);
    unit_close(unit);
}

static const struct rule rules[] = {
    { "create: sizes 0, 1, 4095, 4096 and 1 MiB",
      "Makes blob `index` of the object, empty to its reader, with room for size bytes", 0, sizes },
    { "create: as many blobs of one object as it says",
      "The blobs of one object are made in order, from 0.", NEEDS_PLENTY, many },
    { "create: no more than an object may have", "blobs in one object; 0 = PK_BLOBS_MAX",
      NEEDS_TRAITS, beyond_max },
    { "create: ids of any form keep apart", "it may hold '/' or be \"..\": never a path", 0,
      names },
    { "create: a successor while its predecessor is still there",
      "`free` and `remove` of one epoch's blobs may run while another epoch of the same id is "
      "being "
      "made or looked up.",
      0, successor },
    { "create: without a size, or -EOPNOTSUPP", "or growable for PK_UNSIZED", 0, unsized },
    { "create: absurd sizes are -ENOSPC or -EFBIG",
      "room for all of size is secured here, not found missing at a write", 0, absurd_sizes },
    { "create: out of descriptors is -EBUSY, and passes", "-EBUSY (out of descriptors or the like)",
      0, no_descriptors },
    { "create: a failure leaves the output alone", "On failure every ret_* is as it was", 0,
      untouched },
    { "create: a failure explains itself",
      "Returns 0 or a negative errno (types.h) with one line in err.", 0, explained },
    { "create: a failure leaves no descriptor", "nothing is left that the host would have to undo",
      0, leaves_no_descriptor },
    { "create: a failure leaves no file", "nothing is left that the host would have to undo",
      NEEDS_FOLDER, leaves_no_file },
};

const struct rule_group blob_create_rules = RULE_GROUP(rules);
