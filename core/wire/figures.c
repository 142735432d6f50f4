/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies figures. What doesn't fit, or for which there is no memory, is left out: figures are for
 * people, and nothing depends on one.
 */
#include "core/wire/figures.h"

#include <errno.h>
#include <packice/cleanup.h>
#include <stdio.h>
#include <string.h>

#define ROOM_MIN 64U

struct pk_wire_figures {
    struct pk_stat *stats; /* `count` of `room`; each name is malloc'd */
    size_t count;
    size_t room;
};

struct pk_wire_figures *
pk_wire_figures_new(void)
{
    return calloc(1, sizeof(struct pk_wire_figures));
}

void
pk_wire_figures_free(struct pk_wire_figures *figures)
{
    if (figures == NULL)
        return;
    for (size_t i = 0; i < figures->count; i++)
        free((void *)(uintptr_t)figures->stats[i].name); /* which is const for readers */
    free(figures->stats);
    free(figures);
}

/* ---- names ---- */

/* Appends to a name as much as fits; returns where it ends now. */
static size_t
append(char *name, size_t size, const char *text)
{
    int more = snprintf(name + size, PK_WIRE_FIGURE_NAME_MAX - size, "%s", text);
    size_t end = size + (more > 0 ? (size_t)more : 0);
    return end < PK_WIRE_FIGURE_NAME_MAX ? end : PK_WIRE_FIGURE_NAME_MAX - 1;
}

static char *
make_name(const struct pk_stat *stat, const char *suffix)
{
    char name[PK_WIRE_FIGURE_NAME_MAX] = "";
    size_t size = append(name, append(name, 0, stat->name), suffix);
    for (uint32_t i = 0; i < stat->label_count; i++) {
        size = append(name, size, i == 0 ? "{" : ",");
        size = append(name, size, stat->labels[i].name);
        size = append(name, size, "=\"");
        size = append(name, size, stat->labels[i].value);
        size = append(name, size, "\"");
    }
    if (stat->label_count > 0)
        (void)append(name, size, "}");
    return strdup(name);
}

/* ---- figures ---- */

static int32_t
make_room(struct pk_wire_figures *figures)
{
    if (figures->count < figures->room)
        return 0;
    size_t room = figures->room == 0 ? ROOM_MIN : figures->room * 2;
    if (room > PK_WIRE_FIGURES_MAX)
        return -EFBIG;
    struct pk_stat *stats = realloc(figures->stats, room * sizeof(*stats));
    if (stats == NULL)
        return -ENOMEM;
    figures->stats = stats;
    figures->room = room;
    return 0;
}

static void
add(struct pk_wire_figures *figures, const struct pk_stat *stat, const char *suffix, uint64_t value)
{
    char *name = make_room(figures) == 0 ? make_name(stat, suffix) : NULL;
    if (name == NULL)
        return;
    figures->stats[figures->count++] = (struct pk_stat){
        .struct_size = (uint32_t)sizeof(struct pk_stat),
        .kind = stat->kind,
        .name = name,
        .value = value,
    };
}

void
pk_wire_figures_add(void *figures, const struct pk_stat *stat)
{
    if (stat->kind != PK_STAT_HISTOGRAM) {
        add(figures, stat, "", stat->value);
        return;
    }
    add(figures, stat, "_count", stat->value);
    add(figures, stat, "_nanoseconds", stat->sum);
}

int32_t
pk_wire_figures_encode(const struct pk_wire_figures *figures,
                       const struct pk_wire_reply_format *format, char **ret_text, size_t *ret_size)
{
    if (figures == NULL)
        return -ENOMEM;
    return pk_wire_stats_encode(figures->stats, figures->count, format, ret_text, ret_size);
}
