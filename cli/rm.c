/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * packice rm: takes objects away by name.
 */
#include "exit.h"

#include <stddef.h>

static int
rm_run(struct cli *cli, const struct cli_args *args)
{
    int first_failure = cli_connect(cli);

    if (first_failure != CLI_OK)
        return first_failure;
    for (size_t i = 0; i < args->operand_count; i++) {
        int error = packice_discard(cli->client, args->operands[i]);
        int code = error == 0 ? CLI_OK : exit_object(cli, error, args->operands[i]);
        if (first_failure == CLI_OK)
            first_failure = code;
    }
    return first_failure;
}

const struct cli_command cli_rm = {
    .name = "rm",
    .operands = "ID...",
    .summary = "Discard objects",
    .help = "Their names are free at once; who holds a lease on one can read it on.\n",
    .operand_min = 1,
    .operand_max = SIZE_MAX,
    .run = rm_run,
};
