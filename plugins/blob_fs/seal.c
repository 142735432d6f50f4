/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The seal of one blob: nobody can open it for writing, nobody has it open, its size is the one
 * that was promised, and its bytes are on their way to the disk. What is sealed is not yet
 * published, and lasts only then.
 */
#include "blob_fs.h"
#include "checksum.h"
#include "disk.h"
#include "file_lease.h"

#include <errno.h>
#include <inttypes.h>
#include <packice/cleanup.h>
#include <sys/stat.h>

static int32_t
check_size(const struct fs_blob *blob, const char *path, uint64_t want, uint64_t *ret_size,
           struct pk_error *err)
{
    struct stat st;
    if (fstat(blob->file, &st) != 0)
        return disk_fail(err, errno, "%s: cannot be looked at", path);
    uint64_t size = (uint64_t)st.st_size;
    if (want == PK_UNSIZED)
        want = blob->size == PK_UNSIZED ? size : blob->size;
    if (size != want || (blob->size != PK_UNSIZED && blob->size != want))
        return pk_fail(err, -EINVAL, "the blob holds %" PRIu64 " bytes, not %" PRIu64, size, want);
    *ret_size = size;
    return 0;
}

static int32_t
set_mode(const struct fs_blob *blob, const char *path, mode_t mode, struct pk_error *err)
{
    if (fchmod(blob->file, mode) != 0)
        return disk_fail(err, errno, "%s: its mode cannot be changed", path);
    return 0;
}

/* Without write bits, and without a writer: first nobody can become one, then nobody is one. */
static int32_t
shut_out(struct fs_blob *blob, const char *path, struct pk_error *err)
{
    const struct fs_root *root = &blob->fs->root;
    struct pk_error ignored = PK_ERROR_INIT; /* the first failure is the one to tell */
    pk_cleanup_close(&blob->writer);
    blob->writer = -1;
    int32_t rc = set_mode(blob, path, root_sealed_mode(root), err);
    if (rc != 0 || !root->options.strict)
        return rc;
    rc = file_lease_prove(blob->file, path, err);
    if (rc != 0)
        (void)set_mode(blob, path, root->options.mode | 0600, &ignored);
    return rc;
}

static int32_t
send_ahead(struct fs_blob *blob, const char *path, struct pk_error *err)
{
    int error = root_start(&blob->fs->root, blob->file);
    if (error == 0)
        return 0;
    making_break(blob->making);
    return disk_fail(err, error, "%s: its bytes cannot be written out, it is not sealed", path);
}

/* Its size is looked at again when no writer is left: until then one could change it. */
int32_t
fs_seal(void *opaque, uint64_t want, struct pk_error *err)
{
    struct fs_blob *blob = opaque;
    struct fs_sum sum = { 0 };
    uint64_t size = 0;
    char path[BLOB_PATH_SIZE];
    if (blob->sealed && (want == PK_UNSIZED || want == blob->size))
        return 0;
    if (blob->sealed)
        return pk_fail(err, -EINVAL, "the blob is sealed at %" PRIu64 " bytes, not %" PRIu64,
                       blob->size, want);
    fs_blob_path(blob, path);
    if (making_is_broken(blob->making))
        return pk_fail(err, -EIO, "%s: bytes were lost, as a sync failed before", path);
    int32_t rc = check_size(blob, path, want, &size, err);
    if (rc == 0)
        rc = shut_out(blob, path, err);
    if (rc == 0)
        rc = check_size(blob, path, want, &size, err);
    if (rc == 0 && blob->fs->root.options.checksum)
        rc = checksum_file(blob->file, path, size, &sum.sum, err);
    if (rc == 0)
        rc = send_ahead(blob, path, err);
    if (rc != 0)
        return rc;
    sum.is_set = blob->fs->root.options.checksum;
    fs_blob_set_sealed(blob, size, &sum);
    return 0;
}
