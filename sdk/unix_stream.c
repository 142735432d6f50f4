/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Receiving. The kernel gives the descriptors of at most one message for each recvmsg, at the
 * latest with the first byte of the reply that they belong to, and ends the data there; so no more
 * than two sets can ever be waiting for their reply to be complete.
 */
#include "sdk/unix_stream.h"
#include "sdk/moment.h"
#include <errno.h>
#include <packice/cleanup.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#define CAPACITY_MIN (96U << 10) /* for the bytes of a small object, and what is told of it */
#define CAPACITY_KEPT (1U << 20)
#define ROOM_MIN (16U << 10)

void
packice_fds_close(struct packice_fds *fds)
{
    for (uint32_t i = 0; i < fds->count; i++)
        pk_cleanup_close(&fds->fds[i]);
    fds->count = 0;
}

void
packice_stream_init(struct packice_stream *stream, int fd)
{
    memset(stream, 0, sizeof(*stream));
    stream->fd = fd;
}

void
packice_stream_finish(struct packice_stream *stream)
{
    for (uint32_t i = 0; i < stream->set_count; i++)
        packice_fds_close(&stream->sets[i]);
    stream->set_count = 0;
    free(pk_steal(stream->data));
}

/* Makes room behind what is there. */
static int32_t
make_room(struct packice_stream *stream, struct pk_error *err)
{
    if (stream->start > 0) {
        if (stream->size > stream->start)
            memmove(stream->data, stream->data + stream->start, stream->size - stream->start);
        stream->size -= stream->start;
        stream->scanned -= stream->start;
        stream->start = 0;
    }
    size_t capacity = stream->capacity;
    size_t wanted = stream->size + ROOM_MIN;
    if (stream->held > 0 && stream->scanned + stream->behind > wanted)
        wanted = stream->scanned + (size_t)stream->behind;
    if (stream->size == 0 && capacity > CAPACITY_KEPT)
        capacity = CAPACITY_MIN; /* one large reply doesn't make all others large */
    else if (capacity < wanted)
        capacity = wanted < CAPACITY_MIN ? CAPACITY_MIN : 2 * wanted;
    if (capacity == stream->capacity)
        return 0;
    char *data = realloc(stream->data, capacity);
    if (data == NULL)
        return pk_fail(err, -ENOMEM, "no memory for a reply of more than %zu bytes", stream->size);
    stream->data = data;
    stream->capacity = capacity;
    return 0;
}

/* Takes up the descriptors of one message. */
static int32_t
receive_fds(struct packice_stream *stream, struct msghdr *message, struct pk_error *err)
{
    struct packice_fds set = { .count = 0, .cut = (message->msg_flags & MSG_CTRUNC) != 0 };
    for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part != NULL;
         part = CMSG_NXTHDR(message, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
            continue;
        size_t bytes = part->cmsg_len - CMSG_LEN(0);
        uint32_t count = (uint32_t)(bytes / sizeof(int));
        memcpy(set.fds + set.count, CMSG_DATA(part), count * sizeof(int)); /* it is one part */
        set.count += count;
    }
    if (set.count == 0 && !set.cut)
        return 0;
    if (stream->set_count == sizeof(stream->sets) / sizeof(stream->sets[0])) {
        packice_fds_close(&set);
        return pk_fail(err, -EPROTO, "the node sent descriptors that belong to no reply");
    }
    stream->sets[stream->set_count++] = set;
    return 0;
}

static int32_t
await_input(const struct packice_stream *stream, uint64_t deadline, int *flags,
            struct pk_error *err)
{
    uint64_t patience = packice_deadline(PACKICE_STREAM_PATIENCE * UINT64_C(1000000000), 0);
    if (deadline > patience)
        return 0; /* recvmsg ends before that */
    struct pollfd poll_fd = { .fd = stream->fd, .events = POLLIN };
    int ready = poll(&poll_fd, 1, packice_poll_timeout(deadline));
    if (ready == 0)
        return pk_fail(err, -ETIMEDOUT, "the node did not answer in time");
    *flags |= MSG_DONTWAIT;
    return 0;
}

int32_t
packice_stream_fill(struct packice_stream *stream, uint64_t deadline, struct pk_error *err)
{
    int32_t rc = make_room(stream, err);
    int flags = MSG_CMSG_CLOEXEC;
    if (rc == 0)
        rc = await_input(stream, deadline, &flags, err);
    if (rc != 0)
        return rc;
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(PK_WIRE_FDS_MAX * sizeof(int))];
    } control;
    struct iovec part = { .iov_base = stream->data + stream->size,
                          .iov_len = stream->capacity - stream->size };
    struct msghdr message = { .msg_iov = &part,
                              .msg_iovlen = 1,
                              .msg_control = control.bytes,
                              .msg_controllen = sizeof(control.bytes) };
    ssize_t count = recvmsg(stream->fd, &message, flags);
    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (count < 0)
        return pk_fail(err, -ECONNRESET, "the node was lost: %m");
    rc = receive_fds(stream, &message, err);
    if (rc == 0 && count == 0)
        return pk_fail(err, -ECONNRESET, "the node closed the connection");
    stream->size += (size_t)count;
    return rc;
}

/* Gives the reply that ends where the scan has come to. */
static void
give(struct packice_stream *stream, const char **ret_text, size_t *ret_size)
{
    *ret_text = stream->data + stream->start;
    *ret_size = stream->scanned - stream->start;
    stream->given = stream->start;
    stream->start = stream->scanned;
    stream->held = 0;
}

int32_t
packice_stream_next(struct packice_stream *stream, const char **ret_text, size_t *ret_size,
                    struct pk_error *err)
{
    size_t start = 0;
    size_t used = 0;
    bool complete = false;
    *ret_text = NULL;
    if (stream->held > 0) {
        if (stream->size - stream->scanned >= stream->behind)
            give(stream, ret_text, ret_size);
        return 0;
    }
    bool begun = stream->frame.size > 0;
    size_t left = stream->size - stream->scanned;
    if (left > 0) { /* there may be no memory yet to scan in */
        struct pk_error why = PK_ERROR_INIT;
        if (pk_wire_frame_scan(&stream->frame, stream->data + stream->scanned, left,
                               PK_WIRE_REPLY_MAX, &start, &used, &complete, &why)
            != 0)
            return pk_fail(err, -EPROTO, "the node sent what is no reply: %s", why.message);
    }
    if (!begun) /* white space before it is dropped */
        stream->start = stream->scanned + start;
    stream->scanned += used;
    if (complete)
        give(stream, ret_text, ret_size);
    return 0;
}

int32_t
packice_stream_behind(struct packice_stream *stream, uint64_t size, const char **ret_data,
                      struct pk_error *err)
{
    uint64_t there = stream->size - stream->scanned;
    size_t newline = pk_wire_is_binary(stream->data[stream->given]) ? 0 : 1;
    if (newline > 0 && there > 0 && stream->data[stream->scanned] != '\n')
        return pk_fail(err, -EPROTO, "the node sent no newline before the bytes of a reply");
    if (there >= size + newline) {
        *ret_data = stream->data + stream->scanned + newline;
        stream->scanned += (size_t)size + newline;
        stream->start = stream->scanned;
        return 0;
    }
    stream->held = stream->scanned - stream->given;
    stream->behind = size + newline;
    stream->start = stream->given;
    *ret_data = NULL;
    return 0;
}

int32_t
packice_stream_take(struct packice_stream *stream, uint32_t count, struct packice_fds *ret_fds,
                    struct pk_error *err)
{
    if (count == 0) {
        ret_fds->count = 0;
        ret_fds->cut = false;
        return 0;
    }
    if (stream->set_count == 0)
        return pk_fail(err, -EPROTO, "the node sent no descriptors, but tells of %u", count);
    struct packice_fds *set = &stream->sets[0];
    if (set->cut ? set->count > count : set->count != count)
        return pk_fail(err, -EPROTO, "the node sent %u descriptors, but tells of %u", set->count,
                       count);
    *ret_fds = *set;
    stream->sets[0] = stream->sets[1];
    stream->set_count--;
    return 0;
}
