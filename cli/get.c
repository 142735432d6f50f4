/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * packice get: one object, or one blob of it, into a file or to standard output.
 */
#include "exit.h"
#include "output.h"
#include "transfer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { GET_OUTPUT, GET_BLOB, GET_WAIT, GET_HOLD, GET_FORCE, GET_JSON, GET_QUIET };

static const struct cli_option get_options[] = {
    [GET_OUTPUT] = { "output", "FILE", "where to write it; '-': standard output", CLI_TEXT, 'o' },
    [GET_BLOB] = { "blob", "N", "only this blob, from 0; all of them in order without", CLI_COUNT,
                   'n' },
    [GET_WAIT] = { "wait", "DURATION", "wait that long for the object to be sealed; or 'forever'",
                   CLI_WAIT, 'w' },
    [GET_HOLD] = CLI_OPTION_HOLD,
    [GET_FORCE] = { "force", NULL, "write to a terminal what is not plain text", CLI_FLAG, 'f' },
    [GET_JSON] = CLI_OPTION_JSON,
    [GET_QUIET] = CLI_OPTION_QUIET,
};

/* The blobs asked for: from *ret_first up to, not with, *ret_end. */
static int
get_range(const struct cli *cli, const struct cli_args *args, const packice_lease *lease,
          uint32_t *ret_first, uint32_t *ret_end)
{
    uint32_t count = packice_lease_blob_count(lease);
    uint32_t blob = args->values[GET_BLOB].count;

    if (!cli_given(args, GET_BLOB)) {
        *ret_first = 0;
        *ret_end = count;
        return CLI_OK;
    }
    if (blob >= count)
        return exit_fail(cli, CLI_INVALID, "object '%s' has no blob %u: it has %u, counted from 0",
                         packice_lease_object_id(lease), blob, count);
    *ret_first = blob;
    *ret_end = blob + 1;
    return CLI_OK;
}

/* Writes the blobs; *ret_size is what they come to. */
static int
get_blobs(const struct cli *cli, const struct cli_args *args, packice_lease *lease,
          uint64_t *ret_size)
{
    uint32_t first = 0, end = 0;
    uint64_t total = 0;
    struct sink sink;

    int code = get_range(cli, args, lease, &first, &end);
    if (code == CLI_OK)
        code = sink_open(cli, args->values[GET_OUTPUT].text, cli_given(args, GET_FORCE), &sink);
    if (code != CLI_OK)
        return code;
    for (uint32_t i = first; i < end; i++) {
        uint64_t size = 0;
        (void)packice_lease_blob_size(lease, i, &size); /* the lease has that blob */
        total += size;
    }
    progress_begin(cli->progress, !cli_given(args, GET_QUIET) && !sink.terminal, "get", total);
    for (uint32_t i = first; i < end && code == CLI_OK; i++)
        code = transfer_out(cli, lease, i, &sink);
    progress_end(cli->progress);
    if (code == CLI_OK)
        code = sink_commit(cli, &sink);
    else
        sink_abort(&sink);
    if (code == CLI_OK)
        *ret_size = total;
    return code;
}

/* Lets a lease that is to stay behind begin its time now that the bytes are here. */
static int
get_hold(const struct cli *cli, packice_lease *lease, double ttl)
{
    int error = packice_renew(lease, ttl, NULL);

    return error == 0 ? CLI_OK : exit_call(cli, error);
}

static int
get_print(const struct cli *cli, const struct cli_args *args, const packice_lease *lease,
          uint64_t size)
{
    bool hold = cli_given(args, GET_HOLD);

    if (!cli_given(args, GET_JSON)) {
        if (hold) {
            output_text(packice_lease_id(lease));
            output_text("\n");
        }
        return CLI_OK;
    }
    json_t *document =
        json_pack("{s:s, s:I, s:o, s:s}", "object_id", packice_lease_object_id(lease), "epoch",
                  (json_int_t)packice_lease_epoch(lease), "size", output_json_size(size), "file",
                  args->values[GET_OUTPUT].text);
    if (document != NULL && hold) {
        (void)json_object_set_new(document, "lease_id", json_string(packice_lease_id(lease)));
        (void)json_object_set_new(document, "ttl_seconds",
                                  output_json_ttl(packice_lease_ttl(lease)));
    }
    return output_json(cli, document);
}

static int
get_object(const struct cli *cli, const struct cli_args *args, packice_lease *lease)
{
    bool hold = cli_given(args, GET_HOLD);
    uint64_t size = 0;

    int code = get_blobs(cli, args, lease, &size);
    if (code == CLI_OK && hold)
        code = get_hold(cli, lease, args->values[GET_HOLD].seconds);
    if (code == CLI_OK)
        code = get_print(cli, args, lease, size);
    if (code == CLI_OK && hold)
        packice_detach(lease);
    else
        (void)packice_release(lease);
    return code;
}

static int
get_run(struct cli *cli, const struct cli_args *args)
{
    struct packice_get_options options = PACKICE_GET_OPTIONS_INIT;
    const char *output = args->values[GET_OUTPUT].text;
    packice_lease *lease = NULL;

    if (output != NULL && output[0] == '\0')
        return exit_usage(cli, "--output: names no file");
    if (output == NULL || strcmp(output, "-") == 0) {
        if (cli_given(args, GET_JSON) || cli_given(args, GET_HOLD))
            return exit_usage(cli, "--json and --hold need --output FILE: what they print would "
                                   "stand among the bytes");
    }
    int code = cli_connect(cli);
    if (code != CLI_OK)
        return code;
    options.id = args->operands[0];
    options.wait = args->values[GET_WAIT].seconds;
    options.flags = PACKICE_LAZY; /* not all of it may be wanted */
    if (cli_given(args, GET_HOLD)) {
        options.flags |= PACKICE_UNBOUND;
        options.ttl = args->values[GET_HOLD].seconds;
    }
    int error = packice_get_with(cli->client, &options, &lease);
    if (error != 0)
        return exit_object(cli, error, options.id);
    return get_object(cli, args, lease);
}

const struct cli_command cli_get = {
    .name = "get",
    .operands = "ID",
    .summary = "Write an object to a file or to standard output",
    .help = "A file appears whole or not at all.\n",
    .options = get_options,
    .option_count = sizeof(get_options) / sizeof(get_options[0]),
    .operand_min = 1,
    .operand_max = 1,
    .run = get_run,
};
