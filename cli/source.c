/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file that is put: opened, measured, read in order. It knows nothing of objects.
 */
#include "source.h"

#include "exit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* How much is left in a file that knows its size. Files of /proc and the like claim to be empty:
 * those that are not count as unsized. */
static int
source_measure(struct source *source)
{
    struct stat status;
    char byte;

    source->size = PACKICE_UNSIZED;
    if (fstat(source->fd, &status) != 0)
        return errno;
    if (S_ISDIR(status.st_mode))
        return EISDIR;
    if (!S_ISREG(status.st_mode))
        return 0;
    off_t at = lseek(source->fd, 0, SEEK_CUR); /* standard input may be half read */
    if (at < 0)
        return 0;
    if (at < status.st_size)
        source->size = (uint64_t)(status.st_size - at);
    else if (pread(source->fd, &byte, 1, at) == 0)
        source->size = 0;
    return 0;
}

int
source_open(const struct cli *cli, const char *name, struct source *ret_source)
{
    struct source source = { .name = name, .fd = -1 };
    int failed;

    if (strcmp(name, "-") == 0) {
        source.name = "standard input";
        source.fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
    } else {
        source.fd = open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    }
    if (source.fd < 0)
        return exit_file(cli, source.name, errno);
    failed = source_measure(&source);
    if (failed != 0) {
        source_close(&source);
        return exit_file(cli, source.name, failed);
    }
    *ret_source = source;
    return CLI_OK;
}

void
source_close(struct source *source)
{
    if (source->fd >= 0)
        (void)close(source->fd); /* it was only read */
    source->fd = -1;
}

int
source_read(const struct cli *cli, const struct source *source, void *data, size_t size,
            size_t *ret_size)
{
    for (;;) {
        ssize_t got = read(source->fd, data, size);
        if (got >= 0) {
            *ret_size = (size_t)got;
            return CLI_OK;
        }
        if (errno == EAGAIN) {
            struct pollfd wait = { .fd = source->fd, .events = POLLIN };
            (void)poll(&wait, 1, -1);
        } else if (errno != EINTR) {
            return exit_file(cli, source->name, errno);
        }
    }
}
