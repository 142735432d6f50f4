/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds libcurl's wakeup sockets by what they do: as many bytes as there were calls stand in them,
 * until they are taken out again. It only looks at descriptors that may belong to others.
 */
#include "sdk/http_wakeup.h"
#include <dirent.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define CALLS 7 /* any number that is not there by chance */

static bool
is_candidate(int fd)
{
    int domain = 0;
    socklen_t size = sizeof(domain);
    int flags = fcntl(fd, F_GETFD);
    return flags >= 0 && (flags & FD_CLOEXEC) == 0
           && getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX;
}

/* How many bytes wait at this end to be read, or (SIOCOUTQ) at the other. */
static int
bytes_in(int fd, unsigned long queue)
{
    int bytes = -1;
    return ioctl(fd, queue, &bytes) == 0 ? bytes : -1;
}

/* Looks for a pair in which so many bytes stand. */
static void
find(int bytes, int ret_fds[2])
{
    DIR *folder = opendir("/proc/self/fd");
    ret_fds[0] = ret_fds[1] = -1;
    if (folder == NULL)
        return;
    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        int fd = (int)strtol(entry->d_name, NULL, 10); /* 0 for "." and "..", which does no harm */
        if (!is_candidate(fd))
            continue;
        if (bytes_in(fd, FIONREAD) == bytes)
            ret_fds[0] = fd;
        else if (bytes_in(fd, SIOCOUTQ) >= bytes) /* which counts what a byte costs */
            ret_fds[1] = fd;
    }
    (void)closedir(folder);
}

/* Whether nothing stands in it any more. */
static bool
is_empty(const int fds[2])
{
    return (fds[0] < 0 || bytes_in(fds[0], FIONREAD) == 0)
           && (fds[1] < 0 || bytes_in(fds[1], SIOCOUTQ) == 0);
}

void
packice_http_wakeup_guard(CURLM *multi, int ret_fds[2])
{
    for (int i = 0; i < CALLS; i++)
        (void)curl_multi_wakeup(multi);
    find(CALLS, ret_fds);
    (void)curl_multi_poll(multi, NULL, 0, 0, NULL); /* takes them out */
    if (!is_empty(ret_fds))
        ret_fds[0] = ret_fds[1] = -1;
    for (int i = 0; i < 2; i++) {
        if (ret_fds[i] >= 0)
            (void)fcntl(ret_fds[i], F_SETFD, FD_CLOEXEC);
    }
}
