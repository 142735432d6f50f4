/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies figures. What doesn't fit is left out: figures are for people, and nothing depends on one.
 */
#include "core/wire/figures.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct pk_wire_figures {
    struct pk_stat stats[PK_WIRE_FIGURES_MAX];
    char names[PK_WIRE_FIGURES_MAX][PK_WIRE_FIGURE_NAME_MAX];
    size_t count;
};

struct pk_wire_figures *
pk_wire_figures_new(void)
{
    return calloc(1, sizeof(struct pk_wire_figures));
}

void
pk_wire_figures_free(struct pk_wire_figures *figures)
{
    free(figures);
}

/* Appends to a name as much as fits. */
static void
append(char *name, const char *text)
{
    size_t size = strlen(name);
    (void)snprintf(name + size, PK_WIRE_FIGURE_NAME_MAX - size, "%s", text);
}

static void
append_labels(char *name, const struct pk_stat *stat)
{
    for (uint32_t i = 0; i < stat->label_count; i++) {
        append(name, i == 0 ? "{" : ",");
        append(name, stat->labels[i].name);
        append(name, "=\"");
        append(name, stat->labels[i].value);
        append(name, "\"");
    }
    if (stat->label_count > 0)
        append(name, "}");
}

static void
add(struct pk_wire_figures *figures, const struct pk_stat *stat, const char *suffix, uint64_t value)
{
    if (figures->count == PK_WIRE_FIGURES_MAX)
        return;
    size_t i = figures->count++;
    append(figures->names[i], stat->name);
    append(figures->names[i], suffix);
    append_labels(figures->names[i], stat);
    figures->stats[i] = (struct pk_stat){
        .struct_size = (uint32_t)sizeof(struct pk_stat),
        .kind = stat->kind,
        .name = figures->names[i],
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
