/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors that a put brings, as long as they are the peer's: until the storage has them, or
 * nobody wants them. Who asks for the put doesn't wait while the memory behind one is freed.
 */
#include "core/peer_state.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* From here on freeing it is worth a worker: so many pages take tenths of a millisecond. */
#define LARGE_BLOCKS 2048 /* of 512 bytes */

bool
pk_given_any(const struct pk_request *request)
{
    return request->verb == PK_VERB_PUT && request->handles != NULL;
}

struct pk_handle
pk_given_at(const struct pk_request *request, uint32_t index)
{
    struct pk_handle given = { .fd = -1 };
    size_t size = request->handle_stride < sizeof(given) ? request->handle_stride : sizeof(given);

    memcpy(&given, (const char *)request->handles + (size_t)index * request->handle_stride, size);
    return given;
}

struct ending {
    struct pk_work work;
    int fd;
};

static void
end_on_worker(struct pk_work *work)
{
    struct ending *ending = (struct ending *)(void *)((char *)work - offsetof(struct ending, work));

    (void)close(ending->fd);
    free(ending);
}

static bool
is_large(int fd)
{
    struct stat status;

    return fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_blocks > LARGE_BLOCKS;
}

void
pk_given_end(struct pk_peer *peer, const struct pk_handle *given)
{
    struct ending *ending = NULL;

    if (given->kind != PK_HANDLE_FD || given->fd < 0)
        return;
    if (is_large(given->fd))
        ending = malloc(sizeof(*ending));
    if (ending == NULL) {
        (void)close(given->fd); /* nothing was written through it */
        return;
    }
    *ending = (struct ending){ .work = { .run = end_on_worker }, .fd = given->fd };
    pk_queue_push(peer->blob->queue, &ending->work);
}

void
pk_given_refuse(struct pk_peer *peer, const struct pk_request *request)
{
    for (uint32_t i = 0; pk_given_any(request) && i < request->blob_count; i++) {
        const struct pk_handle given = pk_given_at(request, i);
        pk_given_end(peer, &given);
    }
}
