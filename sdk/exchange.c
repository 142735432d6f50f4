/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests to text, replies to answers. Indexes of descriptors become descriptors here.
 */
#include "sdk/exchange.h"
#include "core/wire/request.h"
#include "sdk/moment.h"
#include <errno.h>
#include <inttypes.h>
#include <packice/cleanup.h>
#include <string.h>

int32_t
packice_exchange_new(const struct pk_request *requests, size_t count,
                     struct packice_exchange **ret_exchange, struct pk_error *err)
{
    struct packice_exchange *exchange =
        calloc(1, sizeof(*exchange) + count * sizeof(exchange->verbs[0]));
    if (exchange == NULL || packice_cond_init(&exchange->changed) != 0) {
        free(exchange);
        return pk_fail(err, -ENOMEM, "no memory for a request");
    }
    exchange->count = count;
    for (size_t i = 0; i < count; i++)
        exchange->verbs[i] = requests != NULL ? requests[i].verb : PK_WIRE_VERB_STATS;
    *ret_exchange = exchange;
    return 0;
}

void
packice_exchange_free(struct packice_exchange *exchange)
{
    if (exchange == NULL)
        return;
    pk_wire_reply_free(exchange->reply);
    if (exchange->fds != NULL)
        packice_fds_close(exchange->fds);
    free(exchange->fds);
    (void)pthread_cond_destroy(&exchange->changed);
    free(exchange);
}

int32_t
packice_exchange_encode(const struct packice_exchange *exchange, const struct pk_request *requests,
                        char **ret_text, size_t *ret_size, struct pk_error *err)
{
    char number[24];
    (void)snprintf(number, sizeof(number), "%" PRIu64, exchange->tag);
    const struct pk_wire_request_format format = { .tag = exchange->tag != 0 ? number : NULL };
    if (exchange->count > 1)
        return pk_wire_batch_encode(requests, exchange->count, &format, ret_text, ret_size, err);
    struct pk_request stats = { .struct_size = (uint32_t)sizeof(stats),
                                .verb = PK_WIRE_VERB_STATS };
    return pk_wire_request_encode(requests != NULL ? requests : &stats, &format, ret_text, ret_size,
                                  err);
}

/* The reply to one of the requests. */
static struct pk_wire_reply *
reply_at(const struct packice_exchange *exchange, size_t index)
{
    return exchange->count > 1 ? exchange->reply->items[index] : exchange->reply;
}

/* Whether the node refused the whole of a batch; then there are no items. */
static bool
refused(const struct packice_exchange *exchange)
{
    return exchange->count > 1 && exchange->reply->reply.status != 0;
}

int32_t
packice_exchange_decode(struct packice_exchange *exchange, struct pk_error *err)
{
    int32_t rc = 0;
    if (exchange->count > 1)
        rc = pk_wire_reply_decode(exchange->reply, PK_WIRE_VERB_BATCH, exchange->count, err);
    if (rc != 0 || refused(exchange))
        return rc;
    for (size_t i = 0; rc == 0 && i < exchange->count; i++)
        rc = pk_wire_reply_decode(reply_at(exchange, i), exchange->verbs[i], 0, err);
    return rc;
}

/* Puts descriptors where the indexes were. */
static void
place_fds(struct packice_exchange *exchange, struct pk_wire_reply *reply)
{
    for (uint32_t i = 0; reply->handles != NULL && i < reply->reply.blob_count; i++) {
        struct pk_handle *handle = &reply->handles[i];
        uint32_t index = (uint32_t)handle->fd; /* the decoder saw to it that it is below fds */
        bool there = handle->fd >= 0 && exchange->fds != NULL && index < exchange->fds->count;
        handle->fd = there ? pk_steal_fd(exchange->fds->fds[index]) : -1;
    }
}

static int32_t
make_answer(struct packice_exchange *exchange, size_t index, const struct pk_request *request,
            uint64_t generation, struct packice_answer **ret_answer, struct pk_error *err)
{
    struct pk_wire_reply *wire = reply_at(exchange, index);
    struct packice_answer *answer = NULL;
    if (wire->reply.status == 0)
        place_fds(exchange, wire);
    if (packice_answer_copy(&wire->reply, &answer) != 0)
        return pk_fail(err, -ENOMEM, "no memory for a reply");
    answer->generation = generation;
    int32_t rc = packice_answer_check(answer, request, err);
    if (rc != 0)
        packice_answer_free(answer);
    else
        *ret_answer = answer;
    return rc;
}

/* The same refusal for each request. */
static int32_t
refuse_all(const struct packice_exchange *exchange, struct packice_answer **ret_answers,
           struct pk_error *err)
{
    for (size_t i = 0; i < exchange->count; i++) {
        if (packice_answer_copy(&exchange->reply->reply, &ret_answers[i]) != 0) {
            packice_answers_free(ret_answers, i);
            return pk_fail(err, -ENOMEM, "no memory for a reply");
        }
    }
    return 0;
}

int32_t
packice_exchange_answers(struct packice_exchange *exchange, const struct pk_request *requests,
                         uint64_t generation, struct packice_answer **ret_answers,
                         struct pk_error *err)
{
    if (exchange->fds != NULL && exchange->fds->cut)
        return pk_fail(err, -EMFILE, "too many open files for the descriptors of a reply");
    if (refused(exchange))
        return refuse_all(exchange, ret_answers, err);
    for (size_t i = 0; i < exchange->count; i++) {
        int32_t rc = make_answer(exchange, i, &requests[i], generation, &ret_answers[i], err);
        if (rc != 0) {
            packice_answers_free(ret_answers, i);
            return rc;
        }
    }
    return 0;
}

void
packice_exchange_each_lease(const struct packice_exchange *exchange,
                            void (*each)(void *arg, const char *lease_id), void *arg)
{
    if (refused(exchange))
        return;
    for (size_t i = 0; i < exchange->count; i++) {
        const struct pk_reply *reply = &reply_at(exchange, i)->reply;
        if (exchange->verbs[i] == PK_VERB_ACQUIRE && reply->status == 0 && reply->lease_id != NULL)
            each(arg, reply->lease_id);
    }
}
