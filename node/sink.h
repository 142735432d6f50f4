/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the node's log lines go: standard error, one write for each line. With times for people;
 * with the journal's level prefixes where systemd connected standard error to it.
 */
#ifndef PK_SINK_H
#define PK_SINK_H

#include "core/log.h"

/* Sends lines of level <= `level` to standard error from now on. Once, before threads start. */
void pk_sink_open(uint32_t level);

#endif
