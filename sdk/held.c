/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What leases hold, and where a get finds it again. It asks no peer for anything: whether a new
 * lease is on the same object is the peer's word.
 */
#include "sdk/held.h"
#include "sdk/process.h"
#include <assert.h>
#include <errno.h>
#include <packice/cleanup.h>
#include <string.h>

static int
compare(const struct packice_held *one, const struct packice_held *other)
{
    int order = strcmp(one->id, other->id);
    if (order != 0)
        return order;
    if (one->epoch != other->epoch)
        return one->epoch > other->epoch ? -1 : 1;
    return (one > other) - (one < other); /* two gets at once, neither of which knew the other */
}

RB_GENERATE_INTERNAL(packice_held_tree, packice_held, entry, compare,
                     __attribute__((unused)) static)

void
packice_holdings_init(struct packice_holdings *holdings)
{
    holdings->pid = packice_process();
    (void)pthread_mutex_init(&holdings->lock, NULL); /* can't fail with default attributes */
    RB_INIT(&holdings->tree);
    atomic_init(&holdings->count, 0);
}

void
packice_holdings_finish(struct packice_holdings *holdings)
{
    assert(RB_EMPTY(&holdings->tree));
    (void)pthread_mutex_destroy(&holdings->lock);
}

struct packice_held *
packice_holdings_join(struct packice_holdings *holdings, const char *id)
{
    struct packice_held key = { .id = id, .epoch = UINT64_MAX };
    if (atomic_load_explicit(&holdings->count, memory_order_relaxed) == 0)
        return NULL;
    (void)pthread_mutex_lock(&holdings->lock);
    struct packice_held *held = RB_NFIND(packice_held_tree, &holdings->tree, &key);
    if (held != NULL && strcmp(held->id, id) != 0)
        held = NULL;
    if (held != NULL)
        (void)packice_held_share(held);
    (void)pthread_mutex_unlock(&holdings->lock);
    return held;
}

/* Whether it is all behind descriptors that don't change any more. */
static bool
is_sharable(const struct packice_held *held)
{
    bool all = !held->writable && !held->answer->remote;
    for (uint32_t i = 0; all && i < held->blob_count; i++)
        all = held->blobs[i].fd >= 0;
    return all;
}

static void
list(struct packice_held *held)
{
    struct packice_holdings *holdings = held->holdings;
    held->listed = true;
    (void)pthread_mutex_lock(&holdings->lock);
    (void)RB_INSERT(packice_held_tree, &holdings->tree, held); /* no two have one address */
    (void)atomic_fetch_add_explicit(&holdings->count, 1, memory_order_relaxed);
    (void)pthread_mutex_unlock(&holdings->lock);
}

static void
unref(struct packice_held *held)
{
    if (atomic_fetch_sub(&held->refs, 1) != 1)
        return;
    for (uint32_t i = 0; i < held->blob_count; i++)
        packice_blob_finish(&held->blobs[i]);
    packice_answer_unref(held->answer);
    free(held);
}

int32_t
packice_held_new(struct packice_holdings *holdings, struct packice_answer *answer,
                 struct packice_held **ret_held, struct pk_error *err)
{
    const struct pk_reply *reply = &answer->reply;
    struct packice_held *held = malloc(sizeof(*held) + reply->blob_count * sizeof(held->blobs[0]));
    if (held == NULL)
        return pk_fail(err, -ENOMEM, "no memory for %u blobs", reply->blob_count);
    *held = (struct packice_held){ .holdings = holdings,
                                   .leases = 1,
                                   .refs = 1,
                                   .answer = packice_answer_ref(answer),
                                   .id = reply->object_id,
                                   .epoch = reply->epoch,
                                   .writable = reply->state == PK_STATE_CREATING };
    int32_t rc = 0;
    for (uint32_t i = 0; rc == 0 && i < reply->blob_count; i++) {
        rc = packice_blob_init(&held->blobs[i], held, i, err);
        held->blob_count += rc == 0;
    }
    if (rc != 0) {
        unref(held);
        return rc;
    }
    if (is_sharable(held))
        list(held);
    *ret_held = held;
    return 0;
}

int32_t
packice_held_check(const struct packice_held *held, const struct packice_answer *answer,
                   struct pk_error *err)
{
    const struct pk_reply *reply = &answer->reply;
    if (strcmp(reply->object_id, held->id) != 0 || reply->epoch != held->epoch)
        return pk_fail(err, -EPROTO, "the node says of another object that it was known");
    if (reply->blob_count != held->blob_count)
        return pk_fail(err, -EPROTO, "blobs: %u, of an object that had %u", reply->blob_count,
                       held->blob_count);
    for (uint32_t i = 0; i < held->blob_count; i++) {
        if (answer->handles[i].size != held->blobs[i].size)
            return pk_fail(err, -EPROTO, "blobs[%u].size: it was another one", i);
    }
    return 0;
}

struct packice_held *
packice_held_share(struct packice_held *held)
{
    (void)atomic_fetch_add_explicit(&held->leases, 1, memory_order_relaxed);
    return held;
}

/* Whether nobody is left; then nobody finds it any more either. */
static bool
leave(struct packice_held *held)
{
    struct packice_holdings *holdings = held->holdings;
    if (!held->listed || holdings->pid != packice_process()) /* it may be locked for ever there */
        return atomic_fetch_sub(&held->leases, 1) == 1;
    (void)pthread_mutex_lock(&holdings->lock);
    bool last = atomic_fetch_sub(&held->leases, 1) == 1;
    if (last) {
        (void)RB_REMOVE(packice_held_tree, &holdings->tree, held);
        (void)atomic_fetch_sub_explicit(&holdings->count, 1, memory_order_relaxed);
    }
    (void)pthread_mutex_unlock(&holdings->lock);
    return last;
}

void
packice_held_leave(struct packice_held *held)
{
    if (held == NULL || !leave(held))
        return;
    for (uint32_t i = 0; i < held->blob_count; i++)
        packice_blob_drop_maps(&held->blobs[i]); /* files that are open on them may live on */
    unref(held);
}

struct packice_blob *
packice_blob_ref(struct packice_blob *blob)
{
    (void)atomic_fetch_add_explicit(&blob->held->refs, 1, memory_order_relaxed);
    return blob;
}

void
packice_blob_unref(struct packice_blob *blob)
{
    unref(blob->held);
}
