/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists the folders to look for plugins in. It never looks into them: that is the loader's.
 */
#include "node/folders.h"

#include "core/path.h"
#include <limits.h>
#include <packice/cleanup.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

/* BUILD/plugins when this program is BUILD/node/packice-node; else NULL. */
static char *
build_folder(void)
{
    char program[PATH_MAX];
    ssize_t size = readlink("/proc/self/exe", program, sizeof(program) - 1);
    if (size < 0)
        return NULL;
    program[size] = '\0';
    char *slash = strrchr(program, '/');
    static const char home[] = "/node";
    if (slash == NULL || slash - program < (ssize_t)strlen(home))
        return NULL;
    *slash = '\0';
    char *parent = slash - strlen(home);
    if (strcmp(parent, home) != 0)
        return NULL;
    *parent = '\0';
    char *folder = NULL;
    struct stat found;
    if (asprintf(&folder, "%s/plugins", program) < 0)
        return NULL;
    if (stat(folder, &found) == 0 && S_ISDIR(found.st_mode))
        return folder;
    free(folder);
    return NULL;
}

/* Takes item, which may be NULL for want of memory. */
static int32_t
folders_add(struct pk_folders *folders, char *item, struct pk_error *err)
{
    if (item == NULL)
        return pk_fail(err, -ENOMEM, "out of memory");
    folders->items[folders->path.folder_count++] = item;
    return 0;
}

int32_t
pk_folders_init(struct pk_folders *folders, const struct pk_value *list, const char *base,
                struct pk_error *err)
{
    *folders = (struct pk_folders){ .items = calloc((size_t)list->item_count + 2, sizeof(char *)) };
    if (folders->items == NULL)
        return pk_fail(err, -ENOMEM, "out of memory");
    int32_t failed = 0;
    for (uint32_t i = 0; i < list->item_count && failed == 0; i++)
        failed = folders_add(folders, pk_path_join(base, list->items[i]), err);
    char *build = build_folder();
    if (failed == 0 && build != NULL)
        failed = folders_add(folders, build, err);
    else
        free(build);
    if (failed == 0)
        failed = folders_add(folders, strdup(PK_PLUGIN_FOLDER), err);
    folders->path.folders = (const char *const *)folders->items;
    if (failed != 0)
        pk_folders_finish(folders);
    return failed;
}

void
pk_folders_finish(struct pk_folders *folders)
{
    for (size_t i = 0; i < folders->path.folder_count; i++)
        free(folders->items[i]);
    free(folders->items);
    *folders = (struct pk_folders){ 0 };
}
