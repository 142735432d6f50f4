/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors that clients passed, between the socket and the request that they belong to. Nothing
 * but memfds gets that far. The loop's thread, which closes none that may hold it up.
 */
#ifndef UDS_PASSED_H
#define UDS_PASSED_H

#include "closer.h"
#include "core/wire/wire.h"
#include <sys/socket.h>

/* Room for all that one message can carry. */
#define UDS_PASSED_CONTROL CMSG_SPACE(PK_WIRE_FDS_MAX * sizeof(int))

/* Those of all connections, until the peer has them. */
struct uds_passed {
    struct uds_closer *closer;
    uint64_t held;
    uint32_t holders; /* connections that hold some */
};

/* One connection, as one that passes them. Zero it and set `all` to begin. */
struct uds_passer {
    struct uds_passed *all;
    uint32_t held;
    struct uds_closing *closing; /* NULL: nothing of it was ever closed elsewhere */
};

/* Those that came with some bytes of a stream. The kernel says no more of where: with the first
 * byte of what was sent in one go, which may be any of these. */
struct uds_parcel {
    uint64_t begin; /* offset of the first byte, from the stream's start */
    uint64_t end;   /* behind the last */
    int *fds;       /* malloc'd; NULL if lost */
    uint32_t count; /* as they came; 0 = no parcel */
    int32_t lost;   /* why there are none: -EBUSY, -EINVAL; 0 */
};

/* Whether nothing that it passed is still being closed elsewhere. */
static inline bool
uds_passer_is_idle(const struct uds_passer *passer)
{
    return passer->closing == NULL || uds_closing_is_over(passer->closing);
}

/* Receives once into the message's one part, with room for descriptors (UDS_PASSED_CONTROL at
 * msg_control). Where none can be taken in, the bytes come all the same, and the message is told to
 * be cut (MSG_CTRUNC). Bytes; 0: the end; -errno; -EBUSY: later, something that came before is
 * still being closed. */
ssize_t uds_passer_receive(struct uds_passer *passer, int fd, struct msghdr *message);

/* Takes the descriptors out of a message that was received so; what is no memfd, or one of the last
 * descriptors that the process may have, is closed with all that came with it. *ret_parcel is whole
 * but for begin and end; false: none came. */
bool uds_parcel_open(struct uds_passer *passer, struct msghdr *message,
                     struct uds_parcel *ret_parcel);
/* Closes them: they belong nowhere. */
void uds_parcel_refuse(struct uds_passer *passer, struct msghdr *message);

/* Gives a request what the parcel holds; the parcel is empty then, in any case. *ret_fds, malloc'd,
 * are to be forgotten when the peer has them. -EINVAL: not as many as it says; -EBUSY: lost. */
int32_t uds_parcel_claim(struct uds_passer *passer, struct uds_parcel *parcel, uint32_t count,
                         int **ret_fds, struct pk_error *err);
/* Empties it. */
void uds_parcel_drop(struct uds_passer *passer, struct uds_parcel *parcel);

/* They are somebody else's from now on. */
void uds_passed_forget(struct uds_passer *passer, uint32_t count);
/* Closes them. */
void uds_passed_close(struct uds_passer *passer, const int *fds, uint32_t count);

#endif
