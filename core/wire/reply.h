/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replies: from `struct pk_reply` to a message for a transport, and back for a client. Descriptors
 * are indexes here: the order of the descriptors in the message that carries the reply.
 */
#ifndef PK_WIRE_REPLY_H
#define PK_WIRE_REPLY_H

#include "core/wire/room.h"
#include <packice/types.h>
#include <stdbool.h>
#include <stddef.h>

#define PK_WIRE_FDS_MAX 253U /* descriptors of one reply: SCM_MAX_FD, unix(7) */

/* ---- for who answers ---- */

/* Texts, each with its NUL, one behind the other. Zero it to begin; bytes is the owner's to free.
 */
struct pk_wire_texts {
    char *bytes; /* malloc'd; NULL = nothing yet */
    size_t size;
    size_t room;
};

/* What a reply says beside its content. All encoders borrow what they are given, write one message,
 * JSON on one line without a newline, and give a malloc'd *ret_text that is the caller's, of
 * *ret_size bytes and a NUL, which has room for one more behind it. Text that is not UTF-8 comes
 * out with U+FFFD in its place. 0 or -ENOMEM. */
struct pk_wire_reply_format {
    struct pk_wire_texts *into; /* *ret_text is in there, until more is; NULL = it is malloc'd */
    const char *tag;            /* JSON text, as a decoded request holds it; NULL = none */
    uint32_t first_fd;          /* index of this reply's first descriptor; 0 but in a batch */
    bool item;           /* it goes into a batch reply: no tag, no "fds" and "data" of its own */
    bool http;           /* for HTTP: a blob is a URL of the node's, and there are no "fds" */
    bool paths;          /* http: a blob that has a path is that path, beside the URL */
    bool binary;         /* its notation */
    bool takes_binary;   /* the node says that it takes binary requests */
    uint64_t first_data; /* where this reply's bytes begin behind the text; 0 but in a batch */
};

/* How many descriptors travel with a reply: one for each FD handle, and one for each PATH handle,
 * opened by the transport; in blob order, numbered from first_fd. 0 for an error. */
uint32_t pk_wire_reply_fds(const struct pk_reply *reply);

/* How many bytes travel behind a reply, and the newline of JSON: those of all DATA handles, in blob
 * order, numbered from first_data. They are the transport's to send. */
uint64_t pk_wire_reply_data(const struct pk_reply *reply);

/* Any reply of the peer, errors included. */
int32_t pk_wire_reply_encode(const struct pk_reply *reply,
                             const struct pk_wire_reply_format *format, char **ret_text,
                             size_t *ret_size);

/* An error from nothing but its code (a negative errno) and message. */
int32_t pk_wire_error_encode(int32_t code, const char *message,
                             const struct pk_wire_reply_format *format, char **ret_text,
                             size_t *ret_size);

/* The answer to stats, from what the host emitted (copied, with its names). Of two figures of one
 * name the last one counts. */
int32_t pk_wire_stats_encode(const struct pk_stat *stats, size_t count,
                             const struct pk_wire_reply_format *format, char **ret_text,
                             size_t *ret_size);

/* A reply that was encoded as an item. */
struct pk_wire_item {
    const char *text;
    size_t size;
};

/* Puts items of the same notation into one batch reply, which says how many descriptors travel with
 * it, at most PK_WIRE_FDS_MAX, and how many bytes: those of all items. */
int32_t pk_wire_batch_reply_encode(const struct pk_wire_item *items, size_t count, uint32_t fds,
                                   uint64_t data, const struct pk_wire_reply_format *format,
                                   char **ret_text, size_t *ret_size);

/* ---- for who asked ---- */

/* A reply as a client reads it: in two steps, since a tag tells which request was answered, and
 * that tells how to read the rest. Everything lives in it. */
struct pk_wire_reply {
    struct pk_reply reply; /* after parse: status and message alone. handles[i].fd is an index below
                              fds, no two the same, for FD and PATH handles; else -1. A blob of
                              kind "http" is a URL handle whose text begins with '/'. Of a DATA
                              handle, offset and size are within data; those of all blobs, items'
                              too, come to no more than data. Who has the bytes sets
                              handles[i].data */
    const char *tag;       /* JSON text, in the shortest form; NULL = untagged */
    bool takes_binary;     /* the node says that it takes binary requests */
    uint32_t fds;          /* descriptors that travel with it, at most PK_WIRE_FDS_MAX */
    uint64_t data; /* bytes behind it (and its newline), at most PK_SIZE_MAX: whether that is
                      too much is the client's to say, who knows what it asked for */
    struct pk_wire_reply **items; /* BATCH: item_count replies, each parsed, not yet decoded */
    size_t item_count;
    struct pk_stat *stats; /* STATS: stat_count figures, of kind 0 and without help */
    size_t stat_count;
    struct pk_wire_reply *batch; /* what it is an item of; NULL = none */
    struct pk_wire_json *json;   /* the decoder's, as is all below */
    struct pk_wire_value *value;
    uint64_t data_seen;
    uint64_t fds_seen[PK_WIRE_FDS_MAX / 64 + 1]; /* a bit each */
    struct pk_handle *handles;
    struct pk_handle one_handle;
    struct pk_object_info *objects;
    uint64_t *sizes;
    char *tag_text;
    char *meta_text;
    char *message;
};

/* First step: reads the message, tag, fds, data and status. *ret_reply is the caller's to free. 0;
 * -ENOMEM; -EPROTO with the member at fault: the node is not trusted either. */
int32_t pk_wire_reply_parse(const char *text, size_t size, struct pk_wire_reply **ret_reply,
                            struct pk_error *err);

/* The same, in the room (NULL = none). */
int32_t pk_wire_reply_parse_in(struct pk_wire_room *room, const char *text, size_t size,
                               struct pk_wire_reply **ret_reply, struct pk_error *err);

/* Second step, once: fills reply->reply (or items, or stats) as the answer to verb (PK_VERB_* or
 * PK_WIRE_VERB_*). An error reply (status not 0) needs nothing more: 0 at once. The items of a
 * batch, as many as asked for (-EPROTO otherwise), are decoded one by one with this same function,
 * each with the verb of its own request; `count` is for a batch alone, else 0. */
int32_t pk_wire_reply_decode(struct pk_wire_reply *reply, uint32_t verb, size_t count,
                             struct pk_error *err);

/* Frees its items with it; not to be given an item. NULL is fine. */
void pk_wire_reply_free(struct pk_wire_reply *reply);

#endif
