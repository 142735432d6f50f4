/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names and randomness: which object ids are allowed, and where unguessable ones come from.
 */
#ifndef PK_ID_H
#define PK_ID_H

#include <packice/types.h>
#include <stddef.h>

/* 0, or -EINVAL with the reason: empty, over PK_ID_MAX bytes, not UTF-8 (RFC 3629: no surrogates,
 * no overlong forms), or with a control character (C0, DEL, C1). */
int32_t pk_id_check(const char *id, struct pk_error *err);
/* The same, and how many bytes it has. */
int32_t pk_id_measure(const char *id, size_t *ret_size, struct pk_error *err);

/* Fills buf from getrandom(2), read ahead into a buffer that is wiped in a forked child
 * (MADV_WIPEONFORK), so that no two processes give out the same bytes. Any thread. 0 or -EIO. */
int32_t pk_random(void *buf, size_t size);

/* A UUIDv4 (RFC 9562, section 5.4) in lower-case text form. 0 or -EIO. */
int32_t pk_uuid(char ret_text[PK_LEASE_ID_LEN + 1]);

#endif
