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

#define TRANSFER_CHUNK ((size_t)1 << 20) /* bytes between two looks at the progress */

/* One blob's bytes: mapped if that can be, else copied through a buffer. */
struct window {
    char *map;
    char *buffer;
};

static size_t
transfer_least(uint64_t a, size_t b)
{
    return a < b ? (size_t)a : b;
}

static int
window_open(const struct cli *cli, packice_lease *lease, uint32_t blob, bool map,
            struct window *ret_window)
{
    struct window window = { 0 };
    void *data;

    int error = map ? packice_map(lease, blob, &data, NULL) : -EOPNOTSUPP;
    if (error == 0)
        window.map = data;
    else if (error != -EOPNOTSUPP && error != -ENOMEM)
        return exit_call(cli, error);
    else if ((window.buffer = malloc(TRANSFER_CHUNK)) == NULL)
        return exit_fail(cli, CLI_FAILURE, "out of memory");
    *ret_window = window;
    return CLI_OK;
}

static void
window_close(struct window *window, packice_lease *lease, uint32_t blob)
{
    if (window->map != NULL)
        (void)packice_unmap(lease, blob);
    free(window->buffer);
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
    struct window window = { 0 };
    uint64_t done = 0;

    int code = window_open(cli, lease, blob, source->size != PACKICE_UNSIZED, &window);
    if (code != CLI_OK)
        return code;
    while (done < source->size) {
        size_t got = 0;
        char *room = window.map != NULL ? window.map + done : window.buffer;
        code = source_read(cli, source, room, transfer_least(source->size - done, TRANSFER_CHUNK),
                           &got);
        if (code != CLI_OK || got == 0)
            break;
        int error = window.map != NULL ? 0 : packice_write(lease, blob, done, room, got);
        if (error != 0) {
            code = exit_call(cli, error);
            break;
        }
        done += got;
        progress_add(cli->progress, got);
    }
    window_close(&window, lease, blob);
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

int
transfer_out(const struct cli *cli, packice_lease *lease, uint32_t blob, struct sink *sink)
{
    struct window window = { 0 };
    uint64_t size = 0;
    int error = packice_lease_blob_size(lease, blob, &size);

    if (error != 0)
        return exit_call(cli, error);
    int code = window_open(cli, lease, blob, true, &window);
    if (code != CLI_OK)
        return code;
    for (uint64_t done = 0; done < size && code == CLI_OK;) {
        size_t used = transfer_least(size - done, TRANSFER_CHUNK);
        char *data = window.map != NULL ? window.map + done : window.buffer;
        uint64_t got = used;
        if (window.map == NULL)
            error = packice_read(lease, blob, done, data, used, &got);
        if (error != 0 || got == 0) {
            code = error != 0 ? exit_call(cli, error)
                              : exit_fail(cli, CLI_FAILURE, "object '%s' ended too early",
                                          packice_lease_object_id(lease));
            break;
        }
        code = transfer_show(cli, lease, sink, data, (size_t)got, done + got == size, &used);
        done += used;
        progress_add(cli->progress, used);
    }
    window_close(&window, lease, blob);
    return code;
}
