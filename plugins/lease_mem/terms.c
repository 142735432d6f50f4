/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of options, and the arithmetic of times to live. Keeps no state.
 */
#include "terms.h"

#include <errno.h>

enum { DEFAULT_TTL, MAX_TTL, MAX_LEASES };

const struct pk_option lease_terms_options[LEASE_TERMS_OPTIONS] = {
    [DEFAULT_TTL] = { .type = PK_OPTION_DURATION,
                      .name = "default_ttl",
                      .value = "60s",
                      .help = "How long a lease lives if its caller doesn't say" },
    [MAX_TTL] = { .type = PK_OPTION_DURATION,
                  .name = "max_ttl",
                  .value = "1d",
                  .help = "The longest that a lease may live; longer ones are cut to it" },
    [MAX_LEASES] = { .type = PK_OPTION_INT,
                     .name = "max_leases",
                     .value = "1000000",
                     .help = "Leases that may live at once; more are refused as busy" },
};

int32_t
lease_terms_from(const struct pk_conf *conf, struct lease_terms *ret_terms, struct pk_error *err)
{
    const struct lease_terms terms = {
        .default_ttl = pk_conf_at(conf, DEFAULT_TTL)->number,
        .max_ttl = pk_conf_at(conf, MAX_TTL)->number,
        .max_leases = pk_conf_at(conf, MAX_LEASES)->number,
    };
    if (terms.default_ttl == 0)
        return pk_fail(err, -EINVAL, "default_ttl must be longer than 0");
    if (terms.max_ttl < terms.default_ttl)
        return pk_fail(err, -EINVAL, "default_ttl must not be longer than max_ttl");
    if (terms.max_leases == 0)
        return pk_fail(err, -EINVAL, "max_leases must be more than 0");
    *ret_terms = terms;
    return 0;
}

uint64_t
lease_terms_ttl(const struct lease_terms *terms, uint64_t ttl)
{
    if (ttl == 0)
        return terms->default_ttl;
    if (ttl == PK_FOREVER)
        return ttl;
    return ttl < terms->max_ttl ? ttl : terms->max_ttl;
}

uint64_t
lease_terms_end(uint64_t now, uint64_t ttl)
{
    if (ttl == PK_FOREVER)
        return PK_FOREVER;
    return ttl < PK_FOREVER - now ? now + ttl : PK_FOREVER - 1;
}
