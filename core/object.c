/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects: made, found by id and epoch, kept in the order of epochs, counted in the capacity, and
 * freed once there is neither a name, nor a lease, nor a call left that needs them.
 */
#include "core/eviction.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/peer_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define KEY_OFFSET offsetof(struct pk_object, epoch)

_Static_assert(offsetof(struct pk_object, text) == KEY_OFFSET + sizeof(uint64_t),
               "the id follows the epoch: these are the bytes of the key");

int
pk_object_compare(struct pk_object *one, struct pk_object *other)
{
    if (one->key.epoch != other->key.epoch)
        return one->key.epoch > other->key.epoch ? 1 : -1;
    return strcmp(one->key.id, other->key.id);
}

RB_GENERATE(pk_object_order, pk_object, in_order, pk_object_compare)
RB_GENERATE(pk_object_unread, pk_object, in_unread, pk_object_compare)

struct pk_object *
pk_object_new(struct pk_peer *peer, const struct pk_key *key, uint32_t blob_count, const char *meta)
{
    size_t id_room = strlen(key->id) + 1;
    size_t meta_room = strlen(meta) + 1;
    struct pk_object *object = pk_zeroed(sizeof(*object) + id_room + meta_room);
    if (object == NULL)
        return NULL;
    object->blobs = pk_zeroed(blob_count * sizeof(*object->blobs));
    object->sizes = pk_zeroed(blob_count * sizeof(*object->sizes));
    if (object->blobs == NULL || object->sizes == NULL) {
        pk_object_free(object);
        return NULL;
    }
    object->peer = peer;
    object->blob_count = blob_count;
    object->key.id = memcpy(object->text, key->id, id_room);
    object->key.epoch = key->epoch;
    object->epoch = key->epoch;
    object->meta = memcpy(object->text + id_room, meta, meta_room);
    return object;
}

void
pk_object_free(struct pk_object *object)
{
    free(object->blobs);
    free(object->sizes);
    free(object);
}

uint64_t
pk_object_size(const struct pk_object *object)
{
    uint64_t total = 0;

    for (uint32_t i = 0; i < object->blob_count; i++)
        if (object->sizes[i] != PK_UNSIZED)
            total += object->sizes[i];
    return total;
}

size_t
pk_key_bytes(const struct pk_key *key, char *bytes)
{
    size_t id_size = strnlen(key->id, PK_ID_MAX + 1);

    if (id_size > PK_ID_MAX)
        return 0;
    memcpy(bytes, &key->epoch, sizeof(key->epoch));
    memcpy(bytes + sizeof(key->epoch), key->id, id_size);
    return sizeof(key->epoch) + id_size;
}

int32_t
pk_object_insert(struct pk_object *object, struct pk_name *name)
{
    struct pk_peer *peer = object->peer;

    if (pk_object_find(peer, &object->key) != NULL)
        return -EIO;
    HASH_ADD_KEYPTR(hh, peer->objects, (char *)object + KEY_OFFSET,
                    sizeof(object->epoch) + strlen(object->key.id), object);
    if (object->hh.tbl == NULL)
        return -ENOMEM;
    (void)RB_INSERT(pk_object_order, &peer->order, object); /* the only one of its kind */
    object->name = name;
    name->object = object;
    peer->named++;
    return 0;
}

struct pk_object *
pk_object_find(struct pk_peer *peer, const struct pk_key *key)
{
    char wanted[PK_KEY_BYTES];
    size_t size = pk_key_bytes(key, wanted);
    struct pk_object *object = NULL;

    if (size > 0)
        HASH_FIND(hh, peer->objects, wanted, size, object);
    return object;
}

struct pk_object *
pk_object_of(struct pk_peer *peer, const struct pk_lease *lease)
{
    const struct pk_key key = { .id = lease->object_id, .epoch = lease->epoch };

    return pk_object_find(peer, &key);
}

void
pk_object_unname(struct pk_object *object)
{
    struct pk_peer *peer = object->peer;
    struct pk_name *name = object->name;

    if (name == NULL)
        return;
    pk_recovery_forget(object);
    (void)RB_REMOVE(pk_object_order, &peer->order, object);
    object->name = NULL;
    name->object = NULL;
    peer->named--;
    if (object->grows)
        TAILQ_REMOVE(&peer->growing, object, in_growing);
    object->grows = false;
    pk_eviction_note(object);
    pk_name_check(name);
    pk_object_check(object);
}

void
pk_object_hold(struct pk_object *object, uint64_t bytes)
{
    object->peer->held = object->peer->held - object->held + bytes;
    object->held = bytes;
    if (bytes > object->most_held)
        object->most_held = bytes;
}

void
pk_object_use(struct pk_object *object)
{
    object->uses++;
}

void
pk_object_unuse(struct pk_object *object)
{
    object->uses--;
    pk_object_check(object);
}

void
pk_object_lease(struct pk_object *object)
{
    object->leases++;
    pk_eviction_acquired(object);
}

void
pk_object_unlease(struct pk_object *object)
{
    object->leases--;
    pk_eviction_note(object);
}

/* True: nobody needs it any more, and it is in no table. */
static bool
forsaken(struct pk_object *object)
{
    if (object->name != NULL || object->leases > 0)
        return false;
    /* Its room is free from now on: a call that was told already may still be on its way out. */
    pk_object_hold(object, 0);
    if (object->uses > 0)
        return false;
    HASH_DEL(object->peer->objects, object);
    return true;
}

bool
pk_object_part(struct pk_object *object)
{
    object->uses--;
    return forsaken(object);
}

void
pk_object_check(struct pk_object *object)
{
    if (forsaken(object))
        pk_object_give_up(object);
}

void
pk_object_give_up(struct pk_object *object)
{
    object->peer->running++;
    TAILQ_INSERT_TAIL(&object->peer->reaps, object, in_reaps);
}

void
pk_object_reap(struct pk_object *object)
{
    struct pk_peer *peer = object->peer;
    struct pk_error err = PK_ERROR_INIT;

    for (uint32_t i = 0; object->blobs != NULL && i < object->blob_count; i++) {
        if (object->blobs[i] == NULL)
            continue;
        if (object->published || object->in_doubt)
            pk_blob_free(peer->blob, object->blobs[i]);
        else if (pk_blob_remove(peer->blob, object->blobs[i], &err) != 0)
            pk_log(PK_LOG_WARN, "peer", "storage of object '%s' not freed: %s", object->key.id,
                   err.message);
    }
    pk_object_free(object);
}
