/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes the checked values of an option table out of settings, and owns their memory. Each refusal
 * says where the setting stands. It loads the plugin that a CHILD option names, but opens nothing.
 */
#include "core/option.h"

#include "core/path.h"
#include "core/plugin.h"
#include "core/value.h"

#include <errno.h>
#include <packice/cleanup.h>
#include <stdio.h>
#include <string.h>

#define DEPTH_MAX 8U  /* children of children: more is a plugin that has itself as its default */
#define KEY_SIZE 256U /* a key with all its prefixes, with the NUL */

/* Memory that goes with its conf. */
struct conf_block {
    struct conf_block *next;
    max_align_t data[];
};

struct conf {
    struct pk_conf base; /* first: this is what everybody else sees */
    const struct pk_plugin_module *module;
    struct conf_block *blocks;
    struct pk_value values[]; /* base.value_count */
};

/* One table being filled. A child's has a longer prefix and the same settings. */
struct build {
    const struct pk_option_table *table;
    uint32_t kind;
    uint32_t depth;
    uint32_t line; /* where missing keys are reported */
    const struct pk_plugin_path *path;
    const struct pk_setting_source *source;
    const struct pk_setting *settings;
    size_t setting_count;
    char prefix[KEY_SIZE];           /* "" or "upper." */
    const struct pk_setting **given; /* by option: the setting that names it, or NULL */
    struct conf *conf;
};

static int32_t conf_build(struct build *build, const struct pk_plugin_module *module,
                          struct pk_conf **ret_conf, struct pk_error *err);

/* ---- messages ---- */

/* "FILE:LINE: [SECTION] KEY: ", as far as each is known. */
static void
place_format(const struct build *build, uint32_t line, const char *key, char *buf, size_t size)
{
    const struct pk_setting_source *source = build->source;
    char number[16] = "";
    if (line != 0)
        (void)snprintf(number, sizeof(number), ":%u", line);
    char quote[KEY_SIZE];
    (void)snprintf(buf, size, "%s%s%s%s%s%s%s: ", source->file == NULL ? "" : source->file,
                   source->file == NULL ? "" : number, source->file == NULL ? "" : ": ",
                   source->section == NULL ? "" : "[",
                   source->section == NULL ? "" : source->section,
                   source->section == NULL ? "" : "] ", pk_value_quote(key, quote, sizeof(quote)));
}

/* key: as it is written, with its prefix. */
__attribute__((format(printf, 6, 7))) static int32_t
refuse(const struct build *build, uint32_t line, const char *key, int32_t code,
       struct pk_error *err, const char *format, ...)
{
    char place[sizeof(err->message)];
    place_format(build, line, key, place, sizeof(place));
    char text[sizeof(err->message)];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return pk_fail(err, code, "%s%s", place, size < 0 ? "" : text);
}

static const char *
key_full(const struct build *build, const char *name, char buf[KEY_SIZE])
{
    if (snprintf(buf, KEY_SIZE, "%s%s", build->prefix, name) < 0)
        buf[0] = '\0';
    return buf;
}

static int32_t
refuse_unknown(const struct build *build, const struct pk_setting *setting, struct pk_error *err)
{
    const char *word = setting->key + strlen(build->prefix);
    pk_autofree const char **names = calloc(build->table->count + 1U, sizeof(*names));
    if (names == NULL)
        return pk_fail(err, -ENOMEM, "no memory for options");
    for (uint32_t i = 0; i < build->table->count; i++)
        names[i] = pk_option_at(build->table, i)->name;
    const char *near = pk_option_suggest(word, names, build->table->count);
    if (near == NULL)
        return refuse(build, setting->line, setting->key, -EINVAL, err, "unknown key");
    return refuse(build, setting->line, setting->key, -EINVAL, err,
                  "unknown key; did you mean '%s%s'?", build->prefix, near);
}

/* ---- memory ---- */

static void *
conf_alloc(struct conf *conf, size_t size)
{
    struct conf_block *block = calloc(1, sizeof(*block) + size);
    if (block == NULL)
        return NULL;
    block->next = conf->blocks;
    conf->blocks = block;
    return block->data;
}

static char *
conf_copy(struct conf *conf, const char *text, size_t size)
{
    char *copy = conf_alloc(conf, size + 1);
    if (copy != NULL)
        memcpy(copy, text, size);
    return copy;
}

void
pk_conf_free(struct pk_conf *base)
{
    if (base == NULL)
        return;
    struct conf *conf = (struct conf *)(void *)base;
    for (uint32_t i = 0; i < conf->base.value_count; i++)
        pk_conf_free((struct pk_conf *)conf->values[i].child); /* made here, so ours */
    while (conf->blocks != NULL) {
        struct conf_block *next = conf->blocks->next;
        free(conf->blocks);
        conf->blocks = next;
    }
    free(conf);
}

const struct pk_plugin_module *
pk_conf_module(const struct pk_conf *conf)
{
    return ((const struct conf *)(const void *)conf)->module;
}

/* ---- values ---- */

/* LIST: the items, in one block behind their array. */
static int32_t
items_fill(struct conf *conf, struct pk_value *value)
{
    const char *const text = value->text;
    const char *cursor = *text == '\0' ? NULL : text;
    const char *part = NULL;
    size_t size = 0;
    size_t count = 0;
    while (pk_value_part(&cursor, ',', &part, &size))
        count++;
    if (count == 0)
        return 0;
    const char **items = conf_alloc(conf, count * sizeof(*items));
    if (items == NULL)
        return -ENOMEM;
    cursor = text;
    for (size_t i = 0; pk_value_part(&cursor, ',', &part, &size); i++) {
        items[i] = conf_copy(conf, part, size);
        if (items[i] == NULL)
            return -ENOMEM;
    }
    value->items = items;
    value->item_count = (uint32_t)count;
    return 0;
}

/* PATH: absolute, against the source's folder. */
static int32_t
path_fill(const struct build *build, struct pk_value *value, const char *text)
{
    const char *folder = build->source->folder == NULL ? "." : build->source->folder;
    pk_autofree char *working = NULL;
    pk_autofree char *base = NULL;
    if (text[0] != '/' && folder[0] != '/') {
        working = getcwd(NULL, 0);
        if (working == NULL)
            return -errno;
        base = pk_path_join(working, folder);
        if (base == NULL)
            return -ENOMEM;
        folder = base;
    }
    pk_autofree char *whole = pk_path_join(folder, text);
    if (whole == NULL)
        return -ENOMEM;
    value->text = conf_copy(build->conf, whole, strlen(whole));
    return value->text == NULL ? -ENOMEM : 0;
}

static int32_t
text_fill(const struct build *build, const struct pk_option *option, struct pk_value *value,
          const char *text)
{
    if (option->type == PK_OPTION_PATH)
        return path_fill(build, value, text);
    value->text = conf_copy(build->conf, text, strlen(text));
    if (value->text == NULL)
        return -ENOMEM;
    return option->type == PK_OPTION_LIST ? items_fill(build->conf, value) : 0;
}

/* The line to blame for an option's value: its own, or where it is missing. */
static uint32_t
line_of(const struct build *build, uint32_t index)
{
    return build->given[index] == NULL ? build->line : build->given[index]->line;
}

static int32_t
value_fill(const struct build *build, uint32_t index, struct pk_error *err)
{
    const struct pk_option *option = pk_option_at(build->table, index);
    struct pk_value *value = &build->conf->values[index];
    const struct pk_setting *setting = build->given[index];
    char key[KEY_SIZE];
    key_full(build, option->name, key);

    value->name = option->name;
    value->is_set = setting != NULL;
    const char *text = setting != NULL ? setting->value : option->value;
    if (setting == NULL && (option->flags & PK_OPTION_REQUIRED) != 0)
        return refuse(build, build->line, key, -EINVAL, err, "must be set, and is not: %s",
                      option->help);
    if (text == NULL)
        return 0;
    struct pk_error why = PK_ERROR_INIT;
    int32_t failed = pk_value_parse(option, text, &value->number, &why);
    if (failed != 0)
        return refuse(build, line_of(build, index), key, failed, err, "%s", why.message);
    failed = text_fill(build, option, value, text);
    if (failed != 0)
        return refuse(build, line_of(build, index), key, failed, err, "%s", strerror(-failed));
    return 0;
}

/* ---- children ---- */

/* Whether a key belongs to the child that option `name` names: PREFIX NAME '.' ... */
static bool
key_is_of_child(const struct build *build, const char *key, const char *name)
{
    size_t skip = strlen(build->prefix);
    size_t size = strlen(name);
    return strncmp(key, build->prefix, skip) == 0 && strncmp(key + skip, name, size) == 0
           && key[skip + size] == '.';
}

/* A child that is not there can have no options. */
static int32_t
child_check_absent(const struct build *build, const char *name, struct pk_error *err)
{
    for (size_t i = 0; i < build->setting_count; i++) {
        const struct pk_setting *setting = &build->settings[i];
        if (key_is_of_child(build, setting->key, name))
            return refuse(build, setting->line, setting->key, -EINVAL, err,
                          "belongs to the plugin that '%s%s' names, but that is not set",
                          build->prefix, name);
    }
    return 0;
}

static int32_t
child_fill(const struct build *build, uint32_t index, struct pk_error *err)
{
    const struct pk_option *option = pk_option_at(build->table, index);
    struct pk_value *value = &build->conf->values[index];
    if (option->type != PK_OPTION_CHILD)
        return 0;
    if (value->text == NULL)
        return child_check_absent(build, option->name, err);

    char key[KEY_SIZE];
    key_full(build, option->name, key);
    struct build child = *build;
    child.line = line_of(build, index);
    child.depth = build->depth + 1;
    int size = snprintf(child.prefix, sizeof(child.prefix), "%s.", key);
    if (child.depth > DEPTH_MAX || size < 0 || (size_t)size >= sizeof(child.prefix))
        return refuse(build, child.line, key, -EINVAL, err, "plugins within plugins too deep");

    const struct pk_plugin_module *module = NULL;
    struct pk_error why = PK_ERROR_INIT;
    int32_t failed = pk_plugin_load(build->path, value->text, build->kind, &module, &why);
    if (failed != 0)
        return refuse(build, child.line, key, failed, err, "%s", why.message);
    child.table = &module->options;
    struct pk_conf *conf = NULL;
    failed = conf_build(&child, module, &conf, err);
    if (failed == 0)
        value->child = conf;
    return failed;
}

/* ---- the whole ---- */

/* Finds the row for each setting that has the prefix. */
static int32_t
settings_match(const struct build *build, struct pk_error *err)
{
    size_t skip = strlen(build->prefix);
    for (size_t i = 0; i < build->setting_count; i++) {
        const struct pk_setting *setting = &build->settings[i];
        if (strncmp(setting->key, build->prefix, skip) != 0)
            continue;
        bool known = false;
        for (uint32_t j = 0; j < build->table->count && !known; j++) {
            const struct pk_option *option = pk_option_at(build->table, j);
            known = option->type == PK_OPTION_CHILD
                    && key_is_of_child(build, setting->key, option->name);
            if (known || strcmp(setting->key + skip, option->name) != 0)
                continue;
            known = true;
            if (build->given[j] != NULL)
                return refuse(build, setting->line, setting->key, -EINVAL, err,
                              "is given twice, first in line %u", build->given[j]->line);
            build->given[j] = setting;
        }
        if (!known)
            return refuse_unknown(build, setting, err);
    }
    return 0;
}

static int32_t
conf_fill(const struct build *build, struct pk_error *err)
{
    int32_t failed = settings_match(build, err);
    for (uint32_t i = 0; failed == 0 && i < build->table->count; i++)
        failed = value_fill(build, i, err);
    for (uint32_t i = 0; failed == 0 && i < build->table->count; i++)
        failed = child_fill(build, i, err);
    return failed;
}

static int32_t
conf_build(struct build *build, const struct pk_plugin_module *module, struct pk_conf **ret_conf,
           struct pk_error *err)
{
    uint32_t count = build->table->count;
    const struct pk_setting **given = calloc(count + 1U, sizeof(struct pk_setting *));
    struct conf *conf = calloc(1, sizeof(*conf) + count * sizeof(conf->values[0]));
    if (given == NULL || conf == NULL) {
        free((void *)given);
        free(conf);
        return pk_fail(err, -ENOMEM, "no memory for options");
    }
    conf->module = module;
    conf->base.struct_size = (uint32_t)sizeof(conf->base);
    conf->base.value_count = count;
    conf->base.value_stride = (uint32_t)sizeof(conf->values[0]);
    conf->base.values = conf->values;
    build->given = given;
    build->conf = conf;
    int32_t failed = conf_fill(build, err);
    free((void *)given);
    build->given = NULL;
    if (failed != 0)
        pk_conf_free(&conf->base);
    else
        *ret_conf = &conf->base;
    return failed;
}

int32_t
pk_conf_new(const struct pk_option_table *table, uint32_t kind, const struct pk_plugin_path *path,
            const struct pk_setting_source *source, const struct pk_setting *settings,
            size_t setting_count, struct pk_conf **ret_conf, struct pk_error *err)
{
    static const struct pk_setting_source nowhere;
    struct build build = {
        .table = table,
        .kind = kind,
        .path = path,
        .source = source == NULL ? &nowhere : source,
        .line = source == NULL ? 0 : source->line,
        .settings = settings,
        .setting_count = setting_count,
    };
    return conf_build(&build, NULL, ret_conf, err);
}
