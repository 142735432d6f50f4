/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The link to a node over HTTP: requests are posted, each by the thread that asks, over connections
 * that are kept. No lease is bound to one of them: what a caller binds, the client itself keeps.
 */
#include "core/wire/frame.h"
#include "core/wire/request.h"
#include "sdk/exchange.h"
#include "sdk/http_keep.h"
#include "sdk/http_proof.h"
#include "sdk/http_request.h"
#include "sdk/http_transfer.h"
#include "sdk/moment.h"
#include "sdk/target.h"
#include <assert.h>
#include <errno.h>
#include <packice/cleanup.h>
#include <string.h>

/* Leases that the client keeps count as bound to this one. */
#define GENERATION 1U

#define SECOND UINT64_C(1000000000)
#define CONNECT_TIMEOUT (120 * SECOND) /* to see whether a node answers at all */
#define RENEW_TIMEOUT (30 * SECOND)    /* for each renewal of a lease that is kept */
#define LAST_TIMEOUT (5 * SECOND)      /* to release them all when the client is freed */

struct http_link {
    struct packice_link link;
    struct packice_link plain; /* what the renewals of kept leases go through */
    struct packice_http *http;
    struct packice_keep keep;
    atomic_uint_fast64_t renew_timeout;
};

static struct http_link *
to_http(struct packice_link *base)
{
    return (struct http_link *)(void *)base;
}

static struct http_link *
plain_to_http(struct packice_link *base)
{
    return (struct http_link *)(void *)((char *)base - offsetof(struct http_link, plain));
}

/* ---- one exchange ---- */

static const char *
verb_path(const struct packice_ask *ask)
{
    static const char *const paths[] = {
        [PK_VERB_ACQUIRE] = "acquire", [PK_VERB_SEAL] = "seal",       [PK_VERB_RENEW] = "renew",
        [PK_VERB_RELEASE] = "release", [PK_VERB_DISCARD] = "discard", [PK_VERB_STAT] = "stat",
        [PK_VERB_LIST] = "list",       [PK_VERB_VERIFY] = "verify",
    };
    if (ask->requests == NULL)
        return "stats";
    if (ask->count > 1)
        return "batch";
    uint32_t verb = ask->requests->verb;
    assert(verb < sizeof(paths) / sizeof(paths[0]) && paths[verb] != NULL);
    return paths[verb];
}

/* Whether it may come to the node twice without another outcome. */
static bool
is_repeatable(const struct packice_ask *ask)
{
    if (ask->requests == NULL)
        return true;
    return ask->count == 1 && ask->requests->verb != PK_VERB_ACQUIRE
           && ask->requests->verb != PK_VERB_DISCARD;
}

/* Reads what came as a reply, whatever the status: that of HTTP only repeats what it says. */
static int32_t
read_reply(const struct packice_http_response *response, struct pk_wire_reply **reply,
           struct pk_error *err)
{
    bool known = response->status == 200 || (response->status >= 400 && response->status < 600);
    if (!known)
        return packice_http_refusal(response, err);
    int32_t rc = pk_wire_reply_parse(response->text, response->text_size, reply, err);
    bool refused = rc == -EPROTO && response->status != 200;
    if (refused || (rc == 0 && response->status != 200 && (*reply)->reply.status == 0))
        return packice_http_refusal(response, err);
    return rc;
}

static void give_back(void *arg, const char *lease_id);

/* Whether a request is about a lease that was there before. */
static bool
is_known(const struct packice_ask *ask, const char *lease_id)
{
    for (size_t i = 0; i < ask->count; i++) {
        const char *known = ask->requests[i].lease_id;
        if (known != NULL && strcmp(known, lease_id) == 0)
            return true;
    }
    return false;
}

/* Leases that were granted by a reply which can't be read: nobody would ever release them. */
static void
rescue_leases(struct http_link *link, const struct packice_ask *ask,
              const struct packice_http_response *response)
{
    static const char member[] = "\"lease_id\":\"";
    char lease_id[PK_LEASE_ID_LEN + 1];
    if (ask->requests == NULL || response->text == NULL)
        return;
    const char *at = response->text;
    for (size_t left = ask->count; left > 0 && (at = strstr(at, member)) != NULL; left--) {
        at += sizeof(member) - 1;
        (void)snprintf(lease_id, sizeof(lease_id), "%s", at);
        if (strspn(lease_id, "0123456789abcdef-") == PK_LEASE_ID_LEN && !is_known(ask, lease_id))
            give_back(link, lease_id);
    }
}

/* *reply is the caller's to free, on failure too. */
static int32_t
post(struct http_link *link, const struct packice_ask *ask, bool last, struct pk_wire_reply **reply,
     struct pk_error *err)
{
    pk_autofree char *text = NULL;
    pk_autofree char *url = NULL;
    struct packice_http_response response;
    size_t size = 0;
    int32_t rc = packice_exchange_encode(ask->requests, ask->count, NULL, &text, &size, err);
    if (rc != 0)
        return rc;
    if (asprintf(&url, "%s/%s", link->http->base, verb_path(ask)) < 0)
        rc = pk_fail(err, -ENOMEM, "no memory for a request");
    if (rc == 0) {
        const struct packice_http_request request = { .method = "POST",
                                                      .url = url,
                                                      .text = text,
                                                      .text_size = size,
                                                      .once = !is_repeatable(ask),
                                                      .last = last,
                                                      .deadline = ask->deadline,
                                                      .patience = PK_FOREVER,
                                                      .text_max = PK_WIRE_REPLY_MAX };
        rc = packice_http_perform(link->http, &request, &response, err);
        if (rc == 0)
            rc = read_reply(&response, reply, err);
        if (rc == 0)
            rc = packice_exchange_decode(*reply, ask->requests, ask->count, err);
        if (rc != 0)
            rescue_leases(link, ask, &response);
        packice_http_response_finish(&response);
    }
    explicit_bzero(text, size); /* lease ids */
    return rc;
}

/* Asks; the reply is decoded, and the caller's to free. */
static int32_t
exchange_with(struct http_link *link, const struct packice_ask *ask, bool last,
              struct pk_wire_reply **ret_reply, struct pk_error *err)
{
    struct pk_wire_reply *reply = NULL;
    int32_t rc = post(link, ask, last, &reply, err);
    if (rc == 0)
        *ret_reply = reply;
    else
        pk_wire_reply_free(reply);
    return rc;
}

/* ---- calls ---- */

/* Requests as they are sent: no connection holds a lease, no ttl is endless, and no descriptor
 * comes. */
static void
unbind(const struct pk_request *from, size_t count, struct pk_request *to)
{
    for (size_t i = 0; i < count; i++) {
        to[i] = from[i];
        to[i].flags &= ~(PK_REQUEST_BIND | PK_REQUEST_SHARE);
        if (to[i].ttl == PK_FOREVER)
            to[i].ttl = 0; /* the node's, again and again */
    }
}

/* Sees to the lease that an answer is about. */
static int32_t
keep_one(struct http_link *link, const struct pk_request *request, struct packice_answer *answer)
{
    struct pk_reply *reply = &answer->reply;
    bool bound = (request->flags & PK_REQUEST_BIND) != 0;
    bool endless = false;
    int32_t rc = 0;
    if (reply->status != 0)
        return 0;
    switch (request->verb) {
    case PK_VERB_ACQUIRE:
        endless = bound && request->ttl == PK_FOREVER;
        if (bound)
            rc = packice_keep_add(&link->keep, reply->lease_id, endless, reply->ttl);
        answer->generation = bound ? GENERATION : 0;
        break;
    case PK_VERB_RENEW:
        rc = packice_keep_renewed(&link->keep, request->lease_id, request->ttl == 0, reply->ttl,
                                  &bound);
        endless = bound && request->ttl == 0;
        break;
    case PK_VERB_RELEASE:
        packice_keep_remove(&link->keep, request->lease_id);
        break;
    default:
        break;
    }
    if (endless)
        reply->ttl = PK_FOREVER;
    return rc;
}

/* Releases a lease whose answer can't be used. arg: the link. */
static void
give_back(void *arg, const char *lease_id)
{
    struct http_link *link = arg;
    struct pk_request request = { .struct_size = (uint32_t)sizeof(request),
                                  .verb = PK_VERB_RELEASE,
                                  .lease_id = lease_id };
    const struct packice_ask ask = { &request, 1, 0, packice_deadline(LAST_TIMEOUT, 0) };
    struct pk_wire_reply *done = NULL;
    packice_keep_remove(&link->keep, lease_id);
    if (exchange_with(link, &ask, false, &done, NULL) == 0)
        pk_wire_reply_free(done);
}

static int32_t
take_answers(struct http_link *link, const struct packice_ask *ask, struct pk_wire_reply *done,
             struct packice_answer **ret_answers, struct pk_error *err)
{
    const struct packice_arrival arrival = { .reply = done };
    int32_t rc = packice_exchange_answers(&arrival, ask->requests, ask->count, ret_answers, err);
    if (rc != 0)
        return rc;
    for (size_t i = 0; rc == 0 && i < ask->count; i++) {
        ret_answers[i]->remote = true;
        rc = keep_one(link, &ask->requests[i], ret_answers[i]);
    }
    if (rc == 0)
        return 0;
    packice_answers_unref(ret_answers, ask->count);
    return pk_fail(err, rc, "no memory for a lease");
}

static int32_t
http_call(struct packice_link *base, const struct packice_ask *ask,
          struct packice_answer **ret_answers, struct pk_error *err)
{
    struct http_link *link = to_http(base);
    struct pk_request sent[PACKICE_TRIP_REQUESTS];
    struct pk_wire_reply *done = NULL;
    struct packice_ask plain = *ask;
    assert(ask->count > 0);
    if (ask->count > PACKICE_TRIP_REQUESTS)
        return pk_fail(err, -EINVAL, "%zu requests at once", ask->count);
    unbind(ask->requests, ask->count, sent);
    plain.requests = sent;
    int32_t rc = exchange_with(link, &plain, false, &done, err);
    if (rc != 0)
        return rc;
    rc = take_answers(link, ask, done, ret_answers, err);
    if (rc != 0)
        packice_exchange_each_lease(done, ask->requests, ask->count, give_back, link);
    pk_wire_reply_free(done);
    return rc;
}

/* For renewals of kept leases: nothing is kept of the answers. */
static int32_t
plain_call(struct packice_link *base, const struct packice_ask *ask,
           struct packice_answer **ret_answers, struct pk_error *err)
{
    struct pk_wire_reply *done = NULL;
    int32_t rc = exchange_with(plain_to_http(base), ask, false, &done, err);
    if (rc != 0)
        return rc;
    const struct packice_arrival arrival = { .reply = done };
    rc = packice_exchange_answers(&arrival, ask->requests, ask->count, ret_answers, err);
    pk_wire_reply_free(done);
    return rc;
}

static int32_t
http_stats(struct packice_link *base, uint64_t deadline, packice_figure_fn *emit, void *arg,
           struct pk_error *err)
{
    const struct packice_ask ask = { NULL, 1, 0, deadline };
    struct pk_wire_reply *done = NULL;
    int32_t rc = exchange_with(to_http(base), &ask, false, &done, err);
    if (rc != 0)
        return rc;
    rc = packice_exchange_figures(done, emit, arg, err);
    pk_wire_reply_free(done);
    return rc;
}

/* ---- bytes ---- */

static int32_t
http_upload(struct packice_link *base, const struct packice_transfer *transfer,
            struct pk_error *err)
{
    return packice_http_upload(to_http(base)->http, transfer, err);
}

static int32_t
http_download(struct packice_link *base, const struct packice_transfer *transfer,
              struct pk_error *err)
{
    return packice_http_download(to_http(base)->http, transfer, err);
}

static int32_t
http_same_file(struct packice_link *base, const struct packice_transfer *transfer, bool *ret_same,
               struct pk_error *err)
{
    return packice_http_same_file(to_http(base)->http, transfer, ret_same, err);
}

/* ---- the life of the link ---- */

/* They end by their time or by a word of the node's, and not with a connection. */
static bool
http_alive(struct packice_link *base, uint64_t generation)
{
    (void)base;
    return generation == GENERATION;
}

static void
http_distrust(struct packice_link *base, uint64_t generation)
{
    (void)base;
    (void)generation;
}

/* Releases what is kept, as many at once as fit a request. */
static void
release_kept(struct http_link *link)
{
    struct packice_kept *kept[PACKICE_TRIP_REQUESTS];
    struct pk_request requests[PACKICE_TRIP_REQUESTS];
    uint64_t deadline = packice_deadline(LAST_TIMEOUT, 0);
    size_t count;
    while ((count = packice_keep_take(&link->keep, kept, PACKICE_TRIP_REQUESTS)) > 0) {
        struct pk_wire_reply *done = NULL;
        const struct packice_ask ask = { requests, count, 0, deadline };
        for (size_t i = 0; i < count; i++)
            requests[i] = (struct pk_request){ .struct_size = (uint32_t)sizeof(requests[i]),
                                               .verb = PK_VERB_RELEASE,
                                               .lease_id = packice_kept_id(kept[i]) };
        if (exchange_with(link, &ask, true, &done, NULL) == 0)
            pk_wire_reply_free(done);
        for (size_t i = 0; i < count; i++)
            packice_kept_free(kept[i]);
    }
}

static void
http_shut(struct packice_link *base)
{
    struct http_link *link = to_http(base);
    packice_http_shut(link->http);
    packice_keep_stop(&link->keep);
    release_kept(link);
}

static void
http_free(struct packice_link *base, bool forked)
{
    struct http_link *link = to_http(base);
    if (forked)
        packice_keep_forget(&link->keep);
    else
        packice_keep_finish(&link->keep);
    packice_http_free(link->http, forked);
    free(link);
}

static const struct packice_link_ops http_ops = {
    .call = http_call,
    .stats = http_stats,
    .alive = http_alive,
    .distrust = http_distrust,
    .upload = http_upload,
    .download = http_download,
    .same_file = http_same_file,
    .shut = http_shut,
    .free = http_free,
};

static const struct packice_link_ops plain_ops = { .call = plain_call };

/* Whether a node answers, and lets this caller in. */
static int32_t
look_for_node(struct http_link *link, struct pk_error *err)
{
    pk_autofree char *url = NULL;
    struct packice_http_response response;
    if (asprintf(&url, "%s/healthz", link->http->base) < 0)
        return pk_fail(err, -ENOMEM, "no memory for a request");
    const struct packice_http_request request = { .method = "GET",
                                                  .url = url,
                                                  .deadline = packice_deadline(CONNECT_TIMEOUT, 0),
                                                  .patience = PK_FOREVER,
                                                  .text_max = PACKICE_HTTP_REFUSAL_MAX };
    int32_t rc = packice_http_perform(link->http, &request, &response, err);
    if (rc == 0 && response.status != 200)
        rc = packice_http_refusal(&response, err);
    packice_http_response_finish(&response);
    return rc;
}

int32_t
packice_link_http(const char *target, const struct packice_connect_options *options,
                  struct packice_link **ret_link, struct pk_error *err)
{
    struct http_link *link = calloc(1, sizeof(*link));
    if (link == NULL)
        return pk_fail(err, -ENOMEM, "no memory for a client");
    link->link.ops = &http_ops;
    link->plain.ops = &plain_ops;
    atomic_init(&link->renew_timeout, RENEW_TIMEOUT);
    int32_t rc = packice_http_new(target, options, &link->http, err);
    if (rc == 0 && packice_keep_init(&link->keep, &link->plain, &link->renew_timeout) != 0)
        rc = pk_fail(err, -ENOMEM, "no memory for a client");
    if (rc != 0) {
        packice_http_free(link->http, false);
        free(link);
        return rc;
    }
    rc = look_for_node(link, err);
    if (rc == 0)
        *ret_link = &link->link;
    else
        http_free(&link->link, false);
    return rc;
}
