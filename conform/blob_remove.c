/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules about `free`, `remove` and `verify`: what is left of a blob, and for whom.
 */
#include "conform/blob_call.h"
#include "conform/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static void *
sealed(struct world *world, struct unit *unit)
{
    char id[PK_ID_MAX + 1];
    struct pk_key key = world_key(world, "left", id);
    return blob_sealed(world, unit, &key, BLOB_SIZE, 7);
}

static void
free_closes(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    unit->ops.blob.free(sealed(world, unit));
    uint32_t before = trace_descriptors();
    for (int i = 0; i < 4; i++)
        unit->ops.blob.free(sealed(world, unit));
    uint32_t after = trace_descriptors();
    must(world, after <= before, "4 blobs that were freed left %" PRIu32 " descriptors open",
         after - before);
    unit_close(unit);
}

static void
remove_closes(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    char id[PK_ID_MAX + 1];
    blob_remove(world, unit, sealed(world, unit));
    uint32_t before = trace_descriptors();
    for (int i = 0; i < 4; i++) {
        struct pk_key key = world_key(world, "unsealed", id);
        blob_remove(world, unit, sealed(world, unit));
        blob_remove(world, unit, blob_make(world, unit, &key, 0, BLOB_SIZE));
    }
    uint32_t after = trace_descriptors();
    must(world, after <= before, "8 blobs that were removed left %" PRIu32 " descriptors open",
         after - before);
    unit_close(unit);
}

static void
remove_leaves_no_file(struct world *world)
{
    char folder[PK_ID_MAX + 1];
    char id[PK_ID_MAX + 1];
    struct unit *unit = unit_open(world, 0);
    struct pk_key key = world_key(world, "unsealed", id);
    world_storage(world, 0, folder, sizeof(folder));
    uint32_t before = trace_files(folder);
    blob_remove(world, unit, sealed(world, unit));
    blob_remove(world, unit, blob_make(world, unit, &key, 0, BLOB_SIZE));
    uint32_t after = trace_files(folder);
    must(world, after <= before, "2 blobs that were removed left %" PRIu32 " files",
         after - before);
    unit_close(unit);
}

static void
remove_leaves_readers(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    void *blob = sealed(world, unit);
    uint64_t offset = 0;
    int fd = blob_descriptor(world, unit, blob, PK_ACCESS_READ, &offset);
    uint8_t *map = mmap(NULL, (size_t)offset + BLOB_SIZE, PROT_READ, MAP_SHARED, fd, 0);
    blob_remove(world, unit, blob);
    descriptor_expect(world, fd, offset, BLOB_SIZE, 7, "a descriptor of a removed blob");
    for (uint64_t i = 0; map != MAP_FAILED && i < BLOB_SIZE; i++)
        must(world, map[offset + i] == blob_byte(7, i), "a map of a removed blob has changed");
    unit_close(unit);
    descriptor_expect(world, fd, offset, BLOB_SIZE, 7, "a descriptor after close");
}

static void
free_leaves_published(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    struct object object;
    object_publish(world, unit, &object, "freed", 2);
    object_free(unit, &object);
    object_expect(world, unit, &object);
    unit_close(unit);
}

/* ---- verify ---- */

static int32_t
verify(struct unit *unit, void *blob, struct pk_error *err)
{
    return unit->ops.blob.verify(blob, err);
}

static void
verify_whole(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    struct pk_error err = PK_ERROR_INIT;
    void *blob = sealed(world, unit);
    int32_t rc = verify(unit, blob, &err);
    must(world, rc == 0 || rc == -EOPNOTSUPP, "verify of a whole blob returned %" PRId32 ": %s", rc,
         err.message);
    blob_remove(world, unit, blob);
    unit_close(unit);
}

/* Changes a byte of the file that holds just the content. */
static void
damage(const char *path, uint64_t size, void *arg)
{
    uint8_t byte = (uint8_t)~blob_byte(7, 99);
    uint8_t first[4];
    struct stat st;
    if (size < BLOB_SIZE || stat(path, &st) != 0)
        return;
    (void)chmod(path, 0600);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd >= 0 && pread(fd, first, sizeof(first), 0) == (ssize_t)sizeof(first)
        && first[0] == blob_byte(7, 0) && first[1] == blob_byte(7, 1)
        && pwrite(fd, &byte, 1, 99) == 1)
        ++*(uint32_t *)arg;
    if (fd >= 0)
        (void)close(fd);
    (void)chmod(path, st.st_mode & 07777);
}

static void
verify_damaged(struct world *world)
{
    char folder[PK_ID_MAX + 1];
    struct unit *unit = unit_open(world, 0);
    struct pk_error err = error_fresh();
    void *blob = sealed(world, unit);
    uint32_t damaged = 0;
    world_storage(world, 0, folder, sizeof(folder));
    trace_each_file(folder, damage, &damaged);
    if (damaged == 0)
        world_skip(world, "no file holds just the bytes of a blob");
    int32_t rc = verify(unit, blob, &err);
    if (rc == -EOPNOTSUPP)
        world_skip(world, "it takes no checksums");
    must(world, rc == -EIO, "verify of a blob with another byte returned %" PRId32, rc);
    must_explain(world, "verify", rc, &err);
    blob_remove(world, unit, blob);
    unit_close(unit);
}

static const struct rule rules[] = {
    { "free: closes what was open", "Forgets the blob and closes what was open for it.", 0,
      free_closes },
    { "free: what is published stays", "What is published stays", NEEDS_PUBLISH,
      free_leaves_published },
    { "remove: closes what was open", "Frees the blob and its storage, at once and without a trace",
      0, remove_closes },
    { "remove: leaves no file", "Frees the blob and its storage, at once and without a trace",
      NEEDS_FOLDER, remove_leaves_no_file },
    { "remove: what others hold open stays readable",
      "what others hold open stays readable for them alone.", 0, remove_leaves_readers },
    { "verify: 0 for what was sealed",
      "Reads the sealed blob whole and compares it with the checksum that was taken at its seal.",
      NEEDS_VERIFY, verify_whole },
    { "verify: -EIO for what is not what was sealed",
      "-EIO: it can't be read, or is not what was sealed", NEEDS_VERIFY | NEEDS_FOLDER,
      verify_damaged },
};

const struct rule_group blob_remove_rules = RULE_GROUP(rules);
