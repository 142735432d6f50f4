/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A call: one request of a client, from its text to the reply that is queued for it; a batch is one
 * call with many items. It knows no order among calls: that is the connection's.
 */
#ifndef UDS_CALL_H
#define UDS_CALL_H

#include "core/wire/wire.h"
#include "output.h"
#include <pthread.h>

struct uds_connection;

/* What is asked of the peer for a call: all of it, or one request of a batch. */
struct uds_item {
    struct uds_call *call;
    size_t begin; /* of a batch: where in its texts the answer is */
    size_t size;  /* of a batch: its bytes; 0 = none yet, or there was no memory for it */
    char rollback[PK_LEASE_ID_LEN + 1]; /* a lease that the client never hears of; "" = none */
};

struct uds_call {
    struct uds_reply reply; /* filled once nothing is left; it outlives the rest in its memory */
    STAILQ_ENTRY(uds_call) next;
    struct uds_connection *connection; /* holds a reference */
    struct pk_wire_request *request;   /* until it is started; NULL = folded, or answered already */
    char *text;                        /* of a folded call's request */
    size_t text_size;                  /* bytes of the request's text */
    const char *tag;                   /* JSON text; NULL = untagged */
    char *data;                        /* the bytes behind the request; NULL = none */
    size_t data_size;
    int *fds; /* passed with the request, until it is started; NULL = none */
    uint32_t fd_count;
    uint32_t releases; /* leases that are released first */
    bool last;         /* nobody can tell where the next request begins */
    bool refused;      /* not for the peer: it is answered already */
    bool batch;
    bool binary;          /* the notation of the request, and of its answer */
    bool offered;         /* the client asks whether binary ones are taken */
    pthread_mutex_t lock; /* of a batch, for what completions write: reply, items, left */
    size_t left;          /* of a batch: items not completed, and one while they are started */
    atomic_size_t room;   /* of a batch: bytes that its reply may still have */
    struct pk_wire_texts texts; /* of a batch: the answers to its items */
    size_t item_count;
    struct uds_item *items; /* of a batch malloc'd; else &item */
    struct uds_item item;
    char tag_text[];
};

/* Makes a call of the request's text that the connection's input gave last, with room for the bytes
 * that come behind it: data_size of them are to be filled into `data`, before it is started. A text
 * that is no good makes a call whose answer says so. -ENOMEM. This and all below on the loop's
 * thread, but uds_call_drop. */
int32_t uds_call_new(struct uds_connection *connection, const char *text, size_t size,
                     struct uds_call **ret_call);
/* Makes a call that is answered with an error, in this notation, and has no tag. -ENOMEM. */
int32_t uds_call_new_error(struct uds_connection *connection, const struct pk_error *error,
                           bool binary, struct uds_call **ret_call);

/* Makes a call small until it is started: what was read takes a hundred times its text. `text`
 * is what the call was made of, or NULL if it was made of an error or is folded. -ENOMEM. */
int32_t uds_call_fold(struct uds_call *call, const char *text);

/* Bytes of the whole request. */
static inline size_t
uds_call_cost(const struct uds_call *call)
{
    return call->text_size + call->data_size;
}

/* Releases what the request says, and asks the peer. The call is no longer the caller's: it may be
 * finished before this returns. */
void uds_call_start(struct uds_call *call);

/* Gives the reply to the connection, and frees the call. */
void uds_call_finish(struct uds_call *call);

/* Frees a call of an open connection but for its reply, which is the caller's. */
struct uds_reply *uds_call_take_reply(struct uds_call *call);

/* Frees a call that was never started, or that nobody waits for any more, and closes what it
 * holds; drops its reference, and with the last one frees the connection. Under the loop's lock
 * once that has ended. */
void uds_call_drop(struct uds_call *call);

#endif
