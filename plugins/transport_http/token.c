/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens are compared as digests, all of them every time: how long it takes says nothing of which
 * one was nearly right.
 */
#include "token.h"
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <packice/cleanup.h>
#include <stdbool.h>
#include <string.h>

static const char name_bytes[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._@-";

static bool
make_digest(const char *token, size_t size, unsigned char *ret_digest)
{
    unsigned int room = 0;
    return EVP_Digest(token, size, ret_digest, &room, EVP_sha256(), NULL) == 1
           && room == HTTP_TOKEN_DIGEST;
}

/* ---- the file ---- */

static int32_t
check_token(const char *token, size_t size, size_t line, struct pk_error *err)
{
    if (size < HTTP_TOKEN_MIN || size > HTTP_TOKEN_MAX)
        return pk_fail(err, -EINVAL, "line %zu: a token has %u to %u bytes", line, HTTP_TOKEN_MIN,
                       HTTP_TOKEN_MAX);
    for (size_t i = 0; i < size; i++)
        if (token[i] <= ' ' || token[i] > '~')
            return pk_fail(err, -EINVAL, "line %zu: a token is printable ASCII without spaces",
                           line);
    return 0;
}

static int32_t
check_name(const struct http_tokens *tokens, const char *name, size_t size, size_t line,
           struct pk_error *err)
{
    if (size == 0 || size >= sizeof(tokens->list->name) || strspn(name, name_bytes) < size)
        return pk_fail(err, -EINVAL, "line %zu: no name of 1 to %zu letters, digits or ._@-", line,
                       sizeof(tokens->list->name) - 1);
    for (size_t i = 0; i < tokens->count; i++)
        if (strlen(tokens->list[i].name) == size && memcmp(tokens->list[i].name, name, size) == 0)
            return pk_fail(err, -EINVAL, "line %zu: the name '%s' is given twice", line,
                           tokens->list[i].name);
    return 0;
}

/* Two names with one token could not be told apart. */
static int32_t
add_token(struct http_tokens *tokens, const char *token, size_t size, size_t line,
          struct pk_error *err)
{
    struct http_token *entry = &tokens->list[tokens->count];
    if (!make_digest(token, size, entry->digest))
        return pk_fail(err, -ENOMEM, "out of memory");
    for (size_t i = 0; i < tokens->count; i++)
        if (memcmp(tokens->list[i].digest, entry->digest, sizeof(entry->digest)) == 0)
            return pk_fail(err, -EINVAL, "line %zu: the token is that of '%s'", line,
                           tokens->list[i].name);
    return 0;
}

/* One line without its end, NUL-terminated. */
static int32_t
parse_line(struct http_tokens *tokens, const char *line, size_t number, struct pk_error *err)
{
    static const char space[] = " \t\r";
    line += strspn(line, space);
    if (line[0] == '\0' || line[0] == '#')
        return 0;
    size_t name_size = strcspn(line, " \t\r");
    const char *token = line + name_size + strspn(line + name_size, space);
    size_t size = strcspn(token, space);
    if (tokens->count == HTTP_TOKENS_MAX)
        return pk_fail(err, -EINVAL, "line %zu: more than %u tokens", number, HTTP_TOKENS_MAX);
    int32_t r = check_name(tokens, line, name_size, number, err);
    if (r == 0)
        r = check_token(token, size, number, err);
    if (r == 0 && token[size + strspn(token + size, space)] != '\0')
        r = pk_fail(err, -EINVAL, "line %zu: more than a name and a token", number);
    if (r == 0)
        r = add_token(tokens, token, size, number, err);
    if (r < 0)
        return r;
    memcpy(tokens->list[tokens->count++].name, line, name_size);
    return 0;
}

/* text is cut into lines. */
static int32_t
parse_text(struct http_tokens *tokens, char *text, size_t size, struct pk_error *err)
{
    int32_t r = 0;
    size_t number = 1;
    if (memchr(text, '\0', size) != NULL)
        return pk_fail(err, -EINVAL, "it holds a NUL");
    for (char *line = text; r == 0 && line != NULL; number++) {
        char *end = strchr(line, '\n');
        if (end != NULL)
            *end = '\0';
        r = parse_line(tokens, line, number, err);
        line = end != NULL ? end + 1 : NULL;
    }
    if (r == 0 && tokens->count == 0)
        r = pk_fail(err, -EINVAL, "it holds no token");
    return r;
}

int32_t
http_tokens_parse(const char *text, size_t size, struct http_tokens *ret_tokens,
                  struct pk_error *err)
{
    struct http_tokens tokens = { calloc(HTTP_TOKENS_MAX, sizeof(*tokens.list)), 0 };
    pk_autofree char *copy = malloc(size + 1);
    int32_t r = -ENOMEM;
    if (tokens.list != NULL && copy != NULL) {
        memcpy(copy, text, size);
        copy[size] = '\0';
        r = parse_text(&tokens, copy, size, err);
        OPENSSL_cleanse(copy, size);
    } else {
        (void)pk_fail(err, r, "out of memory");
    }
    if (r < 0)
        http_tokens_free(&tokens);
    else
        *ret_tokens = tokens;
    return r;
}

static int32_t
read_file(const char *path, char *text, size_t *ret_size, struct pk_error *err)
{
    pk_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return pk_fail(err, -errno, "token_file '%s': %s", path, strerror(errno));
    size_t size = 0;
    ssize_t got = 1;
    while (got > 0 && size < HTTP_TOKEN_FILE_MAX) {
        got = read(fd, text + size, HTTP_TOKEN_FILE_MAX - size);
        if (got < 0)
            return pk_fail(err, -errno, "token_file '%s': %s", path, strerror(errno));
        size += (size_t)got;
    }
    if (size == HTTP_TOKEN_FILE_MAX)
        return pk_fail(err, -EINVAL, "token_file '%s': too large", path);
    *ret_size = size;
    return 0;
}

int32_t
http_tokens_read(const char *path, struct http_tokens *ret_tokens, struct pk_error *err)
{
    pk_autofree char *text = malloc(HTTP_TOKEN_FILE_MAX);
    struct pk_error why = PK_ERROR_INIT;
    size_t size = 0;
    if (text == NULL)
        return pk_fail(err, -ENOMEM, "out of memory");
    int32_t r = read_file(path, text, &size, err);
    if (r < 0)
        return r;
    r = http_tokens_parse(text, size, ret_tokens, &why);
    OPENSSL_cleanse(text, size);
    return r < 0 ? pk_fail(err, r, "token_file '%s': %s", path, why.message) : 0;
}

void
http_tokens_free(struct http_tokens *tokens)
{
    free(tokens->list);
    tokens->list = NULL;
    tokens->count = 0;
}

const char *
http_tokens_find(const struct http_tokens *tokens, const char *token)
{
    unsigned char digest[HTTP_TOKEN_DIGEST];
    const char *found = NULL;
    if (!make_digest(token, strlen(token), digest))
        return NULL;
    for (size_t i = 0; i < tokens->count; i++)
        if (CRYPTO_memcmp(tokens->list[i].digest, digest, sizeof(digest)) == 0)
            found = tokens->list[i].name;
    return found;
}
