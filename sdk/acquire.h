/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests for leases, made of the options of create and get.
 */
#ifndef PACKICE_SDK_ACQUIRE_H
#define PACKICE_SDK_ACQUIRE_H

#include <packice/client.h>
#include <packice/types.h>

struct packice_acquire {
    struct pk_request request; /* borrows from the options, and from meta */
    char *meta;                /* in the form in which a node would keep it, or NULL */
    uint32_t flags;            /* PACKICE_UNBOUND, PACKICE_NO_RENEW */
};

/* Fill *acquire, to be finished also on failure. -EINVAL with the option at fault. */
int32_t packice_acquire_create(struct packice_acquire *acquire,
                               const struct packice_create_options *options, struct pk_error *err);
/* inline_max: the client's; bytes that may come instead of a lease, if the options don't tell of a
 * wish for one. */
int32_t packice_acquire_get(struct packice_acquire *acquire, uint64_t inline_max,
                            const struct packice_get_options *options, struct pk_error *err);
void packice_acquire_finish(struct packice_acquire *acquire);

#endif
