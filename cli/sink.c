/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where bytes that are got go: standard output, or a file that appears whole or not at all. It
 * knows nothing of objects.
 */
#include "sink.h"

#include "exit.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

/* What the signal handler removes: written before sink_armed, read only while it is set. */
static char sink_unfinished[PATH_MAX];
static volatile sig_atomic_t sink_armed;

static void
sink_on_signal(int number)
{
    if (sink_armed)
        (void)unlink(sink_unfinished);
    (void)signal(number, SIG_DFL);
    (void)raise(number);
}

/* Before the file is there, so that no signal comes too early: its name is nobody else's. */
static void
sink_arm(const char *path)
{
    static const int numbers[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };

    sink_armed = 0;
    if (strlen(path) >= sizeof(sink_unfinished))
        return;
    (void)snprintf(sink_unfinished, sizeof(sink_unfinished), "%s", path);
    sink_armed = 1;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        struct sigaction action = { .sa_handler = sink_on_signal }, old;
        /* nohup and shells without job control ignore some for us: that stays so. */
        if (sigaction(numbers[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
            (void)sigaction(numbers[i], &action, NULL);
    }
}

/* Makes an empty file with a name of its own in the folder of sink->path. */
static int
sink_make_temporary(struct sink *sink, mode_t mode)
{
    uint64_t number;
    char *copy = strdup(sink->path);
    int failed = EEXIST;

    if (copy == NULL)
        return ENOMEM;
    const char *folder = dirname(copy); /* points into copy, or to a constant */
    for (int tries = 0; tries < 100 && failed == EEXIST; tries++) {
        if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number)) {
            failed = EIO;
            break;
        }
        free(sink->temporary);
        sink->temporary = NULL;
        if (asprintf(&sink->temporary, "%s/.packice-%016llx", folder, (unsigned long long)number)
            < 0) {
            sink->temporary = NULL;
            failed = ENOMEM;
            break;
        }
        sink_arm(sink->temporary);
        sink->fd = open(sink->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
        failed = sink->fd >= 0 ? 0 : errno;
    }
    free(copy);
    if (failed != 0)
        sink_armed = 0;
    return failed;
}

/* Opens what name stands for: in place if it is there and no regular file. */
static int
sink_open_path(struct sink *sink, const char *name)
{
    struct stat status;
    mode_t mode = 0666; /* less the umask */

    if (stat(name, &status) == 0) {
        if (!S_ISREG(status.st_mode)) {
            sink->fd = open(name, O_WRONLY | O_CLOEXEC | O_NOCTTY);
            return sink->fd >= 0 ? 0 : errno;
        }
        if (access(name, W_OK) != 0)
            return errno; /* rename(2) would not mind */
        mode = status.st_mode & 0777;
        sink->path = realpath(name, NULL); /* the file behind a link, not the link */
    } else if (errno != ENOENT || lstat(name, &status) == 0) {
        return errno; /* or a link to nothing: still ENOENT */
    } else {
        sink->path = strdup(name);
    }
    if (sink->path == NULL)
        return errno;
    return sink_make_temporary(sink, mode);
}

static void
sink_forget(struct sink *sink)
{
    sink_armed = 0;
    free(sink->temporary);
    free(sink->path);
    sink->temporary = NULL;
    sink->path = NULL;
    sink->fd = -1;
}

int
sink_open(const struct cli *cli, const char *name, bool force, struct sink *ret_sink)
{
    struct sink sink = { .name = name, .fd = -1 };
    int failed = 0;

    if (name == NULL || strcmp(name, "-") == 0) {
        sink.name = "standard output";
        sink.fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
        failed = sink.fd >= 0 ? 0 : errno;
    } else {
        failed = sink_open_path(&sink, name);
    }
    if (failed != 0) {
        sink_forget(&sink);
        return exit_file(cli, name != NULL ? name : "standard output", failed);
    }
    sink.terminal = !force && isatty(sink.fd) == 1;
    *ret_sink = sink;
    return CLI_OK;
}

int
sink_write(const struct cli *cli, struct sink *sink, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t written = write(sink->fd, data, size);
        if (written >= 0) {
            data += written;
            size -= (size_t)written;
        } else if (errno == EAGAIN) {
            struct pollfd wait = { .fd = sink->fd, .events = POLLOUT };
            (void)poll(&wait, 1, -1);
        } else if (errno == EPIPE) {
            return CLI_FAILURE;
        } else if (errno != EINTR) {
            return exit_file(cli, sink->name, errno);
        }
    }
    return CLI_OK;
}

int
sink_commit(const struct cli *cli, struct sink *sink)
{
    int code = CLI_OK;

    /* Some file systems report a full disk only here. */
    if (close(sink->fd) != 0 && errno != EINTR)
        code = exit_file(cli, sink->name, errno);
    if (sink->temporary != NULL) {
        if (code == CLI_OK && rename(sink->temporary, sink->path) != 0)
            code = exit_file(cli, sink->name, errno);
        if (code != CLI_OK)
            (void)unlink(sink->temporary);
    }
    sink_forget(sink);
    return code;
}

void
sink_abort(struct sink *sink)
{
    if (sink->fd >= 0)
        (void)close(sink->fd);
    if (sink->temporary != NULL)
        (void)unlink(sink->temporary);
    sink_forget(sink);
}
