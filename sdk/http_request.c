/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests by libcurl(3): what goes out, what comes in, and what its errors mean. It knows nothing
 * of verbs or blobs.
 */
#include "sdk/http_request.h"
#include "core/wire/reply.h"
#include "sdk/moment.h"
#include <errno.h>
#include <limits.h>
#include <packice/cleanup.h>
#include <string.h>
#include <strings.h>

#define LEASE_HEADER "PackIce-Lease"
#define FIRST_ROOM 4096U /* bytes; enough for most responses */
#define POLL_MAX 60000   /* milliseconds; what is to be waited for wakes it */

/* A request under way. */
struct run {
    struct packice_http *http;
    struct packice_http_handle *handle;
    const struct packice_http_request *request;
    struct packice_http_response *response;
    struct curl_slist *headers;
    size_t head_size; /* bytes of headers that came */
    bool headed;      /* the response's head was looked at */
    uint64_t sent;    /* bytes of the body */
    uint64_t moved;   /* bytes both ways */
    uint64_t seen;    /* of those, when last looked at */
    uint64_t seen_at;
    int32_t failure; /* of a callback */
    struct pk_error why;
    char message[CURL_ERROR_SIZE];
};

/* Fails from within a callback. */
static void
fail(struct run *run, int32_t code, const char *why)
{
    if (run->failure == 0)
        run->failure = pk_fail(&run->why, code, "%s", why);
}

/* ---- what goes out ---- */

static void
wipe_headers(struct curl_slist *headers)
{
    for (struct curl_slist *one = headers; one != NULL; one = one->next)
        explicit_bzero(one->data, strlen(one->data)); /* tokens and lease ids */
    curl_slist_free_all(headers);
}

static bool
add_header(struct run *run, const char *line)
{
    struct curl_slist *more = curl_slist_append(run->headers, line);
    if (more == NULL)
        return false;
    run->headers = more;
    return true;
}

static bool
add_secret(struct run *run, const char *name, const char *prefix, const char *secret)
{
    char *line = NULL;
    if (secret == NULL)
        return true;
    if (asprintf(&line, "%s: %s%s", name, prefix, secret) < 0)
        return false;
    bool added = add_header(run, line);
    explicit_bzero(line, strlen(line));
    free(line);
    return added;
}

static bool
add_headers(struct run *run)
{
    const struct packice_http_request *request = run->request;
    bool fine = add_secret(run, "Authorization", "Bearer ", run->http->token)
                && add_secret(run, LEASE_HEADER, "", request->lease_id);
    if (request->text != NULL) /* too short to be asked whether it may come */
        fine =
            fine && add_header(run, "Content-Type: application/json") && add_header(run, "Expect:");
    for (size_t i = 0; fine && i < PACKICE_HTTP_HEADERS && request->headers[i] != NULL; i++)
        fine = add_header(run, request->headers[i]);
    return fine;
}

static ssize_t
body_at(const struct packice_http_request *request, uint64_t at, char *data, size_t room)
{
    uint64_t whole = request->text != NULL ? request->text_size : request->size;
    size_t size = whole - at < room ? (size_t)(whole - at) : room;
    if (request->text == NULL)
        return pread(request->fd, data, size, (off_t)at);
    memcpy(data, request->text + at, size);
    return (ssize_t)size;
}

/* For libcurl: CURLOPT_READFUNCTION(3). */
static size_t
read_body(char *data, size_t size, size_t count, void *arg)
{
    struct run *run = arg;
    ssize_t got;
    do {
        got = body_at(run->request, run->sent, data, size * count);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        fail(run, -EIO, "can't read what is to be sent");
        return CURL_READFUNC_ABORT;
    }
    run->sent += (uint64_t)got;
    run->moved += (uint64_t)got;
    if (run->request->text == NULL && run->http->progress != NULL)
        run->http->progress(run->http->progress_arg, run->sent, run->request->size);
    return (size_t)got;
}

/* For libcurl: CURLOPT_SEEKFUNCTION(3). It asks before it sends a request a second time. */
static int
seek_body(void *arg, curl_off_t offset, int origin)
{
    struct run *run = arg;
    if (origin != SEEK_SET || offset < 0 || run->request->once)
        return CURL_SEEKFUNC_FAIL;
    run->sent = (uint64_t)offset;
    return CURL_SEEKFUNC_OK;
}

/* ---- what comes in ---- */

/* Copies a header of the response; "" if there is none, or one that doesn't fit. */
static void
copy_header(struct run *run, const char *name, char *ret_text, size_t room)
{
    struct curl_header *header = NULL;
    ret_text[0] = '\0';
    if (curl_easy_header(run->handle->easy, name, 0, CURLH_HEADER, -1, &header) != CURLHE_OK)
        return;
    size_t size = strlen(header->value);
    if (size < room)
        memcpy(ret_text, header->value, size + 1);
}

static void
read_head(struct run *run)
{
    struct packice_http_response *response = run->response;
    char encoding[32];
    curl_off_t length = -1;
    if (run->headed)
        return;
    run->headed = true;
    (void)curl_easy_getinfo(run->handle->easy, CURLINFO_RESPONSE_CODE, &response->status);
    (void)curl_easy_getinfo(run->handle->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    response->length = length;
    copy_header(run, "ETag", response->etag, sizeof(response->etag));
    if (response->etag[0] != '"') /* a weak one promises nothing about bytes */
        response->etag[0] = '\0';
    copy_header(run, "Content-Range", response->range, sizeof(response->range));
    copy_header(run, "Content-Encoding", encoding, sizeof(encoding));
    if (encoding[0] != '\0' && strcasecmp(encoding, "identity") != 0)
        fail(run, -EPROTO, "the node sent an encoded body, which nobody asked for");
}

/* For libcurl: CURLOPT_HEADERFUNCTION(3). */
static size_t
take_header(char *data, size_t size, size_t count, void *arg)
{
    struct run *run = arg;
    (void)data;
    run->head_size += size * count;
    run->moved += size * count;
    if (run->head_size <= PACKICE_HTTP_HEAD_MAX)
        return size * count;
    fail(run, -EPROTO, "the node sent headers without end");
    return 0;
}

static bool
is_success(const struct packice_http_response *response)
{
    return response->status == 200 || response->status == 206;
}

static int32_t
append_text(struct run *run, const char *data, size_t size)
{
    struct packice_http_response *response = run->response;
    size_t max = is_success(response) ? run->request->text_max : PACKICE_HTTP_REFUSAL_MAX;
    if (size > max - response->text_size)
        return pk_fail(&run->why, -EPROTO, "the node sent more than %zu bytes", max);
    if (response->text_room < response->text_size + size + 1) {
        size_t room = 2 * (response->text_size + size + 1);
        char *text = realloc(response->text, room);
        if (text == NULL)
            return pk_fail(&run->why, -ENOMEM, "no memory for a response");
        response->text = text;
        response->text_room = room;
    }
    memcpy(response->text + response->text_size, data, size);
    response->text_size += size;
    response->text[response->text_size] = '\0';
    return 0;
}

/* For libcurl: CURLOPT_WRITEFUNCTION(3). */
static size_t
take_body(char *data, size_t size, size_t count, void *arg)
{
    struct run *run = arg;
    const struct packice_http_request *request = run->request;
    int32_t rc;
    run->moved += size * count;
    read_head(run);
    if (run->failure != 0)
        return 0;
    if (request->sink != NULL && is_success(run->response))
        rc = request->sink(request->arg, run->response, data, size * count, &run->why);
    else
        rc = append_text(run, data, size * count);
    run->failure = rc;
    return rc == 0 ? size * count : 0;
}

/* ---- the request ---- */

/* What a request may take, in milliseconds; 0 = as long as it wants to. */
static long
milliseconds(uint64_t deadline)
{
    int rest = packice_poll_timeout(deadline);
    if (rest < 0)
        return 0;
    return rest > 0 ? rest : 1;
}

static void
set_method(CURL *easy, const struct packice_http_request *request)
{
    if (request->text != NULL) {
        (void)curl_easy_setopt(easy, CURLOPT_POST, 1L);
        (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->text_size);
    } else if (strcmp(request->method, "PUT") == 0) {
        (void)curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
        (void)curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)request->size);
    } else if (strcmp(request->method, "HEAD") == 0) {
        (void)curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    } else {
        (void)curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    }
}

static void
set_callbacks(CURL *easy, struct run *run)
{
    (void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, run->message);
    (void)curl_easy_setopt(easy, CURLOPT_READFUNCTION, read_body);
    (void)curl_easy_setopt(easy, CURLOPT_READDATA, run);
    (void)curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, seek_body);
    (void)curl_easy_setopt(easy, CURLOPT_SEEKDATA, run);
    (void)curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
    (void)curl_easy_setopt(easy, CURLOPT_HEADERDATA, run);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, run);
}

/* What must hold is checked; the rest of the options can't fail, or are as good as they get. */
static CURLcode
set_options(CURL *easy, struct run *run)
{
    const struct packice_http_request *request = run->request;
    const struct packice_http *http = run->http;
    CURLcode code = curl_easy_setopt(easy, CURLOPT_URL, request->url);
    if (code == CURLE_OK)
        code = curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    if (code == CURLE_OK) /* what an environment says of proxies must not see leases and tokens */
        code = curl_easy_setopt(easy, CURLOPT_PROXY, "");
    if (code == CURLE_OK && http->ca_file != NULL)
        code = curl_easy_setopt(easy, CURLOPT_CAINFO, http->ca_file);
    if (code == CURLE_OK && http->cert != NULL)
        code = curl_easy_setopt(easy, CURLOPT_SSLCERT, http->cert);
    if (code == CURLE_OK && http->cert != NULL)
        code = curl_easy_setopt(easy, CURLOPT_SSLKEY, http->key != NULL ? http->key : http->cert);
    if (code == CURLE_OK)
        code = curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (code == CURLE_OK)
        code = curl_easy_setopt(easy, CURLOPT_HTTPHEADER, run->headers);
    if (code == CURLE_OK)
        code = curl_easy_setopt(easy, CURLOPT_USERAGENT, "packice/" PACKICE_VERSION);
    (void)curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    (void)curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    (void)curl_easy_setopt(easy, CURLOPT_HTTP_CONTENT_DECODING, 0L);
    (void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, milliseconds(request->deadline));
    uint64_t patience = packice_deadline(request->patience, 0);
    (void)curl_easy_setopt(
        easy, CURLOPT_CONNECTTIMEOUT_MS,
        milliseconds(patience < request->deadline ? patience : request->deadline));
    set_method(easy, request);
    set_callbacks(easy, run);
    return code;
}

/* The errno for what libcurl says; see libcurl-errors(3). */
static int32_t
error_of(CURLcode code)
{
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
        return -ECONNREFUSED;
    case CURLE_OPERATION_TIMEDOUT:
        return -ETIMEDOUT;
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_PARTIAL_FILE:
    case CURLE_SEND_FAIL_REWIND:
        return -ECONNRESET;
    case CURLE_OUT_OF_MEMORY:
    case CURLE_FAILED_INIT:
        return -ENOMEM;
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_URL_MALFORMAT:
        return -EINVAL;
    default: /* no HTTP, no TLS, or no trust */
        return -EPROTO;
    }
}

/* Whether the request may go on; if so, for how many milliseconds libcurl may wait. */
static bool
may_wait(struct run *run, int *ret_milliseconds)
{
    uint64_t now = packice_now();
    if (atomic_load(&run->http->shut) && !run->request->last) {
        fail(run, -EPIPE, "the client was freed");
        return false;
    }
    if (run->seen_at == 0 || run->moved != run->seen) {
        run->seen = run->moved;
        run->seen_at = now;
    }
    if (now - run->seen_at > run->request->patience) {
        fail(run, -ETIMEDOUT, "no byte moved in time");
        return false;
    }
    uint64_t until = run->request->patience < PACKICE_LONGEST
                         ? run->seen_at + run->request->patience + 1
                         : PK_FOREVER;
    int most = packice_poll_timeout(until);
    *ret_milliseconds = most < 0 || most > POLL_MAX ? POLL_MAX : most;
    return true;
}

/* What libcurl says of the request that has ended. */
static CURLcode
result_of(CURLM *multi)
{
    int left = 0;
    const CURLMsg *message = curl_multi_info_read(multi, &left);
    return message != NULL && message->msg == CURLMSG_DONE ? message->data.result
                                                           : CURLE_ABORTED_BY_CALLBACK;
}

/* Does it. libcurl goes by the deadline itself, and wakes for it. */
static CURLcode
drive(struct run *run)
{
    CURLM *multi = run->handle->multi;
    CURLcode result = CURLE_OUT_OF_MEMORY;
    int running = 1;
    int wait = 0;
    CURLMcode code = curl_multi_add_handle(multi, run->handle->easy);
    if (code != CURLM_OK)
        return result;
    while (code == CURLM_OK) {
        code = curl_multi_perform(multi, &running);
        if (code != CURLM_OK || running == 0 || !may_wait(run, &wait))
            break;
        code = curl_multi_poll(multi, NULL, 0, wait, NULL);
    }
    if (code == CURLM_OK)
        result = result_of(multi);
    (void)curl_multi_remove_handle(multi, run->handle->easy);
    return result;
}

/* What came of it. */
static int32_t
conclude(struct run *run, CURLcode code, struct pk_error *err)
{
    const char *message = run->message[0] != '\0' ? run->message : curl_easy_strerror(code);
    if (run->failure != 0)
        return pk_fail(err, run->failure, "%s", run->why.message);
    if (code == CURLE_OK)
        return 0;
    if (run->handle->failure != 0)
        return pk_fail(err, run->handle->failure, "too many open files for a connection");
    if (atomic_load(&run->http->shut) && !run->request->last)
        return pk_fail(err, -EPIPE, "the client was freed");
    int32_t rc = error_of(code);
    if (rc == -ECONNREFUSED && run->request->once && run->sent > 0)
        rc = -ECONNRESET; /* libcurl connects again before it asks whether it may */
    switch (rc) {
    case -ECONNREFUSED:
        return pk_fail(err, -ECONNREFUSED, "no node at '%s': %s", run->http->base, message);
    case -ETIMEDOUT:
        return pk_fail(err, -ETIMEDOUT, "the node did not answer in time");
    case -ECONNRESET:
        return pk_fail(err, -ECONNRESET, "the connection to the node was lost: %s", message);
    default:
        return pk_fail(err, rc, "%s: %s", run->http->base, message);
    }
}

int32_t
packice_http_perform(struct packice_http *http, const struct packice_http_request *request,
                     struct packice_http_response *ret_response, struct pk_error *err)
{
    struct run run = { .http = http, .request = request, .response = ret_response };
    run.why = (struct pk_error)PK_ERROR_INIT;
    *ret_response = (struct packice_http_response){ .length = -1 };
    ret_response->text = malloc(FIRST_ROOM); /* before the node does what it answers to */
    if (ret_response->text == NULL)
        return pk_fail(err, -ENOMEM, "no memory for a response");
    ret_response->text[0] = '\0';
    ret_response->text_room = FIRST_ROOM;
    if (atomic_load(&http->shut) && !request->last)
        return pk_fail(err, -EPIPE, "the client was freed");
    if (request->deadline <= packice_now())
        return pk_fail(err, -ETIMEDOUT, "the node was not asked in time");
    int32_t rc = packice_http_take(http, &run.handle, err);
    if (rc != 0)
        return rc;
    CURLcode code = add_headers(&run) ? set_options(run.handle->easy, &run) : CURLE_OUT_OF_MEMORY;
    if (code == CURLE_OK)
        code = drive(&run);
    if (code == CURLE_OK)
        read_head(&run);
    rc = conclude(&run, code, err);
    if (rc == 0 && request->then != NULL && is_success(ret_response))
        request->then(request->arg);
    wipe_headers(run.headers);
    packice_http_put(run.handle, rc != 0);
    return rc;
}

void
packice_http_response_finish(struct packice_http_response *response)
{
    free(pk_steal(response->text));
}

/* ---- refusals ---- */

/* For those who stand before a node and do not speak as it does. */
static int32_t
refusal_of(long status)
{
    switch (status) {
    case 401:
        return -EKEYREJECTED;
    case 403:
        return -EACCES;
    case 408:
    case 504:
        return -ETIMEDOUT;
    case 413:
        return -EFBIG;
    case 429:
    case 503:
        return -EBUSY;
    case 507:
        return -ENOSPC;
    default:
        return -EPROTO;
    }
}

int32_t
packice_http_refusal(const struct packice_http_response *response, struct pk_error *err)
{
    struct pk_wire_reply *reply = NULL;
    int32_t rc = -EPROTO;
    if (response->status >= 400 && response->text_size > 0)
        rc = pk_wire_reply_parse(response->text, response->text_size, &reply, NULL);
    if (rc == 0 && reply->reply.status != 0)
        rc = pk_fail(err, reply->reply.status == -EPROTO ? -EREMOTEIO : reply->reply.status, "%s",
                     reply->reply.message);
    else if (rc != -ENOMEM)
        rc = pk_fail(err, refusal_of(response->status), "the node answered with HTTP status %ld",
                     response->status);
    pk_wire_reply_free(reply);
    return rc;
}
