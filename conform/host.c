/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The services of a fake host. Workers are core's; timers wait for the hand that moves the clock.
 * A host is never freed: a plugin that calls one after its close must find somebody who notices.
 */
#include "conform/host.h"

#include "core/id.h"
#include "core/table.h"
#include "core/thread.h"

#include <assert.h>
#include <errno.h>
#include <packice/blob.h>
#include <packice/lease.h>
#include <stdlib.h>
#include <string.h>

#define WORKERS 2U
#define QUEUE_BOUND 64U
#define LOG_SIZE 65536U

struct job {
    struct pk_work work; /* first */
    struct host *host;
    struct job *next; /* a timer that waits */
    void (*run)(void *arg);
    void *arg;
    uint64_t when;
    uint64_t number; /* of a timer; 0 = none */
};

struct host {
    struct pk_host table;
    struct stage *stage;
    const struct pk_plugin_module *module;
    const struct pk_conf *conf;
    void *instance;
    union {
        struct pk_blob_ops blob;
        struct pk_lease_ops lease;
    } ops; /* absent slots NULL */
    struct pk_queue *queue;
    struct host *next;  /* in the stage */
    struct host *child; /* opened through `child`, newest first */
    struct host *sibling;

    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t idle;
    struct job *timers;
    uint64_t last_timer;
    uint32_t running; /* works handed to the queue and not done */
    uint32_t events;
    bool opening;
    bool closing;
    bool closed;
    size_t log_size;
    char log[LOG_SIZE];
    char misuse[256];
};

/* ---- what is noticed ---- */

/* With the lock. */
static void
note(struct host *host, const char *what)
{
    if (host->misuse[0] == '\0')
        (void)snprintf(host->misuse, sizeof(host->misuse), "%s", what);
}

/* Every service begins here. */
static struct host *
enter(void *ctx, const char *service)
{
    struct host *host = ctx;
    (void)pthread_mutex_lock(&host->lock);
    if (host->closed && host->misuse[0] == '\0')
        (void)snprintf(host->misuse, sizeof(host->misuse), "%s was called after close", service);
    return host;
}

static void
leave(struct host *host)
{
    (void)pthread_mutex_unlock(&host->lock);
}

/* ---- to every plugin ---- */

static void
log_line(void *ctx, uint32_t level, const char *message)
{
    struct host *host = enter(ctx, "log");
    if (level > PK_LOG_DEBUG)
        note(host, "log was called with a level that there is not");
    if (message == NULL || message[0] == '\0')
        note(host, "log was called without a message");
    else if (strchr(message, '\n') != NULL && strchr(message, '\n')[1] != '\0')
        note(host, "log was called with more than one line");
    size_t size = message == NULL ? 0 : strlen(message);
    if (size < LOG_SIZE - 1 - host->log_size) {
        memcpy(host->log + host->log_size, message == NULL ? "" : message, size);
        host->log_size += size;
        host->log[host->log_size++] = '\n';
    }
    leave(host);
}

static uint64_t
now(void *ctx)
{
    struct host *host = enter(ctx, "now");
    leave(host);
    return atomic_load(&host->stage->now);
}

static int32_t
fill_random(void *ctx, void *buf, uint64_t size)
{
    struct host *host = enter(ctx, "random");
    leave(host);
    int32_t rc = atomic_load(&host->stage->random_rc);
    return rc != 0 ? rc : pk_random(buf, (size_t)size);
}

static uint32_t
stopping(void *ctx)
{
    struct host *host = enter(ctx, "stopping");
    leave(host);
    return atomic_load(&host->stage->stopping);
}

/* ---- work ---- */

static void
job_run(struct pk_work *work)
{
    struct job *job = (struct job *)(void *)work;
    struct host *host = job->host;
    job->run(job->arg);
    free(job);
    (void)pthread_mutex_lock(&host->lock);
    host->running--;
    (void)pthread_cond_broadcast(&host->idle);
    (void)pthread_mutex_unlock(&host->lock);
}

static struct job *
job_new(struct host *host, void (*work)(void *arg), void *arg)
{
    struct job *job = calloc(1, sizeof(*job));
    if (job == NULL)
        return NULL;
    job->work.run = job_run;
    job->host = host;
    job->run = work;
    job->arg = arg;
    return job;
}

static int32_t
submit(void *ctx, void (*work)(void *arg), void *arg)
{
    struct host *host = enter(ctx, "submit");
    if (work == NULL)
        note(host, "submit was called without work");
    bool refused = work == NULL || host->closing;
    struct job *job = refused ? NULL : job_new(host, work, arg);
    int32_t rc = refused       ? -EBUSY
                 : job == NULL ? -ENOMEM
                               : pk_queue_submit(host->queue, &job->work);
    if (rc == 0)
        host->running++;
    else
        free(job);
    leave(host);
    return rc == -EAGAIN ? -EBUSY : rc;
}

static int32_t
timer_set(void *ctx, uint64_t when, void (*work)(void *arg), void *arg, uint64_t *ret_timer)
{
    struct host *host = enter(ctx, "timer");
    if (work == NULL || ret_timer == NULL)
        note(host, "timer was called without work, or without a place for its name");
    bool refused = work == NULL || ret_timer == NULL || host->closing;
    struct job *job = refused ? NULL : job_new(host, work, arg);
    if (job != NULL) {
        job->when = when;
        job->number = ++host->last_timer;
        job->next = host->timers;
        host->timers = job;
        *ret_timer = job->number;
    }
    leave(host);
    return job == NULL ? -ENOMEM : 0;
}

static int32_t
timer_cancel(void *ctx, uint64_t timer)
{
    struct host *host = enter(ctx, "timer_cancel");
    struct job **link = &host->timers;
    while (*link != NULL && (*link)->number != timer)
        link = &(*link)->next;
    struct job *job = *link;
    if (job != NULL)
        *link = job->next;
    leave(host);
    free(job);
    return job == NULL ? -ENOENT : 0;
}

void
host_run_timers(struct host *host)
{
    uint64_t time = atomic_load(&host->stage->now);
    (void)pthread_mutex_lock(&host->lock);
    for (struct job **link = &host->timers; *link != NULL;) {
        struct job *job = *link;
        if (job->when > time) {
            link = &job->next;
            continue;
        }
        *link = job->next;
        host->running++;
        pk_queue_push(host->queue, &job->work);
    }
    while (host->running > 0)
        (void)pthread_cond_wait(&host->idle, &host->lock);
    (void)pthread_mutex_unlock(&host->lock);
}

/* ---- events, and children ---- */

static void
lease_ended(void *ctx, const struct pk_lease *lease)
{
    struct host *host = enter(ctx, "lease_ended");
    if (lease == NULL || lease->struct_size == 0)
        note(host, "lease_ended was called without a lease");
    host->events++;
    leave(host);
}

static void
changed(void *ctx, const char *object_id)
{
    struct host *host = enter(ctx, "changed");
    if (object_id == NULL || object_id[0] == '\0')
        note(host, "changed was called without an id");
    host->events++;
    leave(host);
}

static bool
is_child_conf(const struct host *host, const struct pk_conf *conf)
{
    for (uint32_t i = 0; conf != NULL && i < host->conf->value_count; i++) {
        if (pk_conf_at(host->conf, i)->child == conf)
            return true;
    }
    return false;
}

static int32_t
open_child(void *ctx, const struct pk_conf *conf, struct pk_child *ret_child, struct pk_error *err)
{
    struct host *host = enter(ctx, "child");
    bool allowed = host->opening && is_child_conf(host, conf);
    if (!allowed)
        note(host, "child was called outside of open, or without the value of a child option");
    leave(host);
    if (!allowed)
        return pk_fail(err, -EINVAL, "a child is opened by open, from a child option");
    struct host *child = NULL;
    void *instance = NULL;
    int32_t rc = host_open(host->stage, pk_conf_module(conf), conf, &instance, &child, err);
    if (rc != 0)
        return rc;
    child->sibling = host->child;
    host->child = child;
    *ret_child = (struct pk_child){
        .struct_size = ret_child->struct_size,
        .kind = child->module->plugin.kind,
        .ops = &child->ops,
        .instance = instance,
    };
    return 0;
}

/* ---- open and close ---- */

static void
table_fill(struct host *host)
{
    bool lease = host->module->plugin.kind == PK_KIND_LEASE;
    host->table = (struct pk_host){
        .struct_size = sizeof(host->table),
        .ctx = host,
        .log = log_line,
        .now = now,
        .random = fill_random,
        .submit = submit,
        .timer = timer_set,
        .timer_cancel = timer_cancel,
        .lease_ended = lease ? lease_ended : NULL,
        .changed = lease ? NULL : changed,
        .child = open_child,
        .stopping = stopping,
    };
}

static struct host *
host_new(struct stage *stage, const struct pk_plugin_module *module, const struct pk_conf *conf)
{
    struct host *host = calloc(1, sizeof(*host));
    if (host == NULL)
        return NULL;
    if (pk_queue_new(stage->executor, module->plugin.name, WORKERS, QUEUE_BOUND, &host->queue)
        != 0) {
        free(host);
        return NULL;
    }
    (void)pthread_mutex_init(&host->lock, NULL); /* the default kinds can't fail */
    (void)pthread_cond_init(&host->idle, NULL);
    host->stage = stage;
    host->module = module;
    host->conf = conf;
    memcpy(&host->ops, module->plugin.ops, pk_table_ops_size(module->plugin.kind));
    host->next = stage->hosts;
    stage->hosts = host;
    table_fill(host);
    return host;
}

/* Before the plugin's close: no work and no timer is left. */
static void
host_quiesce(struct host *host)
{
    (void)pthread_mutex_lock(&host->lock);
    host->closing = true;
    while (host->timers != NULL) {
        struct job *job = host->timers;
        host->timers = job->next;
        free(job);
    }
    (void)pthread_mutex_unlock(&host->lock);
    pk_queue_free(host->queue);
    host->queue = NULL;
}

/* After it. */
static void
host_retire(struct host *host)
{
    for (struct host *child = host->child; child != NULL; child = child->sibling)
        host_close(child);
    (void)pthread_mutex_lock(&host->lock);
    host->closed = true;
    (void)pthread_mutex_unlock(&host->lock);
}

/* Takes the slots away that this instance lacks. */
static int32_t
take_absent(struct host *host, struct pk_error *err)
{
    struct pk_blob_traits traits = { .struct_size = sizeof(traits) };
    if (host->module->plugin.kind != PK_KIND_BLOB || host->ops.blob.traits == NULL)
        return 0;
    host->ops.blob.traits(host->instance, &traits);
    return pk_table_lack(&host->ops.blob, traits.absent, host->module->plugin.name, err);
}

int32_t
host_open(struct stage *stage, const struct pk_plugin_module *module, const struct pk_conf *conf,
          void **instance, struct host **ret_host, struct pk_error *err)
{
    struct host *host = host_new(stage, module, conf);
    *ret_host = host;
    if (host == NULL)
        return pk_fail(err, -ENOMEM, "out of memory");
    host->opening = true;
    int32_t rc = module->plugin.kind == PK_KIND_BLOB
                     ? host->ops.blob.open(&host->table, conf, instance, err)
                     : host->ops.lease.open(&host->table, conf, instance, err);
    host->opening = false;
    host->instance = *instance;
    if (rc != 0) {
        host_quiesce(host);
        host_retire(host);
        return rc;
    }
    rc = take_absent(host, err);
    if (rc != 0)
        host_close(host);
    return rc;
}

void
host_close(struct host *host)
{
    host_quiesce(host);
    if (host->module->plugin.kind == PK_KIND_BLOB)
        host->ops.blob.close(host->instance);
    else
        host->ops.lease.close(host->instance);
    host_retire(host);
}

/* ---- what was seen ---- */

const char *
host_misuse(const struct host *host)
{
    return host->misuse[0] == '\0' ? NULL : host->misuse;
}

const char *
host_log(struct host *host)
{
    (void)pthread_mutex_lock(&host->lock);
    host->log[host->log_size] = '\0';
    (void)pthread_mutex_unlock(&host->lock);
    return host->log;
}

uint32_t
host_events(struct host *host)
{
    (void)pthread_mutex_lock(&host->lock);
    uint32_t events = host->events;
    (void)pthread_mutex_unlock(&host->lock);
    return events;
}

struct host *
host_next(const struct host *host)
{
    return host->next;
}

const void *
host_ops(const struct host *host)
{
    return &host->ops;
}
