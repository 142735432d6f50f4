/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What callers prove themselves with: the tokens and the TLS context, read from files as one, and
 * replaced as one. Whoever uses them holds a reference; connections outlive a replacement.
 */
#ifndef HTTP_SECRETS_H
#define HTTP_SECRETS_H

#include "token.h"
#include <openssl/ssl.h>
#include <stdatomic.h>
#include <stdbool.h>

/* Paths, each NULL if not given. */
struct http_secret_files {
    const char *tokens;
    const char *cert;
    const char *key;
    const char *client_ca;
};

struct http_secrets {
    atomic_size_t refs;
    struct http_tokens tokens; /* list NULL = callers need none */
    SSL_CTX *tls;              /* NULL = plain HTTP */
    bool has_client_ca;
};

/* Reads all files, or none; the caller holds the first reference. -EINVAL with the option or file
 * at fault; or what opening it said. May block. */
int32_t http_secrets_read(const struct http_secret_files *files, struct http_secrets **ret_secrets,
                          struct pk_error *err);
struct http_secrets *http_secrets_ref(struct http_secrets *secrets);
/* NULL is fine. */
void http_secrets_unref(struct http_secrets *secrets);

#endif
