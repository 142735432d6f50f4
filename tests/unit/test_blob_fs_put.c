/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blobs in files whose bytes come with the call: what is put is what create, write and seal make,
 * and at no time did anybody else get to write to it.
 */
#include "blob_fs_fixture.h"
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <packice/cleanup.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static struct fs_node node;

static void
setup(void)
{
    fs_setup();
    fs_open(&node);
}

static void
teardown(void)
{
    fs_close(&node);
    fs_teardown();
}

static void
open_with(const char *option, uint64_t value)
{
    fs_close(&node);
    fs_prepare(&node);
    fake_factory_host_set(&node.fake, option, value);
    ck_assert_msg(fs_try_open(&node) == 0, "%s", node.err.message);
}

static void *
put_blob(const char *id, uint64_t epoch, const char *text)
{
    void *blob = NULL;
    int32_t rc = fs_try_put(&node, id, epoch, text, &blob);
    ck_assert_msg(rc == 0, "%s", node.err.message);
    return blob;
}

START_TEST(object_that_was_put_is_found_once_it_is_published)
{
    struct fs_found found;
    void *blob = put_blob("x", 7, "hello");
    fs_assert_missing(&node, "x");
    ck_assert_int_eq(fs_try_publish(&node, "x", 7, 5, blob), 0);
    fs_assert_holds(&node, "x", 7, "hello");
    node.ops->free(blob);
    fs_close(&node);
    fs_open(&node);
    ck_assert_uint_eq(fs_recover_all(&node), 1);
    fs_assert_holds(&node, "x", 7, "hello");
    ck_assert_int_eq(fs_find(&node, "x", &found), 0);
    fs_discard(&node, "x", 7, found.blob);
    ck_assert_uint_eq(fs_count("objects", ""), 0);
}
END_TEST

/* Also where the mode lets others write to what is in the making. */
START_TEST(what_is_put_never_had_a_writer_but_the_node)
{
    struct stat st;
    char path[PATH_MAX];
    open_with("mode", 0666);
    void *blob = put_blob("x", 7, "hello");
    fs_path_of("objects", ".0", path);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0444);
    ck_assert_int_eq(node.ops->write(blob, 0, "j", 1, &node.err), -EACCES);
    ck_assert_int_eq(fs_try_publish(&node, "x", 7, 5, blob), 0);
    pk_autoclose int fd = fs_fd(&node, blob, PK_ACCESS_READ, NULL);
    ck_assert_int_eq(fcntl(fd, F_SETLEASE, F_RDLCK), 0); /* the kernel knows of no writer */
    ck_assert_int_eq(fcntl(fd, F_SETLEASE, F_UNLCK), 0);
    node.ops->free(blob);
}
END_TEST

START_TEST(what_is_put_takes_one_descriptor_until_it_is_published)
{
    int before = fake_open_descriptors();
    void *blob = put_blob("x", 7, "hello");
    ck_assert_int_eq(fake_open_descriptors(), before + 1);
    ck_assert_int_eq(fs_try_publish(&node, "x", 7, 5, blob), 0);
    ck_assert_int_eq(fake_open_descriptors(), before);
    node.ops->free(blob);
}
END_TEST

START_TEST(blobs_that_are_put_and_blobs_that_are_made_are_one_object)
{
    const struct pk_key key = { "x", 7 };
    void *made = NULL;
    void *none = NULL;
    ck_assert_int_eq(node.ops->put(node.fs, &key, 1, "hello", 5, &none, &node.err), -EINVAL);
    void *blob = put_blob("x", 7, "hello");
    ck_assert_int_eq(fs_try_create(&node, "x", 7, 1, 5, &made), 0);
    ck_assert_uint_eq(fs_count("objects", ""), 2);
    ck_assert_int_eq(node.ops->remove(made, &node.err), 0);
    ck_assert_int_eq(node.ops->remove(blob, &node.err), 0);
    ck_assert_uint_eq(fs_count("objects", ""), 0);
    blob = put_blob("x", 7, "");
    ck_assert_int_eq(fs_try_publish(&node, "x", 7, 0, blob), 0);
    fs_discard(&node, "x", 7, blob);
}
END_TEST

START_TEST(put_under_a_name_that_another_node_has_is_refused)
{
    struct fs_node other;
    void *none = NULL;
    open_with("shared", 1);
    fs_open_shared(&other);
    void *blob = put_blob("x", 7, "hello");
    ck_assert_int_eq(fs_try_put(&other, "x", 8, "other", &none), -EEXIST);
    ck_assert_int_eq(fs_try_publish(&node, "x", 7, 5, blob), 0);
    ck_assert_int_eq(fs_try_put(&other, "x", 8, "other", &none), -EEXIST);
    fs_discard(&node, "x", 7, blob);
    fs_close(&other);
    ck_assert_uint_eq(fs_count("objects", ""), 0);
    ck_assert_uint_eq(fs_count("claims", ""), 0);
}
END_TEST

START_TEST(checksum_of_what_is_put_is_that_of_its_file)
{
    char path[PATH_MAX];
    open_with("checksum", 1);
    void *blob = put_blob("x", 7, "hello");
    ck_assert_int_eq(node.ops->verify(blob, &node.err), 0);
    ck_assert_int_eq(fs_try_publish(&node, "x", 7, 5, blob), 0);
    fs_path_of("objects", ".0", path);
    ck_assert_int_eq(chmod(path, 0644), 0);
    fs_write_file(path, "hellO");
    ck_assert_int_eq(node.ops->verify(blob, &node.err), -EIO);
    node.ops->free(blob);
}
END_TEST

START_TEST(last_descriptors_are_not_taken_by_what_is_put)
{
    struct rlimit limit;
    void *blobs[64];
    uint32_t count = 0;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = 64;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    for (int32_t rc = 0; rc == 0 && count < 64; count += rc == 0) {
        char id[16];
        (void)snprintf(id, sizeof(id), "%u", count);
        rc = fs_try_put(&node, id, 7, "hello", &blobs[count]);
        ck_assert(rc == 0 || rc == -EBUSY);
    }
    ck_assert_uint_lt(count, 64);
    ck_assert_uint_eq(fs_count("objects", ""), count);
    while (count > 0)
        ck_assert_int_eq(node.ops->remove(blobs[--count], &node.err), 0);
}
END_TEST

int
main(void)
{
    const TTest *const cases[] = {
        object_that_was_put_is_found_once_it_is_published,
        what_is_put_never_had_a_writer_but_the_node,
        what_is_put_takes_one_descriptor_until_it_is_published,
        blobs_that_are_put_and_blobs_that_are_made_are_one_object,
        put_under_a_name_that_another_node_has_is_refused,
        checksum_of_what_is_put_is_that_of_its_file,
        last_descriptors_are_not_taken_by_what_is_put,
    };
    return SUITE_RUN_BETWEEN("blob_fs_put", cases, setup, teardown);
}
