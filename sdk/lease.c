/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leases: what was granted, and how it changes over a seal and a renewal. It keeps what the peer
 * said and asks it for nothing, save to take a lease back that can't be used here.
 */
#include "sdk/lease.h"
#include "sdk/error.h"
#include "sdk/moment.h"
#include "sdk/process.h"
#include "sdk/remote.h"
#include <assert.h>
#include <errno.h>
#include <packice/cleanup.h>
#include <string.h>

/* What the lease holds: what is there already, or what came. */
static int32_t
hold(packice_lease *lease, struct packice_held *known, struct packice_answer *answer,
     struct pk_error *err)
{
    struct packice_held *held = NULL;
    bool again = answer->handles[0].kind == PK_HANDLE_KNOWN; /* all are, or none */
    assert(!again || known != NULL);                         /* nobody else is answered so */
    int32_t rc = again ? packice_held_check(known, answer, err)
                       : packice_held_new(&lease->client->holdings, answer, &held, err);
    if (rc == 0)
        atomic_init(&lease->held, again ? packice_held_share(known) : held);
    return rc;
}

static int32_t
fill(packice_lease *lease, struct packice_held *known, struct packice_answer *answer,
     struct pk_error *err)
{
    const struct pk_reply *reply = &answer->reply;
    lease->answer = packice_answer_ref(answer);
    lease->lease_id = lease->renewed.lease_id = reply->lease_id;
    lease->object_id = reply->object_id;
    lease->meta = reply->meta[0] != '\0' ? reply->meta : "{}"; /* an object in any case */
    lease->epoch = reply->epoch;
    if ((lease->flags & PACKICE_UNBOUND) == 0)
        lease->renewed.generation = lease->generation = answer->generation;
    lease->creator = reply->access == PK_ACCESS_CREATE;
    atomic_init(&lease->access, reply->access);
    atomic_init(&lease->state, reply->state);
    atomic_init(&lease->ttl, reply->ttl);
    lease->blob_count = reply->blob_count;
    return hold(lease, known, answer, err);
}

/* Sees to it that the lease is renewed if it has an end, and isn't if it has none. */
static int32_t
plan_renewal(packice_lease *lease, struct pk_error *err)
{
    struct packice_renewal *renewal = &lease->client->renewal;
    uint64_t ttl = atomic_load(&lease->ttl);
    bool ends = ttl != PK_FOREVER && (lease->flags & PACKICE_NO_RENEW) == 0;
    if (ends)
        atomic_store(&lease->timed, true);
    if (!ends && atomic_load(&lease->timed))
        packice_renewal_remove(renewal, &lease->renewed);
    else if (ends && packice_renewal_set(renewal, &lease->renewed, ttl) != 0)
        return pk_fail(err, -ENOMEM, "no thread to renew leases with");
    return 0;
}

/* Nobody will ever hear of this lease: it must not stay behind. */
static void
give_back(packice_client *client, const char *lease_id, uint64_t generation)
{
    struct pk_request request = { .struct_size = (uint32_t)sizeof(request),
                                  .verb = PK_VERB_RELEASE,
                                  .lease_id = lease_id };
    struct packice_answer *released = NULL;
    if (lease_id[0] == '\0')
        return;
    if (packice_client_call(client, &request, 1, generation, 0, &released, NULL) == 0)
        packice_answer_unref(released);
}

void
packice_lease_give_back(packice_lease *lease)
{
    atomic_store(&lease->undone, true);
    give_back(lease->client, lease->lease_id, lease->generation);
}

void
packice_lease_undo(packice_lease *lease)
{
    packice_lease_give_back(lease);
    packice_lease_free(lease);
}

int32_t
packice_lease_new(packice_client *client, uint32_t flags, struct packice_held *known,
                  struct packice_answer *answer, packice_lease **ret_lease, struct pk_error *err)
{
    packice_lease *lease =
        calloc(1, sizeof(*lease) + answer->reply.blob_count * sizeof(lease->mapped[0]));
    if (lease == NULL) {
        give_back(client, answer->reply.lease_id, answer->generation);
        return pk_fail(err, -ENOMEM, "no memory for a lease");
    }
    lease->client = packice_client_ref(client);
    lease->flags = flags;
    int32_t rc = fill(lease, known, answer, err);
    if (rc == 0)
        rc = plan_renewal(lease, err);
    if (rc == -EPROTO)
        client->link->ops->distrust(client->link, answer->generation);
    if (rc != 0) {
        packice_lease_free(lease);
        give_back(client, answer->reply.lease_id, answer->generation);
        return rc;
    }
    *ret_lease = lease;
    return 0;
}

void
packice_lease_free(packice_lease *lease)
{
    if (lease == NULL)
        return;
    bool ours = packice_client_check(lease->client, NULL) == 0;
    struct packice_held *held = atomic_load(&lease->held);
    if (ours && atomic_load(&lease->timed))
        packice_renewal_remove(&lease->client->renewal, &lease->renewed);
    for (uint32_t i = 0; held != NULL && i < lease->blob_count; i++) {
        if (lease->mapped[i] && lease->client->pid == packice_process())
            packice_blob_unmap(&held->blobs[i], &lease->mapped[i]);
    }
    packice_held_leave(held);
    packice_held_leave(lease->written);
    packice_client_unref(lease->client);
    packice_answer_unref(lease->answer);
    free(lease);
}

void
packice_lease_shut_writers(packice_lease *lease)
{
    struct packice_held *held = atomic_load(&lease->held);
    for (uint32_t i = 0; held->writable && i < held->blob_count; i++)
        packice_blob_shut(&held->blobs[i], &lease->mapped[i]);
}

int32_t
packice_lease_sealed(packice_lease *lease, struct packice_answer *answer, struct pk_error *err)
{
    const struct pk_reply *reply = &answer->reply;
    if (reply->epoch != lease->epoch || reply->blob_count != lease->blob_count)
        return pk_fail(err, -EPROTO, "the node sealed another object");
    struct packice_held *written = atomic_load(&lease->held);
    struct packice_held *sealed = NULL;
    if (!written->writable)
        return 0; /* another thread was faster with its seal */
    int32_t rc = packice_held_new(&lease->client->holdings, answer, &sealed, err);
    if (rc == 0)
        rc = packice_remote_keep(written, sealed, err);
    if (rc == 0 && atomic_compare_exchange_strong(&lease->held, &written, sealed)) {
        lease->written = written;
        sealed = NULL;
    }
    packice_held_leave(sealed);
    if (rc == 0) {
        atomic_store(&lease->access, PACKICE_READ);
        atomic_store(&lease->state, PACKICE_SEALED);
    }
    return rc;
}

int32_t
packice_lease_renewed(packice_lease *lease, uint64_t ttl, struct pk_error *err)
{
    atomic_store(&lease->ttl, ttl);
    return plan_renewal(lease, err);
}

int32_t
packice_lease_blob(const packice_lease *lease, uint32_t index, struct packice_blob **ret_blob,
                   struct pk_error *err)
{
    if (index >= lease->blob_count)
        return pk_fail(err, -EINVAL, "there is no blob %u: the object has %u", index,
                       lease->blob_count);
    *ret_blob = &atomic_load(&lease->held)->blobs[index];
    return 0;
}

bool
packice_lease_is_granted(const packice_lease *lease)
{
    return lease->lease_id[0] != '\0';
}

int32_t
packice_lease_refuse_seal(struct pk_error *err)
{
    return pk_fail(err, -EACCES, "the lease is one to read: the object is sealed");
}

const char *
packice_lease_id(const packice_lease *lease)
{
    return lease->lease_id;
}

const char *
packice_lease_object_id(const packice_lease *lease)
{
    return lease->object_id;
}

uint64_t
packice_lease_epoch(const packice_lease *lease)
{
    return lease->epoch;
}

const char *
packice_lease_meta(const packice_lease *lease)
{
    return lease->meta;
}

uint32_t
packice_lease_blob_count(const packice_lease *lease)
{
    return lease->blob_count;
}

uint32_t
packice_lease_access(const packice_lease *lease)
{
    return atomic_load(&lease->access);
}

uint32_t
packice_lease_state(const packice_lease *lease)
{
    return atomic_load(&lease->state);
}

double
packice_lease_ttl(const packice_lease *lease)
{
    return packice_to_seconds(atomic_load(&lease->ttl));
}
