/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cases with a fake node.
 */
#include "fake_case.h"
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

char fake_folder[64];
char fake_path[96];

static int fds_before;

static void
set_up(void)
{
    target.name = "fake";
    fds_before = count_fds(getpid());
    (void)snprintf(fake_folder, sizeof(fake_folder), "/tmp/packice-sdk-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(fake_folder));
    (void)snprintf(fake_path, sizeof(fake_path), "%s/s", fake_folder);
}

static void
tear_down(void)
{
    (void)unlink(fake_path);
    (void)rmdir(fake_folder);
    ck_assert_int_eq(count_fds(getpid()), fds_before);
}

int
fake_memfd(off_t size, int seals)
{
    int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ftruncate(fd, size), 0);
    ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, seals), 0);
    return fd;
}

int
fake_get(const struct fake_reply *replies, int count, char **ret_heard)
{
    packice_client *client = NULL;
    packice_lease *lease = NULL;
    struct fake_node *node = fake_node_start(fake_path, replies, count);
    MUST(packice_connect(fake_path, &client));
    int rc = packice_get(client, "x", 0, &lease);
    ck_assert_msg((rc == 0) == (lease != NULL), "a lease without success, or the reverse");
    MUST(packice_release(lease));
    packice_client_free(client);
    char *heard = fake_node_stop(node);
    if (ret_heard != NULL)
        *ret_heard = heard;
    else
        free(heard);
    return rc;
}

int
run_fake_cases(const char *name, const TTest *const *cases, size_t count)
{
    Suite *suite = suite_create(name);
    TCase *group = tcase_create("fake");
    tcase_set_timeout(group, 120);
    tcase_add_checked_fixture(group, set_up, tear_down);
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
