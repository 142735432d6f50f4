/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Request ids: which acquire a repeat belongs to, and what it is answered.
 */
#include "core/peer_state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Anonymous callers are one principal: whose connection broke can't say on the next who it was, and
 * repeats for that very reason. */
static int
write_key(char *key, size_t size, const struct pk_call *call)
{
    const struct pk_principal *who = &call->session->principal;

    /* A name may hold anything: its length tells where it ends. */
    return snprintf(key, size, "%u/%u/%zu/%s/%s", who->kind, who->uid, strlen(who->name), who->name,
                    call->request.request_id);
}

static struct pk_repeat *
repeat_new(struct pk_call *call, const char *key)
{
    struct pk_peer *peer = call->peer;
    size_t room = strlen(key) + 1;
    struct pk_repeat *repeat = calloc(1, sizeof(*repeat) + room);
    if (repeat == NULL)
        return NULL;
    repeat->peer = peer;
    repeat->access = call->request.access;
    memcpy(repeat->key, key, room);
    TAILQ_INIT(&repeat->queue);
    HASH_ADD_STR(peer->repeats, key, repeat);
    if (repeat->hh.tbl == NULL) {
        free(repeat);
        return NULL;
    }
    return repeat;
}

static bool
same_request(const struct pk_call *call, const struct pk_repeat *repeat)
{
    if (repeat->access != call->request.access)
        return false;
    return repeat->holder == NULL || call->request.object_id == NULL
           || strcmp(repeat->holder->lease.object_id, call->request.object_id) == 0;
}

bool
pk_repeat_join(struct pk_call *call)
{
    char key[PK_REQUEST_ID_MAX + 128];
    struct pk_repeat *repeat = NULL;

    if (call->request.request_id == NULL || call->session == NULL || call->repeat != NULL)
        return true;
    (void)write_key(key, sizeof(key), call); /* bounded: both parts were checked */
    HASH_FIND_STR(call->peer->repeats, key, repeat);
    if (repeat == NULL) {
        call->repeat = repeat_new(call, key);
        if (call->repeat == NULL)
            pk_call_fail(call, -ENOMEM, "out of memory");
        return call->repeat != NULL;
    }
    if (!same_request(call, repeat)) {
        pk_call_fail(call, -EINVAL, "request_id: in use for another acquire");
        return false;
    }
    if (repeat->holder == NULL) {
        pk_call_park(call, &repeat->queue, NULL);
        return false;
    }
    call->lease = repeat->holder->lease;
    call->begin = pk_acquire_again;
    pk_acquire_again(call);
    return false;
}

void
pk_repeat_settle(struct pk_call *call, struct pk_holder *holder)
{
    struct pk_repeat *repeat = call->repeat;
    struct pk_call *next;

    if (repeat == NULL)
        return;
    call->repeat = NULL;
    if (holder != NULL) {
        repeat->holder = holder;
        holder->repeat = repeat;
        while ((next = TAILQ_FIRST(&repeat->queue)) != NULL)
            pk_call_begin(next); /* and finds the holder: none is parked here again */
        return;
    }
    next = TAILQ_FIRST(&repeat->queue);
    if (next == NULL) {
        pk_repeat_free(repeat);
        return;
    }
    next->repeat = repeat; /* the first is this one now; the others go on waiting */
    pk_call_begin(next);
}

void
pk_repeat_free(struct pk_repeat *repeat)
{
    HASH_DEL(repeat->peer->repeats, repeat);
    free(repeat);
}
