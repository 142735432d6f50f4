/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decodes replies for a client, which trusts its node no more than a node trusts its callers: every
 * index of a descriptor is in range and used once, every count bounded. It never sees a descriptor.
 */
#include "core/wire/binary.h"
#include "core/wire/error_name.h"
#include "core/wire/member_in.h"
#include "core/wire/reply.h"
#include "core/wire/reply_part.h"
#include "core/wire/request.h"
#include "core/wire/text.h"

#include <errno.h>
#include <packice/cleanup.h>
#include <string.h>

static int32_t
read_ttl(const struct pk_wire_in *in, uint64_t *ret_ttl)
{
    *ret_ttl = PK_FOREVER;
    return pk_wire_in_seconds(in, PK_NAME_TTL_SECONDS, false, ret_ttl);
}

/* ---- what each verb answers ---- */

static int32_t
new_objects(struct pk_wire_reply *wire, size_t count, struct pk_error *err)
{
    wire->objects = calloc(count > 0 ? count : 1, sizeof(*wire->objects));
    if (wire->objects == NULL)
        return pk_fail(err, -ENOMEM, "out of memory");
    wire->reply.objects = wire->objects;
    wire->reply.object_stride = sizeof(*wire->objects);
    wire->reply.object_count = (uint32_t)count;
    return 0;
}

/* What comes instead of a lease: the bytes. */
static int32_t
decode_inline(const struct pk_wire_in *in, struct pk_wire_reply *wire)
{
    struct pk_reply *reply = &wire->reply;
    reply->access = PK_ACCESS_READ;
    reply->ttl = PK_FOREVER;
    reply->meta = "";
    int32_t rc = pk_wire_read_key(in, &reply->object_id, &reply->epoch);
    if (rc == 0)
        rc = pk_wire_read_state(in, &reply->state);
    if (rc == 0)
        rc = pk_wire_in_meta(in, &reply->meta, &wire->meta_text);
    if (rc == 0)
        rc = pk_wire_read_inline(in, wire);
    return rc;
}

static int32_t
decode_lease(const struct pk_wire_in *in, struct pk_wire_reply *wire)
{
    static const char *const words[] = { "read", "create" }; /* PK_ACCESS_* */
    struct pk_reply *reply = &wire->reply;
    reply->meta = "";
    int32_t rc = pk_wire_in_lease_id(in, &reply->lease_id);
    if (rc == 0)
        rc = pk_wire_read_key(in, &reply->object_id, &reply->epoch);
    if (rc == 0)
        rc = pk_wire_read_word(in, PK_NAME_INTENT, words, 2, &reply->access);
    if (rc == 0)
        rc = read_ttl(in, &reply->ttl);
    if (rc == 0)
        rc = pk_wire_read_state(in, &reply->state);
    if (rc == 0)
        rc = pk_wire_in_meta(in, &reply->meta, &wire->meta_text);
    if (rc == 0)
        rc = pk_wire_read_handles(in, wire);
    return rc;
}

static int32_t
decode_acquire(const struct pk_wire_in *in, struct pk_wire_reply *wire)
{
    bool lease = pk_wire_in_get(in, PK_NAME_LEASE_ID) != NULL;
    return lease ? decode_lease(in, wire) : decode_inline(in, wire);
}

static int32_t
decode_put(const struct pk_wire_in *in, struct pk_wire_reply *wire)
{
    return pk_wire_read_key(in, &wire->reply.object_id, &wire->reply.epoch);
}

static int32_t
decode_renew(const struct pk_wire_in *in, struct pk_wire_reply *wire)
{
    int32_t rc = pk_wire_in_lease_id(in, &wire->reply.lease_id);
    return rc != 0 ? rc : read_ttl(in, &wire->reply.ttl);
}

static int32_t
decode_stat(const struct pk_wire_in *in, struct pk_wire_reply *wire)
{
    uint32_t count = 0;
    int32_t rc = new_objects(wire, 1, in->err);
    if (rc == 0)
        rc = pk_wire_read_object(in, wire->objects);
    if (rc == 0)
        rc = pk_wire_in_need(in, PK_NAME_SIZES);
    if (rc == 0)
        rc = pk_wire_in_sizes(in, &wire->sizes, &count);
    if (rc == 0 && count != wire->objects->blob_count)
        rc = pk_wire_in_fail(in, PK_NAME_SIZES, "not one for each blob");
    if (rc == 0)
        rc = pk_wire_in_meta(in, &wire->objects->meta, &wire->meta_text);
    if (rc == 0)
        wire->objects->sizes = wire->sizes;
    return rc;
}

static int32_t
decode_verify(const struct pk_wire_in *in, struct pk_wire_reply *wire)
{
    int32_t rc = new_objects(wire, 1, in->err);
    if (rc == 0)
        rc = pk_wire_read_verified(in, wire->objects);
    if (rc != 0)
        return rc;
    wire->reply.object_id = wire->objects->key.id;
    wire->reply.epoch = wire->objects->key.epoch;
    wire->reply.bytes = wire->objects->size;
    return 0;
}

static int32_t
decode_cursor(const struct pk_wire_in *in, struct pk_wire_reply *wire)
{
    const char *text = NULL;
    int32_t rc = pk_wire_in_text(in, PK_NAME_CURSOR, 1, 19, &text);
    if (rc != 0 || text == NULL)
        return rc;
    if (strspn(text, "0123456789") != strlen(text))
        return pk_wire_in_fail(in, PK_NAME_CURSOR, "not a number");
    wire->reply.cursor = strtoull(text, NULL, 10);
    return 0;
}

static int32_t
decode_list(const struct pk_wire_in *in, struct pk_wire_reply *wire)
{
    struct pk_wire_value *entry = NULL;
    size_t count = 0;
    int32_t rc = pk_wire_in_need(in, PK_NAME_OBJECTS);
    if (rc == 0)
        rc = pk_wire_in_array(in, PK_NAME_OBJECTS, 0, PK_LIST_MAX, &entry, &count);
    if (rc == 0)
        rc = new_objects(wire, count, in->err);
    for (size_t i = 0; rc == 0 && i < count; i++, entry += entry->span) {
        struct pk_wire_in object;
        pk_wire_in_open_entry(&object, in, entry, "objects", i);
        rc = pk_wire_read_object(&object, &wire->objects[i]);
    }
    return rc != 0 ? rc : decode_cursor(in, wire);
}

static int32_t
decode_figure(const struct pk_wire_in *in, struct pk_wire_value *name, struct pk_stat *stat)
{
    const struct pk_wire_value *value = name + 1;
    int64_t count = value->kind == PK_WIRE_INTEGER ? value->number : -1;
    stat->struct_size = sizeof(*stat);
    stat->name = pk_wire_json_string(in->json, name);
    stat->help = "";
    stat->value = (uint64_t)count;
    if (count < 0)
        return pk_wire_in_fail(in, PK_NAME_STATS, "holds what is not a count");
    if (pk_wire_has_control(stat->name))
        return pk_wire_in_fail(in, PK_NAME_STATS, "holds a name with a control character");
    return 0;
}

static int32_t
decode_stats(const struct pk_wire_in *in, struct pk_wire_reply *wire)
{
    struct pk_wire_value *stats = pk_wire_in_get(in, PK_NAME_STATS);
    if (stats == NULL || stats->kind != PK_WIRE_OBJECT || stats->binary)
        return pk_wire_in_fail(in, PK_NAME_STATS, stats == NULL ? "missing" : "not an object");
    if (stats->count == PK_WIRE_COUNT_MAX)
        return pk_wire_in_fail(in, PK_NAME_STATS, "too many");
    wire->stats = calloc(stats->count + 1U, sizeof(*wire->stats));
    if (wire->stats == NULL)
        return pk_fail(in->err, -ENOMEM, "out of memory");
    struct pk_wire_value *name = stats + 1;
    for (size_t i = 0; i < stats->count; i++, name += 1 + name[1].span) {
        int32_t rc = decode_figure(in, name, &wire->stats[i]);
        if (rc != 0)
            return rc;
    }
    wire->stat_count = stats->count;
    return 0;
}

static int32_t
decode_nothing(const struct pk_wire_in *in, struct pk_wire_reply *wire)
{
    (void)in;
    (void)wire;
    return 0;
}

/* ---- first step ---- */

/* An error's code and message. */
static int32_t
parse_error(const struct pk_wire_in *in, struct pk_wire_reply *wire)
{
    const char *name = NULL;
    const char *message = "";
    int32_t rc = pk_wire_in_need(in, PK_NAME_ERROR);
    if (rc == 0)
        rc = pk_wire_in_text(in, PK_NAME_ERROR, 1, PK_WIRE_TEXT_MAX, &name);
    if (rc == 0)
        rc = pk_wire_in_text(in, PK_NAME_MESSAGE, 0, PK_WIRE_TEXT_MAX, &message);
    if (rc != 0)
        return rc;
    wire->message = pk_wire_printable(message);
    if (wire->message == NULL)
        return pk_fail(in->err, -ENOMEM, "out of memory");
    wire->reply.status = pk_wire_error_code(name);
    wire->reply.message = wire->message;
    return 0;
}

static int32_t
parse_status(const struct pk_wire_in *in, struct pk_wire_reply *wire)
{
    const char *status = NULL;
    int32_t rc = pk_wire_in_need(in, PK_NAME_STATUS);
    if (rc == 0)
        rc = pk_wire_in_text(in, PK_NAME_STATUS, 1, PK_WIRE_TEXT_MAX, &status);
    if (rc != 0)
        return rc;
    return strcmp(status, "error") == 0 ? parse_error(in, wire) : 0;
}

static void
begin_reply(struct pk_wire_reply *wire, struct pk_wire_json *json, struct pk_wire_value *value)
{
    wire->json = json;
    wire->value = value;
    wire->reply.struct_size = sizeof(wire->reply);
    wire->reply.message = "";
}

static int32_t
parse(struct pk_wire_reply *wire, struct pk_error *err)
{
    struct pk_wire_in in;
    pk_wire_in_open(&in, wire->json, wire->value, -EPROTO, err);
    int64_t fds = 0;
    int64_t data = 0;
    int32_t rc = pk_wire_in_tag(&in, &wire->tag, &wire->tag_text);
    if (rc == 0)
        rc = pk_wire_in_integer(&in, PK_NAME_FDS, 0, PK_WIRE_FDS_MAX, &fds);
    if (rc == 0)
        rc = pk_wire_in_integer(&in, PK_NAME_DATA, 0, PK_SIZE_MAX, &data);
    wire->takes_binary = pk_wire_in_get(&in, PK_NAME_BINARY) != NULL;
    wire->fds = (uint32_t)fds;
    wire->data = (uint64_t)data;
    return rc != 0 ? rc : parse_status(&in, wire);
}

int32_t
pk_wire_reply_parse(const char *text, size_t size, struct pk_wire_reply **ret_reply,
                    struct pk_error *err)
{
    return pk_wire_reply_parse_in(NULL, text, size, ret_reply, err);
}

int32_t
pk_wire_reply_parse_in(struct pk_wire_room *room, const char *text, size_t size,
                       struct pk_wire_reply **ret_reply, struct pk_error *err)
{
    struct pk_wire_json *json = pk_wire_json_new(room, sizeof(struct pk_wire_reply), text, size);
    if (json == NULL)
        return pk_fail(err, -ENOMEM, "out of memory");
    struct pk_wire_reply *wire = (struct pk_wire_reply *)(void *)(json + 1);
    begin_reply(wire, json, json->values);
    int32_t rc = pk_wire_is_binary(*json->text) ? pk_wire_binary_scan(json, -EPROTO, err)
                                                : pk_wire_json_scan(json, -EPROTO, err);
    wire->value = json->values; /* which may have moved */
    if (rc == 0)
        rc = parse(wire, err);
    if (rc != 0) {
        pk_wire_reply_free(wire);
        return rc;
    }
    *ret_reply = wire;
    return 0;
}

/* ---- second step ---- */

/* Items of a batch, and where they are, in one block. */
static int32_t
new_items(struct pk_wire_reply *wire, size_t count, struct pk_error *err)
{
    struct pk_wire_reply **items =
        malloc((1 + count) * (sizeof(struct pk_wire_reply *) + sizeof(struct pk_wire_reply)));
    if (items == NULL)
        return pk_fail(err, -ENOMEM, "out of memory");
    struct pk_wire_reply *first = (struct pk_wire_reply *)(void *)(items + count);
    for (size_t i = 0; i < count; i++) {
        items[i] = &first[i];
        memset(items[i], 0, sizeof(*items[i]));
    }
    wire->items = items;
    wire->item_count = count;
    return 0;
}

static int32_t
parse_item(const struct pk_wire_in *batch, struct pk_wire_reply *wire, struct pk_wire_value *entry,
           size_t index)
{
    struct pk_wire_reply *item = wire->items[index];
    struct pk_wire_in in;
    pk_wire_in_open_entry(&in, batch, entry, "replies", index);
    if (entry->kind != PK_WIRE_OBJECT)
        return pk_fail(in.err, -EPROTO, "replies[%zu]: not an object", index);
    begin_reply(item, wire->json, entry);
    item->batch = wire;
    return parse_status(&in, item);
}

static int32_t
decode_batch(const struct pk_wire_in *in, struct pk_wire_reply *wire, size_t count)
{
    struct pk_wire_value *entry = NULL;
    int32_t rc = pk_wire_in_need(in, PK_NAME_REPLIES);
    if (rc == 0)
        rc = pk_wire_in_array(in, PK_NAME_REPLIES, count, count, &entry, &count);
    if (rc == 0)
        rc = new_items(wire, count, in->err);
    for (size_t i = 0; rc == 0 && i < count; i++, entry += entry->span)
        rc = parse_item(in, wire, entry, i);
    return rc;
}

static const struct {
    uint32_t verb;
    const char *status;
    int32_t (*decode)(const struct pk_wire_in *in, struct pk_wire_reply *wire);
} verbs[] = {
    { PK_VERB_ACQUIRE, "ok", decode_acquire },
    { PK_VERB_SEAL, "sealed", decode_lease },
    { PK_VERB_RENEW, "ok", decode_renew },
    { PK_VERB_RELEASE, "released", decode_nothing },
    { PK_VERB_DISCARD, "discarded", decode_nothing },
    { PK_VERB_STAT, "ok", decode_stat },
    { PK_VERB_LIST, "ok", decode_list },
    { PK_VERB_VERIFY, "ok", decode_verify },
    { PK_WIRE_VERB_STATS, "ok", decode_stats },
    { PK_VERB_PUT, "sealed", decode_put },
};

int32_t
pk_wire_reply_decode(struct pk_wire_reply *reply, uint32_t verb, size_t count, struct pk_error *err)
{
    struct pk_wire_in in;
    uint32_t word = 0;
    reply->reply.verb = verb;
    if (reply->reply.status != 0)
        return 0;
    pk_wire_in_open(&in, reply->json, reply->value, -EPROTO, err);
    if (verb == PK_WIRE_VERB_BATCH && reply->batch == NULL) {
        static const char *const ok[] = { "ok" };
        int32_t rc = pk_wire_read_word(&in, PK_NAME_STATUS, ok, 1, &word);
        return rc != 0 ? rc : decode_batch(&in, reply, count);
    }
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        if (verbs[i].verb != verb)
            continue;
        int32_t rc = pk_wire_read_word(&in, PK_NAME_STATUS, &verbs[i].status, 1, &word);
        return rc != 0 ? rc : verbs[i].decode(&in, reply);
    }
    return pk_fail(err, -EINVAL, "no verb of the protocol: %u", verb);
}

static void
free_members(struct pk_wire_reply *wire)
{
    if (wire->handles != &wire->one_handle)
        free(wire->handles);
    free(wire->objects);
    free(wire->stats);
    free(wire->sizes);
    free(wire->meta_text);
    free(wire->message);
}

void
pk_wire_reply_free(struct pk_wire_reply *reply)
{
    if (reply == NULL)
        return;
    for (size_t i = 0; i < reply->item_count; i++)
        free_members(reply->items[i]);
    free_members(reply);
    free(reply->items);
    free(reply->tag_text);
    pk_wire_json_free(reply->json); /* which it is within */
}
