/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decodes requests: one row a verb, one function for its members. It never asks whether an object
 * or a lease exists.
 */
#include "core/wire/frame.h"
#include "core/wire/member_in.h"
#include "core/wire/request.h"

#include <errno.h>
#include <packice/cleanup.h>
#include <string.h>

/* ---- the members of each verb ---- */

/* The number of blobs, and their sizes if they were named. */
static int32_t
decode_blobs(const struct pk_wire_in *in, struct pk_wire_request *wire)
{
    int64_t blobs = 0;
    uint32_t count = 0;
    int32_t rc = pk_wire_in_integer(in, "blobs", 1, PK_BLOBS_MAX, &blobs);
    if (rc == 0)
        rc = pk_wire_in_sizes(in, &wire->sizes, &count);
    if (rc != 0)
        return rc;
    if (count > 0 && blobs > 0 && (int64_t)count != blobs)
        return pk_fail(in->err, in->code, "%sblobs: %lld, but sizes has %u", in->prefix,
                       (long long)blobs, count);
    wire->request.sizes = wire->sizes;
    wire->request.blob_count = count > 0 ? count : blobs > 0 ? (uint32_t)blobs : 1;
    return 0;
}

static int32_t
decode_create(const struct pk_wire_in *in, struct pk_wire_request *wire)
{
    int32_t rc = decode_blobs(in, wire);
    if (rc == 0)
        rc = pk_wire_in_meta(in, &wire->meta);
    if (rc == 0)
        rc = pk_wire_in_seconds(in, "object_ttl_seconds", false, &wire->request.object_ttl);
    wire->request.meta = wire->meta;
    return rc;
}

static int32_t
decode_read(const struct pk_wire_in *in, struct pk_wire_request *wire)
{
    int32_t rc = pk_wire_in_need(in, "object_id");
    if (rc != 0)
        return rc;
    return pk_wire_in_seconds(in, "wait_seconds", true, &wire->request.wait);
}

static int32_t
decode_bind(const struct pk_wire_in *in, struct pk_wire_request *wire)
{
    static const char *const words[] = { "connection" };
    size_t index = 0;
    int32_t rc = pk_wire_in_word(in, "bind", words, 1, &index);
    if (rc != 0 || pk_wire_in_get(in, "bind") == NULL)
        return rc;
    wire->request.flags |= PK_REQUEST_BIND;
    return 0;
}

static int32_t
decode_acquire(const struct pk_wire_in *in, struct pk_wire_request *wire)
{
    static const char *const words[] = { "create", "read" };
    struct pk_request *request = &wire->request;
    size_t intent = 0;
    int32_t rc = pk_wire_in_need(in, "intent");
    if (rc == 0)
        rc = pk_wire_in_word(in, "intent", words, 2, &intent);
    if (rc == 0)
        rc = pk_wire_in_object_id(in, &request->object_id);
    if (rc == 0)
        rc = pk_wire_in_seconds(in, "ttl_seconds", false, &request->ttl);
    if (rc == 0)
        rc = decode_bind(in, wire);
    if (rc == 0)
        rc = pk_wire_in_text(in, "request_id", 1, PK_REQUEST_ID_MAX, &request->request_id);
    if (rc != 0)
        return rc;
    request->access = intent == 0 ? PK_ACCESS_CREATE : PK_ACCESS_READ;
    return intent == 0 ? decode_create(in, wire) : decode_read(in, wire);
}

static int32_t
decode_seal(const struct pk_wire_in *in, struct pk_wire_request *wire)
{
    int32_t rc = pk_wire_in_lease_id(in, &wire->request.lease_id);
    if (rc == 0)
        rc = pk_wire_in_sizes(in, &wire->sizes, &wire->request.blob_count);
    wire->request.sizes = wire->sizes;
    return rc;
}

static int32_t
decode_renew(const struct pk_wire_in *in, struct pk_wire_request *wire)
{
    int32_t rc = pk_wire_in_lease_id(in, &wire->request.lease_id);
    if (rc != 0)
        return rc;
    return pk_wire_in_seconds(in, "ttl_seconds", false, &wire->request.ttl);
}

static int32_t
decode_lease(const struct pk_wire_in *in, struct pk_wire_request *wire)
{
    return pk_wire_in_lease_id(in, &wire->request.lease_id);
}

static int32_t
decode_object(const struct pk_wire_in *in, struct pk_wire_request *wire)
{
    int32_t rc = pk_wire_in_need(in, "object_id");
    return rc != 0 ? rc : pk_wire_in_object_id(in, &wire->request.object_id);
}

/* A cursor is the epoch that the last page ended with; to clients it is opaque. */
static int32_t
decode_cursor(const struct pk_wire_in *in, uint64_t *ret_cursor)
{
    const char *text = NULL;
    int32_t rc = pk_wire_in_text(in, "cursor", 1, 19, &text);
    if (rc != 0 || text == NULL)
        return rc;
    if (strspn(text, "0123456789") != strlen(text))
        return pk_wire_in_fail(in, "cursor", "not one that a list reply gave");
    *ret_cursor = strtoull(text, NULL, 10); /* 19 digits fit */
    return 0;
}

static int32_t
decode_list(const struct pk_wire_in *in, struct pk_wire_request *wire)
{
    int64_t limit = 0;
    int32_t rc = pk_wire_in_text(in, "prefix", 0, PK_ID_MAX, &wire->request.prefix);
    if (rc == 0)
        rc = pk_wire_in_integer(in, "limit", 1, PK_LIST_MAX, &limit);
    if (rc == 0)
        rc = decode_cursor(in, &wire->request.cursor);
    wire->request.limit = (uint32_t)limit;
    return rc;
}

static int32_t
decode_nothing(const struct pk_wire_in *in, struct pk_wire_request *wire)
{
    (void)in;
    (void)wire;
    return 0;
}

static int32_t decode_batch(const struct pk_wire_in *in, struct pk_wire_request *wire);

/* ---- verbs ---- */

struct verb {
    const char *name;
    uint32_t number;
    int32_t (*decode)(const struct pk_wire_in *in, struct pk_wire_request *wire);
};

static const struct verb verbs[] = {
    { "acquire", PK_VERB_ACQUIRE, decode_acquire }, { "seal", PK_VERB_SEAL, decode_seal },
    { "renew", PK_VERB_RENEW, decode_renew },       { "release", PK_VERB_RELEASE, decode_lease },
    { "discard", PK_VERB_DISCARD, decode_object },  { "stat", PK_VERB_STAT, decode_object },
    { "list", PK_VERB_LIST, decode_list },          { "batch", PK_WIRE_VERB_BATCH, decode_batch },
    { "verify", PK_VERB_VERIFY, decode_object },    { "stats", PK_WIRE_VERB_STATS, decode_nothing },
};

static const struct verb *
find_verb(const char *name)
{
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    }
    return NULL;
}

/* The verb of a request: the name that the transport knows, or the member "command". */
static int32_t
decode_verb(const struct pk_wire_in *in, const char *name, const struct verb **ret_verb)
{
    int32_t rc = 0;
    if (name == NULL) {
        rc = pk_wire_in_need(in, "command");
        if (rc == 0)
            rc = pk_wire_in_text(in, "command", 0, PK_WIRE_REQUEST_MAX, &name);
        if (rc != 0)
            return rc;
    }
    const struct verb *verb = find_verb(name);
    if (verb == NULL)
        return pk_fail(in->err, -EOPNOTSUPP, "%scommand: not a verb of this node", in->prefix);
    *ret_verb = verb;
    return 0;
}

/* ---- a batch ---- */

/* Reads one request of a batch. */
static int32_t
decode_single(const struct pk_wire_in *in, struct pk_wire_request *item)
{
    const struct verb *verb = NULL;
    if (!json_is_object(in->object))
        return pk_fail(in->err, -EINVAL, "not a JSON object");
    int32_t rc = decode_verb(in, NULL, &verb);
    if (rc != 0 || verb == NULL)
        return rc;
    if (verb->number == PK_WIRE_VERB_BATCH || verb->number == PK_WIRE_VERB_STATS)
        return pk_fail(in->err, -EINVAL, "command: %s can't be part of a batch", verb->name);
    item->request.verb = verb->number;
    return verb->decode(in, item);
}

/* Reads one request of a batch into an item; what is wrong with it goes there too. Fails for want
 * of memory alone. */
static int32_t
decode_item(json_t *json, struct pk_wire_request *item, struct pk_error *err)
{
    struct pk_wire_in in = { .object = json, .prefix = "", .code = -EINVAL, .err = &item->error };
    item->json = json_incref(json);
    int32_t rc = decode_single(&in, item);
    if (rc == -ENOMEM)
        return pk_fail(err, -ENOMEM, "out of memory");
    if (rc != 0)
        memset(&item->request, 0, sizeof(item->request));
    item->request.struct_size = sizeof(item->request);
    return 0;
}

static struct pk_wire_request *
new_request(void)
{
    struct pk_wire_request *wire = calloc(1, sizeof(*wire));
    if (wire == NULL)
        return NULL;
    wire->request.struct_size = sizeof(wire->request);
    wire->error.struct_size = sizeof(wire->error);
    return wire;
}

static int32_t
decode_batch(const struct pk_wire_in *in, struct pk_wire_request *wire)
{
    json_t *array = NULL;
    int32_t rc = pk_wire_in_need(in, "requests");
    if (rc == 0)
        rc = pk_wire_in_array(in, "requests", 0, PK_WIRE_BATCH_MAX, &array);
    if (rc != 0)
        return rc;
    size_t count = json_array_size(array);
    wire->items = calloc(count > 0 ? count : 1, sizeof(struct pk_wire_request *));
    if (wire->items == NULL)
        return pk_fail(in->err, -ENOMEM, "out of memory");
    for (; wire->item_count < count && rc == 0; wire->item_count++) {
        struct pk_wire_request *item = new_request();
        if (item == NULL)
            return pk_fail(in->err, -ENOMEM, "out of memory");
        wire->items[wire->item_count] = item;
        rc = decode_item(json_array_get(array, wire->item_count), item, in->err);
    }
    return rc;
}

/* ---- a request ---- */

/* Everything of a request whose JSON was read. The tag is read first, so that an error can carry
 * it. */
static int32_t
decode(struct pk_wire_request *wire, const char *name, struct pk_error *err)
{
    struct pk_wire_in in = { .object = wire->json, .prefix = "", .code = -EINVAL, .err = err };
    const struct verb *verb = NULL;
    int32_t rc = pk_wire_in_tag(&in, &wire->tag);
    if (rc == 0)
        rc = decode_verb(&in, name, &verb);
    if (rc != 0 || verb == NULL)
        return rc;
    wire->request.verb = verb->number;
    return verb->decode(&in, wire);
}

/* A copy of the tag for the caller, if there is one. */
static int32_t
copy_tag(const struct pk_wire_request *wire, char **ret_tag, struct pk_error *err)
{
    if (ret_tag == NULL || wire->tag == NULL)
        return 0;
    *ret_tag = strdup(wire->tag);
    return *ret_tag == NULL ? pk_fail(err, -ENOMEM, "out of memory") : 0;
}

int32_t
pk_wire_request_decode(const char *text, size_t size, const char *verb,
                       struct pk_wire_request **ret_request, char **ret_tag, struct pk_error *err)
{
    if (ret_tag != NULL)
        *ret_tag = NULL;
    struct pk_wire_request *wire = new_request();
    if (wire == NULL)
        return pk_fail(err, -ENOMEM, "out of memory");
    json_t *json = NULL;
    int32_t rc = pk_wire_json_parse(text, size, -EINVAL, &json, err);
    wire->json = json;
    if (rc == 0) {
        rc = decode(wire, verb, err);
        int32_t copied = copy_tag(wire, ret_tag, err);
        rc = copied != 0 ? copied : rc;
    }
    if (rc != 0) {
        pk_wire_request_free(wire);
        return rc;
    }
    *ret_request = wire;
    return 0;
}

void
pk_wire_request_free(struct pk_wire_request *request)
{
    if (request == NULL)
        return;
    for (size_t i = 0; i < request->item_count; i++)
        pk_wire_request_free(request->items[i]);
    free(request->items);
    free(request->tag);
    free(request->sizes);
    free(request->meta);
    json_decref(request->json);
    free(request);
}
