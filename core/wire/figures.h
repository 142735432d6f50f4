/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Figures on their way into a reply: what the host emits, borrowed for a moment, kept until it is
 * encoded. One that is about something is named NAME{LABEL="VALUE",...}; durations are told as how
 * many there were, and how long all of them took.
 */
#ifndef PK_WIRE_FIGURES_H
#define PK_WIRE_FIGURES_H

#include "core/wire/reply.h"
#include <packice/types.h>

#define PK_WIRE_FIGURES_MAX 1024U    /* in one reply */
#define PK_WIRE_FIGURE_NAME_MAX 256U /* bytes of a name with its labels and NUL; longer is cut */

struct pk_wire_figures;

/* NULL without memory. */
struct pk_wire_figures *pk_wire_figures_new(void);
/* NULL is fine. */
void pk_wire_figures_free(struct pk_wire_figures *figures);

/* Keeps a copy; fits what the host's stats calls, with the figures as its argument. */
void pk_wire_figures_add(void *figures, const struct pk_stat *stat);

/* As pk_wire_stats_encode. */
int32_t pk_wire_figures_encode(const struct pk_wire_figures *figures,
                               const struct pk_wire_reply_format *format, char **ret_text,
                               size_t *ret_size);

#endif
