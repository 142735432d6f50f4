/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that are on the disk when a call returns, by as few syncs as that takes.
 */
#include "floor.h"

#include <fcntl.h>
#include <unistd.h>

#define NAME_MAX_SIZE 64

static int
write_file(int folder, const char *name, const char *data, size_t size)
{
    int fd =
        (int)bench_done(openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644), name);
    for (size_t done = 0; done < size;)
        done += (size_t)bench_done(write(fd, data + done, size - done), name);
    return fd;
}

static void
settle(int fd, const char *name)
{
    unsigned how = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
    bench_done(sync_file_range(fd, 0, 0, how), name);
}

static void
sync_file(int fd, const char *name)
{
    bench_done(fsync(fd), name);
    (void)close(fd);
}

void
floor_files_put(enum floor_order order, int folder, const char *name, const void *data, size_t size)
{
    static const char text[256] = "{\"id\": \"4096/1\", \"sizes\": [4096]}\n";
    char claim[NAME_MAX_SIZE];
    char manifest[NAME_MAX_SIZE];
    (void)snprintf(claim, sizeof(claim), "%s.claim", name);
    (void)snprintf(manifest, sizeof(manifest), "%s.manifest", name);
    int blob = write_file(folder, name, data, size);
    if (order == FLOOR_TOGETHER)
        bench_done(sync_file_range(blob, 0, 0, SYNC_FILE_RANGE_WRITE), name);
    else
        sync_file(blob, name);
    int fd = write_file(folder, claim, text, sizeof(text));
    if (order == FLOOR_TOGETHER) {
        settle(fd, claim);
        settle(blob, name);
        sync_file(blob, name);
    }
    sync_file(fd, claim);
    bench_done(linkat(folder, claim, folder, manifest, 0), manifest);
    bench_done(fsync(folder), "folder");
}
