/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blobs whose bytes come with the call. Such a file has its sealed mode before it has any bytes: no
 * other user ever gets to write to it, so that there is no writer to find out, and the one
 * descriptor by which it is made is all that it takes.
 */
#include "blob_fs.h"
#include "checksum.h"
#include "disk.h"

#include <packice/cleanup.h>

static int32_t
make_whole(struct fs_blob *blob, const void *data, struct pk_error *err)
{
    const struct fs_root *root = &blob->fs->root;
    char path[BLOB_PATH_SIZE];
    pk_autoclose int folder = -1;
    int fd = -1;
    int32_t rc = root_folder(root, blob->data.hash, &folder, err);
    if (rc == 0)
        rc = fs_blob_make_file(blob, folder, root_sealed_mode(root), &fd, err);
    if (rc == 0)
        rc = fs_blob_keep_file(blob, fd, err);
    if (rc != 0)
        return rc;
    int error = disk_write(fd, data, blob->size, 0);
    if (error == 0)
        error = root_start(root, fd);
    if (error == 0)
        return 0;
    fs_blob_path(blob, path);
    return disk_fail(err, error, "%s: cannot be written", path);
}

int32_t
fs_put(void *instance, const struct pk_key *key, uint32_t index, const void *data, uint64_t size,
       void **ret_blob, struct pk_error *err)
{
    struct blob_fs *fs = instance;
    struct pk_error ignored = PK_ERROR_INIT;
    struct fs_blob *blob = NULL;
    struct fs_sum sum = { .is_set = fs->root.options.checksum };
    int32_t rc = fs_blob_begin(fs, key, index, size, &blob, err);
    if (blob == NULL)
        return rc;
    rc = make_whole(blob, data, err);
    if (rc != 0) {
        (void)fs_remove(blob, &ignored);
        return rc;
    }
    if (sum.is_set)
        checksum_bytes(data, size, &sum.sum);
    fs_blob_set_sealed(blob, size, &sum);
    *ret_blob = blob;
    return 0;
}
