/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sizes and durations as people write and read them. It never prints, and knows no options.
 */
#ifndef PACKICE_CLI_HUMAN_H
#define PACKICE_CLI_HUMAN_H

#include <stdbool.h>
#include <stdint.h>

#define HUMAN_MAX 48 /* bytes that hold any text made here, with its NUL */

/* "0 B", "1023 B", "1.5 KiB", "256 MiB": one decimal at most. */
void human_size(uint64_t bytes, char out[HUMAN_MAX]);

/* "250ms", "5m", "1h30m", "2d"; "forever" for what never ends. human_parse_duration reads those of
 * one unit. */
void human_duration(double seconds, char out[HUMAN_MAX]);

/* A local time, "2026-01-31 23:59:59", from seconds since 1970; "-" for 0. */
void human_time(double seconds, char out[HUMAN_MAX]);

/* "4096", "64KiB", "1.5GiB", "10MB" (10^6), at most INT64_MAX. False for anything else. */
bool human_parse_size(const char *text, uint64_t *ret_bytes);

/* "90" (seconds), "250ms", "60s", "5m", "1.5h", "2d"; at most 100 years. False for anything else.
 */
bool human_parse_duration(const char *text, double *ret_seconds);

/* Digits alone, at most UINT32_MAX. */
bool human_parse_count(const char *text, uint32_t *ret_count);

#endif
