/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of blob_fault share: an instance over a child that has every slot, does next to
 * nothing in it, and counts: calls, blobs that live, blobs that were freed and removed.
 */
#ifndef BLOB_FAULT_FIXTURE_H
#define BLOB_FAULT_FIXTURE_H

#include "fake_factory_host.h"

#include <packice/blob.h>

#define FIXTURE_OPS (PK_BLOB_SHARE + 1U)
#define FIXTURE_RULES_MAX 70U
#define FIXTURE_FOUND 3U /* blobs of the one object that the child finds */

const struct pk_plugin *blob_fault_entry(void);

struct fixture {
    struct fake_factory_host fake;
    const struct pk_blob_ops *ops; /* of blob_fault */
    void *fault;
    struct pk_blob_ops child; /* what the child has; a test may take slots away before open */
    int32_t child_rc;         /* what its slots answer */
    uint32_t calls[FIXTURE_OPS];
    int64_t blobs;     /* that live */
    uint32_t emitting; /* in the midst of an emit of the child's, where none of its slots runs */
    uint32_t freed;
    uint32_t removed;
    uint64_t written; /* bytes of the last write */
    void *published[FIXTURE_FOUND];
    uint32_t blocks; /* what its may_block answers */
    const char *rules[FIXTURE_RULES_MAX];
    uint32_t opened; /* how often the child was */
    struct pk_error err;
};

void fixture_prepare(struct fixture *f);
/* Adds a rule. Before the open. */
void fixture_rule(struct fixture *f, const char *rule);
int32_t fixture_try_open(struct fixture *f);
/* Prepares, adds the rule (NULL: none) and opens. */
void fixture_open(struct fixture *f, const char *rule);
/* Closes, and checks that no blob is left in the child. */
void fixture_close(struct fixture *f);

/* Runs each operation on a new blob or object: what the slot answered, 0 for free. Whatever it made
 * is let go again, and its outputs are checked: set on success, untouched on failure. */
int32_t fixture_run(struct fixture *f, uint32_t op);

/* The figure of this name; UINT64_MAX if it isn't emitted. Fails if it is twice. */
uint64_t fixture_stat(struct fixture *f, const char *name);

#endif
