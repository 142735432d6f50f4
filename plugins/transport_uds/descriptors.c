/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A path without a descriptor is opened for the client, who may not be allowed to, and whose lease
 * may end before it would have opened it.
 */
#include "descriptors.h"
#include <fcntl.h>
#include <packice/cleanup.h>
#include <string.h>
#include <sys/resource.h>

#define UDS_LAST_FDS 128U

bool
uds_descriptors_scarce(int fd)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return false;
    rlim_t last = limit.rlim_cur / 16 < UDS_LAST_FDS ? limit.rlim_cur / 16 : UDS_LAST_FDS;
    return (rlim_t)fd >= limit.rlim_cur - last;
}

static const struct pk_handle *
handle_at(const struct pk_reply *reply, uint32_t index)
{
    return (const struct pk_handle *)(const void *)((const char *)reply->handles
                                                    + (size_t)index * reply->handle_stride);
}

void
uds_descriptors_drop(const struct pk_reply *reply)
{
    if (reply->handles == NULL)
        return;
    for (uint32_t i = 0; i < reply->blob_count; i++) {
        const struct pk_handle *handle = handle_at(reply, i);
        if (handle->kind != PK_HANDLE_URL && handle->fd >= 0)
            (void)close(handle->fd);
    }
}

static int
open_path(const struct pk_reply *reply, const char *path)
{
    int access =
        reply->access == PK_ACCESS_CREATE && reply->state == PK_STATE_CREATING ? O_RDWR : O_RDONLY;
    return open(path, access | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY);
}

static int32_t
fail_open(const char *path, struct pk_error *err)
{
    if (errno == EMFILE || errno == ENFILE)
        return pk_fail(err, -EBUSY, "out of descriptors");
    return pk_fail(err, -EIO, "can't open '%s': %s", path, strerror(errno));
}

int32_t
uds_descriptors_take(const struct pk_reply *reply, int *fds, struct pk_error *err)
{
    int32_t r = 0;
    uint32_t count = 0;
    for (uint32_t i = 0; i < reply->blob_count; i++) {
        const struct pk_handle *handle = handle_at(reply, i);
        if (handle->kind == PK_HANDLE_FD || (handle->kind == PK_HANDLE_PATH && handle->fd >= 0)) {
            fds[count++] = handle->fd;
        } else if (handle->kind == PK_HANDLE_PATH) {
            fds[count] = r == 0 ? open_path(reply, handle->text) : -1;
            if (fds[count++] < 0 && r == 0)
                r = fail_open(handle->text, err);
        }
    }
    for (uint32_t i = 0; r < 0 && i < count; i++)
        if (fds[i] >= 0)
            (void)close(fds[i]);
    return r;
}
