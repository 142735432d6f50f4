/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sealed means sealed: every way that we know to change a byte or the size of a memfd, through the
 * creator's descriptor, a reader's, and both opened anew; and what writers can do to spoil a seal.
 */
#include "blob_memfd_fixture.h"

#include <errno.h>
#include <packice/cleanup.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <sys/wait.h>

#define SIZE 8192

static int
reopen(int fd, int access)
{
    char path[64];
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return open(path, access | O_CLOEXEC);
}

static void
assert_untouched(int fd)
{
    char got[SIZE + 1];
    ck_assert_int_eq(pread(fd, got, sizeof(got), 0), SIZE);
    for (size_t i = 0; i < SIZE; i++)
        ck_assert_int_eq(got[i], 'a');
    ck_assert_int_eq(fcntl(fd, F_GET_SEALS) & ALL_SEALS, ALL_SEALS);
}

/* ---- every way to write: each returns whether it was refused ---- */

static int
by_write(int fd)
{
    return lseek(fd, 0, SEEK_SET) == 0 && write(fd, "x", 1) < 0;
}

static int
by_append(int fd)
{
    return lseek(fd, 0, SEEK_END) == SIZE && write(fd, "x", 1) < 0;
}

static int
by_pwrite(int fd)
{
    return pwrite(fd, "x", 1, 1) < 0;
}

static int
by_pwritev(int fd)
{
    struct iovec part = { (char[]){ "x" }, 1 };
    return pwritev(fd, &part, 1, 1) < 0 && pwritev2(fd, &part, 1, 1, RWF_APPEND) < 0;
}

static int
by_sendfile(int fd)
{
    pk_autoclose int source = memfd_create("source", MFD_CLOEXEC);
    off_t start = 0;
    return pwrite(source, "x", 1, 0) == 1 && sendfile(fd, source, &start, 1) < 0;
}

static int
by_copy_file_range(int fd)
{
    pk_autoclose int source = memfd_create("source", MFD_CLOEXEC);
    off_t from = 0;
    off_t to = 0;
    return pwrite(source, "x", 1, 0) == 1 && copy_file_range(source, &from, fd, &to, 1, 0) < 0;
}

static int
by_splice(int fd)
{
    int ends[2];
    loff_t to = 0;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return 0;
    int refused = write(ends[1], "x", 1) == 1 && splice(ends[0], NULL, fd, &to, 1, 0) < 0;
    return close(ends[0]) == 0 && close(ends[1]) == 0 && refused;
}

static int
by_shared_map(int fd)
{
    return mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED
           && mmap(NULL, SIZE, PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED;
}

/* What a read-only map might be turned into. */
static int
by_read_only_map(int fd)
{
    char *map = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        return 0;
    int refused = mprotect(map, SIZE, PROT_READ | PROT_WRITE) < 0;
    refused &= madvise(map, SIZE, MADV_REMOVE) < 0;
    char *grown = mremap(map, SIZE, 2 * (size_t)SIZE, MREMAP_MAYMOVE);
    if (grown != MAP_FAILED) { /* more addresses, not more file */
        map = grown;
        refused &= mprotect(map, SIZE, PROT_READ | PROT_WRITE) < 0;
    }
    return munmap(map, grown != MAP_FAILED ? 2 * (size_t)SIZE : SIZE) == 0 && refused;
}

/* The kernel's own door into another process's memory, here into a read-only map of this one. */
static int
by_proc_mem(int fd)
{
    char *map = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);
    pk_autoclose int mem = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
    if (map == MAP_FAILED || mem < 0)
        return 0;
    int refused = pwrite(mem, "x", 1, (off_t)(uintptr_t)map) < 0;
    struct iovec from = { (char[]){ "x" }, 1 };
    struct iovec to = { map, 1 };
    refused &= process_vm_writev(getpid(), &from, 1, &to, 1, 0) < 0;
    return munmap(map, SIZE) == 0 && refused;
}

static int
by_ftruncate(int fd)
{
    return ftruncate(fd, 0) < 0 && ftruncate(fd, SIZE - 1) < 0 && ftruncate(fd, SIZE + 1) < 0;
}

static int
by_truncating_open(int fd)
{
    pk_autoclose int opened = reopen(fd, O_RDWR | O_TRUNC);
    return opened < 0;
}

static int
by_fallocate(int fd)
{
    static const int modes[] = {
        FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
        FALLOC_FL_ZERO_RANGE,
        FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
        FALLOC_FL_COLLAPSE_RANGE,
        FALLOC_FL_INSERT_RANGE,
    };
    int refused = fallocate(fd, 0, 0, SIZE * 2) < 0;
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
        refused &= fallocate(fd, modes[i], 0, 4096) < 0;
    return refused;
}

static int
by_other_seals(int fd)
{
    return fcntl(fd, F_ADD_SEALS, 0) < 0 && fcntl(fd, F_ADD_SEALS, 0x10 /* FUTURE_WRITE */) < 0;
}

static int
by_flags(int fd)
{
    /* O_APPEND and O_DIRECT may be set on anybody's own description: writes stay refused. */
    if (fcntl(fd, F_SETFL, O_APPEND) != 0)
        return 0;
    int refused = write(fd, "x", 1) < 0;
    return fcntl(fd, F_SETFL, 0) == 0 && refused;
}

static const struct {
    const char *name;
    int (*refused)(int fd);
} ways[] = {
    { "write", by_write },
    { "append", by_append },
    { "pwrite", by_pwrite },
    { "pwritev", by_pwritev },
    { "sendfile", by_sendfile },
    { "copy_file_range", by_copy_file_range },
    { "splice", by_splice },
    { "shared map", by_shared_map },
    { "read-only map", by_read_only_map },
    { "proc mem", by_proc_mem },
    { "ftruncate", by_ftruncate },
    { "truncating open", by_truncating_open },
    { "fallocate", by_fallocate },
    { "other seals", by_other_seals },
    { "flags", by_flags },
};

static void
try_all(int fd, const char *who)
{
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        ck_assert_msg(ways[i].refused(fd), "%s was not refused to the %s", ways[i].name, who);
        assert_untouched(fd);
    }
}

static void *
create_full(struct fixture *f, uint64_t size)
{
    char bytes[SIZE];
    memset(bytes, 'a', SIZE);
    void *blob = create(f, size);
    ck_assert_int_eq(f->ops->write(blob, 0, bytes, SIZE, &f->err), 0);
    return blob;
}

START_TEST(every_way_to_write_is_refused)
{
    struct fixture f;
    fixture_open(&f);
    void *blob = create_full(&f, _i == 0 ? SIZE : PK_UNSIZED);
    pk_autoclose int creator = get_fd(&f, blob, PK_ACCESS_CREATE);
    seal(&f, blob, PK_UNSIZED);
    pk_autoclose int reader = get_fd(&f, blob, PK_ACCESS_READ);
    pk_autoclose int creator_again = reopen(creator, O_RDWR);
    pk_autoclose int reader_again = reopen(reader, O_RDWR);
    pk_autoclose int write_only = reopen(reader, O_WRONLY);
    try_all(creator, "creator");
    try_all(reader, "reader");
    ck_assert_int_ge(creator_again, 0);
    try_all(creator_again, "creator who opened it anew");
    ck_assert_int_ge(reader_again, 0);
    try_all(reader_again, "reader who opened it anew");
    ck_assert_int_ge(write_only, 0);
    ck_assert(by_write(write_only) && by_pwrite(write_only) && by_ftruncate(write_only));
    assert_untouched(reader);
    ck_assert_int_eq(f.ops->write(blob, 0, "x", 1, &f.err), -EACCES);
    assert_untouched(reader);
    discard(&f, blob);
    fixture_close(&f);
}
END_TEST

START_TEST(a_private_copy_is_allowed_and_private)
{
    struct fixture f;
    fixture_open(&f);
    void *blob = create_full(&f, SIZE);
    seal(&f, blob, SIZE);
    pk_autoclose int fd = get_fd(&f, blob, PK_ACCESS_READ);
    char *map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    ck_assert_ptr_ne(map, MAP_FAILED);
    map[0] = 'x';
    assert_untouched(fd);
    ck_assert_int_eq(munmap(map, SIZE), 0);
    discard(&f, blob);
    fixture_close(&f);
}
END_TEST

/* ---- what stands in the way of a seal ---- */

START_TEST(a_live_writable_map_is_busy_until_it_is_gone)
{
    struct fixture f;
    fixture_open(&f);
    void *blob = create_full(&f, _i == 0 ? SIZE : PK_UNSIZED);
    int fd = get_fd(&f, blob, PK_ACCESS_CREATE);
    char *map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ck_assert_ptr_ne(map, MAP_FAILED);
    int seals = fcntl(fd, F_GET_SEALS);
    ck_assert_int_eq(f.ops->seal(blob, SIZE, &f.err), -EBUSY);
    ck_assert_int_eq(fcntl(fd, F_GET_SEALS), seals);
    map[1] = 'b';
    put(&f, blob, 1, "a");
    struct pk_handle handle = { .fd = -1 };
    ck_assert_int_eq(f.ops->handle(blob, PK_ACCESS_READ, keep_handle, &handle, &f.err), -EINVAL);
    ck_assert_int_eq(munmap(map, SIZE), 0);
    seal(&f, blob, SIZE);
    assert_untouched(fd);
    ck_assert_int_eq(close(fd), 0);
    discard(&f, blob);
    fixture_close(&f);
}
END_TEST

START_TEST(the_map_of_a_process_goes_with_it)
{
    struct fixture f;
    int ready[2];
    char byte;
    fixture_open(&f);
    void *blob = create_full(&f, SIZE);
    int fd = get_fd(&f, blob, PK_ACCESS_CREATE);
    ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        void *map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (map == MAP_FAILED || write(ready[1], "x", 1) != 1)
            _exit(1);
        for (;;)
            (void)pause();
    }
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    ck_assert_int_eq(f.ops->seal(blob, SIZE, &f.err), -EBUSY);
    ck_assert_int_eq(kill(child, SIGKILL), 0);
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
    seal(&f, blob, SIZE);
    assert_untouched(fd);
    ck_assert_int_eq(close(fd), 0);
    ck_assert_int_eq(close(ready[0]), 0);
    ck_assert_int_eq(close(ready[1]), 0);
    discard(&f, blob);
    fixture_close(&f);
}
END_TEST

/* A page lent to a pipe can still be changed by what reads from it: the kernel won't seal it. */
START_TEST(a_pinned_page_is_busy_until_it_is_given_back)
{
    struct fixture f;
    int ends[2];
    char byte[1];
    fixture_open(&f);
    void *blob = create_full(&f, SIZE);
    int fd = get_fd(&f, blob, PK_ACCESS_CREATE);
    char *map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ck_assert_ptr_ne(map, MAP_FAILED);
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    struct iovec part = { map, 1 };
    ck_assert_int_eq(vmsplice(ends[1], &part, 1, 0), 1);
    ck_assert_int_eq(munmap(map, SIZE), 0);
    ck_assert_int_eq(f.ops->seal(blob, SIZE, &f.err), -EBUSY);
    ck_assert_int_eq(fcntl(fd, F_GET_SEALS) & F_SEAL_WRITE, 0);
    ck_assert_int_eq(read(ends[0], byte, 1), 1);
    ck_assert_int_eq(close(ends[0]), 0);
    ck_assert_int_eq(close(ends[1]), 0);
    seal(&f, blob, SIZE);
    assert_untouched(fd);
    ck_assert_int_eq(close(fd), 0);
    discard(&f, blob);
    fixture_close(&f);
}
END_TEST

START_TEST(a_wrong_size_is_invalid)
{
    struct fixture f;
    fixture_open(&f);
    void *sized = create_full(&f, SIZE);
    pk_autoclose int fd = get_fd(&f, sized, PK_ACCESS_CREATE);
    ck_assert_int_eq(f.ops->seal(sized, SIZE - 1, &f.err), -EINVAL);
    ck_assert_int_eq(ftruncate(fd, SIZE - 1), 0);
    ck_assert_int_eq(f.ops->seal(sized, SIZE, &f.err), -EINVAL);
    ck_assert_int_eq(f.ops->seal(sized, SIZE - 1, &f.err), -EINVAL);
    ck_assert_int_eq(f.ops->seal(sized, PK_UNSIZED, &f.err), -EINVAL);
    void *unsized = create_full(&f, PK_UNSIZED);
    ck_assert_int_eq(f.ops->seal(unsized, SIZE + 1, &f.err), -EINVAL);
    ck_assert_int_eq(f.ops->seal(unsized, 0, &f.err), -EINVAL);
    seal(&f, unsized, SIZE);
    discard(&f, sized);
    discard(&f, unsized);
    fixture_close(&f);
}
END_TEST

START_TEST(a_seal_may_be_repeated)
{
    struct fixture f;
    fixture_open(&f);
    void *blob = create_full(&f, PK_UNSIZED);
    seal(&f, blob, SIZE);
    seal(&f, blob, SIZE);
    seal(&f, blob, PK_UNSIZED);
    ck_assert_int_eq(f.ops->seal(blob, SIZE + 1, &f.err), -EINVAL);
    discard(&f, blob);
    fixture_close(&f);
}
END_TEST

/* Seals that a writer set itself: welcome, unless they keep ours out. */
START_TEST(seals_of_the_writer)
{
    static const struct {
        int seals;
        int32_t rc;
    } cases[] = {
        { F_SEAL_WRITE, 0 },
        { F_SEAL_SHRINK | F_SEAL_GROW, 0 },
        { 0x10 /* F_SEAL_FUTURE_WRITE */, 0 },
        { ALL_SEALS, 0 },
        { F_SEAL_SEAL, -EINVAL },
        { F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW, -EINVAL },
    };
    struct fixture f;
    fixture_open(&f);
    void *blob = create_full(&f, SIZE);
    pk_autoclose int fd = get_fd(&f, blob, PK_ACCESS_CREATE);
    ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, cases[_i].seals), 0);
    ck_assert_int_eq(f.ops->seal(blob, SIZE, &f.err), cases[_i].rc);
    if (cases[_i].rc == 0)
        assert_untouched(fd);
    discard(&f, blob);
    fixture_close(&f);
}
END_TEST

/* Its room was promised to its readers. */
START_TEST(a_hole_in_a_sized_blob_is_filled)
{
    struct fixture f;
    fixture_open(&f);
    void *blob = create(&f, SIZE);
    pk_autoclose int fd = get_fd(&f, blob, PK_ACCESS_CREATE);
    struct stat st;
    ck_assert_int_eq(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, SIZE), 0);
    ck_assert_int_eq(fstat(fd, &st), 0);
    ck_assert_int_eq(st.st_blocks, 0);
    seal(&f, blob, SIZE);
    ck_assert_int_eq(fstat(fd, &st), 0);
    ck_assert_int_ge(st.st_blocks * 512, SIZE);
    discard(&f, blob);
    fixture_close(&f);
}
END_TEST

static Suite *
blob_memfd_seal_suite(void)
{
    Suite *suite = suite_create("blob_memfd_seal");
    TCase *tcase = tcase_create("seal");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, every_way_to_write_is_refused, 0, 2);
    tcase_add_test(tcase, a_private_copy_is_allowed_and_private);
    tcase_add_loop_test(tcase, a_live_writable_map_is_busy_until_it_is_gone, 0, 2);
    tcase_add_test(tcase, the_map_of_a_process_goes_with_it);
    tcase_add_test(tcase, a_pinned_page_is_busy_until_it_is_given_back);
    tcase_add_test(tcase, a_wrong_size_is_invalid);
    tcase_add_test(tcase, a_seal_may_be_repeated);
    tcase_add_loop_test(tcase, seals_of_the_writer, 0, 6);
    tcase_add_test(tcase, a_hole_in_a_sized_blob_is_filled);
    suite_add_tcase(suite, tcase);
    return suite;
}

int
main(void)
{
    SRunner *runner = srunner_create(blob_memfd_seal_suite());
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
