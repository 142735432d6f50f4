/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Put: an object of one blob at once. Where the peer can, it is one request, with the bytes or with
 * a descriptor of them; where it can't, or where a lease is wanted, it is made step by step.
 */
#include "core/id.h"
#include "sdk/error.h"
#include "sdk/lease.h"
#include "sdk/spool.h"
#include <errno.h>
#include <packice/cleanup.h>

/* What a peer that was asked does not take: no second try as long as it is the same. */
static bool
is_refused(packice_client *client, atomic_uint_fast64_t *by)
{
    uint64_t generation = atomic_load(by);
    return generation != 0 && client->link->ops->alive(client->link, generation);
}

static int32_t
ask(packice_client *client, const struct pk_request *request, atomic_uint_fast64_t *refused_by,
    struct pk_error *err)
{
    struct packice_answer *answer = NULL;
    int32_t rc = packice_client_call(client, request, 1, 0, 0, &answer, err);
    if (rc != 0)
        return rc;
    rc = packice_answer_status(answer, err);
    if (rc == -EOPNOTSUPP)
        atomic_store(refused_by, answer->generation);
    packice_answer_unref(answer);
    return rc;
}

/* The bytes go with the request. */
static int32_t
put_bytes(packice_client *client, const struct pk_request *request, const void *data, uint64_t size,
          struct pk_error *err)
{
    if (is_refused(client, &client->no_put))
        return -EOPNOTSUPP;
    struct pk_request mine = *request;
    mine.data = (void *)(uintptr_t)data; /* it is only read */
    mine.data_size = size;
    return ask(client, &mine, &client->no_put, err);
}

/* They are written and sealed here, and the peer takes them over as they are. One that is busy, for
 * want of descriptors that others pass, may take bytes all the same: -EOPNOTSUPP, this once. */
static int32_t
put_sealed(packice_client *client, const struct pk_request *request, const void *data,
           uint64_t size, struct pk_error *err)
{
    pk_autoclose int fd = -1;
    if (is_refused(client, &client->no_adoption))
        return -EOPNOTSUPP;
    int32_t rc = packice_spool_bytes(data, size, &fd, err);
    if (rc != 0)
        return rc;
    const struct pk_handle handle = {
        .struct_size = (uint32_t)sizeof(handle), .kind = PK_HANDLE_FD, .fd = fd, .size = size
    };
    struct pk_request mine = *request;
    mine.handles = &handle;
    mine.handle_stride = (uint32_t)sizeof(handle);
    rc = ask(client, &mine, &client->no_adoption, err);
    return rc == -EBUSY ? -EOPNOTSUPP : rc;
}

/* -EOPNOTSUPP: it can't be done in one request. */
static int32_t
put_at_once(packice_client *client, const char *id, const void *data, uint64_t size,
            struct pk_error *err)
{
    int32_t rc = packice_client_check(client, err);
    if (rc == 0 && id != NULL)
        rc = pk_id_check(id, err);
    if (rc != 0)
        return rc;
    const struct packice_link_ops *ops = client->link->ops;
    const struct pk_request request = { .struct_size = (uint32_t)sizeof(request),
                                        .verb = PK_VERB_PUT,
                                        .object_id = id,
                                        .sizes = &size,
                                        .blob_count = 1 };
    if (ops->put_max > 0 && size <= ops->put_max)
        return put_bytes(client, &request, data, size, err);
    if (ops->adopts && size <= PK_SIZE_MAX)
        return put_sealed(client, &request, data, size, err);
    return -EOPNOTSUPP;
}

static int
put_in_steps(packice_client *client, const char *id, const void *data, uint64_t size,
             packice_lease **ret_lease)
{
    packice_lease *lease = NULL;
    int rc = packice_create(client, id, size, &lease);
    if (rc != 0)
        return rc;
    rc = packice_write(lease, 0, 0, data, size);
    if (rc == 0)
        rc = packice_seal(lease);
    if (rc == 0 && ret_lease != NULL) {
        *ret_lease = lease;
        return 0;
    }
    struct pk_error failed = *packice_error_slot();
    int released = packice_release(lease);
    if (rc == 0)
        return released;
    *packice_error_slot() = failed; /* why it failed, whatever the release said */
    return rc;
}

int
packice_put(packice_client *client, const char *id, const void *data, uint64_t size,
            packice_lease **ret_lease)
{
    int32_t rc = -EOPNOTSUPP;
    if (ret_lease == NULL)
        rc = put_at_once(client, id, data, size, packice_error_slot());
    if (rc == -EOPNOTSUPP)
        return put_in_steps(client, id, data, size, ret_lease);
    return packice_result(rc);
}
