/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blob_memfd where something is missing: memory, descriptors, room for a file, /proc, the system
 * call itself. What the machine would refuse is refused here by a system call filter or a limit;
 * each test has a process of its own.
 */
#include "blob_memfd_fixture.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define NOEXEC_SEAL 0x0008U
#define F_SEAL_EXEC_BIT 0x0020
#define ARG_LOW(n) \
    (offsetof(struct seccomp_data, args) + 8 * (n)) /* little endian, as tested on \
                                                     */

/* From here on, the system call fails with `error` if (argument & mask) == value. */
static void
refuse_call(uint32_t call, uint32_t argument, uint32_t mask, uint32_t value, int error)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 4),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)ARG_LOW(argument)),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, mask),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { sizeof(code) / sizeof(code[0]), code };
    ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

static void
assert_open_fails(int32_t code, const char *text)
{
    struct fixture f;
    int before = fake_open_descriptors();
    fixture_prepare(&f);
    ck_assert_int_eq(f.ops->open(&f.fake.host, &f.fake.conf, &f.memfd, &f.err), code);
    ck_assert_ptr_null(f.memfd);
    ck_assert_msg(strstr(f.err.message, text) != NULL, "%s", f.err.message);
    ck_assert_int_eq(fake_open_descriptors(), before);
}

START_TEST(open_says_that_memfds_are_refused)
{
    static const int errors[] = { ENOSYS, EPERM, EACCES };
    refuse_call(SYS_memfd_create, 0, 0, 0, errors[_i]);
    assert_open_fails(-EOPNOTSUPP, strerror(errors[_i]));
}
END_TEST

START_TEST(open_says_that_proc_is_missing)
{
    refuse_call(SYS_openat, 2, O_ACCMODE | O_CLOEXEC, O_RDWR | O_CLOEXEC, ENOENT);
    assert_open_fails(-EOPNOTSUPP, "/proc");
}
END_TEST

START_TEST(open_says_that_seals_are_refused)
{
    refuse_call(SYS_fcntl, 1, UINT32_MAX, F_ADD_SEALS, EINVAL);
    assert_open_fails(-EOPNOTSUPP, "seal");
}
END_TEST

START_TEST(open_is_busy_without_descriptors)
{
    refuse_call(SYS_memfd_create, 0, 0, 0, EMFILE);
    assert_open_fails(-EBUSY, "descriptors");
}
END_TEST

START_TEST(memfds_are_not_executable_where_the_kernel_knows)
{
    struct fixture f;
    int plain = memfd_create("probe", MFD_ALLOW_SEALING | MFD_CLOEXEC | NOEXEC_SEAL);
    int known = plain >= 0;
    if (known)
        ck_assert_int_eq(close(plain), 0);
    fixture_open(&f);
    void *blob = create(&f, 1);
    int fd = get_fd(&f, blob, PK_ACCESS_CREATE);
    struct stat st;
    ck_assert_int_eq(fstat(fd, &st), 0);
    ck_assert_int_eq((st.st_mode & 0111) == 0, known);
    ck_assert_int_eq((fcntl(fd, F_GET_SEALS) & F_SEAL_EXEC_BIT) != 0, known);
    ck_assert_int_eq(close(fd), 0);
    discard(&f, blob);
    fixture_close(&f);
}
END_TEST

START_TEST(a_kernel_without_noexec_seal_will_do)
{
    struct fixture f;
    refuse_call(SYS_memfd_create, 1, NOEXEC_SEAL, NOEXEC_SEAL, EINVAL);
    fixture_open(&f);
    void *blob = create(&f, 5);
    put(&f, blob, 0, "hello");
    seal(&f, blob, 5);
    int fd = get_fd(&f, blob, PK_ACCESS_READ);
    assert_content(fd, "hello");
    ck_assert_int_eq(fcntl(fd, F_GET_SEALS) & ALL_SEALS, ALL_SEALS);
    ck_assert_int_eq(close(fd), 0);
    discard(&f, blob);
    fixture_close(&f);
}
END_TEST

/* ---- memory ---- */

static void
assert_create_fails(struct fixture *f, uint64_t size, int32_t code)
{
    void *blob = NULL;
    int before = fake_open_descriptors();
    ck_assert_int_eq(try_create(f, size, &blob), code);
    ck_assert_int_eq(f->err.code, code);
    ck_assert_ptr_null(blob);
    ck_assert_int_eq(fake_open_descriptors(), before);
}

START_TEST(more_than_there_is_is_no_space)
{
    struct fixture f;
    fixture_open(&f);
    assert_create_fails(&f, UINT64_C(1) << 50, -ENOSPC);
    assert_create_fails(&f, PK_SIZE_MAX, -ENOSPC);
    assert_create_fails(&f, PK_SIZE_MAX + UINT64_C(1), -EFBIG);
    fixture_close(&f);
}
END_TEST

START_TEST(what_the_kernel_cannot_allocate_is_no_space)
{
    static const int errors[] = { ENOSPC, ENOMEM };
    struct fixture f;
    fixture_open(&f);
    refuse_call(SYS_fallocate, 1, UINT32_MAX, 0, errors[_i]);
    assert_create_fails(&f, 4096, -ENOSPC);
    discard(&f, create(&f, 0)); /* takes no memory */
    fixture_close(&f);
}
END_TEST

START_TEST(a_limit_for_files_is_too_large)
{
    struct fixture f;
    struct rlimit limit = { 4096, 4096 };
    fixture_open(&f);
    ck_assert_ptr_ne(signal(SIGXFSZ, SIG_IGN), SIG_ERR);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_create_fails(&f, 8192, -EFBIG);
    void *blob = create(&f, PK_UNSIZED);
    ck_assert_int_eq(f.ops->write(blob, 4096, "x", 1, &f.err), -EFBIG);
    discard(&f, blob);
    fixture_close(&f);
}
END_TEST

START_TEST(a_hole_that_cannot_be_filled_is_invalid)
{
    struct fixture f;
    fixture_open(&f);
    void *blob = create(&f, 8192);
    int fd = get_fd(&f, blob, PK_ACCESS_CREATE);
    ck_assert_int_eq(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 8192), 0);
    refuse_call(SYS_fallocate, 1, UINT32_MAX, 0, ENOSPC);
    ck_assert_int_eq(f.ops->seal(blob, 8192, &f.err), -EINVAL);
    ck_assert_int_eq(close(fd), 0);
    discard(&f, blob);
    fixture_close(&f);
}
END_TEST

/* ---- descriptors ---- */

START_TEST(creates_leave_descriptors_for_readers)
{
    struct fixture f;
    struct rlimit limit;
    void *blobs[64];
    struct pk_handle handles[64];
    size_t created = 0;
    size_t read = 0;
    fixture_open(&f);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = 64;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    while (try_create(&f, 1, &blobs[created]) == 0)
        ck_assert_uint_lt(++created, 64);
    ck_assert_int_eq(f.err.code, -EBUSY);
    ck_assert_uint_gt(created, 0);
    seal(&f, blobs[0], 1);
    while (f.ops->handle(blobs[0], PK_ACCESS_READ, keep_handle, &handles[read], &f.err) == 0)
        ck_assert_uint_lt(++read, 64);
    ck_assert_int_eq(f.err.code, -EBUSY);
    ck_assert_uint_eq(read, 16);
    for (size_t i = 0; i < read; i++)
        ck_assert_int_eq(close(handles[i].fd), 0);
    while (created > 0)
        discard(&f, blobs[--created]);
    discard(&f, create(&f, 1));
    fixture_close(&f);
}
END_TEST

START_TEST(no_descriptor_at_all_is_busy)
{
    static const int errors[] = { EMFILE, ENFILE };
    struct fixture f;
    fixture_open(&f);
    refuse_call(SYS_memfd_create, 0, 0, 0, errors[_i]);
    assert_create_fails(&f, 1, -EBUSY);
    fixture_close(&f);
}
END_TEST

static Suite *
blob_memfd_limits_suite(void)
{
    Suite *suite = suite_create("blob_memfd_limits");
    TCase *tcase = tcase_create("limits");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, open_says_that_memfds_are_refused, 0, 3);
    tcase_add_test(tcase, open_says_that_proc_is_missing);
    tcase_add_test(tcase, open_says_that_seals_are_refused);
    tcase_add_test(tcase, open_is_busy_without_descriptors);
    tcase_add_test(tcase, memfds_are_not_executable_where_the_kernel_knows);
    tcase_add_test(tcase, a_kernel_without_noexec_seal_will_do);
    tcase_add_test(tcase, more_than_there_is_is_no_space);
    tcase_add_loop_test(tcase, what_the_kernel_cannot_allocate_is_no_space, 0, 2);
    tcase_add_test(tcase, a_limit_for_files_is_too_large);
    tcase_add_test(tcase, a_hole_that_cannot_be_filled_is_invalid);
    tcase_add_test(tcase, creates_leave_descriptors_for_readers);
    tcase_add_loop_test(tcase, no_descriptor_at_all_is_busy, 0, 2);
    suite_add_tcase(suite, tcase);
    return suite;
}

int
main(void)
{
    SRunner *runner = srunner_create(blob_memfd_limits_suite());
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
