/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes through the peer: handles once more under a lease, and objects that grow to what was said
 * of them before.
 */
#include "peer_fixture.h"

static void
open_plain(void)
{
    world_open(&world, &plain_options);
}

static struct answer
open_lease(const char *lease_id)
{
    return ask((struct pk_request){ .verb = PK_VERB_OPEN, .lease_id = lease_id });
}

static struct answer
create_expected(const char *id, uint64_t expected)
{
    return ask((struct pk_request){ .verb = PK_VERB_ACQUIRE,
                                    .access = PK_ACCESS_CREATE,
                                    .object_id = id,
                                    .expected = expected });
}

static int32_t
write_counted(const char *lease_id, uint64_t offset, uint64_t size)
{
    static char bytes[1000];

    return ask((struct pk_request){ .verb = PK_VERB_WRITE,
                                    .flags = PK_REQUEST_COUNT,
                                    .lease_id = lease_id,
                                    .offset = offset,
                                    .data = bytes,
                                    .data_size = size })
        .status;
}

START_TEST(open_tells_what_a_lease_is_for)
{
    struct answer created = create_sized("x", 5);
    struct answer opened = open_lease(created.lease_id);
    ck_assert_int_eq(opened.status, 0);
    ck_assert_str_eq(opened.lease_id, created.lease_id);
    ck_assert_uint_eq(opened.epoch, created.epoch);
    ck_assert_uint_eq(opened.state, PK_STATE_CREATING);
    ck_assert_uint_eq(opened.handles, 1);
    ck_assert_int_eq(lease_verb(PK_VERB_SEAL, created.lease_id).status, 0);
    ck_assert_uint_eq(open_lease(created.lease_id).state, PK_STATE_SEALED);
    struct answer read = read_object("x");
    ck_assert_int_eq(object_verb(PK_VERB_DISCARD, "x").status, 0);
    ck_assert_int_eq(open_lease(read.lease_id).status, 0);
    ck_assert_int_eq(lease_verb(PK_VERB_RELEASE, read.lease_id).status, 0);
    ck_assert_int_eq(open_lease(read.lease_id).status, -ESTALE);
    ck_assert_int_eq(open_lease(NULL).status, -ESTALE);
}
END_TEST

START_TEST(what_is_expected_counts_from_the_start)
{
    struct answer created = create_expected("x", 500);
    ck_assert_int_eq(created.status, 0);
    ck_assert_uint_eq(stat_of("bytes"), 500);
    ck_assert_int_eq(create_expected("y", 601).status, -EFBIG);
    ck_assert_int_eq(create_expected("y", 501).status, -ENOSPC);
    ck_assert_int_eq(create_expected("y", UINT64_MAX).status, -EFBIG);
    virtual_executor_advance(&world.executor, world.executor.now + WORLD_SECOND);
    ck_assert_uint_eq(stat_of("bytes"), 500);
    ck_assert_int_eq(write_counted(created.lease_id, 0, 300), 0);
    ck_assert_uint_eq(stat_of("bytes"), 500);
    ck_assert_int_eq(lease_verb(PK_VERB_SEAL, created.lease_id).status, 0);
    ck_assert_uint_eq(stat_of("bytes"), 300);
}
END_TEST

START_TEST(what_grows_counts_at_once_for_who_wants_that)
{
    struct answer created = create_expected("x", 0);
    ck_assert_int_eq(write_counted(created.lease_id, 0, 400), 0);
    ck_assert_uint_eq(stat_of("bytes"), 400);
    ck_assert_int_eq(write_counted(created.lease_id, 100, 100), 0);
    ck_assert_uint_eq(stat_of("bytes"), 400);
    ck_assert_int_eq(write_counted(created.lease_id, 400, 201), -EFBIG);
    struct answer other = create_sized("y", 500);
    ck_assert_int_eq(other.status, 0);
    ck_assert_int_eq(write_counted(created.lease_id, 400, 101), -ENOSPC);
    ck_assert_int_eq(write_counted(created.lease_id, 400, 100), 0);
    ck_assert_uint_eq(stat_of("bytes"), 1000);
    ck_assert_int_eq(lease_verb(PK_VERB_SEAL, created.lease_id).status, 0);
}
END_TEST

int
main(void)
{
    const TTest *const cases[] = {
        open_tells_what_a_lease_is_for,
        what_is_expected_counts_from_the_start,
        what_grows_counts_at_once_for_who_wants_that,
    };
    return SUITE_RUN_BETWEEN("peer_data", cases, open_plain, close_world);
}
