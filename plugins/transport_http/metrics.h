/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Figures as Prometheus reads them (text format 0.0.4): named packice_..., counters with _total,
 * durations in seconds. It only writes text.
 */
#ifndef HTTP_METRICS_H
#define HTTP_METRICS_H

#include <packice/types.h>
#include <stddef.h>
#include <stdio.h>

struct http_metrics;

/* NULL without memory. */
struct http_metrics *http_metrics_new(void);
/* NULL is fine. */
void http_metrics_free(struct http_metrics *metrics);
/* Keeps one; fits what the host's stats calls, with the metrics as its argument. */
void http_metrics_add(void *metrics, const struct pk_stat *stat);
/* The whole text, malloc'd; NULL without memory. Those of one name come together, in the order of
 * the first of each. */
char *http_metrics_text(const struct http_metrics *metrics, size_t *ret_size);

#endif
