/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Uploads and downloads. A blob's bytes never change under a lease, so a download may be put
 * together of pieces as long as the node says, by its ETag, that they are of one thing.
 */
#include "sdk/http_transfer.h"
#include "sdk/http_request.h"
#include "sdk/moment.h"
#include <errno.h>
#include <inttypes.h>
#include <packice/cleanup.h>
#include <string.h>
#include <time.h>

#define PAUSE_FIRST \
    10000000L /* nanoseconds, before the second try that brings nothing; doubled \
               */
#define PAUSE_MAX 1000000000L

static struct packice_http_request
blob_request(const struct packice_transfer *transfer, const char *method, const char *url)
{
    return (struct packice_http_request){
        .method = method,
        .url = url,
        .lease_id = transfer->lease_id,
        .fd = transfer->fd,
        .size = transfer->size,
        .deadline = PK_FOREVER,
        .patience = transfer->patience,
        .text_max = PACKICE_HTTP_REFUSAL_MAX,
    };
}

/* ---- up ---- */

int32_t
packice_http_upload(struct packice_http *http, const struct packice_transfer *transfer,
                    struct pk_error *err)
{
    pk_autofree char *url = packice_http_blob_url(http, transfer->object_id, transfer->blob);
    if (url == NULL)
        return pk_fail(err, -ENOMEM, "no memory for a request");
    struct packice_http_request request = blob_request(transfer, "PUT", url);
    struct packice_http_response response;
    int32_t rc = packice_http_perform(http, &request, &response, err);
    if (rc == 0 && (response.status < 200 || response.status > 299))
        rc = packice_http_refusal(&response, err);
    packice_http_response_finish(&response);
    return rc;
}

/* ---- down ---- */

struct download {
    struct packice_http *http;
    const struct packice_transfer *transfer;
    uint64_t at;       /* bytes that are there */
    bool checked;      /* the head of this response */
    char etag[256];    /* of the first response; "" = none */
    unsigned failures; /* in a row */
};

/* A piece must begin where the last one ended, and end where the blob does. */
static int32_t
check_piece(const struct download *download, const struct packice_http_response *response,
            struct pk_error *err)
{
    char wanted[80];
    (void)snprintf(wanted, sizeof(wanted), "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, download->at,
                   download->transfer->size - 1, download->transfer->size);
    if (download->at == 0 || strcmp(response->range, wanted) != 0)
        return pk_fail(err, -EPROTO, "the node sent another range than was asked for");
    return 0;
}

/* What a head must say, before a byte is taken. A whole blob instead of a piece of it is a new
 * beginning. */
static int32_t
check_head(struct download *download, const struct packice_http_response *response,
           struct pk_error *err)
{
    int32_t rc = 0;
    if (download->at > 0 && strcmp(response->etag, download->etag) != 0)
        return pk_fail(err, -EPROTO, "the node went on with the bytes of something else");
    if (response->status == 206)
        rc = check_piece(download, response, err);
    else
        download->at = 0;
    if (rc != 0)
        return rc;
    uint64_t left = download->transfer->size - download->at;
    if (response->length >= 0 && (uint64_t)response->length != left)
        return pk_fail(err, -EPROTO, "the node sends %" PRId64 " bytes for %" PRIu64,
                       response->length, left);
    memcpy(download->etag, response->etag, sizeof(download->etag));
    download->checked = true;
    return 0;
}

static int32_t
write_all(int fd, uint64_t offset, const char *data, size_t size, struct pk_error *err)
{
    while (size > 0) {
        ssize_t count = pwrite(fd, data, size, (off_t)offset);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return pk_fail(err, -ENOMEM, "no room for what is got: %m");
        data += count;
        offset += (uint64_t)count;
        size -= (size_t)count;
    }
    return 0;
}

static int32_t
take_bytes(void *arg, const struct packice_http_response *response, const char *data, size_t size,
           struct pk_error *err)
{
    struct download *download = arg;
    const struct packice_transfer *transfer = download->transfer;
    if (!download->checked) {
        int32_t rc = check_head(download, response, err);
        if (rc != 0)
            return rc;
    }
    if (size > transfer->size - download->at)
        return pk_fail(err, -EPROTO, "the node sent more than the blob's %" PRIu64 " bytes",
                       transfer->size);
    int32_t rc = write_all(transfer->fd, download->at, data, size, err);
    if (rc != 0)
        return rc;
    download->at += size;
    if (download->http->progress != NULL)
        download->http->progress(download->http->progress_arg, download->at, transfer->size);
    return 0;
}

/* Asks once, for what is missing. */
static int32_t
get_rest(struct download *download, const char *url, struct pk_error *err)
{
    char range[64];
    char condition[300];
    struct packice_http_request request = blob_request(download->transfer, "GET", url);
    struct packice_http_response response;
    if (download->etag[0] == '\0')
        download->at = 0; /* nothing says that the rest would be of the same thing */
    if (download->at > 0) {
        (void)snprintf(range, sizeof(range), "Range: bytes=%" PRIu64 "-", download->at);
        (void)snprintf(condition, sizeof(condition), "If-Range: %s", download->etag);
        request.headers[0] = range;
        request.headers[1] = condition;
    }
    download->checked = false;
    request.sink = take_bytes;
    request.arg = download;
    int32_t rc = packice_http_perform(download->http, &request, &response, err);
    if (rc == 0 && response.status != 200 && response.status != 206)
        rc = packice_http_refusal(&response, err);
    if (rc == 0 && download->at < download->transfer->size)
        rc = pk_fail(err, -ECONNRESET, "the node sent %" PRIu64 " of %" PRIu64 " bytes",
                     download->at, download->transfer->size);
    packice_http_response_finish(&response);
    return rc;
}

/* Whether there is to be another try. */
static bool
goes_on(struct download *download, int32_t rc, uint64_t before)
{
    bool broken = rc == -ECONNRESET || (rc == -ECONNREFUSED && download->at > 0);
    if (!broken)
        return false;
    if (download->at >= before + PACKICE_HTTP_PROGRESS)
        download->failures = 0;
    return ++download->failures < PACKICE_HTTP_TRIES;
}

/* Ever longer, since the node may be on its way back. */
static void
pause_before(unsigned try)
{
    long pause = PAUSE_FIRST;
    for (unsigned i = 1; i < try && pause < PAUSE_MAX; i++)
        pause *= 2;
    if (pause > PAUSE_MAX)
        pause = PAUSE_MAX;
    const struct timespec time = { pause / 1000000000, pause % 1000000000 };
    (void)nanosleep(&time, NULL);
}

int32_t
packice_http_download(struct packice_http *http, const struct packice_transfer *transfer,
                      struct pk_error *err)
{
    struct download download = { .http = http, .transfer = transfer };
    pk_autofree char *url = packice_http_blob_url(http, transfer->object_id, transfer->blob);
    if (url == NULL)
        return pk_fail(err, -ENOMEM, "no memory for a request");
    for (;;) {
        uint64_t before = download.at;
        int32_t rc = get_rest(&download, url, err);
        if (rc == 0 || !goes_on(&download, rc, before))
            return rc;
        if (download.failures > 1)
            pause_before(download.failures - 1);
    }
}
