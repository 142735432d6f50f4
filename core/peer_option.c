/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The option table of section [peer], and its values as the peer takes them.
 */
#include "core/peer.h"

#include <errno.h>

enum {
    OPTION_CAPACITY,
    OPTION_MAX_OBJECT,
    OPTION_MAX_OBJECTS,
    OPTION_EVICT,
    OPTION_MAX_CALLS,
    OPTION_MAX_SESSIONS,
    OPTION_UNSIZED,
    OPTION_SAMPLE,
};

static const struct pk_option options[] = {
    [OPTION_CAPACITY] = { .type = PK_OPTION_SIZE,
                          .name = "capacity",
                          .help =
                              "bytes that all objects together may hold or reserve; without it, "
                              "what the storage has" },
    [OPTION_MAX_OBJECT] = { .type = PK_OPTION_SIZE,
                            .name = "max_object",
                            .help = "bytes of one object; without it, the capacity" },
    [OPTION_MAX_OBJECTS] = { .type = PK_OPTION_INT,
                             .name = "max_objects",
                             .value = "10000000",
                             .help = "objects held at once" },
    [OPTION_EVICT] = { .type = PK_OPTION_CHOICE,
                       .name = "evict",
                       .value = "none",
                       .values = "none|lru",
                       .help = "what goes when room is short: nothing, or the sealed objects that "
                               "nobody holds, least recently acquired first" },
    [OPTION_MAX_CALLS] = { .type = PK_OPTION_INT,
                           .name = "max_calls",
                           .value = "1024",
                           .help = "requests of one session under way at once, waits among them" },
    [OPTION_MAX_SESSIONS] = { .type = PK_OPTION_INT,
                              .name = "max_sessions",
                              .value = "65536",
                              .help = "sessions open at once" },
    [OPTION_UNSIZED] = { .type = PK_OPTION_BOOL,
                         .name = "unsized",
                         .value = "yes",
                         .help = "whether blobs may be created without naming their size" },
    [OPTION_SAMPLE] = { .type = PK_OPTION_DURATION,
                        .name = "sample",
                        .value = "100ms",
                        .help =
                            "time between two looks at blobs that grow while they are written" },
};

const struct pk_option_table pk_peer_option_table = {
    .options = options,
    .count = sizeof(options) / sizeof(options[0]),
    .stride = sizeof(options[0]),
};

static uint64_t
number_or_forever(const struct pk_conf *conf, uint32_t index)
{
    const struct pk_value *value = pk_conf_at(conf, index);
    return value->text != NULL ? value->number : PK_FOREVER;
}

void
pk_peer_options_from(const struct pk_conf *conf, struct pk_peer_options *ret_options)
{
    uint64_t sample = pk_conf_at(conf, OPTION_SAMPLE)->number;

    *ret_options = (struct pk_peer_options){
        .capacity = number_or_forever(conf, OPTION_CAPACITY),
        .max_object = number_or_forever(conf, OPTION_MAX_OBJECT),
        .max_objects = pk_conf_at(conf, OPTION_MAX_OBJECTS)->number,
        .max_calls = pk_conf_at(conf, OPTION_MAX_CALLS)->number,
        .max_sessions = pk_conf_at(conf, OPTION_MAX_SESSIONS)->number,
        .sample = sample > 1000000U ? sample : 1000000U, /* no busy loop, whatever is asked */
        .evict = pk_conf_at(conf, OPTION_EVICT)->number != 0,
        .unsized = pk_conf_at(conf, OPTION_UNSIZED)->number != 0,
    };
}

int32_t
pk_peer_options_check(const struct pk_peer_options *wanted, struct pk_error *err)
{
    if (wanted->evict && wanted->capacity == PK_FOREVER)
        return pk_fail(err, -EINVAL, "lru: needs a capacity, beyond which objects are evicted");
    return 0;
}
