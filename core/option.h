/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options: turns what somebody wrote (an INI section, flags, a string of key=value) into the
 * checked values of an option table. It never opens what an option names.
 */
#ifndef PK_OPTION_H
#define PK_OPTION_H

#include <packice/plugin.h>
#include <stddef.h>

struct pk_plugin_path;

/* One `key = value` as somebody wrote it. Borrowed throughout. */
struct pk_setting {
    const char *key;
    const char *value;
    uint32_t line; /* in the file; 0 = not from a file */
};

/* Where settings come from, for messages and relative paths. Borrowed throughout. */
struct pk_setting_source {
    const char *file;    /* as the user named it; NULL = not from a file */
    const char *section; /* "blob", "transport.local" */
    uint32_t line;       /* of the section's head: where a missing key is reported */
    const char *folder;  /* where PATH options begin (pk_path_join); NULL = the working folder */
};

struct pk_option_table {
    const struct pk_option *options;
    uint32_t count;
    uint32_t stride; /* bytes; sizeof(struct pk_option) for tables of our own */
};

static inline const struct pk_option *
pk_option_at(const struct pk_option_table *table, uint32_t index)
{
    return (const struct pk_option *)(const void *)((const char *)table->options
                                                    + (size_t)index * table->stride);
}

/* Checks settings against the table and makes the values; free with pk_conf_free. Errors read
 * "FILE:LINE: [SECTION] KEY: what is wrong; did you mean ...?" (the first two where known):
 * -EINVAL: a key that is unknown, given twice or missing, a value that doesn't fit its type. A
 * CHILD option loads the plugin it names through path, to check its options: then also what that
 * failed with. Any thread; CHILD may block. */
int32_t pk_conf_new(const struct pk_option_table *table, uint32_t kind,
                    const struct pk_plugin_path *path, const struct pk_setting_source *source,
                    const struct pk_setting *settings, size_t setting_count,
                    struct pk_conf **ret_conf, struct pk_error *err);

/* NULL is fine. */
void pk_conf_free(struct pk_conf *conf);

/* The plugin that a CHILD value's conf belongs to; NULL for any other conf. */
const struct pk_plugin_module *pk_conf_module(const struct pk_conf *conf);

/* Parse one value of the types named: 0, or -EINVAL with a message that names what is allowed.
 * Sizes take an integer or decimal fraction and B, KB, MB, GB, TB (powers of 1000) or KiB, MiB,
 * GiB, TiB, K, M, G, T (powers of 1024), in any case; durations take ns, us, ms, s, m, h, d. No
 * sign, no overflow, at most INT64_MAX. */
int32_t pk_option_parse_size(const char *text, uint64_t *ret_bytes, struct pk_error *err);
int32_t pk_option_parse_duration(const char *text, uint64_t *ret_nanoseconds, struct pk_error *err);

/* The name in `names` nearest to `word` (edit distance), or NULL if none is near enough to be what
 * was meant. */
const char *pk_option_suggest(const char *word, const char *const *names, size_t count);

#endif
