/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log lines: a level and a sink. The library prints nothing by itself: without a sink, lines are
 * dropped. Never carries lease ids, tokens or the contents of objects.
 */
#ifndef PK_LOG_H
#define PK_LOG_H

#include <packice/plugin.h>

/* One line, without a newline; source is a plugin's name or "peer", "node". Any thread. */
typedef void pk_log_sink_fn(void *arg, uint32_t level, const char *source, const char *line);

/* Sets where lines of level <= `level` go (PK_LOG_*); sink NULL = nowhere. Process-wide; once,
 * before threads start; or again at any time with the same sink, to change the level. */
void pk_log_set(uint32_t level, pk_log_sink_fn *sink, void *arg);

/* Changes the level alone; any time, any thread. */
void pk_log_set_level(uint32_t level);

/* Any thread; errno is as it was afterwards. Cuts lines over 1 KiB; control characters come out as
 * '?', so that what a caller sent can't forge a line. */
__attribute__((format(printf, 3, 4))) void pk_log(uint32_t level, const char *source,
                                                  const char *format, ...);

/* "error", "warn", "info", "debug" for PK_LOG_*. */
const char *pk_log_level_name(uint32_t level);

#endif
