/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The socket file and the lock beside it: takes a path for this node alone, and gives it back. It
 * never accepts a client.
 */
#ifndef UDS_ADDRESS_H
#define UDS_ADDRESS_H

#include <packice/plugin.h>
#include <sys/stat.h>
#include <sys/un.h>

/* Bytes of the longest path: the socket is made under a longer name and then renamed. */
#define UDS_NEW_SUFFIX ".new"
#define UDS_LOCK_SUFFIX ".lock"
#define UDS_PATH_MAX (sizeof(((struct sockaddr_un *)0)->sun_path) - sizeof(UDS_NEW_SUFFIX))

struct uds_address {
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
    int lock_fd;   /* holds the lock as long as it is open; -1 = not taken */
    int listen_fd; /* listens, never blocks; -1 = not taken, or given away */
    dev_t dev;     /* of the socket file that is ours */
    ino_t ino;
};

/* What the socket file is to look like. */
struct uds_address_wish {
    const char *path; /* absolute */
    mode_t mode;
    gid_t group; /* (gid_t)-1 = as the process has it */
};

/* Locks the path, replaces what a dead node left there, and listens. The file has its mode and
 * group, and is listened on, from the moment it can be found under its path. Clients that connect
 * wait until somebody accepts. Errors, each one clear line: -EADDRINUSE: somebody lives there;
 * -EINVAL: the path is too long; -ENOENT, -EACCES and whatever else the kernel said. */
int32_t uds_address_take(const struct uds_address_wish *wish, struct uds_address *ret_address,
                         struct pk_error *err);

/* Removes the socket file if it is still this one, then drops the lock, whose file stays. For an
 * address that was taken, once. */
void uds_address_release(struct uds_address *address);

#endif
