/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nodes behind HTTP: targets and options, and the pool of handles. It sends nothing.
 */
#include "sdk/http.h"
#include "core/wire/url.h"
#include "sdk/http_wakeup.h"
#include <errno.h>
#include <fcntl.h>
#include <packice/cleanup.h>
#include <string.h>
#include <sys/socket.h>

#define IDLE_MAX 8U
#define TOKEN_MAX 4096U

/* ---- targets ---- */

/* One part of a URL; "" if it has none. */
static int32_t
url_part(CURLU *url, CURLUPart part, char **ret_text)
{
    char *text = NULL;
    CURLUcode code = curl_url_get(url, part, &text, 0);
    if (code == CURLUE_OUT_OF_MEMORY)
        return -ENOMEM;
    *ret_text = strdup(code == CURLUE_OK && text != NULL ? text : "");
    curl_free(text);
    return *ret_text != NULL ? 0 : -ENOMEM;
}

/* Whether the URL has none of the parts that a target has no use for. */
static int32_t
check_bare(CURLU *url, struct pk_error *err)
{
    static const CURLUPart parts[] = { CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_OPTIONS,
                                       CURLUPART_QUERY, CURLUPART_FRAGMENT };
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        pk_autofree char *text = NULL;
        int32_t rc = url_part(url, parts[i], &text);
        if (rc != 0)
            return pk_fail(err, rc, "no memory for a target");
        if (text[0] != '\0')
            return pk_fail(err, -EINVAL, "the target has more than a host, a port and a path");
    }
    return 0;
}

static int32_t
write_base(CURLU *url, char **ret_base, struct pk_error *err)
{
    char *whole = NULL;
    CURLUcode code = curl_url_get(url, CURLUPART_URL, &whole, 0);
    pk_autofree char *base = code == CURLUE_OK ? strdup(whole) : NULL;
    curl_free(whole);
    if (base == NULL)
        return pk_fail(err, -ENOMEM, "no memory for a target");
    size_t size = strlen(base);
    while (size > 0 && base[size - 1] == '/')
        base[--size] = '\0';
    *ret_base = pk_steal(base);
    return 0;
}

/* The target in one form; the message holds none of it, since it may hold a password. */
static int32_t
read_target(const char *target, char **ret_base, struct pk_error *err)
{
    CURLU *url = curl_url();
    if (url == NULL)
        return pk_fail(err, -ENOMEM, "no memory for a target");
    int32_t rc = 0;
    CURLUcode code = curl_url_set(url, CURLUPART_URL, target, CURLU_PATH_AS_IS);
    if (code == CURLUE_OUT_OF_MEMORY)
        rc = pk_fail(err, -ENOMEM, "no memory for a target");
    else if (code != CURLUE_OK)
        rc = pk_fail(err, -EINVAL, "the target is not http://HOST:PORT: %s",
                     curl_url_strerror(code));
    if (rc == 0)
        rc = check_bare(url, err);
    if (rc == 0)
        rc = write_base(url, ret_base, err);
    curl_url_cleanup(url);
    return rc;
}

/* ---- options ---- */

/* What goes into a header must not end it. */
static int32_t
check_token(const char *token, struct pk_error *err)
{
    if (token == NULL)
        return 0;
    size_t size = strlen(token);
    bool fine = size > 0 && size <= TOKEN_MAX;
    for (size_t i = 0; fine && i < size; i++)
        fine = token[i] > ' ' && token[i] < 0x7F;
    return fine ? 0
                : pk_fail(err, -EINVAL, "token: not 1 to %u visible characters without spaces",
                          TOKEN_MAX);
}

static int32_t
copy_text(const char *text, char **ret_copy, struct pk_error *err)
{
    if (text == NULL)
        return 0;
    *ret_copy = strdup(text);
    return *ret_copy != NULL ? 0 : pk_fail(err, -ENOMEM, "no memory for a client");
}

static int32_t
read_options(struct packice_http *http, const struct packice_connect_options *options,
             struct pk_error *err)
{
    if (options == NULL)
        return 0;
    http->progress = options->progress;
    http->progress_arg = options->progress_arg;
    int32_t rc = check_token(options->token, err);
    if (rc == 0 && options->key != NULL && options->cert == NULL)
        rc = pk_fail(err, -EINVAL, "key: of no use without cert");
    if (rc == 0)
        rc = copy_text(options->token, &http->token, err);
    if (rc == 0)
        rc = copy_text(options->ca_file, &http->ca_file, err);
    if (rc == 0)
        rc = copy_text(options->cert, &http->cert, err);
    if (rc == 0)
        rc = copy_text(options->key, &http->key, err);
    return rc;
}

static CURLcode started;

static void
start_curl(void)
{
    started = curl_global_init(CURL_GLOBAL_DEFAULT);
}

int32_t
packice_http_new(const char *target, const struct packice_connect_options *options,
                 struct packice_http **ret_http, struct pk_error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, start_curl);
    if (started != CURLE_OK)
        return pk_fail(err, -EIO, "libcurl: %s", curl_easy_strerror(started));
    struct packice_http *http = calloc(1, sizeof(*http));
    if (http == NULL)
        return pk_fail(err, -ENOMEM, "no memory for a client");
    (void)pthread_mutex_init(&http->lock, NULL); /* can't fail with default attributes */
    LIST_INIT(&http->idle);
    LIST_INIT(&http->busy);
    int32_t rc = read_target(target, &http->base, err);
    if (rc == 0)
        rc = read_options(http, options, err);
    if (rc == 0)
        *ret_http = http;
    else
        packice_http_free(http, false);
    return rc;
}

/* ---- handles ---- */

/* Keeps a socket of a handle in mind, or one less (old and then new: -1 for none). */
static bool
swap_socket(struct packice_http_handle *handle, int before, int after)
{
    bool found = false;
    (void)pthread_mutex_lock(&handle->http->lock);
    for (size_t i = 0; i < PACKICE_HTTP_SOCKETS && !found; i++) {
        found = handle->sockets[i] == before;
        if (found)
            handle->sockets[i] = after;
    }
    (void)pthread_mutex_unlock(&handle->http->lock);
    return found;
}

/* For libcurl: CURLOPT_OPENSOCKETFUNCTION(3). */
static curl_socket_t
open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct packice_http_handle *handle = arg;
    (void)purpose;
    pk_autoclose int fd =
        socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE)
            handle->failure = -errno;
        return CURL_SOCKET_BAD;
    }
    if (!swap_socket(handle, -1, fd)) {
        handle->failure = -EMFILE;
        return CURL_SOCKET_BAD;
    }
    return pk_steal_fd(fd);
}

/* For libcurl: CURLOPT_CLOSESOCKETFUNCTION(3). */
static int
close_socket(void *arg, curl_socket_t fd)
{
    (void)swap_socket(arg, fd, -1); /* before another thread can be given its number */
    return close(fd);
}

static void
free_handle(struct packice_http_handle *handle)
{
    curl_easy_cleanup(handle->easy);
    (void)curl_multi_cleanup(handle->multi); /* and with it the connection */
    free(handle);
}

static int32_t
new_handle(struct packice_http *http, struct packice_http_handle **ret_handle, struct pk_error *err)
{
    struct packice_http_handle *handle = calloc(1, sizeof(*handle));
    CURL *easy = handle != NULL ? curl_easy_init() : NULL;
    CURLM *multi = easy != NULL ? curl_multi_init() : NULL;
    if (multi == NULL) {
        curl_easy_cleanup(easy);
        free(handle);
        return pk_fail(err, -ENOMEM, "no memory for a request");
    }
    (void)curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, 1L);
    handle->http = http;
    handle->easy = easy;
    handle->multi = multi;
    packice_http_wakeup_guard(multi, handle->wakeup);
    for (size_t i = 0; i < PACKICE_HTTP_SOCKETS; i++)
        handle->sockets[i] = -1;
    *ret_handle = handle;
    return 0;
}

int32_t
packice_http_take(struct packice_http *http, struct packice_http_handle **ret_handle,
                  struct pk_error *err)
{
    (void)pthread_mutex_lock(&http->lock);
    struct packice_http_handle *handle = LIST_FIRST(&http->idle);
    if (handle != NULL) {
        LIST_REMOVE(handle, entry);
        http->idle_count--;
        LIST_INSERT_HEAD(&http->busy, handle, entry);
    }
    (void)pthread_mutex_unlock(&http->lock);
    if (handle == NULL) {
        int32_t rc = new_handle(http, &handle, err);
        if (rc != 0)
            return rc;
        (void)pthread_mutex_lock(&http->lock);
        LIST_INSERT_HEAD(&http->busy, handle, entry);
        (void)pthread_mutex_unlock(&http->lock);
    }
    curl_easy_reset(handle->easy); /* keeps the connection */
    handle->failure = 0;
    (void)curl_easy_setopt(handle->easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    (void)curl_easy_setopt(handle->easy, CURLOPT_OPENSOCKETDATA, handle);
    (void)curl_easy_setopt(handle->easy, CURLOPT_CLOSESOCKETFUNCTION, close_socket);
    (void)curl_easy_setopt(handle->easy, CURLOPT_CLOSESOCKETDATA, handle);
    *ret_handle = handle;
    return 0;
}

void
packice_http_put(struct packice_http_handle *handle, bool broken)
{
    struct packice_http *http = handle->http;
    (void)pthread_mutex_lock(&http->lock);
    LIST_REMOVE(handle, entry);
    bool keep = !broken && http->idle_count < IDLE_MAX;
    if (keep) {
        LIST_INSERT_HEAD(&http->idle, handle, entry);
        http->idle_count++;
    }
    (void)pthread_mutex_unlock(&http->lock);
    if (!keep)
        free_handle(handle);
}

/* ---- the end ---- */

void
packice_http_shut(struct packice_http *http)
{
    struct packice_http_handle *handle;
    atomic_store(&http->shut, true);
    (void)pthread_mutex_lock(&http->lock);
    LIST_FOREACH (handle, &http->busy, entry)
        (void)curl_multi_wakeup(handle->multi);
    (void)pthread_mutex_unlock(&http->lock);
}

/* In a child of a fork, without the lock, which may be held for ever. */
static void
forget_handles(struct packice_http_handles *handles)
{
    while (!LIST_EMPTY(handles)) {
        struct packice_http_handle *handle = LIST_FIRST(handles);
        LIST_REMOVE(handle, entry);
        for (size_t i = 0; i < PACKICE_HTTP_SOCKETS; i++)
            pk_cleanup_close(&handle->sockets[i]);
        pk_cleanup_close(&handle->wakeup[0]);
        pk_cleanup_close(&handle->wakeup[1]);
    }
}

void
packice_http_free(struct packice_http *http, bool forked)
{
    if (http == NULL)
        return;
    if (forked) {
        forget_handles(&http->idle);
        forget_handles(&http->busy);
    }
    while (!LIST_EMPTY(&http->idle)) {
        struct packice_http_handle *handle = LIST_FIRST(&http->idle);
        LIST_REMOVE(handle, entry);
        free_handle(handle);
    }
    if (!forked)
        (void)pthread_mutex_destroy(&http->lock);
    if (http->token != NULL)
        explicit_bzero(http->token, strlen(http->token));
    free(http->token);
    free(http->ca_file);
    free(http->cert);
    free(http->key);
    free(http->base);
    free(http);
}

/* ---- addresses ---- */

char *
packice_http_blob_url(const struct packice_http *http, const char *object_id, uint32_t blob)
{
    pk_autofree char *path = pk_wire_url_blob(object_id, blob);
    char *url = NULL;
    if (path == NULL || asprintf(&url, "%s%s", http->base, path) < 0)
        return NULL;
    return url;
}
