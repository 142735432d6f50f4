/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One buffer that grows with the largest request and shrinks when it is empty. What is left in it
 * when more is received is part of one request, so moving it is all the copying there is.
 */
#include "input.h"
#include <errno.h>
#include <packice/cleanup.h>
#include <string.h>
#include <sys/socket.h>

#define UDS_INPUT_ROOM 4096U  /* kept while a connection idles */
#define UDS_INPUT_SPARE 1024U /* worth receiving into */

void
uds_input_finish(struct uds_input *input)
{
    free(input->data);
    *input = (struct uds_input){ 0 };
}

static void
forget(struct uds_input *input)
{
    input->begin = input->scanned = input->end = 0;
    if (input->room > UDS_INPUT_ROOM) {
        free(pk_steal(input->data));
        input->room = 0;
    }
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

static int32_t
make_room(struct uds_input *input)
{
    if (input->begin > 0) {
        memmove(input->data, input->data + input->begin, input->end - input->begin);
        input->scanned -= input->begin;
        input->end -= input->begin;
        input->begin = 0;
    }
    if (input->room - input->end >= UDS_INPUT_SPARE)
        return 0;
    size_t room = input->room == 0 ? UDS_INPUT_ROOM : input->room * 2;
    char *data = realloc(input->data, room);
    if (data == NULL)
        return -ENOMEM;
    input->data = data;
    input->room = room;
    return 0;
}

ssize_t
uds_input_receive(struct uds_input *input, int fd)
{
    int32_t r = make_room(input);
    if (r < 0)
        return r;
    ssize_t size;
    do {
        /* Without room for descriptors, so that the kernel closes those that are sent here. */
        size = recv(fd, input->data + input->end, input->room - input->end, MSG_DONTWAIT);
    } while (size < 0 && errno == EINTR);
    if (size < 0)
        return -errno;
    input->end += (size_t)size;
    return size;
}
