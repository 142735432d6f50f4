/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decodes what any caller may send. What could be decoded is encoded again as a client would, and
 * has to come out as the same request.
 */
#include "core/wire/wire.h"
#include "fuzz.h"

#include <errno.h>
#include <packice/cleanup.h>
#include <string.h>

static int
same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static void
check_same(const struct pk_request *a, const struct pk_request *b)
{
    FUZZ_CHECK(a->verb == b->verb && a->access == b->access && a->flags == b->flags);
    FUZZ_CHECK(same_text(a->object_id, b->object_id) && same_text(a->lease_id, b->lease_id));
    FUZZ_CHECK(same_text(a->request_id, b->request_id) && same_text(a->prefix, b->prefix));
    /* no meta and an empty one are the same */
    FUZZ_CHECK(same_text(a->meta != NULL ? a->meta : "", b->meta != NULL ? b->meta : ""));
    FUZZ_CHECK(a->blob_count == b->blob_count && (a->sizes == NULL) == (b->sizes == NULL));
    for (uint32_t i = 0; a->sizes != NULL && i < a->blob_count; i++)
        FUZZ_CHECK(a->sizes[i] == b->sizes[i]);
    FUZZ_CHECK(a->limit == b->limit && a->cursor == b->cursor);
    /* fractions of long times lose their last digits */
    FUZZ_CHECK((a->ttl == 0) == (b->ttl == 0) && (a->wait == 0) == (b->wait == 0));
    FUZZ_CHECK((a->object_ttl == 0) == (b->object_ttl == 0));
}

static void
check_bounds(const struct pk_request *request)
{
    FUZZ_CHECK(request->blob_count <= PK_BLOBS_MAX && request->limit <= PK_LIST_MAX);
    FUZZ_CHECK(request->ttl <= INT64_MAX && request->wait <= INT64_MAX);
    FUZZ_CHECK(request->object_id == NULL || strlen(request->object_id) <= PK_ID_MAX);
    FUZZ_CHECK(request->lease_id == NULL || strlen(request->lease_id) <= PK_LEASE_ID_LEN);
    FUZZ_CHECK(request->meta == NULL || strlen(request->meta) <= PK_META_MAX);
}

static void
check_again(const struct pk_wire_request *wire)
{
    pk_autofree char *text = NULL;
    size_t size = 0;
    struct pk_wire_request *again = NULL;
    check_bounds(&wire->request);
    int32_t rc = pk_wire_request_encode(&wire->request, wire->tag, &text, &size, NULL);
    FUZZ_CHECK(rc == 0 && text[size - 1] == '\n' && strlen(text) == size);
    rc = pk_wire_request_decode(text, size, NULL, &again, NULL, NULL);
    FUZZ_CHECK(rc == 0 && same_text(wire->tag, again->tag));
    check_same(&wire->request, &again->request);
    pk_wire_request_free(again);
}

static void
check_batch(const struct pk_wire_request *wire)
{
    FUZZ_CHECK(wire->item_count <= PK_WIRE_BATCH_MAX);
    for (size_t i = 0; i < wire->item_count; i++) {
        const struct pk_wire_request *item = wire->items[i];
        FUZZ_CHECK((item->error.code == 0) == (item->request.verb != 0));
        if (item->error.code == 0)
            check_again(item);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pk_wire_request *wire = NULL;
    struct pk_error err = PK_ERROR_INIT;
    pk_autofree char *tag = NULL;
    int32_t rc = pk_wire_request_decode((const char *)data, size, NULL, &wire, &tag, &err);
    FUZZ_CHECK(rc == 0 || ((rc == -EINVAL || rc == -EOPNOTSUPP) && wire == NULL));
    FUZZ_CHECK(rc == 0 || err.message[0] != '\0');
    if (rc != 0)
        return 0;
    FUZZ_CHECK(same_text(tag, wire->tag));
    if (wire->request.verb == PK_WIRE_VERB_BATCH)
        check_batch(wire);
    else
        check_again(wire);
    pk_wire_request_free(wire);
    return 0;
}
