/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whoever passes descriptors fills the table of this process, so what waits here is bounded: for
 * each connection by who holds the parcels, and for all by a quarter of the table.
 */
#include "passed.h"
#include "descriptors.h"
#include <errno.h>
#include <fcntl.h>
#include <packice/cleanup.h>
#include <string.h>
#include <sys/resource.h>

bool
uds_passed_are_wanted(const struct uds_passed *passed)
{
    return uds_closer_is_ready(passed->closer);
}

void
uds_passed_forget(struct uds_passed *passed, uint32_t count)
{
    passed->held -= count;
}

void
uds_passed_close(struct uds_passed *passed, const int *fds, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        (void)close(fds[i]);
    uds_passed_forget(passed, count);
}

void
uds_parcel_drop(struct uds_passed *passed, struct uds_parcel *parcel)
{
    if (parcel->fds != NULL)
        uds_passed_close(passed, parcel->fds, parcel->count);
    free(pk_steal(parcel->fds));
    parcel->count = 0;
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

/* Why these can't be kept. */
static int32_t
check(const struct uds_passed *passed, const struct msghdr *message, const int *fds, uint32_t count,
      uint32_t good)
{
    if (good < count)
        return -EINVAL;
    if ((message->msg_flags & MSG_CTRUNC) != 0 || passed->held + count > held_max()
        || is_any_scarce(fds, count))
        return -EBUSY;
    return 0;
}

bool
uds_parcel_open(struct uds_passed *passed, struct msghdr *message, struct uds_parcel *ret_parcel)
{
    int fds[PK_WIRE_FDS_MAX];
    bool cut = (message->msg_flags & MSG_CTRUNC) != 0;
    uint32_t count = collect(message, fds);
    if (count == 0 && !cut)
        return false;
    uint32_t good = sort(fds, count);
    struct uds_parcel parcel = { .count = count > 0 ? count : 1 };
    parcel.lost = check(passed, message, fds, count, good);
    if (parcel.lost == 0) {
        parcel.fds = malloc(parcel.count * sizeof(int));
        parcel.lost = parcel.fds == NULL ? -EBUSY : 0;
    }
    passed->held += good;
    if (parcel.fds != NULL) {
        memcpy(parcel.fds, fds, count * sizeof(int));
    } else {
        uds_passed_close(passed, fds, good);
        uds_closer_close(passed->closer, fds + good, count - good);
    }
    *ret_parcel = parcel;
    return true;
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
uds_parcel_claim(struct uds_passed *passed, struct uds_parcel *parcel, uint32_t count,
                 int **ret_fds, struct pk_error *err)
{
    int32_t r = check_claim(parcel, count, err);
    if (r == 0)
        *ret_fds = pk_steal(parcel->fds);
    uds_parcel_drop(passed, parcel);
    return r;
}
