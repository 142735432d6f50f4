/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prints configs and plugins. It never opens a plugin, and checks nothing that the config or the
 * loader has checked.
 */
#include "node/report.h"

#include "core/path.h"
#include "core/peer.h"
#include <dirent.h>
#include <errno.h>
#include <packice/cleanup.h>
#include <stdbool.h>
#include <string.h>

static int32_t
flush(struct pk_error *err)
{
    if (fflush(stdout) != 0 || ferror(stdout))
        return pk_fail(err, -EIO, "standard output: %m");
    return 0;
}

/* ---- the config ---- */

#define PREFIX_MAX 256 /* of the options of plugins within plugins */

/* The items of a list as one value; the caller's. NULL: no memory. */
static char *
items_join(const char *const *items, size_t count)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++)
        (void)fprintf(out, "%s%s", i == 0 ? "" : ", ", items[i]);
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}

static int32_t
print_entry(FILE *out, const char *section, const char *prefix, const char *name, const char *value,
            struct pk_error *err)
{
    char key[PREFIX_MAX + 64];
    (void)snprintf(key, sizeof(key), "%s%s", prefix, name);
    if (value == NULL) {
        (void)fprintf(out, "# %s =\n", key);
        return 0;
    }
    struct pk_error why = PK_ERROR_INIT;
    if (pk_ini_check_entry(key, value, &why) != 0)
        return pk_fail(err, -EINVAL, "[%s] can't be printed as a file: %s", section, why.message);
    (void)fprintf(out, "%s = %s\n", key, value);
    return 0;
}

/* Prints one value for each row of the table, and those of children behind theirs. */
static int32_t
print_values(FILE *out, const char *section, const char *prefix,
             const struct pk_option_table *table, const struct pk_conf *conf, struct pk_error *err)
{
    for (uint32_t i = 0; i < table->count; i++) {
        const struct pk_option *option = pk_option_at(table, i);
        const struct pk_value *value = pk_conf_at(conf, i);
        int32_t failed = print_entry(out, section, prefix, option->name, value->text, err);
        if (failed == 0 && value->child != NULL) {
            char deeper[PREFIX_MAX];
            (void)snprintf(deeper, sizeof(deeper), "%s%s.", prefix, option->name);
            failed = print_values(out, section, deeper, &pk_conf_module(value->child)->options,
                                  value->child, err);
        }
        if (failed != 0)
            return failed;
    }
    return 0;
}

/* [node] has one value that its text doesn't tell in full: folders are relative to the file. */
static int32_t
print_node(FILE *out, const struct pk_config *config, struct pk_error *err)
{
    (void)fprintf(out, "[node]\n");
    for (uint32_t i = 0; i < pk_node_option_table.count; i++) {
        const struct pk_value *value = pk_conf_at(config->node, i);
        pk_autofree char *folders = NULL;
        const char *text = value->text;
        if (i == PK_NODE_PLUGIN_DIR && text != NULL) {
            text = folders = items_join(config->folders.path.folders, value->item_count);
            if (folders == NULL)
                return pk_fail(err, -ENOMEM, "out of memory");
        }
        int32_t failed = print_entry(out, "node", "", value->name, text, err);
        if (failed != 0)
            return failed;
    }
    return 0;
}

static int32_t
print_section(FILE *out, const struct pk_config_section *section, struct pk_error *err)
{
    (void)fprintf(out, "\n[%s]\n", section->name);
    int32_t failed = print_entry(out, section->name, "", "plugin", section->plugin, err);
    return failed != 0 ? failed
                       : print_values(out, section->name, "", &section->module->options,
                                      section->conf, err);
}

static int32_t
print_sections(FILE *out, const struct pk_config *config, struct pk_error *err)
{
    int32_t failed = print_node(out, config, err);
    if (failed == 0) {
        (void)fprintf(out, "\n[peer]\n");
        failed = print_values(out, "peer", "", &pk_peer_option_table, config->peer, err);
    }
    if (failed == 0)
        failed = print_section(out, &config->blob, err);
    if (failed == 0)
        failed = print_section(out, &config->lease, err);
    for (size_t i = 0; i < config->transport_count && failed == 0; i++)
        failed = print_section(out, &config->transports[i], err);
    return failed;
}

/* Into memory first: nobody should take half a config for a whole one. */
int32_t
pk_report_config(const struct pk_config *config, struct pk_error *err)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL)
        return pk_fail(err, -ENOMEM, "out of memory");
    int32_t failed = print_sections(out, config, err);
    if (fclose(out) != 0 && failed == 0)
        failed = pk_fail(err, -ENOMEM, "out of memory");
    if (failed == 0) {
        (void)fwrite(text, 1, size, stdout);
        failed = flush(err);
    }
    free(text);
    return failed;
}

/* ---- all plugins ---- */

struct names {
    char **items;
    size_t count;
};

static void
names_finish(struct names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->items[i]);
    free(names->items);
}

static int
names_compare(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

/* Adds the first `size` bytes of name, unless it is known. */
static int32_t
names_add(struct names *names, const char *name, size_t size, struct pk_error *err)
{
    pk_autofree char *own = strndup(name, size);
    char **grown = reallocarray(names->items, names->count + 1, sizeof(*grown));
    if (grown != NULL)
        names->items = grown;
    if (own == NULL || grown == NULL)
        return pk_fail(err, -ENOMEM, "out of memory");
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(grown[i], own) == 0)
            return 0;
    }
    grown[names->count++] = pk_steal(own);
    return 0;
}

/* The size of the plugin's name that a directory entry stands for: NAME.so, or a folder NAME with
 * NAME.so in it. 0: for none. */
static size_t
plugin_name_size(const char *folder, const char *entry)
{
    size_t size = strlen(entry);
    if (strspn(entry, "abcdefghijklmnopqrstuvwxyz0123456789_") == size) {
        pk_autofree char *file = NULL;
        if (asprintf(&file, "%s/%s/%s.so", folder, entry, entry) < 0) {
            file = NULL;
            return 0;
        }
        return access(file, F_OK) == 0 ? size : 0;
    }
    bool is_file = size > 3 && strcmp(entry + size - 3, ".so") == 0;
    return is_file ? size - 3 : 0;
}

/* A folder that isn't there holds no plugins: that is the loader's view, too. */
static int32_t
names_add_folder(struct names *names, const char *folder, struct pk_error *err)
{
    DIR *entries = opendir(folder);
    if (entries == NULL)
        return errno == ENOENT ? 0 : pk_fail(err, -errno, "%s: %m", folder);
    int32_t failed = 0;
    const struct dirent *entry = NULL;
    while (failed == 0 && (entry = readdir(entries)) != NULL) {
        size_t size = plugin_name_size(folder, entry->d_name);
        if (size > 0)
            failed = names_add(names, entry->d_name, size, err);
    }
    (void)closedir(entries);
    return failed;
}

static void
print_plugins(const struct pk_folders *folders, const struct names *names, FILE *refused,
              size_t *ret_refused)
{
    for (size_t i = 0; i < names->count; i++) {
        const struct pk_plugin_module *module = NULL;
        struct pk_error err = PK_ERROR_INIT;
        if (pk_plugin_load(&folders->path, names->items[i], 0, &module, &err) == 0) {
            const struct pk_plugin *plugin = &module->plugin;
            (void)printf("%-16s %-10s %-8s %s\n", plugin->name, pk_plugin_kind_name(plugin->kind),
                         plugin->version, plugin->summary);
        } else {
            (void)fprintf(refused, "%s\n", err.message);
            *ret_refused += 1;
        }
    }
}

static int32_t
none_found(const struct pk_folders *folders, struct pk_error *err)
{
    char looked[sizeof(err->message)] = "";
    size_t used = 0;
    for (size_t i = 0; i < folders->path.folder_count && used < sizeof(looked); i++)
        used += (size_t)snprintf(looked + used, sizeof(looked) - used, "%s%s", i > 0 ? ", " : "",
                                 folders->path.folders[i]);
    return pk_fail(err, -ENOENT, "no plugins found; looked in %s", looked);
}

int32_t
pk_report_plugins(const struct pk_folders *folders, FILE *refused, size_t *ret_refused,
                  struct pk_error *err)
{
    struct names names = { 0 };
    int32_t failed = 0;
    for (size_t i = 0; i < folders->path.folder_count && failed == 0; i++)
        failed = names_add_folder(&names, folders->path.folders[i], err);
    *ret_refused = 0;
    if (failed == 0 && names.count > 0) {
        qsort(names.items, names.count, sizeof(names.items[0]), names_compare);
        print_plugins(folders, &names, refused, ret_refused);
    }
    if (failed == 0 && names.count == 0)
        failed = none_found(folders, err);
    names_finish(&names);
    return failed == 0 ? flush(err) : failed;
}

/* ---- one plugin ---- */

static const char *
type_name(uint32_t type)
{
    static const char *const names[] = {
        [PK_OPTION_STRING] = "string",     [PK_OPTION_PATH] = "path",
        [PK_OPTION_INT] = "int",           [PK_OPTION_SIZE] = "size",
        [PK_OPTION_DURATION] = "duration", [PK_OPTION_BOOL] = "bool",
        [PK_OPTION_CHOICE] = "choice",     [PK_OPTION_LIST] = "list",
        [PK_OPTION_CHILD] = "plugin",
    };
    return type < sizeof(names) / sizeof(names[0]) && names[type] != NULL ? names[type] : "?";
}

static void
print_option(const struct pk_option *option)
{
    (void)printf("  %s  %s", option->name, type_name(option->type));
    if (option->values != NULL)
        (void)printf(" %s", option->values);
    if ((option->flags & PK_OPTION_REQUIRED) != 0)
        (void)printf(", required");
    if (option->value != NULL)
        (void)printf(", default %s", option->value);
    (void)printf("\n      %s\n", option->help);
}

int32_t
pk_report_plugin(const struct pk_folders *folders, const char *plugin, struct pk_error *err)
{
    const struct pk_plugin_module *module = NULL;
    size_t size = strlen(plugin);
    bool is_file = strchr(plugin, '/') == NULL && size > 3 && strcmp(plugin + size - 3, ".so") == 0;
    pk_autofree char *name = is_file ? pk_path_join(".", plugin) : strdup(plugin);
    if (name == NULL)
        return pk_fail(err, -ENOMEM, "out of memory");
    int32_t failed = pk_plugin_load(&folders->path, name, 0, &module, err);
    if (failed != 0)
        return failed;
    const struct pk_plugin *table = &module->plugin;
    (void)printf("name: %s\nkind: %s\nversion: %s\nsummary: %s\nabi: %u.%u\nfile: %s\noptions:\n",
                 table->name, pk_plugin_kind_name(table->kind), table->version, table->summary,
                 (unsigned)table->abi_major, (unsigned)table->abi_minor,
                 module->file == NULL ? "" : module->file);
    for (uint32_t i = 0; i < module->options.count; i++)
        print_option(pk_option_at(&module->options, i));
    return flush(err);
}
