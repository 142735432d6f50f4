/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Turns sections into checked options. Values are judged by core's option tables; this knows which
 * sections there are, which plugin each is for, and what stands in for those that are missing.
 */
#include "node/config.h"

#include "core/path.h"
#include "core/peer.h"
#include <assert.h>
#include <libgen.h>
#include <packice/cleanup.h>
#include <string.h>

#define TRANSPORT_PREFIX "transport."

static const struct pk_option node_options[] = {
    [PK_NODE_LOG_LEVEL] = { PK_OPTION_CHOICE, 0, "log_level", "info", "error|warn|info|debug",
                            "how much goes to the log" },
    [PK_NODE_PLUGIN_DIR] = { PK_OPTION_LIST, 0, "plugin_dir", NULL, NULL,
                             "folders to look for plugins in, before the usual ones" },
    [PK_NODE_STOP_TIMEOUT] = { PK_OPTION_DURATION, 0, "stop_timeout", "5s", NULL,
                               "how long requests under way may take to complete at the stop" },
    [PK_NODE_WORKERS] = { PK_OPTION_INT, 0, "workers", "4", NULL,
                          "threads for blocking work of each backend, 1 to 256" },
};

const struct pk_option_table pk_node_option_table = {
    .options = node_options,
    .count = sizeof(node_options) / sizeof(node_options[0]),
    .stride = sizeof(struct pk_option),
};

int32_t
pk_config_locate(const struct pk_config *config, const char *section, uint32_t line,
                 const char *key, struct pk_error *err)
{
    char message[sizeof(err->message)];
    char place[sizeof(err->message)] = "";
    memcpy(message, err->message, sizeof(message));
    if (config->file != NULL && line > 0)
        (void)snprintf(place, sizeof(place), "%s:%u: ", config->file, line);
    else if (config->file != NULL)
        (void)snprintf(place, sizeof(place), "%s: ", config->file);
    return pk_fail(err, err->code, "%s[%s]%s%s: %s", place, section, key == NULL ? "" : " ",
                   key == NULL ? "" : key, message);
}

/* ---- which sections there are ---- */

static bool
is_transport(const char *section)
{
    static const char prefix[] = TRANSPORT_PREFIX;
    return strncmp(section, prefix, strlen(prefix)) == 0 && section[strlen(prefix)] != '\0';
}

/* Says what an unknown section may have been meant to be. "transprot.web" is near
 * "transport.web". */
static int32_t
refuse_section(const struct pk_config *config, const struct pk_ini_section *section,
               struct pk_error *err)
{
    static const char *const names[] = { "node", "peer", "blob", "lease", "transport" };
    char word[PK_INI_SECTION_MAX + 1] = "";
    (void)snprintf(word, sizeof(word), "%.*s", (int)strcspn(section->name, "."), section->name);
    const char *rest = strchr(section->name, '.');
    const char *meant = pk_option_suggest(word, names, sizeof(names) / sizeof(names[0]));
    if (meant == NULL)
        (void)pk_fail(err, -EINVAL,
                      "unknown section; there are [node], [peer], [blob], [lease] and "
                      "[transport.NAME]");
    else if (strcmp(meant, "transport") == 0)
        (void)pk_fail(err, -EINVAL, "unknown section; did you mean [transport.%s]?",
                      rest == NULL || rest[1] == '\0' ? "NAME" : rest + 1);
    else
        (void)pk_fail(err, -EINVAL, "unknown section; did you mean [%s]?", meant);
    return pk_config_locate(config, section->name, section->line, NULL, err);
}

static int32_t
check_sections(const struct pk_config *config, struct pk_error *err)
{
    static const char *const names[] = { "node", "peer", "blob", "lease" };
    for (size_t i = 0; i < config->ini.section_count; i++) {
        const struct pk_ini_section *section = &config->ini.sections[i];
        bool known = is_transport(section->name);
        for (size_t j = 0; j < sizeof(names) / sizeof(names[0]) && !known; j++)
            known = strcmp(section->name, names[j]) == 0;
        if (!known)
            return refuse_section(config, section, err);
    }
    return 0;
}

/* ---- values ---- */

/* Checks the keys of one section, `plugin` excepted, against a table. section may be NULL: then
 * all defaults. */
static int32_t
conf_new(const struct pk_config *config, const char *name, const struct pk_ini_section *section,
         const struct pk_option_table *table, uint32_t kind, struct pk_conf **ret_conf,
         struct pk_error *err)
{
    size_t max = section == NULL ? 0 : section->entry_count;
    pk_autofree struct pk_setting *settings = calloc(max + 1, sizeof(*settings));
    if (settings == NULL)
        return pk_fail(err, -ENOMEM, "out of memory");
    size_t count = 0;
    for (size_t i = 0; i < max; i++) {
        const struct pk_ini_entry *entry = &section->entries[i];
        if (kind == 0 || strcmp(entry->key, "plugin") != 0)
            settings[count++] = (struct pk_setting){ entry->key, entry->value, entry->line };
    }
    struct pk_setting_source source = { .file = config->file,
                                        .section = name,
                                        .line = section == NULL ? 0 : section->line,
                                        .folder = config->folder };
    return pk_conf_new(table, kind, &config->folders.path, &source, settings, count, ret_conf, err);
}

/* Loads the plugin that a section names, by default `fallback`, and checks the rest against its
 * table. */
static int32_t
section_load(const struct pk_config *config, const char *name, uint32_t kind, const char *fallback,
             struct pk_config_section *ret_section, struct pk_error *err)
{
    const struct pk_ini_section *section = pk_ini_find(&config->ini, name);
    const struct pk_ini_entry *entry = pk_ini_find_entry(section, "plugin");
    uint32_t line = section == NULL ? 0 : section->line;
    const char *plugin = entry == NULL ? fallback : entry->value;
    if (plugin == NULL || plugin[0] == '\0') {
        (void)pk_fail(err, -EINVAL, "missing: it names the plugin");
        return pk_config_locate(config, name, line, "plugin", err);
    }
    pk_autofree char *file =
        strchr(plugin, '/') == NULL ? strdup(plugin) : pk_path_join(config->folder, plugin);
    if (file == NULL)
        return pk_fail(err, -ENOMEM, "out of memory");
    const struct pk_plugin_module *module = NULL;
    if (pk_plugin_load(&config->folders.path, file, kind, &module, err) != 0)
        return pk_config_locate(config, name, entry == NULL ? line : entry->line, "plugin", err);
    struct pk_conf *conf = NULL;
    int32_t failed = conf_new(config, name, section, &module->options, kind, &conf, err);
    if (failed == 0)
        *ret_section = (struct pk_config_section){ name, pk_steal(file), module, conf, line };
    return failed;
}

static int32_t
transports_load(struct pk_config *config, struct pk_error *err)
{
    config->transports = calloc(config->ini.section_count + 1, sizeof(*config->transports));
    if (config->transports == NULL)
        return pk_fail(err, -ENOMEM, "out of memory");
    for (size_t i = 0; i < config->ini.section_count; i++) {
        const char *name = config->ini.sections[i].name;
        if (!is_transport(name))
            continue;
        int32_t failed = section_load(config, name, PK_KIND_TRANSPORT, NULL,
                                      &config->transports[config->transport_count], err);
        if (failed != 0)
            return failed;
        config->transport_count++;
    }
    if (config->transport_count > 0)
        return 0;
    return pk_fail(err, -EINVAL, "%s%sno [transport.NAME]: nobody could reach the node",
                   config->file == NULL ? "" : config->file, config->file == NULL ? "" : ": ");
}

/* A bound of nothing would make a node that turns everybody away. */
static int32_t
check_bounds(const struct pk_config *config, const struct pk_ini_section *section,
             struct pk_error *err)
{
    for (uint32_t i = 0; i < pk_peer_option_table.count; i++) {
        const struct pk_option *option = pk_option_at(&pk_peer_option_table, i);
        const struct pk_value *value = pk_conf_at(config->peer, i);
        if (option->type == PK_OPTION_BOOL || option->type == PK_OPTION_CHOICE
            || value->text == NULL || value->number != 0)
            continue;
        (void)pk_fail(err, -EINVAL, "must be more than 0");
        return pk_config_locate(config, "peer", pk_ini_find_entry(section, option->name)->line,
                                option->name, err);
    }
    return 0;
}

static int32_t
check_peer(const struct pk_config *config, const struct pk_ini_section *section,
           struct pk_error *err)
{
    struct pk_peer_options options;
    int32_t failed = check_bounds(config, section, err);
    if (failed != 0)
        return failed;
    pk_peer_options_from(config->peer, &options);
    if (pk_peer_options_check(&options, err) == 0)
        return 0;
    return pk_config_locate(config, "peer", pk_ini_find_entry(section, "evict")->line, "evict",
                            err);
}

int32_t
pk_config_load(struct pk_config *config, struct pk_error *err)
{
    const struct pk_ini_section *peer = pk_ini_find(&config->ini, "peer");
    int32_t failed = conf_new(config, "peer", peer, &pk_peer_option_table, 0, &config->peer, err);
    if (failed == 0)
        failed = check_peer(config, peer, err);
    if (failed == 0)
        failed = section_load(config, "blob", PK_KIND_BLOB, "blob_memfd", &config->blob, err);
    if (failed == 0)
        failed = section_load(config, "lease", PK_KIND_LEASE, "lease_mem", &config->lease, err);
    return failed == 0 ? transports_load(config, err) : failed;
}

/* ---- the config itself ---- */

/* [node] comes first: it says where plugins are. */
static int32_t
node_load(struct pk_config *config, struct pk_error *err)
{
    const struct pk_ini_section *section = pk_ini_find(&config->ini, "node");
    int32_t failed =
        conf_new(config, "node", section, &pk_node_option_table, 0, &config->node, err);
    if (failed != 0)
        return failed;
    assert(config->node != NULL);
    uint64_t workers = pk_conf_at(config->node, PK_NODE_WORKERS)->number;
    if (workers < 1 || workers > 256) {
        (void)pk_fail(err, -EINVAL, "must be 1 to 256");
        return pk_config_locate(config, "node", pk_ini_find_entry(section, "workers")->line,
                                "workers", err);
    }
    return pk_folders_init(&config->folders, pk_conf_at(config->node, PK_NODE_PLUGIN_DIR),
                           config->folder, err);
}

static int32_t
set_file(struct pk_config *config, const char *file, struct pk_error *err)
{
    if (file == NULL)
        return 0;
    pk_autofree char *name = strdup(file);
    config->file = strdup(file);
    if (name == NULL || config->file == NULL)
        return pk_fail(err, -ENOMEM, "out of memory");
    config->folder = realpath(dirname(name), NULL);
    return config->folder == NULL ? pk_fail(err, -errno, "%s: its folder: %m", file) : 0;
}

int32_t
pk_config_new(struct pk_ini *ini, const char *file, struct pk_config **ret_config,
              struct pk_error *err)
{
    struct pk_config *config = calloc(1, sizeof(*config));
    if (config == NULL) {
        pk_ini_finish(ini);
        return pk_fail(err, -ENOMEM, "out of memory");
    }
    config->ini = *ini;
    *ini = (struct pk_ini){ 0 };
    int32_t failed = set_file(config, file, err);
    if (failed == 0)
        failed = check_sections(config, err);
    if (failed == 0)
        failed = node_load(config, err);
    if (failed != 0) {
        pk_config_free(config);
        return failed;
    }
    *ret_config = config;
    return 0;
}

static void
section_finish(struct pk_config_section *section)
{
    pk_conf_free(section->conf);
    free(section->plugin);
}

void
pk_config_free(struct pk_config *config)
{
    if (config == NULL)
        return;
    for (size_t i = 0; i < config->transport_count; i++)
        section_finish(&config->transports[i]);
    free(config->transports);
    section_finish(&config->blob);
    section_finish(&config->lease);
    pk_conf_free(config->peer);
    pk_conf_free(config->node);
    pk_folders_finish(&config->folders);
    pk_ini_finish(&config->ini);
    free(config->folder);
    free(config->file);
    free(config);
}

const struct pk_config_section *
pk_config_transport(const struct pk_config *config, const char *name)
{
    for (size_t i = 0; i < config->transport_count; i++)
        if (strcmp(config->transports[i].name, name) == 0)
            return &config->transports[i];
    return NULL;
}
