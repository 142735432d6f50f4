/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blob_memfd, slot by slot: sizes, bytes, handles, what it counts and what it leaves behind. What
 * sealing means is for test_blob_memfd_seal, a machine that refuses for test_blob_memfd_limits.
 */
#include "blob_memfd_fixture.h"

#include <errno.h>
#include <packice/cleanup.h>
#include <pthread.h>
#include <sys/mman.h>

#define THREADS 4
#define ROUNDS 50

/* ---- create ---- */

START_TEST(a_sized_blob_has_all_its_memory_and_never_grows)
{
    struct fixture f;
    fixture_open(&f);
    void *blob = create(&f, 100000);
    pk_autoclose int fd = get_fd(&f, blob, PK_ACCESS_CREATE);
    struct stat st;
    ck_assert_int_eq(fstat(fd, &st), 0);
    ck_assert_int_eq(st.st_size, 100000);
    ck_assert_int_ge(st.st_blocks * 512, 100000);
    ck_assert_uint_eq(size_of(&f, blob), 100000);
    ck_assert_int_eq(ftruncate(fd, 100001), -1);
    ck_assert_int_eq(pwrite(fd, "x", 1, 100000), -1);
    ck_assert_int_eq(fallocate(fd, 0, 0, 200000), -1);
    ck_assert_int_eq(f.ops->write(blob, 100000, "x", 1, &f.err), -EFBIG);
    ck_assert_int_eq(f.ops->write(blob, 99999, "xy", 2, &f.err), -EFBIG);
    ck_assert_int_eq(f.ops->write(blob, UINT64_MAX, "x", 1, &f.err), -EFBIG);
    put(&f, blob, 99999, "x");
    ck_assert_int_eq(fstat(fd, &st), 0);
    ck_assert_int_eq(st.st_size, 100000);
    discard(&f, blob);
    fixture_close(&f);
}
END_TEST

START_TEST(an_empty_blob_is_one)
{
    struct fixture f;
    fixture_open(&f);
    void *blob = create(&f, 0);
    char byte;
    uint64_t got = 7;
    ck_assert_int_eq(f.ops->write(blob, 0, "", 0, &f.err), 0);
    ck_assert_int_eq(f.ops->write(blob, 0, "x", 1, &f.err), -EFBIG);
    seal(&f, blob, 0);
    struct pk_handle handle = get_handle(&f, blob, PK_ACCESS_READ);
    ck_assert_uint_eq(handle.size, 0);
    ck_assert_int_eq(f.ops->read(blob, 0, &byte, 1, &got, &f.err), 0);
    ck_assert_uint_eq(got, 0);
    ck_assert_int_eq(close(handle.fd), 0);
    discard(&f, blob);
    fixture_close(&f);
}
END_TEST

START_TEST(an_unsized_blob_grows_as_it_is_written)
{
    struct fixture f;
    fixture_open(&f);
    void *blob = create(&f, PK_UNSIZED);
    struct pk_handle handle = get_handle(&f, blob, PK_ACCESS_CREATE);
    ck_assert_uint_eq(handle.size, PK_UNSIZED);
    ck_assert_uint_eq(size_of(&f, blob), 0);
    ck_assert_int_eq(ftruncate(handle.fd, 3), 0);
    ck_assert_uint_eq(size_of(&f, blob), 3);
    put(&f, blob, 5, "end");
    ck_assert_uint_eq(size_of(&f, blob), 8);
    ck_assert_int_eq(f.ops->write(blob, PK_SIZE_MAX, "x", 1, &f.err), -EFBIG);
    seal(&f, blob, PK_UNSIZED);
    ck_assert_uint_eq(size_of(&f, blob), 8);
    ck_assert_int_eq(close(handle.fd), 0);
    handle = get_handle(&f, blob, PK_ACCESS_READ);
    ck_assert_uint_eq(handle.size, 8);
    ck_assert_int_eq(close(handle.fd), 0);
    discard(&f, blob);
    fixture_close(&f);
}
END_TEST

START_TEST(the_name_of_a_memfd_tells_nothing)
{
    struct fixture f;
    fixture_open(&f);
    void *blob = create(&f, 1);
    pk_autoclose int fd = get_fd(&f, blob, PK_ACCESS_CREATE);
    char path[64];
    char target[128];
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    ssize_t size = readlink(path, target, sizeof(target) - 1);
    ck_assert_int_gt(size, 0);
    target[size] = '\0';
    ck_assert_str_eq(target, "/memfd:packice (deleted)");
    discard(&f, blob);
    fixture_close(&f);
}
END_TEST

/* ---- read and write ---- */

START_TEST(bytes_are_read_as_they_were_written)
{
    struct fixture f;
    fixture_open(&f);
    void *blob = create(&f, 10);
    char got[16] = { 0 };
    uint64_t size = 7;
    put(&f, blob, 0, "0123456789");
    put(&f, blob, 4, "xy");
    ck_assert_int_eq(f.ops->read(blob, 3, got, 4, &size, &f.err), 0);
    ck_assert_uint_eq(size, 4);
    ck_assert_str_eq(got, "3xy6");
    ck_assert_int_eq(f.ops->read(blob, 8, got, sizeof(got), &size, &f.err), 0);
    ck_assert_uint_eq(size, 2);
    const uint64_t behind[] = { 10, 11, PK_SIZE_MAX, PK_SIZE_MAX + UINT64_C(1), UINT64_MAX };
    for (size_t i = 0; i < sizeof(behind) / sizeof(behind[0]); i++) {
        size = 7;
        ck_assert_int_eq(f.ops->read(blob, behind[i], got, 1, &size, &f.err), 0);
        ck_assert_uint_eq(size, 0);
    }
    discard(&f, blob);
    fixture_close(&f);
}
END_TEST

/* ---- handles ---- */

START_TEST(each_handle_is_an_open_file_description_of_its_own)
{
    struct fixture f;
    fixture_open(&f);
    void *blob = create(&f, 5);
    pk_autoclose int writer = get_fd(&f, blob, PK_ACCESS_CREATE);
    pk_autoclose int other = get_fd(&f, blob, PK_ACCESS_CREATE);
    ck_assert_int_eq(fcntl(writer, F_GETFL) & O_ACCMODE, O_RDWR);
    ck_assert_int_eq(write(writer, "hello", 5), 5);
    ck_assert_int_eq(lseek(other, 0, SEEK_CUR), 0);
    seal(&f, blob, 5);
    pk_autoclose int a = get_fd(&f, blob, PK_ACCESS_READ);
    pk_autoclose int b = get_fd(&f, blob, PK_ACCESS_READ);
    char got[6] = { 0 };
    ck_assert_int_eq(fcntl(a, F_GETFL) & O_ACCMODE, O_RDONLY);
    ck_assert_int_eq(read(a, got, 5), 5);
    ck_assert_str_eq(got, "hello");
    ck_assert_int_eq(lseek(b, 0, SEEK_CUR), 0);
    discard(&f, blob);
    fixture_close(&f);
}
END_TEST

START_TEST(a_handle_to_read_is_of_a_sealed_blob)
{
    struct fixture f;
    fixture_open(&f);
    void *blob = create(&f, 5);
    struct pk_handle handle = { .fd = 42 };
    ck_assert_int_eq(f.ops->handle(blob, PK_ACCESS_READ, keep_handle, &handle, &f.err), -EINVAL);
    ck_assert_int_eq(f.ops->handle(blob, 0, keep_handle, &handle, &f.err), -EINVAL);
    ck_assert_int_eq(f.ops->handle(blob, 3, keep_handle, &handle, &f.err), -EINVAL);
    ck_assert_int_eq(handle.fd, 42);
    discard(&f, blob);
    fixture_close(&f);
}
END_TEST

START_TEST(what_is_open_outlives_blob_and_factory)
{
    struct fixture f;
    fixture_open(&f);
    void *blob = create(&f, 5);
    put(&f, blob, 0, "hello");
    seal(&f, blob, 5);
    pk_autoclose int fd = get_fd(&f, blob, PK_ACCESS_READ);
    char *map = mmap(NULL, 5, PROT_READ, MAP_SHARED, fd, 0);
    ck_assert_ptr_ne(map, MAP_FAILED);
    discard(&f, blob);
    fixture_close(&f);
    assert_content(fd, "hello");
    ck_assert_int_eq(memcmp(map, "hello", 5), 0);
    ck_assert_int_eq(munmap(map, 5), 0);
}
END_TEST

/* ---- the whole ---- */

START_TEST(no_descriptor_is_left_behind)
{
    struct fixture f;
    void *blobs[40];
    int before = fake_open_descriptors();
    fixture_open(&f);
    ck_assert_int_eq(fake_open_descriptors(), before);
    for (size_t i = 0; i < 40; i++)
        blobs[i] = create(&f, i % 3 == 0 ? PK_UNSIZED : i);
    ck_assert_int_eq(fake_open_descriptors(), before + 40);
    for (size_t i = 0; i < 40; i += 2)
        seal(&f, blobs[i], PK_UNSIZED);
    ck_assert_int_eq(f.ops->seal(blobs[1], 77, &f.err), -EINVAL);
    for (size_t i = 0; i < 20; i++)
        f.ops->free(blobs[i]);
    for (size_t i = 20; i < 40; i++)
        discard(&f, blobs[i]);
    ck_assert_int_eq(fake_open_descriptors(), before);
    fixture_close(&f);
}
END_TEST

static void
pick_stat(void *arg, const struct pk_stat *stat)
{
    uint64_t *values = arg;
    ck_assert_uint_eq(stat->kind, PK_STAT_GAUGE);
    values[strcmp(stat->name, "bytes") == 0] = stat->value;
}

static void
assert_stats(struct fixture *f, uint64_t blobs, uint64_t bytes)
{
    uint64_t values[2] = { 77, 77 };
    f->ops->stats(f->memfd, pick_stat, values);
    ck_assert_uint_eq(values[0], blobs);
    ck_assert_uint_eq(values[1], bytes);
}

START_TEST(stats_count_what_this_instance_holds)
{
    struct fixture f;
    struct fixture other;
    fixture_open(&f);
    fixture_open(&other);
    void *sized = create(&f, 1000);
    void *unsized = create(&f, PK_UNSIZED);
    put(&f, unsized, 0, "hello");
    assert_stats(&f, 2, 1000);
    seal(&f, unsized, PK_UNSIZED);
    seal(&f, unsized, 5);
    assert_stats(&f, 2, 1005);
    assert_stats(&other, 0, 0);
    discard(&f, sized);
    assert_stats(&f, 1, 5);
    f.ops->free(unsized);
    assert_stats(&f, 0, 0);
    fixture_close(&f);
    fixture_close(&other);
}
END_TEST

START_TEST(only_what_is_large_or_seals_may_block)
{
    struct fixture f;
    fixture_open(&f);
    const uint64_t large = UINT64_C(1) << 20;
    const uint32_t by_size[] = { PK_BLOB_CREATE, PK_BLOB_READ, PK_BLOB_WRITE, PK_BLOB_FREE,
                                 PK_BLOB_REMOVE };
    for (size_t i = 0; i < sizeof(by_size) / sizeof(by_size[0]); i++) {
        ck_assert_uint_eq(f.ops->may_block(f.memfd, by_size[i], 0), 0);
        ck_assert_uint_eq(f.ops->may_block(f.memfd, by_size[i], large - 1), 0);
        ck_assert_uint_eq(f.ops->may_block(f.memfd, by_size[i], large), 1);
    }
    ck_assert_uint_eq(f.ops->may_block(f.memfd, PK_BLOB_CREATE, PK_UNSIZED), 0);
    ck_assert_uint_eq(f.ops->may_block(f.memfd, PK_BLOB_SEAL, 1), 1);
    ck_assert_uint_eq(f.ops->may_block(f.memfd, PK_BLOB_ADOPT, 16 * large), 0);
    ck_assert_uint_eq(f.ops->may_block(f.memfd, PK_BLOB_ADOPT, 64 * large), 1);
    ck_assert_uint_eq(f.ops->may_block(f.memfd, PK_BLOB_HANDLE, large), 0);
    ck_assert_uint_eq(f.ops->may_block(f.memfd, PK_BLOB_SIZE, large), 0);
    fixture_close(&f);
}
END_TEST

/* ---- threads ---- */

struct worker {
    struct fixture *f;
    void *shared; /* a sealed blob, read by all */
    uint32_t failures;
};

/* One blob through its life, and a look at the shared one. Checks by counting: an assertion would
 * end the thread alone. */
static void
worker_round(struct worker *w)
{
    const struct pk_blob_ops *ops = w->f->ops;
    const struct pk_key key = { "name", 1 };
    struct pk_error err = PK_ERROR_INIT;
    struct pk_handle handle = { .fd = -1 };
    void *blob = NULL;
    char got[5] = { 0 };
    uint64_t size = 0;
    w->failures += ops->create(w->f->memfd, &key, 0, 5, &blob, &err) != 0;
    if (blob == NULL)
        return;
    w->failures += ops->write(blob, 0, "hello", 5, &err) != 0;
    w->failures += ops->seal(blob, 5, &err) != 0;
    w->failures += ops->remove(blob, &err) != 0;
    w->failures += ops->handle(w->shared, PK_ACCESS_READ, keep_handle, &handle, &err) != 0;
    w->failures += ops->read(w->shared, 0, got, 5, &size, &err) != 0;
    w->failures += size != 5 || memcmp(got, "hello", 5) != 0;
    w->failures += handle.fd < 0 || close(handle.fd) != 0;
}

static void *
worker_main(void *arg)
{
    for (int i = 0; i < ROUNDS; i++)
        worker_round(arg);
    return NULL;
}

START_TEST(threads_share_a_factory_and_a_sealed_blob)
{
    struct fixture f;
    struct worker workers[THREADS];
    pthread_t threads[THREADS];
    fixture_open(&f);
    int before = fake_open_descriptors();
    void *shared = create(&f, 5);
    put(&f, shared, 0, "hello");
    seal(&f, shared, 5);
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){ .f = &f, .shared = shared };
        ck_assert_int_eq(pthread_create(&threads[i], NULL, worker_main, &workers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
        ck_assert_uint_eq(workers[i].failures, 0);
    }
    assert_stats(&f, 1, 5);
    discard(&f, shared);
    ck_assert_int_eq(fake_open_descriptors(), before);
    fixture_close(&f);
}
END_TEST

static Suite *
blob_memfd_suite(void)
{
    Suite *suite = suite_create("blob_memfd");
    TCase *tcase = tcase_create("slots");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, a_sized_blob_has_all_its_memory_and_never_grows);
    tcase_add_test(tcase, an_empty_blob_is_one);
    tcase_add_test(tcase, an_unsized_blob_grows_as_it_is_written);
    tcase_add_test(tcase, the_name_of_a_memfd_tells_nothing);
    tcase_add_test(tcase, bytes_are_read_as_they_were_written);
    tcase_add_test(tcase, each_handle_is_an_open_file_description_of_its_own);
    tcase_add_test(tcase, a_handle_to_read_is_of_a_sealed_blob);
    tcase_add_test(tcase, what_is_open_outlives_blob_and_factory);
    tcase_add_test(tcase, no_descriptor_is_left_behind);
    tcase_add_test(tcase, stats_count_what_this_instance_holds);
    tcase_add_test(tcase, only_what_is_large_or_seals_may_block);
    tcase_add_test(tcase, threads_share_a_factory_and_a_sealed_blob);
    suite_add_tcase(suite, tcase);
    return suite;
}

int
main(void)
{
    SRunner *runner = srunner_create(blob_memfd_suite());
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
