/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Real plugin files that are wrong, each in one way: all are refused with the file's name and the
 * reason, and none of them takes the process down. And two of other minors, which must load.
 */
#include "core/plugin.h"
#include "tests/lib/suite.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <packice/blob.h>
#include <packice/cleanup.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RIGHT WRONG_PLUGINS "/right.so"

static char folder[] = "/tmp/test_abi.XXXXXX";
static char folder_file[64]; /* a plugin in it that the test writes */

static void
folder_make(void)
{
    ck_assert_ptr_nonnull(mkdtemp(folder));
    (void)snprintf(folder_file, sizeof(folder_file), "%s/right.so", folder);
}

static void
folder_remove(void)
{
    ck_assert_int_eq(unlink(folder_file), 0);
    ck_assert_int_eq(rmdir(folder), 0);
}

static void
file_write(const void *data, size_t size)
{
    pk_autoclose int fd = open(folder_file, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, data, size), (ssize_t)size);
}

static char *
right_read(size_t *ret_size)
{
    pk_autoclose int fd = open(RIGHT, O_RDONLY | O_CLOEXEC);
    struct stat info;
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(fstat(fd, &info), 0);
    size_t size = (size_t)info.st_size;
    char *data = malloc(size);
    ck_assert_ptr_nonnull(data);
    ck_assert_int_eq(read(fd, data, size), (ssize_t)size);
    *ret_size = size;
    return data;
}

/* Loads a file, which must fail with its name in front of what the message says. */
static void
refused(const char *file, uint32_t kind, int32_t code, const char *reason)
{
    const struct pk_plugin_module *module = NULL;
    struct pk_error err = PK_ERROR_INIT;
    int32_t failed = pk_plugin_load(NULL, file, kind, &module, &err);
    ck_assert_msg(failed == code, "%s: %d, not %d: %s", file, failed, code, err.message);
    ck_assert_msg(strncmp(err.message, file, strlen(file)) == 0, "'%s'", err.message);
    ck_assert_msg(strstr(err.message, reason) != NULL, "'%s' and not '%s'", err.message, reason);
    ck_assert_int_eq(err.code, code);
    ck_assert_ptr_null(module);
}

START_TEST(wrong_plugins_are_refused_with_the_reason)
{
    static const struct {
        const char *name;
        const char *reason;
    } cases[] = {
        { "no_entry", ".so: not a plugin: it has no symbol pk_plugin_entry" },
        { "borrowed_entry", ".so: not a plugin: it has no symbol pk_plugin_entry" },
        { "no_table", ".so: pk_plugin_entry returned nothing" },
        { "undefined", ".so: can't be loaded: undefined symbol: nobody_has_this" },
        { "other_major", ".so: built for ABI version 7.1, and this host has 0.1" },
        { "unknown_kind", ".so: its kind 9 is unknown" },
        { "other_name", ".so: the plugin in it is named 'somebody_else': the file must be "
                        "somebody_else.so" },
        { "bad_name", ".so: its name is missing or malformed" },
        { "no_version", ".so: its version or summary is missing" },
        { "no_seal", ".so: required slot 'seal' is missing" },
        { "cut_ops", ".so: required slot 'handle' is missing" },
        { "lone_publish", ".so: slot 'unpublish' is missing, and 'publish' needs it" },
        { "short_table", ".so: struct_size of its table is too short (32)" },
        { "shorter_table", ".so: struct_size of its table is too short (4)" },
        { "no_ops", ".so: its table has no ops" },
        { "short_ops", ".so: struct_size of its ops is wrong (4)" },
        { "odd_ops", ".so: struct_size of its ops is wrong (44)" },
        { "bad_stride", ".so: option_stride is wrong (16)" },
        { "bad_option", ".so: the name of option 0 is missing or malformed" },
        { "bad_default", ".so: the default of option 'limit' is wrong: 'much' is no size" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char file[sizeof(WRONG_PLUGINS) + 64];
        (void)snprintf(file, sizeof(file), "%s/%s.so", WRONG_PLUGINS, cases[i].name);
        refused(file, PK_KIND_BLOB, -EINVAL, cases[i].reason);
        refused(file, PK_KIND_BLOB, -EINVAL, cases[i].reason); /* and once more: nothing is kept */
    }
}
END_TEST

START_TEST(a_plugin_of_another_kind_is_refused)
{
    refused(RIGHT, PK_KIND_LEASE, -EINVAL, ".so: is a blob plugin, not a lease plugin");
    refused(RIGHT, PK_KIND_TRANSPORT, -EINVAL, ".so: is a blob plugin, not a transport plugin");
    const struct pk_plugin_module *module = NULL;
    ck_assert_int_eq(pk_plugin_load(NULL, RIGHT, 0, &module, NULL), 0);
    ck_assert_uint_eq(module->plugin.kind, PK_KIND_BLOB);
}
END_TEST

START_TEST(files_that_are_no_shared_objects_are_refused)
{
    static const char text[] = "#!/bin/sh\n# A text that is long enough to hold a header, but that "
                               "is none: the loader must not get to see it.\n";
    folder_make();
    file_write(text, sizeof(text) - 1);
    refused(folder_file, 0, -EINVAL, ": not a plugin: not a shared object");
    file_write("short", 5);
    refused(folder_file, 0, -EINVAL, ": not a plugin: not a shared object");
    file_write("", 0);
    refused(folder_file, 0, -EINVAL, ": not a plugin: not a shared object");
    ck_assert_int_eq(unlink(folder_file), 0);
    ck_assert_int_eq(mkfifo(folder_file, 0600), 0);
    refused(folder_file, 0, -EINVAL, ": not a plugin: not a regular file");
    ck_assert_int_eq(unlink(folder_file), 0);
    ck_assert_int_eq(symlink("/", folder_file), 0);
    refused(folder_file, 0, -EINVAL, ": not a plugin: not a regular file");
    folder_remove();
}
END_TEST

START_TEST(a_file_cut_short_anywhere_is_refused)
{
    size_t size = 0;
    folder_make();
    pk_autofree char *data = right_read(&size);
    file_write(data, size);
    for (size_t left = size - 1; left >= SELFMAG; left -= left > 4096 ? 1021 : 1) {
        ck_assert_int_eq(truncate(folder_file, (off_t)left), 0);
        refused(folder_file, 0, -EINVAL, ": not a plugin: the file is cut short");
    }
    folder_remove();
}
END_TEST

START_TEST(damaged_headers_are_refused)
{
    size_t size = 0;
    folder_make();
    pk_autofree char *data = right_read(&size);
    Elf64_Ehdr right;
    memcpy(&right, data, sizeof(right));
    const struct {
        size_t at;
        size_t size;
        uint64_t value;
        const char *reason;
    } cases[] = {
        { EI_CLASS, 1, ELFCLASS32, "built for another machine" },
        { EI_DATA, 1, ELFDATA2MSB, "built for another machine" },
        { offsetof(Elf64_Ehdr, e_machine), 2, EM_S390, "built for another machine" },
        { offsetof(Elf64_Ehdr, e_type), 2, ET_REL, "not a shared object" },
        { offsetof(Elf64_Ehdr, e_type), 2, ET_CORE, "not a shared object" },
        { offsetof(Elf64_Ehdr, e_phnum), 2, 0, "not a shared object" },
        { offsetof(Elf64_Ehdr, e_phnum), 2, 0xffff, "not a shared object" },
        { offsetof(Elf64_Ehdr, e_phentsize), 2, 1, "not a shared object" },
        { offsetof(Elf64_Ehdr, e_phoff), 8, UINT64_MAX, "cut short" },
        { offsetof(Elf64_Ehdr, e_phoff), 8, size - 1, "cut short" },
        { offsetof(Elf64_Ehdr, e_shoff), 8, UINT64_MAX - 63, "cut short" },
        { offsetof(Elf64_Ehdr, e_shnum), 2, 0xffff, "cut short" },
        { right.e_phoff + offsetof(Elf64_Phdr, p_offset), 8, UINT64_MAX, "cut short" },
        { right.e_phoff + offsetof(Elf64_Phdr, p_filesz), 8, UINT64_MAX, "cut short" },
        { right.e_phoff + offsetof(Elf64_Phdr, p_memsz), 8, 0, "damaged" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char saved[8];
        memcpy(saved, data + cases[i].at, cases[i].size);
        memcpy(data + cases[i].at, &cases[i].value, cases[i].size); /* little endian, as checked */
        file_write(data, size);
        refused(folder_file, 0, -EINVAL, cases[i].reason);
        memcpy(data + cases[i].at, saved, cases[i].size);
    }
    folder_remove();
}
END_TEST

START_TEST(a_program_is_no_plugin)
{
    char file[64];
    (void)snprintf(file, sizeof(file), "/proc/%d/exe", (int)getpid());
    const struct pk_plugin_module *module = NULL;
    struct pk_error err = PK_ERROR_INIT;
    ck_assert_int_eq(pk_plugin_load(NULL, file, 0, &module, &err), -EINVAL);
    ck_assert_int_eq(strncmp(err.message, file, strlen(file)), 0);
    ck_assert_ptr_null(module);
}
END_TEST

START_TEST(a_later_minor_loads_without_what_is_not_known_here)
{
    const struct pk_plugin_module *module = NULL;
    struct pk_error err = PK_ERROR_INIT;
    ck_assert_msg(pk_plugin_load(NULL, WRONG_PLUGINS "/later_minor.so", PK_KIND_BLOB, &module, &err)
                      == 0,
                  "%s", err.message);
    const struct pk_blob_ops *ops = module->plugin.ops;
    ck_assert_uint_eq(module->plugin.struct_size, sizeof(struct pk_plugin));
    ck_assert_uint_eq(module->plugin.abi_minor, 99);
    ck_assert_uint_eq(ops->struct_size, sizeof(*ops));
    ck_assert(ops->remove != NULL && ops->stats == NULL);
    ck_assert_uint_eq(module->options.count, 2);
    ck_assert_str_eq(pk_option_at(&module->options, 1)->name, "mode");
}
END_TEST

START_TEST(an_older_minor_loads_with_the_rest_absent)
{
    const struct pk_plugin_module *module = NULL;
    struct pk_error err = PK_ERROR_INIT;
    ck_assert_msg(pk_plugin_load(NULL, WRONG_PLUGINS "/older_minor.so", PK_KIND_BLOB, &module, &err)
                      == 0,
                  "%s", err.message);
    const struct pk_blob_ops *ops = module->plugin.ops;
    ck_assert_uint_eq(ops->struct_size, sizeof(*ops));
    ck_assert(ops->remove != NULL);
    ck_assert(ops->publish == NULL && ops->unpublish == NULL && ops->lookup == NULL);
    ck_assert(ops->recover == NULL && ops->evict == NULL && ops->export_blob == NULL);
    ck_assert(ops->adopt == NULL && ops->reload == NULL && ops->stats == NULL);
}
END_TEST

int
main(void)
{
    const TTest *const cases[] = {
        wrong_plugins_are_refused_with_the_reason,
        a_plugin_of_another_kind_is_refused,
        files_that_are_no_shared_objects_are_refused,
        a_file_cut_short_anywhere_is_refused,
        damaged_headers_are_refused,
        a_program_is_no_plugin,
        a_later_minor_loads_without_what_is_not_known_here,
        an_older_minor_loads_with_the_rest_absent,
    };
    return SUITE_RUN("abi", cases);
}
