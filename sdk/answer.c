/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies of replies. Each is one allocation: the struct, then arrays, then text.
 */
#include "sdk/answer.h"
#include "core/id.h"
#include <assert.h>
#include <errno.h>
#include <packice/cleanup.h>
#include <string.h>

/* Where the next piece goes. Without memory it only adds up. */
struct packer {
    char *memory;
    size_t used;
};

/* Room for the next piece; NULL without memory. align: of the address, a power of two. */
static void *
reserve(struct packer *packer, size_t size, size_t align)
{
    if (packer->memory == NULL) {
        packer->used += align - 1 + size; /* the most that it can come to */
        return NULL;
    }
    packer->used += -((uintptr_t)packer->memory + packer->used) & (align - 1);
    void *place = packer->memory + packer->used;
    packer->used += size;
    return place;
}

static void *
pack(struct packer *packer, const void *data, size_t size, size_t align)
{
    void *place = reserve(packer, size, align);
    return place != NULL ? memcpy(place, data, size) : NULL;
}

static const char *
pack_text(struct packer *packer, const char *text)
{
    if (text == NULL || text[0] == '\0')
        return "";
    return pack(packer, text, strlen(text) + 1, 1);
}

static const struct pk_handle *
handle_at(const struct pk_reply *reply, uint32_t index)
{
    return (const struct pk_handle *)(const void *)((const char *)reply->handles
                                                    + (size_t)index * reply->handle_stride);
}

static const struct pk_object_info *
object_at(const struct pk_reply *reply, uint32_t index)
{
    return (const struct pk_object_info *)(const void *)((const char *)reply->objects
                                                         + (size_t)index * reply->object_stride);
}

/* An element of an array with a foreign stride, as this build knows it. */
static void
copy_sized(void *to, size_t to_size, const void *from, size_t stride, uint32_t struct_size)
{
    size_t size = struct_size < stride ? struct_size : stride;
    memset(to, 0, to_size);
    memcpy(to, from, size < to_size ? size : to_size);
    uint32_t known = (uint32_t)to_size;
    memcpy(to, &known, sizeof(known)); /* each begins with its size */
}

static void
pack_handles(struct packer *packer, const struct pk_reply *reply, struct packice_answer *answer)
{
    struct pk_handle *first =
        reserve(packer, reply->blob_count * sizeof(*first), _Alignof(struct pk_handle));
    for (uint32_t i = 0; first != NULL && i < reply->blob_count; i++) {
        const struct pk_handle *from = handle_at(reply, i);
        copy_sized(&first[i], sizeof(first[i]), from, reply->handle_stride, from->struct_size);
    }
    for (uint32_t i = 0; i < reply->blob_count; i++) {
        const struct pk_handle *from = handle_at(reply, i);
        const char *text = from->text != NULL ? pack_text(packer, from->text) : NULL;
        const void *data = NULL;
        if (from->kind == PK_HANDLE_DATA && from->data != NULL)
            data = pack(packer, from->data, (size_t)from->size, PACKICE_BYTES_ALIGN);
        if (first != NULL) {
            first[i].text = text;
            first[i].data = data;
        }
    }
    if (answer != NULL) {
        answer->handles = first;
        answer->reply.handles = first;
        answer->reply.handle_stride = (uint32_t)sizeof(struct pk_handle);
    }
}

static void
pack_object(struct packer *packer, const struct pk_object_info *from, struct pk_object_info *to)
{
    const char *id = pack_text(packer, from->key.id);
    const char *meta = pack_text(packer, from->meta);
    const uint64_t *sizes = NULL;
    if (from->sizes != NULL)
        sizes = pack(packer, from->sizes, from->blob_count * sizeof(uint64_t), sizeof(uint64_t));
    if (to != NULL) {
        to->key.id = id;
        to->meta = meta;
        to->sizes = sizes;
    }
}

static void
pack_objects(struct packer *packer, const struct pk_reply *reply, struct packice_answer *answer)
{
    struct pk_object_info *first =
        reserve(packer, reply->object_count * sizeof(*first), _Alignof(struct pk_object_info));
    for (uint32_t i = 0; first != NULL && i < reply->object_count; i++) {
        const struct pk_object_info *from = object_at(reply, i);
        copy_sized(&first[i], sizeof(first[i]), from, reply->object_stride, from->struct_size);
    }
    for (uint32_t i = 0; i < reply->object_count; i++)
        pack_object(packer, object_at(reply, i), first != NULL ? &first[i] : NULL);
    if (answer != NULL) {
        answer->reply.objects = first;
        answer->reply.object_stride = (uint32_t)sizeof(struct pk_object_info);
    }
}

/* Run twice: without memory to learn the size, then with it. */
static void
pack_reply(struct packer *packer, const struct pk_reply *reply, struct packice_answer *answer)
{
    const char *message = pack_text(packer, reply->message);
    const char *lease_id = pack_text(packer, reply->lease_id);
    const char *object_id = pack_text(packer, reply->object_id);
    const char *meta = pack_text(packer, reply->meta);
    if (answer != NULL) {
        answer->reply.message = message;
        answer->reply.lease_id = lease_id;
        answer->reply.object_id = object_id;
        answer->reply.meta = meta;
    }
    if (reply->handles != NULL)
        pack_handles(packer, reply, answer);
    if (reply->objects != NULL)
        pack_objects(packer, reply, answer);
}

static void
close_handles(const struct pk_reply *reply)
{
    for (uint32_t i = 0; reply->handles != NULL && i < reply->blob_count; i++) {
        const struct pk_handle *handle = handle_at(reply, i);
        if (handle->fd >= 0)
            (void)close(handle->fd);
    }
}

int32_t
packice_answer_copy(const struct pk_reply *reply, struct packice_answer **ret_answer)
{
    struct packer packer = { NULL, sizeof(struct packice_answer) };
    pack_reply(&packer, reply, NULL);
    struct packice_answer *answer = malloc(packer.used);
    if (answer == NULL) {
        close_handles(reply);
        return -ENOMEM;
    }
    *answer = (struct packice_answer){ .refs = 1 };
    copy_sized(&answer->reply, sizeof(answer->reply), reply, reply->struct_size,
               reply->struct_size);
    answer->reply.handles = NULL;
    answer->reply.objects = NULL;
    size_t whole = packer.used;
    packer = (struct packer){ (char *)answer, sizeof(struct packice_answer) };
    pack_reply(&packer, reply, answer);
    assert(packer.used <= whole);
    (void)whole;
    *ret_answer = answer;
    return 0;
}

int
packice_answer_take_fd(struct packice_answer *answer, uint32_t handle)
{
    return pk_steal_fd(answer->handles[handle].fd);
}

struct packice_answer *
packice_answer_ref(struct packice_answer *answer)
{
    (void)atomic_fetch_add_explicit(&answer->refs, 1, memory_order_relaxed);
    return answer;
}

void
packice_answer_unref(struct packice_answer *answer)
{
    if (answer == NULL || atomic_fetch_sub(&answer->refs, 1) != 1)
        return;
    for (uint32_t i = 0; answer->handles != NULL && i < answer->reply.blob_count; i++)
        pk_cleanup_close(&answer->handles[i].fd);
    free(answer);
}

void
packice_answers_unref(struct packice_answer **answers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        packice_answer_unref(pk_steal(answers[i]));
}

static int32_t
check_blobs(const struct pk_reply *reply, struct pk_error *err)
{
    if (reply->handles == NULL || reply->blob_count == 0 || reply->blob_count > PK_BLOBS_MAX)
        return pk_fail(err, -EPROTO, "blobs: not 1 to %d", PK_BLOBS_MAX);
    for (uint32_t i = 0; i < reply->blob_count; i++) {
        const struct pk_handle *handle = &reply->handles[i];
        if (handle->size > PK_SIZE_MAX && handle->size != PK_UNSIZED)
            return pk_fail(err, -EPROTO, "blobs[%u].size: too large", i);
        if (handle->offset > PK_SIZE_MAX)
            return pk_fail(err, -EPROTO, "blobs[%u].offset: too large", i);
    }
    return 0;
}

/* Only what was said to be known is known, and then all of it. */
static int32_t
check_known(const struct pk_reply *reply, const struct pk_request *request, struct pk_error *err)
{
    bool known = reply->handles[0].kind == PK_HANDLE_KNOWN;
    for (uint32_t i = 1; i < reply->blob_count; i++) {
        if ((reply->handles[i].kind == PK_HANDLE_KNOWN) != known)
            return pk_fail(err, -EPROTO, "blobs[%u].kind: some are known, and some are not", i);
    }
    if (known && (request->verb != PK_VERB_ACQUIRE || request->known_epoch == 0))
        return pk_fail(err, -EPROTO, "blobs[0].kind: it was not said to be known");
    return 0;
}

/* Either there is a lease, or all the bytes are here, and were asked for. */
static int32_t
check_bytes(const struct pk_reply *reply, const struct pk_request *request, struct pk_error *err)
{
    bool granted = reply->lease_id[0] != '\0';
    uint64_t left = request->verb == PK_VERB_ACQUIRE ? request->inline_max : 0;
    if (!granted && left == 0)
        return pk_fail(err, -EPROTO, "lease_id: missing, and no bytes were asked for");
    if (granted && strlen(reply->lease_id) != PK_LEASE_ID_LEN)
        return pk_fail(err, -EPROTO, "lease_id: not of %d bytes", PK_LEASE_ID_LEN);
    for (uint32_t i = 0; i < reply->blob_count; i++) {
        const struct pk_handle *handle = &reply->handles[i];
        if (granted ? handle->kind == PK_HANDLE_DATA : handle->kind != PK_HANDLE_DATA)
            return pk_fail(err, -EPROTO, "blobs[%u].kind: %s", i,
                           granted ? "bytes, beside a lease" : "no bytes, but no lease either");
        if (granted)
            continue;
        if (handle->size > left)
            return pk_fail(err, -EPROTO, "blobs[%u].size: more than was asked for", i);
        left -= handle->size;
    }
    return 0;
}

static int32_t
check_lease(const struct pk_reply *reply, const struct pk_request *request, struct pk_error *err)
{
    if (pk_id_check(reply->object_id, NULL) != 0)
        return pk_fail(err, -EPROTO, "object_id: not an id");
    if (reply->epoch == 0)
        return pk_fail(err, -EPROTO, "epoch: 0");
    bool creates = request->verb == PK_VERB_ACQUIRE && request->access == PK_ACCESS_CREATE;
    /* A create that is asked for again can have been sealed meanwhile. */
    if (!creates && reply->state != PK_STATE_SEALED)
        return pk_fail(err, -EPROTO, "state: not sealed");
    int32_t rc = check_blobs(reply, err);
    if (rc == 0)
        rc = check_known(reply, request, err);
    return rc == 0 ? check_bytes(reply, request, err) : rc;
}

int32_t
packice_answer_check(const struct packice_answer *answer, const struct pk_request *request,
                     struct pk_error *err)
{
    const struct pk_reply *reply = &answer->reply;
    if (reply->status != 0)
        return 0;
    switch (request->verb) {
    case PK_VERB_ACQUIRE:
    case PK_VERB_SEAL:
        return check_lease(reply, request, err);
    case PK_VERB_STAT:
        if (reply->object_count != 1 || reply->objects[0].sizes == NULL)
            return pk_fail(err, -EPROTO, "objects: not one, with its sizes");
        return 0;
    case PK_VERB_LIST:
        /* Each page must lead on, or a list would never end. */
        if (reply->cursor != 0 && reply->cursor <= request->cursor)
            return pk_fail(err, -EPROTO, "cursor: does not advance");
        return 0;
    default:
        return 0;
    }
}
