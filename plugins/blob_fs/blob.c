/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One blob: made with its room, opened, handed out, removed. It never writes its bytes, and never
 * keeps a sealed one open.
 */
#include "blob_fs.h"
#include "disk.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <packice/cleanup.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SPARE_FDS 512U
#define TRIES 300 /* to get a descriptor for a reader, so far apart: */
#define TRY_AGAIN_NS 1000000

void
fs_blob_path(const struct fs_blob *blob, char *ret_path)
{
    char folder[NAME_FOLDER_SIZE];
    char file[NAME_FILE_SIZE];
    name_folder(blob->data.hash, folder);
    name_data_file(&blob->data, file);
    (void)snprintf(ret_path, BLOB_PATH_SIZE, "%s/%s", folder, file);
}

static struct fs_blob *
blob_new(struct blob_fs *fs, const struct fs_data *data, uint64_t size)
{
    struct fs_blob *blob = calloc(1, sizeof(*blob));
    if (blob == NULL)
        return NULL;
    blob->fs = fs;
    blob->data = *data;
    blob->size = size;
    blob->file = -1;
    blob->writer = -1;
    return blob;
}

struct fs_blob *
fs_blob_found(struct blob_fs *fs, const struct fs_data *data, uint32_t count, uint64_t size,
              const struct fs_sum *sum)
{
    struct fs_blob *blob = blob_new(fs, data, size);
    if (blob == NULL)
        return NULL;
    blob->count = count;
    blob->sealed = true;
    blob->sum = *sum;
    return blob;
}

/* ---- making ---- */

/* Descriptors are given lowest first, so a high number says how many are in use. Blobs in the
 * making stop short of the limit: what is stored must stay readable. */
static bool
near_limit(int fd)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return false;
    rlim_t spare = limit.rlim_cur / 4 < SPARE_FDS ? limit.rlim_cur / 4 : SPARE_FDS;
    return (rlim_t)fd >= limit.rlim_cur - spare;
}

/* posix_fallocate(3) writes to every block where the file system can't do better, and would find
 * out late that it is full. */
static int32_t
reserve(int fd, uint64_t size, const char *path, struct pk_error *err)
{
    int error = 0;
    if (size == 0)
        return 0;
    if (size > PK_SIZE_MAX)
        return pk_fail(err, -EFBIG, "%" PRIu64 " bytes are more than a file can hold", size);
    do
        error = fallocate(fd, 0, 0, (off_t)size) == 0 ? 0 : errno;
    while (error == EINTR);
    if (error == EOPNOTSUPP)
        error = posix_fallocate(fd, 0, (off_t)size);
    if (error == 0)
        return 0;
    return disk_fail(err, error, "%s: no room for %" PRIu64 " bytes", path, size);
}

int32_t
fs_blob_keep_file(struct fs_blob *blob, int fd, struct pk_error *err)
{
    if (near_limit(fd)) {
        (void)close(fd);
        return pk_fail(err, -EBUSY, "out of file descriptors: the last ones are kept for readers");
    }
    blob->file = fd;
    return 0;
}

int32_t
fs_blob_make_file(const struct fs_blob *blob, int folder, mode_t mode, int *ret_fd,
                  struct pk_error *err)
{
    char file[NAME_FILE_SIZE];
    char path[BLOB_PATH_SIZE];
    name_data_file(&blob->data, file);
    pk_autoclose int fd = disk_open(folder, file, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (fd < 0) {
        int error = errno;
        fs_blob_path(blob, path);
        return disk_fail(err, error, "%s: cannot be made", path);
    }
    int32_t rc = root_own(&blob->fs->root, fd, mode, err);
    if (rc == 0)
        *ret_fd = pk_steal_fd(fd);
    return rc;
}

/* The new file with its room, and the reader of it that stays open. */
static int32_t
make_file(struct fs_blob *blob, struct pk_error *err)
{
    const struct fs_root *root = &blob->fs->root;
    char file[NAME_FILE_SIZE];
    char path[BLOB_PATH_SIZE];
    pk_autoclose int folder = -1;
    pk_autoclose int fd = -1;
    name_data_file(&blob->data, file);
    fs_blob_path(blob, path);
    int32_t rc = root_folder(root, blob->data.hash, &folder, err);
    if (rc == 0)
        rc = fs_blob_make_file(blob, folder, root->options.mode | 0600, &fd, err);
    if (rc == 0 && blob->size != PK_UNSIZED)
        rc = reserve(fd, blob->size, path, err);
    if (rc != 0)
        return rc;
    int reader = disk_open(folder, file, O_RDONLY, 0);
    if (reader < 0)
        return disk_fail(err, errno, "%s: cannot be opened", path);
    return fs_blob_keep_file(blob, reader, err);
}

int32_t
fs_blob_begin(struct blob_fs *fs, const struct pk_key *key, uint32_t index, uint64_t size,
              struct fs_blob **ret_blob, struct pk_error *err)
{
    struct fs_making *making = NULL;
    int32_t rc = making_take(&fs->makings, key, index, &making, err);
    if (rc != 0)
        return rc;
    const struct fs_data data = {
        .hash = making_name(making)->hash,
        .epoch = key->epoch,
        .token = fs->root.token,
        .index = index,
    };
    struct fs_blob *blob = blob_new(fs, &data, size);
    if (blob == NULL) {
        making_drop(&fs->makings, making, true);
        return pk_fail(err, -ENOMEM, "out of memory");
    }
    blob->making = making;
    fs->creating++;
    *ret_blob = blob;
    return 0;
}

int32_t
fs_create(void *instance, const struct pk_key *key, uint32_t index, uint64_t size, void **ret_blob,
          struct pk_error *err)
{
    struct pk_error ignored = PK_ERROR_INIT;
    struct fs_blob *blob = NULL;
    int32_t rc = fs_blob_begin(instance, key, index, size, &blob, err);
    if (blob == NULL)
        return rc;
    rc = make_file(blob, err);
    if (rc == 0)
        *ret_blob = blob;
    else
        (void)fs_remove(blob, &ignored);
    return rc;
}

void
fs_blob_set_sealed(struct fs_blob *blob, uint64_t size, const struct fs_sum *sum)
{
    blob->sum = *sum;
    blob->size = size;
    blob->sealed = true;
    blob->fs->creating--;
}

/* ---- opening ---- */

static int32_t
open_data(const struct fs_blob *blob, int flags, int *ret_fd, struct pk_error *err)
{
    char file[NAME_FILE_SIZE];
    char path[BLOB_PATH_SIZE];
    pk_autoclose int folder = -1;
    int32_t rc = root_folder(&blob->fs->root, blob->data.hash, &folder, err);
    if (rc != 0)
        return rc;
    name_data_file(&blob->data, file);
    int fd = disk_open(folder, file, flags, 0);
    if (fd >= 0) {
        *ret_fd = fd;
        return 0;
    }
    int error = errno;
    fs_blob_path(blob, path);
    if (error == ENOENT && blob->sealed)
        return pk_fail(err, -ENOENT, "%s: was taken away", path);
    return disk_fail(err, error, "%s: cannot be opened", path);
}

/* The last descriptors are in use for a moment by other reads: by those of callers that may not
 * keep them, too, whose transport finds out once it has them. So it is worth another try. */
static int32_t
open_sealed(const struct fs_blob *blob, int *ret_fd, struct pk_error *err)
{
    const struct timespec moment = { 0, TRY_AGAIN_NS };
    struct pk_error why = PK_ERROR_INIT;
    int32_t rc = open_data(blob, O_RDONLY | O_NONBLOCK, ret_fd, &why);
    for (int tries = 1; rc == -EBUSY && tries < TRIES; tries++) {
        (void)nanosleep(&moment, NULL);
        rc = open_data(blob, O_RDONLY | O_NONBLOCK, ret_fd, &why);
    }
    return rc == 0 ? 0 : pk_fail(err, rc, "%s", why.message);
}

int32_t
fs_blob_open(const struct fs_blob *blob, int *ret_fd, struct pk_error *err)
{
    struct stat st;
    pk_autoclose int fd = -1;
    char path[BLOB_PATH_SIZE];
    int32_t rc = open_sealed(blob, &fd, err);
    if (rc != 0)
        return rc;
    fs_blob_path(blob, path);
    if (fstat(fd, &st) != 0)
        return disk_fail(err, errno, "%s: cannot be looked at", path);
    if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != blob->size)
        return pk_fail(err, -EIO, "%s: is not the file that was sealed", path);
    *ret_fd = pk_steal_fd(fd);
    return 0;
}

int32_t
fs_blob_open_writer(const struct fs_blob *blob, int *ret_fd, struct pk_error *err)
{
    return open_data(blob, O_RDWR, ret_fd, err);
}

int32_t
fs_size(void *opaque, uint64_t *ret_size, struct pk_error *err)
{
    const struct fs_blob *blob = opaque;
    struct stat st;
    if (blob->sealed) {
        *ret_size = blob->size;
        return 0;
    }
    if (fstat(blob->file, &st) != 0)
        return disk_fail(err, errno, "a blob's size cannot be had");
    uint64_t size = (uint64_t)st.st_size;
    *ret_size = blob->size != PK_UNSIZED && size < blob->size ? blob->size : size;
    return 0;
}

int32_t
fs_handle(void *opaque, uint32_t access, pk_handle_emit_fn *emit, void *arg, struct pk_error *err)
{
    const struct fs_blob *blob = opaque;
    const char *root = blob->fs->root.path;
    char path[BLOB_PATH_SIZE];
    int fd = -1;
    if (access != PK_ACCESS_CREATE && access != PK_ACCESS_READ)
        return pk_fail(err, -EINVAL, "no such access: %" PRIu32, access);
    if (access == PK_ACCESS_READ && !blob->sealed)
        return pk_fail(err, -EINVAL, "the blob is not sealed");
    fs_blob_path(blob, path);
    size_t room = strlen(root) + 1 + strlen(path) + 1;
    pk_autofree char *text = malloc(room);
    if (text == NULL)
        return pk_fail(err, -ENOMEM, "out of memory");
    (void)snprintf(text, room, "%s/%s", root, path);
    int32_t rc = blob->sealed ? fs_blob_open(blob, &fd, err) : fs_blob_open_writer(blob, &fd, err);
    if (rc != 0)
        return rc;
    const struct pk_handle handle = {
        .struct_size = sizeof(handle),
        .kind = PK_HANDLE_PATH,
        .fd = fd,
        .text = text,
        .size = blob->size,
    };
    emit(arg, &handle);
    return 0;
}

/* ---- the end ---- */

static void
blob_free(struct fs_blob *blob, bool give_back)
{
    struct blob_fs *fs = blob->fs;
    if (blob->making != NULL)
        making_drop(&fs->makings, blob->making, give_back);
    fs->creating -= blob->sealed ? 0 : 1;
    pk_cleanup_close(&blob->file);
    pk_cleanup_close(&blob->writer);
    free(blob);
}

void
fs_free(void *opaque)
{
    blob_free(opaque, false);
}

/* What stands for the readers of a discarded object goes with the last of its blobs, as they come
 * in order. */
static void
remove_gone(const struct fs_blob *blob, int folder)
{
    char file[NAME_FILE_SIZE];
    struct fs_data gone = blob->data;
    gone.discarder = blob->fs->root.token;
    name_gone_file(&gone, file);
    (void)unlinkat(folder, file, 0); /* else recovery does */
}

int32_t
fs_remove(void *opaque, struct pk_error *err)
{
    struct fs_blob *blob = opaque;
    char file[NAME_FILE_SIZE];
    char path[BLOB_PATH_SIZE];
    pk_autoclose int folder = -1;
    name_data_file(&blob->data, file);
    fs_blob_path(blob, path);
    int32_t rc = root_folder(&blob->fs->root, blob->data.hash, &folder, err);
    if (rc == 0 && unlinkat(folder, file, 0) != 0 && errno != ENOENT)
        rc = disk_fail(err, errno, "%s: cannot be removed", path);
    if (rc == 0 && blob->count > 0 && blob->data.index == blob->count - 1)
        remove_gone(blob, folder);
    blob_free(blob, true);
    return rc;
}
