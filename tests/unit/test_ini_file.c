/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Config files as the node reads them: what the grammar takes, and that whatever inih would cut,
 * join or read in a second way is refused with the file, the line and a reason.
 */
#include "node/ini_file.h"

#include <check.h>
#include <fcntl.h>
#include <packice/cleanup.h>
#include <string.h>
#include <sys/stat.h>

/* Parses text and expects it to be fine. */
static void
parse(struct pk_ini *ini, const char *text)
{
    struct pk_error err = PK_ERROR_INIT;
    *ini = (struct pk_ini){ 0 };
    int32_t result = pk_ini_parse(ini, "a.ini", text, strlen(text), &err);
    ck_assert_msg(result == 0, "%s", err.message);
}

/* Parses text and expects exactly this error. */
static void
refuse_bytes(const char *text, size_t size, const char *message)
{
    struct pk_error err = PK_ERROR_INIT;
    struct pk_ini ini = { 0 };
    ck_assert_int_eq(pk_ini_parse(&ini, "a.ini", text, size, &err), -EINVAL);
    ck_assert_str_eq(err.message, message);
    ck_assert_int_eq(err.code, -EINVAL);
    pk_ini_finish(&ini);
    ck_assert_uint_eq(ini.section_count, 0);
}

static void
refuse(const char *text, const char *message)
{
    refuse_bytes(text, strlen(text), message);
}

static void
expect_entry(const struct pk_ini *ini, const char *section, const char *key, const char *value,
             uint32_t line)
{
    const struct pk_ini_entry *entry = pk_ini_find_entry(pk_ini_find(ini, section), key);
    ck_assert_ptr_nonnull(entry);
    ck_assert_str_eq(entry->value, value);
    ck_assert_uint_eq(entry->line, line);
}

START_TEST(sections_and_keys_keep_their_lines)
{
    struct pk_ini ini;
    parse(&ini, "# a comment\n\n[node]\nlog_level = info\n  # indented comment\n"
                "; another\n[transport.local]\npath=/run/p.sock\nmode  =  0660  \n");
    ck_assert_uint_eq(ini.section_count, 2);
    ck_assert_str_eq(ini.sections[0].name, "node");
    ck_assert_uint_eq(ini.sections[0].line, 3);
    ck_assert_uint_eq(ini.sections[1].line, 7);
    ck_assert_uint_eq(ini.sections[1].entry_count, 2);
    expect_entry(&ini, "node", "log_level", "info", 4);
    expect_entry(&ini, "transport.local", "path", "/run/p.sock", 8);
    expect_entry(&ini, "transport.local", "mode", "0660", 9);
    pk_ini_finish(&ini);
}
END_TEST

START_TEST(empty_texts_sections_and_values_are_seen)
{
    struct pk_ini ini;
    parse(&ini, "");
    ck_assert_uint_eq(ini.section_count, 0);
    parse(&ini, "[lease]\n[blob]\nroot =\n[end]");
    ck_assert_uint_eq(ini.section_count, 3);
    ck_assert_uint_eq(pk_ini_find(&ini, "lease")->entry_count, 0);
    ck_assert_uint_eq(pk_ini_find(&ini, "end")->line, 4);
    expect_entry(&ini, "blob", "root", "", 3);
    ck_assert_ptr_null(pk_ini_find(&ini, "node"));
    ck_assert_ptr_null(pk_ini_find_entry(NULL, "root"));
    ck_assert_ptr_null(pk_ini_find_entry(pk_ini_find(&ini, "blob"), "path"));
    pk_ini_finish(&ini);
}
END_TEST

START_TEST(a_mark_dos_line_ends_and_a_missing_last_newline_are_fine)
{
    struct pk_ini ini;
    parse(&ini, "\xef\xbb\xbf[node]\r\nlog_level = debug\r\n\r\nworkers = 3");
    expect_entry(&ini, "node", "log_level", "debug", 2);
    expect_entry(&ini, "node", "workers", "3", 4);
    pk_ini_finish(&ini);
}
END_TEST

START_TEST(values_keep_marks_that_begin_no_comment)
{
    struct pk_ini ini;
    parse(&ini, "[a]\nk = x;y#z = [1]: \"q\"\nl =;x\nm = \xc3\xa9\n");
    expect_entry(&ini, "a", "k", "x;y#z = [1]: \"q\"", 2);
    expect_entry(&ini, "a", "l", ";x", 3);
    expect_entry(&ini, "a", "m", "\xc3\xa9", 4);
    pk_ini_finish(&ini);
}
END_TEST

START_TEST(inline_comments_are_refused)
{
    static const char reason[] =
        "a.ini:2: [a] k: a comment stands on a line of its own: ';' and '#' can't follow a space";
    refuse("[a]\nk = x ; note\n", reason);
    refuse("[a]\nk = x # note\n", reason);
    refuse("[a]\nk = x;\t;\n", reason);
    refuse("[a]\nk = ;x\n", reason);
    refuse("[a] ; note\n", "a.ini:1: nothing may follow ']'");
}
END_TEST

START_TEST(quoted_values_are_refused)
{
    refuse("[a]\nk = \"x y\"\n", "a.ini:2: [a] k: values are written without quotes");
}
END_TEST

START_TEST(continued_lines_are_refused)
{
    static const char reason[] = "a.ini:3: a line can't begin with a space: values don't continue "
                                 "on the next line";
    refuse("[a]\nk = x\n  y\n", reason);
    refuse("[a]\nk = x\n\tl = y\n", reason);
    refuse("[a]\nk = x\n [b]\n", reason);
}
END_TEST

START_TEST(what_is_given_twice_is_refused_with_its_first_line)
{
    refuse("[a]\nk = 1\n\nk = 2\n", "a.ini:4: [a] k: given twice, first on line 2");
    refuse("[a]\n[b]\n[a]\n", "a.ini:3: [a]: given twice, first on line 1");
}
END_TEST

START_TEST(malformed_lines_are_refused)
{
    refuse("k = 1\n", "a.ini:1: k: no [section] before it");
    refuse("[a]\nword\n", "a.ini:2: 'word' is neither 'key = value' nor '[section]'");
    refuse("[a]\nk: v = 1\n", "a.ini:2: 'k: v' can't name a key");
    refuse("[a]\nk: 1\n", "a.ini:2: 'k: 1' is neither 'key = value' nor '[section]'");
    refuse("[a]\n= 1\n", "a.ini:2: '' can't name a key");
    refuse("[a]\ntwo words = 1\n", "a.ini:2: 'two words' can't name a key");
    refuse("[]\n", "a.ini:1: '' can't name a section");
    refuse("[a b]\n", "a.ini:1: 'a b' can't name a section");
    refuse("[a\nk = 1\n", "a.ini:1: ']' is missing");
    refuse("[a]b\n", "a.ini:1: nothing may follow ']'");
}
END_TEST

START_TEST(control_characters_are_refused)
{
    static const char nul[] = "[a]\nk = x\0y\n";
    static const char nul_first[] = "[a]\n\0\n";
    refuse_bytes(nul, sizeof(nul) - 1, "a.ini:2: control character 0x00 in the line");
    refuse_bytes(nul_first, sizeof(nul_first) - 1, "a.ini:2: control character 0x00 in the line");
    refuse("[a]\nk = x\ry\n", "a.ini:2: control character 0x0d in the line");
    refuse("[a]\n# \x1b[31m\n", "a.ini:2: control character 0x1b in the line");
}
END_TEST

/* "[a]\nk = xxx\n", so that the second line has `size` bytes. */
static char *
long_line(size_t size)
{
    pk_autofree char *value = calloc(1, size);
    char *text = NULL;
    ck_assert_ptr_nonnull(value);
    memset(value, 'x', size - strlen("k = "));
    ck_assert_int_gt(asprintf(&text, "[a]\nk = %s\n", value), 0);
    return text;
}

START_TEST(a_line_is_whole_or_refused)
{
    pk_autofree char *longest = long_line(PK_INI_LINE_MAX);
    struct pk_ini ini;
    parse(&ini, longest);
    ck_assert_uint_eq(strlen(ini.sections[0].entries[0].value), PK_INI_LINE_MAX - 4);
    pk_ini_finish(&ini);
    pk_autofree char *longer = long_line(PK_INI_LINE_MAX + 1);
    refuse(longer, "a.ini:2: a line holds 198 bytes at most, this one 199");
    pk_autofree char *far_longer = long_line(100000);
    refuse(far_longer, "a.ini:2: a line holds 198 bytes at most, this one 100000");
}
END_TEST

START_TEST(comments_may_be_long)
{
    pk_autofree char *text = long_line(5000);
    text[4] = '#';
    struct pk_ini ini;
    parse(&ini, text);
    ck_assert_uint_eq(ini.sections[0].entry_count, 0);
    pk_ini_finish(&ini);
}
END_TEST

START_TEST(a_section_name_is_whole_or_refused)
{
    char name[PK_INI_SECTION_MAX + 2];
    char text[sizeof(name) + 16];
    memset(name, 's', sizeof(name));
    name[PK_INI_SECTION_MAX] = '\0';
    (void)snprintf(text, sizeof(text), "[%s]\nk = 1\n", name);
    struct pk_ini ini;
    parse(&ini, text);
    expect_entry(&ini, name, "k", "1", 2);
    pk_ini_finish(&ini);
    memset(name, 's', sizeof(name));
    (void)snprintf(text, sizeof(text), "[%.*s]\nk = 1\n", (int)sizeof(name) - 1, name);
    refuse(text, "a.ini:1: a section's name holds 49 bytes at most");
}
END_TEST

START_TEST(what_check_entry_allows_is_read_back_as_it_was)
{
    static const char *const values[] = { "", "x", "a b\tc", "x;y", "=", "'q'", "\xc3\xa9" };
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        struct pk_error err = PK_ERROR_INIT;
        char text[64];
        struct pk_ini ini;
        ck_assert_int_eq(pk_ini_check_entry("k", values[i], &err), 0);
        (void)snprintf(text, sizeof(text), "[a]\nk = %s\n", values[i]);
        parse(&ini, text);
        expect_entry(&ini, "a", "k", values[i], 2);
        pk_ini_finish(&ini);
    }
}
END_TEST

START_TEST(check_entry_refuses_what_would_be_read_back_otherwise)
{
    static const char *const values[] = { " x", "x ", "x ;y", "x #y", "\"x\"",
                                          ";x", "#x", "x\ny", "x\x7f" };
    struct pk_error err = PK_ERROR_INIT;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        ck_assert_int_eq(pk_ini_check_entry("k", values[i], &err), -EINVAL);
    ck_assert_int_eq(pk_ini_check_entry("", "x", &err), -EINVAL);
    ck_assert_int_eq(pk_ini_check_entry("a b", "x", &err), -EINVAL);
    char value[PK_INI_LINE_MAX];
    memset(value, 'x', sizeof(value));
    value[PK_INI_LINE_MAX - 3] = '\0';
    ck_assert_int_eq(pk_ini_check_entry("k", value, &err), -EINVAL);
    value[PK_INI_LINE_MAX - 4] = '\0';
    ck_assert_int_eq(pk_ini_check_entry("k", value, &err), 0);
}
END_TEST

START_TEST(files_are_read_or_say_why_not)
{
    struct pk_error err = PK_ERROR_INIT;
    struct pk_ini ini = { 0 };
    char folder[] = "/tmp/packice-ini-XXXXXX";
    char file[64];
    ck_assert_ptr_nonnull(mkdtemp(folder));
    (void)snprintf(file, sizeof(file), "%s/n.ini", folder);
    ck_assert_int_eq(pk_ini_read(&ini, file, &err), -ENOENT);
    ck_assert_ptr_nonnull(strstr(err.message, "n.ini: No such file or directory"));
    ck_assert_int_eq(pk_ini_read(&ini, folder, &err), -EISDIR);
    ck_assert_ptr_nonnull(strstr(err.message, ": Is a directory"));
    pk_autoclose int fd = open(file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, "[a]\nk = 1\n", 10), 10);
    ck_assert_int_eq(pk_ini_read(&ini, file, &err), 0);
    expect_entry(&ini, "a", "k", "1", 2);
    pk_ini_finish(&ini);
    ck_assert_int_eq(ftruncate(fd, PK_INI_FILE_MAX + 1), 0);
    ck_assert_int_eq(pk_ini_read(&ini, file, &err), -EFBIG);
    ck_assert_int_eq(unlink(file), 0);
    ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

static TCase *
grammar_case(void)
{
    TCase *grammar = tcase_create("grammar");
    tcase_add_test(grammar, sections_and_keys_keep_their_lines);
    tcase_add_test(grammar, empty_texts_sections_and_values_are_seen);
    tcase_add_test(grammar, a_mark_dos_line_ends_and_a_missing_last_newline_are_fine);
    tcase_add_test(grammar, values_keep_marks_that_begin_no_comment);
    tcase_add_test(grammar, comments_may_be_long);
    tcase_add_test(grammar, what_check_entry_allows_is_read_back_as_it_was);
    tcase_add_test(grammar, files_are_read_or_say_why_not);
    return grammar;
}

static TCase *
refusal_case(void)
{
    TCase *refusal = tcase_create("refusal");
    tcase_add_test(refusal, inline_comments_are_refused);
    tcase_add_test(refusal, quoted_values_are_refused);
    tcase_add_test(refusal, continued_lines_are_refused);
    tcase_add_test(refusal, what_is_given_twice_is_refused_with_its_first_line);
    tcase_add_test(refusal, malformed_lines_are_refused);
    tcase_add_test(refusal, control_characters_are_refused);
    tcase_add_test(refusal, a_line_is_whole_or_refused);
    tcase_add_test(refusal, a_section_name_is_whole_or_refused);
    tcase_add_test(refusal, check_entry_refuses_what_would_be_read_back_otherwise);
    return refusal;
}

int
main(void)
{
    Suite *suite = suite_create("ini_file");
    suite_add_tcase(suite, grammar_case());
    suite_add_tcase(suite, refusal_case());
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
