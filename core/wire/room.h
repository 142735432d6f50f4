/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that a caller lends to what is decoded, until that is freed, so that so much need not be
 * allocated anew for every message. One thread at a time.
 */
#ifndef PK_WIRE_ROOM_H
#define PK_WIRE_ROOM_H

#include <stdbool.h>
#include <stddef.h>

/* What does not fit in, or comes while it is used, is allocated. */
struct pk_wire_room {
    void *memory; /* aligned for anything; the caller's */
    size_t size;  /* bytes */
    bool used;    /* something decoded lies in it */
};

#endif
