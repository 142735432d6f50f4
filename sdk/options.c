/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads versioned structs of callers. It knows none of them.
 */
#include "sdk/options.h"
#include <errno.h>
#include <string.h>

int32_t
packice_options_read(void *to, size_t to_size, const void *from, struct pk_error *err)
{
    if (from == NULL)
        return pk_fail(err, -EINVAL, "options: missing");
    uint32_t size;
    memcpy(&size, from, sizeof(size));
    if (size < 2 * sizeof(uint32_t))
        return pk_fail(err, -EINVAL, "options: struct_size is not set");
    memcpy(to, from, size < to_size ? size : to_size);
    return 0;
}
