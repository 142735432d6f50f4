/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The names of the protocol's members, as numbers. Private to core/wire.
 */
#ifndef PK_WIRE_NAME_H
#define PK_WIRE_NAME_H

#include <stddef.h>
#include <stdint.h>

/* All of them, each as its constant and its text. Their order is the protocol's: it numbers them in
 * the binary notation (docs/protocol.md has the list), so new ones come last. */
#define PK_WIRE_NAMES(X) \
    X(PK_NAME_TAG, "tag") \
    X(PK_NAME_DATA, "data") \
    X(PK_NAME_FDS, "fds") \
    X(PK_NAME_RELEASES, "releases") \
    X(PK_NAME_COMMAND, "command") \
    X(PK_NAME_OBJECT_ID, "object_id") \
    X(PK_NAME_LEASE_ID, "lease_id") \
    X(PK_NAME_INTENT, "intent") \
    X(PK_NAME_TTL_SECONDS, "ttl_seconds") \
    X(PK_NAME_BIND, "bind") \
    X(PK_NAME_REQUEST_ID, "request_id") \
    X(PK_NAME_BLOBS, "blobs") \
    X(PK_NAME_SIZES, "sizes") \
    X(PK_NAME_META, "meta") \
    X(PK_NAME_OBJECT_TTL_SECONDS, "object_ttl_seconds") \
    X(PK_NAME_WAIT_SECONDS, "wait_seconds") \
    X(PK_NAME_INLINE_MAX, "inline_max") \
    X(PK_NAME_PREFIX, "prefix") \
    X(PK_NAME_LIMIT, "limit") \
    X(PK_NAME_CURSOR, "cursor") \
    X(PK_NAME_REQUESTS, "requests") \
    X(PK_NAME_STATUS, "status") \
    X(PK_NAME_ERROR, "error") \
    X(PK_NAME_MESSAGE, "message") \
    X(PK_NAME_EPOCH, "epoch") \
    X(PK_NAME_STATE, "state") \
    X(PK_NAME_KIND, "kind") \
    X(PK_NAME_SIZE, "size") \
    X(PK_NAME_OFFSET, "offset") \
    X(PK_NAME_FD, "fd") \
    X(PK_NAME_PATH, "path") \
    X(PK_NAME_URL, "url") \
    X(PK_NAME_EXPIRES_AT, "expires_at") \
    X(PK_NAME_CREATED_AT, "created_at") \
    X(PK_NAME_SEALED_AT, "sealed_at") \
    X(PK_NAME_OWNER, "owner") \
    X(PK_NAME_UID, "uid") \
    X(PK_NAME_NAME, "name") \
    X(PK_NAME_BYTES, "bytes") \
    X(PK_NAME_OBJECTS, "objects") \
    X(PK_NAME_STATS, "stats") \
    X(PK_NAME_REPLIES, "replies") \
    X(PK_NAME_HANDLES, "handles") \
    X(PK_NAME_BINARY, "binary") \
    X(PK_NAME_KNOWN_EPOCH, "known_epoch") \
    X(PK_NAME_SHARED, "shared")

#define PK_WIRE_NAME_CONSTANT(constant, text) constant,
enum pk_wire_name {
    PK_NAME_NONE, /* none of the protocol's */
    PK_WIRE_NAMES(PK_WIRE_NAME_CONSTANT) PK_NAME_COUNT
};
#undef PK_WIRE_NAME_CONSTANT

_Static_assert(PK_NAME_COUNT <= 64, "a bit for each name");

/* A name as it is written: in quotes, a colon behind it. */
struct pk_wire_written_name {
    char text[24]; /* the same size for all, so that copying it takes few instructions */
    uint8_t size;
};
extern const struct pk_wire_written_name pk_wire_written_names[PK_NAME_COUNT];

/* The number of a name, of its own bytes, without escapes. */
enum pk_wire_name pk_wire_name_find(const char *text, size_t size);

/* The text of a name. */
const char *pk_wire_name_text(enum pk_wire_name name);

#endif
