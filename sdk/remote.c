/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Remote blobs: when their bytes move, and what holds them here. How they move is the link's.
 */
#include "sdk/remote.h"
#include "sdk/spool.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <packice/cleanup.h>
#include <sys/stat.h>

static struct packice_transfer
transfer_of(const packice_lease *lease, uint32_t index, uint64_t size, int fd)
{
    return (struct packice_transfer){ .object_id = lease->object_id,
                                      .blob = index,
                                      .lease_id = lease->lease_id,
                                      .fd = fd,
                                      .size = size,
                                      .patience = atomic_load(&lease->client->timeout) };
}

/* ---- to read ---- */

/* Opens a regular file of this size, without touching anything else that may be there; -1 if it
 * can't be. */
static int
open_file(const char *path, uint64_t size)
{
    struct stat status;
    int fd = -1;
    pk_autoclose int place = open(path, O_PATH | O_CLOEXEC);
    if (place < 0 || fstat(place, &status) != 0 || !S_ISREG(status.st_mode)
        || (uint64_t)status.st_size != size)
        return -1;
    return packice_spool_reopen(place, &fd, NULL) == 0 ? fd : -1;
}

/* The file of the node itself, if it is one of this machine and proves to be the same; else -1. */
static int
open_same(const packice_lease *lease, uint32_t index, const struct packice_blob *blob)
{
    const struct packice_link_ops *ops = lease->client->link->ops;
    bool same = false;
    if (blob->path == NULL)
        return -1;
    pk_autoclose int fd = open_file(blob->path, blob->offset + blob->size);
    if (fd < 0)
        return -1;
    struct packice_transfer transfer = transfer_of(lease, index, blob->size, fd);
    int32_t rc = ops->same_file(lease->client->link, &transfer, &same, NULL);
    return rc == 0 && same ? pk_steal_fd(fd) : -1;
}

/* Into memory, sealed, and opened anew for reading. */
static int32_t
download(const packice_lease *lease, uint32_t index, const struct packice_blob *blob, int *ret_fd,
         struct pk_error *err)
{
    const struct packice_link_ops *ops = lease->client->link->ops;
    pk_autoclose int fd = -1;
    uint64_t size = 0;
    int32_t rc = packice_spool_new(PK_UNSIZED, &fd, err);
    if (rc != 0)
        return rc;
    struct packice_transfer transfer = transfer_of(lease, index, blob->size, fd);
    if (blob->size > 0)
        rc = ops->download(lease->client->link, &transfer, err);
    if (rc == 0)
        rc = packice_spool_seal(fd, &size, err);
    if (rc == 0 && size != blob->size)
        rc = pk_fail(err, -EPROTO, "%" PRIu64 " bytes came for %" PRIu64, size, blob->size);
    return rc == 0 ? packice_spool_reopen(fd, ret_fd, err) : rc;
}

static int32_t
fetch(const packice_lease *lease, uint32_t index, struct packice_blob *blob, struct pk_error *err)
{
    int32_t rc = packice_client_check(lease->client, err);
    if (rc != 0)
        return rc;
    int fd = open_same(lease, index, blob);
    if (fd >= 0) {
        packice_blob_arrive(blob, fd, blob->offset);
        return 0;
    }
    rc = download(lease, index, blob, &fd, err);
    if (rc == 0)
        packice_blob_arrive(blob, fd, 0);
    return rc;
}

int32_t
packice_remote_pull(const packice_lease *lease, uint32_t index, struct packice_blob *blob,
                    struct pk_error *err)
{
    int32_t rc = 0;
    if (!packice_blob_is_missing(blob))
        return 0;
    (void)pthread_mutex_lock(&blob->moving);
    if (packice_blob_is_missing(blob))
        rc = fetch(lease, index, blob, err);
    (void)pthread_mutex_unlock(&blob->moving);
    return rc;
}

int32_t
packice_remote_settle(packice_lease **lease, struct pk_error *err)
{
    int32_t rc = 0;
    packice_lease *mine = *lease;
    if ((mine->flags & PACKICE_LAZY) != 0)
        return 0;
    struct packice_held *held = atomic_load(&mine->held);
    for (uint32_t i = 0; rc == 0 && i < held->blob_count; i++)
        rc = packice_remote_pull(mine, i, &held->blobs[i], err);
    if (rc != 0)
        packice_lease_undo(pk_steal(*lease));
    return rc;
}

/* ---- to seal ---- */

/* Whether what was written waits to be sent: all of an object does, or nothing. */
static bool
waits(const struct packice_held *held)
{
    return held->writable && held->answer->remote;
}

static int32_t
seal_spools(const struct packice_held *held, struct pk_error *err)
{
    for (uint32_t i = 0; i < held->blob_count; i++) {
        const struct packice_blob *blob = &held->blobs[i];
        uint64_t size = 0;
        int32_t rc = packice_spool_seal(blob->spool, &size, err);
        if (rc != 0)
            return rc;
        if (blob->size != PK_UNSIZED && size != blob->size)
            return pk_fail(err, -EINVAL, "blob %u holds %" PRIu64 " bytes, not %" PRIu64, i, size,
                           blob->size);
    }
    return 0;
}

static int32_t
send_spool(packice_lease *lease, uint32_t index, struct packice_blob *blob, struct pk_error *err)
{
    uint64_t size = 0;
    int32_t rc = 0;
    (void)pthread_mutex_lock(&blob->moving);
    if (!blob->sent)
        rc = packice_spool_seal(blob->spool, &size, err);
    if (rc == 0 && !blob->sent) {
        struct packice_transfer transfer = transfer_of(lease, index, size, blob->spool);
        rc = lease->client->link->ops->upload(lease->client->link, &transfer, err);
        blob->sent = rc == 0;
    }
    (void)pthread_mutex_unlock(&blob->moving);
    return rc;
}

int32_t
packice_remote_push(packice_lease *lease, struct pk_error *err)
{
    struct packice_held *held = atomic_load(&lease->held);
    if (atomic_load(&lease->undone) || !waits(held))
        return 0;
    int32_t rc = packice_client_check(lease->client, err);
    if (rc == 0)
        rc = seal_spools(held, err);
    if (rc == -EINVAL)
        packice_lease_give_back(lease); /* as a node does that finds it out itself */
    for (uint32_t i = 0; rc == 0 && i < held->blob_count; i++)
        rc = send_spool(lease, i, &held->blobs[i], err);
    return rc;
}

int32_t
packice_remote_keep(const struct packice_held *written, struct packice_held *sealed,
                    struct pk_error *err)
{
    for (uint32_t i = 0; i < sealed->blob_count; i++) {
        uint64_t size = 0;
        int fd = -1;
        if (!sealed->blobs[i].remote || written->blobs[i].spool < 0)
            continue;
        int32_t rc = packice_spool_seal(written->blobs[i].spool, &size, err); /* tells the size */
        if (rc == 0 && size != sealed->blobs[i].size)
            rc = pk_fail(err, -EPROTO, "the node sealed %" PRIu64 " bytes of %" PRIu64,
                         sealed->blobs[i].size, size);
        if (rc == 0)
            rc = packice_spool_reopen(written->blobs[i].spool, &fd, err);
        if (rc != 0)
            return rc;
        packice_blob_arrive(&sealed->blobs[i], fd, 0);
    }
    return 0;
}
