/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lease ids on the command line: secrets that other users must not find in the list of processes.
 */
#include "lease_id.h"

#include "exit.h"

#include <stdio.h>
#include <string.h>

int
lease_id_read(const struct cli *cli, const char *operand, char ret_id[LEASE_ID_SIZE])
{
    char line[LEASE_ID_SIZE + 1];
    const char *id = operand;

    if (strcmp(operand, "-") == 0) {
        if (fgets(line, sizeof(line), stdin) == NULL)
            return exit_fail(cli, CLI_FAILURE, "standard input: no lease id");
        line[strcspn(line, "\n")] = '\0';
        id = line;
    }
    if (strlen(id) != LEASE_ID_SIZE - 1 || strspn(id, "0123456789abcdef-") != LEASE_ID_SIZE - 1)
        return exit_usage(cli, "not a lease id, such as --hold prints");
    memcpy(ret_id, id, LEASE_ID_SIZE);
    return CLI_OK;
}
