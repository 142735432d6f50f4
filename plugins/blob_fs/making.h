/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects in the making: each has a claim, which goes with the last of its blobs or when it is
 * published. Keeps no bytes.
 */
#ifndef BLOB_FS_MAKING_H
#define BLOB_FS_MAKING_H

#include "name.h"
#include "root.h"

#include <pthread.h>

struct fs_making;

struct fs_makings {
    struct fs_root *root;
    pthread_mutex_t lock;
    struct fs_making *table; /* by name */
};

void makings_init(struct fs_makings *makings, struct fs_root *root);
/* Nothing is in the making any more. */
void makings_finish(struct fs_makings *makings);

/* The object of which blob `index` is made now; for the first one its name is claimed. To be given
 * back by making_drop. Errors as claim_take; -EEXIST also: another node has published under the
 * name; -EINVAL: the blobs before are not there. */
int32_t making_take(struct fs_makings *makings, const struct pk_key *key, uint32_t index,
                    struct fs_making **ret_making, struct pk_error *err);

/* One blob less. With the last one the claim goes back, unless it is to stay for recovery. */
void making_drop(struct fs_makings *makings, struct fs_making *making, bool give_back);

/* Was its name claimed for another epoch since? */
bool making_is_over(struct fs_makings *makings, const struct fs_making *making);

/* Once a sync failed, the kernel may have dropped what it could not write, and a second one would
 * not tell: the object can't be published any more. */
void making_break(struct fs_making *making);
bool making_is_broken(const struct fs_making *making);

const struct fs_name *making_name(const struct fs_making *making);

#endif
