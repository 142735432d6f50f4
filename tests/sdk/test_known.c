/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leases of one client on one object: they share what came with the first, and none of them takes
 * it away from the others.
 */
#include "target.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIZE 200000U /* more than comes instead of a lease */

/* Whether leases of one client have descriptors to share. */
static bool
shares(void)
{
    return target.kind != TARGET_HTTP;
}

static void
put(const char *id, unsigned seed)
{
    char *bytes = malloc(SIZE);
    ck_assert_ptr_nonnull(bytes);
    fill(bytes, SIZE, seed);
    MUST(packice_put(target.client, id, bytes, SIZE, NULL));
    free(bytes);
}

static packice_lease *
get(packice_client *client, const char *id)
{
    packice_lease *lease = NULL;
    MUST(packice_get(client, id, 0, &lease));
    ck_assert_uint_eq(strlen(packice_lease_id(lease)), 36);
    return lease;
}

static void *
map(packice_lease *lease)
{
    void *data = NULL;
    uint64_t size = 0;
    MUST(packice_map(lease, 0, &data, &size));
    ck_assert_uint_eq(size, SIZE);
    return data;
}

static void
check_read(packice_lease *lease, unsigned seed)
{
    char *bytes = malloc(SIZE);
    uint64_t count = 0;
    ck_assert_ptr_nonnull(bytes);
    MUST(packice_read(lease, 0, 0, bytes, SIZE, &count));
    ck_assert_uint_eq(count, SIZE);
    ck_assert(filled(bytes, SIZE, seed));
    free(bytes);
}

/* How many maps of something to be read this process has. */
static int
count_maps(void)
{
    char line[512];
    int count = 0;
    FILE *file = fopen("/proc/self/maps", "re");
    ck_assert_ptr_nonnull(file);
    while (fgets(line, sizeof(line), file) != NULL)
        count += strstr(line, " r--s ") != NULL;
    (void)fclose(file);
    return count;
}

START_TEST(sdk_shares_what_it_holds_with_the_next_lease)
{
    put("x", 1);
    int maps = count_maps();
    packice_lease *first = get(target.client, "x");
    void *data = map(first);
    int fds = count_fds(getpid());
    packice_lease *second = get(target.client, "x");
    ck_assert_str_ne(packice_lease_id(first), packice_lease_id(second));
    ck_assert_uint_eq(target_figure(target.client, "leases"), 2);
    if (shares()) {
        ck_assert_int_eq(count_fds(getpid()), fds);
        ck_assert_ptr_eq(map(second), data);
    }
    ck_assert(filled(map(second), SIZE, 1));
    MUST(packice_release(first));
    ck_assert(filled(map(second), SIZE, 1));
    check_read(second, 1);
    packice_lease *third = get(target.client, "x"); /* now of the second's */
    ck_assert_ptr_eq(shares() ? map(third) : NULL, shares() ? map(second) : NULL);
    MUST(packice_release(second));
    check_read(third, 1);
    ck_assert(filled(map(third), SIZE, 1));
    MUST(packice_release(third));
    ck_assert_int_eq(count_maps(), maps);
    if (shares())
        ck_assert_int_eq(count_fds(getpid()), fds - 1);
}
END_TEST

START_TEST(sdk_keeps_a_map_until_each_lease_has_dropped_it)
{
    put("x", 2);
    packice_lease *leases[3];
    for (int i = 0; i < 3; i++)
        leases[i] = get(target.client, "x");
    int maps = count_maps();
    (void)map(leases[0]);
    void *data = map(leases[1]);
    MUST(packice_unmap(leases[2], 0)); /* it has none */
    MUST(packice_unmap(leases[0], 0));
    MUST(packice_unmap(leases[0], 0));
    ck_assert(filled(data, SIZE, 2));
    MUST(packice_unmap(leases[1], 0));
    ck_assert_int_eq(count_maps(), maps);
    check_read(leases[2], 2);
    data = map(leases[2]);
    MUST(packice_release(leases[0]));
    MUST(packice_release(leases[1]));
    ck_assert(filled(data, SIZE, 2));
    MUST(packice_release(leases[2]));
}
END_TEST

START_TEST(sdk_never_takes_a_successor_for_what_it_holds)
{
    put("x", 3);
    packice_lease *old = get(target.client, "x");
    void *data = map(old);
    MUST(packice_discard(target.client, "x"));
    put("x", 4);
    packice_lease *young = get(target.client, "x");
    ck_assert_uint_ne(packice_lease_epoch(old), packice_lease_epoch(young));
    ck_assert_ptr_ne(map(young), data);
    packice_lease *again = get(target.client, "x"); /* of the two it is the latter */
    ck_assert_uint_eq(packice_lease_epoch(again), packice_lease_epoch(young));
    if (shares())
        ck_assert_ptr_eq(map(again), map(young));
    MUST(packice_release(young));
    ck_assert(filled(map(again), SIZE, 4));
    ck_assert(filled(data, SIZE, 3));
    check_read(old, 3);
    MUST(packice_release(old));
    check_read(again, 4);
    MUST(packice_release(again));
    MUST(packice_discard(target.client, "x"));
    packice_lease *lease = NULL;
    FAILS(packice_get(target.client, "x", 0, &lease), -ENOENT);
}
END_TEST

START_TEST(sdk_shares_what_it_has_sealed)
{
    packice_lease *maker = NULL;
    FILE *file = NULL;
    char byte = 0;
    MUST(packice_create(target.client, "x", SIZE, &maker));
    fill(map(maker), SIZE, 5);
    MUST(packice_seal(maker));
    packice_lease *reader = get(target.client, "x");
    if (shares())
        ck_assert_ptr_eq(map(maker), map(reader));
    FAILS(packice_write(reader, 0, 0, "x", 1), -EACCES);
    MUST(packice_open(reader, 0, &file));
    MUST(packice_release(maker));
    ck_assert(filled(map(reader), SIZE, 5));
    MUST(packice_release(reader));
    ck_assert_uint_eq(fread(&byte, 1, 1, file), 1); /* it outlives both */
    ck_assert(filled(&byte, 1, 5));
    ck_assert_int_eq(fclose(file), 0);
}
END_TEST

START_TEST(sdk_shares_in_batches)
{
    struct packice_get_options options[2] = { PACKICE_GET_OPTIONS_INIT, PACKICE_GET_OPTIONS_INIT };
    struct packice_batch_item items[2] = { { .op = PACKICE_BATCH_GET, .get = &options[0] },
                                           { .op = PACKICE_BATCH_GET, .get = &options[1] } };
    put("x", 6);
    put("y", 7);
    options[0].id = "x";
    options[1].id = "y";
    packice_lease *held = get(target.client, "x");
    void *data = map(held);
    int fds = count_fds(getpid());
    MUST(packice_batch(target.client, items, 2));
    for (int i = 0; i < 2; i++)
        MUST(items[i].status);
    if (shares()) {
        ck_assert_ptr_eq(map(items[0].lease), data);
        ck_assert_int_eq(count_fds(getpid()), fds + 1);
    }
    MUST(packice_release(held));
    for (int i = 0; i < 2; i++) {
        ck_assert(filled(map(items[i].lease), SIZE, 6 + (unsigned)i));
        items[i].op = PACKICE_BATCH_RELEASE;
    }
    MUST(packice_batch(target.client, items, 2));
}
END_TEST

static void *
get_often(void *arg)
{
    for (int i = 0; i < 200; i++) {
        packice_lease *lease = get(target.client, arg);
        if (i % 3 > 0)
            ck_assert(filled(map(lease), SIZE, 8));
        if (i % 3 > 1)
            MUST(packice_unmap(lease, 0));
        MUST(packice_release(lease));
    }
    return NULL;
}

START_TEST(sdk_shares_among_threads)
{
    pthread_t threads[4];
    char id[] = "x";
    put(id, 8);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, get_often, id), 0);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
}
END_TEST

START_TEST(sdk_leaves_what_the_parent_holds_alone_after_a_fork)
{
    put("x", 9);
    packice_client *client = target_connect();
    packice_lease *leases[2] = { get(client, "x"), get(client, "x") };
    void *data = map(leases[0]);
    (void)map(leases[1]);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        int wrong = packice_release(leases[0]) != 0;
        wrong += shares() && !filled(data, SIZE, 9);
        wrong += packice_release(leases[1]) != 0;
        _exit(wrong);
    }
    int status = 0;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child ended with %d", status);
    ck_assert(filled(data, SIZE, 9));
    MUST(packice_release(leases[0]));
    packice_client_free(client); /* the other lease stays readable */
    check_read(leases[1], 9);
    MUST(packice_release(leases[1]));
}
END_TEST

int
main(void)
{
    const struct sdk_case cases[] = {
        { sdk_shares_what_it_holds_with_the_next_lease, ON_ALL },
        { sdk_keeps_a_map_until_each_lease_has_dropped_it, ON_ALL },
        { sdk_never_takes_a_successor_for_what_it_holds, ON_ALL },
        { sdk_shares_what_it_has_sealed, ON_ALL },
        { sdk_shares_in_batches, ON_ALL },
        { sdk_shares_among_threads, ON_ALL },
        { sdk_leaves_what_the_parent_holds_alone_after_a_fork, ON_SHARED & ~ON(TARGET_HTTP) },
    };
    return RUN_CASES("sdk_known", cases);
}
