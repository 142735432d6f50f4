/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Manifests that stand in objects/: read, held against their data, set aside where they are
 * damaged.
 */
#include "standing.h"

#include "disk.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <packice/cleanup.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void
file_path(const struct fs_name *name, char *ret_path)
{
    char folder[NAME_FOLDER_SIZE];
    name_folder(name->hash, folder);
    (void)snprintf(ret_path, BLOB_PATH_SIZE, "%s/%s.json", folder, name->text);
}

/* Moved, so that no two nodes do it both; its name there tells what data it is of. */
static int32_t
set_aside(struct blob_fs *fs, int folder, const struct fs_name *name, const char *why,
          struct pk_error *err)
{
    char file[NAME_FILE_SIZE];
    char aside[NAME_FILE_SIZE];
    char path[BLOB_PATH_SIZE];
    name_manifest_file(name, file);
    file_path(name, path);
    (void)snprintf(aside, sizeof(aside), "%016" PRIx64 ".%016" PRIx64 ".%" PRIu64, name->hash,
                   fs->root.token, fs->root.serial++);
    int error = renameat(folder, file, fs->root.aside, aside) == 0 ? 0 : errno;
    if (error == 0)
        error = root_sync(&fs->root, fs->root.aside);
    if (error == 0)
        error = root_sync(&fs->root, folder);
    if (error != 0 && error != ENOENT)
        return disk_fail(err, error, "%s: damaged (%s), and cannot be set aside", path, why);
    if (error == 0) {
        fs->set_aside++;
        pk_host_log(fs->host, PK_LOG_ERROR, "%s: damaged (%s), set aside as aside/%s", path, why,
                    aside);
    }
    return pk_fail(err, -ENOENT, "%s: damaged (%s), set aside", path, why);
}

/* The text of an open manifest. Bounded by its size; what comes on top of that in the meantime is
 * none of ours. */
static int32_t
read_text(int fd, const char *path, char **ret_text, size_t *ret_size, uint64_t *ret_inode,
          struct pk_error *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return disk_fail(err, errno, "%s: cannot be looked at", path);
    size_t room = S_ISREG(st.st_mode) && (uint64_t)st.st_size <= MANIFEST_SIZE_MAX
                      ? (size_t)st.st_size
                      : MANIFEST_SIZE_MAX;
    pk_autofree char *text = malloc(room + 1);
    if (text == NULL)
        return pk_fail(err, -ENOMEM, "out of memory");
    size_t size = 0;
    int error = S_ISREG(st.st_mode) ? disk_read(fd, text, room, 0, &size) : 0;
    if (error != 0)
        return disk_fail(err, error, "%s: cannot be read", path);
    *ret_text = pk_steal(text);
    *ret_size = size;
    *ret_inode = st.st_ino;
    return 0;
}

static int32_t
check_id(const struct fs_name *name, const struct fs_manifest *manifest, struct pk_error *err)
{
    struct fs_name own;
    if (name_from_id(manifest->id, &own) != 0 || strcmp(own.text, name->text) != 0)
        return pk_fail(err, -EIO, "its id has another file name");
    return 0;
}

int32_t
standing_read(struct blob_fs *fs, int folder, const struct fs_name *name,
              struct fs_manifest **ret_manifest, struct pk_error *err)
{
    struct pk_error why = PK_ERROR_INIT;
    struct fs_manifest *manifest = NULL;
    char file[NAME_FILE_SIZE];
    char path[BLOB_PATH_SIZE];
    pk_autofree char *text = NULL;
    size_t size = 0;
    uint64_t inode = 0;
    name_manifest_file(name, file);
    file_path(name, path);
    pk_autoclose int fd = disk_open(folder, file, O_RDONLY | O_NONBLOCK, 0);
    if (fd < 0 && errno == ENOENT)
        return pk_fail(err, -ENOENT, "%s: no such object", path);
    if (fd < 0 && errno == ELOOP)
        return set_aside(fs, folder, name, "a symbolic link", err);
    if (fd < 0)
        return disk_fail(err, errno, "%s: cannot be opened", path);
    int32_t rc = read_text(fd, path, &text, &size, &inode, err);
    if (rc != 0)
        return rc;
    rc = manifest_decode(text, size, &manifest, &why);
    if (rc == 0)
        rc = check_id(name, manifest, &why);
    if (rc == 0) {
        manifest->inode = inode;
        *ret_manifest = manifest;
        return 0;
    }
    manifest_free(manifest);
    return rc == -EIO ? set_aside(fs, folder, name, why.message, err)
                      : pk_fail(err, rc, "%s", why.message);
}

/* ---- its data ---- */

/* Sets *ret_wrong to what is wrong with one blob's data, if anything is. */
static int32_t
check_blob(int folder, const struct fs_data *data, uint64_t size, const char **ret_wrong,
           struct pk_error *err)
{
    char file[NAME_FILE_SIZE];
    struct stat st;
    name_data_file(data, file);
    if (fstatat(folder, file, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        if (errno != ENOENT)
            return disk_fail(err, errno, "%s: cannot be looked at", file);
        *ret_wrong = "a blob is missing";
    } else if (!S_ISREG(st.st_mode)) {
        *ret_wrong = "a blob is no file";
    } else if ((uint64_t)st.st_size != size) {
        *ret_wrong = "a blob has another size";
    }
    return 0;
}

/* Whoever discards takes the manifest away before the data. */
static bool
still_stands(struct blob_fs *fs, int folder, const struct fs_name *name,
             const struct fs_manifest *manifest)
{
    struct fs_manifest *again = NULL;
    struct pk_error ignored = PK_ERROR_INIT;
    bool stands = standing_read(fs, folder, name, &again, &ignored) == 0 && again != NULL
                  && again->epoch == manifest->epoch && again->token == manifest->token;
    manifest_free(again);
    return stands;
}

static int32_t
check_data(struct blob_fs *fs, int folder, const struct fs_name *name,
           const struct fs_manifest *manifest, struct pk_error *err)
{
    struct fs_data data = { .hash = name->hash,
                            .epoch = manifest->epoch,
                            .token = manifest->token };
    const char *wrong = NULL;
    int32_t rc = 0;
    for (; rc == 0 && wrong == NULL && data.index < manifest->blob_count; data.index++)
        rc = check_blob(folder, &data, manifest->sizes[data.index], &wrong, err);
    if (rc != 0 || wrong == NULL)
        return rc;
    if (!still_stands(fs, folder, name, manifest))
        return pk_fail(err, -ENOENT, "it was just discarded");
    if (fs->root.options.shared)
        return pk_fail(err, -EIO, "%.100s.json: damaged: %s", name->text, wrong);
    return set_aside(fs, folder, name, wrong, err);
}

int32_t
standing_read_whole(struct blob_fs *fs, int folder, const struct fs_name *name,
                    struct fs_manifest **ret_manifest, struct pk_error *err)
{
    struct fs_manifest *manifest = NULL;
    int32_t rc = standing_read(fs, folder, name, &manifest, err);
    if (rc == 0 && manifest != NULL)
        rc = check_data(fs, folder, name, manifest, err);
    if (rc != 0) {
        manifest_free(manifest);
        return rc;
    }
    *ret_manifest = manifest;
    return 0;
}
