/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options of public calls: structs of which the caller may know more or less than this build.
 */
#ifndef PACKICE_SDK_OPTIONS_H
#define PACKICE_SDK_OPTIONS_H

#include <packice/types.h>
#include <stddef.h>

/* Copies what the caller knows of a struct that begins with its size and its flags; `to` is all
 * zeroes. -EINVAL: there is none, or it does not say how large it is. */
int32_t packice_options_read(void *to, size_t to_size, const void *from, struct pk_error *err);

#endif
