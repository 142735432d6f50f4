/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a rule is: a sentence of a header, and a function that finds out whether a plugin keeps it.
 * The tables of rules, one a noun, are named here; the rules are in the file of that noun.
 */
#ifndef CONFORM_RULE_H
#define CONFORM_RULE_H

#include <stddef.h>
#include <stdint.h>

struct world;

/* What an instance must have for a rule to mean anything; it is skipped otherwise. */
#define NEEDS_MAY_BLOCK 1U
#define NEEDS_TRAITS 2U
#define NEEDS_STATS 4U
#define NEEDS_RELOAD 8U
#define NEEDS_PUBLISH 16U
#define NEEDS_RECOVER 32U
#define NEEDS_VERIFY 64U
#define NEEDS_DURABLE 128U /* what is published outlives the process */
#define NEEDS_SHARED 256U  /* several instances may stand on one storage */
#define NEEDS_UNSIZED 512U /* blobs without a size */
#define NEEDS_FD 1024U     /* handles are, or come with, descriptors */
#define NEEDS_FOLDER 2048U /* an option with a scratch folder in its value */
#define NEEDS_PLENTY 4096U /* descriptors for as many blobs as an object may have */
#define NEEDS_PUT 8192U
#define NEEDS_BYTES 16384U
#define NEEDS_ADOPT 32768U
#define NEEDS_SHARE 65536U

struct rule {
    const char *name;     /* "slot: what it does" */
    const char *sentence; /* of a header, as it stands there */
    uint32_t needs;       /* NEEDS_* */
    void (*run)(struct world *world);
};

/* The rules for one kind of plugin, in the order in which they are checked. */
struct rule_group {
    const struct rule *rules;
    size_t count;
};

#define RULE_GROUP(table) \
    { \
        table, sizeof(table) / sizeof((table)[0]) \
    }

extern const struct rule_group instance_rules;
extern const struct rule_group blob_traits_rules;
extern const struct rule_group blob_create_rules;
extern const struct rule_group blob_bytes_rules;
extern const struct rule_group blob_put_rules;
extern const struct rule_group blob_seal_rules;
extern const struct rule_group blob_sealed_rules;
extern const struct rule_group blob_handle_rules;
extern const struct rule_group blob_share_rules;
extern const struct rule_group blob_remove_rules;
extern const struct rule_group blob_thread_rules;
extern const struct rule_group blob_publish_rules;
extern const struct rule_group blob_lookup_rules;
extern const struct rule_group blob_recover_rules;
extern const struct rule_group lease_grant_rules;
extern const struct rule_group lease_claim_rules;
extern const struct rule_group lease_renew_rules;
extern const struct rule_group lease_end_rules;
extern const struct rule_group lease_expire_rules;
extern const struct rule_group lease_thread_rules;

#endif
