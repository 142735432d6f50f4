/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests to text, replies to answers. Indexes of descriptors become descriptors here, and places
 * of bytes become bytes.
 */
#include "sdk/exchange.h"
#include <errno.h>
#include <packice/cleanup.h>

int32_t
packice_exchange_encode(const struct pk_request *requests, size_t count,
                        const struct pk_wire_request_format *format, char **ret_text,
                        size_t *ret_size, struct pk_error *err)
{
    if (count > 1)
        return pk_wire_batch_encode(requests, count, format, ret_text, ret_size, err);
    const struct pk_request stats = { .struct_size = (uint32_t)sizeof(stats),
                                      .verb = PK_WIRE_VERB_STATS };
    return pk_wire_request_encode(requests != NULL ? requests : &stats, format, ret_text, ret_size,
                                  err);
}

/* The reply to one of the requests. */
static struct pk_wire_reply *
reply_at(struct pk_wire_reply *reply, size_t count, size_t index)
{
    return count > 1 ? reply->items[index] : reply;
}

/* Whether the node refused the whole of a batch; then there are no items. */
static bool
refused(const struct pk_wire_reply *reply, size_t count)
{
    return count > 1 && reply->reply.status != 0;
}

int32_t
packice_exchange_decode(struct pk_wire_reply *reply, const struct pk_request *requests,
                        size_t count, struct pk_error *err)
{
    int32_t rc = 0;
    if (count > 1)
        rc = pk_wire_reply_decode(reply, PK_WIRE_VERB_BATCH, count, err);
    if (rc != 0 || refused(reply, count))
        return rc;
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = pk_wire_reply_decode(reply_at(reply, count, i),
                                  requests != NULL ? requests[i].verb : PK_WIRE_VERB_STATS, 0, err);
    return rc;
}

/* Puts descriptors where the indexes were, and bytes where their places were. The decoder saw to it
 * that both are within what came. */
static void
place(const struct packice_arrival *arrival, struct pk_wire_reply *reply)
{
    for (uint32_t i = 0; reply->handles != NULL && i < reply->reply.blob_count; i++) {
        struct pk_handle *handle = &reply->handles[i];
        uint32_t index = (uint32_t)handle->fd;
        bool there = handle->fd >= 0 && arrival->fds != NULL && index < arrival->fds->count;
        handle->fd = there ? pk_steal_fd(arrival->fds->fds[index]) : -1;
        if (handle->kind == PK_HANDLE_DATA && arrival->data != NULL)
            handle->data = arrival->data + handle->offset;
    }
}

static int32_t
make_answer(const struct packice_arrival *arrival, struct pk_wire_reply *reply,
            const struct pk_request *request, struct packice_answer **ret_answer,
            struct pk_error *err)
{
    struct packice_answer *answer = NULL;
    if (reply->reply.status == 0)
        place(arrival, reply);
    if (packice_answer_copy(&reply->reply, &answer) != 0)
        return pk_fail(err, -ENOMEM, "no memory for a reply");
    answer->generation = arrival->generation;
    int32_t rc = packice_answer_check(answer, request, err);
    if (rc != 0)
        packice_answer_unref(answer);
    else
        *ret_answer = answer;
    return rc;
}

int32_t
packice_exchange_answers(const struct packice_arrival *arrival, const struct pk_request *requests,
                         size_t count, struct packice_answer **ret_answers, struct pk_error *err)
{
    if (arrival->fds != NULL && arrival->fds->cut)
        return pk_fail(err, -EMFILE, "too many open files for the descriptors of a reply");
    bool all = refused(arrival->reply, count); /* the same refusal for each request */
    for (size_t i = 0; i < count; i++) {
        struct pk_wire_reply *reply = all ? arrival->reply : reply_at(arrival->reply, count, i);
        int32_t rc = make_answer(arrival, reply, &requests[i], &ret_answers[i], err);
        if (rc != 0) {
            packice_answers_unref(ret_answers, i);
            return rc;
        }
    }
    return 0;
}

int32_t
packice_exchange_figures(const struct pk_wire_reply *reply, packice_figure_fn *emit, void *arg,
                         struct pk_error *err)
{
    if (reply->reply.status != 0)
        return pk_fail(err, reply->reply.status, "%s", reply->reply.message);
    for (size_t i = 0; i < reply->stat_count; i++)
        emit(arg, reply->stats[i].name, reply->stats[i].value);
    return 0;
}

void
packice_exchange_each_lease(const struct pk_wire_reply *reply, const struct pk_request *requests,
                            size_t count, void (*each)(void *arg, const char *lease_id), void *arg)
{
    if (requests == NULL || refused(reply, count))
        return;
    for (size_t i = 0; i < count; i++) {
        const struct pk_reply *one = count > 1 ? &reply->items[i]->reply : &reply->reply;
        if (requests[i].verb == PK_VERB_ACQUIRE && one->status == 0 && one->lease_id != NULL)
            each(arg, one->lease_id);
    }
}
