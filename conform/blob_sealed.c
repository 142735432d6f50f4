/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules about what a sealed blob withstands: each tries one way to change a byte of it, and then
 * looks whether one was changed. The last two come back through /proc, as another user where this
 * one is root.
 */
#include "conform/blob_call.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOBODY 65534

struct sealed {
    struct unit *unit;
    void *blob;
    int fd; /* of a READ handle */
    uint64_t offset;
};

static struct sealed
sealed_make(struct world *world)
{
    char id[PK_ID_MAX + 1];
    struct sealed sealed = { .unit = unit_open(world, 0) };
    struct pk_key key = world_key(world, "sealed", id);
    sealed.blob = blob_sealed(world, sealed.unit, &key, BLOB_SIZE, 7);
    return sealed;
}

static struct sealed
sealed_open(struct world *world)
{
    struct sealed sealed = sealed_make(world);
    sealed.fd = blob_descriptor(world, sealed.unit, sealed.blob, PK_ACCESS_READ, &sealed.offset);
    return sealed;
}

static void
sealed_finish(struct world *world, struct sealed *sealed)
{
    blob_expect(world, sealed->unit, sealed->blob, BLOB_SIZE, 7, "the sealed blob");
    blob_remove(world, sealed->unit, sealed->blob);
    unit_close(sealed->unit);
}

/* ---- the ways in ---- */

static const char *
by_write(int fd, uint64_t offset)
{
    (void)lseek(fd, (off_t)offset, SEEK_SET);
    return write(fd, "!", 1) == 1 ? "write" : NULL;
}

static const char *
by_pwrite(int fd, uint64_t offset)
{
    return pwrite(fd, "!", 1, (off_t)offset) == 1 ? "pwrite" : NULL;
}

static const char *
by_map(int fd, uint64_t offset)
{
    (void)offset;
    return mmap(NULL, BLOB_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) != MAP_FAILED
               ? "a writable map"
               : NULL;
}

/* A map for reading that becomes one for writing. */
static const char *
by_mprotect(int fd, uint64_t offset)
{
    (void)offset;
    void *map = mmap(NULL, BLOB_SIZE, PROT_READ, MAP_SHARED, fd, 0);
    return map != MAP_FAILED && mprotect(map, BLOB_SIZE, PROT_READ | PROT_WRITE) == 0 ? "mprotect"
                                                                                      : NULL;
}

static const char *
by_truncate(int fd, uint64_t offset)
{
    (void)offset;
    if (ftruncate(fd, 10) == 0)
        return "ftruncate to less";
    return ftruncate(fd, (off_t)BLOB_SIZE * 2) == 0 ? "ftruncate to more" : NULL;
}

static const char *
by_allocate(int fd, uint64_t offset)
{
    if (fallocate(fd, 0, 0, (off_t)(offset + 2 * BLOB_SIZE)) == 0)
        return "fallocate";
    return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, BLOB_SIZE) == 0
               ? "a punched hole"
               : NULL;
}

static const char *(*const ways[])(int fd, uint64_t offset) = {
    by_write, by_pwrite, by_map, by_mprotect, by_truncate, by_allocate,
};
#define WAYS (sizeof(ways) / sizeof(ways[0]))

static void
must_withstand(struct world *world, const struct sealed *sealed, const char *(*way)(int, uint64_t))
{
    const char *done = way(sealed->fd, sealed->offset);
    must(world, done == NULL, "%s succeeds on a descriptor for READ", done);
}

static void
withstands_write(struct world *world)
{
    struct sealed sealed = sealed_open(world);
    must_withstand(world, &sealed, by_write);
    must_withstand(world, &sealed, by_pwrite);
    sealed_finish(world, &sealed);
}

static void
withstands_map(struct world *world)
{
    struct sealed sealed = sealed_open(world);
    must_withstand(world, &sealed, by_map);
    must_withstand(world, &sealed, by_mprotect);
    sealed_finish(world, &sealed);
}

static void
withstands_resize(struct world *world)
{
    struct sealed sealed = sealed_open(world);
    must_withstand(world, &sealed, by_truncate);
    must_withstand(world, &sealed, by_allocate);
    sealed_finish(world, &sealed);
}

static void
withstands_slot(struct world *world)
{
    struct sealed sealed = sealed_make(world);
    struct pk_error err = PK_ERROR_INIT;
    uint8_t byte = 0;
    int32_t rc = sealed.unit->ops.blob.write(sealed.blob, 0, &byte, 1, &err);
    must(world, rc == -EACCES, "write into a sealed blob returned %" PRId32, rc);
    sealed_finish(world, &sealed);
}

/* ---- another process ---- */

/* In a process of its own, as nobody where this one is root: the first way that succeeds, through
 * a descriptor that is opened anew. */
static void
other_process(struct world *world, int fd, uint64_t offset)
{
    char path[32];
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (geteuid() == 0 && (setgroups(0, NULL) != 0 || setgid(NOBODY) != 0 || setuid(NOBODY) != 0))
        world_skip(world, "can't become another user");
    int writer = open(path, O_RDWR | O_CLOEXEC);
    if (writer < 0)
        _exit(0);
    for (size_t i = 0; i < WAYS; i++) {
        const char *done = ways[i](writer, offset);
        must(world, done == NULL, "%s succeeds on a descriptor opened anew through /proc", done);
    }
    _exit(0);
}

static void
withstands_reopen(struct world *world)
{
    struct sealed sealed = sealed_open(world);
    int status = 0;
    pid_t pid = fork();
    must(world, pid >= 0, "fork: %s", strerror(errno));
    if (pid == 0)
        other_process(world, sealed.fd, sealed.offset);
    (void)waitpid(pid, &status, 0);
    if (world->verdict->outcome != VERDICT_NONE)
        _exit(0);
    must(world, WIFEXITED(status), "the other process was ended by signal %d", WTERMSIG(status));
    sealed_finish(world, &sealed);
}

/* A descriptor of CREATE that was open before the seal: either it keeps the seal away, or it can do
 * nothing afterwards. */
static void
withstands_old_writer(struct world *world)
{
    char id[PK_ID_MAX + 1];
    struct sealed sealed = { .unit = unit_open(world, 0) };
    struct pk_error err = PK_ERROR_INIT;
    struct pk_key key = world_key(world, "writer", id);
    sealed.blob = blob_make(world, sealed.unit, &key, 0, BLOB_SIZE);
    blob_fill(world, sealed.unit, sealed.blob, BLOB_SIZE, 7);
    int fd = blob_descriptor(world, sealed.unit, sealed.blob, PK_ACCESS_CREATE, &sealed.offset);
    int32_t rc = sealed.unit->ops.blob.seal(sealed.blob, BLOB_SIZE, &err);
    must(world, rc == 0 || rc == -EBUSY, "seal with a writer left returned %" PRId32 ": %s", rc,
         err.message);
    for (size_t i = 0; i < WAYS && rc == 0; i++) {
        const char *done = ways[i](fd, sealed.offset);
        must(world, done == NULL, "%s succeeds on a descriptor that was made before the seal",
             done);
    }
    (void)close(fd);
    blob_seal(world, sealed.unit, sealed.blob, BLOB_SIZE);
    sealed_finish(world, &sealed);
}

#define IMMUTABLE "Makes it immutable against every process"

static const struct rule rules[] = {
    { "sealed: write is -EACCES", "-EACCES when sealed", 0, withstands_slot },
    { "sealed: no write through a descriptor for READ", IMMUTABLE, 0, withstands_write },
    { "sealed: no writable map", IMMUTABLE, 0, withstands_map },
    { "sealed: no other size", IMMUTABLE, 0, withstands_resize },
    { "sealed: nothing through /proc, as another user", IMMUTABLE, 0, withstands_reopen },
    { "sealed: nothing by a writer from before", IMMUTABLE, 0, withstands_old_writer },
};

const struct rule_group blob_sealed_rules = RULE_GROUP(rules);
