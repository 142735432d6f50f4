/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A node that is killed and comes back: what goes on, what is lost, and what is told of it.
 */
#include "target.h"
#include <pthread.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

START_TEST(sdk_keeps_maps_and_reconnects_when_the_node_is_lost)
{
    packice_lease *reader = NULL;
    packice_lease *creator = NULL;
    packice_lease *lease = NULL;
    FILE *file = NULL;
    void *data = NULL;
    char bytes[5000];
    uint64_t count = 0;
    fill(bytes, sizeof(bytes), 5);
    MUST(packice_put(target.client, "read", bytes, sizeof(bytes), &reader));
    MUST(packice_map(reader, 0, &data, NULL));
    MUST(packice_open(reader, 0, &file));
    MUST(packice_create(target.client, "created", 1, &creator));
    target_kill_node();
    FAILS(packice_get(target.client, "read", 0, &lease), -ECONNREFUSED);
    /* over HTTP no connection was lost with which it would have ended */
    FAILS(packice_seal(creator), target.kind == TARGET_HTTP ? -ECONNREFUSED : -ESTALE);
    ck_assert(filled(data, sizeof(bytes), 5));
    packice_client_free(target_start_node());
    if (target.kind == TARGET_FILES) { /* what was sealed is still there, what was not is gone */
        MUST(packice_get(target.client, "read", 0, &lease));
        MUST(packice_release(lease));
        MUST(packice_discard(target.client, "read"));
    }
    FAILS(packice_get(target.client, "read", 0, &lease), -ENOENT); /* it holds nothing of before */
    FAILS(packice_renew(reader, 10, NULL), -ESTALE);
    FAILS(packice_seal(creator), -ESTALE);
    ck_assert(filled(data, sizeof(bytes), 5));
    MUST(packice_read(reader, 0, 0, bytes, sizeof(bytes), &count));
    ck_assert_uint_eq(count, sizeof(bytes));
    ck_assert_int_eq(fgetc(file), (unsigned char)bytes[0]);
    ck_assert_int_eq(fclose(file), 0);
    MUST(packice_release(reader));
    MUST(packice_release(creator));
    MUST(packice_put(target.client, "read", bytes, sizeof(bytes), NULL));
    MUST(packice_get(target.other, "read", 0, &lease)); /* its connection was lost, too */
    MUST(packice_release(lease));
}
END_TEST

START_TEST(sdk_lets_go_of_leases_that_went_with_their_node)
{
    packice_lease *reader = NULL;
    packice_lease *creator = NULL;
    MUST(packice_put(target.client, "read", "x", 1, &reader));
    MUST(packice_create(target.client, "created", 1, &creator));
    target_kill_node();
    MUST(packice_release(reader));
    MUST(packice_release(creator));
    packice_client_free(target_start_node());
}
END_TEST

struct task {
    packice_lease *lease;
    int rc;
};

static void *
wait_for_nothing(void *arg)
{
    struct task *task = arg;
    task->rc = packice_get(target.client, "nothing", PACKICE_FOREVER, &task->lease);
    return NULL;
}

static bool
three_wait(void *arg)
{
    (void)arg;
    return target_figure(target.other, "waits") == 3;
}

START_TEST(sdk_ends_every_call_that_a_lost_node_owes_an_answer)
{
    pthread_t threads[3];
    struct task tasks[3] = { 0 };
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, wait_for_nothing, &tasks[i]), 0);
    await(three_wait, NULL, "three threads wait");
    target_kill_node();
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
        ck_assert_int_eq(tasks[i].rc, -ECONNRESET);
        ck_assert_ptr_null(tasks[i].lease);
    }
    packice_client_free(target_start_node());
}
END_TEST

/* Whether the kernel goes by this limit: valgrind keeps it to itself. */
static bool
limit_holds(rlim_t files)
{
    FILE *limits = fopen("/proc/self/limits", "re");
    char line[128];
    unsigned long soft = 0;
    ck_assert_ptr_nonnull(limits);
    while (fgets(line, sizeof(line), limits) != NULL) {
        if (sscanf(line, "Max open files %lu", &soft) == 1)
            break;
    }
    (void)fclose(limits);
    return soft == files;
}

START_TEST(sdk_releases_what_it_cannot_take_for_want_of_descriptors)
{
    enum { BLOBS = 64 };
    uint64_t sizes[BLOBS] = { 0 };
    struct packice_create_options options = PACKICE_CREATE_OPTIONS_INIT;
    struct packice_get_options get = PACKICE_GET_OPTIONS_INIT;
    struct rlimit limit;
    packice_lease *lease = NULL;
    options.id = get.id = "many";
    get.flags = target.kind == TARGET_HTTP ? 0 : PACKICE_LAZY; /* with descriptors */
    options.sizes = sizes;
    options.blob_count = BLOBS;
    MUST(packice_create_with(target.client, &options, &lease));
    MUST(packice_seal(lease));
    MUST(packice_release(lease));
    lease = NULL;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    struct rlimit few = { (rlim_t)count_fds(getpid()) + 20, limit.rlim_max };
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
    if (limit_holds(few.rlim_cur)) {
        FAILS(packice_get_with(target.client, &get, &lease), -EMFILE);
        ck_assert_ptr_null(lease);
    }
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    ck_assert_uint_eq(target_figure(target.client, "leases"), 0);
    MUST(packice_get_with(target.client, &get, &lease)); /* over the same connection */
    ck_assert_uint_eq(packice_lease_blob_count(lease), BLOBS);
    MUST(packice_release(lease));
}
END_TEST

START_TEST(sdk_takes_targets_with_and_without_a_prefix)
{
    packice_client *client = NULL;
    char text[128];
    (void)snprintf(text, sizeof(text), "unix:%s", target.socket);
    MUST(packice_connect(text, &client));
    MUST(packice_put(client, "prefixed", "x", 1, NULL));
    packice_client_free(client);
    ck_assert_int_eq(chdir(target.folder), 0);
    MUST(packice_connect("s", &client));
    MUST(packice_discard(client, "prefixed"));
    packice_client_free(client);
}
END_TEST

int
main(void)
{
    const struct sdk_case cases[] = {
        { sdk_keeps_maps_and_reconnects_when_the_node_is_lost, ON_NODES },
        { sdk_lets_go_of_leases_that_went_with_their_node, ON_NODES },
        { sdk_ends_every_call_that_a_lost_node_owes_an_answer, ON_NODES },
        { sdk_releases_what_it_cannot_take_for_want_of_descriptors, ON_NODES },
        { sdk_takes_targets_with_and_without_a_prefix, ON(TARGET_UNIX) | ON(TARGET_FILES) },
    };
    return RUN_CASES("sdk_lost_node", cases);
}
