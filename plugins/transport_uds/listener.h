/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The listening socket: accepts clients, or tells them why not. It never reads from one.
 */
#ifndef UDS_LISTENER_H
#define UDS_LISTENER_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <packice/types.h>
#include <stdbool.h>

struct uds_closer;
struct uds_transport;

struct uds_listener {
    struct event event;        /* somebody wants to connect */
    struct event resume;       /* the end of a pause */
    struct uds_closer *closer; /* borrowed */
    int fd;                    /* -1 = closed */
    int spare;                 /* given up to accept, and turn away, when descriptors run out */
    bool complained;           /* of a failing accept, since the last one that worked */
};

/* Makes ready to accept from fd, which is the listener's from now on: finish it on failure too.
 * -EMFILE. */
int32_t uds_listener_init(struct uds_listener *listener, struct uds_transport *transport, int fd,
                          struct pk_error *err);
/* Begins to accept. Before the loop's thread starts. -ENOMEM. */
int32_t uds_listener_start(struct uds_listener *listener, struct pk_error *err);
/* Accepts nobody any more, and closes the socket. Again does nothing. */
void uds_listener_finish(struct uds_listener *listener);

#endif
