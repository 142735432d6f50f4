/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a caller does with a lease through its peer: seal, renew, release.
 */
#include "sdk/error.h"
#include "sdk/lease.h"
#include "sdk/moment.h"
#include "sdk/process.h"
#include "sdk/remote.h"
#include <errno.h>
#include <packice/cleanup.h>
#include <string.h>

static struct pk_request
lease_request(uint32_t verb, const char *lease_id)
{
    return (struct pk_request){ .struct_size = (uint32_t)sizeof(struct pk_request),
                                .verb = verb,
                                .lease_id = lease_id };
}

static int32_t
seal(packice_lease *lease, struct pk_error *err)
{
    if (lease->creator && atomic_load(&lease->state) == PACKICE_SEALED)
        return 0;
    if (!packice_lease_is_granted(lease))
        return packice_lease_refuse_seal(err);
    packice_lease_shut_writers(lease);
    int32_t rc = packice_remote_push(lease, err);
    if (rc != 0)
        return rc;
    struct pk_request request = lease_request(PK_VERB_SEAL, lease->lease_id);
    struct packice_answer *answer = NULL;
    rc = packice_client_ask(lease->client, &request, lease->generation, &answer, err);
    if (rc != 0)
        return rc;
    rc = packice_lease_sealed(lease, answer, err);
    packice_answer_unref(answer);
    return rc;
}

int
packice_seal(packice_lease *lease)
{
    struct pk_error *err = packice_error_slot();
    int32_t rc = packice_client_check(lease->client, err);
    if (rc == 0)
        rc = seal(lease, err);
    return packice_result(rc);
}

static int32_t
renew(packice_client *client, const char *lease_id, uint64_t generation, double seconds,
      uint64_t *ret_ttl, struct pk_error *err)
{
    struct pk_request request = lease_request(PK_VERB_RENEW, lease_id);
    int32_t rc = packice_from_seconds(seconds, "ttl", &request.ttl, err);
    if (rc != 0)
        return rc;
    if (request.ttl == PK_FOREVER)
        return pk_fail(err, -EINVAL, "ttl: a renewed lease needs an end");
    if (lease_id[0] == '\0') {
        *ret_ttl = PK_FOREVER;
        return packice_client_check(client, err);
    }
    struct packice_answer *answer = NULL;
    rc = packice_client_ask(client, &request, generation, &answer, err);
    if (rc != 0)
        return rc;
    *ret_ttl = answer->reply.ttl;
    packice_answer_unref(answer);
    return 0;
}

int
packice_renew(packice_lease *lease, double ttl, double *ret_ttl)
{
    struct pk_error *err = packice_error_slot();
    uint64_t granted = 0;
    int32_t rc = renew(lease->client, lease->lease_id, lease->generation, ttl, &granted, err);
    if (rc == 0)
        rc = packice_lease_renewed(lease, granted, err);
    if (rc == 0 && ret_ttl != NULL)
        *ret_ttl = packice_to_seconds(granted);
    return packice_result(rc);
}

static int32_t
check_lease_id(const char *lease_id, struct pk_error *err)
{
    if (lease_id == NULL || strlen(lease_id) != PK_LEASE_ID_LEN)
        return pk_fail(err, -EINVAL, "lease_id: not of %d bytes", PK_LEASE_ID_LEN);
    return 0;
}

int
packice_renew_id(packice_client *client, const char *lease_id, double ttl, double *ret_ttl)
{
    struct pk_error *err = packice_error_slot();
    uint64_t granted = 0;
    int32_t rc = check_lease_id(lease_id, err);
    if (rc == 0)
        rc = renew(client, lease_id, 0, ttl, &granted, err);
    if (rc == 0 && ret_ttl != NULL)
        *ret_ttl = packice_to_seconds(granted);
    return packice_result(rc);
}

static int32_t
release(packice_client *client, const char *lease_id, uint64_t generation, struct pk_error *err)
{
    struct pk_request request = lease_request(PK_VERB_RELEASE, lease_id);
    struct packice_answer *answer = NULL;
    int32_t rc = packice_client_ask(client, &request, generation, &answer, err);
    if (rc == 0)
        packice_answer_unref(answer);
    return rc == -ESTALE ? 0 : rc; /* it had ended before */
}

/* A bound lease ends with its connection: then there is nobody to be told. */
static bool
ended_by_itself(const packice_lease *lease)
{
    struct packice_link *link = lease->client->link;
    if (lease->client->pid != packice_process())
        return true; /* the parent's, who goes on with it */
    return lease->generation != 0 && (link == NULL || !link->ops->alive(link, lease->generation));
}

bool
packice_lease_let_go(const packice_lease *lease)
{
    const struct packice_client *client = lease->client;
    if (!packice_lease_is_granted(lease) || ended_by_itself(lease))
        return true;
    if (lease->generation == 0 || atomic_load(&lease->state) != PACKICE_SEALED)
        return false; /* its end means something to others */
    struct packice_link *link = client->link;
    if (link->ops->release == NULL || !link->ops->release(link, lease->lease_id, lease->generation))
        return false;
    if (packice_renewal_flush_soon(&lease->client->renewal) != 0)
        link->ops->flush(link);
    return true;
}

int
packice_release(packice_lease *lease)
{
    if (lease == NULL)
        return 0;
    int32_t rc = 0;
    if (!packice_lease_let_go(lease)) {
        rc = release(lease->client, lease->lease_id, lease->generation, packice_error_slot());
        /* Without a node, too, there is nobody to be told of a bound lease. */
        if (rc != 0 && (ended_by_itself(lease) || (rc == -ECONNREFUSED && lease->generation != 0)))
            rc = 0;
    }
    packice_lease_free(lease);
    return packice_result(rc);
}

int
packice_release_id(packice_client *client, const char *lease_id)
{
    struct pk_error *err = packice_error_slot();
    int32_t rc = check_lease_id(lease_id, err);
    if (rc == 0)
        rc = release(client, lease_id, 0, err);
    return packice_result(rc);
}

void
packice_detach(packice_lease *lease)
{
    packice_lease_free(lease);
}
