/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two processes share memory: `share SOCKET put TEXT` in one, `share SOCKET get` in the other, in
 * any order.
 */
#include <packice/client.h>
#include <stdio.h>
#include <string.h>

static int
put(packice_client *client, const char *text)
{
    packice_lease *lease;
    void *data;
    uint64_t size;
    int rc = packice_create(client, "greeting", strlen(text), &lease);
    if (rc != 0)
        return rc;
    rc = packice_map(lease, 0, &data, &size);
    if (rc == 0) {
        memcpy(data, text, size); /* straight into the memory that others will map */
        rc = packice_seal(lease); /* from here on nobody can change it */
    }
    packice_release(lease);
    return rc;
}

static int
get(packice_client *client)
{
    packice_lease *lease;
    void *data;
    uint64_t size;
    int rc = packice_get(client, "greeting", 10.0, &lease); /* waits up to 10 s for the seal */
    if (rc != 0)
        return rc;
    rc = packice_map(lease, 0, &data, &size); /* the same memory, read-only: no copy */
    if (rc == 0)
        printf("%.*s\n", (int)size, (const char *)data);
    packice_release(lease);
    return rc;
}

int
main(int argc, char **argv)
{
    packice_client *client = NULL;
    if (argc < 3) {
        fprintf(stderr, "usage: share SOCKET put TEXT, or share SOCKET get\n");
        return 2;
    }
    int rc = packice_connect(argv[1], &client);
    if (rc == 0)
        rc = argc > 3 ? put(client, argv[3]) : get(client);
    if (rc != 0)
        fprintf(stderr, "share: %s\n", packice_error_message());
    packice_client_free(client);
    return rc == 0 ? 0 : 1;
}
