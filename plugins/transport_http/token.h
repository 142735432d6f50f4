/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tokens of callers: read from a file, kept as digests, compared in constant time. A token
 * itself is forgotten once it was read.
 */
#ifndef HTTP_TOKEN_H
#define HTTP_TOKEN_H

#include <packice/types.h>
#include <stddef.h>

#define HTTP_TOKEN_DIGEST 32U          /* bytes: SHA-256 */
#define HTTP_TOKEN_MIN 16U             /* bytes of a token */
#define HTTP_TOKEN_MAX 512U            /* likewise */
#define HTTP_TOKENS_MAX 1024U          /* in one file */
#define HTTP_TOKEN_FILE_MAX (1U << 20) /* bytes */

struct http_token {
    char name[sizeof(((struct pk_principal *)0)->name)];
    unsigned char digest[HTTP_TOKEN_DIGEST];
};

struct http_tokens {
    struct http_token *list;
    size_t count;
};

/* Reads tokens from text: a line each, "NAME TOKEN"; empty lines and those that begin with '#' are
 * none. A name is [A-Za-z0-9._@-]+ and comes once. -EINVAL with the line at fault, never with a
 * token; -ENOMEM. */
int32_t http_tokens_parse(const char *text, size_t size, struct http_tokens *ret_tokens,
                          struct pk_error *err);
/* The same from a file, which is named in errors. May block. */
int32_t http_tokens_read(const char *path, struct http_tokens *ret_tokens, struct pk_error *err);
void http_tokens_free(struct http_tokens *tokens);

/* Whose token it is; NULL: nobody's. Takes as long for any. */
const char *http_tokens_find(const struct http_tokens *tokens, const char *token);

#endif
