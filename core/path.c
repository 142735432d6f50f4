/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Joins paths. It never looks at the file system.
 */
#include "core/path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t
without_slashes(const char *folder, size_t size)
{
    while (size > 0 && folder[size - 1] == '/')
        size--;
    return size;
}

/* Bytes of the folder that its last name leaves. */
static size_t
parent(const char *folder, size_t size)
{
    while (size > 0 && folder[size - 1] != '/')
        size--;
    return without_slashes(folder, size);
}

char *
pk_path_join(const char *folder, const char *path)
{
    char *joined = NULL;
    if (path[0] == '/' || folder == NULL)
        return strdup(path);
    size_t size = strlen(folder);
    if (folder[0] == '/') {
        size = without_slashes(folder, size);
        for (;;) {
            size_t name = strcspn(path, "/");
            if (name == 2 && memcmp(path, "..", 2) == 0)
                size = parent(folder, size);
            else if (name != 1 || path[0] != '.')
                break;
            path += name;
            path += strspn(path, "/");
        }
    }
    const char *slash = path[0] != '\0' || size == 0 ? "/" : "";
    return asprintf(&joined, "%.*s%s%s", (int)size, folder, slash, path) < 0 ? NULL : joined;
}
