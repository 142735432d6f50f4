/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Builds the TLS context from its files. TLS 1.2 and newer; no session tickets, since they would
 * outlive a client CA that was taken back.
 */
#include "secrets.h"
#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

/*
 * The first error in the queue is the cause; those behind it only say which library passed it on.
 * OpenSSL has no texts for those of the system.
 */
static int32_t
tls_fail(struct pk_error *err, const char *option, const char *path)
{
    char why[128];
    unsigned long code = ERR_peek_error();
    ERR_error_string_n(code, why, sizeof(why));
    const char *reason = ERR_reason_error_string(code);
    ERR_clear_error();
    if (ERR_SYSTEM_ERROR(code) && ERR_GET_REASON(code) > 0)
        return pk_fail(err, -ERR_GET_REASON(code), "%s '%s': %s", option, path,
                       strerror(ERR_GET_REASON(code)));
    return pk_fail(err, -EINVAL, "%s '%s': %s", option, path, reason != NULL ? reason : why);
}

static int32_t
use_client_ca(SSL_CTX *tls, const char *path, struct pk_error *err)
{
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(path);
    if (names == NULL || SSL_CTX_load_verify_locations(tls, path, NULL) != 1) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        return tls_fail(err, "client_ca", path);
    }
    SSL_CTX_set_client_CA_list(tls, names);
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    return 0;
}

static int
choose_http(SSL *ssl, const unsigned char **out, unsigned char *out_size, const unsigned char *in,
            unsigned int in_size, void *arg)
{
    static const unsigned char known[] = "\x08http/1.1";
    (void)ssl;
    (void)arg;
    unsigned char *chosen = NULL;
    int r = SSL_select_next_proto(&chosen, out_size, known, sizeof(known) - 1, in, in_size);
    *out = chosen;
    return r == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static int32_t
fill_tls(SSL_CTX *tls, const struct http_secret_files *files, struct pk_error *err)
{
    static const unsigned char context[] = "packice";
    (void)SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION);
    (void)SSL_CTX_set_options(tls, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET
                                       | SSL_OP_CIPHER_SERVER_PREFERENCE
                                       | SSL_OP_IGNORE_UNEXPECTED_EOF);
    (void)SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER
                                    | SSL_MODE_RELEASE_BUFFERS);
    (void)SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_session_id_context(tls, context, sizeof(context) - 1);
    SSL_CTX_set_alpn_select_cb(tls, choose_http, NULL);
    if (SSL_CTX_use_certificate_chain_file(tls, files->cert) != 1)
        return tls_fail(err, "cert", files->cert);
    if (SSL_CTX_use_PrivateKey_file(tls, files->key, SSL_FILETYPE_PEM) != 1)
        return tls_fail(err, "key", files->key);
    if (SSL_CTX_check_private_key(tls) != 1)
        return tls_fail(err, "key", files->key);
    return files->client_ca == NULL ? 0 : use_client_ca(tls, files->client_ca, err);
}

static int32_t
make_tls(const struct http_secret_files *files, SSL_CTX **ret_tls, struct pk_error *err)
{
    ERR_clear_error();
    SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
    if (tls == NULL)
        return pk_fail(err, -ENOMEM, "can't make a TLS context");
    int32_t r = fill_tls(tls, files, err);
    if (r < 0)
        SSL_CTX_free(tls);
    else
        *ret_tls = tls;
    return r;
}

static int32_t
check_files(const struct http_secret_files *files, struct pk_error *err)
{
    if ((files->cert == NULL) != (files->key == NULL))
        return pk_fail(err, -EINVAL, "%s: needs %s", files->cert != NULL ? "cert" : "key",
                       files->cert != NULL ? "key" : "cert");
    if (files->client_ca != NULL && files->cert == NULL)
        return pk_fail(err, -EINVAL, "client_ca: needs cert and key");
    return 0;
}

int32_t
http_secrets_read(const struct http_secret_files *files, struct http_secrets **ret_secrets,
                  struct pk_error *err)
{
    int32_t r = check_files(files, err);
    if (r < 0)
        return r;
    struct http_secrets *secrets = calloc(1, sizeof(*secrets));
    if (secrets == NULL)
        return pk_fail(err, -ENOMEM, "out of memory");
    atomic_init(&secrets->refs, 1);
    secrets->has_client_ca = files->client_ca != NULL;
    if (files->tokens != NULL)
        r = http_tokens_read(files->tokens, &secrets->tokens, err);
    if (r == 0 && files->cert != NULL)
        r = make_tls(files, &secrets->tls, err);
    if (r < 0)
        http_secrets_unref(secrets);
    else
        *ret_secrets = secrets;
    return r;
}

struct http_secrets *
http_secrets_ref(struct http_secrets *secrets)
{
    atomic_fetch_add(&secrets->refs, 1);
    return secrets;
}

void
http_secrets_unref(struct http_secrets *secrets)
{
    if (secrets == NULL || atomic_fetch_sub(&secrets->refs, 1) > 1)
        return;
    http_tokens_free(&secrets->tokens);
    SSL_CTX_free(secrets->tls);
    free(secrets);
}
