/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An INI file as sections of `key = value` lines, each with the line it stands on. inih splits the
 * lines; what inih would cut, join or read in a second way is refused here before it sees it. This
 * knows nothing of what sections and keys mean.
 */
#ifndef PK_INI_FILE_H
#define PK_INI_FILE_H

#include <packice/types.h>
#include <stddef.h>

#define PK_INI_LINE_MAX 198   /* bytes of a line, as inih's buffer holds them; comments excepted */
#define PK_INI_SECTION_MAX 49 /* bytes of a section's name: inih would cut it there */
#define PK_INI_FILE_MAX 1048576 /* bytes of a file */

struct pk_ini_entry {
    char *key;
    char *value; /* "" when nothing stands behind the '=' */
    uint32_t line;
};

struct pk_ini_section {
    char *name;
    struct pk_ini_entry *entries;
    size_t entry_count;
    uint32_t line; /* of its head; 0 = not from a file, like that of its entries */
};

/* Zero it to begin. */
struct pk_ini {
    struct pk_ini_section *sections; /* in the file's order */
    size_t section_count;
};

/* Adds what the file says to `ini`. The grammar: `[section]`; `key = value`; lines whose first
 * character is '#' or ';' are comments, and only those; nothing is indented, quoted or continued.
 * Errors read "FILE:LINE: ..." or "FILE: ...": -EINVAL: what the grammar doesn't know, a section or
 * a key given twice; what open or read failed with; -EFBIG; -ENOMEM. */
int32_t pk_ini_read(struct pk_ini *ini, const char *file, struct pk_error *err);

/* The same for text in memory; file is for messages. */
int32_t pk_ini_parse(struct pk_ini *ini, const char *file, const char *text, size_t size,
                     struct pk_error *err);

/* Lets go of everything and leaves an empty one. */
void pk_ini_finish(struct pk_ini *ini);

/* The section, or NULL. */
const struct pk_ini_section *pk_ini_find(const struct pk_ini *ini, const char *section);
/* The entry, or NULL; section may be NULL. */
const struct pk_ini_entry *pk_ini_find_entry(const struct pk_ini_section *section, const char *key);

/* Adds a section at the end, and an entry to the last section. 0 or -ENOMEM. */
int32_t pk_ini_add_section(struct pk_ini *ini, const char *name, uint32_t line,
                           struct pk_error *err);
int32_t pk_ini_add_entry(struct pk_ini *ini, const char *key, const char *value, uint32_t line,
                         struct pk_error *err);

/* Gives a key this value, in the place of the one it has, adding what is missing. 0 or -ENOMEM. */
int32_t pk_ini_set(struct pk_ini *ini, const char *section, const char *key, const char *value,
                   struct pk_error *err);

/* Whether `key = value` can stand in a file and be read back as it is: 0 or -EINVAL. */
int32_t pk_ini_check_entry(const char *key, const char *value, struct pk_error *err);

#endif
