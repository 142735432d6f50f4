/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The names of the protocol's members, as numbers. Private to core/wire.
 */
#ifndef PK_WIRE_NAME_H
#define PK_WIRE_NAME_H

#include <stddef.h>

enum pk_wire_name {
    PK_NAME_OTHER, /* any that is not the protocol's */
    PK_NAME_TAG,
    PK_NAME_DATA,
    PK_NAME_FDS,
    PK_NAME_RELEASES,
    PK_NAME_COMMAND,
    PK_NAME_OBJECT_ID,
    PK_NAME_LEASE_ID,
    PK_NAME_INTENT,
    PK_NAME_TTL_SECONDS,
    PK_NAME_BIND,
    PK_NAME_REQUEST_ID,
    PK_NAME_BLOBS,
    PK_NAME_SIZES,
    PK_NAME_META,
    PK_NAME_OBJECT_TTL_SECONDS,
    PK_NAME_WAIT_SECONDS,
    PK_NAME_INLINE_MAX,
    PK_NAME_PREFIX,
    PK_NAME_LIMIT,
    PK_NAME_CURSOR,
    PK_NAME_REQUESTS,
    PK_NAME_STATUS,
    PK_NAME_ERROR,
    PK_NAME_MESSAGE,
    PK_NAME_EPOCH,
    PK_NAME_STATE,
    PK_NAME_KIND,
    PK_NAME_SIZE,
    PK_NAME_OFFSET,
    PK_NAME_FD,
    PK_NAME_PATH,
    PK_NAME_URL,
    PK_NAME_EXPIRES_AT,
    PK_NAME_CREATED_AT,
    PK_NAME_SEALED_AT,
    PK_NAME_OWNER,
    PK_NAME_UID,
    PK_NAME_NAME,
    PK_NAME_BYTES,
    PK_NAME_OBJECTS,
    PK_NAME_STATS,
    PK_NAME_REPLIES,
    PK_NAME_COUNT
};

/* The number of a name, of its own bytes, without escapes. */
enum pk_wire_name pk_wire_name_find(const char *text, size_t size);

/* A name that is not PK_NAME_OTHER. */
const char *pk_wire_name_text(enum pk_wire_name name);

#endif
