/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blob_memfd behind slots that may be told to block, that can publish, and that check what the host
 * promises about threads: no two slots at once for one blob or one object id, but for reading what
 * is sealed. Any number of threads; one instance at a time.
 */
#ifndef GUARDED_BLOBS_H
#define GUARDED_BLOBS_H

#include "core/instance.h"
#include <stdatomic.h>
#include <stdbool.h>

struct guarded_options {
    bool publishes;         /* what is sealed is published, and found by lookup */
    uint32_t block_percent; /* of the questions whether a slot may block */
};

/* What the guard counted; all zero at its start. */
struct guarded_counts {
    atomic_uint broken;   /* promises that were not kept */
    atomic_uint blobs;    /* handed out, and neither freed nor removed */
    atomic_uint contents; /* kept: by a blob, or because they are published */
    atomic_uint slots;    /* calls of any slot */
    atomic_uint blocking; /* questions answered with 1 */
};
extern struct guarded_counts guarded_counts;

/* Puts itself before the slots of an instance of blob_memfd. */
void guarded_blobs_start(struct pk_instance *instance, const struct guarded_options *options);
/* Whether a slot that may block, or may not: some do, in no order that could be told. */
uint32_t guarded_blobs_draw(uint32_t percent);
/* Forgets what is published; once the instance is not used any more. */
void guarded_blobs_finish(void);

#endif
