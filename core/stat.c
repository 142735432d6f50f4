/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stat and list: what there is, in epoch order. What they tell is copied under the lock, so that a
 * reply is true for one moment.
 */
#include "core/peer_state.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Objects looked at for one page, so that a rare prefix can't hold the lock for long: such a page
 * is short, and its cursor goes on. */
#define LIST_VISITS_MAX 10000U

static void
fill_info(struct pk_object_info *info, uint64_t *sizes, const struct pk_object *object)
{
    *info = (struct pk_object_info){
        .struct_size = sizeof(*info),
        .state = object->state,
        .key = object->key,
        .blob_count = object->blob_count,
        .size = object->state == PK_STATE_SEALED ? pk_object_size(object) : object->held,
        .sizes = memcpy(sizes, object->sizes, object->blob_count * sizeof(*sizes)),
        .meta = object->meta,
        .created_at = object->created_at,
        .sealed_at = object->state == PK_STATE_SEALED ? object->sealed_at : 0,
        .owner = object->owner,
    };
}

/* Copies what there is to say of the objects that were listed. */
static void
fill_infos(struct pk_call *call)
{
    size_t sizes_count = 0;

    for (uint32_t i = 0; i < call->listed_count; i++) {
        assert(call->listed[i] != NULL);
        sizes_count += call->listed[i]->blob_count;
    }
    size_t infos_room = call->listed_count * sizeof(*call->infos);
    call->infos = malloc(infos_room + sizes_count * sizeof(uint64_t) + 1);
    if (call->infos == NULL) {
        pk_call_fail(call, -ENOMEM, "out of memory");
        return;
    }
    uint64_t *sizes = (uint64_t *)(void *)((char *)call->infos + infos_room);
    for (uint32_t i = 0; i < call->listed_count; i++) {
        fill_info(&call->infos[i], sizes, call->listed[i]);
        sizes += call->listed[i]->blob_count;
    }
}

static bool
list_room(struct pk_call *call, uint32_t count)
{
    call->listed = calloc(count, sizeof(*call->listed));
    if (call->listed == NULL)
        pk_call_fail(call, -ENOMEM, "out of memory");
    return call->listed != NULL;
}

static void
list_add(struct pk_call *call, struct pk_object *object)
{
    pk_object_use(object);
    call->listed[call->listed_count++] = object;
}

void
pk_list_finish(struct pk_call *call)
{
    for (uint32_t i = 0; i < call->listed_count; i++)
        pk_object_unuse(call->listed[i]);
    free(call->listed);
    free(call->infos);
}

void
pk_stat_fill(struct pk_call *call, struct pk_object *object)
{
    if (!list_room(call, 1))
        return;
    list_add(call, object);
    fill_infos(call);
}

void
pk_stat_begin(struct pk_call *call)
{
    struct pk_peer *peer = call->peer;

    if (call->request.object_id == NULL) {
        pk_call_fail(call, -EINVAL, "object_id: missing");
        return;
    }
    struct pk_name *name = pk_name_get(peer, call->request.object_id);
    if (name == NULL) {
        pk_call_fail(call, -ENOMEM, "out of memory");
        return;
    }
    if (name->object != NULL) {
        pk_stat_fill(call, name->object);
    } else if (name->busy != NULL) {
        pk_name_queue(name, call);
    } else if (pk_blob_publishes(peer->blob) && !call->looked) {
        pk_name_enter(name, call);
        pk_lookup_begin(call);
    } else {
        pk_call_fail(call, -ENOENT, "object '%s' not found", name->id);
    }
    pk_name_check(name);
}

/* Lists what has this epoch and this prefix: all of it, but what no page has room for. Returns the
 * first object of a later epoch. */
static struct pk_object *
list_epoch(struct pk_call *call, struct pk_object *object, const char *prefix, uint32_t *visits)
{
    uint64_t epoch = object->key.epoch;
    size_t prefix_size = strlen(prefix);

    for (; object != NULL && object->key.epoch == epoch;
         object = RB_NEXT(pk_object_order, &call->peer->order, object)) {
        (*visits)++;
        if (call->listed_count < PK_LIST_MAX && strncmp(object->key.id, prefix, prefix_size) == 0)
            list_add(call, object);
    }
    return object;
}

static void
list_trim(struct pk_call *call, uint32_t count)
{
    while (call->listed_count > count)
        pk_object_unuse(call->listed[--call->listed_count]);
}

/* A cursor is an epoch, so a page never ends between two objects of one: it rather is short, or,
 * where they alone are more than was asked for, long. */
void
pk_list_begin(struct pk_call *call)
{
    struct pk_peer *peer = call->peer;
    const char *prefix = call->request.prefix != NULL ? call->request.prefix : "";
    uint32_t limit = call->request.limit;
    uint32_t visits = 0;

    if (limit == 0 || limit > PK_LIST_MAX)
        limit = PK_LIST_MAX;
    if (peer->recovering && !peer->stopping) { /* until then, it would not be whole */
        pk_call_park(call, &peer->lists, NULL);
        return;
    }
    if (peer->recovering) {
        pk_call_fail(call, -EBUSY, "the node is stopping");
        return;
    }
    if (call->request.cursor == UINT64_MAX || !list_room(call, PK_LIST_MAX))
        return;
    struct pk_object after = { .key = { .id = "", .epoch = call->request.cursor + 1 } };
    struct pk_object *object = RB_NFIND(pk_object_order, &peer->order, &after);
    while (object != NULL && call->listed_count < limit && visits < LIST_VISITS_MAX) {
        uint32_t before = call->listed_count;
        struct pk_object *next = list_epoch(call, object, prefix, &visits);
        if (before > 0 && call->listed_count > limit) {
            list_trim(call, before);
            break;
        }
        call->cursor = object->key.epoch;
        object = next;
    }
    if (object == NULL)
        call->cursor = 0;
    fill_infos(call);
}
