/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * packice cat: all blobs of some objects to standard output, one behind the other.
 */
#include "exit.h"
#include "transfer.h"

#include <stddef.h>

enum { CAT_FORCE, CAT_QUIET };

static const struct cli_option cat_options[] = {
    [CAT_FORCE] = { "force", NULL, "write to a terminal what is not plain text", CLI_FLAG, 'f' },
    [CAT_QUIET] = CLI_OPTION_QUIET,
};

static int
cat_object(const struct cli *cli, const char *id, struct sink *sink)
{
    struct packice_get_options options = PACKICE_GET_OPTIONS_INIT;
    packice_lease *lease = NULL;
    int code = CLI_OK;

    options.id = id;
    options.flags = PACKICE_LAZY; /* one blob in memory at a time */
    int error = packice_get_with(cli->client, &options, &lease);
    if (error != 0)
        return exit_object(cli, error, id);
    for (uint32_t i = 0; i < packice_lease_blob_count(lease) && code == CLI_OK; i++)
        code = transfer_out(cli, lease, i, sink);
    (void)packice_release(lease);
    return code;
}

static int
cat_run(struct cli *cli, const struct cli_args *args)
{
    struct sink sink;
    int first_failure = CLI_OK;

    int code = cli_connect(cli);
    if (code == CLI_OK)
        code = sink_open(cli, NULL, cli_given(args, CAT_FORCE), &sink);
    if (code != CLI_OK)
        return code;
    progress_begin(cli->progress, !cli_given(args, CAT_QUIET) && !sink.terminal, "cat",
                   PACKICE_UNSIZED);
    for (size_t i = 0; i < args->operand_count && code != CLI_FAILURE; i++) {
        code = cat_object(cli, args->operands[i], &sink);
        if (first_failure == CLI_OK)
            first_failure = code;
    }
    progress_end(cli->progress);
    code = sink_commit(cli, &sink);
    return first_failure != CLI_OK ? first_failure : code;
}

const struct cli_command cli_cat = {
    .name = "cat",
    .operands = "ID...",
    .summary = "Write objects to standard output, one behind the other",
    .help = "An object that can't be had does not keep the next from being written.\n",
    .options = cat_options,
    .option_count = sizeof(cat_options) / sizeof(cat_options[0]),
    .operand_min = 1,
    .operand_max = SIZE_MAX,
    .run = cat_run,
};
