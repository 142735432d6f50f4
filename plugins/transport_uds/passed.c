/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whoever passes descriptors fills the table of this process, so what waits here is bounded: for
 * all connections by a quarter of the table, for each by its share of that. What is refused goes to
 * the closer. A client of which something is being closed there, and everybody while too much is,
 * is looked at before anything is received of it, and what comes with descriptors is received
 * there as well: its bytes were seen by then.
 */
#include "passed.h"
#include "descriptors.h"
#include <errno.h>
#include <fcntl.h>
#include <packice/cleanup.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define UDS_LARGE_BLOCKS \
    2048 /* of 512 bytes: the kernel frees so many for tenths of a millisecond */

/* ---- how they end ---- */

/* Without memory for it nobody knows whose they are. */
static struct uds_closing *
closing_of(struct uds_passer *passer)
{
    if (passer->closing == NULL)
        passer->closing = uds_closing_new();
    return passer->closing;
}

static bool
is_large(int fd)
{
    struct stat status;
    return fstat(fd, &status) != 0 || status.st_blocks > UDS_LARGE_BLOCKS;
}

/* Memfds: what was written of one may be freed with it. */
static void
close_memfds(struct uds_passer *passer, const int *fds, uint32_t count)
{
    int large[PK_WIRE_FDS_MAX];
    uint32_t large_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (is_large(fds[i]))
            large[large_count++] = fds[i];
        else
            (void)close(fds[i]);
    }
    if (large_count > 0)
        uds_closer_close(passer->all->closer, closing_of(passer), large, large_count);
}

static void
hold(struct uds_passer *passer, uint32_t count)
{
    if (passer->held == 0 && count > 0)
        passer->all->holders++;
    passer->held += count;
    passer->all->held += count;
}

void
uds_passed_forget(struct uds_passer *passer, uint32_t count)
{
    if (count == 0)
        return;
    passer->all->held -= count;
    passer->held -= count;
    if (passer->held == 0)
        passer->all->holders--;
}

void
uds_passed_close(struct uds_passer *passer, const int *fds, uint32_t count)
{
    close_memfds(passer, fds, count);
    uds_passed_forget(passer, count);
}

void
uds_parcel_drop(struct uds_passer *passer, struct uds_parcel *parcel)
{
    if (parcel->fds != NULL)
        uds_passed_close(passer, parcel->fds, parcel->count);
    free(pk_steal(parcel->fds));
    parcel->count = 0;
}

/* ---- receiving ---- */

static ssize_t
receive(int fd, struct msghdr *message, int flags)
{
    ssize_t received;
    do {
        received = recvmsg(fd, message, flags | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    } while (received < 0 && errno == EINTR);
    return received < 0 ? -errno : received;
}

/* Looks first: so the kernel closes nothing on this thread. */
static ssize_t
receive_unwelcome(struct uds_passer *passer, int fd, struct msghdr *message)
{
    void *control = pk_steal(message->msg_control);
    size_t room = message->msg_controllen;
    if (passer->closing != NULL && uds_closing_skips(passer->closing))
        return -EBUSY;
    message->msg_controllen = 0;
    ssize_t seen = receive(fd, message, MSG_PEEK);
    if (seen <= 0)
        return seen;
    if ((message->msg_flags & MSG_CTRUNC) == 0) {
        message->msg_iov->iov_len = (size_t)seen;
        message->msg_control = control;
        message->msg_controllen = room;
        return receive(fd, message, 0);
    }
    struct uds_closing *closing = closing_of(passer);
    if (closing == NULL || uds_closer_skip(passer->all->closer, closing, fd, (size_t)seen) < 0)
        return -EBUSY;
    return seen;
}

ssize_t
uds_passer_receive(struct uds_passer *passer, int fd, struct msghdr *message)
{
    bool much = passer->closing != NULL && uds_closing_is_much(passer->closing);
    if (much || !uds_closer_is_ready(passer->all->closer))
        return receive_unwelcome(passer, fd, message);
    return receive(fd, message, 0);
}

/* ---- what a message brings ---- */

/* All descriptors of the message, one behind the other. */
static uint32_t
collect(struct msghdr *message, int *fds)
{
    uint32_t count = 0;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header != NULL;
         header = CMSG_NXTHDR(message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
            continue;
        size_t more = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(fds + count, CMSG_DATA(header), more * sizeof(int));
        count += (uint32_t)more;
    }
    return count;
}

static uint64_t
held_max(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > UINT32_MAX)
        return UINT32_MAX;
    return limit.rlim_cur / 4;
}

/* Moves what can't be sealed to the end, and counts the rest: files in memory, which nobody can
 * make linger. */
static uint32_t
sort(int *fds, uint32_t count)
{
    uint32_t good = 0;
    for (uint32_t i = 0; i < count; i++) {
        int fd = fds[i];
        if (fcntl(fd, F_GET_SEALS) < 0)
            continue;
        fds[i] = fds[good];
        fds[good++] = fd;
    }
    return good;
}

static bool
is_any_scarce(const int *fds, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (uds_descriptors_scarce(fds[i]))
            return true;
    return false;
}

/* Whether this client may hold so many more. One that holds none may as long as there is room;
 * above that, those that do share half of it. */
static bool
fits(const struct uds_passer *passer, uint32_t more)
{
    const struct uds_passed *all = passer->all;
    uint64_t max = held_max();
    if (passer->held == 0)
        return all->held + more <= max;
    return passer->held + more <= max / 2 / all->holders && all->held + more <= max / 2;
}

/* Why these can't be kept. */
static int32_t
check(const struct uds_passer *passer, const struct msghdr *message, const int *fds, uint32_t count,
      uint32_t good)
{
    if (good < count)
        return -EINVAL;
    if ((message->msg_flags & MSG_CTRUNC) != 0 || !fits(passer, count) || is_any_scarce(fds, count))
        return -EBUSY;
    return 0;
}

/* Closes what was sorted. */
static void
close_sorted(struct uds_passer *passer, const int *fds, uint32_t count, uint32_t good)
{
    close_memfds(passer, fds, good);
    if (count > good)
        uds_closer_close(passer->all->closer, closing_of(passer), fds + good, count - good);
}

bool
uds_parcel_open(struct uds_passer *passer, struct msghdr *message, struct uds_parcel *ret_parcel)
{
    int fds[PK_WIRE_FDS_MAX];
    bool cut = (message->msg_flags & MSG_CTRUNC) != 0;
    uint32_t count = collect(message, fds);
    if (count == 0 && !cut)
        return false;
    uint32_t good = sort(fds, count);
    struct uds_parcel parcel = { .count = count > 0 ? count : 1 };
    parcel.lost = check(passer, message, fds, count, good);
    if (parcel.lost == 0) {
        parcel.fds = malloc(parcel.count * sizeof(int));
        parcel.lost = parcel.fds == NULL ? -EBUSY : 0;
    }
    if (parcel.fds != NULL) {
        memcpy(parcel.fds, fds, count * sizeof(int));
        hold(passer, count);
    } else {
        close_sorted(passer, fds, count, good);
    }
    *ret_parcel = parcel;
    return true;
}

void
uds_parcel_refuse(struct uds_passer *passer, struct msghdr *message)
{
    int fds[PK_WIRE_FDS_MAX];
    uint32_t count = collect(message, fds);
    close_sorted(passer, fds, count, sort(fds, count));
}

/* ---- whose they are ---- */

static int32_t
check_claim(const struct uds_parcel *parcel, uint32_t count, struct pk_error *err)
{
    if (parcel->lost == -EBUSY)
        return pk_fail(err, -EBUSY, "fds: out of descriptors");
    if (parcel->lost != 0)
        return pk_fail(err, parcel->lost, "fds: not memfds");
    if (parcel->count != count)
        return pk_fail(err, -EINVAL, "fds: %u, but %u came", count, parcel->count);
    return 0;
}

int32_t
uds_parcel_claim(struct uds_passer *passer, struct uds_parcel *parcel, uint32_t count,
                 int **ret_fds, struct pk_error *err)
{
    int32_t r = check_claim(parcel, count, err);
    if (r == 0)
        *ret_fds = pk_steal(parcel->fds);
    uds_parcel_drop(passer, parcel);
    return r;
}
