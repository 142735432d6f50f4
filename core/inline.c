/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * acquire READ of an object that is small enough: its bytes are in the answer, so that there is
 * nothing to hold and nothing to release. It never grants a lease. What is there and at hand is
 * answered without a call being made of it.
 */
#include "core/eviction.h"
#include "core/peer_state.h"

#include <errno.h>
#include <packice/cleanup.h>
#include <stdlib.h>
#include <string.h>

bool
pk_inline_fits(const struct pk_request *request, const struct pk_object *object)
{
    return request->inline_max > 0 && request->request_id == NULL
           && pk_object_size(object) <= request->inline_max;
}

/* Reads what the storage has not in this process, one behind the other, into room for the object;
 * what it has is in the handles already. */
static int32_t
read_missing(const struct pk_peer *peer, const struct pk_object *object, struct pk_handle *handles,
             char *at, struct pk_error *err)
{
    for (uint32_t i = 0; i < object->blob_count; i++) {
        uint64_t got = 0;
        if (handles[i].data != NULL)
            continue;
        int32_t rc = pk_blob_read(peer->blob, object->blobs[i], 0, at, object->sizes[i], &got, err);
        if (rc != 0)
            return rc;
        if (got != object->sizes[i])
            return pk_fail(err, -EIO, "blob %u of '%s' is cut short", i, object->key.id);
        handles[i].data = at;
        at += got;
    }
    return 0;
}

static char *
room_for(const struct pk_object *object)
{
    uint64_t size = pk_object_size(object);

    return malloc(size > 0 ? size : 1); /* NULL would be nowhere */
}

/* ---- as a call ---- */

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
        pk_eviction_acquired(call->object);
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
    call->copied = room_for(call->object);
    if (call->copied == NULL)
        call->status = pk_fail(&call->error, -ENOMEM, "out of memory");
    else
        call->status =
            read_missing(call->peer, call->object, call->handles, call->copied, &call->error);
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

/* ---- without a call ---- */

#define BLOBS_AT_ONCE 4U /* of an object that is answered so */

/* Whether the request can be answered so at all. Members behind the last of these are not read. */
static bool
is_plain_read(const struct pk_request *request)
{
    return request->verb == PK_VERB_ACQUIRE && request->access == PK_ACCESS_READ
           && request->struct_size >= offsetof(struct pk_request, handles)
           && request->inline_max > 0 && request->request_id == NULL && request->object_id != NULL;
}

/* With the lock held: the sealed object of this name, which others may read as well just now. */
static struct pk_object *
find_ready(struct pk_peer *peer, const char *id, size_t size, uint32_t hash)
{
    const struct pk_name *name = pk_name_find_hashed(peer, id, size, hash);
    struct pk_object *object = name != NULL && name->busy == NULL ? name->object : NULL;

    if (object == NULL || object->state != PK_STATE_SEALED || object->blobs == NULL
        || object->blob_count > BLOBS_AT_ONCE)
        return NULL;
    return object;
}

/* The object, in use, and the session, which may be closed meanwhile; NULL: it takes a call. */
static struct pk_object *
begin_answer(struct pk_session *session, const struct pk_request *request, uint64_t *ret_number)
{
    struct pk_peer *peer = session->peer;
    size_t size = strnlen(request->object_id, PK_ID_MAX + 1);
    uint32_t hash = size <= PK_ID_MAX ? pk_hash(request->object_id, size) : 0;
    struct pk_object *object = NULL;

    pk_peer_lock(peer);
    if (size <= PK_ID_MAX && session->call_count < peer->options.max_calls)
        object = find_ready(peer, request->object_id, size, hash);
    if (object != NULL && !pk_inline_fits(request, object))
        object = NULL;
    if (object != NULL) {
        pk_eviction_acquired(object);
        pk_object_use(object);
        session->refs++;
        peer->running++;
        *ret_number = ++session->next_call;
    }
    pk_peer_unlock_only(peer);
    return object;
}

static void
end_answer(struct pk_session *session, struct pk_object *object, bool told)
{
    struct pk_peer *peer = session->peer;

    pk_peer_lock(peer);
    peer->inlined += told;
    pk_object_unuse(object);
    pk_session_unref(session);
    pk_peer_settle(peer);
    pk_peer_unlock(peer);
}

/* Reads what does not lie in this process, if that takes no time; *ret_room is the caller's. */
static bool
read_at_hand(const struct pk_peer *peer, const struct pk_object *object, struct pk_handle *handles,
             char **ret_room)
{
    struct pk_error err = PK_ERROR_INIT;

    if (pk_blob_may_block(peer->blob, PK_BLOB_READ, pk_object_size(object)))
        return false;
    *ret_room = room_for(object);
    return *ret_room != NULL && read_missing(peer, object, handles, *ret_room, &err) == 0;
}

static void
tell(struct pk_session *session, const struct pk_object *object, const struct pk_handle *handles,
     uint64_t started, pk_done_fn *done, void *arg)
{
    const struct pk_reply reply = {
        .struct_size = sizeof(reply),
        .verb = PK_VERB_ACQUIRE,
        .access = PK_ACCESS_READ,
        .message = "",
        .object_id = object->key.id,
        .epoch = object->key.epoch,
        .ttl = PK_FOREVER,
        .state = PK_STATE_SEALED,
        .blob_count = object->blob_count,
        .meta = object->meta,
        .handles = handles,
        .handle_stride = sizeof(*handles),
    };

    if (session->figures != NULL)
        pk_figures_count(session->figures, PK_VERB_ACQUIRE, 0,
                         pk_executor_now(session->peer->executor) - started);
    done(arg, &reply);
}

bool
pk_inline_answer(struct pk_session *session, const struct pk_request *request, pk_done_fn *done,
                 void *arg, uint64_t *ret_call)
{
    struct pk_peer *peer = session->peer;
    struct pk_handle handles[BLOBS_AT_ONCE];
    pk_autofree char *room = NULL;
    uint64_t number = 0;
    bool whole = true;

    if (!is_plain_read(request))
        return false;
    uint64_t started = session->figures != NULL ? pk_executor_now(peer->executor) : 0;
    struct pk_object *object = begin_answer(session, request, &number);
    if (object == NULL)
        return false;
    for (uint32_t i = 0; i < object->blob_count; i++) {
        handles[i] = (struct pk_handle){
            .struct_size = sizeof(handles[i]),
            .kind = PK_HANDLE_DATA,
            .fd = -1,
            .size = object->sizes[i],
            .data = pk_blob_bytes(peer->blob, object->blobs[i]),
        };
        whole &= handles[i].data != NULL;
    }
    whole = whole || read_at_hand(peer, object, handles, &room);
    if (whole && ret_call != NULL)
        *ret_call = number;
    if (whole)
        tell(session, object, handles, started, done, arg);
    end_answer(session, object, whole);
    return whole;
}
