/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every unit test needs around its cases: a suite from a list of them, and a main that runs
 * it. Each case runs in a process of its own, and may rely on that.
 */
#ifndef TEST_SUITE_H
#define TEST_SUITE_H

#include <check.h>
#include <stddef.h>
#include <stdlib.h>

#define SUITE_TIMEOUT 60 /* seconds for one case, under a sanitizer on a slow machine too */

/* Runs the cases, each between setup and teardown (NULL = none), and returns what main returns. */
static inline int
suite_run_between(const char *name, const TTest *const *cases, size_t count, SFun setup,
                  SFun teardown)
{
    Suite *suite = suite_create(name);
    TCase *group = tcase_create(name);
    tcase_set_timeout(group, SUITE_TIMEOUT);
    tcase_add_checked_fixture(group, setup, teardown);
    for (size_t i = 0; i < count; i++)
        tcase_add_test(group, cases[i]);
    suite_add_tcase(suite, group);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    int ran = srunner_ntests_run(runner);
    srunner_free(runner);
    return failed == 0 && ran > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#define SUITE_RUN_BETWEEN(name, cases, setup, teardown) \
    suite_run_between(name, cases, sizeof(cases) / sizeof((cases)[0]), setup, teardown)
#define SUITE_RUN(name, cases) SUITE_RUN_BETWEEN(name, cases, NULL, NULL)

#endif
