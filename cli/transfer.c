/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Moves bytes between the files of this machine and the blobs of a lease, and counts them in
 * cli->progress. Messages name the file or the object at fault.
 */
#include "transfer.h"

#include "exit.h"
#include "text.h"

#include <errno.h>
#include <stdlib.h>

/* In: small enough to stay in a cache between read(2) and write(2), which together cost less than
 * the page faults of a new writable map. Out: a map costs no more than a copy. */
#define TRANSFER_IN_CHUNK ((size_t)128 << 10)
#define TRANSFER_OUT_CHUNK ((size_t)1 << 20)

static size_t
transfer_least(uint64_t a, size_t b)
{
    return a < b ? (size_t)a : b;
}

/* What the source gave is less than it should, or more. */
static int
transfer_check_end(const struct cli *cli, const struct source *source, uint64_t done)
{
    char byte;
    size_t got = 0;

    if (source->size == PACKICE_UNSIZED)
        return CLI_OK;
    if (done < source->size)
        return exit_fail(cli, CLI_FAILURE, "%s: ended after %llu of %llu bytes", source->name,
                         (unsigned long long)done, (unsigned long long)source->size);
    if (!source->promised)
        return CLI_OK;
    int code = source_read(cli, source, &byte, 1, &got);
    if (code == CLI_OK && got > 0)
        return exit_fail(cli, CLI_FAILURE, "%s: has more than %llu bytes", source->name,
                         (unsigned long long)source->size);
    return code;
}

int
transfer_in(const struct cli *cli, packice_lease *lease, uint32_t blob, const struct source *source)
{
    char *buffer = malloc(TRANSFER_IN_CHUNK);
    uint64_t done = 0;
    int code = CLI_OK;

    if (buffer == NULL)
        return exit_fail(cli, CLI_FAILURE, "out of memory");
    while (done < source->size) {
        size_t got = 0;
        size_t size = transfer_least(source->size - done, TRANSFER_IN_CHUNK);
        code = source_read(cli, source, buffer, size, &got);
        if (code != CLI_OK || got == 0)
            break;
        int error = packice_write(lease, blob, done, buffer, got);
        if (error != 0) {
            code = exit_call(cli, error);
            break;
        }
        done += got;
        if (!cli_is_remote(cli) || cli->progress->total == PACKICE_UNSIZED)
            progress_add(cli->progress, got); /* else it moves with the seal */
    }
    free(buffer);
    return code == CLI_OK ? transfer_check_end(cli, source, done) : code;
}

/* Writes what a terminal may get; *ret_used is less than size when a character is cut in two. */
static int
transfer_show(const struct cli *cli, packice_lease *lease, struct sink *sink, const char *data,
              size_t size, bool last, size_t *ret_used)
{
    bool binary = false;
    size_t used = sink->terminal ? text_showable(data, size, last, &binary) : size;

    if (binary)
        return exit_fail(cli, CLI_FAILURE,
                         "object '%s' is not plain text: not written to a terminal without --force",
                         packice_lease_object_id(lease));
    *ret_used = used;
    return sink_write(cli, sink, data, used);
}

/* Through a map of the whole blob. */
static int
transfer_mapped(const struct cli *cli, packice_lease *lease, const char *data, uint64_t size,
                struct sink *sink)
{
    int code = CLI_OK;

    for (uint64_t done = 0; done < size && code == CLI_OK;) {
        size_t part = transfer_least(size - done, TRANSFER_OUT_CHUNK);
        size_t used = 0;
        code = transfer_show(cli, lease, sink, data + done, part, done + part == size, &used);
        done += used;
        progress_add(cli->progress, used);
    }
    return code;
}

/* Through a buffer, for blobs that can't be mapped. */
static int
transfer_copied(const struct cli *cli, packice_lease *lease, uint32_t blob, uint64_t size,
                struct sink *sink)
{
    char *buffer = malloc(TRANSFER_OUT_CHUNK);
    int code = CLI_OK;

    if (buffer == NULL)
        return exit_fail(cli, CLI_FAILURE, "out of memory");
    for (uint64_t done = 0; done < size && code == CLI_OK;) {
        uint64_t got = 0;
        size_t used = 0;
        int error = packice_read(lease, blob, done, buffer, TRANSFER_OUT_CHUNK, &got);
        if (error != 0)
            code = exit_call(cli, error);
        else if (got == 0)
            code = exit_fail(cli, CLI_FAILURE, "object '%s' ended too early",
                             packice_lease_object_id(lease));
        else
            code = transfer_show(cli, lease, sink, buffer, (size_t)got, done + got >= size, &used);
        done += used;
        progress_add(cli->progress, used);
    }
    free(buffer);
    return code;
}

int
transfer_out(const struct cli *cli, packice_lease *lease, uint32_t blob, struct sink *sink)
{
    uint64_t size = 0;
    void *data = NULL;
    int code = CLI_OK;

    progress_part(cli->progress);
    int error = packice_map(lease, blob, &data, &size);
    if (error == 0) {
        code = transfer_mapped(cli, lease, data, size, sink);
        (void)packice_unmap(lease, blob);
        return code;
    }
    if (error == -EOPNOTSUPP || error == -ENOMEM)
        error = packice_lease_blob_size(lease, blob, &size);
    return error == 0 ? transfer_copied(cli, lease, blob, size, sink) : exit_call(cli, error);
}
