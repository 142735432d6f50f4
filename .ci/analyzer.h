/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Included before each file by ./dev tidy, and by nothing else. The analyzer does not look into
 * functions of variable arguments, and would take every failed call for one that may have worked.
 */
#ifndef PK_CI_ANALYZER_H
#define PK_CI_ANALYZER_H

#include "../core/include/packice/types.h"

#define pk_fail(err, code, ...) ((void)pk_fail((err), (code), __VA_ARGS__), (code))

#endif
