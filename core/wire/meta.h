/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Meta as a member that is written. pk_wire_meta_compact, for those without a wire before their
 * peer, is in request.h. Private to core/wire.
 */
#ifndef PK_WIRE_META_H
#define PK_WIRE_META_H

#include "core/wire/member_out.h"

/* Puts "meta" from its text. -EINVAL: it is none, and nothing was put; -ENOMEM. */
int32_t pk_wire_meta_put(struct pk_wire_out *out, const char *text, struct pk_error *err);

#endif
