/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The wire: JSON requests and replies, framing and error names, the same for every transport and
 * for the SDK. It never touches a socket or a descriptor: handles carry indexes, and whoever sends
 * or receives the descriptors keeps them.
 */
#ifndef PK_WIRE_H
#define PK_WIRE_H

#include <packice/types.h>
#include <stdbool.h>
#include <stddef.h>

#define PK_WIRE_REQUEST_MAX (1U << 20) /* bytes of one request's JSON */
#define PK_WIRE_REPLY_MAX (64U << 20)  /* bytes of one reply's JSON, as a client accepts it */
#define PK_WIRE_DEPTH_MAX 32U          /* nesting of braces and brackets */
#define PK_WIRE_BATCH_MAX 1000U        /* requests in one batch */
#define PK_WIRE_FDS_MAX 253U           /* descriptors of one reply: SCM_MAX_FD, unix(7) */

/* ---- error names ---- */

/* The protocol's name for a negative errno ("not_found"), "internal" for those without one. */
const char *pk_wire_error_name(int32_t code);
/* The negative errno for a name; -EPROTO for a name that is not known. */
int32_t pk_wire_error_code(const char *name);

/* ---- framing: where a JSON object ends in a stream, without parsing it twice ---- */

/* Zero it to begin. */
struct pk_wire_frame {
    size_t size; /* bytes of the current object so far, from its '{' */
    uint32_t depth;
    bool in_string;
    bool escaped;
};

/* Scans data and stops right behind the brace that closes the object. White space before '{' is
 * skipped. *ret_start (offset of '{' in data, 0 when it came earlier), *ret_used (bytes scanned),
 * *ret_complete. Never looks at a byte twice over calls. -EINVAL: the first byte is neither '{' nor
 * white space, or brackets nest too deep; -EFBIG: over max bytes. After an error the stream is of
 * no more use. */
int32_t pk_wire_frame_scan(struct pk_wire_frame *frame, const char *data, size_t size, size_t max,
                           size_t *ret_start, size_t *ret_used, bool *ret_complete,
                           struct pk_error *err);

/* ---- requests ---- */

/* Verbs that are the wire's alone, beside PK_VERB_*. */
#define PK_WIRE_VERB_BATCH 100U
#define PK_WIRE_VERB_STATS 101U

/* A decoded request. Strings of `request` live in it. */
struct pk_wire_request {
    struct pk_request request;      /* verb may be a PK_WIRE_VERB_* */
    char *tag;                      /* the tag's JSON text (string or integer); NULL = untagged */
    struct pk_wire_request **items; /* BATCH: item_count requests, none tagged, none a batch */
    size_t item_count;
    void *json; /* what holds the strings */
    uint64_t *sizes;
};

/* Decodes one JSON text. verb: what the transport knows (a URL's path), or NULL to take "command".
 * Errors name the member at fault ("ttl_seconds: ..."); -EINVAL, -EOPNOTSUPP for a verb that is not
 * known, -ENOMEM. On an error *ret_tag (may be NULL) still gets the tag if one could be read, to be
 * freed by the caller. An item of a batch that doesn't decode does not fail the batch: its entry in
 * items has verb 0, and request.request_id unset, and `error` below says why. */
int32_t pk_wire_request_decode(const char *text, size_t size, const char *verb,
                               struct pk_wire_request **ret_request, char **ret_tag,
                               struct pk_error *err);
/* NULL is fine. */
void pk_wire_request_free(struct pk_wire_request *request);

/* Encodes a request for a stream: with "command", "tag" (NULL = none; JSON text) and a newline.
 * *ret_text is malloc'd, the caller's. 0, -ENOMEM, -EINVAL (text that is not UTF-8; meta that is
 * not a JSON object). */
int32_t pk_wire_request_encode(const struct pk_request *request, const char *tag, char **ret_text,
                               size_t *ret_size, struct pk_error *err);
/* The same for a batch of plain requests. */
int32_t pk_wire_batch_encode(const struct pk_request *requests, size_t count, const char *tag,
                             char **ret_text, size_t *ret_size, struct pk_error *err);

/* ---- replies ---- */

/* A reply under construction, or several for a batch. Encoding borrows everything. */
struct pk_wire_reply_format {
    const char *tag;   /* JSON text; NULL = none */
    uint32_t first_fd; /* index of this reply's first descriptor, in blob order */
    bool fds;          /* whether descriptors travel: "fd" in blobs and "fds" in the reply */
};

/* Encodes without a newline. Descriptors are numbered from first_fd in blob order, one for each
 * FD handle, and one for each PATH handle when format->fds (it travels as well). *ret_text is
 * malloc'd, the caller's. 0 or -ENOMEM. */
int32_t pk_wire_reply_encode(const struct pk_reply *reply,
                             const struct pk_wire_reply_format *format, char **ret_text,
                             size_t *ret_size);
/* An error reply from nothing but its code and message. */
int32_t pk_wire_error_encode(int32_t code, const char *message, const char *tag, char **ret_text,
                             size_t *ret_size);
/* Puts replies encoded without a tag into one batch reply with the number of descriptors of all. */
int32_t pk_wire_batch_reply_encode(const char *const *replies, size_t count, uint32_t fds,
                                   const char *tag, char **ret_text, size_t *ret_size);

/* A decoded reply: what a client reads. Everything lives in it; descriptors stay indexes. */
struct pk_wire_reply {
    struct pk_reply reply;        /* status and message from the error; handles[i].fd is an index */
    char *tag;                    /* JSON text; NULL = untagged */
    uint32_t fds;                 /* descriptors that came with it */
    struct pk_wire_reply **items; /* of a batch */
    size_t item_count;
    void *json;
    struct pk_handle *handles;
    struct pk_object_info *objects;
    uint64_t *sizes;
    char *meta;
};

/* Decodes a reply to `verb` (PK_VERB_*, or PK_WIRE_VERB_BATCH with item_verbs; PK_WIRE_VERB_STATS
 * leaves the figures in json). The node is not trusted either: -EPROTO with the member at fault. */
int32_t pk_wire_reply_decode(const char *text, size_t size, struct pk_wire_reply **ret_reply,
                             struct pk_error *err);
void pk_wire_reply_free(struct pk_wire_reply *reply);

#endif
