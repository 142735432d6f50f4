/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a run ends: the exit codes, which scripts rely on, and the one line on standard error that
 * goes with each.
 */
#include "exit.h"

#include "text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int
exit_code(int error)
{
    static const struct {
        int error;
        int code;
    } codes[] = {
        { 0, CLI_OK },
        { ENOENT, CLI_NOT_FOUND },
        { EEXIST, CLI_EXISTS },
        { EAGAIN, CLI_NOT_SEALED },
        { ETIMEDOUT, CLI_TIMEOUT },
        { EACCES, CLI_ACCESS_DENIED },
        { EBUSY, CLI_BUSY },
        { ENOSPC, CLI_NO_SPACE },
        { ECONNREFUSED, CLI_UNREACHABLE },
        { ESTALE, CLI_LEASE_NOT_FOUND },
        { EFBIG, CLI_TOO_LARGE },
        { EOPNOTSUPP, CLI_UNSUPPORTED },
        { EKEYREJECTED, CLI_UNAUTHORIZED },
        { EINVAL, CLI_INVALID },
        { ECONNRESET, CLI_DISCONNECTED },
        { EPIPE, CLI_DISCONNECTED },
    };

    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
        if (codes[i].error == -error)
            return codes[i].code;
    return CLI_FAILURE;
}

__attribute__((format(printf, 3, 0))) static void
exit_print(const struct cli *cli, const char *hint, const char *format, va_list args)
{
    char *message = NULL;
    char *harmless = NULL;

    if (vasprintf(&message, format, args) < 0)
        message = NULL;
    if (message != NULL)
        harmless = text_escape(message);
    progress_end(cli->progress);
    (void)fprintf(stderr, "packice: %s%s%s%s\n", cli->command != NULL ? cli->command->name : "",
                  cli->command != NULL ? ": " : "", harmless != NULL ? harmless : "out of memory",
                  hint);
    free(harmless);
    free(message);
}

int
exit_fail(const struct cli *cli, int code, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    exit_print(cli, "", format, args);
    va_end(args);
    return code;
}

int
exit_usage(const struct cli *cli, const char *format, ...)
{
    char hint[64];
    va_list args;

    (void)snprintf(hint, sizeof(hint), "; see 'packice %s%s--help'",
                   cli->command != NULL ? cli->command->name : "", cli->command != NULL ? " " : "");
    va_start(args, format);
    exit_print(cli, hint, format, args);
    va_end(args);
    return CLI_USAGE;
}

int
exit_object(const struct cli *cli, int error, const char *object_id)
{
    int code = exit_code(error);

    switch (code) {
    case CLI_NOT_FOUND:
        return exit_fail(cli, code, "no object '%s'", object_id);
    case CLI_EXISTS:
        return exit_fail(cli, code, "object '%s' exists already", object_id);
    case CLI_NOT_SEALED:
        return exit_fail(cli, code, "object '%s' is not sealed yet", object_id);
    case CLI_TIMEOUT:
        return exit_fail(cli, code, "object '%s': %s", object_id, packice_error_message());
    default:
        return exit_call(cli, error);
    }
}

int
exit_call(const struct cli *cli, int error)
{
    struct cli program = *cli;

    if (exit_code(error) == CLI_UNREACHABLE) {
        program.command = NULL; /* whatever was to be done: it never began */
        return exit_fail(&program, CLI_UNREACHABLE,
                         "%s; is packice-node running? (-t TARGET or PACKICE_TARGET)",
                         packice_error_message());
    }
    return exit_fail(cli, exit_code(error), "%s", packice_error_message());
}

int
exit_file(const struct cli *cli, const char *name, int system_error)
{
    return exit_fail(cli, CLI_FAILURE, "%s: %s", name, strerror(system_error));
}
