/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decodes what any node may send, in either notation, as the answer to the verb that the first byte
 * picks. What could be decoded is encoded again as a node would, in both, and a client has to take
 * it: then both say the same.
 */
#include "core/wire/member_in.h"
#include "core/wire/wire.h"
#include "message.h"

#include <errno.h>
#include <packice/cleanup.h>
#include <string.h>

static const uint32_t verbs[] = {
    PK_VERB_ACQUIRE, PK_VERB_SEAL,       PK_VERB_RENEW,      PK_VERB_RELEASE,
    PK_VERB_DISCARD, PK_VERB_STAT,       PK_VERB_LIST,       PK_VERB_VERIFY,
    PK_VERB_PUT,     PK_WIRE_VERB_BATCH, PK_WIRE_VERB_STATS,
};

#define VERB_COUNT (sizeof(verbs) / sizeof(verbs[0]))

/* No descriptor twice, none that did not come. */
static void
check_handles(const struct pk_reply *reply, uint32_t fds)
{
    uint8_t seen[PK_WIRE_FDS_MAX] = { 0 };
    FUZZ_CHECK(reply->blob_count <= PK_BLOBS_MAX);
    for (uint32_t i = 0; i < reply->blob_count; i++) {
        const struct pk_handle *handle = &reply->handles[i];
        FUZZ_CHECK(handle->fd >= 0 || handle->kind != PK_HANDLE_FD);
        FUZZ_CHECK((handle->kind != PK_HANDLE_PATH && handle->kind != PK_HANDLE_URL)
                   || strlen(handle->text) > 0);
        FUZZ_CHECK(handle->fd < 0 || handle->kind == PK_HANDLE_FD
                   || handle->kind == PK_HANDLE_PATH);
        if (handle->fd < 0)
            continue;
        FUZZ_CHECK((uint32_t)handle->fd < fds && seen[handle->fd] == 0);
        seen[handle->fd] = 1;
    }
}

/* Bytes that came, counted once. */
static void
check_data(const struct pk_reply *reply, uint64_t data)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < reply->blob_count; i++) {
        const struct pk_handle *handle = &reply->handles[i];
        FUZZ_CHECK((handle->kind == PK_HANDLE_DATA) == (reply->lease_id == NULL));
        if (handle->kind != PK_HANDLE_DATA)
            continue;
        FUZZ_CHECK(handle->offset <= data && handle->size <= data - handle->offset);
        sum += handle->size;
        FUZZ_CHECK(sum <= data);
    }
}

static void
check_objects(const struct pk_reply *reply)
{
    FUZZ_CHECK(reply->object_count <= PK_LIST_MAX);
    for (uint32_t i = 0; i < reply->object_count; i++) {
        const struct pk_object_info *object = &reply->objects[i];
        size_t id_size = strlen(object->key.id);
        FUZZ_CHECK(id_size > 0 && id_size <= PK_ID_MAX);
        FUZZ_CHECK(object->key.epoch > 0 && object->blob_count > 0);
        FUZZ_CHECK(strlen(object->meta) <= PK_META_MAX);
        for (uint32_t n = 0; object->sizes != NULL && n < object->blob_count; n++)
            FUZZ_CHECK(object->sizes[n] <= INT64_MAX || object->sizes[n] == PK_UNSIZED);
    }
}

/* Encodes in one notation what was read of another; returns it as JSON, once read again. */
static char *
encode_again(const struct pk_wire_reply *wire, bool binary)
{
    const struct pk_wire_reply_format format = { .tag = wire->tag, .binary = binary };
    const struct pk_wire_reply_format json = { .tag = wire->tag };
    pk_autofree char *text = NULL;
    size_t size = 0;
    struct pk_wire_reply *again = NULL;
    int32_t rc = pk_wire_reply_encode(&wire->reply, &format, &text, &size);
    FUZZ_CHECK(rc == 0 && text[size] == '\0' && (binary || strlen(text) == size));
    FUZZ_CHECK(pk_wire_reply_parse(text, size, &again, NULL) == 0);
    FUZZ_CHECK(pk_wire_reply_decode(again, wire->reply.verb, 0, NULL) == 0);
    FUZZ_CHECK(again->reply.status == wire->reply.status);
    FUZZ_CHECK(again->reply.blob_count == wire->reply.blob_count);
    FUZZ_CHECK(again->reply.object_count == wire->reply.object_count);
    FUZZ_CHECK(again->reply.bytes == wire->reply.bytes);
    FUZZ_CHECK(again->fds == pk_wire_reply_fds(&wire->reply));
    FUZZ_CHECK(again->data == pk_wire_reply_data(&wire->reply));
    char *said = NULL;
    FUZZ_CHECK(pk_wire_reply_encode(&again->reply, &json, &said, &size) == 0);
    pk_wire_reply_free(again);
    return said;
}

static void
check_again(const struct pk_wire_reply *wire)
{
    pk_autofree char *json = encode_again(wire, false);
    pk_autofree char *binary = encode_again(wire, true);
    FUZZ_CHECK(strcmp(json, binary) == 0);
}

static void
check_reply(const struct pk_wire_reply *wire, uint32_t fds, uint64_t data)
{
    FUZZ_CHECK(wire->reply.message != NULL && wire->reply.status <= 0);
    check_handles(&wire->reply, fds);
    check_data(&wire->reply, data);
    check_objects(&wire->reply);
    for (size_t i = 0; i < wire->stat_count; i++)
        FUZZ_CHECK(wire->stats[i].name != NULL && wire->stats[i].value <= INT64_MAX);
    if (wire->reply.verb < PK_WIRE_VERB_BATCH)
        check_again(wire);
}

/* As many as it holds: a client knows, and asks for no others. */
static size_t
count_replies(const struct pk_wire_reply *wire)
{
    struct pk_wire_in in;
    pk_wire_in_open(&in, wire->json, wire->value, -EPROTO, NULL);
    const struct pk_wire_value *replies = pk_wire_in_get(&in, PK_NAME_REPLIES);
    return replies != NULL && replies->kind == PK_WIRE_ARRAY ? replies->count : 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pk_wire_reply *wire = NULL;
    struct pk_error err = PK_ERROR_INIT;
    if (size == 0)
        return 0;
    uint32_t verb = verbs[data[0] % VERB_COUNT];
    size_t text_size = size - 1;
    pk_autofree char *text = fuzz_message(data + 1, text_size);
    int32_t rc = pk_wire_reply_parse(text, text_size, &wire, &err);
    FUZZ_CHECK(rc == 0 || (rc == -EPROTO && err.message[0] != '\0'));
    if (rc != 0)
        return 0;
    rc = pk_wire_reply_decode(wire, verb, count_replies(wire), &err);
    FUZZ_CHECK(rc == 0 || (rc == -EPROTO && err.message[0] != '\0'));
    if (rc == 0)
        check_reply(wire, wire->fds, wire->data);
    for (size_t i = 0; rc == 0 && i < wire->item_count; i++) {
        if (pk_wire_reply_decode(wire->items[i], verbs[i % (VERB_COUNT - 2)], 0, &err) == 0)
            check_reply(wire->items[i], wire->fds, wire->data);
    }
    pk_wire_reply_free(wire);
    return 0;
}
