/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of instances: plugins that are linked in and leave their host where the test finds it,
 * and a fake peer that only counts. One probe at a time.
 */
#ifndef TEST_PROBE_H
#define TEST_PROBE_H

#include "core/instance.h"
#include "tests/lib/gate.h"

struct pk_peer {
    struct gate events;    /* lease_ended and changed that came */
    struct gate *released; /* NULL: they return at once */
    char last[PK_ID_MAX + 1];
    uint32_t calls;
};

/* What the probe was opened with, how often it was closed, and what to do meanwhile (NULL:
 * nothing). */
extern const struct pk_host *probe_host;
extern const struct pk_conf *probe_conf;
extern struct gate probe_closed;
extern int32_t (*probe_in_open)(const struct pk_host *host, struct pk_error *err);
extern void (*probe_in_close)(const struct pk_host *host);

/* A blob factory with one child option, "child"; a lease factory; and a transport. */
const struct pk_plugin *probe_blob_entry(void);
const struct pk_plugin *probe_lease_entry(void);
const struct pk_plugin *probe_transport_entry(void);

/* Where the test plugins are. */
extern const struct pk_plugin_path probe_path;

struct probe_stage {
    struct pk_executor *executor;
    const struct pk_plugin_module *module;
    struct pk_conf *conf;
    struct pk_instance *instance;
};

/* Makes an executor and a conf of these settings; the instance is NULL. */
void probe_stage_prepare(struct probe_stage *stage, const struct pk_plugin_module *module,
                         const struct pk_setting *settings, size_t count);
/* The same for a linked-in plugin without settings, and opens it. */
void probe_stage_open(struct probe_stage *stage, pk_plugin_entry_fn *entry, struct pk_peer *peer);
void probe_stage_close(struct probe_stage *stage);

/* A log sink that keeps the first lines as "LEVEL SOURCE LINE"; arg is a struct probe_heard. */
struct probe_heard {
    uint32_t count;
    char lines[16][128];
};
void probe_sink(void *arg, uint32_t level, const char *source, const char *line);

#endif
