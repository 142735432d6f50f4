/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests as llhttp reads them: the head into members, the body to whoever wants it. What HTTP/1.1
 * (RFC 9112) leaves to a reader's kindness is refused: another server in between may be kind in
 * another way.
 */
#ifndef HTTP_PARSER_H
#define HTTP_PARSER_H

#include <llhttp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_NAME_MAX 32U      /* bytes of a header's name that anybody asks for */
#define HTTP_TRAILER_MAX 8192U /* bytes of trailers and of chunk extensions, which nobody reads */

/* The headers that mean something here; each at most once in a request. */
enum http_field {
    HTTP_AUTHORIZATION,
    HTTP_EXPECT,
    HTTP_HOST,
    HTTP_IF_NONE_MATCH,
    HTTP_IF_RANGE,
    HTTP_LEASE,
    HTTP_PROOF,
    HTTP_META,
    HTTP_OBJECT_TTL,
    HTTP_ORIGIN,
    HTTP_RANGE,
    HTTP_REQUEST_ID,
    HTTP_SEC_FETCH_SITE,
    HTTP_TRANSFER_ENCODING,
    HTTP_TTL,
    HTTP_FIELD_COUNT,
};

typedef void http_body_fn(void *arg, const char *data, size_t size);

struct http_parser {
    llhttp_t state;
    http_body_fn *body;
    void *arg;
    size_t head_max; /* bytes */

    char *text; /* head_max bytes; NULL = between requests */
    size_t text_used;
    char last;        /* byte read of the head or the trailers */
    size_t head_size; /* bytes read of the head */
    size_t trailing;  /* bytes read of trailers and extensions */
    char name[HTTP_NAME_MAX + 1];
    size_t name_size;
    int field; /* that is being read; -1 = one that nobody asks for */

    /* The request, once head_done. */
    bool head_done;
    bool in_trailers; /* the last chunk has come */
    bool body_done;
    uint8_t method; /* HTTP_GET... */
    bool keep_alive;
    bool chunked;
    bool has_length;
    uint64_t length;                      /* of the body; 0 if chunked */
    const char *target;                   /* NUL-terminated, in text */
    const char *fields[HTTP_FIELD_COUNT]; /* NULL = not there */

    uint16_t status; /* what is wrong with it, as a status of HTTP; 0 = nothing */
    const char *why;
};

/* body is called from within http_parser_feed. */
void http_parser_init(struct http_parser *parser, size_t head_max, http_body_fn *body, void *arg);
void http_parser_finish(struct http_parser *parser);
/* Forgets the request; what follows is the next one. */
void http_parser_next(struct http_parser *parser);

/* Reads on, and stops behind the head, and behind the body. *ret_used is how much was read. 0;
 * -ENOMEM; -EPROTO: `status` and `why` say what is wrong, and nothing more can be read. */
int32_t http_parser_feed(struct http_parser *parser, const char *data, size_t size,
                         size_t *ret_used);

/* Whether anything of a request has come. */
bool http_parser_began(const struct http_parser *parser);

#endif
