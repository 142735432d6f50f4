/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of blobs in files: made, written, sealed, published, found, discarded.
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

START_TEST(object_is_found_once_it_is_published)
{
    void *blob = fs_create_blob(&node, ID, 7, 5);
    fs_assert_missing(&node, ID);
    fs_write_blob(&node, blob, "hello");
    fs_seal_blob(&node, blob);
    fs_assert_missing(&node, ID);
    ck_assert_int_eq(fs_try_publish(&node, ID, 7, 5, blob), 0);
    node.ops->free(blob);
    fs_assert_holds(&node, ID, 7, "hello");
    ck_assert_uint_eq(fs_count("claims", ""), 0);
}
END_TEST

START_TEST(manifest_tells_all_of_the_object)
{
    struct fs_found found;
    fs_keep(&node, "x", 7, "hello");
    ck_assert_int_eq(fs_find(&node, "x", &found), 0);
    ck_assert_str_eq(found.meta, "{\"a\": \"\xc3\xa4\"}");
    ck_assert_uint_eq(found.size, 5);
    ck_assert_uint_eq(found.owner.kind, PK_PRINCIPAL_UNIX);
    ck_assert_uint_eq(found.owner.uid, 17);
    ck_assert_uint_eq(found.owner.gid, 18);
    fs_forget(&node, &found);
}
END_TEST

START_TEST(object_outlives_its_node)
{
    fs_keep(&node, "x", 7, "hello");
    fs_close(&node);
    fs_open(&node);
    fs_assert_holds(&node, "x", 7, "hello");
    ck_assert_uint_eq(fs_recover_all(&node), 1);
}
END_TEST

START_TEST(discarded_object_leaves_nothing)
{
    void *blob = fs_store(&node, "x", 7, "hello");
    const struct pk_key other = { "x", 8 };
    ck_assert_int_eq(node.ops->unpublish(node.fs, &other, &node.err), -ENOENT);
    fs_assert_holds(&node, "x", 7, "hello");
    fs_discard(&node, "x", 7, blob);
    fs_assert_missing(&node, "x");
    ck_assert_uint_eq(fs_count("objects", ""), 0);
    const struct pk_key key = { "x", 7 };
    ck_assert_int_eq(node.ops->unpublish(node.fs, &key, &node.err), -ENOENT);
}
END_TEST

/* What is open stays readable, and so does the path until the storage goes. */
START_TEST(unpublished_object_is_readable_until_it_is_removed)
{
    char path[PATH_MAX];
    char text[8];
    const struct pk_key key = { "x", 7 };
    void *blob = fs_store(&node, "x", 7, "hello");
    ck_assert_int_eq(node.ops->unpublish(node.fs, &key, &node.err), 0);
    pk_autoclose int fd = fs_fd(&node, blob, PK_ACCESS_READ, path);
    ck_assert_int_eq(access(path, R_OK), 0);
    fs_keep(&node, "x", 8, "other");
    ck_assert_int_eq(node.ops->remove(blob, &node.err), 0);
    ck_assert_int_ne(access(path, R_OK), 0);
    ck_assert_int_eq(pread(fd, text, sizeof(text), 0), 5);
    fs_assert_holds(&node, "x", 8, "other");
}
END_TEST

START_TEST(abandoned_create_leaves_nothing)
{
    void *first = fs_create_blob(&node, "x", 7, 5);
    void *second = NULL;
    ck_assert_int_eq(fs_try_create(&node, "x", 7, 1, PK_UNSIZED, &second), 0);
    ck_assert_uint_eq(fs_count("objects", ""), 2);
    ck_assert_int_eq(node.ops->remove(first, &node.err), 0);
    ck_assert_uint_eq(fs_count("objects", ""), 1);
    ck_assert_int_eq(node.ops->remove(second, &node.err), 0);
    ck_assert_uint_eq(fs_count("objects", ""), 0);
}
END_TEST

/* The host frees an abandoned object's name before its storage is gone. */
START_TEST(successor_is_made_while_its_predecessor_is_removed)
{
    void *first = fs_create_blob(&node, "x", 7, 5);
    void *second = fs_create_blob(&node, "x", 8, 5);
    ck_assert_int_eq(node.ops->remove(first, &node.err), 0);
    fs_write_blob(&node, second, "hello");
    fs_seal_blob(&node, second);
    ck_assert_int_eq(fs_try_publish(&node, "x", 8, 5, second), 0);
    node.ops->free(second);
    fs_assert_holds(&node, "x", 8, "hello");
}
END_TEST

START_TEST(epoch_whose_name_was_made_anew_is_stale)
{
    void *first = fs_create_blob(&node, "x", 7, 5);
    void *second = fs_create_blob(&node, "x", 8, 5);
    fs_seal_blob(&node, first);
    fs_seal_blob(&node, second);
    ck_assert_int_eq(fs_try_publish(&node, "x", 7, 5, first), -ESTALE);
    fs_assert_missing(&node, "x");
    ck_assert_int_eq(node.ops->remove(first, &node.err), 0);
    ck_assert_int_eq(fs_try_publish(&node, "x", 8, 5, second), 0);
    fs_discard(&node, "x", 8, second);
    ck_assert_uint_eq(fs_count("objects", ""), 0);
}
END_TEST

START_TEST(name_that_is_taken_is_refused)
{
    fs_keep(&node, "x", 7, "hello");
    void *blob = fs_create_blob(&node, "x", 8, 5);
    fs_seal_blob(&node, blob);
    ck_assert_int_eq(fs_try_publish(&node, "x", 8, 5, blob), -ESTALE);
    ck_assert_int_eq(node.ops->remove(blob, &node.err), 0);
    fs_assert_holds(&node, "x", 7, "hello");
    ck_assert_uint_eq(fs_count("objects", ""), 2);
}
END_TEST

START_TEST(blobs_come_in_order)
{
    void *blob = NULL;
    ck_assert_int_eq(fs_try_create(&node, "x", 7, 1, 5, &blob), -EINVAL);
    ck_assert_uint_eq(fs_count("objects", ""), 0);
}
END_TEST

START_TEST(many_blobs_are_one_object)
{
    void *blobs[PK_BLOBS_MAX];
    uint64_t sizes[PK_BLOBS_MAX];
    struct fs_found found;
    for (uint32_t i = 0; i < PK_BLOBS_MAX; i++) {
        sizes[i] = i;
        ck_assert_int_eq(fs_try_create(&node, "x", 7, i, i, &blobs[i]), 0);
        ck_assert_int_eq(node.ops->seal(blobs[i], i, &node.err), 0);
    }
    const struct pk_manifest manifest = {
        .struct_size = sizeof(manifest),
        .blob_count = PK_BLOBS_MAX,
        .key = { "x", 7 },
        .sizes = sizes,
        .meta = "",
    };
    ck_assert_int_eq(node.ops->publish(node.fs, &manifest, blobs, &node.err), 0);
    ck_assert_int_eq(fs_find(&node, "x", &found), 0);
    ck_assert_uint_eq(found.blob_count, PK_BLOBS_MAX);
    fs_forget(&node, &found);
    const struct pk_key key = { "x", 7 };
    ck_assert_int_eq(node.ops->unpublish(node.fs, &key, &node.err), 0);
    for (uint32_t i = 0; i < PK_BLOBS_MAX; i++)
        ck_assert_int_eq(node.ops->remove(blobs[i], &node.err), 0);
    ck_assert_uint_eq(fs_count("objects", ""), 0);
}
END_TEST

/* ---- bytes ---- */

START_TEST(sized_blob_has_its_room_and_no_more)
{
    struct stat st;
    uint64_t size = 0;
    void *blob = fs_create_blob(&node, "x", 7, 1 << 20);
    pk_autoclose int fd = fs_fd(&node, blob, PK_ACCESS_CREATE, NULL);
    ck_assert_int_eq(fstat(fd, &st), 0);
    ck_assert_int_eq(st.st_size, 1 << 20);
    ck_assert_int_ge(st.st_blocks * 512, 1 << 20);
    ck_assert_int_eq(node.ops->write(blob, (1 << 20) - 1, "ab", 2, &node.err), -EFBIG);
    ck_assert_int_eq(node.ops->write(blob, UINT64_MAX, "ab", 2, &node.err), -EFBIG);
    ck_assert_int_eq(node.ops->size(blob, &size, &node.err), 0);
    ck_assert_uint_eq(size, 1 << 20);
    ck_assert_int_eq(node.ops->remove(blob, &node.err), 0);
}
END_TEST

START_TEST(unsized_blob_grows)
{
    uint64_t size = 0;
    void *blob = fs_create_blob(&node, "x", 7, PK_UNSIZED);
    pk_autoclose int fd = fs_fd(&node, blob, PK_ACCESS_CREATE, NULL);
    ck_assert_int_eq(pwrite(fd, "hello", 5, 0), 5);
    ck_assert_int_eq(node.ops->size(blob, &size, &node.err), 0);
    ck_assert_uint_eq(size, 5);
    ck_assert_int_eq(close(pk_steal_fd(fd)), 0);
    ck_assert_int_eq(node.ops->seal(blob, 6, &node.err), -EINVAL);
    ck_assert_int_eq(node.ops->seal(blob, 5, &node.err), 0);
    ck_assert_int_eq(node.ops->remove(blob, &node.err), 0);
}
END_TEST

START_TEST(sized_blob_that_a_writer_makes_larger_says_so)
{
    uint64_t size = 0;
    void *blob = fs_create_blob(&node, "x", 7, 5);
    pk_autoclose int fd = fs_fd(&node, blob, PK_ACCESS_CREATE, NULL);
    ck_assert_int_eq(ftruncate(fd, 1 << 20), 0);
    ck_assert_int_eq(node.ops->size(blob, &size, &node.err), 0);
    ck_assert_uint_eq(size, 1 << 20);
    ck_assert_int_eq(ftruncate(fd, 3), 0);
    ck_assert_int_eq(node.ops->size(blob, &size, &node.err), 0);
    ck_assert_uint_eq(size, 5);
    ck_assert_int_eq(ftruncate(fd, 5), 0);
    ck_assert_int_eq(close(pk_steal_fd(fd)), 0);
    ck_assert_int_eq(node.ops->seal(blob, 5, &node.err), 0);
    ck_assert_int_eq(node.ops->size(blob, &size, &node.err), 0);
    ck_assert_uint_eq(size, 5);
    ck_assert_int_eq(node.ops->remove(blob, &node.err), 0);
}
END_TEST

START_TEST(reads_end_where_the_blob_ends)
{
    char text[8];
    uint64_t size = 9;
    void *blob = fs_store(&node, "x", 7, "hello");
    ck_assert_int_eq(node.ops->read(blob, 3, text, 8, &size, &node.err), 0);
    ck_assert_uint_eq(size, 2);
    ck_assert_int_eq(node.ops->read(blob, 5, text, 8, &size, &node.err), 0);
    ck_assert_uint_eq(size, 0);
    ck_assert_int_eq(node.ops->read(blob, UINT64_MAX, text, 8, &size, &node.err), 0);
    ck_assert_uint_eq(size, 0);
    node.ops->free(blob);
}
END_TEST

START_TEST(more_room_than_there_is_is_refused_at_once)
{
    void *blob = NULL;
    int32_t rc = fs_try_create(&node, "x", 7, 0, PK_SIZE_MAX, &blob);
    ck_assert_msg(rc == -ENOSPC || rc == -EFBIG, "%d", rc);
    ck_assert_int_eq(fs_try_create(&node, "x", 7, 0, PK_UNSIZED - 1, &blob), -EFBIG);
    ck_assert_uint_eq(fs_count("objects", ""), 0);
    ck_assert_uint_eq(fs_count("claims", ""), 0);
}
END_TEST

/* ---- handles ---- */

START_TEST(handles_are_paths_with_descriptors_of_their_own)
{
    char path[PATH_MAX];
    struct stat by_path;
    struct stat by_fd;
    void *blob = fs_create_blob(&node, "x", 7, 5);
    pk_autoclose int writer = fs_fd(&node, blob, PK_ACCESS_CREATE, path);
    ck_assert_int_eq(fcntl(writer, F_GETFL) & O_ACCMODE, O_RDWR);
    ck_assert_int_eq(strncmp(path, fs_root, strlen(fs_root)), 0);
    ck_assert_int_eq(pwrite(writer, "hello", 5, 0), 5);
    ck_assert_int_eq(close(pk_steal_fd(writer)), 0);
    fs_seal_blob(&node, blob);
    pk_autoclose int one = fs_fd(&node, blob, PK_ACCESS_READ, path);
    pk_autoclose int other = fs_fd(&node, blob, PK_ACCESS_READ, NULL);
    ck_assert_int_eq(fcntl(one, F_GETFL) & O_ACCMODE, O_RDONLY);
    ck_assert_int_eq(lseek(one, 3, SEEK_SET), 3);
    ck_assert_int_eq(lseek(other, 0, SEEK_CUR), 0);
    ck_assert_int_eq(stat(path, &by_path), 0);
    ck_assert_int_eq(fstat(one, &by_fd), 0);
    ck_assert_uint_eq(by_path.st_ino, by_fd.st_ino);
    ck_assert_int_eq(node.ops->remove(blob, &node.err), 0);
}
END_TEST

static void
no_handle(void *arg, const struct pk_handle *handle)
{
    (void)arg;
    ck_abort_msg("a handle of kind %u", handle->kind);
}

START_TEST(handles_that_make_no_sense_are_refused)
{
    void *blob = fs_create_blob(&node, "x", 7, 5);
    ck_assert_int_eq(node.ops->handle(blob, PK_ACCESS_READ, no_handle, NULL, &node.err), -EINVAL);
    ck_assert_int_eq(node.ops->handle(blob, 9, no_handle, NULL, &node.err), -EINVAL);
    ck_assert_int_eq(node.ops->remove(blob, &node.err), 0);
}
END_TEST

START_TEST(sealed_blobs_take_no_descriptor)
{
    int before = fake_open_descriptors();
    void *blob = fs_store(&node, "x", 7, "hello");
    ck_assert_int_eq(fake_open_descriptors(), before);
    node.ops->free(blob);
}
END_TEST

START_TEST(last_descriptors_are_kept_for_readers)
{
    struct rlimit limit = { 64, 64 };
    void *blobs[64];
    uint32_t count = 0;
    int32_t rc = 0;
    void *stored = fs_store(&node, "stored", 1, "hello");
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    while (count < 64 && rc == 0) {
        char id[16];
        (void)snprintf(id, sizeof(id), "%u", count);
        rc = fs_try_create(&node, id, 7, 0, 5, &blobs[count]);
        count += rc == 0;
    }
    ck_assert_int_eq(rc, -EBUSY);
    ck_assert_int_eq(close(fs_fd(&node, stored, PK_ACCESS_READ, NULL)), 0);
    ck_assert_uint_eq(fs_count("objects", ""), 2 + count);
    while (count > 0)
        ck_assert_int_eq(node.ops->remove(blobs[--count], &node.err), 0);
    node.ops->free(stored);
}
END_TEST

/* ---- what it says of itself ---- */

START_TEST(traits_and_blocking)
{
    struct pk_blob_traits traits = { .struct_size = sizeof(traits) };
    node.ops->traits(node.fs, &traits);
    ck_assert_uint_eq(traits.flags, PK_BLOB_DURABLE | PK_BLOB_CONDITIONAL | PK_BLOB_GROWS);
    ck_assert_uint_eq(node.ops->may_block(node.fs, PK_BLOB_HANDLE, 0), 1);
    ck_assert_uint_eq(node.ops->may_block(node.fs, PK_BLOB_SIZE, 0), 0);
}
END_TEST

int
main(void)
{
    const TTest *const cases[] = {
        object_is_found_once_it_is_published,
        manifest_tells_all_of_the_object,
        object_outlives_its_node,
        discarded_object_leaves_nothing,
        unpublished_object_is_readable_until_it_is_removed,
        abandoned_create_leaves_nothing,
        successor_is_made_while_its_predecessor_is_removed,
        epoch_whose_name_was_made_anew_is_stale,
        name_that_is_taken_is_refused,
        blobs_come_in_order,
        many_blobs_are_one_object,
        sized_blob_has_its_room_and_no_more,
        unsized_blob_grows,
        sized_blob_that_a_writer_makes_larger_says_so,
        reads_end_where_the_blob_ends,
        more_room_than_there_is_is_refused_at_once,
        handles_are_paths_with_descriptors_of_their_own,
        handles_that_make_no_sense_are_refused,
        sealed_blobs_take_no_descriptor,
        last_descriptors_are_kept_for_readers,
        traits_and_blocking,
    };
    return SUITE_RUN_BETWEEN("blob_fs", cases, setup, teardown);
}
