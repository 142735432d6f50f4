/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of this plugin share: an instance, and a blob, whose bytes lie in a memory file,
 * or, small ones that came through the node, in the node's own memory until somebody asks for a
 * descriptor. Contracts are those of <packice/blob.h>.
 */
#ifndef BLOB_MEMFD_BLOB_H
#define BLOB_MEMFD_BLOB_H

#include <packice/blob.h>
#include <stdatomic.h>
#include <stdbool.h>

struct blob_memfd {
    const struct pk_host *host;
    uint32_t flags; /* of memfd_create(2) */
    _Atomic uint64_t blobs;
    _Atomic uint64_t files; /* memory files that are open for them */
    _Atomic uint64_t maps;
    _Atomic uint64_t bytes; /* of sized and of sealed blobs */
};

struct blob_memfd_blob {
    struct blob_memfd *factory;
    _Atomic int fd;     /* its memory file; -1 = there is none yet, and its bytes are `held` */
    atomic_bool shares; /* fd's description is open for reading alone, and others have it too */
    bool sealed;
    bool holds; /* its bytes are `held` */
    bool whole; /* every page of the file is there, now and later: once sealed it may be mapped */
    uint64_t size; /* PK_UNSIZED until sealed, if made without a size */
    void *_Atomic mapped;
    char held[]; /* of one that was put: sealed from the start */
};

/* A blob that is counted as one of so many bytes; of which room for `held` bytes is its own. fd:
 * its file, which becomes the blob's; -1 = none. NULL: out of memory, and the file is the
 * caller's. */
struct blob_memfd_blob *blob_memfd_new(struct blob_memfd *factory, int fd, uint64_t size,
                                       uint64_t held);
void blob_memfd_free(void *opaque);

/* ---- small.c ---- */

/* Copies bytes of one that is held. */
void blob_memfd_copy(const struct blob_memfd_blob *blob, uint64_t offset, void *data, uint64_t size,
                     uint64_t *ret_size);
/* A sealed file of these bytes, which nobody else knows. */
int32_t blob_memfd_file(const struct blob_memfd *factory, const void *data, uint64_t size,
                        int *ret_fd, struct pk_error *err);
int32_t blob_memfd_put(void *instance, const struct pk_key *key, uint32_t index, const void *data,
                       uint64_t size, void **ret_blob, struct pk_error *err);
const void *blob_memfd_bytes(void *opaque);

/* ---- reader.c ---- */

/* A descriptor to read a sealed blob, of a description of its own. One that is held gets a memory
 * file for that, which stays, unless descriptors are short. Errors: -EBUSY, -ENOSPC: then it is as
 * it was. */
int32_t blob_memfd_reader(struct blob_memfd_blob *blob, int *ret_fd, struct pk_error *err);
int32_t blob_memfd_share(void *opaque, pk_handle_emit_fn *emit, void *arg, struct pk_error *err);

/* ---- adopt.c ---- */

int32_t blob_memfd_adopt(void *instance, const struct pk_key *key, uint32_t index,
                         const struct pk_handle *handle, void **ret_blob, struct pk_error *err);

#endif
