/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Locks of open file descriptions, fcntl(2), each on one byte that no file has.
 */
#include "proof.h"
#include "answer.h"
#include <errno.h>
#include <fcntl.h>
#include <packice/cleanup.h>
#include <string.h>

#define FIRST_BYTE (INT64_C(1) << 62) /* so that nobody is in the way who locks bytes of a file */

static int32_t
read_byte(const char *text, int64_t *ret_byte, struct pk_error *err)
{
    char *end = NULL;
    errno = 0;
    long long byte = strtoll(text, &end, 10);
    if (errno != 0 || strspn(text, "0123456789") != strlen(text) || byte < FIRST_BYTE
        || byte == INT64_MAX)
        return pk_fail(err, -EINVAL, "PackIce-Lock: not a number from 2^62 to 2^63 - 2");
    *ret_byte = byte;
    return 0;
}

int32_t
http_proof_begin(struct http_connection *connection, struct http_answer *answer,
                 struct pk_error *err)
{
    const char *text = connection->parser.fields[HTTP_PROOF];
    int64_t byte = 0;
    if (text == NULL || connection->parser.method != HTTP_HEAD)
        return 0;
    int32_t r = read_byte(text, &byte, err);
    if (r < 0 || answer->fd < 0)
        return r;
    struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1 };
    if (fcntl(answer->fd, F_OFD_SETLK, &lock) == 0) /* or the client finds none, and streams */
        connection->proof = pk_steal_fd(answer->fd);
    return 0;
}

void
http_proof_end(struct http_connection *connection)
{
    pk_cleanup_close(&connection->proof);
    connection->proof = -1;
}
