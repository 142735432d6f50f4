/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file that is put: opened, measured, read in order. It knows nothing of objects.
 */
#ifndef PACKICE_CLI_SOURCE_H
#define PACKICE_CLI_SOURCE_H

#include "command.h"

struct source {
    const char *name; /* for messages: the operand, or "standard input" */
    uint64_t size;    /* bytes left to read; PACKICE_UNSIZED: until it ends */
    int fd;           /* -1: not open */
    bool promised;    /* size is what the user said, not what the file system did */
};

/* Opens a file for reading, "-" for standard input. 0, or an exit code after saying why not. */
int source_open(const struct cli *cli, const char *name, struct source *ret_source);
void source_close(struct source *source);

/* Reads some of what is left, at most size bytes. 0 and *ret_size (0: the end), or an exit code
 * after saying why not. */
int source_read(const struct cli *cli, const struct source *source, void *data, size_t size,
                size_t *ret_size);

#endif
