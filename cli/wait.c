/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * packice wait: until an object is sealed.
 */
#include "exit.h"
#include "output.h"

#include <errno.h>

enum { WAIT_TIMEOUT, WAIT_JSON };

static const struct cli_option wait_options[] = {
    [WAIT_TIMEOUT] = { "timeout", "DURATION", "give up after that long; forever without", CLI_WAIT,
                       0 },
    [WAIT_JSON] = CLI_OPTION_JSON,
};

static int
wait_run(struct cli *cli, const struct cli_args *args)
{
    const char *id = args->operands[0];
    struct packice_get_options options = PACKICE_GET_OPTIONS_INIT;
    bool bounded = cli_given(args, WAIT_TIMEOUT);
    packice_lease *lease = NULL;
    struct packice_object *object = NULL;

    int code = cli_connect(cli);
    if (code != CLI_OK)
        return code;
    options.id = id;
    options.wait = bounded ? args->values[WAIT_TIMEOUT].seconds : PACKICE_FOREVER;
    options.flags = PACKICE_LAZY; /* and nothing comes of it */
    int error = packice_get_with(cli->client, &options, &lease);
    if (error != 0)
        return exit_object(cli, error, id);
    if (cli_given(args, WAIT_JSON)) {
        error = packice_stat(cli->client, id, &object);
        code =
            error == 0 ? output_json(cli, output_json_object(object)) : exit_object(cli, error, id);
        packice_object_free(object);
    }
    (void)packice_release(lease);
    return code;
}

const struct cli_command cli_wait = {
    .name = "wait",
    .operands = "ID",
    .summary = "Wait until an object is sealed",
    .help = "It need not be there yet.\n",
    .options = wait_options,
    .option_count = sizeof(wait_options) / sizeof(wait_options[0]),
    .operand_min = 1,
    .operand_max = 1,
    .run = wait_run,
};
