/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log lines on their way to the sink: filtered by level, cut, and freed of control characters. It
 * owns no output of its own and never prints.
 */
#include "core/log.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#define LINE_SIZE 1025U /* 1 KiB and the NUL */

static _Atomic(pk_log_sink_fn *) log_sink;
static _Atomic(void *) log_arg;
static _Atomic uint32_t log_level;

void
pk_log_set(uint32_t level, pk_log_sink_fn *sink, void *arg)
{
    atomic_store(&log_level, level);
    atomic_store(&log_arg, arg);
    atomic_store(&log_sink, sink);
}

void
pk_log_set_level(uint32_t level)
{
    atomic_store(&log_level, level);
}

/* C0 and DEL are one byte each; C1 is 0xC2 and 0x80..0x9F in UTF-8, and either byte gives way. */
static void
line_clean(char *line)
{
    for (unsigned char *at = (unsigned char *)line; *at != '\0'; at++) {
        if (*at < 0x20U || *at == 0x7fU)
            *at = '?';
        else if (*at == 0xc2U && at[1] >= 0x80U && at[1] <= 0x9fU)
            at[0] = at[1] = '?';
    }
}

/* A cut in the middle of a character would leave bytes that are no UTF-8. */
static void
line_cut(char *line, size_t size)
{
    size_t end = size;
    while (end > 0 && ((unsigned char)line[end - 1] & 0xc0U) == 0x80U)
        end--;
    if (end > 0 && (unsigned char)line[end - 1] >= 0xc0U)
        line[end - 1] = '\0';
}

void
pk_log(uint32_t level, const char *source, const char *format, ...)
{
    pk_log_sink_fn *sink = atomic_load(&log_sink);
    if (sink == NULL || level > atomic_load(&log_level))
        return;

    int saved = errno;
    char line[LINE_SIZE];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    if (size >= 0) {
        if ((size_t)size >= sizeof(line))
            line_cut(line, sizeof(line) - 1);
        line_clean(line);
        sink(atomic_load(&log_arg), level, source, line);
    }
    errno = saved;
}

const char *
pk_log_level_name(uint32_t level)
{
    static const char *const names[] = { "error", "warn", "info", "debug" };
    return level < sizeof(names) / sizeof(names[0]) ? names[level] : "debug";
}
