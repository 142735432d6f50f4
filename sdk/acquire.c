/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Create and get: from options to requests, and from their answers to leases. What a node would
 * refuse in the JSON is refused here, so that peers without JSON give the same errors.
 */
#include "sdk/acquire.h"
#include "core/id.h"
#include "core/wire/request.h"
#include "sdk/error.h"
#include "sdk/handle.h"
#include "sdk/lease.h"
#include "sdk/moment.h"
#include "sdk/options.h"
#include "sdk/remote.h"
#include <errno.h>
#include <packice/cleanup.h>
#include <string.h>

#define CREATE_FLAGS (PACKICE_UNBOUND | PACKICE_NO_RENEW)
#define GET_FLAGS (CREATE_FLAGS | PACKICE_LAZY)

/* A lease that is bound has no end unless it is given one; an unbound one must have one. */
static int32_t
read_ttl(struct packice_acquire *acquire, uint32_t flags, uint32_t known, double ttl,
         struct pk_error *err)
{
    if ((flags & ~known) != 0)
        return pk_fail(err, -EINVAL, "flags: 0x%x is not known", flags & ~known);
    struct pk_request *request = &acquire->request;
    int32_t rc = packice_from_seconds(ttl, "ttl", &request->ttl, err);
    if (rc != 0)
        return rc;
    acquire->flags = flags;
    if ((flags & PACKICE_UNBOUND) == 0) {
        request->flags |= PK_REQUEST_BIND;
        if (request->ttl == 0)
            request->ttl = PK_FOREVER;
    } else if (request->ttl == PK_FOREVER) {
        return pk_fail(err, -EINVAL, "ttl: an unbound lease needs an end");
    }
    return 0;
}

static int32_t
check_request_id(const char *request_id, struct pk_error *err)
{
    if (request_id == NULL)
        return 0;
    size_t size = strlen(request_id);
    if (size == 0 || size > PK_REQUEST_ID_MAX || pk_id_check(request_id, NULL) != 0)
        return pk_fail(err, -EINVAL, "request_id: not 1 to %d bytes of text", PK_REQUEST_ID_MAX);
    return 0;
}

static int32_t
check_sizes(const struct packice_create_options *options, struct pk_error *err)
{
    if (options->blob_count > PK_BLOBS_MAX)
        return pk_fail(err, -EINVAL, "blob_count: %u, more than %d", options->blob_count,
                       PK_BLOBS_MAX);
    uint32_t count = options->blob_count == 0 ? 1 : options->blob_count;
    for (uint32_t i = 0; options->sizes != NULL && i < count; i++) {
        if (options->sizes[i] > PK_SIZE_MAX && options->sizes[i] != PK_UNSIZED)
            return pk_fail(err, -EINVAL, "sizes[%u]: too large", i);
    }
    return 0;
}

int32_t
packice_acquire_create(struct packice_acquire *acquire,
                       const struct packice_create_options *options, struct pk_error *err)
{
    *acquire =
        (struct packice_acquire){ .request = { .struct_size = (uint32_t)sizeof(struct pk_request),
                                               .verb = PK_VERB_ACQUIRE,
                                               .access = PK_ACCESS_CREATE } };
    struct packice_create_options mine = { 0 };
    int32_t rc = packice_options_read(&mine, sizeof(mine), options, err);
    if (rc == 0)
        rc = read_ttl(acquire, mine.flags, CREATE_FLAGS, mine.ttl, err);
    if (rc == 0)
        rc = packice_from_seconds(mine.object_ttl, "object_ttl", &acquire->request.object_ttl, err);
    if (rc == 0)
        rc = check_request_id(mine.request_id, err);
    if (rc == 0 && mine.id != NULL)
        rc = pk_id_check(mine.id, err);
    if (rc == 0)
        rc = check_sizes(&mine, err);
    if (rc == 0)
        rc = pk_wire_meta_compact(mine.meta, &acquire->meta, err);
    if (rc != 0)
        return rc;
    if (acquire->request.object_ttl == PK_FOREVER)
        acquire->request.object_ttl = 0;
    acquire->request.meta = acquire->meta;
    acquire->request.object_id = mine.id;
    acquire->request.request_id = mine.request_id;
    acquire->request.sizes = mine.sizes;
    acquire->request.blob_count = mine.blob_count == 0 ? 1 : mine.blob_count;
    return 0;
}

int32_t
packice_acquire_get(struct packice_acquire *acquire, packice_client *client,
                    const struct packice_get_options *options, struct pk_error *err)
{
    *acquire =
        (struct packice_acquire){ .request = { .struct_size = (uint32_t)sizeof(struct pk_request),
                                               .verb = PK_VERB_ACQUIRE,
                                               .access = PK_ACCESS_READ } };
    struct packice_get_options mine = { 0 };
    int32_t rc = packice_options_read(&mine, sizeof(mine), options, err);
    if (rc == 0)
        rc = read_ttl(acquire, mine.flags, GET_FLAGS, mine.ttl, err);
    if (rc == 0)
        rc = packice_from_seconds(mine.wait, "wait", &acquire->request.wait, err);
    if (rc == 0)
        rc = check_request_id(mine.request_id, err);
    if (rc == 0 && mine.id == NULL)
        rc = pk_fail(err, -EINVAL, "id: missing");
    if (rc == 0)
        rc = pk_id_check(mine.id, err);
    if (rc != 0)
        return rc;
    if (packice_handle_can_reopen())
        acquire->request.flags |= PK_REQUEST_SHARE;
    if (acquire->request.wait > PACKICE_LONGEST)
        acquire->request.wait = PACKICE_LONGEST; /* what a node can be told */
    acquire->request.object_id = mine.id;
    acquire->request.request_id = mine.request_id;
    if (mine.flags == 0 && mine.ttl == 0 && mine.request_id == NULL)
        acquire->request.inline_max = client->inline_max;
    if (mine.request_id == NULL) /* a repeat is answered with the same lease, whatever is known */
        acquire->known = packice_holdings_join(&client->holdings, mine.id);
    if (acquire->known != NULL)
        acquire->request.known_epoch = acquire->known->epoch;
    return 0;
}

void
packice_acquire_finish(struct packice_acquire *acquire)
{
    free(pk_steal(acquire->meta));
    packice_held_leave(pk_steal(acquire->known));
}

/* Asks, and makes a lease of the answer. */
static int32_t
ask(packice_client *client, const struct packice_acquire *acquire, packice_lease **ret_lease,
    struct pk_error *err)
{
    struct packice_answer *answer = NULL;
    int32_t rc = packice_client_ask(client, &acquire->request, 0, &answer, err);
    if (rc != 0)
        return rc;
    packice_lease *lease = NULL;
    rc = packice_lease_new(client, acquire->flags, acquire->known, answer, &lease, err);
    packice_answer_unref(answer);
    if (rc == 0)
        rc = packice_remote_settle(&lease, err);
    if (rc == 0)
        *ret_lease = lease;
    return rc;
}

int
packice_create_with(packice_client *client, const struct packice_create_options *options,
                    packice_lease **ret_lease)
{
    struct pk_error *err = packice_error_slot();
    struct packice_acquire acquire;
    int32_t rc = packice_client_check(client, err);
    if (rc != 0)
        return packice_result(rc);
    rc = packice_acquire_create(&acquire, options, err);
    if (rc == 0)
        rc = ask(client, &acquire, ret_lease, err);
    packice_acquire_finish(&acquire);
    return packice_result(rc);
}

int
packice_create(packice_client *client, const char *id, uint64_t size, packice_lease **ret_lease)
{
    struct packice_create_options options = PACKICE_CREATE_OPTIONS_INIT;
    options.id = id;
    options.sizes = &size;
    return packice_create_with(client, &options, ret_lease);
}

int
packice_get_with(packice_client *client, const struct packice_get_options *options,
                 packice_lease **ret_lease)
{
    struct pk_error *err = packice_error_slot();
    struct packice_acquire acquire;
    int32_t rc = packice_client_check(client, err);
    if (rc != 0)
        return packice_result(rc);
    rc = packice_acquire_get(&acquire, client, options, err);
    if (rc == 0)
        rc = ask(client, &acquire, ret_lease, err);
    packice_acquire_finish(&acquire);
    return packice_result(rc);
}

int
packice_get(packice_client *client, const char *id, double wait, packice_lease **ret_lease)
{
    struct packice_get_options options = PACKICE_GET_OPTIONS_INIT;
    options.id = id;
    options.wait = wait;
    return packice_get_with(client, &options, ret_lease);
}
