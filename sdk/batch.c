/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batches: many requests in few trips. A trip holds as many as its bounds allow; what was too large
 * for a reply that it shared is asked for again by itself.
 */
#include "sdk/acquire.h"
#include "sdk/error.h"
#include "sdk/lease.h"
#include "sdk/remote.h"
#include <assert.h>
#include <errno.h>
#include <packice/cleanup.h>
#include <string.h>

/* Of one trip, well below what a node takes as one request. */
#define TRIP_BYTES (512U << 10)
/* Bytes of objects that one trip brings. */
#define TRIP_INLINE (UINT64_C(1) << 20)

struct trip {
    packice_client *client;
    struct packice_batch_item *items[PACKICE_TRIP_REQUESTS];
    struct packice_acquire acquires[PACKICE_TRIP_REQUESTS];
    struct pk_request requests[PACKICE_TRIP_REQUESTS];
    struct packice_answer *answers[PACKICE_TRIP_REQUESTS];
    size_t count;
    size_t bytes;   /* about as many as it will take */
    uint32_t blobs; /* whose descriptors its reply will carry, as far as that can be known */
};

static int32_t
prepare_lease(struct packice_acquire *acquire, uint32_t verb, const packice_lease *lease,
              struct pk_error *err)
{
    if (lease == NULL)
        return pk_fail(err, -EINVAL, "lease: missing");
    if (verb == PK_VERB_SEAL && !packice_lease_is_granted(lease))
        return packice_lease_refuse_seal(err);
    acquire->request = (struct pk_request){ .struct_size = (uint32_t)sizeof(struct pk_request),
                                            .verb = verb,
                                            .lease_id = lease->lease_id };
    return 0;
}

/* The request of one item. acquire is zero, and to be finished. */
static int32_t
prepare(packice_client *client, const struct packice_batch_item *item,
        struct packice_acquire *acquire, struct pk_error *err)
{
    switch (item->op) {
    case PACKICE_BATCH_CREATE:
        return packice_acquire_create(acquire, item->create, err);
    case PACKICE_BATCH_GET:
        return packice_acquire_get(acquire, client, item->get, err);
    case PACKICE_BATCH_SEAL:
    case PACKICE_BATCH_RELEASE:
        if (item->lease != NULL && item->lease->client != client)
            return pk_fail(err, -EINVAL, "lease: of another client");
        return prepare_lease(acquire,
                             item->op == PACKICE_BATCH_SEAL ? PK_VERB_SEAL : PK_VERB_RELEASE,
                             item->lease, err);
    default:
        return pk_fail(err, -EINVAL, "op: %u is not known", item->op);
    }
}

static size_t
text_size(const char *text)
{
    return text != NULL ? strlen(text) : 0;
}

/* About how many bytes a request takes. */
static size_t
request_size(const struct pk_request *request)
{
    /* text may grow sixfold when it is escaped; 20 digits a size */
    return 256 + 6 * (text_size(request->object_id) + text_size(request->request_id))
           + 2 * text_size(request->meta)
           + (request->sizes != NULL ? 21 * (size_t)request->blob_count : 0);
}

static uint32_t
reply_blobs(const struct packice_batch_item *item, const struct pk_request *request)
{
    switch (item->op) {
    case PACKICE_BATCH_CREATE:
        return request->blob_count;
    case PACKICE_BATCH_SEAL:
        return item->lease->blob_count;
    case PACKICE_BATCH_GET:
        return 1; /* a guess: if it is more, it may have to be asked for again */
    default:
        return 0;
    }
}

/* Whether there is room for one more. */
static bool
fits(const struct trip *trip, size_t bytes, uint32_t blobs)
{
    if (trip->count == 0)
        return true;
    return trip->count < PACKICE_TRIP_REQUESTS && bytes <= TRIP_BYTES - trip->bytes
           && trip->blobs + blobs <= PACKICE_TRIP_BLOBS;
}

static void
add(struct trip *trip, struct packice_batch_item *item, const struct packice_acquire *acquire,
    size_t bytes, uint32_t blobs)
{
    trip->items[trip->count] = item;
    trip->acquires[trip->count] = *acquire;
    trip->requests[trip->count] = acquire->request;
    trip->answers[trip->count] = NULL;
    trip->count++;
    trip->bytes += bytes;
    trip->blobs += blobs;
}

/* Makes of an answer what the item wanted. */
static int32_t
conclude(packice_client *client, struct packice_batch_item *item,
         const struct packice_acquire *acquire, struct packice_answer *answer, struct pk_error *err)
{
    int32_t rc = packice_answer_status(answer, err);
    if (rc != 0)
        return rc;
    if (item->op == PACKICE_BATCH_SEAL)
        return packice_lease_sealed(item->lease, answer, err);
    if (item->op != PACKICE_BATCH_RELEASE)
        return packice_lease_new(client, acquire->flags, acquire->known, answer, &item->lease, err);
    return 0;
}

/* Frees what a release frees whatever came of it. */
static void
settle(struct packice_batch_item *item, int32_t status)
{
    item->status = status;
    if (item->op != PACKICE_BATCH_RELEASE)
        return;
    if (status == -ESTALE)
        item->status = 0;
    packice_lease_free(pk_steal(item->lease));
}

/* Asks for one item by itself, and takes that answer instead. */
static int32_t
ask_again(struct trip *trip, size_t index, struct pk_error *err)
{
    struct packice_answer *answer = NULL;
    const struct pk_request *request = &trip->requests[index];
    int32_t rc = packice_client_call(trip->client, request, 1, 0, request->wait, &answer, err);
    if (rc != 0)
        return rc;
    packice_answer_unref(trip->answers[index]);
    trip->answers[index] = answer;
    return 0;
}

static int32_t
finish_item(struct trip *trip, size_t index, struct pk_error *err)
{
    assert(trip->answers[index] != NULL);
    if (trip->answers[index]->reply.status == -EFBIG && trip->count > 1) {
        int32_t rc = ask_again(trip, index, err);
        if (rc != 0)
            return rc;
    }
    return conclude(trip->client, trip->items[index], &trip->acquires[index], trip->answers[index],
                    err);
}

/* Goes, and leaves the trip empty. What hindered it is every item's status. */
static int32_t
go(struct trip *trip, struct pk_error *err)
{
    if (trip->count == 0)
        return 0;
    uint64_t wait = 0;
    for (size_t i = 0; i < trip->count; i++) {
        wait = trip->requests[i].wait > wait ? trip->requests[i].wait : wait;
        if (trip->requests[i].inline_max > TRIP_INLINE / trip->count)
            trip->requests[i].inline_max = TRIP_INLINE / trip->count;
    }
    int32_t rc =
        packice_client_call(trip->client, trip->requests, trip->count, 0, wait, trip->answers, err);
    for (size_t i = 0; i < trip->count; i++) {
        int32_t status = rc != 0 ? rc : finish_item(trip, i, err);
        settle(trip->items[i], status);
        packice_answer_unref(pk_steal(trip->answers[i]));
        packice_acquire_finish(&trip->acquires[i]);
    }
    for (size_t i = 0; i < trip->count; i++) { /* once each lease is there and is renewed */
        struct packice_batch_item *item = trip->items[i];
        if (item->op == PACKICE_BATCH_GET && item->status == 0)
            item->status = packice_remote_settle(&item->lease, err);
    }
    trip->count = 0;
    trip->bytes = 0;
    trip->blobs = 0;
    return rc;
}

/* Puts one item into the trip, which goes first if it is full. */
static int32_t
board(struct trip *trip, struct packice_batch_item *item, struct pk_error *err)
{
    struct packice_acquire acquire = { 0 };
    int32_t rc = prepare(trip->client, item, &acquire, err);
    if (rc == 0 && item->op == PACKICE_BATCH_SEAL) {
        packice_lease_shut_writers(item->lease);
        rc = packice_remote_push(item->lease, err);
    }
    if (rc != 0) {
        packice_acquire_finish(&acquire);
        item->status = rc;
        return 0;
    }
    if (item->op == PACKICE_BATCH_RELEASE && packice_lease_let_go(item->lease)) {
        settle(item, 0);
        return 0;
    }
    size_t bytes = request_size(&acquire.request);
    uint32_t blobs = reply_blobs(item, &acquire.request);
    if (!fits(trip, bytes, blobs))
        rc = go(trip, err);
    if (rc == 0)
        add(trip, item, &acquire, bytes, blobs);
    else
        packice_acquire_finish(&acquire);
    return rc;
}

/* Does all of them. *ret_reached: how many got as far as to have their status. */
static int32_t
go_all(struct trip *trip, struct packice_batch_item *items, size_t count, size_t *ret_reached,
       struct pk_error *err)
{
    for (*ret_reached = 0; *ret_reached < count; ++*ret_reached) {
        int32_t rc = board(trip, &items[*ret_reached], err);
        if (rc != 0)
            return rc;
    }
    return go(trip, err);
}

int
packice_batch(packice_client *client, struct packice_batch_item *items, size_t count)
{
    struct pk_error *err = packice_error_slot();
    size_t reached = 0;
    int32_t rc = packice_client_check(client, err);
    if (rc == 0) {
        pk_autofree struct trip *trip = malloc(sizeof(*trip));
        if (trip == NULL) {
            rc = pk_fail(err, -ENOMEM, "no memory for a batch");
        } else {
            trip->client = client;
            trip->count = trip->bytes = trip->blobs = 0;
            rc = go_all(trip, items, count, &reached, err);
        }
    }
    for (; rc != 0 && reached < count; reached++)
        settle(&items[reached], rc);
    return packice_result(rc);
}
