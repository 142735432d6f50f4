/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each name is a family with a text of its own, which its figures are appended to as they come: the
 * format wants them together, and nobody promises to emit them so.
 */
#include "metrics.h"
#include <packice/cleanup.h>
#include <string.h>
#include <sys/queue.h>

struct family {
    STAILQ_ENTRY(family) next;
    char name[128]; /* as it was emitted */
    FILE *stream;   /* to text */
    char *text;
    size_t size;
};

struct http_metrics {
    STAILQ_HEAD(, family) families;
    int failed;
};

struct http_metrics *
http_metrics_new(void)
{
    struct http_metrics *metrics = calloc(1, sizeof(*metrics));
    if (metrics != NULL)
        STAILQ_INIT(&metrics->families);
    return metrics;
}

void
http_metrics_free(struct http_metrics *metrics)
{
    if (metrics == NULL)
        return;
    while (!STAILQ_EMPTY(&metrics->families)) {
        struct family *family = STAILQ_FIRST(&metrics->families);
        STAILQ_REMOVE_HEAD(&metrics->families, next);
        (void)fclose(family->stream); /* memory: nothing to lose */
        free(family->text);
        free(family);
    }
    free(metrics);
}

/* ---- names and labels ---- */

static const char *
type_of(const struct pk_stat *stat)
{
    return stat->kind == PK_STAT_HISTOGRAM ? "histogram"
           : stat->kind == PK_STAT_COUNTER ? "counter"
                                           : "gauge";
}

static const char *
suffix_of(const struct pk_stat *stat)
{
    return stat->kind == PK_STAT_HISTOGRAM ? "_seconds"
           : stat->kind == PK_STAT_COUNTER ? "_total"
                                           : "";
}

static void
put_escaped(FILE *stream, const char *text, const char *special)
{
    for (; *text != '\0'; text++) {
        if (*text == '\n')
            (void)fputs("\\n", stream);
        else if (strchr(special, *text) != NULL)
            (void)fprintf(stream, "\\%c", *text);
        else
            (void)fputc(*text, stream);
    }
}

/* "{a="b",le="0.1"} ": the labels, and one more unless le is NULL. */
static void
put_labels(FILE *stream, const struct pk_stat *stat, const char *le)
{
    const char *before = "{";
    for (uint32_t i = 0; i < stat->label_count; i++, before = ",") {
        (void)fprintf(stream, "%s%s=\"", before, stat->labels[i].name);
        put_escaped(stream, stat->labels[i].value, "\\\"");
        (void)fputc('"', stream);
    }
    if (le != NULL) {
        (void)fprintf(stream, "%sle=\"%s\"", before, le);
        before = ",";
    }
    (void)fputs(before[0] == ',' ? "} " : " ", stream);
}

/* ---- figures ---- */

static void
put_buckets(const struct family *family, const struct pk_stat *stat)
{
    FILE *stream = family->stream;
    uint64_t below = 0;
    char le[32];
    for (uint32_t i = 0; i < stat->bucket_count; i++) {
        below += stat->counts[i];
        (void)snprintf(le, sizeof(le), "%g", (double)stat->bounds[i] / 1e9);
        (void)fprintf(stream, "packice_%s_seconds_bucket", family->name);
        put_labels(stream, stat, le);
        (void)fprintf(stream, "%llu\n", (unsigned long long)below);
    }
    (void)fprintf(stream, "packice_%s_seconds_bucket", family->name);
    put_labels(stream, stat, "+Inf");
    (void)fprintf(stream, "%llu\n", (unsigned long long)stat->value);
    (void)fprintf(stream, "packice_%s_seconds_sum", family->name);
    put_labels(stream, stat, NULL);
    (void)fprintf(stream, "%.9f\n", (double)stat->sum / 1e9);
    (void)fprintf(stream, "packice_%s_seconds_count", family->name);
    put_labels(stream, stat, NULL);
    (void)fprintf(stream, "%llu\n", (unsigned long long)stat->value);
}

static struct family *
family_new(struct http_metrics *metrics, const struct pk_stat *stat)
{
    struct family *family = calloc(1, sizeof(*family));
    if (family == NULL)
        return NULL;
    (void)snprintf(family->name, sizeof(family->name), "%s", stat->name);
    family->stream = open_memstream(&family->text, &family->size);
    if (family->stream == NULL) {
        free(family);
        return NULL;
    }
    STAILQ_INSERT_TAIL(&metrics->families, family, next);
    (void)fprintf(family->stream, "# HELP packice_%s%s ", family->name, suffix_of(stat));
    put_escaped(family->stream, stat->help != NULL ? stat->help : "", "\\");
    (void)fprintf(family->stream, "\n# TYPE packice_%s%s %s\n", family->name, suffix_of(stat),
                  type_of(stat));
    return family;
}

static struct family *
find_family(struct http_metrics *metrics, const struct pk_stat *stat)
{
    struct family *family;
    STAILQ_FOREACH(family, &metrics->families, next)
    if (strcmp(family->name, stat->name) == 0)
        return family;
    return family_new(metrics, stat);
}

void
http_metrics_add(void *arg, const struct pk_stat *stat)
{
    struct http_metrics *metrics = arg;
    struct family *family = find_family(metrics, stat);
    if (family == NULL) {
        metrics->failed = 1;
        return;
    }
    if (stat->kind == PK_STAT_HISTOGRAM) {
        put_buckets(family, stat);
        return;
    }
    (void)fprintf(family->stream, "packice_%s%s", family->name, suffix_of(stat));
    put_labels(family->stream, stat, NULL);
    (void)fprintf(family->stream, "%llu\n", (unsigned long long)stat->value);
}

char *
http_metrics_text(const struct http_metrics *metrics, size_t *ret_size)
{
    char *text = NULL;
    size_t size = 0;
    const struct family *family;
    FILE *stream = metrics->failed ? NULL : open_memstream(&text, &size);
    if (stream == NULL)
        return NULL;
    int failed = 0;
    STAILQ_FOREACH(family, &metrics->families, next)
    {
        failed |= fflush(family->stream) != 0;
        failed |= !failed && fputs(family->text, stream) < 0;
    }
    failed |= fclose(stream) != 0;
    if (failed) {
        free(text);
        return NULL;
    }
    *ret_size = size;
    return text;
}
