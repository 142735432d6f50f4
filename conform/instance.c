/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules that hold for every factory: how an instance comes and goes, what it says of itself, and
 * how it uses its host.
 */
#include "conform/blob_call.h"
#include "conform/lease_call.h"
#include "conform/trace.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define UNTOUCHED ((void *)(uintptr_t)0x5a5a)
#define SECOND 1000000000U

static bool
is_blob(const struct world *world)
{
    return world->subject->module->plugin.kind == PK_KIND_BLOB;
}

/* Something of each of the slots that every factory has. */
static void
use(struct world *world, struct unit *unit)
{
    char id[PK_ID_MAX + 1];
    struct pk_key key = world_key(world, "used", id);
    if (is_blob(world)) {
        void *blob = blob_sealed(world, unit, &key, BLOB_SIZE, 1);
        blob_expect(world, unit, blob, BLOB_SIZE, 1, "a sealed blob");
        blob_remove(world, unit, blob);
        return;
    }
    struct pk_lease lease = lease_claim(world, unit, id);
    lease_release(world, unit, &lease);
}

static void
comes_and_goes(struct world *world)
{
    for (int i = 0; i < 3; i++) {
        struct unit *unit = unit_open(world, 0);
        must(world, unit->instance != NULL, "open succeeded and left *ret_instance alone");
        use(world, unit);
        unit_close(unit);
    }
}

static void
leaves_no_descriptor(struct world *world)
{
    unit_close(unit_open(world, 0));
    uint32_t before = trace_descriptors();
    for (int i = 0; i < 3; i++) {
        struct unit *unit = unit_open(world, 0);
        use(world, unit);
        unit_close(unit);
    }
    uint32_t after = trace_descriptors();
    must(world, after <= before, "3 instances that were closed left %" PRIu32 " descriptors open",
         after - before);
}

static void
leaves_no_thread(struct world *world)
{
    uint32_t before = trace_threads();
    struct unit *unit = unit_open(world, 0);
    use(world, unit);
    unit_close(unit);
    uint32_t after = trace_threads();
    must(world, after <= before, "%" PRIu32 " threads were left after close", after - before);
}

/* ---- an open that fails ---- */

#define ROOM_MAX 16U /* descriptors with which every open succeeds that ever does */

/* Opens with as few descriptors as make it fail here or there, and looks at each failure. */
static void
fail_to_open(struct world *world,
             void (*look)(struct world *world, int32_t rc, void *instance, struct pk_error *err))
{
    unit_close(unit_open(world, 0)); /* what it opens once and keeps */
    for (uint32_t room = 0; room < ROOM_MAX; room++) {
        struct unit *unit = NULL;
        void *instance = UNTOUCHED;
        struct pk_error err = error_fresh();
        must(world, trace_descriptors_exhaust(room) == 0, "RLIMIT_NOFILE can't be set");
        int32_t rc = unit_try_open(world, 0, &instance, &unit, &err);
        trace_descriptors_free();
        if (rc != 0) {
            look(world, rc, instance, &err);
            continue;
        }
        unit_close(unit);
        if (room == 0)
            world_skip(world, "its open needs no descriptor");
        return;
    }
}

static void
ignore(struct world *world, int32_t rc, void *instance, struct pk_error *err)
{
    (void)world;
    (void)rc;
    (void)instance;
    (void)err;
}

static void
is_untouched(struct world *world, int32_t rc, void *instance, struct pk_error *err)
{
    (void)rc;
    (void)err;
    must(world, instance == UNTOUCHED, "open failed and changed *ret_instance");
}

static void
failed_open_untouched(struct world *world)
{
    fail_to_open(world, is_untouched);
}

static void
is_explained(struct world *world, int32_t rc, void *instance, struct pk_error *err)
{
    (void)instance;
    must_explain(world, "open", rc, err);
}

static void
failed_open_explained(struct world *world)
{
    fail_to_open(world, is_explained);
}

static void
failed_open_leaves_nothing(struct world *world)
{
    unit_close(unit_open(world, 0));
    uint32_t before = trace_descriptors();
    fail_to_open(world, ignore);
    uint32_t after = trace_descriptors();
    must(world, after <= before, "opens that failed left %" PRIu32 " descriptors open",
         after - before);
}

/* ---- the host ---- */

static void
must_be_used_well(struct world *world)
{
    for (const struct host *host = world->stage.hosts; host != NULL; host = host_next(host))
        must(world, host_misuse(host) == NULL, "%s", host_misuse(host));
}

static void
uses_host_well(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    use(world, unit);
    world_advance(world, 100 * SECOND);
    use(world, unit);
    world_advance(world, 100000 * (uint64_t)SECOND);
    unit_close(unit);
    must_be_used_well(world);
}

/* ---- what it says of itself ---- */

static uint32_t
ask_may_block(const struct world *world, const struct unit *unit, uint32_t op, uint64_t bytes)
{
    return is_blob(world) ? unit->ops.blob.may_block(unit->instance, op, bytes)
                          : unit->ops.lease.may_block(unit->instance, op, bytes);
}

static void
may_block(struct world *world)
{
    static const uint64_t sizes[] = { 0, 1, 4096, 1U << 30, PK_SIZE_MAX, PK_UNSIZED };
    struct unit *unit = unit_open(world, 0);
    uint32_t last = is_blob(world) ? PK_BLOB_SHARE : PK_LEASE_EXPIRE;
    for (uint32_t op = 1; op <= last; op++) {
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            uint32_t answer = ask_may_block(world, unit, op, sizes[i]);
            must(world, answer <= 1, "may_block of operation %" PRIu32 " answers %" PRIu32, op,
                 answer);
        }
    }
    unit_close(unit);
}

struct stats {
    struct world *world;
    uint32_t count;
    char names[64][64];
};

static void
check_stat(void *arg, const struct pk_stat *stat)
{
    struct stats *stats = arg;
    struct world *world = stats->world;
    must(world, stat->struct_size >= sizeof(*stat), "a figure with struct_size %" PRIu32,
         stat->struct_size);
    must(world,
         stat->name != NULL && stat->name[0] != '\0'
             && stat->name[strspn(stat->name, "abcdefghijklmnopqrstuvwxyz_")] == '\0',
         "a figure is called '%s'", stat->name == NULL ? "" : stat->name);
    must(world, stat->kind == PK_STAT_GAUGE || stat->kind == PK_STAT_COUNTER,
         "the figure %s has the kind %" PRIu32, stat->name, stat->kind);
    must(world, stat->help != NULL && stat->help[0] != '\0' && strchr(stat->help, '\n') == NULL,
         "the help of the figure %s is not one line", stat->name);
    for (uint32_t i = 0; i < stats->count; i++)
        must(world, strcmp(stats->names[i], stat->name) != 0, "the figure %s comes twice",
             stat->name);
    if (stats->count < sizeof(stats->names) / sizeof(stats->names[0]))
        (void)snprintf(stats->names[stats->count++], sizeof(stats->names[0]), "%s", stat->name);
}

static void
figures(struct world *world)
{
    struct stats stats = { .world = world };
    struct unit *unit = unit_open(world, 0);
    use(world, unit);
    if (is_blob(world))
        unit->ops.blob.stats(unit->instance, check_stat, &stats);
    else
        unit->ops.lease.stats(unit->instance, check_stat, &stats);
    unit_close(unit);
}

static void
reload(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    struct pk_error err = PK_ERROR_INIT;
    int32_t rc = is_blob(world) ? unit->ops.blob.reload(unit->instance, unit->conf, &err)
                                : unit->ops.lease.reload(unit->instance, unit->conf, &err);
    must(world, rc == 0, "reload with the options in force returned %" PRId32 ": %s", rc,
         err.message);
    use(world, unit);
    unit_close(unit);
}

/* ---- traits ---- */

static void
same_traits(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    use(world, unit);
    struct pk_blob_traits later = { .struct_size = sizeof(later) };
    unit->ops.blob.traits(unit->instance, &later);
    must(world, memcmp(&later, &unit->traits, sizeof(later)) == 0,
         "traits answers differently the second time");
    unit_close(unit);
}

static void
sensible_traits(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    must(world,
         (unit->traits.flags
          & ~(PK_BLOB_DURABLE | PK_BLOB_SHARED | PK_BLOB_CONDITIONAL | PK_BLOB_GROWS))
             == 0,
         "its flags are 0x%" PRIx32, unit->traits.flags);
    must(world,
         !(unit->traits.flags & (PK_BLOB_DURABLE | PK_BLOB_SHARED))
             || unit->ops.blob.publish != NULL,
         "it is durable or shared, and does not publish");
    unit_close(unit);
}

#define UNDO "nothing is left that the host would have to undo"

static const struct rule rules[] = {
    { "open: comes and goes", "Makes an instance.", 0, comes_and_goes },
    { "open: a failure leaves the output alone", "On failure every ret_* is as it was", 0,
      failed_open_untouched },
    { "open: a failure explains itself",
      "Returns 0 or a negative errno (types.h) with one line in err.", 0, failed_open_explained },
    { "open: a failure leaves no descriptor", UNDO, 0, failed_open_leaves_nothing },
    { "close: leaves no descriptor", "Ends it.", 0, leaves_no_descriptor },
    { "close: leaves no thread", "Ends it. The last call", 0, leaves_no_thread },
    { "host: is used by its contract", "Valid from `open` until `close` returns.", 0,
      uses_host_well },
    { "may_block: answers 0 or 1",
      "May this operation (PK_BLOB_*) on so many bytes wait for "
      "anything? 0 or 1.",
      NEEDS_MAY_BLOCK, may_block },
    { "stats: figures with names, kinds and help, each once",
      "One figure of a running part, as `stats` emits it.", NEEDS_STATS, figures },
    { "reload: takes the options in force",
      "Takes new values for options that can change while running; all or none of them.",
      NEEDS_RELOAD, reload },
};

const struct rule_group instance_rules = RULE_GROUP(rules);

static const struct rule traits_rules[] = {
    { "traits: the same every time", "Never blocks; the same answer every time.", NEEDS_TRAITS,
      same_traits },
    { "traits: what they say can be", "What a factory says of itself.", NEEDS_TRAITS,
      sensible_traits },
};

const struct rule_group blob_traits_rules = RULE_GROUP(traits_rules);
