/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Moves bytes between the files of this machine and the blobs of a lease, and counts them in
 * cli->progress. Messages name the file or the object at fault.
 */
#ifndef PACKICE_CLI_TRANSFER_H
#define PACKICE_CLI_TRANSFER_H

#include "sink.h"
#include "source.h"

/* Fills a blob from a source: as many bytes as the source's size, or all there are. Fails when a
 * file turns out shorter than it was, or a stream other than promised. 0, or an exit code after
 * saying why not. */
int transfer_in(const struct cli *cli, packice_lease *lease, uint32_t blob,
                const struct source *source);

/* Writes a whole blob to the sink. 0, or an exit code after saying why not. */
int transfer_out(const struct cli *cli, packice_lease *lease, uint32_t blob, struct sink *sink);

#endif
