/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules about what several threads do to the leases of one instance at once. Each counts what came
 * out; a plugin that locks up runs into the deadline.
 */
#include "conform/lease_call.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#define THREADS 4U
#define ROUNDS 100U

struct crowd {
    struct unit *unit;
    char id[PK_ID_MAX + 1];
    pthread_barrier_t barrier;
    _Atomic uint32_t winners;
    uint64_t epochs[THREADS][ROUNDS];
};

static struct crowd *
crowd_new(struct world *world)
{
    struct crowd *crowd = calloc(1, sizeof(*crowd));
    must(world, crowd != NULL, "out of memory");
    crowd->unit = unit_open(world, 0);
    (void)world_key(world, "crowd", crowd->id);
    (void)pthread_barrier_init(&crowd->barrier, NULL, THREADS);
    return crowd;
}

static void
crowd_free(struct crowd *crowd)
{
    unit_close(crowd->unit);
    (void)pthread_barrier_destroy(&crowd->barrier);
    free(crowd);
}

/* ---- epochs ---- */

static void
take_epochs(struct world *world, uint32_t number, void *arg)
{
    struct crowd *crowd = arg;
    char id[PK_ID_MAX + 1];
    (void)snprintf(id, sizeof(id), "%.200s-%u", crowd->id, number);
    (void)pthread_barrier_wait(&crowd->barrier);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        struct pk_lease lease = lease_claim(world, crowd->unit, id);
        crowd->epochs[number][i] = lease.epoch;
        lease_release(world, crowd->unit, &lease);
    }
}

static int
compare(const void *a, const void *b)
{
    uint64_t first = *(const uint64_t *)a;
    uint64_t second = *(const uint64_t *)b;
    return first < second ? -1 : first > second;
}

static void
no_epoch_twice(struct world *world)
{
    struct crowd *crowd = crowd_new(world);
    world_threads(world, THREADS, take_epochs, crowd);
    uint64_t *epochs = &crowd->epochs[0][0];
    qsort(epochs, (size_t)THREADS * ROUNDS, sizeof(*epochs), compare);
    for (uint32_t i = 1; i < THREADS * ROUNDS; i++)
        must(world, epochs[i - 1] != epochs[i], "epoch %" PRIu64 " was given to two threads",
             epochs[i]);
    crowd_free(crowd);
}

/* ---- claims ---- */

static void
claim_once(struct world *world, uint32_t number, void *arg)
{
    struct crowd *crowd = arg;
    const struct pk_key key = { crowd->id, 0 };
    struct pk_lease_request request = lease_request(PK_ACCESS_CREATE, &key, LEASE_TTL);
    (void)number;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        struct pk_error err = PK_ERROR_INIT;
        struct pk_lease lease;
        (void)pthread_barrier_wait(&crowd->barrier);
        int32_t rc = lease_try_grant(crowd->unit, &request, &lease, &err);
        must(world, rc == 0 || rc == -EEXIST, "grant returned %" PRId32 ": %s", rc, err.message);
        crowd->winners += rc == 0;
        (void)pthread_barrier_wait(&crowd->barrier);
        must(world, crowd->winners == i + 1, "%" PRIu32 " of %u threads claimed one name",
             crowd->winners - i, THREADS);
        (void)pthread_barrier_wait(&crowd->barrier);
        if (rc == 0)
            lease_release(world, crowd->unit, &lease);
    }
}

static void
one_claim(struct world *world)
{
    struct crowd *crowd = crowd_new(world);
    world_threads(world, THREADS, claim_once, crowd);
    crowd_free(crowd);
}

/* ---- all slots ---- */

static void
use_all(struct world *world, uint32_t number, void *arg)
{
    struct crowd *crowd = arg;
    struct unit *unit = crowd->unit;
    (void)pthread_barrier_wait(&crowd->barrier);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        struct pk_lease lease = lease_reader(world, unit, crowd->id, 7 + number);
        (void)lease_renew(world, unit, &lease, LEASE_TTL);
        lease_must_live(world, unit, &lease, "on one of several threads");
        (void)lease_holders(world, unit, &lease);
        (void)unit->ops.lease.next_expiry(unit->instance);
        struct emitted ended = lease_expire(world, unit, world_now(world));
        must(world, ended.count == 0, "expire emitted what has not run out");
        if (i % 2 == 0)
            lease_release(world, unit, &lease);
        else
            (void)lease_revoke(world, unit, &lease, PK_ACCESS_READ);
        lease_must_be_over(world, unit, &lease, "on one of several threads");
        must(world, lease_holders(world, unit, &lease) == 0, "a holder was left");
    }
}

static void
all_slots(struct world *world)
{
    struct crowd *crowd = crowd_new(world);
    world_threads(world, THREADS, use_all, crowd);
    crowd_free(crowd);
}

#define ATOMIC \
    "Every slot may run on several threads at once, for the same lease as well; each is atomic."

static const struct rule rules[] = {
    { "threads: no epoch twice", ATOMIC, 0, no_epoch_twice },
    { "threads: one claim at a time", ATOMIC, 0, one_claim },
    { "threads: all slots at once", ATOMIC, 0, all_slots },
};

const struct rule_group lease_thread_rules = RULE_GROUP(rules);
