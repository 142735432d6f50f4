/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel refuses a user's descriptors while more than RLIMIT_NOFILE of them are in flight
 * (ETOOMANYREFS, unix(7)), whoever leaves them unread, and closing the socket here frees none. So
 * a reader that takes none is given few: it could block everybody else.
 */
#include "flight.h"
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/resource.h>

#define UDS_FLIGHT_MAX 1024U /* of one connection */
#define UDS_FLIGHT_LOOKS 16  /* connections looked at when room is short */

/* What the kernel lets the user have in flight. */
static uint64_t
get_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > UINT32_MAX)
        return UINT32_MAX;
    return limit.rlim_cur;
}

void
uds_flights_init(struct uds_flights *flights)
{
    *flights = (struct uds_flights){ .limit = get_limit() };
    TAILQ_INIT(&flights->open);
}

void
uds_flight_refused(struct uds_flights *flights)
{
    flights->limit = get_limit();
}

bool
uds_flight_unread(int fd)
{
    int unread = 0;
    return ioctl(fd, SIOCOUTQ, &unread) == 0 && unread > 0;
}

void
uds_flight_add(struct uds_flights *flights, struct uds_flight *flight, uint32_t more)
{
    if (flight->count == 0 && more > 0) {
        TAILQ_INSERT_TAIL(&flights->open, flight, link);
        flights->connections++;
    }
    flight->count += more;
    flights->total += more;
}

void
uds_flight_forget(struct uds_flights *flights, struct uds_flight *flight)
{
    if (flight->count == 0)
        return;
    TAILQ_REMOVE(&flights->open, flight, link);
    flights->connections--;
    flights->total -= flight->count;
    flight->count = 0;
}

bool
uds_flight_is_over(struct uds_flights *flights, struct uds_flight *flight)
{
    if (flight->count > 0 && uds_flight_unread(flight->fd))
        return false;
    uds_flight_forget(flights, flight);
    return true;
}

static bool
fits(const struct uds_flights *flights, const struct uds_flight *flight, uint64_t more)
{
    uint64_t limit = flights->limit;
    if (flights->total == 0)
        return true;
    if (flight->count == 0)
        return flights->total + more <= limit;
    uint64_t share = limit / 2 / flights->connections;
    if (share > UDS_FLIGHT_MAX)
        share = UDS_FLIGHT_MAX;
    return flight->count + more <= share && flights->total + more <= limit / 2;
}

/* Nobody tells when descriptors are received: looks at those who had some, a few each time. */
static void
look_around(struct uds_flights *flights)
{
    struct uds_flight *last = TAILQ_LAST(&flights->open, uds_flight_list);
    bool was_last = last == NULL;
    for (int looks = 0; looks < UDS_FLIGHT_LOOKS && !was_last; looks++) {
        struct uds_flight *flight = TAILQ_FIRST(&flights->open);
        was_last = flight == last;
        if (uds_flight_is_over(flights, flight))
            continue;
        TAILQ_REMOVE(&flights->open, flight, link);
        TAILQ_INSERT_TAIL(&flights->open, flight, link);
    }
}

bool
uds_flight_may(struct uds_flights *flights, struct uds_flight *flight, uint32_t more)
{
    if (more == 0 || fits(flights, flight, more))
        return true;
    uds_flight_refused(flights);
    (void)uds_flight_is_over(flights, flight);
    if (fits(flights, flight, more))
        return true;
    look_around(flights);
    return fits(flights, flight, more);
}
