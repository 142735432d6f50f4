/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds and loads plugins, and keeps those that passed the checks until the process ends. It opens
 * no instance, and unloads only what was refused.
 */
#include "core/plugin.h"

#include "core/shared_object.h"
#include "core/table.h"
#include "core/value.h"

#include <assert.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <packice/cleanup.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define NAMES_MAX 256U /* names looked at for a suggestion */
#define NAME_SIZE 64U

struct module {
    struct pk_plugin_module base;
    struct pk_table table;
    char *real_path;           /* NULL for a builtin */
    void *handle;              /* likewise */
    pk_plugin_entry_fn *entry; /* of a builtin */
    struct module *next;
};

static pthread_mutex_t modules_lock = PTHREAD_MUTEX_INITIALIZER; /* held while loading */
static struct module *modules;

/* ---- modules ---- */

static void
module_free(struct module *module)
{
    if (module == NULL)
        return;
    free(module->table.options);
    free(module->base.file);
    free(module->real_path);
    free(module);
}

static int32_t
module_new(const struct pk_plugin *plugin, const char *label, struct module **ret_module,
           struct pk_error *err)
{
    struct module *module = calloc(1, sizeof(*module));
    if (module == NULL)
        return pk_fail(err, -ENOMEM, "%s: no memory", label);
    int32_t failed = pk_table_copy(plugin, label, &module->table, err);
    if (failed != 0) {
        module_free(module);
        return failed;
    }
    module->base.plugin = module->table.plugin;
    module->base.options.options = module->table.options;
    module->base.options.count = module->table.plugin.option_count;
    module->base.options.stride = (uint32_t)sizeof(*module->table.options);
    *ret_module = module;
    return 0;
}

static void
module_keep(struct module *module)
{
    module->next = modules;
    modules = module;
}

/* ---- loading one file ---- */

/* The last dlerror, without the file's name in front, which our message has already. */
static const char *
dl_reason(const char *real_path)
{
    const char *reason = dlerror();
    if (reason == NULL)
        return "unknown error";
    size_t size = strlen(real_path);
    if (strncmp(reason, real_path, size) == 0 && reason[size] == ':')
        reason += size + 1 + strspn(reason + size + 1, " ");
    return reason;
}

/* The entry of this very object, not one that a library it is linked with happens to have. */
static pk_plugin_entry_fn *
entry_find(void *handle)
{
    void *symbol = dlsym(handle, "pk_plugin_entry");
    struct link_map *own = NULL;
    struct link_map *its = NULL;
    Dl_info info;
    if (symbol == NULL || dlinfo(handle, RTLD_DI_LINKMAP, &own) != 0
        || dladdr1(symbol, &info, (void **)&its, RTLD_DL_LINKMAP) == 0 || own != its)
        return NULL;
    pk_plugin_entry_fn *entry = NULL;
    memcpy(&entry, &symbol, sizeof(entry)); /* ISO C has no cast for this, POSIX has the meaning */
    return entry;
}

static int32_t
handle_check(void *handle, const char *file, struct module **ret_module, struct pk_error *err)
{
    pk_plugin_entry_fn *entry = entry_find(handle);
    if (entry == NULL)
        return pk_fail(err, -EINVAL, "%s: not a plugin: it has no symbol pk_plugin_entry", file);
    return module_new(entry(), file, ret_module, err);
}

/* Loads a file that no module came from yet. With the lock. */
static int32_t
file_load(const char *file, const char *real_path, struct module **ret_module, struct pk_error *err)
{
    int32_t failed = pk_shared_object_check(file, err);
    if (failed != 0)
        return failed;
    void *handle = dlopen(real_path, RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL)
        return pk_fail(err, -EINVAL, "%s: can't be loaded: %s", file, dl_reason(real_path));

    /* the dynamic loader knows better than names do whether two files are the same */
    for (struct module *module = modules; module != NULL; module = module->next) {
        if (module->handle == handle) {
            (void)dlclose(handle); /* its reference is counted twice now */
            *ret_module = module;
            return 0;
        }
    }
    struct module *module = NULL;
    failed = handle_check(handle, file, &module, err);
    if (failed != 0) {
        (void)dlclose(handle);
        return failed;
    }
    assert(module != NULL);
    module->handle = handle;
    module->base.file = strdup(file);
    module->real_path = strdup(real_path);
    if (module->base.file == NULL || module->real_path == NULL) {
        module_free(module);
        (void)dlclose(handle);
        return pk_fail(err, -ENOMEM, "%s: no memory", file);
    }
    module_keep(module);
    *ret_module = module;
    return 0;
}

/* What differs by who asks, so that it is checked for a module that is there already, too. */
static int32_t
module_suits(const struct module *module, const char *file, uint32_t kind, struct pk_error *err)
{
    const struct pk_plugin *plugin = &module->base.plugin;
    const char *slash = strrchr(file, '/');
    const char *base = slash == NULL ? file : slash + 1;
    size_t size = strlen(plugin->name);
    if (strncmp(base, plugin->name, size) != 0 || strcmp(base + size, ".so") != 0)
        return pk_fail(err, -EINVAL, "%s: the plugin in it is named '%s': the file must be %s.so",
                       file, plugin->name, plugin->name);
    if (kind != 0 && plugin->kind != kind)
        return pk_fail(err, -EINVAL, "%s: is a %s plugin, not a %s plugin", file,
                       pk_plugin_kind_name(plugin->kind), pk_plugin_kind_name(kind));
    return 0;
}

static int32_t
load(const char *file, uint32_t kind, const struct pk_plugin_module **ret_module,
     struct pk_error *err)
{
    pk_autofree char *real_path = realpath(file, NULL);
    if (real_path == NULL && errno == ENOENT)
        return pk_fail(err, -ENOENT, "plugin not found: '%s'", file);
    if (real_path == NULL)
        return pk_fail(err, -errno, "%s: can't be opened: %s", file, strerror(errno));

    (void)pthread_mutex_lock(&modules_lock);
    struct module *module = modules;
    while (module != NULL
           && (module->real_path == NULL || strcmp(module->real_path, real_path) != 0))
        module = module->next;
    int32_t failed = module == NULL ? file_load(file, real_path, &module, err) : 0;
    (void)pthread_mutex_unlock(&modules_lock);

    if (failed != 0)
        return failed;
    assert(module != NULL);
    failed = module_suits(module, file, kind, err);
    if (failed == 0)
        *ret_module = &module->base;
    return failed;
}

/* ---- finding ---- */

/* The plugin's file in a folder: malloc'd, or NULL with errno, ENOENT when it isn't there. */
static char *
folder_find(const char *folder, const char *name)
{
    char *file = NULL;
    struct stat info;
    if (asprintf(&file, "%s/%s.so", folder, name) < 0)
        return NULL;
    if (stat(file, &info) == 0)
        return file;
    free(file);
    if (asprintf(&file, "%s/%s/%s.so", folder, name, name) < 0)
        return NULL;
    if (stat(file, &info) == 0)
        return file;
    free(file);
    errno = ENOENT;
    return NULL;
}

/* The names of plugins that could be meant. */
struct names {
    size_t count;
    const char *names[NAMES_MAX];
    char texts[NAMES_MAX][NAME_SIZE];
};

static void
names_add(struct names *names, const char *name, size_t size)
{
    if (names->count == NAMES_MAX || size >= NAME_SIZE)
        return;
    memcpy(names->texts[names->count], name, size);
    names->texts[names->count][size] = '\0';
    names->names[names->count] = names->texts[names->count];
    names->count++;
}

static void
folder_names(const char *folder, struct names *names)
{
    DIR *entries = opendir(folder);
    if (entries == NULL)
        return;
    for (struct dirent *entry = readdir(entries); entry != NULL; entry = readdir(entries)) {
        size_t size = strlen(entry->d_name);
        if (size > 3 && strcmp(entry->d_name + size - 3, ".so") == 0) {
            names_add(names, entry->d_name, size - 3);
            continue;
        }
        pk_autofree char *file = NULL;
        struct stat info;
        if (asprintf(&file, "%s/%s/%s.so", folder, entry->d_name, entry->d_name) < 0)
            file = NULL; /* asprintf leaves it undefined */
        else if (stat(file, &info) == 0)
            names_add(names, entry->d_name, size);
    }
    (void)closedir(entries);
}

static int32_t
refuse_not_found(const struct pk_plugin_path *path, const char *name, struct pk_error *err)
{
    pk_autofree struct names *names = calloc(1, sizeof(*names));
    const char *near = NULL;
    for (size_t i = 0; names != NULL && i < path->folder_count; i++)
        folder_names(path->folders[i], names);
    if (names != NULL)
        near = pk_option_suggest(name, names->names, names->count);

    char places[sizeof(err->message)] = "no folder";
    size_t used = 0;
    for (size_t i = 0; i < path->folder_count && used < sizeof(places); i++) {
        int size = snprintf(places + used, sizeof(places) - used, "%s%s", i == 0 ? "" : ", ",
                            path->folders[i]);
        used += size < 0 ? 0 : (size_t)size;
    }
    char quote[NAME_SIZE];
    return pk_fail(err, -ENOENT, "plugin not found: '%s'%s%s%s; looked in %s",
                   pk_value_quote(name, quote, sizeof(quote)),
                   near == NULL ? "" : " (did you mean '", near == NULL ? "" : near,
                   near == NULL ? "" : "'?)", places);
}

int32_t
pk_plugin_load(const struct pk_plugin_path *path, const char *name, uint32_t kind,
               const struct pk_plugin_module **ret_module, struct pk_error *err)
{
    static const struct pk_plugin_path nowhere;
    if (path == NULL)
        path = &nowhere;
    if (strchr(name, '/') != NULL)
        return load(name, kind, ret_module, err);
    for (size_t i = 0; i < path->folder_count && name[0] != '\0'; i++) {
        pk_autofree char *file = folder_find(path->folders[i], name);
        if (file != NULL)
            return load(file, kind, ret_module, err);
        if (errno == ENOMEM)
            return pk_fail(err, -ENOMEM, "no memory to look for a plugin");
    }
    return refuse_not_found(path, name, err);
}

/* ---- linked in ---- */

int32_t
pk_plugin_builtin(pk_plugin_entry_fn *entry, const struct pk_plugin_module **ret_module,
                  struct pk_error *err)
{
    (void)pthread_mutex_lock(&modules_lock);
    struct module *module = modules;
    while (module != NULL && module->entry != entry)
        module = module->next;
    int32_t failed = 0;
    if (module == NULL) {
        const struct pk_plugin *plugin = entry();
        bool named = plugin != NULL && plugin->struct_size >= sizeof(*plugin)
                     && plugin->abi_major == PK_ABI_MAJOR && plugin->name != NULL;
        failed = module_new(plugin, named ? plugin->name : "builtin plugin", &module, err);
        if (failed == 0) {
            assert(module != NULL);
            module->entry = entry;
            module_keep(module);
        }
    }
    (void)pthread_mutex_unlock(&modules_lock);
    if (failed == 0)
        *ret_module = &module->base;
    return failed;
}
