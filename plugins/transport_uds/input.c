/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is received in a turn and answered in it never leaves the memory that all share. What is
 * left over has a buffer of its own, which grows with the largest request: when more is received
 * into that it is part of one request, so moving it is all the copying there is.
 */
#include "input.h"
#include <errno.h>
#include <packice/cleanup.h>
#include <string.h>
#include <sys/socket.h>

#define UDS_INPUT_ROOM 4096U  /* at least, of a buffer of its own */
#define UDS_INPUT_SPARE 1024U /* worth receiving into */

/* ---- bytes received ---- */

static void
forget(struct uds_input *input)
{
    if (!input->borrowed)
        free(input->data);
    input->data = NULL;
    input->borrowed = false;
    input->room = input->begin = input->scanned = input->end = 0;
}

void
uds_input_finish(struct uds_input *input)
{
    forget(input);
    *input = (struct uds_input){ 0 };
}

int32_t
uds_input_next(struct uds_input *input, size_t max, const char **ret_text, size_t *ret_size,
               struct pk_error *err)
{
    if (input->begin == input->end) {
        forget(input);
        return 0;
    }
    size_t start = 0;
    size_t used = 0;
    bool complete = false;
    bool begun = input->frame.size > 0;
    int32_t r = pk_wire_frame_scan(&input->frame, input->data + input->scanned,
                                   input->end - input->scanned, max, &start, &used, &complete, err);
    if (r < 0)
        return r;
    if (!begun)
        input->begin = input->scanned + start;
    input->scanned += used;
    if (!complete)
        return 0;
    *ret_text = input->data + input->begin;
    *ret_size = input->scanned - input->begin;
    input->begin = input->scanned;
    return 1;
}

size_t
uds_input_take(struct uds_input *input, void *to, size_t size)
{
    size_t left = input->end - input->begin;
    if (size > left)
        size = left;
    if (size == 0)
        return 0;
    memcpy(to, input->data + input->begin, size);
    input->begin += size;
    input->scanned = input->begin;
    return size;
}

/* ---- memory ---- */

static void
move_to(struct uds_input *input, char *data)
{
    memmove(data, input->data + input->begin, input->end - input->begin);
    input->scanned -= input->begin;
    input->end -= input->begin;
    input->begin = 0;
}

int32_t
uds_input_keep(struct uds_input *input)
{
    size_t left = input->end - input->begin;
    if (!input->borrowed)
        return 0;
    if (left == 0) {
        forget(input);
        return 0;
    }
    size_t room = left > UDS_INPUT_ROOM ? left : UDS_INPUT_ROOM;
    char *data = malloc(room);
    if (data == NULL)
        return -ENOMEM;
    move_to(input, data);
    input->data = data;
    input->borrowed = false;
    input->room = room;
    return 0;
}

static int32_t
make_room(struct uds_input *input)
{
    if (input->begin > 0)
        move_to(input, input->data);
    if (input->room - input->end >= UDS_INPUT_SPARE)
        return 0;
    int32_t r = uds_input_keep(input);
    if (r < 0)
        return r;
    char *data = realloc(input->data, input->room * 2);
    if (data == NULL)
        return -ENOMEM;
    input->data = data;
    input->room *= 2;
    return 0;
}

/* ---- the socket ---- */

int32_t
uds_input_receive_to(int fd, void *to, size_t size, struct uds_received *ret_received)
{
    struct iovec part = { to, size };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
    ssize_t received;
    do {
        /* Without room for descriptors, so that the kernel closes those that are sent here. */
        received = recvmsg(fd, &message, MSG_DONTWAIT);
    } while (received < 0 && errno == EINTR);
    if (received < 0)
        return -errno;
    ret_received->size = (size_t)received;
    /* The kernel stops behind bytes that had descriptors with them, whatever comes next. */
    ret_received->drained = (size_t)received < size && (message.msg_flags & MSG_CTRUNC) == 0;
    return 0;
}

int32_t
uds_input_receive(struct uds_input *input, char *shared, int fd, struct uds_received *ret_received)
{
    if (input->begin < input->end) {
        int32_t r = make_room(input);
        if (r < 0)
            return r;
    } else {
        forget(input);
        input->data = shared;
        input->borrowed = true;
        input->room = UDS_INPUT_SHARED;
    }
    int32_t r =
        uds_input_receive_to(fd, input->data + input->end, input->room - input->end, ret_received);
    if (r == 0)
        input->end += ret_received->size;
    return r;
}
