/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds what somebody may have meant. It knows nothing of commands or options.
 */
#include "suggest.h"

#include <string.h>

#define SUGGEST_WORD_MAX 31U

static size_t
suggest_least(size_t a, size_t b, size_t c)
{
    size_t least = a < b ? a : b;

    return least < c ? least : c;
}

/* How many letters must be added, dropped or changed to make one of the other. */
static size_t
suggest_distance(const char *a, size_t a_size, const char *b, size_t b_size)
{
    size_t row[SUGGEST_WORD_MAX + 1];

    for (size_t j = 0; j <= b_size; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_size; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_size; j++) {
            size_t changed = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            row[j] = suggest_least(row[j] + 1, row[j - 1] + 1, changed);
        }
    }
    return row[b_size];
}

const char *
suggest_nearest(const char *word, const char *const *names, size_t count)
{
    size_t size = strnlen(word, SUGGEST_WORD_MAX + 1);
    size_t best = size < 4 ? 2 : 3; /* further away than this is another word */
    const char *nearest = NULL;

    if (size == 0 || size > SUGGEST_WORD_MAX)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        size_t name = strnlen(names[i], SUGGEST_WORD_MAX);
        size_t distance = suggest_distance(word, size, names[i], name);
        if (distance < best && distance < name) {
            best = distance;
            nearest = names[i];
        }
    }
    return nearest;
}
