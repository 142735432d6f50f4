/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One option's value: from its text to what struct pk_value holds, by the option's type. It never
 * allocates: texts with parts are split by whoever keeps them.
 */
#ifndef PK_VALUE_H
#define PK_VALUE_H

#include "core/option.h"
#include <stdbool.h>

#define PK_OPTION_NAME_MAX 31U

/* Whether text is [a-z][a-z0-9_]* with at most `max` bytes: what options and plugins are called. */
bool pk_word_check(const char *text, size_t max);

/* Whether text fits the option, and its number (CHOICE: the index; 0 for types without one). 0, or
 * -EINVAL with what is wrong and what is allowed. Any thread. */
int32_t pk_value_parse(const struct pk_option *option, const char *text, uint64_t *ret_number,
                       struct pk_error *err);

/* Steps through a list or the words of a choice: *cursor points behind the last part; false at the
 * end. The part loses the spaces around it. An empty text has no parts. */
bool pk_value_part(const char **cursor, char separator, const char **ret_part, size_t *ret_size);

/* Copies text for a message: cut to fit size bytes, control characters as '?'. Returns buf. */
const char *pk_value_quote(const char *text, char *buf, size_t size);

#endif
