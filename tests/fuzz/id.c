/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as an object id. Core and the wire each check ids, since neither knows the other: here
 * they have to agree.
 */
#include "core/id.h"
#include "core/wire/wire.h"
#include "fuzz.h"

#include <errno.h>
#include <packice/cleanup.h>
#include <string.h>

/* What a client can send of this id, and a node takes. */
static int32_t
send_id(const char *id)
{
    const struct pk_request request = { .verb = PK_VERB_STAT, .object_id = id };
    pk_autofree char *text = NULL;
    size_t size = 0;
    struct pk_wire_request *wire = NULL;
    int32_t rc = pk_wire_request_encode(&request, NULL, &text, &size, NULL);
    if (rc == 0)
        rc = pk_wire_request_decode(text, size, NULL, &wire, NULL);
    if (rc == 0)
        rc = wire->error.code;
    if (rc == 0)
        FUZZ_CHECK(strcmp(wire->request.object_id, id) == 0);
    pk_wire_request_free(wire);
    return rc;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pk_error err = PK_ERROR_INIT;
    pk_autofree char *id = strndup((const char *)data, size);
    FUZZ_CHECK(id != NULL);
    int32_t rc = pk_id_check(id, &err);
    FUZZ_CHECK(rc == 0 || (rc == -EINVAL && err.message[0] != '\0'));
    int32_t sent = send_id(id);
    /* beyond the longest request the wire has a word of its own */
    FUZZ_CHECK(rc == 0 ? sent == 0 : sent == -EINVAL || sent == -EFBIG);
    return 0;
}
