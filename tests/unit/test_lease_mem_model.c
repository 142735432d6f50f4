/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lease_mem under any order of calls: seeded random histories against a plain array of leases,
 * compared after every step, and many threads at once, with the sums checked at the end.
 */
#include "lease_mem_fixture.h"

#include <errno.h>
#include <pthread.h>

#define ROUNDS 10
#define HISTORIES 30
#define STEPS 400
#define NAMES 4U
#define THREADS 4
#define THREAD_STEPS 3000

/* An assertion of Check writes to a file even if it holds: too slow for so many. */
#define REQUIRE(condition) \
    do { \
        if (!(condition)) \
            ck_abort_msg("not so: %s", #condition); \
    } while (0)

static struct emitted emitted;

static uint64_t
draw(uint64_t *state, uint64_t bound)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state % bound;
}

static const char *const names[NAMES] = { "a", "b", "a/b", "\xf0\x9f\xa7\x8a" };

/* ---- the model: every lease that ever was ---- */

enum state { LIVE, OVER, GONE };

struct model {
    struct pk_lease leases[STEPS];
    enum state states[STEPS];
    size_t count;
    uint64_t last_epoch;
};

static void
model_retire(struct model *m, uint64_t now)
{
    for (size_t i = 0; i < m->count; i++) {
        if (m->states[i] == LIVE && m->leases[i].expires_at <= now)
            m->states[i] = OVER;
    }
}

static uint64_t
model_holders(const struct model *m, const char *id, uint64_t epoch)
{
    uint64_t count = 0;
    for (size_t i = 0; i < m->count; i++)
        count += m->states[i] == LIVE && m->leases[i].epoch == epoch
                 && strcmp(m->leases[i].object_id, id) == 0;
    return count;
}

static uint64_t
model_live(const struct model *m, uint32_t access, const char *id)
{
    uint64_t count = 0;
    for (size_t i = 0; i < m->count; i++)
        count += m->states[i] == LIVE && (access == 0 || m->leases[i].access == access)
                 && (id == NULL || strcmp(m->leases[i].object_id, id) == 0);
    return count;
}

static uint64_t
model_next(const struct model *m)
{
    uint64_t next = PK_FOREVER;
    for (size_t i = 0; i < m->count; i++) {
        if (m->states[i] != GONE && m->leases[i].expires_at < next)
            next = m->leases[i].expires_at;
    }
    return next;
}

static size_t
model_index(const struct model *m, const char *lease_id)
{
    for (size_t i = 0; i < m->count; i++) {
        if (strcmp(m->leases[i].lease_id, lease_id) == 0)
            return i;
    }
    ck_abort_msg("a lease that was never granted");
}

/* ---- steps: the same on both sides ---- */

static uint64_t
draw_ttl(uint64_t *seed)
{
    uint64_t kind = draw(seed, 8);
    if (kind == 0)
        return PK_FOREVER;
    return 1 + draw(seed, 20);
}

static void
step_create(struct fixture *f, struct model *m, uint64_t *seed)
{
    const char *name = names[draw(seed, NAMES)];
    struct pk_lease lease;
    int32_t rc = try_grant(f, PK_ACCESS_CREATE, name, 0, draw_ttl(seed), &lease);
    REQUIRE(rc == (model_live(m, PK_ACCESS_CREATE, name) > 0 ? -EEXIST : 0));
    if (rc != 0)
        return;
    REQUIRE(lease.epoch > m->last_epoch);
    m->last_epoch = lease.epoch;
    m->leases[m->count++] = lease;
}

static void
step_read(struct fixture *f, struct model *m, uint64_t *seed)
{
    if (m->count == 0)
        return;
    const struct pk_lease *of = &m->leases[draw(seed, m->count)];
    struct pk_lease lease = grant_read(f, of->object_id, of->epoch, draw_ttl(seed));
    m->leases[m->count++] = lease;
}

static void
step_one(struct fixture *f, struct model *m, uint64_t *seed)
{
    if (m->count == 0)
        return;
    size_t i = draw(seed, m->count);
    struct pk_lease *lease = &m->leases[i];
    int32_t want = m->states[i] == LIVE ? 0 : -ESTALE;
    struct pk_lease told;
    switch (draw(seed, 4)) {
    case 0:
        REQUIRE(try_find(f, lease->lease_id, &told) == want);
        if (want == 0)
            REQUIRE(told.access == lease->access);
        break;
    case 1:
        if (try_renew(f, lease->lease_id, draw_ttl(seed), &told) == 0)
            *lease = told;
        else
            REQUIRE(want == -ESTALE);
        break;
    case 2:
        REQUIRE(f->ops->downgrade(f->mem, lease->lease_id, &f->err) == want);
        if (want == 0)
            lease->access = PK_ACCESS_READ;
        break;
    default:
        release(f, lease->lease_id);
        if (want == 0)
            m->states[i] = GONE;
    }
}

static void
step_revoke(struct fixture *f, struct model *m, uint64_t *seed)
{
    if (m->count == 0)
        return;
    const struct pk_lease of = m->leases[draw(seed, m->count)];
    revoke(f, of.object_id, of.epoch, of.access, &emitted);
    for (size_t i = 0; i < emitted.count; i++) {
        size_t at = model_index(m, emitted.leases[i].lease_id);
        REQUIRE(m->states[at] == LIVE);
        REQUIRE(m->leases[at].epoch == of.epoch);
        REQUIRE(m->leases[at].access == of.access);
        REQUIRE(strcmp(m->leases[at].object_id, of.object_id) == 0);
        m->states[at] = GONE;
    }
    for (size_t i = 0; i < m->count; i++)
        REQUIRE(m->states[i] != LIVE || m->leases[i].epoch != of.epoch
                || m->leases[i].access != of.access
                || strcmp(m->leases[i].object_id, of.object_id) != 0);
}

static void
step_expire(struct fixture *f, struct model *m)
{
    uint64_t last = 0;
    expire(f, f->fake.now, &emitted);
    for (size_t i = 0; i < emitted.count; i++) {
        size_t at = model_index(m, emitted.leases[i].lease_id);
        REQUIRE(m->states[at] == OVER);
        REQUIRE(m->leases[at].access == emitted.leases[i].access);
        REQUIRE(emitted.leases[i].expires_at >= last);
        last = emitted.leases[i].expires_at;
        m->states[at] = GONE;
    }
    for (size_t i = 0; i < m->count; i++)
        REQUIRE(m->states[i] != OVER);
}

static void
compare(struct fixture *f, const struct model *m)
{
    REQUIRE(stat_value(f, "leases") == model_live(m, 0, NULL));
    REQUIRE(stat_value(f, "claims") == model_live(m, PK_ACCESS_CREATE, NULL));
    REQUIRE(stat_value(f, "granted") == m->count);
    REQUIRE(f->ops->next_expiry(f->mem) == model_next(m));
    if (m->count > 0) {
        const struct pk_lease *any = &m->leases[m->count / 2];
        REQUIRE(holders(f, any->object_id, any->epoch)
                == model_holders(m, any->object_id, any->epoch));
    }
}

static void
run_history(uint64_t seed)
{
    struct fixture f = { 0 };
    struct model *m = calloc(1, sizeof(*m));
    ck_assert_ptr_nonnull(m);
    fixture_open(&f);
    for (int step = 0; step < STEPS; step++) {
        f.fake.now += draw(&seed, 3);
        model_retire(m, f.fake.now);
        uint64_t kind = draw(&seed, 100);
        if (kind < 25)
            step_create(&f, m, &seed);
        else if (kind < 50)
            step_read(&f, m, &seed);
        else if (kind < 85)
            step_one(&f, m, &seed);
        else if (kind < 92)
            step_revoke(&f, m, &seed);
        else
            step_expire(&f, m);
        compare(&f, m);
    }
    fixture_close(&f);
    free(m);
}

/* The number of the failing test, as Check prints it, says which seeds to look at. */
START_TEST(random_histories_agree_with_the_model)
{
    for (uint64_t i = 0; i < HISTORIES; i++)
        run_history((uint64_t)_i * HISTORIES + i + 1);
}
END_TEST

/* ---- threads ---- */

struct tally {
    struct fixture *f;
    uint64_t seed;
    uint64_t granted;
    uint64_t revoked;
    uint64_t expired;
};

static void
count_one(void *arg, const struct pk_lease *lease)
{
    ck_assert_uint_gt(lease->epoch, 0);
    ++*(uint64_t *)arg;
}

static void
thread_step(struct tally *t, struct pk_lease *mine)
{
    const struct pk_lease_ops *ops = t->f->ops;
    void *mem = t->f->mem;
    struct pk_error err = PK_ERROR_INIT;
    struct pk_lease_request request = {
        .struct_size = sizeof(request),
        .access = draw(&t->seed, 2) == 0 ? PK_ACCESS_CREATE : PK_ACCESS_READ,
        .key = { names[draw(&t->seed, NAMES)], 0 },
        .ttl = 1 + draw(&t->seed, 50),
    };
    request.key.epoch = request.access == PK_ACCESS_CREATE ? 0 : 1 + draw(&t->seed, 3);
    const struct pk_key key = { request.key.id, 1 + draw(&t->seed, 3) };
    uint64_t count;
    switch (draw(&t->seed, 8)) {
    case 0:
        (void)ops->release(mem, mine->lease_id, &err);
        break;
    case 1:
        (void)ops->renew(mem, mine->lease_id, 1 + draw(&t->seed, 50), mine, &err);
        break;
    case 2:
        (void)ops->downgrade(mem, mine->lease_id, &err);
        break;
    case 3:
        (void)ops->revoke(mem, &key, PK_ACCESS_READ, count_one, &t->revoked, &err);
        break;
    case 4:
        t->f->fake.now++;
        (void)ops->expire(mem, t->f->fake.now, count_one, &t->expired, &err);
        break;
    case 5:
        (void)ops->holders(mem, &key, &count, &err);
        (void)ops->next_expiry(mem);
        break;
    default:
        t->granted += ops->grant(mem, &request, mine, &err) == 0;
    }
}

static void *
thread_main(void *arg)
{
    struct tally *t = arg;
    struct pk_lease mine = { .struct_size = sizeof(mine) };
    for (int i = 0; i < THREAD_STEPS; i++)
        thread_step(t, &mine);
    return NULL;
}

START_TEST(threads_agree_on_the_sums)
{
    struct fixture f = { 0 };
    struct tally tallies[THREADS];
    pthread_t threads[THREADS];
    uint64_t granted = 0;
    uint64_t expired = 0;
    fixture_open(&f);
    for (int i = 0; i < THREADS; i++) {
        tallies[i] = (struct tally){ .f = &f, .seed = (uint64_t)i + 1 };
        ck_assert_int_eq(pthread_create(&threads[i], NULL, thread_main, &tallies[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
        granted += tallies[i].granted;
        expired += tallies[i].expired;
    }
    expire(&f, PK_FOREVER - 1, &emitted);
    ck_assert_uint_eq(stat_value(&f, "granted"), granted);
    ck_assert_uint_eq(stat_value(&f, "expired"), expired + emitted.count);
    ck_assert_uint_gt(granted, 0);
    ck_assert_uint_eq(stat_value(&f, "leases"), 0);
    ck_assert_uint_eq(stat_value(&f, "claims"), 0);
    fixture_close(&f);
}
END_TEST

static Suite *
lease_mem_model_suite(void)
{
    Suite *suite = suite_create("lease_mem_model");
    TCase *tcase = tcase_create("model");
    tcase_set_timeout(tcase, 300);
    tcase_add_loop_test(tcase, random_histories_agree_with_the_model, 0, ROUNDS);
    tcase_add_test(tcase, threads_agree_on_the_sums);
    suite_add_tcase(suite, tcase);
    return suite;
}

int
main(void)
{
    SRunner *runner = srunner_create(lease_mem_model_suite());
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
