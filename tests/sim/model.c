/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of the model. Slow and obvious on purpose.
 */
#include "model.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define DEFAULT_TTL (60ULL * WORLD_SECOND)

__attribute__((format(printf, 2, 3))) static void
differ(struct model *model, const char *format, ...)
{
    va_list args;

    if (model->why[0] != '\0')
        return;
    va_start(args, format);
    (void)vsnprintf(model->why, sizeof(model->why), format, args);
    va_end(args);
}

static void
expect(struct model *model, const char *verb, const struct record *record, int32_t status)
{
    if (record->answers != 1)
        differ(model, "%s: %u answers where %d was due", verb, record->answers, status);
    else if (record->status != status)
        differ(model, "%s of '%s': %d where %d was due", verb,
               record->id < WORLD_IDS ? world_ids[record->id] : "-", record->status, status);
}

static struct model_object *
named(struct model *model, uint32_t id)
{
    for (uint32_t i = 0; i < model->object_count; i++)
        if (model->objects[i].named && model->objects[i].id == id)
            return &model->objects[i];
    return NULL;
}

static struct model_lease *
live_lease(struct model *model, const char *lease_id)
{
    for (uint32_t i = 0; i < model->lease_count; i++)
        if (model->leases[i].live && strcmp(model->leases[i].lease_id, lease_id) == 0)
            return &model->leases[i];
    return NULL;
}

static uint64_t
end_of(const struct model *model, uint64_t ttl, bool bound)
{
    if (ttl == PK_FOREVER || (ttl == 0 && bound))
        return PK_FOREVER;
    return model->now + (ttl != 0 ? ttl : DEFAULT_TTL);
}

/* Who acquires what was moved to slower storage has it counted again. */
static void
recall(struct model *model, struct model_object *object)
{
    if (!object->demoted)
        return;
    object->demoted = false;
    object->held = object->whole;
    model->held += object->held;
}

static void
add_lease(struct model *model, const struct record *record, struct model_object *object,
          bool creator, bool bound, uint64_t ttl)
{
    struct model_lease *lease = &model->leases[model->lease_count++];

    *lease = (struct model_lease){
        .object = (uint32_t)(object - model->objects),
        .live = true,
        .creator = creator,
        .bound = bound,
        .session = record->session,
        .expires_at = end_of(model, ttl, bound),
        .timed = ++model->times,
    };
    memcpy(lease->lease_id, record->lease_id, sizeof(lease->lease_id));
    object->leases++;
    recall(model, object);
}

/* A read was answered, with a lease or, of what is small enough, with the bytes. */
static void
expect_read(struct model *model, const struct record *record, struct model_object *object,
            uint64_t inline_max, bool bound, uint64_t ttl)
{
    bool inlined = inline_max > 0 && object->whole <= inline_max;

    recall(model, object);
    object->acquired = ++model->ends;
    if (record->epoch != object->epoch)
        differ(model, "read epoch %" PRIu64 " where %" PRIu64 " was due", record->epoch,
               object->epoch);
    if (record->inlined != inlined || (record->lease_id[0] == '\0') != inlined)
        differ(model, "bytes: %d, and due: %d", record->inlined, inlined);
    if (!inlined)
        add_lease(model, record, object, false, bound, ttl);
    else if (record->bytes != object->held
             || (object->fill != WORLD_NO_FILL && record->fill != object->fill))
        differ(model, "%" PRIu64 " bytes of %d where %" PRIu64 " of %d were due", record->bytes,
               record->fill, object->held, object->fill);
}

static void
check_gone(struct model *model, struct model_object *object)
{
    if (object->named || object->leases > 0)
        return;
    model->held -= object->held;
    object->held = 0;
}

/* Whether it still waits. Of a deadline and an end of a lease that come at the same moment, either
 * may be the first. */
static bool
still_waits(const struct model *model, const struct model_wait *wait, uint32_t id)
{
    return wait->live && wait->record->id == id
           && !(wait->deadline <= model->now && wait->record->status == -ETIMEDOUT);
}

static void
end_waits(struct model *model, uint32_t id, int32_t status, struct model_object *object)
{
    for (uint32_t i = 0; i < model->wait_count; i++) {
        struct model_wait *wait = &model->waits[i];
        if (!still_waits(model, wait, id))
            continue;
        wait->live = false;
        expect(model, "wait", wait->record, status);
        if (object != NULL)
            expect_read(model, wait->record, object, wait->inline_max, wait->bound, wait->ttl);
    }
}

static bool
waited(const struct model *model, uint32_t id)
{
    for (uint32_t i = 0; i < model->wait_count; i++)
        if (still_waits(model, &model->waits[i], id))
            return true;
    return false;
}

/* It comes to stand under its name. */
static struct model_object *
install(struct model *model, uint32_t id)
{
    const struct model_published *published = &model->published[id];
    struct model_object *object = NULL;

    for (uint32_t i = 0; i < model->object_count; i++)
        if (model->objects[i].id == id && model->objects[i].epoch == published->epoch)
            object = &model->objects[i];
    if (object == NULL)
        object = &model->objects[model->object_count++];
    model->held += published->size;
    *object = (struct model_object){ .epoch = published->epoch,
                                     .id = id,
                                     .named = true,
                                     .sealed = true,
                                     .size = published->size,
                                     .held = published->size,
                                     .whole = published->size,
                                     .fill = published->fill };
    return object;
}

/* The name, which nobody creates just now, is looked up in the storage. */
static struct model_object *
find(struct model *model, uint32_t id)
{
    struct model_object *standing = named(model, id);
    uint64_t epoch = model->published[id].epoch;

    if (!model->durable || (standing != NULL && standing->epoch == epoch)) {
        if (standing != NULL)
            standing->unopened = false;
        return standing;
    }
    if (standing != NULL) {
        standing->named = false;
        check_gone(model, standing);
    }
    return epoch != 0 ? install(model, id) : NULL;
}

/* The same, and those that wait get what was found. */
static struct model_object *
look_up(struct model *model, uint32_t id)
{
    struct model_object *object = find(model, id);

    if (object != NULL)
        end_waits(model, id, 0, object);
    return object;
}

static void
end_lease(struct model *model, struct model_lease *lease)
{
    struct model_object *object = &model->objects[lease->object];

    lease->live = false;
    object->leases--;
    if (object->leases == 0)
        object->acquired = ++model->ends;
    bool abandoned = lease->creator && !object->sealed && object->named;
    if (abandoned)
        object->named = false;
    check_gone(model, object);
    if (abandoned && waited(model, object->id))
        (void)look_up(model, object->id); /* what others made of the name meanwhile */
}

/* What others made may be more than the capacity. */
static bool
fits(const struct model *model, uint64_t held, uint64_t more)
{
    uint64_t capacity = model->world->options.capacity;

    return held <= capacity && more <= capacity - held;
}

static uint64_t
count_named(const struct model *model)
{
    uint64_t count = 0;

    for (uint32_t i = 0; i < model->object_count; i++)
        count += model->objects[i].named;
    return count;
}

static bool
has_room(const struct model *model, uint64_t bytes, uint64_t objects)
{
    return fits(model, model->held, bytes)
           && (objects == 0 || count_named(model) + objects <= model->world->options.max_objects);
}

static bool
may_go(const struct model *model, const struct model_object *object)
{
    return model->world->options.evict && object->named && object->sealed && object->leases == 0
           && !object->demoted;
}

static bool
goes_before(const struct model_object *one, const struct model_object *other)
{
    if (one->acquired != other->acquired)
        return one->acquired < other->acquired;
    if (one->epoch != other->epoch)
        return one->epoch < other->epoch;
    return strcmp(world_ids[one->id], world_ids[other->id]) < 0;
}

/* Whether there is room, or would be if all went that may. */
static bool
could_have_room(const struct model *model, uint64_t bytes, uint64_t objects)
{
    struct model rest = *model;

    for (uint32_t i = 0; i < rest.object_count; i++) {
        if (!may_go(&rest, &rest.objects[i]))
            continue;
        rest.held -= rest.objects[i].held;
        rest.objects[i].named = rest.demotes;
    }
    return has_room(&rest, bytes, objects);
}

static void
go(struct model *model, struct model_object *object)
{
    if (model->demotes) {
        object->demoted = true;
        model->held -= object->held;
        object->held = 0;
        return;
    }
    model->published[object->id].epoch = 0;
    object->named = false;
    check_gone(model, object);
}

/* Which there could be. */
static void
make_room(struct model *model, uint64_t bytes, uint64_t objects)
{
    while (!has_room(model, bytes, objects)) {
        struct model_object *victim = NULL;
        for (uint32_t i = 0; i < model->object_count; i++) {
            struct model_object *object = &model->objects[i];
            if (may_go(model, object) && (victim == NULL || goes_before(object, victim)))
                victim = object;
        }
        if (victim == NULL) {
            differ(model, "the model itself is at its wits' end");
            return;
        }
        model->evictions++;
        model->evicted_bytes += victim->held;
        go(model, victim);
    }
}

/* Room for so many bytes is wanted under a new name; NULL: that is refused. */
static struct model_object *
make(struct model *model, const char *verb, const struct record *record, uint64_t total)
{
    const struct pk_peer_options *options = &model->world->options;
    int32_t status = 0;
    const struct model_object *standing = named(model, record->id);
    bool room = total <= options->max_object && could_have_room(model, total, 1);
    if (standing == NULL && room)
        standing = look_up(model, record->id);
    if (standing != NULL)
        status = -EEXIST;
    else if (total > options->max_object)
        status = -EFBIG;
    else if (!room)
        status = -ENOSPC;
    expect(model, verb, record, status);
    if (status != 0)
        return NULL;
    make_room(model, total, 1);
    struct model_object *object = &model->objects[model->object_count++];
    *object = (struct model_object){
        .epoch = record->epoch,
        .id = record->id,
        .named = true,
        .size = total,
        .held = total,
        .fill = WORLD_NO_FILL,
    };
    model->held += total;
    return object;
}

/* What becomes of it, once it is sealed. */
static void
become_sealed(struct model *model, struct model_object *object)
{
    object->sealed = true;
    object->whole = object->held;
    if (object->leases == 0)
        object->acquired = ++model->ends;
    if (model->durable)
        model->published[object->id] =
            (struct model_published){ object->epoch, object->held, object->fill };
    end_waits(model, object->id, 0, object);
}

void
model_create(struct model *model, const struct pk_request *request, const struct record *record)
{
    uint64_t total = 0;

    for (uint32_t i = 0; i < request->blob_count; i++)
        total += request->sizes[i] != PK_UNSIZED ? request->sizes[i] : 0;
    struct model_object *object = make(model, "create", record, total);
    if (object == NULL)
        return;
    object->size = request->sizes[0];
    object->blobs = request->blob_count;
    object->rest = total - (request->sizes[0] != PK_UNSIZED ? request->sizes[0] : 0);
    add_lease(model, record, object, true, request->flags & PK_REQUEST_BIND, request->ttl);
}

void
model_put(struct model *model, const struct record *record)
{
    struct model_object *object = make(model, "put", record, record->put_size);

    if (object == NULL)
        return;
    object->fill = record->put_size > 0 ? record->fill : WORLD_NO_FILL;
    become_sealed(model, object);
}

void
model_read(struct model *model, const struct pk_request *request, struct record *record)
{
    struct model_object *object = named(model, record->id);
    bool bound = request->flags & PK_REQUEST_BIND;

    if (object == NULL || object->taken || object->unopened)
        object = look_up(model, record->id);
    if (object != NULL && object->sealed) {
        expect(model, "read", record, 0);
        expect_read(model, record, object, request->inline_max, bound, request->ttl);
    } else if (request->wait == 0) {
        expect(model, "read", record, object != NULL ? -EAGAIN : -ENOENT);
    } else {
        if (record->answers != 0)
            differ(model, "a wait was answered at once: %d", record->status);
        model->waits[model->wait_count++] = (struct model_wait){
            .record = record,
            .live = true,
            .bound = bound,
            .ttl = request->ttl,
            .deadline = model->now + request->wait,
            .inline_max = request->inline_max,
        };
    }
}

void
model_seal(struct model *model, const struct pk_request *request, const struct record *record)
{
    const struct pk_peer_options *options = &model->world->options;
    struct model_lease *lease = live_lease(model, request->lease_id);
    struct model_object *object = lease != NULL ? &model->objects[lease->object] : NULL;
    int32_t status = 0;

    if (lease == NULL)
        status = -ESTALE;
    else if (!lease->creator)
        status = -EACCES;
    else if (object->taken)
        status = -ENOENT;
    if (status != 0 || object->sealed) {
        expect(model, "seal", record, status);
        if (status == -ENOENT && object->named)
            (void)look_up(model, object->id);
        return;
    }
    uint64_t total = object->rest + (object->size != PK_UNSIZED ? object->size : object->written);
    if (total > options->max_object)
        status = -EFBIG;
    else if (total > object->held && !could_have_room(model, total - object->held, 0))
        status = -ENOSPC;
    else if (model->published[object->id].epoch != 0)
        status = -ESTALE;
    expect(model, "seal", record, status);
    if (status == -ESTALE) { /* the claim was lost, and with it all that was made */
        object->named = false;
        end_lease(model, lease);
        (void)look_up(model, object->id);
    }
    if (status != 0)
        return;
    if (total > object->held)
        make_room(model, total - object->held, 0);
    model->held = model->held - object->held + total;
    object->held = total;
    become_sealed(model, object);
}

void
model_renew(struct model *model, const struct pk_request *request, const struct record *record)
{
    struct model_lease *lease = live_lease(model, request->lease_id);

    expect(model, "renew", record, lease != NULL ? 0 : -ESTALE);
    if (lease == NULL)
        return;
    lease->expires_at = end_of(model, request->ttl, lease->bound);
    lease->timed = ++model->times;
}

void
model_release(struct model *model, const struct pk_request *request, const struct record *record)
{
    struct model_lease *lease = live_lease(model, request->lease_id);

    expect(model, "release", record, 0);
    if (lease != NULL)
        end_lease(model, lease);
}

void
model_discard(struct model *model, const struct record *record)
{
    struct model_object *object = named(model, record->id);

    if (object == NULL || object->unopened)
        object = find(model, record->id); /* which takes it from those that wait */
    expect(model, "discard", record, object != NULL ? 0 : -ENOENT);
    if (object == NULL)
        return;
    if (!object->sealed)
        end_waits(model, object->id, -ENOENT, NULL);
    object->named = false;
    for (uint32_t i = 0; i < model->lease_count; i++) {
        struct model_lease *lease = &model->leases[i];
        if (lease->live && lease->creator && !object->sealed
            && &model->objects[lease->object] == object)
            end_lease(model, lease);
    }
    if (object->sealed && model->published[object->id].epoch == object->epoch)
        model->published[object->id].epoch = 0;
    check_gone(model, object);
}

void
model_stat(struct model *model, const struct record *record)
{
    const struct model_object *object = named(model, record->id);

    if (object == NULL)
        object = look_up(model, record->id);
    expect(model, "stat", record, object != NULL ? 0 : -ENOENT);
    if (object != NULL
        && (record->epochs[0] != object->epoch
            || (record->states[0] == PK_STATE_SEALED) != object->sealed))
        differ(model, "stat: epoch %" PRIu64 " state %u", record->epochs[0], record->states[0]);
}

void
model_verify(struct model *model, const struct record *record)
{
    const struct model_object *object = named(model, record->id);

    if (object == NULL || object->unopened)
        object = look_up(model, record->id);
    if (object != NULL && object->taken) {
        expect(model, "verify", record, -ENOENT);
        (void)look_up(model, record->id);
        return;
    }
    expect(model, "verify", record, object == NULL ? -ENOENT : !object->sealed ? -EAGAIN : 0);
    if (object != NULL && object->sealed
        && (record->epoch != object->epoch || record->bytes != object->whole))
        differ(model, "verify: epoch %" PRIu64 ", %" PRIu64 " bytes", record->epoch, record->bytes);
}

void
model_list(struct model *model, const struct record *record)
{
    uint64_t epochs[WORLD_IDS];
    uint32_t count = 0;

    expect(model, "list", record, 0);
    for (uint32_t i = 0; i < model->object_count; i++) {
        if (!model->objects[i].named)
            continue;
        uint32_t at = count++;
        for (; at > 0 && epochs[at - 1] > model->objects[i].epoch; at--)
            epochs[at] = epochs[at - 1];
        epochs[at] = model->objects[i].epoch;
    }
    if (count != record->object_count)
        differ(model, "list: %u objects where %u were due", record->object_count, count);
    for (uint32_t i = 0; i < count && i < record->object_count; i++)
        if (record->epochs[i] != epochs[i])
            differ(model, "list: epoch %" PRIu64, record->epochs[i]);
}

void
model_write(struct model *model, const struct pk_request *request, const struct record *record)
{
    const struct model_lease *lease = live_lease(model, request->lease_id);
    struct model_object *object = lease != NULL ? &model->objects[lease->object] : NULL;
    bool counts = request->flags & PK_REQUEST_COUNT && object != NULL && object->size == PK_UNSIZED;
    uint64_t size = request->data_size;
    bool grows = counts && object->blobs == 1 && size > object->held;
    uint64_t bound = counts           ? model->world->options.max_object
                     : object != NULL ? object->size
                                      : 0; /* PK_UNSIZED is none */
    int32_t status = 0;

    if (object == NULL)
        status = -ESTALE;
    else if (!lease->creator || object->sealed)
        status = -EACCES;
    else if (size > bound)
        status = -EFBIG;
    else if (grows && !could_have_room(model, size - object->held, 0))
        status = -ENOSPC;
    expect(model, "write", record, status);
    if (status == 0 && object->written < size)
        object->written = size;
    if (status == 0 && grows) {
        make_room(model, size - object->held, 0);
        model->held += size - object->held;
        object->held = size;
    }
}

void
model_cancel(struct model *model, const struct record *record)
{
    for (uint32_t i = 0; i < model->wait_count; i++) {
        struct model_wait *wait = &model->waits[i];
        if (wait->live && wait->record == record) {
            wait->live = false;
            expect(model, "cancelled wait", record, -ECANCELED);
        }
    }
}

void
model_session_closed(struct model *model, uint32_t session)
{
    for (uint32_t i = 0; i < model->wait_count; i++) {
        struct model_wait *wait = &model->waits[i];
        if (wait->live && wait->record->session == session) {
            wait->live = false;
            expect(model, "orphaned wait", wait->record, -ECANCELED);
        }
    }
    for (uint32_t i = 0; i < model->lease_count; i++)
        if (model->leases[i].live && model->leases[i].bound && model->leases[i].session == session)
            end_lease(model, &model->leases[i]);
}

/* When the next lease or wait ends by the clock. */
static uint64_t
next_end(const struct model *model)
{
    uint64_t next = PK_FOREVER;

    for (uint32_t i = 0; i < model->lease_count; i++)
        if (model->leases[i].live && model->leases[i].expires_at < next)
            next = model->leases[i].expires_at;
    for (uint32_t i = 0; i < model->wait_count; i++)
        if (model->waits[i].live && model->waits[i].deadline < next)
            next = model->waits[i].deadline;
    return next;
}

/* Of those that have run out by now, whose end was set first. */
static struct model_lease *
next_over(struct model *model)
{
    struct model_lease *next = NULL;

    for (uint32_t i = 0; i < model->lease_count; i++) {
        struct model_lease *lease = &model->leases[i];
        if (lease->live && lease->expires_at <= model->now
            && (next == NULL || lease->timed < next->timed))
            next = lease;
    }
    return next;
}

void
model_time_passed(struct model *model)
{
    uint64_t until = model->world->executor.now;
    struct model_lease *lease;

    while (next_end(model) <= until) {
        model->now = next_end(model);
        while ((lease = next_over(model)) != NULL)
            end_lease(model, lease);
        for (uint32_t i = 0; i < model->wait_count; i++) {
            struct model_wait *wait = &model->waits[i];
            if (wait->live && wait->deadline <= model->now) {
                wait->live = false;
                expect(model, "late wait", wait->record, -ETIMEDOUT);
            }
        }
    }
    model->now = until;
}

void
model_restarted(struct model *model)
{
    for (uint32_t i = 0; i < WORLD_SESSIONS; i++)
        model_session_closed(model, i);
    for (uint32_t i = 0; i < model->lease_count; i++)
        if (model->leases[i].live)
            end_lease(model, &model->leases[i]);
    for (uint32_t i = 0; i < model->object_count; i++) {
        model->objects[i].named = false;
        check_gone(model, &model->objects[i]);
    }
    for (uint32_t id = 0; id < WORLD_IDS; id++)
        if (model->published[id].epoch != 0)
            install(model, id)->unopened = true;
    model->evictions = 0;
    model->evicted_bytes = 0;
}

void
model_elsewhere(struct model *model, uint32_t id, uint64_t epoch, uint64_t size, bool told)
{
    struct model_published *published = &model->published[id];
    const struct model_object *standing = named(model, id);

    for (uint32_t i = 0; i < model->object_count; i++)
        if (model->objects[i].id == id && model->objects[i].epoch == published->epoch)
            model->objects[i].taken = true;
    *published = (struct model_published){ epoch, size, WORLD_NO_FILL };
    if (told && (standing != NULL ? standing->sealed : waited(model, id)))
        (void)look_up(model, id);
}

static void
compare_object(struct model *model, const struct model_object *object)
{
    const struct pk_name *name = pk_name_find(model->world->peer, world_ids[object->id]);

    if (name == NULL || name->object == NULL || name->object->key.epoch != object->epoch)
        differ(model, "'%s' of epoch %" PRIu64 " is not there", world_ids[object->id],
               object->epoch);
}

void
model_compare(struct model *model)
{
    const struct pk_peer *peer = model->world->peer;
    uint64_t named_count = count_named(model);
    uint64_t leases = 0;
    uint64_t waits = 0;

    for (uint32_t i = 0; i < model->object_count; i++)
        if (model->objects[i].named)
            compare_object(model, &model->objects[i]);
    for (uint32_t i = 0; i < model->lease_count; i++)
        leases += model->leases[i].live;
    for (uint32_t i = 0; i < model->wait_count; i++)
        waits += model->waits[i].live;
    if (named_count != peer->named || leases != HASH_COUNT(peer->holders) || waits != peer->waits
        || model->held != peer->held)
        differ(model,
               "objects %" PRIu64 "/%" PRIu64 ", leases %" PRIu64 "/%u, waits %" PRIu64 "/%" PRIu64
               ", bytes %" PRIu64 "/%" PRIu64 " (due/found)",
               named_count, peer->named, leases, HASH_COUNT(peer->holders), waits, peer->waits,
               model->held, peer->held);
    if (model->evictions != peer->evictions || model->evicted_bytes != peer->evicted_bytes)
        differ(model, "evicted %" PRIu64 "/%" PRIu64 ", bytes %" PRIu64 "/%" PRIu64 " (due/found)",
               model->evictions, peer->evictions, model->evicted_bytes, peer->evicted_bytes);
}
