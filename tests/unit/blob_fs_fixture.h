/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of blob_fs share: instances over a folder of their own, short calls that must
 * succeed, and looks at what lies in the folder.
 */
#ifndef BLOB_FS_FIXTURE_H
#define BLOB_FS_FIXTURE_H

#include "fake_factory_host.h"

#include <check.h>
#include <packice/blob.h>
#include <stdbool.h>

const struct pk_plugin *blob_fs_entry(void);

#define ID "../a b/\xf0\x9f\xa7\x8a"
#define FILES_MAX 64

/* One node: an instance and its host. */
struct fs_node {
    struct fake_factory_host fake;
    const struct pk_blob_ops *ops;
    void *fs;
    struct pk_error err;
};

/* The folder of this test, made anew for each and removed after it; and how many descriptors were
 * open before. */
extern char fs_root[64];
void fs_setup(void);
void fs_teardown(void);

/* A node that is not opened yet, with the plugin's defaults, on fs_root. */
void fs_prepare(struct fs_node *node);
int32_t fs_try_open(struct fs_node *node);
void fs_open(struct fs_node *node);
void fs_open_shared(struct fs_node *node);
void fs_close(struct fs_node *node);

/* What a crash leaves: the child makes its steps and dies without closing anything. */
void fs_crash(void (*steps)(struct fs_node *node), bool shared);

int32_t fs_try_create(struct fs_node *node, const char *id, uint64_t epoch, uint32_t index,
                      uint64_t size, void **ret_blob);
void *fs_create_blob(struct fs_node *node, const char *id, uint64_t epoch, uint64_t size);
void fs_write_blob(struct fs_node *node, void *blob, const char *text);
/* Blob 0 of the object, of this text, by put. */
int32_t fs_try_put(struct fs_node *node, const char *id, uint64_t epoch, const char *text,
                   void **ret_blob);
void fs_seal_blob(struct fs_node *node, void *blob);
int32_t fs_try_publish(struct fs_node *node, const char *id, uint64_t epoch, uint64_t size,
                       void *blob);
/* Makes, writes, seals and publishes an object of one blob. */
void *fs_store(struct fs_node *node, const char *id, uint64_t epoch, const char *text);
/* The same, and forgets it. */
void fs_keep(struct fs_node *node, const char *id, uint64_t epoch, const char *text);

/* A descriptor of the blob, as a handle brings it; its path into PATH_MAX bytes, if wanted. */
int fs_fd(struct fs_node *node, void *blob, uint32_t access, char *ret_path);

/* What lookup emitted. */
struct fs_found {
    uint32_t count;
    uint64_t epoch;
    uint32_t blob_count;
    uint64_t size;
    char meta[64];
    struct pk_principal owner;
    void *blob; /* the first */
    void *more[PK_BLOBS_MAX];
};
int32_t fs_find(struct fs_node *node, const char *id, struct fs_found *ret_found);
void fs_forget(struct fs_node *node, struct fs_found *found);
/* The object is there with this text. */
void fs_assert_holds(struct fs_node *node, const char *id, uint64_t epoch, const char *text);
void fs_assert_missing(struct fs_node *node, const char *id);

/* How many objects recover emits. */
uint32_t fs_recover_all(struct fs_node *node);

/* Takes an object's name away, and its storage. */
void fs_discard(struct fs_node *node, const char *id, uint64_t epoch, void *blob);

/* Files beneath fs_root/part whose names hold `what` ("" for all). */
uint32_t fs_count(const char *part, const char *what);
/* The path of the one such file, into PATH_MAX bytes. */
void fs_path_of(const char *part, const char *what, char *ret_path);
void fs_write_file(const char *path, const char *text);

#endif
