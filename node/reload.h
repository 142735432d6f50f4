/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What may become of a running node when its config is read again: which differences are none, and
 * which ask for a restart. It compares and changes nothing.
 */
#ifndef PK_RELOAD_H
#define PK_RELOAD_H

#include "node/config.h"

/* Checks that `next`, which was loaded, differs from `now` only where a running node can follow:
 * in [node] log_level and stop_timeout, and in what plugins take by themselves (their `reload` is
 * asked, not this). -EINVAL with file, line, section and key of the first other difference. */
int32_t pk_reload_check(const struct pk_config *now, const struct pk_config *next,
                        struct pk_error *err);

#endif
