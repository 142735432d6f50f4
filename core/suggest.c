/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guesses which known name somebody meant: the one that fewest edits turn into what was written.
 * It allocates nothing and knows nothing of what the names are for.
 */
#include "core/option.h"

#include <string.h>

#define WORD_MAX 63U /* longer words are nobody's typing error */

static char
lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static uint32_t
least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Insertions, deletions, replacements and swaps of neighbours that turn a into b; case is free. */
static uint32_t
edit_distance(const char *a, size_t a_size, const char *b, size_t b_size)
{
    uint32_t rows[3][WORD_MAX + 1U] = { { 0 } };
    for (uint32_t j = 0; j <= b_size; j++)
        rows[0][j] = j;
    for (uint32_t i = 1; i <= a_size; i++) {
        uint32_t *row = rows[i % 3];
        const uint32_t *above = rows[(i + 2) % 3];
        const uint32_t *two_above = rows[(i + 1) % 3];
        row[0] = i;
        for (uint32_t j = 1; j <= b_size; j++) {
            uint32_t replace = lower(a[i - 1]) == lower(b[j - 1]) ? 0U : 1U;
            row[j] = least(above[j - 1] + replace, least(above[j], row[j - 1]) + 1U);
            if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2])
                && lower(a[i - 2]) == lower(b[j - 1]))
                row[j] = least(row[j], two_above[j - 2] + 1U);
        }
    }
    return rows[a_size % 3][b_size];
}

const char *
pk_option_suggest(const char *word, const char *const *names, size_t count)
{
    size_t word_size = strnlen(word, WORD_MAX + 1U);
    if (word_size == 0 || word_size > WORD_MAX)
        return NULL;
    const char *best = NULL;
    uint32_t best_distance = UINT32_MAX;
    for (size_t i = 0; i < count; i++) {
        size_t size = strnlen(names[i], WORD_MAX + 1U);
        if (size == 0 || size > WORD_MAX)
            continue;
        size_t longer = size > word_size ? size : word_size;
        uint32_t distance = edit_distance(word, word_size, names[i], size);
        /* a third of the letters may differ: more, and it is another word */
        if (distance < best_distance && distance <= (longer + 1) / 3 && distance < longer) {
            best = names[i];
            best_distance = distance;
        }
    }
    return best;
}
