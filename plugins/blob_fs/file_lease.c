/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Read leases of the kernel as a proof that no writer is left. They are dropped at once: none is
 * ever held while anything else happens.
 */
#include "file_lease.h"

#include "disk.h"
#include "name.h"

#include <errno.h>
#include <fcntl.h>
#include <packice/cleanup.h>
#include <signal.h>
#include <unistd.h>

#define LEASE_HINT "seal = weak does without"

/* Somebody who may write after all (root) can open the file in the moment in which the lease is
 * held; the kernel then signals its holder. SIGIO would end the process, SIGURG is ignored. */
int32_t
file_lease_prove(int fd, const char *path, struct pk_error *err)
{
    if (fcntl(fd, F_SETSIG, SIGURG) != 0)
        return disk_fail(err, errno, "%s: no signal can be set", path);
    if (fcntl(fd, F_SETLEASE, F_RDLCK) == 0) {
        (void)fcntl(fd, F_SETLEASE, F_UNLCK); /* or it is broken already: gone either way */
        return 0;
    }
    if (errno == EAGAIN)
        return pk_fail(err, -EBUSY, "%s: a writer, or a writable map, is left", path);
    if (errno == EINVAL || errno == ENOLCK || errno == EOPNOTSUPP)
        return pk_fail(err, -EOPNOTSUPP, "%s: no leases on this file system; " LEASE_HINT, path);
    return disk_fail(err, errno, "%s: no lease on the file; " LEASE_HINT, path);
}

/* Takes the writer with it. */
static int32_t
probe_lease(int fd, int claims, const char *name, struct pk_error *err)
{
    pk_autoclose int writer = fd;
    pk_autoclose int reader = disk_open(claims, name, O_RDONLY, 0);
    if (reader < 0)
        return disk_fail(err, errno, "claims: a file cannot be opened");
    int32_t rc = file_lease_prove(reader, "claims", err);
    if (rc == 0)
        return pk_fail(err, -EOPNOTSUPP,
                       "claims: this file system gives leases in spite of writers; " LEASE_HINT);
    if (rc != -EBUSY)
        return rc;
    if (close(pk_steal_fd(writer)) != 0)
        return disk_fail(err, errno, "claims: a file cannot be closed");
    return file_lease_prove(reader, "claims", err);
}

int32_t
file_system_probe(struct fs_root *root, struct pk_error *err)
{
    char name[NAME_FILE_SIZE];
    char other[NAME_FILE_SIZE];
    int32_t rc = 0;
    root_own_name(root, name);
    root_own_name(root, other);
    pk_autoclose int fd = disk_open(root->claims, name, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (fd < 0)
        return disk_fail(err, errno, "claims: a file cannot be made");
    if (linkat(root->claims, name, root->claims, other, 0) != 0)
        rc = disk_fail(err, errno, "claims: no hard links on this file system");
    else if (root->options.strict)
        rc = probe_lease(pk_steal_fd(fd), root->claims, name, err);
    (void)unlinkat(root->claims, other, 0);
    (void)unlinkat(root->claims, name, 0);
    return rc;
}
