/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The recorder: a library to preload, which writes down in one log, in their order, all calls by
 * which processes change files beneath one folder, with enough to do them again (powercut.py). It
 * changes no call's result, and knows nothing of PackIce.
 *
 *   PACKICE_RECORD_ROOT  the folder, as the kernel names it (no links in it); it must exist
 *   PACKICE_RECORD_LOG   the log, outside the folder; several processes may share it. Beside it is
 *                        LOG.lock, by which they take turns
 *
 * A call that changes something is made and written down under one lock that all processes share,
 * so the log's order is the order of the effects. Files are named by inode number, never by path. A
 * process that is killed amid a call may leave an effect that is not in the log: don't kill it.
 *
 * Not seen: what stdio, mkstemp and other functions inside libc change, raw system calls, and
 * stores into a shared map while it is neither unmapped, synced nor its process ended. Whoever
 * records compares what is on disk with what the log says in the end, and so finds out.
 */
#ifndef PK_TEST_RECORD_H
#define PK_TEST_RECORD_H

#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What happened, and the members of struct record that it uses. */
enum record_op {
    RECORD_ROOT = 1,  /* ino: of the folder. The first of each process that changes anything */
    RECORD_CREATE,    /* ino, dir, name ("": it has none yet), mode: a new empty file */
    RECORD_WRITE,     /* ino, offset, data */
    RECORD_TRUNCATE,  /* ino, offset: its size now, longer or shorter */
    RECORD_ALLOCATE,  /* ino, offset: its size now, if it was shorter */
    RECORD_LINK,      /* ino, dir, name: a further name */
    RECORD_RENAME,    /* dir, name, dir2, name2 */
    RECORD_EXCHANGE,  /* likewise */
    RECORD_UNLINK,    /* dir, name; of a folder, too */
    RECORD_MKDIR,     /* ino, dir, name, mode */
    RECORD_SYMLINK,   /* ino, dir, name; data: where it leads */
    RECORD_CHMOD,     /* ino, mode */
    RECORD_FSYNC,     /* ino */
    RECORD_FDATASYNC, /* ino */
    RECORD_SYNCFS,    /* all of it */
    RECORD_MARK,      /* data: what record_mark was given */
    RECORD_LOST,      /* data: a call that could not be written down; the log is of no use */
};

/* As it is in the log, followed by name, name2 and data, without NULs. powercut.py reads it. */
struct record {
    uint32_t size; /* of all of it */
    uint32_t op;   /* enum record_op */
    uint32_t pid;
    uint32_t mode;
    uint64_t ino;
    uint64_t dir;
    uint64_t dir2;
    uint64_t offset;
    uint32_t name_size;
    uint32_t name2_size;
};

#define RECORD_NAME_MAX 255U

/* A name in a folder beneath the root. */
struct record_place {
    uint64_t dir;
    char name[RECORD_NAME_MAX + 1];
};

/* For the process that is recorded (dlsym): writes a line of its own into the log. All that it did
 * and that it was told of before is in front of it. Any thread. Does nothing without a log. */
void record_mark(const char *text);

/* ---- between the files of the recorder ---- */

#define RECORD_EXPORT __attribute__((visibility("default")))

/* The function that would have been called without the recorder. */
#define RECORD_NEXT(function) \
    __extension__({ \
        static __typeof__(&(function)) record_next; \
        __typeof__(&(function)) found = __atomic_load_n(&record_next, __ATOMIC_ACQUIRE); \
        if (found == NULL) { \
            found = (__typeof__(&(function)))dlsym(RTLD_NEXT, #function); \
            __atomic_store_n(&record_next, found, __ATOMIC_RELEASE); \
        } \
        found; \
    })

/* Whether there is a log at all. */
bool record_on(void);

/* Takes and gives back the turn. errno stays as it is. */
void record_lock(void);
void record_unlock(void);

/* With the lock: appends one record. Members that are sizes are filled in here. */
void record_append(struct record record, const char *name, const char *name2, const void *data,
                   size_t data_size);
void record_lost(const char *call);

/* Whether the descriptor is that of something beneath the root, or of the root; then also what. */
bool record_behind(int fd, uint64_t *ret_ino);

/* Whether the path names something, there or not, beneath the root; then also where. */
bool record_place(int dirfd, const char *path, struct record_place *ret_place);

/* With the lock: writes down what the file holds from offset on. */
void record_range(int fd, uint64_t ino, uint64_t offset, uint64_t size);

/* With the lock: what was stored into this process's shared maps of the file; 0: of all files. */
void record_maps(uint64_t ino);

#endif
