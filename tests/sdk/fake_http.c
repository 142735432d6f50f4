/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fake node over HTTP: one thread that listens, and one for each connection.
 */
#include "fake_http.h"
#include <arpa/inet.h>
#include <check.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS_MAX 1024
#define REQUEST_MAX (1U << 20)

struct connection {
    struct fake_http *fake;
    pthread_t thread;
    int fd;
};

struct fake_http {
    pthread_t thread;
    int listener;
    int stop[2]; /* closing one end wakes who is silent */
    char target[40];
    fake_http_fn *answer;
    void *arg;
    pthread_mutex_t lock; /* of what was heard, and of answering: one at a time */
    FILE *out;
    char *heard;
    size_t heard_size;
    struct connection connections[CONNECTIONS_MAX];
    int count;
};

/* ---- requests ---- */

static size_t
body_size(const char *request)
{
    const char *header = strcasestr(request, "\r\nContent-Length:");
    return header != NULL ? strtoul(header + 17, NULL, 10) : 0;
}

/* One whole request, malloc'd; NULL at the end of the stream. */
static char *
read_request(int fd)
{
    char *text = calloc(1, REQUEST_MAX + 1);
    size_t size = 0;
    ck_assert_ptr_nonnull(text);
    for (;;) {
        char *end = strstr(text, "\r\n\r\n");
        if (end != NULL && size >= (size_t)(end + 4 - text) + body_size(text))
            return text;
        ssize_t got = size < REQUEST_MAX ? recv(fd, text + size, REQUEST_MAX - size, 0) : -1;
        if (got <= 0)
            break;
        size += (size_t)got;
        if (text[0] < 'A' || text[0] > 'Z') /* TLS: it knows none */
            break;
    }
    free(text);
    return NULL;
}

/* ---- answers ---- */

void
fake_http_bytes(struct fake_answer *answer, const char *status, const char *headers,
                const void *data, size_t size)
{
    char *text = NULL;
    int head =
        asprintf(&text, "HTTP/1.1 %s\r\nContent-Length: %zu\r\n%s\r\n", status, size, headers);
    ck_assert_int_gt(head, 0);
    text = realloc(text, (size_t)head + size + 1);
    ck_assert_ptr_nonnull(text);
    if (size > 0)
        memcpy(text + head, data, size);
    answer->bytes = text;
    answer->size = (size_t)head + size;
}

void
fake_http_json(struct fake_answer *answer, const char *status, const char *headers,
               const char *json)
{
    fake_http_bytes(answer, status, headers, json, strlen(json));
}

static bool
send_all(int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t count = send(fd, data, size, MSG_NOSIGNAL);
        if (count <= 0)
            return false;
        data += count;
        size -= (size_t)count;
    }
    return true;
}

/* Sends the same again and again until the client has had enough. */
static bool
babble(int fd, const char *data, size_t size)
{
    char many[16384];
    size_t used = 0;
    for (; used + size <= sizeof(many); used += size)
        memcpy(many + used, data, size);
    while (send_all(fd, many, used))
        continue;
    return false;
}

/* Whether the connection goes on. */
static bool
give(const struct fake_http *fake, int fd, const struct fake_answer *answer)
{
    if (answer->bytes != NULL && !send_all(fd, answer->bytes, answer->size))
        return false;
    if (answer->bytes != NULL && answer->endless)
        return babble(fd, answer->bytes + answer->again, answer->size - answer->again);
    if (answer->silent) {
        struct pollfd stopped = { fake->stop[0], POLLIN, 0 };
        (void)poll(&stopped, 1, -1);
        return false;
    }
    return !answer->hang_up;
}

static void
answer_one(struct fake_http *fake, const char *request, struct fake_answer *ret_answer)
{
    if (strncmp(request, "GET /healthz ", 13) == 0) {
        fake_http_json(ret_answer, "200 OK", "", "{}");
        return;
    }
    (void)pthread_mutex_lock(&fake->lock);
    (void)fprintf(fake->out, "%s\n", request);
    fake->answer(fake->arg, request, ret_answer);
    (void)pthread_mutex_unlock(&fake->lock);
}

static void *
serve(void *arg)
{
    struct connection *connection = arg;
    bool goes_on = true;
    while (goes_on) {
        struct fake_answer answer = { .bytes = NULL };
        char *request = read_request(connection->fd);
        if (request == NULL)
            break;
        answer_one(connection->fake, request, &answer);
        goes_on = give(connection->fake, connection->fd, &answer);
        free(answer.bytes);
        free(request);
    }
    (void)shutdown(connection->fd, SHUT_RDWR); /* closed when it is stopped, by who started it */
    return NULL;
}

/* ---- its life ---- */

static void *
listen_on(void *arg)
{
    struct fake_http *fake = arg;
    while (fake->count < CONNECTIONS_MAX) {
        int fd = accept4(fake->listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            break;
        struct connection *connection = &fake->connections[fake->count];
        *connection = (struct connection){ .fake = fake, .fd = fd };
        ck_assert_int_eq(pthread_create(&connection->thread, NULL, serve, connection), 0);
        fake->count++;
    }
    return NULL;
}

struct fake_http *
fake_http_start(fake_http_fn *answer, void *arg)
{
    struct fake_http *fake = calloc(1, sizeof(*fake));
    struct sockaddr_in address = { .sin_family = AF_INET };
    socklen_t size = sizeof(address);
    ck_assert_ptr_nonnull(fake);
    fake->answer = answer;
    fake->arg = arg;
    ck_assert_int_eq(pthread_mutex_init(&fake->lock, NULL), 0);
    fake->out = open_memstream(&fake->heard, &fake->heard_size);
    ck_assert_ptr_nonnull(fake->out);
    ck_assert_int_eq(pipe2(fake->stop, O_CLOEXEC), 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    fake->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fake->listener, 0);
    ck_assert_int_eq(bind(fake->listener, (struct sockaddr *)&address, size), 0);
    ck_assert_int_eq(listen(fake->listener, 64), 0);
    ck_assert_int_eq(getsockname(fake->listener, (struct sockaddr *)&address, &size), 0);
    (void)snprintf(fake->target, sizeof(fake->target), "http://127.0.0.1:%u",
                   ntohs(address.sin_port));
    ck_assert_int_eq(pthread_create(&fake->thread, NULL, listen_on, fake), 0);
    return fake;
}

const char *
fake_http_target(const struct fake_http *fake)
{
    return fake->target;
}

char *
fake_http_stop(struct fake_http *fake)
{
    (void)shutdown(fake->listener, SHUT_RDWR); /* wakes accept */
    ck_assert_int_eq(pthread_join(fake->thread, NULL), 0);
    (void)close(fake->stop[1]);
    for (int i = 0; i < fake->count; i++) {
        (void)shutdown(fake->connections[i].fd, SHUT_RDWR);
        ck_assert_int_eq(pthread_join(fake->connections[i].thread, NULL), 0);
        (void)close(fake->connections[i].fd);
    }
    (void)close(fake->stop[0]);
    (void)close(fake->listener);
    (void)fclose(fake->out);
    (void)pthread_mutex_destroy(&fake->lock);
    char *heard = fake->heard;
    free(fake);
    return heard;
}
