/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A link: how a client reaches its peer. Everything above it is the same for every target.
 */
#ifndef PACKICE_SDK_LINK_H
#define PACKICE_SDK_LINK_H

#include "sdk/answer.h"
#include <stdbool.h>

/* What is asked: one request, or several in as few trips as one. */
struct packice_ask {
    const struct pk_request *requests;
    size_t count;
    uint64_t generation; /* the connection that must still be there, or -ESTALE: that of the answer
                            which brought the lease, if it is bound; 0 = any */
    uint64_t deadline;   /* CLOCK_MONOTONIC nanoseconds, then -ETIMEDOUT; PK_FOREVER */
};

/* The bytes of one blob, on their way between its peer and a file of this process. */
struct packice_transfer {
    const char *object_id;
    uint32_t blob;
    const char *lease_id;
    int fd;
    uint64_t size;     /* of the blob, bytes */
    uint64_t patience; /* nanoseconds in which nothing moves, then -ETIMEDOUT; PK_FOREVER */
};

typedef void packice_figure_fn(void *arg, const char *name, uint64_t value);

struct packice_link;

struct packice_link_ops {
    uint64_t put_max; /* bytes that one PUT can carry; 0: there is no PUT, and answers bring no
                         bytes either */
    bool adopts;      /* more go by a PUT of a sealed descriptor, where the peer takes it */
    /* Asks and waits. Fills one answer for each request; each may itself be an error. When the way
     * to the peer fails, none is filled. Any thread, several at once. */
    int32_t (*call)(struct packice_link *link, const struct packice_ask *ask,
                    struct packice_answer **ret_answers, struct pk_error *err);
    /* The peer's figures. */
    int32_t (*stats)(struct packice_link *link, uint64_t deadline, packice_figure_fn *emit,
                     void *arg, struct pk_error *err);
    /* Whether leases bound to this connection may still live. Asks nobody. */
    bool (*alive)(struct packice_link *link, uint64_t generation);
    /* Ends a bound lease without waiting for the peer, who hears of it with the next request, or
     * with the next flush. Whether it took the lease over; not if the connection is another one.
     * NULL: this link can only ask. */
    bool (*release)(struct packice_link *link, const char *lease_id, uint64_t generation);
    /* Tells the peer of what was released so. NULL as above. */
    void (*flush)(struct packice_link *link);
    /* The peer sent what it must not: lets this connection go, and its bound leases with it.
     * Nothing for peers of this process. */
    void (*distrust)(struct packice_link *link, uint64_t generation);
    /* For links whose answers say that their blobs are remote; else NULL. All wait.
     * upload sends the whole file as the bytes of a blob under a CREATE lease; download fills an
     * empty file with those of a sealed one, exactly `size` of them or it fails; same_file tells
     * whether the file is the one that the peer has the blob in, beyond doubt. */
    int32_t (*upload)(struct packice_link *link, const struct packice_transfer *transfer,
                      struct pk_error *err);
    int32_t (*download)(struct packice_link *link, const struct packice_transfer *transfer,
                        struct pk_error *err);
    int32_t (*same_file)(struct packice_link *link, const struct packice_transfer *transfer,
                         bool *ret_same, struct pk_error *err);
    /* Fails what is under way and all that comes, with -EPIPE; bound leases end. Any thread. */
    void (*shut)(struct packice_link *link);
    /* Frees it, after shut and with no call under way. forked: in a child of the process it was
     * made in: lets go of descriptors alone, takes no lock, tells nobody. */
    void (*free)(struct packice_link *link, bool forked);
};

/* First member of every link. */
struct packice_link {
    const struct packice_link_ops *ops;
};

/* The most requests and descriptors that go in one trip. */
#define PACKICE_TRIP_REQUESTS 256U
#define PACKICE_TRIP_BLOBS 253U

#endif
