/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The packice program: finds the command and runs it. What a command does stands in the file of its
 * name.
 */
#include "exit.h"
#include "option.h"
#include "output.h"
#include "suggest.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const struct cli_command *const cli_commands[] = { &cli_put,   &cli_get,     &cli_cat,  &cli_ls,
                                                   &cli_stat,  &cli_rm,      &cli_wait, &cli_verify,
                                                   &cli_renew, &cli_release, NULL };

/* A descriptor that the caller closed would be given to the next file or socket, and what is
 * printed would end there. A placeholder that can't be used the right way fails as the closed one
 * would. */
static bool
hold_standard_streams(void)
{
    static const int modes[] = { O_WRONLY, O_RDONLY, O_RDONLY };

    for (int fd = 0; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", modes[fd]) != fd)
            return false;
    return true;
}

static const struct cli_command *
find_command(const char *name)
{
    for (size_t i = 0; cli_commands[i] != NULL; i++)
        if (strcmp(cli_commands[i]->name, name) == 0)
            return cli_commands[i];
    return NULL;
}

static int
complain_about_command(const struct cli *cli, const char *name)
{
    const char *names[16];
    size_t count = 0;

    for (; cli_commands[count] != NULL && count < sizeof(names) / sizeof(names[0]); count++)
        names[count] = cli_commands[count]->name;
    const char *nearest = suggest_nearest(name, names, count);
    if (nearest == NULL)
        return exit_usage(cli, "unknown command '%s'", name);
    return exit_usage(cli, "unknown command '%s' (did you mean '%s'?)", name, nearest);
}

static int
run(struct cli *cli, int argc, char **argv)
{
    struct cli_args args;
    int first = argc;
    struct option_outcome outcome = option_parse_global(cli, argc, argv, &first);

    if (outcome.stop)
        return outcome.code;
    if (first >= argc)
        return exit_usage(cli, "needs a command");
    cli->command = find_command(argv[first]);
    if (cli->command == NULL)
        return complain_about_command(cli, argv[first]);
    outcome = option_parse_command(cli, argc - first, argv + first, &args);
    return outcome.stop ? outcome.code : cli->command->run(cli, &args);
}

int
main(int argc, char **argv)
{
    struct progress progress = { 0 };
    struct cli cli = { .progress = &progress };

    cli_read_environment(&cli);
    if (!hold_standard_streams())
        return CLI_FAILURE;
    (void)signal(SIGXFSZ, SIG_IGN); /* over the limit of a file's size: an error like others */
    int code = output_finish(&cli, run(&cli, argc, argv));
    packice_client_free(cli.client);
    return code;
}
