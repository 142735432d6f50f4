/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One blob as a lease reaches it: its descriptor, checked against what the peer claimed, its maps,
 * and its bytes. It asks no peer for anything.
 */
#ifndef PACKICE_SDK_BLOB_H
#define PACKICE_SDK_BLOB_H

#include "sdk/answer.h"
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct packice_map;

struct packice_held;

/* Part of what its leases hold. Its bytes are behind a descriptor, or came with the answer; of
 * those a descriptor is made when one is asked for. */
struct packice_blob {
    struct packice_held *held; /* what it is part of */
    pthread_rwlock_t lock;     /* guards what follows it; held for reading while bytes move */
    int fd;                    /* -1: shut, or not behind a descriptor */
    bool shut;                 /* the lease was about to seal: nothing goes through any more */
    bool came;                 /* its bytes came with the answer: they are not elsewhere */
    uint32_t mappers;          /* leases that gave out its map */
    struct packice_map *maps;
    const void *bytes; /* size of them, if they came */
    int spool;         /* remote, shut: what was written, to be sent; -1 = nothing */
    uint64_t offset;   /* where it begins behind fd */
    uint64_t size;     /* PK_UNSIZED: grows */
    bool writable;
    bool shared; /* the description behind fd is others' too: nobody reads where it stands */
    bool remote; /* its bytes are elsewhere: fd is a spool of them, or -1 until they came */
    char *path;  /* remote: where the peer says they are on its machine; NULL = nowhere */
    pthread_mutex_t moving; /* remote: held while they are on their way; guards sent */
    bool sent;              /* the peer has all of the spool */
};

/* Fills one of a handle of the answer that brought the rest, as packice_handle_take; also -ENOMEM.
 * To be finished, but not on failure. */
int32_t packice_blob_init(struct packice_blob *blob, struct packice_held *held, uint32_t index,
                          struct pk_error *err);
void packice_blob_finish(struct packice_blob *blob);

/* Drops all maps, and the descriptor (a spool is kept for the seal): every later use is -EACCES.
 * Waits for uses under way. mapped as below. */
void packice_blob_shut(struct packice_blob *blob, bool *mapped);

/* The bytes came: takes over the descriptor. */
void packice_blob_arrive(struct packice_blob *blob, int fd, uint64_t offset);
/* Whether it is still without them. */
bool packice_blob_is_missing(struct packice_blob *blob);

/* Drops the maps that a lease gave out, once each lease that did has dropped them. *mapped is the
 * lease's: whether it did; guarded by the blob. */
void packice_blob_unmap(struct packice_blob *blob, bool *mapped);
/* Drops all maps, where nobody else can map: with its last lease, also in a child of a fork. */
void packice_blob_drop_maps(struct packice_blob *blob);

/* Whether its bytes can be reached at all: the same errors as a map. */
int32_t packice_blob_check(struct packice_blob *blob, struct pk_error *err);

/* As the public calls of <packice/client.h>. */
int32_t packice_blob_size(struct packice_blob *blob, uint64_t *ret_size, struct pk_error *err);
int32_t packice_blob_fd(struct packice_blob *blob, int *ret_fd, struct pk_error *err);
int32_t packice_blob_write(struct packice_blob *blob, uint64_t offset, const void *data,
                           uint64_t size, struct pk_error *err);
int32_t packice_blob_read(struct packice_blob *blob, uint64_t offset, void *data, uint64_t size,
                          uint64_t *ret_size, struct pk_error *err);
int32_t packice_blob_map(struct packice_blob *blob, bool *mapped, void **ret_data,
                         uint64_t *ret_size, struct pk_error *err);

/* A stdio file on it, with a reference of its own. */
int32_t packice_blob_open(struct packice_blob *blob, FILE **ret_file, struct pk_error *err);

#endif
