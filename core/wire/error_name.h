/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The protocol's names for errors, and the errnos behind them (the table in <packice/types.h>).
 */
#ifndef PK_WIRE_ERROR_NAME_H
#define PK_WIRE_ERROR_NAME_H

#include <stdint.h>

/* The protocol's name for a negative errno ("not_found"), "internal" for those without one. */
const char *pk_wire_error_name(int32_t code);

/* The negative errno for a name; -EPROTO for "internal" and for a name that is not known. */
int32_t pk_wire_error_code(const char *name);

#endif
