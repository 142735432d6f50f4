/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blob_fault, slot by slot over a child that has them all: passed on as it is, failed before,
 * failed after, and what is left behind each time. How rules are written is for
 * test_blob_fault_rules.
 */
#include "blob_fault_fixture.h"
#include "tests/lib/suite.h"
#include "word.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* What waits is told here instead of waiting. */
static uint64_t slept;
static uint32_t interruptions;

int __wrap_clock_nanosleep(clockid_t clock, int flags, const struct timespec *request,
                           struct timespec *remain);

int
__wrap_clock_nanosleep(clockid_t clock, int flags, const struct timespec *request,
                       struct timespec *remain)
{
    ck_assert_int_eq(clock, CLOCK_MONOTONIC);
    ck_assert_int_eq(flags, 0);
    if (interruptions > 0) {
        interruptions--;
        slept += 1;
        *remain = *request;
        remain->tv_nsec -= 1;
        return EINTR;
    }
    slept += (uint64_t)request->tv_sec * 1000000000U + (uint64_t)request->tv_nsec;
    return 0;
}

static const char *
rule_of(uint32_t op, const char *rest)
{
    static char rule[64];
    (void)snprintf(rule, sizeof(rule), "%s:%s", fault_op_name(op), rest);
    return rule;
}

static void
assert_failed(struct fixture *f, uint32_t op, int32_t rc, int32_t error)
{
    char name[64];
    ck_assert_int_eq(rc, error);
    ck_assert_int_eq(f->err.code, error);
    ck_assert_ptr_nonnull(strstr(f->err.message, fault_op_name(op)));
    (void)snprintf(name, sizeof(name), "failed_%s", fault_op_name(op));
    ck_assert_uint_eq(fixture_stat(f, name), 1);
}

START_TEST(without_rules_every_slot_is_the_childs)
{
    struct fixture f;
    int before = fake_open_descriptors();
    fixture_open(&f, NULL);
    for (uint32_t op = 1; op < FAULT_OPS; op++) {
        ck_assert_int_eq(fixture_run(&f, op), 0);
        ck_assert_uint_eq(f.calls[op], 1);
        ck_assert_int_eq(f.blobs, 0);
    }
    ck_assert_uint_eq(f.written, 10);
    ck_assert_uint_eq(f.freed, 1);
    ck_assert_uint_eq(f.removed, 1);
    ck_assert_int_eq(fake_open_descriptors(), before);
    fixture_close(&f);
}
END_TEST

START_TEST(what_fails_in_the_child_fails_as_there)
{
    struct fixture f;
    int before = fake_open_descriptors();
    fixture_open(&f, NULL);
    f.child_rc = -EXDEV;
    for (uint32_t op = 1; op < FAULT_OPS; op++) {
        ck_assert_int_eq(fixture_run(&f, op), op == PK_BLOB_FREE ? 0 : -EXDEV);
        ck_assert_int_eq(f.blobs, 0);
        ck_assert_str_eq(f.err.message, op == PK_BLOB_FREE ? f.err.message : "the child's own");
    }
    ck_assert_int_eq(fake_open_descriptors(), before);
    fixture_close(&f);
}
END_TEST

START_TEST(an_error_before_leaves_the_child_alone)
{
    int before = fake_open_descriptors();
    for (uint32_t op = 1; op < FAULT_OPS; op++) {
        struct fixture f;
        if (op == PK_BLOB_FREE)
            continue;
        fixture_open(&f, rule_of(op, "ENOSPC:#1"));
        assert_failed(&f, op, fixture_run(&f, op), -ENOSPC);
        ck_assert_uint_eq(f.calls[op], 0);
        /* the blob is gone for the host: so it is for the child, with its storage left behind */
        ck_assert_uint_eq(f.freed, op == PK_BLOB_REMOVE ? 1 : 0);
        ck_assert_int_eq(f.blobs, 0);
        ck_assert_int_eq(fixture_run(&f, op), 0);
        ck_assert_uint_eq(f.calls[op], 1);
        fixture_close(&f);
    }
    ck_assert_int_eq(fake_open_descriptors(), before);
}
END_TEST

START_TEST(an_error_after_comes_with_the_work_done_and_nothing_left)
{
    int before = fake_open_descriptors();
    for (uint32_t op = 1; op < FAULT_OPS; op++) {
        struct fixture f;
        if (op == PK_BLOB_FREE)
            continue;
        fixture_open(&f, rule_of(op, "EIO:after:#1"));
        assert_failed(&f, op, fixture_run(&f, op), -EIO);
        ck_assert_uint_eq(f.calls[op], 1);
        ck_assert_uint_eq(f.removed,
                          op == PK_BLOB_CREATE || op == PK_BLOB_ADOPT || op == PK_BLOB_REMOVE);
        ck_assert_uint_eq(f.freed, op == PK_BLOB_LOOKUP ? FIXTURE_FOUND : 0);
        ck_assert_int_eq(f.blobs, 0);
        ck_assert_int_eq(fixture_run(&f, op), 0);
        fixture_close(&f);
    }
    ck_assert_int_eq(fake_open_descriptors(), before);
}
END_TEST

START_TEST(the_childs_error_comes_before_one_that_is_due_after)
{
    struct fixture f;
    fixture_open(&f, "*:EIO:after");
    f.child_rc = -EXDEV;
    for (uint32_t op = 1; op < FAULT_OPS; op++)
        ck_assert_int_eq(fixture_run(&f, op), op == PK_BLOB_FREE ? 0 : -EXDEV);
    ck_assert_uint_eq(fixture_stat(&f, "failed_seal"), 0);
    fixture_close(&f);
}
END_TEST

START_TEST(a_short_write_writes_half_and_fails)
{
    struct fixture f;
    fixture_open(&f, "write:short:#1-2");
    assert_failed(&f, PK_BLOB_WRITE, fixture_run(&f, PK_BLOB_WRITE), -EIO);
    ck_assert_uint_eq(f.written, 5);
    f.child_rc = -EXDEV;
    ck_assert_int_eq(fixture_run(&f, PK_BLOB_WRITE), -EXDEV);
    f.child_rc = 0;
    ck_assert_int_eq(fixture_run(&f, PK_BLOB_WRITE), 0);
    ck_assert_uint_eq(f.written, 10);
    fixture_close(&f);
}
END_TEST

START_TEST(every_operation_can_be_delayed)
{
    struct fixture f;
    fixture_open(&f, "*:delay=20ms:#1");
    for (uint32_t op = 1; op < FAULT_OPS; op++) {
        slept = 0;
        interruptions = 2;
        ck_assert_uint_eq(f.ops->may_block(f.fault, op, 10), 1);
        ck_assert_int_eq(fixture_run(&f, op), 0);
        ck_assert_uint_eq(slept, 20000000);
        ck_assert_uint_eq(fixture_stat(&f, "delayed"), op);
    }
    slept = 0;
    ck_assert_int_eq(fixture_run(&f, PK_BLOB_SEAL), 0);
    ck_assert_uint_eq(slept, 0);
    fixture_close(&f);
}
END_TEST

START_TEST(delays_add_up_to_a_bound_and_the_first_error_counts)
{
    struct fixture f;
    fixture_prepare(&f);
    fixture_rule(&f, "seal:delay=3s");
    fixture_rule(&f, "seal:delay=1s:EBUSY");
    fixture_rule(&f, "*:EIO:after:delay=2s");
    ck_assert_int_eq(fixture_try_open(&f), 0);
    slept = 0;
    ck_assert_int_eq(fixture_run(&f, PK_BLOB_SEAL), -EBUSY);
    ck_assert_str_eq(f.err.message, "EBUSY injected: call 1 of seal, rule 2");
    ck_assert_uint_eq(slept, 6000000000);
    fixture_close(&f);

    fixture_prepare(&f);
    fixture_rule(&f, "seal:delay=9s");
    fixture_rule(&f, "seal:delay=9s");
    ck_assert_int_eq(fixture_try_open(&f), 0);
    slept = 0;
    ck_assert_int_eq(fixture_run(&f, PK_BLOB_SEAL), 0);
    ck_assert_uint_eq(slept, 10000000000);
    fixture_close(&f);
}
END_TEST

START_TEST(what_neither_waits_nor_does_more_blocks_as_the_child_does)
{
    struct fixture f;
    fixture_prepare(&f);
    fixture_rule(&f, "seal:EIO");
    fixture_rule(&f, "create:EIO:after:1%");
    fixture_rule(&f, "handle:delay=1ms:#9");
    ck_assert_int_eq(fixture_try_open(&f), 0);
    for (f.blocks = 0; f.blocks < 2; f.blocks++) {
        ck_assert_uint_eq(f.ops->may_block(f.fault, PK_BLOB_SEAL, 10), f.blocks);
        ck_assert_uint_eq(f.ops->may_block(f.fault, 63, 10), f.blocks); /* of a newer host */
        ck_assert_uint_eq(f.ops->may_block(f.fault, PK_BLOB_CREATE, 10), 1);
        ck_assert_uint_eq(f.ops->may_block(f.fault, PK_BLOB_HANDLE, 10), 1);
    }
    fixture_close(&f);

    fixture_prepare(&f);
    f.child.may_block = NULL;
    ck_assert_int_eq(fixture_try_open(&f), 0);
    ck_assert_uint_eq(f.ops->may_block(f.fault, PK_BLOB_SEAL, 10), 1);
    fixture_close(&f);
}
END_TEST

/* ---- in one ---- */

static uint64_t
absent_with(const char *rule)
{
    struct fixture f;
    struct pk_blob_traits traits = { .struct_size = sizeof(traits) };
    fixture_open(&f, rule);
    f.ops->traits(f.fault, &traits);
    fixture_close(&f);
    return traits.absent;
}

START_TEST(what_is_put_and_told_in_one_is_the_childs_business)
{
    const struct pk_key key = { "id", 7 };
    struct fixture f;
    void *blob = NULL;
    fixture_open(&f, "handle:EIO");
    ck_assert_int_eq(f.ops->put(f.fault, &key, 2, "0123456789", 10, &blob, &f.err), 0);
    ck_assert_int_eq(f.blobs, 1);
    ck_assert_ptr_eq(f.ops->bytes(blob), &f);
    f.ops->free(blob);
    f.child_rc = -ENOSPC;
    blob = &f;
    ck_assert_int_eq(f.ops->put(f.fault, &key, 2, "0123456789", 10, &blob, &f.err), -ENOSPC);
    ck_assert_ptr_eq(blob, &f);
    f.child_rc = 0;
    fixture_close(&f);
}
END_TEST

static void
count_handle(void *arg, const struct pk_handle *handle)
{
    ++*(uint32_t *)arg;
    ck_assert_int_eq(close(handle->fd), 0);
}

START_TEST(rules_about_handle_are_about_share_too)
{
    static const char *const rules[] = { "handle:EIO", "handle:EIO:after" };
    const struct pk_key key = { "id", 7 };
    for (uint32_t i = 0; i < 2; i++) {
        struct fixture f;
        void *blob = NULL;
        uint32_t count = 0;
        fixture_open(&f, rules[i]);
        ck_assert_int_eq(f.ops->create(f.fault, &key, 2, 10, &blob, &f.err), 0);
        ck_assert_int_eq(f.ops->share(blob, count_handle, &count, &f.err), -EIO);
        ck_assert_uint_eq(count, 0);
        ck_assert_uint_eq(f.calls[PK_BLOB_SHARE], i);
        f.ops->free(blob);
        fixture_close(&f);
    }
}
END_TEST

START_TEST(rules_about_steps_and_reads_see_to_it_that_these_are_made)
{
    const uint64_t put = UINT64_C(1) << PK_BLOB_PUT;
    const uint64_t bytes = UINT64_C(1) << PK_BLOB_BYTES;
    ck_assert_uint_eq(absent_with("create:EIO"), put);
    ck_assert_uint_eq(absent_with("write:short"), put);
    ck_assert_uint_eq(absent_with("seal:delay=1ms"), put);
    ck_assert_uint_eq(absent_with("read:EIO:#1"), bytes);
    ck_assert_uint_eq(absent_with("*:EIO:1%"), put | bytes);
}
END_TEST

/* ---- what the child lacks ---- */

START_TEST(traits_are_the_childs_and_what_it_lacks_is_absent)
{
    struct fixture f;
    struct pk_blob_traits traits = { .struct_size = sizeof(traits) };
    fixture_open(&f, NULL);
    f.ops->traits(f.fault, &traits);
    ck_assert_uint_eq(traits.struct_size, sizeof(traits));
    ck_assert_uint_eq(traits.flags, PK_BLOB_DURABLE | PK_BLOB_CONDITIONAL);
    ck_assert_uint_eq(traits.blobs_max, 5);
    ck_assert_uint_eq(traits.poll_interval, 6);
    ck_assert_uint_eq(traits.absent, 0);
    fixture_close(&f);

    fixture_prepare(&f);
    f.child.struct_size = offsetof(struct pk_blob_ops, publish); /* of an older host */
    f.child.traits = NULL;
    f.child.stats = NULL;
    ck_assert_int_eq(fixture_try_open(&f), 0);
    traits = (struct pk_blob_traits){ .struct_size = sizeof(traits) };
    f.ops->traits(f.fault, &traits);
    ck_assert_uint_eq(traits.flags, 0);
    const uint64_t optional = UINT64_C(1) << PK_BLOB_PUBLISH | UINT64_C(1) << PK_BLOB_UNPUBLISH
                              | UINT64_C(1) << PK_BLOB_LOOKUP | UINT64_C(1) << PK_BLOB_RECOVER
                              | UINT64_C(1) << PK_BLOB_EVICT | UINT64_C(1) << PK_BLOB_EXPORT
                              | UINT64_C(1) << PK_BLOB_ADOPT | UINT64_C(1) << PK_BLOB_VERIFY
                              | UINT64_C(1) << PK_BLOB_PUT | UINT64_C(1) << PK_BLOB_BYTES
                              | UINT64_C(1) << PK_BLOB_SHARE;
    ck_assert_uint_eq(traits.absent, optional);
    ck_assert_uint_eq(fixture_stat(&f, "child_blobs"), UINT64_MAX);
    fixture_close(&f);
}
END_TEST

START_TEST(traits_of_an_older_host_are_not_overrun)
{
    struct fixture f;
    struct pk_blob_traits traits = { .struct_size = offsetof(struct pk_blob_traits, absent),
                                     .absent = 77 };
    fixture_prepare(&f);
    f.child.verify = NULL;
    ck_assert_int_eq(fixture_try_open(&f), 0);
    f.ops->traits(f.fault, &traits);
    ck_assert_uint_eq(traits.struct_size, offsetof(struct pk_blob_traits, absent));
    ck_assert_uint_eq(traits.blobs_max, 5);
    ck_assert_uint_eq(traits.absent, 77);
    fixture_close(&f);
}
END_TEST

/* ---- the whole ---- */

START_TEST(a_child_that_does_not_open_is_the_end_of_it)
{
    struct fixture f;
    fixture_prepare(&f);
    fixture_rule(&f, "seal:EIO");
    f.child_rc = -EXDEV;
    ck_assert_int_eq(fixture_try_open(&f), -EXDEV);
    ck_assert_str_eq(f.err.message, "the child's own");
    ck_assert_ptr_null(f.fault);
}
END_TEST

/* Which of the first calls of an operation fail, as bits. */
static uint64_t
hits(const char *rule, uint64_t seed, uint32_t op)
{
    struct fixture f;
    uint64_t found = 0;
    fixture_prepare(&f);
    fixture_rule(&f, rule);
    fake_factory_host_set(&f.fake, "seed", seed);
    ck_assert_int_eq(fixture_try_open(&f), 0);
    for (uint32_t call = 0; call < 64; call++) {
        if (fixture_run(&f, op) != 0)
            found |= UINT64_C(1) << call;
        ck_assert_int_eq(fixture_run(&f, PK_BLOB_FREE), 0); /* others have nothing to do with it */
    }
    fixture_close(&f);
    return found;
}

START_TEST(the_same_seed_hits_the_same_calls)
{
    uint64_t one = hits("*:EIO:30%", 1, PK_BLOB_SEAL);
    ck_assert_uint_eq(hits("*:EIO:30%", 1, PK_BLOB_SEAL), one);
    ck_assert_uint_eq(hits("seal:EIO:30%", 1, PK_BLOB_SEAL), one);
    ck_assert_uint_ne(hits("*:EIO:30%", 2, PK_BLOB_SEAL), one);
    ck_assert_uint_ne(hits("*:EIO:30%", 1, PK_BLOB_SIZE), one);
    ck_assert_int_ge(__builtin_popcountll(one), 8);
    ck_assert_int_le(__builtin_popcountll(one), 32);
    ck_assert_uint_eq(hits("seal:EIO:100%", 1, PK_BLOB_SEAL), UINT64_MAX);
    ck_assert_uint_eq(hits("seal:EIO:1/20", 1, PK_BLOB_SEAL),
                      UINT64_C(1) << 19 | UINT64_C(1) << 39 | UINT64_C(1) << 59);
    ck_assert_uint_eq(hits("seal:EIO:#3-5", 1, PK_BLOB_SEAL), 0x1c);
}
END_TEST

START_TEST(figures_are_counted_beside_the_childs)
{
    struct fixture f;
    fixture_open(&f, "seal:EIO:#2-3");
    for (uint32_t i = 0; i < 5; i++)
        (void)fixture_run(&f, PK_BLOB_SEAL);
    ck_assert_uint_eq(fixture_stat(&f, "failed_seal"), 2);
    ck_assert_uint_eq(fixture_stat(&f, "failed_create"), 0);
    ck_assert_uint_eq(fixture_stat(&f, "failed_free"), UINT64_MAX);
    ck_assert_uint_eq(fixture_stat(&f, "delayed"), 0);
    ck_assert_uint_eq(fixture_stat(&f, "child_blobs"), 0);
    fixture_close(&f);
}
END_TEST

int
main(void)
{
    const TTest *const cases[] = {
        without_rules_every_slot_is_the_childs,
        what_fails_in_the_child_fails_as_there,
        an_error_before_leaves_the_child_alone,
        an_error_after_comes_with_the_work_done_and_nothing_left,
        the_childs_error_comes_before_one_that_is_due_after,
        a_short_write_writes_half_and_fails,
        every_operation_can_be_delayed,
        delays_add_up_to_a_bound_and_the_first_error_counts,
        what_neither_waits_nor_does_more_blocks_as_the_child_does,
        what_is_put_and_told_in_one_is_the_childs_business,
        rules_about_handle_are_about_share_too,
        rules_about_steps_and_reads_see_to_it_that_these_are_made,
        traits_are_the_childs_and_what_it_lacks_is_absent,
        traits_of_an_older_host_are_not_overrun,
        a_child_that_does_not_open_is_the_end_of_it,
        the_same_seed_hits_the_same_calls,
        figures_are_counted_beside_the_childs,
    };
    return SUITE_RUN("blob_fault", cases);
}
