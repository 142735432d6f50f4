/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client's life, and the way of each call through its link. Leases keep the struct alive beyond
 * its owner's packice_client_free, but not the link.
 */
#include "sdk/client.h"
#include "core/wire/error_name.h"
#include "sdk/error.h"
#include "sdk/moment.h"
#include "sdk/process.h"
#include <errno.h>
#include <packice/cleanup.h>
#include <string.h>

#define DEFAULT_TIMEOUT UINT64_C(120000000000)
#define DEFAULT_INLINE (UINT64_C(64) << 10)
#define INLINE_LIMIT (UINT64_C(1) << 20)

/* How many bytes a get asks for. */
static uint64_t
choose_inline(const struct packice_link *link, uint64_t inline_max)
{
    if (link->ops->put_max == 0 || inline_max == PACKICE_NO_INLINE)
        return 0;
    if (inline_max == 0)
        return DEFAULT_INLINE;
    return inline_max < INLINE_LIMIT ? inline_max : INLINE_LIMIT;
}

int32_t
packice_client_new(struct packice_link *link, uint64_t inline_max, packice_client **ret_client,
                   struct pk_error *err)
{
    packice_client *client = calloc(1, sizeof(*client));
    if (client == NULL || packice_renewal_init(&client->renewal) != 0) {
        free(client);
        link->ops->shut(link);
        link->ops->free(link, false);
        return pk_fail(err, -ENOMEM, "no memory for a client");
    }
    packice_holdings_init(&client->holdings);
    client->link = link;
    client->pid = packice_process();
    client->inline_max = choose_inline(link, inline_max);
    atomic_init(&client->no_put, 0);
    atomic_init(&client->no_adoption, 0);
    atomic_init(&client->timeout, DEFAULT_TIMEOUT);
    atomic_init(&client->refs, 1);
    client->renewal.link = link;
    client->renewal.timeout = &client->timeout;
    *ret_client = client;
    return 0;
}

packice_client *
packice_client_ref(packice_client *client)
{
    (void)atomic_fetch_add(&client->refs, 1);
    return client;
}

void
packice_client_unref(packice_client *client)
{
    if (atomic_fetch_sub(&client->refs, 1) != 1)
        return;
    if (client->pid == packice_process()) { /* a lock that came over a fork may be held for ever */
        packice_renewal_finish(&client->renewal);
        packice_holdings_finish(&client->holdings);
    }
    free(client);
}

void
packice_client_free(packice_client *client)
{
    if (client == NULL)
        return;
    bool forked = client->pid != packice_process();
    if (!forked) {
        client->link->ops->shut(client->link);
        packice_renewal_stop(&client->renewal);
    }
    client->link->ops->free(pk_steal(client->link), forked);
    packice_client_unref(client);
}

int32_t
packice_client_check(const packice_client *client, struct pk_error *err)
{
    if (client->link == NULL)
        return pk_fail(err, -EPIPE, "the client of this lease was freed");
    if (client->pid != packice_process())
        return pk_fail(err, -EPIPE, "the client belongs to process %d: connect again after a fork",
                       (int)client->pid);
    return 0;
}

int32_t
packice_client_call(packice_client *client, const struct pk_request *requests, size_t count,
                    uint64_t generation, uint64_t wait, struct packice_answer **ret_answers,
                    struct pk_error *err)
{
    int32_t rc = packice_client_check(client, err);
    if (rc != 0)
        return rc;
    struct packice_ask ask = { requests, count, generation,
                               packice_deadline(wait, atomic_load(&client->timeout)) };
    return client->link->ops->call(client->link, &ask, ret_answers, err);
}

int32_t
packice_answer_status(const struct packice_answer *answer, struct pk_error *err)
{
    int32_t status = answer->reply.status;
    if (status == 0)
        return 0;
    /* A peer of this process could tell more than a node, but callers shall see one behaviour. */
    if (strcmp(pk_wire_error_name(status), "internal") == 0)
        status = -EREMOTEIO;
    if (answer->reply.message == NULL || answer->reply.message[0] == '\0')
        return pk_fail(err, status, "%s", packice_error_name(status));
    return pk_fail(err, status, "%s", answer->reply.message);
}

int32_t
packice_client_ask(packice_client *client, const struct pk_request *request, uint64_t generation,
                   struct packice_answer **ret_answer, struct pk_error *err)
{
    struct packice_answer *answer = NULL;
    /* how long the reading takes, only the storage knows */
    uint64_t wait = request->verb == PK_VERB_VERIFY ? PK_FOREVER : request->wait;
    int32_t rc = packice_client_call(client, request, 1, generation, wait, &answer, err);
    if (rc != 0)
        return rc;
    rc = packice_answer_status(answer, err);
    if (rc != 0)
        packice_answer_unref(answer);
    else
        *ret_answer = answer;
    return rc;
}

int
packice_client_set_timeout(packice_client *client, double seconds)
{
    uint64_t timeout;
    int32_t rc = packice_from_seconds(seconds, "timeout", &timeout, packice_error_slot());
    if (rc == 0 && timeout == 0)
        rc = pk_fail(packice_error_slot(), -EINVAL, "timeout: 0 is no time at all");
    if (rc == 0)
        atomic_store(&client->timeout, timeout);
    return packice_result(rc);
}

int
packice_stats(packice_client *client, void (*emit)(void *arg, const char *name, uint64_t value),
              void *arg)
{
    struct pk_error *err = packice_error_slot();
    int32_t rc = packice_client_check(client, err);
    if (rc == 0)
        rc = client->link->ops->stats(
            client->link, packice_deadline(0, atomic_load(&client->timeout)), emit, arg, err);
    return packice_result(rc);
}
