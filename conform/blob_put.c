/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules about `put`, `adopt` and `bytes`: blobs that come whole, and where sealed ones lie.
 */
#include "conform/blob_call.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const uint64_t put_sizes[] = { 0, 1, BLOB_SIZE, 64 * 1024, 64 * 1024 + 1 };
#define PUT_SIZES (sizeof(put_sizes) / sizeof(put_sizes[0]))

static void
put_read_back(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    char id[PK_ID_MAX + 1];
    for (size_t i = 0; i < PUT_SIZES; i++) {
        struct pk_key key = world_key(world, "put", id);
        void *blob = blob_put(world, unit, &key, put_sizes[i], 7);
        must(world, blob_size(world, unit, blob) == put_sizes[i],
             "a blob that was put with %" PRIu64 " bytes has %" PRIu64, put_sizes[i],
             blob_size(world, unit, blob));
        blob_expect(world, unit, blob, put_sizes[i], 7, "a blob that was put");
        blob_remove(world, unit, blob);
    }
    unit_close(unit);
}

static void
put_seals(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    char id[PK_ID_MAX + 1];
    struct pk_key key = world_key(world, "put", id);
    void *blob = blob_put(world, unit, &key, BLOB_SIZE, 7);
    struct pk_error err = PK_ERROR_INIT;
    uint8_t byte = 0;
    int32_t rc = unit->ops.blob.write(blob, 0, &byte, 1, &err);
    must(world, rc == -EACCES, "write to a blob that was put returned %" PRId32, rc);
    rc = unit->ops.blob.seal(blob, BLOB_SIZE, &err);
    must(world, rc == 0, "seal of a blob that was put returned %" PRId32 ": %s", rc, err.message);
    blob_expect(world, unit, blob, BLOB_SIZE, 7, "a blob that was put");
    blob_remove(world, unit, blob);
    unit_close(unit);
}

/* A reader's descriptor outlives the blob. */
static void
put_has_handles(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    char id[PK_ID_MAX + 1];
    uint64_t offset = 0;
    struct pk_key key = world_key(world, "put", id);
    void *blob = blob_put(world, unit, &key, BLOB_SIZE, 7);
    int fd = blob_descriptor(world, unit, blob, PK_ACCESS_READ, &offset);
    descriptor_expect(world, fd, offset, BLOB_SIZE, 7, "a blob that was put");
    blob_remove(world, unit, blob);
    descriptor_expect(world, fd, offset, BLOB_SIZE, 7, "a blob that was put, and removed");
    (void)close(fd);
    unit_close(unit);
}

/* ---- bytes ---- */

static bool
are_content(const uint8_t *bytes, uint64_t size, uint64_t seed)
{
    for (uint64_t i = 0; i < size; i++)
        if (bytes[i] != blob_byte(seed, i))
            return false;
    return true;
}

static void
bytes_are_the_blobs(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    char id[PK_ID_MAX + 1];
    for (size_t i = 0; i < PUT_SIZES; i++) {
        struct pk_key key = world_key(world, "bytes", id);
        void *blob = blob_sealed(world, unit, &key, put_sizes[i], i);
        const uint8_t *bytes = unit->ops.blob.bytes(blob);
        must(world, bytes == NULL || are_content(bytes, put_sizes[i], i),
             "they are not those of a sealed blob of %" PRIu64, put_sizes[i]);
        blob_remove(world, unit, blob);
        if (unit->ops.blob.put == NULL)
            continue;
        key = world_key(world, "bytes", id);
        blob = blob_put(world, unit, &key, put_sizes[i], i);
        bytes = unit->ops.blob.bytes(blob);
        must(world, bytes == NULL || are_content(bytes, put_sizes[i], i),
             "they are not those of a blob of %" PRIu64 " that was put", put_sizes[i]);
        blob_remove(world, unit, blob);
    }
    unit_close(unit);
}

/* Whatever else is asked of it. */
static void
bytes_stay(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    char id[PK_ID_MAX + 1];
    struct pk_key key = world_key(world, "stay", id);
    void *blob = blob_sealed(world, unit, &key, BLOB_SIZE, 7);
    key = world_key(world, "other", id);
    void *other = blob_sealed(world, unit, &key, BLOB_SIZE, 8);
    const uint8_t *bytes = unit->ops.blob.bytes(blob);
    const uint8_t *others = unit->ops.blob.bytes(other);
    struct handles handles = blob_handles(world, unit, blob, PK_ACCESS_READ);
    if (handles.handle.kind != PK_HANDLE_URL && handles.handle.fd >= 0)
        (void)close(handles.handle.fd);
    must(world, others == NULL || are_content(others, BLOB_SIZE, 8), "they are not its own");
    blob_remove(world, unit, other);
    blob_expect(world, unit, blob, BLOB_SIZE, 7, "a blob whose bytes were asked for");
    must(world, bytes == NULL || are_content(bytes, BLOB_SIZE, 7), "they did not stay");
    blob_remove(world, unit, blob);
    unit_close(unit);
}

/* ---- adopt ---- */

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

/* A memory file of BLOB_SIZE bytes. */
static int
file_make(struct world *world, int seals)
{
    uint8_t content[BLOB_SIZE];
    int fd = memfd_create("conform", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    for (uint64_t i = 0; i < BLOB_SIZE; i++)
        content[i] = blob_byte(7, i);
    if (fd < 0 || write(fd, content, BLOB_SIZE) != BLOB_SIZE || fcntl(fd, F_ADD_SEALS, seals) != 0)
        world_skip(world, "no sealed memory file can be made here");
    return fd;
}

/* Whatever comes of it, the descriptor is gone. */
static int32_t
adopt(struct world *world, struct unit *unit, int fd, uint64_t size, void **ret_blob,
      struct pk_error *err)
{
    char id[PK_ID_MAX + 1];
    struct pk_key key = world_key(world, "adopt", id);
    const struct pk_handle handle = {
        .struct_size = sizeof(handle), .kind = PK_HANDLE_FD, .fd = fd, .size = size
    };
    int32_t rc = unit->ops.blob.adopt(unit->instance, &key, 0, &handle, ret_blob, err);
    must(world, fcntl(fd, F_GETFD) == -1,
         "adopt returned %" PRId32 ", and left the descriptor open", rc);
    return rc;
}

static void
must_not_adopt(struct world *world, struct unit *unit, int fd, uint64_t size, const char *what)
{
    struct pk_error err = error_fresh();
    void *blob = NULL;
    int32_t rc = adopt(world, unit, fd, size, &blob, &err);
    must(world, rc < 0 && blob == NULL, "adopt of %s returned %" PRId32, what, rc);
    must_explain(world, "adopt", rc, &err);
}

static void
adopts_what_is_sealed(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    struct pk_error err = PK_ERROR_INIT;
    void *blob = NULL;
    if (adopt(world, unit, file_make(world, SEALS), BLOB_SIZE, &blob, &err) != 0)
        world_skip(world, "it takes no memory files over");
    blob_expect(world, unit, blob, BLOB_SIZE, 7, "a blob that was taken over");
    uint8_t byte = 0;
    int32_t rc = unit->ops.blob.write(blob, 0, &byte, 1, &err);
    must(world, rc == -EACCES, "write to a blob that was taken over returned %" PRId32, rc);
    blob_remove(world, unit, blob);
    unit_close(unit);
}

static void
adopts_nothing_else(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    must_not_adopt(world, unit, file_make(world, 0), BLOB_SIZE, "a file that is not sealed");
    must_not_adopt(world, unit, file_make(world, SEALS & ~F_SEAL_WRITE), BLOB_SIZE,
                   "a file without F_SEAL_WRITE");
    must_not_adopt(world, unit, file_make(world, SEALS), BLOB_SIZE - 1, "more than was said");
    must_not_adopt(world, unit, file_make(world, SEALS), BLOB_SIZE + 1, "less than was said");
    must_not_adopt(world, unit, open("/dev/null", O_RDONLY | O_CLOEXEC), 0, "a device");
    unit_close(unit);
}

#define MADE_OF "Makes blob `index` of the object, of these bytes, and seals it"

static const struct rule rules[] = {
    { "put: what was put is read back", MADE_OF, NEEDS_PUT, put_read_back },
    { "put: what was put is sealed", MADE_OF, NEEDS_PUT, put_seals },
    { "put: what was put has descriptors that outlive it", MADE_OF, NEEDS_PUT | NEEDS_FD,
      put_has_handles },
    { "adopt: what is sealed, without its descriptor",
      "Takes over blob `index` of an object, sealed, with all the handle->size bytes", NEEDS_ADOPT,
      adopts_what_is_sealed },
    { "adopt: nothing that somebody could still change",
      "it holds another number of bytes, or somebody could still change them", NEEDS_ADOPT,
      adopts_nothing_else },
    { "bytes: are those of the blob", "Where the bytes of a sealed blob lie in this process",
      NEEDS_BYTES, bytes_are_the_blobs },
    { "bytes: stay where they are", "until it is given to free or remove", NEEDS_BYTES,
      bytes_stay },
};

const struct rule_group blob_put_rules = RULE_GROUP(rules);
