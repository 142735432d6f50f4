/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transport_uds: a loop that looks for requests a while before it sleeps.
 */
#include "suite.h"
#include "transport_uds_fixture.h"
#include <packice/cleanup.h>
#include <sched.h>
#include <string.h>

static const char *const spin_long[] = { "spin=200ms", NULL };

static char text[256];

/* Leaves this thread, and those that it starts, one CPU of these. */
static void
use_one_cpu(const cpu_set_t *cpus)
{
    size_t last = 0;
    for (size_t i = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET(i, cpus))
            last = i;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(last, &one);
    ck_assert_int_eq(sched_setaffinity(0, sizeof(one), &one), 0);
}

static bool
has_cpus(void)
{
    cpu_set_t cpus;
    return sched_getaffinity(0, sizeof(cpus), &cpus) == 0 && CPU_COUNT(&cpus) > 1;
}

static void
ask(struct client *client, const char *id, uint32_t fds)
{
    client_send(client, "%s", acquire_text(text, sizeof(text), id, NULL));
    client_expect(client, 0, NULL, fds);
}

/* Until the loop has not looked for a while: a busy machine may hold up one that does not sleep. */
static void
wait_asleep(struct uds_fixture *fixture)
{
    uint64_t before = 0;
    uint32_t tries = 0;
    for (uint32_t still = 0; still < 50; poll_again(&tries)) {
        uint64_t now = fixture_figure(fixture, "spins");
        still = now == before ? still + 1 : 0;
        before = now;
        ck_assert_msg(tries < 5000, "it does not sleep");
    }
}

START_TEST(a_spinning_loop_answers_as_ever)
{
    struct uds_fixture fixture;
    struct client client;
    fixture_start(&fixture, spin_long);
    client_open(&client, &fixture);
    for (int i = 0; i < 3; i++) {
        ask(&client, "now:2:a", 2);
        ask(&client, "later:1:b", 1); /* by another thread, which wakes the loop */
    }
    if (has_cpus())
        ck_assert_uint_gt(fixture_figure(&fixture, "spins"), 0);
    client_close(&client);
    fake_host_wait_sessions(fixture.host, 0);
    fixture_end(&fixture, true);
}
END_TEST

START_TEST(a_loop_that_has_spun_sleeps_until_there_is_more)
{
    struct uds_fixture fixture;
    struct client client;
    fixture_start(&fixture, (const char *const[]){ "spin=1ms", NULL });
    client_open(&client, &fixture);
    ask(&client, "now:1:a", 1);
    wait_asleep(&fixture);
    ask(&client, "later:1:a", 1);
    wait_asleep(&fixture);
    client_close(&client);
    fixture_end(&fixture, true);
}
END_TEST

START_TEST(a_spinning_loop_stops_when_it_is_told)
{
    struct uds_fixture fixture;
    struct client client;
    fixture_start(&fixture, (const char *const[]){ "spin=1s", NULL });
    client_open(&client, &fixture);
    ask(&client, "now:1:a", 1);
    fixture_stop(&fixture, 20000);
    client_expect_end(&client);
    client_close(&client);
    fixture_end(&fixture, false);
}
END_TEST

START_TEST(nothing_spins_on_one_cpu)
{
    struct uds_fixture fixture;
    struct client client;
    cpu_set_t cpus;
    ck_assert_int_eq(sched_getaffinity(0, sizeof(cpus), &cpus), 0);
    use_one_cpu(&cpus);
    fixture_start(&fixture, spin_long);
    client_open(&client, &fixture);
    ask(&client, "now:1:a", 1);
    ck_assert_uint_eq(fixture_figure(&fixture, "spins"), 0);
    client_close(&client);
    fixture_end(&fixture, true);
    ck_assert_int_eq(sched_setaffinity(0, sizeof(cpus), &cpus), 0);
}
END_TEST

START_TEST(a_second_is_the_longest)
{
    struct uds_fixture fixture;
    struct pk_error err = PK_ERROR_INIT;
    fixture_init(&fixture, (const char *const[]){ "spin=2s", NULL });
    const struct pk_host *host = fake_host_table(fixture.host);
    ck_assert_int_eq(fixture.ops->open(host, fixture.conf, &fixture.instance, &err), -EINVAL);
    ck_assert_str_eq(err.message, "spin: must be at most 1s");
    fixture_end(&fixture, false);
}
END_TEST

int
main(void)
{
    const TTest *const cases[] = {
        a_spinning_loop_answers_as_ever,
        a_loop_that_has_spun_sleeps_until_there_is_more,
        a_spinning_loop_stops_when_it_is_told,
        nothing_spins_on_one_cpu,
        a_second_is_the_longest,
    };
    return SUITE_RUN("transport_uds_spin", cases);
}
