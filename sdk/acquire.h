/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests for leases, made of the options of create and get.
 */
#ifndef PACKICE_SDK_ACQUIRE_H
#define PACKICE_SDK_ACQUIRE_H

#include "sdk/client.h"
#include <packice/types.h>

struct packice_acquire {
    struct pk_request request;  /* borrows from the options, and from meta */
    char *meta;                 /* in the form in which a node would keep it, or NULL */
    uint32_t flags;             /* PACKICE_UNBOUND, PACKICE_NO_RENEW */
    struct packice_held *known; /* what the client holds of the object; NULL = nothing */
};

/* Fill *acquire, to be finished also on failure. -EINVAL with the option at fault. */
int32_t packice_acquire_create(struct packice_acquire *acquire,
                               const struct packice_create_options *options, struct pk_error *err);
/* Bytes may come instead of a lease, if the options don't tell of a wish for one; and what the
 * client holds of the object need not come. */
int32_t packice_acquire_get(struct packice_acquire *acquire, packice_client *client,
                            const struct packice_get_options *options, struct pk_error *err);
void packice_acquire_finish(struct packice_acquire *acquire);

#endif
