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

#define UDS_GATHER 64 /* replies in one message */

void
uds_output_init(struct uds_output *output, struct uds_flights *flights, int fd)
{
    *output = (struct uds_output){ .flights = flights, .flight = { .fd = fd } };
    STAILQ_INIT(&output->replies);
}

static void
close_descriptors(struct uds_output *output, struct uds_reply *reply)
{
    for (uint32_t i = 0; i < reply->fd_count; i++)
        (void)close(reply->fds[i]);
    atomic_fetch_sub(&output->fds_held, reply->fd_count);
    reply->fd_count = 0;
    free(pk_steal(reply->fds));
}

void
uds_reply_free(struct uds_output *output, struct uds_reply *reply)
{
    if (reply == NULL)
        return;
    close_descriptors(output, reply);
    atomic_fetch_sub(&output->text_held, reply->held);
    free(reply->text);
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
    output->bytes = 0;
}

void
uds_output_append(struct uds_output *output, struct uds_reply *reply)
{
    STAILQ_INSERT_TAIL(&output->replies, reply, next);
    output->bytes += reply->size;
}

static size_t
gather(struct uds_output *output, struct iovec *parts)
{
    size_t count = 0;
    struct uds_reply *reply;
    STAILQ_FOREACH(reply, &output->replies, next)
    {
        if (count == UDS_GATHER || (count > 0 && reply->fd_count > 0))
            break;
        parts[count].iov_base = reply->text + reply->sent;
        parts[count].iov_len = reply->size - reply->sent;
        count++;
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
        size_t part = reply->size - reply->sent < size ? reply->size - reply->sent : size;
        reply->sent += part;
        size -= part;
        if (reply->sent < reply->size)
            return;
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
        if (r == -ETOOMANYREFS || r == -ENOBUFS || r == -ENOMEM)
            return -EBUSY;
        if (r < 0)
            return r;
    }
    return 0;
}
