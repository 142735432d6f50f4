/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Steps of rules about blobs, each with the message of its failure. It judges no more than that a
 * step came out as it must.
 */
#include "conform/blob_call.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <packice/cleanup.h>
#include <string.h>
#include <time.h>

#define PIECE 65536U /* bytes at once */

/* ---- one blob ---- */

uint8_t
blob_byte(uint64_t seed, uint64_t offset)
{
    return (uint8_t)((seed + 1) * 37 + offset * 7 + (offset >> 8) * 13);
}

void *
blob_make(struct world *world, struct unit *unit, const struct pk_key *key, uint32_t index,
          uint64_t size)
{
    struct pk_error err = PK_ERROR_INIT;
    void *blob = NULL;
    int32_t rc = unit->ops.blob.create(unit->instance, key, index, size, &blob, &err);
    must(world, rc == 0,
         "create of blob %" PRIu32 " with size %" PRIu64 " returned %" PRId32 ": %s", index, size,
         rc, err.message);
    return blob;
}

void
blob_fill(struct world *world, struct unit *unit, void *blob, uint64_t size, uint64_t seed)
{
    uint8_t piece[PIECE];
    for (uint64_t done = 0; done < size;) {
        uint64_t now = size - done < PIECE ? size - done : PIECE;
        for (uint64_t i = 0; i < now; i++)
            piece[i] = blob_byte(seed, done + i);
        struct pk_error err = PK_ERROR_INIT;
        int32_t rc = unit->ops.blob.write(blob, done, piece, now, &err);
        must(world, rc == 0, "write of %" PRIu64 " bytes at %" PRIu64 " returned %" PRId32 ": %s",
             now, done, rc, err.message);
        done += now;
    }
}

void
blob_seal(struct world *world, struct unit *unit, void *blob, uint64_t size)
{
    struct pk_error err = PK_ERROR_INIT;
    int32_t rc = unit->ops.blob.seal(blob, size, &err);
    must(world, rc == 0, "seal at %" PRIu64 " bytes returned %" PRId32 ": %s", size, rc,
         err.message);
}

void *
blob_sealed(struct world *world, struct unit *unit, const struct pk_key *key, uint64_t size,
            uint64_t seed)
{
    void *blob = blob_make(world, unit, key, 0, size);
    blob_fill(world, unit, blob, size, seed);
    blob_seal(world, unit, blob, size);
    return blob;
}

void *
blob_put(struct world *world, struct unit *unit, const struct pk_key *key, uint64_t size,
         uint64_t seed)
{
    pk_autofree uint8_t *data = malloc(size + 1);
    struct pk_error err = PK_ERROR_INIT;
    void *blob = NULL;
    must(world, data != NULL, "out of memory");
    for (uint64_t i = 0; i < size; i++)
        data[i] = blob_byte(seed, i);
    int32_t rc = unit->ops.blob.put(unit->instance, key, 0, data, size, &blob, &err);
    must(world, rc == 0 && blob != NULL, "put of %" PRIu64 " bytes returned %" PRId32 ": %s", size,
         rc, err.message);
    return blob;
}

void
blob_expect(struct world *world, struct unit *unit, void *blob, uint64_t size, uint64_t seed,
            const char *what)
{
    uint8_t piece[PIECE];
    uint64_t got = 1;
    uint64_t done = 0;
    for (; got > 0; done += got) {
        struct pk_error err = PK_ERROR_INIT;
        int32_t rc = unit->ops.blob.read(blob, done, piece, PIECE, &got, &err);
        must(world, rc == 0, "%s: read at %" PRIu64 " returned %" PRId32 ": %s", what, done, rc,
             err.message);
        must(world, got <= PIECE && got <= size - done, "%s: it reads beyond its %" PRIu64 " bytes",
             what, size);
        for (uint64_t i = 0; i < got; i++)
            must(world, piece[i] == blob_byte(seed, done + i), "%s: byte %" PRIu64 " is another",
                 what, done + i);
    }
    must(world, done == size, "%s: %" PRIu64 " of its %" PRIu64 " bytes could be read", what, done,
         size);
}

uint64_t
blob_size(struct world *world, struct unit *unit, void *blob)
{
    struct pk_error err = PK_ERROR_INIT;
    uint64_t size = 0;
    int32_t rc = unit->ops.blob.size(blob, &size, &err);
    must(world, rc == 0, "size returned %" PRId32 ": %s", rc, err.message);
    return size;
}

void
blob_remove(struct world *world, struct unit *unit, void *blob)
{
    struct pk_error err = PK_ERROR_INIT;
    int32_t rc = unit->ops.blob.remove(blob, &err);
    must(world, rc == 0, "remove returned %" PRId32 ": %s", rc, err.message);
}

/* ---- handles ---- */

void
handles_emit(void *arg, const struct pk_handle *handle)
{
    struct handles *handles = arg;
    size_t size = handle->struct_size < sizeof(handles->handle) ? handle->struct_size
                                                                : sizeof(handles->handle);
    handles->count++;
    memset(&handles->handle, 0, sizeof(handles->handle));
    memcpy(&handles->handle, handle, size);
    if (handle->text != NULL)
        (void)snprintf(handles->text, sizeof(handles->text), "%s", handle->text);
}

struct handles
blob_handles(struct world *world, struct unit *unit, void *blob, uint32_t access)
{
    struct handles handles = { 0 };
    struct pk_error err = PK_ERROR_INIT;
    int32_t rc = unit->ops.blob.handle(blob, access, handles_emit, &handles, &err);
    must(world, rc == 0, "handle for %s returned %" PRId32 ": %s",
         access == PK_ACCESS_READ ? "READ" : "CREATE", rc, err.message);
    must(world, handles.count == 1, "handle emitted %" PRIu32 " handles", handles.count);
    return handles;
}

int
blob_descriptor(struct world *world, struct unit *unit, void *blob, uint32_t access,
                uint64_t *ret_offset)
{
    struct handles handles = blob_handles(world, unit, blob, access);
    int fd = handles.handle.fd;
    if (handles.handle.kind == PK_HANDLE_URL)
        world_skip(world, "its handles are URLs");
    if (handles.handle.kind == PK_HANDLE_PATH && fd < 0) {
        fd = open(handles.text, (access == PK_ACCESS_READ ? O_RDONLY : O_RDWR) | O_CLOEXEC);
        must(world, fd >= 0, "the path of a handle can't be opened: %s", strerror(errno));
    }
    must(world, fcntl(fd, F_GETFD) >= 0, "handle emitted descriptor %d, which is not open", fd);
    if (ret_offset != NULL)
        *ret_offset = handles.handle.offset;
    return fd;
}

void
descriptor_expect(struct world *world, int fd, uint64_t offset, uint64_t size, uint64_t seed,
                  const char *what)
{
    uint8_t piece[PIECE];
    assert(size <= PIECE);
    ssize_t got = pread(fd, piece, size, (off_t)offset);
    must(world, got >= 0, "%s: pread: %s", what, strerror(errno));
    must(world, (uint64_t)got == size, "%s: %zd of %" PRIu64 " bytes can be read", what, got, size);
    for (uint64_t i = 0; i < size; i++)
        must(world, piece[i] == blob_byte(seed, i), "%s: byte %" PRIu64 " is another", what, i);
}

/* ---- an object ---- */

static uint64_t
real_time(void)
{
    struct timespec ts = { 0 };
    (void)clock_gettime(CLOCK_REALTIME, &ts); /* can't fail for this clock */
    return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

void
object_make(struct world *world, struct unit *unit, struct object *object, const char *name,
            uint32_t blob_count)
{
    *object = (struct object){ 0 };
    struct pk_key key = world_key(world, name, object->id);
    assert(blob_count <= OBJECT_BLOBS_MAX);
    for (uint32_t i = 0; i < blob_count; i++) {
        object->sizes[i] = BLOB_SIZE + i;
        object->blobs[i] = blob_make(world, unit, &key, i, object->sizes[i]);
        blob_fill(world, unit, object->blobs[i], object->sizes[i], key.epoch + i);
    }
    for (uint32_t i = 0; i < blob_count; i++)
        blob_seal(world, unit, object->blobs[i], object->sizes[i]);
    object->manifest = (struct pk_manifest){
        .struct_size = sizeof(object->manifest),
        .blob_count = blob_count,
        .key = key,
        .sizes = object->sizes,
        .meta = "{\"a\": \"\\u0000 \xc3\xa9\"}",
        .created_at = real_time() - 5,
        .sealed_at = real_time(),
        .owner = { .struct_size = sizeof(object->manifest.owner),
                   .kind = PK_PRINCIPAL_UNIX,
                   .uid = 12,
                   .gid = 34,
                   .pid = 56 },
    };
}

void
object_publish(struct world *world, struct unit *unit, struct object *object, const char *name,
               uint32_t blob_count)
{
    struct pk_error err = PK_ERROR_INIT;
    object_make(world, unit, object, name, blob_count);
    int32_t rc = unit->ops.blob.publish(unit->instance, &object->manifest, object->blobs, &err);
    must(world, rc == 0, "publish returned %" PRId32 ": %s", rc, err.message);
}

void
object_free(struct unit *unit, const struct object *object)
{
    for (uint32_t i = 0; i < object->manifest.blob_count; i++)
        unit->ops.blob.free(object->blobs[i]);
}

void
object_remove(struct world *world, struct unit *unit, const struct object *object)
{
    for (uint32_t i = 0; i < object->manifest.blob_count; i++)
        blob_remove(world, unit, object->blobs[i]);
}

struct found *
found_new(struct world *world)
{
    struct found *found = calloc(1, sizeof(*found));
    must(world, found != NULL, "out of memory");
    return found;
}

void
found_emit(void *arg, const struct pk_blob_found *found)
{
    struct found *result = arg;
    const struct pk_manifest *manifest = found->manifest;
    if (manifest == NULL || strcmp(manifest->key.id, result->id) != 0)
        return;
    result->count++;
    result->manifest = *manifest;
    (void)snprintf(result->found_id, sizeof(result->found_id), "%s", manifest->key.id);
    (void)snprintf(result->meta, sizeof(result->meta), "%s", manifest->meta);
    uint32_t count = manifest->blob_count < PK_BLOBS_MAX ? manifest->blob_count : PK_BLOBS_MAX;
    memcpy(result->sizes, manifest->sizes, count * sizeof(result->sizes[0]));
    result->opened = found->blobs != NULL;
    if (found->blobs != NULL)
        memcpy(result->blobs, found->blobs, count * sizeof(result->blobs[0]));
}

int32_t
object_lookup(struct unit *unit, const char *id, struct found *ret_found, struct pk_error *err)
{
    memset(ret_found, 0, sizeof(*ret_found));
    ret_found->id = id;
    return unit->ops.blob.lookup(unit->instance, id, found_emit, ret_found, err);
}

void
object_expect(struct world *world, struct unit *unit, const struct object *object)
{
    pk_autofree struct found *found = found_new(world);
    struct pk_error err = PK_ERROR_INIT;
    uint64_t epoch = object->manifest.key.epoch;
    int32_t rc = object_lookup(unit, object->id, found, &err);
    must(world, rc == 0, "lookup of what is published returned %" PRId32 ": %s", rc, err.message);
    must(world, found->count >= 1 && found->opened, "lookup emitted it without blobs");
    must(world, found->manifest.key.epoch == epoch,
         "lookup found epoch %" PRIu64 " where %" PRIu64 " was published",
         found->manifest.key.epoch, epoch);
    must(world, found->manifest.blob_count == object->manifest.blob_count,
         "lookup found %" PRIu32 " blobs of %" PRIu32, found->manifest.blob_count,
         object->manifest.blob_count);
    for (uint32_t i = 0; i < found->manifest.blob_count; i++) {
        blob_expect(world, unit, found->blobs[i], object->sizes[i], epoch + i,
                    "what lookup opened");
        unit->ops.blob.free(found->blobs[i]);
    }
}

void
object_expect_none(struct world *world, struct unit *unit, const char *id, const char *when)
{
    pk_autofree struct found *found = found_new(world);
    struct pk_error err = PK_ERROR_INIT;
    int32_t rc = object_lookup(unit, id, found, &err);
    must(world, rc != 0, "%s: lookup finds it", when);
    must(world, rc == -ENOENT, "%s: lookup returned %" PRId32 ": %s", when, rc, err.message);
}
