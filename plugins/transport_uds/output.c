/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A message that carries descriptors begins with the reply they belong to; replies without any are
 * gathered behind it. How many may be in flight is for flight.h to say, and for the kernel.
 */
#include "output.h"
#include "core/wire/wire.h"
#include <errno.h>
#include <packice/cleanup.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define UDS_GATHER 128 /* parts of replies in one message */

void
uds_output_init(struct uds_output *output, struct uds_flights *flights, int fd)
{
    *output = (struct uds_output){ .flights = flights, .flight = { .fd = fd } };
    STAILQ_INIT(&output->replies);
}

static void
close_descriptors(struct uds_output *output, struct uds_reply *reply)
{
    if (reply->fds == NULL)
        return;
    for (uint32_t i = 0; i < reply->fd_count; i++)
        (void)close(reply->fds[i]);
    atomic_fetch_sub(&output->fds_held, reply->fd_count);
    reply->fd_count = 0;
    free(pk_steal(reply->fds));
}

void
uds_reply_free(struct uds_output *output, struct uds_reply *reply)
{
    close_descriptors(output, reply);
    atomic_fetch_sub(&output->bytes_held, reply->held);
    free(reply->text);
    if (!reply->borrowed)
        free(reply->data);
    free(reply);
}

void
uds_output_finish(struct uds_output *output)
{
    while (!STAILQ_EMPTY(&output->replies)) {
        struct uds_reply *reply = STAILQ_FIRST(&output->replies);
        STAILQ_REMOVE_HEAD(&output->replies, next);
        uds_reply_free(output, reply);
    }
    output->borrower = NULL;
    output->bytes = 0;
}

void
uds_output_append(struct uds_output *output, struct uds_reply *reply)
{
    STAILQ_INSERT_TAIL(&output->replies, reply, next);
    output->borrower = reply->borrowed ? reply : NULL;
    output->bytes += uds_reply_size(reply);
}

int32_t
uds_output_keep(struct uds_output *output)
{
    struct uds_reply *reply = pk_steal(output->borrower);
    if (reply == NULL)
        return 0;
    char *data = malloc(reply->data_size);
    if (data == NULL)
        return -ENOMEM;
    reply->data = memcpy(data, reply->data, reply->data_size);
    reply->borrowed = false;
    return 0;
}

/* Adds what wasn't sent of the part of a reply that begins at its byte `begin`. */
static size_t
add_part(struct iovec *part, char *bytes, size_t size, size_t begin, size_t sent)
{
    size_t skip = sent > begin ? sent - begin : 0;
    if (skip >= size)
        return 0;
    *part = (struct iovec){ bytes + skip, size - skip };
    return 1;
}

static size_t
gather(struct uds_output *output, struct iovec *parts)
{
    size_t count = 0;
    struct uds_reply *reply;
    STAILQ_FOREACH(reply, &output->replies, next)
    {
        if (count + 2 > UDS_GATHER || (count > 0 && reply->fd_count > 0))
            break;
        count += add_part(&parts[count], reply->text, reply->text_size, 0, reply->sent);
        count +=
            add_part(&parts[count], reply->data, reply->data_size, reply->text_size, reply->sent);
    }
    return count;
}

static ssize_t
send_message(struct uds_output *output)
{
    union {
        char space[CMSG_SPACE(PK_WIRE_FDS_MAX * sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec parts[UDS_GATHER];
    struct msghdr message = { .msg_iov = parts, .msg_iovlen = gather(output, parts) };
    const struct uds_reply *first = STAILQ_FIRST(&output->replies);
    if (first->fd_count > 0) {
        size_t size = first->fd_count * sizeof(int);
        memset(&control, 0, CMSG_SPACE(size));
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(size);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(size);
        memcpy(CMSG_DATA(header), first->fds, size);
    }
    return sendmsg(output->flight.fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void
take_off(struct uds_output *output, size_t size)
{
    output->bytes -= size;
    while (size > 0) {
        struct uds_reply *reply = STAILQ_FIRST(&output->replies);
        size_t left = uds_reply_size(reply) - reply->sent;
        size_t part = left < size ? left : size;
        reply->sent += part;
        size -= part;
        if (part < left)
            return;
        if (output->borrower == reply)
            output->borrower = NULL;
        STAILQ_REMOVE_HEAD(&output->replies, next);
        uds_reply_free(output, reply);
    }
}

static int32_t
send_some(struct uds_output *output, struct uds_sent *sent)
{
    struct uds_reply *first = STAILQ_FIRST(&output->replies);
    uint32_t fds = first->fd_count;
    if (!uds_flight_may(output->flights, &output->flight, fds))
        return -EBUSY;
    ssize_t size = send_message(output);
    if (size < 0)
        return -errno;
    uds_flight_add(output->flights, &output->flight, fds);
    close_descriptors(output, first);
    sent->fds += fds;
    sent->bytes += (size_t)size;
    take_off(output, (size_t)size);
    return 0;
}

int32_t
uds_output_send(struct uds_output *output, struct uds_sent *sent)
{
    while (!STAILQ_EMPTY(&output->replies)) {
        int32_t r = send_some(output, sent);
        if (r == -EINTR)
            continue;
        if (r == -ETOOMANYREFS)
            uds_flight_refused(output->flights);
        if (r == -ETOOMANYREFS || r == -ENOBUFS || r == -ENOMEM)
            return -EBUSY;
        if (r < 0)
            return r;
    }
    return 0;
}
