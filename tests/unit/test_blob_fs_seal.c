/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sealed means sealed, in files: what keeps a blob from being sealed, and that afterwards no other
 * user can change a byte by its path, or by a descriptor that was given out.
 */
#include "blob_fs_fixture.h"
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <packice/cleanup.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOBODY 65534U

static struct fs_node node;

static void
setup(void)
{
    fs_setup();
    fs_prepare(&node);
    fake_factory_host_set(&node.fake, "checksum", 1);
}

static void
teardown(void)
{
    fs_close(&node);
    fs_teardown();
}

static void
open_node(void)
{
    ck_assert_msg(fs_try_open(&node) == 0, "%s", node.err.message);
}

static mode_t
mode_of(const char *path)
{
    struct stat st;
    ck_assert_int_eq(stat(path, &st), 0);
    return st.st_mode & 07777;
}

/* ---- what keeps it from being sealed ---- */

START_TEST(writer_that_is_left_makes_it_busy)
{
    char path[PATH_MAX];
    open_node();
    void *blob = fs_create_blob(&node, "x", 7, 5);
    pk_autoclose int writer = fs_fd(&node, blob, PK_ACCESS_CREATE, path);
    ck_assert_int_eq(node.ops->seal(blob, 5, &node.err), -EBUSY);
    ck_assert_int_eq(mode_of(path), 0644);
    ck_assert_int_eq(pwrite(writer, "hello", 5, 0), 5);
    fs_write_blob(&node, blob, "HE");
    ck_assert_int_eq(close(pk_steal_fd(writer)), 0);
    ck_assert_int_eq(node.ops->seal(blob, 5, &node.err), 0);
    ck_assert_int_eq(mode_of(path), 0444);
    ck_assert_int_eq(node.ops->seal(blob, 5, &node.err), 0);
    ck_assert_int_eq(node.ops->seal(blob, PK_UNSIZED, &node.err), 0);
    ck_assert_int_eq(node.ops->seal(blob, 6, &node.err), -EINVAL);
    ck_assert_int_eq(node.ops->remove(blob, &node.err), 0);
}
END_TEST

START_TEST(writable_map_that_is_left_makes_it_busy)
{
    open_node();
    void *blob = fs_create_blob(&node, "x", 7, 5);
    pk_autoclose int writer = fs_fd(&node, blob, PK_ACCESS_CREATE, NULL);
    void *map = mmap(NULL, 5, PROT_READ | PROT_WRITE, MAP_SHARED, writer, 0);
    ck_assert_ptr_ne(map, MAP_FAILED);
    ck_assert_int_eq(close(pk_steal_fd(writer)), 0);
    ck_assert_int_eq(node.ops->seal(blob, 5, &node.err), -EBUSY);
    ck_assert_int_eq(munmap(map, 5), 0);
    ck_assert_int_eq(node.ops->seal(blob, 5, &node.err), 0);
    ck_assert_int_eq(node.ops->remove(blob, &node.err), 0);
}
END_TEST

START_TEST(weak_seal_trusts_the_writer_that_is_left)
{
    char path[PATH_MAX];
    fake_factory_host_set(&node.fake, "seal", 1);
    open_node();
    void *blob = fs_create_blob(&node, "x", 7, 5);
    pk_autoclose int writer = fs_fd(&node, blob, PK_ACCESS_CREATE, path);
    ck_assert_int_eq(node.ops->seal(blob, 5, &node.err), 0);
    ck_assert_int_eq(mode_of(path), 0444);
    ck_assert_int_eq(pwrite(writer, "hello", 5, 0), 5); /* what trust is for */
    ck_assert_int_eq(node.ops->remove(blob, &node.err), 0);
}
END_TEST

/* A client's own descriptor may cut short, or lengthen, what was made with a size. */
START_TEST(size_that_its_writer_changed_is_refused)
{
    static const off_t sizes[] = { 0, 4, 6 };
    open_node();
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        void *blob = fs_create_blob(&node, "x", 7, 5);
        pk_autoclose int writer = fs_fd(&node, blob, PK_ACCESS_CREATE, NULL);
        ck_assert_int_eq(ftruncate(writer, sizes[i]), 0);
        ck_assert_int_eq(close(pk_steal_fd(writer)), 0);
        ck_assert_int_eq(node.ops->seal(blob, PK_UNSIZED, &node.err), -EINVAL);
        ck_assert_int_eq(node.ops->seal(blob, 5, &node.err), -EINVAL);
        ck_assert_int_eq(node.ops->remove(blob, &node.err), 0);
    }
    void *blob = fs_create_blob(&node, "x", 7, 5);
    ck_assert_int_eq(node.ops->seal(blob, 4, &node.err), -EINVAL);
    ck_assert_int_eq(node.ops->remove(blob, &node.err), 0);
}
END_TEST

START_TEST(write_after_the_seal_is_refused)
{
    open_node();
    void *blob = fs_store(&node, "x", 7, "hello");
    ck_assert_int_eq(node.ops->write(blob, 0, "HE", 2, &node.err), -EACCES);
    node.ops->free(blob);
}
END_TEST

/* ---- other users ---- */

/* Every way that another user has, each of which must fail. Status: the number of the first that
 * did not, or 0. */
static int
try_as_nobody(const char *path, int reader)
{
    char proc[64];
    (void)snprintf(proc, sizeof(proc), "/proc/self/fd/%d", reader);
    if (setgroups(0, NULL) != 0 || setresgid(NOBODY, NOBODY, NOBODY) != 0
        || setresuid(NOBODY, NOBODY, NOBODY) != 0)
        return 100;
    if (open(path, O_RDONLY | O_CLOEXEC) < 0)
        return 1; /* reading is what it is for */
    if (open(path, O_WRONLY | O_CLOEXEC) >= 0 || open(path, O_RDWR | O_CLOEXEC) >= 0)
        return 2;
    if (open(path, O_RDONLY | O_TRUNC | O_CLOEXEC) >= 0 || truncate(path, 0) == 0)
        return 3;
    if (open(proc, O_RDWR | O_CLOEXEC) >= 0 || open(proc, O_WRONLY | O_TRUNC | O_CLOEXEC) >= 0)
        return 4;
    if (chmod(path, 0666) == 0 || chown(path, NOBODY, NOBODY) == 0 || fchmod(reader, 0666) == 0)
        return 5;
    if (unlink(path) == 0 || rename(path, "/dev/shm/packice-stolen") == 0)
        return 6;
    if (pwrite(reader, "x", 1, 0) >= 0 || ftruncate(reader, 0) == 0
        || fallocate(reader, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 1) == 0)
        return 7;
    if (mmap(NULL, 5, PROT_READ | PROT_WRITE, MAP_SHARED, reader, 0) != MAP_FAILED)
        return 8;
    char *map = mmap(NULL, 5, PROT_READ, MAP_SHARED, reader, 0);
    if (map == MAP_FAILED || mprotect(map, 5, PROT_READ | PROT_WRITE) == 0)
        return 9;
    return memcmp(map, "hello", 5) == 0 ? 0 : 10;
}

static int
in_child(int (*run)(const char *path, int fd), const char *path, int fd)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0)
        _exit(run(path, fd));
    ck_assert_int_gt(child, 0);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFEXITED(status), "the child ended with %d", status);
    return WEXITSTATUS(status);
}

/* The way to the root is the operator's: here it has to be opened. */
static void
open_way(void)
{
    ck_assert_int_eq(chmod(fs_root, 0755), 0);
}

START_TEST(no_other_user_can_change_what_is_sealed)
{
    char path[PATH_MAX];
    open_way();
    open_node();
    void *blob = fs_store(&node, "x", 7, "hello");
    pk_autoclose int reader = fs_fd(&node, blob, PK_ACCESS_READ, path);
    ck_assert_int_eq(in_child(try_as_nobody, path, reader), 0);
    fs_assert_holds(&node, "x", 7, "hello");
    node.ops->free(blob);
}
END_TEST

/* What the creator kept from before the seal: reopening it is refused like the path itself. */
static int
reopen_as_nobody(const char *path, int writer)
{
    char proc[64];
    (void)path;
    (void)snprintf(proc, sizeof(proc), "/proc/self/fd/%d", writer);
    if (setgroups(0, NULL) != 0 || setresgid(NOBODY, NOBODY, NOBODY) != 0
        || setresuid(NOBODY, NOBODY, NOBODY) != 0)
        return 100;
    return open(proc, O_WRONLY | O_CLOEXEC) >= 0;
}

START_TEST(descriptor_from_before_the_seal_opens_no_writer)
{
    char path[PATH_MAX];
    open_way();
    open_node();
    void *blob = fs_create_blob(&node, "x", 7, 5);
    pk_autoclose int writer = fs_fd(&node, blob, PK_ACCESS_CREATE, path);
    pk_autoclose int pinned = open(path, O_PATH | O_CLOEXEC);
    ck_assert_int_eq(close(pk_steal_fd(writer)), 0);
    fs_seal_blob(&node, blob);
    ck_assert_int_eq(in_child(reopen_as_nobody, path, pinned), 0);
    ck_assert_int_eq(node.ops->remove(blob, &node.err), 0);
}
END_TEST

static int
create_as_nobody(const char *path, int fd)
{
    (void)fd;
    if (setgroups(0, NULL) != 0 || setresgid(NOBODY, NOBODY, NOBODY) != 0
        || setresuid(NOBODY, NOBODY, NOBODY) != 0)
        return 100;
    int writer = open(path, O_WRONLY | O_CLOEXEC);
    return writer >= 0 && pwrite(writer, "hello", 5, 0) == 5 ? 0 : 1;
}

START_TEST(mode_and_group_let_others_create_by_path)
{
    char path[PATH_MAX];
    struct stat st;
    open_way();
    fake_factory_host_set_text(&node.fake, "mode", "0660");
    fake_factory_host_set_text(&node.fake, "group", "65534");
    open_node();
    void *blob = fs_create_blob(&node, "x", 7, 5);
    ck_assert_int_eq(close(fs_fd(&node, blob, PK_ACCESS_CREATE, path)), 0);
    ck_assert_int_eq(in_child(create_as_nobody, path, -1), 0);
    fs_seal_blob(&node, blob);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_gid, NOBODY);
    ck_assert_uint_eq(st.st_mode & 07777, 0440);
    ck_assert_int_eq(in_child(create_as_nobody, path, -1), 1);
    ck_assert_int_eq(node.ops->remove(blob, &node.err), 0);
}
END_TEST

START_TEST(mode_without_others_shuts_them_out)
{
    char path[PATH_MAX];
    open_way();
    fake_factory_host_set_text(&node.fake, "mode", "0600");
    open_node();
    void *blob = fs_create_blob(&node, "x", 7, 5);
    ck_assert_int_eq(close(fs_fd(&node, blob, PK_ACCESS_CREATE, path)), 0);
    ck_assert_int_eq(in_child(create_as_nobody, path, -1), 1);
    ck_assert_int_eq(node.ops->remove(blob, &node.err), 0);
    char folder[PATH_MAX];
    (void)snprintf(folder, sizeof(folder), "%s/objects/00", fs_root);
    ck_assert_uint_eq(mode_of(folder), 0700);
}
END_TEST

/* ---- checksums ---- */

START_TEST(verify_finds_what_was_changed)
{
    char path[PATH_MAX];
    struct fs_found found;
    open_node();
    void *blob = fs_store(&node, "x", 7, "hello");
    ck_assert_int_eq(node.ops->verify(blob, &node.err), 0);
    node.ops->free(blob);
    ck_assert_int_eq(fs_find(&node, "x", &found), 0);
    ck_assert_int_eq(node.ops->verify(found.blob, &node.err), 0);
    fs_path_of("objects", ".0", path);
    ck_assert_int_eq(chmod(path, 0644), 0);
    fs_write_file(path, "hellO");
    ck_assert_int_eq(node.ops->verify(found.blob, &node.err), -EIO);
    ck_assert_ptr_nonnull(strstr(node.err.message, "its checksum is wrong"));
    fs_write_file(path, "hello!");
    ck_assert_int_eq(node.ops->verify(found.blob, &node.err), -EIO);
    fs_forget(&node, &found);
}
END_TEST

START_TEST(verify_without_a_checksum_is_unsupported)
{
    fake_factory_host_set(&node.fake, "checksum", 0);
    open_node();
    void *blob = fs_store(&node, "x", 7, "hello");
    ck_assert_int_eq(node.ops->verify(blob, &node.err), -EOPNOTSUPP);
    node.ops->free(blob);
}
END_TEST

START_TEST(checksum_is_of_all_bytes)
{
    open_node();
    static const uint64_t sizes[] = { 0, 1, 262144, 262145, 1000000 };
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        void *blob = fs_create_blob(&node, "x", 7, sizes[i]);
        fs_seal_blob(&node, blob);
        ck_assert_int_eq(node.ops->verify(blob, &node.err), 0);
        ck_assert_int_eq(node.ops->remove(blob, &node.err), 0);
    }
}
END_TEST

int
main(void)
{
    const TTest *const cases[] = {
        writer_that_is_left_makes_it_busy,        writable_map_that_is_left_makes_it_busy,
        weak_seal_trusts_the_writer_that_is_left, size_that_its_writer_changed_is_refused,
        write_after_the_seal_is_refused,          verify_finds_what_was_changed,
        verify_without_a_checksum_is_unsupported, checksum_is_of_all_bytes,
    };
    const TTest *const of_root[] = {
        no_other_user_can_change_what_is_sealed,
        descriptor_from_before_the_seal_opens_no_writer,
        mode_and_group_let_others_create_by_path,
        mode_without_others_shuts_them_out,
    };
    int status = SUITE_RUN_BETWEEN("blob_fs_seal", cases, setup, teardown);
    if (geteuid() == 0)
        status |= SUITE_RUN_BETWEEN("blob_fs_seal_users", of_root, setup, teardown);
    else
        printf("not root: nobody to be another user\n");
    return status;
}
