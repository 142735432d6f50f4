/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules about `read`, `write` and `size`: bounds, overflow, and that what was written is what is
 * read.
 */
#include "conform/blob_call.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static void *
filled(struct world *world, struct unit *unit, uint64_t size)
{
    char id[PK_ID_MAX + 1];
    struct pk_key key = world_key(world, "bytes", id);
    void *blob = blob_make(world, unit, &key, 0, size);
    if (size != PK_UNSIZED)
        blob_fill(world, unit, blob, size, 7);
    return blob;
}

static void
drop(struct world *world, struct unit *unit, void *blob)
{
    blob_remove(world, unit, blob);
    unit_close(unit);
}

/* In pieces, from the end to the beginning. */
static void
read_back(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    char id[PK_ID_MAX + 1];
    struct pk_key key = world_key(world, "pieces", id);
    void *blob = blob_make(world, unit, &key, 0, BLOB_SIZE);
    for (uint64_t offset = BLOB_SIZE; offset > 0; offset -= 1000) {
        uint8_t piece[1000];
        for (uint64_t i = 0; i < sizeof(piece); i++)
            piece[i] = blob_byte(7, offset - 1000 + i);
        struct pk_error err = PK_ERROR_INIT;
        int32_t rc = unit->ops.blob.write(blob, offset - 1000, piece, sizeof(piece), &err);
        must(world, rc == 0, "write returned %" PRId32 ": %s", rc, err.message);
    }
    blob_expect(world, unit, blob, BLOB_SIZE, 7, "a blob written in pieces");
    drop(world, unit, blob);
}

static void
must_refuse(struct world *world, struct unit *unit, void *blob, uint64_t offset, uint64_t size)
{
    uint8_t byte[2] = { 0, 0 };
    struct pk_error err = PK_ERROR_INIT;
    int32_t rc = unit->ops.blob.write(blob, offset, byte, size, &err);
    must(world, rc == -EFBIG, "write of %" PRIu64 " bytes at %" PRIu64 " of %u returned %" PRId32,
         size, offset, BLOB_SIZE, rc);
}

static void
write_behind_end(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    void *blob = filled(world, unit, BLOB_SIZE);
    must_refuse(world, unit, blob, BLOB_SIZE, 1);
    must_refuse(world, unit, blob, BLOB_SIZE - 1, 2);
    must_refuse(world, unit, blob, BLOB_SIZE + 1, 1);
    drop(world, unit, blob);
}

static void
write_overflow(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    void *blob = filled(world, unit, BLOB_SIZE);
    must_refuse(world, unit, blob, UINT64_MAX, 1);
    must_refuse(world, unit, blob, UINT64_MAX - 1, 2);
    must_refuse(world, unit, blob, (uint64_t)INT64_MAX + 1, 1);
    blob_expect(world, unit, blob, BLOB_SIZE, 7, "a blob after writes that were refused");
    drop(world, unit, blob);
}

/* All size bytes, or fails; and never grows. */
static void
write_refused_changes_nothing(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    void *blob = filled(world, unit, BLOB_SIZE);
    uint8_t piece[2000] = { 0 };
    struct pk_error err = PK_ERROR_INIT;
    (void)unit->ops.blob.write(blob, BLOB_SIZE - 1000, piece, sizeof(piece), &err);
    uint64_t size = blob_size(world, unit, blob);
    must(world, size == BLOB_SIZE, "a blob of %u bytes has %" PRIu64 " after a refused write",
         BLOB_SIZE, size);
    uint8_t more[8];
    uint64_t got = 0;
    int32_t rc = unit->ops.blob.read(blob, BLOB_SIZE, more, sizeof(more), &got, &err);
    must(world, rc == 0 && got == 0, "%" PRIu64 " bytes can be read behind its end", got);
    drop(world, unit, blob);
}

static void
write_explained(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    void *blob = filled(world, unit, BLOB_SIZE);
    uint8_t byte = 0;
    struct pk_error err = error_fresh();
    int32_t rc = unit->ops.blob.write(blob, BLOB_SIZE, &byte, 1, &err);
    must_explain(world, "write", rc, &err);
    drop(world, unit, blob);
}

static void
write_grows(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    void *blob = filled(world, unit, PK_UNSIZED);
    blob_fill(world, unit, blob, 100, 7);
    uint64_t size = blob_size(world, unit, blob);
    must(world, size == 100, "after 100 bytes were written its size is %" PRIu64, size);
    blob_fill(world, unit, blob, BLOB_SIZE, 7);
    size = blob_size(world, unit, blob);
    must(world, size == BLOB_SIZE, "after %u bytes were written its size is %" PRIu64, BLOB_SIZE,
         size);
    blob_expect(world, unit, blob, BLOB_SIZE, 7, "a blob without a size");
    drop(world, unit, blob);
}

/* ---- reading ---- */

static uint64_t
read_at(struct world *world, struct unit *unit, void *blob, uint64_t offset, uint64_t size)
{
    static uint8_t piece[2 * BLOB_SIZE];
    uint64_t got = UINT64_MAX;
    struct pk_error err = PK_ERROR_INIT;
    int32_t rc = unit->ops.blob.read(blob, offset, piece, size, &got, &err);
    must(world, rc == 0, "read of %" PRIu64 " bytes at %" PRIu64 " of %u returned %" PRId32 ": %s",
         size, offset, BLOB_SIZE, rc, err.message);
    return got;
}

static void
read_to_end(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    void *blob = filled(world, unit, BLOB_SIZE);
    static const uint64_t wants[][3] = {
        { 0, BLOB_SIZE, BLOB_SIZE },
        { 0, 2 * BLOB_SIZE, BLOB_SIZE },
        { BLOB_SIZE - 1, 9, 1 },
        { BLOB_SIZE, 9, 0 },
        { BLOB_SIZE + 1, 9, 0 },
        { 10, 0, 0 },
        { 1, BLOB_SIZE - 2, BLOB_SIZE - 2 },
    };
    for (size_t i = 0; i < sizeof(wants) / sizeof(wants[0]); i++) {
        uint64_t got = read_at(world, unit, blob, wants[i][0], wants[i][1]);
        must(world, got == wants[i][2],
             "read of %" PRIu64 " bytes at %" PRIu64 " of %u gave %" PRIu64, wants[i][1],
             wants[i][0], BLOB_SIZE, got);
    }
    drop(world, unit, blob);
}

static void
read_overflow(struct world *world)
{
    static const uint64_t offsets[] = { UINT64_MAX, UINT64_MAX - 8, INT64_MAX,
                                        (uint64_t)INT64_MAX + 1 };
    struct unit *unit = unit_open(world, 0);
    void *blob = filled(world, unit, BLOB_SIZE);
    for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
        uint64_t got = read_at(world, unit, blob, offsets[i], 9);
        must(world, got == 0, "read at %" PRIu64 " gave %" PRIu64 " bytes", offsets[i], got);
    }
    drop(world, unit, blob);
}

static void
read_bounds(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    void *blob = filled(world, unit, BLOB_SIZE);
    uint8_t data[64];
    uint64_t got = 0;
    struct pk_error err = PK_ERROR_INIT;
    memset(data, 0x5a, sizeof(data));
    int32_t rc = unit->ops.blob.read(blob, 0, data + 16, 32, &got, &err);
    must(world, rc == 0 && got == 32, "read returned %" PRId32 " with %" PRIu64 " bytes", rc, got);
    for (size_t i = 0; i < 16; i++)
        must(world, data[i] == 0x5a && data[48 + i] == 0x5a, "read wrote beside its buffer");
    drop(world, unit, blob);
}

static void
size_of_sized(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    char id[PK_ID_MAX + 1];
    struct pk_key key = world_key(world, "size", id);
    void *blob = blob_make(world, unit, &key, 0, BLOB_SIZE);
    must(world, blob_size(world, unit, blob) == BLOB_SIZE, "before a write it is %" PRIu64,
         blob_size(world, unit, blob));
    blob_fill(world, unit, blob, BLOB_SIZE, 1);
    blob_seal(world, unit, blob, BLOB_SIZE);
    must(world, blob_size(world, unit, blob) == BLOB_SIZE, "after the seal it is %" PRIu64,
         blob_size(world, unit, blob));
    drop(world, unit, blob);
}

static const struct rule rules[] = {
    { "write: what was written is read back", "Copies all size bytes to offset, or fails", 0,
      read_back },
    { "write: behind the end of a sized blob is -EFBIG",
      "Errors: -EFBIG behind the end of a sized blob", 0, write_behind_end },
    { "write: offsets that overflow are -EFBIG", "Errors: -EFBIG behind the end of a sized blob", 0,
      write_overflow },
    { "write: a sized blob never grows", "a sized blob never grows", 0,
      write_refused_changes_nothing },
    { "write: a blob without a size grows", "or growable for PK_UNSIZED", NEEDS_UNSIZED,
      write_grows },
    { "write: a failure explains itself",
      "Returns 0 or a negative errno (types.h) with one line in err.", 0, write_explained },
    { "read: less only where the blob ends",
      "*ret_size is less only where the blob ends: 0 at or behind its end.", 0, read_to_end },
    { "read: offsets that overflow find nothing", "0 at or behind its end", 0, read_overflow },
    { "read: touches nothing beside its buffer", "Copies up to size bytes from offset.", 0,
      read_bounds },
    { "size: of a sized blob is its size",
      "How many bytes it holds just now; of a sized blob, its size.", 0, size_of_sized },
};

const struct rule_group blob_bytes_rules = RULE_GROUP(rules);
