/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One wrapper for each slot of a blob factory, and nothing else calls a slot. A wrapper holds the
 * default of an absent optional slot and checks what comes back; contracts are those of
 * <packice/blob.h>.
 */
#ifndef PK_BLOB_H
#define PK_BLOB_H

#include "core/instance.h"
#include <stdbool.h>

/* Whether the operation must go to the instance's queue. */
bool pk_blob_may_block(const struct pk_instance *blob, uint32_t op, uint64_t bytes);
void pk_blob_traits(const struct pk_instance *blob, struct pk_blob_traits *ret_traits);
/* Whether published objects can be found in the storage, beside what this process made. */
bool pk_blob_publishes(const struct pk_instance *blob);
/* Whether there may be something to recover. */
bool pk_blob_recovers(const struct pk_instance *blob);

int32_t pk_blob_create(const struct pk_instance *blob, const struct pk_key *key, uint32_t index,
                       uint64_t size, void **ret_blob, struct pk_error *err);
int32_t pk_blob_read(const struct pk_instance *blob, void *bytes, uint64_t offset, void *data,
                     uint64_t size, uint64_t *ret_size, struct pk_error *err);
/* Whether a blob can be put in one. */
bool pk_blob_puts(const struct pk_instance *blob);
int32_t pk_blob_put(const struct pk_instance *blob, const struct pk_key *key, uint32_t index,
                    const void *data, uint64_t size, void **ret_blob, struct pk_error *err);
/* Whether blobs that others made can be taken over; one of them is, and its descriptor gone. */
bool pk_blob_adopts(const struct pk_instance *blob);
int32_t pk_blob_adopt(const struct pk_instance *blob, const struct pk_key *key, uint32_t index,
                      const struct pk_handle *handle, void **ret_blob, struct pk_error *err);
/* NULL: they are to be read. */
const void *pk_blob_bytes(const struct pk_instance *blob, void *bytes);
int32_t pk_blob_write(const struct pk_instance *blob, void *bytes, uint64_t offset,
                      const void *data, uint64_t size, struct pk_error *err);
int32_t pk_blob_size(const struct pk_instance *blob, void *bytes, uint64_t *ret_size,
                     struct pk_error *err);
int32_t pk_blob_seal(const struct pk_instance *blob, void *bytes, uint64_t size,
                     struct pk_error *err);
/* *ret_handle is the caller's: its descriptor, and its text, which is allocated. */
int32_t pk_blob_handle(const struct pk_instance *blob, void *bytes, uint32_t access,
                       struct pk_handle *ret_handle, struct pk_error *err);
/* The same of a sealed blob, for READ: PK_HANDLE_SHARED where the factory can. */
int32_t pk_blob_share(const struct pk_instance *blob, void *bytes, struct pk_handle *ret_handle,
                      struct pk_error *err);
void pk_blob_free(const struct pk_instance *blob, void *bytes);
int32_t pk_blob_remove(const struct pk_instance *blob, void *bytes, struct pk_error *err);

/* 0 where nothing needs publishing. */
int32_t pk_blob_publish(const struct pk_instance *blob, const struct pk_manifest *manifest,
                        void *const *blobs, struct pk_error *err);
int32_t pk_blob_unpublish(const struct pk_instance *blob, const struct pk_key *key,
                          struct pk_error *err);
/* -ENOENT where nothing is published ever. */
int32_t pk_blob_lookup(const struct pk_instance *blob, const char *object_id, pk_blob_emit_fn *emit,
                       void *arg, struct pk_error *err);
int32_t pk_blob_recover(const struct pk_instance *blob, pk_blob_emit_fn *emit, void *arg,
                        struct pk_error *err);
/* Whether there is slower storage that objects may be moved to. */
bool pk_blob_demotes(const struct pk_instance *blob);
/* Only where there is. */
int32_t pk_blob_evict(const struct pk_instance *blob, const struct pk_key *key,
                      struct pk_error *err);
/* -EOPNOTSUPP where no checksums are kept ever. */
int32_t pk_blob_verify(const struct pk_instance *blob, void *bytes, struct pk_error *err);
void pk_blob_stats(const struct pk_instance *blob,
                   void (*emit)(void *arg, const struct pk_stat *stat), void *arg);

/* Closes the descriptor of a handle, if it has one, and frees its text. */
void pk_handle_finish(struct pk_handle *handle);

#endif
