/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sending: text from memory, blobs by sendfile(2), in steps that leave others their turn.
 */
#include "output.h"
#include <errno.h>
#include <packice/cleanup.h>
#include <string.h>

#define FILE_STEP (512U << 10) /* bytes of a file at once */

void
http_output_init(struct http_output *output)
{
    memset(output, 0, sizeof(*output));
    output->file = -1;
}

void
http_output_finish(struct http_output *output)
{
    free(output->text);
    if (output->file >= 0)
        (void)close(output->file);
    http_output_init(output);
}

int32_t
http_output_put(struct http_output *output, char *text, size_t size)
{
    if (output->text == NULL) {
        output->text = text;
        output->size = size;
        output->sent = 0;
        return 0;
    }
    char *joined = realloc(output->text, output->size + size);
    if (joined != NULL) {
        memcpy(joined + output->size, text, size);
        output->text = joined;
        output->size += size;
    }
    free(text);
    return joined != NULL ? 0 : -ENOMEM;
}

bool
http_output_pending(const struct http_output *output)
{
    return output->text != NULL || (output->file >= 0 && output->left > 0);
}

static ssize_t
send_text(struct http_output *output, struct http_socket *socket)
{
    bool more = output->file >= 0 && output->left > 0;
    ssize_t sent =
        http_socket_write(socket, output->text + output->sent, output->size - output->sent, more);
    if (sent > 0)
        output->sent += (size_t)sent;
    if (output->sent == output->size)
        free(pk_steal(output->text));
    return sent;
}

ssize_t
http_output_send(struct http_output *output, struct http_socket *socket)
{
    if (output->text != NULL)
        return send_text(output, socket);
    size_t step = output->left < FILE_STEP ? (size_t)output->left : FILE_STEP;
    ssize_t sent = http_socket_send_file(socket, output->file, output->offset, step);
    if (sent == 0)
        return -EIO;
    if (sent < 0)
        return sent;
    output->offset += (uint64_t)sent;
    output->left -= (uint64_t)sent;
    if (output->left == 0)
        (void)close(pk_steal_fd(output->file));
    return sent;
}
