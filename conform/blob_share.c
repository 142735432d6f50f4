/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules about `share`: what it may leave out of what `handle` promises, and what not.
 */
#include "conform/blob_call.h"
#include "conform/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#define READERS 4U
#define ROUNDS 25U

struct scene {
    struct unit *unit;
    void *blob; /* sealed */
};

static struct scene
scene_make(struct world *world)
{
    char id[PK_ID_MAX + 1];
    struct scene scene = { .unit = unit_open(world, 0) };
    struct pk_key key = world_key(world, "shared", id);
    scene.blob = blob_sealed(world, scene.unit, &key, BLOB_SIZE, 7);
    return scene;
}

static void
scene_finish(struct world *world, const struct scene *scene)
{
    blob_remove(world, scene->unit, scene->blob);
    unit_close(scene->unit);
}

static struct handles
share(struct world *world, const struct scene *scene)
{
    struct handles handles = { 0 };
    struct pk_error err = PK_ERROR_INIT;
    int32_t rc = scene->unit->ops.blob.share(scene->blob, handles_emit, &handles, &err);
    must(world, rc == 0, "share returned %" PRId32 ": %s", rc, err.message);
    must(world, handles.count == 1, "share emitted %" PRIu32 " handles", handles.count);
    return handles;
}

/* The descriptor of such a handle. */
static int
share_descriptor(struct world *world, const struct scene *scene, struct handles *ret_handles)
{
    struct handles handles = share(world, scene);
    if (handles.handle.kind == PK_HANDLE_URL || handles.handle.fd < 0)
        world_skip(world, "what it shares has no descriptors");
    if (ret_handles != NULL)
        *ret_handles = handles;
    return handles.handle.fd;
}

static void
well_formed(struct world *world)
{
    struct scene scene = scene_make(world);
    for (int i = 0; i < 3; i++) {
        struct handles handles;
        int fd = share_descriptor(world, &scene, &handles);
        must(world, (handles.handle.flags & ~PK_HANDLE_SHARED) == 0, "its flags are 0x%" PRIx32,
             handles.handle.flags);
        must(world, handles.handle.size == BLOB_SIZE, "of %u bytes it says %" PRIu64, BLOB_SIZE,
             handles.handle.size);
        must(world, fcntl(fd, F_GETFD) & FD_CLOEXEC, "its descriptor is not close-on-exec");
        descriptor_expect(world, fd, handles.handle.offset, BLOB_SIZE, 7, "what is shared");
        (void)close(fd);
    }
    scene_finish(world, &scene);
}

static void
read_only(struct world *world)
{
    struct scene scene = scene_make(world);
    for (int i = 0; i < 3; i++) {
        int fd = share_descriptor(world, &scene, NULL);
        must(world, (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY,
             "a descriptor that is shared is open for writing");
        (void)close(fd);
    }
    scene_finish(world, &scene);
}

/* Whether a position that is set through one is seen through the other. */
static bool
same_offset(int one, int other)
{
    off_t before = lseek(other, 0, SEEK_CUR);
    (void)lseek(one, before + 123, SEEK_SET);
    return lseek(other, 0, SEEK_CUR) != before;
}

static void
says_so(struct world *world)
{
    struct scene scene = scene_make(world);
    struct handles first;
    struct handles second;
    (void)share_descriptor(world, &scene, &first);
    (void)share_descriptor(world, &scene, &second);
    must(world,
         !same_offset(first.handle.fd, second.handle.fd)
             || (first.handle.flags & second.handle.flags & PK_HANDLE_SHARED) != 0,
         "two descriptors share their offset, and their handles don't say so");
    (void)close(first.handle.fd);
    (void)close(second.handle.fd);
    scene_finish(world, &scene);
}

static void
leaves_handle_alone(struct world *world)
{
    struct scene scene = scene_make(world);
    int before = blob_descriptor(world, scene.unit, scene.blob, PK_ACCESS_READ, NULL);
    int shared = share_descriptor(world, &scene, NULL);
    int after = blob_descriptor(world, scene.unit, scene.blob, PK_ACCESS_READ, NULL);
    must(world, !same_offset(shared, before), "share gave away a description that handle gave");
    must(world, !same_offset(shared, after), "handle gave a description that is shared");
    (void)close(before);
    (void)close(shared);
    (void)close(after);
    scene_finish(world, &scene);
}

static void
outlives(struct world *world)
{
    struct scene scene = scene_make(world);
    struct handles handles;
    int fd = share_descriptor(world, &scene, &handles);
    blob_remove(world, scene.unit, scene.blob);
    descriptor_expect(world, fd, handles.handle.offset, BLOB_SIZE, 7, "what was shared");
    (void)close(fd);
    unit_close(scene.unit);
}

static void
leaves_no_descriptor(struct world *world)
{
    struct scene scene = scene_make(world);
    (void)close(share_descriptor(world, &scene, NULL));
    uint32_t before = trace_descriptors();
    for (int i = 0; i < 8; i++)
        (void)close(share_descriptor(world, &scene, NULL));
    uint32_t after = trace_descriptors();
    must(world, after <= before, "8 handles whose descriptors were closed left %" PRIu32 " open",
         after - before);
    scene_finish(world, &scene);
}

static void
no_descriptors(struct world *world)
{
    struct scene scene = scene_make(world);
    struct handles handles = { 0 };
    struct pk_error err = error_fresh();
    (void)close(share_descriptor(world, &scene, NULL));
    must(world, trace_descriptors_exhaust(0) == 0, "RLIMIT_NOFILE can't be set");
    int32_t rc = scene.unit->ops.blob.share(scene.blob, handles_emit, &handles, &err);
    trace_descriptors_free();
    must(world, rc != 0, "share succeeded without descriptors");
    must(world, handles.count == 0, "share failed and emitted a handle");
    must_explain(world, "share", rc, &err);
    must(world, rc == -EBUSY, "share without descriptors returned %" PRId32 ": %s", rc,
         err.message);
    (void)close(share_descriptor(world, &scene, NULL));
    scene_finish(world, &scene);
}

static void
share_along(struct world *world, uint32_t number, void *arg)
{
    const struct scene *scene = arg;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        struct handles handles = share(world, scene);
        if (handles.handle.kind != PK_HANDLE_URL && handles.handle.fd >= 0) {
            descriptor_expect(world, handles.handle.fd, handles.handle.offset, BLOB_SIZE, 7,
                              "shared on several threads");
            (void)close(handles.handle.fd);
        }
        if ((i + number) % 2 == 0)
            blob_expect(world, scene->unit, scene->blob, BLOB_SIZE, 7, "read beside share");
        else
            (void)close(blob_descriptor(world, scene->unit, scene->blob, PK_ACCESS_READ, NULL));
    }
}

static void
any_number_at_once(struct world *world)
{
    struct scene scene = scene_make(world);
    world_threads(world, READERS, share_along, &scene);
    scene_finish(world, &scene);
}

static const struct rule rules[] = {
    { "share: a handle for READ, well formed",
      "Emits a handle for READ of a sealed blob, as `handle` does", NEEDS_SHARE, well_formed },
    { "share: read-only too", "Its description is read-only all the same", NEEDS_SHARE, read_only },
    { "share: says whose offset is others' too", "then the handle is PK_HANDLE_SHARED.",
      NEEDS_SHARE, says_so },
    { "share: leaves handle an offset shared with nobody",
      "A descriptor is a new open file description: its offset is shared with nobody", NEEDS_SHARE,
      leaves_handle_alone },
    { "share: what others hold open stays readable",
      "what others hold open stays readable for them alone.", NEEDS_SHARE, outlives },
    { "share: leaves no descriptor", "Descriptors that are emitted belong to the host.",
      NEEDS_SHARE, leaves_no_descriptor },
    { "share: out of descriptors is -EBUSY, and emits nothing",
      "On failure every ret_* is as it was, nothing was emitted", NEEDS_SHARE, no_descriptors },
    { "share: any number at once of a sealed blob, with handle and read",
      "`handle`, `share`, `read`, `bytes` and `verify` of one sealed blob are the exception: any "
      "number at once.",
      NEEDS_SHARE, any_number_at_once },
};

const struct rule_group blob_share_rules = RULE_GROUP(rules);
