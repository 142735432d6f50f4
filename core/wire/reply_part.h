/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts that replies are made of, as a client reads them. Return values are those of
 * member_in.h; what a part borrows lives in the reply's JSON. Private to core/wire.
 */
#ifndef PK_WIRE_REPLY_PART_H
#define PK_WIRE_REPLY_PART_H

#include "core/wire/member_in.h"
#include "core/wire/reply.h"

#define PK_WIRE_TEXT_MAX 65536U /* bytes of a path, a URL or an error's message */

/* A word as its number, which begins at 1, as all numbers of the ABI do; it must be there. */
int32_t pk_wire_read_word(const struct pk_wire_in *in, enum pk_wire_name name,
                          const char *const *words, size_t count, uint32_t *ret_number);

/* "state", which must be there. */
int32_t pk_wire_read_state(const struct pk_wire_in *in, uint32_t *ret_state);

/* "object_id" and "epoch", which must be there. */
int32_t pk_wire_read_key(const struct pk_wire_in *in, const char **ret_id, uint64_t *ret_epoch);

/* "blobs" of a lease, which must be there, as wire->handles; "handles" only repeats its paths. */
int32_t pk_wire_read_handles(const struct pk_wire_in *in, struct pk_wire_reply *wire);

/* "blobs" whose bytes come with the reply, likewise. */
int32_t pk_wire_read_inline(const struct pk_wire_in *in, struct pk_wire_reply *wire);

/* What verify tells: key, blobs, and its bytes as the size of what is sealed; object is zeroed. */
int32_t pk_wire_read_verified(const struct pk_wire_in *in, struct pk_object_info *object);

/* What stat and list have in common; object is zeroed. */
int32_t pk_wire_read_object(const struct pk_wire_in *in, struct pk_object_info *object);

#endif
