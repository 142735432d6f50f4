/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Command lines: takes one apart by a command's table, and prints the help made from the same
 * table.
 */
#include "option.h"

#include "exit.h"
#include "human.h"
#include "suggest.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

/* Rows that the program and every command have; getopt's values for them lie behind the letters
 * and behind the rows of a command. */
#define OPTION_COMMON 1000
#define OPTION_ROW 256

/* VERSION is the program's alone. */
enum {
    OPTION_TARGET,
    OPTION_TOKEN_FILE,
    OPTION_CA_FILE,
    OPTION_CERT,
    OPTION_KEY,
    OPTION_HELP,
    OPTION_VERSION,
    OPTION_COMMON_COUNT
};

static const struct cli_option option_commons[] = {
    [OPTION_TARGET] = { "target", "TARGET", "the node: its socket, or http://HOST:PORT", CLI_TEXT,
                        't' },
    [OPTION_TOKEN_FILE] = { "token-file", "FILE", "over HTTP: where the token stands", CLI_TEXT,
                            0 },
    [OPTION_CA_FILE] = { "ca-file", "FILE", "https: certificates to trust", CLI_TEXT, 0 },
    [OPTION_CERT] = { "cert", "FILE", "https: a certificate to show", CLI_TEXT, 0 },
    [OPTION_KEY] = { "key", "FILE", "https: its key, unless it stands there too", CLI_TEXT, 0 },
    [OPTION_HELP] = { "help", NULL, "print this help", CLI_FLAG, 'h' },
    [OPTION_VERSION] = { "version", NULL, "print the version", CLI_FLAG, 'V' },
};

/* A table as getopt_long wants it. */
struct option_table {
    struct option longs[CLI_OPTIONS_MAX + OPTION_COMMON_COUNT + 1];
    const char *names[CLI_OPTIONS_MAX + OPTION_COMMON_COUNT + 1];
    char letters[2 * (CLI_OPTIONS_MAX + OPTION_COMMON_COUNT + 1)];
    size_t count;
    size_t letter_count;
};

static void
option_add(struct option_table *table, const struct cli_option *row, int value)
{
    int takes = row->type == CLI_FLAG ? no_argument : required_argument;

    table->names[table->count] = row->name;
    table->longs[table->count] = (struct option){ row->name, takes, NULL, value };
    table->count++;
    if (row->letter == 0)
        return;
    table->letters[table->letter_count++] = row->letter;
    if (takes == required_argument)
        table->letters[table->letter_count++] = ':';
}

static int
option_common_count(const struct cli_command *command)
{
    return command == NULL ? OPTION_COMMON_COUNT : OPTION_VERSION;
}

/* mode: "+:" stops at the first operand, ":" does not. */
static void
option_table_init(struct option_table *table, const char *mode, const struct cli_command *command)
{
    *table = (struct option_table){ 0 };
    table->letter_count = strlen(mode);
    memcpy(table->letters, mode, table->letter_count);
    for (size_t i = 0; command != NULL && i < command->option_count; i++)
        option_add(table, &command->options[i], OPTION_ROW + (int)i);
    for (int i = 0; i < option_common_count(command); i++)
        option_add(table, &option_commons[i], OPTION_COMMON + i);
}

static const struct cli_option *
option_row(const struct cli_command *command, int value)
{
    if (value < OPTION_COMMON)
        return &command->options[value - OPTION_ROW];
    return &option_commons[value - OPTION_COMMON];
}

/* getopt answers a letter for a short option: makes one value of both forms. */
static int
option_value(const struct cli_command *command, int value)
{
    if (value <= 0 || value >= OPTION_ROW || value == '?' || value == ':')
        return value;
    for (size_t i = 0; command != NULL && i < command->option_count; i++)
        if (command->options[i].letter == (char)value)
            return OPTION_ROW + (int)i;
    int common = 0; /* getopt knows no letter that is in neither table */
    while (option_commons[common].letter != (char)value)
        common++;
    return OPTION_COMMON + common;
}

/* What getopt stumbled over: '?' unknown, ambiguous or with an argument it doesn't take; ':'
 * without one that it needs. */
static int
option_complain(const struct cli *cli, const struct option_table *table, int kind, char **argv)
{
    const char *word = argv[optind - 1];

    if (optopt > 0 && optopt < OPTION_ROW && kind == '?')
        return exit_usage(cli, "unknown option '-%c'", optopt);
    if (optopt != 0) {
        int value = option_value(cli->command, optopt);
        const struct cli_option *row = option_row(cli->command, value);
        if (kind == ':')
            return exit_usage(cli, "option --%s needs its %s", row->name, row->argument);
        return exit_usage(cli, "option --%s takes no argument", row->name);
    }
    word += strspn(word, "-");
    char name[64];
    (void)snprintf(name, sizeof(name), "%.*s", (int)strcspn(word, "="), word);
    for (size_t i = 0; i < table->count; i++)
        if (strncmp(table->names[i], name, strlen(name)) == 0)
            return exit_usage(cli, "option '--%s' is ambiguous", name);
    const char *nearest = suggest_nearest(name, table->names, table->count);
    if (nearest != NULL)
        return exit_usage(cli, "unknown option '--%s' (did you mean '--%s'?)", name, nearest);
    return exit_usage(cli, "unknown option '--%s'", name);
}

static int
option_store(const struct cli *cli, const struct cli_option *row, const char *argument,
             struct cli_value *ret_value)
{
    struct cli_value value = { .text = argument != NULL ? argument : "" };

    switch (row->type) {
    case CLI_COUNT:
        if (!human_parse_count(value.text, &value.count))
            return exit_usage(cli, "--%s: '%s' is not a number", row->name, value.text);
        break;
    case CLI_WAIT:
        if (strcmp(value.text, "forever") == 0)
            value.seconds = PACKICE_FOREVER;
        else if (!human_parse_duration(value.text, &value.seconds))
            return exit_usage(cli, "--%s: '%s' is not a duration such as 10s, 5m or forever",
                              row->name, value.text);
        break;
    case CLI_DURATION:
        if (!human_parse_duration(value.text, &value.seconds))
            return exit_usage(cli, "--%s: '%s' is not a duration such as 10s, 5m or 2h", row->name,
                              value.text);
        if (value.seconds <= 0)
            return exit_usage(cli, "--%s: must be more than 0", row->name);
        break;
    default:
        break;
    }
    *ret_value = value;
    return CLI_OK;
}

/* Handles what program and command have in common. */
static struct option_outcome
option_common(struct cli *cli, int value)
{
    const char **const texts[] = {
        [OPTION_TARGET] = &cli->target,   [OPTION_TOKEN_FILE] = &cli->token_file,
        [OPTION_CA_FILE] = &cli->ca_file, [OPTION_CERT] = &cli->cert,
        [OPTION_KEY] = &cli->key,
    };

    if (value == OPTION_COMMON + OPTION_HELP)
        return (struct option_outcome){ true, option_help(cli) };
    if (value == OPTION_COMMON + OPTION_VERSION) {
        (void)printf("packice %s\n", packice_version());
        return (struct option_outcome){ true, CLI_OK };
    }
    *texts[value - OPTION_COMMON] = optarg;
    return (struct option_outcome){ false, CLI_OK };
}

/* args NULL: only what is common. */
static struct option_outcome
option_parse(struct cli *cli, int argc, char **argv, const char *mode, struct cli_args *args)
{
    struct option_table table;
    struct option_outcome outcome = { false, CLI_OK };

    option_table_init(&table, mode, cli->command);
    optind = 0; /* glibc: begin anew, and read the mode again */
    opterr = 0;
    while (!outcome.stop) {
        optopt = 0;
        int found = getopt_long(argc, argv, table.letters, table.longs, NULL);
        int value = option_value(cli->command, found);
        if (value == -1)
            return outcome;
        if (value == '?' || value == ':')
            return (struct option_outcome){ true, option_complain(cli, &table, value, argv) };
        if (value >= OPTION_COMMON) {
            outcome = option_common(cli, value);
            continue;
        }
        outcome.code = option_store(cli, option_row(cli->command, value), optarg,
                                    &args->values[value - OPTION_ROW]);
        outcome.stop = outcome.code != CLI_OK;
    }
    return outcome;
}

struct option_outcome
option_parse_global(struct cli *cli, int argc, char **argv, int *ret_first)
{
    struct option_outcome outcome = option_parse(cli, argc, argv, "+:", NULL);

    if (!outcome.stop)
        *ret_first = optind;
    return outcome;
}

struct option_outcome
option_parse_command(struct cli *cli, int argc, char **argv, struct cli_args *ret_args)
{
    const struct cli_command *command = cli->command;
    struct cli_args args = { 0 };
    struct option_outcome outcome = option_parse(cli, argc, argv, ":", &args);

    if (outcome.stop)
        return outcome;
    args.operands = argv + optind;
    args.operand_count = (size_t)(argc - optind);
    outcome.stop = true;
    if (args.operand_count < command->operand_min)
        outcome.code = exit_usage(cli, "needs %s", command->operands);
    else if (args.operand_count > command->operand_max)
        outcome.code =
            exit_usage(cli, "too many operands, from '%s' on", args.operands[command->operand_max]);
    else
        outcome.stop = false;
    if (!outcome.stop)
        *ret_args = args;
    return outcome;
}

static void
option_help_line(const struct cli_option *row)
{
    char left[64];

    (void)snprintf(left, sizeof(left), "%c%c%s--%s%s%s", row->letter != 0 ? '-' : ' ',
                   row->letter != 0 ? row->letter : ' ', row->letter != 0 ? ", " : "  ", row->name,
                   row->argument != NULL ? " " : "", row->argument != NULL ? row->argument : "");
    (void)printf("  %-26s %s\n", left, row->help);
}

static int
option_help_program(void)
{
    (void)printf("usage: packice [-t TARGET] COMMAND [OPTION]... [OPERAND]...\n\n"
                 "Puts objects into a PackIce node, gets them back, and looks after them.\n\n");
    for (size_t i = 0; cli_commands[i] != NULL; i++)
        (void)printf("  %-26s %s\n", cli_commands[i]->name, cli_commands[i]->summary);
    (void)printf("\n");
    for (int i = 0; i < OPTION_COMMON_COUNT; i++)
        option_help_line(&option_commons[i]);
    (void)printf("\n'packice COMMAND --help' tells more of one, packice(1) of all.\n");
    return CLI_OK;
}

int
option_help(const struct cli *cli)
{
    const struct cli_command *command = cli->command;

    if (command == NULL)
        return option_help_program();
    (void)printf("usage: packice %s [OPTION]... %s\n\n%s.\n%s\n", command->name, command->operands,
                 command->summary, command->help);
    for (size_t i = 0; i < command->option_count; i++)
        option_help_line(&command->options[i]);
    for (int i = 0; i < option_common_count(command); i++)
        option_help_line(&option_commons[i]);
    return CLI_OK;
}
