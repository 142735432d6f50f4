/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The judge of overlapping histories. It never predicts; it looks for answers that no order of
 * events could explain.
 */
#include "facts.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

__attribute__((format(printf, 2, 3))) static void
contradict(struct facts *facts, const char *format, ...)
{
    va_list args;

    if (facts->why[0] != '\0')
        return;
    va_start(args, format);
    (void)vsnprintf(facts->why, sizeof(facts->why), format, args);
    va_end(args);
}

/* What it takes for an object to be there after all its leases have ended. */
static bool
stays(const struct facts *facts, const struct fact *fact)
{
    return fact->sealed && !facts->evicts;
}

static struct fact *
by_key(struct facts *facts, uint32_t id, uint64_t epoch)
{
    for (uint32_t i = 0; i < facts->count; i++)
        if (facts->facts[i].create->id == id && facts->facts[i].create->epoch == epoch)
            return &facts->facts[i];
    return NULL;
}

void
facts_elsewhere(struct facts *facts, uint32_t id, uint64_t epoch)
{
    facts_discarding(facts, id); /* or about to be, whatever is there */
    if (epoch == 0)
        return;
    facts->foreign[facts->foreign_count].id = id;
    facts->foreign[facts->foreign_count++].epoch = epoch;
}

bool
facts_foreign(const struct facts *facts, uint32_t id, uint64_t epoch)
{
    for (uint32_t i = 0; i < facts->foreign_count; i++)
        if (facts->foreign[i].id == id && facts->foreign[i].epoch == epoch)
            return true;
    return false;
}

void
facts_discarding(struct facts *facts, uint32_t id)
{
    facts->discarded_at[id] = facts->world->step;
    for (uint32_t i = 0; i < facts->count; i++)
        if (facts->facts[i].create->id == id)
            facts->facts[i].doubt = true;
}

void
facts_releasing(struct facts *facts, const char *lease_id)
{
    for (uint32_t i = 0; i < facts->count; i++)
        if (!stays(facts, &facts->facts[i])
            && strcmp(facts->facts[i].create->lease_id, lease_id) == 0)
            facts->facts[i].doubt = true;
}

void
facts_sealing(struct facts *facts, const char *lease_id)
{
    for (uint32_t i = 0; i < facts->count; i++)
        if (strcmp(facts->facts[i].create->lease_id, lease_id) == 0)
            facts->facts[i].seals++;
}

void
facts_renewing(struct facts *facts, const char *lease_id)
{
    for (uint32_t i = 0; i < facts->count; i++)
        if (strcmp(facts->facts[i].create->lease_id, lease_id) == 0)
            facts->facts[i].timed = true;
}

void
facts_closing(struct facts *facts, uint32_t session)
{
    facts->closed_at = facts->world->step;
    (void)session; /* a repeat may have bound the lease to any of them */
    for (uint32_t i = 0; i < facts->count; i++)
        if (!stays(facts, &facts->facts[i]) && facts->facts[i].bound)
            facts->facts[i].doubt = true;
}

void
facts_time(struct facts *facts)
{
    facts->timed_at = facts->world->step;
    for (uint32_t i = 0; i < facts->count; i++)
        if (!stays(facts, &facts->facts[i]) && facts->facts[i].timed)
            facts->facts[i].doubt = true;
}

void
facts_restarting(struct facts *facts, bool durable)
{
    for (uint32_t i = 0; i < facts->count; i++)
        if (!stays(facts, &facts->facts[i]) || !durable)
            facts->facts[i].doubt = true;
}

/* Surely there, and sealed, since before this step. */
static const struct fact *
surely_sealed(const struct facts *facts, uint32_t id, uint32_t step)
{
    for (uint32_t i = 0; i < facts->count; i++) {
        const struct fact *fact = &facts->facts[i];
        if (fact->create->id == id && fact->sealed && fact->sealed_at < step && !fact->doubt)
            return fact;
    }
    return NULL;
}

/* It was made: nothing else may have been there. */
static void
judge_made(struct facts *facts, const struct record *record)
{
    for (uint32_t i = 0; i < facts->count; i++) {
        const struct fact *fact = &facts->facts[i];
        if (fact->create->id == record->id && fact->create->answered_at < record->step
            && !fact->doubt && (fact->sealed || (fact->seals == 0 && !fact->grows)))
            contradict(facts, "'%s' was created as %" PRIu64 " while %" PRIu64 " is there",
                       world_ids[record->id], record->epoch, fact->create->epoch);
    }
}

/* Sealed as soon as it is there. */
static void
judge_put(struct facts *facts, const struct record *record)
{
    if (record->status != 0)
        return;
    if (by_key(facts, record->id, record->epoch) != NULL)
        contradict(facts, "epoch %" PRIu64 " was given twice", record->epoch);
    judge_made(facts, record);
    facts->facts[facts->count++] = (struct fact){
        .create = record,
        .seals = 1,
        .sealed = true,
        .sealed_at = record->answered_at,
        .doubt = facts->evicts || facts->discarded_at[record->id] >= record->step,
    };
}

/* A put of which the storage could not tell whether it is published may come back. */
static bool
put_in_doubt(const struct facts *facts, uint32_t id)
{
    for (uint32_t i = 0; i < facts->world->record_count; i++) {
        const struct record *record = &facts->world->records[i];
        if (record->verb == PK_VERB_PUT && record->id == id && record->status == -EIO)
            return true;
    }
    return false;
}

static void
judge_create(struct facts *facts, const struct record *record)
{
    struct fact *known = by_key(facts, record->id, record->epoch);

    if (record->status != 0)
        return;
    if (known != NULL) {
        /* Told again for its request id; whose session it hangs on can't be known any more. */
        known->bound = known->bound || record->bound;
        if (strcmp(known->create->lease_id, record->lease_id) != 0)
            contradict(facts, "epoch %" PRIu64 " was given twice", record->epoch);
        return;
    }
    judge_made(facts, record);
    facts->facts[facts->count++] = (struct fact){
        .create = record,
        .timed = record->ttl != PK_FOREVER,
        .bound = record->bound,
        .grows = record->unsized,
        .doubt = facts->discarded_at[record->id] >= record->step
                 || (record->bound && facts->closed_at >= record->step)
                 || (record->ttl != PK_FOREVER && facts->timed_at >= record->step),
    };
}

static void
judge_read(struct facts *facts, const struct record *record)
{
    const struct fact *fact = by_key(facts, record->id, record->epoch);

    if (record->status == 0) {
        if (facts_foreign(facts, record->id, record->epoch))
            return;
        if (fact == NULL && !put_in_doubt(facts, record->id))
            contradict(facts, "read epoch %" PRIu64 ", which nobody made", record->epoch);
        else if (fact != NULL && fact->seals == 0)
            contradict(facts, "read epoch %" PRIu64 " before any seal", record->epoch);
        else if (fact != NULL && fact->create->verb == PK_VERB_PUT && record->inlined
                 && (record->bytes != fact->create->put_size || record->fill != fact->create->fill))
            contradict(facts, "read %" PRIu64 " bytes of %d of what was put as %u of %d",
                       record->bytes, record->fill, fact->create->put_size, fact->create->fill);
        return;
    }
    /* Storage may take longer than a wait does: a timeout proves nothing. */
    if (record->status != -ENOENT && record->status != -EAGAIN)
        return;
    fact = surely_sealed(facts, record->id, record->step);
    if (fact != NULL)
        contradict(facts, "read of '%s' got %d while %" PRIu64 " is sealed", world_ids[record->id],
                   record->status, fact->create->epoch);
}

/* What is verified was sealed, and is not taken for another. */
static void
judge_verify(struct facts *facts, const struct record *record)
{
    const struct fact *fact = by_key(facts, record->id, record->epoch);

    if (record->status == 0 && (fact != NULL ? fact->seals == 0 : !put_in_doubt(facts, record->id))
        && !facts_foreign(facts, record->id, record->epoch))
        contradict(facts, "verified epoch %" PRIu64 ", which nobody sealed", record->epoch);
    if (record->status != -ENOENT && record->status != -EAGAIN)
        return;
    fact = surely_sealed(facts, record->id, record->step);
    if (fact != NULL)
        contradict(facts, "verify of '%s' got %d while %" PRIu64 " is sealed",
                   world_ids[record->id], record->status, fact->create->epoch);
}

static void
judge_seal(struct facts *facts, const struct record *record)
{
    if (record->status != 0)
        return;
    struct fact *fact = by_key(facts, record->id, record->epoch);
    if (fact == NULL || record->state != PK_STATE_SEALED) {
        contradict(facts, "sealed epoch %" PRIu64 ", state %u", record->epoch, record->state);
        return;
    }
    if (fact->sealed)
        return;
    fact->sealed = true;
    fact->sealed_at = record->answered_at;
}

void
facts_judge(struct facts *facts)
{
    /* First what was made: who waited for it may have been told before who made it. */
    for (uint32_t i = 0; i < facts->world->record_count; i++) {
        const struct record *record = &facts->world->records[i];
        if (record->verb != PK_VERB_PUT || record->answers == facts->judged[i])
            continue;
        facts->judged[i] = record->answers;
        judge_put(facts, record);
    }
    for (uint32_t i = 0; i < facts->world->record_count; i++) {
        const struct record *record = &facts->world->records[i];
        if (record->answers == facts->judged[i])
            continue;
        facts->judged[i] = record->answers;
        if (record->verb == PK_VERB_ACQUIRE && record->access == PK_ACCESS_CREATE)
            judge_create(facts, record);
        else if (record->verb == PK_VERB_ACQUIRE)
            judge_read(facts, record);
        else if (record->verb == PK_VERB_VERIFY)
            judge_verify(facts, record);
        else if (record->verb == PK_VERB_SEAL)
            judge_seal(facts, record);
    }
}

static struct record *
ask(struct facts *facts, uint32_t verb, uint32_t access, uint32_t id, const char *lease_id)
{
    struct pk_request request = {
        .verb = verb,
        .access = access,
        .object_id = id < WORLD_IDS ? world_ids[id] : NULL,
        .lease_id = lease_id,
        .meta = "meta",
    };
    char meta[64];

    if (id < WORLD_IDS) {
        (void)snprintf(meta, sizeof(meta), "meta of %s", world_ids[id]);
        request.meta = meta;
    }
    facts->world->step++;
    struct record *record = world_call(facts->world, 0, id, &request);
    world_settle(facts->world);
    return record;
}

/* Every lease that was told is given back, and every session is new. */
static void
end_leases(struct facts *facts)
{
    struct world *world = facts->world;
    uint32_t count = world->record_count;

    for (uint32_t i = 0; i < WORLD_SESSIONS; i++)
        world_reopen_session(world, i);
    world_settle(world);
    for (uint32_t i = 0; i < count; i++)
        if (world->records[i].verb == PK_VERB_ACQUIRE && world->records[i].status == 0
            && world->records[i].lease_id[0] != '\0' && world->record_count < WORLD_CALLS - 32)
            (void)ask(facts, PK_VERB_RELEASE, 0, WORLD_IDS, world->records[i].lease_id);
}

static void
expect_reads(struct facts *facts)
{
    for (uint32_t id = 0; id < WORLD_IDS; id++) {
        const struct fact *fact = surely_sealed(facts, id, facts->world->step + 1);
        if (fact == NULL)
            continue;
        const struct record *read = ask(facts, PK_VERB_ACQUIRE, PK_ACCESS_READ, id, NULL);
        if (read->status != 0 || read->epoch != fact->create->epoch)
            contradict(facts, "in the end '%s' is %d, epoch %" PRIu64 " instead of %" PRIu64,
                       world_ids[id], read->status, read->epoch, fact->create->epoch);
        else
            (void)ask(facts, PK_VERB_RELEASE, 0, WORLD_IDS, read->lease_id);
    }
}

/* What is not sealed by now is gone. */
static void
discard_all(struct facts *facts)
{
    for (uint32_t id = 0; id < WORLD_IDS; id++) {
        const struct record *stat = ask(facts, PK_VERB_STAT, 0, id, NULL);
        if (stat->status != 0)
            continue;
        if (stat->states[0] != PK_STATE_SEALED)
            contradict(facts, "in the end '%s' is still being made", world_ids[id]);
        const struct record *gone = ask(facts, PK_VERB_DISCARD, 0, id, NULL);
        if (gone->status != 0)
            contradict(facts, "in the end '%s' can't be discarded: %d", world_ids[id],
                       gone->status);
    }
}

/* Once nothing is left: creates that a restarted peer took while it had not found all of its
 * storage yet may fill that beyond its capacity. */
static void
expect_free_names(struct facts *facts)
{
    for (uint32_t id = 0; id < WORLD_IDS; id++) {
        const struct record *made = ask(facts, PK_VERB_ACQUIRE, PK_ACCESS_CREATE, id, NULL);
        if (made->status != 0)
            contradict(facts, "in the end '%s' can't be made: %d", world_ids[id], made->status);
        else
            (void)ask(facts, PK_VERB_RELEASE, 0, WORLD_IDS, made->lease_id);
    }
}

void
facts_final(struct facts *facts)
{
    struct pk_peer *peer = facts->world->peer;

    world_settle(facts->world);
    for (uint32_t id = 0; id < WORLD_IDS; id++)
        pk_peer_changed(peer, world_ids[id]); /* of what nobody told it may not know yet */
    world_settle(facts->world);
    facts_judge(facts);
    expect_reads(facts);
    end_leases(facts);
    discard_all(facts);
    expect_free_names(facts);
    if (peer->named != 0 || peer->held != 0 || HASH_COUNT(peer->holders) != 0 || peer->waits != 0)
        contradict(facts,
                   "in the end %" PRIu64 " objects, %" PRIu64 " bytes, %u leases, %" PRIu64
                   " waits are left",
                   peer->named, peer->held, HASH_COUNT(peer->holders), peer->waits);
}
