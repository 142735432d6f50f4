/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counts descriptors and threads in /proc and files in folders, and takes the last descriptors away
 * from a plugin. It follows no symbolic link.
 */
#include "conform/trace.h"

#include <dirent.h>
#include <fcntl.h>
#include <fts.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* Entries of a folder without "." and "..", and without the one that the looking takes. */
static uint32_t
entries(const char *path, uint32_t own)
{
    uint32_t count = 0;
    DIR *folder = opendir(path);
    if (folder == NULL)
        return 0;
    while (readdir(folder) != NULL)
        count++;
    (void)closedir(folder);
    return count - 2 - own;
}

uint32_t
trace_descriptors(void)
{
    return entries("/proc/self/fd", 1);
}

uint32_t
trace_threads(void)
{
    return entries("/proc/self/task", 0);
}

/* ---- the limit ---- */

static struct rlimit limit_before;

uint32_t
trace_descriptor_room(void)
{
    struct rlimit limit;
    uint32_t open = trace_descriptors();
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur <= open)
        return 0;
    return limit.rlim_cur - open > UINT32_MAX ? UINT32_MAX : (uint32_t)(limit.rlim_cur - open);
}

int
trace_descriptors_exhaust(uint32_t room)
{
    int limit = 0;
    if (getrlimit(RLIMIT_NOFILE, &limit_before) != 0)
        return -1;
    for (uint32_t unused = 0; unused <= room; limit++)
        unused += fcntl(limit, F_GETFD) < 0;
    struct rlimit few = { .rlim_cur = (rlim_t)limit - 1, .rlim_max = limit_before.rlim_max };
    return setrlimit(RLIMIT_NOFILE, &few);
}

void
trace_descriptors_free(void)
{
    (void)setrlimit(RLIMIT_NOFILE, &limit_before);
}

/* ---- files ---- */

static FTS *
walk(const char *folder)
{
    char *const paths[] = { (char *)(uintptr_t)folder, NULL };
    return fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
}

void
trace_each_file(const char *folder, void (*visit)(const char *path, uint64_t size, void *arg),
                void *arg)
{
    FTS *tree = walk(folder);
    const FTSENT *entry;
    while (tree != NULL && (entry = fts_read(tree)) != NULL) {
        if (entry->fts_info == FTS_F)
            visit(entry->fts_path, (uint64_t)entry->fts_statp->st_size, arg);
    }
    if (tree != NULL)
        (void)fts_close(tree);
}

static void
count_file(const char *path, uint64_t size, void *arg)
{
    (void)path;
    (void)size;
    ++*(uint32_t *)arg;
}

uint32_t
trace_files(const char *folder)
{
    uint32_t count = 0;
    trace_each_file(folder, count_file, &count);
    return count;
}

void
trace_remove(const char *folder)
{
    FTS *tree = walk(folder);
    const FTSENT *entry;
    while (tree != NULL && (entry = fts_read(tree)) != NULL) {
        if (entry->fts_info == FTS_D)
            (void)chmod(entry->fts_path, 0700);
        else if (entry->fts_info == FTS_DP || entry->fts_info == FTS_DNR)
            (void)rmdir(entry->fts_path);
        else
            (void)unlink(entry->fts_path);
    }
    if (tree != NULL)
        (void)fts_close(tree);
}
