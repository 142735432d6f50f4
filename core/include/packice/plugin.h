/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The door of the ABI: what a plugin exports, how it declares its options, and what its host offers
 * it. A plugin is a shared object that exports one symbol, pk_plugin_entry, and needs none of the
 * host's: it links with -Wl,-z,defs, and all it may call comes in tables.
 */
#ifndef PACKICE_PLUGIN_H
#define PACKICE_PLUGIN_H

#include <packice/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PK_KIND_BLOB 1U      /* ops is a struct pk_blob_ops, <packice/blob.h> */
#define PK_KIND_LEASE 2U     /* ops is a struct pk_lease_ops, <packice/lease.h> */
#define PK_KIND_TRANSPORT 3U /* ops is a struct pk_transport_ops, <packice/transport.h> */

/* ---- options ---- */

/* How an option is written, and what its value then holds. */
#define PK_OPTION_STRING 1U   /* text */
#define PK_OPTION_PATH 2U     /* text: absolute, or made so against the config file's folder */
#define PK_OPTION_INT 3U      /* number: 0..INT64_MAX */
#define PK_OPTION_SIZE 4U     /* number: bytes; "4096", "64KiB", "1.5GiB", "10MB" */
#define PK_OPTION_DURATION 5U /* number: nanoseconds; "250ms", "60s", "5m", "1h", "2d" */
#define PK_OPTION_BOOL 6U     /* number: 0 or 1; "yes", "no", "true", "false", "on", "off" */
#define PK_OPTION_CHOICE 7U   /* number: index into values; text: the word */
#define PK_OPTION_LIST 8U     /* items: split at commas, spaces around each cut off */
#define PK_OPTION_CHILD \
    9U /* child: another plugin of the same kind, named by text; its options \
          follow as `NAME.option` */

#define PK_OPTION_REQUIRED 1U

/* One row of a plugin's static table. Strings live as long as the plugin. */
struct pk_option {
    uint32_t type;      /* PK_OPTION_* */
    uint32_t flags;     /* PK_OPTION_REQUIRED */
    const char *name;   /* [a-z][a-z0-9_]*, at most 31 bytes */
    const char *value;  /* the default, as it would be written; NULL = none */
    const char *values; /* CHOICE: the words, with '|' between; else NULL */
    const char *help;   /* one line, for --dump-plugin and the man page */
};

/* One option's value in an instance. The host has checked it against its type. */
struct pk_value {
    const char *name;            /* that of the option */
    const char *text;            /* as written, or the default; NULL if neither is there */
    const char *const *items;    /* LIST: item_count strings */
    const struct pk_conf *child; /* CHILD: to be handed to host->child; else NULL */
    uint64_t number;
    uint32_t item_count;
    uint32_t is_set; /* 1: written in the config; 0: the default, or nothing */
};

/* An instance's options: one value for each row of the plugin's table, in its order. Belongs to
 * the host and lives as long as the instance; a plugin may keep pointers into it. */
struct pk_conf {
    uint32_t struct_size;
    uint32_t value_count;
    uint32_t value_stride; /* bytes from one value to the next */
    uint32_t reserved;
    const struct pk_value *values;
};

/* The value of row `index` of the plugin's own table. Never NULL for a row of that table. */
static inline const struct pk_value *
pk_conf_at(const struct pk_conf *conf, uint32_t index)
{
    if (index >= conf->value_count)
        return NULL;
    return (const struct pk_value *)(const void *)((const char *)conf->values
                                                   + (uint64_t)index * conf->value_stride);
}

/* ---- the host ---- */

#define PK_LOG_ERROR 0U
#define PK_LOG_WARN 1U
#define PK_LOG_INFO 2U
#define PK_LOG_DEBUG 3U

struct pk_session; /* one caller, as its transport sees it; the host's */

/* Receives a reply; see struct pk_reply for what belongs to whom. Called exactly once for each
 * call, with no lock of the host held: before `call` returns, or later on any thread. It must not
 * block for long: post to a loop. It may itself use the host. */
typedef void pk_done_fn(void *arg, const struct pk_reply *reply);

/* A factory another factory is made of. Borrowed until the parent's close returned. */
struct pk_child {
    uint32_t struct_size;
    uint32_t kind;   /* PK_KIND_* */
    const void *ops; /* the child's table, as large as this host's own, absent slots NULL */
    void *instance;  /* first argument of each slot */
};

/*
 * Host services. `ctx` is `host->ctx` and stands for the instance that was opened with this table.
 * Valid from `open` until `close` returns. Every slot may be called from any thread, unless it says
 * otherwise; none of them blocks, unless it says so. Slots that are not for a plugin's kind are
 * NULL. A plugin built against a newer minor compares struct_size before it uses a newer slot.
 */
struct pk_host {
    uint32_t struct_size;
    uint32_t reserved;
    void *ctx;

    /* -- to every plugin -- */

    /* Writes one line to the node's log. message: no newline needed, no secrets in it. */
    void (*log)(void *ctx, uint32_t level, const char *message);
    /* CLOCK_MONOTONIC in nanoseconds, or virtual time in a test. */
    uint64_t (*now)(void *ctx);
    /* Fills buf with size bytes of the kernel's randomness: buffered, and safe over fork. 0, or
     * -EIO if the kernel gives none. */
    int32_t (*random)(void *ctx, void *buf, uint64_t size);

    /* -- to factories -- */

    /* Runs work(arg) on a worker of this instance. 0, -EBUSY when the instance's queue is full
     * (nothing will run). Work still queued when the instance closes is run before that. */
    int32_t (*submit)(void *ctx, void (*work)(void *arg), void *arg);
    /* Runs work(arg) on a worker of this instance once `now` reaches `when`. *ret_timer names it.
     * 0, or -ENOMEM. */
    int32_t (*timer)(void *ctx, uint64_t when, void (*work)(void *arg), void *arg,
                     uint64_t *ret_timer);
    /* Takes a timer back: 0 if it will not run, -ENOENT if it ran, runs now, or never was. */
    int32_t (*timer_cancel)(void *ctx, uint64_t timer);
    /* Lease factories: this lease ended for a reason that no slot of the host's caused (another
     * node revoked it, the shared store lost it). Borrowed for the call. Slots of the factory may
     * be called before it returns: hold no lock that they need. */
    void (*lease_ended)(void *ctx, const struct pk_lease *lease);
    /* Shared blob factories: what is published under this id may have changed elsewhere. Borrowed
     * for the call; and no lock, as in lease_ended. */
    void (*changed)(void *ctx, const char *object_id);
    /* Opens the plugin named by a CHILD option. From `open` alone; may block. 0; or what loading
     * or opening it failed with. The host closes it after the parent's close. */
    int32_t (*child)(void *ctx, const struct pk_conf *conf, struct pk_child *ret_child,
                     struct pk_error *err);

    /* -- to transports -- */

    /* Opens a session. 0, -ENOMEM, or -EBUSY: too many, or the node is stopping. The session is
     * the transport's until session_close. */
    int32_t (*session_open)(void *ctx, const struct pk_principal *principal,
                            struct pk_session **ret_session, struct pk_error *err);
    /* Ends a session: cancels what it still waits for, ends the leases bound to it, rolls back
     * what finishes later. Calls under way still complete, some of them after this returned. Not
     * from within a completion of `call` that was made on this very stack. */
    void (*session_close)(void *ctx, struct pk_session *session);
    /* Asks the peer. Everything in request is copied before this returns, but `data`. *ret_call
     * (may be NULL) is set before anything else happens and names the call to `cancel`; 0, which
     * is no call's name, for a request that makes no sense. */
    void (*call)(void *ctx, struct pk_session *session, const struct pk_request *request,
                 pk_done_fn *done, void *arg, uint64_t *ret_call);
    /* Asks for an early end: a call that still waits or queues completes with -ECANCELED. One that
     * is past that, or already completed, is left alone. */
    void (*cancel)(void *ctx, struct pk_session *session, uint64_t call);
    /* Emits the figures of the node, each once, before it returns. */
    void (*stats)(void *ctx, void (*emit)(void *arg, const struct pk_stat *stat), void *arg);

    /* -- to factories, once more -- */

    /* 1 once the node is stopping: what takes long, like recover, is then to end early, with
     * -ECANCELED. 0 before. Asked from time to time by whoever works; it costs next to nothing. */
    uint32_t (*stopping)(void *ctx);
};

/* Formats one log line. */
__attribute__((format(printf, 3, 4))) static inline void
pk_host_log(const struct pk_host *host, uint32_t level, const char *format, ...)
{
    char line[512];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    if (size >= 0)
        host->log(host->ctx, level, line);
}

/* ---- the plugin ---- */

struct pk_plugin {
    uint32_t struct_size;
    uint16_t abi_major; /* PK_ABI_MAJOR it was built with: must match the host's */
    uint16_t abi_minor; /* PK_ABI_MINOR it was built with */
    uint32_t kind;      /* PK_KIND_* */
    uint32_t option_count;
    uint32_t option_stride; /* bytes from one option to the next: sizeof(struct pk_option) */
    uint32_t reserved;
    const char *name;    /* [a-z][a-z0-9_]*, that of its file without ".so" */
    const char *version; /* the plugin's own; shown to people */
    const char *summary; /* one line; shown to people */
    const struct pk_option *options;
    const void *ops; /* the table for kind; begins with its struct_size */
};

#if defined(__GNUC__)
#define PK_PLUGIN_EXPORT __attribute__((visibility("default")))
#else
#define PK_PLUGIN_EXPORT
#endif

/* The one exported symbol. Called once, when the file was loaded, on the thread that loads it; does
 * nothing but return the static table. A loaded plugin is never unloaded. */
typedef const struct pk_plugin *pk_plugin_entry_fn(void);
PK_PLUGIN_EXPORT const struct pk_plugin *pk_plugin_entry(void);

#ifdef __cplusplus
}
#endif
#endif
