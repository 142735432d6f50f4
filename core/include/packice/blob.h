/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of a blob factory: where bytes live. It keeps blobs for objects named by (id, epoch),
 * hands out handles to them, makes them immutable, and, where storage outlives the process or is
 * shared, publishes whole objects. It knows nothing of leases, sessions or capacity.
 */
#ifndef PACKICE_BLOB_H
#define PACKICE_BLOB_H

#include <packice/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Rules for every slot:
 *  - `instance` is what open returned. A `blob` is the factory's own pointer, not NULL, in use
 * until the host gives it to `free` or `remove`.
 *  - Two slots may run at once on different threads for different blobs, never for the same blob,
 *    and never for the same object id among create, put, adopt, seal, publish, unpublish and
 * lookup. `handle`, `share`, `read`, `bytes` and `verify` of one sealed blob are the exception: any
 * number at once. `free` and `remove` of one epoch's blobs may run while another epoch of the same
 * id is being made or looked up.
 *  - A slot for which may_block answered 0 runs on the thread of whoever asked, and must not wait
 *    for a device, a network or another thread. All others run on a worker of this instance, and
 * recover on a thread of its own.
 *  - No slot is called with a lock of the host held, and any slot may use the host table.
 *  - Returns 0 or a negative errno (types.h) with one line in err. On failure every ret_* is as it
 *    was, nothing was emitted, and nothing is left that the host would have to undo.
 *  - Pointers given to a slot are borrowed for the call. Descriptors that are emitted belong to the
 *    host.
 */

/* What may_block is asked about: one for each slot. */
#define PK_BLOB_CREATE 1U
#define PK_BLOB_READ 2U
#define PK_BLOB_WRITE 3U
#define PK_BLOB_SIZE 4U
#define PK_BLOB_SEAL 5U
#define PK_BLOB_HANDLE 6U
#define PK_BLOB_FREE 7U
#define PK_BLOB_REMOVE 8U
#define PK_BLOB_PUBLISH 9U
#define PK_BLOB_UNPUBLISH 10U
#define PK_BLOB_LOOKUP 11U
#define PK_BLOB_RECOVER 12U
#define PK_BLOB_EVICT 13U
#define PK_BLOB_EXPORT 14U
#define PK_BLOB_ADOPT 15U
#define PK_BLOB_VERIFY 16U
#define PK_BLOB_PUT 17U
#define PK_BLOB_BYTES 18U
#define PK_BLOB_SHARE 19U

/* What a factory says of itself. */
#define PK_BLOB_DURABLE 1U /* what is published outlives the process */
#define PK_BLOB_SHARED 2U  /* other nodes publish into the same storage */
#define PK_BLOB_CONDITIONAL \
    4U                   /* publish fails when a manifest stands or the claim is another's; \
                            without it the host refuses SHARED */
#define PK_BLOB_GROWS 8U /* who writes to a sized blob can make it larger: `size` tells */

struct pk_blob_traits {
    uint32_t struct_size;
    uint32_t flags;     /* PK_BLOB_DURABLE... */
    uint32_t blobs_max; /* blobs in one object; 0 = PK_BLOBS_MAX */
    uint32_t reserved;
    uint64_t poll_interval; /* nanoseconds between two looks for what others published, when this
                               factory can't call host->changed; 0 = it calls it */
    uint64_t absent;        /* optional slots of the table that this instance lacks all the same, a
                               bit 1 << PK_BLOB_* each: one made of a child can do what that can.
                               Slots that need each other are absent together, or the instance is
                               refused. They are NULL in the table that a parent gets */
};

/* A published object, as lookup and recover emit it. */
struct pk_blob_found {
    uint32_t struct_size;
    uint32_t reserved;
    const struct pk_manifest *manifest; /* borrowed for the call */
    void *const *blobs; /* manifest->blob_count sealed blobs, which now belong to the host; NULL
                           from recover: the host looks the object up when it is wanted */
};

typedef void pk_blob_emit_fn(void *arg, const struct pk_blob_found *found);
typedef void pk_handle_emit_fn(void *arg, const struct pk_handle *handle);

struct pk_blob_ops {
    uint32_t struct_size;
    uint32_t reserved;

    /* Makes an instance. The first call; on the thread that starts the node; may block. host and
     * conf stay valid until close returns. Errors: -EINVAL for options that don't go together,
     * or what the storage said. */
    int32_t (*open)(const struct pk_host *host, const struct pk_conf *conf, void **ret_instance,
                    struct pk_error *err);
    /* Ends it. The last call, once every blob was freed or removed; may block. What was published
     * stays published. */
    void (*close)(void *instance);
    /* May this operation (PK_BLOB_*) on so many bytes wait for anything? 0 or 1. bytes is the
     * blob's size, the object's for publish, 0 where none is known. Never blocks; any thread.
     * Optional: absent = always 1. */
    uint32_t (*may_block)(void *instance, uint32_t op, uint64_t bytes);
    /* Fills ret_traits. Never blocks; the same answer every time, from the end of open on: what is
     * absent there is looked at once, then. Optional: absent = all zero. */
    void (*traits)(void *instance, struct pk_blob_traits *ret_traits);

    /* Makes blob `index` of the object, empty to its reader, with room for size bytes, or growable
     * for PK_UNSIZED. The blobs of one object are made in order, from 0. Nothing of the object can
     * be looked up before publish. Errors: -ENOSPC (room for all of size is secured here, not
     * found missing at a write), -EFBIG, -EBUSY (out of descriptors or the like), -EOPNOTSUPP for
     * PK_UNSIZED. */
    int32_t (*create)(void *instance, const struct pk_key *key, uint32_t index, uint64_t size,
                      void **ret_blob, struct pk_error *err);
    /* Copies up to size bytes from offset. *ret_size is less only where the blob ends: 0 at or
     * behind its end. -ENOENT: as in handle. */
    int32_t (*read)(void *blob, uint64_t offset, void *data, uint64_t size, uint64_t *ret_size,
                    struct pk_error *err);
    /* Copies all size bytes to offset, or fails; a sized blob never grows. Errors: -EFBIG behind
     * the end of a sized blob, -EACCES when sealed, -ENOSPC. */
    int32_t (*write)(void *blob, uint64_t offset, const void *data, uint64_t size,
                     struct pk_error *err);
    /* How many bytes it holds just now; of a sized blob, its size. With GROWS, what a writer has
     * made of a sized blob, if that is more: it can't be sealed so, and counts all the same. */
    int32_t (*size)(void *blob, uint64_t *ret_size, struct pk_error *err);
    /* Makes it immutable against every process, at `size` bytes (PK_UNSIZED: at what it holds).
     * 0 when it is sealed already at that size. Errors: -EBUSY: a writer or a writable map is left,
     * nothing changed, may be tried again; -EINVAL: it can't be sealed at that size or at all, and
     * is of no more use; then the host removes the object. */
    int32_t (*seal)(void *blob, uint64_t size, struct pk_error *err);
    /* Emits one handle for access: CREATE of an unsealed blob, to write through; READ of a sealed
     * one. A descriptor is a new open file description: its offset is shared with nobody, and for
     * READ it is read-only. -ENOENT: the published object was taken away elsewhere. */
    int32_t (*handle)(void *blob, uint32_t access, pk_handle_emit_fn *emit, void *arg,
                      struct pk_error *err);
    /* Forgets the blob and closes what was open for it. What is published stays, what is not goes
     * by the host's call of remove, or by recover after a crash. */
    void (*free)(void *blob);
    /* Frees the blob and its storage, at once and without a trace: what others hold open stays
     * readable for them alone. A published object was unpublished before. On failure the blob is
     * gone for the host all the same, and what is left is the factory's to clean up (recover). */
    int32_t (*remove)(void *blob, struct pk_error *err);

    /* Makes the sealed object visible to lookup under its id, all or nothing, and for good before
     * it returns. Called once all its blobs are sealed. Errors: -ESTALE: the claim is another
     * epoch's, or a manifest stands under this id. Any error may be no more than a lost reply: the
     * host looks up whether this epoch is published after all, and unpublishes it if it gives the
     * object up before that is known. Optional: absent for storage that neither
     * outlives the process nor is shared; present, unpublish and lookup must be there too. */
    int32_t (*publish)(void *instance, const struct pk_manifest *manifest, void *const *blobs,
                       struct pk_error *err);
    /* Takes the name away, so that lookup no longer finds this epoch and another may publish under
     * the id; its blobs stay readable until they are removed. -ENOENT: not published, or another
     * epoch is. With publish. */
    int32_t (*unpublish)(void *instance, const struct pk_key *key, struct pk_error *err);
    /* Finds what is published under the id, and emits it once, opened. -ENOENT: nothing is; what
     * is damaged is not served. With publish. */
    int32_t (*lookup)(void *instance, const char *object_id, pk_blob_emit_fn *emit, void *arg,
                      struct pk_error *err);
    /* Clears what a crash left unpublished, and emits every published object, in any order, while
     * other slots run, unpublish among them. Called once, after open, on a thread of its own where
     * it may block; until it returns, lists wait, and nothing else does. -ECANCELED: it noticed
     * that host->stopping. Optional. */
    int32_t (*recover)(void *instance, pk_blob_emit_fn *emit, void *arg, struct pk_error *err);

    /* Moves the object, which nobody holds, to slower storage, still published: it counts for
     * nothing in the host's capacity until it is acquired again. Its blobs stay the host's, if it
     * has opened them. When room is short, least recently acquired first. -EAGAIN: not now; then,
     * and on any other error, the host goes on with the next. Optional: absent, the host removes
     * what must make room. */
    int32_t (*evict)(void *instance, const struct pk_key *key, struct pk_error *err);
    /* Emits a handle by which a successor process can take this sealed blob over. Optional; with
     * it, adopt must be there. */
    int32_t (*export_blob)(void *blob, pk_handle_emit_fn *emit, void *arg, struct pk_error *err);
    /* Takes over blob `index` of an object, sealed, with all the handle->size bytes that the handle
     * leads to: what a predecessor exported, or what a client made, whom nobody trusts. Its
     * descriptor now belongs to the factory, on failure too. Errors: -EINVAL: it is nothing that
     * can be taken over, it holds another number of bytes, or somebody could still change them; as
     * create. Optional. */
    int32_t (*adopt)(void *instance, const struct pk_key *key, uint32_t index,
                     const struct pk_handle *handle, void **ret_blob, struct pk_error *err);
    /* Takes new values for options that can change while running; all or none of them. -EINVAL
     * names one that can't. Files that options name are read again. On the thread that started the
     * node, beside other slots; may block. conf stays valid until the next call that succeeded has
     * returned, or close has. Optional: absent = options change at a restart. */
    int32_t (*reload)(void *instance, const struct pk_conf *conf, struct pk_error *err);
    /* Emits the instance's own figures. Never blocks; any thread. Optional. */
    void (*stats)(void *instance, void (*emit)(void *arg, const struct pk_stat *stat), void *arg);

    /* Reads the sealed blob whole and compares it with the checksum that was taken at its seal.
     * May run beside `handle`, `read` and itself. Errors: -EIO: it can't be read, or is not what
     * was sealed; -EOPNOTSUPP: no checksum was taken. Optional: absent = -EOPNOTSUPP. */
    int32_t (*verify)(void *blob, struct pk_error *err);

    /* Makes blob `index` of the object, of these bytes, and seals it: what create, write and seal
     * do, with their errors, where nobody else writes. Optional: absent = the three of them. */
    int32_t (*put)(void *instance, const struct pk_key *key, uint32_t index, const void *data,
                   uint64_t size, void **ret_blob, struct pk_error *err);
    /* Where the bytes of a sealed blob lie in this process, one behind the other, until it is given
     * to free or remove; NULL: they are to be had by `read` alone, or by nobody any more. Never
     * blocks. Optional: absent = NULL. */
    const void *(*bytes)(void *blob);
    /* Emits a handle for READ of a sealed blob, as `handle` does, for one who only maps what is
     * behind it and reads at offsets. So its descriptor may be a duplicate of what others have:
     * then the handle is PK_HANDLE_SHARED. Its description is read-only all the same, and was never
     * anybody's to write through. What may_block says of `handle` holds for it. Optional: absent =
     * handle. */
    int32_t (*share)(void *blob, pk_handle_emit_fn *emit, void *arg, struct pk_error *err);
};

#ifdef __cplusplus
}
#endif
#endif
