/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decodes what any caller may send, in either notation. What could be decoded is encoded again as a
 * client would, in both, and has to come out as the same request.
 */
#include "core/wire/wire.h"
#include "message.h"

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
    FUZZ_CHECK(a->inline_max == b->inline_max && a->data_size == b->data_size);
    FUZZ_CHECK(a->known_epoch == b->known_epoch);
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

/* A put that had descriptors, with handles of the sizes that it told. */
static void
place_handles(struct pk_request *request, const struct pk_wire_request *wire,
              struct pk_handle handles[PK_BLOBS_MAX])
{
    FUZZ_CHECK(wire->request_fds <= PK_BLOBS_MAX);
    if (wire->request_fds == 0)
        return;
    FUZZ_CHECK(request->verb == PK_VERB_PUT && request->blob_count == wire->request_fds);
    for (uint32_t i = 0; i < request->blob_count; i++)
        handles[i] = (struct pk_handle){ .kind = PK_HANDLE_FD, .size = request->sizes[i] };
    request->handles = handles;
    request->handle_stride = sizeof(handles[0]);
}

static void
check_again_in(const struct pk_wire_request *wire, bool binary)
{
    pk_autofree char *text = NULL;
    size_t size = 0;
    struct pk_wire_request *again = NULL;
    struct pk_handle handles[PK_BLOBS_MAX];
    struct pk_request request = wire->request;
    const struct pk_wire_request_format format = { .tag = wire->tag,
                                                   .releases = wire->releases,
                                                   .release_count = wire->release_count,
                                                   .binary = binary };
    check_bounds(&request);
    place_handles(&request, wire, handles);
    int32_t rc = pk_wire_request_encode(&request, &format, &text, &size, NULL);
    FUZZ_CHECK(rc == 0 && text[size] == '\0');
    FUZZ_CHECK(binary || strlen(text) == size);
    FUZZ_CHECK(binary || text[size - 1] == (request.data_size > 0 ? '}' : '\n'));
    rc = pk_wire_request_decode(text, size, NULL, &again, NULL);
    FUZZ_CHECK(rc == 0 && again->error.code == 0 && same_text(wire->tag, again->tag));
    FUZZ_CHECK(again->binary == binary);
    FUZZ_CHECK(wire->request_fds == again->request_fds);
    FUZZ_CHECK(wire->release_count == again->release_count);
    for (uint32_t i = 0; i < wire->release_count; i++)
        FUZZ_CHECK(same_text(wire->releases[i], again->releases[i]));
    check_same(&wire->request, &again->request);
    pk_wire_request_free(again);
}

static void
check_again(const struct pk_wire_request *wire)
{
    check_again_in(wire, false);
    check_again_in(wire, true);
}

static void
check_batch(const struct pk_wire_request *wire)
{
    uint64_t data = 0;
    FUZZ_CHECK(wire->item_count <= PK_WIRE_BATCH_MAX);
    for (size_t i = 0; i < wire->item_count; i++) {
        const struct pk_wire_request *item = wire->items[i];
        FUZZ_CHECK((item->error.code == 0) == (item->request.verb != 0));
        FUZZ_CHECK(item->release_count == 0);
        data += item->request.data_size;
        if (item->error.code == 0)
            check_again(item);
    }
    FUZZ_CHECK(data == wire->request.data_size);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pk_wire_request *wire = NULL;
    pk_autofree char *text = fuzz_message(data, size);
    FUZZ_CHECK(pk_wire_request_decode(text, size, NULL, &wire, NULL) == 0);
    int32_t code = wire->error.code;
    FUZZ_CHECK(code == 0 || code == -EINVAL || code == -EOPNOTSUPP);
    FUZZ_CHECK((code == 0) == (wire->request.verb != 0));
    FUZZ_CHECK(code == 0 || wire->error.message[0] != '\0');
    FUZZ_CHECK(wire->release_count <= PK_WIRE_RELEASES_MAX);
    if (wire->request.verb == PK_WIRE_VERB_BATCH)
        check_batch(wire);
    else if (code == 0)
        check_again(wire);
    pk_wire_request_free(wire);
    return 0;
}
