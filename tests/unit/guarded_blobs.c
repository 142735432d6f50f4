/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guarded slots. A content is one blob of blob_memfd, which several blobs of the guard may
 * share once it is published.
 */
#include "guarded_blobs.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define IDS_MAX 16U

struct content {
    void *inner;
    atomic_uint refs;
};

/* One object id: its transition as the storage sees it, and what is published. Never freed. */
struct entry {
    char id[64];
    uint64_t epoch; /* 0: nothing is published; under `lock`, as all but busy */
    struct content *contents[PK_BLOBS_MAX];
    uint64_t sizes[PK_BLOBS_MAX];
    uint64_t sealed_at;
    char meta[64];
    uint32_t count;
    atomic_bool busy;
};

struct blob {
    struct content *content;
    struct entry *entry;
    atomic_uint users; /* EXCLUSIVE, or how many read */
    atomic_bool sealed;
};

#define EXCLUSIVE 1000000U

struct guarded_counts guarded_counts;

static struct pk_blob_ops real;
static struct guarded_options options;
static atomic_uint draws;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of the entries, and of their count */
static struct entry entries[IDS_MAX];
static uint32_t entry_count;

uint32_t
guarded_blobs_draw(uint32_t percent)
{
    uint32_t mixed = atomic_fetch_add(&draws, 1) * 2654435761U;

    mixed = (mixed ^ (mixed >> 15)) * 2246822519U;
    return (mixed ^ (mixed >> 13)) % 100 < percent;
}

static uint32_t
guarded_may_block(void *instance, uint32_t op, uint64_t bytes)
{
    uint32_t drawn = guarded_blobs_draw(options.block_percent);

    guarded_counts.blocking += drawn;
    return drawn != 0 || real.may_block(instance, op, bytes) != 0;
}

static struct entry *
entry_of(const char *id)
{
    struct entry *entry = NULL;

    (void)pthread_mutex_lock(&lock);
    for (uint32_t i = 0; i < entry_count && entry == NULL; i++)
        if (strcmp(entries[i].id, id) == 0)
            entry = &entries[i];
    if (entry == NULL && entry_count < IDS_MAX) {
        entry = &entries[entry_count++];
        (void)snprintf(entry->id, sizeof(entry->id), "%s", id);
    }
    (void)pthread_mutex_unlock(&lock);
    if (entry == NULL)
        abort();
    return entry;
}

/* ---- the promises ---- */

static void
id_enter(struct entry *entry)
{
    if (atomic_exchange(&entry->busy, true))
        guarded_counts.broken++;
}

static void
id_leave(struct entry *entry)
{
    atomic_store(&entry->busy, false);
}

static void
blob_enter(struct blob *blob, bool reads)
{
    uint32_t weight = reads && blob->sealed ? 1 : EXCLUSIVE;
    uint32_t before = atomic_fetch_add(&blob->users, weight);

    guarded_counts.slots++;
    if (before >= EXCLUSIVE || (before > 0 && weight == EXCLUSIVE))
        guarded_counts.broken++;
}

static void
blob_leave(struct blob *blob, bool reads)
{
    atomic_fetch_sub(&blob->users, reads && blob->sealed ? 1 : EXCLUSIVE);
}

/* ---- blobs ---- */

static struct blob *
blob_new(struct content *content, struct entry *entry)
{
    struct blob *blob = calloc(1, sizeof(*blob));
    if (blob == NULL)
        abort();
    blob->content = content;
    blob->entry = entry;
    guarded_counts.blobs++;
    return blob;
}

static void
content_unref(struct content *content)
{
    if (atomic_fetch_sub(&content->refs, 1) > 1)
        return;
    real.free(content->inner);
    free(content);
    guarded_counts.contents--;
}

static struct blob *
wrap(void *inner, struct entry *entry)
{
    struct content *content = calloc(1, sizeof(*content));
    if (content == NULL)
        abort();
    content->inner = inner;
    content->refs = 1;
    guarded_counts.contents++;
    return blob_new(content, entry);
}

static int32_t
guarded_create(void *instance, const struct pk_key *key, uint32_t index, uint64_t size,
               void **ret_blob, struct pk_error *err)
{
    struct entry *entry = entry_of(key->id);
    void *inner = NULL;

    id_enter(entry);
    int32_t rc = real.create(instance, key, index, size, &inner, err);
    if (rc == 0)
        *ret_blob = wrap(inner, entry);
    id_leave(entry);
    return rc;
}

static int32_t
guarded_put(void *instance, const struct pk_key *key, uint32_t index, const void *data,
            uint64_t size, void **ret_blob, struct pk_error *err)
{
    struct entry *entry = entry_of(key->id);
    void *inner = NULL;

    id_enter(entry);
    int32_t rc = real.put(instance, key, index, data, size, &inner, err);
    if (rc == 0) {
        struct blob *blob = wrap(inner, entry);
        blob->sealed = true;
        *ret_blob = blob;
    }
    id_leave(entry);
    return rc;
}

static const void *
guarded_bytes(void *opaque)
{
    struct blob *blob = opaque;

    blob_enter(blob, true);
    const void *bytes = real.bytes(blob->content->inner);
    blob_leave(blob, true);
    return bytes;
}

static int32_t
guarded_read(void *opaque, uint64_t offset, void *data, uint64_t size, uint64_t *ret_size,
             struct pk_error *err)
{
    struct blob *blob = opaque;

    blob_enter(blob, true);
    int32_t rc = real.read(blob->content->inner, offset, data, size, ret_size, err);
    blob_leave(blob, true);
    return rc;
}

static int32_t
guarded_write(void *opaque, uint64_t offset, const void *data, uint64_t size, struct pk_error *err)
{
    struct blob *blob = opaque;

    blob_enter(blob, false);
    int32_t rc = real.write(blob->content->inner, offset, data, size, err);
    blob_leave(blob, false);
    return rc;
}

static int32_t
guarded_size(void *opaque, uint64_t *ret_size, struct pk_error *err)
{
    struct blob *blob = opaque;

    blob_enter(blob, false);
    int32_t rc = real.size(blob->content->inner, ret_size, err);
    blob_leave(blob, false);
    return rc;
}

static int32_t
guarded_seal(void *opaque, uint64_t size, struct pk_error *err)
{
    struct blob *blob = opaque;

    blob_enter(blob, false);
    id_enter(blob->entry);
    int32_t rc = real.seal(blob->content->inner, size, err);
    id_leave(blob->entry);
    blob_leave(blob, false);
    if (rc == 0)
        blob->sealed = true;
    return rc;
}

static int32_t
guarded_handle(void *opaque, uint32_t access, pk_handle_emit_fn *emit, void *arg,
               struct pk_error *err)
{
    struct blob *blob = opaque;
    bool reads = access == PK_ACCESS_READ;

    if (reads != blob->sealed)
        guarded_counts.broken++;
    blob_enter(blob, reads);
    int32_t rc = real.handle(blob->content->inner, access, emit, arg, err);
    blob_leave(blob, reads);
    return rc;
}

static int32_t
guarded_share(void *opaque, pk_handle_emit_fn *emit, void *arg, struct pk_error *err)
{
    struct blob *blob = opaque;

    if (!blob->sealed)
        guarded_counts.broken++;
    blob_enter(blob, true);
    int32_t rc = real.share(blob->content->inner, emit, arg, err);
    blob_leave(blob, true);
    return rc;
}

static void
guarded_free(void *opaque)
{
    struct blob *blob = opaque;

    blob_enter(blob, false);
    content_unref(blob->content);
    guarded_counts.blobs--;
    free(blob);
}

static int32_t
guarded_remove(void *opaque, struct pk_error *err)
{
    (void)err;
    guarded_free(opaque);
    return 0;
}

/* ---- publishing ---- */

static int32_t
guarded_publish(void *instance, const struct pk_manifest *manifest, void *const *blobs,
                struct pk_error *err)
{
    struct entry *entry = entry_of(manifest->key.id);
    int32_t rc = 0;

    (void)instance;
    id_enter(entry);
    (void)pthread_mutex_lock(&lock);
    if (entry->epoch != 0) {
        rc = pk_fail(err, -ESTALE, "published already");
    } else {
        entry->epoch = manifest->key.epoch;
        entry->count = manifest->blob_count;
        entry->sealed_at = manifest->sealed_at;
        (void)snprintf(entry->meta, sizeof(entry->meta), "%s", manifest->meta);
        memcpy(entry->sizes, manifest->sizes, entry->count * sizeof(entry->sizes[0]));
        for (uint32_t i = 0; i < entry->count; i++) {
            entry->contents[i] = ((struct blob *)blobs[i])->content;
            entry->contents[i]->refs++;
        }
    }
    (void)pthread_mutex_unlock(&lock);
    id_leave(entry);
    return rc;
}

/* With `lock`. */
static void
take_away(struct entry *entry)
{
    for (uint32_t i = 0; i < entry->count; i++)
        content_unref(entry->contents[i]);
    entry->count = 0;
    entry->epoch = 0;
}

static int32_t
guarded_unpublish(void *instance, const struct pk_key *key, struct pk_error *err)
{
    struct entry *entry = entry_of(key->id);
    int32_t rc = 0;

    (void)instance;
    id_enter(entry);
    (void)pthread_mutex_lock(&lock);
    if (entry->epoch != key->epoch)
        rc = pk_fail(err, -ENOENT, "not published");
    else
        take_away(entry);
    (void)pthread_mutex_unlock(&lock);
    id_leave(entry);
    return rc;
}

static int32_t
guarded_lookup(void *instance, const char *object_id, pk_blob_emit_fn *emit, void *arg,
               struct pk_error *err)
{
    struct entry *entry = entry_of(object_id);
    void *blobs[PK_BLOBS_MAX];

    (void)instance;
    id_enter(entry);
    (void)pthread_mutex_lock(&lock);
    const struct entry found = { .epoch = entry->epoch,
                                 .count = entry->count,
                                 .sealed_at = entry->sealed_at };
    for (uint32_t i = 0; i < found.count; i++) {
        struct blob *blob = blob_new(entry->contents[i], entry);
        blob->content->refs++;
        blob->sealed = true;
        blobs[i] = blob;
    }
    (void)pthread_mutex_unlock(&lock);
    if (found.epoch != 0) { /* what is published is changed by no other slot meanwhile */
        const struct pk_manifest manifest = {
            .struct_size = sizeof(manifest),
            .blob_count = found.count,
            .key = { entry->id, found.epoch },
            .sizes = entry->sizes,
            .meta = entry->meta,
            .created_at = found.sealed_at,
            .sealed_at = found.sealed_at,
        };
        const struct pk_blob_found emitted = {
            .struct_size = sizeof(emitted),
            .manifest = &manifest,
            .blobs = blobs,
        };
        emit(arg, &emitted);
    }
    id_leave(entry);
    return found.epoch != 0 ? 0 : pk_fail(err, -ENOENT, "not published");
}

void
guarded_blobs_start(struct pk_instance *instance, const struct guarded_options *wanted)
{
    struct pk_blob_ops *ops = &instance->ops.blob;

    real = *ops;
    options = *wanted;
    ops->may_block = guarded_may_block;
    ops->create = guarded_create;
    ops->put = guarded_put;
    ops->bytes = guarded_bytes;
    ops->read = guarded_read;
    ops->write = guarded_write;
    ops->size = guarded_size;
    ops->seal = guarded_seal;
    ops->handle = guarded_handle;
    ops->share = guarded_share;
    ops->free = guarded_free;
    ops->remove = guarded_remove;
    if (!options.publishes)
        return;
    ops->publish = guarded_publish;
    ops->unpublish = guarded_unpublish;
    ops->lookup = guarded_lookup;
}

void
guarded_blobs_finish(void)
{
    (void)pthread_mutex_lock(&lock);
    for (uint32_t i = 0; i < entry_count; i++)
        take_away(&entries[i]);
    (void)pthread_mutex_unlock(&lock);
}
