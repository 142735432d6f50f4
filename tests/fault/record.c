/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log, the lock around it, and what of the file system lies beneath the root. It wraps no call
 * itself.
 */
#include "record.h"

#include <errno.h>
#include <fcntl.h>
#include <packice/cleanup.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static struct {
    pthread_once_t once;
    const char *root;
    size_t root_size;
    int log_fd;
    pthread_mutex_t *mutex; /* in a map that all processes share */
} recorder = { .once = PTHREAD_ONCE_INIT, .log_fd = -1 };

/* A recorder that can't record would make tests pass that ought to fail. */
static void __attribute__((noreturn)) record_die(const char *what)
{
    (void)fprintf(stderr, "record: %s: %s\n", what, strerror(errno));
    abort();
}

static bool
lock_file_is_new(int fd)
{
    struct stat status;

    if (fstat(fd, &status) != 0)
        record_die("the lock file");
    return status.st_size == 0;
}

static void
make_mutex(pthread_mutex_t *mutex)
{
    pthread_mutexattr_t attributes;

    if (pthread_mutexattr_init(&attributes) != 0
        || pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED) != 0
        || pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST) != 0
        || pthread_mutex_init(mutex, &attributes) != 0)
        record_die("the lock");
    (void)pthread_mutexattr_destroy(&attributes);
}

/* Processes that start at once make the mutex once: a lock on the file keeps them apart. */
static void
open_mutex(const char *log)
{
    char path[4096];
    int size = snprintf(path, sizeof(path), "%s.lock", log);

    if (size < 0 || (size_t)size >= sizeof(path))
        record_die("the log's name is too long");
    pk_autoclose int fd = RECORD_NEXT(open)(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    if (fd < 0 || fcntl(fd, F_OFD_SETLKW, &lock) != 0)
        record_die(path);
    bool is_new = lock_file_is_new(fd);
    if (is_new && RECORD_NEXT(ftruncate)(fd, sizeof(pthread_mutex_t)) != 0)
        record_die(path);
    void *map =
        RECORD_NEXT(mmap)(NULL, sizeof(pthread_mutex_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        record_die(path);
    recorder.mutex = map;
    if (is_new)
        make_mutex(recorder.mutex);
    lock.l_type = F_UNLCK; /* the map keeps the file open, and with it the lock */
    if (fcntl(fd, F_OFD_SETLK, &lock) != 0)
        record_die(path);
}

static void
begin_log(void)
{
    struct stat status;

    if (stat(recorder.root, &status) != 0)
        record_die(recorder.root);
    record_append((struct record){ .op = RECORD_ROOT, .ino = status.st_ino }, "", "", NULL, 0);
}

static void
open_recorder(void)
{
    const char *log = getenv("PACKICE_RECORD_LOG");
    const char *root = getenv("PACKICE_RECORD_ROOT");

    if (log == NULL || root == NULL)
        return;
    int saved = errno;
    recorder.root = strdup(root);
    if (recorder.root == NULL)
        record_die("root");
    recorder.root_size = strlen(root);
    open_mutex(log);
    recorder.log_fd = RECORD_NEXT(open)(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (recorder.log_fd < 0)
        record_die(log);
    begin_log();
    errno = saved;
}

bool
record_on(void)
{
    (void)pthread_once(&recorder.once, open_recorder);
    return recorder.log_fd >= 0;
}

void
record_lock(void)
{
    int rc = pthread_mutex_lock(recorder.mutex);

    if (rc == EOWNERDEAD)
        rc = pthread_mutex_consistent(recorder.mutex);
    if (rc != 0) {
        errno = rc;
        record_die("the lock");
    }
}

void
record_unlock(void)
{
    (void)pthread_mutex_unlock(recorder.mutex);
}

static struct iovec
piece(const void *data, size_t size)
{
    return (struct iovec){ .iov_base = (void *)(uintptr_t)data, .iov_len = size };
}

void
record_append(struct record record, const char *name, const char *name2, const void *data,
              size_t data_size)
{
    int saved = errno;
    size_t size = sizeof(record) + strlen(name) + strlen(name2) + data_size;

    if (size > UINT32_MAX) {
        errno = EFBIG;
        record_die("one record");
    }
    record.size = (uint32_t)size;
    record.pid = (uint32_t)getpid();
    record.name_size = (uint32_t)strlen(name);
    record.name2_size = (uint32_t)strlen(name2);
    struct iovec pieces[] = {
        piece(&record, sizeof(record)),
        piece(name, strlen(name)),
        piece(name2, strlen(name2)),
        piece(data, data_size),
    };
    ssize_t written = RECORD_NEXT(writev)(recorder.log_fd, pieces, 4);
    if (written != (ssize_t)size)
        record_die("the log");
    errno = saved;
}

void
record_lost(const char *call)
{
    record_append((struct record){ .op = RECORD_LOST }, "", "", call, strlen(call));
}

RECORD_EXPORT void
record_mark(const char *text)
{
    if (!record_on())
        return;
    record_lock();
    record_append((struct record){ .op = RECORD_MARK }, "", "", text, strlen(text));
    record_unlock();
}

/* The name by which the kernel knows it; what was unlinked keeps its last one, with a remark. */
static bool
is_beneath(int fd)
{
    char link[64];
    char path[4096];

    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof(path) - 1);
    if (size < 0)
        return false;
    path[size] = '\0';
    return strncmp(path, recorder.root, recorder.root_size) == 0
           && (path[recorder.root_size] == '/' || path[recorder.root_size] == '\0');
}

bool
record_behind(int fd, uint64_t *ret_ino)
{
    if (!record_on())
        return false;
    int saved = errno;
    struct stat status;
    bool is_ours = fd >= 0 && is_beneath(fd) && fstat(fd, &status) == 0;
    if (is_ours)
        *ret_ino = status.st_ino;
    errno = saved;
    return is_ours;
}

/* Splits off the last name, in place; trailing slashes are of no account. */
static const char *
split(char *path, const char **ret_folder)
{
    size_t size = strlen(path);

    while (size > 1 && path[size - 1] == '/')
        path[--size] = '\0';
    char *slash = strrchr(path, '/');
    if (slash == NULL) {
        *ret_folder = ".";
        return path;
    }
    *slash = '\0';
    *ret_folder = slash == path ? "/" : path;
    return slash + 1;
}

bool
record_place(int dirfd, const char *path, struct record_place *ret_place)
{
    if (path == NULL || !record_on())
        return false;
    int saved = errno;
    char copy[4096];
    const char *folder = NULL;
    bool is_ours = false;

    if (strlen(path) < sizeof(copy)) {
        strcpy(copy, path); /* NOLINT: it fits */
        const char *name = split(copy, &folder);
        pk_autoclose int fd = RECORD_NEXT(openat)(dirfd, folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
        is_ours = strlen(name) <= RECORD_NAME_MAX && record_behind(fd, &ret_place->dir);
        if (is_ours)
            strcpy(ret_place->name, name); /* NOLINT: it fits */
    }
    errno = saved;
    return is_ours;
}

void
record_range(int fd, uint64_t ino, uint64_t offset, uint64_t size)
{
    int saved = errno;
    char link[64];

    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    pk_autoclose int reader = RECORD_NEXT(open)(link, O_RDONLY | O_CLOEXEC);
    pk_autofree char *data = malloc(size > 0 ? size : 1);
    if (reader < 0 || data == NULL)
        record_die("reading back what was written");
    size_t done = 0;
    while (done < size) {
        ssize_t count = pread(reader, data + done, size - done, (off_t)(offset + done));
        if (count < 0)
            record_die("reading back what was written");
        if (count == 0)
            break; /* a map may be longer than its file */
        done += (size_t)count;
    }
    record_append((struct record){ .op = RECORD_WRITE, .ino = ino, .offset = offset }, "", "", data,
                  done);
    errno = saved;
}
