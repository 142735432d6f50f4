/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a node finds in its folder: after a crash at any step, with damage, with files of others,
 * and with links that lead elsewhere.
 */
#include "blob_fs_fixture.h"
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <packice/cleanup.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct fs_node node;

static void
setup(void)
{
    fs_setup();
}

static void
teardown(void)
{
    fs_teardown();
}

/* ---- crashes ---- */

#define STEPS 6
static int steps_left;

static bool
step(void)
{
    return steps_left-- > 0;
}

/* Two blobs, the second without a size: as far as the steps reach. */
static void
go_some_way(struct fs_node *of)
{
    void *blobs[2] = { NULL };
    const uint64_t sizes[2] = { 5, 3 };
    const struct pk_manifest manifest = {
        .struct_size = sizeof(manifest),
        .blob_count = 2,
        .key = { "half", 9 },
        .sizes = sizes,
        .meta = "",
    };
    fs_keep(of, "whole", 8, "hello");
    if (step())
        blobs[0] = fs_create_blob(of, "half", 9, 5);
    if (step() && fs_try_create(of, "half", 9, 1, PK_UNSIZED, &blobs[1]) != 0)
        abort();
    if (step())
        fs_write_blob(of, blobs[1], "abc");
    if (step())
        fs_seal_blob(of, blobs[0]);
    if (step())
        fs_seal_blob(of, blobs[1]);
    if (step() && of->ops->publish(of->fs, &manifest, blobs, &of->err) != 0)
        abort();
}

START_TEST(crash_at_any_step_leaves_all_or_nothing)
{
    for (int steps = 0; steps <= STEPS; steps++) {
        bool published = steps == STEPS;
        steps_left = steps;
        fs_crash(go_some_way, steps % 2 == 0);
        fs_open(&node);
        ck_assert_uint_eq(fs_recover_all(&node), published ? 2 : 1);
        ck_assert_uint_eq(fs_recover_all(&node), published ? 2 : 1);
        ck_assert_uint_eq(fs_count("claims", ""), 0);
        ck_assert_uint_eq(fs_count("objects", ""), published ? 5 : 2);
        ck_assert_uint_eq(fs_count("nodes", ""), 1);
        fs_assert_holds(&node, "whole", 8, "hello");
        struct fs_found found;
        ck_assert_int_eq(fs_find(&node, "half", &found), published ? 0 : -ENOENT);
        fs_forget(&node, &found);
        ck_assert_int_eq(fs_find(&node, "whole", &found), 0);
        fs_discard(&node, "whole", 8, found.blob);
        fs_close(&node);
    }
}
END_TEST

static void
discard_half_way(struct fs_node *of)
{
    const struct pk_key key = { "x", 7 };
    (void)fs_store(of, "x", 7, "hello");
    if (of->ops->unpublish(of->fs, &key, &of->err) != 0)
        abort();
}

START_TEST(discarded_object_does_not_come_back)
{
    fs_crash(discard_half_way, false);
    ck_assert_uint_eq(fs_count("objects", ""), 2);
    fs_open(&node);
    fs_assert_missing(&node, "x");
    ck_assert_uint_eq(fs_recover_all(&node), 0);
    ck_assert_uint_eq(fs_count("objects", ""), 0);
    fs_close(&node);
}
END_TEST

static void
seal_one(struct fs_node *of)
{
    fs_seal_blob(of, fs_create_blob(of, "x", 7, 5));
}

/* All of it may be written but for its second name. */
START_TEST(manifest_that_was_not_published_goes)
{
    char path[PATH_MAX];
    fs_crash(seal_one, false);
    fs_path_of("objects", "", path);
    (void)snprintf(strrchr(path, '.'), 16, ".making");
    fs_write_file(path, "{\"packice_blob_fs\":1");
    fs_open(&node);
    fs_assert_missing(&node, "x");
    ck_assert_uint_eq(fs_recover_all(&node), 0);
    ck_assert_uint_eq(fs_count("objects", ""), 0);
    fs_close(&node);
}
END_TEST

/* What this node makes while it still recovers. */
START_TEST(recovery_leaves_what_is_being_made)
{
    fs_open(&node);
    void *blob = fs_create_blob(&node, "x", 7, 5);
    ck_assert_uint_eq(fs_recover_all(&node), 0);
    fs_write_blob(&node, blob, "hello");
    fs_seal_blob(&node, blob);
    ck_assert_uint_eq(fs_recover_all(&node), 0);
    ck_assert_int_eq(fs_try_publish(&node, "x", 7, 5, blob), 0);
    node.ops->free(blob);
    fs_assert_holds(&node, "x", 7, "hello");
    fs_close(&node);
}
END_TEST

static uint32_t
stops(void *ctx)
{
    (void)ctx;
    return 1;
}

static void
no_object(void *arg, const struct pk_blob_found *found)
{
    (void)arg;
    ck_abort_msg("'%s' was found", found->manifest->key.id);
}

START_TEST(recovery_ends_when_the_node_stops)
{
    fs_open(&node);
    fs_keep(&node, "x", 7, "hello");
    node.fake.host.stopping = stops;
    ck_assert_int_eq(node.ops->recover(node.fs, no_object, NULL, &node.err), -ECANCELED);
    fs_close(&node);
}
END_TEST

/* ---- damage ---- */

static void
keep_one(const char *id)
{
    fs_open(&node);
    fs_keep(&node, id, 7, "hello");
    fs_close(&node);
}

static void
assert_set_aside(const char *id)
{
    fs_open(&node);
    ck_assert_uint_eq(fs_recover_all(&node), 0);
    fs_assert_missing(&node, id);
    ck_assert_uint_eq(fs_count("aside", ""), 1);
    ck_assert_uint_eq(fs_count("objects", ".json"), 0);
    ck_assert_ptr_nonnull(strstr(node.fake.last_line, "set aside as aside/"));
    fs_keep(&node, id, 8, "other");
    fs_assert_holds(&node, id, 8, "other");
    fs_close(&node);
}

START_TEST(damaged_manifest_is_set_aside)
{
    char path[PATH_MAX];
    keep_one("x");
    fs_path_of("objects", ".json", path);
    fs_write_file(path, "{}\n");
    assert_set_aside("x");
    fs_open(&node);
    ck_assert_uint_eq(fs_recover_all(&node), 1);
    ck_assert_uint_eq(fs_count("objects", ".7."), 1); /* its bytes may still be wanted */
    fs_close(&node);
}
END_TEST

START_TEST(damage_is_found_by_a_lookup_as_well)
{
    char path[PATH_MAX];
    keep_one("x");
    fs_path_of("objects", ".json", path);
    ck_assert_int_eq(truncate(path, 10), 0);
    fs_open(&node);
    fs_assert_missing(&node, "x");
    ck_assert_uint_eq(fs_count("aside", ""), 1);
    ck_assert_uint_eq(fs_recover_all(&node), 0);
    fs_close(&node);
}
END_TEST

START_TEST(manifest_of_another_name_is_set_aside)
{
    char path[PATH_MAX];
    char moved[PATH_MAX];
    keep_one("x");
    fs_path_of("objects", ".json", path);
    /* "y.json", in the folder in which it belongs */
    fs_open(&node);
    fs_keep(&node, "y", 8, "other");
    fs_close(&node);
    fs_path_of("objects", "y.json", moved);
    ck_assert_int_eq(rename(path, moved), 0);
    assert_set_aside("y");
}
END_TEST

START_TEST(object_without_all_its_bytes_is_set_aside)
{
    char path[PATH_MAX];
    keep_one("x");
    fs_path_of("objects", ".0", path);
    ck_assert_int_eq(chmod(path, 0644), 0);
    ck_assert_int_eq(truncate(path, 4), 0);
    assert_set_aside("x");
}
END_TEST

/* After it was looked up: no reader maps behind its end. */
START_TEST(blob_that_was_cut_short_is_not_handed_out)
{
    char path[PATH_MAX];
    struct fs_found found;
    char text[8];
    uint64_t size = 9;
    fs_open(&node);
    fs_keep(&node, "x", 7, "hello");
    ck_assert_int_eq(fs_find(&node, "x", &found), 0);
    fs_path_of("objects", ".0", path);
    ck_assert_int_eq(chmod(path, 0644), 0);
    ck_assert_int_eq(truncate(path, 4), 0);
    ck_assert_int_eq(node.ops->read(found.blob, 0, text, 5, &size, &node.err), -EIO);
    ck_assert_uint_eq(size, 9);
    ck_assert_ptr_nonnull(strstr(node.err.message, "is not the file that was sealed"));
    fs_forget(&node, &found);
    fs_close(&node);
}
END_TEST

START_TEST(object_without_a_blob_is_set_aside)
{
    char path[PATH_MAX];
    keep_one("x");
    fs_path_of("objects", ".0", path);
    ck_assert_int_eq(unlink(path), 0);
    assert_set_aside("x");
}
END_TEST

START_TEST(data_set_aside_goes_when_its_manifest_is_taken_away)
{
    char path[PATH_MAX];
    keep_one("x");
    fs_path_of("objects", ".json", path);
    fs_write_file(path, "{}\n");
    assert_set_aside("x");
    fs_path_of("aside", "", path);
    ck_assert_int_eq(unlink(path), 0);
    fs_open(&node);
    ck_assert_uint_eq(fs_recover_all(&node), 1);
    ck_assert_uint_eq(fs_count("objects", ".7."), 0);
    fs_assert_holds(&node, "x", 8, "other");
    fs_close(&node);
}
END_TEST

/* ---- what is not ours ---- */

START_TEST(foreign_files_are_left_alone_and_told_of)
{
    static const char *const files[] = {
        "README",
        "objects/notes",
        "objects/00/notes.json.bak",
        "objects/00/0123456789abcdef.7.fedcba9876543210.0", /* of another folder */
        "objects/00/misplaced.json",
        "claims/notes",
        "claims/.hidden",
        "nodes/notes",
    };
    keep_one("x");
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        char path[PATH_MAX];
        (void)snprintf(path, sizeof(path), "%s/%s", fs_root, files[i]);
        fs_write_file(path, "mine");
    }
    fs_open(&node);
    uint64_t before = node.fake.lines;
    ck_assert_uint_eq(fs_recover_all(&node), 1);
    ck_assert_uint_eq(node.fake.lines - before, sizeof(files) / sizeof(files[0]));
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        char path[PATH_MAX];
        (void)snprintf(path, sizeof(path), "%s/%s", fs_root, files[i]);
        ck_assert_int_eq(access(path, F_OK), 0);
    }
    fs_close(&node);
}
END_TEST

/* ---- links that lead elsewhere ---- */

static void
link_to(const char *target, const char *file)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof(path), "%s/%s", fs_root, file);
    ck_assert_int_eq(symlink(target, path), 0);
}

START_TEST(manifest_that_is_a_link_is_set_aside)
{
    char path[PATH_MAX];
    char moved[PATH_MAX];
    keep_one("x");
    fs_path_of("objects", ".json", path);
    (void)snprintf(moved, sizeof(moved), "%s/moved", fs_root);
    ck_assert_int_eq(rename(path, moved), 0);
    ck_assert_int_eq(symlink(moved, path), 0);
    assert_set_aside("x");
    ck_assert_int_eq(access(moved, F_OK), 0);
}
END_TEST

START_TEST(blob_that_is_a_link_is_not_opened)
{
    char path[PATH_MAX];
    char moved[PATH_MAX];
    struct fs_found found;
    char text[8];
    uint64_t size = 0;
    fs_open(&node);
    fs_keep(&node, "x", 7, "hello");
    ck_assert_int_eq(fs_find(&node, "x", &found), 0);
    fs_path_of("objects", ".0", path);
    (void)snprintf(moved, sizeof(moved), "%s/moved", fs_root);
    ck_assert_int_eq(rename(path, moved), 0);
    ck_assert_int_eq(symlink(moved, path), 0);
    ck_assert_int_eq(node.ops->read(found.blob, 0, text, 5, &size, &node.err), -EIO);
    fs_forget(&node, &found);
    fs_close(&node);
    assert_set_aside("x");
}
END_TEST

START_TEST(folder_that_is_a_link_is_refused)
{
    static const char *const folders[] = { "objects", "claims", "nodes", "aside" };
    char outside[64] = "/tmp/packice-fs-outside-XXXXXX";
    ck_assert_ptr_nonnull(mkdtemp(outside));
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        char path[PATH_MAX];
        link_to(outside, folders[i]);
        fs_prepare(&node);
        ck_assert_int_eq(fs_try_open(&node), -EIO);
        ck_assert_ptr_nonnull(strstr(node.err.message, folders[i]));
        (void)snprintf(path, sizeof(path), "%s/%s", fs_root, folders[i]);
        ck_assert_int_eq(unlink(path), 0);
    }
    ck_assert_int_eq(rmdir(outside), 0); /* nothing was made there */
}
END_TEST

START_TEST(object_folder_that_becomes_a_link_is_not_followed)
{
    char outside[64] = "/tmp/packice-fs-outside-XXXXXX";
    char path[PATH_MAX];
    void *none = NULL;
    ck_assert_ptr_nonnull(mkdtemp(outside));
    fs_open(&node);
    void *blob = fs_store(&node, "x", 7, "hello");
    fs_path_of("objects", ".json", path);
    *strrchr(path, '/') = '\0';
    fs_discard(&node, "x", 7, blob);
    ck_assert_int_eq(rmdir(path), 0);
    ck_assert_int_eq(symlink(outside, path), 0);
    ck_assert_int_eq(fs_try_create(&node, "x", 8, 0, 5, &none), -EIO);
    fs_close(&node);
    ck_assert_int_eq(rmdir(outside), 0);
}
END_TEST

/* ---- roots ---- */

static void
assert_refused(int32_t code, const char *why)
{
    fs_prepare(&node);
    ck_assert_int_eq(fs_try_open(&node), code);
    ck_assert_ptr_null(node.fs);
    ck_assert_msg(strstr(node.err.message, why) != NULL, "%s", node.err.message);
}

START_TEST(folder_that_holds_other_things_is_refused)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof(path), "%s/thesis.tex", fs_root);
    fs_write_file(path, "mine");
    assert_refused(-EINVAL, "holds other things, 'thesis.tex' among them");
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(rmdir(fs_root), 0); /* nothing was made in it */
    ck_assert_int_eq(mkdir(fs_root, 0700), 0);
}
END_TEST

START_TEST(folder_of_another_format_is_refused)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof(path), "%s/format", fs_root);
    fs_write_file(path, "packice blob_fs 2\n");
    assert_refused(-EINVAL, "another format than 1: 'packice blob_fs 2'");
    fs_write_file(path, "");
    assert_refused(-EINVAL, "format: is none of blob_fs");
}
END_TEST

START_TEST(folder_that_others_can_write_to_is_refused)
{
    ck_assert_int_eq(chmod(fs_root, 0777), 0);
    assert_refused(-EINVAL, "mode 0777: others than its owner may write to it");
    ck_assert_int_eq(chmod(fs_root, 0770), 0);
    assert_refused(-EINVAL, "mode 0770: others than its owner may write to it");
    if (geteuid() == 0) {
        ck_assert_int_eq(chmod(fs_root, 0700), 0);
        ck_assert_int_eq(chown(fs_root, 65534, (gid_t)-1), 0);
        assert_refused(-EINVAL, "belongs to uid 65534");
    }
}
END_TEST

START_TEST(start_that_was_cut_off_is_gone_on_with)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof(path), "%s/objects", fs_root);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    (void)snprintf(path, sizeof(path), "%s/objects/ff", fs_root);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    (void)snprintf(path, sizeof(path), "%s/.format.0123456789abcdef", fs_root);
    fs_write_file(path, "pack");
    keep_one("x");
    fs_open(&node);
    fs_assert_holds(&node, "x", 7, "hello");
    fs_close(&node);
}
END_TEST

START_TEST(options_that_make_no_sense_are_refused)
{
    static const struct {
        const char *option;
        const char *text;
        const char *why;
    } texts[] = {
        { "mode", "", "mode: '' is not an octal mode" },
        { "mode", "0888", "mode: '0888' is not an octal mode" },
        { "mode", "1777", "mode: '1777' is not an octal mode" },
        { "group", "no such group", "group: there is no group 'no such group'" },
        { "group", "4294967295", "group: 4294967295 is not a group's number" },
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        fs_prepare(&node);
        fake_factory_host_set_text(&node.fake, texts[i].option, texts[i].text);
        ck_assert_int_eq(fs_try_open(&node), -EINVAL);
        ck_assert_msg(strstr(node.err.message, texts[i].why) != NULL, "%s", node.err.message);
    }
    fs_prepare(&node);
    fake_factory_host_set(&node.fake, "poll", 0);
    ck_assert_int_eq(fs_try_open(&node), -EINVAL);
    fs_prepare(&node);
    fake_factory_host_set(&node.fake, "claim_timeout", 799999999);
    ck_assert_int_eq(fs_try_open(&node), -EINVAL);
}
END_TEST

int
main(void)
{
    const TTest *const cases[] = {
        crash_at_any_step_leaves_all_or_nothing,
        discarded_object_does_not_come_back,
        manifest_that_was_not_published_goes,
        recovery_leaves_what_is_being_made,
        recovery_ends_when_the_node_stops,
        damaged_manifest_is_set_aside,
        damage_is_found_by_a_lookup_as_well,
        manifest_of_another_name_is_set_aside,
        object_without_all_its_bytes_is_set_aside,
        blob_that_was_cut_short_is_not_handed_out,
        object_without_a_blob_is_set_aside,
        data_set_aside_goes_when_its_manifest_is_taken_away,
        foreign_files_are_left_alone_and_told_of,
        manifest_that_is_a_link_is_set_aside,
        blob_that_is_a_link_is_not_opened,
        folder_that_is_a_link_is_refused,
        object_folder_that_becomes_a_link_is_not_followed,
        folder_that_holds_other_things_is_refused,
        folder_of_another_format_is_refused,
        folder_that_others_can_write_to_is_refused,
        start_that_was_cut_off_is_gone_on_with,
        options_that_make_no_sense_are_refused,
    };
    return SUITE_RUN_BETWEEN("blob_fs_recover", cases, setup, teardown);
}
