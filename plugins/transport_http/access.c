/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A browser can be made to call any address by any page it shows. The names it calls by and the
 * page it calls for are in headers that a page can't forge: these tell.
 */
#include "access.h"
#include "connection.h"
#include "transport_http.h"
#include <arpa/inet.h>
#include <errno.h>
#include <openssl/x509.h>
#include <string.h>
#include <strings.h>

/* ---- pages ---- */

bool
http_host_is_loopback(const char *host, size_t size)
{
    char name[64];
    struct in_addr v4;
    if (size >= sizeof(name))
        return false;
    memcpy(name, host, size);
    name[size] = '\0';
    if (name[0] == '[') {
        char *end = strchr(name, ']');
        if (end == NULL || (end[1] != '\0' && end[1] != ':'))
            return false;
        *end = '\0';
        struct in6_addr v6;
        return inet_pton(AF_INET6, name + 1, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
    }
    char *colon = strchr(name, ':');
    if (colon != NULL)
        *colon = '\0';
    if (strcasecmp(name, "localhost") == 0 || strcasecmp(name, "localhost.") == 0)
        return true;
    return inet_pton(AF_INET, name, &v4) == 1 && ntohl(v4.s_addr) >> 24 == 127;
}

/* The host that the client means: of its target, which counts more, or of its header. */
static const char *
host_of(const struct http_connection *connection, size_t *ret_size)
{
    const struct http_target *target = &connection->exchange.target;
    const char *host = connection->parser.fields[HTTP_HOST];
    *ret_size = target->authority != NULL ? target->authority_size
                : host != NULL            ? strlen(host)
                                          : 0;
    return target->authority != NULL ? target->authority : host;
}

static bool
is_own_origin(const char *origin, const char *host, size_t host_size, bool tls)
{
    const char *scheme = tls ? "https://" : "http://";
    size_t size = strlen(scheme);
    return strncasecmp(origin, scheme, size) == 0 && strlen(origin + size) == host_size
           && strncasecmp(origin + size, host, host_size) == 0;
}

int32_t
http_access_check_page(struct http_connection *connection, struct pk_error *err)
{
    const struct http_parser *parser = &connection->parser;
    const char *origin = parser->fields[HTTP_ORIGIN];
    const char *site = parser->fields[HTTP_SEC_FETCH_SITE];
    bool tls = connection->socket.ssl != NULL;
    size_t size = 0;
    const char *host = host_of(connection, &size);
    if (connection->transport->address.loopback && !tls && host != NULL
        && !http_host_is_loopback(host, size))
        return pk_fail(err, -EACCES, "Host: not a name of this machine");
    if (origin != NULL && (host == NULL || !is_own_origin(origin, host, size, tls)))
        return pk_fail(err, -EACCES, "Origin: web pages may not call this node");
    if (site != NULL && strcasecmp(site, "none") != 0 && strcasecmp(site, "same-origin") != 0)
        return pk_fail(err, -EACCES, "Sec-Fetch-Site: web pages may not call this node");
    return 0;
}

/* ---- callers ---- */

static int32_t
find_token(const struct http_connection *connection, const struct http_secrets *secrets,
           struct pk_principal *principal, struct pk_error *err)
{
    static const char scheme[] = "bearer ";
    const char *header = connection->parser.fields[HTTP_AUTHORIZATION];
    if (header == NULL)
        return pk_fail(err, -EKEYREJECTED, "Authorization: a Bearer token is needed");
    if (strncasecmp(header, scheme, sizeof(scheme) - 1) != 0)
        return pk_fail(err, -EKEYREJECTED, "Authorization: not a Bearer token");
    const char *token = header + sizeof(scheme) - 1;
    const char *name = http_tokens_find(&secrets->tokens, token + strspn(token, " "));
    if (name == NULL)
        return pk_fail(err, -EKEYREJECTED, "Authorization: not a token that is known");
    principal->kind = PK_PRINCIPAL_TOKEN;
    (void)snprintf(principal->name, sizeof(principal->name), "%s", name);
    return 0;
}

/* The common name of the client's certificate, which the handshake has verified. A handshake before
 * the reload that brought the authority asked for none. */
static int32_t
find_certificate(const struct http_connection *connection, const struct http_secrets *secrets,
                 struct pk_principal *principal, struct pk_error *err)
{
    X509 *certificate = SSL_get0_peer_certificate(connection->socket.ssl);
    if (certificate == NULL && secrets->has_client_ca)
        return pk_fail(err, -EKEYREJECTED, "a certificate is needed, on a new connection");
    if (certificate == NULL)
        return 0;
    char name[sizeof(principal->name)];
    int size = X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name,
                                         sizeof(name));
    if (size <= 0 || (size_t)size >= sizeof(name) || strlen(name) != (size_t)size)
        return pk_fail(err, -EKEYREJECTED, "the certificate has no common name of 1 to %zu bytes",
                       sizeof(name) - 1);
    principal->kind = PK_PRINCIPAL_TOKEN;
    memcpy(principal->name, name, (size_t)size + 1);
    return 0;
}

static int32_t
find_caller(struct http_connection *connection, struct pk_principal *principal,
            struct pk_error *err)
{
    struct http_secrets *secrets = http_transport_secrets(connection->transport);
    int32_t r = 0;
    if (secrets->tokens.list != NULL)
        r = find_token(connection, secrets, principal, err);
    else if (connection->socket.ssl != NULL)
        r = find_certificate(connection, secrets, principal, err);
    http_secrets_unref(secrets);
    return r;
}

static bool
same_caller(const struct pk_principal *one, const struct pk_principal *other)
{
    return one->kind == other->kind && strcmp(one->name, other->name) == 0;
}

int32_t
http_access_check(struct http_connection *connection, struct pk_error *err)
{
    const struct pk_host *host = connection->transport->host;
    struct pk_principal principal = {
        .struct_size = (uint32_t)sizeof(principal),
        .kind = PK_PRINCIPAL_ANONYMOUS,
        .uid = UINT32_MAX,
        .gid = UINT32_MAX,
    };
    int32_t r = find_caller(connection, &principal, err);
    if (r < 0)
        return r;
    if (connection->session != NULL && same_caller(&principal, &connection->principal))
        return 0;
    if (connection->session != NULL)
        host->session_close(host->ctx, connection->session);
    connection->session = NULL;
    connection->principal = principal;
    return host->session_open(host->ctx, &principal, &connection->session, err);
}
