/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lease_mem, in virtual time: how leases end, by their time or by being revoked, what every slot
 * makes of those that did, and what is emitted, in which order, and how often.
 */
#include "lease_mem_fixture.h"

#include <errno.h>

static struct emitted emitted;

START_TEST(leases_are_emitted_in_the_order_of_their_ends_once)
{
    struct fixture f = { 0 };
    fixture_open(&f);
    uint64_t start = f.fake.now;
    ck_assert_uint_eq(f.ops->next_expiry(f.mem), PK_FOREVER);
    struct pk_lease c = grant_read(&f, "c", 3, 3 * SECOND);
    struct pk_lease a = grant_create(&f, "a", SECOND);
    struct pk_lease b1 = grant_read(&f, "b", 2, 2 * SECOND);
    struct pk_lease b2 = grant_read(&f, "b", 2, 2 * SECOND);
    (void)grant_read(&f, "d", 4, PK_FOREVER);
    ck_assert_uint_eq(f.ops->next_expiry(f.mem), start + SECOND);
    f.fake.now = start + 2 * SECOND - 1;
    expire(&f, f.fake.now, &emitted);
    ck_assert_uint_eq(emitted.count, 1);
    ck_assert_str_eq(emitted.leases[0].lease_id, a.lease_id);
    ck_assert_str_eq(emitted.leases[0].object_id, "a");
    ck_assert_uint_eq(emitted.leases[0].epoch, a.epoch);
    ck_assert_uint_eq(emitted.leases[0].access, PK_ACCESS_CREATE);
    ck_assert_uint_eq(f.ops->next_expiry(f.mem), start + 2 * SECOND);
    f.fake.now = start + 10 * SECOND;
    expire(&f, f.fake.now, &emitted);
    ck_assert_uint_eq(emitted.count, 3);
    ck_assert_str_eq(emitted.leases[0].lease_id, b1.lease_id);
    ck_assert_str_eq(emitted.leases[1].lease_id, b2.lease_id);
    ck_assert_str_eq(emitted.leases[2].lease_id, c.lease_id);
    ck_assert_uint_eq(f.ops->next_expiry(f.mem), PK_FOREVER);
    expire(&f, PK_FOREVER - 1, &emitted);
    ck_assert_uint_eq(emitted.count, 0);
    ck_assert_uint_eq(stat_value(&f, "leases"), 1);
    ck_assert_uint_eq(stat_value(&f, "expired"), 4);
    fixture_close(&f);
}
END_TEST

START_TEST(a_lease_past_its_end_is_over_for_every_slot)
{
    struct fixture f = { 0 };
    fixture_open(&f);
    struct pk_lease lease = grant_create(&f, "name", SECOND);
    struct pk_lease found;
    f.fake.now += SECOND - 1;
    ck_assert_int_eq(try_find(&f, lease.lease_id, &found), 0);
    f.fake.now += 1;
    ck_assert_int_eq(try_find(&f, lease.lease_id, &found), -ESTALE);
    ck_assert_int_eq(try_renew(&f, lease.lease_id, 0, &found), -ESTALE);
    ck_assert_int_eq(f.ops->downgrade(f.mem, lease.lease_id, &f.err), -ESTALE);
    ck_assert_uint_eq(holders(&f, "name", lease.epoch), 0);
    revoke(&f, "name", lease.epoch, PK_ACCESS_CREATE, &emitted);
    ck_assert_uint_eq(emitted.count, 0);
    release(&f, lease.lease_id);
    struct pk_lease successor = grant_create(&f, "name", 0);
    ck_assert_uint_eq(f.ops->next_expiry(f.mem), lease.expires_at);
    expire(&f, f.fake.now, &emitted);
    ck_assert_uint_eq(emitted.count, 1);
    ck_assert_str_eq(emitted.leases[0].lease_id, lease.lease_id);
    ck_assert_uint_eq(emitted.leases[0].epoch, lease.epoch);
    ck_assert_uint_eq(f.ops->next_expiry(f.mem), successor.expires_at);
    expire(&f, f.fake.now, &emitted);
    ck_assert_uint_eq(emitted.count, 0);
    fixture_close(&f);
}
END_TEST

START_TEST(a_reader_may_come_between_an_end_and_its_emission)
{
    struct fixture f = { 0 };
    fixture_open(&f);
    struct pk_lease old = grant_read(&f, "name", 5, SECOND);
    f.fake.now += SECOND;
    struct pk_lease new = grant_read(&f, "name", 5, 0);
    ck_assert_uint_eq(holders(&f, "name", 5), 1);
    expire(&f, f.fake.now, &emitted);
    ck_assert_uint_eq(emitted.count, 1);
    ck_assert_str_eq(emitted.leases[0].lease_id, old.lease_id);
    ck_assert_uint_eq(holders(&f, "name", 5), 1);
    release(&f, new.lease_id);
    fixture_close(&f);
}
END_TEST

START_TEST(expire_looks_no_further_than_it_is_told)
{
    struct fixture f = { 0 };
    fixture_open(&f);
    struct pk_lease a = grant_read(&f, "a", 1, SECOND);
    struct pk_lease b = grant_read(&f, "b", 1, 2 * SECOND);
    f.fake.now += 5 * SECOND;
    expire(&f, a.expires_at, &emitted);
    ck_assert_uint_eq(emitted.count, 1);
    ck_assert_str_eq(emitted.leases[0].lease_id, a.lease_id);
    expire(&f, b.expires_at, &emitted);
    ck_assert_uint_eq(emitted.count, 1);
    ck_assert_str_eq(emitted.leases[0].lease_id, b.lease_id);
    fixture_close(&f);
}
END_TEST

START_TEST(renew_moves_the_end)
{
    struct fixture f = { 0 };
    fixture_open(&f);
    struct pk_lease lease = grant_create(&f, "name", SECOND);
    struct pk_lease renewed;
    f.fake.now += SECOND / 2;
    ck_assert_int_eq(try_renew(&f, lease.lease_id, 10 * SECOND, &renewed), 0);
    ck_assert_uint_eq(renewed.expires_at, f.fake.now + 10 * SECOND);
    ck_assert_uint_eq(renewed.access, PK_ACCESS_CREATE);
    ck_assert_uint_eq(renewed.epoch, lease.epoch);
    expire(&f, lease.expires_at, &emitted);
    ck_assert_uint_eq(emitted.count, 0);
    ck_assert_int_eq(try_renew(&f, lease.lease_id, PK_FOREVER, &renewed), 0);
    ck_assert_uint_eq(f.ops->next_expiry(f.mem), PK_FOREVER);
    ck_assert_int_eq(try_renew(&f, lease.lease_id, 0, &renewed), 0);
    ck_assert_uint_eq(renewed.ttl, 60 * SECOND);
    ck_assert_int_eq(try_renew(&f, lease.lease_id, 7200 * SECOND, &renewed), 0);
    ck_assert_uint_eq(renewed.ttl, 3600 * SECOND);
    ck_assert_int_eq(try_renew(&f, lease.lease_id, 1, &renewed), 0);
    ck_assert_uint_eq(f.ops->next_expiry(f.mem), f.fake.now + 1);
    fixture_close(&f);
}
END_TEST

/* ---- revoke ---- */

START_TEST(revoke_ends_one_access_of_one_epoch)
{
    struct fixture f = { 0 };
    fixture_open(&f);
    struct pk_lease creator = grant_create(&f, "name", 0);
    struct pk_lease r1 = grant_read(&f, "name", creator.epoch, 0);
    struct pk_lease r2 = grant_read(&f, "name", creator.epoch, PK_FOREVER);
    (void)grant_read(&f, "name", creator.epoch + 1, 0);
    (void)grant_read(&f, "other", creator.epoch, 0);
    revoke(&f, "name", creator.epoch, PK_ACCESS_READ, &emitted);
    ck_assert_uint_eq(emitted.count, 2);
    ck_assert_str_eq(emitted.leases[0].lease_id, r1.lease_id);
    ck_assert_str_eq(emitted.leases[1].lease_id, r2.lease_id);
    ck_assert_uint_eq(holders(&f, "name", creator.epoch), 1);
    ck_assert_uint_eq(holders(&f, "name", creator.epoch + 1), 1);
    ck_assert_uint_eq(holders(&f, "other", creator.epoch), 1);
    revoke(&f, "name", creator.epoch, PK_ACCESS_CREATE, &emitted);
    ck_assert_uint_eq(emitted.count, 1);
    ck_assert_str_eq(emitted.leases[0].lease_id, creator.lease_id);
    (void)grant_create(&f, "name", 0);
    revoke(&f, "name", creator.epoch, PK_ACCESS_CREATE, &emitted);
    ck_assert_uint_eq(emitted.count, 0);
    const struct pk_key key = { "name", creator.epoch };
    ck_assert_int_eq(f.ops->revoke(f.mem, &key, 0, collect, &emitted, &f.err), -EINVAL);
    fixture_close(&f);
}
END_TEST

struct recursion {
    struct fixture *f;
    int granted;
};

/* What a host may well do: react to an end by a new lease. */
static void
grant_again(void *arg, const struct pk_lease *lease)
{
    struct recursion *recursion = arg;
    struct pk_lease found;
    ck_assert_int_eq(try_find(recursion->f, lease->lease_id, &found), -ESTALE);
    (void)grant_create(recursion->f, lease->object_id, 0);
    recursion->granted++;
}

START_TEST(what_is_emitted_may_call_back)
{
    struct fixture f = { 0 };
    fixture_open(&f);
    struct recursion recursion = { .f = &f };
    struct pk_lease lease = grant_create(&f, "name", 0);
    const struct pk_key key = { "name", lease.epoch };
    ck_assert_int_eq(f.ops->revoke(f.mem, &key, PK_ACCESS_CREATE, grant_again, &recursion, &f.err),
                     0);
    f.fake.now += 60 * SECOND;
    ck_assert_int_eq(f.ops->expire(f.mem, f.fake.now, grant_again, &recursion, &f.err), 0);
    ck_assert_int_eq(recursion.granted, 2);
    ck_assert_uint_eq(stat_value(&f, "claims"), 1);
    fixture_close(&f);
}
END_TEST

static Suite *
lease_mem_ends_suite(void)
{
    Suite *suite = suite_create("lease_mem_ends");
    TCase *tcase = tcase_create("ends");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, leases_are_emitted_in_the_order_of_their_ends_once);
    tcase_add_test(tcase, a_lease_past_its_end_is_over_for_every_slot);
    tcase_add_test(tcase, a_reader_may_come_between_an_end_and_its_emission);
    tcase_add_test(tcase, expire_looks_no_further_than_it_is_told);
    tcase_add_test(tcase, renew_moves_the_end);
    tcase_add_test(tcase, revoke_ends_one_access_of_one_epoch);
    tcase_add_test(tcase, what_is_emitted_may_call_back);
    suite_add_tcase(suite, tcase);
    return suite;
}

int
main(void)
{
    SRunner *runner = srunner_create(lease_mem_ends_suite());
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
