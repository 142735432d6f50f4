/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of this plugin share: an instance, the blob that it wraps around each of its
 * child's, and the slots. Contracts are those of <packice/blob.h>; what fails before the child is
 * called leaves the child as it was.
 */
#ifndef BLOB_FAULT_H
#define BLOB_FAULT_H

#include "plan.h"

struct blob_fault {
    struct fault_plan plan;
    struct pk_blob_ops child; /* absent slots NULL */
    void *instance;           /* the child's */
};

struct blob_fault_blob {
    struct blob_fault *fault;
    void *child;
};

/* NULL: no memory. */
struct blob_fault_blob *blob_fault_wrap(struct blob_fault *fault, void *child);

/* ---- blob.c ---- */

int32_t blob_fault_create(void *instance, const struct pk_key *key, uint32_t index, uint64_t size,
                          void **ret_blob, struct pk_error *err);
int32_t blob_fault_read(void *opaque, uint64_t offset, void *data, uint64_t size,
                        uint64_t *ret_size, struct pk_error *err);
int32_t blob_fault_write(void *opaque, uint64_t offset, const void *data, uint64_t size,
                         struct pk_error *err);
int32_t blob_fault_size(void *opaque, uint64_t *ret_size, struct pk_error *err);
int32_t blob_fault_seal(void *opaque, uint64_t size, struct pk_error *err);
int32_t blob_fault_handle(void *opaque, uint32_t access, pk_handle_emit_fn *emit, void *arg,
                          struct pk_error *err);
void blob_fault_free(void *opaque);
int32_t blob_fault_remove(void *opaque, struct pk_error *err);
int32_t blob_fault_export(void *opaque, pk_handle_emit_fn *emit, void *arg, struct pk_error *err);
int32_t blob_fault_adopt(void *instance, const struct pk_key *key, uint32_t index,
                         const struct pk_handle *handle, void **ret_blob, struct pk_error *err);
int32_t blob_fault_verify(void *opaque, struct pk_error *err);
int32_t blob_fault_put(void *instance, const struct pk_key *key, uint32_t index, const void *data,
                       uint64_t size, void **ret_blob, struct pk_error *err);
const void *blob_fault_bytes(void *opaque);
int32_t blob_fault_share(void *opaque, pk_handle_emit_fn *emit, void *arg, struct pk_error *err);

/* ---- object.c ---- */

int32_t blob_fault_publish(void *instance, const struct pk_manifest *manifest, void *const *blobs,
                           struct pk_error *err);
int32_t blob_fault_unpublish(void *instance, const struct pk_key *key, struct pk_error *err);
int32_t blob_fault_lookup(void *instance, const char *object_id, pk_blob_emit_fn *emit, void *arg,
                          struct pk_error *err);
int32_t blob_fault_recover(void *instance, pk_blob_emit_fn *emit, void *arg, struct pk_error *err);
int32_t blob_fault_evict(void *instance, const struct pk_key *key, struct pk_error *err);

#endif
