/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The proof by a lock: docs/protocol.md, "Files of the same machine". It believes the kernel alone.
 */
#include "sdk/http_proof.h"
#include "core/id.h"
#include "sdk/http_request.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <packice/cleanup.h>

#define LOCK_HEADER "PackIce-Lock"

/* Offsets from here on, up to the last that a file can have: 2^62 of them. */
#define LOCK_FIRST (INT64_C(1) << 62)

struct proof {
    int fd;
    off_t place;
    bool locked;
};

/* While the node's lock lasts: F_OFD_GETLK, fcntl(2), tells of the lock that hinders ours. That of
 * somebody who locked more than this one byte proves nothing. */
static void
look_for_lock(void *arg)
{
    struct proof *proof = arg;
    struct flock lock = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = proof->place, .l_len = 1
    };
    if (fcntl(proof->fd, F_OFD_GETLK, &lock) != 0)
        return;
    proof->locked = lock.l_type == F_RDLCK && lock.l_whence == SEEK_SET
                    && lock.l_start == proof->place && lock.l_len == 1;
}

int32_t
packice_http_same_file(struct packice_http *http, const struct packice_transfer *transfer,
                       bool *ret_same, struct pk_error *err)
{
    struct proof proof = { .fd = transfer->fd };
    struct packice_http_response response;
    char header[64];
    uint64_t number = 0;
    int32_t rc = pk_random(&number, sizeof(number));
    if (rc != 0)
        return pk_fail(err, rc, "no random number can be had");
    proof.place = LOCK_FIRST + (int64_t)(number & (uint64_t)(LOCK_FIRST - 1));
    pk_autofree char *url = packice_http_blob_url(http, transfer->object_id, transfer->blob);
    if (url == NULL)
        return pk_fail(err, -ENOMEM, "no memory for a request");
    (void)snprintf(header, sizeof(header), LOCK_HEADER ": %" PRId64, (int64_t)proof.place);
    const struct packice_http_request request = { .method = "HEAD",
                                                  .url = url,
                                                  .lease_id = transfer->lease_id,
                                                  .headers = { header },
                                                  .deadline = PK_FOREVER,
                                                  .patience = transfer->patience,
                                                  .then = look_for_lock,
                                                  .arg = &proof };
    rc = packice_http_perform(http, &request, &response, err);
    packice_http_response_finish(&response);
    if (rc == 0)
        *ret_same = proof.locked;
    return rc;
}
