/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk that fails: every system call of an object's life once, with the errors that disks give; a
 * full disk, a sync that fails, a folder that vanishes, a lease that the kernel breaks. The calls
 * are caught by the linker.
 */
#include "blob_fs_fixture.h"
#include "suite.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <packice/cleanup.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- calls that fail when they are told to ---- */

static struct {
    const char *call; /* only this one; NULL: any but for memory */
    int error;        /* 0: none fails */
    int after;        /* so many go well before */
    bool once;
    uint32_t hits;
    uint32_t syncs;
} fault;

static bool
is_meant(const char *call)
{
    if (fault.call == NULL)
        return strcmp(call, "malloc") != 0 && strcmp(call, "calloc") != 0;
    return strcmp(fault.call, call) == 0;
}

static bool
hit(const char *call)
{
    if (fault.error == 0 || !is_meant(call) || fault.after-- > 0)
        return false;
    fault.hits++;
    errno = fault.error;
    if (fault.once)
        fault.error = 0;
    return true;
}

#define CAUGHT(type, call, parameters, arguments, failed) \
    type __real_##call parameters; \
    type __wrap_##call parameters; \
    type __wrap_##call parameters \
    { \
        return hit(#call) ? (failed) : __real_##call arguments; \
    }

CAUGHT(int, mkdirat, (int folder, const char *name, mode_t mode), (folder, name, mode), -1)
CAUGHT(int, renameat, (int from, const char *old, int to, const char *new), (from, old, to, new),
       -1)
CAUGHT(int, unlinkat, (int folder, const char *name, int flags), (folder, name, flags), -1)
CAUGHT(int, fchmod, (int fd, mode_t mode), (fd, mode), -1)
CAUGHT(int, fstat64, (int fd, struct stat *st), (fd, st), -1)
CAUGHT(int, fstatat64, (int folder, const char *name, struct stat *st, int flags),
       (folder, name, st, flags), -1)
CAUGHT(ssize_t, pread64, (int fd, void *data, size_t size, off_t at), (fd, data, size, at), -1)
CAUGHT(ssize_t, pwrite64, (int fd, const void *data, size_t size, off_t at), (fd, data, size, at),
       -1)
CAUGHT(int, fallocate64, (int fd, int mode, off_t at, off_t size), (fd, mode, at, size), -1)
CAUGHT(int, sync_file_range, (int fd, off_t from, off_t size, unsigned how), (fd, from, size, how),
       -1)
CAUGHT(DIR *, fdopendir, (int fd), (fd), NULL)
CAUGHT(void *, calloc, (size_t count, size_t size), (count, size), NULL)
CAUGHT(void *, malloc, (size_t size), (size), NULL)

int __real_openat64(int folder, const char *name, int flags, mode_t mode);
int __wrap_openat64(int folder, const char *name, int flags, mode_t mode);
int
__wrap_openat64(int folder, const char *name, int flags, mode_t mode)
{
    return hit("openat64") ? -1 : __real_openat64(folder, name, flags, mode);
}

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int
__wrap_fsync(int fd)
{
    fault.syncs++;
    return hit("fsync") ? -1 : __real_fsync(fd);
}

/* Another node takes the claim over at the last moment. */
static bool steal_claims;

int __real_linkat(int from, const char *old, int to, const char *new, int flags);
int __wrap_linkat(int from, const char *old, int to, const char *new, int flags);
int
__wrap_linkat(int from, const char *old, int to, const char *new, int flags)
{
    if (steal_claims)
        ck_assert_int_eq(__real_unlinkat(from, old, 0), 0);
    return hit("linkat") ? -1 : __real_linkat(from, old, to, new, flags);
}

/* Breaks the lease that was given, as somebody who may write would. */
static bool break_leases;

int __real_fcntl64(int fd, int command, unsigned long argument);
int __wrap_fcntl64(int fd, int command, unsigned long argument);
int
__wrap_fcntl64(int fd, int command, unsigned long argument)
{
    int rc = hit("fcntl64") ? -1 : __real_fcntl64(fd, command, argument);
    if (rc == 0 && break_leases && command == F_SETLEASE && argument == F_RDLCK) {
        char path[64];
        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        ck_assert_int_eq(__real_fchmod(fd, 0644), 0); /* root would not need that */
        ck_assert_int_eq(open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC), -1);
        ck_assert_int_eq(errno, EWOULDBLOCK);
        ck_assert_int_eq(__real_fchmod(fd, 0444), 0);
    }
    return rc;
}

static void
fail_one(const char *call, int error, int after)
{
    fault.call = call;
    fault.error = error;
    fault.after = after;
    fault.once = true;
    fault.hits = 0;
}

static void
fail_all(const char *call, int error)
{
    fail_one(call, error, 0);
    fault.once = false;
}

static void
heal(void)
{
    fault.error = 0;
}

static struct fs_node node;
static bool shared;

static void
open_node(void)
{
    if (shared)
        fs_open_shared(&node);
    else
        fs_open(&node);
}

static void
setup(void)
{
    fs_setup();
    shared = false;
    open_node();
}

/* Where others may be, a claim is made, too: several more calls. */
static void
share(bool share)
{
    fs_close(&node);
    shared = share;
    open_node();
}

static void
teardown(void)
{
    heal();
    fs_close(&node);
    fs_teardown();
}

/* ---- every call once ---- */

static const struct pk_key key = { "x", 7 };

struct life {
    int32_t rc;     /* what failed first */
    bool published; /* that was answered */
    bool discarded; /* likewise */
};

#define BY_PUT (PK_UNSIZED - 1) /* no size, but the other way to make it */

static int32_t
make(struct fs_node *of, uint64_t size, void **ret_blob)
{
    if (size == BY_PUT)
        return fs_try_put(of, "x", 7, "hello", ret_blob);
    int32_t rc = fs_try_create(of, "x", 7, 0, size, ret_blob);
    if (rc == 0)
        rc = of->ops->write(*ret_blob, 0, "hello", 5, &of->err);
    if (rc == 0)
        rc = of->ops->seal(*ret_blob, 5, &of->err);
    return rc;
}

/* An object's life as a host would go on with it, up to the first error; then its end. */
static struct life
live(uint64_t size)
{
    struct life life = { 0 };
    struct fs_found found = { 0 };
    struct fs_node *of = &node;
    void *blob = NULL;
    of->err = (struct pk_error)PK_ERROR_INIT;
    life.rc = make(of, size, &blob);
    if (blob == NULL)
        return life;
    if (life.rc == 0)
        life.rc = fs_try_publish(of, "x", 7, 5, blob);
    life.published = life.rc == 0;
    if (!life.published) {
        (void)of->ops->remove(blob, NULL);
        return life;
    }
    life.rc = fs_find(of, "x", &found);
    if (life.rc == 0)
        fs_forget(of, &found);
    if (life.rc == 0)
        life.rc = of->ops->unpublish(of->fs, &key, &of->err);
    life.discarded = life.published && life.rc == 0;
    if (life.discarded)
        life.rc = of->ops->remove(blob, &of->err);
    else
        of->ops->free(blob);
    return life;
}

static bool
is_allowed(int32_t rc, int error)
{
    switch (error) {
    case ENOSPC:
    case EDQUOT:
        return rc == -ENOSPC;
    case EMFILE:
        return rc == -EBUSY;
    case ENOMEM:
        return rc == -ENOMEM;
    default:
        return rc == -EIO;
    }
}

/* What was answered is so, and everything else is as if it had never been. */
static void
check_after(const struct life *life, int error, int step)
{
    int descriptors = fake_open_descriptors();
    struct fs_found found;
    ck_assert_msg(life->rc == 0 || is_allowed(life->rc, error), "step %d, %s: %d: %s", step,
                  strerror(error), life->rc, node.err.message);
    ck_assert_msg(life->rc == 0 || strstr(node.err.message, strerror(error)) != NULL
                      || error == ENOMEM,
                  "step %d: %s", step, node.err.message);
    bool there = fs_find(&node, "x", &found) == 0;
    if (there)
        fs_forget(&node, &found);
    ck_assert_msg(there == (life->published && !life->discarded), "step %d: %s", step,
                  there ? "it is there" : "it is gone");
    fs_close(&node);
    open_node();
    ck_assert_uint_eq(fs_recover_all(&node), there ? 1 : 0);
    ck_assert_uint_eq(fs_count("claims", ""), 0);
    ck_assert_uint_eq(fs_count("objects", ""), there ? 2 : 0);
    ck_assert_uint_eq(fs_count("aside", ""), 0);
    ck_assert_int_eq(fake_open_descriptors(), descriptors);
    if (there) {
        fs_assert_holds(&node, "x", 7, "hello");
        ck_assert_int_eq(fs_find(&node, "x", &found), 0);
        fs_discard(&node, "x", 7, found.blob);
    }
}

/* How many steps there were to fail. */
static int
fail_each(const char *call, int error, uint64_t size)
{
    int step = 0;
    int descriptors = fake_open_descriptors();
    for (bool reached = true; reached; step++) {
        fail_one(call, error, step);
        struct life life = live(size);
        reached = fault.hits > 0;
        heal();
        ck_assert_int_eq(fake_open_descriptors(), descriptors);
        check_after(&life, error, step);
    }
    return step;
}

START_TEST(every_call_fails_once)
{
    static const int errors[] = { EIO, ENOSPC, EMFILE };
    for (int i = 0; i < 2; i++) {
        share(i == 1);
        for (size_t e = 0; e < sizeof(errors) / sizeof(errors[0]); e++)
            ck_assert_int_gt(fail_each(NULL, errors[e], 5), 30);
        ck_assert_int_gt(fail_each(NULL, ESTALE, PK_UNSIZED), 30);
        ck_assert_int_gt(fail_each(NULL, EIO, BY_PUT), 25);
        ck_assert_int_gt(fail_each(NULL, ENOSPC, BY_PUT), 25);
    }
}
END_TEST

START_TEST(reader_tries_again_for_a_descriptor)
{
    struct fs_found found;
    fs_keep(&node, "x", 7, "hello");
    ck_assert_int_eq(fs_find(&node, "x", &found), 0);
    fail_one("openat64", EMFILE, 0);
    int fd = fs_fd(&node, found.blob, PK_ACCESS_READ, NULL);
    ck_assert_uint_eq(fault.hits, 1);
    ck_assert_int_eq(close(fd), 0);
    fs_discard(&node, "x", 7, found.blob);
}
END_TEST

START_TEST(every_allocation_fails_once)
{
    for (int i = 0; i < 2; i++) {
        share(i == 1);
        ck_assert_int_gt(fail_each("calloc", ENOMEM, 5), 3);
        ck_assert_int_gt(fail_each("malloc", ENOMEM, 5), 2);
        ck_assert_int_gt(fail_each("calloc", ENOMEM, BY_PUT), 3);
    }
}
END_TEST

/* The 256 folders are all alike: not each of them is worth a step. */
START_TEST(start_that_fails_leaves_nothing_open)
{
    static const char *const calls[] = { NULL,     "calloc",   "fsync",   "mkdirat",
                                         "linkat", "renameat", "unlinkat" };
    fs_close(&node);
    int descriptors = fake_open_descriptors();
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        bool reached = true;
        for (int step = 0; reached; step += step < 30 ? 1 : 41) {
            fs_prepare(&node);
            fail_one(calls[i], i == 1 ? ENOMEM : EIO, step);
            int32_t rc = fs_try_open(&node);
            reached = fault.hits > 0;
            heal();
            if (rc == 0) /* what could not be tidied up, or there was no step so late */
                fs_close(&node);
            else
                ck_assert_int_eq(rc, i == 1 ? -ENOMEM : -EIO);
            ck_assert_int_eq(fake_open_descriptors(), descriptors);
        }
    }
    fs_open(&node);
    fs_keep(&node, "x", 7, "hello");
    ck_assert_uint_eq(fs_recover_all(&node), 1);
    ck_assert_uint_eq(fs_count("claims", ""), 0);
}
END_TEST

/* A disk that fails for good: nothing half-made, and what is there can be read. */
START_TEST(disk_that_can_not_be_written_to_still_serves)
{
    static const char *const writes[] = { "mkdirat",  "renameat",        "linkat", "fchmod",
                                          "pwrite64", "sync_file_range", "fsync" };
    share(true);
    fs_keep(&node, "y", 6, "hello");
    for (size_t i = 0; i < sizeof(writes) / sizeof(writes[0]); i++) {
        fail_all(writes[i], EROFS);
        struct life life = live(5);
        ck_assert_int_eq(life.rc, -EIO);
        ck_assert_uint_gt(fault.hits, 0);
        ck_assert_ptr_nonnull(strstr(node.err.message, "Read-only file system"));
        fs_assert_holds(&node, "y", 6, "hello");
        heal();
        fs_assert_missing(&node, "x");
    }
}
END_TEST

/* ---- syncs ---- */

START_TEST(publish_syncs_blobs_manifest_and_folder)
{
    void *blob = fs_create_blob(&node, "x", 7, 5);
    fs_write_blob(&node, blob, "hello");
    fault.syncs = 0;
    fs_seal_blob(&node, blob);
    ck_assert_uint_eq(fault.syncs, 0);
    ck_assert_int_eq(fs_try_publish(&node, "x", 7, 5, blob), 0);
    ck_assert_uint_eq(fault.syncs, 3);
    ck_assert_int_eq(node.ops->unpublish(node.fs, &key, &node.err), 0);
    ck_assert_uint_eq(fault.syncs, 4);
    ck_assert_int_eq(node.ops->remove(blob, &node.err), 0);
    ck_assert_uint_eq(fault.syncs, 4);
    ck_assert_int_eq(fs_try_put(&node, "x", 7, "hello", &blob), 0);
    ck_assert_uint_eq(fault.syncs, 4);
    ck_assert_int_eq(fs_try_publish(&node, "x", 7, 5, blob), 0);
    ck_assert_uint_eq(fault.syncs, 7);
    fs_discard(&node, "x", 7, blob);
}
END_TEST

START_TEST(nothing_is_synced_where_it_is_not_wanted)
{
    fs_close(&node);
    fs_prepare(&node);
    fake_factory_host_set(&node.fake, "sync", 0);
    ck_assert_int_eq(fs_try_open(&node), 0);
    fault.syncs = 0;
    fs_discard(&node, "x", 7, fs_store(&node, "x", 7, "hello"));
    ck_assert_uint_eq(fault.syncs, 0);
}
END_TEST

/* The kernel reports a lost write once: a second sync that goes well proves nothing. */
START_TEST(object_whose_sync_failed_is_never_published)
{
    static const struct {
        const char *call;
        int after;
        bool manifest; /* the one that fails is its: it is written anew each time */
    } syncs[] = {
        { "sync_file_range", 0, true }, { "sync_file_range", 1, false }, { "fsync", 0, false },
        { "fsync", 1, true },           { "fsync", 2, false },
    };
    void *blob = fs_create_blob(&node, "x", 7, 5);
    fail_one("sync_file_range", EIO, 0);
    ck_assert_int_eq(node.ops->seal(blob, 5, &node.err), -EIO);
    ck_assert_int_eq(node.ops->seal(blob, 5, &node.err), -EIO);
    ck_assert_ptr_nonnull(strstr(node.err.message, "a sync failed before"));
    ck_assert_int_eq(node.ops->remove(blob, &node.err), 0);
    fail_one("sync_file_range", EIO, 0);
    ck_assert_int_eq(fs_try_put(&node, "x", 7, "hello", &blob), -EIO);
    for (size_t i = 0; i < sizeof(syncs) / sizeof(syncs[0]); i++) {
        blob = fs_create_blob(&node, "x", 7, 5);
        fs_seal_blob(&node, blob);
        fail_one(syncs[i].call, EIO, syncs[i].after);
        ck_assert_int_eq(fs_try_publish(&node, "x", 7, 5, blob), -EIO);
        fs_assert_missing(&node, "x");
        ck_assert_int_eq(fs_try_publish(&node, "x", 7, 5, blob), syncs[i].manifest ? 0 : -EIO);
        if (syncs[i].manifest)
            fs_discard(&node, "x", 7, blob);
        else
            ck_assert_int_eq(node.ops->remove(blob, &node.err), 0);
    }
}
END_TEST

/* ---- at the last moment ---- */

START_TEST(claim_that_is_lost_before_the_link_is_stale)
{
    void *blob = fs_create_blob(&node, "x", 7, 5);
    fs_seal_blob(&node, blob);
    steal_claims = true;
    ck_assert_int_eq(fs_try_publish(&node, "x", 7, 5, blob), -ESTALE);
    steal_claims = false;
    fs_assert_missing(&node, "x");
    ck_assert_int_eq(node.ops->remove(blob, &node.err), 0);
}
END_TEST

/* ---- folders that vanish ---- */

START_TEST(folder_that_vanishes_is_an_error_and_no_missing_object)
{
    char path[PATH_MAX];
    struct fs_found found;
    void *none = NULL;
    void *blob = fs_store(&node, "x", 7, "hello");
    pk_autoclose int fd = fs_fd(&node, blob, PK_ACCESS_READ, NULL);
    fs_discard(&node, "x", 7, blob);
    fs_path_of("nodes", "", path);
    for (int i = 0; i < 256; i++) {
        (void)snprintf(path, sizeof(path), "%s/objects/%02x", fs_root, (unsigned)i);
        ck_assert_int_eq(rmdir(path), 0);
    }
    ck_assert_int_eq(fs_find(&node, "x", &found), -EIO);
    ck_assert_ptr_nonnull(strstr(node.err.message, "objects/"));
    ck_assert_ptr_nonnull(strstr(node.err.message, "No such file or directory"));
    ck_assert_int_eq(fs_try_create(&node, "x", 8, 0, 5, &none), -EIO);
    char text[8];
    ck_assert_int_eq(pread(fd, text, sizeof(text), 0), 5);
    (void)snprintf(path, sizeof(path), "%s/claims", fs_root);
    ck_assert_int_eq(rmdir(path), 0);
    ck_assert_int_eq(fs_try_create(&node, "x", 8, 0, 5, &none), -EIO);
}
END_TEST

/* ---- a disk of its own ---- */

#define DISK_SIZE ((uint64_t)1 << 20)

/* A small file system over the root. False: not allowed here. */
static bool
mount_disk(void)
{
    char options[64];
    (void)snprintf(options, sizeof(options), "mode=0700,size=%llu", (unsigned long long)DISK_SIZE);
    fs_close(&node);
    bool mounted = unshare(CLONE_NEWNS) == 0
                   && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0
                   && mount("packice", fs_root, "tmpfs", 0, options) == 0;
    fs_open(&node);
    if (!mounted)
        printf("a disk of its own: not allowed to mount one\n");
    return mounted;
}

static void
unmount_disk(void)
{
    fs_close(&node);
    ck_assert_int_eq(umount(fs_root), 0);
    fs_open(&node);
}

START_TEST(full_disk_is_no_space_and_nothing_is_half_made)
{
    char filler[PATH_MAX];
    char byte[4096] = { 1 };
    void *none = NULL;
    if (!mount_disk())
        return;
    fs_keep(&node, "y", 6, "hello");
    ck_assert_int_eq(fs_try_create(&node, "x", 7, 0, 2 * DISK_SIZE, &none), -ENOSPC);
    ck_assert_ptr_nonnull(strstr(node.err.message, "No space left on device"));
    ck_assert_uint_eq(fs_count("objects", ""), 2);
    void *blob = fs_create_blob(&node, "x", 7, PK_UNSIZED);
    void *sized = fs_create_blob(&node, "sized", 8, 5);
    (void)snprintf(filler, sizeof(filler), "%s/filler", fs_root);
    pk_autoclose int fd = open(filler, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    while (write(fd, byte, sizeof(byte)) > 0)
        ;
    ck_assert_int_eq(node.ops->write(blob, 0, "hello", 5, &node.err), -ENOSPC);
    ck_assert_int_eq(fs_try_put(&node, "put", 9, "hello", &none), -ENOSPC);
    ck_assert_uint_eq(fs_count("objects", ""), 4);
    fs_write_blob(&node, sized, "hello"); /* its room is its own */
    fs_seal_blob(&node, sized);
    ck_assert_int_eq(fs_try_publish(&node, "sized", 8, 5, sized), -ENOSPC);
    fs_assert_missing(&node, "sized");
    fs_assert_holds(&node, "y", 6, "hello");
    ck_assert_int_eq(ftruncate(fd, 0), 0);
    ck_assert_int_eq(fs_try_publish(&node, "sized", 8, 5, sized), 0);
    node.ops->free(sized);
    fs_assert_holds(&node, "sized", 8, "hello");
    ck_assert_int_eq(node.ops->remove(blob, &node.err), 0);
    ck_assert_int_eq(close(pk_steal_fd(fd)), 0);
    unmount_disk();
}
END_TEST

START_TEST(read_only_disk_is_said_at_the_start)
{
    if (!mount_disk())
        return;
    fs_close(&node);
    ck_assert_int_eq(mount(NULL, fs_root, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
    fs_prepare(&node);
    ck_assert_int_eq(fs_try_open(&node), -EIO);
    ck_assert_ptr_nonnull(strstr(node.err.message, "Read-only file system"));
    ck_assert_int_eq(mount(NULL, fs_root, NULL, MS_REMOUNT, NULL), 0);
    fs_open(&node);
    unmount_disk();
}
END_TEST

/* ---- what the file system must be able to do ---- */

START_TEST(disk_without_leases_needs_a_weak_seal)
{
    fs_close(&node);
    fs_prepare(&node);
    fail_one("fcntl64", EINVAL, 1);
    ck_assert_int_eq(fs_try_open(&node), -EOPNOTSUPP);
    ck_assert_ptr_nonnull(strstr(node.err.message, "seal = weak does without"));
    ck_assert_uint_eq(fs_count("claims", ""), 0);
    ck_assert_uint_eq(fs_count("nodes", ""), 0);
    fs_prepare(&node);
    fake_factory_host_set(&node.fake, "seal", 1);
    fail_all("fcntl64", EINVAL);
    ck_assert_int_eq(fs_try_open(&node), 0);
}
END_TEST

/* Its signal would end a process by default. */
START_TEST(lease_that_is_broken_is_no_end_of_the_node)
{
    void *blob = fs_create_blob(&node, "x", 7, 5);
    break_leases = true;
    fs_seal_blob(&node, blob);
    break_leases = false;
    ck_assert_int_eq(node.ops->remove(blob, &node.err), 0);
}
END_TEST

int
main(void)
{
    const TTest *const cases[] = {
        every_call_fails_once,
        reader_tries_again_for_a_descriptor,
        every_allocation_fails_once,
        start_that_fails_leaves_nothing_open,
        disk_that_can_not_be_written_to_still_serves,
        publish_syncs_blobs_manifest_and_folder,
        nothing_is_synced_where_it_is_not_wanted,
        object_whose_sync_failed_is_never_published,
        claim_that_is_lost_before_the_link_is_stale,
        folder_that_vanishes_is_an_error_and_no_missing_object,
        full_disk_is_no_space_and_nothing_is_half_made,
        read_only_disk_is_said_at_the_start,
        disk_without_leases_needs_a_weak_seal,
        lease_that_is_broken_is_no_end_of_the_node,
    };
    return SUITE_RUN_BETWEEN("blob_fs_faults", cases, setup, teardown);
}
