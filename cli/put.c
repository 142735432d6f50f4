/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * packice put: files into a new object, one blob each. An object whose files could not all be read
 * is never sealed.
 */
#include "exit.h"
#include "human.h"
#include "output.h"
#include "transfer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PUT_ID, PUT_META, PUT_TTL, PUT_SIZES, PUT_HOLD, PUT_JSON, PUT_QUIET };

static const struct cli_option put_options[] = {
    [PUT_ID] = { "id", "ID", "the object's name; a new one is made without", CLI_TEXT, 'i' },
    [PUT_META] = { "meta", "JSON", "a JSON object to keep with it", CLI_TEXT, 'm' },
    [PUT_TTL] = { "ttl", "DURATION", "discard the object that long after it is sealed",
                  CLI_DURATION, 0 },
    [PUT_SIZES] = { "sizes", "SIZE,...", "sizes of the FILEs that have none, such as pipes",
                    CLI_TEXT, 0 },
    [PUT_HOLD] = CLI_OPTION_HOLD,
    [PUT_JSON] = CLI_OPTION_JSON,
    [PUT_QUIET] = CLI_OPTION_QUIET,
};

/* The files of one put. */
struct put {
    struct source sources[PACKICE_BLOBS_MAX];
    uint64_t sizes[PACKICE_BLOBS_MAX];
    uint32_t count;
    uint64_t total; /* PACKICE_UNSIZED if one of them is */
};

static void
put_free(struct put *put)
{
    for (uint32_t i = 0; i < put->count; i++)
        source_close(&put->sources[i]);
    free(put);
}

static int
put_check_meta(const struct cli *cli, const char *meta)
{
    json_error_t why;

    if (meta == NULL)
        return CLI_OK;
    json_t *value = json_loads(meta, JSON_REJECT_DUPLICATES, &why);
    bool is_object = json_is_object(value);
    bool is_json = value != NULL;
    json_decref(value);
    if (!is_json)
        return exit_usage(cli, "--meta: not JSON: %s", why.text);
    return is_object ? CLI_OK : exit_usage(cli, "--meta: not a JSON object, such as {\"a\":1}");
}

/* Hands the sizes that the user promised to the sources that have none, in order. */
static int
put_promise(const struct cli *cli, struct put *put, const char *promise)
{
    char *list = strdup(promise != NULL ? promise : "");
    char *rest = list;
    int code = CLI_OK;

    if (list == NULL)
        return exit_fail(cli, CLI_FAILURE, "out of memory");
    for (uint32_t i = 0; i < put->count && promise != NULL && code == CLI_OK; i++) {
        struct source *source = &put->sources[i];
        if (source->size != PACKICE_UNSIZED)
            continue;
        const char *size = strsep(&rest, ",");
        if (size == NULL)
            code = exit_usage(cli, "--sizes: none is left for %s", source->name);
        else if (!human_parse_size(size, &source->size))
            code = exit_usage(cli, "--sizes: '%s' is not a size such as 4096 or 1.5GiB", size);
        source->promised = true;
    }
    if (code == CLI_OK && promise != NULL && rest != NULL)
        code = exit_usage(cli, "--sizes: more of them than FILEs without a size");
    free(list);
    return code;
}

static int
put_open(const struct cli *cli, const struct cli_args *args, struct put *put)
{
    size_t from_stdin = 0;

    for (size_t i = 0; i < args->operand_count; i++)
        from_stdin += strcmp(args->operands[i], "-") == 0;
    if (from_stdin > 1)
        return exit_usage(cli, "standard input can be read only once");
    for (size_t i = 0; i < args->operand_count; i++) {
        int code = source_open(cli, args->operands[i], &put->sources[i]);
        if (code != CLI_OK)
            return code;
        put->count++;
    }
    int code = put_promise(cli, put, args->values[PUT_SIZES].text);
    for (uint32_t i = 0; i < put->count; i++) {
        uint64_t size = put->sources[i].size;
        put->sizes[i] = size;
        if (size == PACKICE_UNSIZED || put->total > INT64_MAX - size)
            put->total = PACKICE_UNSIZED;
        else if (put->total != PACKICE_UNSIZED)
            put->total += size;
    }
    return code;
}

/* All is read, and now goes through the network: of a stream it is known only now how much. */
static void
put_begin_sending(const struct cli *cli, const struct cli_args *args, const packice_lease *lease)
{
    uint64_t total = 0;

    for (uint32_t i = 0; i < packice_lease_blob_count(lease); i++) {
        uint64_t size = 0;
        (void)packice_lease_blob_size(lease, i, &size); /* the lease has that blob */
        total += size;
    }
    progress_end(cli->progress);
    progress_begin(cli->progress, !cli_given(args, PUT_QUIET), "put", total);
}

static int
put_fill(const struct cli *cli, const struct cli_args *args, const struct put *put,
         packice_lease *lease)
{
    int code = CLI_OK;

    progress_begin(cli->progress, !cli_given(args, PUT_QUIET), "put", put->total);
    for (uint32_t i = 0; i < put->count && code == CLI_OK; i++)
        code = transfer_in(cli, lease, i, &put->sources[i]);
    if (code == CLI_OK && cli_is_remote(cli) && put->total == PACKICE_UNSIZED)
        put_begin_sending(cli, args, lease);
    int error = code == CLI_OK ? packice_seal(lease) : 0;
    progress_end(cli->progress);
    return error == 0 ? code : exit_object(cli, error, packice_lease_object_id(lease));
}

/* A lease that stays behind, on the object that `lease` keeps there meanwhile. */
static int
put_hold(const struct cli *cli, const packice_lease *lease, double ttl, packice_lease **ret_held)
{
    struct packice_get_options options = PACKICE_GET_OPTIONS_INIT;

    options.id = packice_lease_object_id(lease);
    options.flags = PACKICE_UNBOUND | PACKICE_NO_RENEW | PACKICE_LAZY;
    options.ttl = ttl;
    int error = packice_get_with(cli->client, &options, ret_held);
    return error == 0 ? CLI_OK : exit_object(cli, error, options.id);
}

static int
put_print_json(const struct cli *cli, const packice_lease *lease, const packice_lease *held)
{
    json_t *sizes = json_array();
    json_int_t total = 0;

    for (uint32_t i = 0; i < packice_lease_blob_count(lease); i++) {
        uint64_t size = 0;
        (void)packice_lease_blob_size(lease, i, &size); /* the lease has that blob */
        (void)json_array_append_new(sizes, output_json_size(size));
        total += (json_int_t)size;
    }
    json_t *document =
        json_pack("{s:s, s:I, s:I, s:I, s:o}", "object_id", packice_lease_object_id(lease), "epoch",
                  (json_int_t)packice_lease_epoch(lease), "size", total, "blobs",
                  (json_int_t)packice_lease_blob_count(lease), "sizes", sizes);
    if (document != NULL && held != NULL) {
        (void)json_object_set_new(document, "lease_id", json_string(packice_lease_id(held)));
        (void)json_object_set_new(document, "ttl_seconds",
                                  output_json_ttl(packice_lease_ttl(held)));
    }
    return output_json(cli, document);
}

static int
put_print(const struct cli *cli, const struct cli_args *args, const packice_lease *lease,
          const packice_lease *held)
{
    if (cli_given(args, PUT_JSON))
        return put_print_json(cli, lease, held);
    output_text(packice_lease_object_id(lease));
    output_text("\n");
    if (held != NULL) {
        output_text(packice_lease_id(held));
        output_text("\n");
    }
    return CLI_OK;
}

static int
put_object(const struct cli *cli, const struct cli_args *args, const struct put *put)
{
    struct packice_create_options options = PACKICE_CREATE_OPTIONS_INIT;
    packice_lease *lease = NULL, *held = NULL;

    options.id = args->values[PUT_ID].text;
    options.meta = args->values[PUT_META].text;
    options.object_ttl = args->values[PUT_TTL].seconds;
    options.sizes = put->sizes;
    options.blob_count = put->count;
    int error = packice_create_with(cli->client, &options, &lease);
    if (error != 0 && options.id != NULL)
        return exit_object(cli, error, options.id);
    if (error != 0)
        return exit_call(cli, error);

    int code = put_fill(cli, args, put, lease);
    if (code == CLI_OK && cli_given(args, PUT_HOLD))
        code = put_hold(cli, lease, args->values[PUT_HOLD].seconds, &held);
    if (code == CLI_OK)
        code = put_print(cli, args, lease, held);
    packice_detach(held);
    (void)packice_release(lease); /* unsealed: the object goes; sealed: it stays */
    return code;
}

static int
put_run(struct cli *cli, const struct cli_args *args)
{
    int code = put_check_meta(cli, args->values[PUT_META].text);
    struct put *put;

    if (code != CLI_OK)
        return code;
    put = calloc(1, sizeof(*put));
    if (put == NULL)
        return exit_fail(cli, CLI_FAILURE, "out of memory");
    code = put_open(cli, args, put);
    if (code == CLI_OK)
        code = cli_connect(cli);
    if (code == CLI_OK)
        code = put_object(cli, args, put);
    put_free(put);
    return code;
}

const struct cli_command cli_put = {
    .name = "put",
    .operands = "FILE...",
    .summary = "Put FILEs into a new object and print its id",
    .help = "Each FILE is one blob; '-' is standard input. The object is sealed: nobody can change "
            "it.\n",
    .options = put_options,
    .option_count = sizeof(put_options) / sizeof(put_options[0]),
    .operand_min = 1,
    .operand_max = PACKICE_BLOBS_MAX,
    .run = put_run,
};
