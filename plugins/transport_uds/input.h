/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Input: the bytes of one connection that were received and not yet taken, where one request in
 * them ends, and the descriptors that came with them.
 */
#ifndef UDS_INPUT_H
#define UDS_INPUT_H

#include "core/wire/wire.h"
#include "passed.h"

#define UDS_INPUT_SHARED 65536U /* bytes of the memory that connections share for receiving */

struct uds_input {
    char *data;
    bool borrowed;  /* data is the shared memory: until uds_input_keep */
    size_t room;    /* bytes there are in data */
    size_t begin;   /* first byte that is still needed */
    size_t scanned; /* first byte that the frame hasn't seen */
    size_t end;     /* behind the last byte */
    struct pk_wire_frame frame;
    uint64_t received; /* bytes, since the start */
    struct uds_passer passer;
    /* The second one may come before the first was claimed: with bytes that begin with the end of a
     * request. */
    struct uds_parcel parcels[2];
};

/* What receiving once came to. */
struct uds_received {
    size_t size;  /* bytes; 0: the other side sends no more */
    bool drained; /* there was nothing more in the socket */
};

void uds_input_init(struct uds_input *input, struct uds_passed *passed);
/* Forgets all bytes and descriptors, and frees their memory. */
void uds_input_finish(struct uds_input *input);

/* Whether all bytes were taken. */
static inline bool
uds_input_is_empty(const struct uds_input *input)
{
    return input->begin == input->end;
}

/* Whether all but one line's end was taken: clients may end each request with one. */
static inline bool
uds_input_is_blank(const struct uds_input *input)
{
    size_t left = input->end - input->begin;
    return left == 0 || (left == 1 && input->data[input->begin] == '\n');
}

/* The next request that is complete: *ret_text points to *ret_size bytes, until something is
 * received or kept. 1; 0: there is none; -EINVAL or -EFBIG: the stream is of no more use. */
int32_t uds_input_next(struct uds_input *input, size_t max, const char **ret_text, size_t *ret_size,
                       struct pk_error *err);

/* The `count` descriptors that came with the request that was given last, as uds_parcel_claim says;
 * -EINVAL: none did. */
int32_t uds_input_claim(struct uds_input *input, size_t size, uint32_t count, int **ret_fds,
                        struct pk_error *err);

/* Whether descriptors wait for a request that has not come whole; *ret_since: what came before they
 * did, which tells them from others. */
static inline bool
uds_input_waits(const struct uds_input *input, uint64_t *ret_since)
{
    const struct uds_parcel *parcels = input->parcels;
    const struct uds_parcel *first = &parcels[0];
    if (parcels[1].fds != NULL && (first->fds == NULL || parcels[1].begin < first->begin))
        first = &parcels[1];
    *ret_since = first->begin;
    return first->fds != NULL;
}

/* Moves up to `size` bytes that were received, and follow the last request, to `to`: how many. */
size_t uds_input_take(struct uds_input *input, void *to, size_t size);

/* Receives once, when there is no request left: into `shared` if nothing is left at all. 0;
 * -EAGAIN: nothing there; -EBUSY: something that came before is being closed; -ENOMEM; else the
 * connection is of no more use. The descriptors that come are kept until no request can claim them
 * any more. */
int32_t uds_input_receive(struct uds_input *input, char *shared, int fd,
                          struct uds_received *ret_received);
/* As that, up to `size` bytes, to `to`, when nothing is left; no descriptor belongs there. */
int32_t uds_input_receive_to(struct uds_input *input, int fd, void *to, size_t size,
                             struct uds_received *ret_received);

/* Gives the shared memory back: what is left in it is copied. -ENOMEM. */
int32_t uds_input_keep(struct uds_input *input);

#endif
