/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests: from a message to `struct pk_request` for a transport, and back for a client. All that
 * a caller sent is checked for type and bounds here; whether it makes sense is the peer's to say.
 */
#ifndef PK_WIRE_REQUEST_H
#define PK_WIRE_REQUEST_H

#include "core/wire/room.h"
#include <packice/types.h>
#include <stdbool.h>
#include <stddef.h>

/* Verbs that are the wire's alone, beside PK_VERB_*. */
#define PK_WIRE_VERB_BATCH 100U
#define PK_WIRE_VERB_STATS 101U

#define PK_WIRE_BATCH_MAX 1000U /* requests in one batch */
#define PK_WIRE_TAG_MAX 128U    /* bytes of a tag that is a string */
#define PK_WIRE_META_DEPTH 24U  /* nesting of meta: less than a frame's, so that it fits a batch */
#define PK_WIRE_RELEASES_MAX 256U /* leases that one request releases beside what it asks */

/* A decoded request, with everything its strings need. Bytes and descriptors that come with it are
 * the transport's to receive: request.data and request.handles are NULL. */
struct pk_wire_request {
    struct pk_request request; /* verb is a PK_VERB_* or a PK_WIRE_VERB_*; borrows from here.
                                  data_size: the bytes right behind the text ("data"); of a batch,
                                  those of its items together, one item's behind the other's. Of an
                                  item that is wrong too. PK_UNSIZED: nobody can tell what comes
                                  with the request, so that nothing behind it can be read */
    const char *tag;           /* the tag's JSON text (string or integer); NULL = untagged */
    uint32_t request_fds;      /* descriptors that come with it ("fds"), at most PK_BLOBS_MAX */
    bool binary;               /* the notation in which it came, and is to be answered */
    bool offer;                /* the caller asks whether it may come in binary ("binary") */
    uint32_t release_count;
    const char **releases;          /* leases to be released first, also if the request is wrong */
    struct pk_wire_request **items; /* BATCH: item_count requests, none of them NULL, tagged, a
                                       batch, or stats, or with descriptors or releases */
    size_t item_count;
    struct pk_wire_json *json; /* the decoder's, as is all below: what the text is, and what is
                                  malloc'd of it; items begins with all the items */
    uint64_t *sizes;
    char *tag_text;
    char *meta_text;
    struct pk_error error; /* code is not 0 if it is wrong; then request is zero but for
                              data_size, and this is what to answer */
};

/*
 * Decodes one message. verb: what the transport knows (from a URL's path; then it is JSON), or NULL
 * to take the member "command". 0, whatever the text, or -ENOMEM. A request that is wrong, or an
 * item of a batch, has `error` set: -EINVAL, with a message that begins with the member at fault
 * ("sizes[3]:
 * ..."), or -EOPNOTSUPP: a verb that is not known. Its tag, data_size, request_fds and releases are
 * there nevertheless, as far as they could be read; an item that is wrong leaves the batch right.
 */
int32_t pk_wire_request_decode(const char *text, size_t size, const char *verb,
                               struct pk_wire_request **ret_request, struct pk_error *err);

/* As pk_wire_request_decode, in the room (NULL = none). */
int32_t pk_wire_request_decode_in(struct pk_wire_room *room, const char *text, size_t size,
                                  const char *verb, struct pk_wire_request **ret_request,
                                  struct pk_error *err);

/* NULL is fine. */
void pk_wire_request_free(struct pk_wire_request *request);

/* What a request says beside what it asks. */
struct pk_wire_request_format {
    const char *tag;             /* JSON text of a string or an integer; NULL = none */
    const char *const *releases; /* release_count lease ids, at most PK_WIRE_RELEASES_MAX */
    size_t release_count;
    bool binary; /* the notation of the request itself */
    bool offer;  /* whether it asks if the node takes binary ones */
};

/* Encodes a request for a stream: "command" first, then what the format says (NULL = nothing). JSON
 * is one line, and has a newline at the end, unless the bytes of a put come next: those, or the
 * descriptors of its handles, are the caller's to send. *ret_size counts the newline, and a NUL
 * follows. *ret_text is malloc'd, the caller's. verb may be PK_WIRE_VERB_STATS.
 * 0; -ENOMEM; -EINVAL: what the protocol can't say (text that is not UTF-8, meta that is not a JSON
 * object, a ttl of PK_FOREVER without PK_REQUEST_BIND); -EOPNOTSUPP: a verb that it doesn't have;
 * -EFBIG: longer than PK_WIRE_REQUEST_MAX. */
int32_t pk_wire_request_encode(const struct pk_request *request,
                               const struct pk_wire_request_format *format, char **ret_text,
                               size_t *ret_size, struct pk_error *err);

/* Checks that text is a JSON object of at most PK_META_MAX bytes and PK_WIRE_META_DEPTH levels once
 * it is compact, and gives that form, malloc'd; "" for an empty object, for "" and for NULL. 0,
 * -EINVAL, -ENOMEM. For clients whose peer has no wire before it. */
int32_t pk_wire_meta_compact(const char *text, char **ret_text, struct pk_error *err);

/* As pk_wire_request_encode, for a batch of up to PK_WIRE_BATCH_MAX requests, none of them stats or
 * with descriptors. The bytes of its puts come behind it in their order. Errors name the request at
 * fault ("requests[3]: ..."). */
int32_t pk_wire_batch_encode(const struct pk_request *requests, size_t count,
                             const struct pk_wire_request_format *format, char **ret_text,
                             size_t *ret_size, struct pk_error *err);

#endif
