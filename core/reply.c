/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replies: what a completed call tells whoever asked.
 */
#include "core/peer_state.h"

#include <errno.h>

static void
fill_object(struct pk_reply *reply, struct pk_call *call)
{
    const struct pk_object *object = call->object;

    reply->lease_id = call->inlined ? NULL : call->lease.lease_id;
    reply->object_id = object->key.id;
    reply->epoch = object->key.epoch;
    reply->access = call->inlined ? PK_ACCESS_READ : call->lease.access;
    reply->ttl = call->inlined ? PK_FOREVER : call->lease.ttl;
    reply->meta = object->meta;
    reply->handles = call->handles;
    reply->blob_count = call->handle_count;
    reply->handle_stride = sizeof(*call->handles);
    reply->state = PK_STATE_SEALED;
    if (call->request.verb != PK_VERB_SEAL && call->lease.access == PK_ACCESS_CREATE)
        reply->state = PK_STATE_CREATING;
    for (uint32_t i = 0; i < call->handle_count; i++) {
        call->handles[i].struct_size = sizeof(*call->handles);
        if (reply->state == PK_STATE_SEALED) /* what was checked then, and can't change any more */
            call->handles[i].size = object->sizes[i];
    }
}

static void
fill_success(struct pk_reply *reply, struct pk_call *call)
{
    switch (call->request.verb) {
    case PK_VERB_ACQUIRE:
    case PK_VERB_OPEN:
    case PK_VERB_SEAL:
        fill_object(reply, call);
        break;
    case PK_VERB_PUT:
        reply->object_id = call->object->key.id;
        reply->epoch = call->object->key.epoch;
        break;
    case PK_VERB_RENEW:
        reply->lease_id = call->lease.lease_id;
        reply->object_id = call->lease.object_id;
        reply->access = call->lease.access;
        reply->ttl = call->lease.ttl;
        break;
    case PK_VERB_RELEASE:
        reply->lease_id = call->request.lease_id;
        break;
    case PK_VERB_DISCARD:
        reply->object_id = call->request.object_id;
        break;
    case PK_VERB_VERIFY:
        reply->object_id = call->object->key.id;
        reply->epoch = call->object->key.epoch;
        reply->bytes = call->bytes;
        /* fall through */
    case PK_VERB_STAT:
    case PK_VERB_LIST:
        reply->objects = call->infos;
        reply->object_count = call->listed_count;
        reply->object_stride = sizeof(*call->infos);
        reply->cursor = call->cursor;
        break;
    default:
        reply->bytes = call->bytes;
        break;
    }
}

void
pk_reply_tell(struct pk_call *call)
{
    struct pk_reply reply = {
        .struct_size = sizeof(reply),
        .verb = call->request.verb,
        .status = call->status,
        .message = "",
    };

    if (call->status != 0) {
        pk_call_drop_handles(call);
        reply.message = call->error.message;
    } else {
        fill_success(&reply, call);
    }
    if (call->session != NULL && call->session->figures != NULL)
        pk_figures_count(call->session->figures, reply.verb, reply.status,
                         pk_executor_now(call->peer->executor) - call->started);
    call->done(call->arg, &reply);
    /* The descriptors are the receiver's now; the texts still are ours. */
    for (uint32_t i = 0; i < call->handle_count; i++)
        call->handles[i].fd = -1;
}
