/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the target, and what proves to it who asks, to a client. A token comes from a file alone:
 * a command line is for everybody to see.
 */
#include "exit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_TARGET "/run/packice/packice.sock"
#define TOKEN_MAX 4096U

/* A variable that is not empty, or the other. */
static const char *
from_environment(const char *name, const char *otherwise)
{
    const char *value = getenv(name);

    return value != NULL && *value != '\0' ? value : otherwise;
}

void
cli_read_environment(struct cli *cli)
{
    cli->target = from_environment("PACKICE_TARGET", DEFAULT_TARGET);
    cli->token_file = from_environment("PACKICE_TOKEN_FILE", NULL);
    cli->ca_file = from_environment("PACKICE_CA_FILE", NULL);
    cli->cert = from_environment("PACKICE_CERT", NULL);
    cli->key = from_environment("PACKICE_KEY", NULL);
}

bool
cli_is_remote(const struct cli *cli)
{
    return strncmp(cli->target, "http://", 7) == 0 || strncmp(cli->target, "https://", 8) == 0;
}

/* How many bytes there are; -1 with errno. */
static ssize_t
read_whole(int fd, char *data, size_t room)
{
    size_t size = 0;

    while (size < room) {
        ssize_t got = read(fd, data + size, room - size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        size += (size_t)got;
    }
    return (ssize_t)size;
}

/* The one line of the file, into TOKEN_MAX + 2 bytes. */
static int
read_token(const struct cli *cli, char *ret_token)
{
    int fd = open(cli->token_file, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return exit_file(cli, cli->token_file, errno);
    ssize_t size = read_whole(fd, ret_token, TOKEN_MAX + 1);
    int error = errno;
    (void)close(fd);
    if (size < 0)
        return exit_file(cli, cli->token_file, error);
    if (size > 0 && ret_token[size - 1] == '\n')
        size--;
    if (size == 0 || size > TOKEN_MAX || memchr(ret_token, '\n', (size_t)size) != NULL)
        return exit_fail(cli, CLI_FAILURE, "%s: not one line with a token of 1 to %u bytes",
                         cli->token_file, TOKEN_MAX);
    ret_token[size] = '\0';
    return CLI_OK;
}

static void
watch(void *arg, uint64_t done, uint64_t total)
{
    progress_moved(arg, done, total);
}

/* token NULL: none. */
static int
connect_by(struct cli *cli, const char *token)
{
    struct packice_connect_options options = PACKICE_CONNECT_OPTIONS_INIT;

    options.token = token;
    options.ca_file = cli->ca_file;
    options.cert = cli->cert;
    options.key = cli->key;
    options.progress = watch;
    options.progress_arg = cli->progress;
    int error = packice_connect_with(cli->target, &options, &cli->client);
    if (error == -EINVAL)
        return exit_usage(cli, "target: %s", packice_error_message());
    return error == 0 ? CLI_OK : exit_call(cli, error);
}

int
cli_connect(struct cli *cli)
{
    char token[TOKEN_MAX + 2];

    /* Peers inside a process end with it: what is put there would be lost, silently. */
    if (strncmp(cli->target, "memory:", 7) == 0)
        return exit_usage(cli, "target '%s' is no node: it would end with this command",
                          cli->target);
    if (!cli_is_remote(cli) || cli->token_file == NULL)
        return connect_by(cli, NULL);
    int code = read_token(cli, token);
    if (code == CLI_OK)
        code = connect_by(cli, token);
    explicit_bzero(token, sizeof(token));
    return code;
}
