/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A line on standard error that shows how far a long transfer is, if a person is there to see it.
 * It never writes to anything but a terminal.
 */
#ifndef PACKICE_CLI_PROGRESS_H
#define PACKICE_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    const char *label;
    uint64_t total; /* bytes; PACKICE_UNSIZED while unknown */
    uint64_t done;
    uint64_t part;     /* of done: bytes of what is transferred now */
    uint64_t moved;    /* of those: bytes that went through a network */
    uint64_t whole;    /* bytes that will; 0 = none did */
    uint64_t started;  /* CLOCK_MONOTONIC, nanoseconds */
    uint64_t drawn_at; /* 0: nothing stands on the line */
    bool wanted;
    bool drawn;
};

/* Begins a transfer. Shows nothing unless wanted, standard error is a terminal that this process
 * may write to, and the transfer is of 64 MiB or more or takes longer than a second. label is
 * borrowed until the end. */
void progress_begin(struct progress *progress, bool wanted, const char *label, uint64_t total);
/* The bytes that follow are those of another file or blob. */
void progress_part(struct progress *progress);
/* So many bytes more are done here. Those that went through a network before count once. */
void progress_add(struct progress *progress, uint64_t bytes);
/* So many bytes of `whole` are through a network. After the last one, the next part begins. */
void progress_moved(struct progress *progress, uint64_t bytes, uint64_t whole);
/* Clears the line. Call it before anything else is printed. */
void progress_end(struct progress *progress);

#endif
