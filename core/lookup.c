/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the storage holds that this process did not make: looked up on a miss, and when it changed.
 * All of it at once is recovery.c's.
 */
#include "core/eviction.h"
#include "core/id.h"
#include "core/log.h"
#include "core/peer_state.h"

#include <errno.h>
#include <packice/cleanup.h>
#include <stdlib.h>
#include <string.h>

/* What a plugin found is as hostile as a file on a disk. */
static int32_t
check_manifest(const struct pk_manifest *manifest, const char *expected_id, struct pk_error *err)
{
    if (manifest == NULL || manifest->key.id == NULL || pk_id_check(manifest->key.id, NULL) != 0)
        return pk_fail(err, -EIO, "the storage found an object without a proper id");
    if (expected_id != NULL && strcmp(manifest->key.id, expected_id) != 0)
        return pk_fail(err, -EIO, "the storage found '%s' for '%s'", manifest->key.id, expected_id);
    if (manifest->blob_count == 0 || manifest->blob_count > PK_BLOBS_MAX || manifest->sizes == NULL
        || manifest->key.epoch == 0)
        return pk_fail(err, -EIO, "the manifest of '%s' is malformed", manifest->key.id);
    uint64_t total = 0;
    for (uint32_t i = 0; i < manifest->blob_count; i++) {
        if (manifest->sizes[i] > PK_SIZE_MAX - total)
            return pk_fail(err, -EIO, "the manifest of '%s' is malformed", manifest->key.id);
        total += manifest->sizes[i];
    }
    if (manifest->meta != NULL && strnlen(manifest->meta, PK_META_MAX + 1) > PK_META_MAX)
        return pk_fail(err, -EIO, "the meta of '%s' is too long", manifest->key.id);
    return 0;
}

static struct pk_object *
object_from(struct pk_peer *peer, const struct pk_manifest *manifest, void *const *blobs)
{
    const char *meta = manifest->meta != NULL ? manifest->meta : "";
    struct pk_object *object = pk_object_new(peer, &manifest->key, manifest->blob_count, meta);
    if (object == NULL)
        return NULL;
    object->state = PK_STATE_SEALED;
    object->published = true;
    object->sealed_count = manifest->blob_count;
    object->created_at = manifest->created_at;
    object->sealed_at = manifest->sealed_at;
    object->owner = manifest->owner;
    object->owner.name[sizeof(object->owner.name) - 1] = '\0';
    memcpy(object->sizes, manifest->sizes, manifest->blob_count * sizeof(*object->sizes));
    if (blobs != NULL)
        memcpy(object->blobs, blobs, manifest->blob_count * sizeof(*object->blobs));
    else
        free(pk_steal(object->blobs));
    return object;
}

struct finding {
    struct pk_peer *peer;
    const char *object_id;
    struct pk_object *object;
    void *spare[PK_BLOBS_MAX]; /* blobs that nobody wants, to be freed behind the slot */
    uint32_t spare_count;
    int32_t status;
    struct pk_error error;
};

/* What came without being asked for twice over is not worth keeping track of. */
static void
spare_blobs(struct finding *finding, const struct pk_blob_found *found)
{
    for (uint32_t i = 0; found->blobs != NULL && i < found->manifest->blob_count; i++)
        if (found->blobs[i] != NULL && finding->spare_count < PK_BLOBS_MAX)
            finding->spare[finding->spare_count++] = found->blobs[i];
}

static bool
all_there(const struct pk_blob_found *found)
{
    for (uint32_t i = 0; found->blobs != NULL && i < found->manifest->blob_count; i++)
        if (found->blobs[i] == NULL)
            return false;
    return found->blobs != NULL;
}

static void
take_found(void *arg, const struct pk_blob_found *found)
{
    struct finding *finding = arg;

    finding->status = check_manifest(found->manifest, finding->object_id, &finding->error);
    if (finding->status == 0 && (!all_there(found) || finding->object != NULL))
        finding->status = pk_fail(&finding->error, -EIO, "lookup found no blobs, or twice");
    if (finding->status == 0) {
        finding->object = object_from(finding->peer, found->manifest, found->blobs);
        if (finding->object != NULL)
            return;
        finding->status = pk_fail(&finding->error, -ENOMEM, "out of memory");
    }
    if (found->manifest != NULL && found->manifest->blob_count <= PK_BLOBS_MAX)
        spare_blobs(finding, found);
}

int32_t
pk_lookup_accept(struct pk_peer *peer, const struct pk_blob_found *found,
                 struct pk_object **ret_object, struct pk_error *err)
{
    int32_t rc = check_manifest(found->manifest, NULL, err);
    if (rc != 0)
        return rc;
    /* They should be NULL here, but whoever sends some gives them away. */
    void *const *blobs = all_there(found) ? found->blobs : NULL;
    struct pk_object *object = object_from(peer, found->manifest, blobs);
    if (object == NULL)
        return pk_fail(err, -ENOMEM, "out of memory");
    *ret_object = object;
    return 0;
}

static bool
same_sizes(const struct pk_object *one, const struct pk_object *other)
{
    return one->blob_count == other->blob_count
           && memcmp(one->sizes, other->sizes, one->blob_count * sizeof(*one->sizes)) == 0;
}

/* Puts what was found under the name, which is in transition by whoever looked. With the lock held.
 * What is not needed comes back, to be let go without the lock. */
static struct pk_object *
install(struct pk_name *name, struct pk_object *found, int32_t *ret_status)
{
    struct pk_peer *peer = name->peer;
    struct pk_object *standing = name->object;

    *ret_status = 0;
    if (found->key.epoch > peer->epoch_floor)
        peer->epoch_floor = found->key.epoch;
    if (standing != NULL && standing->key.epoch == found->key.epoch) {
        if (standing->blobs == NULL && !same_sizes(standing, found))
            *ret_status = -EIO; /* recovery told something else of it */
        else if (standing->blobs == NULL)
            standing->blobs = pk_steal(found->blobs);
        return found;
    }
    struct pk_object *known = pk_object_find(peer, &found->key);
    if (known != NULL) { /* it was discarded here just now, and still is held by somebody */
        *ret_status = -ENOENT;
        return found;
    }
    if (standing != NULL) /* others replaced it, who see to its storage */
        pk_object_unname(standing);
    *ret_status = pk_object_insert(found, name);
    if (*ret_status != 0)
        return found;
    pk_object_hold(found, pk_object_size(found));
    pk_eviction_note(found);
    return NULL;
}

static void
lookup_run(struct pk_call *call)
{
    struct pk_peer *peer = call->peer;
    struct finding finding = { .peer = peer,
                               .object_id = call->request.object_id,
                               .error = PK_ERROR_INIT };
    struct pk_object *unneeded = NULL;

    call->status =
        pk_blob_lookup(peer->blob, finding.object_id, take_found, &finding, &call->error);
    for (uint32_t i = 0; i < finding.spare_count; i++)
        pk_blob_free(peer->blob, finding.spare[i]);
    if (call->status == 0 && finding.object == NULL)
        call->status =
            pk_fail(&call->error, finding.status != 0 ? finding.status : -EIO, "%s",
                    finding.status != 0 ? finding.error.message : "lookup found nothing");
    pk_peer_lock(peer);
    if (finding.object != NULL) {
        unneeded = install(call->name, finding.object, &call->status);
        if (call->status != 0)
            pk_call_fail(call, call->status, "what was found of '%s' could not be kept",
                         finding.object_id);
    } else if (call->status == -ENOENT && call->name->object != NULL
               && call->name->object->state == PK_STATE_SEALED)
        pk_object_unname(call->name->object); /* it went away elsewhere */
    if (unneeded != NULL)
        pk_object_give_up(unneeded);
    pk_peer_unlock(peer);
    call->after_lookup(call);
}

/* Without the lock. *ret_object, in no table, is the caller's; -ENOENT: nothing is published under
 * this id, or another epoch. */
static int32_t
find_epoch(struct pk_peer *peer, const struct pk_key *key, struct pk_object **ret_object,
           struct pk_error *err)
{
    struct finding finding = { .peer = peer, .object_id = key->id, .error = PK_ERROR_INIT };

    int32_t rc = pk_blob_lookup(peer->blob, key->id, take_found, &finding, err);
    for (uint32_t i = 0; i < finding.spare_count; i++)
        pk_blob_free(peer->blob, finding.spare[i]);
    if (finding.object == NULL)
        return rc != 0 ? rc : pk_fail(err, -EIO, "lookup found nothing");
    if (rc == 0 && finding.object->key.epoch != key->epoch)
        rc = pk_fail(err, -ENOENT, "another epoch is published");
    if (rc == 0)
        *ret_object = finding.object;
    else
        pk_object_reap(finding.object);
    return rc;
}

int32_t
pk_lookup_published(struct pk_peer *peer, const struct pk_key *key, struct pk_error *err)
{
    struct pk_object *found = NULL;
    int32_t rc = find_epoch(peer, key, &found, err);

    if (found != NULL)
        pk_object_reap(found);
    return rc;
}

int32_t
pk_lookup_open(struct pk_object *object, struct pk_error *err)
{
    struct pk_peer *peer = object->peer;
    struct pk_object *found = NULL;
    int32_t rc = find_epoch(peer, &object->key, &found, err);

    if (found == NULL)
        return rc;
    if (same_sizes(found, object)) {
        pk_peer_lock(peer);
        object->blobs = pk_steal(found->blobs);
        pk_peer_unlock_only(peer);
    } else {
        rc = pk_fail(err, -EIO, "'%s' was told of with other sizes", object->key.id);
    }
    pk_object_reap(found);
    return rc;
}

void
pk_lookup_step(struct pk_call *call, pk_call_fn *next)
{
    call->after_lookup = next;
    pk_call_next(call, lookup_run, call->peer->blob,
                 PK_SLOT(PK_BLOB_LOOKUP) | PK_SLOT(PK_BLOB_FREE), 0);
}

static void
leave(struct pk_call *call)
{
    pk_peer_lock(call->peer);
    pk_name_leave(call);
    pk_peer_unlock(call->peer);
}

static void
looked(struct pk_call *call)
{
    call->missed = call->status == -ENOENT;
    call->again = call->missed || call->status == 0;
    if (!call->again) {
        leave(call);
        return;
    }
    call->status = 0;
    call->error = (struct pk_error)PK_ERROR_INIT;
}

void
pk_lookup_begin(struct pk_call *call)
{
    pk_lookup_step(call, looked);
}

/* ---- what changed elsewhere ---- */

static void
refresh_begin(struct pk_call *call)
{
    struct pk_name *name = pk_name_find(call->peer, call->request.object_id);

    if (name == NULL)
        return;
    name->refreshing = name->busy != NULL;
    if (name->refreshing) {
        pk_name_queue(name, call);
        return;
    }
    if (name->object != NULL && name->object->state == PK_STATE_CREATING)
        return; /* the claim is ours: nobody else can have published */
    pk_name_enter(name, call);
    pk_lookup_step(call, leave);
}

void
pk_lookup_refresh(struct pk_name *name)
{
    if (name->refreshing)
        return; /* the one that queues looks after this moment */
    struct pk_call *call = pk_call_new_internal(name->peer, name->id, refresh_begin);
    if (call != NULL) /* else: waits go on until the next change, or their deadline */
        pk_call_begin(call);
}

void
pk_lookup_unclaimed(struct pk_name *name)
{
    if (!TAILQ_EMPTY(&name->waiters) && pk_blob_publishes(name->peer->blob))
        pk_lookup_refresh(name);
}

void
pk_lookup_vanished(struct pk_object *object)
{
    if (object->name != NULL && object->published)
        pk_lookup_refresh(object->name);
}

void
pk_peer_changed(struct pk_peer *peer, const char *object_id)
{
    if (object_id == NULL)
        return;
    pk_peer_lock(peer);
    struct pk_name *name = pk_name_find(peer, object_id);
    if (name != NULL && pk_blob_publishes(peer->blob))
        pk_lookup_refresh(name);
    pk_peer_unlock(peer);
}

static void
poll_due(struct pk_timer *timer)
{
    struct pk_peer *peer =
        (struct pk_peer *)(void *)((char *)timer - offsetof(struct pk_peer, poll));
    struct pk_name *name;
    struct pk_name *next;

    pk_peer_lock(peer);
    peer->poll_set = false;
    for (name = TAILQ_FIRST(&peer->waited); name != NULL; name = next) {
        next = TAILQ_NEXT(name, in_waited);
        if (name->busy == NULL && name->object == NULL) /* else this node is at it itself */
            pk_lookup_refresh(name);
    }
    if (!TAILQ_EMPTY(&peer->waited))
        pk_lookup_poll(peer);
    pk_peer_unlock(peer);
}

void
pk_lookup_poll(struct pk_peer *peer)
{
    if (peer->poll_set || peer->closing)
        return;
    peer->poll_set = true;
    peer->poll.run = poll_due;
    pk_timer_set(peer->executor, &peer->poll, pk_peer_later(peer, peer->traits.poll_interval));
}
