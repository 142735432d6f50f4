/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slots of a blob factory that keeps nothing: for test plugins which must have them, in tests where
 * none is called. Each refuses and touches nothing.
 */
#ifndef TEST_EMPTY_BLOB_H
#define TEST_EMPTY_BLOB_H

#include <errno.h>
#include <packice/blob.h>

static inline int32_t
empty_blob_read(void *blob, uint64_t offset, void *data, uint64_t size, uint64_t *ret_size,
                struct pk_error *err)
{
    (void)blob;
    (void)offset;
    (void)data;
    (void)size;
    (void)ret_size;
    return pk_fail(err, -EOPNOTSUPP, "nothing is kept");
}

static inline int32_t
empty_blob_write(void *blob, uint64_t offset, const void *data, uint64_t size, struct pk_error *err)
{
    (void)blob;
    (void)offset;
    (void)data;
    (void)size;
    return pk_fail(err, -EOPNOTSUPP, "nothing is kept");
}

static inline int32_t
empty_blob_size(void *blob, uint64_t *ret_size, struct pk_error *err)
{
    (void)blob;
    (void)ret_size;
    return pk_fail(err, -EOPNOTSUPP, "nothing is kept");
}

static inline int32_t
empty_blob_seal(void *blob, uint64_t size, struct pk_error *err)
{
    (void)blob;
    (void)size;
    return pk_fail(err, -EOPNOTSUPP, "nothing is kept");
}

static inline int32_t
empty_blob_handle(void *blob, uint32_t access, pk_handle_emit_fn *emit, void *arg,
                  struct pk_error *err)
{
    (void)blob;
    (void)access;
    (void)emit;
    (void)arg;
    return pk_fail(err, -EOPNOTSUPP, "nothing is kept");
}

static inline void
empty_blob_free(void *blob)
{
    (void)blob;
}

static inline int32_t
empty_blob_remove(void *blob, struct pk_error *err)
{
    (void)blob;
    return pk_fail(err, -EOPNOTSUPP, "nothing is kept");
}

#define EMPTY_BLOB_SLOTS \
    .read = empty_blob_read, .write = empty_blob_write, .size = empty_blob_size, \
    .seal = empty_blob_seal, .handle = empty_blob_handle, .free = empty_blob_free, \
    .remove = empty_blob_remove

#endif
