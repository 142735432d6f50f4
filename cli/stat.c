/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * packice stat: what a node tells of some objects, or of itself.
 */
#include "exit.h"
#include "human.h"
#include "output.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>

enum { STAT_BYTES, STAT_JSON };

static const struct cli_option stat_options[] = {
    [STAT_BYTES] = CLI_OPTION_BYTES,
    [STAT_JSON] = CLI_OPTION_JSON,
};

/* Where the figures of a node go. */
struct stat_figures {
    json_t *document; /* NULL: printed as they come */
    bool exact;
};

static void
stat_figure(void *arg, const char *name, uint64_t value)
{
    const struct stat_figures *figures = arg;
    char text[HUMAN_MAX];

    if (figures->document != NULL) {
        (void)json_object_set_new(figures->document, name, output_json_size(value));
        return;
    }
    bool is_size = strstr(name, "bytes") != NULL || strcmp(name, "capacity") == 0;
    (void)printf("%-20s ", name);
    output_text(output_size(value, figures->exact || !is_size, text));
    output_text("\n");
}

static int
stat_node(const struct cli *cli, const struct cli_args *args)
{
    struct stat_figures figures = { .exact = cli_given(args, STAT_BYTES) };
    bool json = cli_given(args, STAT_JSON);

    if (json && (figures.document = json_object()) == NULL)
        return exit_fail(cli, CLI_FAILURE, "out of memory");
    int error = packice_stats(cli->client, stat_figure, &figures);
    if (error != 0) {
        json_decref(figures.document);
        return exit_call(cli, error);
    }
    return json ? output_json(cli, figures.document) : CLI_OK;
}

static void
stat_line(const char *name, const char *value)
{
    (void)printf("%-12s ", name);
    output_text(value);
    output_text("\n");
}

static void
stat_owner(const struct packice_object *object)
{
    char number[16];
    const struct passwd *user = NULL;

    if (object->owner_name[0] != '\0') {
        stat_line("owner", object->owner_name);
    } else if (object->owner_uid != UINT32_MAX) {
        user = getpwuid(object->owner_uid);
        (void)snprintf(number, sizeof(number), "%u", (unsigned int)object->owner_uid);
        stat_line("owner", user != NULL ? user->pw_name : number);
    }
}

static void
stat_print(const struct packice_object *object, bool exact)
{
    char text[HUMAN_MAX];

    stat_line("object", object->id);
    stat_line("state", output_state(object->state));
    stat_line("size", output_size(object->size, exact, text));
    (void)printf("%-12s %u\n", "blobs", (unsigned int)object->blob_count);
    for (uint32_t i = 0; object->blob_count > 1 && i < object->blob_count; i++)
        (void)printf("  blob %-5u %s\n", (unsigned int)i,
                     output_size(object->sizes[i], exact, text));
    (void)printf("%-12s %llu\n", "epoch", (unsigned long long)object->epoch);
    human_time(object->created_at, text);
    stat_line("created", text);
    human_time(object->sealed_at, text);
    stat_line("sealed", text);
    stat_owner(object);
    stat_line("meta", object->meta);
}

static int
stat_object(const struct cli *cli, const struct cli_args *args, size_t index)
{
    struct packice_object *object = NULL;
    int error = packice_stat(cli->client, args->operands[index], &object);
    int code = CLI_OK;

    if (error != 0)
        return exit_object(cli, error, args->operands[index]);
    if (cli_given(args, STAT_JSON)) {
        code = output_json(cli, output_json_object(object));
    } else {
        if (index > 0)
            output_text("\n");
        stat_print(object, cli_given(args, STAT_BYTES));
    }
    packice_object_free(object);
    return code;
}

static int
stat_run(struct cli *cli, const struct cli_args *args)
{
    int first_failure = cli_connect(cli);

    if (first_failure != CLI_OK)
        return first_failure;
    if (args->operand_count == 0)
        return stat_node(cli, args);
    for (size_t i = 0; i < args->operand_count; i++) {
        int code = stat_object(cli, args, i);
        if (first_failure == CLI_OK)
            first_failure = code;
    }
    return first_failure;
}

const struct cli_command cli_stat = {
    .name = "stat",
    .operands = "[ID]...",
    .summary = "Tell of objects, or of the node itself",
    .help = "With --json, each object is a document on a line of its own.\n",
    .options = stat_options,
    .option_count = sizeof(stat_options) / sizeof(stat_options[0]),
    .operand_min = 0,
    .operand_max = SIZE_MAX,
    .run = stat_run,
};
