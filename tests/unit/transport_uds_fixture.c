/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See the header. Every wait has a deadline, so that a defect fails a test and never hangs it.
 */
#include "transport_uds_fixture.h"
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <packice/cleanup.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

#define FIXTURE_SETTINGS_MAX 16
#define FIXTURE_TRIES_MAX 30000U

/* ---- the transport ---- */

uint32_t
count_fds(void)
{
    DIR *folder = opendir("/proc/self/fd");
    ck_assert_ptr_nonnull(folder);
    uint32_t count = 0;
    while (readdir(folder) != NULL)
        count++;
    (void)closedir(folder);
    return count;
}

static void
make_conf(struct uds_fixture *fixture, const struct pk_plugin *plugin, const char *const *settings)
{
    struct pk_setting list[FIXTURE_SETTINGS_MAX] = { { "path", fixture->path, 0 } };
    char text[FIXTURE_SETTINGS_MAX][128];
    size_t count = 1;
    for (; settings != NULL && *settings != NULL; settings++, count++) {
        (void)snprintf(text[count], sizeof(text[count]), "%s", *settings);
        char *value = strchr(text[count], '=');
        *value = '\0';
        list[count] = (struct pk_setting){ text[count], value + 1, 0 };
    }
    struct pk_option_table table = { plugin->options, plugin->option_count, plugin->option_stride };
    struct pk_error err = PK_ERROR_INIT;
    int32_t r =
        pk_conf_new(&table, PK_KIND_TRANSPORT, NULL, NULL, list, count, &fixture->conf, &err);
    ck_assert_msg(r == 0, "%s", err.message);
}

void
fixture_init(struct uds_fixture *fixture, const char *const *settings)
{
    const struct pk_plugin *plugin = pk_plugin_entry();
    *fixture = (struct uds_fixture){ .ops = plugin->ops, .fds = count_fds() };
    (void)snprintf(fixture->folder, sizeof(fixture->folder), "%s", "/tmp/packice-uds-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(fixture->folder));
    (void)snprintf(fixture->path, sizeof(fixture->path), "%s/socket", fixture->folder);
    make_conf(fixture, plugin, settings);
    fixture->host = fake_host_new();
}

void
fixture_serve(struct uds_fixture *fixture)
{
    struct pk_error err = PK_ERROR_INIT;
    int32_t r =
        fixture->ops->open(fake_host_table(fixture->host), fixture->conf, &fixture->instance, &err);
    ck_assert_msg(r == 0, "%s", err.message);
    r = fixture->ops->start(fixture->instance, &err);
    ck_assert_msg(r == 0, "%s", err.message);
}

void
fixture_start(struct uds_fixture *fixture, const char *const *settings)
{
    fixture_init(fixture, settings);
    fixture_serve(fixture);
}

void
fixture_stop(struct uds_fixture *fixture, uint64_t milliseconds)
{
    const struct pk_host *host = fake_host_table(fixture->host);
    fixture->ops->stop(fixture->instance, host->now(host->ctx) + milliseconds * 1000000U);
}

static void
remove_folder(const struct uds_fixture *fixture)
{
    char lock[sizeof(fixture->path) + 8];
    (void)snprintf(lock, sizeof(lock), "%s.lock", fixture->path);
    (void)unlink(lock);
    ck_assert_int_eq(rmdir(fixture->folder), 0);
}

void
fixture_end(struct uds_fixture *fixture, bool stop)
{
    if (stop)
        fixture_stop(fixture, 20000);
    if (fixture->instance != NULL)
        fixture->ops->close(fixture->instance);
    fake_host_free(fixture->host);
    pk_conf_free(fixture->conf);
    remove_folder(fixture);
    uint32_t tries = 0;
    while (count_fds() != fixture->fds) /* strangers' descriptors are closed by threads */
        poll_again(&tries);
}

struct wanted {
    const char *name;
    uint64_t value;
    bool found;
};

static void
on_figure(void *arg, const struct pk_stat *stat)
{
    struct wanted *wanted = arg;
    if (strcmp(stat->name, wanted->name) == 0) {
        wanted->value = stat->value;
        wanted->found = true;
    }
}

uint64_t
fixture_figure(struct uds_fixture *fixture, const char *name)
{
    struct wanted wanted = { .name = name };
    fixture->ops->stats(fixture->instance, on_figure, &wanted);
    ck_assert_msg(wanted.found, "no figure '%s'", name);
    return wanted.value;
}

void
poll_again(uint32_t *tries)
{
    struct timespec moment = { .tv_nsec = 1000000 };
    ck_assert_msg(++*tries < FIXTURE_TRIES_MAX, "waited too long");
    (void)nanosleep(&moment, NULL);
}

void
fixture_wait_figure(struct uds_fixture *fixture, const char *name, uint64_t least)
{
    uint32_t tries = 0;
    while (fixture_figure(fixture, name) < least)
        poll_again(&tries);
}

bool
limits_are_emulated(void)
{
    const char *preload = getenv("LD_PRELOAD");
    return preload != NULL && strstr(preload, "vgpreload") != NULL;
}

/* ---- the client ---- */

void
client_open(struct client *client, const struct uds_fixture *fixture)
{
    *client = (struct client){ .fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) };
    ck_assert_int_ge(client->fd, 0);
    struct timeval patience = { .tv_sec = 30 };
    ck_assert_int_eq(setsockopt(client->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)),
                     0);
    ck_assert_int_eq(setsockopt(client->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)),
                     0);
    struct sockaddr_un name = { .sun_family = AF_UNIX };
    (void)snprintf(name.sun_path, sizeof(name.sun_path), "%s", fixture->path);
    int r = connect(client->fd, (const struct sockaddr *)&name, sizeof(name));
    ck_assert_msg(r == 0, "connect: %s", strerror(errno));
}

void
client_close(struct client *client)
{
    for (uint32_t i = 0; i < client->fd_count; i++)
        (void)close(client->fds[i]);
    free(client->data);
    (void)close(client->fd);
}

void
client_send_bytes(struct client *client, const void *bytes, size_t size)
{
    for (size_t sent = 0; sent < size;) {
        ssize_t r = send(client->fd, (const char *)bytes + sent, size - sent, MSG_NOSIGNAL);
        if (r < 0 && errno == EPIPE)
            return; /* it was hung up on: what it was told before is still there to be read */
        ck_assert_msg(r > 0, "send: %s", strerror(errno));
        sent += (size_t)r;
    }
}

void
client_pass(struct client *client, const void *bytes, size_t size, const int *fds, uint32_t count)
{
    union {
        char space[CMSG_SPACE(PK_WIRE_FDS_MAX * sizeof(int))];
        struct cmsghdr align;
    } control = { { 0 } };
    char *begin = (char *)(uintptr_t)bytes; /* which sendmsg only reads */
    struct iovec part = { begin, size };
    struct msghdr message = {
        .msg_iov = &part,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = CMSG_SPACE(count * sizeof(int)),
    };
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(header), fds, count * sizeof(int));
    ssize_t r = sendmsg(client->fd, &message, MSG_NOSIGNAL);
    ck_assert_msg(r == (ssize_t)size, "sendmsg: %zd, %s", r, strerror(errno));
}

void
client_send(struct client *client, const char *format, ...)
{
    pk_autofree char *text = NULL;
    va_list args;
    va_start(args, format);
    int size = vasprintf(&text, format, args);
    va_end(args);
    ck_assert_int_ge(size, 0);
    client_send_bytes(client, text, (size_t)size);
}

static void
keep_fds(struct client *client, struct msghdr *message)
{
    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header != NULL;
         header = CMSG_NXTHDR(message, header)) {
        ck_assert_int_eq(header->cmsg_level, SOL_SOCKET);
        ck_assert_int_eq(header->cmsg_type, SCM_RIGHTS);
        size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        ck_assert_uint_le(client->fd_count + count, CLIENT_FDS_MAX);
        memcpy(client->fds + client->fd_count, CMSG_DATA(header), count * sizeof(int));
        client->fd_count += (uint32_t)count;
    }
}

size_t
client_receive(struct client *client, size_t max)
{
    union {
        char space[CMSG_SPACE(PK_WIRE_FDS_MAX * sizeof(int))];
        struct cmsghdr align;
    } control;
    if (client->room - client->size < max) {
        client->room = client->size + max;
        client->data = realloc(client->data, client->room);
        ck_assert_ptr_nonnull(client->data);
    }
    struct iovec part = { client->data + client->size, max };
    struct msghdr message = {
        .msg_iov = &part,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof(control),
    };
    ssize_t r = recvmsg(client->fd, &message, MSG_CMSG_CLOEXEC);
    if (r < 0 && errno == ECONNRESET) /* closed with something of ours unread */
        return 0;
    ck_assert_msg(r >= 0, "recvmsg: %s", strerror(errno));
    ck_assert_int_eq(message.msg_flags & MSG_CTRUNC, 0);
    keep_fds(client, &message);
    client->size += (size_t)r;
    return (size_t)r;
}

static void
take_fds(struct client *client, struct answer *answer)
{
    answer->fd_count = answer->reply->fds;
    ck_assert_uint_le(answer->fd_count, client->fd_count);
    size_t size = answer->fd_count * sizeof(int);
    memcpy(answer->fds, client->fds, size);
    client->fd_count -= answer->fd_count;
    memmove(client->fds, client->fds + answer->fd_count, client->fd_count * sizeof(int));
}

static void
take_data(struct client *client, struct answer *answer)
{
    size_t size = answer->reply->data;
    if (size == 0)
        return;
    while (client->size < size)
        ck_assert_msg(client_receive(client, 65536) > 0, "the connection ended");
    answer->data = malloc(size);
    ck_assert(answer->data != NULL);
    memcpy(answer->data, client->data, size);
    memmove(client->data, client->data + size, client->size - size);
    client->size -= size;
}

void
client_read(struct client *client, struct answer *ret_answer)
{
    char *end;
    while (client->size == 0 || (end = memchr(client->data, '\n', client->size)) == NULL)
        ck_assert_msg(client_receive(client, 16384) > 0, "the connection ended");
    size_t size = (size_t)(end - client->data) + 1;
    *ret_answer = (struct answer){ 0 };
    ret_answer->text = strndup(client->data, size - 1);
    ck_assert(ret_answer->text != NULL);
    memmove(client->data, client->data + size, client->size - size);
    client->size -= size;
    struct pk_error err = PK_ERROR_INIT;
    struct pk_wire_reply *reply = NULL;
    int32_t r = pk_wire_reply_parse(ret_answer->text, size - 1, &reply, &err);
    ck_assert_msg(r == 0, "%s: %s", err.message, ret_answer->text);
    ret_answer->reply = reply;
    take_fds(client, ret_answer);
    take_data(client, ret_answer);
}

void
answer_finish(struct answer *answer)
{
    for (uint32_t i = 0; i < answer->fd_count; i++)
        (void)close(answer->fds[i]);
    pk_wire_reply_free(answer->reply);
    free(answer->text);
    free(answer->data);
}

void
client_expect(struct client *client, int32_t status, const char *tag, uint32_t fds)
{
    struct answer answer;
    client_read(client, &answer);
    ck_assert_msg(answer.reply->reply.status == status, "%d: %s", status, answer.text);
    ck_assert_uint_eq(answer.fd_count, fds);
    ck_assert_pstr_eq(answer.reply->tag, tag);
    answer_finish(&answer);
}

void
client_expect_end(struct client *client)
{
    ck_assert_uint_eq(client->size, 0);
    ck_assert_uint_eq(client_receive(client, 1), 0);
}

const char *
acquire_text(char *buffer, size_t size, const char *id, const char *tag)
{
    int r = snprintf(buffer, size,
                     "{\"command\":\"acquire\",\"intent\":\"read\",\"object_id\":\"%s\"%s%s}", id,
                     tag != NULL ? ",\"tag\":" : "", tag != NULL ? tag : "");
    ck_assert(r > 0 && (size_t)r < size);
    return buffer;
}
