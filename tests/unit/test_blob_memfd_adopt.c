/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blob_memfd and files that others made: what it takes over, what it refuses, and what their makers
 * may still try.
 */
#include "blob_memfd_fixture.h"
#include "suite.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define PAGE 4096U

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

static int
make_file(const char *text)
{
    int fd = memfd_create("client", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(pwrite(fd, text, strlen(text), 0), (ssize_t)strlen(text));
    return fd;
}

static int
sealed_file(const char *text)
{
    int fd = make_file(text);
    ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, ALL_SEALS), 0);
    return fd;
}

static int
reopen(int fd)
{
    char path[64];
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    int opened = open(path, O_RDONLY | O_CLOEXEC);
    ck_assert_int_ge(opened, 0);
    return opened;
}

/* The descriptor is gone, whatever becomes of it. */
static int32_t
adopt(int fd, uint64_t size, void **ret_blob)
{
    const struct pk_key key = { "id", 1 };
    const struct pk_handle handle = {
        .struct_size = sizeof(handle), .kind = PK_HANDLE_FD, .fd = fd, .size = size
    };
    int32_t rc = f.ops->adopt(f.memfd, &key, 0, &handle, ret_blob, &f.err);
    if (fd >= 0)
        ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
    return rc;
}

static void
refused(int fd, uint64_t size, int32_t status, const char *word)
{
    void *blob = NULL;
    ck_assert_int_eq(adopt(fd, size, &blob), status);
    ck_assert_ptr_null(blob);
    ck_assert_msg(strstr(f.err.message, word) != NULL, "'%s' in '%s'", word, f.err.message);
}

START_TEST(sealed_file_is_taken_over_without_a_copy)
{
    struct stat given;
    struct stat got;
    void *blob = NULL;
    int fd = sealed_file("hello");
    ck_assert_int_eq(fstat(fd, &given), 0);
    ck_assert_int_eq(adopt(fd, 5, &blob), 0);
    ck_assert_int_eq(fake_open_descriptors(), descriptors + 1);
    ck_assert_uint_eq(size_of(&f, blob), 5);
    ck_assert_mem_eq(f.ops->bytes(blob), "hello", 5);
    ck_assert_int_eq(f.ops->write(blob, 0, "x", 1, &f.err), -EACCES);
    seal(&f, blob, 5);
    fd = get_fd(&f, blob, PK_ACCESS_READ);
    assert_content(fd, "hello");
    ck_assert_int_eq(fstat(fd, &got), 0);
    ck_assert_uint_eq(got.st_ino, given.st_ino);
    ck_assert_int_eq(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
    ck_assert_int_eq(close(fd), 0);
    discard(&f, blob);
}
END_TEST

START_TEST(empty_file_is_one)
{
    void *blob = NULL;
    ck_assert_int_eq(adopt(sealed_file(""), 0, &blob), 0);
    ck_assert_uint_eq(size_of(&f, blob), 0);
    discard(&f, blob);
}
END_TEST

START_TEST(file_that_can_still_change_is_refused)
{
    static const int seals[] = { F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_WRITE };
    refused(make_file("hello"), 5, -EINVAL, "F_SEAL_WRITE");
    for (size_t i = 0; i < sizeof(seals) / sizeof(seals[0]); i++) {
        int fd = make_file("hello");
        ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, ALL_SEALS & ~seals[i]), 0);
        refused(fd, 5, -EINVAL, "F_SEAL_WRITE");
    }
    int fd = make_file("hello");
    ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL | 0x10), 0);
    refused(fd, 5, -EINVAL, "F_SEAL_WRITE"); /* FUTURE_WRITE: maps that are there go on */
}
END_TEST

START_TEST(what_is_no_memory_file_is_refused)
{
    int ends[2];
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    refused(ends[0], 5, -EINVAL, "memfd");
    ck_assert_int_eq(close(ends[1]), 0);
    refused(open("/dev/null", O_RDONLY | O_CLOEXEC), 0, -EINVAL, "memfd");
    refused(open("/proc/self/exe", O_RDONLY | O_CLOEXEC), 5, -EINVAL, "memfd");
    refused(open("/", O_PATH | O_CLOEXEC), 5, -EINVAL, "memfd");
    refused(-1, 5, -EINVAL, "memfd");
}
END_TEST

START_TEST(another_size_than_was_said_is_refused)
{
    refused(sealed_file("hello"), 4, -EINVAL, "5 bytes, not 4");
    refused(sealed_file("hello"), 6, -EINVAL, "5 bytes, not 6");
    refused(sealed_file("hello"), PK_UNSIZED, -EINVAL, "5 bytes");
}
END_TEST

/* Two pages, of which only the second was written; and one behind the end, where it makes up for
 * the first in the count of blocks. */
static int
holed_file(bool disguised)
{
    int fd = memfd_create("client", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    ck_assert_int_eq(ftruncate(fd, 2 * (off_t)PAGE), 0);
    ck_assert_int_eq(pwrite(fd, "x", 1, PAGE), 1);
    if (disguised)
        ck_assert_int_eq(fallocate(fd, FALLOC_FL_KEEP_SIZE, 2 * (off_t)PAGE, PAGE), 0);
    ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, ALL_SEALS), 0);
    return fd;
}

static uint64_t
blocks_of(void *blob)
{
    struct stat st;
    int fd = get_fd(&f, blob, PK_ACCESS_READ);
    ck_assert_int_eq(fstat(fd, &st), 0);
    ck_assert_int_eq(close(fd), 0);
    return (uint64_t)st.st_blocks * 512 / PAGE;
}

START_TEST(holes_are_filled)
{
    for (int disguised = 0; disguised < 2; disguised++) {
        void *blob = NULL;
        ck_assert_int_eq(adopt(holed_file(disguised != 0), 2 * (uint64_t)PAGE, &blob), 0);
        ck_assert_uint_eq(blocks_of(blob), 2 + (uint64_t)disguised);
        discard(&f, blob);
    }
}
END_TEST

START_TEST(holes_that_cannot_be_filled_are_refused)
{
    int fd = holed_file(false);
    refused(reopen(fd), 2 * (uint64_t)PAGE, -EINVAL, "holes");
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

START_TEST(huge_pages_are_refused)
{
    int fd = memfd_create("client", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB);
    if (fd < 0)
        return; /* a kernel without them */
    ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, ALL_SEALS), 0);
    refused(fd, 0, -EINVAL, "huge");
}
END_TEST

/* Whoever opens a file that is leased so waits for its owner, for most of a minute. */
START_TEST(lease_on_the_file_does_not_hold_anybody_up)
{
    void *blob = NULL;
    int made = sealed_file("hello");
    int leased = reopen(made);
    ck_assert_int_eq(close(made), 0);
    ck_assert_ptr_ne(signal(SIGIO, SIG_IGN), SIG_ERR);
    ck_assert_int_eq(fcntl(leased, F_SETLEASE, F_WRLCK), 0);
    refused(fcntl(leased, F_DUPFD_CLOEXEC, 0), 5, -EBUSY, "lease");
    ck_assert_int_eq(fcntl(leased, F_SETLEASE, F_UNLCK), 0);
    ck_assert_int_eq(adopt(fcntl(leased, F_DUPFD_CLOEXEC, 0), 5, &blob), 0);
    ck_assert_int_eq(fcntl(leased, F_SETLEASE, F_WRLCK), -1); /* while the node has it open */
    ck_assert_int_eq(close(get_fd(&f, blob, PK_ACCESS_READ)), 0);
    discard(&f, blob);
    ck_assert_int_eq(close(leased), 0);
}
END_TEST

START_TEST(position_of_the_givers_description_does_not_matter)
{
    void *blob = NULL;
    int fd = sealed_file("hello");
    ck_assert_int_eq(lseek(fd, 3, SEEK_SET), 3);
    ck_assert_int_eq(adopt(fcntl(fd, F_DUPFD_CLOEXEC, 0), 5, &blob), 0);
    ck_assert_int_eq(lseek(fd, 0, SEEK_CUR), 3);
    ck_assert_int_eq(close(fd), 0);
    int reader = get_fd(&f, blob, PK_ACCESS_READ);
    ck_assert_int_eq(lseek(reader, 0, SEEK_CUR), 0);
    ck_assert_int_eq(close(reader), 0);
    discard(&f, blob);
}
END_TEST

/* Its maker may take everybody's right to open it, and nothing from those who have it open. */
START_TEST(mode_of_the_file_takes_no_byte_from_who_has_it)
{
    void *blob = NULL;
    int fd = sealed_file("hello");
    ck_assert_int_eq(adopt(fcntl(fd, F_DUPFD_CLOEXEC, 0), 5, &blob), 0);
    int reader = get_fd(&f, blob, PK_ACCESS_READ);
    ck_assert_int_eq(fchmod(fd, 0), 0);
    assert_content(reader, "hello");
    ck_assert_mem_eq(f.ops->bytes(blob), "hello", 5);
    ck_assert_int_eq(close(reader), 0);
    ck_assert_int_eq(close(fd), 0);
    discard(&f, blob);
}
END_TEST

START_TEST(last_descriptors_are_kept_for_readers)
{
    struct rlimit limit = { 0, 0 };
    int taken[64];
    int count = 0;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = 64;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    do
        taken[count] = dup(0);
    while (taken[count++] < 60);
    refused(sealed_file("hello"), 5, -EBUSY, "descriptors");
    while (count > 0)
        ck_assert_int_eq(close(taken[--count]), 0);
}
END_TEST

START_TEST(a_large_file_that_is_refused_is_freed_by_a_worker)
{
    int fd = make_file("x");
    ck_assert_int_eq(posix_fallocate(fd, 0, 4 << 20), 0);
    const struct pk_handle handle = { sizeof(handle), PK_HANDLE_FD, .fd = fd, .size = 1 };
    const struct pk_key key = { "x", 1 };
    void *blob = NULL;
    ck_assert_int_eq(f.ops->adopt(f.memfd, &key, 0, &handle, &blob, &f.err), -EINVAL);
    ck_assert_int_eq(fake_open_descriptors(), descriptors + 1);
    fake_factory_host_fire(&f.fake);
}
END_TEST

int
main(void)
{
    const TTest *const cases[] = {
        sealed_file_is_taken_over_without_a_copy,
        empty_file_is_one,
        file_that_can_still_change_is_refused,
        what_is_no_memory_file_is_refused,
        another_size_than_was_said_is_refused,
        holes_are_filled,
        holes_that_cannot_be_filled_are_refused,
        huge_pages_are_refused,
        lease_on_the_file_does_not_hold_anybody_up,
        position_of_the_givers_description_does_not_matter,
        mode_of_the_file_takes_no_byte_from_who_has_it,
        last_descriptors_are_kept_for_readers,
        a_large_file_that_is_refused_is_freed_by_a_worker,
    };
    return SUITE_RUN_BETWEEN("blob_memfd_adopt", cases, open_fixture, close_fixture);
}
