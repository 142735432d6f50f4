/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths as text. It never looks at the file system.
 */
#ifndef PK_PATH_H
#define PK_PATH_H

/* folder/path, or path if that is absolute already or folder is NULL; the caller's. NULL: no
 * memory. In an absolute folder, which must be free of symbolic links, the "./" and "../" that path
 * begins with are resolved. Those further behind stay: there may be links before them. */
char *pk_path_join(const char *folder, const char *path);

#endif
