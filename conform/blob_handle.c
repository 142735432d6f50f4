/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules about `handle`: what it emits, and that a descriptor is its receiver's alone.
 */
#include "conform/blob_call.h"
#include "conform/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READERS 4U
#define ROUNDS 25U

struct scene {
    struct unit *unit;
    void *open;   /* a blob for CREATE */
    void *sealed; /* and one for READ */
};

static struct scene
scene_make(struct world *world)
{
    char id[PK_ID_MAX + 1];
    struct scene scene = { .unit = unit_open(world, 0) };
    struct pk_key key = world_key(world, "open", id);
    scene.open = blob_make(world, scene.unit, &key, 0, BLOB_SIZE);
    key = world_key(world, "sealed", id);
    scene.sealed = blob_sealed(world, scene.unit, &key, BLOB_SIZE, 7);
    return scene;
}

static void
scene_finish(struct world *world, const struct scene *scene)
{
    blob_remove(world, scene->unit, scene->open);
    blob_remove(world, scene->unit, scene->sealed);
    unit_close(scene->unit);
}

static void
must_be_well_formed(struct world *world, const struct handles *handles)
{
    const struct pk_handle *handle = &handles->handle;
    must(world, handle->kind >= PK_HANDLE_FD && handle->kind <= PK_HANDLE_URL,
         "a handle of kind %" PRIu32, handle->kind);
    must(world, handle->struct_size >= sizeof(*handle), "its struct_size is %" PRIu32,
         handle->struct_size);
    must(world, handle->flags == 0, "its `flags` are not 0");
    if (handle->kind == PK_HANDLE_FD)
        must(world, handle->fd >= 0 && handle->text == NULL, "an FD handle with fd %d and text %s",
             handle->fd, handles->text);
    if (handle->kind == PK_HANDLE_PATH)
        must(world, handles->text[0] == '/', "a PATH handle with the text '%s'", handles->text);
    if (handle->kind == PK_HANDLE_URL)
        must(world, strstr(handles->text, "://") != NULL && handle->fd == -1,
             "a URL handle with fd %d and the text '%s'", handle->fd, handles->text);
}

static void
close_handle(const struct handles *handles)
{
    if (handles->handle.kind != PK_HANDLE_URL && handles->handle.fd >= 0)
        (void)close(handles->handle.fd);
}

static void
well_formed(struct world *world)
{
    struct scene scene = scene_make(world);
    struct handles handles = blob_handles(world, scene.unit, scene.open, PK_ACCESS_CREATE);
    must_be_well_formed(world, &handles);
    close_handle(&handles);
    handles = blob_handles(world, scene.unit, scene.sealed, PK_ACCESS_READ);
    must_be_well_formed(world, &handles);
    close_handle(&handles);
    scene_finish(world, &scene);
}

static void
path_and_descriptor(struct world *world)
{
    struct scene scene = scene_make(world);
    struct handles handles = blob_handles(world, scene.unit, scene.sealed, PK_ACCESS_READ);
    struct stat by_path;
    struct stat by_fd;
    if (handles.handle.kind != PK_HANDLE_PATH)
        world_skip(world, "its handles are no paths");
    must(world, stat(handles.text, &by_path) == 0, "%s: %s", handles.text, strerror(errno));
    must(world,
         handles.handle.fd < 0
             || (fstat(handles.handle.fd, &by_fd) == 0 && by_fd.st_ino == by_path.st_ino
                 && by_fd.st_dev == by_path.st_dev),
         "the descriptor beside '%s' is another file's", handles.text);
    close_handle(&handles);
    scene_finish(world, &scene);
}

static void
says_its_size(struct world *world)
{
    struct scene scene = scene_make(world);
    struct handles handles = blob_handles(world, scene.unit, scene.open, PK_ACCESS_CREATE);
    must(world, handles.handle.size == BLOB_SIZE, "for CREATE of %u bytes it says %" PRIu64,
         BLOB_SIZE, handles.handle.size);
    close_handle(&handles);
    handles = blob_handles(world, scene.unit, scene.sealed, PK_ACCESS_READ);
    must(world, handles.handle.size == BLOB_SIZE, "for READ of %u bytes it says %" PRIu64,
         BLOB_SIZE, handles.handle.size);
    close_handle(&handles);
    scene_finish(world, &scene);
}

static void
unsized(struct world *world)
{
    struct unit *unit = unit_open(world, 0);
    char id[PK_ID_MAX + 1];
    struct pk_key key = world_key(world, "unsized", id);
    void *blob = blob_make(world, unit, &key, 0, PK_UNSIZED);
    struct handles handles = blob_handles(world, unit, blob, PK_ACCESS_CREATE);
    must(world, handles.handle.size == PK_UNSIZED,
         "a blob without a size has a handle with %" PRIu64, handles.handle.size);
    close_handle(&handles);
    blob_remove(world, unit, blob);
    unit_close(unit);
}

/* ---- descriptors ---- */

static void
close_on_exec(struct world *world)
{
    struct scene scene = scene_make(world);
    struct handles create = blob_handles(world, scene.unit, scene.open, PK_ACCESS_CREATE);
    struct handles read = blob_handles(world, scene.unit, scene.sealed, PK_ACCESS_READ);
    if (create.handle.fd < 0 || read.handle.fd < 0)
        world_skip(world, "its handles have no descriptors");
    must(world, fcntl(create.handle.fd, F_GETFD) & FD_CLOEXEC,
         "a descriptor for CREATE is not close-on-exec");
    must(world, fcntl(read.handle.fd, F_GETFD) & FD_CLOEXEC,
         "a descriptor for READ is not close-on-exec");
    close_handle(&create);
    close_handle(&read);
    scene_finish(world, &scene);
}

static void
read_only(struct world *world)
{
    struct scene scene = scene_make(world);
    int fd = blob_descriptor(world, scene.unit, scene.sealed, PK_ACCESS_READ, NULL);
    must(world, (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY,
         "a descriptor for READ is open for writing");
    (void)close(fd);
    scene_finish(world, &scene);
}

static void
must_not_share(struct world *world, struct unit *unit, void *blob, uint32_t access)
{
    int first = blob_descriptor(world, unit, blob, access, NULL);
    int second = blob_descriptor(world, unit, blob, access, NULL);
    off_t before = lseek(second, 0, SEEK_CUR);
    (void)lseek(first, 123, SEEK_SET);
    must(world, lseek(second, 0, SEEK_CUR) == before, "two descriptors for %s share their offset",
         access == PK_ACCESS_READ ? "READ" : "CREATE");
    (void)close(first);
    (void)close(second);
}

static void
own_offset(struct world *world)
{
    struct scene scene = scene_make(world);
    must_not_share(world, scene.unit, scene.open, PK_ACCESS_CREATE);
    must_not_share(world, scene.unit, scene.sealed, PK_ACCESS_READ);
    scene_finish(world, &scene);
}

/* The slot's bytes and the descriptor's are the same. */
static void
same_bytes(struct world *world)
{
    struct scene scene = scene_make(world);
    uint64_t offset = 0;
    int fd = blob_descriptor(world, scene.unit, scene.sealed, PK_ACCESS_READ, &offset);
    descriptor_expect(world, fd, offset, BLOB_SIZE, 7, "a descriptor for READ");
    (void)close(fd);
    scene_finish(world, &scene);
}

static void
writes_through(struct world *world)
{
    struct scene scene = scene_make(world);
    uint8_t data[BLOB_SIZE];
    uint64_t offset = 0;
    for (uint64_t i = 0; i < BLOB_SIZE; i++)
        data[i] = blob_byte(9, i);
    int fd = blob_descriptor(world, scene.unit, scene.open, PK_ACCESS_CREATE, &offset);
    must(world, pwrite(fd, data, sizeof(data), (off_t)offset) == (ssize_t)sizeof(data),
         "pwrite to a descriptor for CREATE: %s", strerror(errno));
    (void)close(fd);
    blob_seal(world, scene.unit, scene.open, BLOB_SIZE);
    blob_expect(world, scene.unit, scene.open, BLOB_SIZE, 9, "what went through a descriptor");
    scene_finish(world, &scene);
}

static void
leaves_no_descriptor(struct world *world)
{
    struct scene scene = scene_make(world);
    struct handles handles = blob_handles(world, scene.unit, scene.open, PK_ACCESS_CREATE);
    close_handle(&handles);
    uint32_t before = trace_descriptors();
    for (int i = 0; i < 4; i++) {
        handles = blob_handles(world, scene.unit, scene.open, PK_ACCESS_CREATE);
        close_handle(&handles);
        handles = blob_handles(world, scene.unit, scene.sealed, PK_ACCESS_READ);
        close_handle(&handles);
    }
    uint32_t after = trace_descriptors();
    must(world, after <= before, "8 handles whose descriptors were closed left %" PRIu32 " open",
         after - before);
    scene_finish(world, &scene);
}

/* Several in the hands of the host at once are several. */
static void
belongs_to_host(struct world *world)
{
    struct scene scene = scene_make(world);
    int first = blob_descriptor(world, scene.unit, scene.sealed, PK_ACCESS_READ, NULL);
    int second = blob_descriptor(world, scene.unit, scene.sealed, PK_ACCESS_READ, NULL);
    must(world, first != second, "handle emitted the same descriptor twice");
    (void)close(first);
    uint64_t offset = 0;
    (void)close(second);
    second = blob_descriptor(world, scene.unit, scene.sealed, PK_ACCESS_READ, &offset);
    descriptor_expect(world, second, offset, BLOB_SIZE, 7, "a handle after others were closed");
    (void)close(second);
    scene_finish(world, &scene);
}

static void
no_descriptors(struct world *world)
{
    struct scene scene = scene_make(world);
    struct handles handles = { 0 };
    struct pk_error err = error_fresh();
    must(world, trace_descriptors_exhaust(0) == 0, "RLIMIT_NOFILE can't be set");
    int32_t rc =
        scene.unit->ops.blob.handle(scene.sealed, PK_ACCESS_READ, handles_emit, &handles, &err);
    trace_descriptors_free();
    if (rc == 0)
        world_skip(world, "its handles need no descriptor");
    must(world, handles.count == 0, "handle failed and emitted a handle");
    must_explain(world, "handle", rc, &err);
    must(world, rc == -EBUSY, "handle without descriptors returned %" PRId32 ": %s", rc,
         err.message);
    handles = blob_handles(world, scene.unit, scene.sealed, PK_ACCESS_READ);
    close_handle(&handles);
    scene_finish(world, &scene);
}

static void
read_along(struct world *world, uint32_t number, void *arg)
{
    const struct scene *scene = arg;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        if ((i + number) % 2 == 0) {
            blob_expect(world, scene->unit, scene->sealed, BLOB_SIZE, 7, "read by several threads");
            continue;
        }
        struct handles handles = blob_handles(world, scene->unit, scene->sealed, PK_ACCESS_READ);
        close_handle(&handles);
        struct pk_error err = PK_ERROR_INIT;
        if (scene->unit->ops.blob.verify != NULL
            && scene->unit->ops.blob.verify(scene->sealed, &err) == -EIO)
            world_fail(world, "verify on one of several threads: %s", err.message);
        const uint8_t *bytes =
            scene->unit->ops.blob.bytes != NULL ? scene->unit->ops.blob.bytes(scene->sealed) : NULL;
        must(world, bytes == NULL || bytes[i] == blob_byte(7, i),
             "bytes on one of several threads are others");
    }
}

static void
any_number_at_once(struct world *world)
{
    struct scene scene = scene_make(world);
    world_threads(world, READERS, read_along, &scene);
    scene_finish(world, &scene);
}

#define OWN "A descriptor is a new open file description: its offset is shared with nobody"

static const struct rule rules[] = {
    { "handle: one for CREATE and one for READ, well formed", "Emits one handle for access", 0,
      well_formed },
    { "handle: a path and its descriptor are the same file",
      "PATH: such a descriptor of the same file, or -1.", 0, path_and_descriptor },
    { "handle: says the blob's size", "of the blob, bytes; PK_UNSIZED while it has none", 0,
      says_its_size },
    { "handle: says that a blob has no size yet",
      "of the blob, bytes; PK_UNSIZED while it has none", NEEDS_UNSIZED, unsized },
    { "handle: descriptors are close-on-exec",
      "FD: owned by the receiver, CLOEXEC, an open file description of its own.", 0,
      close_on_exec },
    { "handle: read-only for READ", "and for READ it is read-only.", 0, read_only },
    { "handle: an offset shared with nobody", OWN, 0, own_offset },
    { "handle: READ holds what was sealed", "READ of a sealed one.", 0, same_bytes },
    { "handle: CREATE is to write through", "CREATE of an unsealed blob, to write through", 0,
      writes_through },
    { "handle: leaves no descriptor", "Descriptors that are emitted belong to the host.", 0,
      leaves_no_descriptor },
    { "handle: each receiver has a descriptor of its own",
      "Descriptors that are emitted belong to the host.", 0, belongs_to_host },
    { "handle: out of descriptors is -EBUSY, and emits nothing",
      "On failure every ret_* is as it was, nothing was emitted", 0, no_descriptors },
    { "handle: any number at once of a sealed blob, with read, bytes and verify",
      "`handle`, `share`, `read`, `bytes` and `verify` of one sealed blob are the exception: any "
      "number at once.",
      0, any_number_at_once },
};

const struct rule_group blob_handle_rules = RULE_GROUP(rules);
