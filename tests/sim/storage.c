/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulated storage. One thread only.
 */
#include "storage.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* As many blobs of an object are remembered byte by byte, and as many bytes of each. */
#define CONTENTS 4U
#define CONTENT_SIZE 128U

struct blob {
    struct storage *storage;
    char id[PK_ID_MAX + 1];
    uint64_t epoch;
    uint32_t index;
    bool sized;
    bool sealed;
    uint64_t size;
    char content[CONTENT_SIZE];
};

struct published {
    struct published *next;
    char id[PK_ID_MAX + 1];
    char meta[64];
    uint64_t epoch;
    bool elsewhere; /* another node's */
    uint32_t count;
    uint64_t sizes[PK_BLOBS_MAX];
    uint64_t created_at;
    uint64_t sealed_at;
    struct pk_principal owner;
    char contents[CONTENTS][CONTENT_SIZE];
};

struct storage *storage_of_next;

#define complain(storage, ...) watch_complain((storage)->watch, __VA_ARGS__)

/* Every slot begins here. */
static int32_t
enter(struct storage *storage, uint32_t op)
{
    return watch_slot(storage->watch, WATCH_BLOB, op);
}

static bool
faulty(struct storage *storage, enum storage_fault fault)
{
    if (storage->fault != fault || storage->fault_after-- > 0)
        return false;
    storage->fault_after = 0;
    if (storage->fault_again)
        return true;
    storage->fault = storage->then[0];
    storage->then[0] = storage->then[1];
    storage->then[1] = FAULT_NONE;
    return true;
}

static struct published **
find_published(struct storage *storage, const char *id)
{
    struct published **at = &storage->published;

    while (*at != NULL && strcmp((*at)->id, id) != 0)
        at = &(*at)->next;
    return at;
}

static struct blob *
blob_new(struct storage *storage, const struct pk_key *key, uint32_t index, uint64_t size)
{
    struct blob *blob = calloc(1, sizeof(*blob));
    if (blob == NULL)
        return NULL;
    blob->storage = storage;
    (void)snprintf(blob->id, sizeof(blob->id), "%s", key->id);
    blob->epoch = key->epoch;
    blob->index = index;
    blob->sized = size != PK_UNSIZED;
    blob->size = blob->sized ? size : 0;
    memset(blob->content, (int)(blob->epoch & 0xff), sizeof(blob->content));
    storage->blobs++;
    return blob;
}

static int32_t
storage_open(const struct pk_host *host, const struct pk_conf *conf, void **ret_instance,
             struct pk_error *err)
{
    (void)host;
    (void)conf;
    (void)err;
    *ret_instance = storage_of_next;
    return 0;
}

static void
storage_close(void *instance)
{
    struct storage *storage = instance;

    if (storage->blobs != 0)
        complain(storage, "closed with %" PRId64 " blobs left", storage->blobs);
}

static uint32_t
storage_may_block(void *instance, uint32_t op, uint64_t bytes)
{
    struct storage *storage = instance;

    (void)bytes;
    watch_free(storage->watch);
    return op == storage->watch->block_op[WATCH_BLOB]
           || sim_percent(&storage->random, storage->block_percent);
}

static void
storage_traits(void *instance, struct pk_blob_traits *ret_traits)
{
    const struct storage *storage = instance;

    ret_traits->flags = storage->traits;
    ret_traits->poll_interval = storage->poll_interval;
    ret_traits->absent = storage->absent;
}

static int32_t
storage_create(void *instance, const struct pk_key *key, uint32_t index, uint64_t size,
               void **ret_blob, struct pk_error *err)
{
    struct storage *storage = instance;

    int32_t ordered = enter(storage, PK_BLOB_CREATE);
    if (ordered != 0)
        return pk_fail(err, ordered, "ordered fault");
    if (faulty(storage, FAULT_CREATE_IO))
        return pk_fail(err, -EIO, "ordered fault");
    const struct published *standing = *find_published(storage, key->id);
    if (standing != NULL && !standing->elsewhere) /* who has the claim asked before */
        complain(storage, "create of '%s' over a published one", key->id);
    struct blob *blob = blob_new(storage, key, index, size);
    if (blob == NULL)
        return pk_fail(err, -ENOMEM, "out of memory");
    storage->stored++;
    *ret_blob = blob;
    return 0;
}

static bool
taken_elsewhere(const struct blob *blob)
{
    for (const struct published *gone = blob->storage->taken; gone != NULL; gone = gone->next)
        if (gone->epoch == blob->epoch && strcmp(gone->id, blob->id) == 0)
            return true;
    return false;
}

static int32_t
storage_read(void *opaque, uint64_t offset, void *data, uint64_t size, uint64_t *ret_size,
             struct pk_error *err)
{
    const struct blob *blob = opaque;

    int32_t ordered = enter(blob->storage, PK_BLOB_READ);
    if (ordered != 0)
        return pk_fail(err, ordered, "ordered fault");
    if (blob->sealed && taken_elsewhere(blob))
        return pk_fail(err, -ENOENT, "'%s' was taken away", blob->id);
    uint64_t left = offset < blob->size ? blob->size - offset : 0;
    *ret_size = left < size ? left : size;
    if (offset < CONTENT_SIZE)
        memcpy(data, blob->content + offset,
               *ret_size < CONTENT_SIZE - offset ? *ret_size : CONTENT_SIZE - offset);
    return 0;
}

static const void *
storage_bytes(void *opaque)
{
    const struct blob *blob = opaque;
    struct storage *storage = blob->storage;

    (void)enter(storage, PK_BLOB_BYTES);
    if (!blob->sealed)
        complain(storage, "bytes of a blob that is not sealed");
    return taken_elsewhere(blob) || sim_percent(&storage->random, 50) ? NULL : blob->content;
}

static int32_t
storage_write(void *opaque, uint64_t offset, const void *data, uint64_t size, struct pk_error *err)
{
    struct blob *blob = opaque;

    int32_t ordered = enter(blob->storage, PK_BLOB_WRITE);
    if (ordered != 0)
        return pk_fail(err, ordered, "ordered fault");
    if (faulty(blob->storage, FAULT_WRITE_NO_SPACE))
        return pk_fail(err, -ENOSPC, "ordered fault");
    if (blob->sealed)
        return pk_fail(err, -EACCES, "sealed");
    if (blob->sized && offset + size > blob->size)
        return pk_fail(err, -EFBIG, "behind the end");
    if (offset + size > blob->size)
        blob->size = offset + size;
    if (offset < CONTENT_SIZE)
        memcpy(blob->content + offset, data,
               size < CONTENT_SIZE - offset ? size : CONTENT_SIZE - offset);
    return 0;
}

static int32_t
storage_put(void *instance, const struct pk_key *key, uint32_t index, const void *data,
            uint64_t size, void **ret_blob, struct pk_error *err)
{
    struct storage *storage = instance;

    int32_t ordered = enter(storage, PK_BLOB_PUT);
    if (ordered != 0)
        return pk_fail(err, ordered, "ordered fault");
    if (faulty(storage, FAULT_CREATE_IO))
        return pk_fail(err, -EIO, "ordered fault");
    if (faulty(storage, FAULT_WRITE_NO_SPACE))
        return pk_fail(err, -ENOSPC, "ordered fault");
    struct blob *blob = blob_new(storage, key, index, size);
    if (blob == NULL)
        return pk_fail(err, -ENOMEM, "out of memory");
    if (size > 0)
        memcpy(blob->content, data, size < CONTENT_SIZE ? size : CONTENT_SIZE);
    blob->sealed = true;
    storage->stored++;
    *ret_blob = blob;
    return 0;
}

/* The descriptor holds the bytes. */
static int32_t
storage_adopt(void *instance, const struct pk_key *key, uint32_t index,
              const struct pk_handle *handle, void **ret_blob, struct pk_error *err)
{
    char content[CONTENT_SIZE] = "";
    ssize_t size = pread(handle->fd, content, sizeof(content), 0);

    (void)close(handle->fd);
    if (size < 0 || (uint64_t)size < handle->size)
        return pk_fail(err, -EINVAL, "another size");
    return storage_put(instance, key, index, content, handle->size, ret_blob, err);
}

static int32_t
storage_size(void *opaque, uint64_t *ret_size, struct pk_error *err)
{
    const struct blob *blob = opaque;

    int32_t ordered = enter(blob->storage, PK_BLOB_SIZE);
    if (ordered != 0)
        return pk_fail(err, ordered, "ordered fault");
    if (faulty(blob->storage, FAULT_SIZE_INVALID))
        return pk_fail(err, -EINVAL, "ordered fault");
    *ret_size = blob->size;
    return 0;
}

static int32_t
storage_seal(void *opaque, uint64_t size, struct pk_error *err)
{
    struct blob *blob = opaque;

    int32_t ordered = enter(blob->storage, PK_BLOB_SEAL);
    if (ordered != 0)
        return pk_fail(err, ordered, "ordered fault");
    if (faulty(blob->storage, FAULT_SEAL_BUSY))
        return pk_fail(err, -EBUSY, "ordered fault");
    if (faulty(blob->storage, FAULT_SEAL_INVALID))
        return pk_fail(err, -EINVAL, "ordered fault");
    if (size != PK_UNSIZED && size != blob->size)
        return pk_fail(err, -EINVAL, "wrong size");
    blob->sealed = true;
    return 0;
}

static int32_t
storage_handle(void *opaque, uint32_t access, pk_handle_emit_fn *emit, void *arg,
               struct pk_error *err)
{
    const struct blob *blob = opaque;
    char text[64];

    int32_t ordered = enter(blob->storage, PK_BLOB_HANDLE);
    if (ordered != 0)
        return pk_fail(err, ordered, "ordered fault");
    if (faulty(blob->storage, FAULT_HANDLE_BUSY))
        return pk_fail(err, -EBUSY, "ordered fault");
    if (taken_elsewhere(blob))
        return pk_fail(err, -ENOENT, "'%s' was taken away", blob->id);
    if (blob->sealed != (access == PK_ACCESS_READ))
        complain(blob->storage, "handle for access %u of a blob that is sealed: %d", access,
                 blob->sealed);
    (void)snprintf(text, sizeof(text), "sim://%" PRIu64 "/%u", blob->epoch, blob->index);
    const struct pk_handle handle = {
        .struct_size = sizeof(handle),
        .kind = PK_HANDLE_URL,
        .fd = -1,
        .text = text,
        .size = blob->size,
    };
    blob->storage->watch->emitting++;
    emit(arg, &handle);
    blob->storage->watch->emitting--;
    return 0;
}

static int32_t
storage_verify(void *opaque, struct pk_error *err)
{
    const struct blob *blob = opaque;

    int32_t ordered = enter(blob->storage, PK_BLOB_VERIFY);
    if (ordered != 0)
        return pk_fail(err, ordered, "ordered fault");
    if (!blob->sealed)
        complain(blob->storage, "verify of a blob that is not sealed");
    if (taken_elsewhere(blob))
        return pk_fail(err, -ENOENT, "'%s' was taken away", blob->id);
    if (faulty(blob->storage, FAULT_VERIFY_IO))
        return pk_fail(err, -EIO, "ordered fault");
    return 0;
}

static void
blob_free(struct blob *blob)
{
    blob->storage->blobs--;
    free(blob);
}

static void
storage_free(void *opaque)
{
    struct blob *blob = opaque;

    (void)enter(blob->storage, PK_BLOB_FREE);
    blob_free(blob);
}

static int32_t
storage_remove(void *opaque, struct pk_error *err)
{
    struct blob *blob = opaque;
    struct storage *storage = blob->storage;

    int32_t ordered = enter(storage, PK_BLOB_REMOVE);
    for (const struct published *at = storage->published; at != NULL; at = at->next)
        if (at->epoch == blob->epoch && strcmp(at->id, blob->id) == 0)
            complain(storage, "removed a blob of '%s', which is published", at->id);
    storage->stored--;
    blob_free(blob);
    if (ordered != 0) /* it is gone all the same */
        return pk_fail(err, ordered, "ordered fault");
    return 0;
}

static int32_t
storage_publish(void *instance, const struct pk_manifest *manifest, void *const *blobs,
                struct pk_error *err)
{
    struct storage *storage = instance;
    struct published **at = find_published(storage, manifest->key.id);

    int32_t ordered = enter(storage, PK_BLOB_PUBLISH);
    if (ordered != 0)
        return pk_fail(err, ordered, "ordered fault");
    if (faulty(storage, FAULT_PUBLISH_STALE) || *at != NULL)
        return pk_fail(err, -ESTALE, "a manifest stands");
    struct published *entry = calloc(1, sizeof(*entry));
    if (entry == NULL)
        return pk_fail(err, -ENOMEM, "out of memory");
    for (uint32_t i = 0; i < manifest->blob_count; i++) {
        const struct blob *blob = blobs[i];
        if (!blob->sealed)
            complain(storage, "published with an unsealed blob");
        entry->sizes[i] = manifest->sizes[i];
        if (i < CONTENTS)
            memcpy(entry->contents[i], blob->content, CONTENT_SIZE);
    }
    (void)snprintf(entry->id, sizeof(entry->id), "%s", manifest->key.id);
    (void)snprintf(entry->meta, sizeof(entry->meta), "%s", manifest->meta);
    entry->epoch = manifest->key.epoch;
    entry->count = manifest->blob_count;
    entry->created_at = manifest->created_at;
    entry->sealed_at = manifest->sealed_at;
    entry->owner = manifest->owner;
    *at = entry;
    if (faulty(storage, FAULT_PUBLISH_LOST))
        return pk_fail(err, -EIO, "the reply was lost");
    return 0;
}

static int32_t
storage_unpublish(void *instance, const struct pk_key *key, struct pk_error *err)
{
    struct storage *storage = instance;
    struct published **at = find_published(storage, key->id);

    int32_t ordered = enter(storage, PK_BLOB_UNPUBLISH);
    if (ordered != 0 && ordered != -ENOENT) /* which would be no failure, but a lie */
        return pk_fail(err, ordered, "ordered fault");
    if (faulty(storage, FAULT_UNPUBLISH_IO))
        return pk_fail(err, -EIO, "ordered fault");
    if (*at == NULL || (*at)->epoch != key->epoch)
        return pk_fail(err, -ENOENT, "not published");
    struct published *entry = *at;
    *at = entry->next;
    free(entry);
    return 0;
}

static int32_t
storage_evict(void *instance, const struct pk_key *key, struct pk_error *err)
{
    struct storage *storage = instance;
    const struct published *entry = *find_published(storage, key->id);

    int32_t ordered = enter(storage, PK_BLOB_EVICT);
    if (ordered != 0)
        return pk_fail(err, ordered, "ordered fault");
    if (faulty(storage, FAULT_EVICT_AGAIN))
        return pk_fail(err, -EAGAIN, "not now");
    if (storage->durable && (entry == NULL || entry->epoch != key->epoch))
        complain(storage, "evict of '%s', which is not published", key->id);
    storage->demoted++;
    return 0;
}

static bool
emit_entry(struct storage *storage, const struct published *entry, bool open, pk_blob_emit_fn *emit,
           void *arg)
{
    void *blobs[PK_BLOBS_MAX];
    const struct pk_manifest manifest = {
        .struct_size = sizeof(manifest),
        .blob_count = entry->count,
        .key = { entry->id, entry->epoch },
        .sizes = entry->sizes,
        .meta = entry->meta,
        .created_at = entry->created_at,
        .sealed_at = entry->sealed_at,
        .owner = entry->owner,
    };
    const struct pk_blob_found found = {
        .struct_size = sizeof(found),
        .manifest = &manifest,
        .blobs = open ? blobs : NULL,
    };

    for (uint32_t i = 0; open && i < entry->count; i++) {
        struct blob *blob = blob_new(storage, &manifest.key, i, entry->sizes[i]);
        if (blob == NULL) {
            while (i > 0)
                blob_free(blobs[--i]);
            return false;
        }
        blob->sealed = true;
        if (i < CONTENTS)
            memcpy(blob->content, entry->contents[i], CONTENT_SIZE);
        blobs[i] = blob;
    }
    storage->watch->emitting++;
    emit(arg, &found);
    storage->watch->emitting--;
    return true;
}

static int32_t
storage_lookup(void *instance, const char *object_id, pk_blob_emit_fn *emit, void *arg,
               struct pk_error *err)
{
    struct storage *storage = instance;

    int32_t ordered = enter(storage, PK_BLOB_LOOKUP);
    if (ordered != 0)
        return pk_fail(err, ordered, "ordered fault");
    if (faulty(storage, FAULT_LOOKUP_IO))
        return pk_fail(err, -EIO, "ordered fault");
    const struct published *entry = *find_published(storage, object_id);
    if (entry == NULL)
        return pk_fail(err, -ENOENT, "not published");
    if (!emit_entry(storage, entry, true, emit, arg))
        return pk_fail(err, -ENOMEM, "out of memory");
    return 0;
}

static int32_t
storage_recover(void *instance, pk_blob_emit_fn *emit, void *arg, struct pk_error *err)
{
    struct storage *storage = instance;

    int32_t ordered = enter(storage, PK_BLOB_RECOVER);
    if (ordered != 0)
        return pk_fail(err, ordered, "ordered fault");
    (void)err;
    const struct published *next = storage->published;
    while (next != NULL) {
        const struct published entry = *next; /* what is told may be gone by then */
        next = entry.next;
        (void)emit_entry(storage, &entry, false, emit, arg);
    }
    return 0;
}

static const struct pk_blob_ops ops = {
    .struct_size = sizeof(ops),
    .open = storage_open,
    .close = storage_close,
    .may_block = storage_may_block,
    .traits = storage_traits,
    .create = storage_create,
    .read = storage_read,
    .write = storage_write,
    .size = storage_size,
    .seal = storage_seal,
    .handle = storage_handle,
    .free = storage_free,
    .remove = storage_remove,
    .publish = storage_publish,
    .unpublish = storage_unpublish,
    .lookup = storage_lookup,
    .recover = storage_recover,
    .evict = storage_evict,
    .verify = storage_verify,
    .adopt = storage_adopt,
    .put = storage_put,
    .bytes = storage_bytes,
};

static const struct pk_plugin plugin = {
    .struct_size = sizeof(plugin),
    .abi_major = PK_ABI_MAJOR,
    .abi_minor = PK_ABI_MINOR,
    .kind = PK_KIND_BLOB,
    .option_stride = sizeof(struct pk_option),
    .name = "storage",
    .version = "1",
    .summary = "simulated storage",
    .ops = &ops,
};

const struct pk_plugin *
storage_entry(void)
{
    return &plugin;
}

void
storage_publish_elsewhere(struct storage *storage, const char *id, uint64_t epoch, uint64_t size)
{
    struct published *entry = calloc(1, sizeof(*entry));
    if (entry == NULL)
        abort();
    storage_unpublish_elsewhere(storage, id);
    (void)snprintf(entry->id, sizeof(entry->id), "%s", id);
    (void)snprintf(entry->meta, sizeof(entry->meta), "meta of %s", id);
    entry->epoch = epoch;
    entry->elsewhere = true;
    entry->count = 1;
    entry->sizes[0] = size;
    entry->next = storage->published;
    storage->published = entry;
    storage->stored++;
}

void
storage_unpublish_elsewhere(struct storage *storage, const char *id)
{
    struct published **at = find_published(storage, id);
    struct published *entry = *at;

    if (entry == NULL)
        return;
    storage->stored -= entry->count;
    *at = entry->next;
    entry->next = storage->taken;
    storage->taken = entry;
}

bool
storage_has(struct storage *storage, const char *id)
{
    return *find_published(storage, id) != NULL;
}

uint64_t
storage_published_count(const struct storage *storage)
{
    uint64_t count = 0;

    for (const struct published *entry = storage->published; entry != NULL; entry = entry->next)
        count += entry->count;
    return count;
}

static void
forget(struct published **list)
{
    while (*list != NULL) {
        struct published *entry = *list;
        *list = entry->next;
        free(entry);
    }
}

void
storage_finish(struct storage *storage)
{
    forget(&storage->published);
    forget(&storage->taken);
}
