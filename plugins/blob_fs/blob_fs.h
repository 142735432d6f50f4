/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an instance is made of, and what one blob knows of itself. Shared by the files of this
 * plugin that need both.
 */
#ifndef BLOB_FS_H
#define BLOB_FS_H

#include "making.h"
#include "manifest.h"
#include "name.h"
#include "root.h"
#include "watch.h"

#include <packice/blob.h>

struct blob_fs {
    const struct pk_host *host;
    struct fs_root root;
    struct fs_makings makings;
    struct fs_watch watch;      /* of shared instances */
    _Atomic uint64_t creating;  /* blobs that are not sealed */
    _Atomic uint64_t set_aside; /* damaged manifests */
    _Atomic uint64_t foreign;   /* files that are none of ours */
};

/* One blob. Its data stands at one path from its creation until it is removed. */
struct fs_blob {
    struct blob_fs *fs;
    struct fs_making *making; /* until it is published; NULL for what was found */
    struct fs_data data;
    uint32_t count; /* of its object's blobs; 0 until published */
    int file;       /* until published: open from its creation on, so that no write error escapes
                       it; else -1 */
    int writer;     /* until sealed: opened when the node itself writes; else -1 */
    bool sealed;
    uint64_t size; /* PK_UNSIZED until sealed, if made without one */
    struct fs_sum sum;
};

/* "objects/XX/FILE" of a blob's data, for messages and, behind the root's path, for handles. */
#define BLOB_PATH_SIZE (NAME_FOLDER_SIZE + NAME_FILE_SIZE)
void fs_blob_path(const struct fs_blob *blob, char *ret_path);

/* A blob of a published object. NULL: out of memory. */
struct fs_blob *fs_blob_found(struct blob_fs *fs, const struct fs_data *data, uint32_t count,
                              uint64_t size, const struct fs_sum *sum);

/* Blob `index` of an object in the making, which has no file yet. */
int32_t fs_blob_begin(struct blob_fs *fs, const struct pk_key *key, uint32_t index, uint64_t size,
                      struct fs_blob **ret_blob, struct pk_error *err);

/* Makes its file in the open folder, with the group and mode that it is to have, and opens it for
 * reading and writing. */
int32_t fs_blob_make_file(const struct fs_blob *blob, int folder, mode_t mode, int *ret_fd,
                          struct pk_error *err);

/* The descriptor becomes blob->file. -EBUSY: it is one of the last, which are kept for readers. */
int32_t fs_blob_keep_file(struct fs_blob *blob, int fd, struct pk_error *err);

/* From now on it is sealed. */
void fs_blob_set_sealed(struct fs_blob *blob, uint64_t size, const struct fs_sum *sum);

/* Opens the data of a sealed blob, read-only. -ENOENT: it was taken away; -EIO: it is not what was
 * sealed. */
int32_t fs_blob_open(const struct fs_blob *blob, int *ret_fd, struct pk_error *err);

/* Opens another writer of a blob that is not sealed. */
int32_t fs_blob_open_writer(const struct fs_blob *blob, int *ret_fd, struct pk_error *err);

/* The slots of the table, by the file that holds them. */

/* blob.c */
int32_t fs_create(void *instance, const struct pk_key *key, uint32_t index, uint64_t size,
                  void **ret_blob, struct pk_error *err);
int32_t fs_size(void *opaque, uint64_t *ret_size, struct pk_error *err);
int32_t fs_handle(void *opaque, uint32_t access, pk_handle_emit_fn *emit, void *arg,
                  struct pk_error *err);
void fs_free(void *opaque);
int32_t fs_remove(void *opaque, struct pk_error *err);
/* put.c */
int32_t fs_put(void *instance, const struct pk_key *key, uint32_t index, const void *data,
               uint64_t size, void **ret_blob, struct pk_error *err);
/* data.c */
int32_t fs_read(void *opaque, uint64_t offset, void *data, uint64_t size, uint64_t *ret_size,
                struct pk_error *err);
int32_t fs_write(void *opaque, uint64_t offset, const void *data, uint64_t size,
                 struct pk_error *err);
int32_t fs_verify(void *opaque, struct pk_error *err);
/* seal.c */
int32_t fs_seal(void *opaque, uint64_t want, struct pk_error *err);
/* publish.c */
int32_t fs_publish(void *instance, const struct pk_manifest *manifest, void *const *blobs,
                   struct pk_error *err);
int32_t fs_unpublish(void *instance, const struct pk_key *key, struct pk_error *err);
/* lookup.c */
int32_t fs_lookup(void *instance, const char *object_id, pk_blob_emit_fn *emit, void *arg,
                  struct pk_error *err);
/* recover.c */
int32_t fs_recover(void *instance, pk_blob_emit_fn *emit, void *arg, struct pk_error *err);

#endif
