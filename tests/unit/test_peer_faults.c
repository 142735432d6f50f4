/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every slot of both factories fails once, with every error that means something, wherever it is
 * called; and every allocation fails once. Each time all calls are answered, no lease is left, and
 * no blob is lost.
 */
#include "peer_everything.h"

/* ---- slots ---- */

/* Whether there was a slot to fail. */
static bool
run_with_fault(bool durable, uint32_t blocks, uint32_t at, int32_t error)
{
    everything_open(durable, blocks);
    world.watch.fail_after = at;
    world.watch.fail_with = error;
    do_everything();
    bool failed = world.watch.fail_after > at; /* it went past 0 */
    world.watch.fail_with = 0;
    everything_later(100); /* what could not be expired was tried again */
    ck_assert_msg(stat_of("leases") == 0, "slot call %u, error %d: leases are left", at, error);
    close_world();
    return failed;
}

static void
run_with_all_faults(bool durable, uint32_t blocks)
{
    static const int32_t errors[] = { -EIO,    -EBUSY,  -EINVAL, -ESTALE, -ENOENT,
                                      -EAGAIN, -ENOSPC, -EEXIST, 1 };

    for (uint32_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        uint32_t at = 0;
        while (run_with_fault(durable, blocks, at, errors[i]))
            at++;
        ck_assert_uint_gt(at, 50);
    }
}

START_TEST(any_slot_fails)
{
    run_with_all_faults(false, 0);
    run_with_all_faults(false, 100);
}
END_TEST

START_TEST(any_slot_fails_over_durable_storage)
{
    run_with_all_faults(true, 0);
    run_with_all_faults(true, 100);
}
END_TEST

/* ---- memory ---- */

static bool counting;
static uint32_t allocations_left; /* until one fails */

static bool
fails(void)
{
    return counting && allocations_left-- == 0;
}

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
char *__real_strdup(const char *text);
char *__wrap_strdup(const char *text);

void *
__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *
__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

char *
__wrap_strdup(const char *text)
{
    return fails() ? NULL : __real_strdup(text);
}

static bool
run_without_memory(bool durable, uint32_t blocks, uint32_t at)
{
    everything_open(durable, blocks);
    allocations_left = at;
    counting = true;
    do_everything();
    counting = false;
    bool failed = allocations_left > at; /* it went past 0 */
    everything_later(100);
    ck_assert_msg(stat_of("leases") == 0, "allocation %u: leases are left", at);
    close_world();
    return failed;
}

START_TEST(any_allocation_fails)
{
    for (uint32_t i = 0; i < 4; i++) {
        uint32_t at = 0;
        while (run_without_memory(i % 2 == 1, i / 2 * 100, at))
            at++;
        ck_assert_uint_gt(at, 50);
    }
}
END_TEST

int
main(void)
{
    const TTest *const cases[] = {
        any_slot_fails,
        any_slot_fails_over_durable_storage,
        any_allocation_fails,
    };
    return SUITE_RUN("peer_faults", cases);
}
