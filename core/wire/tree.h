/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is rare and jansson's to do: words for what is wrong with JSON, names compared where there
 * are many, reals, and values in their shortest form. Private to core/wire.
 */
#ifndef PK_WIRE_TREE_H
#define PK_WIRE_TREE_H

#include <jansson.h>
#include <packice/types.h>
#include <stddef.h>

/* Whether text is one JSON object, nested PK_WIRE_DEPTH_MAX levels at most, no member twice,
 * nothing but white space around it. 0; code, with the place where it isn't; -ENOMEM. */
int32_t pk_wire_tree_check(const char *text, size_t size, int32_t code, struct pk_error *err);

/* Whether text, which is one JSON value, has no member twice. 0; -EINVAL; -ENOMEM. */
int32_t pk_wire_tree_unique(const char *text, size_t size);

/* The number that JSON text says. 0; -EINVAL, also if it is too large; -ENOMEM. */
int32_t pk_wire_tree_real(const char *text, size_t size, double *ret_value);

/* The shortest text of what JSON text says, malloc'd: without space, each real in the fewest digits
 * that read back as the same number. Recurses: for text that was checked. NULL without memory. */
char *pk_wire_tree_compact(const char *text, size_t size);

/* That of a tree, to which the reference is dropped; NULL is fine, and gives NULL. */
char *pk_wire_tree_text(json_t *value);

#endif
