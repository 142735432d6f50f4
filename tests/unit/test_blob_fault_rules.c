/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of blob_fault as they are written: what is understood, and what is refused with which
 * words.
 */
#include "blob_fault_fixture.h"
#include "rule.h"
#include "tests/lib/suite.h"

#include <errno.h>
#include <string.h>

static struct fault_rule
parse(const char *text)
{
    struct pk_error err = PK_ERROR_INIT;
    struct fault_rule rule = { 0 };
    ck_assert_msg(fault_rule_parse(text, &rule, &err) == 0, "%s: %s", text, err.message);
    return rule;
}

START_TEST(parts_come_in_any_order)
{
    const char *const texts[] = { "seal:EBUSY:delay=5ms:after:0.25%",
                                  "seal:0.25%:after:EBUSY:delay=5ms" };
    for (size_t i = 0; i < 2; i++) {
        struct fault_rule rule = parse(texts[i]);
        ck_assert_uint_eq(rule.ops, 1U << PK_BLOB_SEAL);
        ck_assert_int_eq(rule.error, EBUSY);
        ck_assert_uint_eq(rule.delay, 5000000);
        ck_assert_uint_eq(rule.chance, 2500);
        ck_assert(rule.after);
        ck_assert(!rule.part);
    }
}
END_TEST

START_TEST(a_rule_without_a_when_is_for_every_call)
{
    struct fault_rule rule = parse("*:EIO");
    for (uint32_t op = PK_BLOB_CREATE; op <= PK_BLOB_VERIFY; op++) {
        ck_assert(fault_rule_hits(&rule, op, 1, 0));
        ck_assert(fault_rule_hits(&rule, op, UINT64_MAX, UINT64_MAX));
    }
    rule = parse("seal:EIO");
    ck_assert(!fault_rule_hits(&rule, PK_BLOB_SIZE, 1, 0));
}
END_TEST

START_TEST(delays_are_bounded_and_have_units)
{
    ck_assert_uint_eq(parse("seal:delay=1us").delay, 1000);
    ck_assert_uint_eq(parse("seal:delay=10s").delay, FAULT_DELAY_MAX);
    ck_assert_uint_eq(parse("seal:delay=10000ms").delay, FAULT_DELAY_MAX);
}
END_TEST

START_TEST(a_short_write_is_io_unless_it_says_otherwise)
{
    ck_assert_int_eq(parse("write:short").error, EIO);
    ck_assert_int_eq(parse("write:short:ENOSPC").error, ENOSPC);
    ck_assert_int_eq(parse("lookup:EOPNOTSUPP").error, EOPNOTSUPP);
    ck_assert_int_eq(parse("lookup:EAGAIN").error, EAGAIN);
}
END_TEST

START_TEST(what_is_wrong_is_said_with_its_place)
{
    static const struct {
        const char *text;
        const char *message;
    } cases[] = {
        { "", "'' at character 1: no operation is called so" },
        { "sael:EIO", "'sael' at character 1: no operation is called so; did you mean 'seal'?" },
        { "Seal:EIO", "'Seal' at character 1: no operation is called so; did you mean 'seal'?" },
        { "seal:EOI", "'EOI' at character 6: no error and nothing else that a rule can do; did you "
                      "mean 'EIO'?" },
        { "seal:ebusy", "'ebusy' at character 6: no error and nothing else that a rule can do; did "
                        "you mean 'EBUSY'?" },
        { "write:shrot", "'shrot' at character 7: no error and nothing else that a rule can do; "
                         "did you mean 'short'?" },
        { "seal:EIO:", "'' at character 10: no error and nothing else that a rule can do" },
        { "seal:nothing",
          "'nothing' at character 6: no error and nothing else that a rule can do" },
        { "seal:EIO:EBUSY", "'EBUSY' at character 10: a second error" },
        { "seal:EIO:0%", "'0%' at character 10: a rate is from 0.0001% to 100%" },
        { "seal:EIO:0.00001%", "'0.00001%' at character 10: a rate is from 0.0001% to 100%" },
        { "seal:EIO:100.1%", "'100.1%' at character 10: a rate is from 0.0001% to 100%" },
        { "seal:EIO:1.2.3%", "'1.2.3%' at character 10: a rate is from 0.0001% to 100%" },
        { "seal:EIO:%", "'%' at character 10: a rate is from 0.0001% to 100%" },
        { "seal:EIO:nan%", "'nan%' at character 10: not a rate: write 5% or 0.25%" },
        { "seal:EIO:-5%", "'-5%' at character 10: not a rate: write 5% or 0.25%" },
        { "seal:EIO:#0", "'#0' at character 10: not a call: write #3 or #3-5, counted from 1" },
        { "seal:EIO:#", "'#' at character 10: not a call: write #3 or #3-5, counted from 1" },
        { "seal:EIO:#5-3", "'#5-3' at character 10: not calls: write #3 or #3-5, the lower one "
                           "first" },
        { "seal:EIO:#3x", "'#3x' at character 10: not calls: write #3 or #3-5, the lower one "
                          "first" },
        { "seal:EIO:#3-", "'#3-' at character 10: not a call: write #3 or #3-5, counted from 1" },
        { "seal:EIO:#18446744073709551616", "'#18446744073709551616' at character 10: not a call: "
                                            "write #3 or #3-5, counted from 1" },
        { "seal:EIO:1/0", "'1/0' at character 10: not a share: write 1/20 for every 20th call" },
        { "seal:EIO:1/2%", "'1/2%' at character 10: not a share: write 1/20 for every 20th call" },
        { "seal:EIO:5%:#3", "'#3' at character 13: a second one of rate, share and calls" },
        { "seal:delay=5", "'delay=5' at character 6: a delay ends with us, ms or s" },
        { "seal:delay=5m", "'delay=5m' at character 6: a delay ends with us, ms or s" },
        { "seal:delay=", "'delay=' at character 6: not a delay: write delay=50ms" },
        { "seal:delay=0s", "'delay=0s' at character 6: not a delay: write delay=50ms" },
        { "seal:delay=11s", "'delay=11s' at character 6: more than 10s" },
        { "seal:delay=1s:delay=1s", "'delay=1s' at character 15: a second delay" },
        { "seal:after:after", "'after' at character 12: given twice" },
        { "seal", "'seal' at character 1: it does nothing: add an error, such as EIO, or a delay, "
                  "such as delay=50ms" },
        { "seal:after:5%", "'seal:after:5%' at character 1: after needs an error, such as EIO" },
        { "seal:short", "'seal:short' at character 1: short is for write alone" },
        { "*:short", "'*:short' at character 1: short is for write alone" },
        { "write:short:after", "'write:short:after' at character 1: short and after don't go "
                               "together" },
        { "free:EIO", "'free:EIO' at character 1: free can't fail, only be delayed" },
        { "s\x01\xff:EIO", "'s?"
                           "?' at character 1: no operation is called so" },
        { "a word that is longer than all that could be meant",
          "'a word that is longer than all ' at character 1: too long to be a part of a rule" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pk_error err = PK_ERROR_INIT;
        struct fault_rule rule = { .ops = 77 };
        ck_assert_int_eq(fault_rule_parse(cases[i].text, &rule, &err), -EINVAL);
        ck_assert_str_eq(err.message, cases[i].message);
        ck_assert_uint_eq(rule.ops, 77);
    }
}
END_TEST

START_TEST(a_bad_rule_stops_the_open_before_the_child_is_asked)
{
    struct fixture f;
    fixture_prepare(&f);
    fixture_rule(&f, "seal:EIO:5%");
    fixture_rule(&f, "sael:EIO");
    ck_assert_int_eq(fixture_try_open(&f), -EINVAL);
    ck_assert_str_eq(f.err.message, "rules: rule 2: 'sael' at character 1: no operation is called "
                                    "so; did you mean 'seal'?");
    ck_assert_uint_eq(f.opened, 0);
    ck_assert_ptr_null(f.fault);
}
END_TEST

START_TEST(there_are_so_many_rules_and_no_more)
{
    struct fixture f;
    fixture_prepare(&f);
    for (uint32_t i = 0; i < 64; i++)
        fixture_rule(&f, "seal:EIO:#9");
    ck_assert_int_eq(fixture_try_open(&f), 0);
    f.ops->close(f.fault);
    f.fault = NULL;
    fixture_rule(&f, "seal:EIO:#9");
    ck_assert_int_eq(fixture_try_open(&f), -EINVAL);
    ck_assert_str_eq(f.err.message, "rules: 65, but at most 64 can be");
}
END_TEST

int
main(void)
{
    const TTest *const cases[] = {
        parts_come_in_any_order,
        a_rule_without_a_when_is_for_every_call,
        delays_are_bounded_and_have_units,
        a_short_write_is_io_unless_it_says_otherwise,
        what_is_wrong_is_said_with_its_place,
        a_bad_rule_stops_the_open_before_the_child_is_asked,
        there_are_so_many_rules_and_no_more,
    };
    return SUITE_RUN("blob_fault_rules", cases);
}
