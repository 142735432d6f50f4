/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes of a lease's blobs, as callers reach them. None of this asks the peer, but for bytes
 * that were left to come later, so it works on when the node or the client is gone.
 */
#include "sdk/error.h"
#include "sdk/lease.h"
#include "sdk/process.h"
#include "sdk/remote.h"
#include <errno.h>
#include <unistd.h>

/* The blob, for use by this process. */
static int32_t
find(const packice_lease *lease, uint32_t index, struct packice_blob **ret_blob)
{
    struct pk_error *err = packice_error_slot();
    if (lease->client->pid != packice_process())
        return pk_fail(err, -EPIPE, "the lease belongs to process %d: get the object again",
                       (int)lease->client->pid);
    return packice_lease_blob(lease, index, ret_blob, err);
}

/* The same, with its bytes at hand. */
static int32_t
find_bytes(const packice_lease *lease, uint32_t index, struct packice_blob **ret_blob)
{
    struct packice_blob *blob = NULL;
    int32_t rc = find(lease, index, &blob);
    if (rc != 0)
        return rc;
    rc = packice_remote_pull(lease, index, blob, packice_error_slot());
    if (rc == 0)
        *ret_blob = blob;
    return rc;
}

int
packice_lease_blob_size(const packice_lease *lease, uint32_t blob, uint64_t *ret_size)
{
    struct packice_blob *found = NULL;
    int32_t rc = find(lease, blob, &found);
    if (rc == 0)
        rc = packice_blob_size(found, ret_size, packice_error_slot());
    return packice_result(rc);
}

int
packice_lease_blob_fd(const packice_lease *lease, uint32_t blob, int *ret_fd)
{
    struct packice_blob *found = NULL;
    int32_t rc = find_bytes(lease, blob, &found);
    if (rc == 0)
        rc = packice_blob_fd(found, ret_fd, packice_error_slot());
    return packice_result(rc);
}

int
packice_write(packice_lease *lease, uint32_t blob, uint64_t offset, const void *data, uint64_t size)
{
    struct packice_blob *found = NULL;
    int32_t rc = find(lease, blob, &found);
    if (rc == 0)
        rc = packice_blob_write(found, offset, data, size, packice_error_slot());
    return packice_result(rc);
}

int
packice_read(packice_lease *lease, uint32_t blob, uint64_t offset, void *data, uint64_t size,
             uint64_t *ret_size)
{
    struct packice_blob *found = NULL;
    int32_t rc = find_bytes(lease, blob, &found);
    if (rc == 0)
        rc = packice_blob_read(found, offset, data, size, ret_size, packice_error_slot());
    return packice_result(rc);
}

int
packice_map(packice_lease *lease, uint32_t blob, void **ret_data, uint64_t *ret_size)
{
    struct packice_blob *found = NULL;
    int32_t rc = find_bytes(lease, blob, &found);
    if (rc == 0)
        rc =
            packice_blob_map(found, &lease->mapped[blob], ret_data, ret_size, packice_error_slot());
    return packice_result(rc);
}

int
packice_unmap(packice_lease *lease, uint32_t blob)
{
    struct packice_blob *found = NULL;
    int32_t rc = find(lease, blob, &found);
    if (rc == 0)
        packice_blob_unmap(found, &lease->mapped[blob]);
    return packice_result(rc);
}

int
packice_open(packice_lease *lease, uint32_t blob, FILE **ret_file)
{
    struct packice_blob *found = NULL;
    int32_t rc = find_bytes(lease, blob, &found);
    if (rc == 0)
        rc = packice_blob_open(found, ret_file, packice_error_slot());
    return packice_result(rc);
}
