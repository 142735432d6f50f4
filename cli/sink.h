/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where bytes that are got go: standard output, or a file that appears whole or not at all. It
 * knows nothing of objects.
 */
#ifndef PACKICE_CLI_SINK_H
#define PACKICE_CLI_SINK_H

#include "command.h"

struct sink {
    const char *name; /* for messages: the path, or "standard output" */
    char *path;       /* where the file will stand; NULL: written in place */
    char *temporary;  /* where it stands until then */
    int fd;           /* -1: not open */
    bool terminal;    /* takes nothing but text */
};

/* Opens a sink. name: a path; NULL or "-": standard output. A regular file is written under a
 * hidden name beside it, which a signal that ends the program removes; what is not a regular file
 * (/dev/null, a pipe) is written in place. force: a terminal takes anything. 0, or an exit code
 * after saying why not. One sink at a time. */
int sink_open(const struct cli *cli, const char *name, bool force, struct sink *ret_sink);

/* Writes all of it. CLI_FAILURE after saying why not; without a word when the reader of a pipe has
 * gone. */
int sink_write(const struct cli *cli, struct sink *sink, const char *data, size_t size);

/* Closes it and gives the file its name, in place of one that has it. 0, or an exit code after
 * saying why not; the sink is closed in any case. */
int sink_commit(const struct cli *cli, struct sink *sink);

/* Closes it and removes what was written to a file; nothing for one that is closed. */
void sink_abort(struct sink *sink);

#endif
