/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that are on the disk when a call returns, by as few syncs as that takes.
 */
#include "floor.h"

#include <fcntl.h>
#include <unistd.h>

static void
write_file(int folder, const char *name, const char *data, size_t size)
{
    int fd =
        (int)bench_done(openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644), name);
    for (size_t done = 0; done < size;)
        done += (size_t)bench_done(write(fd, data + done, size - done), name);
    bench_done(fsync(fd), name);
    (void)close(fd);
}

void
floor_files_put(int folder, const void *data, size_t size)
{
    static const char manifest[256] = "{\"id\": \"4096/1\", \"sizes\": [4096]}\n";
    write_file(folder, "blob", data, size);
    write_file(folder, "claim", manifest, sizeof(manifest));
    bench_done(linkat(folder, "claim", folder, "manifest", 0), "manifest");
    bench_done(fsync(folder), "folder");
}

void
floor_files_remove(int folder)
{
    bench_done(unlinkat(folder, "manifest", 0), "manifest");
    bench_done(unlinkat(folder, "claim", 0), "claim");
    bench_done(unlinkat(folder, "blob", 0), "blob");
}
