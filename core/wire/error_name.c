/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Error names, both ways; the names themselves are pk_result_name's.
 */
#include "core/wire/error_name.h"

#include <errno.h>
#include <packice/types.h>
#include <stddef.h>
#include <string.h>

/* All that have a name of their own. */
static const int32_t codes[] = {
    -EINVAL, -ENOENT, -EEXIST, -EAGAIN,       -ESTALE,     -EACCES,    -EBUSY,
    -ENOSPC, -EFBIG,  -EIO,    -EKEYREJECTED, -EOPNOTSUPP, -ETIMEDOUT,
};

const char *
pk_wire_error_name(int32_t code)
{
    return pk_result_name(code == 0 ? -EPROTO : code);
}

int32_t
pk_wire_error_code(const char *name)
{
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (strcmp(pk_result_name(codes[i]), name) == 0)
            return codes[i];
    }
    return -EPROTO;
}
