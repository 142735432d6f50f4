/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * packice verify: whether objects still are what was sealed, by the checksums of their storage.
 */
#include "exit.h"
#include "human.h"
#include "output.h"

#include <stdio.h>

enum { VERIFY_BYTES, VERIFY_JSON };

static const struct cli_option verify_options[] = {
    [VERIFY_BYTES] = CLI_OPTION_BYTES,
    [VERIFY_JSON] = CLI_OPTION_JSON,
};

static int
verify_json(const struct cli *cli, const char *id, uint64_t bytes)
{
    json_t *document = json_object();

    if (document != NULL
        && (json_object_set_new(document, "object_id", json_string(id)) != 0
            || json_object_set_new(document, "bytes", output_json_size(bytes)) != 0)) {
        json_decref(document);
        document = NULL;
    }
    return output_json(cli, document);
}

static void
verify_print(const char *id, uint64_t bytes, bool exact)
{
    char text[HUMAN_MAX];

    (void)printf("%10s  ", output_size(bytes, exact, text));
    output_text(id);
    output_text("\n");
}

static int
verify_object(const struct cli *cli, const struct cli_args *args, const char *id)
{
    uint64_t bytes = 0;
    int error = packice_verify(cli->client, id, &bytes);

    if (error != 0)
        return exit_object(cli, error, id);
    if (cli_given(args, VERIFY_JSON))
        return verify_json(cli, id, bytes);
    verify_print(id, bytes, cli_given(args, VERIFY_BYTES));
    return CLI_OK;
}

static int
verify_run(struct cli *cli, const struct cli_args *args)
{
    int first_failure = cli_connect(cli);

    if (first_failure != CLI_OK)
        return first_failure;
    for (size_t i = 0; i < args->operand_count; i++) {
        int code = verify_object(cli, args, args->operands[i]);
        if (first_failure == CLI_OK)
            first_failure = code;
    }
    return first_failure;
}

const struct cli_command cli_verify = {
    .name = "verify",
    .operands = "ID...",
    .summary = "Compare objects with the checksums of their seal",
    .help = "Prints a line for each that is what was sealed. With --json, each is a document on a\n"
            "line of its own.\n",
    .options = verify_options,
    .option_count = sizeof(verify_options) / sizeof(verify_options[0]),
    .operand_min = 1,
    .operand_max = SIZE_MAX,
    .run = verify_run,
};
