/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The terms on which leases are granted: the plugin's options, and what they make of a wish.
 */
#ifndef LEASE_MEM_TERMS_H
#define LEASE_MEM_TERMS_H

#include <packice/plugin.h>

struct lease_terms {
    uint64_t default_ttl; /* nanoseconds, as is the next */
    uint64_t max_ttl;
    uint64_t max_leases;
};

#define LEASE_TERMS_OPTIONS 3U
extern const struct pk_option lease_terms_options[LEASE_TERMS_OPTIONS];

/* -EINVAL: the options don't go together. */
int32_t lease_terms_from(const struct pk_conf *conf, struct lease_terms *ret_terms,
                         struct pk_error *err);

/* How long a lease may live for which `ttl` was asked: 0 asks for the default, PK_FOREVER is always
 * granted. */
uint64_t lease_terms_ttl(const struct lease_terms *terms, uint64_t ttl);

/* When a lease that begins now ends. */
uint64_t lease_terms_end(uint64_t now, uint64_t ttl);

#endif
