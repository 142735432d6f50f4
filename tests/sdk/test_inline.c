/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects whose bytes come with the get or go with the put, and leases that end without a trip.
 */
#include "target.h"
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIZE 5000U

/* Whether a peer grants leases on small objects, too: HTTP can't bring their bytes. */
static bool
grants(void)
{
    return target.kind == TARGET_HTTP;
}

static void
put(const char *id, uint64_t size, unsigned seed)
{
    char *bytes = malloc(size + 1);
    ck_assert_ptr_nonnull(bytes);
    fill(bytes, size, seed);
    MUST(packice_put(target.client, id, bytes, size, NULL));
    free(bytes);
}

static void
check_id(const packice_lease *lease, bool granted)
{
    ck_assert_uint_eq(strlen(packice_lease_id(lease)), granted ? 36 : 0);
}

START_TEST(sdk_brings_a_small_object_with_the_get)
{
    packice_lease *lease = NULL;
    char bytes[SIZE];
    uint64_t count = 0;
    double ttl = 0;
    put("small", SIZE, 1);
    MUST(packice_get(target.other, "small", 0, &lease));
    check_id(lease, grants());
    ck_assert_uint_eq(target_figure(target.client, "leases"), grants() ? 1 : 0);
    ck_assert_uint_eq(packice_lease_access(lease), PACKICE_READ);
    ck_assert_uint_eq(packice_lease_state(lease), PACKICE_SEALED);
    ck_assert_str_eq(packice_lease_object_id(lease), "small");
    ck_assert_str_eq(packice_lease_meta(lease), "{}");
    ck_assert_uint_gt(packice_lease_epoch(lease), 0);
    ck_assert(packice_lease_ttl(lease) == PACKICE_FOREVER);
    MUST(packice_lease_blob_size(lease, 0, &count));
    ck_assert_uint_eq(count, SIZE);
    FAILS(packice_renew(lease, -1, &ttl), -EINVAL);
    MUST(packice_renew(lease, 30, &ttl));
    ck_assert(ttl == (grants() ? 30 : PACKICE_FOREVER));
    FAILS(packice_seal(lease), -EACCES);
    FAILS(packice_write(lease, 0, 0, "x", 1), -EACCES);
    MUST(packice_discard(target.client, "small")); /* the bytes are here */
    MUST(packice_read(lease, 0, 10, bytes, SIZE, &count));
    ck_assert_uint_eq(count, SIZE - 10);
    MUST(packice_read(lease, 0, 0, bytes, SIZE, &count));
    ck_assert(filled(bytes, SIZE, 1));
    MUST(packice_read(lease, 0, SIZE, bytes, SIZE, &count));
    ck_assert_uint_eq(count, 0);
    FAILS(packice_read(lease, 1, 0, bytes, SIZE, &count), -EINVAL);
    MUST(packice_release(lease));
}
END_TEST

START_TEST(sdk_gives_descriptors_and_files_of_a_small_object)
{
    packice_lease *lease = NULL;
    FILE *file = NULL;
    struct stat status;
    char bytes[SIZE];
    int fds[2] = { -1, -1 };
    put("small", SIZE, 2);
    MUST(packice_get(target.other, "small", 0, &lease));
    for (int i = 0; i < 2; i++) {
        MUST(packice_lease_blob_fd(lease, 0, &fds[i]));
        ck_assert_int_eq(fcntl(fds[i], F_GETFD), FD_CLOEXEC);
        ck_assert_int_eq(fcntl(fds[i], F_GETFL) & O_ACCMODE, O_RDONLY);
        ck_assert_int_eq(fstat(fds[i], &status), 0);
        ck_assert_int_eq(status.st_size, SIZE);
    }
    if (target.kind != TARGET_HTTP && target.kind != TARGET_FILES)
        ck_assert_int_eq(fcntl(fds[0], F_GET_SEALS)
                             & (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE),
                         F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
    MUST(packice_open(lease, 0, &file));
    MUST(packice_release(lease)); /* both live on */
    ck_assert_int_eq(pread(fds[0], bytes, SIZE, 0), SIZE);
    ck_assert(filled(bytes, SIZE, 2));
    ck_assert_uint_eq(fread(bytes, 1, SIZE, file), SIZE);
    ck_assert(filled(bytes, SIZE, 2));
    ck_assert_int_eq(fgetc(file), EOF);
    ck_assert_int_eq(fclose(file), 0);
    (void)close(fds[0]);
    (void)close(fds[1]);
}
END_TEST

/* How the child of a fork that does so ends. */
static int
store_in_child(char *byte)
{
    const struct rlimit none = { 0, 0 };
    int status = 0;
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        (void)setrlimit(RLIMIT_CORE, &none);
        (void)signal(SIGSEGV, SIG_DFL);
        *byte = 'x';
        _exit(0);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return status;
}

START_TEST(sdk_maps_a_small_object_for_reading_alone)
{
    packice_lease *lease = NULL;
    void *data = NULL;
    void *again = NULL;
    uint64_t size = 0;
    put("small", SIZE, 3);
    MUST(packice_get(target.other, "small", 0, &lease));
    MUST(packice_map(lease, 0, &data, &size));
    ck_assert_uint_eq(size, SIZE);
    ck_assert_uint_eq((uintptr_t)data % (uintptr_t)sysconf(_SC_PAGESIZE), 0);
    ck_assert(filled(data, SIZE, 3));
    MUST(packice_map(lease, 0, &again, NULL));
    ck_assert_ptr_eq(data, again);
    int status = store_in_child(data);
    ck_assert_msg(WIFSIGNALED(status) || WEXITSTATUS(status) != 0, "the store went through");
    ck_assert(filled(data, SIZE, 3));
    MUST(packice_unmap(lease, 0));
    MUST(packice_map(lease, 0, &data, NULL));
    ck_assert(filled(data, SIZE, 3));
    MUST(packice_release(lease));
}
END_TEST

START_TEST(sdk_keeps_bytes_readable_over_a_fork)
{
    packice_lease *lease = NULL;
    void *data = NULL;
    int status = 0;
    put("small", SIZE, 4);
    MUST(packice_get(target.other, "small", 0, &lease));
    MUST(packice_map(lease, 0, &data, NULL));
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        char byte = 0;
        uint64_t count = 0;
        int wrong = !filled(data, SIZE, 4);
        wrong += packice_read(lease, 0, 0, &byte, 1, &count) != -EPIPE;
        wrong += packice_renew(lease, 1, NULL) != -EPIPE;
        wrong += packice_release(lease) != 0;
        _exit(wrong);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    ck_assert(filled(data, SIZE, 4));
    MUST(packice_release(lease));
}
END_TEST

START_TEST(sdk_brings_all_blobs_or_none)
{
    const uint64_t sizes[] = { 7, 0, SIZE };
    struct packice_create_options create = PACKICE_CREATE_OPTIONS_INIT;
    packice_lease *lease = NULL;
    char bytes[SIZE];
    uint64_t count = 0;
    fill(bytes, SIZE, 5);
    create.id = "three";
    create.sizes = sizes;
    create.blob_count = 3;
    create.meta = "{\"a\": 1}";
    MUST(packice_create_with(target.client, &create, &lease));
    MUST(packice_write(lease, 0, 0, "seven..", 7));
    MUST(packice_write(lease, 2, 0, bytes, SIZE));
    MUST(packice_seal(lease));
    MUST(packice_release(lease));
    MUST(packice_get(target.other, "three", 0, &lease));
    check_id(lease, grants());
    ck_assert_str_eq(packice_lease_meta(lease), "{\"a\":1}");
    ck_assert_uint_eq(packice_lease_blob_count(lease), 3);
    MUST(packice_read(lease, 0, 0, bytes, SIZE, &count));
    ck_assert_uint_eq(count, 7);
    ck_assert_mem_eq(bytes, "seven..", 7);
    void *data = NULL;
    MUST(packice_map(lease, 1, &data, &count));
    ck_assert_ptr_nonnull(data);
    ck_assert_uint_eq(count, 0);
    MUST(packice_read(lease, 2, 0, bytes, SIZE, &count));
    ck_assert(filled(bytes, SIZE, 5));
    MUST(packice_release(lease));
}
END_TEST

/* Another client of the same peer, with this option; only of targets that have a name. */
static packice_client *
connect_with(uint64_t inline_max)
{
    struct packice_connect_options options = PACKICE_CONNECT_OPTIONS_INIT;
    packice_client *client = NULL;
    options.inline_max = inline_max;
    MUST(packice_connect_with(target_has_node() ? target.socket : "memory://of the test", &options,
                              &client));
    return client;
}

START_TEST(sdk_brings_no_more_than_it_was_told)
{
    static const struct {
        uint64_t inline_max;
        uint64_t size;
        bool granted;
    } cases[] = {
        { 0, 65536, false },
        { 0, 65537, true },
        { 100, 100, false },
        { 100, 101, true },
        { 1U << 20, 1U << 20, false },
        { UINT64_MAX - 1, 65537, false },
        { PACKICE_NO_INLINE, 0, true },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        packice_client *client = connect_with(cases[i].inline_max);
        packice_lease *lease = NULL;
        void *data = NULL;
        put("one", cases[i].size, 6);
        MUST(packice_get(client, "one", 0, &lease));
        ck_assert_msg(strlen(packice_lease_id(lease)) == (cases[i].granted || grants() ? 36 : 0),
                      "case %zu", i);
        MUST(packice_map(lease, 0, &data, NULL));
        ck_assert(filled(data, cases[i].size, 6));
        MUST(packice_release(lease));
        packice_client_free(client);
        MUST(packice_discard(target.client, "one"));
    }
}
END_TEST

START_TEST(sdk_grants_a_lease_to_who_wants_one)
{
    struct packice_get_options options[5];
    put("one", 1, 7);
    for (int i = 0; i < 5; i++) {
        options[i] = (struct packice_get_options)PACKICE_GET_OPTIONS_INIT;
        options[i].id = "one";
    }
    options[0].flags = PACKICE_LAZY;
    options[1].flags = PACKICE_NO_RENEW;
    options[2].flags = PACKICE_UNBOUND;
    options[3].ttl = 20;
    options[4].request_id = "request";
    for (int i = 0; i < 5; i++) {
        packice_lease *lease = NULL;
        char byte = 0;
        uint64_t count = 0;
        MUST(packice_get_with(target.client, &options[i], &lease));
        check_id(lease, true);
        MUST(packice_read(lease, 0, 0, &byte, 1, &count));
        ck_assert(filled(&byte, 1, 7));
        MUST(packice_release(lease));
    }
    ck_assert_uint_eq(target_figure(target.client, "leases"), 0);
}
END_TEST

START_TEST(sdk_puts_any_size_at_once)
{
    static const uint64_t sizes[] = { 0, 1, 65535, 65536, 65537, 3U << 20 };
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        packice_lease *lease = NULL;
        void *data = NULL;
        uint64_t size = 1;
        put("put", sizes[i], (unsigned)i);
        ck_assert_uint_eq(target_figure(target.client, "leases"), 0);
        MUST(packice_get(target.other, "put", 0, &lease));
        MUST(packice_map(lease, 0, &data, &size));
        ck_assert_uint_eq(size, sizes[i]);
        ck_assert(filled(data, size, (unsigned)i));
        FAILS(packice_put(target.client, "put", data, size, NULL), -EEXIST);
        FAILS(packice_put(target.client, "", data, size, NULL), -EINVAL);
        MUST(packice_release(lease));
        MUST(packice_discard(target.other, "put"));
        ck_assert_uint_eq(target_figure(target.other, "bytes"), 0);
    }
    MUST(packice_put(target.client, NULL, "x", 1, NULL));
    MUST(packice_put(target.client, NULL, "x", 1, NULL));
    ck_assert_uint_eq(target_figure(target.client, "objects"), 2);
}
END_TEST

static bool
has_no_lease(void *arg)
{
    return target_figure(arg, "leases") == 0;
}

START_TEST(sdk_lets_leases_end_without_a_trip)
{
    struct packice_get_options get = PACKICE_GET_OPTIONS_INIT;
    packice_lease *lease = NULL;
    get.id = "one";
    get.flags = PACKICE_LAZY;
    put("one", SIZE, 8);
    for (int i = 0; i < 5; i++) { /* its own calls find it ended */
        MUST(packice_get_with(target.client, &get, &lease));
        MUST(packice_release(lease));
        ck_assert_uint_eq(target_figure(target.client, "leases"), 0);
    }
    for (int i = 0; i < 200; i++) {
        MUST(packice_get_with(target.client, &get, &lease));
        MUST(packice_release(lease));
    }
    await(has_no_lease, target.other, "the peer hears of it when nothing else is asked");
    MUST(packice_get_with(target.client, &get, &lease)); /* and once more */
    MUST(packice_release(lease));
    await(has_no_lease, target.other, "the peer hears of it when nothing else is asked");
}
END_TEST

START_TEST(sdk_hears_of_many_leases_that_ended)
{
    enum { MANY = 300 };
    packice_lease *leases[MANY];
    struct packice_get_options get = PACKICE_GET_OPTIONS_INIT;
    get.id = "one";
    get.flags = PACKICE_LAZY;
    put("one", 1, 9);
    for (int i = 0; i < MANY; i++)
        MUST(packice_get_with(target.client, &get, &leases[i]));
    ck_assert_uint_eq(target_figure(target.client, "leases"), MANY);
    for (int i = 0; i < MANY; i++)
        MUST(packice_release(leases[i]));
    ck_assert_uint_eq(target_figure(target.client, "leases"), 0);
    MUST(packice_discard(target.client, "one"));
    ck_assert_uint_eq(target_figure(target.client, "bytes"), 0); /* nothing holds it any more */
}
END_TEST

START_TEST(sdk_gives_up_the_object_of_an_abandoned_create_at_once)
{
    packice_lease *lease = NULL;
    MUST(packice_create(target.client, "abandoned", 1000, &lease));
    MUST(packice_release(lease));
    ck_assert_uint_eq(target_figure(target.other, "objects"), 0);
    ck_assert_uint_eq(target_figure(target.other, "leases"), 0);
}
END_TEST

int
main(void)
{
    const struct sdk_case cases[] = {
        { sdk_brings_a_small_object_with_the_get, ON_ALL },
        { sdk_gives_descriptors_and_files_of_a_small_object, ON_ALL },
        { sdk_maps_a_small_object_for_reading_alone, ON_ALL },
        { sdk_keeps_bytes_readable_over_a_fork, ON_ALL },
        { sdk_brings_all_blobs_or_none, ON_ALL },
        { sdk_brings_no_more_than_it_was_told, ON(TARGET_NAMED) | ON_NODES },
        { sdk_grants_a_lease_to_who_wants_one, ON_ALL },
        { sdk_puts_any_size_at_once, ON_ALL },
        { sdk_lets_leases_end_without_a_trip, ON_ALL },
        { sdk_hears_of_many_leases_that_ended, ON_ALL },
        { sdk_gives_up_the_object_of_an_abandoned_create_at_once, ON_ALL },
    };
    return RUN_CASES("sdk_inline", cases);
}
