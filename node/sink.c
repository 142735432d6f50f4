/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Formats log lines for standard error. A line that can't be written is lost: there is nowhere to
 * say so.
 */
#include "node/sink.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 1280 /* core cuts what is logged at 1 KiB */

/* Whether standard error is the stream that systemd says it connected to the journal: only then
 * does anybody take the prefixes away again. See systemd.exec(5), JOURNAL_STREAM. */
static bool
is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    struct stat mine;
    char name[64];
    if (stream == NULL || fstat(STDERR_FILENO, &mine) != 0)
        return false;
    (void)snprintf(name, sizeof(name), "%ju:%ju", (uintmax_t)mine.st_dev, (uintmax_t)mine.st_ino);
    return strcmp(stream, name) == 0;
}

static void
write_line(const char *line, int size)
{
    size_t left = size < 0 ? 0 : (size_t)size;
    if (left >= LINE_MAX_BYTES)
        left = LINE_MAX_BYTES - 1;
    while (left > 0) {
        ssize_t done = write(STDERR_FILENO, line, left);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return;
        line += done;
        left -= (size_t)done;
    }
}

static void
to_journal(void *arg, uint32_t level, const char *source, const char *text)
{
    static const uint32_t priorities[] = { 3, 4, 6, 7 }; /* those of syslog(3) */
    char line[LINE_MAX_BYTES];
    (void)arg;
    uint32_t priority = level <= PK_LOG_DEBUG ? priorities[level] : priorities[PK_LOG_DEBUG];
    write_line(line, snprintf(line, sizeof(line), "<%u>%s: %s\n", priority, source, text));
}

static void
to_people(void *arg, uint32_t level, const char *source, const char *text)
{
    char line[LINE_MAX_BYTES];
    char when[32] = "";
    struct timespec now;
    struct tm utc;
    (void)arg;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (gmtime_r(&now.tv_sec, &utc) != NULL)
        (void)strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &utc);
    write_line(line,
               snprintf(line, sizeof(line), "%s.%03dZ %s %s: %s\n", when,
                        (int)(now.tv_nsec / 1000000), pk_log_level_name(level), source, text));
}

void
pk_sink_open(uint32_t level)
{
    tzset(); /* else the first line does, and has the zone's file open for a moment */
    pk_log_set(level, is_journal() ? to_journal : to_people, NULL);
}
