/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of error names, both ways. It holds nothing else, so that the names have one home.
 */
#include "core/wire/error_name.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

static const struct {
    int32_t code;
    const char *name;
} error_names[] = {
    { -EINVAL, "invalid" },
    { -ENOENT, "not_found" },
    { -EEXIST, "exists" },
    { -EAGAIN, "not_sealed" },
    { -ESTALE, "lease_not_found" },
    { -EACCES, "access_denied" },
    { -EBUSY, "busy" },
    { -ENOSPC, "no_space" },
    { -EFBIG, "too_large" },
    { -EKEYREJECTED, "unauthorized" },
    { -EOPNOTSUPP, "unsupported" },
    { -ETIMEDOUT, "timeout" },
    { -EIO, "io" },
};

#define ERROR_NAME_COUNT (sizeof(error_names) / sizeof(error_names[0]))

const char *
pk_wire_error_name(int32_t code)
{
    for (size_t i = 0; i < ERROR_NAME_COUNT; i++) {
        if (error_names[i].code == code)
            return error_names[i].name;
    }
    return "internal";
}

int32_t
pk_wire_error_code(const char *name)
{
    for (size_t i = 0; i < ERROR_NAME_COUNT; i++) {
        if (strcmp(error_names[i].name, name) == 0)
            return error_names[i].code;
    }
    return -EPROTO;
}
