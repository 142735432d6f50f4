/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transport_uds: the socket file, its lock, and the options that say what they are to be.
 */
#include "suite.h"
#include "transport_uds_fixture.h"
#include <errno.h>
#include <fcntl.h>
#include <packice/cleanup.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

/* Opens the transport and expects that to fail, with this in the message. */
static void
expect_open_fails(struct uds_fixture *fixture, int32_t code, const char *message)
{
    struct pk_error err = PK_ERROR_INIT;
    void *instance = NULL;
    uint32_t before = count_fds();
    int32_t r = fixture->ops->open(fake_host_table(fixture->host), fixture->conf, &instance, &err);
    ck_assert_msg(r == code, "%d: %s", r, err.message);
    ck_assert_int_eq(err.code, code);
    ck_assert_msg(strstr(err.message, message) != NULL, "%s", err.message);
    ck_assert_ptr_null(instance);
    ck_assert_uint_eq(count_fds(), before);
}

static int
bind_at(const char *path)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un name = { .sun_family = AF_UNIX };
    (void)snprintf(name.sun_path, sizeof(name.sun_path), "%s", path);
    ck_assert_int_eq(bind(fd, (const struct sockaddr *)&name, sizeof(name)), 0);
    return fd;
}

START_TEST(the_socket_file_has_its_mode_and_group)
{
    struct uds_fixture fixture;
    char group[32];
    (void)snprintf(group, sizeof(group), "group=%u", getgid());
    (void)umask(0077);
    fixture_start(&fixture, (const char *const[]){ "mode=0624", group, NULL });
    struct stat info;
    ck_assert_int_eq(lstat(fixture.path, &info), 0);
    ck_assert(S_ISSOCK(info.st_mode));
    ck_assert_uint_eq(info.st_mode & 07777, 0624);
    ck_assert_uint_eq(info.st_gid, getgid());
    char address[64];
    fixture.ops->address(fixture.instance, address, sizeof(address));
    ck_assert_str_eq(address, fixture.path);
    fixture_end(&fixture, true);
}
END_TEST

START_TEST(a_client_may_connect_before_the_start_and_is_served_after)
{
    struct uds_fixture fixture;
    fixture_init(&fixture, NULL);
    struct pk_error err = PK_ERROR_INIT;
    ck_assert_int_eq(
        fixture.ops->open(fake_host_table(fixture.host), fixture.conf, &fixture.instance, &err), 0);
    struct client client;
    client_open(&client, &fixture);
    client_send(&client, "{\"command\":\"stats\"}");
    ck_assert_uint_eq(fake_host_sessions(fixture.host), 0);
    ck_assert_int_eq(fixture.ops->start(fixture.instance, &err), 0);
    client_expect(&client, 0, NULL, 0);
    client_close(&client);
    fixture_end(&fixture, true);
}
END_TEST

START_TEST(an_instance_that_never_started_leaves_nothing)
{
    struct uds_fixture fixture;
    fixture_init(&fixture, NULL);
    struct pk_error err = PK_ERROR_INIT;
    ck_assert_int_eq(
        fixture.ops->open(fake_host_table(fixture.host), fixture.conf, &fixture.instance, &err), 0);
    fixture_end(&fixture, false); /* removes the folder, which must be empty but for the lock */
}
END_TEST

START_TEST(a_live_node_s_socket_is_not_replaced)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, NULL);
    char message[128];
    (void)snprintf(message, sizeof(message), "socket '%s' is in use by a running node (pid %ld)",
                   fixture.path, (long)getpid());
    expect_open_fails(&fixture, -EADDRINUSE, message);
    struct client client; /* and the first one is as it was */
    client_open(&client, &fixture);
    client_send(&client, "{\"command\":\"stats\"}");
    client_expect(&client, 0, NULL, 0);
    client_close(&client);
    fixture_end(&fixture, true);
}
END_TEST

START_TEST(a_dead_node_s_socket_is_replaced)
{
    struct uds_fixture fixture;
    fixture_init(&fixture, NULL);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        struct pk_error err = PK_ERROR_INIT;
        void *instance;
        int32_t r = fixture.ops->open(fake_host_table(fixture.host), fixture.conf, &instance, &err);
        _exit(r == 0 ? 0 : 1);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    struct stat info;
    ck_assert_int_eq(lstat(fixture.path, &info), 0); /* it died, and left that behind */
    fixture_serve(&fixture);
    struct client client;
    client_open(&client, &fixture);
    client_send(&client, "{\"command\":\"stats\"}");
    client_expect(&client, 0, NULL, 0);
    client_close(&client);
    fixture_end(&fixture, true);
}
END_TEST

START_TEST(a_stranger_s_live_socket_is_not_replaced)
{
    struct uds_fixture fixture;
    fixture_init(&fixture, NULL);
    int fd = bind_at(fixture.path);
    ck_assert_int_eq(listen(fd, 1), 0);
    expect_open_fails(&fixture, -EADDRINUSE, "is in use by a running process");
    (void)close(fd);
    fixture_serve(&fixture); /* dead now */
    fixture_end(&fixture, true);
}
END_TEST

START_TEST(what_is_no_socket_is_not_replaced)
{
    struct uds_fixture fixture;
    fixture_init(&fixture, NULL);
    int fd = open(fixture.path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    (void)close(fd);
    expect_open_fails(&fixture, -EEXIST, "exists and is not a socket");
    ck_assert_int_eq(unlink(fixture.path), 0);
    ck_assert_int_eq(symlink("/tmp/nowhere", fixture.path), 0);
    expect_open_fails(&fixture, -EEXIST, "exists and is not a socket");
    ck_assert_int_eq(unlink(fixture.path), 0);
    fixture_end(&fixture, false);
}
END_TEST

START_TEST(a_lock_that_is_no_plain_file_is_refused)
{
    struct uds_fixture fixture;
    fixture_init(&fixture, NULL);
    char lock[128];
    (void)snprintf(lock, sizeof(lock), "%s.lock", fixture.path);
    ck_assert_int_eq(symlink("/tmp/nowhere", lock), 0);
    expect_open_fails(&fixture, -ELOOP, lock);
    ck_assert_int_eq(unlink(lock), 0);
    ck_assert_int_eq(mkfifo(lock, 0600), 0);
    expect_open_fails(&fixture, -EACCES, "is not a plain file of this user");
    ck_assert_int_eq(unlink(lock), 0);
    fixture_end(&fixture, false);
}
END_TEST

START_TEST(only_its_own_socket_file_is_removed)
{
    struct uds_fixture fixture;
    fixture_start(&fixture, NULL);
    ck_assert_int_eq(unlink(fixture.path), 0);
    int fd = bind_at(fixture.path);
    fixture_stop(&fixture, 20000);
    fixture.ops->close(fixture.instance);
    fixture.instance = NULL;
    struct stat info;
    ck_assert_int_eq(lstat(fixture.path, &info), 0);
    (void)close(fd);
    ck_assert_int_eq(unlink(fixture.path), 0);
    fixture_end(&fixture, false);
}
END_TEST

START_TEST(a_missing_folder_or_permission_is_one_clear_line)
{
    struct uds_fixture fixture;
    fixture_init(&fixture, NULL);
    ck_assert_int_eq(rmdir(fixture.folder), 0);
    char message[128];
    (void)snprintf(message, sizeof(message), "folder '%s' of the socket does not exist",
                   fixture.folder);
    expect_open_fails(&fixture, -ENOENT, message);
    ck_assert_int_eq(mkdir(fixture.folder, 0500), 0);
    if (getuid() == 0)
        ck_assert_int_eq(seteuid(64999), 0);
    expect_open_fails(&fixture, -EACCES, "Permission denied");
    if (getuid() == 0)
        ck_assert_int_eq(seteuid(0), 0);
    fixture_end(&fixture, false);
}
END_TEST

START_TEST(the_path_s_length_is_bounded)
{
    struct uds_fixture fixture;
    fixture_init(&fixture, NULL);
    char long_path[128];
    struct pk_value values[16];
    ck_assert_uint_le(fixture.conf->value_count, 16);
    for (uint32_t i = 0; i < fixture.conf->value_count; i++)
        values[i] = *pk_conf_at(fixture.conf, i);
    (void)snprintf(long_path, sizeof(long_path), "%s/%0*d", fixture.folder,
                   (int)(103 - strlen(fixture.folder) - 1), 0);
    values[0].text = long_path;
    struct pk_conf conf = *fixture.conf;
    conf.values = values;
    conf.value_stride = (uint32_t)sizeof(values[0]);
    struct pk_error err = PK_ERROR_INIT;
    void *instance = NULL;
    int32_t r = fixture.ops->open(fake_host_table(fixture.host), &conf, &instance, &err);
    ck_assert_msg(r == 0, "%s", err.message);
    fixture.ops->close(instance);
    char lock[160];
    (void)snprintf(lock, sizeof(lock), "%s.lock", long_path);
    ck_assert_int_eq(unlink(lock), 0);
    size_t size = strlen(long_path);
    (void)snprintf(long_path + size, sizeof(long_path) - size, "0");
    r = fixture.ops->open(fake_host_table(fixture.host), &conf, &instance, &err);
    ck_assert_int_eq(r, -EINVAL);
    ck_assert_ptr_nonnull(strstr(err.message, "1 to 103 bytes"));
    fixture_end(&fixture, false);
}
END_TEST

START_TEST(bad_options_are_refused_by_name)
{
    static const struct {
        const char *setting;
        const char *message;
    } table[] = {
        { "mode=0999", "mode: '0999' is not an octal mode" },
        { "mode=01777", "mode: " },
        { "mode=rw", "mode: " },
        { "mode=-1", "mode: " },
        { "group=no such group", "group: there is no group 'no such group'" },
        { "group=99999999999999999999", "group: " },
        { "max_clients=0", "max_clients: must be more than 0" },
        { "max_request=0", "max_request: " },
        { "max_pending=0", "max_pending: " },
        { "max_output=0", "max_output: " },
        { "write_timeout=0s", "write_timeout: " },
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct uds_fixture fixture;
        fixture_init(&fixture, (const char *const[]){ table[i].setting, NULL });
        expect_open_fails(&fixture, -EINVAL, table[i].message);
        fixture_end(&fixture, false);
    }
}
END_TEST

START_TEST(a_group_may_be_named)
{
    struct uds_fixture fixture;
    fixture_start(&fixture,
                  (const char *const[]){ getgid() == 0 ? "group=root" : "mode=600", NULL });
    struct stat info;
    ck_assert_int_eq(lstat(fixture.path, &info), 0);
    ck_assert_uint_eq(info.st_gid, getgid());
    fixture_end(&fixture, true);
}
END_TEST

int
main(void)
{
    const TTest *const cases[] = {
        the_socket_file_has_its_mode_and_group,
        a_client_may_connect_before_the_start_and_is_served_after,
        an_instance_that_never_started_leaves_nothing,
        a_live_node_s_socket_is_not_replaced,
        a_dead_node_s_socket_is_replaced,
        a_stranger_s_live_socket_is_not_replaced,
        what_is_no_socket_is_not_replaced,
        a_lock_that_is_no_plain_file_is_refused,
        only_its_own_socket_file_is_removed,
        a_missing_folder_or_permission_is_one_clear_line,
        the_path_s_length_is_bounded,
        bad_options_are_refused_by_name,
        a_group_may_be_named,
    };
    return SUITE_RUN("transport_uds_address", cases);
}
