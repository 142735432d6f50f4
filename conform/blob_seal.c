/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules about `seal` itself: at which size, how often, and who is in its way. What a sealed blob
 * withstands is in blob_sealed.c.
 */
#include "conform/blob_call.h"

#include <errno.h>
#include <inttypes.h>
#include <packice/cleanup.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void *
filled(struct world *world, struct unit *unit, uint64_t size)
{
    char id[PK_ID_MAX + 1];
    struct pk_key key = world_key(world, "seal", id);
    void *blob = blob_make(world, unit, &key, 0, size);
    blob_fill(world, unit, blob, BLOB_SIZE, 7);
    return blob;
}

static void
drop(struct world *world, struct unit *unit, void *blob)
{
    blob_remove(world, unit, blob);
    unit_close(unit);
}

static int32_t
try_seal(struct unit *unit, void *blob, uint64_t size, struct pk_error *err)
{
    return unit->ops.blob.seal(blob, size, err);
}

static void
twice(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    void *blob = filled(world, unit, BLOB_SIZE);
    blob_seal(world, unit, blob, BLOB_SIZE);
    blob_seal(world, unit, blob, BLOB_SIZE);
    blob_seal(world, unit, blob, PK_UNSIZED);
    blob_expect(world, unit, blob, BLOB_SIZE, 7, "a blob that was sealed three times");
    drop(world, unit, blob);
}

static void
without_size(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    void *blob = filled(world, unit, BLOB_SIZE);
    blob_seal(world, unit, blob, PK_UNSIZED);
    uint64_t size = blob_size(world, unit, blob);
    must(world, size == BLOB_SIZE, "%u bytes were sealed, its size is %" PRIu64, BLOB_SIZE, size);
    drop(world, unit, blob);
}

static void
unsized_at_what_it_holds(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    void *blob = filled(world, unit, PK_UNSIZED);
    blob_seal(world, unit, blob, PK_UNSIZED);
    uint64_t size = blob_size(world, unit, blob);
    must(world, size == BLOB_SIZE, "%u bytes were sealed, its size is %" PRIu64, BLOB_SIZE, size);
    drop(world, unit, blob);
}

static void
unsized_mismatch(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    struct pk_error err = PK_ERROR_INIT;
    void *blob = filled(world, unit, PK_UNSIZED);
    int32_t rc = try_seal(unit, blob, BLOB_SIZE + 1, &err);
    must(world, rc == -EINVAL, "%u bytes sealed at %u: %" PRId32, BLOB_SIZE, BLOB_SIZE + 1, rc);
    drop(world, unit, blob);
}

static void
mismatch(struct world *world)
{
    static const uint64_t others[] = { 0, BLOB_SIZE - 1, BLOB_SIZE + 1, PK_SIZE_MAX };
    struct unit *unit = unit_open(world, 0);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        struct pk_error err = PK_ERROR_INIT;
        void *blob = filled(world, unit, BLOB_SIZE);
        int32_t rc = try_seal(unit, blob, others[i], &err);
        must(world, rc == -EINVAL, "a blob of %u bytes, sealed at %" PRIu64 ", returned %" PRId32,
             BLOB_SIZE, others[i], rc);
        blob_remove(world, unit, blob);
    }
    unit_close(unit);
}

static void
another_size_later(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    struct pk_error err = PK_ERROR_INIT;
    void *blob = filled(world, unit, BLOB_SIZE);
    blob_seal(world, unit, blob, BLOB_SIZE);
    int32_t rc = try_seal(unit, blob, BLOB_SIZE - 1, &err);
    must(world, rc != 0, "sealed at %u bytes, and then at one less", BLOB_SIZE);
    drop(world, unit, blob);
}

static void
explained(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    struct pk_error err = error_fresh();
    void *blob = filled(world, unit, BLOB_SIZE);
    int32_t rc = try_seal(unit, blob, BLOB_SIZE + 1, &err);
    must_explain(world, "seal", rc, &err);
    drop(world, unit, blob);
}

/* ---- writers ---- */

static void
cut_short(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    struct pk_error err = PK_ERROR_INIT;
    void *blob = filled(world, unit, BLOB_SIZE);
    int fd = blob_descriptor(world, unit, blob, PK_ACCESS_CREATE, NULL);
    int cut = ftruncate(fd, 10);
    (void)close(fd);
    int32_t rc = try_seal(unit, blob, BLOB_SIZE, &err);
    must(world, cut != 0 || rc == -EINVAL, "10 bytes are left of %u, and seal returned %" PRId32,
         BLOB_SIZE, rc);
    drop(world, unit, blob);
}

/* A writable map whose descriptor is closed; NULL: it can't be mapped. */
static uint8_t *
map_writer(struct world *world, struct unit *unit, void *blob)
{
    uint64_t offset = 0;
    pk_autoclose int fd = blob_descriptor(world, unit, blob, PK_ACCESS_CREATE, &offset);
    void *map = mmap(NULL, (size_t)offset + BLOB_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        world_skip(world, "what a handle is for can't be mapped: %s", strerror(errno));
    return map;
}

static void
busy(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    struct pk_error err = PK_ERROR_INIT;
    void *blob = filled(world, unit, BLOB_SIZE);
    uint8_t *map = map_writer(world, unit, blob);
    int32_t rc = try_seal(unit, blob, BLOB_SIZE, &err);
    must(world, rc == -EBUSY, "while it was mapped for writing, seal returned %" PRId32 ": %s", rc,
         err.message);
    (void)munmap(map, BLOB_SIZE);
    drop(world, unit, blob);
}

/* Its writer may go on until it tries again. */
static void
busy_changes_nothing(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    struct pk_error err = PK_ERROR_INIT;
    void *blob = filled(world, unit, BLOB_SIZE);
    uint8_t *map = map_writer(world, unit, blob);
    if (try_seal(unit, blob, BLOB_SIZE, &err) != 0) {
        map[0] = blob_byte(7, 0);
        (void)munmap(map, BLOB_SIZE);
        uint8_t byte = blob_byte(7, 1);
        int32_t rc = unit->ops.blob.write(blob, 1, &byte, 1, &err);
        must(world, rc == 0, "after a seal that was busy, write returned %" PRId32 ": %s", rc,
             err.message);
        blob_seal(world, unit, blob, BLOB_SIZE);
        blob_expect(world, unit, blob, BLOB_SIZE, 7, "a blob sealed at the second try");
    }
    drop(world, unit, blob);
}

static const struct rule rules[] = {
    { "seal: twice at the same size is 0", "0 when it is sealed already at that size.", 0, twice },
    { "seal: without a size, at what it holds", "at `size` bytes (PK_UNSIZED: at what it holds)", 0,
      without_size },
    { "seal: a blob made without a size, at what it holds",
      "at `size` bytes (PK_UNSIZED: at what it holds)", NEEDS_UNSIZED, unsized_at_what_it_holds },
    { "seal: another size than it holds is -EINVAL",
      "-EINVAL: it can't be sealed at that size or at all", NEEDS_UNSIZED, unsized_mismatch },
    { "seal: another size than it was made with is -EINVAL",
      "-EINVAL: it can't be sealed at that size or at all", 0, mismatch },
    { "seal: once sealed, another size fails", "0 when it is sealed already at that size.", 0,
      another_size_later },
    { "seal: what its writer cut short is -EINVAL",
      "-EINVAL: it can't be sealed at that size or at all", 0, cut_short },
    { "seal: a writable map is -EBUSY", "-EBUSY: a writer or a writable map is left", 0, busy },
    { "seal: -EBUSY changes nothing, and may be tried again", "nothing changed, may be tried again",
      0, busy_changes_nothing },
    { "seal: a failure explains itself",
      "Returns 0 or a negative errno (types.h) with one line in err.", 0, explained },
};

const struct rule_group blob_seal_rules = RULE_GROUP(rules);
