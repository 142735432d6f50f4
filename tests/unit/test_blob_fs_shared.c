/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two nodes, one folder: who may create, who may publish, what each sees of the other, and what is
 * taken over from one that is dead or stalled.
 */
#include "blob_fs_fixture.h"
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct fs_node one;
static struct fs_node other;

static void
setup(void)
{
    fs_setup();
    fs_open_shared(&one);
    fs_open_shared(&other);
}

static void
teardown(void)
{
    fs_close(&one);
    fs_close(&other);
    ck_assert_uint_eq(fs_count("nodes", ""), 0);
    fs_teardown();
}

/* The file in nodes/ of whoever has the one claim that there is. */
static void
claimant_path(char *ret_path)
{
    char claim[PATH_MAX];
    fs_path_of("claims", "", claim);
    (void)snprintf(ret_path, PATH_MAX, "%s/nodes/%s", fs_root, strrchr(claim, '.') + 1);
}

/* It gives no sign of life any more. */
static void
stall_claimant(void)
{
    char path[PATH_MAX];
    const struct timespec long_ago[2] = { { 1000, 0 }, { 1000, 0 } };
    claimant_path(path);
    ck_assert_int_eq(utimensat(AT_FDCWD, path, long_ago, 0), 0);
}

static void
pass_time(struct fs_node *node, uint64_t nanoseconds)
{
    node->fake.now += nanoseconds;
    fake_factory_host_fire(&node->fake);
}

static void
look(struct fs_node *node)
{
    node->fake.change_count = 0;
    pass_time(node, 200000000);
}

static bool
was_told(const struct fs_node *node, const char *id)
{
    for (uint32_t i = 0; i < node->fake.change_count && i < FAKE_CHANGES_MAX; i++)
        if (strcmp(node->fake.changes[i], id) == 0)
            return true;
    return false;
}

/* ---- creating and publishing ---- */

START_TEST(both_say_that_they_share)
{
    struct pk_blob_traits traits = { .struct_size = sizeof(traits) };
    one.ops->traits(one.fs, &traits);
    ck_assert_uint_eq(traits.flags,
                      PK_BLOB_DURABLE | PK_BLOB_CONDITIONAL | PK_BLOB_SHARED | PK_BLOB_GROWS);
}
END_TEST

START_TEST(creates_of_one_name_exclude_each_other)
{
    void *blob = fs_create_blob(&one, "x", 7, 5);
    void *none = NULL;
    ck_assert_int_eq(fs_try_create(&other, "x", 7, 0, 5, &none), -EEXIST);
    ck_assert_int_eq(fs_try_create(&other, "x", 8, 0, 5, &none), -EEXIST);
    ck_assert_ptr_null(none);
    void *elsewhere = fs_create_blob(&other, "y", 7, 5);
    ck_assert_int_eq(other.ops->remove(elsewhere, &other.err), 0);
    ck_assert_int_eq(one.ops->remove(blob, &one.err), 0);
    blob = fs_create_blob(&other, "x", 9, 5);
    ck_assert_int_eq(other.ops->remove(blob, &other.err), 0);
    ck_assert_uint_eq(fs_count("claims", ""), 0);
    ck_assert_uint_eq(fs_count("objects", ""), 0);
}
END_TEST

START_TEST(claim_goes_with_the_last_of_its_blobs)
{
    void *first = fs_create_blob(&one, "x", 7, 5);
    void *second = NULL;
    ck_assert_int_eq(fs_try_create(&one, "x", 7, 1, PK_UNSIZED, &second), 0);
    ck_assert_uint_eq(fs_count("claims", ""), 1);
    ck_assert_int_eq(one.ops->remove(first, &one.err), 0);
    ck_assert_uint_eq(fs_count("claims", ""), 1);
    ck_assert_int_eq(one.ops->remove(second, &one.err), 0);
    ck_assert_uint_eq(fs_count("claims", ""), 0);
}
END_TEST

START_TEST(what_one_sealed_both_see)
{
    fs_keep(&one, "x", 7, "hello");
    fs_assert_holds(&one, "x", 7, "hello");
    fs_assert_holds(&other, "x", 7, "hello");
    ck_assert_uint_eq(fs_recover_all(&other), 1);
}
END_TEST

START_TEST(objects_of_one_epoch_stand_side_by_side)
{
    fs_keep(&one, "x", 7, "hello");
    fs_keep(&other, "y", 7, "other");
    fs_assert_holds(&other, "x", 7, "hello");
    fs_assert_holds(&one, "y", 7, "other");
}
END_TEST

START_TEST(name_published_after_the_lookup_is_refused)
{
    void *none = NULL;
    fs_keep(&one, "x", 7, "hello");
    ck_assert_int_eq(fs_try_create(&other, "x", 8, 0, 5, &none), -EEXIST);
    ck_assert_uint_eq(fs_count("claims", ""), 0);
}
END_TEST

static void
seal_five(struct fs_node *node, void *blob)
{
    fs_write_blob(node, blob, "hello");
    fs_seal_blob(node, blob);
}

START_TEST(stalled_creator_can_not_publish)
{
    void *none = NULL;
    void *late = fs_create_blob(&one, "x", 7, 5);
    seal_five(&one, late);
    ck_assert_int_eq(fs_try_create(&other, "x", 8, 0, 5, &none), -EEXIST);
    stall_claimant();
    void *blob = fs_create_blob(&other, "x", 8, 5);
    ck_assert_int_eq(fs_try_publish(&one, "x", 7, 5, late), -ESTALE);
    seal_five(&other, blob);
    ck_assert_int_eq(fs_try_publish(&other, "x", 8, 5, blob), 0);
    ck_assert_int_eq(fs_try_publish(&one, "x", 7, 5, late), -ESTALE);
    ck_assert_int_eq(one.ops->remove(late, &one.err), 0);
    fs_assert_holds(&one, "x", 8, "hello");
    other.ops->free(blob);
    ck_assert_uint_eq(fs_count("claims", ""), 0);
    ck_assert_uint_eq(fs_count("objects", ""), 2);
}
END_TEST

/* The successor gave the name back: it is free, but not for the one that lost it. */
START_TEST(claim_that_was_lost_does_not_come_back)
{
    void *late = fs_create_blob(&one, "x", 7, 5);
    seal_five(&one, late);
    stall_claimant();
    void *blob = fs_create_blob(&other, "x", 8, 5);
    ck_assert_int_eq(other.ops->remove(blob, &other.err), 0);
    ck_assert_int_eq(fs_try_publish(&one, "x", 7, 5, late), -ESTALE);
    ck_assert_int_eq(one.ops->remove(late, &one.err), 0);
    fs_assert_missing(&one, "x");
    ck_assert_uint_eq(fs_count("objects", ""), 0);
}
END_TEST

START_TEST(sign_of_life_keeps_the_claim)
{
    void *none = NULL;
    void *blob = fs_create_blob(&one, "x", 7, 5);
    stall_claimant();
    pass_time(&one, 15000000000);
    ck_assert_int_eq(fs_try_create(&other, "x", 8, 0, 5, &none), -EEXIST);
    ck_assert_int_eq(one.ops->remove(blob, &one.err), 0);
}
END_TEST

static void
create_and_die(struct fs_node *node)
{
    (void)fs_create_blob(node, "x", 6, 5);
}

START_TEST(claim_of_a_dead_node_is_taken_over_at_once)
{
    fs_crash(create_and_die, true);
    ck_assert_uint_eq(fs_count("claims", ""), 1);
    void *blob = fs_create_blob(&one, "x", 7, 5);
    seal_five(&one, blob);
    ck_assert_int_eq(fs_try_publish(&one, "x", 7, 5, blob), 0);
    one.ops->free(blob);
    fs_assert_holds(&other, "x", 7, "hello");
    ck_assert_uint_eq(fs_recover_all(&one), 1);
}
END_TEST

/* Whoever is taken for dead wrongly (an NFS lock that was lost) can't publish: what it made may
 * have been removed already. */
START_TEST(node_that_was_taken_for_dead_can_not_publish)
{
    char token[PATH_MAX];
    void *blob = fs_create_blob(&one, "x", 7, 5);
    claimant_path(token);
    seal_five(&one, blob);
    ck_assert_int_eq(unlink(token), 0);
    ck_assert_int_eq(fs_try_publish(&one, "x", 7, 5, blob), -ESTALE);
    fs_assert_missing(&other, "x");
    ck_assert_int_eq(one.ops->remove(blob, &one.err), 0);
}
END_TEST

/* ---- discarding ---- */

START_TEST(object_is_discarded_by_whoever_is_asked)
{
    struct fs_found found;
    void *blob = fs_store(&one, "x", 7, "hello");
    ck_assert_int_eq(fs_find(&other, "x", &found), 0);
    fs_discard(&other, "x", 7, found.blob);
    fs_assert_missing(&one, "x");
    struct fs_node *node = &one;
    char text[8];
    uint64_t size = 0;
    ck_assert_int_eq(node->ops->read(blob, 0, text, sizeof(text), &size, &node->err), -ENOENT);
    const struct pk_key key = { "x", 7 };
    ck_assert_int_eq(one.ops->unpublish(one.fs, &key, &one.err), -ENOENT);
    one.ops->free(blob);
    ck_assert_uint_eq(fs_count("objects", ""), 0);
}
END_TEST

START_TEST(discard_waits_for_nobody_who_creates)
{
    const struct pk_key key = { "x", 7 };
    char claim[PATH_MAX];
    fs_keep(&one, "x", 7, "hello");
    void *blob = fs_create_blob(&other, "y", 8, 5);
    fs_path_of("claims", "", claim);
    char taken[PATH_MAX];
    (void)snprintf(taken, sizeof(taken), "%s/claims/x", fs_root);
    *strrchr(claim, '/') = '\0';
    ck_assert_int_eq(rename(claim, taken), 0);
    ck_assert_int_eq(one.ops->unpublish(one.fs, &key, &one.err), -EBUSY);
    ck_assert_int_eq(rename(taken, claim), 0);
    ck_assert_int_eq(one.ops->unpublish(one.fs, &key, &one.err), 0);
    ck_assert_int_eq(other.ops->remove(blob, &other.err), 0);
    ck_assert_uint_eq(fs_count("claims", ""), 0);
}
END_TEST

/* ---- recovery beside a living node ---- */

START_TEST(recovery_leaves_what_the_living_are_making_or_still_serve)
{
    const struct pk_key key = { "served", 8 };
    void *making = fs_create_blob(&one, "making", 7, 5);
    void *served = fs_store(&one, "served", 8, "hello");
    ck_assert_int_eq(one.ops->unpublish(one.fs, &key, &one.err), 0);
    ck_assert_uint_eq(fs_recover_all(&other), 0);
    seal_five(&one, making);
    ck_assert_int_eq(fs_try_publish(&one, "making", 7, 5, making), 0);
    char path[PATH_MAX];
    ck_assert_int_eq(close(fs_fd(&one, served, PK_ACCESS_READ, path)), 0);
    ck_assert_int_eq(access(path, R_OK), 0);
    ck_assert_int_eq(one.ops->remove(served, &one.err), 0);
    one.ops->free(making);
    fs_assert_holds(&other, "making", 7, "hello");
    ck_assert_uint_eq(fs_count("objects", ""), 2);
}
END_TEST

static void
store_and_die(struct fs_node *node)
{
    (void)fs_store(node, "x", 7, "hello");
}

/* Its creator is dead; the node that discarded it lives, and has readers of its paths. */
START_TEST(recovery_leaves_what_another_discarded_and_still_serves)
{
    struct fs_found found;
    const struct pk_key key = { "x", 7 };
    fs_crash(store_and_die, true);
    ck_assert_int_eq(fs_find(&one, "x", &found), 0);
    ck_assert_int_eq(one.ops->unpublish(one.fs, &key, &one.err), 0);
    ck_assert_uint_eq(fs_recover_all(&other), 0);
    ck_assert_int_eq(close(fs_fd(&one, found.blob, PK_ACCESS_READ, NULL)), 0);
    ck_assert_uint_eq(fs_count("objects", ""), 2);
    ck_assert_int_eq(one.ops->remove(found.blob, &one.err), 0);
    ck_assert_uint_eq(fs_count("objects", ""), 0);
}
END_TEST

static void
discard_and_die(struct fs_node *node)
{
    struct fs_found found;
    const struct pk_key key = { "x", 7 };
    ck_assert_int_eq(fs_find(node, "x", &found), 0);
    ck_assert_int_eq(node->ops->unpublish(node->fs, &key, &node->err), 0);
}

START_TEST(recovery_removes_what_a_dead_node_discarded)
{
    fs_crash(store_and_die, true);
    fs_crash(discard_and_die, true);
    fs_assert_missing(&one, "x");
    ck_assert_uint_eq(fs_count("objects", ""), 2);
    ck_assert_uint_eq(fs_recover_all(&one), 0);
    ck_assert_uint_eq(fs_count("objects", ""), 0);
    ck_assert_uint_eq(fs_count("nodes", ""), 2);
}
END_TEST

/* Another machine may not see yet what is there. */
START_TEST(object_whose_data_does_not_show_is_an_error_and_stays)
{
    char path[PATH_MAX];
    char hidden[PATH_MAX];
    struct fs_found found;
    fs_keep(&one, "x", 7, "hello");
    fs_path_of("objects", ".0", path);
    (void)snprintf(hidden, sizeof(hidden), "%s/hidden", fs_root);
    ck_assert_int_eq(rename(path, hidden), 0);
    ck_assert_int_eq(fs_find(&other, "x", &found), -EIO);
    ck_assert_uint_eq(fs_count("aside", ""), 0);
    ck_assert_int_eq(rename(hidden, path), 0);
    fs_assert_holds(&other, "x", 7, "hello");
}
END_TEST

/* ---- news ---- */

START_TEST(news_of_what_others_publish_and_discard)
{
    struct fs_found found;
    char long_id[PK_ID_MAX + 1];
    memset(long_id, '/', PK_ID_MAX);
    long_id[PK_ID_MAX] = '\0';
    look(&other);
    ck_assert_uint_eq(other.fake.change_count, 0);
    fs_keep(&one, "x/y", 7, "hello");
    fs_keep(&one, long_id, 8, "hello");
    look(&other);
    ck_assert_uint_eq(other.fake.change_count, 2);
    ck_assert(was_told(&other, "x/y") && was_told(&other, long_id));
    look(&other);
    ck_assert_uint_eq(other.fake.change_count, 0);
    ck_assert_int_eq(fs_find(&one, long_id, &found), 0);
    fs_discard(&one, long_id, 8, found.blob);
    look(&other);
    ck_assert_uint_eq(other.fake.change_count, 1);
    ck_assert(was_told(&other, long_id));
}
END_TEST

START_TEST(own_deeds_are_no_news)
{
    void *blob = fs_store(&one, "x", 7, "hello");
    look(&one);
    ck_assert_uint_eq(one.fake.change_count, 0);
    fs_discard(&one, "x", 7, blob);
    look(&one);
    ck_assert_uint_eq(one.fake.change_count, 0);
}
END_TEST

/* Published and discarded between two rounds, but found here meanwhile. */
START_TEST(end_of_what_was_found_is_news_though_no_round_saw_it)
{
    struct fs_found found;
    char long_id[PK_ID_MAX + 1];
    const char *const ids[] = { "x", long_id };
    memset(long_id, '/', PK_ID_MAX);
    long_id[PK_ID_MAX] = '\0';
    for (size_t i = 0; i < 2; i++) {
        look(&other);
        void *blob = fs_store(&one, ids[i], 7, "hello");
        ck_assert_int_eq(fs_find(&other, ids[i], &found), 0);
        fs_discard(&one, ids[i], 7, blob);
        look(&other);
        ck_assert(was_told(&other, ids[i]));
        fs_forget(&other, &found);
    }
}
END_TEST

START_TEST(end_of_what_this_node_made_is_news)
{
    struct fs_found found;
    char long_id[PK_ID_MAX + 1];
    memset(long_id, '/', PK_ID_MAX);
    long_id[PK_ID_MAX] = '\0';
    fs_keep(&one, long_id, 7, "hello");
    look(&one);
    ck_assert_uint_eq(one.fake.change_count, 0);
    ck_assert_int_eq(fs_find(&other, long_id, &found), 0);
    fs_discard(&other, long_id, 7, found.blob);
    look(&one);
    ck_assert(was_told(&one, long_id));
}
END_TEST

START_TEST(object_that_took_anothers_place_is_news)
{
    struct fs_found found;
    fs_keep(&one, "x", 7, "hello");
    look(&other);
    ck_assert_int_eq(fs_find(&one, "x", &found), 0);
    const struct pk_key key = { "x", 7 };
    ck_assert_int_eq(one.ops->unpublish(one.fs, &key, &one.err), 0);
    fs_keep(&one, "x", 8, "other");
    look(&other);
    ck_assert_uint_eq(other.fake.change_count, 1);
    ck_assert(was_told(&other, "x"));
    ck_assert_int_eq(one.ops->remove(found.blob, &one.err), 0);
}
END_TEST

/* Coarse times: what changes after the look and within the same tick has no new time. */
START_TEST(change_within_the_same_tick_is_noticed)
{
    char path[PATH_MAX];
    struct stat st;
    look(&other);
    fs_keep(&one, "x", 7, "hello");
    fs_path_of("objects", ".json", path);
    *strrchr(path, '/') = '\0';
    look(&other);
    ck_assert(was_told(&other, "x"));
    ck_assert_int_eq(stat(path, &st), 0);
    const struct timespec same[2] = { st.st_atim, st.st_mtim };
    struct fs_found found;
    ck_assert_int_eq(fs_find(&one, "x", &found), 0);
    fs_discard(&one, "x", 7, found.blob);
    ck_assert_int_eq(utimensat(AT_FDCWD, path, same, 0), 0);
    look(&other);
    ck_assert(was_told(&other, "x"));
}
END_TEST

/* ---- who may come in ---- */

START_TEST(node_that_does_not_share_is_refused)
{
    struct fs_node alone;
    fs_prepare(&alone);
    ck_assert_int_eq(fs_try_open(&alone), -EBUSY);
    ck_assert_ptr_nonnull(strstr(alone.err.message, "another node has it"));
    ck_assert_ptr_null(alone.fs);
}
END_TEST

START_TEST(node_that_shares_is_refused_where_one_does_not)
{
    struct fs_node alone;
    struct fs_node late;
    fs_close(&one);
    fs_close(&other);
    fs_open(&alone);
    fs_prepare(&late);
    fake_factory_host_set(&late.fake, "shared", 1);
    ck_assert_int_eq(fs_try_open(&late), -EBUSY);
    ck_assert_ptr_nonnull(strstr(late.err.message, "does not share it"));
    fs_close(&alone);
    fs_open_shared(&one);
    fs_open_shared(&other);
}
END_TEST

int
main(void)
{
    const TTest *const cases[] = {
        both_say_that_they_share,
        creates_of_one_name_exclude_each_other,
        claim_goes_with_the_last_of_its_blobs,
        what_one_sealed_both_see,
        objects_of_one_epoch_stand_side_by_side,
        name_published_after_the_lookup_is_refused,
        stalled_creator_can_not_publish,
        claim_that_was_lost_does_not_come_back,
        sign_of_life_keeps_the_claim,
        claim_of_a_dead_node_is_taken_over_at_once,
        node_that_was_taken_for_dead_can_not_publish,
        object_is_discarded_by_whoever_is_asked,
        discard_waits_for_nobody_who_creates,
        recovery_leaves_what_the_living_are_making_or_still_serve,
        recovery_leaves_what_another_discarded_and_still_serves,
        recovery_removes_what_a_dead_node_discarded,
        object_whose_data_does_not_show_is_an_error_and_stays,
        news_of_what_others_publish_and_discard,
        own_deeds_are_no_news,
        end_of_what_was_found_is_news_though_no_round_saw_it,
        end_of_what_this_node_made_is_news,
        object_that_took_anothers_place_is_news,
        change_within_the_same_tick_is_noticed,
        node_that_does_not_share_is_refused,
        node_that_shares_is_refused_where_one_does_not,
    };
    return SUITE_RUN_BETWEEN("blob_fs_shared", cases, setup, teardown);
}
