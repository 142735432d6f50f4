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

/* ---- descriptors received ---- */

static bool
is_within(const struct uds_parcel *parcel, uint64_t offset)
{
    return parcel->count > 0 && offset >= parcel->begin && offset < parcel->end;
}

/* All that the request that begins at this offset can't claim. */
static void
drop_parcels(struct uds_input *input, uint64_t offset)
{
    for (size_t i = 0; i < 2; i++)
        if (input->parcels[i].count > 0 && !is_within(&input->parcels[i], offset))
            uds_parcel_drop(&input->passer, &input->parcels[i]);
}

int32_t
uds_input_claim(struct uds_input *input, size_t size, uint32_t count, int **ret_fds,
                struct pk_error *err)
{
    uint64_t offset = input->received - (input->end - input->begin) - size;
    for (size_t i = 0; i < 2; i++)
        if (is_within(&input->parcels[i], offset))
            return uds_parcel_claim(&input->passer, &input->parcels[i], count, ret_fds, err);
    return pk_fail(err, -EINVAL, "fds: %u, but none came", count);
}

/* ---- bytes received ---- */

/* All of it was taken, so that no request can claim what came with it. */
static void
forget(struct uds_input *input)
{
    drop_parcels(input, input->received);
    if (!input->borrowed)
        free(input->data);
    input->data = NULL;
    input->borrowed = false;
    input->room = input->begin = input->scanned = input->end = 0;
}

void
uds_input_init(struct uds_input *input, struct uds_passed *passed)
{
    *input = (struct uds_input){ .passer = { .all = passed } };
}

void
uds_input_finish(struct uds_input *input)
{
    forget(input);
    input->frame = (struct pk_wire_frame){ 0 };
}

/* Looks for the next request. */
static int32_t
scan(struct uds_input *input, size_t max, const char **ret_text, size_t *ret_size,
     struct pk_error *err)
{
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

int32_t
uds_input_next(struct uds_input *input, size_t max, const char **ret_text, size_t *ret_size,
               struct pk_error *err)
{
    if (uds_input_is_empty(input)) {
        forget(input);
        return 0;
    }
    int32_t r = scan(input, max, ret_text, ret_size, err);
    if (r == 0)
        drop_parcels(input, input->received - (input->end - input->begin));
    return r;
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
    if (uds_input_is_empty(input))
        drop_parcels(input, input->received);
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

static bool
has_descriptors(const struct msghdr *message)
{
    return message->msg_controllen > 0 || (message->msg_flags & MSG_CTRUNC) != 0;
}

/* Room for one part of `size` bytes and what comes with it. */
struct letter {
    struct msghdr message;
    struct iovec part;
    union {
        char space[UDS_PASSED_CONTROL];
        struct cmsghdr align;
    } control;
};

/* Receives one message. */
static int32_t
receive(struct uds_input *input, int fd, struct letter *letter, char *to, size_t size,
        struct uds_received *ret_received)
{
    letter->part = (struct iovec){ to, size };
    letter->message = (struct msghdr){
        .msg_iov = &letter->part,
        .msg_iovlen = 1,
        .msg_control = &letter->control,
        .msg_controllen = sizeof(letter->control),
    };
    ssize_t received = uds_passer_receive(&input->passer, fd, &letter->message);
    if (received < 0)
        return (int32_t)received;
    /* The kernel stops behind what had descriptors with it, whatever comes next. */
    ret_received->size = (size_t)received;
    ret_received->drained = !has_descriptors(&letter->message) && (size_t)received < size;
    input->received += (size_t)received;
    return 0;
}

int32_t
uds_input_receive_to(struct uds_input *input, int fd, void *to, size_t size,
                     struct uds_received *ret_received)
{
    struct letter letter;
    int32_t r = receive(input, fd, &letter, to, size, ret_received);
    if (r == 0 && has_descriptors(&letter.message))
        uds_parcel_refuse(&input->passer, &letter.message);
    return r;
}

/* Keeps what came with the last `size` bytes. */
static void
keep_parcel(struct uds_input *input, struct msghdr *message, size_t size)
{
    struct uds_parcel *parcel = &input->parcels[input->parcels[0].count > 0 ? 1 : 0];
    if (!uds_parcel_open(&input->passer, message, parcel))
        return;
    parcel->begin = input->received - size;
    parcel->end = input->received;
}

int32_t
uds_input_receive(struct uds_input *input, char *shared, int fd, struct uds_received *ret_received)
{
    if (!uds_input_is_empty(input)) {
        int32_t r = make_room(input);
        if (r < 0)
            return r;
    } else {
        forget(input);
        input->data = shared;
        input->borrowed = true;
        input->room = UDS_INPUT_SHARED;
    }
    struct letter letter;
    int32_t r = receive(input, fd, &letter, input->data + input->end, input->room - input->end,
                        ret_received);
    if (r < 0)
        return r;
    input->end += ret_received->size;
    if (has_descriptors(&letter.message))
        keep_parcel(input, &letter.message, ret_received->size);
    return 0;
}
