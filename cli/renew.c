/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * packice renew: more time for a lease that an earlier command left behind.
 */
#include "exit.h"
#include "human.h"
#include "lease_id.h"
#include "output.h"

enum { RENEW_TTL, RENEW_JSON };

static const struct cli_option renew_options[] = {
    [RENEW_TTL] = { "ttl", "DURATION", "how long from now; what the node gives without",
                    CLI_DURATION, 0 },
    [RENEW_JSON] = CLI_OPTION_JSON,
};

static int
renew_run(struct cli *cli, const struct cli_args *args)
{
    char lease_id[LEASE_ID_SIZE], text[HUMAN_MAX];
    double ttl = 0;

    int code = lease_id_read(cli, args->operands[0], lease_id);
    if (code == CLI_OK)
        code = cli_connect(cli);
    if (code != CLI_OK)
        return code;
    int error = packice_renew_id(cli->client, lease_id, args->values[RENEW_TTL].seconds, &ttl);
    if (error != 0)
        return exit_call(cli, error);
    if (cli_given(args, RENEW_JSON))
        return output_json(cli, json_pack("{s:s, s:o}", "lease_id", lease_id, "ttl_seconds",
                                          output_json_ttl(ttl)));
    human_duration(ttl, text);
    output_text(text);
    output_text("\n");
    return CLI_OK;
}

const struct cli_command cli_renew = {
    .name = "renew",
    .operands = "LEASE_ID",
    .summary = "Let a lease end later, and print how long it has now",
    .help = "Lease ids come from --hold; '-' reads one from standard input.\n",
    .options = renew_options,
    .option_count = sizeof(renew_options) / sizeof(renew_options[0]),
    .operand_min = 1,
    .operand_max = 1,
    .run = renew_run,
};
