/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of operations, the C library's names of errors, and the distance between two words.
 */
#include "word.h"

#include <stddef.h>
#include <string.h>

#define ERROR_MAX 133  /* EHWPOISON, the last that Linux has */
#define WORD_MAX 31U   /* longer words are nobody's typing error */
#define DISTANCE_MAX 2 /* more edits, and it is another word */

static const char *const op_names[FAULT_OPS] = {
    [PK_BLOB_CREATE] = "create",       [PK_BLOB_READ] = "read",     [PK_BLOB_WRITE] = "write",
    [PK_BLOB_SIZE] = "size",           [PK_BLOB_SEAL] = "seal",     [PK_BLOB_HANDLE] = "handle",
    [PK_BLOB_FREE] = "free",           [PK_BLOB_REMOVE] = "remove", [PK_BLOB_PUBLISH] = "publish",
    [PK_BLOB_UNPUBLISH] = "unpublish", [PK_BLOB_LOOKUP] = "lookup", [PK_BLOB_RECOVER] = "recover",
    [PK_BLOB_EVICT] = "evict",         [PK_BLOB_EXPORT] = "export", [PK_BLOB_ADOPT] = "adopt",
    [PK_BLOB_VERIFY] = "verify",
};

static const char *const effect_names[] = { "after", "short", "delay" };

const char *
fault_op_name(uint32_t op)
{
    return op_names[op];
}

uint32_t
fault_op_find(const char *word)
{
    for (uint32_t op = 1; op < FAULT_OPS; op++) {
        if (strcmp(op_names[op], word) == 0)
            return op;
    }
    return 0;
}

const char *
fault_error_name(int32_t error)
{
    const char *name = strerrorname_np(error);
    return name != NULL ? name : "an error";
}

int32_t
fault_error_find(const char *word)
{
    for (int32_t error = 1; error <= ERROR_MAX; error++) {
        const char *name = strerrorname_np(error);
        if (name != NULL && strcmp(name, word) == 0)
            return error;
    }
    return 0;
}

/* ---- what was meant ---- */

static char
lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static int
least(int a, int b)
{
    return a < b ? a : b;
}

/* Insertions, deletions, replacements and swaps of neighbours that turn a into b, both at most
 * WORD_MAX long; case is free. */
static int
distance(const char *a, const char *b)
{
    int rows[WORD_MAX + 1][WORD_MAX + 1] = { { 0 } };
    size_t a_size = strlen(a);
    size_t b_size = strlen(b);
    for (size_t i = 1; i <= a_size; i++)
        rows[i][0] = (int)i;
    for (size_t j = 1; j <= b_size; j++)
        rows[0][j] = (int)j;
    for (size_t i = 1; i <= a_size; i++) {
        for (size_t j = 1; j <= b_size; j++) {
            int replaced = rows[i - 1][j - 1] + (lower(a[i - 1]) != lower(b[j - 1]));
            rows[i][j] = least(replaced, least(rows[i - 1][j], rows[i][j - 1]) + 1);
            if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2])
                && lower(a[i - 2]) == lower(b[j - 1]))
                rows[i][j] = least(rows[i][j], rows[i - 2][j - 2] + 1);
        }
    }
    return rows[a_size][b_size];
}

struct nearest {
    const char *word;
    const char *name;
    int distance;
};

static void
consider(struct nearest *nearest, const char *name)
{
    if (name == NULL || strlen(name) > WORD_MAX)
        return;
    int found = distance(nearest->word, name);
    if (found >= nearest->distance || (size_t)found >= strlen(name))
        return;
    nearest->name = name;
    nearest->distance = found;
}

const char *
fault_word_suggest(const char *word, uint32_t effects)
{
    struct nearest nearest = { .word = word, .distance = DISTANCE_MAX + 1 };
    if (word[0] == '\0' || strlen(word) > WORD_MAX)
        return NULL;
    if (effects == 0) {
        for (uint32_t op = 1; op < FAULT_OPS; op++)
            consider(&nearest, op_names[op]);
        return nearest.name;
    }
    for (size_t i = 0; i < sizeof(effect_names) / sizeof(effect_names[0]); i++)
        consider(&nearest, effect_names[i]);
    for (int32_t error = 1; error <= ERROR_MAX; error++)
        consider(&nearest, strerrorname_np(error));
    return nearest.name;
}
