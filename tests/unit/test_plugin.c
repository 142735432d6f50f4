/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding and loading plugins that are right. Those that are wrong are in tests/abi.
 */
#include "core/plugin.h"
#include "tests/lib/gate.h"
#include "tests/lib/plugins/empty_blob.h"
#include "tests/lib/suite.h"

#include <errno.h>
#include <ftw.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOB_FILE TEST_PLUGINS "/test_blob.so"

/* A folder for one test; each test has a process, and so a folder, of its own. */
static char folder[] = "/tmp/test_plugin.XXXXXX";

static int
remove_one(const char *file, const struct stat *info, int kind, struct FTW *where)
{
    (void)info;
    (void)kind;
    (void)where;
    return remove(file);
}

static void
folder_remove(void)
{
    ck_assert_int_eq(nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

/* "FOLDER/name", valid until the fourth call after. */
static const char *
in_folder(const char *name)
{
    static char files[4][256];
    static size_t next;
    char *file = files[next++ % 4];
    ck_assert_int_lt(snprintf(file, sizeof(files[0]), "%s/%s", folder, name),
                     (int)sizeof(files[0]));
    return file;
}

START_TEST(finds_plugins_in_folders_in_order)
{
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(mkdir(in_folder("first"), 0700), 0);
    ck_assert_int_eq(mkdir(in_folder("second"), 0700), 0);
    ck_assert_int_eq(mkdir(in_folder("first/test_blob"), 0700), 0);
    ck_assert_int_eq(symlink(BLOB_FILE, in_folder("first/test_blob/test_blob.so")), 0);
    ck_assert_int_eq(symlink("/dev/null", in_folder("second/test_blob.so")), 0);
    const char *const folders[] = { in_folder("none"), in_folder("first"), in_folder("second") };
    const struct pk_plugin_path path = { folders, 3 };
    const struct pk_plugin_module *module = NULL;
    ck_assert_int_eq(pk_plugin_load(&path, "test_blob", PK_KIND_BLOB, &module, NULL), 0);
    ck_assert_str_eq(module->plugin.name, "test_blob");
    ck_assert_str_eq(module->file, in_folder("first/test_blob/test_blob.so"));
    ck_assert_uint_eq(module->options.count, 3);
    ck_assert_str_eq(pk_option_at(&module->options, 1)->name, "limit");

    const struct pk_plugin_path turned = { folders + 2, 1 };
    struct pk_error err = PK_ERROR_INIT;
    ck_assert_int_eq(pk_plugin_load(&turned, "test_blob", 0, &module, &err), -EINVAL);
    ck_assert_ptr_nonnull(strstr(err.message, "second/test_blob.so: not a plugin: not a regular"));
    folder_remove();
}
END_TEST

START_TEST(a_name_with_a_slash_is_a_file)
{
    const struct pk_plugin_module *module = NULL;
    ck_assert_int_eq(pk_plugin_load(NULL, BLOB_FILE, 0, &module, NULL), 0);
    ck_assert_str_eq(module->file, BLOB_FILE);
    ck_assert_int_eq(chdir(TEST_PLUGINS), 0);
    const struct pk_plugin_module *again = NULL;
    ck_assert_int_eq(pk_plugin_load(NULL, "./test_blob.so", 0, &again, NULL), 0);
    ck_assert_ptr_eq(module, again);
}
END_TEST

START_TEST(the_same_file_is_the_same_module)
{
    ck_assert_ptr_nonnull(mkdtemp(folder));
    const struct pk_plugin_module *modules[3] = { NULL };
    ck_assert_int_eq(link(BLOB_FILE, in_folder("test_blob.so")) == 0 || errno == EXDEV, 1);
    ck_assert_int_eq(mkdir(in_folder("test_blob"), 0700), 0);
    ck_assert_int_eq(symlink(BLOB_FILE, in_folder("test_blob/test_blob.so")), 0);
    ck_assert_int_eq(pk_plugin_load(NULL, BLOB_FILE, 0, &modules[0], NULL), 0);
    ck_assert_int_eq(
        pk_plugin_load(NULL, in_folder("test_blob/test_blob.so"), 0, &modules[1], NULL), 0);
    ck_assert_ptr_eq(modules[0], modules[1]);
    if (access(in_folder("test_blob.so"), F_OK) == 0) { /* a hard link: another path, same file */
        ck_assert_int_eq(pk_plugin_load(NULL, in_folder("test_blob.so"), 0, &modules[2], NULL), 0);
        ck_assert_ptr_eq(modules[0], modules[2]);
    }
    folder_remove();
}
END_TEST

START_TEST(a_module_is_checked_for_whoever_asks)
{
    ck_assert_ptr_nonnull(mkdtemp(folder));
    const struct pk_plugin_module *module = NULL;
    const struct pk_plugin_module *none = NULL;
    struct pk_error err = PK_ERROR_INIT;
    ck_assert_int_eq(pk_plugin_load(NULL, BLOB_FILE, PK_KIND_BLOB, &module, NULL), 0);
    ck_assert_int_eq(pk_plugin_load(NULL, BLOB_FILE, PK_KIND_LEASE, &none, &err), -EINVAL);
    ck_assert_str_eq(err.message, BLOB_FILE ": is a blob plugin, not a lease plugin");
    ck_assert_int_eq(symlink(BLOB_FILE, in_folder("test.so")), 0);
    ck_assert_int_eq(pk_plugin_load(NULL, in_folder("test.so"), 0, &none, &err), -EINVAL);
    ck_assert_ptr_nonnull(
        strstr(err.message, "test.so: the plugin in it is named 'test_blob': the file must be "));
    ck_assert_ptr_null(none);
    folder_remove();
}
END_TEST

START_TEST(what_is_not_found_is_told_with_a_near_name)
{
    const char *const folders[] = { "/nonexistent", TEST_PLUGINS };
    const struct pk_plugin_path path = { folders, 2 };
    const struct pk_plugin_module *module = NULL;
    struct pk_error err = PK_ERROR_INIT;
    ck_assert_int_eq(pk_plugin_load(&path, "test_bolb", 0, &module, &err), -ENOENT);
    ck_assert_str_eq(err.message, "plugin not found: 'test_bolb' (did you mean 'test_blob'?); "
                                  "looked in /nonexistent, " TEST_PLUGINS);
    ck_assert_int_eq(pk_plugin_load(&path, "redis", 0, &module, &err), -ENOENT);
    ck_assert_str_eq(err.message,
                     "plugin not found: 'redis'; looked in /nonexistent, " TEST_PLUGINS);
    ck_assert_int_eq(pk_plugin_load(NULL, "redis", 0, &module, &err), -ENOENT);
    ck_assert_str_eq(err.message, "plugin not found: 'redis'; looked in no folder");
    ck_assert_int_eq(pk_plugin_load(&path, "", 0, &module, &err), -ENOENT);
    ck_assert_int_eq(pk_plugin_load(NULL, "/nonexistent/x.so", 0, &module, &err), -ENOENT);
    ck_assert_str_eq(err.message, "plugin not found: '/nonexistent/x.so'");
    ck_assert_ptr_null(module);
}
END_TEST

START_TEST(names_its_kinds)
{
    ck_assert_str_eq(pk_plugin_kind_name(PK_KIND_BLOB), "blob");
    ck_assert_str_eq(pk_plugin_kind_name(PK_KIND_LEASE), "lease");
    ck_assert_str_eq(pk_plugin_kind_name(PK_KIND_TRANSPORT), "transport");
    ck_assert_str_eq(pk_plugin_kind_name(0), "unknown");
    ck_assert_str_eq(pk_plugin_kind_name(99), "unknown");
}
END_TEST

/* ---- linked in ---- */

static int32_t
linked_open(const struct pk_host *host, const struct pk_conf *conf, void **ret_instance,
            struct pk_error *err)
{
    (void)host;
    (void)conf;
    (void)ret_instance;
    return pk_fail(err, -EOPNOTSUPP, "not for opening");
}

static void
linked_close(void *instance)
{
    (void)instance;
}

static int32_t
linked_create(void *instance, const struct pk_key *key, uint32_t index, uint64_t size,
              void **ret_blob, struct pk_error *err)
{
    (void)instance;
    (void)key;
    (void)index;
    (void)size;
    (void)ret_blob;
    return pk_fail(err, -EOPNOTSUPP, "not for creating");
}

static const struct pk_blob_ops linked_ops = {
    .struct_size = sizeof(struct pk_blob_ops),
    .open = linked_open,
    .close = linked_close,
    .create = linked_create,
    EMPTY_BLOB_SLOTS,
};
static struct pk_plugin linked = {
    .struct_size = sizeof(struct pk_plugin),
    .abi_major = PK_ABI_MAJOR,
    .abi_minor = PK_ABI_MINOR,
    .kind = PK_KIND_BLOB,
    .name = "linked",
    .version = "1",
    .summary = "linked in",
    .ops = &linked_ops,
};

static const struct pk_plugin *
linked_entry(void)
{
    return &linked;
}

static const struct pk_plugin *
wrong_entry(void)
{
    static struct pk_plugin wrong;
    wrong = linked;
    wrong.abi_major = 9;
    return &wrong;
}

START_TEST(a_builtin_is_checked_like_any_other)
{
    const struct pk_plugin_module *module = NULL;
    const struct pk_plugin_module *again = NULL;
    struct pk_error err = PK_ERROR_INIT;
    ck_assert_int_eq(pk_plugin_builtin(wrong_entry, &module, &err), -EINVAL);
    ck_assert_ptr_nonnull(strstr(err.message, "built for ABI version 9."));
    ck_assert_ptr_null(module);
    ck_assert_int_eq(pk_plugin_builtin(linked_entry, &module, &err), 0);
    ck_assert_str_eq(module->plugin.name, "linked");
    ck_assert_ptr_null(module->file);
    ck_assert_int_eq(pk_plugin_builtin(linked_entry, &again, &err), 0);
    ck_assert_ptr_eq(module, again);
}
END_TEST

static const struct pk_plugin_module *raced[4];

static void *
race(void *arg)
{
    const struct pk_plugin_module **mine = arg;
    return pk_plugin_load(NULL, BLOB_FILE, 0, mine, NULL) == 0 ? NULL : arg;
}

START_TEST(threads_that_load_at_once_get_one_module)
{
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, race, &raced[i]), 0);
    for (size_t i = 0; i < 4; i++) {
        void *failed = NULL;
        ck_assert_int_eq(pthread_join(threads[i], &failed), 0);
        ck_assert_ptr_null(failed);
        ck_assert_ptr_eq(raced[i], raced[0]);
    }
}
END_TEST

int
main(void)
{
    const TTest *const cases[] = {
        finds_plugins_in_folders_in_order,          a_name_with_a_slash_is_a_file,
        the_same_file_is_the_same_module,           a_module_is_checked_for_whoever_asks,
        what_is_not_found_is_told_with_a_near_name, names_its_kinds,
        a_builtin_is_checked_like_any_other,        threads_that_load_at_once_get_one_module,
    };
    return SUITE_RUN("plugin", cases);
}
