/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decodes requests: one row a verb, one function for its members. It never asks whether an object
 * or a lease exists.
 */
#include "core/wire/binary.h"
#include "core/wire/frame.h"
#include "core/wire/member_in.h"
#include "core/wire/request.h"

#include <errno.h>
#include <packice/cleanup.h>
#include <stddef.h>
#include <string.h>

/* ---- the members of each verb ---- */

/* The number of blobs, and their sizes if they were named. */
static int32_t
decode_blobs(const struct pk_wire_in *in, struct pk_wire_request *wire)
{
    int64_t blobs = 0;
    uint32_t count = 0;
    int32_t rc = pk_wire_in_integer(in, PK_NAME_BLOBS, 1, PK_BLOBS_MAX, &blobs);
    if (rc == 0)
        rc = pk_wire_in_sizes(in, &wire->sizes, &count);
    if (rc != 0)
        return rc;
    if (count > 0 && blobs > 0 && (int64_t)count != blobs)
        return pk_wire_in_fail(in, PK_NAME_BLOBS, "%lld, but sizes has %u", (long long)blobs,
                               count);
    wire->request.sizes = wire->sizes;
    wire->request.blob_count = count > 0 ? count : blobs > 0 ? (uint32_t)blobs : 1;
    return 0;
}

static int32_t
decode_create(const struct pk_wire_in *in, struct pk_wire_request *wire)
{
    struct pk_request *request = &wire->request;
    int32_t rc = decode_blobs(in, wire);
    if (rc == 0)
        rc = pk_wire_in_meta(in, &request->meta, &wire->meta_text);
    if (rc == 0)
        rc = pk_wire_in_seconds(in, PK_NAME_OBJECT_TTL_SECONDS, false, &request->object_ttl);
    return rc;
}

static int32_t
decode_shared(const struct pk_wire_in *in, struct pk_wire_request *wire)
{
    bool shared = false;
    int32_t rc = pk_wire_in_flag(in, PK_NAME_SHARED, &shared);
    wire->request.flags |= shared ? PK_REQUEST_SHARE : 0;
    return rc;
}

static int32_t
decode_read(const struct pk_wire_in *in, struct pk_wire_request *wire)
{
    int64_t inline_max = 0;
    int64_t known_epoch = 0;
    int32_t rc = pk_wire_in_need(in, PK_NAME_OBJECT_ID);
    if (rc == 0)
        rc = pk_wire_in_seconds(in, PK_NAME_WAIT_SECONDS, true, &wire->request.wait);
    if (rc == 0)
        rc = pk_wire_in_integer(in, PK_NAME_INLINE_MAX, 0, PK_SIZE_MAX, &inline_max);
    if (rc == 0)
        rc = pk_wire_in_integer(in, PK_NAME_KNOWN_EPOCH, 1, INT64_MAX, &known_epoch);
    if (rc == 0)
        rc = decode_shared(in, wire);
    wire->request.inline_max = (uint64_t)inline_max;
    wire->request.known_epoch = (uint64_t)known_epoch;
    return rc;
}

static int32_t
decode_bind(const struct pk_wire_in *in, struct pk_wire_request *wire)
{
    static const char *const words[] = { "connection" };
    size_t index = 0;
    int32_t rc = pk_wire_in_word(in, PK_NAME_BIND, words, 1, &index);
    if (rc != 0 || pk_wire_in_get(in, PK_NAME_BIND) == NULL)
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
    int32_t rc = pk_wire_in_need(in, PK_NAME_INTENT);
    if (rc == 0)
        rc = pk_wire_in_word(in, PK_NAME_INTENT, words, 2, &intent);
    if (rc == 0)
        rc = pk_wire_in_object_id(in, &request->object_id);
    if (rc == 0)
        rc = pk_wire_in_seconds(in, PK_NAME_TTL_SECONDS, false, &request->ttl);
    if (rc == 0)
        rc = decode_bind(in, wire);
    if (rc == 0)
        rc = pk_wire_in_text(in, PK_NAME_REQUEST_ID, 1, PK_REQUEST_ID_MAX, &request->request_id);
    if (rc != 0)
        return rc;
    request->access = intent == 0 ? PK_ACCESS_CREATE : PK_ACCESS_READ;
    return intent == 0 ? decode_create(in, wire) : decode_read(in, wire);
}

/* Whether all sizes of a put are known, and come to its bytes. */
static int32_t
check_put_sizes(const struct pk_wire_in *in, const struct pk_wire_request *wire)
{
    uint64_t rest = wire->request.data_size;
    for (uint32_t i = 0; i < wire->request.blob_count; i++) {
        uint64_t size = wire->sizes[i];
        if (size == PK_UNSIZED)
            return pk_wire_in_fail_entry(in, PK_NAME_SIZES, i, "not a size in bytes");
        if (wire->request_fds == 0 && size > rest)
            return pk_wire_in_fail(in, PK_NAME_SIZES, "more than data");
        rest -= wire->request_fds == 0 ? size : 0;
    }
    if (wire->request_fds == 0 && rest > 0)
        return pk_wire_in_fail(in, PK_NAME_SIZES, "less than data");
    return 0;
}

/* A put has bytes, of one blob without sizes, or else one descriptor for each size. */
static int32_t
check_put(const struct pk_wire_in *in, struct pk_wire_request *wire)
{
    bool data = pk_wire_in_get(in, PK_NAME_DATA) != NULL;
    if (!data && wire->request_fds == 0)
        return pk_wire_in_fail(in, PK_NAME_DATA, "missing");
    if (data && wire->request_fds > 0)
        return pk_wire_in_fail(in, PK_NAME_FDS, "not beside data");
    if (wire->request_fds > 0 && wire->request_fds != wire->request.blob_count)
        return pk_wire_in_fail(in, PK_NAME_SIZES, "not one for each descriptor");
    if (wire->sizes != NULL)
        return check_put_sizes(in, wire);
    wire->request.blob_count = 1;
    return 0;
}

static int32_t
decode_put(const struct pk_wire_in *in, struct pk_wire_request *wire)
{
    struct pk_request *request = &wire->request;
    int32_t rc = pk_wire_in_object_id(in, &request->object_id);
    if (rc == 0)
        rc = pk_wire_in_sizes(in, &wire->sizes, &request->blob_count);
    if (rc == 0)
        rc = pk_wire_in_meta(in, &request->meta, &wire->meta_text);
    if (rc == 0)
        rc = pk_wire_in_seconds(in, PK_NAME_OBJECT_TTL_SECONDS, false, &request->object_ttl);
    request->sizes = wire->sizes;
    return rc != 0 ? rc : check_put(in, wire);
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
    return pk_wire_in_seconds(in, PK_NAME_TTL_SECONDS, false, &wire->request.ttl);
}

static int32_t
decode_lease(const struct pk_wire_in *in, struct pk_wire_request *wire)
{
    return pk_wire_in_lease_id(in, &wire->request.lease_id);
}

static int32_t
decode_object(const struct pk_wire_in *in, struct pk_wire_request *wire)
{
    int32_t rc = pk_wire_in_need(in, PK_NAME_OBJECT_ID);
    return rc != 0 ? rc : pk_wire_in_object_id(in, &wire->request.object_id);
}

/* A cursor is the epoch that the last page ended with; to clients it is opaque. */
static int32_t
decode_cursor(const struct pk_wire_in *in, uint64_t *ret_cursor)
{
    const char *text = NULL;
    int32_t rc = pk_wire_in_text(in, PK_NAME_CURSOR, 1, 19, &text);
    if (rc != 0 || text == NULL)
        return rc;
    if (strspn(text, "0123456789") != strlen(text))
        return pk_wire_in_fail(in, PK_NAME_CURSOR, "not one that a list reply gave");
    *ret_cursor = strtoull(text, NULL, 10); /* 19 digits fit */
    return 0;
}

static int32_t
decode_list(const struct pk_wire_in *in, struct pk_wire_request *wire)
{
    int64_t limit = 0;
    int32_t rc = pk_wire_in_text(in, PK_NAME_PREFIX, 0, PK_ID_MAX, &wire->request.prefix);
    if (rc == 0)
        rc = pk_wire_in_integer(in, PK_NAME_LIMIT, 1, PK_LIST_MAX, &limit);
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
    { "acquire", PK_VERB_ACQUIRE, decode_acquire },
    { "seal", PK_VERB_SEAL, decode_seal },
    { "renew", PK_VERB_RENEW, decode_renew },
    { "release", PK_VERB_RELEASE, decode_lease },
    { "discard", PK_VERB_DISCARD, decode_object },
    { "stat", PK_VERB_STAT, decode_object },
    { "list", PK_VERB_LIST, decode_list },
    { "batch", PK_WIRE_VERB_BATCH, decode_batch },
    { "verify", PK_VERB_VERIFY, decode_object },
    { "stats", PK_WIRE_VERB_STATS, decode_nothing },
    { "put", PK_VERB_PUT, decode_put },
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
        rc = pk_wire_in_need(in, PK_NAME_COMMAND);
        if (rc == 0)
            rc = pk_wire_in_text(in, PK_NAME_COMMAND, 0, PK_WIRE_REQUEST_MAX, &name);
        if (rc != 0)
            return rc;
    }
    const struct verb *verb = find_verb(name);
    if (verb == NULL)
        return pk_fail(in->err, -EOPNOTSUPP, "command: not a verb of this node");
    *ret_verb = verb;
    return 0;
}

/* ---- what comes with a request ---- */

/* How many bytes and descriptors come with a request; data_size is PK_UNSIZED if that can't be
 * told. */
static int32_t
decode_baggage(const struct pk_wire_in *in, struct pk_wire_request *wire)
{
    int64_t data = 0;
    int64_t fds = 0;
    int32_t rc = pk_wire_in_integer(in, PK_NAME_DATA, 0, PK_SIZE_MAX, &data);
    if (rc == 0)
        rc = pk_wire_in_integer(in, PK_NAME_FDS, 0, PK_BLOBS_MAX, &fds);
    wire->request.data_size = rc == 0 ? (uint64_t)data : PK_UNSIZED;
    wire->request_fds = (uint32_t)fds;
    return rc;
}

/* Whether this verb takes what comes with the request. */
static int32_t
check_baggage(const struct pk_wire_in *in, const struct pk_wire_request *wire)
{
    uint32_t verb = wire->request.verb;
    if (wire->request.data_size > 0 && verb != PK_VERB_PUT && verb != PK_WIRE_VERB_BATCH)
        return pk_wire_in_fail(in, PK_NAME_DATA, "only put has bytes");
    if (wire->request_fds > 0 && verb != PK_VERB_PUT)
        return pk_wire_in_fail(in, PK_NAME_FDS, "only put has descriptors");
    return 0;
}

static int32_t
decode_releases(const struct pk_wire_in *in, struct pk_wire_request *wire)
{
    struct pk_wire_value *entry = NULL;
    size_t count = 0;
    int32_t rc = pk_wire_in_array(in, PK_NAME_RELEASES, 0, PK_WIRE_RELEASES_MAX, &entry, &count);
    if (rc != 0 || count == 0)
        return rc;
    wire->releases = malloc(count * sizeof(*wire->releases));
    if (wire->releases == NULL)
        return pk_fail(in->err, -ENOMEM, "out of memory");
    for (size_t i = 0; i < count; i++, entry += entry->span) {
        const char *id = entry->kind == PK_WIRE_STRING ? pk_wire_json_string(in->json, entry) : "";
        if (*id == '\0' || entry->size > PK_LEASE_ID_LEN)
            return pk_wire_in_fail_entry(in, PK_NAME_RELEASES, i, "not a lease id");
        wire->releases[i] = id;
    }
    wire->release_count = (uint32_t)count;
    return 0;
}

/* ---- a batch ---- */

/* Reads the members of a request or of an item. */
static int32_t
decode_members(const struct pk_wire_in *in, const struct verb *verb, struct pk_wire_request *wire)
{
    wire->request.verb = verb->number;
    int32_t rc = check_baggage(in, wire);
    return rc != 0 ? rc : verb->decode(in, wire);
}

/* Reads one request of a batch. */
static int32_t
decode_single(const struct pk_wire_in *in, struct pk_wire_request *item)
{
    const struct verb *verb = NULL;
    if (in->object->kind != PK_WIRE_OBJECT)
        return pk_fail(in->err, -EINVAL, "not a JSON object");
    int32_t rc = decode_verb(in, NULL, &verb);
    if (rc != 0 || verb == NULL)
        return rc;
    if (verb->number == PK_WIRE_VERB_BATCH || verb->number == PK_WIRE_VERB_STATS)
        return pk_fail(in->err, -EINVAL, "command: %s can't be part of a batch", verb->name);
    if (item->request_fds > 0)
        return pk_wire_in_fail(in, PK_NAME_FDS, "descriptors can't be part of a batch");
    return decode_members(in, verb, item);
}

/* What is wrong is told instead of what was asked. */
static void
forget(struct pk_wire_request *wire)
{
    uint64_t data_size = wire->request.data_size;
    memset(&wire->request, 0, sizeof(wire->request));
    wire->request.struct_size = sizeof(wire->request);
    wire->request.data_size = data_size;
}

/* Reads one request of a batch into an item; what is wrong with it goes there too. Fails for want
 * of memory, and if nobody can tell where the next item's bytes begin. */
static int32_t
decode_item(const struct pk_wire_in *batch, struct pk_wire_value *entry, size_t index,
            struct pk_wire_request *item)
{
    struct pk_wire_in in;
    pk_wire_in_open(&in, batch->json, entry, -EINVAL, &item->error);
    int32_t rc = decode_baggage(&in, item);
    if (rc != 0)
        return pk_fail(batch->err, rc, "requests[%zu].%.200s", index, item->error.message);
    rc = decode_single(&in, item);
    if (rc == -ENOMEM)
        return pk_fail(batch->err, -ENOMEM, "out of memory");
    if (rc != 0)
        forget(item);
    return 0;
}

static void
begin_request(struct pk_wire_request *wire)
{
    wire->request.struct_size = sizeof(wire->request);
    pk_error_init(&wire->error);
}

/* Items of a batch, and where they are, in one block. */
static int32_t
new_items(struct pk_wire_request *wire, size_t count, struct pk_error *err)
{
    struct pk_wire_request **items =
        malloc((1 + count) * (sizeof(struct pk_wire_request *) + sizeof(struct pk_wire_request)));
    if (items == NULL)
        return pk_fail(err, -ENOMEM, "out of memory");
    struct pk_wire_request *first = (struct pk_wire_request *)(void *)(items + count);
    for (size_t i = 0; i < count; i++) {
        items[i] = &first[i];
        memset(items[i], 0, offsetof(struct pk_wire_request, error));
        begin_request(items[i]);
    }
    wire->items = items;
    wire->item_count = count;
    return 0;
}

static int32_t
decode_items(const struct pk_wire_in *in, struct pk_wire_value *entry, struct pk_wire_request *wire)
{
    uint64_t rest = wire->request.data_size;
    for (size_t i = 0; i < wire->item_count; i++, entry += entry->span) {
        struct pk_wire_request *item = wire->items[i];
        int32_t rc = decode_item(in, entry, i, item);
        if (rc != 0)
            return rc;
        if (item->request.data_size > rest)
            return pk_wire_in_fail(in, PK_NAME_DATA, "less than the data of the requests");
        rest -= item->request.data_size;
    }
    if (rest > 0)
        return pk_wire_in_fail(in, PK_NAME_DATA, "more than the data of the requests");
    return 0;
}

static int32_t
decode_batch(const struct pk_wire_in *in, struct pk_wire_request *wire)
{
    struct pk_wire_value *first = NULL;
    size_t count = 0;
    int32_t rc = pk_wire_in_need(in, PK_NAME_REQUESTS);
    if (rc == 0)
        rc = pk_wire_in_array(in, PK_NAME_REQUESTS, 0, PK_WIRE_BATCH_MAX, &first, &count);
    if (rc == 0)
        rc = new_items(wire, count, in->err);
    return rc != 0 ? rc : decode_items(in, first, wire);
}

/* ---- a request ---- */

/* Everything of a request whose JSON was scanned. First what an error needs too. */
static int32_t
decode(struct pk_wire_request *wire, const char *name)
{
    struct pk_wire_in in;
    pk_wire_in_open(&in, wire->json, wire->json->values, -EINVAL, &wire->error);
    int32_t tag = pk_wire_in_tag(&in, &wire->tag, &wire->tag_text);
    if (tag == -ENOMEM)
        return tag;
    wire->offer = pk_wire_in_get(&in, PK_NAME_BINARY) != NULL;
    int32_t rc = decode_baggage(&in, wire);
    rc = rc != 0 ? rc : tag;
    /* Leases end whatever else is wrong, and what was wrong first is what is told. */
    struct pk_error first = wire->error;
    int32_t released = decode_releases(&in, wire);
    if (rc != 0)
        wire->error = first;
    rc = rc == 0 || released == -ENOMEM ? released : rc;
    const struct verb *verb = NULL;
    if (rc == 0)
        rc = decode_verb(&in, name, &verb);
    return rc != 0 || verb == NULL ? rc : decode_members(&in, verb, wire);
}

/* Text that can't be read may have bytes or descriptors with it all the same: then what is behind
 * it must not be taken for requests, which may be anybody's. A name may hide behind escapes of its
 * letters. */
static bool
may_have_baggage(const char *text, size_t size)
{
    static const char *const signs[] = { "\"data\"", "\"fds\"", "\\u0061", "\\u0064",
                                         "\\u0066",  "\\u0073", "\\u0074" };
    for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++)
        if (memmem(text, size, signs[i], strlen(signs[i])) != NULL)
            return true;
    return false;
}

int32_t
pk_wire_request_decode(const char *text, size_t size, const char *verb,
                       struct pk_wire_request **ret_request, struct pk_error *err)
{
    return pk_wire_request_decode_in(NULL, text, size, verb, ret_request, err);
}

int32_t
pk_wire_request_decode_in(struct pk_wire_room *room, const char *text, size_t size,
                          const char *verb, struct pk_wire_request **ret_request,
                          struct pk_error *err)
{
    struct pk_wire_json *json = pk_wire_json_new(room, sizeof(struct pk_wire_request), text, size);
    if (json == NULL)
        return pk_fail(err, -ENOMEM, "out of memory");
    struct pk_wire_request *wire = (struct pk_wire_request *)(void *)(json + 1);
    begin_request(wire);
    wire->json = json;
    wire->binary = verb == NULL && pk_wire_is_binary(*json->text);
    int32_t rc = wire->binary ? pk_wire_binary_scan(json, -EINVAL, &wire->error)
                              : pk_wire_json_scan(json, -EINVAL, &wire->error);
    if (rc == 0)
        rc = decode(wire, verb);
    else if (wire->binary || may_have_baggage(text, size))
        wire->request.data_size = PK_UNSIZED;
    if (rc == -ENOMEM) {
        pk_wire_request_free(wire);
        return pk_fail(err, -ENOMEM, "out of memory");
    }
    if (rc != 0)
        forget(wire);
    *ret_request = wire;
    return 0;
}

static void
free_members(struct pk_wire_request *wire)
{
    free(wire->sizes);
    free(wire->meta_text);
}

void
pk_wire_request_free(struct pk_wire_request *request)
{
    if (request == NULL)
        return;
    for (size_t i = 0; i < request->item_count; i++)
        free_members(request->items[i]);
    free_members(request);
    free(request->items);
    free(request->releases);
    free(request->tag_text);
    pk_wire_json_free(request->json); /* which it is within */
}
