/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The steps that rules about blobs are made of. Each calls one slot and fails the rule when it does
 * not succeed; a rule that expects a failure calls the slot itself.
 */
#ifndef CONFORM_BLOB_CALL_H
#define CONFORM_BLOB_CALL_H

#include "conform/world.h"

#define BLOB_SIZE 5000U     /* of a blob that a rule makes where the size does not matter */
#define OBJECT_BLOBS_MAX 4U /* of an object here */

/* ---- one blob ---- */

/* Byte `offset` of the content called `seed`. */
uint8_t blob_byte(uint64_t seed, uint64_t offset);

void *blob_make(struct world *world, struct unit *unit, const struct pk_key *key, uint32_t index,
                uint64_t size);
/* Writes `size` bytes of the content from offset 0. */
void blob_fill(struct world *world, struct unit *unit, void *blob, uint64_t size, uint64_t seed);
void blob_seal(struct world *world, struct unit *unit, void *blob, uint64_t size);
/* The three of them, for blob 0. */
void *blob_sealed(struct world *world, struct unit *unit, const struct pk_key *key, uint64_t size,
                  uint64_t seed);
/* The same in one, for a factory that has `put`. */
void *blob_put(struct world *world, struct unit *unit, const struct pk_key *key, uint64_t size,
               uint64_t seed);
/* It holds exactly `size` bytes of the content, says `read`. what: which blob, for messages. */
void blob_expect(struct world *world, struct unit *unit, void *blob, uint64_t size, uint64_t seed,
                 const char *what);
uint64_t blob_size(struct world *world, struct unit *unit, void *blob);
void blob_remove(struct world *world, struct unit *unit, void *blob);

/* ---- handles ---- */

/* What `handle` emitted. The descriptor is the caller's; the text is a copy. */
struct handles {
    uint32_t count;
    struct pk_handle handle; /* the last */
    char text[4096];         /* "" for none */
};

/* For any slot that emits handles; arg is a struct handles. */
void handles_emit(void *arg, const struct pk_handle *handle);
struct handles blob_handles(struct world *world, struct unit *unit, void *blob, uint32_t access);
/* A descriptor of what the handle is for, which is the caller's; skips the rule where there is
 * none: a URL. *ret_offset (may be NULL): where the blob begins. */
int blob_descriptor(struct world *world, struct unit *unit, void *blob, uint32_t access,
                    uint64_t *ret_offset);
/* The descriptor holds these bytes there. */
void descriptor_expect(struct world *world, int fd, uint64_t offset, uint64_t size, uint64_t seed,
                       const char *what);

/* ---- an object ---- */

struct object {
    char id[PK_ID_MAX + 1];
    uint64_t sizes[OBJECT_BLOBS_MAX];
    void *blobs[OBJECT_BLOBS_MAX];
    struct pk_manifest manifest; /* its key, count, sizes, meta, times, owner */
};

/* Its blobs hold contents whose seeds are the epoch + index. */
void object_make(struct world *world, struct unit *unit, struct object *object, const char *name,
                 uint32_t blob_count);
/* Makes, seals and publishes it. */
void object_publish(struct world *world, struct unit *unit, struct object *object, const char *name,
                    uint32_t blob_count);
void object_free(struct unit *unit, const struct object *object);
void object_remove(struct world *world, struct unit *unit, const struct object *object);

/* What lookup and recover emitted under one id. */
struct found {
    const char *id; /* set by whoever asks; others are not counted */
    uint32_t count;
    bool opened; /* blobs came with it */
    struct pk_manifest manifest;
    char found_id[PK_ID_MAX + 1];
    uint64_t sizes[PK_BLOBS_MAX];
    void *blobs[PK_BLOBS_MAX]; /* the caller's */
    char meta[PK_META_MAX + 1];
};

/* Zero, and the caller's to free. */
struct found *found_new(struct world *world);
void found_emit(void *arg, const struct pk_blob_found *found);
/* Looks it up: 0, or what lookup returned. */
int32_t object_lookup(struct unit *unit, const char *id, struct found *ret_found,
                      struct pk_error *err);
/* Lookup finds it whole: its manifest, and its content. Frees what came. */
void object_expect(struct world *world, struct unit *unit, const struct object *object);
/* Lookup finds nothing: -ENOENT. */
void object_expect_none(struct world *world, struct unit *unit, const char *id, const char *when);

#endif
