/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds what somebody may have meant. It knows nothing of commands or options.
 */
#ifndef PACKICE_CLI_SUGGEST_H
#define PACKICE_CLI_SUGGEST_H

#include <stddef.h>

/* The one of `names` that is nearest to `word`; NULL when none is near enough to be meant. */
const char *suggest_nearest(const char *word, const char *const *names, size_t count);

#endif
