/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a run ends: the exit codes, which scripts rely on, and the one line on standard error that
 * goes with each.
 */
#ifndef PACKICE_CLI_EXIT_H
#define PACKICE_CLI_EXIT_H

#include "command.h"

#define CLI_OK 0
#define CLI_FAILURE 1 /* anything without a code of its own */
#define CLI_USAGE 2
#define CLI_NOT_FOUND 3
#define CLI_EXISTS 4
#define CLI_NOT_SEALED 5
#define CLI_TIMEOUT 6
#define CLI_ACCESS_DENIED 7
#define CLI_BUSY 8
#define CLI_NO_SPACE 9
#define CLI_UNREACHABLE 10
#define CLI_LEASE_NOT_FOUND 11
#define CLI_TOO_LARGE 12
#define CLI_UNSUPPORTED 13
#define CLI_UNAUTHORIZED 14
#define CLI_INVALID 15
#define CLI_DISCONNECTED 16

/* The exit code for what a call of the library returned. */
int exit_code(int error);

/* Prints "packice: COMMAND: ..." in one line, harmless to a terminal, and returns `code`. */
__attribute__((format(printf, 3, 4))) int exit_fail(const struct cli *cli, int code,
                                                    const char *format, ...);

/* The same for a command line that can't be understood: says where help is, returns CLI_USAGE. */
__attribute__((format(printf, 2, 3))) int exit_usage(const struct cli *cli, const char *format,
                                                     ...);

/* Says why a call of the library on this object failed. To be called right after it. */
int exit_object(const struct cli *cli, int error, const char *object_id);

/* Says why any other call of the library failed. To be called right after it. */
int exit_call(const struct cli *cli, int error);

/* Says why something on this machine failed: "FILE: No such file or directory". Returns
 * CLI_FAILURE. */
int exit_file(const struct cli *cli, const char *name, int system_error);

#endif
