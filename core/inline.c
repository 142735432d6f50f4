/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * acquire READ of an object that is small enough: its bytes are in the answer, so that there is
 * nothing to hold and nothing to release. It never grants a lease.
 */
#include "core/peer_state.h"

#include <errno.h>
#include <stdlib.h>

bool
pk_inline_fits(const struct pk_request *request, const struct pk_object *object)
{
    return request->inline_max > 0 && request->request_id == NULL
           && pk_object_size(object) <= request->inline_max;
}

/* What the storage does not have in this process is read. */
static int32_t
read_bytes(struct pk_call *call)
{
    struct pk_peer *peer = call->peer;
    const struct pk_object *object = call->object;
    uint64_t size = pk_object_size(object);
    char *at = malloc(size > 0 ? size : 1);

    call->copied = at;
    if (at == NULL)
        return pk_fail(&call->error, -ENOMEM, "out of memory");
    for (uint32_t i = 0; i < object->blob_count; i++) {
        uint64_t got = 0;
        if (call->handles[i].data != NULL)
            continue;
        int32_t rc =
            pk_blob_read(peer->blob, object->blobs[i], 0, at, object->sizes[i], &got, &call->error);
        if (rc != 0)
            return rc;
        if (got != object->sizes[i])
            return pk_fail(&call->error, -EIO, "blob %u of '%s' is cut short", i, object->key.id);
        call->handles[i].data = at;
        at += got;
    }
    return 0;
}

static void
inline_finish(struct pk_call *call)
{
    struct pk_peer *peer = call->peer;

    pk_peer_lock(peer);
    bool vanished = call->status == -ENOENT && call->object->published;
    if (vanished)
        pk_lookup_vanished(call->object);
    if (call->status == 0 && pk_call_orphaned(call))
        pk_call_fail(call, -ECANCELED, "the session was closed");
    if (call->status == 0) {
        call->inlined = true;
        peer->inlined++;
    }
    pk_peer_unlock(peer);
    if (call->status == 0)
        return;
    free(call->copied);
    call->copied = NULL;
    if (vanished)
        (void)pk_acquire_once_more(call);
}

static void
inline_read(struct pk_call *call)
{
    call->status = read_bytes(call);
    inline_finish(call);
}

static void
inline_bytes(struct pk_call *call)
{
    struct pk_peer *peer = call->peer;
    const struct pk_object *object = call->object;
    bool missing = false;

    call->status = pk_call_handle_room(call, object->blob_count);
    for (uint32_t i = 0; call->status == 0 && i < object->blob_count; i++) {
        const void *data = pk_blob_bytes(peer->blob, object->blobs[i]);
        call->handles[i] = (struct pk_handle){ .kind = PK_HANDLE_DATA, .fd = -1, .data = data };
        call->handle_count++;
        missing |= data == NULL;
    }
    if (missing)
        pk_call_next(call, inline_read, peer->blob, PK_SLOT(PK_BLOB_READ), pk_object_size(object));
    else
        inline_finish(call);
}

void
pk_inline_begin(struct pk_call *call)
{
    pk_call_next(call, inline_bytes, call->peer->blob, 0, 0);
}
