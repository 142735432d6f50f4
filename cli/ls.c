/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * packice ls: the objects of a node, in the order they were made.
 */
#include "exit.h"
#include "human.h"
#include "output.h"

#include <stdio.h>

enum { LS_LONG, LS_BYTES, LS_JSON };

static const struct cli_option ls_options[] = {
    [LS_LONG] = { "long", NULL, "with size, number of blobs, state and time", CLI_FLAG, 'l' },
    [LS_BYTES] = CLI_OPTION_BYTES,
    [LS_JSON] = CLI_OPTION_JSON,
};

static int
ls_print(const struct cli *cli, const struct cli_args *args, const struct packice_object *object)
{
    char size[HUMAN_MAX], time[HUMAN_MAX];

    if (cli_given(args, LS_JSON))
        return output_json(cli, output_json_object(object));
    if (cli_given(args, LS_LONG)) {
        human_time(object->created_at, time);
        (void)printf("%10s %3u %-8s %s ",
                     output_size(object->size, cli_given(args, LS_BYTES), size),
                     (unsigned int)object->blob_count, output_state(object->state), time);
    }
    output_text(object->id);
    output_text("\n");
    return CLI_OK;
}

static int
ls_walk(const struct cli *cli, const struct cli_args *args, packice_list *list)
{
    const struct packice_object *object = NULL;

    for (;;) {
        int error = packice_list_next(list, &object);
        if (error != 0)
            return exit_call(cli, error);
        if (object == NULL)
            return CLI_OK;
        int code = ls_print(cli, args, object);
        if (code != CLI_OK)
            return code;
        if (ferror(stdout))
            return CLI_OK; /* nobody reads on; output_finish has the word */
    }
}

static int
ls_run(struct cli *cli, const struct cli_args *args)
{
    packice_list *list = NULL;
    int code = cli_connect(cli);

    if (code != CLI_OK)
        return code;
    int error =
        packice_list_new(cli->client, args->operand_count > 0 ? args->operands[0] : NULL, 0, &list);
    if (error != 0)
        return exit_call(cli, error);
    code = ls_walk(cli, args, list);
    packice_list_free(list);
    return code;
}

const struct cli_command cli_ls = {
    .name = "ls",
    .operands = "[PREFIX]",
    .summary = "List the objects, or those whose ids begin with PREFIX",
    .help =
        "With --json, each object is a document on a line of its own; stat tells more of one.\n",
    .options = ls_options,
    .option_count = sizeof(ls_options) / sizeof(ls_options[0]),
    .operand_min = 0,
    .operand_max = 1,
    .run = ls_run,
};
