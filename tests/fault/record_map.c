/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared maps: what was stored into one is written down when it goes, when it is synced, and when
 * the process ends. Maps that can't change their file are none of its business.
 */
#include "record.h"

#include <errno.h>
#include <fcntl.h>
#include <packice/cleanup.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/queue.h>
#include <unistd.h>

struct map {
    LIST_ENTRY(map) in_maps;
    char *start;
    size_t size;
    uint64_t ino;
    uint64_t offset; /* where it starts in the file */
    int fd;          /* of the file, to read what it holds; not one that writes */
};

/* Beside the lock of the log: maps of other processes are none of ours. */
static pthread_mutex_t maps_mutex = PTHREAD_MUTEX_INITIALIZER;
static LIST_HEAD(, map) maps = LIST_HEAD_INITIALIZER(maps);

static bool
can_write(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && (flags & O_ACCMODE) == O_RDWR;
}

static void
remember(void *start, size_t size, int fd, uint64_t ino, off_t offset)
{
    int saved = errno;
    char link[64];
    struct map *map = malloc(sizeof(*map));

    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    int reader = RECORD_NEXT(open)(link, O_RDONLY | O_CLOEXEC);
    if (map == NULL || reader < 0) {
        (void)fputs("record: a map can't be followed\n", stderr);
        abort();
    }
    *map = (struct map){
        .start = start, .size = size, .ino = ino, .offset = (uint64_t)offset, .fd = reader
    };
    (void)pthread_mutex_lock(&maps_mutex);
    LIST_INSERT_HEAD(&maps, map, in_maps);
    (void)pthread_mutex_unlock(&maps_mutex);
    errno = saved;
}

#define WRAP_MMAP(mmap) \
    RECORD_EXPORT void *mmap(void *start, size_t size, int access, int flags, int fd, \
                             off_t offset) \
    { \
        uint64_t ino = 0; \
        void *map = RECORD_NEXT(mmap)(start, size, access, flags, fd, offset); \
        if (map != MAP_FAILED && (flags & MAP_TYPE) != MAP_PRIVATE && (flags & MAP_ANONYMOUS) == 0 \
            && can_write(fd) && record_behind(fd, &ino)) \
            remember(map, size, fd, ino, offset); \
        return map; \
    }

WRAP_MMAP(mmap)
WRAP_MMAP(mmap64)

void
record_maps(uint64_t ino)
{
    struct map *map;

    (void)pthread_mutex_lock(&maps_mutex);
    LIST_FOREACH (map, &maps, in_maps)
        if (ino == 0 || map->ino == ino)
            record_range(map->fd, map->ino, map->offset, map->size);
    (void)pthread_mutex_unlock(&maps_mutex);
}

static bool
overlaps(const struct map *map, const char *start, size_t size)
{
    return map->start < start + size && start < map->start + map->size;
}

/* Whether any map of ours is in this range. */
static bool
is_followed(const char *start, size_t size)
{
    struct map *map;
    bool found = false;

    (void)pthread_mutex_lock(&maps_mutex);
    LIST_FOREACH (map, &maps, in_maps)
        found = found || overlaps(map, start, size);
    (void)pthread_mutex_unlock(&maps_mutex);
    return found;
}

/* Takes out those that go whole. One that goes in part is kept: its file is read, not its pages. */
static void
forget(const char *start, size_t size)
{
    struct map *next;

    (void)pthread_mutex_lock(&maps_mutex);
    for (struct map *map = LIST_FIRST(&maps); map != NULL; map = next) {
        next = LIST_NEXT(map, in_maps);
        if (map->start < start || map->start + map->size > start + size)
            continue;
        LIST_REMOVE(map, in_maps);
        (void)close(map->fd);
        free(map);
    }
    (void)pthread_mutex_unlock(&maps_mutex);
}

RECORD_EXPORT int
munmap(void *start, size_t size)
{
    if (!is_followed(start, size))
        return RECORD_NEXT(munmap)(start, size);
    record_lock();
    record_maps(0);
    int rc = RECORD_NEXT(munmap)(start, size);
    if (rc == 0)
        forget(start, size);
    record_unlock();
    return rc;
}

RECORD_EXPORT int
msync(void *start, size_t size, int flags)
{
    if (!is_followed(start, size))
        return RECORD_NEXT(msync)(start, size, flags);
    record_lock();
    record_maps(0); /* it is written down as not on disk yet: that errs on the safe side */
    int rc = RECORD_NEXT(msync)(start, size, flags);
    record_unlock();
    return rc;
}

/* What is still mapped when the process ends in good order. */
static void __attribute__((destructor)) record_last(void)
{
    if (!record_on())
        return;
    record_lock();
    record_maps(0);
    record_unlock();
}
