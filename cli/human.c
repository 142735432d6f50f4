/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sizes and durations as people write and read them. It never prints, and knows no options.
 */
#include "human.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define HUMAN_DURATION_MAX (100.0 * 366 * 86400)

struct unit {
    const char *name;
    double factor;
};

void
human_size(uint64_t bytes, char out[HUMAN_MAX])
{
    static const char *const names[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
    double value = (double)bytes;
    size_t unit = 0;

    /* 1023.95 would be rounded to 1024 of its unit: that is 1 of the next. */
    while (unit + 1 < sizeof(names) / sizeof(names[0]) && value >= (unit == 0 ? 1024.0 : 1023.95)) {
        value /= 1024;
        unit++;
    }
    double tenths = round(value * 10);
    bool whole = fmod(tenths, 10) < 0.5; /* tenths is an integer: so exactly zero */
    (void)snprintf(out, HUMAN_MAX, "%.*f %s", whole ? 0 : 1, tenths / 10, names[unit]);
}

void
human_duration(double seconds, char out[HUMAN_MAX])
{
    static const struct unit units[] = { { "d", 86400 }, { "h", 3600 }, { "m", 60 } };
    size_t used = 0;

    if (!(seconds < HUMAN_DURATION_MAX * 10)) {
        (void)snprintf(out, HUMAN_MAX, "forever");
        return;
    }
    if (seconds < 1) {
        (void)snprintf(out, HUMAN_MAX, "%.0fms", round(fmax(seconds, 0) * 1000));
        return;
    }
    double left = round(seconds);
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        double count = floor(left / units[i].factor);
        if (count < 1)
            continue;
        left -= count * units[i].factor;
        used += (size_t)snprintf(out + used, HUMAN_MAX - used, "%.0f%s", count, units[i].name);
    }
    if (used == 0 || left >= 1)
        (void)snprintf(out + used, HUMAN_MAX - used, "%.0fs", left);
}

void
human_time(double seconds, char out[HUMAN_MAX])
{
    struct tm local;
    time_t when;

    (void)snprintf(out, HUMAN_MAX, "-");
    if (!(seconds > 0 && seconds < 1e11))
        return;
    when = (time_t)seconds;
    if (localtime_r(&when, &local) != NULL)
        (void)strftime(out, HUMAN_MAX, "%Y-%m-%d %H:%M:%S", &local);
}

/* A plain decimal number in front of one of the units. */
static bool
human_parse(const char *text, const struct unit *units, size_t unit_count, double *ret_value)
{
    char *end;

    /* strtod also reads "inf", "nan", hexadecimal, signs and exponents. */
    size_t digits = strspn(text, "0123456789.");
    if (digits == 0 || !isdigit((unsigned char)text[0]) || text[digits - 1] == '.')
        return false;
    double value = strtod(text, &end);
    if (end != text + digits)
        return false;
    for (size_t i = 0; i < unit_count; i++) {
        if (strcasecmp(end, units[i].name) == 0) {
            *ret_value = value * units[i].factor;
            return true;
        }
    }
    return false;
}

bool
human_parse_size(const char *text, uint64_t *ret_bytes)
{
    static const struct unit units[] = {
        { "", 1 },         { "B", 1 },        { "KB", 1e3 },     { "MB", 1e6 },
        { "GB", 1e9 },     { "TB", 1e12 },    { "PB", 1e15 },    { "EB", 1e18 },
        { "KiB", 0x1p10 }, { "MiB", 0x1p20 }, { "GiB", 0x1p30 }, { "TiB", 0x1p40 },
        { "PiB", 0x1p50 }, { "EiB", 0x1p60 },
    };
    double bytes;

    if (text[strspn(text, "0123456789")] == '\0' && *text != '\0') {
        /* Exactly, beyond the 53 bits of a double. */
        char *end;
        uint64_t exact = strtoull(text, &end, 10);
        if (strlen(text) > 19 || exact > INT64_MAX)
            return false;
        *ret_bytes = exact;
        return true;
    }
    if (!human_parse(text, units, sizeof(units) / sizeof(units[0]), &bytes) || bytes >= 0x1p63)
        return false;
    *ret_bytes = (uint64_t)bytes;
    return true;
}

bool
human_parse_duration(const char *text, double *ret_seconds)
{
    static const struct unit units[] = {
        { "", 1 }, { "ms", 1e-3 }, { "s", 1 }, { "m", 60 }, { "h", 3600 }, { "d", 86400 },
    };
    double seconds;

    if (!human_parse(text, units, sizeof(units) / sizeof(units[0]), &seconds)
        || seconds > HUMAN_DURATION_MAX)
        return false;
    *ret_seconds = seconds;
    return true;
}

bool
human_parse_count(const char *text, uint32_t *ret_count)
{
    uint64_t count;

    if (*text == '\0' || text[strspn(text, "0123456789")] != '\0' || !human_parse_size(text, &count)
        || count > UINT32_MAX)
        return false;
    *ret_count = (uint32_t)count;
    return true;
}
