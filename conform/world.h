/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The world in which one rule runs, in a process of its own: the plugin, storages to open it on, a
 * clock that moves by hand, and the verdict. What a rule opens may be left open: all of it goes
 * with the process and its folder.
 */
#ifndef CONFORM_WORLD_H
#define CONFORM_WORLD_H

#include "conform/host.h"
#include "conform/rule.h"
#include "core/plugin.h"
#include <packice/blob.h>
#include <packice/lease.h>
#include <stdbool.h>
#include <stdnoreturn.h>

#define WORLD_STORAGES 2U /* folders for %t that a rule has */

/* What a rule found out, in memory that its process shares with the runner. */
#define VERDICT_NONE 0U /* the process ended before the rule did */
#define VERDICT_PASSED 1U
#define VERDICT_FAILED 2U
#define VERDICT_SKIPPED 3U
struct verdict {
    uint32_t outcome; /* VERDICT_* */
    char text[1024];  /* what came, or why it was skipped; one line */
};

/* The plugin under test, as the command line names it. */
struct subject {
    const struct pk_plugin_module *module;
    const struct pk_plugin_path *path;
    const struct pk_setting *settings; /* values may hold %t */
    size_t setting_count;
};

/* An opened plugin: its table, where slots that are absent are NULL, and what open returned. */
struct unit {
    struct host *host;
    struct pk_conf *conf;
    void *instance;
    struct pk_blob_traits traits;
    union {
        struct pk_blob_ops blob;
        struct pk_lease_ops lease;
    } ops;
};

struct world {
    const struct subject *subject;
    struct verdict *verdict;
    struct stage stage; /* the clock and the workers, for all hosts */
    char folder[128];   /* holds the storages */
    char prefix[32];    /* of all object ids: storage may hold what is not ours */
    uint64_t epoch;     /* the last that was given to an object here */
};

/* For the runner. */
void world_init(struct world *world, const struct subject *subject, struct verdict *verdict,
                const char *folder);
/* Runs the rule, and ends the process with a verdict. */
noreturn void world_run(struct world *world, const struct rule *rule);

/* The rule is broken: says what came, and ends the process. Any thread. */
__attribute__((format(printf, 2, 3))) noreturn void world_fail(struct world *world,
                                                               const char *format, ...);
__attribute__((format(printf, 2, 3))) noreturn void world_skip(struct world *world,
                                                               const char *format, ...);
#define must(world, condition, ...) \
    do { \
        if (!(condition)) \
            world_fail(world, __VA_ARGS__); \
    } while (0)

/* A conf for the plugin on storage 0 or 1; pk_conf_free frees it. -EINVAL as pk_conf_new. */
int32_t world_conf(const struct subject *subject, const char *folder, uint32_t storage,
                   struct pk_conf **ret_conf, struct pk_error *err);
/* Whether the value of any option has a scratch folder in it. */
bool subject_has_folder(const struct subject *subject);

/* The folder of a storage, which the plugin got for %t. */
void world_storage(const struct world *world, uint32_t storage, char *ret_path, size_t size);

/* Opens the plugin on a storage; fails the rule if it can't. */
struct unit *unit_open(struct world *world, uint32_t storage);
/* The same, as another one of the node's many starts would: 0 or what open returned. The unit is
 * the caller's to close only after a success. */
int32_t unit_try_open(struct world *world, uint32_t storage, void **instance,
                      struct unit **ret_unit, struct pk_error *err);
/* Closes it as a node does. The host stays, to see who calls it afterwards. */
void unit_close(struct unit *unit);

/* Moves the clock, and runs the timers that are due. */
void world_advance(struct world *world, uint64_t nanoseconds);

/* An object id of this rule's own, in *ret_id, and an epoch that was not used before. */
struct pk_key world_key(struct world *world, const char *name, char ret_id[PK_ID_MAX + 1]);

/* Runs `run` on `count` threads and waits for them; each gets its number. */
void world_threads(struct world *world, uint32_t count,
                   void (*run)(struct world *world, uint32_t number, void *arg), void *arg);

/* Whether a failing call explained itself: a negative errno, that code, and one line. */
void must_explain(struct world *world, const char *slot, int32_t rc, const struct pk_error *err);
/* An error whose every byte of the message is set, so that what a plugin leaves out is seen. */
struct pk_error error_fresh(void);

#endif
