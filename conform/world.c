/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opens and closes the plugin for a rule, checks first whether the rule means anything for it, and
 * ends the rule's process with a verdict. It knows no rule.
 */
#include "conform/world.h"

#include "conform/trace.h"
#include "core/id.h"
#include "core/table.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <packice/cleanup.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>

#define START 1000000000000U /* nanoseconds on the clock at the beginning */
#define SETTINGS_MAX 64U
#define THREADS_MAX 8U
#define SPARE_DESCRIPTORS 64U

/* ---- verdicts ---- */

static pthread_mutex_t verdict_lock = PTHREAD_MUTEX_INITIALIZER; /* the first thread has it */

__attribute__((format(printf, 3, 0))) static noreturn void
end(struct world *world, uint32_t outcome, const char *format, va_list args)
{
    (void)pthread_mutex_lock(&verdict_lock);
    if (vsnprintf(world->verdict->text, sizeof(world->verdict->text), format, args) < 0)
        world->verdict->text[0] = '\0';
    world->verdict->outcome = outcome;
    _exit(0);
}

void
world_fail(struct world *world, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    end(world, VERDICT_FAILED, format, args);
}

void
world_skip(struct world *world, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    end(world, VERDICT_SKIPPED, format, args);
}

struct pk_error
error_fresh(void)
{
    struct pk_error err = PK_ERROR_INIT;
    memset(err.message, '\n', sizeof(err.message));
    return err;
}

void
must_explain(struct world *world, const char *slot, int32_t rc, const struct pk_error *err)
{
    must(world, rc < 0 && rc >= -4095, "%s returned %" PRId32 ", which is no negative errno", slot,
         rc);
    must(world, err->code == rc, "%s returned %" PRId32 ", but err->code says %" PRId32, slot, rc,
         err->code);
    const char *nul = memchr(err->message, '\0', sizeof(err->message));
    must(world, nul != NULL, "%s failed with a message that is not NUL-terminated", slot);
    must(world, nul != err->message, "%s failed without a message", slot);
    must(world, strpbrk(err->message, "\n\r") == NULL,
         "%s failed with a message of more than one line, or without one", slot);
}

/* ---- options ---- */

static bool
has_folder(const char *value)
{
    for (const char *at = strchr(value, '%'); at != NULL; at = strchr(at + 2, '%')) {
        if (at[1] == 't')
            return true;
        if (at[1] == '\0')
            break;
    }
    return false;
}

bool
subject_has_folder(const struct subject *subject)
{
    for (size_t i = 0; i < subject->setting_count; i++) {
        if (has_folder(subject->settings[i].value))
            return true;
    }
    return false;
}

/* %t becomes the folder, %% a %; anything else stays. NULL: no memory. */
static char *
expand(const char *value, const char *folder)
{
    size_t room = strlen(value) + 1;
    for (const char *at = value; (at = strstr(at, "%t")) != NULL; at += 2)
        room += strlen(folder);
    char *text = malloc(room);
    char *to = text;
    for (; text != NULL && *value != '\0'; value++) {
        bool escape = value[0] == '%' && (value[1] == 't' || value[1] == '%');
        if (escape && value[1] == 't')
            to = stpcpy(to, folder);
        else
            *to++ = *value;
        value += escape;
    }
    if (text != NULL)
        *to = '\0';
    return text;
}

int32_t
world_conf(const struct subject *subject, const char *folder, uint32_t storage,
           struct pk_conf **ret_conf, struct pk_error *err)
{
    char path[PK_ID_MAX + 1];
    struct pk_setting settings[SETTINGS_MAX];
    (void)snprintf(path, sizeof(path), "%s/%c", folder, 'a' + (char)storage);
    if (subject->setting_count > SETTINGS_MAX)
        return pk_fail(err, -EINVAL, "more than %u options", SETTINGS_MAX);
    int32_t rc = 0;
    size_t count = 0;
    for (; count < subject->setting_count; count++) {
        settings[count] = subject->settings[count];
        settings[count].value = expand(subject->settings[count].value, path);
        if (settings[count].value == NULL)
            rc = pk_fail(err, -ENOMEM, "out of memory");
    }
    const struct pk_setting_source source = { 0 };
    if (rc == 0)
        rc = pk_conf_new(&subject->module->options, subject->module->plugin.kind, subject->path,
                         &source, settings, count, ret_conf, err);
    for (size_t i = 0; i < count; i++)
        free((void *)(uintptr_t)settings[i].value);
    return rc;
}

void
world_storage(const struct world *world, uint32_t storage, char *ret_path, size_t size)
{
    (void)snprintf(ret_path, size, "%s/%c", world->folder, 'a' + (char)storage);
}

/* ---- instances ---- */

int32_t
unit_try_open(struct world *world, uint32_t storage, void **instance, struct unit **ret_unit,
              struct pk_error *err)
{
    const struct pk_plugin *plugin = &world->subject->module->plugin;
    struct unit *unit = calloc(1, sizeof(*unit));
    must(world, unit != NULL, "out of memory");
    struct pk_error refused = PK_ERROR_INIT;
    must(world, world_conf(world->subject, world->folder, storage, &unit->conf, &refused) == 0,
         "%s", refused.message);
    int32_t rc =
        host_open(&world->stage, world->subject->module, unit->conf, instance, &unit->host, err);
    if (rc != 0) {
        pk_conf_free(unit->conf);
        free(unit);
        return rc;
    }
    unit->instance = *instance;
    memcpy(&unit->ops, host_ops(unit->host), pk_table_ops_size(plugin->kind));
    unit->traits.struct_size = sizeof(unit->traits);
    if (plugin->kind == PK_KIND_BLOB && unit->ops.blob.traits != NULL)
        unit->ops.blob.traits(unit->instance, &unit->traits);
    *ret_unit = unit;
    return 0;
}

struct unit *
unit_open(struct world *world, uint32_t storage)
{
    struct unit *unit = NULL;
    void *instance = NULL;
    struct pk_error err = PK_ERROR_INIT;
    int32_t rc = unit_try_open(world, storage, &instance, &unit, &err);
    must(world, rc == 0, "open returned %" PRId32 ": %s", rc, err.message);
    return unit;
}

void
unit_close(struct unit *unit)
{
    host_close(unit->host);
    pk_conf_free(unit->conf);
    free(unit);
}

void
world_advance(struct world *world, uint64_t nanoseconds)
{
    atomic_fetch_add(&world->stage.now, nanoseconds);
    for (struct host *host = world->stage.hosts; host != NULL; host = host_next(host))
        host_run_timers(host);
}

struct pk_key
world_key(struct world *world, const char *name, char ret_id[PK_ID_MAX + 1])
{
    (void)snprintf(ret_id, PK_ID_MAX + 1, "%s%s", world->prefix, name);
    return (struct pk_key){ .id = ret_id, .epoch = ++world->epoch };
}

/* ---- threads ---- */

struct runner {
    struct world *world;
    void (*run)(struct world *world, uint32_t number, void *arg);
    void *arg;
    uint32_t number;
};

static void *
thread_main(void *arg)
{
    struct runner *runner = arg;
    runner->run(runner->world, runner->number, runner->arg);
    return NULL;
}

void
world_threads(struct world *world, uint32_t count,
              void (*run)(struct world *world, uint32_t number, void *arg), void *arg)
{
    pthread_t threads[THREADS_MAX];
    struct runner runners[THREADS_MAX];
    assert(count <= THREADS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        runners[i] = (struct runner){ world, run, arg, i };
        if (pthread_create(&threads[i], NULL, thread_main, &runners[i]) != 0)
            world_skip(world, "no thread can be started");
    }
    for (uint32_t i = 0; i < count; i++)
        (void)pthread_join(threads[i], NULL);
}

/* ---- one rule ---- */

/* Why a rule means nothing for what was opened; NULL: it does. */
static const char *
pointless(struct world *world, const struct unit *unit, uint32_t needs)
{
    bool is_blob = world->subject->module->plugin.kind == PK_KIND_BLOB;
    const struct pk_blob_ops *blob = &unit->ops.blob;
    const struct pk_lease_ops *lease = &unit->ops.lease;
    if ((needs & NEEDS_STATS) && (is_blob ? blob->stats == NULL : lease->stats == NULL))
        return "it has no stats";
    if ((needs & NEEDS_RELOAD) && (is_blob ? blob->reload == NULL : lease->reload == NULL))
        return "it has no reload";
    if ((needs & NEEDS_MAY_BLOCK) && (is_blob ? blob->may_block == NULL : lease->may_block == NULL))
        return "it has no may_block";
    if ((needs & NEEDS_TRAITS) && blob->traits == NULL)
        return "it has no traits";
    if ((needs & NEEDS_PUBLISH) && blob->publish == NULL)
        return "it does not publish";
    if ((needs & NEEDS_RECOVER) && blob->recover == NULL)
        return "it has no recover";
    if ((needs & NEEDS_PUT) && blob->put == NULL)
        return "it has no put";
    if ((needs & NEEDS_ADOPT) && blob->adopt == NULL)
        return "it has no adopt";
    if ((needs & NEEDS_SHARE) && blob->share == NULL)
        return "it has no share";
    if ((needs & NEEDS_BYTES) && blob->bytes == NULL)
        return "it has no bytes";
    if ((needs & NEEDS_VERIFY) && blob->verify == NULL)
        return "it has no verify";
    if ((needs & NEEDS_DURABLE) && !(unit->traits.flags & PK_BLOB_DURABLE))
        return "its storage ends with the process";
    if ((needs & NEEDS_SHARED) && !(unit->traits.flags & PK_BLOB_SHARED))
        return "its storage is not shared";
    if ((needs & NEEDS_FOLDER) && !subject_has_folder(world->subject))
        return "no option was given a folder (%t)";
    return NULL;
}

/* What only a blob can tell. */
static const char *
pointless_blob(struct world *world, const struct unit *unit, uint32_t needs)
{
    char id[PK_ID_MAX + 1];
    struct pk_key key = world_key(world, "probe", id);
    struct pk_error err = PK_ERROR_INIT;
    void *blob = NULL;
    if (needs & NEEDS_UNSIZED) {
        int32_t rc = unit->ops.blob.create(unit->instance, &key, 0, PK_UNSIZED, &blob, &err);
        if (rc != 0)
            return "it takes no blobs without a size";
        (void)unit->ops.blob.remove(blob, &err);
    }
    if ((needs & NEEDS_PLENTY) && trace_descriptor_room() < PK_BLOBS_MAX + SPARE_DESCRIPTORS)
        return "too few descriptors may be open here";
    return NULL;
}

static void
check_needs(struct world *world, uint32_t needs)
{
    if (needs == 0)
        return;
    struct unit *unit = unit_open(world, 0);
    const char *why = pointless(world, unit, needs);
    if (why == NULL && (needs & (NEEDS_UNSIZED | NEEDS_PLENTY)) != 0)
        why = pointless_blob(world, unit, needs);
    unit_close(unit);
    if (why != NULL)
        world_skip(world, "%s", why);
}

void
world_init(struct world *world, const struct subject *subject, struct verdict *verdict,
           const char *folder)
{
    *world = (struct world){ .subject = subject, .verdict = verdict };
    (void)snprintf(world->folder, sizeof(world->folder), "%s", folder);
}

void
world_run(struct world *world, const struct rule *rule)
{
    struct pk_error err = PK_ERROR_INIT;
    uint64_t random = 0;
    must(world, pk_random(&random, sizeof(random)) == 0, "no randomness");
    (void)snprintf(world->prefix, sizeof(world->prefix), "conform-%016" PRIx64 "-", random);
    atomic_store(&world->stage.now, START);
    must(world, pk_executor_new(&world->stage.executor, &err) == 0, "%s", err.message);
    check_needs(world, rule->needs);
    rule->run(world);
    world->verdict->outcome = VERDICT_PASSED;
    exit(EXIT_SUCCESS); /* not _exit: a sanitizer has its say, and sets another status */
}
