/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Output: the replies of one connection that wait to be sent, with their descriptors. It owns both
 * until the kernel has them, and never waits.
 */
#ifndef UDS_OUTPUT_H
#define UDS_OUTPUT_H

#include "flight.h"
#include <packice/types.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

/* One reply: its text, the bytes behind that, and the descriptors that ride on its first byte. It
 * begins memory that was malloc'd, for a call mostly. */
struct uds_reply {
    STAILQ_ENTRY(uds_reply) next;
    char *text; /* malloc'd; NULL = there was no memory for it */
    size_t text_size;
    char *data; /* malloc'd, or borrowed: see uds_output_keep; NULL = none */
    size_t data_size;
    size_t data_room; /* bytes allocated */
    size_t sent;      /* bytes, of text and data */
    size_t held;      /* bytes counted in bytes_held */
    bool borrowed;
    int *fds; /* malloc'd; open until they are sent */
    uint32_t fd_count;
};

struct uds_output {
    STAILQ_HEAD(, uds_reply) replies;
    struct uds_reply *borrower; /* the last one, if its data is borrowed */
    size_t bytes;               /* still to be sent */
    struct uds_flights *flights;
    struct uds_flight flight;
    atomic_uint fds_held;     /* descriptors open for this connection, in replies queued and not yet
                                 queued; any thread */
    atomic_size_t bytes_held; /* texts and data of replies, likewise */
};

/* What one try to send came to. */
struct uds_sent {
    size_t bytes;
    uint32_t fds;
};

/* To be sent to a socket; both stay the caller's. */
void uds_output_init(struct uds_output *output, struct uds_flights *flights, int fd);
/* Drops what wasn't sent, and closes its descriptors. */
void uds_output_finish(struct uds_output *output);

/* Queues the reply, which is the output's from now on; its descriptors are counted in fds_held. */
void uds_output_append(struct uds_output *output, struct uds_reply *reply);

/* Copies the data that the reply queued last has borrowed, if that is not sent yet. -ENOMEM. */
int32_t uds_output_keep(struct uds_output *output);

/* Sends what the socket takes; adds to *sent whatever comes of it. 0: all of it; -EAGAIN: the rest
 * when the socket can be written again; -EBUSY: the rest a little later, too many descriptors are
 * in flight; else the connection is of no more use. */
int32_t uds_output_send(struct uds_output *output, struct uds_sent *sent);

/* Frees a reply that isn't queued, with the memory that it begins, and closes its descriptors. */
void uds_reply_free(struct uds_output *output, struct uds_reply *reply);

/* Bytes of text and data. */
static inline size_t
uds_reply_size(const struct uds_reply *reply)
{
    return reply->text_size + reply->data_size;
}

#endif
