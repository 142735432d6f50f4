/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Targets for tests: made before each case and taken apart after it, with everything counted.
 */
#include "target.h"
#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE 60 /* seconds: for what must happen, on a slow machine under a sanitizer too */

struct target target;

static const char *const names[] = {
    "private", "memory://", "peer", "unix", "json", "files", "http"
};

int
count_fds(pid_t pid)
{
    char path[32];
    (void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
    DIR *folder = opendir(path);
    ck_assert_ptr_nonnull(folder);
    int count = 0;
    while (readdir(folder) != NULL)
        count++;
    (void)closedir(folder);
    return pid == getpid() ? count - 3 : count - 2; /* ".", "..", and the folder's own */
}

void
await(bool (*done)(void *arg), void *arg, const char *what)
{
    time_t end = time(NULL) + PATIENCE;
    while (!done(arg)) {
        ck_assert_msg(time(NULL) < end, "still not so: %s", what);
        const struct timespec moment = { 0, 2000000 };
        (void)nanosleep(&moment, NULL);
    }
}

void
fill(void *data, uint64_t size, unsigned seed)
{
    unsigned char *bytes = data;
    for (uint64_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)((i >> 12) * 7 + i + seed);
}

bool
filled(const void *data, uint64_t size, unsigned seed)
{
    const unsigned char *bytes = data;
    for (uint64_t i = 0; i < size; i++) {
        if (bytes[i] != (unsigned char)((i >> 12) * 7 + i + seed))
            return false;
    }
    return true;
}

/* ---- the node ---- */

bool
target_has_node(void)
{
    return (ON(target.kind) & ON_NODES) != 0;
}

/* A port of an address that is this test's alone, so that a node that comes back finds both free:
 * all of 127.0.0.0/8 is this machine. */
static void
choose_address(void)
{
    unsigned char bytes[3];
    struct sockaddr_in address = { .sin_family = AF_INET };
    socklen_t size = sizeof(address);
    ck_assert_int_eq(getrandom(bytes, sizeof(bytes), 0), sizeof(bytes));
    char text[16];
    (void)snprintf(text, sizeof(text), "127.%u.%u.%u", 1U + bytes[0] % 254U, bytes[1],
                   1U + bytes[2] % 254U);
    ck_assert_int_eq(inet_pton(AF_INET, text, &address.sin_addr), 1);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, size), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    (void)close(fd);
    (void)snprintf(target.socket, sizeof(target.socket), "http://%s:%u", text,
                   ntohs(address.sin_port));
}

/* A new folder. Files are in one of memory where there is such a thing: a disk is slow to sync. */
static void
make_folder(void)
{
    struct statvfs room;
    bool fast = target.kind == TARGET_FILES && access("/dev/shm", W_OK | X_OK) == 0
                && statvfs("/dev/shm", &room) == 0
                && room.f_bavail * room.f_frsize >= (fsblkcnt_t)1 << 29;
    (void)snprintf(target.folder, sizeof(target.folder), "%s/packice-sdk-XXXXXX",
                   fast ? "/dev/shm" : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(target.folder));
}

static int
remove_one(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    (void)status;
    (void)kind;
    (void)place;
    return remove(path);
}

/* The path of a config for a node at the target. */
static const char *
write_config(void)
{
    static char path[96];
    (void)snprintf(path, sizeof(path), "%s/node.ini", target.folder);
    FILE *file = fopen(path, "we");
    ck_assert_ptr_nonnull(file);
    (void)fprintf(file, "[node]\nlog_level = error\n[lease]\nplugin = lease_mem\n");
    if (target.kind == TARGET_HTTP)
        (void)fprintf(file, "[transport.web]\nplugin = transport_http\nlisten = %s\n",
                      target.socket + strlen("http://"));
    else
        (void)fprintf(file, "[transport.local]\nplugin = transport_uds\npath = %s\n",
                      target.socket);
    if (target.kind == TARGET_FILES)
        (void)fprintf(file, "[blob]\nplugin = blob_fs\nroot = %s/data\n", target.folder);
    else
        (void)fprintf(file, "[blob]\nplugin = blob_memfd\n");
    ck_assert_int_eq(fclose(file), 0);
    return path;
}

static bool
node_answers(void *arg)
{
    packice_client **client = arg;
    ck_assert_int_eq(waitpid(target.node, NULL, WNOHANG), 0);
    return packice_connect(target.socket, client) == 0;
}

static bool
node_has_recovered(void *arg)
{
    return target_figure(arg, "recovering") == 0;
}

packice_client *
target_start_node(void)
{
    const char *program = getenv("PACKICE_NODE");
    ck_assert_msg(program != NULL, "PACKICE_NODE is not set");
    const char *config = write_config();
    pid_t parent = getpid();
    target.node = fork();
    ck_assert_int_ge(target.node, 0);
    if (target.node == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() == parent)
            (void)execl(program, program, "-c", config, (char *)NULL);
        _exit(127);
    }
    packice_client *client = NULL;
    await(node_answers, &client, "the node answers");
    await(node_has_recovered, client, "the node knows what it holds");
    return client;
}

void
target_kill_node(void)
{
    (void)kill(target.node, SIGKILL);
    ck_assert_int_eq(waitpid(target.node, NULL, 0), target.node);
    target.node = 0;
}

static bool
node_is_quiet(void *arg)
{
    (void)arg;
    return count_fds(target.node) == target.node_fds;
}

static void
stop_node(void)
{
    int status = 0;
    ck_assert_int_eq(kill(target.node, SIGTERM), 0);
    ck_assert_int_eq(waitpid(target.node, &status, 0), target.node);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the node ended with %d", status);
    target.node = 0;
}

/* ---- before and after each case ---- */

packice_client *
target_connect(void)
{
    packice_client *client = NULL;
    switch (target.kind) {
    case TARGET_PRIVATE:
        MUST(packice_connect(NULL, &client));
        break;
    case TARGET_NAMED:
        MUST(packice_connect("memory://of the test", &client));
        break;
    case TARGET_PEER:
        MUST(packice_connect_peer(target.peer, &client));
        break;
    case TARGET_UNIX:
    case TARGET_JSON:
    case TARGET_FILES:
    case TARGET_HTTP:
        MUST(packice_connect(target.socket, &client));
        break;
    }
    return client;
}

static void
set_up(enum target_kind kind)
{
    memset(&target, 0, sizeof(target));
    target.kind = kind;
    target.name = names[kind];
    target.fds = count_fds(getpid());
    if (kind == TARGET_JSON)
        ck_assert_int_eq(setenv("PACKICE_NOTATION", "json", 1), 0);
    if (target_has_node()) {
        make_folder();
        (void)snprintf(target.socket, sizeof(target.socket), "%s/s", target.folder);
        if (kind == TARGET_HTTP)
            choose_address();
        target.client = target_start_node();
        target.node_fds = count_fds(target.node);
    }
    if (kind == TARGET_PEER)
        MUST(packice_peer_new(NULL, &target.peer));
    if (!target_has_node())
        target.client = target_connect();
    target.other = kind == TARGET_PRIVATE ? target.client : target_connect();
}

struct wanted {
    const char *name;
    uint64_t value;
    bool found;
};

static void
find_figure(void *arg, const char *name, uint64_t value)
{
    struct wanted *wanted = arg;
    if (strcmp(name, wanted->name) == 0) {
        wanted->value = value;
        wanted->found = true;
    }
}

uint64_t
target_figure(packice_client *client, const char *name)
{
    struct wanted wanted = { name, 0, false };
    MUST(packice_stats(client, find_figure, &wanted));
    ck_assert_msg(wanted.found, "no figure '%s'", name);
    return wanted.value;
}

static void
discard_all(packice_client *client)
{
    packice_list *list = NULL;
    const struct packice_object *object = NULL;
    MUST(packice_list_new(client, NULL, 0, &list));
    for (;;) {
        MUST(packice_list_next(list, &object));
        if (object == NULL)
            break;
        MUST(packice_discard(client, object->id));
    }
    packice_list_free(list);
}

static bool
holds_nothing(void *arg)
{
    packice_client *client = arg;
    return target_figure(client, "sessions") == 1 && target_figure(client, "leases") == 0
           && target_figure(client, "waits") == 0 && target_figure(client, "objects") == 0
           && target_figure(client, "bytes") == 0;
}

static void
tear_down(void)
{
    packice_client *last = target.kind == TARGET_PRIVATE ? target.client : target_connect();
    if (last != target.client) {
        packice_client_free(target.client);
        packice_client_free(target.other);
    }
    discard_all(last);
    await(holds_nothing, last, "the peer holds nothing that the test left behind");
    if (target_has_node())
        await(node_is_quiet, NULL, "the node has no descriptor more than before");
    packice_client_free(last);
    packice_peer_free(target.peer);
    if (target_has_node()) {
        stop_node();
        ck_assert_int_eq(nftw(target.folder, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
    }
    ck_assert_int_eq(count_fds(getpid()), target.fds);
}

static void
set_up_private(void)
{
    set_up(TARGET_PRIVATE);
}

static void
set_up_named(void)
{
    set_up(TARGET_NAMED);
}

static void
set_up_peer(void)
{
    set_up(TARGET_PEER);
}

static void
set_up_unix(void)
{
    set_up(TARGET_UNIX);
}

static void
set_up_json(void)
{
    set_up(TARGET_JSON);
}

static void
set_up_files(void)
{
    set_up(TARGET_FILES);
}

static void
set_up_http(void)
{
    set_up(TARGET_HTTP);
}

int
run_cases(const char *name, const struct sdk_case *cases, size_t count)
{
    static void (*const set_ups[])(void) = { set_up_private, set_up_named, set_up_peer, set_up_unix,
                                             set_up_json,    set_up_files, set_up_http };
    Suite *suite = suite_create(name);
    for (unsigned kind = TARGET_PRIVATE; kind <= TARGET_HTTP; kind++) {
        TCase *group = tcase_create(names[kind]);
        tcase_set_timeout(group, 2 * PATIENCE);
        tcase_add_checked_fixture(group, set_ups[kind], tear_down);
        for (size_t i = 0; i < count; i++) {
            if ((cases[i].kinds & ON(kind)) != 0)
                tcase_add_test(group, cases[i].test);
        }
        suite_add_tcase(suite, group);
    }
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    int ran = srunner_ntests_run(runner);
    srunner_free(runner);
    return failed == 0 && ran > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
