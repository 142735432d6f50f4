/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every command of the program is made of: a row in the table of main.c, the run of the
 * program that it is given, and how it reports failure.
 */
#ifndef PACKICE_CLI_COMMAND_H
#define PACKICE_CLI_COMMAND_H

#include "progress.h"

#include <packice/client.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- options ---- */

#define CLI_FLAG 1U     /* takes no argument */
#define CLI_TEXT 2U     /* text */
#define CLI_COUNT 3U    /* count */
#define CLI_DURATION 4U /* seconds, over 0 */
#define CLI_WAIT 5U     /* seconds, from 0; or "forever" */

#define CLI_OPTIONS_MAX 12U

/* One row of a command's static table, from which parser and --help are made. */
struct cli_option {
    const char *name;     /* without its dashes */
    const char *argument; /* what --help calls it; NULL for flags */
    const char *help;     /* one line */
    uint32_t type;        /* CLI_FLAG... */
    char letter;          /* 0 = none */
};

/* What the command line gave for one row. */
struct cli_value {
    const char *text; /* NULL: not given; "" for a flag that was */
    double seconds;
    uint32_t count;
};

/* A command line, taken apart. Borrows argv. */
struct cli_args {
    struct cli_value values[CLI_OPTIONS_MAX]; /* by row of the command's table */
    char **operands;
    size_t operand_count;
};

/* ---- commands ---- */

/* One run of the program. */
struct cli {
    const struct cli_command *command; /* NULL until it is known */
    const char *target;                /* as given, or the default */
    const char *token_file;            /* over HTTP: files, NULL where none was named */
    const char *ca_file;
    const char *cert;
    const char *key;
    packice_client *client;    /* NULL until cli_connect */
    struct progress *progress; /* of what is being transferred */
};

struct cli_command {
    const char *name;
    const char *operands; /* for the usage line */
    const char *summary;  /* one line */
    const char *help;     /* more lines, or "" */
    const struct cli_option *options;
    size_t option_count;
    size_t operand_min;
    size_t operand_max;
    int (*run)(struct cli *cli, const struct cli_args *args); /* returns an exit code */
};

extern const struct cli_command cli_put, cli_get, cli_cat, cli_ls, cli_stat, cli_rm, cli_wait,
    cli_renew, cli_release, cli_verify;

/* The table, in the order of --help, and its NULL at the end. */
extern const struct cli_command *const cli_commands[];

/* What is not said on the command line: from the environment, or the default. */
void cli_read_environment(struct cli *cli);

/* Reaches the target. 0, or the exit code after it has said why not. */
int cli_connect(struct cli *cli);

/* Whether what is put goes through a network, and only when it is sealed. */
bool cli_is_remote(const struct cli *cli);

static inline bool
cli_given(const struct cli_args *args, size_t row)
{
    return args->values[row].text != NULL;
}

/* ---- options that several commands have ---- */

#define CLI_OPTION_JSON \
    { \
        "json", NULL, "print JSON, sizes in bytes and times in seconds", CLI_FLAG, 0 \
    }
#define CLI_OPTION_BYTES \
    { \
        "bytes", NULL, "print sizes in bytes", CLI_FLAG, 'b' \
    }
#define CLI_OPTION_QUIET \
    { \
        "quiet", NULL, "show no progress", CLI_FLAG, 'q' \
    }
#define CLI_OPTION_HOLD \
    { \
        "hold", "DURATION", "keep a lease for that long after the exit, and print its id", \
            CLI_DURATION, 0 \
    }

#endif
