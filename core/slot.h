/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the wrappers around slots share: a plugin's answer, before anybody believes it.
 */
#ifndef PK_SLOT_H
#define PK_SLOT_H

#include "core/instance.h"

#include <errno.h>
#include <string.h>

#define PK_ERRNO_MAX 4095 /* as in the kernel's own calls */

/* 0, or a negative errno with a message in err, whatever the slot returned and wrote. */
static inline int32_t
pk_slot_answer(const struct pk_instance *instance, int32_t rc, struct pk_error *err)
{
    const char *name = instance->module->plugin.name;

    if (rc == 0)
        return 0;
    if (rc > 0 || rc < -PK_ERRNO_MAX)
        return pk_fail(err, -EIO, "%s: returned %d, which is no error", name, rc);
    err->message[sizeof(err->message) - 1] = '\0';
    if (err->message[0] == '\0')
        return pk_fail(err, rc, "%s: %s", name, strerror(-rc));
    return rc;
}

#endif
