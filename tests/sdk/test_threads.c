/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One client in several threads, and in a child of a fork.
 */
#include "target.h"
#include <dirent.h>
#include <pthread.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define THREADS 8

struct task {
    packice_client *client;
    const char *id;
    packice_lease *lease;
    int number;
    int rc;
};

static void *
wait_for(void *arg)
{
    struct task *task = arg;
    task->rc = packice_get(task->client, task->id, 50, &task->lease);
    return NULL;
}

static bool
somebody_waits(void *arg)
{
    (void)arg;
    return target_figure(target.client, "waits") > 0;
}

/* The waiting thread and this one share a client, and over a socket its connection. */
START_TEST(sdk_wakes_a_wait_by_the_seal_of_another_thread)
{
    struct task task = { .client = target.client, .id = "awaited" };
    packice_lease *lease = NULL;
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, wait_for, &task), 0);
    await(somebody_waits, NULL, "the thread waits");
    MUST(packice_create(target.client, "awaited", 3, &lease));
    MUST(packice_write(lease, 0, 0, "now", 3));
    MUST(packice_seal(lease));
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    MUST(task.rc);
    char data[4] = "";
    uint64_t count = 0;
    MUST(packice_read(task.lease, 0, 0, data, 3, &count));
    ck_assert_str_eq(data, "now");
    MUST(packice_release(task.lease));
    MUST(packice_release(lease));
}
END_TEST

START_TEST(sdk_ends_a_wait_when_the_name_is_discarded)
{
    struct task task = { .client = target.client, .id = "doomed" };
    packice_lease *lease = NULL;
    pthread_t thread;
    MUST(packice_create(target.other, "doomed", 3, &lease));
    ck_assert_int_eq(pthread_create(&thread, NULL, wait_for, &task), 0);
    await(somebody_waits, NULL, "the thread waits");
    MUST(packice_discard(target.other, "doomed"));
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_int_eq(task.rc, -ENOENT);
    FAILS(packice_seal(lease), -ESTALE);
    MUST(packice_release(lease));
}
END_TEST

/* Creates objects of its own and reads those of its neighbour, in step with it. */
static void *
share(void *arg)
{
    struct task *task = arg;
    char id[32];
    for (int i = 0; i < 25; i++) {
        packice_lease *lease = NULL;
        int value = task->number * 1000 + i;
        int got = -1;
        uint64_t count = 0;
        (void)snprintf(id, sizeof(id), "%d of %d", i, task->number);
        MUST(packice_put(task->client, id, &value, sizeof(value), NULL));
        int neighbour = (task->number + 1) % THREADS;
        (void)snprintf(id, sizeof(id), "%d of %d", i, neighbour);
        MUST(packice_get(task->client, id, 50, &lease));
        MUST(packice_read(lease, 0, 0, &got, sizeof(got), &count));
        ck_assert_int_eq(got, neighbour * 1000 + i);
        MUST(packice_release(lease));
    }
    return NULL;
}

START_TEST(sdk_serves_many_threads_over_one_client)
{
    pthread_t threads[THREADS];
    struct task tasks[THREADS];
    for (int i = 0; i < THREADS; i++) {
        tasks[i] = (struct task){ .client = target.client, .number = i };
        ck_assert_int_eq(pthread_create(&threads[i], NULL, share, &tasks[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    ck_assert_uint_eq(target_figure(target.client, "leases"), 0);
    ck_assert_uint_eq(target_figure(target.client, "objects"), 25 * THREADS);
}
END_TEST

static void *
use_lease(void *arg)
{
    packice_lease *lease = arg;
    for (int i = 0; i < 200; i++) {
        void *data = NULL;
        uint64_t size = 0;
        int rc = packice_map(lease, 0, &data, &size);
        ck_assert(rc == 0 || rc == -EACCES);
        rc = packice_write(lease, 0, 0, "x", 1);
        ck_assert(rc == 0 || rc == -EACCES);
        (void)packice_lease_state(lease);
    }
    return NULL;
}

START_TEST(sdk_seals_while_other_threads_use_the_lease)
{
    pthread_t threads[3];
    packice_lease *lease = NULL;
    MUST(packice_create(target.client, "used", 10000, &lease));
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, use_lease, lease), 0);
    MUST(packice_seal(lease));
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    ck_assert_uint_eq(packice_lease_state(lease), PACKICE_SEALED);
    MUST(packice_release(lease));
}
END_TEST

START_TEST(sdk_keeps_messages_apart_by_thread)
{
    struct task task = { .client = target.client, .id = "" };
    pthread_t thread;
    packice_lease *lease = NULL;
    FAILS(packice_get(target.client, "absent", 0, &lease), -ENOENT);
    char before[256];
    (void)snprintf(before, sizeof(before), "%s", packice_error_message());
    ck_assert_int_eq(pthread_create(&thread, NULL, wait_for, &task), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_int_eq(task.rc, -EINVAL);
    ck_assert_str_eq(packice_error_message(), before);
}
END_TEST

/* Whether a child of a fork can make a peer, or a client of a node, of its own. The thread
 * sanitizer takes no new threads in a child. */
static bool
can_begin_anew(void)
{
#ifdef __SANITIZE_THREAD__
    return target_has_node() && target.kind != TARGET_HTTP; /* its client starts a thread */
#else
    return target.kind == TARGET_NAMED || target_has_node();
#endif
}

/* What the child of a fork may do with what it inherited; its exit status. */
static int
use_in_child(packice_client *client, packice_lease *reader, packice_lease *creator,
             packice_list *list, const void *map)
{
    packice_lease *lease = NULL;
    struct packice_object *object = NULL;
    const struct packice_object *listed = NULL;
    struct packice_batch_item item = { .op = PACKICE_BATCH_SEAL, .lease = creator };
    void *data = NULL;
    int wrong = 0;
    wrong += packice_create(client, "child", 1, &lease) != -EPIPE;
    wrong += packice_get(client, "parent", 0, &lease) != -EPIPE;
    wrong += packice_stat(client, "parent", &object) != -EPIPE;
    wrong += packice_discard(client, "parent") != -EPIPE;
    wrong += packice_seal(creator) != -EPIPE;
    wrong += packice_write(creator, 0, 0, "x", 1) != -EPIPE;
    wrong += packice_renew(creator, 1, NULL) != -EPIPE;
    wrong += packice_map(reader, 0, &data, NULL) != -EPIPE;
    wrong += packice_list_next(list, &listed) != -EPIPE;
    wrong += packice_batch(client, &item, 1) != -EPIPE;
    wrong += !filled(map, 1000, 9);
    packice_list_free(list);
    wrong += packice_release(reader) != 0;
    wrong += packice_release(creator) != 0;
    packice_client_free(client);
    if (can_begin_anew()) {
        packice_client *mine = target_connect();
        wrong += packice_put(mine, "child", "x", 1, NULL) != 0;
        wrong += packice_discard(mine, "child") != 0;
        packice_client_free(mine);
    }
    return wrong;
}

/* Whether a thread of this process is doing something. */
static bool
is_running(const char *thread)
{
    char path[64];
    char text[128] = "";
    (void)snprintf(path, sizeof(path), "/proc/self/task/%.16s/stat", thread);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false; /* it has ended */
    size_t size = fread(text, 1, sizeof(text) - 1, file);
    (void)fclose(file);
    text[size] = '\0';
    const char *name_end = strrchr(text, ')');
    return name_end == NULL || name_end[1] == '\0' || name_end[2] == 'R';
}

/* Waits until all other threads sleep. A worker may be busy after it answered; forked while it is
 * in the allocator, the address sanitizer of gcc 12 leaves the child an allocator that is locked
 * for good. */
static void
await_idle_threads(void)
{
    const struct timespec pause = { .tv_nsec = 1000000 };
    char self[16];
    bool idle = false;
    (void)snprintf(self, sizeof(self), "%d", (int)gettid());
    for (int tries = 0; tries < 10000 && !idle; tries++) {
        DIR *folder = opendir("/proc/self/task");
        ck_assert_ptr_nonnull(folder);
        idle = true;
        for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder))
            if (entry->d_name[0] != '.' && strcmp(entry->d_name, self) != 0)
                idle = idle && !is_running(entry->d_name);
        (void)closedir(folder);
        if (!idle)
            (void)nanosleep(&pause, NULL);
    }
    ck_assert(idle);
}

START_TEST(sdk_leaves_the_parent_alone_after_a_fork)
{
    char bytes[1000];
    packice_client *client = target_connect();
    packice_lease *reader = NULL;
    packice_lease *creator = NULL;
    packice_list *list = NULL;
    void *map = NULL;
    struct packice_create_options options = PACKICE_CREATE_OPTIONS_INIT;
    fill(bytes, sizeof(bytes), 9);
    MUST(packice_put(client, "parent", bytes, sizeof(bytes), &reader));
    MUST(packice_map(reader, 0, &map, NULL));
    options.id = "creating";
    options.ttl = 30; /* with a thread that renews it */
    MUST(packice_create_with(client, &options, &creator));
    MUST(packice_list_new(client, NULL, 1, &list));
    await_idle_threads();
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0)
        _exit(use_in_child(client, reader, creator, list, map));
    int status = 0;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFEXITED(status), "the child ended with %d", status);
    ck_assert_int_eq(WEXITSTATUS(status), 0);
    ck_assert(filled(map, sizeof(bytes), 9));
    MUST(packice_seal(creator));
    MUST(packice_release(creator));
    MUST(packice_release(reader));
    packice_list_free(list);
    packice_client_free(client);
}
END_TEST

int
main(void)
{
    const struct sdk_case cases[] = {
        { sdk_wakes_a_wait_by_the_seal_of_another_thread, ON_ALL },
        { sdk_ends_a_wait_when_the_name_is_discarded, ON_ALL },
        { sdk_serves_many_threads_over_one_client, ON_ALL },
        { sdk_seals_while_other_threads_use_the_lease, ON_ALL },
        { sdk_keeps_messages_apart_by_thread, ON_ALL },
        { sdk_leaves_the_parent_alone_after_a_fork, ON_ALL },
    };
    return RUN_CASES("sdk_threads", cases);
}
