/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Uploads at moments that a real node passes too fast, or too slowly: a repeat that comes while the
 * request before it is being sealed, and a lease that would run out on the way. The host answers a
 * seal when the test says so, and its clock stands until the test moves it.
 */
#include "core/option.h"
#include "tests/lib/suite.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <packice/cleanup.h>
#include <packice/transport.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define LEASE_ID "00000000-0000-4000-8000-000000000000"
#define TTL UINT64_C(10000000000)
#define PIECE ((size_t)256 << 10) /* what the transport gathers before it writes */
#define PATIENCE 30               /* seconds until a wait fails the test */

/* ---- the host ---- */

struct pk_session {
    uint32_t unused;
};

struct host {
    struct pk_host table;
    atomic_uint_fast64_t now;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint32_t asked[PK_VERB_PUT + 1]; /* by verb */
    uint64_t written;
    atomic_bool sealed;
    pk_done_fn *seal_done; /* a seal that waits to be answered */
    void *seal_arg;
};

static void
host_log(void *ctx, uint32_t level, const char *message)
{
    (void)ctx;
    (void)level;
    (void)message;
}

static uint64_t
host_now(void *ctx)
{
    return atomic_load(&((struct host *)ctx)->now);
}

static int32_t
host_session_open(void *ctx, const struct pk_principal *principal, struct pk_session **ret_session,
                  struct pk_error *err)
{
    static struct pk_session any;
    (void)ctx;
    (void)principal;
    (void)err;
    *ret_session = &any;
    return 0;
}

static void
host_session_close(void *ctx, struct pk_session *session)
{
    (void)ctx;
    (void)session;
}

static void
answer(const struct host *host, uint32_t verb, pk_done_fn *done, void *arg)
{
    struct pk_handle handle = {
        .struct_size = (uint32_t)sizeof(handle),
        .kind = PK_HANDLE_PATH,
        .fd = -1,
        .text = "/none",
        .size = PK_UNSIZED,
    };
    struct pk_reply reply = {
        .struct_size = (uint32_t)sizeof(reply),
        .verb = verb,
        .message = "",
        .lease_id = LEASE_ID,
        .object_id = "a",
        .meta = "",
        .epoch = 1,
        .ttl = TTL,
        .access = PK_ACCESS_CREATE,
        .state = host->sealed ? PK_STATE_SEALED : PK_STATE_CREATING,
        .blob_count = 1,
        .handles = &handle,
        .handle_stride = (uint32_t)sizeof(handle),
    };
    done(arg, &reply);
}

static void
host_call(void *ctx, struct pk_session *session, const struct pk_request *request, pk_done_fn *done,
          void *arg, uint64_t *ret_call)
{
    struct host *host = ctx;
    (void)session;
    (void)ret_call;
    ck_assert_uint_le(request->verb, PK_VERB_PUT);
    pthread_mutex_lock(&host->lock);
    host->asked[request->verb]++;
    host->written += request->verb == PK_VERB_WRITE ? request->data_size : 0;
    if (request->verb == PK_VERB_SEAL) {
        ck_assert_ptr_null(host->seal_done);
        host->seal_done = done;
        host->seal_arg = arg;
    }
    pthread_cond_broadcast(&host->changed);
    pthread_mutex_unlock(&host->lock);
    if (request->verb != PK_VERB_SEAL)
        answer(host, request->verb, done, arg);
}

static void
host_init(struct host *host)
{
    *host = (struct host){
        .table = {
            .struct_size = (uint32_t)sizeof(host->table),
            .ctx = host,
            .log = host_log,
            .now = host_now,
            .session_open = host_session_open,
            .session_close = host_session_close,
            .call = host_call,
        },
    };
    (void)pthread_mutex_init(&host->lock, NULL);
    (void)pthread_cond_init(&host->changed, NULL);
}

static struct timespec
deadline(void)
{
    struct timespec when;
    (void)clock_gettime(CLOCK_REALTIME, &when);
    when.tv_sec += PATIENCE;
    return when;
}

static void
wait_asked(struct host *host, uint32_t verb, uint32_t count)
{
    const struct timespec when = deadline();
    pthread_mutex_lock(&host->lock);
    while (host->asked[verb] < count)
        ck_assert_int_eq(pthread_cond_timedwait(&host->changed, &host->lock, &when), 0);
    pthread_mutex_unlock(&host->lock);
}

static void
wait_written(struct host *host, uint64_t bytes)
{
    const struct timespec when = deadline();
    pthread_mutex_lock(&host->lock);
    while (host->written < bytes)
        ck_assert_int_eq(pthread_cond_timedwait(&host->changed, &host->lock, &when), 0);
    pthread_mutex_unlock(&host->lock);
}

static uint32_t
asked(struct host *host, uint32_t verb)
{
    pthread_mutex_lock(&host->lock);
    uint32_t count = host->asked[verb];
    pthread_mutex_unlock(&host->lock);
    return count;
}

static void
let_seal(struct host *host)
{
    wait_asked(host, PK_VERB_SEAL, 1);
    host->sealed = true;
    answer(host, PK_VERB_SEAL, host->seal_done, host->seal_arg);
}

/* ---- the transport ---- */

struct fixture {
    struct host host;
    const struct pk_transport_ops *ops;
    struct pk_conf *conf;
    void *instance;
    uint16_t port;
};

static void
fixture_start(struct fixture *fixture)
{
    const struct pk_plugin *plugin = pk_plugin_entry();
    const struct pk_option_table table = { plugin->options, plugin->option_count,
                                           plugin->option_stride };
    const struct pk_setting listen = { "listen", "127.0.0.1:0", 0 };
    struct pk_error err = PK_ERROR_INIT;
    char address[64];
    fixture->ops = plugin->ops;
    host_init(&fixture->host);
    int32_t r =
        pk_conf_new(&table, PK_KIND_TRANSPORT, NULL, NULL, &listen, 1, &fixture->conf, &err);
    ck_assert_msg(r == 0, "%s", err.message);
    r = fixture->ops->open(&fixture->host.table, fixture->conf, &fixture->instance, &err);
    ck_assert_msg(r == 0, "%s", err.message);
    ck_assert_int_eq(fixture->ops->start(fixture->instance, &err), 0);
    fixture->ops->address(fixture->instance, address, sizeof(address));
    fixture->port = (uint16_t)strtoul(strrchr(address, ':') + 1, NULL, 10);
}

static void
fixture_end(struct fixture *fixture)
{
    fixture->ops->stop(fixture->instance, host_now(&fixture->host) + 20 * TTL);
    fixture->ops->close(fixture->instance);
    pk_conf_free(fixture->conf);
    (void)pthread_cond_destroy(&fixture->host.changed);
    (void)pthread_mutex_destroy(&fixture->host.lock);
}

/* ---- clients ---- */

static void
send_all(int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t sent = send(fd, data, size, MSG_NOSIGNAL);
        ck_assert_msg(sent > 0, "send: %s", strerror(errno));
        data += sent;
        size -= (size_t)sent;
    }
}

/* A connection that has sent the head of an upload of so many bytes. */
static int
begin_upload(const struct fixture *fixture, size_t size)
{
    char head[256];
    struct timeval patience = { .tv_sec = PATIENCE };
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(fixture->port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    int length = snprintf(head, sizeof(head),
                          "PUT /objects/a HTTP/1.1\r\nHost: localhost\r\n"
                          "PackIce-Request-Id: again\r\nContent-Length: %zu\r\n\r\n",
                          size);
    send_all(fd, head, (size_t)length);
    return fd;
}

/* Reads until all of `text` came, and checks the status before it. */
static void
expect(int fd, const char *status, const char *text)
{
    char data[4096] = "";
    size_t size = 0;
    while (strstr(data, text) == NULL) {
        ssize_t got = recv(fd, data + size, sizeof(data) - 1 - size, 0);
        ck_assert_msg(got > 0, "no '%s' in: %s", text, data);
        size += (size_t)got;
        data[size] = '\0';
    }
    ck_assert_msg(strncmp(data, status, strlen(status)) == 0, "%s", data);
    (void)close(fd);
}

/* ---- the tests ---- */

START_TEST(a_repeat_is_busy_while_the_first_is_being_sealed)
{
    struct fixture fixture;
    fixture_start(&fixture);
    int first = begin_upload(&fixture, 5);
    send_all(first, "hello", 5);
    wait_asked(&fixture.host, PK_VERB_SEAL, 1);

    int second = begin_upload(&fixture, 5);
    send_all(second, "hello", 5);
    expect(second, "HTTP/1.1 409 ", "\"error\":\"busy\"");
    ck_assert_uint_eq(asked(&fixture.host, PK_VERB_RELEASE), 0); /* the lease is the first one's */

    let_seal(&fixture.host);
    expect(first, "HTTP/1.1 201 ", "\"lease_id\":\"" LEASE_ID "\"");
    int third = begin_upload(&fixture, 5);
    send_all(third, "hello", 5);
    expect(third, "HTTP/1.1 201 ", "\"lease_id\":\"" LEASE_ID "\"");
    ck_assert_uint_eq(asked(&fixture.host, PK_VERB_WRITE), 1);
    ck_assert_uint_eq(asked(&fixture.host, PK_VERB_SEAL), 1);
    fixture_end(&fixture);
}
END_TEST

START_TEST(an_upload_that_moves_keeps_its_lease_alive)
{
    struct fixture fixture;
    pk_autofree char *piece = calloc(1, PIECE);
    ck_assert_ptr_nonnull(piece);
    fixture_start(&fixture);
    int fd = begin_upload(&fixture, 4 * PIECE);
    for (uint32_t i = 1; i <= 4; i++) {
        send_all(fd, piece, PIECE);
        wait_written(&fixture.host, i * PIECE);
        /* Once more than half of its time has passed, and then it has all of it again. */
        ck_assert_uint_eq(asked(&fixture.host, PK_VERB_RENEW), i < 3 ? 0 : 1);
        atomic_fetch_add(&fixture.host.now, i == 2 ? 1 : TTL / 2);
    }
    let_seal(&fixture.host);
    expect(fd, "HTTP/1.1 201 ", "\"size\":1048576");
    fixture_end(&fixture);
}
END_TEST

int
main(void)
{
    const TTest *const cases[] = {
        a_repeat_is_busy_while_the_first_is_being_sealed,
        an_upload_that_moves_keeps_its_lease_alive,
    };
    return SUITE_RUN("transport_http_upload", cases);
}
