/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding what is published under an id: one file is read, whatever else is there. It opens no
 * data.
 */
#include "blob_fs.h"
#include "disk.h"
#include "standing.h"

#include <errno.h>
#include <packice/cleanup.h>
#include <string.h>

static int32_t
make_blobs(struct blob_fs *fs, const struct fs_name *name, const struct fs_manifest *manifest,
           void **blobs, struct pk_error *err)
{
    struct fs_data data = { .hash = name->hash,
                            .epoch = manifest->epoch,
                            .token = manifest->token };
    for (data.index = 0; data.index < manifest->blob_count; data.index++) {
        blobs[data.index] = fs_blob_found(fs, &data, manifest->blob_count,
                                          manifest->sizes[data.index], &manifest->sums[data.index]);
        if (blobs[data.index] != NULL)
            continue;
        while (data.index > 0)
            fs_free(blobs[--data.index]);
        return pk_fail(err, -ENOMEM, "out of memory");
    }
    return 0;
}

int32_t
fs_lookup(void *instance, const char *object_id, pk_blob_emit_fn *emit, void *arg,
          struct pk_error *err)
{
    struct blob_fs *fs = instance;
    struct fs_manifest *manifest = NULL;
    struct fs_name name;
    void *blobs[PK_BLOBS_MAX];
    pk_autoclose int folder = -1;
    if (name_from_id(object_id, &name) != 0)
        return pk_fail(err, -ENOENT, "no such object");
    int32_t rc = root_folder(&fs->root, name.hash, &folder, err);
    if (rc == 0)
        rc = standing_read_whole(fs, folder, &name, &manifest, err);
    if (rc != 0)
        return rc;
    if (strcmp(manifest->id, object_id) != 0)
        rc = pk_fail(err, -ENOENT, "another object is published under this name");
    else
        rc = make_blobs(fs, &name, manifest, blobs, err);
    if (rc == 0) {
        const struct pk_manifest view = manifest_view(manifest);
        const struct pk_blob_found found = {
            .struct_size = sizeof(found),
            .manifest = &view,
            .blobs = blobs,
        };
        emit(arg, &found);
        watch_expect(&fs->watch, &name, manifest);
    }
    manifest_free(manifest);
    return rc;
}
