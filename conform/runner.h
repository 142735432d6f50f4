/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs rules, each in a process and a folder of its own and under a deadline, and reports on
 * standard output what became of them, as TAP (Test Anything Protocol, version 14).
 */
#ifndef CONFORM_RUNNER_H
#define CONFORM_RUNNER_H

#include "conform/world.h"

/* The rules for a kind of plugin (PK_KIND_*), group by group; NULL for a kind that has none. */
const struct rule_group *const *runner_groups(uint32_t kind, size_t *ret_count);

/* Runs the rules whose names begin with `only` (NULL: all), for at most `deadline` seconds each.
 * *ret_failed: how many were broken. 0; -ENOENT: there is no such rule; -EINTR: told to stop by
 * SIGINT or SIGTERM; or what the system said. */
int32_t runner_run(const struct subject *subject, const char *only, uint32_t deadline,
                   uint32_t *ret_failed, struct pk_error *err);

#endif
