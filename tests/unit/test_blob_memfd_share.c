/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Readers of one description: what they share, what they can do to each other, and that it is
 * nothing to one who maps and reads at offsets.
 */
#include "blob_memfd_fixture.h"
#include "suite.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/file.h>
#include <sys/mman.h>

#define THREADS 4

static struct fixture f;

static void
open_fixture(void)
{
    fixture_open(&f);
}

static void
close_fixture(void)
{
    fixture_close(&f);
}

static struct pk_handle
share_handle(void *blob)
{
    struct pk_handle handle = { .fd = -1 };
    ck_assert_int_eq(f.ops->share(blob, keep_handle, &handle, &f.err), 0);
    ck_assert_uint_eq(handle.kind, PK_HANDLE_FD);
    ck_assert_int_eq(fcntl(handle.fd, F_GETFD), FD_CLOEXEC);
    ck_assert_int_eq(fcntl(handle.fd, F_GETFL) & O_ACCMODE, O_RDONLY);
    ck_assert_int_eq(fcntl(handle.fd, F_GET_SEALS) & ALL_SEALS, ALL_SEALS);
    return handle;
}

static int
share(void *blob)
{
    struct pk_handle handle = share_handle(blob);
    ck_assert_uint_eq(handle.flags, PK_HANDLE_SHARED);
    return handle.fd;
}

static bool
same_description(int one, int other)
{
    off_t before = lseek(other, 0, SEEK_CUR);
    ck_assert_int_eq(lseek(one, before + 3, SEEK_SET), before + 3);
    bool same = lseek(other, 0, SEEK_CUR) == before + 3;
    ck_assert_int_eq(lseek(one, before, SEEK_SET), before);
    return same;
}

/* The ways in which a blob comes to be. */

static void *
made_by_the_node(void)
{
    const struct pk_key key = { "id", 1 };
    void *blob = NULL;
    ck_assert_int_eq(f.ops->put(f.memfd, &key, 0, "hello", 5, &blob, &f.err), 0);
    return blob;
}

static void *
made_by_a_client(void)
{
    void *blob = create(&f, 5);
    put(&f, blob, 0, "hello");
    seal(&f, blob, 5);
    return blob;
}

/* *ret_fd: its maker's. */
static void *
taken_over(int *ret_fd)
{
    const struct pk_key key = { "id", 1 };
    void *blob = NULL;
    *ret_fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    ck_assert_int_eq(write(*ret_fd, "hello", 5), 5);
    ck_assert_int_eq(fcntl(*ret_fd, F_ADD_SEALS, ALL_SEALS), 0);
    const struct pk_handle handle = { .struct_size = sizeof(handle),
                                      .kind = PK_HANDLE_FD,
                                      .fd = fcntl(*ret_fd, F_DUPFD_CLOEXEC, 0),
                                      .size = 5 };
    ck_assert_int_eq(f.ops->adopt(f.memfd, &key, 0, &handle, &blob, &f.err), 0);
    return blob;
}

START_TEST(readers_share_a_description_that_nobody_ever_wrote_through)
{
    for (int way = 0; way < 3; way++) {
        int maker = -1;
        void *blob = way == 0   ? made_by_the_node()
                     : way == 1 ? made_by_a_client()
                                : taken_over(&maker);
        int before = get_fd(&f, blob, PK_ACCESS_READ);
        int first = share(blob);
        int second = share(blob);
        int after = get_fd(&f, blob, PK_ACCESS_READ);
        ck_assert(same_description(first, second));
        ck_assert(!same_description(first, before));
        ck_assert(!same_description(first, after));
        ck_assert(!same_description(before, after));
        ck_assert(maker < 0 || !same_description(first, maker));
        ck_assert_int_eq(fcntl(after, F_GETFL) & O_NONBLOCK, 0);
        discard(&f, blob);
        assert_content(first, "hello");
        assert_content(second, "hello");
        const int all[] = { before, first, second, after };
        for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
            ck_assert_int_eq(close(all[i]), 0);
        if (maker >= 0)
            ck_assert_int_eq(close(maker), 0);
    }
}
END_TEST

START_TEST(sharing_takes_no_descriptor_more_than_not_sharing)
{
    void *blob = made_by_a_client();
    int next = dup(0); /* the lowest that is free */
    ck_assert_int_eq(close(next), 0);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(close(share(blob)), 0);
    int again = dup(0);
    ck_assert_int_eq(again, next);
    ck_assert_int_eq(close(again), 0);
    discard(&f, blob);
}
END_TEST

START_TEST(blob_that_is_not_sealed_is_not_shared)
{
    struct pk_handle handle = { .fd = -1 };
    void *blob = create(&f, 5);
    ck_assert_int_eq(f.ops->share(blob, keep_handle, &handle, &f.err), -EINVAL);
    ck_assert_int_eq(handle.fd, -1);
    discard(&f, blob);
}
END_TEST

static void
ask_for_a_lock(int fd, short type)
{
    struct flock lock = { .l_type = type, .l_whence = SEEK_SET };
    (void)fcntl(fd, F_OFD_SETLK, &lock);
}

/* All that is a description's own, and anybody's who has it. */
START_TEST(nothing_done_to_the_description_changes_what_is_mapped_or_read_at_offsets)
{
    void *blob = made_by_a_client();
    int mine = share(blob);
    int others = share(blob);
    ck_assert_ptr_ne(signal(SIGIO, SIG_IGN), SIG_ERR);
    const char *map = mmap(NULL, 5, PROT_READ, MAP_SHARED, mine, 0);
    ck_assert_ptr_ne(map, MAP_FAILED);
    ck_assert_int_eq(lseek(others, 1000, SEEK_SET), 1000);
    (void)fcntl(others, F_SETFL, O_NONBLOCK | O_APPEND | O_NOATIME | O_ASYNC);
    assert_content(mine, "hello");
    (void)fcntl(others, F_SETFL, O_DIRECT | O_NONBLOCK); /* where the kernel lets it */
    assert_content(mine, "hello");
    ck_assert_int_eq(flock(others, LOCK_EX | LOCK_NB), 0);
    ask_for_a_lock(others, F_RDLCK);
    (void)fcntl(others, F_SETOWN, getpid());
    (void)fcntl(others, F_SETLEASE, F_WRLCK);
    (void)posix_fadvise(others, 0, 0, POSIX_FADV_DONTNEED);
    ck_assert_int_eq(fcntl(others, F_ADD_SEALS, F_SEAL_WRITE), -1);
    ck_assert_int_eq(write(others, "x", 1), -1);
    assert_content(mine, "hello");
    ck_assert_mem_eq(map, "hello", 5);
    const char *late = mmap(NULL, 5, PROT_READ, MAP_SHARED, mine, 0);
    ck_assert_ptr_ne(late, MAP_FAILED);
    ck_assert_mem_eq(late, "hello", 5);
    char read[8] = "";
    uint64_t size = 0;
    ck_assert_int_eq(f.ops->read(blob, 0, read, sizeof(read), &size, &f.err), 0);
    ck_assert_uint_eq(size, 5);
    ck_assert_mem_eq(f.ops->bytes(blob), "hello", 5);
    ck_assert_int_eq(munmap((void *)(uintptr_t)map, 5), 0);
    ck_assert_int_eq(munmap((void *)(uintptr_t)late, 5), 0);
    ck_assert_int_eq(close(mine), 0);
    ck_assert_int_eq(close(others), 0);
    discard(&f, blob);
}
END_TEST

/* Who shares the only description can lease the file; who wants one of its own must not wait. */
START_TEST(lease_on_a_shared_description_holds_nobody_up)
{
    int maker = -1;
    struct pk_handle handle = { .fd = -1 };
    void *blob = taken_over(&maker);
    ck_assert_int_eq(close(maker), 0);
    ck_assert_ptr_ne(signal(SIGIO, SIG_IGN), SIG_ERR);
    int leased = share(blob);
    ck_assert_int_eq(fcntl(leased, F_SETLEASE, F_WRLCK), 0);
    ck_assert_int_eq(f.ops->handle(blob, PK_ACCESS_READ, keep_handle, &handle, &f.err), -EBUSY);
    ck_assert_int_eq(handle.fd, -1);
    int other = share(blob);
    assert_content(other, "hello");
    ck_assert_int_eq(fcntl(leased, F_SETLEASE, F_UNLCK), 0);
    ck_assert_int_eq(close(get_fd(&f, blob, PK_ACCESS_READ)), 0);
    ck_assert_int_eq(close(leased), 0);
    ck_assert_int_eq(close(other), 0);
    discard(&f, blob);
}
END_TEST

static void *
share_along(void *blob)
{
    for (int i = 0; i < 50; i++) {
        int shared = share(blob);
        int own = get_fd(&f, blob, PK_ACCESS_READ);
        char read[8];
        uint64_t size = 0;
        assert_content(shared, "hello");
        assert_content(own, "hello");
        ck_assert_int_eq(f.ops->read(blob, 0, read, sizeof(read), &size, &f.err), 0);
        ck_assert_uint_eq(size, 5);
        ck_assert_mem_eq(f.ops->bytes(blob), "hello", 5);
        ck_assert_int_eq(close(shared), 0);
        ck_assert_int_eq(close(own), 0);
    }
    return NULL;
}

START_TEST(several_can_be_the_first_to_share)
{
    for (int round = 0; round < 20; round++) {
        pthread_t threads[THREADS];
        void *blob = round % 2 == 0 ? made_by_the_node() : made_by_a_client();
        for (int i = 0; i < THREADS; i++)
            ck_assert_int_eq(pthread_create(&threads[i], NULL, share_along, blob), 0);
        for (int i = 0; i < THREADS; i++)
            ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
        discard(&f, blob);
    }
}
END_TEST

int
main(void)
{
    const TTest *const cases[] = {
        readers_share_a_description_that_nobody_ever_wrote_through,
        sharing_takes_no_descriptor_more_than_not_sharing,
        blob_that_is_not_sealed_is_not_shared,
        nothing_done_to_the_description_changes_what_is_mapped_or_read_at_offsets,
        lease_on_a_shared_description_holds_nobody_up,
        several_can_be_the_first_to_share,
    };
    return SUITE_RUN_BETWEEN("blob_memfd_share", cases, open_fixture, close_fixture);
}
