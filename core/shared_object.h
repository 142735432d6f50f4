/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A look at a file before the dynamic loader maps it: a file that is cut short would kill the
 * process with SIGBUS there, instead of failing.
 */
#ifndef PK_SHARED_OBJECT_H
#define PK_SHARED_OBJECT_H

#include <packice/types.h>

/* Whether file is a regular, readable and whole shared object for this machine. 0; -ENOENT, -EACCES
 * or what else the file said; -EINVAL: it isn't one. Messages begin with the file's name. */
int32_t pk_shared_object_check(const char *file, struct pk_error *err);

#endif
