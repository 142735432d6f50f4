/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the program says on standard output: lines for people and JSON for programs. It never prints
 * an object's bytes; transfer.c does.
 */
#include "output.h"

#include "exit.h"
#include "human.h"
#include "text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void
output_text(const char *text)
{
    char *harmless = NULL;

    if (isatty(STDOUT_FILENO) == 1)
        harmless = text_escape(text);
    (void)fputs(harmless != NULL ? harmless : text, stdout); /* output_finish tells of failures */
    free(harmless);
}

const char *
output_size(uint64_t bytes, bool exact, char *out)
{
    if (bytes == PACKICE_UNSIZED)
        return "-";
    if (exact)
        (void)snprintf(out, HUMAN_MAX, "%llu", (unsigned long long)bytes);
    else
        human_size(bytes, out);
    return out;
}

const char *
output_state(uint32_t state)
{
    return state == PACKICE_SEALED ? "sealed" : "creating";
}

int
output_json(const struct cli *cli, json_t *document)
{
    size_t flags = JSON_COMPACT;

    /* A terminal gets escapes for everything that is not plain. */
    if (isatty(STDOUT_FILENO) == 1)
        flags |= JSON_ENSURE_ASCII;
    int status = document != NULL ? json_dumpf(document, stdout, flags) : -1;
    json_decref(document);
    if (status != 0 && ferror(stdout) == 0)
        return exit_fail(cli, CLI_FAILURE, "out of memory");
    (void)fputc('\n', stdout);
    return CLI_OK;
}

json_t *
output_json_size(uint64_t bytes)
{
    return bytes > INT64_MAX ? json_null() : json_integer((json_int_t)bytes);
}

json_t *
output_json_ttl(double seconds)
{
    return seconds >= PACKICE_FOREVER ? json_null() : json_real(seconds);
}

static json_t *
output_json_sizes(const uint64_t *sizes, uint32_t count)
{
    json_t *array = json_array();

    for (uint32_t i = 0; array != NULL && i < count; i++) {
        if (json_array_append_new(array, output_json_size(sizes[i])) != 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

/* A user's number, or a token's name. */
static json_t *
output_json_owner(const struct packice_object *object)
{
    if (object->owner_name[0] != '\0')
        return json_string(object->owner_name);
    return object->owner_uid == UINT32_MAX ? json_null() : json_integer(object->owner_uid);
}

/* What the library calls JSON came from a node: if it isn't, it is told as text. */
static json_t *
output_json_meta(const char *meta)
{
    json_t *value = json_loads(meta, 0, NULL);

    return value != NULL ? value : json_string(meta);
}

json_t *
output_json_object(const struct packice_object *object)
{
    json_t *document =
        json_pack("{s:s, s:s, s:I, s:o, s:I, s:f, s:o, s:o}", "object_id", object->id, "state",
                  output_state(object->state), "epoch", (json_int_t)object->epoch, "size",
                  output_json_size(object->size), "blobs", (json_int_t)object->blob_count,
                  "created_at", object->created_at, "sealed_at",
                  object->sealed_at > 0 ? json_real(object->sealed_at) : json_null(), "owner",
                  output_json_owner(object));
    int failed = document == NULL;

    if (!failed && object->sizes != NULL)
        failed |= json_object_set_new(document, "sizes",
                                      output_json_sizes(object->sizes, object->blob_count));
    if (!failed && object->meta != NULL)
        failed |= json_object_set_new(document, "meta", output_json_meta(object->meta));
    if (!failed)
        return document;
    json_decref(document);
    return NULL;
}

int
output_finish(const struct cli *cli, int code)
{
    if (fflush(stdout) == 0 && ferror(stdout) == 0)
        return code;
    if (code != CLI_OK || errno == EPIPE)
        return code != CLI_OK ? code : CLI_FAILURE; /* whoever read it had enough */
    return exit_file(cli, "standard output", errno);
}
