/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests: from JSON text to `struct pk_request` for a transport, and back for a client. All that
 * a caller sent is checked for type and bounds here; whether it makes sense is the peer's to say.
 */
#ifndef PK_WIRE_REQUEST_H
#define PK_WIRE_REQUEST_H

#include <packice/types.h>
#include <stddef.h>

/* Verbs that are the wire's alone, beside PK_VERB_*. */
#define PK_WIRE_VERB_BATCH 100U
#define PK_WIRE_VERB_STATS 101U

#define PK_WIRE_BATCH_MAX 1000U /* requests in one batch */
#define PK_WIRE_TAG_MAX 128U    /* bytes of a tag that is a string */
#define PK_WIRE_META_DEPTH 24U  /* nesting of meta: less than a frame's, so that it fits a batch */

/* A decoded request, with everything its strings need. */
struct pk_wire_request {
    struct pk_request request;      /* verb is a PK_VERB_* or a PK_WIRE_VERB_*; borrows from here */
    char *tag;                      /* the tag's JSON text (string or integer); NULL = untagged */
    struct pk_error error;          /* an item of a batch: code is not 0 if it didn't decode; then
                                       request is zero, and this is what to answer */
    struct pk_wire_request **items; /* BATCH: item_count requests, none of them NULL, tagged, a
                                       batch, or stats */
    size_t item_count;
    void *json; /* the decoder's, as are the next two */
    uint64_t *sizes;
    char *meta;
};

/*
 * Decodes one JSON text. verb: what the transport knows (from a URL's path), or NULL to take the
 * member "command". An item of a batch that doesn't decode does not fail the batch: see `error`.
 * 0; -EINVAL, with a message that begins with the member at fault ("sizes[3]: ..."); -EOPNOTSUPP:
 * a verb that is not known; -ENOMEM. *ret_tag (ret_tag may be NULL) is set in any case, on errors
 * too: a copy of the tag's JSON text, the caller's to free, or NULL where there was none to read.
 */
int32_t pk_wire_request_decode(const char *text, size_t size, const char *verb,
                               struct pk_wire_request **ret_request, char **ret_tag,
                               struct pk_error *err);

/* NULL is fine. */
void pk_wire_request_free(struct pk_wire_request *request);

/* Encodes a request for a stream, on one line: "command" first, then "tag" (JSON text of a string
 * or an integer; NULL = none), and a newline at the end, which *ret_size counts and a NUL follows.
 * *ret_text is malloc'd, the caller's. verb may be PK_WIRE_VERB_STATS.
 * 0; -ENOMEM; -EINVAL: what the protocol can't say (text that is not UTF-8, meta that is not a JSON
 * object, a ttl of PK_FOREVER without PK_REQUEST_BIND); -EOPNOTSUPP: a verb that it doesn't have;
 * -EFBIG: longer than PK_WIRE_REQUEST_MAX. */
int32_t pk_wire_request_encode(const struct pk_request *request, const char *tag, char **ret_text,
                               size_t *ret_size, struct pk_error *err);

/* Checks that text is a JSON object of at most PK_META_MAX bytes and PK_WIRE_META_DEPTH levels once
 * it is compact, and gives that form, malloc'd; "" for an empty object, for "" and for NULL. 0,
 * -EINVAL, -ENOMEM. For clients whose peer has no wire before it. */
int32_t pk_wire_meta_compact(const char *text, char **ret_text, struct pk_error *err);

/* As pk_wire_request_encode, for a batch of up to PK_WIRE_BATCH_MAX requests, none of them stats.
 * Errors name the request at fault ("requests[3]: ..."). */
int32_t pk_wire_batch_encode(const struct pk_request *requests, size_t count, const char *tag,
                             char **ret_text, size_t *ret_size, struct pk_error *err);

#endif
