/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Command lines: takes one apart by a command's table, and prints the help made from the same
 * table.
 */
#ifndef PACKICE_CLI_OPTION_H
#define PACKICE_CLI_OPTION_H

#include "command.h"

/* A negative result of the parsers: help or version was printed, or a mistake; the exit code is
 * what is left. */
struct option_outcome {
    bool stop;
    int code;
};

/* What stands before the command: -t, --help, --version. Sets cli->target, and *ret_first to the
 * index of the command in argv (argc: none). */
struct option_outcome option_parse_global(struct cli *cli, int argc, char **argv, int *ret_first);

/* What stands behind it: argv[0] is the command's name. */
struct option_outcome option_parse_command(struct cli *cli, int argc, char **argv,
                                           struct cli_args *ret_args);

/* Prints the help of cli->command, or of the program when that is NULL. Returns CLI_OK. */
int option_help(const struct cli *cli);

#endif
