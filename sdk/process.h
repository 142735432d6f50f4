/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which process this is, asked by every call: what came over a fork must not be used.
 */
#ifndef PACKICE_SDK_PROCESS_H
#define PACKICE_SDK_PROCESS_H

#include <sys/types.h>

/* As getpid(2), but for a system call only once in each process. Any thread. */
pid_t packice_process(void);

#endif
