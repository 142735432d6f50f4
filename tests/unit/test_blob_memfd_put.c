/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blob_memfd with bytes that come and go through the node: where they lie, and when a small blob
 * gets a memory file.
 */
#include "blob_memfd_fixture.h"
#include "suite.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <packice/cleanup.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define SMALL (64U * 1024U)
#define THREADS 4

static struct fixture f;
static int descriptors; /* before the test */

static void
open_fixture(void)
{
    fixture_open(&f);
    descriptors = fake_open_descriptors();
}

static void
close_fixture(void)
{
    ck_assert_int_eq(fake_open_descriptors(), descriptors);
    fixture_close(&f);
}

static int32_t
try_put(const char *data, uint64_t size, void **ret_blob)
{
    const struct pk_key key = { "id", 1 };
    return f.ops->put(f.memfd, &key, 0, data, size, ret_blob, &f.err);
}

static void *
put_text(const char *text)
{
    void *blob = NULL;
    ck_assert_int_eq(try_put(text, strlen(text), &blob), 0);
    return blob;
}

/* A blob of so many bytes, all of them x. */
static void *
put_large(uint64_t size)
{
    pk_autofree char *data = malloc(size);
    void *blob = NULL;
    ck_assert_ptr_nonnull(data);
    memset(data, 'x', size);
    ck_assert_int_eq(try_put(data, size, &blob), 0);
    return blob;
}

struct figure {
    const char *name;
    uint64_t value;
};

static void
match(void *arg, const struct pk_stat *stat)
{
    struct figure *figure = arg;
    if (strcmp(stat->name, figure->name) == 0)
        figure->value = stat->value;
}

static uint64_t
figure(const char *name)
{
    struct figure figure = { name, UINT64_MAX };
    f.ops->stats(f.memfd, match, &figure);
    return figure.value;
}

START_TEST(small_blob_is_a_file_only_once_somebody_wants_a_descriptor)
{
    void *blob = put_text("hello");
    ck_assert_int_eq(fake_open_descriptors(), descriptors);
    ck_assert_uint_eq(figure("blobs"), 1);
    ck_assert_uint_eq(figure("files"), 0);
    ck_assert_uint_eq(figure("bytes"), 5);
    const char *bytes = f.ops->bytes(blob);
    ck_assert_mem_eq(bytes, "hello", 5);
    int first = get_fd(&f, blob, PK_ACCESS_READ);
    int second = get_fd(&f, blob, PK_ACCESS_READ);
    ck_assert_int_eq(fake_open_descriptors(), descriptors + 3);
    ck_assert_uint_eq(figure("files"), 1);
    assert_content(first, "hello");
    ck_assert_int_eq(fcntl(second, F_GET_SEALS) & ALL_SEALS, ALL_SEALS);
    ck_assert_int_eq(fcntl(second, F_GETFL) & O_ACCMODE, O_RDONLY);
    ck_assert_ptr_eq(f.ops->bytes(blob), bytes);
    ck_assert_mem_eq(bytes, "hello", 5);
    discard(&f, blob);
    assert_content(second, "hello");
    ck_assert_int_eq(close(first), 0);
    ck_assert_int_eq(close(second), 0);
    ck_assert_uint_eq(figure("files"), 0);
    ck_assert_uint_eq(figure("blobs"), 0);
    ck_assert_uint_eq(figure("bytes"), 0);
}
END_TEST

START_TEST(small_blob_is_sealed_from_the_start)
{
    struct pk_handle handle = { .fd = -1 };
    void *blob = put_text("hello");
    char got[8] = "";
    uint64_t size = 0;
    ck_assert_int_eq(f.ops->write(blob, 0, "x", 1, &f.err), -EACCES);
    ck_assert_int_eq(f.ops->seal(blob, 5, &f.err), 0);
    ck_assert_int_eq(f.ops->seal(blob, PK_UNSIZED, &f.err), 0);
    ck_assert_int_eq(f.ops->seal(blob, 4, &f.err), -EINVAL);
    ck_assert_int_eq(f.ops->handle(blob, PK_ACCESS_CREATE, keep_handle, &handle, &f.err), -EINVAL);
    ck_assert_int_eq(f.ops->read(blob, 1, got, 8, &size, &f.err), 0);
    ck_assert_uint_eq(size, 4);
    ck_assert_str_eq(got, "ello");
    ck_assert_int_eq(f.ops->read(blob, UINT64_MAX, got, 8, &size, &f.err), 0);
    ck_assert_uint_eq(size, 0);
    discard(&f, blob);
}
END_TEST

START_TEST(larger_blob_is_a_file_at_once)
{
    void *blob = put_large(SMALL + 1);
    ck_assert_uint_eq(figure("files"), 1);
    const char *bytes = f.ops->bytes(blob);
    ck_assert_ptr_nonnull(bytes);
    ck_assert(bytes[0] == 'x' && bytes[SMALL] == 'x');
    ck_assert_ptr_eq(f.ops->bytes(blob), bytes);
    int fd = get_fd(&f, blob, PK_ACCESS_READ);
    ck_assert_int_eq(fcntl(fd, F_GET_SEALS) & ALL_SEALS, ALL_SEALS);
    ck_assert_int_eq(close(fd), 0);
    discard(&f, blob);
    blob = put_large(SMALL);
    ck_assert_uint_eq(figure("files"), 0);
    discard(&f, blob);
}
END_TEST

START_TEST(what_is_large_or_may_have_holes_is_not_mapped)
{
    void *blob = put_large((1U << 20) + 1);
    ck_assert_ptr_null(f.ops->bytes(blob));
    discard(&f, blob);
    blob = create(&f, PK_UNSIZED);
    put(&f, blob, 100000, "end");
    seal(&f, blob, PK_UNSIZED);
    ck_assert_ptr_null(f.ops->bytes(blob));
    discard(&f, blob);
    blob = create(&f, 5);
    put(&f, blob, 0, "hello");
    seal(&f, blob, 5);
    ck_assert_mem_eq(f.ops->bytes(blob), "hello", 5);
    discard(&f, blob);
}
END_TEST

START_TEST(no_descriptors_leave_a_small_blob_as_it_was)
{
    struct rlimit limit = { 0, 0 };
    struct pk_handle handle = { .fd = -1 };
    void *blob = put_text("hello");
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = 0;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    ck_assert_int_eq(f.ops->handle(blob, PK_ACCESS_READ, keep_handle, &handle, &f.err), -EBUSY);
    void *other = put_text("other");
    ck_assert_mem_eq(f.ops->bytes(other), "other", 5);
    limit.rlim_cur = before;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    int fd = get_fd(&f, blob, PK_ACCESS_READ);
    assert_content(fd, "hello");
    ck_assert_int_eq(close(fd), 0);
    discard(&f, blob);
    discard(&f, other);
}
END_TEST

START_TEST(readers_get_their_descriptor_where_none_can_be_kept)
{
    struct rlimit limit = { 0, 0 };
    void *blob = put_text("hello");
    int taken[64];
    int count = 0;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = 64;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    do
        taken[count] = dup(0);
    while (taken[count++] < 60);
    for (int i = 0; i < 10; i++) {
        int fd = get_fd(&f, blob, PK_ACCESS_READ);
        assert_content(fd, "hello");
        ck_assert_int_eq(fcntl(fd, F_GET_SEALS) & ALL_SEALS, ALL_SEALS);
        ck_assert_int_eq(close(fd), 0);
    }
    ck_assert_uint_eq(figure("files"), 0);
    while (count > 0)
        ck_assert_int_eq(close(taken[--count]), 0);
    discard(&f, blob);
}
END_TEST

static void *
read_along(void *blob)
{
    for (int i = 0; i < 50; i++) {
        int fd = get_fd(&f, blob, PK_ACCESS_READ);
        assert_content(fd, "hello");
        ck_assert_mem_eq(f.ops->bytes(blob), "hello", 5);
        ck_assert_int_eq(close(fd), 0);
    }
    return NULL;
}

static void
read_on_several_threads(void *blob)
{
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, read_along, blob), 0);
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    ck_assert_uint_eq(figure("files"), 1);
    discard(&f, blob);
}

START_TEST(several_readers_at_once_share_one_file)
{
    for (int i = 0; i < 20; i++)
        read_on_several_threads(put_text("hello"));
    void *blob = create(&f, 5);
    put(&f, blob, 0, "hello");
    seal(&f, blob, 5);
    read_on_several_threads(blob);
}
END_TEST

/* From here on, no memory file is made. */
static void
refuse_files(int error)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_memfd_create, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { sizeof(code) / sizeof(code[0]), code };
    ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

START_TEST(put_makes_no_system_call_for_a_small_blob)
{
    static char large[SMALL + 1];
    struct pk_handle handle = { .fd = -1 };
    void *blob = NULL;
    refuse_files(ENOMEM);
    ck_assert_int_eq(try_put(large, sizeof(large), &blob), -ENOSPC);
    ck_assert_ptr_null(blob);
    ck_assert_uint_eq(figure("blobs"), 0);
    blob = put_text("hello");
    ck_assert_int_eq(f.ops->handle(blob, PK_ACCESS_READ, keep_handle, &handle, &f.err), -ENOSPC);
    ck_assert_mem_eq(f.ops->bytes(blob), "hello", 5);
    discard(&f, blob);
}
END_TEST

int
main(void)
{
    const TTest *const cases[] = {
        small_blob_is_a_file_only_once_somebody_wants_a_descriptor,
        small_blob_is_sealed_from_the_start,
        larger_blob_is_a_file_at_once,
        what_is_large_or_may_have_holes_is_not_mapped,
        no_descriptors_leave_a_small_blob_as_it_was,
        readers_get_their_descriptor_where_none_can_be_kept,
        several_readers_at_once_share_one_file,
        put_makes_no_system_call_for_a_small_blob,
    };
    return SUITE_RUN_BETWEEN("blob_memfd_put", cases, open_fixture, close_fixture);
}
