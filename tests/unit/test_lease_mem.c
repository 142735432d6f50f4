/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lease_mem, slot by slot: what is granted and refused, and what is told of one lease. How leases
 * end is for test_lease_mem_ends, any order of calls for test_lease_mem_model.
 */
#include "lease_mem_fixture.h"

#include <errno.h>
#include <time.h>

static struct emitted emitted;

static void
assert_uuid_v4(const char *id)
{
    ck_assert_uint_eq(strlen(id), PK_LEASE_ID_LEN);
    for (size_t i = 0; i < PK_LEASE_ID_LEN; i++) {
        if (i == 8 || i == 13 || i == 18 || i == 23)
            ck_assert_int_eq(id[i], '-');
        else
            ck_assert_ptr_nonnull(strchr("0123456789abcdef", id[i]));
    }
    ck_assert_int_eq(id[14], '4');
    ck_assert_ptr_nonnull(strchr("89ab", id[19]));
}

/* ---- open ---- */

START_TEST(open_refuses_options_that_do_not_go_together)
{
    static const struct {
        const char *option;
        uint64_t value;
    } bad[] = { { "default_ttl", 0 }, { "default_ttl", 3601 * SECOND }, { "max_leases", 0 } };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct fixture f;
        fixture_prepare(&f);
        fake_factory_host_set(&f.fake, bad[i].option, bad[i].value);
        ck_assert_int_eq(f.ops->open(&f.fake.host, &f.fake.conf, &f.mem, &f.err), -EINVAL);
        ck_assert_ptr_null(f.mem);
        ck_assert_ptr_nonnull(strstr(f.err.message, bad[i].option));
    }
}
END_TEST

START_TEST(two_instances_share_nothing)
{
    struct fixture a = { 0 };
    struct fixture b = { 0 };
    fixture_open(&a);
    fixture_open(&b);
    struct pk_lease first = grant_create(&a, "name", 0);
    b.fake.draws = 100; /* so that the two draw different lease ids */
    struct pk_lease second = grant_create(&b, "name", 0);
    ck_assert_int_eq(try_find(&b, first.lease_id, &second), -ESTALE);
    release(&a, first.lease_id);
    ck_assert_uint_eq(stat_value(&a, "leases"), 0);
    ck_assert_uint_eq(stat_value(&b, "leases"), 1);
    fixture_close(&a);
    fixture_close(&b);
}
END_TEST

START_TEST(close_frees_leases_wherever_they_are)
{
    struct fixture f = { 0 };
    fixture_open(&f);
    struct pk_lease lease = grant_create(&f, "live", PK_FOREVER);
    (void)grant_read(&f, "live", lease.epoch, 0);
    (void)grant_create(&f, "over", SECOND);
    (void)grant_read(&f, "both", 7, SECOND);
    (void)grant_read(&f, "both", 7, 0);
    f.fake.now += SECOND;
    ck_assert_uint_eq(stat_value(&f, "expired"), 2);
    fixture_close(&f); /* a leak is for the sanitizer to find */
}
END_TEST

START_TEST(nothing_may_block)
{
    struct fixture f = { 0 };
    fixture_open(&f);
    for (uint32_t op = PK_LEASE_GRANT; op <= PK_LEASE_EXPIRE; op++)
        ck_assert_uint_eq(f.ops->may_block(f.mem, op, 0), 0);
    fixture_close(&f);
}
END_TEST

/* ---- grant ---- */

START_TEST(grant_fills_in_the_lease)
{
    struct fixture f = { 0 };
    fixture_open(&f);
    struct pk_lease lease = grant_create(&f, "a/../b \xf0\x9f\xa7\x8a", 5 * SECOND);
    assert_uuid_v4(lease.lease_id);
    ck_assert_str_eq(lease.object_id, "a/../b \xf0\x9f\xa7\x8a");
    ck_assert_uint_eq(lease.access, PK_ACCESS_CREATE);
    ck_assert_uint_eq(lease.ttl, 5 * SECOND);
    ck_assert_uint_eq(lease.expires_at, f.fake.now + 5 * SECOND);
    ck_assert_uint_gt(lease.epoch, 0);
    ck_assert_uint_lt(lease.epoch, EPOCH_LIMIT);
    struct pk_lease reader = grant_read(&f, lease.object_id, lease.epoch, 0);
    ck_assert_uint_eq(reader.epoch, lease.epoch);
    ck_assert_uint_eq(reader.access, PK_ACCESS_READ);
    ck_assert_str_ne(reader.lease_id, lease.lease_id);
    fixture_close(&f);
}
END_TEST

START_TEST(ttl_is_the_default_or_cut_or_forever)
{
    struct fixture f = { 0 };
    fixture_open(&f);
    ck_assert_uint_eq(grant_create(&f, "a", 0).ttl, 60 * SECOND);
    ck_assert_uint_eq(grant_create(&f, "b", 3600 * SECOND).ttl, 3600 * SECOND);
    ck_assert_uint_eq(grant_create(&f, "c", 3601 * SECOND).ttl, 3600 * SECOND);
    ck_assert_uint_eq(grant_create(&f, "d", PK_FOREVER - 1).ttl, 3600 * SECOND);
    struct pk_lease forever = grant_create(&f, "e", PK_FOREVER);
    ck_assert_uint_eq(forever.ttl, PK_FOREVER);
    ck_assert_uint_eq(forever.expires_at, PK_FOREVER);
    fixture_close(&f);
}
END_TEST

START_TEST(an_end_beyond_the_clock_is_not_forever)
{
    struct fixture f = { 0 };
    fixture_open(&f);
    f.fake.now = PK_FOREVER - 10;
    struct pk_lease lease = grant_create(&f, "a", SECOND);
    ck_assert_uint_eq(lease.expires_at, PK_FOREVER - 1);
    expire(&f, PK_FOREVER - 1, &emitted);
    ck_assert_uint_eq(emitted.count, 1);
    fixture_close(&f);
}
END_TEST

START_TEST(a_name_is_claimed_once)
{
    struct fixture f = { 0 };
    fixture_open(&f);
    struct pk_lease lease = grant_create(&f, "name", 0);
    struct pk_lease second = { .epoch = 42 };
    ck_assert_int_eq(try_grant(&f, PK_ACCESS_CREATE, "name", 0, 0, &second), -EEXIST);
    ck_assert_uint_eq(second.epoch, 42);
    ck_assert_ptr_null(strstr(f.err.message, lease.lease_id));
    (void)grant_create(&f, "name2", 0);
    (void)grant_create(&f, "nam", 0);
    ck_assert_uint_eq(stat_value(&f, "claims"), 3);
    release(&f, lease.lease_id);
    second = grant_create(&f, "name", 0);
    ck_assert_uint_gt(second.epoch, lease.epoch);
    fixture_close(&f);
}
END_TEST

START_TEST(epochs_rise_above_each_other_and_the_floor)
{
    struct fixture f = { 0 };
    fixture_open(&f);
    struct pk_lease lease = { .struct_size = sizeof(lease) };
    uint64_t last = 0;
    const uint64_t floors[] = { 0, 0, 1, EPOCH_LIMIT - 100, 0, EPOCH_LIMIT - 50, 3 };
    for (size_t i = 0; i < sizeof(floors) / sizeof(floors[0]); i++) {
        struct pk_lease_request request = { .struct_size = sizeof(request),
                                            .access = PK_ACCESS_CREATE,
                                            .key = { "name", 0 },
                                            .epoch_floor = floors[i] };
        ck_assert_int_eq(f.ops->grant(f.mem, &request, &lease, &f.err), 0);
        ck_assert_uint_gt(lease.epoch, floors[i]);
        ck_assert_uint_gt(lease.epoch, last);
        ck_assert_uint_lt(lease.epoch, EPOCH_LIMIT);
        last = lease.epoch;
        release(&f, lease.lease_id);
    }
    fixture_close(&f);
}
END_TEST

static uint64_t
clock_microseconds(void)
{
    struct timespec now = { 0 };
    ck_assert_int_eq(clock_gettime(CLOCK_REALTIME, &now), 0);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* Of two nodes that share storage, the one that comes later gives the higher epoch, however much
 * earlier it was started. */
START_TEST(epochs_keep_up_with_the_clock)
{
    struct fixture f = { 0 };
    struct fixture other = { 0 };
    fixture_open(&f);
    fixture_open(&other);
    for (int i = 0; i < 100; i++) {
        uint64_t before = clock_microseconds() + 1;
        while (clock_microseconds() <= before)
            continue;
        struct fixture *node = i % 2 == 0 ? &f : &other;
        struct pk_lease lease = grant_create(node, "name", 0);
        ck_assert_uint_gt(lease.epoch, before);
        release(node, lease.lease_id);
    }
    fixture_close(&other);
    fixture_close(&f);
}
END_TEST

START_TEST(epochs_run_out_without_a_claim)
{
    struct fixture f = { 0 };
    fixture_open(&f);
    struct pk_lease lease = { .struct_size = sizeof(lease) };
    struct pk_lease_request request = { .struct_size = sizeof(request),
                                        .access = PK_ACCESS_CREATE,
                                        .key = { "name", 0 },
                                        .epoch_floor = EPOCH_LIMIT - 1 };
    ck_assert_int_eq(f.ops->grant(f.mem, &request, &lease, &f.err), -EOVERFLOW);
    ck_assert_uint_eq(stat_value(&f, "claims"), 0);
    (void)grant_create(&f, "name", 0);
    fixture_close(&f);
}
END_TEST

START_TEST(grant_refuses_nonsense)
{
    struct fixture f = { 0 };
    fixture_open(&f);
    struct pk_lease lease;
    char id[PK_ID_MAX + 2];
    memset(id, 'x', sizeof(id));
    id[PK_ID_MAX + 1] = '\0';
    ck_assert_int_eq(try_grant(&f, PK_ACCESS_CREATE, id, 0, 0, &lease), -EINVAL);
    ck_assert_int_eq(try_grant(&f, PK_ACCESS_CREATE, "", 0, 0, &lease), -EINVAL);
    ck_assert_int_eq(try_grant(&f, PK_ACCESS_CREATE, "a", 5, 0, &lease), -EINVAL);
    ck_assert_int_eq(try_grant(&f, PK_ACCESS_READ, "a", 0, 0, &lease), -EINVAL);
    ck_assert_int_eq(try_grant(&f, 3, "a", 0, 0, &lease), -EINVAL);
    id[PK_ID_MAX] = '\0';
    ck_assert_str_eq(grant_create(&f, id, 0).object_id, id);
    ck_assert_uint_eq(stat_value(&f, "granted"), 1);
    fixture_close(&f);
}
END_TEST

START_TEST(max_leases_counts_those_that_live)
{
    struct fixture f;
    fixture_prepare(&f);
    fake_factory_host_set(&f.fake, "max_leases", 2);
    fixture_open(&f);
    struct pk_lease lease = grant_create(&f, "a", 0);
    (void)grant_read(&f, "b", 3, SECOND);
    ck_assert_int_eq(try_grant(&f, PK_ACCESS_READ, "b", 3, 0, &lease), -EBUSY);
    ck_assert_int_eq(try_grant(&f, PK_ACCESS_CREATE, "c", 0, 0, &lease), -EBUSY);
    ck_assert_uint_eq(stat_value(&f, "claims"), 1);
    f.fake.now += SECOND;
    lease = grant_create(&f, "c", 0);
    ck_assert_int_eq(try_grant(&f, PK_ACCESS_CREATE, "d", 0, 0, &lease), -EBUSY);
    release(&f, lease.lease_id);
    (void)grant_create(&f, "d", 0);
    fixture_close(&f);
}
END_TEST

START_TEST(an_id_that_came_up_before_is_drawn_anew)
{
    struct fixture f = { 0 };
    fixture_open(&f);
    struct pk_lease first = grant_create(&f, "a", 0);
    f.fake.repeats = 3;
    struct pk_lease second = grant_create(&f, "b", 0);
    ck_assert_str_ne(first.lease_id, second.lease_id);
    ck_assert_uint_eq(f.fake.repeats, 0);
    fixture_close(&f);
}
END_TEST

START_TEST(broken_randomness_grants_nothing)
{
    struct fixture f = { 0 };
    fixture_open(&f);
    struct pk_lease lease = grant_create(&f, "a", 0);
    f.fake.repeats = 1000;
    ck_assert_int_eq(try_grant(&f, PK_ACCESS_CREATE, "b", 0, 0, &lease), -EIO);
    f.fake.random_rc = -EIO;
    ck_assert_int_eq(try_grant(&f, PK_ACCESS_CREATE, "b", 0, 0, &lease), -EIO);
    ck_assert_uint_eq(stat_value(&f, "leases"), 1);
    ck_assert_uint_eq(stat_value(&f, "claims"), 1);
    fixture_close(&f);
}
END_TEST

START_TEST(a_host_of_an_older_minor_gets_what_it_has_room_for)
{
    struct fixture f = { 0 };
    fixture_open(&f);
    struct pk_lease lease;
    memset(&lease, 0x5a, sizeof(lease));
    lease.struct_size = offsetof(struct pk_lease, ttl);
    struct pk_lease_request request = { .struct_size = sizeof(request),
                                        .access = PK_ACCESS_CREATE,
                                        .key = { "name", 0 } };
    ck_assert_int_eq(f.ops->grant(f.mem, &request, &lease, &f.err), 0);
    assert_uuid_v4(lease.lease_id);
    ck_assert_uint_eq(lease.ttl, 0x5a5a5a5a5a5a5a5a);
    ck_assert_uint_eq(lease.struct_size, offsetof(struct pk_lease, ttl));
    fixture_close(&f);
}
END_TEST

/* ---- one lease ---- */

START_TEST(find_tells_what_was_granted)
{
    struct fixture f = { 0 };
    fixture_open(&f);
    struct pk_lease lease = grant_create(&f, "name", 7 * SECOND);
    struct pk_lease found;
    ck_assert_int_eq(try_find(&f, lease.lease_id, &found), 0);
    ck_assert_str_eq(found.lease_id, lease.lease_id);
    ck_assert_str_eq(found.object_id, "name");
    ck_assert_uint_eq(found.epoch, lease.epoch);
    ck_assert_uint_eq(found.ttl, lease.ttl);
    ck_assert_uint_eq(found.expires_at, lease.expires_at);
    ck_assert_uint_eq(found.access, PK_ACCESS_CREATE);
    fixture_close(&f);
}
END_TEST

START_TEST(no_slot_knows_a_lease_that_is_not)
{
    struct fixture f = { 0 };
    fixture_open(&f);
    struct pk_lease lease = grant_create(&f, "name", 0);
    char longer[PK_LEASE_ID_LEN + 2];
    (void)snprintf(longer, sizeof(longer), "%sx", lease.lease_id);
    char other[PK_LEASE_ID_LEN + 1];
    (void)snprintf(other, sizeof(other), "%s", lease.lease_id);
    other[35] = other[35] == '0' ? '1' : '0';
    const char *const wrong[] = { "", "x", longer, longer + 1, other };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct pk_lease found = { .epoch = 42 };
        ck_assert_int_eq(try_find(&f, wrong[i], &found), -ESTALE);
        ck_assert_int_eq(try_renew(&f, wrong[i], 0, &found), -ESTALE);
        ck_assert_int_eq(f.ops->downgrade(f.mem, wrong[i], &f.err), -ESTALE);
        ck_assert_int_eq(f.ops->release(f.mem, wrong[i], &f.err), 0);
        ck_assert_uint_eq(found.epoch, 42);
        ck_assert(wrong[i][0] == '\0' || wrong[i][1] == '\0'
                  || strstr(f.err.message, wrong[i]) == NULL);
    }
    ck_assert_uint_eq(stat_value(&f, "leases"), 1);
    fixture_close(&f);
}
END_TEST

START_TEST(release_ends_and_may_be_repeated)
{
    struct fixture f = { 0 };
    fixture_open(&f);
    struct pk_lease lease = grant_create(&f, "name", 0);
    ck_assert_uint_eq(holders(&f, "name", lease.epoch), 1);
    release(&f, lease.lease_id);
    release(&f, lease.lease_id);
    ck_assert_uint_eq(holders(&f, "name", lease.epoch), 0);
    struct pk_lease found;
    ck_assert_int_eq(try_find(&f, lease.lease_id, &found), -ESTALE);
    expire(&f, PK_FOREVER - 1, &emitted);
    ck_assert_uint_eq(emitted.count, 0);
    fixture_close(&f);
}
END_TEST

START_TEST(downgrade_frees_the_name_and_keeps_the_lease)
{
    struct fixture f = { 0 };
    fixture_open(&f);
    struct pk_lease lease = grant_create(&f, "name", 9 * SECOND);
    ck_assert_int_eq(f.ops->downgrade(f.mem, lease.lease_id, &f.err), 0);
    ck_assert_int_eq(f.ops->downgrade(f.mem, lease.lease_id, &f.err), 0);
    struct pk_lease found;
    ck_assert_int_eq(try_find(&f, lease.lease_id, &found), 0);
    ck_assert_uint_eq(found.access, PK_ACCESS_READ);
    ck_assert_uint_eq(found.epoch, lease.epoch);
    ck_assert_uint_eq(found.expires_at, lease.expires_at);
    ck_assert_uint_eq(holders(&f, "name", lease.epoch), 1);
    struct pk_lease successor = grant_create(&f, "name", 0);
    ck_assert_uint_ne(successor.epoch, lease.epoch);
    release(&f, lease.lease_id);
    ck_assert_uint_eq(holders(&f, "name", lease.epoch), 0);
    ck_assert_uint_eq(holders(&f, "name", successor.epoch), 1);
    fixture_close(&f);
}
END_TEST

START_TEST(holders_are_of_an_id_and_an_epoch)
{
    struct fixture f = { 0 };
    fixture_open(&f);
    struct pk_lease a = grant_read(&f, "name", 5, 0);
    (void)grant_read(&f, "name", 5, 0);
    (void)grant_read(&f, "name", 6, 0);
    (void)grant_read(&f, "names", 5, 0);
    ck_assert_uint_eq(holders(&f, "name", 5), 2);
    ck_assert_uint_eq(holders(&f, "name", 6), 1);
    ck_assert_uint_eq(holders(&f, "names", 5), 1);
    ck_assert_uint_eq(holders(&f, "nam", 5), 0);
    ck_assert_uint_eq(holders(&f, "name", 7), 0);
    release(&f, a.lease_id);
    ck_assert_uint_eq(holders(&f, "name", 5), 1);
    fixture_close(&f);
}
END_TEST

static Suite *
lease_mem_suite(void)
{
    Suite *suite = suite_create("lease_mem");
    TCase *tcase = tcase_create("slots");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, open_refuses_options_that_do_not_go_together);
    tcase_add_test(tcase, two_instances_share_nothing);
    tcase_add_test(tcase, close_frees_leases_wherever_they_are);
    tcase_add_test(tcase, nothing_may_block);
    tcase_add_test(tcase, grant_fills_in_the_lease);
    tcase_add_test(tcase, ttl_is_the_default_or_cut_or_forever);
    tcase_add_test(tcase, an_end_beyond_the_clock_is_not_forever);
    tcase_add_test(tcase, a_name_is_claimed_once);
    tcase_add_test(tcase, epochs_rise_above_each_other_and_the_floor);
    tcase_add_test(tcase, epochs_keep_up_with_the_clock);
    tcase_add_test(tcase, epochs_run_out_without_a_claim);
    tcase_add_test(tcase, grant_refuses_nonsense);
    tcase_add_test(tcase, max_leases_counts_those_that_live);
    tcase_add_test(tcase, an_id_that_came_up_before_is_drawn_anew);
    tcase_add_test(tcase, broken_randomness_grants_nothing);
    tcase_add_test(tcase, a_host_of_an_older_minor_gets_what_it_has_room_for);
    tcase_add_test(tcase, find_tells_what_was_granted);
    tcase_add_test(tcase, no_slot_knows_a_lease_that_is_not);
    tcase_add_test(tcase, release_ends_and_may_be_repeated);
    tcase_add_test(tcase, downgrade_frees_the_name_and_keeps_the_lease);
    tcase_add_test(tcase, holders_are_of_an_id_and_an_epoch);
    suite_add_tcase(suite, tcase);
    return suite;
}

int
main(void)
{
    SRunner *runner = srunner_create(lease_mem_suite());
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
