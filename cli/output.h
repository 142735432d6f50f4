/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the program says on standard output: lines for people and JSON for programs. It never prints
 * an object's bytes; transfer.c does.
 */
#ifndef PACKICE_CLI_OUTPUT_H
#define PACKICE_CLI_OUTPUT_H

#include "command.h"

#include <jansson.h>

/* Prints text: as it is into a pipe or file, made harmless on a terminal. */
void output_text(const char *text);

/* A number of bytes: "1.5 MiB", or "1572864" when exact; "-" for PACKICE_UNSIZED. Borrows out,
 * which holds HUMAN_MAX bytes. */
const char *output_size(uint64_t bytes, bool exact, char *out);

/* "creating", "sealed". A constant. */
const char *output_state(uint32_t state);

/* Prints one JSON document on a line of its own and lets go of it. 0, or CLI_FAILURE after saying
 * why not (also for NULL: no memory). */
int output_json(const struct cli *cli, json_t *document);

/* The JSON forms of values; NULL without memory. */
json_t *output_json_size(uint64_t bytes); /* null for PACKICE_UNSIZED */
json_t *output_json_ttl(double seconds);  /* null for PACKICE_FOREVER */
/* Without the sizes of blobs and meta where the library has none of them: in lists. */
json_t *output_json_object(const struct packice_object *object);

/* Ends standard output: `code`, or CLI_FAILURE after saying so when something could not be written
 * and nothing else had failed. */
int output_finish(const struct cli *cli, int code);

#endif
