/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A line on standard error that shows how far a long transfer is, if a person is there to see it.
 * It never writes to anything but a terminal.
 */
#include "progress.h"

#include "human.h"

#include <math.h>
#include <packice/client.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define PROGRESS_LARGE (UINT64_C(64) << 20) /* bytes: worth a line from the start */
#define PROGRESS_LONG UINT64_C(1000000000)  /* nanoseconds: worth a line whatever the size */
#define PROGRESS_PERIOD UINT64_C(100000000) /* nanoseconds between two drawings */
#define PROGRESS_WIDTH_MAX 160
#define PROGRESS_BAR_MIN 8

static uint64_t
progress_now(void)
{
    struct timespec now;

    if (clock_gettime(CLOCK_MONOTONIC, &now) != 0)
        return 0;
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

/* In the background a line would only clutter what the person does now. */
static bool
progress_has_watcher(void)
{
    pid_t front;

    if (isatty(STDERR_FILENO) != 1)
        return false;
    front = tcgetpgrp(STDERR_FILENO);
    return front <= 0 || front == getpgrp();
}

static size_t
progress_width(void)
{
    struct winsize size;

    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return 79;
    size_t width = size.ws_col - 1U; /* the last column would wrap on some terminals */
    return width < PROGRESS_WIDTH_MAX ? width : PROGRESS_WIDTH_MAX;
}

void
progress_begin(struct progress *progress, bool wanted, const char *label, uint64_t total)
{
    *progress = (struct progress){ .label = label, .total = total };
    progress->wanted = wanted && progress_has_watcher();
    if (progress->wanted)
        progress->started = progress_now();
}

/* "45%  115.2 MiB of 256 MiB  1.1 GiB/s  3s left", or what is known of it. */
static void
progress_figures(const struct progress *progress, uint64_t now, char *out, size_t size)
{
    char done[HUMAN_MAX], total[HUMAN_MAX], rate[HUMAN_MAX], left[HUMAN_MAX];
    double elapsed = (double)(now - progress->started) / 1e9;
    double speed = elapsed > 0 ? (double)progress->done / elapsed : 0;

    human_size(progress->done, done);
    human_size((uint64_t)speed, rate);
    if (progress->total == PACKICE_UNSIZED || progress->total == 0) {
        (void)snprintf(out, size, "%s  %s/s", done, rate);
        return;
    }
    uint64_t missing = progress->total > progress->done ? progress->total - progress->done : 0;
    human_size(progress->total, total);
    human_duration(speed > 0 ? (double)missing / speed : 0, left);
    double part = fmin((double)progress->done / (double)progress->total, 1);
    (void)snprintf(out, size, "%3u%%  %s of %s  %s/s  %s left", (unsigned int)(100 * part), done,
                   total, rate, left);
}

/* Fills `line`, which holds width + 1 bytes, and pads it so that it covers the last one. */
static void
progress_line(const struct progress *progress, uint64_t now, char *line, size_t width)
{
    char figures[5 * HUMAN_MAX];
    size_t label = strlen(progress->label);

    progress_figures(progress, now, figures, sizeof(figures));
    size_t tail = strlen(figures);
    size_t fixed = label + 2 + 4 + tail; /* label, spaces, brackets, figures */
    memset(line, ' ', width);
    line[width] = '\0';
    if (progress->total == PACKICE_UNSIZED || fixed + PROGRESS_BAR_MIN > width) {
        int used = snprintf(line, width + 1, "%s  %s", progress->label, figures);
        if (used >= 0 && (size_t)used < width)
            line[used] = ' ';
        return;
    }
    size_t bar = width - fixed;
    size_t full = progress->total == 0 || progress->done >= progress->total
                      ? bar
                      : (size_t)((double)bar * (double)progress->done / (double)progress->total);
    memcpy(line, progress->label, label);
    line[label + 2] = '[';
    memset(line + label + 3, '#', full);
    memset(line + label + 3 + full, '.', bar - full);
    line[label + 3 + bar] = ']';
    memcpy(line + width - tail, figures, tail);
}

static void
progress_draw(struct progress *progress)
{
    char line[PROGRESS_WIDTH_MAX + 1];

    if (!progress->wanted)
        return;
    uint64_t now = progress_now();
    bool large = progress->total != PACKICE_UNSIZED && progress->total >= PROGRESS_LARGE;
    if (!large && now - progress->started < PROGRESS_LONG)
        return;
    if (progress->drawn && now - progress->drawn_at < PROGRESS_PERIOD)
        return;
    progress_line(progress, now, line, progress_width());
    (void)fprintf(stderr, "\r%s", line);
    (void)fflush(stderr);
    progress->drawn = true;
    progress->drawn_at = now;
}

void
progress_part(struct progress *progress)
{
    progress->part = 0;
    progress->moved = 0;
    progress->whole = 0;
}

void
progress_add(struct progress *progress, uint64_t bytes)
{
    progress->part += bytes;
    if (progress->part <= progress->moved)
        return;
    uint64_t more = progress->part - progress->moved;
    progress->done += more < bytes ? more : bytes;
    progress_draw(progress);
}

void
progress_moved(struct progress *progress, uint64_t bytes, uint64_t whole)
{
    if (progress->moved == progress->whole)
        progress_part(progress);
    progress->whole = whole;
    if (bytes <= progress->moved) /* the same again, after a download began anew */
        return;
    progress->done += bytes - progress->moved;
    progress->moved = bytes;
    progress_draw(progress);
}

void
progress_end(struct progress *progress)
{
    if (!progress->drawn)
        return;
    (void)fprintf(stderr, "\r%*s\r", (int)progress_width(), "");
    (void)fflush(stderr);
    progress->drawn = false;
}
