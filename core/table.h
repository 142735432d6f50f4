/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plugin's table, checked and copied: whatever version it was built with, the host goes on with
 * a copy in its own layout, in which what the plugin did not have is zero.
 */
#ifndef PK_TABLE_H
#define PK_TABLE_H

#include <packice/blob.h>
#include <packice/lease.h>
#include <packice/transport.h>

/* The host's copy. Its strings stay the plugin's. */
struct pk_table {
    struct pk_plugin plugin;   /* options and ops point to the copies below */
    struct pk_option *options; /* plugin.option_count, malloc'd */
    union {
        struct pk_blob_ops blob;
        struct pk_lease_ops lease;
        struct pk_transport_ops transport;
    } ops; /* by plugin.kind */
};

/* Checks all that `plugin` says and fills ret_table, whose options are the caller's to free. label:
 * begins all messages. 0, -ENOMEM, or -EINVAL with the first thing that is wrong. */
int32_t pk_table_copy(const struct pk_plugin *plugin, const char *label, struct pk_table *ret_table,
                      struct pk_error *err);

/* Takes the slots of a set (traits.absent: 1 << PK_BLOB_* each) from a copy of a blob factory's
 * table. -EINVAL: one that is left needs one that isn't; what is left is of no use then. */
int32_t pk_table_lack(struct pk_blob_ops *ops, uint64_t absent, const char *label,
                      struct pk_error *err);

/* Bytes of this host's ops for a kind; 0 for none that it knows. */
uint32_t pk_table_ops_size(uint32_t kind);

#endif
