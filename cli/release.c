/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * packice release: ends a lease that an earlier command left behind.
 */
#include "exit.h"
#include "lease_id.h"

#include <stddef.h>

static int
release_run(struct cli *cli, const struct cli_args *args)
{
    char lease_id[LEASE_ID_SIZE];

    int code = lease_id_read(cli, args->operands[0], lease_id);
    if (code == CLI_OK)
        code = cli_connect(cli);
    if (code != CLI_OK)
        return code;
    int error = packice_release_id(cli->client, lease_id);
    return error == 0 ? CLI_OK : exit_call(cli, error);
}

const struct cli_command cli_release = {
    .name = "release",
    .operands = "LEASE_ID",
    .summary = "End a lease",
    .help = "Lease ids come from --hold; '-' reads one from standard input. A lease that has ended "
            "is no error.\n",
    .operand_min = 1,
    .operand_max = 1,
    .run = release_run,
};
