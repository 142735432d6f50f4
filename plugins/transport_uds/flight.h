/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors in flight: sent, and not known to have been received. It counts them over all
 * connections of the transport, and says who may be sent more. The loop's thread.
 */
#ifndef UDS_FLIGHT_H
#define UDS_FLIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

/* Those of one connection. Zero it and set fd to begin. */
struct uds_flight {
    TAILQ_ENTRY(uds_flight) link; /* while there are any */
    int fd;                       /* the connection's socket; borrowed */
    uint32_t count;
};

TAILQ_HEAD(uds_flight_list, uds_flight);

struct uds_flights {
    struct uds_flight_list open; /* the one looked at last comes last */
    size_t connections;          /* in `open` */
    uint64_t total;
    uint64_t limit; /* what the kernel lets the user have in flight, when last asked */
};

void uds_flights_init(struct uds_flights *flights);

/* Whether the connection may be sent a reply with so many more. One with none in flight may as long
 * as the kernel takes them; above that, those with any share half of what it takes. */
bool uds_flight_may(struct uds_flights *flights, struct uds_flight *flight, uint32_t more);
/* The kernel took none just now, which it should have: asks it again what it takes. */
void uds_flight_refused(struct uds_flights *flights);
/* So many more were sent. */
void uds_flight_add(struct uds_flights *flights, struct uds_flight *flight, uint32_t more);
/* Whether none are left: the client has received all that was sent, or is gone. */
bool uds_flight_is_over(struct uds_flights *flights, struct uds_flight *flight);
/* Counts them no more: the socket is about to be closed. */
void uds_flight_forget(struct uds_flights *flights, struct uds_flight *flight);

/* Whether bytes sent to the socket were not received. False if nobody can any more. */
bool uds_flight_unread(int fd);

#endif
