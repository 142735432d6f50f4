/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lease ids on the command line: secrets that other users must not find in the list of processes.
 */
#ifndef PACKICE_CLI_LEASE_ID_H
#define PACKICE_CLI_LEASE_ID_H

#include "command.h"

#define LEASE_ID_SIZE 37 /* 36 characters and a NUL */

/* Takes the operand, or a line of standard input for "-". 0, or an exit code after saying why not;
 * the id itself is never printed. */
int lease_id_read(const struct cli *cli, const char *operand, char ret_id[LEASE_ID_SIZE]);

#endif
