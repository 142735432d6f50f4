/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A blob's bytes through the node: read, written, and compared with their checksum. Clients that
 * have a handle don't come by here.
 */
#include "blob_fs.h"
#include "checksum.h"
#include "disk.h"

#include <errno.h>
#include <inttypes.h>
#include <packice/cleanup.h>
#include <string.h>

int32_t
fs_read(void *opaque, uint64_t offset, void *data, uint64_t size, uint64_t *ret_size,
        struct pk_error *err)
{
    const struct fs_blob *blob = opaque;
    char path[BLOB_PATH_SIZE];
    uint64_t room = offset < PK_SIZE_MAX ? PK_SIZE_MAX - offset : 0; /* what off_t can tell */
    size_t done = 0;
    pk_autoclose int opened = -1; /* any number may read a sealed blob at once */
    int32_t rc = blob->sealed ? fs_blob_open(blob, &opened, err) : 0;
    if (rc != 0)
        return rc;
    int error = disk_read(blob->sealed ? opened : blob->file, data, size < room ? size : room,
                          (off_t)offset, &done);
    if (error != 0) {
        fs_blob_path(blob, path);
        return disk_fail(err, error, "%s: cannot be read", path);
    }
    *ret_size = done;
    return 0;
}

int32_t
fs_write(void *opaque, uint64_t offset, const void *data, uint64_t size, struct pk_error *err)
{
    struct fs_blob *blob = opaque;
    char path[BLOB_PATH_SIZE];
    uint64_t end = blob->size == PK_UNSIZED ? PK_SIZE_MAX : blob->size;
    if (blob->sealed)
        return pk_fail(err, -EACCES, "the blob is sealed");
    if (offset > end || size > end - offset)
        return pk_fail(err, -EFBIG, "%" PRIu64 " bytes at %" PRIu64 " reach behind the end", size,
                       offset);
    int32_t rc = blob->writer >= 0 ? 0 : fs_blob_open_writer(blob, &blob->writer, err);
    if (rc != 0)
        return rc;
    int error = disk_write(blob->writer, data, size, (off_t)offset);
    if (error == 0)
        return 0;
    fs_blob_path(blob, path);
    return disk_fail(err, error, "%s: cannot be written", path);
}

int32_t
fs_verify(void *opaque, struct pk_error *err)
{
    const struct fs_blob *blob = opaque;
    XXH128_canonical_t sum;
    char path[BLOB_PATH_SIZE];
    pk_autoclose int fd = -1;
    if (!blob->sealed)
        return pk_fail(err, -EAGAIN, "the blob is not sealed");
    if (blob->sum.is_set == 0)
        return pk_fail(err, -EOPNOTSUPP, "no checksum was taken of this object (checksum = none)");
    int32_t rc = fs_blob_open(blob, &fd, err);
    if (rc != 0)
        return rc;
    fs_blob_path(blob, path);
    rc = checksum_file(fd, path, blob->size, &sum, err);
    if (rc == 0 && memcmp(&sum, &blob->sum.sum, sizeof(sum)) != 0)
        return pk_fail(err, -EIO, "%s: is not what was sealed: its checksum is wrong", path);
    return rc;
}
